//! Any camera that nokhwa knows: a second way to those of Linux.
//!
//! nokhwa knows no timeout and its camera may not change threads, so it lives in a thread of its own
//! from its opening to its end; one that blocks is left behind when the source is dropped, and at most
//! four are. Pictures are taken raw and decoded by preprocess. What nokhwa does not say can't be checked here: how many
//! bytes the driver filled, which frames it calls damaged. `v4l2` is the better choice.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType,
};
use ::nokhwa::{Camera, NokhwaError};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never};

use super::living::{Alive, Living};
use super::pace::Thinning;
use super::{CaptureError, Device, Fps, Frame, Layout, Moment, Next, OfferedFormat, OfferedSize};
use super::{Opener, Pixels, Range, RawPicture, Source};
use crate::seam::caught;

/// How long a camera may take to open.
const OPENING: Duration = Duration::from_secs(10);
/// How long a thread may take to end once nobody takes its frames.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where no size is asked for, the smallest that is not below this.
const ENOUGH: [u32; 2] = [640, 480];
/// What can be decoded, best first.
const FORMATS: [FrameFormat; 5] = [
    FrameFormat::MJPEG,
    FrameFormat::YUYV,
    FrameFormat::NV12,
    FrameFormat::RAWRGB,
    FrameFormat::GRAY,
];
const ADVICE: &str = "is it plugged in, free, and may this program use it? `inspectd cameras \
                      --backend nokhwa` lists what is there";

/// A camera by its number or name, as `inspectd cameras --backend nokhwa` lists them.
#[derive(Debug, Clone, Default)]
pub struct Nokhwa {
    /// A number, or a name.
    pub device: String,
    /// Columns and rows; where absent, the smallest from 640x480 up.
    pub size: Option<[u32; 2]>,
    /// The form of its pictures; where absent, the first that it has of those that we know.
    pub format: Option<Layout>,
    /// The pace: above it, frames are passed over.
    pub fps: Option<Fps>,
    /// The threads of its openings.
    pub(super) living: Living,
}

impl Nokhwa {
    /// With nothing asked of it.
    pub fn new(device: String) -> Self {
        Self {
            device,
            ..Self::default()
        }
    }
}

impl Opener for Nokhwa {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        let spec = self.clone();
        let name = self.describe();
        let alive = self.living.another(&name)?;
        let studio = Studio::start(name, self.fps, alive, move || Live::open(&spec))?;
        Ok(Box::new(studio))
    }

    fn describe(&self) -> String {
        format!("nokhwa {}", self.device)
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// The cameras that nokhwa finds. Formats are known only to a camera that can be opened.
///
/// # Errors
/// When the system can't be asked.
pub fn devices() -> Result<Vec<Device>, CaptureError> {
    let found = ::nokhwa::query(ApiBackend::Auto)
        .map_err(|error| CaptureError::Broken(format!("can't look for cameras: {error}")))?;
    let device = |info: ::nokhwa::utils::CameraInfo| {
        let offered = caught(|| offered(info.index()));
        let offered = offered.unwrap_or_else(|_| Err("nokhwa panicked on it".to_owned()));
        let (formats, fault) = match offered {
            Ok(formats) => (listed(&formats), None),
            Err(fault) => (Vec::new(), Some(fault)),
        };
        Device {
            backend: "nokhwa",
            device: info.index().as_string(),
            links: Vec::new(),
            name: info.human_name(),
            driver: None,
            bus: None,
            controls: Vec::new(),
            usable: fault.is_some() || formats.iter().any(|format| format.usable),
            formats,
            fault,
        }
    };
    Ok(found.into_iter().map(device).collect())
}

fn offered(index: &CameraIndex) -> Result<Vec<CameraFormat>, String> {
    let mut camera = opened(index).map_err(|error| error.to_string())?;
    let formats = camera.compatible_camera_formats();
    formats.map_err(|error| error.to_string())
}

fn opened(index: &CameraIndex) -> Result<Camera, NokhwaError> {
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &FORMATS);
    Camera::new(index.clone(), any)
}

