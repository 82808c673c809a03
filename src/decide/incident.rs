//! An incident as it is reported: one alert id, phases opened, updated and closed.
//!
//! Ids are derived from the frame that opened the incident, never drawn: a replay gives the same.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{DriftLevel, Evidence};
use crate::capture::Moment;
use crate::preprocess::SceneFaultKind;

/// Where an incident is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The first report.
    Opened,
    /// It goes on.
    Updated,
    /// The last report.
    Closed,
}

/// Why somebody is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(into = "&'static str")]
pub enum Cause {
    /// The picture is not as it was learnt.
    Anomaly,
    /// There is next to nothing to see.
    CameraBlocked,
    /// The camera looks at another place.
    CameraMoved,
    /// The camera repeats one picture.
    CameraFrozen,
    /// The light is another.
    SceneChanged,
    /// The scores of normal frames move away from those of calibration.
    Drift,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 6] = [
        Cause::Anomaly,
        Cause::CameraBlocked,
        Cause::CameraMoved,
        Cause::CameraFrozen,
        Cause::SceneChanged,
        Cause::Drift,
    ];

    /// Its word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Anomaly => "anomaly",
            Cause::CameraBlocked => SceneFaultKind::Blocked.word(),
            Cause::CameraMoved => SceneFaultKind::Moved.word(),
            Cause::CameraFrozen => SceneFaultKind::Frozen.word(),
            Cause::SceneChanged => SceneFaultKind::Changed.word(),
            Cause::Drift => "drift",
        }
    }

    /// Whether a frame that shows both is said to show this one alone.
    pub(super) fn is_graver_than(self, other: Cause) -> bool {
        let place = |cause| match cause {
            Cause::CameraBlocked => 0,
            Cause::CameraFrozen => 1,
            Cause::CameraMoved => 2,
            Cause::SceneChanged => 3,
            Cause::Anomaly => 4,
            Cause::Drift => 5,
        };
        place(self) < place(other)
    }
}

impl From<Cause> for &'static str {
    fn from(cause: Cause) -> Self {
        cause.as_str()
    }
}

impl From<SceneFaultKind> for Cause {
    fn from(kind: SceneFaultKind) -> Self {
        match kind {
            SceneFaultKind::Blocked => Cause::CameraBlocked,
            SceneFaultKind::Moved => Cause::CameraMoved,
            SceneFaultKind::Frozen => Cause::CameraFrozen,
            SceneFaultKind::Changed => Cause::SceneChanged,
        }
    }
}

/// Why an incident ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// The pictures have become normal.
    Released,
    /// Inspection stopped; nobody knows how it went on.
    Stopped,
}

/// One report of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// A ULID; the same in all reports of the incident.
    pub id: String,
    /// Counts its reports, from 1.
    pub report: u32,
    /// Its phase.
    pub phase: Phase,
    /// Its cause.
    pub cause: Cause,
    /// The first frame of those that opened it.
    pub started: Moment,
    /// The frame that closed it.
    pub ended: Option<Moment>,
    /// Why it ended.
    pub ended_by: Option<EndedBy>,
    /// The frame that made this report.
    pub at: Moment,
    /// Incidents of this cause that were kept back since the former one: by the cooldown, a mute or the
    /// hourly cap.
    pub suppressed: u64,
    /// Frames in the window that show the cause, at this report.
    pub hits: usize,
    /// Frames of the window.
    pub window: usize,
    /// The worst frame so far, of those that opened it and those since: its number, ...
    pub worst_seq: u64,
    /// ... its moment ...
    pub worst_at: Moment,
    /// ... and what it shows.
    pub worst: Evidence,
    /// Whether any frame of those was beyond the alarm line.
    pub is_alarm: bool,
    /// How the scores stood against those of calibration at this report; `None` where nobody watches.
    pub drift: Option<DriftLevel>,
}

/// Whether a text may be the id of an incident: a ULID.
pub fn is_incident_id(text: &str) -> bool {
    const DIGITS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    text.len() == 26 && text.chars().all(|c| DIGITS.contains(c))
}

/// Whose incidents they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the node.
    pub node: Arc<str>,
    /// Name of the camera.
    pub camera: Arc<str>,
    /// Identifier of this boot of the machine.
    pub boot_id: Arc<str>,
}

impl Identity {
    /// The id of the incident of `cause` that the frame `seq`, taken `at`, opens: sorts by wall time.
    pub(super) fn incident_id(&self, cause: Cause, seq: u64, at: &Moment) -> String {
        let mut hash = Sha256::new();
        let whose = [&self.node, &self.camera, &self.boot_id].map(|text| &**text);
        for text in whose.into_iter().chain([cause.as_str()]) {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        hash.update(seq.to_le_bytes());
        hash.update(at.since_boot.as_nanos().to_le_bytes());
        let digest = hash.finalize();
        let random = digest
            .iter()
            .take(10)
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        let milliseconds = at.wall.as_millisecond().max(0).unsigned_abs();
        ulid::Ulid::from_parts(milliseconds, random).to_string()
    }
}
