//! Names that may stand in a topic, as types that parse and check themselves.
//!
//! A [`Name`] is one topic level, a [`Prefix`] one or more. Neither can hold `/`, `+`, `#` or a
//! control character where it would change the meaning of a topic, so nobody past this file checks.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// One topic level: a node's or a camera's name, `[a-z0-9_-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Topic levels below a node that are not cameras (see the MQTT contract).
const RESERVED: [&str; 5] = ["availability", "info", "health", "request", "response"];

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a camera must not have this name because a topic of the node does.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }

    /// The nearest valid name of any text: lower case, every other character a dash. `None` where
    /// nothing is left.
    pub fn slug(text: &str) -> Option<Name> {
        let dashed: String = text
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let trimmed = dashed.trim_matches('-');
        trimmed
            .get(..trimmed.len().min(64))
            .and_then(|short| short.parse().ok())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            return Err(format!(
                "{text:.80?} is no name; use 1 to 64 of a-z, 0-9, '_' and '-', because it is a level of the MQTT topics"
            ));
        }
        Ok(Name(text.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first levels of every topic, such as `inspectd` or `site/hall-3`; at most 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix(String);

impl Prefix {
    /// Home Assistant's usual one.
    pub(super) fn home_assistant() -> Self {
        Prefix("homeassistant".to_owned())
    }

    /// The prefix, without a slash at either end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.len() > 128 {
            return Err("must have 1 to 128 bytes".to_owned());
        }
        if let Some(c) = text
            .chars()
            .find(|c| matches!(c, '+' | '#') || c.is_control())
        {
            return Err(format!(
                "must not contain {c:?}: it has a meaning of its own in topics"
            ));
        }
        if text.split('/').any(str::is_empty) || text.starts_with('$') {
            return Err("must not start or end with '/', hold '//' or start with '$'".to_owned());
        }
        Ok(Prefix(text))
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Prefix("inspectd".to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_never_holds_a_character_that_means_something_in_a_topic(text in ".*") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert!(!name.as_str().is_empty());
                prop_assert!(!name.as_str().contains(['/', '+', '#', '\0', ' ', '$']));
            }
        }

        #[test]
        fn a_slug_is_a_name(text in ".*") {
            if let Some(slug) = Name::slug(&text) {
                prop_assert!(slug.as_str().parse::<Name>().is_ok());
            }
        }

        #[test]
        fn a_prefix_never_makes_an_empty_level_or_a_wildcard(text in "[a-z/+#$\\x00]{0,12}") {
            if let Ok(prefix) = Prefix::try_from(text) {
                prop_assert!(prefix.as_str().split('/').all(|level| !level.is_empty()));
                prop_assert!(!prefix.as_str().contains(['+', '#', '\0']));
            }
        }
    }

    #[test]
    fn a_host_name_becomes_a_slug() {
        let slug = |text| Name::slug(text).map(String::from);
        assert_eq!(slug("Press 07.local"), Some("press-07-local".to_owned()));
        assert_eq!(slug("..."), None);
        assert_eq!(slug("Ünit"), Some("nit".to_owned()));
    }
}
