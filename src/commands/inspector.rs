//! The last step of a camera: features to score, score to incident, incident to messages. Each is a
//! pure step of its own module; this value only strings them together.

use crate::config::Name;
use crate::decide::{Judged, Picture, Tracker};
use crate::infer::Features;
use crate::pipeline::{Decide, Decided, Stamp};
use crate::preprocess::Rejection;
use crate::publish::{Message, Reporter};
use crate::score::profile::Profile;
use crate::score::tokens::Scratch;

/// What the models see in a frame, and what else is known of it.
pub(super) struct Seen {
    pub(super) features: Features,
    pub(super) picture: Picture,
}

/// Decides for one camera.
pub(super) struct Inspector {
    pub(super) camera: Name,
    profile: Profile,
    scratch: Scratch,
    tracker: Tracker,
    reporter: Reporter,
    /// Whether a frame was judged since there were none.
    sees: bool,
}

impl Inspector {
    pub(super) fn new(
        camera: Name,
        profile: Profile,
        tracker: Tracker,
        reporter: Reporter,
    ) -> Self {
        Inspector {
            camera,
            profile,
            scratch: Scratch::default(),
            tracker,
            reporter,
            sees: false,
        }
    }

    /// What is said before the first frame.
    pub(super) fn start(&mut self) -> Vec<Message> {
        self.reporter.start(&self.tracker)
    }

    /// Closes what is open, because nobody looks any more.
    pub(super) fn stop(&mut self) -> Vec<Message> {
        let mut messages = match self.tracker.stop() {
            Some(incident) => self.reporter.incident(&incident, &self.tracker),
            None => Vec::new(),
        };
        messages.extend(self.reporter.stop());
        messages
    }

    /// What the next generation goes on with.
    pub(super) fn into_tracker(self) -> (Name, Tracker) {
        (self.camera, self.tracker)
    }

    fn judge(&mut self, seen: &Seen) -> Result<Judged, Rejection> {
        let score = self
            .profile
            .statistics()
            .score(&seen.features, &mut self.scratch)?;
        Judged::new(score, seen.picture)
    }
}

impl Decide for Inspector {
    type Seen = Seen;
    type Message = Message;
    type Order = std::convert::Infallible;

    fn decide(&mut self, stamp: Stamp, seen: Result<Seen, Rejection>) -> Decided<Message> {
        let Stamp { seq, at } = stamp;
        let judgement = seen.and_then(|seen| self.judge(&seen));
        let change = self.tracker.observe(seq, at, judgement.as_ref());
        let messages =
            self.reporter
                .frame(seq, at, judgement.as_ref(), change.as_ref(), &self.tracker);
        match &judgement {
            Ok(_) if !self.sees => {
                self.sees = true;
                tracing::info!(camera = %self.camera, "frames are judged");
            }
            // Capture has said why.
            Err(Rejection::NoFrames(_)) => self.sees = false,
            _ => {}
        }
        Decided {
            messages,
            verdict: judgement.map(|judged| judged.score().is_anomalous()),
        }
    }

    fn order(&mut self, order: std::convert::Infallible) -> Vec<Message> {
        match order {}
    }
}
