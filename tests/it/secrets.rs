//! A password on its way to the broker: used, never shown.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use crate::broker::{Broker, Subscriber, free_port};
use crate::workshop::Workshop;

const SECRET: &str = "correct-horse-battery";
const WRONG: &str = "wrong-horse-battery";
const WORDS: &str = "[mqtt]\nusername = \"press\"\npassword_file = \"password\"";

/// Writes a password for a daemon.
fn write(workshop: &Workshop, password: &str) {
    let path = workshop.folder.path().join("password");
    std::fs::write(&path, format!("{password}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A mosquitto that takes nobody without the password; ends with this value.
struct Locked {
    child: Child,
    _folder: tempfile::TempDir,
}

fn locked(port: u16) -> Locked {
    let folder = tempfile::tempdir().unwrap();
    let (words, path) = (folder.path().join("words"), folder.path().join("conf"));
    let made = Command::new("mosquitto_passwd")
        .args(["-c", "-b"])
        .arg(&words)
        .args(["press", SECRET])
        .status();
    assert!(made.unwrap().success());
    let settings = format!(
        "listener {port} 127.0.0.1\nuser root\nallow_anonymous false\npassword_file {}\n",
        words.display()
    );
    std::fs::write(&path, settings).unwrap();
    let child = Command::new("mosquitto")
        .env("PATH", "/usr/sbin:/usr/bin:/bin:/usr/local/sbin")
        .arg("-c")
        .arg(path)
        .stderr(Stdio::null())
        .spawn();
    Locked {
        child: child.expect("mosquitto is installed (apt install mosquitto)"),
        _folder: folder,
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_wrong_password_is_told_with_its_keys_and_a_reload_with_the_right_one_lets_us_in() {
    for protocol in ["5", "3.1.1"] {
        let port = free_port();
        let _broker = locked(port);
        let workshop = Workshop::new(port);
        workshop.configure("{ kind = \"synthetic\", seed = 1 }", "fps = 2");
        workshop.replace("[mqtt]", &format!("{WORDS}\nprotocol = \"{protocol}\""));
        workshop.replace("[mqtt]", "[log]\nlevel = \"trace\"\n[mqtt]");
        write(&workshop, WRONG);
        let mut daemon = workshop.start();
        daemon.wait_for_journal(30, |log| log.contains("mqtt.username"));
        daemon.wait_for_journal(30, |log| log.contains("mqtt.password_file"));
        assert!(!daemon.log().contains("connected to the broker"));
        write(&workshop, SECRET);
        daemon.signal("HUP");
        daemon.wait_for_journal(30, |log| log.contains("connected to the broker"));
        daemon.signal("TERM");
        assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
        let log = daemon.log();
        assert!(!log.contains(SECRET) && !log.contains(WRONG), "{log}");
    }
}

#[test]
fn a_password_in_the_clear_is_warned_of_once_and_never_shown() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    for (host, warnings) in [("127.0.0.1", 0), ("0.0.0.0", 1)] {
        let workshop = Workshop::new(broker.port);
        workshop.configure("{ kind = \"synthetic\", seed = 1 }", "fps = 2");
        workshop.replace("[mqtt]", WORDS);
        // Linux takes the second one for this machine as well, but it is no loopback address.
        workshop.replace("host = \"127.0.0.1\"", &format!("host = \"{host}\""));
        write(&workshop, SECRET);
        let check = workshop.inspectd(&["check"]);
        assert!(check.status.success());
        let mut daemon = workshop.start();
        daemon.wait_for_journal(30, |log| log.contains("connected to the broker"));
        daemon.signal("TERM");
        assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
        let log = daemon.log();
        assert_eq!(
            log.matches("in the clear").count(),
            warnings,
            "{host}: {log}"
        );
        let said = [check.stdout, check.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains(SECRET));
        assert!(!log.contains(SECRET), "{log}");
    }
    let topic = "inspectd/press/info";
    let info = |seen: &[crate::broker::Received]| seen.iter().any(|r| r.topic == topic);
    subscriber.wait(10, info).unwrap();
    assert!(subscriber.seen.iter().all(|r| !r.payload.contains(SECRET)));
}

#[test]
fn a_password_that_everybody_may_read_stops_the_start_with_the_way_out() {
    let workshop = Workshop::new(1);
    workshop.configure("{ kind = \"synthetic\" }", "");
    workshop.replace("[mqtt]", WORDS);
    write(&workshop, SECRET);
    let path = workshop.folder.path().join("password");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    for command in ["check", "run"] {
        let output = workshop.inspectd(&[command]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{text}");
        let way_out = format!("chmod 640 {}", path.display());
        assert!(
            text.contains("mqtt.password_file") && text.contains(&way_out),
            "{text}"
        );
        assert!(!text.contains(SECRET), "{text}");
    }
}
