//! Each fault of a certificate's file, made at test time.

use std::path::PathBuf;
use std::process::Command;

use super::super::authority::{Authority, GOOD};
use super::super::handshake::shake;
use super::*;

/// A folder with an authority, and files of a client that it signed.
struct Desk {
    folder: tempfile::TempDir,
    authority: Authority,
    tls: Tls,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca_file = folder.path().join("ca.crt");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let (cert_file, key_file) = authority.client("press").write(folder.path(), "press");
    let tls = Tls {
        ca_file: Some(ca_file),
        client: Some(ClientCertificate {
            cert_file,
            key_file,
        }),
        server_name: None,
    };
    Desk {
        folder,
        authority,
        tls,
    }
}

impl Desk {
    /// A file with this content.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn client(&mut self) -> &mut ClientCertificate {
        self.tls.client.as_mut().unwrap()
    }

    /// The faults as `key: message`.
    fn faults(&self) -> Vec<String> {
        faults("broker", &self.tls)
    }
}

fn faults(host: &str, tls: &Tls) -> Vec<String> {
    let mut issues = Issues::default();
    let config = configure(host, tls, &mut issues);
    assert_eq!(config.is_none(), !issues.is_empty());
    let faults = issues.iter();
    faults
        .map(|issue| format!("{}: {}", issue.key, issue.message))
        .collect()
}

#[track_caller]
fn one(faults: &[String], key: &str, words: &str) {
    assert_eq!(faults.len(), 1, "{faults:?}");
    let is_right = faults[0].starts_with(&format!("{key}: ")) && faults[0].contains(words);
    assert!(is_right, "{words:?} under {key} in {faults:?}");
}

#[test]
fn good_files_have_no_fault_and_let_us_in_where_a_certificate_is_wanted() {
    let desk = desk();
    let config = configure("localhost", &desk.tls, &mut Issues::default()).unwrap();
    let broker = desk.authority.server(&GOOD);
    assert_eq!(shake(config, &broker, Some(&desk.authority)), Ok(()));
}

#[test]
fn files_that_are_not_there_are_named_all_at_once() {
    let mut desk = desk();
    let absent = desk.folder.path().join("absent");
    desk.tls.ca_file = Some(absent.clone());
    desk.client().cert_file = absent.clone();
    desk.client().key_file = absent.clone();
    let faults = desk.faults();
    let keys = ["ca_file", "cert_file", "key_file"];
    assert_eq!(faults.len(), keys.len(), "{faults:?}");
    for (fault, key) in faults.iter().zip(keys) {
        let start = format!("mqtt.tls.{key}: {} can't be read", absent.display());
        assert!(fault.starts_with(&start), "{fault}");
    }
}

#[test]
fn a_file_without_a_certificate_is_named() {
    let mut desk = desk();
    let key_file = desk.client().key_file.clone();
    desk.client().cert_file = key_file;
    one(&desk.faults(), "mqtt.tls.cert_file", "holds no certificate");
    for content in ["", "binary \u{1}\u{2}", "-----BEGIN CERTIFICATE-----\n"] {
        let mut desk = self::desk();
        desk.tls.ca_file = Some(desk.file("other", content));
        one(&desk.faults(), "mqtt.tls.ca_file", "other");
    }
}

#[test]
fn damaged_certificates_are_named_at_start() {
    let mut desk = desk();
    let base64 = "-----BEGIN CERTIFICATE-----\nAAAAAAAA\n-----END CERTIFICATE-----\n";
    desk.tls.ca_file = Some(desk.file("ca", base64));
    desk.client().cert_file = desk.file("crt", base64);
    let faults = desk.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("mqtt.tls.ca_file: "), "{faults:?}");
    assert!(faults[1].starts_with("mqtt.tls.cert_file: "), "{faults:?}");
    let mut desk = self::desk();
    let text = desk.authority.pem().replace("M", "!");
    desk.tls.ca_file = Some(desk.file("ca", text));
    one(&desk.faults(), "mqtt.tls.ca_file", "is damaged");
}

#[test]
fn a_key_of_another_certificate_is_found_at_start() {
    let mut desk = desk();
    let other = desk.authority.client("other");
    desk.client().key_file = desk.file("other.key", &other.key);
    one(&desk.faults(), "mqtt.tls.key_file", "does not belong");
}

