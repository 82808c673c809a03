//! The layered table to a [`Config`]: every key once, with its default and its range.
//!
//! Reading goes on after a fault, so that all faults are reported at once; the values that stand in
//! for faulty ones never leave this file. Relative paths are meant from the folder of the file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::Files;
use super::section::Section;
use super::{Camera, Config, HomeAssistant, Issues, Log, Name, Node, Prefix, Sink, Spool, mqtt};
use crate::capture::ffmpeg::{Ffmpeg, Input};
use crate::capture::images::Images;
use crate::capture::synthetic::Synthetic;
use crate::capture::{Fps, SourceSpec};
use crate::decide::Rules;

/// A day, the longest duration that any key accepts.
const DAY_S: f64 = 86_400.0;

/// Resolves a table that was written in a file in the folder of `files`, adding to `issues` found
/// before.
pub(super) fn resolve(
    table: toml::Table,
    files: &Files,
    mut issues: Issues,
) -> Result<Config, Issues> {
    let folder = files.folder();
    let mut root = Section::root(table);
    let found = &mut issues;
    let node = node(root.section("node", found), folder, found);
    let teacher = teacher(root.section("teacher", found), folder, found);
    let mqtt = mqtt::resolve(
        root.section("mqtt", found),
        node.as_ref().map(|n| &n.name),
        files,
        found,
    );
    let spool = spool(root.section("spool", found), found);
    let sink = sink(root.section("sink", found), folder, found);
    if sink.is_none() && mqtt.as_ref().is_some_and(|mqtt| !mqtt.enabled) {
        found.add(
            "mqtt.enabled",
            "is false: give alerts another way, sink.jsonl",
        );
    }
    let home_assistant = home_assistant(root.section("homeassistant", found), found);
    let log = log(root.section("log", found), found);
    let rules = rules(root.section("incident", found), Rules::default(), found);
    let cameras = cameras(&mut root, rules, folder, found);
    root.finish(found);
    match (node, mqtt) {
        (Some(node), Some(mqtt)) if issues.is_empty() => Ok(Config {
            node,
            teacher,
            mqtt,
            spool,
            sink,
            home_assistant,
            cameras,
            log,
        }),
        _ => Err(issues),
    }
}

fn node(mut section: Section, folder: &Path, issues: &mut Issues) -> Option<Node> {
    let given = section.given("name");
    let mut name = section.get("name", issues);
    if !given {
        name = host_name();
        if name.is_none() {
            issues.add(
                section.path("name"),
                "is missing, and the host has no name to take",
            );
        }
    }
    let state_dir = section.text("state_dir", issues);
    let state_dir = state_dir.map_or_else(default_state_dir, |path| folder.join(path));
    section.finish(issues);
    Some(Node {
        name: name?,
        state_dir,
    })
}

/// The folder that systemd made for us (`StateDirectory=`; the first where it names several), or the
/// usual one.
fn default_state_dir() -> PathBuf {
    let given = std::env::var_os("STATE_DIRECTORY").filter(|given| !given.is_empty());
    let first = given.and_then(|all| std::env::split_paths(&all).next());
    first.unwrap_or_else(|| PathBuf::from("/var/lib/inspectd"))
}

fn spool(mut section: Section, issues: &mut Issues) -> Spool {
    let alerts = section.number("alerts", 50_000, &(20..=10_000_000), issues);
    let megabytes = section.number("megabytes", 256, &(1..=65_536), issues);
    section.finish(issues);
    Spool {
        alerts,
        bytes: megabytes << 20,
    }
}

fn sink(mut section: Section, folder: &Path, issues: &mut Issues) -> Option<Sink> {
    let sink = section
        .text("jsonl", issues)
        .map(|target| match target.as_str() {
            "-" => Sink::Stdout,
            path => Sink::File(folder.join(path)),
        });
    section.finish(issues);
    sink
}

fn home_assistant(mut section: Section, issues: &mut Issues) -> HomeAssistant {
    let discovery = section.get("discovery", issues).unwrap_or(true);
    let prefix = section.get("prefix", issues);
    section.finish(issues);
    HomeAssistant {
        discovery,
        prefix: prefix.unwrap_or_else(Prefix::home_assistant),
    }
}

