//! Budget: the false alarms that a user accepts, and the promise that calibration makes in return.
//!
//! A budget is either incidents in a span of time, `1/day`, or a share of frames, `0.001` or `0.1%`.
//! Incidents depend on how fast frames are judged and on how many of them open one: the [`Pace`].
//! What keeps a budget is drawn in [`super::lines`].

use std::fmt;
use std::str::FromStr;

/// The false alarms that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Budget {
    /// This share of normal frames, above 0 and at most 0.5, may lie above the threshold.
    Share(f64),
    /// So many incidents in the span may be false.
    Per(f64, Span),
}

/// A span of time that people count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// 60 minutes.
    Hour,
    /// 8 hours.
    Shift,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
}

/// How frames are judged once the Profile is in use.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Frames a second that are judged.
    pub fps: f64,
    /// Anomalous frames that open an incident, ...
    pub hits: usize,
    /// ... of so many in a row.
    pub window: usize,
}

/// A text is no budget.
#[derive(Debug, thiserror::Error)]
#[error(
    "\"{0}\" is no budget of false alarms: write so many per hour, shift (8 hours), day or week, such as \
     1/day or 0.5/hour, or a share of frames of at most a half, such as 0.001 or 0.1%"
)]
pub struct BudgetError(String);

impl Span {
    const ALL: [(Span, &'static str, f64); 4] = [
        (Span::Hour, "hour", 3600.0),
        (Span::Shift, "shift", 8.0 * 3600.0),
        (Span::Day, "day", 24.0 * 3600.0),
        (Span::Week, "week", 7.0 * 24.0 * 3600.0),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Span::ALL[self as usize].1
    }

    /// Its length.
    pub fn seconds(self) -> f64 {
        Span::ALL[self as usize].2
    }
}

impl Budget {
    /// What the units of the budget are per frame: multiply a rate per unit by it.
    pub(super) fn per_frame(self, pace: Pace) -> f64 {
        match self {
            Budget::Share(_) => 1.0,
            Budget::Per(_, span) => 1.0 / (span.seconds() * pace.fps),
        }
    }

    /// The number before the unit.
    pub fn amount(self) -> f64 {
        match self {
            Budget::Share(amount) | Budget::Per(amount, _) => amount,
        }
    }

    /// What was asked, for people.
    pub fn asked(self) -> String {
        match self {
            Budget::Share(share) => self.say(share),
            Budget::Per(..) => self.to_string(),
        }
    }

    /// An amount in this budget's unit, for people: `0.4/day`, `0.12 % of frames`.
    pub fn say(self, amount: f64) -> String {
        match self {
            Budget::Share(_) => format!("{} % of frames", two_digits(100.0 * amount)),
            Budget::Per(_, span) => format!("{}/{}", two_digits(amount), span.as_str()),
        }
    }
}

/// Two digits that count, without an exponent down to a millionth.
fn two_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if value < 1e-6 {
        return format!("{value:.0e}");
    }
    let digits = (1.0 - value.abs().log10().floor()).max(0.0);
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let budget = match text.split_once('/') {
            Some((amount, span)) => {
                let span = Span::ALL.into_iter().find(|(_, word, _)| *word == span);
                let amount = amount.parse().ok().filter(|n| (1e-3..=1e6).contains(n));
                amount.zip(span).map(|(n, (span, ..))| Budget::Per(n, span))
            }
            None => {
                let share = match text.strip_suffix('%') {
                    Some(percent) => percent.trim_end().parse().map(|n: f64| n / 100.0),
                    None => text.parse(),
                };
                let share = share.ok().filter(|share| (1e-9..=0.5).contains(share));
                share.map(Budget::Share)
            }
        };
        budget.ok_or_else(|| BudgetError(text.to_owned()))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Budget::Share(share) => write!(f, "{share}"),
            Budget::Per(amount, span) => write!(f, "{amount}/{}", span.as_str()),
        }
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> String {
        budget.to_string()
    }
}

impl TryFrom<String> for Budget {
    type Error = BudgetError;

