//! The size of a message on the wire, since a broker ends the connection at one that is too large.

/// The content type of a CloudEvent in structured mode. MQTT 5 carries it as a property, by which receivers know the mode
/// (CloudEvents' MQTT protocol binding 1.0.2, section 3); 3.1.1 has no properties, and only this mode.
pub(super) const EVENT: &str = "application/cloudevents+json";

/// Bytes of a PUBLISH packet without properties (MQTT 5, 3.3): with 3.1.1 it has one less.
pub(super) fn size(topic: &str, payload: &[u8]) -> u32 {
    packet(topic, payload, 0)
}

/// Bytes of a PUBLISH packet with the content type [`EVENT`], a property of an identifier, a length and the text.
pub(super) fn event_size(topic: &str, payload: &[u8]) -> u32 {
    packet(topic, payload, 1 + 2 + EVENT.len())
}

fn packet(topic: &str, payload: &[u8], properties: usize) -> u32 {
    // Lengths of topic and properties, packet id.
    let rest = 2 + topic.len() + 2 + 1 + properties + payload.len();
    let length = 1 + [0x80, 0x4000, 0x20_0000]
        .iter()
        .filter(|limit| rest >= **limit)
        .count();
    u32::try_from(1 + length + rest).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_has_as_many_bytes_as_mqtt_5_writes() {
        // Fixed header 2, topic 2 + 1, packet id 2, properties 1.
        assert_eq!(size("t", b""), 8);
        assert_eq!(size("t", &[0; 121]), 129);
        assert_eq!(size("t", &[0; 122]), 1 + 2 + 128);
        assert_eq!(size("t", &[0; 16_377]), 1 + 2 + 16_383);
        assert_eq!(size("t", &[0; 16_378]), 1 + 3 + 16_384);
        assert_eq!(event_size("t", b""), 8 + 31);
        assert_eq!(event_size("t", &[0; 91]), 1 + 2 + 128);
    }
}
