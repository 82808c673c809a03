//! A real mosquitto on a port of its own, and a subscriber that holds what it gets against the
//! contract and remembers it.

#[path = "patience.rs"]
pub(crate) mod patience;
#[path = "schema.rs"]
pub(crate) mod schema;

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};

/// A mosquitto that ends with this value. It keeps its sessions over a restart and saves each change
/// at once, so that a subscriber's session survives a kill as well.
pub(crate) struct Broker {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Broker {
    /// Starts one on a free port.
    pub(crate) fn start() -> Broker {
        Broker::start_on(free_port())
    }

    /// Starts one on this port.
    pub(crate) fn start_on(port: u16) -> Broker {
        let folder = tempfile::tempdir().unwrap();
        let mut broker = Broker {
            port,
            folder,
            child: None,
        };
        broker.resume();
        broker
    }

    /// Starts again what was stopped.
    pub(crate) fn resume(&mut self) {
        let folder = self.folder.path().display();
        let settings = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
             persistence_location {folder}/\nmax_queued_messages 0\n\
             autosave_on_changes true\nautosave_interval 1\n",
            self.port
        );
        let path = self.folder.path().join("mosquitto.conf");
        std::fs::write(&path, settings).unwrap();
        let child = Command::new(mosquitto())
            .arg("-c")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed (apt install mosquitto)");
        self.child = Some(child);
        let does_not = || "mosquitto does not listen".to_owned();
        let listens = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        patience::wait_until(10, does_not, listens);
    }

    /// Stops it in order, so that it saves its sessions.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            child.wait().unwrap();
        }
    }

    /// Kills it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Debian keeps it outside of a user's path.
fn mosquitto() -> PathBuf {
    let usual = PathBuf::from("/usr/sbin/mosquitto");
    if usual.exists() {
        usual
    } else {
        PathBuf::from("mosquitto")
    }
}

/// A message as a subscriber got it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Received {
    pub(crate) topic: String,
    /// As text, for what is one.
    pub(crate) payload: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) retained: bool,
    pub(crate) qos: u8,
}

impl Received {
    /// The payload as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.payload).unwrap()
    }
}

/// Subscribes to everything and keeps it, over restarts of the broker.
pub(crate) struct Subscriber {
    incoming: Receiver<Received>,
    client: Client,
    /// All that came, in order.
    pub(crate) seen: Vec<Received>,
}

impl Subscriber {
    /// Connects and waits until it is subscribed.
    pub(crate) fn new(port: u16) -> Subscriber {
        let mut options =
            MqttOptions::new(format!("subscriber-{}", free_port()), "127.0.0.1", port);
        options.set_clean_session(false);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = Client::new(options, 16);
        let (tell, incoming) = channel();
        let (ready, is_ready) = channel();
        let subscriber = client.clone();
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(ack))) if !ack.session_present => {
                        let _ = subscriber.try_subscribe("#", QoS::AtLeastOnce);
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        let _ = ready.send(());
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let received = Received {
                            topic: publish.topic.clone(),
                            payload: String::from_utf8_lossy(&publish.payload).into_owned(),
                            bytes: publish.payload.to_vec(),
                            retained: publish.retain,
                            qos: publish.qos as u8,
                        };
                        if tell.send(received).is_err() {
                            return;
                        }
                    }
                    Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
                    Ok(_) => {}
                    Err(_) => thread::sleep(Duration::from_millis(50)),
                }
            }
        });
        is_ready
            .recv_timeout(patience::patience(20))
            .expect("the broker takes subscriptions");
        Subscriber {
            incoming,
            client,
            seen: Vec::new(),
        }
    }

    /// Publishes.
    #[allow(dead_code, reason = "for those who also speak")]
    pub(crate) fn say(&self, topic: &str, payload: &str) {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .unwrap();
    }

    /// Publishes what the broker is to keep.
    #[allow(dead_code, reason = "for those who also speak")]
    pub(crate) fn keep(&self, topic: &str, payload: &str) {
        self.client
            .publish(topic, QoS::AtLeastOnce, true, payload)
            .unwrap();
    }

    /// Waits until something that came satisfies `wanted`.
    pub(crate) fn wait(
        &mut self,
        seconds: u64,
        wanted: impl Fn(&[Received]) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + patience::patience(seconds);
        while !wanted(&self.seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.incoming.recv_timeout(left) {
                Ok(received) => {
                    schema::check(&received);
                    self.seen.push(received);
                }
                Err(_) => return Err(format!("not within {seconds} s; came: {:#?}", self.seen)),
            }
        }
        Ok(())
    }

    /// Waits for a payload on a topic.
    pub(crate) fn wait_for(
        &mut self,
        seconds: u64,
        topic: &str,
        payload: &str,
    ) -> Result<(), String> {
        self.wait(seconds, |seen| {
            seen.iter()
                .any(|r| r.topic == topic && r.payload == payload)
        })
    }

    /// Waits for this many different alerts.
    pub(crate) fn wait_for_alerts(&mut self, seconds: u64, count: usize) -> Result<(), String> {
        let ids = |seen: &[Received]| {
            let alerts = seen.iter().filter(|r| r.topic.ends_with("/alert"));
            alerts
                .map(|r| r.json()["id"].to_string())
                .collect::<std::collections::HashSet<_>>()
        };
        let enough = self.wait(seconds, |seen| ids(seen).len() >= count);
        enough.map_err(|_| {
            format!(
                "{} of {count} alerts within {seconds} s",
                ids(&self.seen).len()
            )
        })
    }

    /// The alerts that came: the events by their ids, repetitions dropped.
    pub(crate) fn alerts(&self) -> Vec<serde_json::Value> {
        let mut ids = std::collections::HashSet::new();
        let alerts = self
            .seen
            .iter()
            .filter(|r| r.topic.ends_with("/alert"))
            .map(Received::json);
        alerts
            .filter(|alert| ids.insert(alert["id"].to_string()))
            .collect()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.client.try_disconnect();
        // What came after the last wait; a test that fails already says why.
        if !thread::panicking() {
            self.incoming
                .try_iter()
                .for_each(|received| schema::check(&received));
        }
    }
}