    fn try_from(text: String) -> Result<Self, BudgetError> {
        text.parse()
    }
}

/// How often something happens, in the budget's unit.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frequency {
    /// As likely more as less.
    pub likely: f64,
    /// The lower end of the 90 % interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What calibration promises, as far as the scene stays as it was in the footage.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// What was asked.
    pub budget: Budget,
    /// How frames will be judged.
    pub pace: Pace,
    /// False alarms beyond the threshold: they open an incident.
    pub warn: Frequency,
    /// Those beyond the alarm line too, which is drawn for a tenth of the budget.
    pub alarm: Frequency,
    /// Whether the footage is at least a tenth of that in which the budget allows one false alarm, in
    /// frames that count as independent, and the tail fits. Else `warn` is an extrapolation by more than
    /// ten, or worth nothing.
    pub is_supported: bool,
    /// Frames of the same footage that would be.
    pub needed_frames: u64,
    /// Whether the tail of the scores is of the family that is extrapolated. Else no line lies below
    /// the largest normal score.
    pub fits: bool,
}

impl Promise {
    /// What it says, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let Promise {
            budget,
            warn,
            alarm,
            pace,
            ..
        } = self;
        let of_time = match budget {
            Budget::Share(_) => String::new(),
            Budget::Per(..) => format!(
                ", at {} frames a second and {} of {} for an incident",
                two_digits(pace.fps),
                pace.hits,
                pace.window
            ),
        };
        let asked = budget.asked();
        let mut sentences = vec![format!(
            "false alarms: {} likely, 90 % sure between {} and {} (asked: {asked}{of_time}); beyond \
             the alarm line {}",
            budget.say(warn.likely),
            budget.say(warn.low),
            budget.say(warn.high),
            budget.say(alarm.likely),
        )];
        sentences.extend(self.shortcomings());
        sentences
    }

    /// Why it is worth less than it says, and what would make it better.
    pub fn shortcomings(&self) -> Vec<String> {
        let asked = self.budget.asked();
        let mut sentences = Vec::new();
        if !self.fits {
            sentences.push(
                "the highest scores are not spread as those of one kind of frame are, so the numbers above \
                 are no promise: look at these frames; no line lies below the highest"
                    .to_owned(),
            );
        }
        if self.fits && !self.is_supported {
            sentences.push(format!(
                "this footage is too short to support {asked}: that takes {} frames like these \
                 (--frames says how many are used at most); until then the upper end is what can be \
                 promised, and small anomalies may pass; or accept more, such as 1%",
                self.needed_frames
            ));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn budgets_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Budget>().ok();
        assert_eq!(read("1/day"), Some(Budget::Per(1.0, Span::Day)));
        assert_eq!(read("0.5/shift"), Some(Budget::Per(0.5, Span::Shift)));
        assert_eq!(read("0.001"), Some(Budget::Share(0.001)));
        assert_eq!(read("0.1%"), Some(Budget::Share(0.001)));
        for wrong in [
            "", "1/year", "0/day", "-1/day", "nan/day", "0", "0.6", "60%", "1 day", "/",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn amounts_are_told_with_two_digits() {
        let day = Budget::Per(1.0, Span::Day);
        assert_eq!(day.say(0.3951), "0.4/day");
        assert_eq!(day.say(12.34), "12/day");
        assert_eq!(day.say(0.000_012_3), "0.000012/day");
        assert_eq!(Budget::Share(0.01).say(0.00123), "0.12 % of frames");
    }

    proptest! {
        #[test]
        fn a_budget_is_read_as_it_is_written(amount in 1e-3..1e6_f64, share in 1e-9..0.5_f64) {
            for (span, ..) in Span::ALL {
                let budget = Budget::Per(amount, span);
                prop_assert_eq!(budget.to_string().parse::<Budget>().unwrap(), budget);
            }
            let budget = Budget::Share(share);
            prop_assert_eq!(budget.to_string().parse::<Budget>().unwrap(), budget);
        }
    }
}
