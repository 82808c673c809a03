//! Where secrets may stand, and who must not be able to read them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

const CAMERA: &str = r#"
    [node]
    name = "n"
    [[camera]]
    name = "cam0"
    profile = "p"
    source = { kind = "images", path = "footage" }
"#;

/// A folder with these files, by name and permissions.
fn folder(files: &[(&str, u32)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, mode) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(*mode)).unwrap();
    }
    folder
}

/// Loads `[mqtt]` in this folder, with this folder of credentials.
fn load(folder: &Path, mqtt: &str, credentials: Option<&Path>) -> Result<Config, Issues> {
    let path = folder.join("inspectd.toml");
    std::fs::write(&path, format!("[mqtt]\n{mqtt}\n{CAMERA}")).unwrap();
    load_with(&path, |name| {
        let credentials = credentials.filter(|_| name == "CREDENTIALS_DIRECTORY");
        credentials.map(|path| path.display().to_string())
    })
}

/// Keys and messages of the faults.
fn faults(loaded: Result<Config, Issues>) -> Vec<(String, String)> {
    let issues = loaded.unwrap_err();
    let faults = issues.iter();
    faults
        .map(|issue| (issue.key.clone(), issue.message.clone()))
        .collect()
}

const ALL: &str = "username = \"u\"\npassword_file = \"$CREDENTIALS_DIRECTORY/word\"\n[mqtt.tls]\n\
                   ca_file = \"$CREDENTIALS_DIRECTORY/ca\"\n\
                   cert_file = \"$CREDENTIALS_DIRECTORY/crt\"\n\
                   key_file = \"$CREDENTIALS_DIRECTORY/key\"";

#[test]
fn systemds_credentials_are_found_for_every_file() {
    let here = folder(&[]);
    let there = folder(&[
        ("word", 0o400),
        ("ca", 0o400),
        ("crt", 0o400),
        ("key", 0o400),
    ]);
    let mqtt = load(here.path(), ALL, Some(there.path())).unwrap().mqtt;
    assert_eq!(mqtt.credentials.unwrap().password, "s3cret");
    let tls = mqtt.tls.unwrap();
    let client = tls.client.unwrap();
    assert_eq!(tls.ca_file.unwrap(), there.path().join("ca"));
    assert_eq!(client.cert_file, there.path().join("crt"));
    assert_eq!(client.key_file, there.path().join("key"));
    assert_eq!(mqtt.port, 8883, "the port of TLS");
}

#[test]
fn without_systemd_each_such_file_is_a_fault_that_says_what_is_missing() {
    let here = folder(&[]);
    let faults = faults(load(here.path(), ALL, None));
    let keys: Vec<&str> = faults.iter().map(|(key, _)| key.as_str()).collect();
    let expected = [
        "mqtt.tls.ca_file",
        "mqtt.tls.cert_file",
        "mqtt.tls.key_file",
        "mqtt.password_file",
    ];
    assert_eq!(keys, expected);
    for (key, message) in &faults {
        let is_clear = message.contains("is not set") && message.contains("LoadCredential=");
        assert!(is_clear, "{key}: {message}");
    }
}

#[test]
fn secrets_that_everybody_may_read_are_refused_all_at_once_with_the_way_out() {
    let here = folder(&[
        ("word", 0o644),
        ("key", 0o604),
        ("crt", 0o644),
        ("ca", 0o644),
    ]);
    let mqtt = ALL.replace("$CREDENTIALS_DIRECTORY/", "");
    let refused = faults(load(here.path(), &mqtt, None));
    let keys: Vec<&str> = refused.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["mqtt.tls.key_file", "mqtt.password_file"]);
    for ((_, message), file) in refused.iter().zip(["key", "word"]) {
        let way_out = format!("chmod 640 {}", here.path().join(file).display());
        assert!(message.contains(&way_out), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
        let path = here.path().join(file);
        std::fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap();
    }
    load(here.path(), &mqtt, None).unwrap();
}

#[test]
fn a_certificate_without_its_key_and_a_key_without_its_certificate_are_faults() {
    let here = folder(&[("key", 0o600), ("crt", 0o644)]);
    for (given, missing) in [
        ("cert_file = \"crt\"", "mqtt.tls.key_file"),
        ("key_file = \"key\"", "mqtt.tls.cert_file"),
    ] {
        let faults = faults(load(here.path(), &format!("[mqtt.tls]\n{given}"), None));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, missing);
    }
}

#[test]
fn files_that_are_no_password_are_refused_and_not_shown() {
    let here = folder(&[("word", 0o600)]);
    let path = here.path().join("word");
    let mqtt = "username = \"u\"\npassword_file = \"word\"";
    for content in [
        String::new(),
        "\r\n".to_owned(),
        "s3cret".repeat(20_000),
        "s3cret".repeat(200_000),
    ] {
        std::fs::write(&path, content).unwrap();
        let faults = faults(load(here.path(), mqtt, None));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, "mqtt.password_file");
        assert!(!faults[0].1.contains("s3cret"), "{}", faults[0].1);
    }
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert_eq!(faults(load(here.path(), mqtt, None)).len(), 1);
}

#[test]
fn no_key_turns_the_check_of_certificates_off() {
    let here = folder(&[]);
    for key in ["insecure", "verify", "skip_verify", "tls_insecure"] {
        let faults = faults(load(
            here.path(),
            &format!("[mqtt.tls]\n{key} = true"),
            None,
        ));
        assert_eq!(faults[0].0, format!("mqtt.tls.{key}"));
        assert!(faults[0].1.contains("is unknown"), "{}", faults[0].1);
    }
}
