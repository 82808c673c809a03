//! Scores to incidents.

use std::time::Duration;

/// When frames become an incident, and when it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Anomalous frames among the last `window` judged ones that open an incident, `1..=window`.
    pub hits: usize,
    /// Judged frames that are looked back on.
    pub window: usize,
    /// A frame is calm when it is not anomalous and its score's `value` is below this line,
    /// `0..=0.5`; the threshold is at 0.5.
    pub release: f64,
    /// Calm frames in a row that close an incident, at least 1.
    pub release_after: usize,
    /// After an incident, no other one opens for this long; those that would are counted.
    pub cooldown: Duration,
    /// An open incident is reported again at most this often.
    pub update_every: Duration,
    /// The worst `value` having risen by this much since the last report is reported at once.
    pub notable_rise: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            hits: 3,
            window: 5,
            release: 0.45,
            release_after: 5,
            cooldown: Duration::from_secs(30),
            update_every: Duration::from_secs(10),
            notable_rise: 0.1,
        }
    }
}
