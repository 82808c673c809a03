//! A program that writes pictures: its processes, and the thread that reads its pictures and complaints.
//!
//! Dropping it kills the program with all that it started. The thread ends with the pipes, when it is
//! hung up on, or when nobody takes its pictures, so it never outlives the drop by much. No wait here is
//! without an end: what has not stopped within [`PATIENCE`] is left behind with a warning.

mod ear;
mod family;
mod format;
mod mjpeg;
mod pipes;
mod ppm;
mod shadow;

use std::ffi::OsString;
use std::io::{BufReader, ErrorKind, PipeWriter};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never};

use ear::Ear;
use family::{Family, PATIENCE, until};
use pipes::Pipes;
use shadow::Fate;

pub(super) use format::Format;
pub(super) use shadow::Says;

use super::living::Living;
use super::{CaptureError, Frame, Moment};

/// How long a program may go on complaining after its last picture.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What to run, and how to speak of it.
pub(super) struct Task {
    /// A path, or a name that is looked for in `PATH`.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// What it writes.
    pub(super) format: Format,
    /// What is read through it, for people.
    pub(super) input: String,
    /// A text that complaints may quote but nobody may read: it is shown as `input`.
    pub(super) secret: Option<String>,
    /// Whether it is a camera or a stream, which is started again and again while it is not there.
    pub(super) is_live: bool,
    /// What a line of its complaints says of its pictures.
    pub(super) says: fn(&str) -> Says,
    /// What is left of earlier ones.
    pub(super) living: Living,
    /// What to do where the program is not there.
    pub(super) missing: String,
    /// What to try where it fails.
    pub(super) advice: String,
}

/// A running program.
pub(super) struct Decoder {
    family: Family,
    /// One picture ahead: the next is read while the last is being taken. An error is a picture that is
    /// damaged, and says how.
    pictures: Receiver<Result<Frame, String>>,
    /// None once its thread has been waited for.
    reader: Option<JoinHandle<Ending>>,
    /// Dropped to tell the reader that nobody reads on.
    line: Option<PipeWriter>,
    /// The program's name.
    name: String,
    input: String,
    advice: String,
}

/// What [`Decoder::take`] found.
pub(super) enum Took {
    Frame(Frame),
    /// A picture that is not to be looked at; the text says why.
    Damaged(String),
    Nothing,
    /// The pictures have ended, well or badly: [`Decoder::finish`] tells.
    Finished,
}

/// How the reading ended.
struct Ending {
    /// How many pictures were read.
    pictures: std::io::Result<u64>,
    last_words: Vec<String>,
}

/// Whether a program is there.
pub(super) fn is_there(program: &Path) -> bool {
    places(program).iter().any(|place| place.is_file())
}

/// Whether it is known that none is there: where this user may not look there may be one.
fn is_absent(program: &Path) -> bool {
    let is_empty = |place: &PathBuf| {
        let fault = std::fs::metadata(place).err().map(|fault| fault.kind());
        matches!(fault, Some(ErrorKind::NotFound | ErrorKind::NotADirectory))
    };
    places(program).iter().all(is_empty)
}

