//! What a configuration may hold, tried by files on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::super::LogLevel;
use super::*;
use crate::capture::SourceSpec;

const MANUAL: &str = include_str!("../../config/inspectd.toml");

const MINIMAL: &str = r#"
    [node]
    name = "n"
    [[camera]]
    name = "cam0"
    profile = "p"
    source = { kind = "images", path = "footage" }
"#;

/// Loads a text as a file in a folder of its own, with the variables given.
fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Issues> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inspectd.toml");
    std::fs::write(&path, text).unwrap();
    load_with(&path, |name| {
        let mut variables = variables.iter();
        let (_, value) = variables.find(|(key, _)| *key == name)?;
        Some((*value).to_owned())
    })
}

/// The key paths of the faults of a text.
fn faults(text: &str) -> Vec<String> {
    match load_text(text, &[]) {
        Ok(_) => Vec::new(),
        Err(issues) => issues.iter().map(|issue| issue.key.clone()).collect(),
    }
}

#[test]
fn the_manual_is_a_configuration_without_faults() {
    let config = load_text(MANUAL, &[]).unwrap();
    assert_eq!(config.cameras.len(), 1);
    assert!(matches!(config.cameras[0].source, SourceSpec::V4l2(_)));
}

#[test]
fn the_manual_states_the_true_defaults() {
    let stated = load_text(MANUAL, &[("INSPECTD_NODE", "n")]).unwrap();
    let minimal = load_text(MINIMAL, &[]).unwrap();
    assert_eq!(stated.node, minimal.node);
    assert_eq!(stated.mqtt, minimal.mqtt);
    assert_eq!(stated.log, minimal.log);
    assert_eq!(stated.footage, minimal.footage);
    assert_eq!(stated.feedback, minimal.feedback);
    assert_eq!(stated.cameras[0].incident, minimal.cameras[0].incident);
    assert_eq!(stated.cameras[0].deadline, minimal.cameras[0].deadline);
    assert_eq!(stated.cameras[0].scene, minimal.cameras[0].scene);
    assert_eq!(stated.cameras[0].drift, minimal.cameras[0].drift);
}

#[test]
fn a_slow_camera_is_waited_for_three_frames_long() {
    let deadline = |more: &str| {
        let text = MINIMAL.replace("profile =", &format!("{more}\nprofile ="));
        load_text(&text, &[]).unwrap().cameras[0].deadline.as_secs()
    };
    assert_eq!(deadline("fps = 25"), 5);
    assert_eq!(deadline("fps = 0.1"), 30);
    assert_eq!(deadline("fps = 0.1\ndeadline_s = 2"), 30);
    assert_eq!(deadline("fps = 0.1\ndeadline_s = 40"), 40);
}

/// Every key of the manual, examples included, by its table.
fn keys_of_the_manual() -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table = String::new();
    for line in MANUAL.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(header) = line.strip_prefix('[') {
            table = header
                .split(']')
                .next()
                .unwrap()
                .trim_start_matches('[')
                .to_owned();
            keys.entry(String::new())
                .or_default()
                .insert(table.split('.').next().unwrap().into());
            if let Some((parent, child)) = table.split_once('.') {
                keys.entry(parent.to_owned())
                    .or_default()
                    .insert(child.to_owned());
            }
        } else if let Some((key, value)) = line.split_once(" = ") {
            if !key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                continue;
            }
            keys.entry(table.clone())
                .or_default()
                .insert(key.to_owned());
            let value: toml::Table = format!("v = {value}").parse().unwrap();
            if let Some(inline) = value["v"].as_table() {
                let kind = inline["kind"].as_str().unwrap();
                let names = inline.keys().cloned();
                keys.entry(format!("source {kind}"))
                    .or_default()
                    .extend(names);
            }
        }
    }
    keys
}

