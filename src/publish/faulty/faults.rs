//! What goes wrong with the faulty broker, and how often.

/// What goes wrong, and how often: the rates are shares of 1, each drawn anew at its occasion.
#[derive(Debug, Clone, Default)]
pub(in crate::publish) struct Faults {
    /// At a connection: closed before a word.
    pub(in crate::publish) drop_at_connect: f64,
    /// At a connection: refused.
    pub(in crate::publish) refuse: f64,
    /// At a packet: the connection is closed before the packet counts as read.
    pub(in crate::publish) reset_reading: f64,
    /// At a PUBACK: the connection is closed after its first byte.
    pub(in crate::publish) reset_writing: f64,
    /// At a packet: a DISCONNECT (3.1.1: just closed).
    pub(in crate::publish) dismiss: f64,
    /// At a packet: nothing is read or written any more, but the connection stands.
    pub(in crate::publish) half_open: f64,
    /// At a message: no PUBACK, ever.
    pub(in crate::publish) mute: f64,
    /// At a message: the PUBACK comes up to 30 ms late, and so after later ones.
    pub(in crate::publish) late: f64,
    /// At a message: PUBACK 0x97, quota exceeded (MQTT 5).
    pub(in crate::publish) later: f64,
    /// At a message: PUBACK twice.
    pub(in crate::publish) twice: f64,
    /// At a message: a PUBACK for a packet id that was never used as well.
    pub(in crate::publish) unknown: f64,
    /// What the CONNACK says (MQTT 5). What is larger closes the connection, whatever the version.
    pub(in crate::publish) largest_packet: Option<u32>,
    /// What the CONNACK says (MQTT 5).
    pub(in crate::publish) receive_maximum: Option<u16>,
    /// How it receives the other version's CONNECT.
    pub(in crate::publish) speaks: Speaks,
    /// Connections on which nothing is acknowledged.
    pub(in crate::publish) silent_connections: usize,
    /// Messages whose topic or payload contains this text.
    pub(in crate::publish) poison: Vec<(String, Poison)>,
    /// At a SUBSCRIBE: the connection is closed.
    pub(in crate::publish) closes_at_subscribe: bool,
    /// After a SUBACK: a retained message with a payload of so many bytes.
    pub(in crate::publish) left_behind: Option<usize>,
}

/// The versions that it speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::publish) enum Speaks {
    #[default]
    Both,
    /// 5 is refused with return code 1.
    V3,
    /// 5 is answered by closing the connection.
    V3AndCloses,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::publish) enum Poison {
    /// PUBACK 0x87 (MQTT 5; 3.1.1: closed).
    Denied,
    /// No PUBACK, ever.
    Mute,
    /// The connection is closed.
    Closes,
}
