//! What Home Assistant is told of a node: one retained message that describes a device, so that its
//! cameras appear there with no configuration by hand.
//!
//! A pure step: names in, a message out; entities read and write the topics of the contract and add
//! none. Needs Home Assistant 2024.11 or later, which removes an entity where it is described by its
//! platform alone, keeps one that is only missing, and removes the device on an empty message.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{CameraTopics, Control, Delivery, Retained, Topics, Verb, homeassistant_config};
use crate::config::{Name, Prefix};

/// A camera can be `disabled` as well, which Home Assistant would take for no news.
const IS_ONLINE: &str = "{{ 'online' if value == 'online' else 'offline' }}";
/// An event must name its type; the rest become attributes of the event.
const ALERT: &str = "{% set d = value_json.data %}\
    {{ {'event_type': d.phase, 'alert_id': d.alert_id, 'severity': d.severity, 'cause': d.cause, \
    'started_at': d.started_at, 'ended_at': d.ended_at, 'late': d.late, \
    'suppressed': d.suppressed, 'score': d.score.value if d.score else none, \
    'p_value': d.score.p_value if d.score else none, \
    'detail': d.fault.detail if d.fault else none, \
    'bbox': d.region.bbox if d.region else none} | to_json }}";
/// Whether an incident is open whose cause is the camera or its light.
const CAMERA_PROBLEM: &str =
    "{{ 'ON' if value_json.causes | reject('eq', 'anomaly') | list else 'OFF' }}";
const WHAT_PROBLEM: &str = "{{ {'causes': value_json.causes | reject('eq', 'anomaly') | list, \
    'reason': value_json.reason, 'detail': value_json.detail} | to_json }}";
const SPOOL_FAULT: &str = "{{ 'OFF' if value_json.spool.state in ['healthy', 'off'] else 'ON' }}";

/// A camera as Home Assistant needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: Name,
    /// Whether it publishes snapshots.
    pub has_snapshot: bool,
}

/// What an entity is for programs, what for people, and the rest of its description.
type Entity = (&'static str, &'static str, Value);

/// The description of a node with these cameras, below Home Assistant's `discovery` prefix.
pub fn describe(
    discovery: &Prefix,
    topics: &Topics,
    node: &Name,
    version: &str,
    cameras: &[Described],
) -> Retained {
    let id = format!("inspectd_{node}");
    let mut components = Map::new();
    // Names hold no dot, so no two entities of any nodes have the same unique id.
    for camera in cameras {
        let name = &camera.name;
        for (what, title, mut entity) in camera_entities(camera, topics) {
            entity["unique_id"] = json!(format!("{id}.{name}.{what}"));
            entity["name"] = json!(format!("{name} {title}"));
            components.insert(format!("{name}.{what}"), entity);
        }
    }
    for (what, title, mut entity) in node_entities(topics) {
        entity["unique_id"] = json!(format!("{id}.{what}"));
        entity["name"] = json!(title);
        components.insert(what.to_owned(), entity);
    }
    let device = json!({
        "device": {
            "identifiers": [id],
            "name": format!("inspectd {node}"),
            "manufacturer": "inspectd",
            "model": "Visual inspection",
            "sw_version": version,
        },
        "origin": origin(version),
        // Of every entity that has none of its own.
        "availability": [node_availability(topics)],
        "availability_mode": "all",
        "components": components,
    });
    message(discovery, node, device.to_string().into_bytes())
}

/// Removes a node and all its entities.
pub fn remove(discovery: &Prefix, node: &Name) -> Retained {
    message(discovery, node, Vec::new())
}

/// The platform of each entity that a message describes: as much as its removal needs.
pub type Platforms = BTreeMap<String, String>;

/// What a message describes; empty where it removes the node.
pub fn platforms(message: &Retained) -> Platforms {
    let device: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
    let entities = device["components"].as_object().into_iter().flatten();
    let described = entities.filter(|(_, entity)| entity["unique_id"].is_string());
    let platform = |entity: &Value| entity["platform"].as_str().map(str::to_owned);
    described
        .filter_map(|(key, entity)| Some((key.clone(), platform(entity)?)))
        .collect()
}

/// Makes a message remove what former ones described and this one does not. A message that removes
/// the node is left as it is.
pub fn supersede(message: &mut Retained, former: &Platforms) {
    let mut device: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
    let Some(entities) = device["components"].as_object_mut() else {
        return;
    };
    for (key, platform) in former {
        if !entities.contains_key(key) {
            entities.insert(key.clone(), json!({ "platform": platform }));
        }
    }
    message.payload = device.to_string().into_bytes();
}

fn message(discovery: &Prefix, node: &Name, payload: Vec<u8>) -> Retained {
    Retained {
        topic: homeassistant_config(discovery, node),
        payload,
        delivery: Delivery::AtLeastOnce,
    }
}

fn origin(version: &str) -> Value {
    let mut origin = json!({ "name": "inspectd", "sw_version": version });
    let repository = env!("CARGO_PKG_REPOSITORY");
    if !repository.is_empty() {
        origin["support_url"] = json!(repository);
    }
    origin
}

