//! How a camera was set when its footage was filmed: a part of what a Profile was made of.
//!
//! Values are the driver's own numbers under the driver's names. Only what an automatic of the
//! camera moves by itself may differ later; nothing here speaks to a camera.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a camera was set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraSettings {
    /// Its picture controls; empty where its source has none.
    pub controls: BTreeMap<String, i64>,
    /// Frames a second that it gave; none where the source has no pace of its own.
    pub fps: Option<f64>,
}

/// A switch of a camera, and the controls that the camera moves by itself while it is on.
struct Automatic {
    switch: &'static str,
    /// The values of the switch that mean so.
    on: &'static [i64],
    moves: &'static [&'static str],
}

/// What exposure time goes by: `auto_exposure` since Linux 6.1, `exposure_auto` before. 0 is
/// automatic, 1 manual, 2 shutter priority (the time is the user's), 3 aperture priority.
const EXPOSURE: [&str; 3] = ["exposure_time_absolute", "exposure_absolute", "exposure"];
const WHITE: [&str; 3] = ["white_balance_temperature", "red_balance", "blue_balance"];
const GAIN: [&str; 2] = ["gain", "analogue_gain"];
/// Both names of each switch, since one Profile may outlive an update of the kernel's headers.
const AUTOMATICS: [Automatic; 10] = [
    automatic("auto_exposure", &[0, 3], &EXPOSURE),
    automatic("exposure_auto", &[0, 3], &EXPOSURE),
    automatic("white_balance_automatic", &[1], &WHITE),
    automatic("white_balance_temperature_auto", &[1], &WHITE),
    automatic("gain_automatic", &[1], &GAIN),
    automatic("autogain", &[1], &GAIN),
    automatic("focus_automatic_continuous", &[1], &["focus_absolute"]),
    automatic("focus_auto", &[1], &["focus_absolute"]),
    automatic("hue_auto", &[1], &["hue"]),
    automatic("brightness_automatic", &[1], &["brightness"]),
];

const fn automatic(
    switch: &'static str,
    on: &'static [i64],
    moves: &'static [&'static str],
) -> Automatic {
    Automatic { switch, on, moves }
}

impl CameraSettings {
    /// What is set differently `now`, one sentence each; empty where nothing is.
    ///
    /// A control that an automatic moves now and moved then may have any value. One that was not
    /// there then has nothing to be compared with; one that is gone counts as a difference.
    pub fn differences(&self, now: &BTreeMap<String, i64>) -> Vec<String> {
        let differs = |(name, then): (&String, &i64)| {
            if moves_by_itself(name, &self.controls) && moves_by_itself(name, now) {
                return None;
            }
            match now.get(name) {
                Some(value) if value == then => None,
                Some(value) => Some(format!("{name} is {value}, it was {then}")),
                None => Some(format!("{name} can't be read, it was {then}")),
            }
        };
        self.controls.iter().filter_map(differs).collect()
    }
}

fn moves_by_itself(name: &str, controls: &BTreeMap<String, i64>) -> bool {
    AUTOMATICS.iter().any(|automatic| {
        let is_on = |value: &i64| automatic.on.contains(value);
        automatic.moves.contains(&name) && controls.get(automatic.switch).is_some_and(is_on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls(text: &str) -> BTreeMap<String, i64> {
        let pairs = text
            .split_whitespace()
            .map(|pair| pair.split_once('=').unwrap());
        pairs
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }

    fn differences(then: &str, now: &str) -> Vec<String> {
        let then = CameraSettings {
            controls: controls(then),
            fps: Some(30.0),
        };
        then.differences(&controls(now))
    }

    #[test]
    fn the_least_difference_of_a_fixed_control_is_told_with_both_values() {
        assert_eq!(
            differences("auto_exposure=1 gain=10", "auto_exposure=1 gain=11"),
            ["gain is 11, it was 10"]
        );
        assert_eq!(
            differences("gain=10", "brightness=3"),
            ["gain can't be read, it was 10"]
        );
        assert!(differences("gain=10", "gain=10 hue=4").is_empty());
    }

    #[test]
    fn what_an_automatic_moves_may_differ_as_long_as_the_automatic_is_on_on_both_sides() {
        let then = "auto_exposure=3 exposure_time_absolute=157";
        assert!(differences(then, "auto_exposure=3 exposure_time_absolute=20").is_empty());
        assert_eq!(
            differences(then, "auto_exposure=1 exposure_time_absolute=20"),
            [
                "auto_exposure is 1, it was 3",
                "exposure_time_absolute is 20, it was 157"
            ]
        );
        // Shutter priority: the time is the user's.
        assert_eq!(
            differences(
                "exposure_auto=2 exposure_absolute=157",
                "exposure_auto=2 exposure_absolute=20"
            ),
            ["exposure_absolute is 20, it was 157"]
        );
        assert!(
            differences(
                "white_balance_automatic=1 white_balance_temperature=4600",
                "white_balance_automatic=1 white_balance_temperature=5000"
            )
            .is_empty()
        );
    }
}
