//! What `check` and `run` say of a configuration that is wrong.

use crate::workshop::Workshop;

const FIVE: &str = "
[node]
name = \"Press 07\"
[mqtt]
prot = 1883
keep_alive_s = 0
[[camera]]
name = \"info\"
profile = \"p\"
fps = -1
source = { kind = \"images\", path = \"a\" }
";

#[test]
fn five_mistakes_are_five_faults_and_exit_code_78() {
    let workshop = Workshop::new(1);
    std::fs::write(workshop.path(), FIVE).unwrap();
    for command in ["check", "run"] {
        let output = workshop.inspectd(&[command]);
        assert_eq!(output.status.code(), Some(78), "{command}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("has 5 faults"), "{text}");
        for key in [
            "node.name",
            "mqtt.prot",
            "mqtt.keep_alive_s",
            "camera[0].name",
            "camera[0].fps",
        ] {
            assert!(text.contains(&format!("\n  {key}: ")), "{key} in {text}");
        }
    }
}

#[test]
fn check_tells_programs_the_faults_as_json() {
    let workshop = Workshop::new(1);
    std::fs::write(workshop.path(), FIVE).unwrap();
    let output = workshop.inspectd(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["faults"].as_array().unwrap().len(), 5);
}

#[test]
fn a_missing_profile_is_named_with_the_way_out() {
    let workshop = Workshop::new(1);
    let camera = "[[camera]]\nname = \"a\"\nprofile = \"absent\"\n\
                  source = { kind = \"synthetic\" }\n";
    let second = camera
        .replace("\"a\"", "\"b\"")
        .replace("absent", "missing");
    std::fs::write(
        workshop.path(),
        format!("[node]\nname = \"n\"\n{camera}{second}"),
    )
    .unwrap();
    let output = workshop.inspectd(&["run"]);
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("camera[0].profile") && text.contains("absent is no Profile"),
        "{text}"
    );
    assert!(
        text.contains("camera[1].profile") && text.contains("inspectd calibrate"),
        "{text}"
    );
}

#[test]
fn a_good_configuration_is_summarised() {
    let workshop = Workshop::new(1);
    workshop.configure("{ kind = \"synthetic\" }", "");
    let output = workshop.inspectd(&["check"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("camera   cam0") && text.contains("no fault"),
        "{text}"
    );
}