fn node_availability(topics: &Topics) -> Value {
    json!({ "topic": topics.availability() })
}

fn camera_entities(camera: &Described, topics: &Topics) -> Vec<Entity> {
    let of = topics.camera(&camera.name);
    let mut entities = readings(topics, &of);
    entities.extend(controls(&of));
    if camera.has_snapshot {
        let image = json!({
            "platform": "image",
            "image_topic": of.snapshot,
            "content_type": "image/jpeg",
        });
        entities.push(("snapshot", "snapshot", image));
    }
    entities
}

/// What a camera says.
fn readings(topics: &Topics, of: &CameraTopics) -> Vec<Entity> {
    // What is seen counts only while it is fresh; whether it is, and the alerts that come late, count
    // without the camera.
    let fresh = json!([
        node_availability(topics),
        { "topic": of.availability, "value_template": IS_ONLINE },
    ]);
    let anomaly = json!({
        "platform": "binary_sensor",
        "device_class": "problem",
        "state_topic": of.state,
        "value_template": "{{ value_json.anomaly }}",
        "availability": fresh,
    });
    let score = json!({
        "platform": "sensor",
        "state_class": "measurement",
        "suggested_display_precision": 3,
        "icon": "mdi:gauge",
        "state_topic": of.state,
        "value_template": "{{ value_json.score }}",
        "availability": fresh,
    });
    // These two count most while the camera is offline.
    let problem = json!({
        "platform": "binary_sensor",
        "device_class": "problem",
        "state_topic": of.state,
        "value_template": CAMERA_PROBLEM,
        "json_attributes_topic": of.state,
        "json_attributes_template": WHAT_PROBLEM,
    });
    let reason = json!({
        "platform": "sensor",
        "entity_category": "diagnostic",
        "icon": "mdi:eye-check",
        "state_topic": of.state,
        "value_template": "{{ value_json.reason or 'judged' }}",
    });
    let connectivity = json!({
        "platform": "binary_sensor",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": of.availability,
        "value_template": IS_ONLINE,
        "payload_on": "online",
        "payload_off": "offline",
    });
    let alert = json!({
        "platform": "event",
        "event_types": ["opened", "updated", "closed"],
        "icon": "mdi:alert",
        "qos": 1,
        "state_topic": of.alert,
        "value_template": ALERT,
    });
    vec![
        ("anomaly", "anomaly", anomaly),
        ("score", "score", score),
        ("camera_problem", "camera problem", problem),
        ("reason", "last frame", reason),
        ("connectivity", "connection", connectivity),
        ("alert", "alert", alert),
    ]
}

/// What a camera can be told; usable while it is off or disabled.
fn controls(of: &CameraTopics) -> Vec<Entity> {
    let control = |control: Control, platform: &str, icon: &str| {
        json!({
            "platform": platform,
            "icon": icon,
            "qos": 1,
            "command_topic": of.set(control),
            "state_topic": of.state_of(control),
        })
    };
    let enabled = control(Control::Enabled, "switch", "mdi:camera");
    let mut mute = control(Control::Mute, "switch", "mdi:bell-off");
    let mut threshold = control(Control::Threshold, "number", "mdi:tune");
    for of_configuration in [&mut mute, &mut threshold] {
        of_configuration["entity_category"] = json!("config");
    }
    for (key, value) in [("min", 0.05), ("max", 0.95), ("step", 0.01)] {
        threshold[key] = json!(value);
    }
    threshold["mode"] = json!("slider");
    vec![
        ("enabled", "inspection", enabled),
        ("threshold", "threshold", threshold),
        ("mute", "mute", mute),
    ]
}

/// What the node says and can be told.
fn node_entities(topics: &Topics) -> Vec<Entity> {
    let diagnostic = |platform: &str, template: &str| {
        json!({
            "platform": platform,
            "entity_category": "diagnostic",
            "state_topic": topics.health(),
            "value_template": template,
        })
    };
    let mut spool = diagnostic("sensor", "{{ value_json.spool.alerts }}");
    spool["state_class"] = json!("measurement");
    spool["unit_of_measurement"] = json!("alerts");
    spool["icon"] = json!("mdi:tray-full");
    let mut fault = diagnostic("binary_sensor", SPOOL_FAULT);
    fault["device_class"] = json!("problem");
    let mut temperature = diagnostic("sensor", "{{ value_json.temperature_c }}");
    temperature["device_class"] = json!("temperature");
    temperature["state_class"] = json!("measurement");
    temperature["unit_of_measurement"] = json!("°C");
    let reload = json!({
        "platform": "button",
        "entity_category": "config",
        "icon": "mdi:reload",
        "qos": 1,
        "command_topic": topics.request(Verb::Reload),
        "payload_press": "{}",
    });
    vec![
        ("spool", "alerts waiting", spool),
        ("spool_fault", "alert storage", fault),
        ("temperature", "temperature", temperature),
        ("reload", "reload", reload),
    ]
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
