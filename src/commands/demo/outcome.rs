//! What the demo's alerts are worth, held against what is known of its defects.

use std::fmt;

use serde_json::Value;

use crate::capture::synthetic::Defect as Truth;

/// Frames before an incident opens that may have led to it: its window.
const WINDOW: u64 = 4;

/// One alert as the subscriber got it.
#[derive(Debug, PartialEq)]
pub(super) struct Alert {
    id: String,
    phase: String,
    frame: u64,
    score: f64,
    time: String,
}

impl Alert {
    /// The alert of a line `topic payload`; none where the topic is another.
    pub(super) fn parse(line: &str) -> Option<Alert> {
        let (topic, payload) = line.split_once(' ')?;
        let event: Value = topic
            .ends_with("/alert")
            .then(|| serde_json::from_str(payload).ok())??;
        let data = &event["data"];
        Some(Alert {
            id: data["alert_id"].as_str()?.to_owned(),
            phase: data["phase"].as_str()?.to_owned(),
            frame: data["frame"]["seq"].as_u64()?,
            score: data["score"]["value"].as_f64()?,
            time: event["time"].as_str()?.to_owned(),
        })
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Alert {
            id,
            phase,
            frame,
            score,
            time,
        } = self;
        write!(
            f,
            "{time}  {phase:<8} {id}  frame {frame:>4}  score {score:.3}"
        )
    }
}

/// A defect as it passed, and whether an incident covers it.
#[derive(Debug, PartialEq)]
pub(super) struct Passed {
    pub(super) kind: &'static str,
    /// First and last frame that show it.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) caught: bool,
}

/// All defects, and the incidents that had none.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) defects: Vec<Passed>,
    pub(super) false_alarms: usize,
}

impl Outcome {
    /// Holds `alerts` against the `truth` of `frames` frames.
    pub(super) fn new(
        alerts: &[Alert],
        frames: u64,
        truth: impl Fn(u64) -> Option<Truth>,
    ) -> Outcome {
        let mut parts: Vec<(u64, Passed)> = Vec::new();
        for frame in 0..frames {
            let Some(defect) = truth(frame) else { continue };
            match parts.last_mut() {
                Some((part, passed)) if *part == defect.part => passed.last = frame,
                _ => {
                    let kind = defect.kind.name();
                    parts.push((
                        defect.part,
                        Passed {
                            kind,
                            first: frame,
                            last: frame,
                            caught: false,
                        },
                    ));
                }
            }
        }
        let mut defects: Vec<Passed> = parts.into_iter().map(|(_, passed)| passed).collect();
        let mut false_alarms = 0;
        for (from, to) in incidents(alerts) {
            let mut covered = defects
                .iter_mut()
                .filter(|d| d.first <= to && from <= d.last)
                .peekable();
            false_alarms += usize::from(covered.peek().is_none());
            covered.for_each(|defect| defect.caught = true);
        }
        Outcome {
            defects,
            false_alarms,
        }
    }

    pub(super) fn caught(&self) -> usize {
        self.defects.iter().filter(|defect| defect.caught).count()
    }

    pub(super) fn missed(&self) -> usize {
        self.defects.len() - self.caught()
    }
}

/// The frames that each incident covers: from its window before the opening to its worst frame.
fn incidents(alerts: &[Alert]) -> Vec<(u64, u64)> {
    let opened = alerts.iter().filter(|alert| alert.phase == "opened");
    let covered = |opening: &Alert| {
        let of_it = alerts.iter().filter(|alert| alert.id == opening.id);
        let last = of_it
            .map(|alert| alert.frame)
            .max()
            .unwrap_or(opening.frame);
        ((opening.frame + 1).saturating_sub(WINDOW), last)
    };
    opened.map(covered).collect()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Passed {
            kind,
            first,
            last,
            caught,
        } in &self.defects
        {
            let verdict = if *caught { "caught" } else { "MISSED" };
            writeln!(f, "   {verdict}  {kind:<15} frames {first}..{last}")?;
        }
        write!(
            f,
            "   {} of {} defects caught, {} false alarms",
            self.caught(),
            self.defects.len(),
            self.false_alarms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::synthetic::DefectKind;

    fn alert(id: &str, phase: &str, frame: u64) -> Alert {
        let (id, phase, time) = (id.to_owned(), phase.to_owned(), String::new());
        Alert {
            id,
            phase,
            frame,
            score: 0.9,
            time,
        }
    }

    /// Part 1 is bad in frames 10..=14, part 2 in 30..=34.
    fn truth(frame: u64) -> Option<Truth> {
        let part = match frame {
            10..=14 => 1,
            30..=34 => 2,
            _ => return None,
        };
        Some(Truth {
            kind: DefectKind::Stain,
            part,
            bbox: [0; 4],
        })
    }

    #[test]
    fn an_incident_catches_the_defects_that_it_covers_and_no_others() {
        let alerts = [alert("a", "opened", 12), alert("a", "closed", 19)];
        let outcome = Outcome::new(&alerts, 50, truth);
        let caught: Vec<bool> = outcome.defects.iter().map(|defect| defect.caught).collect();
        assert_eq!((caught, outcome.false_alarms), (vec![true, false], 0));
    }

    #[test]
    fn an_incident_without_a_defect_is_a_false_alarm() {
        let outcome = Outcome::new(&[alert("a", "opened", 25)], 50, truth);
        assert_eq!(
            (outcome.caught(), outcome.missed(), outcome.false_alarms),
            (0, 2, 1)
        );
    }

    #[test]
    fn only_lines_of_alert_topics_are_alerts() {
        let payload = r#"{"time":"t","data":{"alert_id":"a","phase":"opened","frame":{"seq":3},"score":{"value":0.7}}}"#;
        assert_eq!(
            Alert::parse(&format!("inspectd/n/c/alert {payload}"))
                .unwrap()
                .frame,
            3
        );
        assert_eq!(Alert::parse(&format!("inspectd/n/c/state {payload}")), None);
        assert_eq!(Alert::parse("inspectd/n/c/alert {"), None);
    }
}
