//! One table of the configuration while it is read.
//!
//! A key that is asked for is taken out and so becomes known; what is left at the end is unknown
//! and a fault, with the nearest known key as a suggestion. Values are strict: `2.9`, `true` and
//! `"15"` are no integers. A faulty value is recorded and reading goes on.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;

use super::Issues;

/// A table, and the keys that were asked of it.
pub(super) struct Section {
    path: String,
    table: toml::Table,
    known: Vec<&'static str>,
}

impl Section {
    /// The whole file.
    pub(super) fn root(table: toml::Table) -> Self {
        Section {
            path: String::new(),
            table,
            known: Vec::new(),
        }
    }

    /// The path of a key of this table.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The value of a key, where it is given and right.
    pub(super) fn get<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        issues: &mut Issues,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        let mut texts = Vec::new();
        collect_texts(&value, &mut texts);
        value
            .try_into()
            .map_err(|e: toml::de::Error| issues.add(self.path(key), untold(e.message(), &texts)))
            .ok()
    }

    /// The value of a key that must be given; `purpose` says what it is.
    pub(super) fn required<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        purpose: &str,
        issues: &mut Issues,
    ) -> Option<T> {
        if !self.given(key) {
            issues.add(self.path(key), format!("is missing: {purpose}"));
        }
        self.get(key, issues)
    }

    /// Whether a key is given, right or not.
    pub(super) fn given(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text that must be given and is not empty.
    pub(super) fn mandatory_text(
        &mut self,
        key: &'static str,
        purpose: &str,
        issues: &mut Issues,
    ) -> Option<String> {
        if !self.given(key) {
            issues.add(self.path(key), format!("is missing: {purpose}"));
        }
        self.text(key, issues)
    }

    /// A text that is not empty and holds no control character.
    pub(super) fn text(&mut self, key: &'static str, issues: &mut Issues) -> Option<String> {
        let text: String = self.get(key, issues)?;
        let fault = if text.trim().is_empty() {
            "is empty: give it a value or remove it"
        } else if text.chars().any(char::is_control) {
            "holds a control character"
        } else {
            return Some(text);
        };
        issues.add(self.path(key), fault);
        None
    }

    /// A number within a range, where it is given; not a number is not within any.
    pub(super) fn within<T>(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<T>,
        issues: &mut Issues,
    ) -> Option<T>
    where
        T: DeserializeOwned + PartialOrd + Display + Copy,
    {
        let value = self.get(key, issues)?;
        if range.contains(&value) {
            return Some(value);
        }
        let (low, high) = (range.start(), range.end());
        issues.add(
            self.path(key),
            format!("is {value}; it must be from {low} to {high}"),
        );
        None
    }

    /// [`Section::within`], or a default.
    pub(super) fn number<T>(
        &mut self,
        key: &'static str,
        default: T,
        range: &RangeInclusive<T>,
        issues: &mut Issues,
    ) -> T
    where
        T: DeserializeOwned + PartialOrd + Display + Copy,
    {
        self.within(key, range, issues).unwrap_or(default)
    }

    /// A table inside this one; empty where it is not given.
    pub(super) fn section(&mut self, key: &'static str, issues: &mut Issues) -> Section {
        let table = self.get(key, issues).unwrap_or_default();
        Section {
            path: self.path(key),
            table,
            known: Vec::new(),
        }
    }

    /// Tables that follow each other as `[[key]]`.
    pub(super) fn sections(&mut self, key: &'static str, issues: &mut Issues) -> Vec<Section> {
        let tables: Vec<toml::Value> = self.get(key, issues).unwrap_or_default();
        let mut sections = Vec::new();
        for (i, value) in tables.into_iter().enumerate() {
            let path = format!("{}[{i}]", self.path(key));
            match value {
                toml::Value::Table(table) => {
                    sections.push(Section {
                        path,
                        table,
                        known: Vec::new(),
                    });
                }
                other => issues.add(
                    path,
                    format!("is a {}; it must be a table", other.type_str()),
                ),
            }
        }
        sections
    }

    /// Ends the reading: every key that nobody asked for is a fault.
    pub(super) fn finish(self, issues: &mut Issues) {
        for key in self.table.keys() {
            let nearest = self
                .known
                .iter()
                .map(|known| (distance(key, known), *known))
                .min()
                .filter(|(distance, known)| *distance <= known.len().div_ceil(3));
            match nearest {
                Some((_, known)) => {
                    issues.add(
                        self.path(key),
                        format!("is unknown; did you mean `{known}`?"),
                    );
                }
                None => issues.add(
                    self.path(key),
                    format!("is unknown; known here: {}", self.known.join(", ")),
                ),
            }
        }
    }
}

/// All texts of a value.
fn collect_texts(value: &toml::Value, texts: &mut Vec<String>) {
    match value {
        toml::Value::String(text) => texts.push(text.clone()),
        toml::Value::Array(values) => values.iter().for_each(|v| collect_texts(v, texts)),
        toml::Value::Table(table) => table.iter().for_each(|(_, v)| collect_texts(v, texts)),
        _ => {}
    }
}

/// A fault without the texts that it quotes: a URL or a command, put where it does not belong, may hold a password, and
/// faults are published (`info`). A single word stays; it is a misspelt choice.
fn untold(message: &str, texts: &[String]) -> String {
    let is_word = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || "-_.".contains(c))
    };
    let told = texts.iter().filter(|text| !is_word(text));
    told.fold(message.to_owned(), |message, text| {
        // As serde quotes them.
        let message = message.replace(&format!("string {text:?}"), "a text");
        message.replace(&format!("`{text}`"), "`…`")
    })
}

/// Edits from one word to the other, case aside (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let substitute = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_tells_no_text_that_may_hold_a_password() {
        for value in [
            r#"source = "rtsp://u:s3cret@h/stream""#,
            r#"source = "curl -u u:s3cret""#,
            r#"source = { kind = "say \"s3cret\"" }"#,
            r#"source = { kind = "it's `s3cret`" }"#,
            r#"source = ["u:s3cret@h"]"#,
        ] {
            let mut section = Section::root(value.parse().unwrap());
            let mut issues = Issues::default();
            #[derive(serde::Deserialize)]
            #[allow(dead_code, reason = "only its faults count")]
            struct Source {
                kind: Kind,
            }
            #[derive(serde::Deserialize)]
            enum Kind {
                Auto,
            }
            assert!(section.get::<Source>("source", &mut issues).is_none());
            let told = issues.to_string();
            assert!(told.contains("source: "), "{told}");
            assert!(!told.contains("s3cret"), "{told}");
            let says_what = ["a text", "`…`", "sequence"];
            assert!(says_what.iter().any(|words| told.contains(words)), "{told}");
        }
        // What was meant is told.
        let fault = untold("unknown variant `atuo`", &["atuo".to_owned()]);
        assert_eq!(fault, "unknown variant `atuo`");
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("FPS", "fps"), 0);
        assert_eq!(distance("", "port"), 4);
    }
}
