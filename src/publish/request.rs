//! What is heard on `request/<verb>` and `<camera>/<control>/set`, read strictly.
//!
//! A pure function of topic and payload. Anybody who may publish can send anything: sizes are
//! bounded before anything is read, numbers are finite and in range, an unknown field is a fault
//! (a misspelt `camera` must not mute them all), and nothing panics. What is retained is old and
//! never obeyed.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::response::Reply;
use super::{Control, Message, Topics, Verb};
use crate::config::Name;
use crate::decide::is_incident_id;
use crate::score::threshold::Level;

/// The largest payload that is read.
pub const MAX_REQUEST: usize = 16 * 1024;
/// The longest mute with an end, a year; longer is a slip of the unit.
const MAX_MINUTES: f64 = 525_600.0;
/// Why a request that finds no place is not done.
const BUSY: &str = "busy: too many requests wait; try again in a few seconds";
/// Characters of a fault that are sent back: it may quote what came.
const MAX_FAULT: usize = 500;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Publish the latest picture of a camera, or of all.
    Snapshot {
        /// The camera; none is all.
        camera: Option<Name>,
    },
    /// Keep the alerts of a camera back, or of all.
    Mute {
        /// The camera; none is all.
        camera: Option<Name>,
        /// For how long.
        hush: Hush,
    },
    /// Remember whether an alert was right.
    Feedback(Feedback),
    /// Read the configuration anew.
    Reload,
    /// Say how the node is.
    HealthCheck,
}

/// A control of a camera that is set.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The camera.
    pub camera: Name,
    /// What it is set to.
    pub to: Position,
}

/// A control and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Position {
    /// Whether the camera is inspected.
    Enabled(bool),
    /// Where a frame becomes anomalous.
    Threshold(Level),
    /// Whether its alerts are kept back.
    Mute(Hush),
}

impl Position {
    /// The control that stands like this.
    pub fn control(self) -> Control {
        match self {
            Position::Enabled(_) => Control::Enabled,
            Position::Threshold(_) => Control::Threshold,
            Position::Mute(_) => Control::Mute,
        }
    }
}

/// For how long alerts are kept back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hush {
    /// No longer.
    Off,
    /// Until it is taken back.
    On,
    /// For so long, above 0.
    For(Duration),
}

/// Whether an alert was right.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// The incident.
    pub alert_id: String,
    /// What it was in truth.
    pub verdict: Verdict,
    /// In the words of whoever looked.
    pub comment: Option<String>,
}

/// What a picture was in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Normal.
    Fine,
    /// Not normal.
    Bad,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A request, to be answered.
    Asked(Request, Reply),
    /// A control that is set; the answer is its state.
    Set(Setting),
}

/// What was heard and can't be obeyed.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// A request; this answers it.
    Asked(Message),
    /// A control; its state is to be said anew, so that whoever set it sees the old value.
    Set {
        /// The camera.
        camera: Name,
        /// The control.
        control: Control,
        /// Why not.
        fault: String,
    },
}

impl Heard {
    /// Reads a message that came on `topic`. `None` where nothing is asked by it: the topic is
    /// none of ours, or the message was retained and may be of last year.
    pub fn parse(
        topics: &Topics,
        cameras: &[Name],
        topic: &str,
        payload: &[u8],
        retained: bool,
    ) -> Option<Result<Heard, Refusal>> {
        if retained {
            return None;
        }
        if let Some(level) = below_requests(topics, topic) {
            // What is no name could not stand in the topic of an answer.
            let level: Name = level.parse().ok()?;
            return Some(asked(topics, cameras, &level, payload));
        }
        cameras.iter().find_map(|camera| {
            let control = topics.camera(camera).control(topic)?;
            Some(set(camera, control, payload))
        })
    }
}

/// The answer to a request for which there is no place now; `None` where it is none.
pub(super) fn busy(topics: &Topics, topic: &str, payload: &[u8]) -> Option<Message> {
    let level: Name = below_requests(topics, topic)?.parse().ok()?;
    let addressed = addressed(topics, &level, payload);
    Some(addressed.map_or_else(|answer| answer, |(reply, _)| reply.error(BUSY)))
}

/// The level of a topic that says what is asked for.
fn below_requests<'a>(topics: &Topics, topic: &'a str) -> Option<&'a str> {
    topic.strip_prefix(topics.requests().trim_end_matches('+'))
}

fn asked(
    topics: &Topics,
    cameras: &[Name],
    level: &Name,
    payload: &[u8],
) -> Result<Heard, Refusal> {
    let known = Verb::ALL.into_iter().find(|v| v.as_str() == level.as_str());
    let (reply, fields) = addressed(topics, level, payload).map_err(Refusal::Asked)?;
    let request = match known {
        Some(verb) => request(verb, fields, cameras),
        None => Err(format!(
            "\"{level}\" is no request; known are {}",
            Verb::ALL.map(Verb::as_str).join(", ")
        )),
    };
    match request {
        Ok(request) => Ok(Heard::Asked(request, reply)),
        Err(fault) => Err(Refusal::Asked(reply.error(&shortened(fault)))),
    }
}

