//! A mosquitto that asks everybody for a certificate and lets each node say only what is its own, and
//! a reader behind TLS.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::authority::{Authority, Wanted};
use crate::broker::free_port;
use crate::broker::patience::{patience, wait_until};
use crate::workshop::Workshop;

/// Reports of one incident, five a second.
const STORM: &str = "fps = 5\n[camera.incident]\nupdate_every_s = 0.2";
const JSON_LOG: &str = "[log]\nformat = \"json\"\nlevel = \"debug\"\n[mqtt]";
/// The workshop's node.
pub(crate) const NODE: &str = "press";
/// What the workshop's configuration says of TLS.
pub(crate) const TLS: &str = "[mqtt.tls]\nca_file = \"ca.crt\"\ncert_file = \"press.crt\"\n\
                              key_file = \"press.key\"\n";

/// A mosquitto that asks everybody for a certificate and takes its name for the user; ends with this
/// value.
pub(crate) struct SecureBroker {
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl SecureBroker {
    /// With a certificate like this.
    pub(crate) fn start(wanted: &Wanted) -> SecureBroker {
        let mut broker = SecureBroker {
            port: free_port(),
            authority: Authority::new(),
            folder: tempfile::tempdir().unwrap(),
            child: None,
        };
        let here = broker.path();
        std::fs::write(here.join("ca.crt"), broker.authority.pem()).unwrap();
        broker.authority.server(wanted).write(here, "broker");
        for client in [NODE, "reader"] {
            broker.authority.client(client).write(here, client);
        }
        let rules = "user reader\ntopic readwrite #\npattern readwrite inspectd/%u/#\n";
        std::fs::write(here.join("rules"), rules).unwrap();
        broker.resume();
        broker
    }

    /// Where its files are.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it, anew where it runs.
    pub(crate) fn resume(&mut self) {
        self.stop();
        let (port, here) = (self.port, self.path().display());
        let settings = format!(
            "listener {port} 127.0.0.1\nuser root\ncafile {here}/ca.crt\n\
             certfile {here}/broker.crt\nkeyfile {here}/broker.key\nrequire_certificate true\n\
             use_identity_as_username true\nacl_file {here}/rules\n"
        );
        let path = self.path().join("mosquitto.conf");
        std::fs::write(&path, settings).unwrap();
        let log = std::fs::File::create(self.path().join("broker.log")).unwrap();
        let child = Command::new("mosquitto")
            .env("PATH", "/usr/sbin:/usr/bin:/bin:/usr/local/sbin")
            .arg("-c")
            .arg(path)
            .stderr(log)
            .spawn()
            .expect("mosquitto is installed (apt install mosquitto)");
        self.child = Some(child);
        let does_not = || "mosquitto does not listen".to_owned();
        let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait_until(10, does_not, listens);
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// A daemon's folder with all that it needs to get in.
    pub(crate) fn workshop(&self) -> Workshop {
        let workshop = Workshop::new(self.port);
        let there = workshop.folder.path();
        for file in ["ca.crt", "press.crt", "press.key"] {
            std::fs::copy(self.path().join(file), there.join(file)).unwrap();
        }
        workshop.configure(&workshop.noise(), STORM);
        workshop.replace("[mqtt]", JSON_LOG);
        workshop.replace("[incident]", &format!("{TLS}[incident]"));
        workshop
    }
}

impl Drop for SecureBroker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads everything, over TLS.
pub(crate) struct Reader {
    child: Child,
    lines: Receiver<(String, String)>,
    /// Topics and payloads, in order.
    pub(crate) seen: Vec<(String, String)>,
}

impl Reader {
    /// Subscribes, and waits until what it says itself comes back.
    pub(crate) fn new(broker: &SecureBroker) -> Reader {
        let mut command = client(broker, "mosquitto_sub");
        let mut child = command
            .args(["-t", "#", "-q", "1", "-F", "%t %p"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto_sub is installed (apt install mosquitto-clients)");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let (topic, payload) = line.split_once(' ').unwrap_or((&line, ""));
                if tell.send((topic.to_owned(), payload.to_owned())).is_err() {
                    return;
                }
            }
        });
        let mut reader = Reader {
            child,
            lines,
            seen: Vec::new(),
        };
        let deadline = Instant::now() + patience(20);
        while !reader.seen.iter().any(|(topic, _)| topic == "probe") {
            assert!(Instant::now() < deadline, "it does not subscribe");
            let mut say = client(broker, "mosquitto_pub");
            say.args(["-t", "probe", "-m", "x"]).status().unwrap();
            reader.take(Duration::from_millis(300));
        }
        reader
    }

    fn take(&mut self, patience: Duration) {
        if let Ok(line) = self.lines.recv_timeout(patience) {
            self.seen.push(line);
            self.seen.extend(self.lines.try_iter());
        }
    }

    /// The ids of the alerts that came.
    pub(crate) fn alerts(&self) -> HashSet<String> {
        let alerts = self
            .seen
            .iter()
            .filter(|(topic, _)| topic.ends_with("/alert"));
        let event = |payload: &str| serde_json::from_str::<serde_json::Value>(payload).unwrap();
        alerts
            .map(|(_, payload)| event(payload)["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until `wanted`.
    pub(crate) fn wait_for(&mut self, what: &str, wanted: impl Fn(&Reader) -> bool) {
        let deadline = Instant::now() + patience(40);
        while !wanted(self) {
            assert!(Instant::now() < deadline, "no {what} in {:#?}", self.seen);
            self.take(Duration::from_millis(200));
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of mosquitto's clients as the reader.
fn client(broker: &SecureBroker, program: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", "localhost", "-p", &broker.port.to_string()]);
    for (option, file) in [
        ("--cafile", "ca.crt"),
        ("--cert", "reader.crt"),
        ("--key", "reader.key"),
    ] {
        command.arg(option).arg(broker.path().join(file));
    }
    command
}
