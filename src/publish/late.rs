//! What changes in an alert between its acceptance and its sending.
//!
//! The times of an alert are those of its frames. One that waited is called late; and one whose
//! frame was taken before the clock was set gets the times that the clock would have shown, where
//! the machine has not been restarted since. Everything else stays as it was accepted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::spool::Entry;
use crate::capture::Moment;

/// An alert whose frame is older than this when it is sent is called late.
const LATE: Duration = Duration::from_secs(5);
/// A clock that was this close to the truth needs no correction.
const CLOSE: SignedDuration = SignedDuration::from_secs(1);

/// The payload of an alert that is sent `now`, on a machine that runs since `boot_id`.
pub(super) fn payload(entry: &Entry, now: &Moment, boot_id: &str) -> Vec<u8> {
    let is_same_boot = entry.boot_id == boot_id;
    let age = now.since_boot.saturating_sub(entry.since_boot);
    let is_late = !is_same_boot || age > LATE;
    let is_wrong = is_same_boot && !entry.synced && now.synced;
    if !is_late && !is_wrong {
        return entry.payload.clone();
    }
    // What is no JSON was not written by us; the broker gets it as it is.
    let Ok(mut event) = serde_json::from_slice::<Value>(&entry.payload) else {
        return entry.payload.clone();
    };
    if is_late {
        event["data"]["late"] = true.into();
    }
    if is_wrong {
        correct(&mut event, now.wall - age_of(age));
    }
    serde_json::to_vec(&event).unwrap_or_else(|_| entry.payload.clone())
}

fn age_of(age: Duration) -> SignedDuration {
    SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX)
}

/// Moves all times of an event so that it happened at `truth`.
fn correct(event: &mut Value, truth: Timestamp) {
    let Some(said) = time(&event["time"]) else {
        return;
    };
    let shift = truth.duration_since(said);
    if shift.abs() <= CLOSE {
        return;
    }
    for path in [
        "/time",
        "/data/started_at",
        "/data/ended_at",
        "/data/frame/taken_at",
    ] {
        if let Some(value) = event.pointer_mut(path)
            && let Some(moved) = time(value).and_then(|time| time.checked_add(shift).ok())
        {
            *value = format!("{moved:.3}").into();
        }
    }
    event["data"]["clock"]["synced"] = true.into();
    event["data"]["clock"]["corrected"] = true.into();
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = r#"{"time":"1970-01-01T00:01:40.500Z","data":{"late":false,"started_at":"1970-01-01T00:01:40.000Z","ended_at":null,"frame":{"taken_at":"1970-01-01T00:01:40.200Z"},"clock":{"synced":false}}}"#;

    fn entry(synced: bool) -> Entry {
        Entry {
            seq: 1,
            id: "a-1".into(),
            topic: "t".into(),
            payload: PAYLOAD.into(),
            boot_id: "b".into(),
            since_boot: Duration::from_secs(100),
            synced,
        }
    }

    fn now(since_boot: u64, synced: bool) -> Moment {
        Moment {
            wall: "2026-09-30T10:00:00Z".parse().unwrap(),
            since_boot: Duration::from_secs(since_boot),
            synced,
        }
    }

    fn sent(entry: &Entry, now: &Moment, boot_id: &str) -> Value {
        serde_json::from_slice(&payload(entry, now, boot_id)).unwrap()
    }

    #[test]
    fn an_alert_that_is_sent_at_once_is_sent_as_it_was_accepted() {
        let entry = entry(true);
        assert_eq!(payload(&entry, &now(104, true), "b"), entry.payload);
    }

    #[test]
    fn an_alert_that_waited_is_late_and_keeps_its_times() {
        let late = sent(&entry(true), &now(106, true), "b");
        assert_eq!(late["data"]["late"], true);
        assert_eq!(late["time"], "1970-01-01T00:01:40.500Z");
        let rebooted = sent(&entry(false), &now(3, true), "another boot");
        assert_eq!(rebooted["data"]["late"], true);
        assert_eq!(rebooted["data"]["clock"]["synced"], false);
    }

    #[test]
    fn times_from_before_the_clock_was_set_are_corrected_in_the_same_boot() {
        let corrected = sent(&entry(false), &now(160, true), "b");
        assert_eq!(corrected["time"], "2026-09-30T09:59:00.000Z");
        let data = &corrected["data"];
        assert_eq!(data["started_at"], "2026-09-30T09:58:59.500Z");
        assert_eq!(data["frame"]["taken_at"], "2026-09-30T09:58:59.700Z");
        assert!(data["ended_at"].is_null());
        assert_eq!(data["clock"]["corrected"], true);
        let unknown = sent(&entry(false), &now(160, false), "b");
        assert_eq!(unknown["time"], "1970-01-01T00:01:40.500Z");
    }
}
