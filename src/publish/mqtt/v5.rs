//! MQTT 5: the client's options, and its events as [`Happening`]s.
//!
//! Faults of rumqttc 0.25.1 that are dealt with here: a keep-alive below 5 s panics, a server's
//! keep-alive of 0 (none) pings without end, writing has no time limit, and memory is allotted for
//! 65 535 packet ids unless fewer are asked for. It reports a refused message as acknowledged.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectProperties, ConnectReturnCode, DisconnectReasonCode, Filter, LastWill, Packet,
    PubAck, PubAckReason, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{
    Client, Connection, ConnectionError, Event, MqttOptions, RecvTimeoutError, StateError,
    mqttbytes,
};

use super::super::packet::EVENT;
use super::{
    Answer, Broker, CONNECT, Cause, Endpoint, GRACE, Happening, Loss, PACKET_IDS, Protocol, Wish,
    fault, subscribed,
};

/// rumqttc panics below.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Messages with QoS 1 that the broker may send before we answer: bounds memory.
const INCOMING: u16 = 16;

/// A client, and its connection to be driven.
pub(super) fn open(
    endpoint: &Arc<Endpoint>,
    wish: &Wish,
    asked: Receiver<Vec<String>>,
) -> (Client, Driven) {
    let keep_alive = endpoint.keep_alive.max(SHORTEST_KEEP_ALIVE);
    let mut options = MqttOptions::new(&wish.client_id, &endpoint.host, endpoint.port);
    options.set_keep_alive(keep_alive);
    options.set_clean_start(true);
    options.set_connection_timeout(CONNECT.as_secs());
    options.set_outgoing_inflight_upper_limit(PACKET_IDS);
    let mut properties = ConnectProperties::new();
    properties.max_packet_size = Some(wish.largest_incoming);
    properties.receive_maximum = Some(INCOMING);
    options.set_connect_properties(properties);
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    if let Some(will) = &wish.will {
        let (topic, payload) = (will.topic.clone(), will.payload.clone());
        options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, true, None));
    }
    if let Some(credentials) = &endpoint.credentials {
        options.set_credentials(&credentials.username, &credentials.password);
    }
    options.set_transport(endpoint.transport());
    let (client, connection) = Client::new(options, super::DEPTH);
    let driven = Driven {
        connection,
        endpoint: Arc::clone(endpoint),
        keep_alive,
        asked,
        is_up: false,
    };
    (client, driven)
}

/// Hands a subscription over; `false` where there is no room now.
pub(super) fn subscribe(client: &Client, topics: &[String]) -> bool {
    let filters = topics
        .iter()
        .map(|topic| Filter::new(topic.as_str(), QoS::AtLeastOnce));
    client
        .try_subscribe_many(filters.collect::<Vec<_>>())
        .is_ok()
}

/// Hands a message with the content type of a CloudEvent over; `false` where there is no room now.
pub(super) fn send_event(client: &Client, topic: &str, payload: Vec<u8>) -> bool {
    let properties = PublishProperties {
        content_type: Some(EVENT.to_owned()),
        ..PublishProperties::default()
    };
    client
        .try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
        .is_ok()
}

/// A connection while it lasts.
pub(super) struct Driven {
    connection: Connection,
    endpoint: Arc<Endpoint>,
    keep_alive: Duration,
    asked: Receiver<Vec<String>>,
    is_up: bool,
}

impl Driven {
    /// What happens next; `None` after our DISCONNECT.
    pub(super) fn next(&mut self) -> Option<Happening> {
        // A time limit would restart the attempt to connect, which has its own.
        let event = if self.is_up {
            let limit = self.connection.eventloop.options.keep_alive() * 2 + GRACE;
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
            Packet::ConnAck(ack) => self.accepted(&ack),
            Packet::PubAck(ack) => Happening::Acknowledged(ack.pkid, answer(&ack)),
            Packet::SubAck(ack) => subscribed(
                &self.asked,
                ack.return_codes.iter().map(|code| match code {
                    SubscribeReasonCode::Success(_) => None,
                    refusal => Some(fault::words(refusal)),
                }),
            ),
            Packet::Publish(publish) => Happening::Heard {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.to_vec(),
                retained: publish.retain,
            },
            _ => Happening::Alive,
        }
    }