/// The keys that the program knows in a table: what it answers to an absurd one.
fn keys_of_the_program(text: &str) -> BTreeSet<String> {
    let issues = load_text(text, &[]).unwrap_err();
    let answer = issues
        .iter()
        .find(|issue| issue.key.ends_with("QQQQQQQQQQQQ"))
        .unwrap();
    let (_, known) = answer.message.split_once("known here: ").unwrap();
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_manual_and_the_program_know_the_same_keys() {
    let manual = keys_of_the_manual();
    let absurd = "QQQQQQQQQQQQ = 1";
    let mut tables = vec![(String::new(), absurd.to_owned())];
    for table in [
        "node", "teacher", "mqtt", "mqtt.tls", "footage", "feedback", "log", "incident",
    ] {
        tables.push((table.to_owned(), format!("[{table}]\n{absurd}")));
    }
    tables.push((
        "camera".into(),
        format!("[[camera]]\n{absurd}\nsource = {{ kind = \"images\" }}"),
    ));
    for (kind, key) in [
        ("auto", "kind"),
        ("v4l2", "device"),
        ("images", "path"),
        ("ffmpeg", "input"),
        ("synthetic", "kind"),
    ] {
        let extra = if key == "kind" {
            String::new()
        } else {
            format!("{key} = \"x\",")
        };
        let source = format!("source = {{ kind = \"{kind}\", {extra} {absurd} }}");
        tables.push((format!("source {kind}"), format!("[[camera]]\n{source}")));
    }
    for (table, text) in tables {
        assert_eq!(
            manual.get(&table),
            Some(&keys_of_the_program(&text)),
            "table [{table}]"
        );
    }
}

#[test]
fn five_mistakes_are_five_faults_each_with_its_key() {
    let text = r#"
        [node]
        name = "Press 07"
        [mqtt]
        prot = 1883
        keep_alive_s = 0
        [[camera]]
        name = "cam0"
        profile = "p"
        source = { kind = "images", path = "a" }
        [[camera]]
        name = "cam0"
        profile = "p"
        fps = -1
        source = { kind = "images", path = "a" }
    "#;
    let expected = [
        "node.name",
        "mqtt.keep_alive_s",
        "mqtt.prot",
        "camera[1].fps",
        "camera[1].name",
    ];
    assert_eq!(faults(text), expected);
}

#[test]
fn an_unknown_key_comes_with_the_nearest_known_one() {
    let issues = load_text(&format!("{MINIMAL}\nfpss = 2"), &[]).unwrap_err();
    let issue = issues.iter().next().unwrap();
    assert_eq!(issue.key, "camera[0].fpss");
    assert!(
        issue.message.contains("did you mean `fps`?"),
        "{}",
        issue.message
    );
    let issues = load_text(&format!("[MQTT]\nport = 1\n{MINIMAL}"), &[]).unwrap_err();
    assert!(
        issues
            .to_string()
            .contains("MQTT: is unknown; did you mean `mqtt`?"),
        "{issues}"
    );
}

#[test]
fn values_of_another_type_are_refused_not_bent() {
    for value in [
        "2.9", "true", "\"15\"", "-1", "0", "65536", "1e400", "[1]", "nan",
    ] {
        let text = format!("{MINIMAL}\n[mqtt]\nport = {value}");
        assert!(!faults(&text).is_empty(), "port = {value} was accepted");
    }
    for value in ["nan", "inf", "-inf", "-0.1", "0", "\"2\"", "true"] {
        let text = format!("{MINIMAL}\nfps = {value}");
        assert_eq!(faults(&text), ["camera[0].fps"], "fps = {value}");
    }
}

#[test]
fn texts_that_would_break_a_topic_or_the_client_are_refused() {
    for line in [
        "prefix = \"a/#\"",
        "prefix = \"a/+/b\"",
        "prefix = \"\"",
        "prefix = \"/a\"",
        "prefix = \"a\\u0000\"",
        "prefix = \"$SYS\"",
        "client_id = \"\"",
        "host = \"\"",
        "host = \"mqtt://broker\"",
        "password_file = \"absent\"",
        "username = \"u\"\npassword_file = \"absent\"",
        "keep_alive_s = 4",
        "retry_min_s = 10\nretry_max_s = 2",
    ] {
        let text = format!("{MINIMAL}\n[mqtt]\n{line}");
        assert_eq!(faults(&text).len(), 1, "{line}: {:?}", faults(&text));
    }
}

#[test]
fn camera_names_are_checked() {
    for name in ["info", "availability", "a/#", "", "Cam", "Kamera-ü"] {
        let text = MINIMAL.replace("cam0", name);
        assert_eq!(faults(&text), ["camera[0].name"], "{name}");
    }
}

#[test]
fn hits_may_not_exceed_the_window() {
    let text = format!("{MINIMAL}\n[camera.incident]\nhits = 6");
    assert_eq!(faults(&text), ["camera[0].incident.hits"]);
}

#[test]
fn a_device_that_two_cameras_name_is_a_fault_that_names_both() {
    let text = |sources: [&str; 2]| {
        let camera = |(i, source): (usize, &str)| {
            format!("[[camera]]\nname = \"c{i}\"\nprofile = \"p\"\nsource = {{ {source} }}\n")
        };
        let cameras: Vec<String> = sources.into_iter().enumerate().map(camera).collect();
        format!("[node]\nname = \"n\"\n{}", cameras.concat())
    };
    let v4l2 = "kind = \"v4l2\", device = \"/dev/video0\"";
    let issues = load_text(&text([v4l2, v4l2]), &[]).unwrap_err();
    let issues: Vec<_> = issues.iter().collect();
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert_eq!(issues[0].key, "camera[1].source.device");
    let words = "/dev/video0 is the device of camera[0] already";
    assert!(issues[0].message.contains(words), "{issues:?}");
    let nokhwa = "kind = \"nokhwa\", device = 1";
    assert_eq!(faults(&text([nokhwa, nokhwa])), ["camera[1].source.device"]);
    for sources in [
        [v4l2, "kind = \"v4l2\", device = \"/dev/video2\""],
        [v4l2, "kind = \"auto\""],
        ["kind = \"auto\"", "kind = \"auto\""],
        [
            "kind = \"images\", path = \"a\"",
            "kind = \"images\", path = \"a\"",
        ],
    ] {
        assert_eq!(faults(&text(sources)), [""; 0], "{sources:?}");
    }
}

#[test]
fn a_cameras_own_rules_change_only_what_they_name() {
    let text = format!("[incident]\nhits = 2\nwindow = 9\n{MINIMAL}\n[camera.incident]\nhits = 4");
    let rules = load_text(&text, &[]).unwrap().cameras[0].incident;
    assert_eq!((rules.hits, rules.window), (4, 9));
}

#[test]
fn a_file_that_is_no_toml_is_named_with_line_and_column() {
    let issues = load_text("[node]\nname = press", &[]).unwrap_err();
    let issue = issues.iter().next().unwrap();
    assert!(issue.key.ends_with("inspectd.toml:2:8"), "{}", issue.key);
}

#[test]
fn byte_order_mark_and_windows_line_ends_are_fine() {
    let text = format!("\u{feff}{}", MINIMAL.replace('\n', "\r\n"));
    assert_eq!(faults(&text), Vec::<String>::new());
}

#[test]
fn an_absurdly_large_file_is_refused_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inspectd.toml");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    let issues = load_with(&path, |_| None).unwrap_err();
    assert!(issues.to_string().contains("at most 1048576"), "{issues}");
}

