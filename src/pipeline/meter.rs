//! Counters and latencies: what the pipeline did, for the journal and for tests.
//!
//! The only shared mutable state beside the stop. Counters only grow; latencies start anew with each
//! report.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use crate::preprocess::Rejection;

/// What the pipeline did.
#[derive(Debug)]
pub struct Meter {
    cameras: Vec<(String, CameraMeter)>,
    pub(super) prepare: Latency,
    pub(super) infer: Latency,
    pub(super) decide: Latency,
}

/// The counters of one camera.
#[derive(Debug, Default)]
pub(super) struct CameraMeter {
    pub(super) captured: AtomicU64,
    pub(super) replaced: AtomicU64,
    pub(super) faults: AtomicU64,
    pub(super) judged: AtomicU64,
    pub(super) anomalous: AtomicU64,
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
    /// Frames with a score.
    pub judged: u64,
    /// Frames that are anomalous by themselves.
    pub anomalous: u64,
    /// Frames that could not be judged, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
}

/// How long a stage takes for a frame.
#[derive(Debug, Default)]
pub(super) struct Latency {
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
            prepare: Latency::default(),
            infer: Latency::default(),
            decide: Latency::default(),
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

    /// Writes a line for each camera and one for the stages, and starts the latencies anew.
    pub fn log(&self) {
        for (camera, counts) in self.counts() {
            info!(
                camera,
                captured = counts.captured,
                replaced = counts.replaced,
                judged = counts.judged,
                anomalous = counts.anomalous,
                rejected = ?counts.rejected,
                faults = counts.faults,
                "frames since start"
            );
        }
        let [prepare, infer, decide] =
            [&self.prepare, &self.infer, &self.decide].map(Latency::take);
        info!(
            prepare_ms = prepare.0,
            prepare_max_ms = prepare.1,
            infer_ms = infer.0,
            infer_max_ms = infer.1,
            decide_ms = decide.0,
            decide_max_ms = decide.1,
            "time a frame since the last report"
        );
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
            anomalous: self.anomalous.load(Relaxed),
            rejected: self
                .rejected
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

impl Latency {
    /// Runs a step and adds its time.
    pub(super) fn time<T>(&self, step: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = step();
        self.add(start.elapsed());
        result
    }

    fn add(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Relaxed);
        self.total_us.fetch_add(us, Relaxed);
        self.max_us.fetch_max(us, Relaxed);
    }

    /// Mean and maximum in milliseconds since it was taken last.
    fn take(&self) -> (f64, f64) {
        let count = self.count.swap(0, Relaxed).max(1);
        let total = self.total_us.swap(0, Relaxed);
        let max = self.max_us.swap(0, Relaxed);
        (total as f64 / count as f64 / 1e3, max as f64 / 1e3)
    }
}
