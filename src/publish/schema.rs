//! The contract as files: a JSON Schema for each payload, and AsyncAPI for the topics.
//!
//! The files are written by hand and are the contract; the code is held against them by the tests,
//! never the other way round. They are part of the program, so that each version carries its own.

/// One file of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Its name, as in `urn:inspectd:schema:<name>:1.0`.
    pub name: &'static str,
    /// JSON Schema 2020-12.
    pub text: &'static str,
}

/// Name of the file of [`ASYNCAPI`].
pub const ASYNCAPI_FILE: &str = "asyncapi.yaml";

/// Every topic with its QoS, its retained flag and its payload: AsyncAPI 3.0. Names the schemas as
/// files beside it.
pub const ASYNCAPI: &str = include_str!("schema/asyncapi.yaml");

macro_rules! schemas {
    ($($name:literal),* $(,)?) => {
        [$(Schema {
            name: $name,
            text: include_str!(concat!("schema/", $name, ".json")),
        }),*]
    };
}

/// The schemas of all payloads but pictures, in the order of the topics.
pub const ALL: [Schema; 17] = schemas![
    "availability",
    "info",
    "health",
    "request-snapshot",
    "request-mute",
    "request-feedback",
    "request-reload",
    "request-health_check",
    "response",
    "camera-availability",
    "state",
    "alert",
    "active",
    "control-enabled",
    "control-threshold",
    "control-mute",
    "control-mute-set",
];

impl Schema {
    /// The name of its file.
    pub fn file(&self) -> String {
        format!("{}.json", self.name)
    }
}

/// The schema of this name.
pub fn named(name: &str) -> Option<&'static Schema> {
    ALL.iter().find(|schema| schema.name == name)
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
