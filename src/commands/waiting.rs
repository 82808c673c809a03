//! Controls that were set while their camera took no order: the newest of each waits until it does.
//!
//! Bounded by the number of controls. Nothing here is written down: what a camera never took does not hold.

use std::collections::BTreeMap;
use std::time::Instant;

use super::generation::AGAIN;
use crate::capture::Moment;
use crate::config::Name;
use crate::publish::{Control, Position, Setting};

/// The controls that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// How each is to stand, and when somebody said so: a mute with an end began then.
    settings: BTreeMap<(Name, Control), (Position, Moment)>,
    /// When they are set again.
    due: Option<Instant>,
}

impl Waiting {
    /// When to try again; `None` where nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Has a control wait that was set at this time; a former one of the same control waits no more.
    pub(super) fn put(&mut self, setting: Setting, at: Moment) {
        let Setting { camera, to } = setting;
        self.settings.insert((camera, to.control()), (to, at));
        // Whoever goes on setting controls puts nothing off.
        self.due.get_or_insert_with(|| Instant::now() + AGAIN);
    }

    /// Forgets what waits for a control: a newer value was taken.
    pub(super) fn forget(&mut self, camera: &Name, control: Control) {
        self.settings.remove(&(camera.clone(), control));
    }

    /// Takes out all that waits.
    pub(super) fn take(&mut self) -> Vec<(Setting, Moment)> {
        self.due = None;
        let settings = std::mem::take(&mut self.settings).into_iter();
        settings
            .map(|((camera, _), (to, at))| (Setting { camera, to }, at))
            .collect()
    }
}
