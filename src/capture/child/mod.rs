//! A program that writes pictures: the process, the thread that reads its pictures and the one that
//! reads its complaints.
//!
//! Both threads end when their pipe does, and the pipes end with the child, so killing the child
//! stops everything. No wait here is without an end: what has not stopped within [`PATIENCE`] is
//! left behind with a warning.

mod format;
mod mjpeg;
mod ppm;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never};

pub(super) use format::Format;

use super::blot::blotted;
use super::{CaptureError, Frame, Moment};

/// How long a child that closed its pipes, or was killed, may take to go.
const PATIENCE: Duration = Duration::from_secs(2);

/// Complaints that an error quotes.
const LAST_WORDS: usize = 4;

/// Warnings let into the log per [`WINDOW`]; a broken stream complains about every packet.
const WARNINGS: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// A stream that has not failed within this time was there: what its program says later is news.
const CALLING: Duration = Duration::from_secs(30);

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
    /// What to do where the program is not there.
    pub(super) missing: String,
    /// What to try where it fails.
    pub(super) advice: String,
}

/// A running program.
pub(super) struct Decoder {
    child: Child,
    /// One picture ahead: the next is read while the last is being taken.
    frames: Receiver<Frame>,
    /// Gives the number of frames read, once the pipe has ended.
    reader: Option<JoinHandle<std::io::Result<u64>>>,
    last_words: Receiver<Vec<String>>,
    /// The program's name.
    name: String,
    input: String,
    advice: String,
}

/// What [`Decoder::take`] found.
pub(super) enum Took {
    Frame(Frame),
    Nothing,
    /// The pictures have ended, well or badly: [`Decoder::finish`] tells.
    Finished,
}

impl Decoder {
    pub(super) fn start(task: &Task) -> Result<Self, CaptureError> {
        let mut child = Command::new(&task.program)
            .args(&task.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| not_started(task, source))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (sender, frames) = bounded(1);
        let (words, last_words) = bounded(1);
        let name = task.program.file_name().unwrap_or_default();
        let mut decoder = Self {
            child,
            frames,
            reader: None,
            last_words,
            name: name.to_string_lossy().into_owned(),
            input: task.input.clone(),
            advice: task.advice.clone(),
        };
        // Should a thread fail to start, `decoder` is dropped and takes the child with it.
        let reader = std::thread::Builder::new().name("child-frames".to_owned());
        let listener = std::thread::Builder::new().name("child-log".to_owned());
        let format = task.format;
        decoder.reader = out
            .map(|out| reader.spawn(move || read_frames(out, format, &sender)))
            .transpose()
            .map_err(|source| not_started(task, source))?;
        let listen = err.map(|err| {
            let ear = Ear {
                name: decoder.name.clone(),
                input: task.input.clone(),
                secret: task.secret.clone(),
                is_live: task.is_live,
            };
            listener.spawn(move || ear.listen(err, &words))
        });
        listen
            .transpose()
            .map_err(|source| not_started(task, source))?;
        Ok(decoder)
    }

    /// Waits at most `timeout` for a picture.
    pub(super) fn take(&self, timeout: Duration) -> Took {
        match self.frames.recv_timeout(timeout) {
            Ok(frame) => Took::Frame(frame),
            Err(RecvTimeoutError::Timeout) => Took::Nothing,
            Err(RecvTimeoutError::Disconnected) => Took::Finished,
        }
    }

    /// How it went, after [`Took::Finished`].
    pub(super) fn finish(mut self) -> Result<(), CaptureError> {
        let read = match self.reader.take().map(JoinHandle::join) {
            Some(Ok(read)) => read,
            _ => Err(std::io::Error::other("the reading thread is gone")),
        };
        // A picture that can't be read leaves the child alive: it is killed on drop.
        let status = wait(&mut self.child).filter(|_| read.is_ok());
        let reason = match (&read, status) {
            (Ok(frames), Some(status)) if status.success() && *frames > 0 => return Ok(()),
            (Ok(_), Some(status)) if status.success() => "it holds no picture".to_owned(),
            (Ok(_), Some(status)) => format!("{} ended with {status}", self.name),
            (Ok(_), None) => format!("{} closed its output but did not end", self.name),
            (Err(error), _) => format!("what {} sent could not be read: {error}", self.name),
        };
        let words = self.last_words.recv_timeout(PATIENCE / 4);
        Err(CaptureError::Broken(format!(
            "reading {} failed: {reason}; {}; {}",
            self.input,
            words.map_or_else(
                |_| format!("{} said nothing", self.name),
                |words| format!("its last words: {}", words.join(" | "))
            ),
            self.advice
        )))
    }

