//! Counters and latencies: what the pipeline did, for the journal, for `health` and for tests.
//!
//! The only shared mutable state beside the stop, and the one way back: capture reads here what became of
//! its frames, the watchdog whether a stage hangs. Counters only grow; latencies start anew with each
//! report, for each [`Reader`] by itself, so that no reader takes them from another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use super::streak::Streak;
use crate::heartbeat::Heartbeat;
use crate::preprocess::Rejection;

/// The pauses before each [`Meter::log`]: a minute after a start or a reload, since who gives one is watching,
/// then twice the former one, up to an hour: a memory card would wear for nothing.
pub fn log_pauses() -> impl Iterator<Item = Duration> {
    const FIRST: Duration = Duration::from_secs(60);
    const LONGEST: Duration = Duration::from_secs(3600);
    std::iter::successors(Some(FIRST), |pause| Some((2 * *pause).min(LONGEST)))
}

/// What the pipeline did.
#[derive(Debug)]
pub struct Meter {
    cameras: Vec<(String, CameraMeter)>,
    pub(super) prepare: StageMeter,
    pub(super) infer: StageMeter,
    pub(super) decide: StageMeter,
}

/// The counters of one camera.
#[derive(Debug, Default)]
pub(super) struct CameraMeter {
    pub(super) captured: AtomicU64,
    pub(super) replaced: AtomicU64,
    pub(super) faults: AtomicU64,
    pub(super) judged: AtomicU64,
    pub(super) gated: AtomicU64,
    pub(super) anomalous: AtomicU64,
    /// Whether frames come.
    pub(super) gives_frames: AtomicBool,
    pub(super) streak: Streak,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
}

/// The counters of one camera at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CameraCounts {
    /// Frames that the source gave.
    pub captured: u64,
    /// Frames that gave way to newer ones.
    pub replaced: u64,
    /// Failures of the source.
    pub faults: u64,
    /// Frames with a score of their own.
    pub judged: u64,
    /// Frames that were given the verdict of an earlier one.
    pub gated: u64,
    /// Frames of both kinds that are anomalous by themselves.
    pub anomalous: u64,
    /// Frames that could not be judged, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
}

/// Who reads latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The journal, less and less often.
    Journal,
    /// The message about the node's health.
    Health,
}

/// The pipeline at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The counters of each camera, in the order of the configuration.
    pub cameras: Vec<(String, CameraCounts)>,
    /// Decoding and resizing.
    pub prepare: Option<StageTime>,
    /// The models.
    pub infer: Option<StageTime>,
    /// Scoring and deciding.
    pub decide: Option<StageTime>,
}

/// How long a stage took for a frame since the last report; there is none without a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageTime {
    /// Mean, in milliseconds.
    pub mean_ms: f64,
    /// Longest, in milliseconds.
    pub max_ms: f64,
}

/// How long a stage takes for a frame, for each reader, and whether it is at work on one now.
#[derive(Debug, Default)]
pub(super) struct StageMeter {
    spans: [Span; 2],
    heartbeat: Heartbeat,
}

/// Since one reader's last report.
#[derive(Debug, Default)]
struct Span {
    count: AtomicU64,
    total_us: AtomicU64,
    max_us: AtomicU64,
}

impl Meter {
    /// All zero.
    pub fn new(cameras: impl IntoIterator<Item = String>) -> Self {
        Meter {
            cameras: cameras
                .into_iter()
                .map(|name| (name, CameraMeter::default()))
                .collect(),
            prepare: StageMeter::default(),
            infer: StageMeter::default(),
            decide: StageMeter::default(),
        }
    }

    pub(super) fn camera(&self, index: usize) -> &CameraMeter {
        &self.cameras[index].1
    }

    /// The counters of each camera, in the order of the configuration.
    pub fn counts(&self) -> Vec<(String, CameraCounts)> {
        self.cameras
            .iter()
            .map(|(name, meter)| (name.clone(), meter.counts()))
            .collect()
    }