    fn accepted(&mut self, ack: &ConnAck) -> Happening {
        self.is_up = true;
        let properties = ack.properties.as_ref();
        if properties.and_then(|p| p.server_keep_alive) == Some(0) {
            let options = &mut self.connection.eventloop.options;
            options.set_keep_alive(self.keep_alive);
        }
        Happening::Connected(Broker {
            largest_packet: properties.and_then(|p| p.max_packet_size),
            in_flight: properties.and_then(|p| p.receive_max),
        })
    }

    fn loss(&self, fault: &ConnectionError) -> Loss {
        let mut cause = Cause::Line;
        let reason = match fault {
            ConnectionError::ConnectionRefused(code) => {
                if is_version(*code) {
                    cause = Cause::Protocol;
                }
                refused(*code, &self.endpoint)
            }
            ConnectionError::Timeout(_) => fault::silent(),
            ConnectionError::Tls(fault) => fault::tls(fault, &self.endpoint),
            ConnectionError::Io(fault) => fault::connecting(fault),
            ConnectionError::NotConnAck(_) => {
                cause = Cause::Protocol;
                let line = (false, Protocol::V5, self.endpoint.as_ref());
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
        let line = (self.is_up, Protocol::V5, self.endpoint.as_ref());
        match fault {
            StateError::ServerDisconnect {
                reason_code,
                reason_string,
            } => (
                Cause::Protocol,
                dismissed(*reason_code, reason_string.as_deref()),
            ),
            StateError::ConnectionAborted => fault::closed(line),
            StateError::Io(fault) | StateError::Deserialization(mqttbytes::Error::Io(fault)) => {
                fault::reading(fault, line)
            }
            StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded {
                pkt_size,
                max,
            }) if self.is_up => {
                fault::too_large(*pkt_size, usize::try_from(*max).unwrap_or(usize::MAX))
            }
            StateError::Deserialization(fault) => fault::garbled(fault, line),
            StateError::AwaitPingResp => (Cause::Line, fault::mute()),
            other => (Cause::Protocol, other.to_string()),
        }
    }
}

/// Whether the code may come from a broker that does not speak MQTT 5.
fn is_version(code: ConnectReturnCode) -> bool {
    matches!(
        code,
        ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion
    )
}

fn refused(code: ConnectReturnCode, endpoint: &Endpoint) -> String {
    use ConnectReturnCode as Code;
    match code {
        code if is_version(code) => fault::not_spoken(Protocol::V5),
        Code::BadUserNamePassword => fault::bad_password(endpoint),
        Code::NotAuthorized => fault::not_authorised(endpoint),
        Code::ClientIdentifierNotValid | Code::BadClientId => fault::bad_client_id(),
        Code::BadAuthenticationMethod => fault::bad_password(endpoint),
        other => format!("the broker refuses us ({})", fault::words(&other)),
    }
}

/// Why a broker ended a connection.
fn dismissed(code: DisconnectReasonCode, text: Option<&str>) -> String {
    use DisconnectReasonCode as Code;
    let hint = match code {
        Code::SessionTakenOver => "; another client uses the same mqtt.client_id",
        Code::QoSNotSupported => "; inspectd needs a broker with QoS 1",
        Code::RetainNotSupported => "; inspectd needs a broker with retained messages",
        Code::NotAuthorized => "; see the broker's access rules",
        _ => "",
    };
    let text = text.map(|text| format!(": {text}")).unwrap_or_default();
    let words = fault::words(&code);
    format!("the broker ended the connection ({words}{text}){hint}")
}

fn answer(ack: &PubAck) -> Answer {
    let said = ack
        .properties
        .as_ref()
        .and_then(|p| p.reason_string.as_deref());
    let text = said.map(|said| format!(": {said}")).unwrap_or_default();
    let reason = format!("{}{text}", fault::words(&ack.reason));
    match ack.reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Answer::Taken,
        PubAckReason::NotAuthorized
        | PubAckReason::TopicNameInvalid
        | PubAckReason::PayloadFormatInvalid => Answer::Denied(reason),
        PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::PacketIdentifierInUse
        | PubAckReason::QuotaExceeded => Answer::Later(reason),
    }
}

#[cfg(test)]
#[path = "v5_tests.rs"]
mod tests;
