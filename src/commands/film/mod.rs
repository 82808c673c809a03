//! Filming for `calibrate`: the frames of a configured camera to a footage on disk.
//!
//! The source is the one that the daemon would open, supervised as the daemon would, and frames are kept
//! as they came. A camera that stops is opened anew a few times; the footage then has a gap. However
//! filming ends, what is there is finished and kept, unless it is nothing.

mod display;
mod settling;
mod shoot;
mod shot;
mod take;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::shoot::Shoot;
use self::take::Take;
use super::exit::UsageError;
use super::output::say;
use super::signals::Interrupts;
use crate::capture::archive::{Archive, ArchiveError, Notes};
use crate::capture::{CameraSettings, CaptureError, Moment, Opener};
use crate::config::{Camera, Config};

/// What is to be filmed.
pub(super) struct Script<'a> {
    camera: &'a Camera,
    archive: &'a Archive,
    opener: Arc<dyn Opener>,
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

/// The camera that is called so.
pub(super) fn named<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a Camera> {
    let found = config.cameras.iter().find(|c| c.name.as_str() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = config.cameras.iter().map(|c| c.name.as_str()).collect();
        let known = names.join(", ");
        UsageError(format!(
            "the configuration has no camera {name}; it has: {known}"
        ))
        .into()
    })
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
        let opener: Arc<dyn Opener> = camera.source.clone().into_opener().into();
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
        let mut shoot = Shoot::new(self, &interrupts.enough);
        let result = shoot.run();
        // From here on, Ctrl-C means to stop.
        interrupts.enough.store(true, Ordering::Relaxed);
        let (take, settings) = shoot.over();
        match result {
            Ok(ended_by) => self.finish(take, settings, ended_by),
            Err(Fault::Source(fault)) => Err(self.explain(fault)),
            Err(Fault::Archive(fault)) => {
                let kept = self.finish(take, settings, format!("writing failed: {fault}"));
                let Ok(Filmed { folder, notes, .. }) = kept else {
                    return Err(fault.into());
                };
                let (frames, folder) = (notes.frames, folder.display());
                Err(anyhow::Error::from(fault).context(format!(
                    "the {frames} frames until then are kept in {folder}"
                )))
            }
        }
    }

    /// The fault of a camera that gave no frame, with what may be behind it.
    fn explain(&self, fault: CaptureError) -> anyhow::Error {
        let text = fault.chain().to_lowercase();
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
        let recorder = take.recorder.filter(|recorder| recorder.frames() > 0);
        let Some(recorder) = recorder else {
            let why = format!("no frame was filmed: {}", notes.ended_by);
            return Err(CaptureError::Broken(why))
                .with_context(|| format!("can't film {}", self.camera.name));
        };
        let (folder, removed) = (recorder.folder().to_owned(), recorder.removed().to_vec());
        recorder.finish(&notes).with_context(|| {
            let (frames, folder) = (notes.frames, folder.display());
            format!("the {frames} frames are kept in {folder}, but without notes")
        })?;
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
