//! The packets that the faulty broker reads and writes, as MQTT 3.1.1 and 5 spell them.
//!
//! It is for tests and trusts its peer: a packet that is none panics.

/// What a CONNECT says.
pub(super) struct Connect {
    pub(super) is_v5: bool,
    pub(super) client: String,
}

/// A PUBACK.
pub(super) struct Ack {
    packet: u16,
    reason: u8,
}

impl Ack {
    pub(super) fn taken(packet: u16) -> Ack {
        Ack { packet, reason: 0 }
    }

    /// Not authorised.
    pub(super) fn denied(packet: u16) -> Ack {
        Ack {
            packet,
            reason: 0x87,
        }
    }

    /// Quota exceeded.
    pub(super) fn later(packet: u16) -> Ack {
        Ack {
            packet,
            reason: 0x97,
        }
    }

    pub(super) fn encode(&self, is_v5: bool) -> Vec<u8> {
        let [high, low] = self.packet.to_be_bytes();
        if is_v5 {
            vec![0x40, 4, high, low, self.reason, 0]
        } else {
            vec![0x40, 2, high, low]
        }
    }
}

/// Takes the first whole packet out of the buffer: its first byte and its body.
pub(super) fn cut(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (length, used) = number(buffer.get(1..)?)?;
    let end = 1 + used + length;
    if buffer.len() < end {
        return None;
    }
    let packet: Vec<u8> = buffer.drain(..end).collect();
    Some((packet[0], packet[1 + used..].to_vec()))
}

/// Bytes of a whole packet with this body.
pub(super) fn size(body: &[u8]) -> usize {
    let length = match body.len() {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    };
    1 + length + body.len()
}

/// A variable byte integer and its length; `None` where it is not whole yet.
fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

/// A string at the beginning, and what follows.
fn text(bytes: &[u8]) -> (String, &[u8]) {
    let end = 2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let text = String::from_utf8(bytes[2..end].to_vec()).unwrap();
    (text, &bytes[end..])
}

/// What follows the properties, where there are any.
fn after_properties(bytes: &[u8], is_v5: bool) -> &[u8] {
    if !is_v5 {
        return bytes;
    }
    let (length, used) = number(bytes).unwrap();
    &bytes[used + length..]
}

pub(super) fn connect(body: &[u8]) -> Connect {
    let (name, rest) = text(body);
    assert_eq!(name, "MQTT");
    let is_v5 = rest[0] == 5;
    // Level, flags, keep-alive.
    let (client, _) = text(after_properties(&rest[4..], is_v5));
    Connect { is_v5, client }
}

/// Accepts, without a session.
pub(super) fn connack(is_v5: bool, largest: Option<u32>, receive_maximum: Option<u16>) -> Vec<u8> {
    if !is_v5 {
        return vec![0x20, 2, 0, 0];
    }
    let mut properties = Vec::new();
    if let Some(count) = receive_maximum {
        properties.push(0x21);
        properties.extend(count.to_be_bytes());
    }
    if let Some(bytes) = largest {
        properties.push(0x27);
        properties.extend(bytes.to_be_bytes());
    }
    let length = u8::try_from(properties.len()).unwrap();
    let mut packet = vec![0x20, 3 + length, 0, 0, length];
    packet.extend(properties);
    packet
}

/// Topic, packet id where QoS is 1, payload.
pub(super) fn publish(head: u8, body: &[u8], is_v5: bool) -> (String, Option<u16>, &[u8]) {
    let (topic, mut rest) = text(body);
    let mut packet = None;
    if head & 0b110 == 0b010 {
        packet = Some(u16::from_be_bytes([rest[0], rest[1]]));
        rest = &rest[2..];
    }
    (topic, packet, after_properties(rest, is_v5))
}

/// A retained message with QoS 0.
pub(super) fn retained(topic: &str, bytes: usize, is_v5: bool) -> Vec<u8> {
    let mut length = 2 + topic.len() + usize::from(is_v5) + bytes;
    let mut packet = vec![0x31];
    loop {
        let low = u8::try_from(length % 128).unwrap();
        length /= 128;
        packet.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    packet.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    packet.extend(topic.bytes());
    packet.extend(is_v5.then_some(0));
    packet.resize(packet.len() + bytes, b'x');
    packet
}

/// Grants every topic.
pub(super) fn suback(body: &[u8], is_v5: bool) -> Vec<u8> {
    let mut filters = after_properties(&body[2..], is_v5);
    let mut codes = Vec::new();
    while !filters.is_empty() {
        let (_, rest) = text(filters);
        codes.push(1);
        filters = &rest[1..];
    }
    let mut answer = body[..2].to_vec();
    if is_v5 {
        answer.push(0);
    }
    answer.extend(codes);
    let mut packet = vec![0x90, u8::try_from(answer.len()).unwrap()];
    packet.extend(answer);
    packet
}
