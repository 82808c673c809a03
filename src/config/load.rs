//! Files to one layered table: the file, its drop-ins, the environment.
//!
//! Later layers win: the file named, then `<file stem>.d/*.toml` beside it in the order of their
//! names, then the variables of [`super::environment`]. Tables are merged key by key; a list such
//! as `[[camera]]` replaces the former one as a whole. Defaults are applied when the result is
//! resolved.

use std::path::{Path, PathBuf};

use super::environment::{Kind, VARIABLES};
use super::files::Files;
use super::resolve::resolve;
use super::{Config, Issues};

/// A configuration above this is a mistake (a log, an image), and reading it would cost memory.
const MAX_BYTES: u64 = 1 << 20;

/// Loads and checks the configuration in `path`, its drop-ins and the environment.
///
/// # Errors
///
/// Every fault at once, each with its key path; a file that can't be read or is no TOML stands
/// alone, with line and column.
pub fn load(path: &Path) -> Result<Config, Issues> {
    load_with(path, |variable| {
        std::env::var_os(variable).map(|v| v.to_string_lossy().into_owned())
    })
}

/// [`load`] with the environment given.
pub(super) fn load_with(
    path: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, Issues> {
    let mut issues = Issues::default();
    let mut unreadable = Issues::default();
    let mut layers = config::Config::builder();
    for file in files(path, &mut unreadable) {
        if let Some(text) = read(&file, &mut unreadable) {
            layers = layers.add_source(config::File::from_str(&text, config::FileFormat::Toml));
        }
    }
    for (variable, key, kind) in VARIABLES {
        let Some(text) = environment(variable) else {
            continue;
        };
        let value = match kind {
            _ if text.is_empty() => Err("is empty: give it a value or unset it".to_owned()),
            Kind::Text => Ok(config::Value::from(text)),
            Kind::Integer => text
                .parse::<i64>()
                .map(config::Value::from)
                .map_err(|e| e.to_string()),
        };
        match value.and_then(|v| {
            layers
                .clone()
                .set_override(key, v)
                .map_err(|e| e.to_string())
        }) {
            Ok(with) => layers = with,
            Err(fault) => issues.add(format!("{key} ({variable})"), fault),
        }
    }
    let table = layers
        .build()
        .and_then(config::Config::try_deserialize::<toml::Table>);
    let table = table.unwrap_or_else(|fault| {
        unreadable.add(path.display().to_string(), fault);
        toml::Table::default()
    });
    if !unreadable.is_empty() {
        return Err(unreadable);
    }
    let folder = std::path::absolute(path)
        .ok()
        .and_then(|p| p.parent().map(Path::to_path_buf));
    let credentials = environment(Files::VARIABLE);
    let files = Files::new(folder.unwrap_or_default(), credentials);
    resolve(table, &files, issues)
}

/// The file and its drop-ins, in order.
fn files(path: &Path, issues: &mut Issues) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    let drop_ins = path.with_extension("d");
    if !drop_ins.is_dir() {
        return files;
    }
    match std::fs::read_dir(&drop_ins) {
        Ok(entries) => {
            let mut found: Vec<PathBuf> = entries
                .filter_map(|entry| entry.ok().map(|e| e.path()))
                .filter(|p| p.extension().is_some_and(|e| e == "toml"))
                .collect();
            found.sort();
            files.extend(found);
        }
        Err(e) => issues.add(
            drop_ins.display().to_string(),
            format!("can't be listed: {e}"),
        ),
    }
    files
}

/// The text of a file that is TOML and not absurdly large.
fn read(path: &Path, issues: &mut Issues) -> Option<String> {
    let shown = path.display().to_string();
    let text = std::fs::metadata(path).and_then(|meta| {
        if meta.len() > MAX_BYTES {
            return Err(std::io::Error::other(format!(
                "it has {} bytes; a configuration has at most {MAX_BYTES}",
                meta.len()
            )));
        }
        std::fs::read_to_string(path)
    });
    match text {
        Ok(text) => match text.parse::<toml::Table>() {
            Ok(_) => return Some(text),
            Err(e) => {
                let (line, column) = position(&text, e.span().map_or(0, |span| span.start));
                issues.add(
                    format!("{shown}:{line}:{column}"),
                    format!("is no TOML: {}", e.message()),
                );
            }
        },
        Err(e) => issues.add(shown, format!("can't be read: {e}")),
    }
    None
}

/// Line and column, both from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "secret_tests.rs"]
mod secret_tests;
