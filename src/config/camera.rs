//! The cameras of a configuration: each with its Profile, its rules and its pace.
//!
//! Reading goes on after a fault, as in [`super::resolve`]. Where frames come from stands in
//! [`super::source`].

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::resolve::seconds;
use super::section::Section;
use super::source::source;
use super::{Camera, Issues, Name};
use crate::capture::Fps;
use crate::decide::{DriftRules, Rules};
use crate::preprocess::{Crop, Mask, Polygon, SceneRules, View};

/// A day, the longest duration that any key accepts.
const DAY_S: f64 = 86_400.0;

pub(super) fn cameras(
    root: &mut Section,
    base: Rules,
    folder: &Path,
    issues: &mut Issues,
) -> Vec<Camera> {
    let mut first: HashMap<Name, usize> = HashMap::new();
    let mut cameras = Vec::new();
    let sections = root.sections("camera", issues);
    if sections.is_empty() {
        issues.add("camera", "is missing: give at least one [[camera]]");
    }
    for (i, section) in sections.into_iter().enumerate() {
        let key = section.path("name");
        let (name, rest) = camera(section, base, folder, issues);
        if let Some(name) = name {
            if name.is_reserved() {
                issues.add(
                    &key,
                    format!("\"{name}\" is reserved: it is a topic of the node"),
                );
            }
            if let Some(other) = first.get(&name) {
                issues.add(
                    &key,
                    format!("\"{name}\" is the name of camera[{other}] already"),
                );
            }
            first.entry(name).or_insert(i);
        }
        cameras.extend(rest.map(|camera| (i, camera)));
    }
    check_devices(&cameras, issues);
    cameras.into_iter().map(|(_, camera)| camera).collect()
}

/// Refuses a device that two cameras name: the second would be refused it for ever.
fn check_devices(cameras: &[(usize, Camera)], issues: &mut Issues) {
    let mut first: HashMap<String, usize> = HashMap::new();
    for (i, camera) in cameras {
        let Some(device) = camera.source.device() else {
            continue;
        };
        if let Some(other) = first.get(&device) {
            issues.add(
                format!("camera[{i}].source.device"),
                format!("{device} is the device of camera[{other}] already; only one can have it"),
            );
        }
        first.entry(device).or_insert(*i);
    }
}

/// One camera: its name, where that is right, and the whole of it, where all is.
fn camera(
    mut section: Section,
    base: Rules,
    folder: &Path,
    issues: &mut Issues,
) -> (Option<Name>, Option<Camera>) {
    let name: Option<Name> = section.required("name", "its name in topics", issues);
    let profile = section.required(
        "profile",
        "the directory that `calibrate --out` wrote",
        issues,
    );
    let profile: Option<String> = profile;
    if profile.as_ref().is_some_and(|path| path.trim().is_empty()) {
        issues.add(
            section.path("profile"),
            "is empty: name the directory that `calibrate` wrote",
        );
    }
    let fps = section.within("fps", &(0.001..=Fps::MAX), issues);
    let fps = fps.and_then(|fps| Fps::new(fps).ok());
    let deadline = seconds(&mut section, "deadline_s", 5.0, (0.1, DAY_S), issues);
    // A slow camera is not a silent one.
    let deadline = fps.map_or(deadline, |fps| deadline.max(3 * fps.period()));
    let scene = scene(&mut section, issues);
    let drift = drift(&mut section, issues);
    let source = source(section.section("source", issues), fps, folder, issues);
    let incident = rules(section.section("incident", issues), base, issues);
    let is_shown = section.get("snapshot", issues).unwrap_or(false);
    let largest: usize = section.number("snapshot_max_kb", 256, &(16..=4096), issues);
    let crop = crop(&mut section, issues);
    let mask = mask(&mut section, crop, issues);
    let gate = section.number("gate", 0.0, &(0.0..=64.0), issues);
    section.finish(issues);
    let whole = name
        .clone()
        .zip(profile)
        .zip(source)
        .map(|((name, profile), source)| Camera {
            name,
            profile: folder.join(profile),
            source,
            fps,
            deadline,
            scene,
            drift,
            incident,
            snapshot: is_shown.then_some(largest * 1024),
            crop,
            mask,
            gate,
        });
    (name, whole)
}

