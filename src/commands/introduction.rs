//! What Home Assistant was ever told of the node: kept over a restart, because it keeps entities that
//! are only missing from the next description.
//!
//! `homeassistant.json` in the state folder, written beside its place and moved there. A file that
//! can't be read or written costs the removal of what is gone, never the start.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::publish::discovery::{Platforms, platforms, supersede};
use crate::publish::{Delivery, Message, Retained};

const FILE: &str = "homeassistant.json";
/// So many entities that are gone are remembered: each makes all later descriptions longer. A camera has ten.
const MOST_GONE: usize = 100;
/// So often is a device removed that is no longer described, or not under that name: another node may take
/// the name, and the broker's access rules may forbid the topic by now.
const REMOVALS: u8 = 3;

/// What was told, and what of it is gone.
#[derive(Debug)]
pub(super) struct Introduction {
    folder: PathBuf,
    told: Option<Told>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    topic: String,
    /// What was described last.
    entities: Platforms,
    /// What was described before.
    #[serde(default, skip_serializing_if = "Platforms::is_empty")]
    gone: Platforms,
    /// Topics under which the node was described and is no longer, and how often each is still to be cleared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    topics: BTreeMap<String, u8>,
}

impl Told {
    /// What is told by this description, after `former`.
    ///
    /// One that removes the device is said only where something was described: rules that forbid its topic
    /// make some brokers hang up, again on each connection.
    fn after(former: Option<&Told>, description: &Retained) -> Told {
        let is_removed = description.payload.is_empty();
        let mut now = Told {
            topic: description.topic.clone(),
            entities: platforms(description),
            gone: Platforms::new(),
            topics: BTreeMap::new(),
        };
        let Some(former) = former else {
            return now;
        };
        // Under another topic it is another device, and the former goes as a whole, as it does where this
        // description removes the device.
        if former.topic == now.topic && !is_removed {
            let gone = former.entities.iter().chain(&former.gone);
            let gone = gone.filter(|(key, _)| !now.entities.contains_key(*key));
            let gone = gone.map(|(key, platform)| (key.clone(), platform.clone()));
            now.gone = gone.take(MOST_GONE).collect();
        }
        let left = former
            .topics
            .iter()
            .map(|(topic, left)| (topic, left.saturating_sub(1)));
        let topics = left.filter(|(_, left)| *left > 0);
        let was_described = !former.entities.is_empty();
        let topics = topics.chain(was_described.then_some((&former.topic, REMOVALS)));
        let topics = topics.filter(|(topic, _)| is_removed || **topic != now.topic);
        now.topics = topics.map(|(topic, left)| (topic.clone(), left)).collect();
        now
    }
}

impl Introduction {
    /// What `folder` remembers.
    pub(super) fn load(folder: &Path) -> Introduction {
        let path = folder.join(FILE);
        let told = read(&path).unwrap_or_else(|fault| {
            warn!(
                path = %path.display(),
                %fault,
                "can't read what Home Assistant was told; what is gone since stays there until \
                 it is deleted by hand"
            );
            None
        });
        Introduction {
            folder: folder.to_owned(),
            told,
        }
    }

    /// What is to be sent so that `description` takes the place of what was told before.
    ///
    /// What is gone is removed by each message from then on, not by the first alone: nobody knows whether that one was
    /// heard, since only the newest waits for a broker. To remove what is not there does nothing. A device that is no
    /// longer described, or not under its former name, is removed [`REMOVALS`] times; one that never was, not at all.
    pub(super) fn replace(&mut self, mut description: Retained) -> Vec<Message> {
        let now = Told::after(self.told.as_ref(), &description);
        supersede(&mut description, &now.gone);
        let removal = |topic: &String| Retained {
            topic: topic.clone(),
            payload: Vec::new(),
            delivery: Delivery::AtLeastOnce,
        };
        let removals = now.topics.keys().map(removal);
        let description = Some(description).filter(|message| !message.payload.is_empty());
        let messages = removals.chain(description).map(Message::Retained);
        let messages = messages.collect();
        if self.told.as_ref() != Some(&now) {
            if let Err(fault) = save(&self.folder, &now) {
                warn!(
                    folder = %self.folder.display(),
                    %fault,
                    "can't write down what Home Assistant is told; is there room, and may this user \
                     write there?"
                );
            }
            self.told = Some(now);
        }
        messages
    }
}

