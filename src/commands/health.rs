//! What the supervisor knows of the node's health, gathered for one message.

use std::path::Path;
use std::time::Instant;

use crate::capture::Moment;
use crate::pipeline::{Meter, Reader, Report, StageTime};
use crate::publish::{CameraHealth, Health, Latency, Machine, Message, Reply, Topics};

/// Watches the health of the node.
pub(super) struct Pulse {
    machine: Machine,
    started: Instant,
}

impl Pulse {
    /// Begins to measure.
    pub(super) fn new() -> Self {
        Pulse {
            machine: Machine::new(),
            started: Instant::now(),
        }
    }

    /// The message about it; `meter` is of the cameras that are inspected, `folder` the state's.
    pub(super) fn take(
        &mut self,
        meter: Option<&Meter>,
        folder: &Path,
        topics: &Topics,
        reply: Option<Reply>,
    ) -> Message {
        let (cameras, latency) = meter.map_or_else(
            || (Vec::new(), Latency::default()),
            |meter| pipeline(meter.report(Reader::Health)),
        );
        let uptime_s = thousandths(self.started.elapsed().as_secs_f64());
        let machine = self.machine.read(folder);
        let health = Health::new(Moment::now(), uptime_s, machine, cameras, latency);
        health.report(topics.health(), reply)
    }
}

/// The pipeline's part.
fn pipeline(report: Report) -> (Vec<CameraHealth>, Latency) {
    let cameras = report.cameras.into_iter();
    let cameras = cameras.map(|(name, counts)| CameraHealth {
        name,
        captured: counts.captured,
        replaced: counts.replaced,
        judged: counts.judged,
        gated: counts.gated,
        anomalous: counts.anomalous,
        rejected: counts.rejected,
        faults: counts.faults,
    });
    let mean = |time: Option<StageTime>| time.map(|time| thousandths(time.mean_ms));
    let max = |time: Option<StageTime>| time.map(|time| thousandths(time.max_ms));
    let latency = Latency {
        prepare_ms: mean(report.prepare),
        prepare_max_ms: max(report.prepare),
        infer_ms: mean(report.infer),
        infer_max_ms: max(report.infer),
        decide_ms: mean(report.decide),
        decide_max_ms: max(report.decide),
    };
    (cameras.collect(), latency)
}

/// Nobody reads more, and a mean has sixteen digits.
fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
