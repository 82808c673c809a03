//! How a camera was set when its footage was filmed: a part of what a Profile was made of.
//!
//! Values are the driver's own numbers under the driver's names. Only what an automatic of the
//! camera moves by itself may differ later; nothing here speaks to a camera.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Layout;

/// How a camera was set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraSettings {
    /// Its picture controls; empty where its source has none.
    pub controls: BTreeMap<String, i64>,
    /// Frames a second that it gave; none where the source has no pace of its own.
    pub fps: Option<f64>,
    /// The form of its pictures; none where its source does not say, and in older Profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

/// A switch of a camera, and the controls that the camera moves by itself while it is on.
struct Automatic {
    switch: &'static str,
    /// The values of the switch that mean so.
    on: &'static [i64],
    moves: &'static [&'static str],
}

/// Of `auto_exposure`, 0 is automatic, 1 manual, 2 shutter priority (the time is the user's), 3
/// aperture priority. Webcams move their gain along with the time, without a switch for it.
const EXPOSURE: [&str; 4] = [
    "exposure_time_absolute",
    "exposure",
    "gain",
    "analogue_gain",
];
const WHITE: [&str; 3] = ["white_balance_temperature", "red_balance", "blue_balance"];
const GAIN: [&str; 2] = ["gain", "analogue_gain"];
/// By the names that kernels use now.
const AUTOMATICS: [Automatic; 9] = [
    automatic("auto_exposure", &[0, 3], &EXPOSURE),
    automatic("auto_exposure", &[0, 2], &["iris_absolute"]),
    automatic("white_balance_automatic", &[1], &WHITE),
    automatic("gain_automatic", &[1], &GAIN),
    automatic("autogain", &[1], &GAIN),
    automatic("iso_sensitivity_auto", &[1], &["iso_sensitivity"]),
    automatic("focus_automatic_continuous", &[1], &["focus_absolute"]),
    automatic("hue_automatic", &[1], &["hue"]),
    automatic("brightness_automatic", &[1], &["brightness"]),
];

const fn automatic(
    switch: &'static str,
    on: &'static [i64],
    moves: &'static [&'static str],
) -> Automatic {
    Automatic { switch, on, moves }
}

/// Names that older kernels give the controls of webcams, and those of newer ones. A Profile and a
/// configuration outlive an update of the kernel, in either direction.
const RENAMED: [(&str, &str); 9] = [
    ("exposure_auto", "auto_exposure"),
    ("exposure_absolute", "exposure_time_absolute"),
    ("exposure_auto_priority", "exposure_dynamic_framerate"),
    ("white_balance_temperature_auto", "white_balance_automatic"),
    ("white_balance_component_auto", "white_balance_automatic"),
    ("white_balance_red_component", "red_balance"),
    ("white_balance_blue_component", "blue_balance"),
    ("focus_auto", "focus_automatic_continuous"),
    ("hue_auto", "hue_automatic"),
];

/// Whether two names may be of one control, the one before and the other after it was renamed.
pub(super) fn is_alias(one: &str, other: &str) -> bool {
    current(one) == current(other)
}

/// The name that kernels use now.
fn current(name: &str) -> &str {
    let renamed = RENAMED.iter().find(|(former, _)| *former == name);
    renamed.map_or(name, |(_, current)| current)
}

/// The value of a control under either of its names; its own counts first.
fn value(controls: &BTreeMap<String, i64>, name: &str) -> Option<i64> {
    let exact = controls.get(name);
    let alias = || controls.iter().find(|(other, _)| is_alias(other, name));
    exact.or_else(|| Some(alias()?.1)).copied()
}

impl CameraSettings {
    /// What is set differently `now`, one sentence each; empty where nothing is.
    ///
    /// A control that an automatic moves now and moved then may have any value. One that was not
    /// there then has nothing to be compared with; one that is gone counts as a difference.
    /// Pictures of another form differ too: what a camera loses on the way to JPEG is not noise.
    pub fn differences(&self, now: &CameraSettings) -> Vec<String> {
        let differs = |(name, then): (&String, &i64)| {
            if moves_by_itself(name, &self.controls) && moves_by_itself(name, &now.controls) {
                return None;
            }
            match value(&now.controls, name) {
                Some(value) if value == *then => None,
                Some(value) => Some(format!("{name} is {value}, it was {then}")),
                None => Some(format!("{name} can't be read, it was {then}")),
            }
        };
        let layouts = self.layout.zip(now.layout);
        let layout = layouts
            .filter(|(then, now)| then != now)
            .map(|(then, now)| {
                let (then, now) = (then.name(), now.name());
                format!("format is {now}, it was {then}")
            });
        let controls = self.controls.iter().filter_map(differs);
        layout.into_iter().chain(controls).collect()
    }

    /// Takes over what is said `now`, of the same camera, and was not: other sources, kernels and earlier versions say
    /// less. Of what both say, what is set differently, as [`CameraSettings::differences`]; then nothing is taken over.
    pub fn join(&mut self, now: &CameraSettings) -> Vec<String> {
        let mut then = self.clone();
        then.controls
            .retain(|name, _| value(&now.controls, name).is_some());
        let differences = then.differences(now);
        if differences.is_empty() {
            for (name, set) in &now.controls {
                if value(&self.controls, name).is_none() {
                    self.controls.insert(name.clone(), *set);
                }
            }
            self.layout = self.layout.or(now.layout);
            self.fps = self.fps.into_iter().chain(now.fps).max_by(f64::total_cmp);
        }
        differences
    }