/// The formats with their sizes and rates, in their own order.
fn listed(formats: &[CameraFormat]) -> Vec<OfferedFormat> {
    let mut list: Vec<OfferedFormat> = Vec::new();
    for format in formats {
        let name = format.format().to_string();
        let place = list.iter().position(|known| known.fourcc == name);
        let place = place.unwrap_or_else(|| {
            list.push(OfferedFormat {
                fourcc: name.clone(),
                description: name,
                usable: layout(format.format()).is_some(),
                sizes: Vec::new(),
            });
            list.len() - 1
        });
        let side = [format.width(), format.height()];
        let sizes = &mut list[place].sizes;
        let place = sizes.iter().position(|known| known.min == side);
        let place = place.unwrap_or_else(|| {
            sizes.push(OfferedSize {
                min: side,
                max: side,
                step: [1, 1],
                fps: Vec::new(),
            });
            sizes.len() - 1
        });
        let rates = &mut sizes[place].fps;
        rates.push(f64::from(format.frame_rate()));
        rates.sort_by(|a, b| b.total_cmp(a));
        rates.dedup();
    }
    list
}

fn layout(format: FrameFormat) -> Option<Layout> {
    match format {
        FrameFormat::MJPEG => Some(Layout::Mjpeg),
        FrameFormat::YUYV => Some(Layout::Yuyv),
        FrameFormat::NV12 => Some(Layout::Nv12),
        FrameFormat::GRAY => Some(Layout::Grey),
        FrameFormat::RAWRGB => Some(Layout::Rgb24),
        FrameFormat::RAWBGR => None,
    }
}

/// The format to ask for.
fn chosen(offered: &[CameraFormat], spec: &Nokhwa) -> Option<CameraFormat> {
    let side = |format: &CameraFormat| [format.width(), format.height()];
    let fitting = offered.iter().filter(|format| {
        layout(format.format()).is_some_and(|own| spec.format.is_none_or(|asked| asked == own))
            && spec.size.is_none_or(|asked| asked == side(format))
    });
    let key = |format: &&CameraFormat| {
        let [width, height] = side(format);
        let pixels = u64::from(width) * u64::from(height);
        let enough = width >= ENOUGH[0] && height >= ENOUGH[1];
        // The smallest that is enough, else the largest.
        let wanted = if enough { pixels } else { u64::MAX - pixels };
        let rank = FORMATS.iter().position(|known| *known == format.format());
        (wanted, rank, u32::MAX - format.frame_rate())
    };
    fitting.min_by_key(key).copied()
}

/// What gives pictures until it fails; the tests have their own.
trait Camcorder {
    fn picture(&mut self) -> Result<Pixels, String>;
}

/// nokhwa's camera.
struct Live {
    /// Taken out to be dropped, which may panic.
    camera: Option<Camera>,
}

impl Live {
    fn open(spec: &Nokhwa) -> Result<Self, String> {
        let failed = |error: NokhwaError| format!("{error}; {ADVICE}");
        let mut camera = opened(&index(&spec.device)?).map_err(failed)?;
        let formats = camera.compatible_camera_formats().map_err(failed)?;
        let format = chosen(&formats, spec)
            .ok_or_else(|| format!("it has no such size and format; {ADVICE}"))?;
        let exact = RequestedFormatType::Exact(format);
        camera
            .set_camera_requset(RequestedFormat::with_formats(exact, &[format.format()]))
            .and_then(|_| camera.open_stream())
            .map_err(failed)?;
        Ok(Self {
            camera: Some(camera),
        })
    }
}

impl Camcorder for Live {
    fn picture(&mut self) -> Result<Pixels, String> {
        let camera = self.camera.as_mut().ok_or("the camera is closed")?;
        let picture = camera.frame().map_err(|error| error.to_string())?;
        let size = picture.resolution();
        let size = [size.width(), size.height()];
        pixels(picture.source_frame_format(), size, picture.buffer())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let camera = self.camera.take();
        // nokhwa panics where the stream can't be stopped, as after an unplug.
        if caught(|| drop(camera)).is_err() {
            tracing::debug!("nokhwa could not close the camera");
        }
    }
}

/// The number of a camera that may be given by name.
fn index(device: &str) -> Result<CameraIndex, String> {
    if let Ok(number) = device.parse() {
        return Ok(CameraIndex::Index(number));
    }
    let found = ::nokhwa::query(ApiBackend::Auto).map_err(|error| error.to_string())?;
    let named = found.iter().find(|info| info.human_name() == device);
    named
        .map(|info| info.index().clone())
        .ok_or_else(|| format!("no camera is called so; {ADVICE}"))
}

