//! A source that must be set as it was at calibration.
//!
//! Wraps another opener: where the camera that it opens is set differently from the footage of its
//! Profile, opening is refused, and so no frame of it is ever scored in silence. Sources that tell no
//! settings, and Profiles of footage that had none, pass. A change while the camera runs ends its stream
//! (`v4l2/watch.rs`), so that it is refused here when it is opened anew.

use super::{CameraSettings, CaptureError, Opener, Source};

/// An opener whose camera must be set like this.
pub struct Calibrated {
    opener: Box<dyn Opener>,
    settings: CameraSettings,
}

impl Calibrated {
    /// The same source, refused where it is set otherwise.
    pub fn new(opener: Box<dyn Opener>, settings: CameraSettings) -> Self {
        Calibrated { opener, settings }
    }
}

impl Opener for Calibrated {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        let source = self.opener.open()?;
        let differences = match source.settings() {
            None => Vec::new(),
            Some(now) => self.settings.differences(&now),
        };
        if differences.is_empty() {
            return Ok(source);
        }
        Err(CaptureError::Broken(format!(
            "{} is not set as it was at calibration: {}; ask for it by `controls` and `format` of the \
             source, or calibrate again",
            self.opener.describe(),
            differences.join(", ")
        )))
    }

    fn describe(&self) -> String {
        self.opener.describe()
    }

    fn is_live(&self) -> bool {
        self.opener.is_live()
    }

    fn is_footage(&self) -> bool {
        self.opener.is_footage()
    }

    fn is_film(&self) -> bool {
        self.opener.is_film()
    }

    fn keeps_time(&self) -> bool {
        self.opener.keeps_time()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::capture::{Layout, Next};

    /// A camera that is set like this; none tells nothing.
    #[derive(Clone)]
    struct Set(Option<CameraSettings>);

    impl Opener for Set {
        fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
            Ok(Box::new(self.clone()))
        }

        fn describe(&self) -> String {
            "v4l2 /dev/video7".to_owned()
        }

        fn is_live(&self) -> bool {
            true
        }
    }

    impl Source for Set {
        fn next(&mut self, _: Duration) -> Result<Next, CaptureError> {
            Ok(Next::End)
        }

        fn settings(&self) -> Option<CameraSettings> {
            self.0.clone()
        }
    }

    /// Of a camera of YUYV.
    fn gain(value: i64) -> CameraSettings {
        CameraSettings {
            controls: BTreeMap::from([("gain".to_owned(), value)]),
            fps: None,
            layout: Some(Layout::Yuyv),
        }
    }

    fn opened(now: Option<CameraSettings>) -> Result<(), String> {
        let opener = Calibrated::new(Box::new(Set(now)), gain(10));
        assert!(opener.is_live() && !opener.is_film() && !opener.is_footage());
        opener.open().map(drop).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_camera_that_is_set_otherwise_than_its_footage_is_refused_by_name_and_values() {
        assert_eq!(opened(Some(gain(10))), Ok(()));
        let refused = opened(Some(gain(11))).unwrap_err();
        for word in ["/dev/video7", "gain is 11, it was 10", "calibrate again"] {
            assert!(refused.contains(word), "{word} in {refused}");
        }
    }

    #[test]
    fn a_camera_without_the_controls_of_its_footage_is_refused_and_a_source_that_has_none_is_not() {
        assert_eq!(opened(None), Ok(()));
        let refused = opened(Some(CameraSettings::default())).unwrap_err();
        assert!(
            refused.contains("gain can't be read, it was 10"),
            "{refused}"
        );
    }

    #[test]
    fn a_camera_that_gives_another_format_since_it_was_plugged_in_anew_is_refused() {
        let mjpeg = CameraSettings {
            layout: Some(Layout::Mjpeg),
            ..gain(10)
        };
        let refused = opened(Some(mjpeg)).unwrap_err();
        assert!(
            refused.contains("format is mjpeg, it was yuyv"),
            "{refused}"
        );
    }
}
