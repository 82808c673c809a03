//! One connection to the broker, from its opening to its first fault. rumqttc is named here only.
//!
//! A [`Session`] is never repaired: on any error it is dropped and a new one is opened, and what was
//! on its way is sent anew. That makes the client's own session handling irrelevant, which loses
//! messages when the broker has forgotten the session. Sending never blocks.

use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use rumqttc::{Client, ConnectionError, Event, LastWill, MqttOptions, Outgoing, Packet, QoS};

use super::{Delivery, Retained};
use crate::config::Mqtt;

/// The largest payload that is sent. An alert has about 2 kB.
pub(super) const MAX_PAYLOAD: usize = 128 * 1024;

/// Messages between us and the connection's thread: the window and a state of each camera.
const CLIENT_DEPTH: usize = 64;

/// What happens on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// The broker accepted us.
    Connected,
    /// The next message with QoS 1 was written under this packet id.
    Written(u16),
    /// The broker acknowledged this packet id.
    Acknowledged(u16),
    /// Anything else, such as a ping: at least one within a keep-alive. So a connection whose
    /// session was dropped notices it.
    Alive,
    /// It is over, and why.
    Lost(String),
}

/// A connection that is being made or stands.
pub(super) struct Session {
    client: Client,
    happenings: Receiver<Happening>,
}

impl Session {
    /// Starts to connect; `will` is what the broker publishes when we vanish.
    pub(super) fn open(settings: &Mqtt, will: &Retained) -> std::io::Result<Session> {
        let mut options = MqttOptions::new(&settings.client_id, &settings.host, settings.port);
        options.set_keep_alive(settings.keep_alive);
        options.set_clean_session(true);
        options.set_max_packet_size(16 * 1024, 2 * MAX_PAYLOAD);
        let (topic, payload) = (will.topic.clone(), will.payload.clone());
        options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, true));
        if let Some(credentials) = &settings.credentials {
            options.set_credentials(&credentials.username, &credentials.password);
        }
        let (client, connection) = Client::new(options, CLIENT_DEPTH);
        let (tell, happenings) = bounded(CLIENT_DEPTH);
        thread::Builder::new()
            .name("mqtt".to_owned())
            .spawn(move || drive(connection, &tell))?;
        Ok(Session { client, happenings })
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
        let qos = match delivery {
            Delivery::AtMostOnce => QoS::AtMostOnce,
            Delivery::AtLeastOnce => QoS::AtLeastOnce,
        };
        self.client.try_publish(topic, qos, retain, payload).is_ok()
    }

    /// Says DISCONNECT, so that the broker does not publish the will; waits until it is written.
    pub(super) fn disconnect(self, timeout: std::time::Duration) {
        if self.client.try_disconnect().is_ok() {
            let deadline = std::time::Instant::now() + timeout;
            while self.happenings.recv_deadline(deadline).is_ok() {}
        }
    }
}

/// Runs the connection until its first fault, until we disconnect, or until nobody listens.
fn drive(mut connection: rumqttc::Connection, tell: &Sender<Happening>) {
    for event in connection.iter() {
        let happening = match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Happening::Connected,
            Ok(Event::Incoming(Packet::PubAck(ack))) => Happening::Acknowledged(ack.pkid),
            Ok(Event::Outgoing(Outgoing::Publish(packet))) if packet != 0 => {
                Happening::Written(packet)
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => Happening::Alive,
            Err(fault) => {
                // Nobody listens any more if this fails; the connection is over either way.
                let _ = tell.send(Happening::Lost(explain(&fault)));
                return;
            }
        };
        if tell.send(happening).is_err() {
            return;
        }
    }
}

/// A fault for people.
fn explain(fault: &ConnectionError) -> String {
    match fault {
        ConnectionError::ConnectionRefused(code) => {
            format!("the broker refuses us ({code:?}); check mqtt.username and mqtt.password_file")
        }
        ConnectionError::NetworkTimeout => "the broker does not answer".to_owned(),
        other => other.to_string(),
    }
}
