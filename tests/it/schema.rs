//! Every message that a test sees, against the schema of its topic. Stricter than a subscriber has to
//! be: a field that the schema does not know is a fault, so that none comes in without its
//! description. What the tests themselves ask (`request`, `set`) is not held against anything.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::Received;

/// What a topic carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Payload {
    /// JSON that satisfies the schema of this name.
    Json(&'static str),
    /// A plain text that does, taken as a JSON string.
    Text(&'static str),
    /// A plain number that does.
    Number(&'static str),
    /// A JPEG, or nothing where it was taken back.
    Picture,
    /// The description for Home Assistant, or nothing where it was taken back.
    HomeAssistant,
    /// Not from the program.
    Incoming,
}

/// The payloads that have a schema.
const NAMES: [&str; 11] = [
    "availability",
    "info",
    "health",
    "response",
    "camera-availability",
    "state",
    "alert",
    "active",
    "control-enabled",
    "control-threshold",
    "control-mute",
];

static STRICT: LazyLock<HashMap<&str, Validator>> = LazyLock::new(|| {
    let strict = |name| {
        let mut schema = read(name);
        close(&mut schema);
        let options = jsonschema::options().should_validate_formats(true);
        (name, options.build(&schema).unwrap())
    };
    NAMES.into_iter().map(strict).collect()
});

/// A schema as the program ships it.
fn read(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/publish/schema");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Forbids what is not named in every object whose properties are, unless it says that others may come.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            let is_object = match map.get("type") {
                Some(Value::Array(types)) => types.contains(&"object".into()),
                Some(one) => one == "object",
                // The branch of a condition: repeats some properties only.
                None => false,
            };
            if is_object && map.contains_key("properties") {
                map.entry("additionalProperties")
                    .or_insert_with(|| false.into());
            }
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}

/// What a topic carries; `None` where the contract does not know it.
pub(crate) fn carried(topic: &str) -> Option<Payload> {
    let levels: Vec<&str> = topic.split('/').collect();
    Some(match levels[..] {
        ["homeassistant", "device", _, "config"] => Payload::HomeAssistant,
        ["homeassistant", "status"] => Payload::Incoming,
        ["inspectd", _, "availability"] => Payload::Text("availability"),
        ["inspectd", _, "info"] => Payload::Json("info"),
        ["inspectd", _, "health"] => Payload::Json("health"),
        ["inspectd", _, "request", _] => Payload::Incoming,
        ["inspectd", _, "response", _] => Payload::Json("response"),
        ["inspectd", _, _, "availability"] => Payload::Text("camera-availability"),
        ["inspectd", _, _, "state"] => Payload::Json("state"),
        ["inspectd", _, _, "alert"] => Payload::Json("alert"),
        ["inspectd", _, _, "alert", "active"] => Payload::Json("active"),
        ["inspectd", _, _, "snapshot" | "heatmap"] => Payload::Picture,
        ["inspectd", _, _, "enabled", "state"] => Payload::Text("control-enabled"),
        ["inspectd", _, _, "threshold", "state"] => Payload::Number("control-threshold"),
        ["inspectd", _, _, "mute", "state"] => Payload::Text("control-mute"),
        ["inspectd", _, _, "enabled" | "threshold" | "mute", "set"] => Payload::Incoming,
        _ => return None,
    })
}

/// What is wrong with a message.
pub(crate) fn faults(message: &Received) -> Vec<String> {
    let parsed = || serde_json::from_slice::<Value>(&message.bytes);
    let Some(payload) = carried(&message.topic) else {
        return vec!["the contract does not know this topic".to_owned()];
    };
    // A camera that is no more is taken off the broker, and a name that the node had.
    if message.bytes.is_empty() && is_kept(&message.topic) {
        return Vec::new();
    }
    match payload {
        Payload::Json(name) | Payload::Number(name) => match parsed() {
            Ok(value) => violations(name, &value),
            Err(fault) => vec![format!("no JSON: {fault}")],
        },
        Payload::Text(name) => match std::str::from_utf8(&message.bytes) {
            Ok(text) => violations(name, &text.into()),
            Err(fault) => vec![format!("no text: {fault}")],
        },
        Payload::Picture if message.bytes.is_empty() => Vec::new(),
        Payload::Picture => {
            let is_whole = message.bytes.starts_with(&[0xff, 0xd8, 0xff])
                && message.bytes.ends_with(&[0xff, 0xd9]);
            (!is_whole)
                .then(|| "no JPEG".to_owned())
                .into_iter()
                .collect()
        }
        Payload::HomeAssistant if message.bytes.is_empty() => Vec::new(),
        Payload::HomeAssistant => {
            let value = parsed().unwrap_or_default();
            let parts = ["device", "origin", "components"].into_iter();
            let missing = parts.filter(|part| !value[part].is_object());
            missing.map(|part| format!("{part} is missing")).collect()
        }
        Payload::Incoming => Vec::new(),
    }
}

/// Whether the broker keeps the messages of this topic, and the topic is a node's or a camera's.
fn is_kept(topic: &str) -> bool {
    let levels: Vec<&str> = topic.split('/').collect();
    matches!(
        levels[..],
        [_, _, "availability" | "info" | "health"]
            | [_, _, _, "availability" | "state"]
            | [_, _, _, "alert", "active"]
            | [_, _, _, "enabled" | "threshold" | "mute", "state"]
    )
}

fn violations(name: &str, value: &Value) -> Vec<String> {
    STRICT[name]
        .iter_errors(value)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

/// Fails where a message is not as the contract has it.
#[track_caller]
pub(crate) fn check(message: &Received) {
    let faults = faults(message);
    assert!(
        faults.is_empty(),
        "{}: {faults:#?} in {}",
        message.topic,
        message.payload
    );
}