/// Where a program is looked for: at its path, or below `PATH`, which is the C library's own where it is not set.
fn places(program: &Path) -> Vec<PathBuf> {
    if program.components().count() > 1 {
        return vec![program.to_owned()];
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .collect()
}

impl Decoder {
    pub(super) fn start(task: &Task) -> Result<Self, CaptureError> {
        // Looked for first: not every kernel tells at the start that there is no such program (under qemu-user it
        // starts, and ends with 127).
        if is_absent(&task.program) {
            return Err(not_started(task, ErrorKind::NotFound.into()));
        }
        let alive = task.living.another(&task.input)?;
        let name = task.program.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let mut command = Command::new(&task.program);
        command.args(&task.arguments);
        let not_started = |source| not_started(task, source);
        let (family, out, err) = Family::start(&mut command, &name, alive).map_err(not_started)?;
        let (hangup, line) = std::io::pipe().map_err(not_started)?;
        let pipes = Pipes::new(out, err, hangup, Ear::new(&name, task));
        let (sender, pictures) = bounded(1);
        let format = task.format;
        // Should the thread fail to start, `family` is dropped and the program with it.
        let reader = std::thread::Builder::new()
            .name("child-frames".to_owned())
            .spawn(move || read(pipes, format, sender))
            .map_err(not_started)?;
        Ok(Self {
            family,
            pictures,
            reader: Some(reader),
            line: Some(line),
            name,
            input: task.input.clone(),
            advice: task.advice.clone(),
        })
    }

    /// Waits at most `timeout` for a picture.
    pub(super) fn take(&self, timeout: Duration) -> Took {
        match self.pictures.recv_timeout(timeout) {
            Ok(Ok(frame)) => Took::Frame(frame),
            Ok(Err(how)) => Took::Damaged(how),
            Err(RecvTimeoutError::Timeout) => Took::Nothing,
            Err(RecvTimeoutError::Disconnected) => Took::Finished,
        }
    }

    /// How it went, after [`Took::Finished`].
    pub(super) fn finish(mut self) -> Result<(), CaptureError> {
        let ending = self.reader.take().map(JoinHandle::join);
        let Some(Ok(Ending {
            pictures,
            last_words,
        })) = ending
        else {
            return Err(self.failed("the reading thread is gone", &[]));
        };
        let reason = match pictures {
            // Such a program may be alive: it is killed on drop.
            Err(error) => format!("what {} sent could not be read: {error}", self.name),
            Ok(pictures) => match self.family.status() {
                Some(status) if status.success() && pictures > 0 => return Ok(()),
                Some(status) if status.success() => "it holds no picture".to_owned(),
                Some(status) => format!("{} ended with {status}", self.name),
                None => format!("{} closed its output but did not end", self.name),
            },
        };
        Err(self.failed(&reason, &last_words))
    }

    fn failed(&self, reason: &str, last_words: &[String]) -> CaptureError {
        let words = if last_words.is_empty() {
            format!("{} said nothing", self.name)
        } else {
            format!("its last words: {}", last_words.join(" | "))
        };
        CaptureError::Broken(format!(
            "reading {} failed: {reason}; {words}; {}",
            self.input, self.advice
        ))
    }

    #[cfg(test)]
    pub(super) fn process_id(&self) -> u32 {
        self.family.process_id()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Wherever the reader waits, be it for the program or for somebody who takes a picture, it ends;
        // then `family` is dropped.
        self.line = None;
        self.pictures = never();
        if let Some(reader) = self.reader.take()
            && until(PATIENCE, || reader.is_finished().then_some(())).is_none()
        {
            tracing::warn!(input = %self.input, "the reader of {} is left behind", self.name);
        }
    }
}

fn not_started(task: &Task, source: std::io::Error) -> CaptureError {
    let program = task.program.display();
    let what = if source.kind() == ErrorKind::NotFound {
        format!(
            "the program `{program}` was not found; {} to read {}",
            task.missing, task.input
        )
    } else {
        format!("can't start `{program}` to read {}", task.input)
    };
    CaptureError::Io { what, source }
}

/// Reads pictures until the pipe ends or nobody takes them. Waits until each is taken, and the child
/// with it: frames of a stream are lost behind the capture thread, which never waits, and not here.
fn read(pipes: Pipes, format: Format, sender: Sender<Result<Frame, String>>) -> Ending {
    let mut pipes = BufReader::with_capacity(1 << 16, pipes);
    let pictures = read_pictures(&mut pipes, format, &sender);
    // The taker learns now that it was the last.
    drop(sender);
    let mut pipes = pipes.into_inner();
    pipes.listen(LAST_WORDS);
    Ending {
        pictures,
        last_words: pipes.ear.last_words(),
    }
}

fn read_pictures(
    pipes: &mut BufReader<Pipes>,
    format: Format,
    sender: &Sender<Result<Frame, String>>,
) -> std::io::Result<u64> {
    let mut seq = 0;
    while let Some(pixels) = format.read(pipes)? {
        let frame = Frame {
            seq,
            at: Moment::now(),
            name: None,
            pixels,
        };
        seq += 1;
        let picture = match pipes.get_mut().ear.shadow.fate(Instant::now()) {
            Fate::Given => Ok(frame),
            Fate::Damaged(how) => Err(how),
            Fate::PassedOver => continue,
        };
        if sender.send(picture).is_err() {
            break;
        }
    }
    Ok(seq)
}