/// What a file says; nothing where there is none.
fn read(path: &Path) -> io::Result<Option<Told>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn save(folder: &Path, told: &Told) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(told)?)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(FILE)).map_err(|e| e.error)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn description(topic: &str, keys: &[&str]) -> Retained {
        let entities = keys.iter().map(|key| {
            let entity = json!({ "platform": "sensor", "unique_id": key });
            ((*key).to_owned(), entity)
        });
        let components: serde_json::Map<String, Value> = entities.collect();
        Retained {
            topic: topic.to_owned(),
            payload: json!({ "components": components }).to_string().into_bytes(),
            delivery: Delivery::AtLeastOnce,
        }
    }

    /// Topic and entities of each message; an entity that is removed is null, and so are all where
    /// the device is.
    fn said(messages: Vec<Message>) -> Vec<(String, Value)> {
        let say = |message| {
            let Message::Retained(Retained { topic, payload, .. }) = message else {
                panic!("{message:?}");
            };
            let device: Value = serde_json::from_slice(&payload).unwrap_or_default();
            let entities = device["components"].as_object();
            let ids = entities.map(|all| {
                let ids = all
                    .iter()
                    .map(|(key, one)| (key.clone(), one["unique_id"].clone()));
                Value::Object(ids.collect())
            });
            (topic, ids.unwrap_or_default())
        };
        messages.into_iter().map(say).collect()
    }

    #[test]
    fn what_is_gone_is_removed_whether_reloaded_or_restarted_and_again_lest_nobody_heard_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let mut here = Introduction::load(&folder);
        let first = said(here.replace(description("t", &["a", "b"])));
        assert_eq!(first, [("t".to_owned(), json!({"a": "a", "b": "b"}))]);
        let reloaded = said(here.replace(description("t", &["a", "c"])));
        assert_eq!(
            reloaded,
            [("t".to_owned(), json!({"a": "a", "b": null, "c": "c"}))]
        );
        let mut here = Introduction::load(&folder);
        let restarted = said(here.replace(description("t", &["c"])));
        assert_eq!(
            restarted,
            [("t".to_owned(), json!({"a": null, "b": null, "c": "c"}))]
        );
        let again = said(here.replace(description("t", &["c"])));
        assert_eq!(
            again,
            [("t".to_owned(), json!({"a": null, "b": null, "c": "c"}))]
        );
        let back = said(here.replace(description("t", &["b", "c"])));
        assert_eq!(
            back,
            [("t".to_owned(), json!({"a": null, "b": "b", "c": "c"}))]
        );
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "no other file is left"
        );
    }

    #[test]
    fn a_node_that_is_called_otherwise_leaves_no_device_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut here = Introduction::load(folder.path());
        here.replace(description("old", &["a"]));
        let messages = said(here.replace(description("new", &["a"])));
        let expected = [
            ("old".to_owned(), Value::Null),
            ("new".to_owned(), json!({"a": "a"})),
        ];
        assert_eq!(messages, expected);
        let mut here = Introduction::load(folder.path());
        for _ in 0..2 {
            assert_eq!(said(here.replace(description("new", &["a"]))), expected);
        }
        assert_eq!(
            said(here.replace(description("new", &["a"]))),
            expected[1..]
        );
        let back = said(here.replace(description("old", &["a"])));
        assert_eq!(back[0], ("new".to_owned(), Value::Null));
        assert_eq!(back[1..], [("old".to_owned(), json!({"a": "a"}))]);
    }

    /// What is asked for where discovery is turned off.
    fn removal(topic: &str) -> Retained {
        Retained {
            payload: Vec::new(),
            ..description(topic, &[])
        }
    }

    #[test]
    fn a_node_that_was_never_described_is_not_removed_over_restarts_and_names() {
        let folder = tempfile::tempdir().unwrap();
        for topic in ["t", "t", "renamed"] {
            let mut here = Introduction::load(folder.path());
            assert!(here.replace(removal(topic)).is_empty());
            assert!(here.replace(removal(topic)).is_empty());
        }
        let mut here = Introduction::load(folder.path());
        let on = said(here.replace(description("other", &["a"])));
        assert_eq!(on, [("other".to_owned(), json!({"a": "a"}))]);
    }

    #[test]
    fn a_node_that_was_described_is_removed_three_times_where_it_was_and_can_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let gone = [("t".to_owned(), Value::Null)];
        Introduction::load(folder.path()).replace(description("t", &["a"]));
        // The prefix may have changed with it: nothing was ever said under the new one.
        for topic in ["t", "elsewhere", "t"] {
            let mut here = Introduction::load(folder.path());
            assert_eq!(said(here.replace(removal(topic))), gone);
        }
        let mut here = Introduction::load(folder.path());
        assert!(here.replace(removal("t")).is_empty());
        let back = [("t".to_owned(), json!({"a": "a"}))];
        assert_eq!(said(here.replace(description("t", &["a"]))), back);
        assert_eq!(said(here.replace(removal("t"))), gone);
        assert_eq!(said(here.replace(description("t", &["a"]))), back);
    }

    #[test]
    fn only_so_much_that_is_gone_makes_descriptions_longer() {
        let folder = tempfile::tempdir().unwrap();
        let mut here = Introduction::load(folder.path());
        let mut last = Vec::new();
        for n in 0..150 {
            last = said(here.replace(description(&format!("t{}", n / 130), &[&n.to_string()])));
        }
        let entities = last.last().unwrap().1.as_object().unwrap();
        assert_eq!((last.len(), entities.len()), (1, 20));
        for n in 150..300 {
            last = said(here.replace(description("t1", &[&n.to_string()])));
        }
        let entities = last[0].1.as_object().unwrap();
        assert_eq!(entities.len(), 1 + MOST_GONE);
        assert!(entities["298"].is_null() && entities["299"] == "299");
    }

    #[test]
    fn a_file_that_cannot_be_read_costs_the_removal_alone() {
        let folder = tempfile::tempdir().unwrap();
        for spoilt in ["", "null2", "{\"topic\": 1}"] {
            fs::write(folder.path().join(FILE), spoilt).unwrap();
            let mut here = Introduction::load(folder.path());
            let messages = said(here.replace(description("t", &["a"])));
            assert_eq!(messages, [("t".to_owned(), json!({"a": "a"}))]);
            assert!(Introduction::load(folder.path()).told.is_some());
        }
    }
}
