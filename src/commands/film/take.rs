//! What was filmed so far: which frames are kept, and what is counted of the others.
//!
//! Frames are thinned evenly by their own times. Those of the first seconds after an opening wait in
//! memory until it is known which were taken while the exposure settled. Nothing here opens a source
//! or waits.

use std::time::Duration;

use super::settling::unsettled;
use super::shot::{Shot, develop};
use super::{Fault, Script};
use crate::capture::archive::{Full, Gap, Recorder};
use crate::capture::{CaptureError, Frame, Moment};
use crate::preprocess::Rejection;
use crate::train::review::Review;

/// Exposure and white balance of webcams settle within two or three seconds.
const SETTLE: Duration = Duration::from_secs(5);
/// Frames wait for that in at most so many bytes.
const MOST_WAITING: usize = 64 << 20;

/// A footage while it is filmed.
pub(super) struct Take<'a> {
    script: &'a Script<'a>,
    pub(super) recorder: Option<Recorder>,
    pub(super) review: Review,
    /// Columns and rows of all pictures.
    pub(super) size: Option<[u32; 2]>,
    pub(super) is_mjpeg: bool,
    /// The first frame's moment; times count from it.
    pub(super) first: Option<Moment>,
    pub(super) times_ms: Vec<u64>,
    pub(super) received: u64,
    pub(super) dropped: u64,
    pub(super) damaged: u64,
    pub(super) settling: u64,
    pub(super) gaps: Vec<Gap>,
    /// Why nothing more can be kept.
    pub(super) full: Option<Full>,
    opening: Opening,
    /// When the latest frame was taken.
    latest: Option<Duration>,
    /// Why there were no frames since.
    broken: Option<String>,
    /// Time between frames of one opening, and their number.
    between: (Duration, u64),
    has_warned: bool,
}

/// What is known since the source was opened.
#[derive(Default)]
struct Opening {
    first: Option<Duration>,
    latest_seq: Option<u64>,
    /// When the next frame is due to be kept.
    due: Option<Duration>,
    bad_in_a_row: u32,
    /// Frames that wait for the exposure, with their times.
    waiting: Vec<(Shot, u64)>,
    has_settled: bool,
}

impl<'a> Take<'a> {
    pub(super) fn new(script: &'a Script<'a>) -> Self {
        Take {
            script,
            recorder: None,
            review: Review::default(),
            size: None,
            is_mjpeg: false,
            first: None,
            times_ms: Vec::new(),
            received: 0,
            dropped: 0,
            damaged: 0,
            settling: 0,
            gaps: Vec::new(),
            full: None,
            opening: Opening::default(),
            latest: None,
            broken: None,
            between: (Duration::ZERO, 0),
            has_warned: false,
        }
    }

    /// The source was opened.
    pub(super) fn opened(&mut self) {
        self.opening = Opening {
            has_settled: !self.script.is_live(),
            ..Opening::default()
        };
    }

    /// The source will give no more.
    pub(super) fn closed(&mut self) -> Result<(), Fault> {
        self.settle()
    }

    /// The source stopped; what comes next ends a gap.
    pub(super) fn broke(&mut self, reason: String) {
        self.broken.get_or_insert(reason);
    }

    /// Whether the frames asked for are there.
    pub(super) fn is_complete(&self) -> bool {
        self.review.frames() + self.opening.waiting.len() >= self.script.most
    }

    /// Frames a second that came; none where the source has no pace of its own.
    pub(super) fn fps(&self) -> Option<f64> {
        let (time, count) = self.between;
        let is_known = self.script.is_live() && !time.is_zero();
        is_known.then(|| four_digits(count as f64 / time.as_secs_f64()))
    }

    /// A frame that is no picture.
    pub(super) fn damaged(&mut self, how: &str) -> Result<(), Fault> {
        self.damaged += 1;
        self.opening.bad_in_a_row += 1;
        // Footage that is opened anew begins anew: there its bad files are passed over.
        if self.script.is_live() && self.opening.bad_in_a_row >= Rejection::BAD_RUN {
            return Err(Fault::Source(CaptureError::Broken(format!(
                "{} frames in a row can't be used; the last: {how}",
                Rejection::BAD_RUN
            ))));
        }
        Ok(())
    }

    /// A frame that came.
    pub(super) fn frame(&mut self, frame: Frame) -> Result<(), Fault> {
        self.count(&frame);
        let at = frame.at.since_boot;
        if self.opening.due.is_some_and(|due| at + self.slack() < due) {
            return Ok(());
        }
        let shot = match develop(frame.pixels, self.script.is_lossless) {
            Ok(shot) => shot,
            Err(how) => return self.damaged(&how),
        };
        let size = *self.size.get_or_insert(shot.size);
        if shot.size != size {
            let ([w, h], [width, height]) = (shot.size, size);
            return self.damaged(&format!("it is {w}x{h}, the first was {width}x{height}"));
        }
        self.opening.bad_in_a_row = 0;
        self.opening.due = self.script.period.map(|period| {
            let on_grid = self.opening.due.map(|due| due + period);
            on_grid.filter(|next| *next > at).unwrap_or(at + period)
        });
        let first = self.first.get_or_insert(frame.at).since_boot;
        self.wait_or_keep(shot, at, millis(at.saturating_sub(first)))
    }

