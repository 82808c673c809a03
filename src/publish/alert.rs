//! The alert on the wire: a CloudEvent 1.0 in structured mode, as the MQTT contract has it.
//!
//! Every number comes from a [`crate::decide::Evidence`] and is finite, so JSON never carries a null
//! in place of one. Times are those of the frames, RFC 3339 in UTC with milliseconds. What is measured
//! of a frame stands in [`super::measured`].

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use tracing::{debug, info};

use super::measured::{Fault, Region, Scene, Score};
use super::media::MediaNames;
use super::spool::NewEntry;
use crate::capture::Moment;
use crate::decide::{Cause, EndedBy, Identity, Incident, Judged, Phase};

/// A clock that moved by less was not set.
const STEP: SignedDuration = SignedDuration::from_secs(1);

/// Which Profile judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileIdentity {
    /// `sha256:...` of the Profile.
    pub id: String,
    /// `sha256:...` of the teacher's file.
    pub teacher: String,
    /// When it was calibrated, RFC 3339, where that is known.
    pub calibrated_at: Option<String>,
    /// Normal frames that it was calibrated with.
    pub normal_frames: u64,
}

/// One report of an incident, ready for its topic.
#[derive(Debug, Clone)]
pub struct Alert {
    /// The whole topic.
    pub topic: String,
    at: Moment,
    report: u32,
    event: Event,
}

#[derive(Debug, Clone, Serialize)]
struct Event {
    specversion: &'static str,
    id: String,
    source: String,
    subject: String,
    r#type: &'static str,
    #[serde(serialize_with = "milliseconds")]
    time: Timestamp,
    datacontenttype: &'static str,
    dataschema: &'static str,
    data: Data,
}

/// The `data` of the event, and an element of `alert/active`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Data {
    alert_id: String,
    phase: Phase,
    severity: &'static str,
    cause: Cause,
    #[serde(serialize_with = "milliseconds")]
    started_at: Timestamp,
    #[serde(serialize_with = "milliseconds_if_any")]
    ended_at: Option<Timestamp>,
    ended_by: Option<EndedBy>,
    late: bool,
    suppressed: u64,
    clock: Clock,
    frame: Frame,
    score: Option<Score>,
    fault: Option<Fault>,
    persistence: Persistence,
    region: Option<Region>,
    scene: Scene,
    #[serde(serialize_with = "shared")]
    profile: Arc<ProfileIdentity>,
    media: Option<MediaNames>,
}

#[derive(Debug, Clone, Serialize)]
struct Clock {
    synced: bool,
    #[serde(serialize_with = "shared")]
    boot_id: Arc<str>,
    mono_ms: u64,
}

#[derive(Debug, Clone, Serialize)]
struct Frame {
    seq: u64,
    width: u32,
    height: u32,
    #[serde(serialize_with = "milliseconds")]
    taken_at: Timestamp,
}

#[derive(Debug, Clone, Serialize)]
struct Persistence {
    hits: usize,
    window: usize,
}

impl Alert {
    /// The report of an incident of `identity`'s camera, for `topic`; `media` names the pictures of
    /// its worst frame.
    pub fn new(
        topic: String,
        identity: &Identity,
        incident: &Incident,
        profile: &Arc<ProfileIdentity>,
        media: Option<&MediaNames>,
    ) -> Self {
        let event = Event {
            specversion: "1.0",
            id: format!("{}-{}", incident.id, incident.report),
            source: format!("inspectd/{}/{}", identity.node, identity.camera),
            subject: incident.id.clone(),
            r#type: "io.inspectd.alert.v1",
            time: incident.at.wall,
            datacontenttype: "application/json",
            dataschema: "urn:inspectd:schema:alert:1.0",
            data: Data::new(identity, incident, profile, media),
        };
        Alert {
            topic,
            at: incident.at,
            report: incident.report,
            event,
        }
    }

    /// The event's id; with its source it is unique.
    pub fn id(&self) -> &str {
        &self.event.id
    }

    /// The payload of an alert that does not wait.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&self.event).expect("an event has text keys and finite numbers")
    }

    /// What the spool keeps.
    pub(super) fn to_spool(&self) -> NewEntry {
        NewEntry {
            id: self.event.id.clone(),
            topic: self.topic.clone(),
            payload: self.encode(),
            is_update: self.event.data.phase == Phase::Updated,
            boot_id: Arc::clone(&self.event.data.clock.boot_id),
            at: self.at,
        }
    }

    /// Writes to the journal that it is accepted: news, unless the incident merely goes on. `alert` and
    /// `report` make the event's id.
    pub(super) fn log(&self) {
        let Event { source, data, .. } = &self.event;
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    source,
                    alert = data.alert_id,
                    report = self.report,
                    phase = ?data.phase,
                    cause = data.cause.as_str(),
                    score = data.score.as_ref().map(Score::value),
                    basis = data.score.as_ref().map(|score| tracing::field::debug(score.basis())),
                    fault = data.fault.as_ref().map(Fault::detail),
                    "incident"
                )
            };
        }
        match data.phase {
            Phase::Opened | Phase::Closed => line!(info),
            Phase::Updated => line!(debug),
        }
    }
}