/// The part of the frame that is looked at, where it is named.
fn crop(section: &mut Section, issues: &mut Issues) -> Option<Crop> {
    let crop = Crop::new(section.get("crop", issues)?);
    crop.map_err(|fault| issues.add(section.path("crop"), fault.to_string()))
        .ok()
}

/// The polygons that are not looked at, where they are named; with `crop` they must leave enough.
fn mask(section: &mut Section, crop: Option<Crop>, issues: &mut Issues) -> Option<Mask> {
    let polygons: Vec<Polygon> = section.get("mask", issues)?;
    let mask = Mask::new(polygons)
        .and_then(|mask| View::new(crop.unwrap_or_default(), mask.clone()).map(|_| mask));
    mask.map_err(|fault| issues.add(section.path("mask"), fault.to_string()))
        .ok()
}

/// Whether something is looked at, as written.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    #[default]
    On,
    Off,
}

/// How the scene is watched, by the keys of the camera itself.
fn scene(section: &mut Section, issues: &mut Issues) -> SceneRules {
    let base = SceneRules::default();
    let switch: Switch = section.get("scene", issues).unwrap_or_default();
    let mut duration = |key, default: Duration, issues: &mut Issues| {
        seconds(section, key, default.as_secs_f64(), (0.0, DAY_S), issues)
    };
    let frozen_after = duration("frozen_after_s", base.frozen_after, issues);
    let settle = duration("settle_s", base.settle, issues);
    SceneRules {
        compares: matches!(switch, Switch::On),
        frozen_after,
        settle,
        moved_beyond: section.within("moved_beyond", &(0.001..=0.5), issues),
    }
}

/// Whether and how the scores are held against those of calibration.
fn drift(section: &mut Section, issues: &mut Issues) -> DriftRules {
    let base = DriftRules::default();
    let switch: Switch = section.get("drift", issues).unwrap_or(Switch::On);
    let hours = base.window.as_secs_f64() / 3600.0;
    let hours = section.number("drift_hours", hours, &(0.001..=168.0), issues);
    DriftRules {
        watches: matches!(switch, Switch::On),
        window: Duration::from_secs_f64(hours * 3600.0),
    }
}

/// The rules of a table; what it leaves out is as in `base`.
pub(super) fn rules(mut section: Section, base: Rules, issues: &mut Issues) -> Rules {
    let window = section.number("window", base.window, &(1..=1000), issues);
    let hits = section.number("hits", base.hits.min(window), &(1..=1000), issues);
    if hits > window {
        issues.add(
            section.path("hits"),
            format!("is {hits}, more than the window of {window} frames"),
        );
    }
    let release = section.number("release", base.release, &(0.0..=0.5), issues);
    let release_after = section.number("release_after", base.release_after, &(1..=100_000), issues);
    let duration = |section: &mut Section, key, default: Duration, issues: &mut Issues| {
        seconds(section, key, default.as_secs_f64(), (0.0, DAY_S), issues)
    };
    let scene_after = duration(&mut section, "scene_after_s", base.scene_after, issues);
    let cooldown = duration(&mut section, "cooldown_s", base.cooldown, issues);
    let update_every = duration(&mut section, "update_every_s", base.update_every, issues);
    let notable_rise = section.number("notable_rise", base.notable_rise, &(0.0..=1.0), issues);
    let hourly_cap = section.number("hourly_cap", base.hourly_cap, &(1..=3600), issues);
    section.finish(issues);
    Rules {
        hits,
        window,
        scene_after,
        release,
        release_after,
        cooldown,
        update_every,
        notable_rise,
        hourly_cap,
    }
}
