//! A video file or a stream as a source, decoded by an `ffmpeg` child process (5.1 or newer).
//!
//! The child writes PPM pictures, each with its own size, to a pipe; a thread reads them and hands
//! over every one, so that none is lost here: whoever takes them must keep up with a stream. The
//! child's own words go to the log, and the last of them into the error when it fails. It is killed
//! and reaped when the source is dropped. Starting it anew after a fault is left to the pipeline.
//!
//! A damaged file that ffmpeg reads to the end all the same is footage that ended: its complaints
//! stand in the log as warnings, and what it made up is among the frames. A stream has no end: one that
//! its server closes, however politely, is a fault.
//!
//! Of a stream, what is damaged is never a frame: see `damage`.

mod damage;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::blot::blotted;
use super::child::{Decoder, Format, Says, Task, Took};
use super::living::Living;
use super::pace::{Fps, Pace};
use super::{CaptureError, Next, Opener, Source};

/// Opens a video file or a stream.
#[derive(Debug, Clone)]
pub struct Ffmpeg {
    /// What is read.
    pub input: Input,
    /// The pace. Of a stream, ffmpeg itself then passes over the other frames, which costs less.
    pub fps: Option<Fps>,
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: PathBuf,
    pub(super) living: Living,
}

/// What ffmpeg reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A video file: has an end, and is read as fast as frames are asked for.
    File(PathBuf),
    /// A camera or server, which does not wait for us.
    Stream(StreamUrl),
}

/// Where a stream is found. Shown without its user name, password and query; these are visible to other
/// users of the machine all the same, in ffmpeg's arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl(String);

impl Ffmpeg {
    /// With the `ffmpeg` found in `PATH`.
    pub fn new(input: Input, fps: Option<Fps>) -> Self {
        Self {
            input,
            fps,
            program: PathBuf::from("ffmpeg"),
            living: Living::default(),
        }
    }

    fn task(&self) -> Task {
        Task {
            program: self.program.clone(),
            arguments: self.arguments(),
            format: Format::Ppm,
            input: self.input.to_string(),
            // ffmpeg quotes its input in complaints.
            secret: match &self.input {
                Input::Stream(url) => Some(url.0.clone()),
                Input::File(_) => None,
            },
            is_live: matches!(self.input, Input::Stream(_)),
            says: match self.input {
                Input::Stream(_) => damage::says,
                Input::File(_) => |_| Says::Nothing,
            },
            living: self.living.clone(),
            missing: "install the package `ffmpeg` (Debian: apt install ffmpeg)".to_owned(),
            advice: "try `ffprobe` on it".to_owned(),
        }
    }

    /// Everything after the program's name.
    fn arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> =
            to_os("-hide_banner -nostdin -loglevel level+warning");
        match &self.input {
            Input::File(path) => {
                // `file:` keeps a name with a colon from being read as a protocol.
                let mut file = std::ffi::OsString::from("file:");
                file.push(path);
                arguments.extend(["-i".into(), file]);
            }
            Input::Stream(url) => {
                // A packet or picture that is known to be damaged is left out, not mended. This is asked
                // of the decoder (`:v`) and not of the demuxer, which would give up the whole stream.
                arguments.extend(to_os(
                    "-fflags +nobuffer+discardcorrupt -flags low_delay -err_detect:v explode",
                ));
                if url.scheme().starts_with("rtsp") {
                    // Over UDP, a lost packet is a grey band in the picture.
                    arguments.extend(to_os("-rtsp_transport tcp"));
                }
                arguments.extend(["-i".into(), url.0.clone().into()]);
            }
        }
        arguments.extend(to_os("-map 0:v:0 -an -sn -dn"));
        if let (Input::Stream(_), Some(fps)) = (&self.input, self.fps) {
            arguments.extend(["-vf".into(), thinning(fps).into()]);
        }
        // Without `passthrough`, frames are doubled and dropped for a constant rate.
        arguments.extend(to_os(
            "-fps_mode passthrough -f image2pipe -c:v ppm -pix_fmt rgb24 pipe:1",
        ));
        arguments
    }
}

/// The filter that passes a frame when a period has gone by since the last; also when time is
/// unknown or jumps back, as it does when a camera restarts.
fn thinning(fps: Fps) -> String {
    let period = 0.99 * fps.period().as_secs_f64();
    format!(
        "select='isnan(t)+isnan(prev_selected_t)+lt(t,prev_selected_t)\
         +gte(t-prev_selected_t,{period:.6})'"
    )
}

fn to_os(words: &str) -> Vec<std::ffi::OsString> {
    words.split_whitespace().map(Into::into).collect()
}

impl Opener for Ffmpeg {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        if let Input::File(path) = &self.input {
            std::fs::File::open(path).map_err(|source| CaptureError::Io {
                what: format!(
                    "can't read the video {}; does it exist, and may this user read it?",
                    path.display()
                ),
                source,
            })?;
        }
        Ok(Box::new(OpenFfmpeg {
            input: self.input.clone(),
            decoder: Some(Decoder::start(&self.task())?),
            // A stream is thinned by ffmpeg.
            pace: Pace::new(match self.input {
                Input::File(_) => self.fps,
                Input::Stream(_) => None,
            }),
        }))
    }

    fn describe(&self) -> String {
        format!("ffmpeg {}", self.input)
    }

    fn is_live(&self) -> bool {
        matches!(self.input, Input::Stream(_)) || self.fps.is_some()
    }

    fn is_footage(&self) -> bool {
        matches!(self.input, Input::File(_))
    }

    fn is_film(&self) -> bool {
        true
    }
}

struct OpenFfmpeg {
    input: Input,
    /// None once the footage has ended or failed.
    decoder: Option<Decoder>,
    pace: Pace,
}

impl Source for OpenFfmpeg {
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        let Some(decoder) = &self.decoder else {
            return self.over();
        };
        let deadline = Instant::now() + timeout;
        if !self.pace.wait(timeout) {
            return Ok(Next::Idle);
        }
        match decoder.take(deadline.saturating_duration_since(Instant::now())) {
            Took::Frame(frame) => {
                self.pace.taken();
                Ok(Next::Frame(frame))
            }
            Took::Damaged(how) => Ok(Next::Damaged(how)),
            Took::Nothing => Ok(Next::Idle),
            Took::Finished => {
                if let Some(decoder) = self.decoder.take() {
                    decoder.finish()?;
                }
                self.over()
            }
        }
    }
}

impl OpenFfmpeg {
    /// What it means that no more pictures come although ffmpeg saw no fault.
    fn over(&self) -> Result<Next, CaptureError> {
        match &self.input {
            Input::File(_) => Ok(Next::End),
            Input::Stream(url) => Err(CaptureError::Broken(format!(
                "{url} was closed by its server; is the camera or the server restarting?"
            ))),
        }
    }
}

impl Input {
    /// A stream where the text has a scheme (`rtsp://...`), else a file.
    pub fn parse(text: &str) -> Self {
        match text.split_once("://") {
            Some(("file", path)) => Input::File(PathBuf::from(path)),
            Some((scheme, rest)) if is_scheme(scheme) && !rest.is_empty() => {
                Input::Stream(StreamUrl(text.to_owned()))
            }
            _ => Input::File(PathBuf::from(text)),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        Input::File(path.to_owned())
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::File(path) => write!(f, "{}", path.display()),
            Input::Stream(url) => write!(f, "{url}"),
        }
    }
}

impl StreamUrl {
    fn scheme(&self) -> &str {
        self.0.split("://").next().unwrap_or_default()
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blotted(&self.0))
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamUrl({self})")
    }
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