impl Data {
    pub(super) fn new(
        identity: &Identity,
        incident: &Incident,
        profile: &Arc<ProfileIdentity>,
        media: Option<&MediaNames>,
    ) -> Self {
        let worst = &incident.worst;
        let judged = worst.judged();
        let picture = worst.picture();
        Data {
            alert_id: incident.id.clone(),
            phase: incident.phase,
            severity: severity(incident),
            cause: incident.cause,
            started_at: wall(&incident.started, &incident.at),
            ended_at: incident.ended.map(|at| wall(&at, &incident.at)),
            ended_by: incident.ended_by,
            late: false,
            suppressed: incident.suppressed,
            clock: Clock::new(&incident.at, &identity.boot_id),
            frame: Frame {
                seq: incident.worst_seq,
                width: picture.width,
                height: picture.height,
                taken_at: wall(&incident.worst_at, &incident.at),
            },
            score: judged.map(|judged| Score::new(judged.score())),
            fault: Fault::of(worst),
            persistence: Persistence {
                hits: incident.hits,
                window: incident.window,
            },
            region: judged.and_then(Judged::region).map(Region::new),
            scene: Scene::new(&picture, incident.drift),
            profile: Arc::clone(profile),
            media: media.cloned(),
        }
    }
}

/// How urgent it is. Nobody watches any more where a camera is blind or repeats itself; elsewhere it
/// still sees. An anomaly is more urgent once a frame of it was beyond the alarm line.
fn severity(incident: &Incident) -> &'static str {
    match incident.cause {
        Cause::Anomaly if incident.is_alarm => "critical",
        Cause::Anomaly | Cause::CameraMoved | Cause::SceneChanged | Cause::Drift => "warn",
        Cause::CameraBlocked | Cause::CameraFrozen => "critical",
    }
}

/// The wall time of an earlier moment by the clock of the report. They differ where the clock was
/// set between the two; then an incident would seem to end before it began, or to last for years.
pub(super) fn wall(moment: &Moment, report: &Moment) -> Timestamp {
    let since = SignedDuration::try_from(report.since_boot.saturating_sub(moment.since_boot));
    let by_report = since
        .ok()
        .and_then(|since| report.wall.checked_sub(since).ok());
    match by_report {
        Some(time) if time.duration_since(moment.wall).abs() > STEP => time,
        _ => moment.wall,
    }
}

impl Clock {
    fn new(at: &Moment, boot_id: &Arc<str>) -> Self {
        let mono_ms = u64::try_from(at.since_boot.as_millis()).unwrap_or(u64::MAX);
        Clock {
            synced: at.synced,
            boot_id: Arc::clone(boot_id),
            mono_ms,
        }
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(super) fn milliseconds<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{time:.3}"))
}

pub(super) fn milliseconds_if_any<S: Serializer>(
    time: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => milliseconds(time, to),
        None => to.serialize_none(),
    }
}

/// The value behind an `Arc`.
pub(super) fn shared<T: Serialize + ?Sized, S: Serializer>(
    value: &Arc<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().serialize(to)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};
    use std::time::Duration;

    use super::*;
    use crate::decide::{Rules, stories};

    #[test]
    fn a_clock_that_was_set_in_between_makes_no_incident_of_fifty_years() {
        let moment = |wall: &str, seconds| Moment {
            wall: wall.parse().unwrap(),
            since_boot: Duration::from_secs(seconds),
            synced: false,
        };
        let began = moment("1970-01-01T00:01:00Z", 60);
        let report = moment("2026-09-30T10:00:00Z", 90);
        let shown = |moment: &Moment| wall(moment, &report).to_string();
        assert_eq!(shown(&began), "2026-09-30T09:59:30Z");
        assert_eq!(shown(&report), "2026-09-30T10:00:00Z");
        let slewed = moment("2026-09-30T09:59:30.4Z", 60);
        assert_eq!(shown(&slewed), "2026-09-30T09:59:30.4Z");
    }

    #[test]
    fn an_incident_that_goes_on_is_no_news_to_the_journal() {
        let journal = Arc::new(tempfile::tempfile().unwrap());
        let lines = tracing_subscriber::fmt().with_writer(Arc::clone(&journal));
        let lines = lines.with_max_level(tracing::Level::INFO).finish();
        let profile = Arc::new(ProfileIdentity {
            id: "sha256:9a".into(),
            teacher: "sha256:1f".into(),
            calibrated_at: None,
            normal_frames: 420,
        });
        let mut tracker = stories::tracker(Rules::default());
        let story = format!("{}{}", "A".repeat(120), ".".repeat(20));
        let reports = stories::tell(&mut tracker, &story);
        let identity = Identity {
            node: "press".into(),
            camera: "cam0".into(),
            boot_id: "b".into(),
        };
        tracing::subscriber::with_default(lines, || {
            for (_, report) in &reports {
                Alert::new("topic".into(), &identity, report, &profile, None).log();
            }
        });
        let mut text = String::new();
        let mut journal = &*journal;
        journal.rewind().unwrap();
        journal.read_to_string(&mut text).unwrap();
        let said = text.lines().filter(|line| line.contains("incident"));
        assert!(reports.len() > 5, "{}", reports.len());
        assert_eq!(said.count(), 2, "{text}");
    }
}
