//! The few settings that an environment variable may give: scalars that differ from machine to
//! machine. An explicit list, because a scheme that maps every variable to a key turns a typing
//! error into silence. Passwords are not among them: they stand in a file.

/// What a variable's text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The text itself.
    Text,
    /// A whole number.
    Integer,
}

/// Variable, key, kind.
pub(super) const VARIABLES: [(&str, &str, Kind); 6] = [
    ("INSPECTD_NODE", "node.name", Kind::Text),
    ("INSPECTD_STATE_DIR", "node.state_dir", Kind::Text),
    ("INSPECTD_MQTT_HOST", "mqtt.host", Kind::Text),
    ("INSPECTD_MQTT_PORT", "mqtt.port", Kind::Integer),
    ("INSPECTD_MQTT_USERNAME", "mqtt.username", Kind::Text),
    ("INSPECTD_LOG_LEVEL", "log.level", Kind::Text),
];