    /// The heartbeat of each stage.
    pub fn heartbeats(&self) -> [(&'static str, Heartbeat); 3] {
        let stages = [
            ("prepare", &self.prepare),
            ("infer", &self.infer),
            ("decide", &self.decide),
        ];
        stages.map(|(stage, meter)| (stage, meter.heartbeat.clone()))
    }

    /// How many cameras give frames now, and how many there are.
    pub fn giving_frames(&self) -> (usize, usize) {
        let cameras = self.cameras.iter();
        let giving = cameras.filter(|(_, meter)| meter.gives_frames.load(Relaxed));
        (giving.count(), self.cameras.len())
    }

    /// What `reader` has not read yet of the latencies, and the counters as they are.
    pub fn report(&self, reader: Reader) -> Report {
        let time = |stage: &StageMeter| stage.take(reader);
        Report {
            cameras: self.counts(),
            prepare: time(&self.prepare),
            infer: time(&self.infer),
            decide: time(&self.decide),
        }
    }

    /// Writes a line for each camera and one for the stages, and starts the journal's latencies
    /// anew.
    pub fn log(&self) {
        let report = self.report(Reader::Journal);
        for (camera, counts) in report.cameras {
            info!(
                camera,
                captured = counts.captured,
                replaced = counts.replaced,
                judged = counts.judged,
                gated = counts.gated,
                anomalous = counts.anomalous,
                rejected = ?counts.rejected,
                faults = counts.faults,
                "frames since start"
            );
        }
        let mean = |time: Option<StageTime>| time.map(|time| time.mean_ms);
        let max = |time: Option<StageTime>| time.map(|time| time.max_ms);
        info!(
            prepare_ms = mean(report.prepare),
            prepare_max_ms = max(report.prepare),
            infer_ms = mean(report.infer),
            infer_max_ms = max(report.infer),
            decide_ms = mean(report.decide),
            decide_max_ms = max(report.decide),
            "time a frame since the last report"
        );
    }
}

impl CameraCounts {
    /// Whether there were pictures to judge, and all were rejected. Those that only settled are none.
    pub fn is_all_rejected(&self) -> bool {
        let is_judgeable = |reason: &&str| !["no_frames", "settling"].contains(reason);
        self.judged + self.gated == 0 && self.rejected.keys().any(is_judgeable)
    }
}

impl CameraMeter {
    pub(super) fn reject(&self, rejection: &Rejection) {
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        *rejected.entry(rejection.reason()).or_default() += 1;
    }

    fn counts(&self) -> CameraCounts {
        CameraCounts {
            captured: self.captured.load(Relaxed),
            replaced: self.replaced.load(Relaxed),
            faults: self.faults.load(Relaxed),
            judged: self.judged.load(Relaxed),
            gated: self.gated.load(Relaxed),
            anomalous: self.anomalous.load(Relaxed),
            rejected: self
                .rejected
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

impl StageMeter {
    /// Runs a step and adds its time.
    pub(super) fn time<T>(&self, step: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = self.heartbeat.during(step);
        self.add(start.elapsed());
        result
    }

    /// For work beside the frames.
    pub(super) fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    fn add(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        for span in &self.spans {
            span.count.fetch_add(1, Relaxed);
            span.total_us.fetch_add(us, Relaxed);
            span.max_us.fetch_max(us, Relaxed);
        }
    }

    /// What a reader has not read yet.
    fn take(&self, reader: Reader) -> Option<StageTime> {
        let span = &self.spans[reader as usize];
        let count = span.count.swap(0, Relaxed);
        let total = span.total_us.swap(0, Relaxed);
        let max = span.max_us.swap(0, Relaxed);
        (count > 0).then(|| StageTime {
            mean_ms: total as f64 / count as f64 / 1e3,
            max_ms: max as f64 / 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_written_to_less_and_less_often_until_it_is_once_an_hour() {
        let minutes: Vec<u64> = log_pauses()
            .take(8)
            .map(|pause| pause.as_secs() / 60)
            .collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn each_reader_gets_every_frame_once_whatever_the_other_does() {
        let meter = Meter::new(["cam0".to_owned()]);
        let add = |ms| meter.infer.add(Duration::from_millis(ms));
        let read = |reader| meter.report(reader).infer.map(|t| (t.mean_ms, t.max_ms));
        add(10);
        assert_eq!(read(Reader::Health), Some((10.0, 10.0)));
        add(30);
        assert_eq!(read(Reader::Journal), Some((20.0, 30.0)));
        assert_eq!(read(Reader::Health), Some((30.0, 30.0)));
        assert_eq!(read(Reader::Health), None);
        assert_eq!(read(Reader::Journal), None);
        assert_eq!(meter.report(Reader::Journal).prepare, None);
    }
}
