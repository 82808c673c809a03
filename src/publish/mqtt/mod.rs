//! One connection to the broker, from its opening to its first fault, with MQTT 5 or 3.1.1. rumqttc
//! and rustls are named in this folder only.
//!
//! A [`Session`] is never repaired: on any error it is dropped and a new one is opened, and what was
//! on its way is sent anew. That makes the client's own session handling irrelevant, which loses
//! messages when the broker has forgotten the session. Sending never blocks.

mod endpoint;
mod fault;
mod tls;
mod tls_fault;
mod v4;
mod v5;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

pub use endpoint::Endpoint;

use super::{Delivery, Retained};

/// Messages between us and the connection's thread: the window and a state of each camera.
const DEPTH: usize = 64;
/// Subscriptions that wait for their answer. A line has one.
const SUBSCRIPTIONS: usize = 8;
/// How long the broker may take to accept us, with name lookup and TLS. A small board on a mobile
/// network needs some seconds.
const CONNECT: Duration = Duration::from_secs(10);
/// What the connection's thread waits beyond the keep-alive for a sign of life. MQTT 5 in rumqttc
/// 0.25.1 writes without a time limit: without this, a broker that stops reading holds the thread
/// for ever.
const GRACE: Duration = Duration::from_secs(5);
/// Packet ids of the client. The window is far below; the client allots memory for all of them.
const PACKET_IDS: u16 = 100;

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 5: the broker says why it refuses what.
    V5,
    /// 3.1.1: the broker can only close the connection.
    V3,
}

impl Protocol {
    /// The other one.
    pub(super) fn other(self) -> Protocol {
        match self {
            Protocol::V5 => Protocol::V3,
            Protocol::V3 => Protocol::V5,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::V5 => "5",
            Protocol::V3 => "3.1.1",
        })
    }
}

/// What a line wants of its sessions.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// Unique at the broker.
    pub(super) client_id: String,
    /// What the broker publishes when we vanish.
    pub(super) will: Option<Retained>,
    /// The largest packet that is ever handed over, in bytes; the caller sees to it.
    pub(super) largest_outgoing: u32,
    /// The largest packet that the broker may send, in bytes. MQTT 5 tells the broker; 3.1.1 can't,
    /// and takes up to 1 MiB before it gives up the connection.
    pub(super) largest_incoming: u32,
}

/// What a broker said of itself when it accepted us: all unknown with 3.1.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Broker {
    /// The largest packet that it takes, in bytes. A larger one ends the connection.
    pub(super) largest_packet: Option<u32>,
    /// Messages with QoS 1 that it wants to have on their way at once. The window's span must not
    /// exceed it: packet ids go round in as many.
    pub(super) in_flight: Option<u16>,
}

/// What happens on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// The broker accepted us.
    Connected(Broker),
    /// The next message with QoS 1 was written under this packet id.
    Written(u16),
    /// The broker answered for this packet id.
    Acknowledged(u16, Answer),
    /// The broker answered a subscription; the error names the topics that it refuses.
    Subscribed(Result<(), String>),
    /// A message for us.
    Heard {
        /// The whole topic.
        topic: String,
        /// The payload.
        payload: Vec<u8>,
        /// Whether it was stored before we subscribed.
        retained: bool,
    },
    /// Anything else, such as a ping: at least one within a keep-alive. So a connection whose
    /// session was dropped notices it.
    Alive,
    /// It is over, and why.
    Lost(Loss),
}

/// What the broker made of a message with QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has it. A 3.1.1 broker says this of what its rules forbid as well.
    Taken,
    /// It will never take this message, and why.
    Denied(String),
    /// It did not take this message now, and why.
    Later(String),
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    /// For people.
    pub(super) reason: String,
    /// For us.
    pub(super) cause: Cause,
}

/// What a loss tells us to do otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing: lines break.
    Line,
    /// The broker may not speak this version of MQTT: one that does not may hang up without a word.
    Protocol,
    /// We hung up: a message came that is larger than we take. What others left at the broker comes
    /// again at each subscription.
    TooLarge,
}

impl Cause {
    /// The version is no reason where the connection stood.
    fn after(self, was_up: bool) -> Cause {
        if was_up && self == Cause::Protocol {
            Cause::Line
        } else {
            self
        }
    }
}

/// A connection that is being made or stands.
pub(super) struct Session {
    client: Client,
    happenings: Receiver<Happening>,
    /// The topics of each subscription for the connection's thread, which names those refused.
    asked: Sender<Vec<String>>,
}

