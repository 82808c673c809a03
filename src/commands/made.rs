//! What a calibration made, and how it is told.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::output::say;
use crate::score::budget::Promise;
use crate::score::profile::{Profile, REPORTS};
use crate::train::calibrate::TakenOver;
use crate::train::memory::peak;

/// A Profile that was made and saved.
pub(super) struct Made {
    pub(super) profile: Profile,
    pub(super) out: PathBuf,
    /// Frames that it was made of, ...
    pub(super) used: usize,
    /// ... of so many, ...
    pub(super) frames: usize,
    /// ... of which these could not be used.
    pub(super) rejected: usize,
    /// How long it took.
    pub(super) seconds: f64,
    /// What a run before had done of it.
    pub(super) taken_over: TakenOver,
    /// How hot the machine was at most, where it says so.
    pub(super) hottest_celsius: Option<f64>,
}

impl Made {
    /// For programs.
    pub(super) fn json(&self) -> Value {
        let manifest = self.profile.manifest();
        let (deciding, local) = (&manifest.deciding, &manifest.local);
        json!({
            "profile": self.profile.id(), "out": self.out.to_string_lossy(), "scoring": manifest.scoring,
            "frames": self.frames, "used": self.used, "rejected": self.rejected,
            "seconds": self.seconds, "peak_memory_bytes": peak(),
            "hottest_celsius": self.hottest_celsius, "taken_over": self.taken_over, "threshold": deciding.raw, "alarm_threshold": deciding.alarm,
            "local_threshold": local.raw, "local_alarm_threshold": local.alarm,
            "promise": manifest.promise, "report": self.out.join(REPORTS[0]).to_string_lossy(),
            "golden": manifest.golden.len(), "recall": manifest.recall.len(), "missed": manifest.missed(),
        })
    }

    /// For people.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let manifest = self.profile.manifest();
        let (deciding, local) = (&manifest.deciding, &manifest.local);
        let Made {
            profile,
            out,
            used,
            frames,
            seconds,
            taken_over,
            ..
        } = self;
        say!(
            "Profile {} written to {}",
            &profile.id()[..19],
            out.display()
        )?;
        let megabytes = peak() / 1_000_000;
        say!("  {used} of {frames} frames used, {seconds:.0} s, {megabytes} MB of memory")?;
        let TakenOver { frames, students } = taken_over;
        if frames + students > 0 {
            say!("  {frames} frames and {students} student blocks were done by a run before")?;
        }
        say!(
            "  threshold {:.3}, local threshold {:.3}",
            deciding.raw,
            local.raw
        )?;
        let promise = manifest.promise.iter().flat_map(Promise::sentences);
        promise.into_iter().try_for_each(|line| say!("  {line}"))?;
        if let (all @ 1.., missed) = (manifest.recall.len(), manifest.missed()) {
            say!(
                "  bad frames of the former Profile: {} of {all} found",
                all - missed
            )?;
        }
        say!("  report: {}", out.join(REPORTS[0]).display())
    }
}