    /// Forgets the controls that `now` does not say, where it says any: an inspection could never read them.
    pub fn forget_beyond(&mut self, now: &CameraSettings) {
        if !now.controls.is_empty() {
            self.controls
                .retain(|name, _| value(&now.controls, name).is_some());
        }
    }
}

fn moves_by_itself(name: &str, controls: &BTreeMap<String, i64>) -> bool {
    AUTOMATICS.iter().any(|automatic| {
        let is_on = |value: i64| automatic.on.contains(&value);
        automatic.moves.contains(&current(name))
            && value(controls, automatic.switch).is_some_and(is_on)
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
        let settings = |text| CameraSettings {
            controls: controls(text),
            ..CameraSettings::default()
        };
        settings(then).differences(&settings(now))
    }

    #[test]
    fn pictures_of_another_form_are_a_difference_where_both_forms_are_known() {
        let settings = |layout| CameraSettings {
            layout,
            ..CameraSettings::default()
        };
        let (yuyv, mjpeg) = (settings(Some(Layout::Yuyv)), settings(Some(Layout::Mjpeg)));
        assert_eq!(yuyv.differences(&mjpeg), ["format is mjpeg, it was yuyv"]);
        assert_eq!(yuyv.differences(&yuyv), [""; 0]);
        assert_eq!(yuyv.differences(&settings(None)), [""; 0]);
        assert_eq!(settings(None).differences(&yuyv), [""; 0]);
    }

    #[test]
    fn footages_of_one_camera_are_joined_in_any_order_and_contradict_each_other_in_any() {
        let settings = |text, layout, fps| CameraSettings {
            controls: controls(text),
            layout,
            fps: Some(fps),
        };
        let silent = settings("", None, 7.5);
        let day = settings("contrast=32", Some(Layout::Mjpeg), 30.0);
        let night = settings("contrast=40", Some(Layout::Mjpeg), 10.0);
        for footages in [[&silent, &day], [&day, &silent]] {
            let mut joined = footages[0].clone();
            assert_eq!(joined.join(footages[1]), [""; 0]);
            assert_eq!(
                joined, day,
                "what the silent one lacks, and the higher rate"
            );
            assert_eq!(joined.join(&night), ["contrast is 40, it was 32"]);
            assert_eq!(joined, day);
        }
        // One kernel tells of a control that another does not have.
        let gains =
            ["contrast=32 gain=1", "contrast=32 gain=2"].map(|text| settings(text, None, 30.0));
        let mut joined = day.clone();
        assert_eq!(joined.join(&gains[0]), [""; 0]);
        assert_eq!(joined.join(&gains[1]), ["gain is 2, it was 1"]);
        joined.forget_beyond(&silent);
        assert_eq!(joined.controls, gains[0].controls);
        joined.forget_beyond(&day);
        assert_eq!(joined.controls, day.controls);
    }

    #[test]
    fn settings_of_an_older_profile_are_read_and_written_as_they_were() {
        let text = r#"{"controls":{"gain":4},"fps":30.0}"#;
        let settings: CameraSettings = serde_json::from_str(text).unwrap();
        assert_eq!(settings.layout, None);
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
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
        for (mode, moves) in [(0, true), (1, false), (2, true), (3, false)] {
            let settings = |iris| format!("auto_exposure={mode} iris_absolute={iris}");
            let differences = differences(&settings(4), &settings(5));
            assert_eq!(differences.is_empty(), moves, "{mode}");
        }
        assert!(
            differences(
                "iso_sensitivity_auto=1 iso_sensitivity=4",
                "iso_sensitivity_auto=1 iso_sensitivity=6"
            )
            .is_empty()
        );
    }

    #[test]
    fn controls_that_the_kernel_renamed_are_the_same_controls() {
        let old = "exposure_auto=1 exposure_absolute=157 white_balance_temperature_auto=0 \
                   focus_auto=0 exposure_auto_priority=0 hue_auto=1 hue=4";
        let new = "auto_exposure=1 exposure_time_absolute=157 white_balance_automatic=0 \
                   focus_automatic_continuous=0 exposure_dynamic_framerate=0 hue_automatic=1 hue=9";
        for (then, now) in [(old, new), (new, old)] {
            assert_eq!(differences(then, now), [""; 0], "{then} / {now}");
        }
        assert_eq!(
            differences("exposure_absolute=157", "exposure_time_absolute=20"),
            ["exposure_absolute is 20, it was 157"]
        );
        // Two former switches became one; each is compared with its own name first.
        let both = "white_balance_component_auto=0 white_balance_temperature_auto=1";
        assert_eq!(differences(both, both), [""; 0]);
    }

    #[test]
    fn automatic_exposure_moves_the_gain_of_webcams_too() {
        for switch in ["auto_exposure", "exposure_auto"] {
            for mode in [0, 3] {
                let (then, now) = (format!("{switch}={mode} gain=64"), "gain=97");
                let now = format!("{switch}={mode} {now}");
                assert_eq!(differences(&then, &now), [""; 0]);
            }
            let (then, now) = (format!("{switch}=1 gain=64"), format!("{switch}=1 gain=97"));
            assert_eq!(differences(&then, &now), ["gain is 97, it was 64"]);
        }
    }
}
