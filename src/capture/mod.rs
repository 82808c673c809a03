//! Where frames come from.
//!
//! A [`Frame`] is one picture as its source gave it, with the moment at which it was taken; it is
//! decoded later, by preprocess. An [`Opener`] is a source that may be opened again and again (the
//! pipeline retries); a [`Source`] is one that is open. One file per kind of source.

pub mod archive;
mod blot;
mod calibrated;
mod child;
mod clock;
pub mod command;
mod device;
pub mod ffmpeg;
pub mod images;
mod joined;
mod living;
pub mod nokhwa;
mod pace;
mod presence;
mod raw;
mod replay;
mod settings;
mod spec;
pub mod synthetic;
pub mod v4l2;

use std::sync::Arc;
use std::time::Duration;

pub use calibrated::Calibrated;
pub use device::{Device, OfferedControl, OfferedFormat, OfferedSize};
pub use joined::Joined;
pub use pace::Fps;
pub use presence::Absence;
pub use raw::{Layout, Range, RawPicture};
pub use replay::{Replay, replay};
pub use settings::CameraSettings;
pub use spec::{Backend, SourceSpec, devices, footage};

/// The moment of a frame. Wall time may be wrong on a board without a clock; monotonic time never
/// steps and is what every rule about durations uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Wall-clock time, UTC.
    pub wall: jiff::Timestamp,
    /// `CLOCK_BOOTTIME`: since boot, suspends included.
    pub since_boot: Duration,
    /// Whether the kernel held the wall clock to be synchronised.
    pub synced: bool,
}

/// The picture of a [`Frame`].
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// A JPEG or PNG file, told by its first bytes.
    Encoded(Vec<u8>),
    /// `height * width * 3` bytes, rows from the top, no padding.
    Rgb8 {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// `[height, width, 3]`.
        data: Vec<u8>,
    },
    /// As a camera's driver gave it.
    Raw(RawPicture),
}

impl Pixels {
    /// The bytes, where they are a JPEG or PNG file as they are.
    pub fn file(&self) -> Option<&[u8]> {
        match self {
            Pixels::Encoded(bytes) => Some(bytes),
            Pixels::Raw(RawPicture { layout, data, .. }) if *layout == Layout::Mjpeg => Some(data),
            Pixels::Raw(_) | Pixels::Rgb8 { .. } => None,
        }
    }
}

/// One picture as its source gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Counts the frames of one opening of a source, from 0. A gap is a frame lost before us.
    pub seq: u64,
    /// When it was taken.
    pub at: Moment,
    /// The file's name, where the source has one.
    pub name: Option<Arc<str>>,
    /// The picture.
    pub pixels: Pixels,
}

/// What a [`Source`] answers when asked for its next frame.
#[derive(Debug)]
pub enum Next {
    /// A frame.
    Frame(Frame),
    /// A frame that its driver or decoder calls damaged; the text says how. It is never looked at.
    Damaged(String),
    /// Nothing came within the timeout. Not a fault by itself: the caller knows the deadline.
    Idle,
    /// The footage ended and nothing more will come. Only footage ends: a camera or a stream that
    /// stops is a fault.
    End,
}

/// Why a source failed. After any of these the source is dropped and opened anew.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The source could not be opened, or broke; the text says what and what to do.
    #[error("{0}")]
    Broken(String),
    /// An operating-system error on the thing named.
    #[error("{what}")]
    Io {
        /// What was tried, on what.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl CaptureError {
    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(fault) = cause {
            text = format!("{text}: {fault}");
            cause = fault.source();
        }
        text
    }
}

/// An open source of frames. Dropping it closes it.
pub trait Source: Send {
    /// Waits at most `timeout` for the next frame.
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError>;

    /// How the camera was set when it was opened, without values that an automatic moves; none where
    /// the source can't tell.
    fn settings(&self) -> Option<CameraSettings> {
        None
    }
}

/// A source that may be opened, and opened again after a fault.
pub trait Opener: Send + Sync {
    /// Opens the source.
    fn open(&self) -> Result<Box<dyn Source>, CaptureError>;
    /// What it is, for people: `images /srv/footage`, `ffmpeg rtsp://cam.local/1`.
    fn describe(&self) -> String;
    /// Whether frames are lost if nobody takes them (a camera, or anything with a pace). The link
    /// after a live source keeps the newest frame; after any other it waits.
    fn is_live(&self) -> bool;
    /// Whether it begins with its first frame again when it is opened again, as files do. A camera goes
    /// on with the present, so that opening it again may mend what its frames lack.
    fn is_footage(&self) -> bool {
        false
    }

    /// Whether frames follow each other in time as one camera took them, so that consecutive ones
    /// differ by its noise. Stills in a folder may have any order.
    fn is_film(&self) -> bool {
        false
    }

    /// Whether a frame's time is that at which a camera took it, also where it is read later.
    fn keeps_time(&self) -> bool {
        false
    }
}
