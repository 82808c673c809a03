//! The size of a message on the wire, since a broker ends the connection at one that is too large.

/// Bytes of a PUBLISH packet without properties (MQTT 5, 3.3): with 3.1.1 it has one less.
pub(super) fn size(topic: &str, payload: &[u8]) -> u32 {
    // Lengths of topic and properties, packet id.
    let rest = 2 + topic.len() + 2 + 1 + payload.len();
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
    }
}
