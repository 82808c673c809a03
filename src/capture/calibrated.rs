//! A source that must be set as it was at calibration.
//!
//! Wraps another opener: where the camera that it opens is set differently from the footage of its
//! Profile, opening is refused, and so no frame of it is ever scored in silence. Sources that tell no
//! settings, and Profiles of footage that had none, pass.

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
        let now = source.settings().unwrap_or_default();
        let differences = match now.is_empty() {
            true => Vec::new(),
            false => self.settings.differences(&now),
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

    fn keeps_time(&self) -> bool {
        self.opener.keeps_time()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::capture::Next;

    /// A camera whose gain is this; none tells nothing.
    struct Set(Option<i64>);

    impl Opener for Set {
        fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
            Ok(Box::new(Set(self.0)))
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
            self.0
                .map(|gain| BTreeMap::from([("gain".to_owned(), gain)]))
        }
    }

    fn opened(now: Option<i64>) -> Result<(), String> {
        let settings = CameraSettings {
            controls: BTreeMap::from([("gain".to_owned(), 10)]),
            fps: None,
        };
        let opener = Calibrated::new(Box::new(Set(now)), settings);
        assert!(opener.is_live() && !opener.is_film() && !opener.is_footage());
        opener.open().map(drop).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_camera_that_is_set_otherwise_than_its_footage_is_refused_by_name_and_values() {
        assert_eq!(opened(Some(10)), Ok(()));
        assert_eq!(opened(None), Ok(()));
        let refused = opened(Some(11)).unwrap_err();
        for word in ["/dev/video7", "gain is 11, it was 10", "calibrate again"] {
            assert!(refused.contains(word), "{word} in {refused}");
        }
    }
}
