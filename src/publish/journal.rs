//! The journal's lines about whether a camera is there.
//!
//! It writes what [`Flapping`] finds worth a line, and the rest for who debugs. Subscribers are told elsewhere.

use super::flapping::Flapping;
use super::measured::shortened;
use super::presence::Turn;
use crate::capture::Moment;
use crate::preprocess::Rejection;

/// What the journal was told of one camera.
#[derive(Debug, Default)]
pub(super) struct Journal {
    flapping: Flapping,
}

impl Journal {
    /// Tells a turn, and what was wrong with the frame that it came with.
    pub(super) fn tell(
        &mut self,
        camera: &str,
        turn: Turn,
        at: Moment,
        rejection: Option<&Rejection>,
    ) {
        let untold = self.flapping.hear(turn, at.since_boot);
        let what = match turn {
            Turn::Online(away) => {
                let away_s = away.map(|away| away.as_secs_f64());
                match untold {
                    Some(untold) => {
                        tracing::info!(camera, away_s, untold, "the camera is online");
                    }
                    None => tracing::debug!(camera, away_s, "the camera is online"),
                }
                return;
            }
            Turn::Offline => "the camera is offline",
            Turn::Unusable => "the camera's frames can't be used; it was never online",
        };
        let reason = rejection.map(Rejection::reason);
        let detail = rejection.map(shortened);
        match untold {
            Some(untold) => tracing::warn!(camera, reason, detail, untold, "{what}"),
            None => tracing::debug!(camera, reason, detail, "{what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};
    use std::sync::Arc;

    use super::super::camera::reporter;
    use crate::decide::{Rules, stories};
    use crate::preprocess::Rejection;

    #[test]
    fn frames_that_cant_be_used_are_told_once_of_a_camera_that_was_never_online() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let lines = tracing_subscriber::fmt().with_writer(Arc::clone(&file));
        let lines = lines.with_max_level(tracing::Level::INFO).finish();
        let tracker = stories::tracker(Rules::default());
        let mut reporter = reporter();
        let cut_off = Rejection::Undecodable("the picture is cut off".into());
        let mut said = reporter.start(&tracker);
        tracing::subscriber::with_default(lines, || {
            for n in 0..12 {
                let at = stories::moment(n);
                said.extend(reporter.frame(n, at, Err(&cut_off), &[], &tracker));
            }
        });
        let mut text = String::new();
        let mut file = &*file;
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        let warned: Vec<&str> = text.lines().filter(|line| line.contains("WARN")).collect();
        assert_eq!(warned.len(), 1, "{text}");
        for word in ["cam0", "undecodable", "the picture is cut off"] {
            assert!(warned[0].contains(word), "{text}");
        }
        let told = super::super::camera::told(&said);
        let told = told
            .iter()
            .filter(|(topic, _)| topic == "cam0/availability");
        assert_eq!(told.count(), 1, "subscribers know that it is offline");
    }
}
