//! A camera of Linux as a source, straight on V4L2.
//!
//! A camera is opened by its path, best by one below `/dev/v4l/by-id`, which survives a replug.
//! Frames are handed on as the driver gave them, cut at what it wrote, and copied once; those that
//! are not due are given back unread. Nothing is retried here: after an error the source is to be
//! dropped and opened anew, and format and size are agreed on again.
//!
//! A driver that hangs in a request hangs the caller; the caller's supervisor has to give it up.

mod controls;
mod devices;
mod format;
mod interval;
mod negotiate;
mod queue;
mod search;
mod sys;
mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::pace::{Fps, Pace};
use super::{
    CameraSettings, CaptureError, Frame, Layout, Moment, Next, Opener, Pixels, RawPicture, Source,
};
use controls::Held;
pub use devices::devices;
use negotiate::{Agreed, check, negotiate};
use queue::{Count, Queue, age};
use search::{cameras, first_free};
use sys::{Filled, Node};
use watch::Watch;

/// Opens a camera.
#[derive(Debug, Clone, Default)]
pub struct V4l2 {
    /// Its node. Where absent, the first camera that can be used and is free, at each opening.
    pub device: Option<PathBuf>,
    /// Columns and rows; 640x480 or what is nearest where absent.
    pub size: Option<[u32; 2]>,
    /// The format; raw where that is fast enough, else MJPEG, where absent.
    pub format: Option<Layout>,
    /// The pace. The camera is set to the nearest rate that is not slower, the rest passed over.
    pub fps: Option<Fps>,
    /// Controls by name and what they are held at.
    pub controls: Vec<(String, i64)>,
}

impl Opener for V4l2 {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        match &self.device {
            Some(path) => self.open_at(path.clone()),
            None => first_free(cameras()?, |path| self.open_at(path)),
        }
    }

    fn describe(&self) -> String {
        match &self.device {
            Some(path) => format!("v4l2 {}", path.display()),
            None => "v4l2 (the first camera)".to_owned(),
        }
    }

    fn is_live(&self) -> bool {
        true
    }
}

impl V4l2 {
    fn open_at(&self, path: PathBuf) -> Result<Box<dyn Source>, CaptureError> {
        let node = Node::open(&path).map_err(|reason| refused("open", &path, reason))?;
        let capability = node
            .capability()
            .map_err(|reason| refused("ask for the kind of", &path, reason))?;
        check(&path, &capability)?;
        let agreed = negotiate(&node, &path, self)?;
        let held = Held::find(&node, &path, &self.controls)?;
        held.set(&node, &path)?;
        let started = monotonic();
        let queue = Queue::start(node).map_err(|(what, reason)| refused(what, &path, reason))?;
        held.set(queue.node(), &path)?;
        // A frozen camera is opened each few seconds; that it is online is said elsewhere.
        tracing::debug!(
            device = %path.display(),
            camera = capability.card,
            format = agreed.layout.name(),
            width = agreed.picture.width,
            height = agreed.picture.height,
            fps = agreed.interval.and_then(interval::Interval::fps),
            "camera opened"
        );
        Ok(Box::new(OpenV4l2 {
            due: Due::new(
                self.fps,
                agreed.interval.and_then(interval::Interval::period),
            ),
            watch: Watch::begin(queue.node(), held, agreed.layout),
            path,
            queue,
            agreed,
            started,
            count: Count::default(),
        }))
    }
}

struct OpenV4l2 {
    path: PathBuf,
    queue: Queue,
    agreed: Agreed,
    /// When the stream began, by `CLOCK_MONOTONIC`.
    started: Duration,
    due: Due,
    count: Count,
    watch: Watch,
}

impl Source for OpenV4l2 {
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        let now = Instant::now();
        let node = self.queue.node();
        self.watch.look(&self.path, now, |id| node.control(id))?;
        let deadline = now.checked_add(timeout).unwrap_or(now + HOUR);
        loop {
            let taken = self.queue.take(deadline);
            let Some(filled) = taken.map_err(|reason| self.broken(reason))? else {
                return Ok(Next::Idle);
            };
            let now = Instant::now();
            if self.due.is_due(now) {
                let next = self.hand_over(filled);
                if matches!(next, Ok(Next::Frame(_))) {
                    self.due.taken(now);
                }
                return next.map_err(|reason| self.broken(reason));
            }
            self.count.passed(filled.sequence);
            let given_back = self.queue.give_back(filled);
            given_back.map_err(|reason| self.broken(reason))?;
            if now >= deadline {
                return Ok(Next::Idle);
            }
        }
    }

    fn settings(&self) -> Option<CameraSettings> {
        Some(self.watch.settings().clone())
    }
}

/// As long as anybody waits at once.
const HOUR: Duration = Duration::from_secs(3600);

impl OpenV4l2 {
    /// A filled buffer as a frame; the buffer goes back.
    fn hand_over(&mut self, filled: Filled) -> std::io::Result<Next> {
        let seq = self.count.taken(filled.sequence);
        if filled.is_damaged || filled.used == 0 {
            self.queue.give_back(filled)?;
            let how = if filled.is_damaged {
                "the driver marks it as damaged"
            } else {
                "it is empty"
            };
            return Ok(Next::Damaged(format!("frame {seq}: {how}")));
        }
        let at = Moment::now().before(age(filled.monotonic, self.started, monotonic()));
        let picture = self.agreed.picture;
        Ok(Next::Frame(Frame {
            seq,
            at,
            name: None,
            pixels: Pixels::Raw(RawPicture {
                layout: self.agreed.layout,
                width: picture.width,
                height: picture.height,
                stride: match self.agreed.layout {
                    Layout::Mjpeg => 0,
                    _ => picture.stride,
                },
                range: picture.range,
                data: self.queue.copy(filled)?,
            }),
        }))
    }

