//! How full the spool may become, and who is told when it does.
//!
//! The last twentieth is kept for alerts that open or close an incident, so that a flood of updates
//! can't keep them out. Nobody is told twice within a minute: a flood of refusals must not become a
//! flood in the journal.

use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::Limits;
use super::row::Row;

/// Between two lines about refusals.
const PAUSE: Duration = Duration::from_secs(60);
/// Bytes of an alert, about.
const USUAL: u64 = 2048;

/// The caps of a spool.
#[derive(Debug)]
pub(super) struct Caps {
    pub(super) limits: Limits,
    /// Whether the warning at four fifths was given.
    is_near: bool,
    /// When a refusal was told last, and how many there were since.
    told: Option<Instant>,
    untold: u64,
}

/// How much is there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) alerts: u64,
    pub(super) bytes: u64,
}

impl Load {
    /// With one alert more.
    pub(super) fn with(self, row: &Row) -> Load {
        Load {
            alerts: self.alerts + 1,
            bytes: self.bytes + row.bytes(),
        }
    }

    fn fits(self, limits: Limits) -> bool {
        self.alerts <= limits.alerts && self.bytes <= limits.bytes
    }
}

impl Caps {
    pub(super) fn new(limits: Limits) -> Self {
        Caps {
            limits,
            is_near: false,
            told: None,
            untold: 0,
        }
    }

    /// Why an alert that would make the spool this full is refused, if it is.
    pub(super) fn refuses(&self, then: Load, is_update: bool) -> Option<String> {
        let Limits { alerts, bytes } = self.limits;
        if !then.fits(self.limits) {
            return Some(format!(
                "the spool is full ({alerts} alerts or {bytes} bytes)"
            ));
        }
        let most = Limits {
            alerts: alerts - alerts / 20,
            bytes: bytes - bytes / 20,
        };
        (is_update && !then.fits(most))
            .then(|| format!("the spool ({alerts} alerts or {bytes} bytes) takes no more updates"))
    }

    /// Why alerts are refused while the spool is this full: at least updates of the usual size are.
    pub(super) fn trouble(&self, load: Load) -> Option<String> {
        let then = Load {
            alerts: load.alerts + 1,
            bytes: load.bytes + USUAL.min(self.limits.bytes / 20),
        };
        self.refuses(then, false)
            .or_else(|| self.refuses(then, true))
    }

    /// Warns when four fifths are crossed; again only after three fifths were seen.
    pub(super) fn watch(&mut self, load: Load) {
        let Limits { alerts, bytes } = self.limits;
        let part = |of: u64, fifths: u64| of / 5 * fifths + of % 5 * fifths / 5;
        let crosses =
            |fifths| load.alerts > part(alerts, fifths) || load.bytes > part(bytes, fifths);
        if !self.is_near && crosses(4) {
            self.is_near = true;
            warn!(
                waiting = load.alerts,
                bytes = load.bytes,
                ?self.limits,
                "four fifths of the spool are full; alerts will be refused when all of it is"
            );
        } else if self.is_near && !crosses(3) {
            self.is_near = false;
            info!(
                waiting = load.alerts,
                bytes = load.bytes,
                "the spool has room again"
            );
        }
    }

    /// Tells of a refusal, or keeps it for the next time.
    pub(super) fn refused(&mut self, id: &str, reason: &str) {
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= PAUSE) {
            error!(
                id,
                reason,
                refused = self.untold,
                "alert refused: it is lost"
            );
            self.told = Some(Instant::now());
            self.untold = 0;
        }
    }

    /// When [`Caps::tell`] has something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.told
            .filter(|_| self.untold > 0)
            .map(|told| told + PAUSE)
    }

    /// Tells of the refusals that were kept.
    pub(super) fn tell(&mut self) {
        if self.untold > 0 {
            error!(refused = self.untold, "alerts refused: they are lost");
            self.told = Some(Instant::now());
            self.untold = 0;
        }
    }
}
