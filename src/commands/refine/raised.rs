//! Lines that a refine has moved far out: what is told of it, by which frames, and why it is refused.

use serde_json::{Value, json};

use super::super::exit::DataError;
use crate::score::refit::FineFrame;
use crate::score::rise::Rise;

/// Frames that are named at most; programs get all.
const NAMED: usize = 5;

/// How far out the lines are, and the frames behind that.
pub(super) struct Raised {
    rise: Rise,
    causes: Vec<Cause>,
}

/// A fine frame that moved them.
struct Cause {
    /// Its file; none where it was told before.
    name: Option<String>,
    sha256: String,
    /// How far out it scores.
    times: f64,
}

impl Raised {
    /// By these fine frames, of which the last are new and have these names.
    pub(super) fn new(rise: Rise, fine: &[FineFrame], names: &[String]) -> Raised {
        let known = fine.len() - names.len();
        let causes = rise.by.iter().map(|(place, times)| Cause {
            name: place.checked_sub(known).map(|new| names[new].clone()),
            sha256: fine[*place].sha256.clone(),
            times: *times,
        });
        Raised {
            causes: causes.collect(),
            rise,
        }
    }

    /// Refuses lines that find next to nothing any more, unless they are `accepted`; what is worth a word is
    /// told.
    pub(super) fn check(&self, accepted: bool) -> Result<(), DataError> {
        let Rise { after, .. } = self.rise;
        if self.rise.blinds() && !accepted {
            return Err(DataError(format!(
                "the threshold would lie {after:.1} times as far from normal frames as calibration drew it, and \
                 most of what is anomalous would pass, so nothing was written. {}; where one is an anomaly, leave it \
                 out or call it bad; where it is fine, calibrate again on footage that shows its like, or write it \
                 all the same with --accept-rise",
                self.reason()
            )));
        }
        if self.rise.is_notable() {
            tracing::warn!(
                "the threshold lies {after:.1} times as far from normal frames as calibration drew it, and less is \
                 found. {}; {}",
                self.reason(),
                self.advice()
            );
        }
        Ok(())
    }

    /// Which frames draw the lines there, and why they do.
    fn reason(&self) -> String {
        let names = self.names();
        let count = self.causes.len();
        match (self.rise.is_by_far_frame(), count) {
            (true, 1) => format!("That is by a fine frame that is like no normal one: {names}"),
            (true, _) => format!(
                "That is by {count} fine frames, the first of which is like no normal one: {names}"
            ),
            (false, 1) => format!("One fine frame alone draws it there: {names}"),
            (false, _) => format!("{count} fine frames alone draw it there: {names}"),
        }
    }

    /// What to do about what is written all the same.
    fn advice(&self) -> &'static str {
        match self.rise.is_by_far_frame() {
            true => "where one is an anomaly, take it back, and refine without it",
            false => {
                "none is far from normal, so tell more frames of the like, a minute of them: it comes back; where \
                 one is an anomaly, take it back, and refine without it"
            }
        }
    }

    /// How far out the lines were, and are.
    pub(super) fn both(&self) -> [f64; 2] {
        [self.rise.before, self.rise.after]
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let by = self.causes.iter().map(
            |cause| json!({ "file": cause.name, "sha256": cause.sha256, "times": cause.times }),
        );
        let [before, after] = self.both();
        json!({ "before": before, "after": after, "by": by.collect::<Value>() })
    }

    /// The furthest frames, for people.
    fn names(&self) -> String {
        let name = |cause: &Cause| match &cause.name {
            Some(name) => format!("{name} ({:.1} times as far)", cause.times),
            None => format!(
                "one that was told before ({:.1} times as far, SHA-256 {})",
                cause.times,
                cause.sha256.get(..12).unwrap_or(&cause.sha256)
            ),
        };
        let mut names: Vec<String> = self.causes.iter().take(NAMED).map(name).collect();
        if let Some(more @ 1..) = self.causes.len().checked_sub(NAMED) {
            names.push(format!("{more} more"));
        }
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::fixture::{material, normal_frames};

    /// Two frames told before and one that is new, with lines so far out.
    fn raised(before: f64, after: f64) -> Raised {
        raised_by(before, after, vec![(2, 15.3), (0, 4.0)])
    }

    fn raised_by(before: f64, after: f64, by: Vec<(usize, f64)>) -> Raised {
        let frames = normal_frames(20, 1);
        let patches = crate::infer::Patches::all(crate::score::fixture::GRID);
        let frame = material(&frames, &patches).frames.remove(0);
        let fine = ["a", "b", "c"].map(|digit| FineFrame {
            sha256: digit.repeat(64),
            frame: frame.clone(),
        });
        let rise = Rise { before, after, by };
        Raised::new(rise, &fine, &["fine/0007.png".to_owned()])
    }

    #[test]
    fn lines_that_find_nothing_are_refused_with_the_frames_by_name_unless_they_are_accepted() {
        let refusal = raised(1.0, 29.9).check(false).unwrap_err().to_string();
        for words in [
            "29.9 times",
            "nothing was written",
            "fine/0007.png (15.3 times as far), one that was told before (4.0 times as far, SHA-256 aaaaaaaaaaaa)",
            "--accept-rise",
        ] {
            assert!(refusal.contains(words), "{words} in {refusal}");
        }
        assert!(raised(1.0, 29.9).check(true).is_ok());
        assert!(raised(1.0, 9.0).check(false).is_ok());
        // It was accepted before, but no further rise was.
        assert!(raised(29.0, 30.0).check(false).is_ok());
        assert!(raised(29.0, 60.0).check(false).is_err());
    }

    #[test]
    fn lines_far_out_by_no_far_frame_are_not_refused_and_more_of_the_like_is_the_advice() {
        let lone = raised_by(1.0, 11.8, vec![(2, 1.4)]);
        assert!(lone.check(false).is_ok());
        assert_eq!(
            lone.reason(),
            "One fine frame alone draws it there: fine/0007.png (1.4 times as far)"
        );
        assert!(lone.advice().contains("tell more frames of the like"));
        let two = raised_by(1.0, 17.4, vec![(2, 4.6), (0, 1.1)]);
        assert!(two.check(false).is_ok());
        assert!(two.reason().starts_with("2 fine frames alone"));
        assert!(!raised(1.0, 29.9).advice().contains("more frames"));
    }

    #[test]
    fn programs_get_each_frame_with_its_hash() {
        let json = raised(1.0, 29.9).json();
        assert_eq!(json["after"], 29.9);
        assert_eq!(json["by"][0]["file"], "fine/0007.png");
        assert_eq!(json["by"][1]["file"], Value::Null);
        assert_eq!(json["by"][1]["sha256"], "a".repeat(64));
    }
}
