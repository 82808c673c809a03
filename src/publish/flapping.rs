//! Which comings and goings of a camera the journal is told: each, where they are seldom; of a camera that
//! flaps, the first pair and then one an hour, with the count.
//!
//! Pure bookkeeping by the frames' time: who holds it writes the lines. Subscribers are told of every turn.

use std::time::Duration;

use super::presence::Turn;

/// The end of what has lasted so long is news.
const LASTING: Duration = Duration::from_secs(600);
/// How often a camera that flaps is told of.
const REPEAT: Duration = Duration::from_secs(3600);

/// The turns of one camera.
#[derive(Debug, Default)]
pub(super) struct Flapping {
    /// The latest turn.
    turned: Option<Duration>,
    /// The latest offline that was told, ...
    told_away: Option<Duration>,
    /// ... and whether its end is still to be told.
    is_owed: bool,
    untold: u64,
}

impl Flapping {
    /// Takes a turn; how many were not told since the last line, where this one is to be told.
    pub(super) fn hear(&mut self, turn: Turn, at: Duration) -> Option<u64> {
        let is_past = |then: Option<Duration>, time| then.is_none_or(|t| at.abs_diff(t) >= time);
        let ends_what_lasted = is_past(self.turned.replace(at), LASTING);
        let is_due = match turn {
            Turn::Online(_) => self.is_owed,
            Turn::Offline | Turn::Unusable => is_past(self.told_away, REPEAT),
        };
        if !ends_what_lasted && !is_due {
            self.untold += 1;
            return None;
        }
        self.is_owed = !matches!(turn, Turn::Online(_));
        if self.is_owed {
            self.told_away = Some(at);
        }
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACK: Turn = Turn::Online(None);
    const GONE: Turn = Turn::Offline;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_pair_is_told_and_then_one_an_hour_with_the_count() {
        let mut flapping = Flapping::default();
        assert_eq!(flapping.hear(BACK, at(0)), Some(0));
        let (mut lines, mut counted) = (Vec::new(), 0);
        for cycle in 1..=2160 {
            for (turn, second) in [(GONE, 40 * cycle), (BACK, 40 * cycle + 5)] {
                if let Some(untold) = flapping.hear(turn, at(second)) {
                    lines.push((turn, second));
                    counted += untold;
                }
            }
        }
        assert_eq!(lines[..2], [(GONE, 40), (BACK, 45)]);
        assert_eq!(lines[2..4], [(GONE, 3640), (BACK, 3645)]);
        assert_eq!(lines.len(), 48, "a day of it");
        assert!(counted > 4000, "{counted}");
    }

    #[test]
    fn the_end_of_what_has_lasted_is_told_whatever_was_told_before() {
        let mut flapping = Flapping::default();
        let turns = [
            (BACK, 0, Some(0)),
            (GONE, 60, Some(0)),
            (BACK, 65, Some(0)),
            (GONE, 100, None),
            (BACK, 105, None),
            (GONE, 1000, Some(2)),
            (BACK, 1005, Some(0)),
            (GONE, 1010, None),
            (BACK, 3000, Some(1)),
        ];
        for (turn, second, told) in turns {
            assert_eq!(flapping.hear(turn, at(second)), told, "at {second} s");
        }
    }
}
