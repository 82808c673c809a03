//! Footage from its first frame to its last, for the commands that read files; the daemon waits for
//! frames in its own way.

use std::time::Duration;

use super::{CaptureError, Frame, Next, Opener, Source};

/// How long footage may take to give its next frame. A file that takes longer is no file.
const PATIENCE: Duration = Duration::from_secs(30);

/// The frames of an opened source, to its end.
pub struct Replay {
    source: Box<dyn Source>,
    what: String,
}

/// Opens footage and gives its frames.
///
/// # Errors
/// As [`Opener::open`].
pub fn replay(footage: &dyn Opener) -> Result<Replay, CaptureError> {
    Ok(Replay {
        source: footage.open()?,
        what: footage.describe(),
    })
}

impl Iterator for Replay {
    type Item = Result<Frame, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            return match self.source.next(PATIENCE) {
                Ok(Next::Frame(frame)) => Some(Ok(frame)),
                Ok(Next::Damaged(how)) => {
                    tracing::warn!(source = self.what, how, "a damaged frame is left out");
                    continue;
                }
                Ok(Next::End) => None,
                Ok(Next::Idle) => Some(Err(CaptureError::Broken(format!(
                    "{} gave no frame for {} s; give a file or a folder that ends",
                    self.what,
                    PATIENCE.as_secs()
                )))),
                Err(error) => Some(Err(error)),
            };
        }
    }
}