enum Client {
    V5(rumqttc::v5::Client),
    V3(rumqttc::Client),
}

impl Session {
    /// Starts to connect.
    pub(super) fn open(
        endpoint: &Arc<Endpoint>,
        wish: &Wish,
        protocol: Protocol,
    ) -> io::Result<Session> {
        let (tell, happenings) = bounded(DEPTH);
        let (asked, answers) = bounded(SUBSCRIPTIONS);
        let client = match protocol {
            Protocol::V5 => {
                let (client, mut connection) = v5::open(endpoint, wish, answers);
                spawn(move || drive(|| connection.next(), &tell))?;
                Client::V5(client)
            }
            Protocol::V3 => {
                let (client, mut connection) = v4::open(endpoint, wish, answers);
                spawn(move || drive(|| connection.next(), &tell))?;
                Client::V3(client)
            }
        };
        Ok(Session {
            client,
            happenings,
            asked,
        })
    }

    /// What happens, in order.
    pub(super) fn happenings(&self) -> &Receiver<Happening> {
        &self.happenings
    }

    /// Hands a message over; `false` where there is no room now.
    pub(super) fn send(
        &self,
        topic: &str,
        payload: Vec<u8>,
        delivery: Delivery,
        retain: bool,
    ) -> bool {
        match &self.client {
            Client::V5(client) => {
                let qos = match delivery {
                    Delivery::AtMostOnce => rumqttc::v5::mqttbytes::QoS::AtMostOnce,
                    Delivery::AtLeastOnce => rumqttc::v5::mqttbytes::QoS::AtLeastOnce,
                };
                client.try_publish(topic, qos, retain, payload).is_ok()
            }
            Client::V3(client) => {
                let qos = match delivery {
                    Delivery::AtMostOnce => rumqttc::QoS::AtMostOnce,
                    Delivery::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
                };
                client.try_publish(topic, qos, retain, payload).is_ok()
            }
        }
    }

    /// Hands a CloudEvent over, with QoS 1, not to be retained; `false` where there is no room now.
    pub(super) fn send_event(&self, topic: &str, payload: Vec<u8>) -> bool {
        match &self.client {
            Client::V5(client) => v5::send_event(client, topic, payload),
            Client::V3(_) => self.send(topic, payload, Delivery::AtLeastOnce, false),
        }
    }

    /// Asks for topics with QoS 1; `false` where there is no room now.
    pub(super) fn subscribe(&self, topics: &[String]) -> bool {
        if self.asked.is_full() {
            return false;
        }
        let is_asked = match &self.client {
            Client::V5(client) => v5::subscribe(client, topics),
            Client::V3(client) => v4::subscribe(client, topics),
        };
        if is_asked {
            // The thread has gone where this fails: the session is lost, as its happenings tell.
            let _ = self.asked.try_send(topics.to_vec());
        }
        is_asked
    }

    /// Says DISCONNECT, so that the broker does not publish the will; waits until it is written.
    pub(super) fn disconnect(self, timeout: Duration) {
        let is_asked = match &self.client {
            Client::V5(client) => client.try_disconnect().is_ok(),
            Client::V3(client) => client.try_disconnect().is_ok(),
        };
        if is_asked {
            let deadline = Instant::now() + timeout;
            while self.happenings.recv_deadline(deadline).is_ok() {}
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name("mqtt".to_owned());
    thread.spawn(work).map(|_| ())
}

/// Runs the connection until its first fault, until we disconnect, or until nobody listens.
fn drive(mut next: impl FnMut() -> Option<Happening>, tell: &Sender<Happening>) {
    while let Some(happening) = next() {
        let is_over = matches!(happening, Happening::Lost(_));
        if tell.send(happening).is_err() || is_over {
            return;
        }
    }
}

/// The answer to a subscription: `refused` says of each topic, in order, why it is refused.
fn subscribed(
    asked: &Receiver<Vec<String>>,
    refused: impl Iterator<Item = Option<String>>,
) -> Happening {
    // The topics are put there after the client got the subscription.
    let topics = asked
        .recv_timeout(Duration::from_secs(1))
        .unwrap_or_default();
    let mut names = topics.into_iter();
    let mut faults = Vec::new();
    for reason in refused {
        let topic = names.next().unwrap_or_else(|| "a topic".to_owned());
        if let Some(reason) = reason {
            faults.push(format!("{topic} ({reason})"));
        }
    }
    Happening::Subscribed(if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join(", "))
    })
}

#[cfg(test)]
#[path = "../../../tests/it/authority.rs"]
mod authority;

#[cfg(test)]
mod handshake;