/// Whom a request is answered, and its other fields; or the answer, where they can't be read.
fn addressed(
    topics: &Topics,
    level: &Name,
    payload: &[u8],
) -> Result<(Reply, Map<String, Value>), Message> {
    let any = topics.response(Verb::Reload);
    let folder = any.trim_end_matches(Verb::Reload.as_str());
    let answer = |transaction| Reply::new(format!("{folder}{level}"), transaction);
    let mut fields = match object(payload) {
        Ok(fields) => fields,
        Err(fault) => return Err(answer(Value::Null).error(&fault)),
    };
    let transaction = fields.remove("transaction").unwrap_or(Value::Null);
    let is_integer = transaction.is_i64() || transaction.is_u64();
    if !(transaction.is_null() || transaction.is_string() || is_integer) {
        let fault = "`transaction` must be a text or an integer";
        return Err(answer(Value::Null).error(fault));
    }
    Ok((answer(transaction), fields))
}

/// The fields of a payload; an empty one has none.
fn object(payload: &[u8]) -> Result<Map<String, Value>, String> {
    if payload.is_empty() {
        return Ok(Map::new());
    }
    match bounded(payload).map(serde_json::from_slice)? {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("a request is a JSON object, such as {}".to_owned()),
        Err(fault) => Err(shortened(format!("a request is a JSON object: {fault}"))),
    }
}

fn bounded(payload: &[u8]) -> Result<&[u8], String> {
    match payload.len() {
        0..=MAX_REQUEST => Ok(payload),
        size => Err(format!(
            "the payload has {size} bytes; at most {MAX_REQUEST} are read"
        )),
    }
}

fn request(verb: Verb, fields: Map<String, Value>, cameras: &[Name]) -> Result<Request, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Snapshot {
        camera: Option<String>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Mute {
        camera: Option<String>,
        minutes: Option<f64>,
    }

    Ok(match verb {
        Verb::Snapshot => {
            let Snapshot { camera } = typed(fields)?;
            Request::Snapshot {
                camera: known(camera, cameras)?,
            }
        }
        Verb::Mute => {
            let Mute { camera, minutes } = typed(fields)?;
            Request::Mute {
                camera: known(camera, cameras)?,
                hush: minutes.map_or(Ok(Hush::On), hush)?,
            }
        }
        Verb::Feedback => Request::Feedback(feedback(typed(fields)?)?),
        Verb::Reload => typed(fields).map(|Nothing {}| Request::Reload)?,
        Verb::HealthCheck => typed(fields).map(|Nothing {}| Request::HealthCheck)?,
    })
}

fn typed<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(fields)).map_err(|fault| fault.to_string())
}

/// The camera of that name.
fn known(camera: Option<String>, cameras: &[Name]) -> Result<Option<Name>, String> {
    let Some(camera) = camera else {
        return Ok(None);
    };
    let found = cameras.iter().find(|name| name.as_str() == camera);
    found.cloned().map(Some).ok_or_else(|| {
        let names: Vec<&str> = cameras.iter().map(Name::as_str).collect();
        let names = names.join(", ");
        format!("there is no camera {camera:.80?}; this node has {names}")
    })
}

fn hush(minutes: f64) -> Result<Hush, String> {
    if minutes == 0.0 {
        return Ok(Hush::Off);
    }
    if !(0.0..=MAX_MINUTES).contains(&minutes) {
        return Err(format!(
            "{minutes} minutes: it must be from 0 to {MAX_MINUTES}"
        ));
    }
    Ok(Hush::For(Duration::from_secs_f64(minutes * 60.0)))
}

/// The id of an event names its incident as well: what follows counts the reports.
fn feedback(mut feedback: Feedback) -> Result<Feedback, String> {
    let id = &feedback.alert_id;
    let incident = match id.split_once('-') {
        Some((incident, report)) if report.parse::<u32>().is_ok() => incident,
        _ => id,
    };
    if is_incident_id(incident) {
        feedback.alert_id = incident.to_owned();
        return Ok(feedback);
    }
    Err(format!(
        "{id:.80?} is no alert's id; take `data.alert_id` of the alert, 26 characters"
    ))
}

fn set(camera: &Name, control: Control, payload: &[u8]) -> Result<Heard, Refusal> {
    let refused = |fault| Refusal::Set {
        camera: camera.clone(),
        control,
        fault,
    };
    let text = bounded(payload).and_then(|payload| {
        std::str::from_utf8(payload).map_err(|_| "the payload is no text".to_owned())
    });
    let to = text.and_then(|text| position(control, text));
    let to = to.map_err(|fault| refused(shortened(fault)))?;
    Ok(Heard::Set(Setting {
        camera: camera.clone(),
        to,
    }))
}

fn position(control: Control, text: &str) -> Result<Position, String> {
    let number = text.parse::<f64>().ok();
    match (control, text) {
        (Control::Enabled, "ON") => Ok(Position::Enabled(true)),
        (Control::Enabled, "OFF") => Ok(Position::Enabled(false)),
        (Control::Enabled, _) => Err(format!("{text:.80?} is neither ON nor OFF")),
        (Control::Threshold, _) => {
            let level = number.and_then(Level::new).ok_or_else(|| {
                let (low, high) = (Level::RANGE.start(), Level::RANGE.end());
                format!("{text:.80?} is no number from {low} to {high}")
            })?;
            Ok(Position::Threshold(level))
        }
        (Control::Mute, "ON") => Ok(Position::Mute(Hush::On)),
        (Control::Mute, "OFF") => Ok(Position::Mute(Hush::Off)),
        (Control::Mute, _) => match number {
            Some(minutes) => hush(minutes).map(Position::Mute),
            None => Err(format!("{text:.80?} is neither ON nor OFF nor minutes")),
        },
    }
}

fn shortened(mut fault: String) -> String {
    if let Some((end, _)) = fault.char_indices().nth(MAX_FAULT) {
        fault.truncate(end);
    }
    fault
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
