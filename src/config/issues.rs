//! The faults of a configuration, all of them at once: one edit, not ten.
//!
//! An [`Issue`] names the key and says what is wrong and what would be right. [`Issues`] is the
//! error of [`super::load`]; it is never empty when it is returned.

use std::fmt;

/// One fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Issue {
    /// Key path such as `camera[1].fps`, or the file with line and column.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Every fault of a configuration, in the order of reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Issues(Vec<Issue>);

impl Issues {
    /// Adds a fault.
    pub fn add(&mut self, key: impl Into<String>, message: impl fmt::Display) {
        self.0.push(Issue {
            key: key.into(),
            message: message.to_string(),
        });
    }

    /// Whether there is no fault.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These faults and those of `checked`, or what that gives where there are none.
    ///
    /// # Errors
    /// All of both.
    pub fn or<T>(mut self, checked: Result<T, Issues>) -> Result<T, Issues> {
        match checked {
            Ok(value) if self.is_empty() => return Ok(value),
            Ok(_) => {}
            Err(more) => self.0.extend(more.0),
        }
        Err(self)
    }

    /// The faults.
    pub fn iter(&self) -> impl Iterator<Item = &Issue> {
        self.0.iter()
    }
}

impl fmt::Display for Issues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a fault:")?,
            n => write!(f, "the configuration has {n} faults:")?,
        }
        for issue in &self.0 {
            write!(f, "\n  {}: {}", issue.key, issue.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Issues {}