#[test]
fn a_file_without_a_key_is_named_and_its_content_is_not_shown() {
    let mut desk = desk();
    let cert_file = desk.client().cert_file.clone();
    desk.client().key_file = cert_file;
    one(&desk.faults(), "mqtt.tls.key_file", "holds no private key");
    let nonsense = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    desk.client().key_file = desk.file("nonsense.key", nonsense);
    one(&desk.faults(), "mqtt.tls.key_file", "can't be used");
    assert!(!desk.faults()[0].contains("c2VjcmV0"));
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let mut desk = desk();
    desk.tls.ca_file = Some("/dev/zero".into());
    one(
        &desk.faults(),
        "mqtt.tls.ca_file",
        "more than 1048576 bytes",
    );
}

#[test]
fn names_that_are_none_are_named() {
    let mut desk = desk();
    desk.tls.server_name = Some("mqtts://broker".into());
    one(&desk.faults(), "mqtt.tls.server_name", "is neither");
    desk.tls.server_name = Some("broker".into());
    one(&faults("bro..ker", &desk.tls), "mqtt.host", "is neither");
}

#[test]
fn a_system_that_trusts_nobody_is_told_of_ca_certificates() {
    let fault = system(CertificateResult::default()).unwrap_err();
    assert!(fault.contains("ca-certificates"), "{fault}");
}

#[test]
fn keys_are_read_in_each_of_their_three_forms_and_not_with_a_passphrase() {
    let mut desk = desk();
    let folder = desk.folder.path().to_path_buf();
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=n -keyout 8.rsa -out rsa.crt \
                  && openssl rsa -traditional -in 8.rsa -out 1.rsa \
                  && openssl ecparam -genkey -name prime256v1 -out sec1.ec \
                  && openssl req -x509 -new -key sec1.ec -subj /CN=n -out ec.crt \
                  && openssl pkcs8 -topk8 -in 8.rsa -passout pass:p -out locked.rsa";
    let mut openssl = Command::new("sh");
    let made = openssl.args(["-c", script]).current_dir(&folder).output();
    let made = made.unwrap();
    assert!(made.status.success(), "openssl is installed: {made:?}");
    for (certificate, key, header) in [
        ("rsa.crt", "8.rsa", "BEGIN PRIVATE KEY"),
        ("rsa.crt", "1.rsa", "BEGIN RSA PRIVATE KEY"),
        ("ec.crt", "sec1.ec", "BEGIN EC PRIVATE KEY"),
    ] {
        let text = std::fs::read_to_string(folder.join(key)).unwrap();
        assert!(text.contains(header), "{key}");
        desk.client().cert_file = folder.join(certificate);
        desk.client().key_file = folder.join(key);
        assert_eq!(desk.faults(), Vec::<String>::new(), "{key}");
    }
    desk.client().key_file = folder.join("locked.rsa");
    one(&desk.faults(), "mqtt.tls.key_file", "without a passphrase");
}

#[test]
fn another_name_is_looked_for_and_no_other_will_do() {
    let mut desk = desk();
    let wanted = crate::publish::mqtt::authority::ELSEWHERE;
    let broker = desk.authority.server(&wanted);
    let mut outcome = |name: Option<&str>| {
        desk.tls.server_name = name.map(str::to_owned);
        let config = configure("localhost", &desk.tls, &mut Issues::default()).unwrap();
        shake(config, &broker, None)
    };
    assert_eq!(outcome(Some("broker.plant.example")), Ok(()));
    assert_eq!(outcome(Some("10.9.8.7")), Ok(()));
    for other in [None, Some("localhost"), Some("other.plant.example")] {
        let refused = outcome(other);
        assert!(
            matches!(
                refused,
                Err(Error::InvalidCertificate(
                    rustls::CertificateError::NotValidForNameContext { .. }
                ))
            ),
            "{refused:?}"
        );
    }
}

#[test]
fn under_another_name_the_check_is_as_strict_as_ever() {
    use crate::publish::mqtt::authority::{EXPIRED, NOT_YET};
    let mut desk = desk();
    desk.tls.server_name = Some("localhost".into());
    let config = configure("10.0.0.1", &desk.tls, &mut Issues::default()).unwrap();
    let outcome = |broker| shake(Arc::clone(&config), &broker, None);
    assert_eq!(outcome(desk.authority.server(&GOOD)), Ok(()));
    assert!(outcome(desk.authority.server(&EXPIRED)).is_err());
    assert!(outcome(desk.authority.server(&NOT_YET)).is_err());
    assert!(outcome(Authority::new().server(&GOOD)).is_err());
    assert!(outcome(desk.authority.client("localhost")).is_err());
}