    #[cfg(test)]
    pub(super) fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Fails only where the child has been reaped already.
        let _ = self.child.kill();
        if wait(&mut self.child).is_none() {
            tracing::warn!(input = %self.input, "{} was killed but does not end; left behind", self.name);
        }
        // A reader that waits to hand over a picture ends when nobody can take it.
        self.frames = never();
        if let Some(reader) = self.reader.take()
            && until(PATIENCE, || reader.is_finished().then_some(())).is_none()
        {
            tracing::warn!(input = %self.input, "the pipe of {} is still open; its reader left behind", self.name);
        }
    }
}

fn not_started(task: &Task, source: std::io::Error) -> CaptureError {
    let program = task.program.display();
    let what = if source.kind() == std::io::ErrorKind::NotFound {
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
fn read_frames(out: ChildStdout, format: Format, sender: &Sender<Frame>) -> std::io::Result<u64> {
    let mut out = BufReader::with_capacity(1 << 16, out);
    let mut seq = 0;
    while let Some(pixels) = format.read(&mut out)? {
        let frame = Frame {
            seq,
            at: Moment::now(),
            name: None,
            pixels,
        };
        seq += 1;
        if sender.send(frame).is_err() {
            break;
        }
    }
    Ok(seq)
}

/// Who hears the child's complaints.
struct Ear {
    name: String,
    input: String,
    secret: Option<String>,
    is_live: bool,
}

impl Ear {
    /// Passes the complaints to the log and, at the end, the last of them to `words`.
    fn listen(&self, err: ChildStderr, words: &Sender<Vec<String>>) {
        let mut err = BufReader::new(err);
        let mut last = VecDeque::with_capacity(LAST_WORDS);
        let mut line = Vec::new();
        let started = Instant::now();
        let mut window = (started, 0);
        // A line without end is cut: memory stays bounded whatever the child does.
        while let Ok(1..) = (&mut err).take(4096).read_until(b'\n', &mut line) {
            let text = self.shown(&String::from_utf8_lossy(&line));
            line.clear();
            if window.0.elapsed() > WINDOW {
                window = (Instant::now(), 0);
            }
            let (input, name) = (&self.input, &self.name);
            // One that can't be called is called again each few seconds, for a year if need be; why
            // stands in the error that each attempt ends with.
            let is_called = self.is_live && started.elapsed() < CALLING;
            if is_grave(&text) && !is_called && window.1 < WARNINGS {
                window.1 += 1;
                tracing::warn!(%input, "{name}: {text}");
            } else {
                tracing::debug!(%input, "{name}: {text}");
            }
            if last.len() == LAST_WORDS {
                last.pop_front();
            }
            last.push_back(text);
        }
        if !last.is_empty() {
            // Nobody listens any more where the source was dropped.
            let _ = words.send(last.into());
        }
    }

    /// A line with what is secret blotted out.
    fn shown(&self, line: &str) -> String {
        let line = line.trim_end();
        match &self.secret {
            Some(secret) => blotted(&line.replace(secret, &self.input)),
            None => blotted(line),
        }
    }
}

/// Whether a line of ffmpeg's, or of libcamera's, tells of a fault.
fn is_grave(text: &str) -> bool {
    ["[error]", "[fatal]", "[panic]", "ERROR"]
        .iter()
        .any(|level| text.contains(level))
}

/// The child's status, if it ends within [`PATIENCE`].
fn wait(child: &mut Child) -> Option<ExitStatus> {
    until(PATIENCE, || child.try_wait().ok().flatten())
}

/// Asks again and again, at most for `patience`.
fn until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() > patience {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