    fn broken(&self, reason: std::io::Error) -> CaptureError {
        refused("get frames from", &self.path, reason)
    }
}

/// Which frames are due.
///
/// A camera's frames come a little early or late; one that comes half of the camera's period before
/// its time is nearer to it than the next, so it is taken. The grid stays, so the mean rate does too.
struct Due {
    pace: Pace,
    tolerance: Duration,
}

impl Due {
    fn new(fps: Option<Fps>, camera: Option<Duration>) -> Self {
        let period = fps.map_or(Duration::ZERO, Fps::period);
        Due {
            pace: Pace::new(fps),
            tolerance: camera.map_or(period / 10, |camera| camera.min(period) / 2),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.pace.until_due(now) <= self.tolerance
    }

    fn taken(&mut self, now: Instant) {
        self.pace.take(now);
    }
}

/// The clock that drivers stamp frames with.
fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// What a refusal of the system means for a camera, and what to do.
fn refused(what: &str, path: &Path, source: std::io::Error) -> CaptureError {
    let device = path.display();
    let what = match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::BUSY) => format!(
            "{device} is in use by another program; end that one (`fuser -v {device}` names it)"
        ),
        Some(Errno::ACCESS | Errno::PERM) => {
            format!("can't {what} {device}; add this user to the group video")
        }
        Some(Errno::NOENT) => format!(
            "there is no {device}; is the camera plugged in? `inspectd cameras` lists those that are"
        ),
        Some(Errno::NODEV | Errno::NXIO) => {
            format!("the camera behind {device} is gone; is it plugged in?")
        }
        Some(Errno::NOTTY) => format!("can't {what} {device}; is that a camera?"),
        _ => format!("can't {what} {device}"),
    };
    CaptureError::Io { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many frames of each second are taken of a camera with so many, that come early and late
    /// by as much as `jitter_ms`, the first one late, at a pace; over 20 s.
    fn taken_each_second(camera: f64, jitter_ms: f64, pace: Option<f64>, is_known: bool) -> f64 {
        let start = Instant::now() + HOUR;
        let period = Duration::from_secs_f64(1.0 / camera);
        let fps = pace.map(|pace| Fps::new(pace).unwrap());
        let mut due = Due::new(fps, is_known.then_some(period));
        let frames = (camera * 20.0) as u32;
        let mut taken = 0;
        for i in 0..frames {
            let jitter = jitter_ms * 1e-3 * f64::from((i + 2) % 3);
            let now = start + period * i + Duration::from_secs_f64(jitter);
            if due.is_due(now) {
                due.taken(now);
                taken += 1;
            }
        }
        f64::from(taken) / 20.0
    }

    #[test]
    fn frames_are_thinned_to_the_pace_and_a_camera_at_the_pace_loses_none() {
        for (camera, pace, expected) in [
            (30.0, None, 30.0),
            (30.0, Some(30.0), 30.0),
            (30.0, Some(60.0), 30.0),
            (30.0, Some(15.0), 15.0),
            (30.0, Some(2.0), 2.0),
            (30.0, Some(20.0), 20.0),
            (30.0, Some(25.0), 25.0),
            (7.5, Some(5.0), 5.0),
        ] {
            for jitter_ms in [0.0, 4.0] {
                let taken = taken_each_second(camera, jitter_ms, pace, true);
                let error = (taken - expected).abs();
                assert!(error <= 0.3, "{camera} {pace:?} {jitter_ms}: {taken}");
            }
        }
    }

    #[test]
    fn a_camera_of_unknown_rate_is_held_to_the_pace_too() {
        for (camera, expected) in [(30.0, 10.0), (10.0, 10.0), (5.0, 5.0)] {
            let taken = taken_each_second(camera, 2.0, Some(10.0), false);
            assert!((taken - expected).abs() <= 0.5, "{camera}: {taken}");
        }
    }

    #[test]
    fn a_refusal_of_the_system_says_what_to_do() {
        for (error, hint) in [
            (Errno::BUSY, "another program"),
            (Errno::ACCESS, "group video"),
            (Errno::NOENT, "plugged in"),
            (Errno::NODEV, "gone"),
            (Errno::IO, "can't open /dev/video7"),
        ] {
            let system = std::io::Error::from_raw_os_error(error.raw_os_error());
            let text = refused("open", Path::new("/dev/video7"), system).to_string();
            assert!(text.contains(hint), "{text}");
            assert!(text.contains("/dev/video7"), "{text}");
        }
    }

    #[test]
    fn a_camera_that_is_not_there_is_named() {
        let camera = V4l2 {
            device: Some("/dev/v4l/by-id/none".into()),
            ..V4l2::default()
        };
        assert!(camera.is_live());
        assert_eq!(camera.describe(), "v4l2 /dev/v4l/by-id/none");
        let error = camera.open().err().unwrap().to_string();
        assert!(error.contains("/dev/v4l/by-id/none"), "{error}");
        // A node that is no camera, and a file that is no node.
        for path in ["/dev/null", "/proc/version"] {
            let camera = V4l2 {
                device: Some(path.into()),
                ..V4l2::default()
            };
            let error = camera.open().err().unwrap().to_string();
            assert!(error.contains(path), "{error}");
        }
    }
}
