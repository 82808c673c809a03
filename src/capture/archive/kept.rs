//! Kept footage as a source: its pictures with the times at which they were taken.
//!
//! Pictures that were taken away by hand are simply missing; the others keep their times, since the
//! number in a file's name says which it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Notes;
use crate::capture::images::Images;
use crate::capture::{CaptureError, Layout, Next, Opener, Pixels, Range, RawPicture, Source};

/// Opens kept footage.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The folder.
    pub path: PathBuf,
    /// What stands in it.
    pub notes: Arc<Notes>,
}

impl Opener for Kept {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        let images = Images {
            path: self.path.clone(),
            fps: None,
            repeat: false,
        };
        Ok(Box::new(OpenKept {
            images: images.open()?,
            notes: Arc::clone(&self.notes),
        }))
    }

    fn describe(&self) -> String {
        format!("images {}", self.path.display())
    }

    fn is_live(&self) -> bool {
        false
    }

    fn is_footage(&self) -> bool {
        true
    }

    fn is_film(&self) -> bool {
        true
    }

    fn keeps_time(&self) -> bool {
        true
    }
}

struct OpenKept {
    images: Box<dyn Source>,
    notes: Arc<Notes>,
}

impl Source for OpenKept {
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        let mut next = self.images.next(timeout)?;
        let Next::Frame(frame) = &mut next else {
            return Ok(next);
        };
        let number = frame.name.as_deref().and_then(number);
        let taken = number.and_then(|number| self.notes.times_ms.get(number.checked_sub(1)?));
        if let Some(&ms) = taken {
            let after = Duration::from_millis(ms);
            // Only distances matter of a time since a boot that may be long ago.
            frame.at.since_boot = after;
            frame.at.wall = self
                .notes
                .started_at
                .saturating_add(after)
                .unwrap_or(frame.at.wall);
            frame.at.synced = self.notes.synced;
        }
        if self.notes.mjpeg
            && let Pixels::Encoded(data) = &mut frame.pixels
        {
            let [width, height] = self.notes.size;
            frame.pixels = Pixels::Raw(RawPicture {
                layout: Layout::Mjpeg,
                width,
                height,
                stride: 0,
                range: Range::Limited,
                data: std::mem::take(data),
            });
        }
        Ok(next)
    }
}

/// The number of a picture by its name, `000042.jpg`.
fn number(name: &str) -> Option<usize> {
    name.split_once('.')?.0.parse().ok()
}
