//! The controls of a camera while it streams, looked at now and then.
//!
//! A picture that the camera makes otherwise than when it was opened is not the one that was
//! calibrated, whoever changed it: a control that is not where it was ends the stream, held or not,
//! unless an automatic moves it. What other programs set is seen so; what a webcam forgets by itself
//! is not, where uvcvideo answers from its own memory. Nothing is set here.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::controls::{Held, Reading, readings};
use super::refused;
use super::sys::Node;
use crate::capture::{CameraSettings, CaptureError, Layout};

/// From one look to the next: soon enough for a change of the camera to be told from one of the scene.
const EVERY: Duration = Duration::from_secs(5);
/// At most a hundredth of the time goes into looking: some cameras take 50 ms for each control.
const SHARE: u32 = 100;

/// What the controls of a camera are held against.
pub(super) struct Watch {
    held: Held,
    /// The picture's controls that could be read when the camera was opened.
    controls: Vec<(u32, String)>,
    /// And what they were at.
    settings: CameraSettings,
    due: Instant,
    /// Whether a control could not be read at the last look.
    has_failed: bool,
}

impl Watch {
    /// Takes the picture's controls as they are now for what they shall be.
    pub(super) fn begin(node: &Node, held: Held, layout: Layout) -> Watch {
        Watch::of(held, readings(node), layout, Instant::now())
    }

    fn of(held: Held, readings: Vec<Reading>, layout: Layout, now: Instant) -> Watch {
        let mut controls = Vec::new();
        let mut settings = CameraSettings {
            layout: Some(layout),
            ..CameraSettings::default()
        };
        for Reading { id, name, value } in readings {
            settings.controls.insert(name.clone(), value);
            controls.push((id, name));
        }
        Watch {
            held,
            controls,
            settings,
            due: now + EVERY,
            has_failed: false,
        }
    }

    /// How the camera was set when it was opened.
    pub(super) fn settings(&self) -> &CameraSettings {
        &self.settings
    }

