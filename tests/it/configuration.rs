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

#[test]
fn what_lies_around_a_configuration_is_looked_at_and_only_what_cannot_work_is_a_fault() {
    let workshop = Workshop::new(1);
    let folder = workshop.folder.path();
    let source = "{ kind = \"v4l2\", device = \"/dev/inspectd-not-there\" }";
    let program = "{ kind = \"command\", command = [\"grab-not-there\"] }";
    workshop.configure_all(&[("cam0", source, ""), ("cam1", program, "")]);
    workshop.replace("[incident]", "[sink]\njsonl = \"alerts.jsonl\"\n[incident]");
    let before = crate::studio::names(folder);
    let output = workshop.inspectd(&["check"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    for words in [
        "state    ",
        "sink     ",
        "warning  camera[0].source: /dev/inspectd-not-there is not there",
        "warning  camera[1].source: the program `grab-not-there` is not there",
        "no fault",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert_eq!(crate::studio::names(folder), before, "it makes nothing");

    workshop.replace("alerts.jsonl", "none/alerts.jsonl");
    std::fs::write(folder.join("state"), "a file").unwrap();
    let output = workshop.inspectd(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(78));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys = |kind: &str| {
        let issues = report[kind].as_array().unwrap().iter();
        let keys = issues.map(|issue| issue["key"].as_str().unwrap().to_owned());
        keys.collect::<Vec<String>>()
    };
    assert_eq!(keys("faults"), ["node.state_dir"]);
    // Its folder may come: `run` writes again then.
    assert_eq!(
        keys("warnings"),
        ["sink.jsonl", "camera[0].source", "camera[1].source"]
    );
    assert_eq!(report["in_use"], false);
    assert_eq!(report["ok"], false);
}
