//! Filming for `calibrate`: the frames of a configured camera to a footage on disk.
//!
//! The source is the one that the daemon would open, and frames are kept as they came. A camera that
//! stops is opened anew a few times; the footage then has a gap. However filming ends, what is there
//! is finished and kept, unless it is nothing.

mod display;
mod settling;
mod shot;
mod take;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::display::Display;
use self::take::Take;
use super::output::say;
use super::signals::Interrupts;
use crate::capture::archive::{Archive, ArchiveError, Full, Notes};
use crate::capture::{CameraSettings, CaptureError, Moment, Next, Opener, Source};
use crate::config::Camera;

/// How long a source is waited for at once: the longest that a Ctrl-C takes to be heard.
const PATIENCE: Duration = Duration::from_millis(200);
/// Its first frame may take longer than the deadline: a stream waits for a key frame.
const FIRST_FRAME: Duration = Duration::from_secs(20);
/// A source that broke is opened anew so often, without a frame in between, ...
const ATTEMPTS: u32 = 5;
/// ... after this pause.
const PAUSE: Duration = Duration::from_secs(2);

/// What is to be filmed.
pub(super) struct Script<'a> {
    camera: &'a Camera,
    archive: &'a Archive,
    opener: Box<dyn Opener>,
    span: Duration,
    /// Most frames.
    most: usize,
    /// From one kept frame to the next; none for a source that gives its frames as fast as asked.
    period: Option<Duration>,
    is_lossless: bool,
}

/// A footage that was filmed.
pub(super) struct Filmed {
    pub(super) folder: PathBuf,
    pub(super) notes: Notes,
    /// Older footage that made room for it.
    removed: Vec<PathBuf>,
}

/// What ends an opening of the source before its time.
enum Fault {
    /// The source broke; it may be opened anew.
    Source(CaptureError),
    /// The footage can't be written.
    Archive(ArchiveError),
}

impl From<CaptureError> for Fault {
    fn from(fault: CaptureError) -> Self {
        Fault::Source(fault)
    }
}

impl From<ArchiveError> for Fault {
    fn from(fault: ArchiveError) -> Self {
        Fault::Archive(fault)
    }
}

impl<'a> Script<'a> {
    /// Films `camera` for `span`, `most` frames at most, spread over it.
    pub(super) fn new(
        camera: &'a Camera,
        archive: &'a Archive,
        span: Duration,
        most: usize,
        is_lossless: bool,
    ) -> Self {
        let opener = camera.source.clone().into_opener();
        let most_u32 = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        Script {
            period: opener.is_live().then(|| span / most_u32),
            camera,
            archive,
            opener,
            span,
            most,
            is_lossless,
        }
    }

    fn is_live(&self) -> bool {
        self.opener.is_live()
    }

    /// Frames that there will be, of a source that gives so many a second.
    fn expected(&self, fps: Option<f64>) -> usize {
        let given = fps.map_or(f64::INFINITY, |fps| fps * self.span.as_secs_f64());
        // A number of frames below `most`, or infinite: the cast holds either.
        self.most.min(given as usize)
    }

    /// Films, and returns when all is on the disk.
    pub(super) fn film(&self, interrupts: &Interrupts) -> anyhow::Result<Filmed> {
        let started = Instant::now();
        let mut shoot = Shoot {
            script: self,
            take: Take::new(self),
            display: Display::new(self.camera.name.as_str(), self.span),
            settings: CameraSettings::default(),
            started,
            enough: &interrupts.enough,
        };
        let ended_by = match shoot.run() {
            Ok(ended_by) => ended_by,
            Err(Fault::Source(fault)) => return Err(self.explain(fault)),
            Err(Fault::Archive(fault)) => return Err(fault.into()),
        };
        // From here on, Ctrl-C means to stop.
        interrupts.enough.store(true, Ordering::Relaxed);
        let (take, settings) = (shoot.take, shoot.settings);
        self.finish(take, settings, ended_by)
    }

    /// The fault of a camera that gave no frame, with what may be behind it.
    fn explain(&self, fault: CaptureError) -> anyhow::Error {
        let text = chain(&fault).to_lowercase();
        let is_held = text.contains("busy") || text.contains("in use");
        let name = &self.camera.name;
        anyhow::Error::from(fault).context(if is_held {
            format!(
                "can't film {name}: does the daemon hold it? `systemctl stop inspectd`, film, and \
                 start it again"
            )
        } else {
            format!("can't film {name}")
        })
    }

    fn finish(
        &self,
        take: Take<'_>,
        settings: CameraSettings,
        ended_by: String,
    ) -> anyhow::Result<Filmed> {
        let mut notes = self.notes(&take, ended_by);
        (notes.controls, notes.layout) = (settings.controls, settings.layout);
        let (Some(recorder), Some(_)) = (take.recorder, take.first) else {
            let why = format!("no frame was filmed: {}", notes.ended_by);
            return Err(CaptureError::Broken(why))
                .with_context(|| format!("can't film {}", self.camera.name));
        };
        let (folder, removed) = (recorder.folder().to_owned(), recorder.removed().to_vec());
        recorder.finish(&notes)?;
        Ok(Filmed {
            folder,
            notes,
            removed,
        })
    }