    /// A frame may come a little before it is due: of a camera whose own pace is just the one asked
    /// for, every second one would be lost otherwise. The grid keeps the mean rate.
    fn slack(&self) -> Duration {
        self.script.period.unwrap_or_default() / 4
    }

    fn count(&mut self, frame: &Frame) {
        self.received += 1;
        let at = frame.at.since_boot;
        self.opening.first.get_or_insert(at);
        let then = self.latest.replace(at).unwrap_or(at);
        let silence = at.saturating_sub(then);
        if let Some(seq) = self.opening.latest_seq.replace(frame.seq) {
            self.dropped += frame.seq.saturating_sub(seq).saturating_sub(1);
            self.between.0 += silence;
            self.between.1 += 1;
        }
        if let (Some(reason), Some(first)) = (self.broken.take(), &self.first) {
            self.gaps.push(Gap {
                at_ms: millis(then.saturating_sub(first.since_boot)),
                ms: millis(silence),
                reason,
            });
        }
    }

    fn wait_or_keep(&mut self, shot: Shot, at: Duration, ms: u64) -> Result<(), Fault> {
        if self.opening.has_settled {
            return self.keep(shot, ms);
        }
        self.opening.waiting.push((shot, ms));
        let waiting = &self.opening.waiting;
        let bytes: usize = waiting.iter().map(|(shot, _)| shot.bytes.len()).sum();
        let is_over = self.opening.first.is_some_and(|first| at >= first + SETTLE);
        if is_over || bytes >= MOST_WAITING {
            self.settle()?;
        }
        Ok(())
    }

    /// Keeps the frames that waited, but for those that were taken too early.
    fn settle(&mut self) -> Result<(), Fault> {
        let waiting = std::mem::take(&mut self.opening.waiting);
        self.opening.has_settled = true;
        let brightness: Vec<f32> = waiting
            .iter()
            .map(|(shot, _)| shot.thumbnail.brightness())
            .collect();
        let early = unsettled(&brightness);
        self.settling += early as u64;
        for (shot, ms) in waiting.into_iter().skip(early) {
            self.keep(shot, ms)?;
        }
        Ok(())
    }

    fn keep(&mut self, shot: Shot, ms: u64) -> Result<(), Fault> {
        if self.full.is_some() {
            return Ok(());
        }
        let recorder = self.recorder()?;
        if let Some(full) = recorder.keep(&shot.bytes, shot.extension)? {
            self.full = Some(full);
            return Ok(());
        }
        self.is_mjpeg = shot.is_mjpeg;
        self.times_ms.push(ms);
        self.review.push(shot.thumbnail, Duration::from_millis(ms));
        self.warn_of_room();
        Ok(())
    }

    /// Begun with the first picture, so that a camera that gives none leaves no folder.
    fn recorder(&mut self) -> Result<&mut Recorder, Fault> {
        if self.recorder.is_none() {
            let at = self
                .first
                .map_or_else(jiff::Timestamp::now, |first| first.wall);
            let script = self.script;
            self.recorder = Some(script.archive.record(script.camera.name.as_str(), at)?);
        }
        Ok(self.recorder.as_mut().expect("made above"))
    }

    /// Says early that the room will not do, by the size of the first pictures.
    fn warn_of_room(&mut self) {
        const TELLING: usize = 3;
        let Some(recorder) = &self.recorder else {
            return;
        };
        let frames = recorder.frames();
        if self.has_warned || frames < TELLING {
            return;
        }
        self.has_warned = true;
        if !recorder.has_room_for(self.script.expected(self.fps()).saturating_sub(frames)) {
            tracing::warn!(
                "there is not room for all of it, and filming will end early: raise [footage] \
                 megabytes or free some disk, or ask for fewer --frames"
            );
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A rate to four digits that count, however slow it is: budgets are reckoned by it.
fn four_digits(rate: f64) -> f64 {
    let scale = 10f64.powi(3 - rate.log10().floor() as i32);
    (rate * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_camera_has_a_rate_too() {
        let rates = [30.0, 29.970_03, 14.996_2, 2.0, 1.0 / 60.0, 1.0 / 333.0];
        let told = [30.0, 29.97, 15.0, 2.0, 0.016_67, 0.003_003];
        assert_eq!(rates.map(four_digits), told);
    }
}
