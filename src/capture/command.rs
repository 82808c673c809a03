//! A program that writes pictures to its standard output as a source: a CSI camera through rpicam-vid
//! or libcamera-vid, a GStreamer line, anything.
//!
//! The program runs as long as the source is open, and is killed with it and with all that it started,
//! so that a script may stand in between. It must never end by itself and must write whole pictures
//! only: an end and a damaged stream are faults, and the pipeline starts it anew. Above its pace, frames
//! are taken and passed over, so that none grows old in the pipe.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::child::{Decoder, Format, Says, Task, Took, is_there};
use super::living::Living;
use super::pace::Thinning;
use super::{CaptureError, Fps, Layout, Next, Opener, Source};

/// The programs that read a Raspberry Pi's CSI camera, the newer name first.
const CSI_PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];

/// The options that are given to them here. Given twice, they refuse to start.
const CSI_OPTIONS: [&str; 12] = [
    "--nopreview",
    "-n",
    "--timeout",
    "-t",
    "--codec",
    "--flush",
    "--camera",
    "--width",
    "--height",
    "--framerate",
    "--output",
    "-o",
];

/// Whether a CSI camera's program gets this option from us: `--codec` and `--codec=h264` alike.
pub fn is_own_csi_option(argument: &str) -> bool {
    let option = argument.split('=').next().unwrap_or_default();
    CSI_OPTIONS.contains(&option)
}

/// What a CSI camera is called, before its index.
const CSI_NAME: &str = "csi camera ";

/// Runs a program and reads its pictures.
#[derive(Debug, Clone)]
pub struct Command {
    /// The first of these that is found is run: paths, or names that are looked for in `PATH`.
    programs: Vec<PathBuf>,
    arguments: Vec<OsString>,
    format: Format,
    fps: Option<Fps>,
    /// For people.
    name: String,
    advice: &'static str,
    pub(super) living: Living,
}

/// What a program writes, as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// JPEG files, one after another.
    Mjpeg,
    /// Binary PPM files, one after another.
    Ppm,
    /// Raw pictures.
    Yuyv,
    /// Raw pictures.
    Nv12,
    /// Raw pictures.
    Grey,
    /// Raw pictures.
    Rgb24,
}

impl Output {
    /// The layout of pictures that don't tell their own size.
    pub fn raw(self) -> Option<Layout> {
        match self {
            Output::Mjpeg | Output::Ppm => None,
            Output::Yuyv => Some(Layout::Yuyv),
            Output::Nv12 => Some(Layout::Nv12),
            Output::Grey => Some(Layout::Grey),
            Output::Rgb24 => Some(Layout::Rgb24),
        }
    }
}

impl Command {
    /// Whether it takes the same camera: that of the same program with the same arguments, or of the same index, whatever
    /// else is asked of it.
    pub(super) fn runs_as(&self, other: &Command) -> bool {
        let is_csi = self.name.starts_with(CSI_NAME);
        self.name == other.name && (is_csi || self.arguments == other.arguments)
    }

    /// Any program. Raw pictures are of the size given, which the others tell themselves.
    pub fn new(
        program: &str,
        arguments: &[String],
        output: Output,
        [width, height]: [u32; 2],
        fps: Option<Fps>,
    ) -> Self {
        let raw = |layout| Format::Raw {
            layout,
            width,
            height,
        };
        Self {
            programs: vec![program.into()],
            arguments: arguments.iter().map(Into::into).collect(),
            format: match output {
                Output::Ppm => Format::Ppm,
                _ => output.raw().map_or(Format::Mjpeg, raw),
            },
            fps,
            name: format!("command {program}"),
            advice: "run the command by hand: does it write pictures to its standard output?",
            living: Living::default(),
        }
    }

