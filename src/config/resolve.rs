//! The layered table to a [`Config`]: every key once, with its default and its range.
//!
//! Reading goes on after a fault, so that all faults are reported at once; the values that stand in
//! for faulty ones never leave this file. Relative paths are meant from the folder of the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::Files;
use super::section::Section;
use super::{
    Config, Feedback, Footage, HomeAssistant, Issues, Log, Name, Node, Prefix, Sink, Spool, camera,
    mqtt,
};
use crate::decide::Rules;

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
    let footage = footage(root.section("footage", found), found);
    let feedback = feedback(root.section("feedback", found), found);
    let sink = sink(root.section("sink", found), folder, found);
    if sink.is_none() && mqtt.as_ref().is_some_and(|mqtt| !mqtt.enabled) {
        found.add(
            "mqtt.enabled",
            "is false: give alerts another way, sink.jsonl",
        );
    }
    let home_assistant = home_assistant(root.section("homeassistant", found), found);
    let log = log(root.section("log", found), found);
    let rules = camera::rules(root.section("incident", found), Rules::default(), found);
    let cameras = camera::cameras(&mut root, rules, folder, found);
    root.finish(found);
    match (node, mqtt) {
        (Some(node), Some(mqtt)) if issues.is_empty() => Ok(Config {
            node,
            teacher,
            mqtt,
            spool,
            footage,
            feedback,
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

fn footage(mut section: Section, issues: &mut Issues) -> Footage {
    let megabytes: u64 = section.number("megabytes", 1024, &(1..=1_048_576), issues);
    section.finish(issues);
    Footage {
        bytes: megabytes << 20,
    }
}

fn feedback(mut section: Section, issues: &mut Issues) -> Feedback {
    let megabytes: u64 = section.number("megabytes", 200, &(0..=1_048_576), issues);
    section.finish(issues);
    Feedback {
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