#[test]
fn a_missing_file_is_named() {
    let issues = load_with(Path::new("/nowhere/inspectd.toml"), |_| None).unwrap_err();
    assert!(
        issues
            .to_string()
            .contains("/nowhere/inspectd.toml: can't be read"),
        "{issues}"
    );
}

#[test]
fn drop_ins_win_over_the_file_and_the_environment_over_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inspectd.toml");
    std::fs::write(&path, MINIMAL).unwrap();
    std::fs::create_dir(folder.path().join("inspectd.d")).unwrap();
    let drop_in = |name: &str, text: &str| {
        std::fs::write(folder.path().join("inspectd.d").join(name), text).unwrap();
    };
    drop_in("20-b.toml", "[mqtt]\nport = 2\nhost = \"two\"");
    drop_in(
        "10-a.toml",
        "[mqtt]\nport = 1\nprefix = \"one\"\n[log]\nlevel = \"debug\"",
    );
    let environment = |name: &str| (name == "INSPECTD_MQTT_PORT").then(|| "3".to_owned());
    let config = load_with(&path, environment).unwrap();
    assert_eq!(config.mqtt.port, 3);
    assert_eq!(config.mqtt.host, "two");
    assert_eq!(config.mqtt.prefix.as_str(), "one");
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.cameras[0].profile, folder.path().join("p"));
}

#[test]
fn an_empty_or_wrong_variable_is_a_fault_that_names_it() {
    let variables = [("INSPECTD_MQTT_HOST", ""), ("INSPECTD_MQTT_PORT", "http")];
    let issues = load_text(MINIMAL, &variables).unwrap_err();
    let keys: Vec<&str> = issues.iter().map(|issue| issue.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "mqtt.host (INSPECTD_MQTT_HOST)",
            "mqtt.port (INSPECTD_MQTT_PORT)"
        ]
    );
}

#[test]
fn a_password_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inspectd.toml");
    let text = format!("{MINIMAL}\n[mqtt]\nusername = \"u\"\npassword_file = \"secret\"");
    std::fs::write(&path, text).unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "0123e5\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
    let config = load_with(&path, |_| None).unwrap();
    assert_eq!(config.mqtt.credentials.as_ref().unwrap().password, "0123e5");
    assert!(!format!("{config:?}").contains("0123e5"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_is_a_configuration_or_named_faults_never_a_panic(
        noise in "[\\[\\]{}=\"a-z0-9.#\\n -]{0,80}",
    ) {
        if let Err(issues) = load_text(&format!("{MINIMAL}\n{noise}"), &[]) {
            prop_assert!(!issues.is_empty());
            prop_assert!(issues.iter().all(|issue| !issue.key.is_empty()));
        }
    }
}
