//! MQTT 3.1.1 (protocol level 4): the client's options, and its events as [`Happening`]s.
//!
//! A 3.1.1 broker has no words: what its rules forbid it acknowledges or answers by closing the
//! connection, and nobody can tell it how large a message may be.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use rumqttc::{
    Client, ConnectReturnCode, Connection, ConnectionError, Event, LastWill, MqttOptions, Outgoing,
    Packet, QoS, RecvTimeoutError, StateError, SubscribeFilter, SubscribeReasonCode, mqttbytes,
};

use super::{
    Answer, Broker, CONNECT, Cause, Endpoint, GRACE, Happening, Loss, PACKET_IDS, Protocol, Wish,
    fault, subscribed,
};

/// rumqttc panics below.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// A larger packet ends the connection: a broker can't be asked to keep it.
const LARGEST_INCOMING: usize = 1 << 20;

/// A client, and its connection to be driven.
pub(super) fn open(
    endpoint: &Arc<Endpoint>,
    wish: &Wish,
    asked: Receiver<Vec<String>>,
) -> (Client, Driven) {
    let mut options = MqttOptions::new(&wish.client_id, &endpoint.host, endpoint.port);
    options.set_keep_alive(endpoint.keep_alive.max(SHORTEST_KEEP_ALIVE));
    options.set_clean_session(true);
    options.set_inflight(PACKET_IDS);
    let outgoing = usize::try_from(wish.largest_outgoing).unwrap_or(usize::MAX);
    options.set_max_packet_size(LARGEST_INCOMING, outgoing);
    if let Some(will) = &wish.will {
        let (topic, payload) = (will.topic.clone(), will.payload.clone());
        options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, true));
    }
    if let Some(credentials) = &endpoint.credentials {
        options.set_credentials(&credentials.username, &credentials.password);
    }
    options.set_transport(endpoint.transport());
    let (client, mut connection) = Client::new(options, super::DEPTH);
    let network = &mut connection.eventloop.network_options;
    network.set_connection_timeout(CONNECT.as_secs());
    network.set_tcp_nodelay(true);
    let driven = Driven {
        connection,
        endpoint: Arc::clone(endpoint),
        asked,
        is_up: false,
    };
    (client, driven)
}

/// Hands a subscription over; `false` where there is no room now.
pub(super) fn subscribe(client: &Client, topics: &[String]) -> bool {
    let filters = topics
        .iter()
        .map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce));
    client
        .try_subscribe_many(filters.collect::<Vec<_>>())
        .is_ok()
}

/// A connection while it lasts.
pub(super) struct Driven {
    connection: Connection,
    endpoint: Arc<Endpoint>,
    asked: Receiver<Vec<String>>,
    is_up: bool,
}

impl Driven {
    /// What happens next; `None` after our DISCONNECT.
    pub(super) fn next(&mut self) -> Option<Happening> {
        // A time limit would restart the attempt to connect, which has its own.
        let event = if self.is_up {
            let limit = self.connection.eventloop.mqtt_options.keep_alive() * 2 + GRACE;
            match self.connection.recv_timeout(limit) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => return Some(Happening::Lost(fault::stuck())),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        } else {
            self.connection.recv().ok()?
        };
        match event {
            Ok(Event::Incoming(packet)) => Some(self.heard(packet)),
            Ok(Event::Outgoing(Outgoing::Publish(packet))) if packet != 0 => {
                Some(Happening::Written(packet))
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => None,
            Ok(Event::Outgoing(_)) => Some(Happening::Alive),
            Err(fault) => Some(Happening::Lost(self.loss(&fault))),
        }
    }

    fn heard(&mut self, packet: Packet) -> Happening {
        match packet {
            Packet::ConnAck(_) => {
                self.is_up = true;
                Happening::Connected(Broker::default())
            }
            Packet::PubAck(ack) => Happening::Acknowledged(ack.pkid, Answer::Taken),
            Packet::SubAck(ack) => subscribed(
                &self.asked,
                ack.return_codes.iter().map(|code| match code {
                    SubscribeReasonCode::Success(_) => None,
                    SubscribeReasonCode::Failure => Some("the broker gives no reason".to_owned()),
                }),
            ),
            Packet::Publish(publish) => Happening::Heard {
                topic: publish.topic,
                payload: publish.payload.to_vec(),
                retained: publish.retain,
            },
            _ => Happening::Alive,
        }
    }

    fn loss(&self, fault: &ConnectionError) -> Loss {
        let mut cause = Cause::Line;
        let reason = match fault {
            ConnectionError::ConnectionRefused(code) => {
                if *code == ConnectReturnCode::RefusedProtocolVersion {
                    cause = Cause::Protocol;
                }
                refused(*code, &self.endpoint)
            }
            ConnectionError::NetworkTimeout => fault::silent(),
            ConnectionError::FlushTimeout => fault::stuck().reason,
            ConnectionError::Tls(fault) => fault::tls(fault, &self.endpoint),
            ConnectionError::Io(fault) => fault::connecting(fault),
            ConnectionError::NotConnAck(_) => {
                let line = (false, Protocol::V3, self.endpoint.as_ref());
                fault::garbled(&"the broker's first answer is none to a CONNECT", line).1
            }
            ConnectionError::MqttState(fault) => {
                let (found, reason) = self.broken(fault);
                cause = found.after(self.is_up);
                reason
            }
            ConnectionError::RequestsDone => "the connection's thread ended".to_owned(),
        };
        Loss { reason, cause }
    }

    /// A fault after CONNECT was written.
    fn broken(&self, fault: &StateError) -> (Cause, String) {
        let line = (self.is_up, Protocol::V3, self.endpoint.as_ref());
        match fault {
            StateError::ConnectionAborted => fault::closed(line),
            StateError::Io(fault) | StateError::Deserialization(mqttbytes::Error::Io(fault)) => {
                fault::reading(fault, line)
            }
            StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(bytes))
                if self.is_up =>
            {
                fault::too_large(*bytes, LARGEST_INCOMING)
            }
            StateError::Deserialization(fault) => fault::garbled(fault, line),
            StateError::AwaitPingResp => (Cause::Line, fault::mute()),
            other => (Cause::Protocol, other.to_string()),
        }
    }
}

fn refused(code: ConnectReturnCode, endpoint: &Endpoint) -> String {
    match code {
        ConnectReturnCode::RefusedProtocolVersion => fault::not_spoken(Protocol::V3),
        ConnectReturnCode::BadUserNamePassword => fault::bad_password(endpoint),
        ConnectReturnCode::NotAuthorized => fault::not_authorised(endpoint),
        ConnectReturnCode::BadClientId => fault::bad_client_id(),
        other => format!("the broker refuses us ({})", fault::words(&other)),
    }
}