    fn notes(&self, take: &Take<'_>, ended_by: String) -> Notes {
        let first = take.first.unwrap_or_else(Moment::now);
        let review = &take.review;
        Notes {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            camera: self.camera.name.to_string(),
            source: self.opener.describe(),
            size: take.size.unwrap_or_default(),
            mjpeg: take.is_mjpeg,
            started_at: first.wall,
            ended_at: Timestamp::now(),
            synced: first.synced,
            ended_by,
            fps_asked: self.camera.fps.map(crate::capture::Fps::get),
            fps: take.fps(),
            controls: BTreeMap::new(),
            layout: None,
            frames: review.frames(),
            received: take.received,
            dropped: take.dropped,
            damaged: take.damaged,
            settling: take.settling,
            gaps: take.gaps.clone(),
            different: review.different(),
            brightness: review.brightness(),
            warnings: review.warnings(),
            pinned: false,
            times_ms: take.times_ms.clone(),
        }
    }
}

/// The policy: from opening to opening.
struct Shoot<'a> {
    script: &'a Script<'a>,
    take: Take<'a>,
    display: Display,
    settings: CameraSettings,
    started: Instant,
    enough: &'a AtomicBool,
}

impl Shoot<'_> {
    /// Films until the end, and says what it was. A source that fails before its first frame fails
    /// at once: somebody is waiting in front of the screen.
    fn run(&mut self) -> Result<String, Fault> {
        let mut failures = 0;
        loop {
            let before = self.take.received;
            let fault = match self.run_once() {
                Ok(ended) => {
                    self.take.closed()?;
                    return Ok(ended);
                }
                Err(Fault::Source(fault)) if self.take.first.is_some() => fault,
                Err(fault) => return Err(fault),
            };
            self.take.closed()?;
            // A Ctrl-C in a terminal ends the source's own child as well.
            if let Some(end) = self.end() {
                return Ok(end);
            }
            let reason = chain(&fault);
            failures = if self.take.received > before {
                1
            } else {
                failures + 1
            };
            // Footage that is opened anew begins anew.
            if failures > ATTEMPTS || !self.script.is_live() {
                return Ok(format!("the camera stopped: {reason}"));
            }
            tracing::warn!("the camera stopped and is opened anew: {reason}");
            self.take.broke(reason);
            self.pause();
        }
    }

    /// Opens the source and takes its frames, to the end or the first fault.
    fn run_once(&mut self) -> Result<String, Fault> {
        let mut source = self.script.opener.open()?;
        self.take.opened();
        self.note_settings(&*source);
        let mut last = Instant::now();
        let usual = self.script.camera.deadline;
        let mut deadline = usual.max(FIRST_FRAME);
        loop {
            if let Some(end) = self.end() {
                return Ok(end);
            }
            let patience = PATIENCE.min(deadline);
            match source.next(patience)? {
                Next::Frame(frame) => {
                    (last, deadline) = (Instant::now(), usual);
                    self.take.frame(frame)?;
                }
                Next::Damaged(how) => {
                    last = Instant::now();
                    self.take.damaged(&how)?;
                }
                Next::Idle if last.elapsed() >= deadline => {
                    let why = format!("no frame for {} s (deadline_s)", deadline.as_secs_f64());
                    return Err(CaptureError::Broken(why).into());
                }
                Next::Idle => {}
                Next::End => return Ok("the footage ended".to_owned()),
            }
            self.display.at(self.started.elapsed(), &self.take.review);
        }
    }

    /// Why filming is over, where it is.
    fn end(&self) -> Option<String> {
        let why = if self.enough.load(Ordering::Relaxed) {
            "it was asked to end"
        } else if let Some(full) = self.take.full {
            match full {
                Full::Quota => "the quota of footage is used up ([footage] megabytes)",
                Full::Disk => "the disk is full",
            }
        } else if self.take.is_complete() {
            "all frames are there"
        } else if self.started.elapsed() >= self.script.span {
            "the time is over"
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    fn pause(&self) {
        let until = Instant::now() + PAUSE;
        while Instant::now() < until && self.end().is_none() {
            std::thread::sleep(PATIENCE);
        }
    }

    /// How the camera was set first; a difference later is told.
    fn note_settings(&mut self, source: &dyn Source) {
        let now = source.settings().unwrap_or_default();
        if self.take.first.is_none() {
            self.settings = now;
            return;
        }
        for difference in self.settings.differences(&now) {
            tracing::warn!("the camera is set differently since it was opened anew: {difference}");
        }
    }
}

impl Filmed {
    /// For programs: the notes without the times of all frames.
    pub(super) fn json(&self) -> Value {
        let mut value = json!(self.notes);
        if let Some(object) = value.as_object_mut() {
            object.remove("times_ms");
            object.insert("path".to_owned(), json!(self.folder.to_string_lossy()));
            object.insert("removed".to_owned(), json!(self.removed));
        }
        value
    }

    /// The warnings, to people and programs alike.
    pub(super) fn warn(&self) {
        for warning in &self.notes.warnings {
            tracing::warn!("{warning}");
        }
    }

    /// For people.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let Notes {
            frames,
            different,
            dropped,
            damaged,
            settling,
            ended_by,
            gaps,
            ..
        } = &self.notes;
        say!("Filmed {frames} frames into {}", self.folder.display())?;
        say!("  {different} different ones; {ended_by}")?;
        if *settling > 0 {
            say!("  {settling} left out at the start, while the exposure settled")?;
        }
        if *damaged > 0 || *dropped > 0 {
            say!("  {damaged} damaged and {dropped} lost on the way, not kept")?;
        }
        let seconds: u64 = gaps.iter().map(|gap| gap.ms / 1000).sum();
        if !gaps.is_empty() {
            say!("  {} gaps, {seconds} s in all", gaps.len())?;
        }
        for folder in &self.removed {
            say!("  removed to make room: {}", folder.display())?;
        }
        Ok(())
    }
}

fn chain(fault: &CaptureError) -> String {
    let mut text = fault.to_string();
    if let CaptureError::Io { source, .. } = fault {
        text = format!("{text}: {source}");
    }
    text
}