/// The host's name as a slug.
fn host_name() -> Option<Name> {
    Name::slug(&rustix::system::uname().nodename().to_string_lossy())
}

fn teacher(mut section: Section, folder: &Path, issues: &mut Issues) -> Option<PathBuf> {
    let path = section.text("path", issues).map(|path| folder.join(path));
    section.finish(issues);
    path
}

fn log(mut section: Section, issues: &mut Issues) -> Log {
    let format = section.get("format", issues).unwrap_or_default();
    let level = section.get("level", issues).unwrap_or_default();
    section.finish(issues);
    Log { format, level }
}

/// The rules of a table; what it leaves out is as in `base`.
fn rules(mut section: Section, base: Rules, issues: &mut Issues) -> Rules {
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
    let cooldown = duration(&mut section, "cooldown_s", base.cooldown, issues);
    let update_every = duration(&mut section, "update_every_s", base.update_every, issues);
    let notable_rise = section.number("notable_rise", base.notable_rise, &(0.0..=1.0), issues);
    let hourly_cap = section.number("hourly_cap", base.hourly_cap, &(1..=3600), issues);
    section.finish(issues);
    Rules {
        hits,
        window,
        release,
        release_after,
        cooldown,
        update_every,
        notable_rise,
        hourly_cap,
    }
}

fn cameras(root: &mut Section, base: Rules, folder: &Path, issues: &mut Issues) -> Vec<Camera> {
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
        cameras.extend(rest);
    }
    cameras
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
    let deadline = seconds(&mut section, "deadline_s", 20.0, (0.1, DAY_S), issues);
    let source = source(section.section("source", issues), fps, folder, issues);
    let incident = rules(section.section("incident", issues), base, issues);
    let is_shown = section.get("snapshot", issues).unwrap_or(false);
    let largest: usize = section.number("snapshot_max_kb", 256, &(16..=4096), issues);
    section.finish(issues);
    let whole = name
        .clone()
        .zip(profile)
        .zip(source)
        .map(|((name, profile), source)| Camera {
            name,
            profile: folder.join(profile),
            source,
            deadline,
            incident,
            snapshot: is_shown.then_some(largest * 1024),
        });
    (name, whole)
}

/// The kinds of sources by the names that they have in the file.
#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Images,
    Ffmpeg,
    Synthetic,
}

fn source(
    mut section: Section,
    fps: Option<Fps>,
    folder: &Path,
    issues: &mut Issues,
) -> Option<SourceSpec> {
    let kind = section.required("kind", "images, ffmpeg or synthetic", issues)?;
    let source = match kind {
        Kind::Images => section
            .mandatory_text("path", "the folder of images", issues)
            .map(|path| {
                let repeat = section.get("repeat", issues).unwrap_or(false);
                SourceSpec::Images(Images {
                    path: folder.join(path),
                    fps,
                    repeat,
                })
            }),
        Kind::Ffmpeg => section
            .mandatory_text("input", "a URL or a file", issues)
            .map(|input| {
                let input = match Input::parse(&input) {
                    Input::File(path) => Input::File(folder.join(path)),
                    stream @ Input::Stream(_) => stream,
                };
                SourceSpec::Ffmpeg(Ffmpeg::new(input, fps))
            }),
        Kind::Synthetic => Some(SourceSpec::Synthetic(Synthetic {
            seed: section.get("seed", issues).unwrap_or(1),
            frames: section.get("frames", issues),
            fps,
            defects: section.get("defects", issues).unwrap_or(true),
            ..Synthetic::default()
        })),
    };
    section.finish(issues);
    source
}

/// A duration that is written as a number of seconds.
pub(super) fn seconds(
    section: &mut Section,
    key: &'static str,
    default: f64,
    (low, high): (f64, f64),
    issues: &mut Issues,
) -> Duration {
    Duration::from_secs_f64(section.number(key, default, &(low..=high), issues))
}