    /// Reads all controls where that is due; `read` gives the value of one.
    ///
    /// # Errors
    /// Where one is not where it was, and where one can't be read twice in a row: a single failure is
    /// the bus's, not the camera's.
    pub(super) fn look(
        &mut self,
        path: &Path,
        now: Instant,
        read: impl Fn(u32) -> io::Result<i64>,
    ) -> Result<(), CaptureError> {
        if now < self.due {
            return Ok(());
        }
        let began = Instant::now();
        let (values, failed) = self.read(path, read);
        self.due = now + EVERY.max(began.elapsed() * SHARE);
        self.held.compare(path, &values)?;
        self.compare(path, &values)?;
        let has_failed = std::mem::replace(&mut self.has_failed, failed.is_some());
        match failed {
            Some(fault) if has_failed || is_gone(&fault) => Err(fault),
            Some(fault) => {
                tracing::debug!(%fault, "tried again at the next look");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What could be read, and the first fault of the rest.
    fn read(
        &self,
        path: &Path,
        read: impl Fn(u32) -> io::Result<i64>,
    ) -> (BTreeMap<u32, i64>, Option<CaptureError>) {
        let (mut values, mut failed) = (BTreeMap::new(), None);
        let own = self.controls.iter().map(|(id, name)| (*id, name.as_str()));
        for (id, name) in self.held.names().chain(own) {
            if values.contains_key(&id) {
                continue;
            }
            match read(id) {
                Ok(value) => {
                    values.insert(id, value);
                }
                Err(reason) => {
                    let what = format!("read {name} of");
                    failed.get_or_insert_with(|| refused(&what, path, reason));
                }
            }
        }
        (values, failed)
    }

    /// Holds the picture's controls against what they were at; one that is unknown has not moved.
    fn compare(&self, path: &Path, values: &BTreeMap<u32, i64>) -> Result<(), CaptureError> {
        let mut now = self.settings.clone();
        for (id, name) in &self.controls {
            if let Some(value) = values.get(id) {
                now.controls.insert(name.clone(), *value);
            }
        }
        let differences = self.settings.differences(&now);
        if differences.is_empty() {
            return Ok(());
        }
        Err(CaptureError::Broken(format!(
            "{} is set otherwise by another program: {} when the camera was opened",
            path.display(),
            differences.join(", ")
        )))
    }
}

fn is_gone(fault: &CaptureError) -> bool {
    let CaptureError::Io { source, .. } = fault else {
        return false;
    };
    let error = source.raw_os_error().map(Errno::from_raw_os_error);
    matches!(error, Some(Errno::NODEV | Errno::NXIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAIN: u32 = 1;
    const SHARPNESS: u32 = 2;

    /// A camera with a gain that is held at 10, and a sharpness of 3.
    struct Camera {
        watch: Watch,
        now: Instant,
    }

    impl Camera {
        fn new() -> Camera {
            let reading = |id, name: &str, value| Reading {
                id,
                name: name.to_owned(),
                value,
            };
            let held = Held::of(vec![reading(GAIN, "gain", 10)]);
            let readings = vec![
                reading(GAIN, "gain", 10),
                reading(SHARPNESS, "sharpness", 3),
            ];
            let now = Instant::now();
            Camera {
                watch: Watch::of(held, readings, Layout::Yuyv, now),
                now,
            }
        }

        /// Looks after a time at what they are then.
        fn look(
            &mut self,
            after: Duration,
            gain: Result<i64, Errno>,
            sharpness: Result<i64, Errno>,
        ) -> Result<(), String> {
            self.now += after;
            let read = |id| {
                let value = if id == GAIN { gain } else { sharpness };
                value.map_err(|error| io::Error::from_raw_os_error(error.raw_os_error()))
            };
            let looked = self.watch.look(Path::new("/dev/video7"), self.now, read);
            looked.map_err(|fault| fault.to_string())
        }
    }

    #[test]
    fn a_control_that_is_not_held_ends_the_stream_too_once_it_moves() {
        let mut camera = Camera::new();
        assert_eq!(camera.look(EVERY, Ok(10), Ok(3)), Ok(()));
        let early = camera.look(EVERY / 2, Ok(10), Ok(7));
        assert_eq!(early, Ok(()), "it is not read all the time");
        let moved = camera.look(EVERY / 2, Ok(10), Ok(7)).unwrap_err();
        let words = "sharpness is 7, it was 3 when the camera was opened";
        assert!(moved.contains(words), "{moved}");
        let moved = Camera::new().look(EVERY, Ok(11), Ok(3)).unwrap_err();
        assert!(moved.contains("does not keep gain = 10"), "{moved}");
    }

    #[test]
    fn a_single_failed_reading_is_forgiven_and_the_second_in_a_row_is_not() {
        for failure in [Errno::PIPE, Errno::TIMEDOUT] {
            let mut camera = Camera::new();
            for _ in 0..3 {
                assert_eq!(camera.look(EVERY, Err(failure), Ok(3)), Ok(()));
                assert_eq!(camera.look(EVERY, Ok(10), Ok(3)), Ok(()));
            }
            assert_eq!(camera.look(EVERY, Ok(10), Err(failure)), Ok(()));
            let again = camera.look(EVERY, Ok(10), Err(failure)).unwrap_err();
            assert!(again.contains("read sharpness of /dev/video7"), "{again}");
        }
        // It hides nothing of the others.
        let moved = Camera::new().look(EVERY, Err(Errno::PIPE), Ok(7));
        assert!(moved.unwrap_err().contains("sharpness is 7"));
    }

    #[test]
    fn a_camera_that_is_gone_is_not_tried_again() {
        let gone = Camera::new().look(EVERY, Err(Errno::NODEV), Err(Errno::NODEV));
        assert!(gone.unwrap_err().contains("is gone"));
    }
}
