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

use crate::cli::Address;

/// How long a broker that is there already may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Refuses an address where nobody listens: the demo would learn for a minute and then hear nothing.
pub(super) fn reach(address: &Address) -> anyhow::Result<()> {
    let Address { host, port } = address;
    try_each(host, *port).with_context(|| {
        format!("nobody listens at {host}:{port}; start the broker, or leave out --broker")
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
        fs::write(
            &config,
            format!("listener {port} 127.0.0.1\nallow_anonymous true\n"),
        )?;
        let log = fs::File::create(out.join("mosquitto.log"))?;
        let process = Command::new("mosquitto")
            .arg("-c")
            .arg(&config)
            // Debian keeps it where only root's PATH looks.
            .env("PATH", path_with_sbin())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("can't start mosquitto; install the package mosquitto, or give --broker")?;
        let broker = Broker {
            host: "127.0.0.1".to_owned(),
            port,
            process: Some(process),
        };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            anyhow::ensure!(
                started.elapsed() < Duration::from_secs(10),
                "mosquitto does not listen; its log is {}",
                out.join("mosquitto.log").display()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(broker)
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
            .context("can't start mosquitto_sub; install the package mosquitto-clients")?;
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
        fs::write(&self.log, lines.join("\n") + "\n")
            .with_context(|| format!("can't write {}", self.log.display()))?;
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
