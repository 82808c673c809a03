//! The invariants of ARCHITECTURE.md that the source's own text can show: who imports what, and
//! which library is named where. Tests inside the modules may reach further and are left out.

use std::fs;
use std::path::{Path, PathBuf};

/// The stages in the order of the data.
const STAGES: [&str; 6] = [
    "capture",
    "preprocess",
    "infer",
    "score",
    "decide",
    "publish",
];
/// What puts the stages together: no stage knows it.
const ABOVE: [&str; 5] = ["pipeline", "train", "evaluate", "cli", "commands"];
const LONGEST: usize = 400;

/// One file of `src`.
struct Source {
    /// Below `src`, such as `infer/teacher.rs`.
    name: String,
    text: String,
}

impl Source {
    /// The stage or module that it belongs to.
    fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap();
        first.trim_end_matches(".rs")
    }

    /// Lines that are neither comments nor tests.
    fn code(&self) -> Vec<&str> {
        let mut code = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let trimmed = line.trim_start();
            if trimmed == "#[cfg(test)]" {
                let indent = &line[..line.len() - trimmed.len()];
                let end = format!("{indent}}}");
                let item = lines
                    .find(|line| !line.trim_start().starts_with("#["))
                    .unwrap();
                if !item.trim_end().ends_with(';') {
                    lines.find(|line| *line == end).unwrap();
                }
            } else if !trimmed.starts_with("//") {
                code.push(line);
            }
        }
        code
    }

    /// What the code names of the crate's other modules: `score`, `score::tokens`, ...
    fn crate_paths(&self) -> Vec<String> {
        let code = self.code().join(" ");
        let paths = code.split("crate::").skip(1);
        paths
            .flat_map(|rest| match rest.strip_prefix('{') {
                // `use crate::{a::b, c};`
                Some(list) => {
                    let (list, _) = list.split_once("};").unwrap_or((list, ""));
                    list.split(',').map(|path| path.trim().to_owned()).collect()
                }
                None => vec![rest.to_owned()],
            })
            .map(|path| {
                let end = path.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
                path[..end.unwrap_or(path.len())]
                    .trim_end_matches(':')
                    .to_owned()
            })
            .collect()
    }
}

/// The files of Rust in `src`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source { name, text });
        }
    }
    assert!(sources.len() > 50, "the source is here: {}", root.display());
    sources
}

/// Those that are not tests from end to end.
fn program() -> impl Iterator<Item = Source> {
    let is_test = |name: &str| name.ends_with("tests.rs") || name.ends_with("fixture.rs");
    sources()
        .into_iter()
        .filter(move |source| !is_test(&source.name))
}

fn place(stage: &str) -> Option<usize> {
    STAGES.iter().position(|known| *known == stage)
}

#[test]
fn a_stage_imports_nothing_from_downstream() {
    let mut looked_at = 0;
    for source in program() {
        let Some(own) = place(source.module()) else {
            continue;
        };
        for path in source.crate_paths() {
            let module = path.split("::").next().unwrap();
            looked_at += 1;
            assert!(!ABOVE.contains(&module), "{} names {path}", source.name);
            assert!(
                place(module).is_none_or(|other| other <= own),
                "{} names {path}, which is downstream",
                source.name
            );
        }
    }
    assert!(looked_at > 30, "only {looked_at} imports were found");
}

#[test]
fn the_pipeline_knows_nothing_of_models_scores_and_messages() {
    let mut seen = 0;
    for source in program().filter(|source| source.module() == "pipeline") {
        for path in source.crate_paths() {
            seen += 1;
            let module = path.split("::").next().unwrap();
            let is_known = ["capture", "config", "heartbeat", "pipeline", "seam"].contains(&module);
            // Why a frame was passed over travels through all stages and is counted here.
            assert!(
                is_known || path == "preprocess::Rejection",
                "{} names {path}",
                source.name
            );
        }
    }
    assert!(seen > 5, "only {seen} imports were found");
}

#[test]
fn each_library_is_named_in_one_module() {
    let only = [
        ("tract_onnx::", "infer/"),
        ("prost::", "infer/"),
        ("catch_unwind", "seam.rs"),
        ("zune_jpeg::", "preprocess/jpeg.rs"),
        ("rustfft::", "preprocess/scene/shift.rs"),
        ("gemm::", "train/kernel.rs"),
        ("unsafe ", "train/kernel.rs"),
        ("unsafe ", "capture/v4l2/sys/"),
        ("v4l::", "capture/v4l2/sys/"),
        ("use ::nokhwa::", "capture/nokhwa.rs"),
        ("safetensors::", "score/"),
        ("sysinfo::", "publish/machine.rs"),
        ("rumqttc::", "publish/mqtt/"),
        ("rustls::", "publish/mqtt/"),
        ("rustls_native_certs::", "publish/mqtt/"),
        ("rusqlite::", "publish/spool/"),
        ("sd_notify::", "commands/watchdog.rs"),
    ];
    for (name, place) in only {
        let mut found = 0;
        for source in program() {
            // A name may have two places; each must have it.
            let is_its_place = only
                .iter()
                .any(|(known, other)| known == &name && source.name.starts_with(other));
            for line in source.code().iter().filter(|line| line.contains(name)) {
                found += usize::from(source.name.starts_with(place));
                assert!(is_its_place, "{}: {line}", source.name);
            }
        }
        assert!(
            found > 0,
            "{name} is named nowhere: strike it from this test"
        );
    }
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(
            lines <= LONGEST,
            "{} has {lines} lines: split it",
            source.name
        );
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for source in sources() {
        assert!(
            source.text.starts_with("//! "),
            "{} opens without //!",
            source.name
        );
    }
}
