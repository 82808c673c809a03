//! The teacher that the tests learn by: the bundled one, or what `INSPECTD_TEST_TEACHER` names. An emulated
//! processor takes five seconds for a frame of the bundled one, and next to none for the smallest there is
//! (`tests/board/teacher.py`). That sees next to nothing either: tests of what is seen take `teacher-nano` then.

use std::path::{Path, PathBuf};

/// The one that is named, if any is.
pub(crate) fn named() -> Option<PathBuf> {
    let named = std::env::var_os("INSPECTD_TEST_TEACHER").filter(|path| !path.is_empty());
    named.map(|path| std::fs::canonicalize(path).unwrap())
}

/// One that sees where that is named which may not: none where nothing is.
pub(crate) fn that_sees() -> Option<PathBuf> {
    named().map(|_| models().join("teacher-nano.onnx"))
}

/// Its file, whether it is named or not; the sidecar is beside it.
pub(crate) fn file() -> PathBuf {
    named().unwrap_or_else(|| models().join("teacher.onnx"))
}

/// What tells a command to take it: nothing for the bundled one.
pub(crate) fn options(teacher: Option<PathBuf>) -> Vec<String> {
    let options = |path: PathBuf| vec!["--teacher".to_owned(), path.display().to_string()];
    teacher.map_or_else(Vec::new, options)
}

/// What tells a configuration to.
pub(crate) fn table(teacher: Option<PathBuf>) -> String {
    let path = teacher.map_or_else(String::new, |path| {
        format!("path = \"{}\"\n", path.display())
    });
    format!("[teacher]\n{path}")
}

pub(crate) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}
