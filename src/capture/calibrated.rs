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
            "{} is not set as it was at calibration: {}; hold these controls by `controls` of the \
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
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::capture::Next;

    /// A camera that is set like this; none tells nothing.
    #[derive(Clone)]
    struct Set(Option<BTreeMap<String, i64>>);

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

        fn settings(&self) -> Option<BTreeMap<String, i64>> {
            self.0.clone()
        }
    }

    fn gain(value: i64) -> BTreeMap<String, i64> {
        BTreeMap::from([("gain".to_owned(), value)])
    }

    fn opened(now: Option<BTreeMap<String, i64>>) -> Result<(), String> {
        let settings = CameraSettings {
            controls: gain(10),
            fps: None,
        };
        let opener = Calibrated::new(Box::new(Set(now)), settings);
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
        let refused = opened(Some(BTreeMap::new())).unwrap_err();
        assert!(
            refused.contains("gain can't be read, it was 10"),
            "{refused}"
        );
    }
}