    /// A CSI camera by its index, through the program given or the one that is installed. It must flush:
    /// the end of a picture would else wait in its buffer for the next picture. `more` arguments hold
    /// what else is to be set, such as exposure and white balance.
    pub fn csi(
        program: Option<&str>,
        camera: u32,
        size: Option<[u32; 2]>,
        fps: Option<Fps>,
        more: &[String],
    ) -> Self {
        let words = "--nopreview --timeout 0 --codec mjpeg --flush";
        let mut arguments: Vec<OsString> = words.split(' ').map(Into::into).collect();
        let mut add = |key: &str, value: String| arguments.extend([key.into(), value.into()]);
        add("--camera", camera.to_string());
        if let Some([width, height]) = size {
            add("--width", width.to_string());
            add("--height", height.to_string());
        }
        if let Some(fps) = fps {
            add("--framerate", fps.get().to_string());
        }
        arguments.extend(more.iter().map(Into::into));
        arguments.extend(["--output".into(), "-".into()]);
        let programs = match program {
            Some(program) => vec![program.into()],
            None => CSI_PROGRAMS.map(PathBuf::from).into(),
        };
        Self {
            programs,
            arguments,
            format: Format::Mjpeg,
            fps,
            name: format!("{CSI_NAME}{camera}"),
            advice: "does `rpicam-hello --list-cameras` show the camera? Another program may hold it",
            living: Living::default(),
        }
    }

    /// What to say where none of its programs is there.
    pub(super) fn absent_program(&self) -> Option<String> {
        let first = self.programs.first()?;
        let is_absent = !self.programs.iter().any(|program| is_there(program));
        is_absent.then(|| {
            let (program, advice) = (first.display(), missing(first));
            format!(
                "the program `{program}` is not there; {advice} to read {}",
                self.name
            )
        })
    }

    fn task(&self) -> Task {
        let found = self.programs.iter().find(|program| is_there(program));
        let first = found.or(self.programs.first()).cloned();
        let first = first.unwrap_or_default();
        Task {
            missing: missing(&first),
            program: first,
            arguments: self.arguments.clone(),
            format: self.format,
            input: self.name.clone(),
            // Known only as what a URL holds, which is blotted out of all lines.
            secret: None,
            is_live: true,
            // Its pictures stand for themselves.
            says: |_| Says::Nothing,
            living: self.living.clone(),
            advice: self.advice.to_owned(),
        }
    }
}

/// What to do where this program is not there.
fn missing(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let is_of_the_pi = ["rpicam-", "libcamera-"];
    match is_of_the_pi.iter().any(|own| name.starts_with(own)) {
        true => {
            "install it (Raspberry Pi OS: apt install rpicam-apps-lite), or name another program"
        }
        // A service has another PATH than a shell.
        false => "install it or name it by its whole path",
    }
    .to_owned()
}

impl Opener for Command {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        Ok(Box::new(OpenCommand {
            decoder: Some(Decoder::start(&self.task())?),
            name: self.name.clone(),
            thinning: Thinning::new(self.fps),
        }))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }

    fn is_live(&self) -> bool {
        true
    }
}

struct OpenCommand {
    /// None once it has ended.
    decoder: Option<Decoder>,
    name: String,
    thinning: Thinning,
}

impl Source for OpenCommand {
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        let deadline = Instant::now() + timeout;
        while let Some(decoder) = &self.decoder {
            match decoder.take(deadline.saturating_duration_since(Instant::now())) {
                Took::Frame(frame) if self.thinning.passes(&frame) => {
                    return Ok(Next::Frame(frame));
                }
                Took::Frame(_) => {}
                Took::Damaged(how) => return Ok(Next::Damaged(how)),
                Took::Nothing => return Ok(Next::Idle),
                Took::Finished => {
                    if let Some(decoder) = self.decoder.take() {
                        decoder.finish()?;
                    }
                }
            }
        }
        Err(CaptureError::Broken(format!(
            "{} ended by itself; a camera's program must run until it is stopped",
            self.name
        )))
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
