//! The demo's broker, and its subscriber: mosquitto and mosquitto_sub as processes of their own, so
//! that what is shown went over the wire and was read by a program that is not ours.

use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::super::exit::Unavailable;
use crate::cli::Address;
use crate::evaluate::whole::WriteError;

/// How long a broker that is there already may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long one of our own may take to listen.
const START: Duration = Duration::from_secs(10);

/// Refuses an address where nobody listens: the demo would learn for a minute and then hear nothing.
pub(super) fn reach(address: &Address) -> anyhow::Result<()> {
    let Address { host, port } = address;
    try_each(host, *port).map_err(|source| {
        let what =
            format!("nobody listens at {host}:{port}; start the broker, or leave out --broker");
        Unavailable { what, source }.into()
    })
}

/// Connects to what the name stands for, one address after the other, until one answers.
fn try_each(host: &str, port: u16) -> io::Result<()> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let share = ANSWER / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut answer = Err(ErrorKind::AddrNotAvailable.into());
    for address in &addresses {
        answer = TcpStream::connect_timeout(address, share).map(drop);
        if answer.is_ok() {
            break;
        }
    }
    answer
}

/// A broker: ours for the length of the demo, or one that is there already.
pub(super) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    process: Option<Child>,
}

impl Broker {
    /// The broker at `address`, or a mosquitto of our own on a free port of this machine.
    pub(super) fn start(address: Option<&Address>, out: &Path) -> anyhow::Result<Broker> {
        if let Some(address) = address {
            let (host, port) = (address.host.clone(), address.port);
            return Ok(Broker {
                host,
                port,
                process: None,
            });
        }
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let config = out.join("mosquitto.conf");
        let listener = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
        fs::write(&config, listener).map_err(WriteError::of(&config))?;
        let log_path = out.join("mosquitto.log");
        let log = fs::File::create(&log_path).map_err(WriteError::of(&log_path))?;
        let process = Command::new("mosquitto")
            .arg("-c")
            .arg(&config)
            // Debian keeps it where only root's PATH looks.
            .env("PATH", path_with_sbin())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(not_started(
                "can't start mosquitto; install the package mosquitto, or give --broker",
            ))?;
        let mut broker = Broker {
            host: "127.0.0.1".to_owned(),
            port,
            process: Some(process),
        };
        broker.wait_until_it_listens(&log_path)?;
        Ok(broker)
    }

    /// Waits for a mosquitto of our own, which may end at once instead.
    fn wait_until_it_listens(&mut self, log: &Path) -> Result<(), Unavailable> {
        let deadline = Instant::now() + START;
        let silent = |source| Unavailable {
            what: format!("mosquitto does not listen; its log is {}", log.display()),
            source,
        };
        while TcpStream::connect((self.host.as_str(), self.port)).is_err() {
            let process = self.process.as_mut();
            let ended = process.map_or(Ok(None), Child::try_wait).map_err(silent)?;
            if let Some(status) = ended {
                return Err(silent(io::Error::other(format!("it ended: {status}"))));
            }
            if Instant::now() >= deadline {
                return Err(silent(ErrorKind::TimedOut.into()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Where it is, for people.
    pub(super) fn describe(&self) -> String {
        let whose = if self.process.is_some() {
            "mosquitto of our own on "
        } else {
            ""
        };
        format!("{whose}{}:{}", self.host, self.port)
    }
}

/// Of a program that could not be run.
fn not_started(what: &str) -> impl Fn(io::Error) -> Unavailable + '_ {
    move |source| Unavailable {
        what: what.to_owned(),
        source,
    }
}

fn path_with_sbin() -> String {
    format!(
        "{}:/usr/sbin:/usr/local/sbin",
        std::env::var("PATH").unwrap_or_default()
    )
}

impl Drop for Broker {
    fn drop(&mut self) {
        end(self.process.as_mut());
    }
}

/// `mosquitto_sub` on everything, with its lines kept.
pub(super) struct Subscriber {
    process: Child,
    reader: Option<JoinHandle<()>>,
    lines: Arc<Mutex<Vec<String>>>,
    log: std::path::PathBuf,
}

impl Subscriber {
    /// Subscribes to all that the demo's node says.
    pub(super) fn start(broker: &Broker, log: &Path) -> anyhow::Result<Subscriber> {
        let mut process = Command::new("mosquitto_sub")
            .args(["-h", &broker.host, "-p", &broker.port.to_string()])
            .args(["-q", "1", "-t", "inspectd/demo/#", "-F", "%t %p"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(not_started(
                "can't start mosquitto_sub; install the package mosquitto-clients",
            ))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let output = process
            .stdout
            .take()
            .context("mosquitto_sub has no output")?;
        let kept = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                kept.lock()
                    .expect("nobody panics with the lines")
                    .push(line);
            }
        });
        Ok(Subscriber {
            process,
            reader: Some(reader),
            lines,
            log: log.to_owned(),
        })
    }

    /// Ends the subscription and gives the lines, `topic payload`, which are kept in the log too.
    pub(super) fn finish(mut self) -> anyhow::Result<Vec<String>> {
        // The daemon is gone; what the broker still has to hand over comes at once.
        thread::sleep(Duration::from_millis(500));
        end(Some(&mut self.process));
        if let Some(reader) = self.reader.take() {
            anyhow::ensure!(
                reader.join().is_ok(),
                "the thread that reads mosquitto_sub panicked"
            );
        }
        let lines = std::mem::take(&mut *self.lines.lock().expect("the reader has ended well"));
        let text = lines.join("\n") + "\n";
        fs::write(&self.log, text).map_err(WriteError::of(&self.log))?;
        Ok(lines)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        end(Some(&mut self.process));
    }
}

/// Kills and reaps a child. It may have ended already, which is as good.
fn end(process: Option<&mut Child>) {
    if let Some(process) = process {
        let _ = process.kill();
        let _ = process.wait();
    }
}

#[cfg(test)]
mod tests {
    use sysexits::ExitCode;

    use super::super::super::exit::exit_code;
    use super::*;

    #[test]
    fn a_broker_that_ends_at_once_is_unavailable_and_nobody_waits_for_it() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut broker = Broker {
            host: "127.0.0.1".to_owned(),
            port,
            process: Some(Command::new("false").spawn().unwrap()),
        };
        let started = Instant::now();
        let fault = broker.wait_until_it_listens(Path::new("mosquitto.log"));
        let fault = fault.unwrap_err();
        assert!(started.elapsed() < START, "{fault}");
        assert!(fault.to_string().contains("mosquitto.log"), "{fault}");
        assert!(
            fault.source.to_string().contains("exit status"),
            "{fault:?}"
        );
        assert_eq!(exit_code(&fault.into()), ExitCode::Unavailable);
    }
}