/// A picture as nokhwa hands it over: the whole of the driver's buffer, rows of unknown stride. Up to
/// a byte a row too much is the buffer's own padding; more may be the rows', and is refused.
fn pixels(format: FrameFormat, [width, height]: [u32; 2], data: &[u8]) -> Result<Pixels, String> {
    let layout = layout(format).ok_or_else(|| format!("{format} can't be decoded"))?;
    let (stride, rows) = match layout {
        Layout::Mjpeg => (0, 0),
        Layout::Yuyv => (width.saturating_mul(2), height),
        Layout::Nv12 => (width, height.saturating_add(height / 2)),
        Layout::Grey => (width, height),
        Layout::Rgb24 => (width.saturating_mul(3), height),
    };
    let packed = u64::from(stride) * u64::from(rows);
    if layout != Layout::Mjpeg && data.len() as u64 >= packed + u64::from(rows) {
        return Err(format!(
            "{} bytes where {width}x{height} pixels of {format} are {packed}: its rows are padded, and \
             nokhwa does not say how; choose another size or format, or `kind = \"v4l2\"`",
            data.len()
        ));
    }
    Ok(Pixels::Raw(RawPicture {
        layout,
        width,
        height,
        stride,
        range: Range::Limited,
        data: data.to_vec(),
    }))
}

enum Message {
    Opened,
    Picture(Frame),
    Failed(String),
}

/// The thread with its camera, and the frames that come from it.
struct Studio {
    name: String,
    messages: Receiver<Message>,
    thread: JoinHandle<()>,
    thinning: Thinning,
}

impl Studio {
    /// Starts the thread, which keeps `alive` to its end, and waits until the camera is open.
    fn start<C: Camcorder>(
        name: String,
        fps: Option<Fps>,
        alive: Alive,
        open: impl FnOnce() -> Result<C, String> + Send + 'static,
    ) -> Result<Self, CaptureError> {
        // One frame ahead; while nobody takes it the driver drops its own.
        let (sender, messages) = bounded(1);
        let thread = std::thread::Builder::new().name("nokhwa".to_owned());
        let thread = thread
            .spawn(move || {
                // Dropped last, whether the thread returns or unwinds.
                let _alive = alive;
                film(open, &sender);
            })
            .map_err(|source| CaptureError::Io {
                what: format!("can't start a thread for {name}"),
                source,
            })?;
        let studio = Self {
            name,
            messages,
            thread,
            thinning: Thinning::new(fps),
        };
        match studio.messages.recv_timeout(OPENING) {
            Ok(Message::Failed(why)) => Err(studio.broken(&why)),
            Ok(_) => Ok(studio),
            Err(RecvTimeoutError::Timeout) => Err(studio.broken(&format!(
                "it does not open within {} s; unplug it and plug it in again",
                OPENING.as_secs()
            ))),
            Err(RecvTimeoutError::Disconnected) => Err(studio.gone()),
        }
    }

    fn broken(&self, why: &str) -> CaptureError {
        CaptureError::Broken(format!("{} failed: {why}", self.name))
    }

    fn gone(&self) -> CaptureError {
        self.broken("nokhwa panicked; its words stand above")
    }
}

impl Source for Studio {
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(Message::Picture(frame)) if self.thinning.passes(&frame) => {
                    return Ok(Next::Frame(frame));
                }
                Ok(Message::Picture(_) | Message::Opened) => {}
                Ok(Message::Failed(why)) => return Err(self.broken(&why)),
                Err(RecvTimeoutError::Timeout) => return Ok(Next::Idle),
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
            }
        }
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        // A thread that waits to hand over a frame ends when nobody can take it.
        self.messages = never();
        let start = Instant::now();
        while !self.thread.is_finished() {
            if start.elapsed() > PATIENCE {
                tracing::warn!(camera = %self.name, "the camera blocks and is left behind");
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The thread: opens, and hands over frames until the camera fails or nobody takes them.
fn film<C: Camcorder>(open: impl FnOnce() -> Result<C, String>, sender: &Sender<Message>) {
    let run = || -> Result<(), String> {
        let mut camera = open()?;
        let mut seq = 0;
        let mut message = Message::Opened;
        while sender.send(message).is_ok() {
            let pixels = camera.picture()?;
            message = Message::Picture(Frame {
                seq,
                at: Moment::now(),
                name: None,
                pixels,
            });
            seq += 1;
        }
        Ok(())
    };
    if let Err(why) = run() {
        // Nobody listens any more where the source was dropped.
        let _ = sender.send(Message::Failed(why));
    }
}

#[cfg(test)]
#[path = "nokhwa_tests.rs"]
mod tests;
