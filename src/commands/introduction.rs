//! What others were told of the node, and what of that is gone: kept over a restart, because the broker keeps
//! what a camera or a name said last, and Home Assistant entities that are only missing from the next description.
//!
//! `retained.json` in the state folder, written only where it changes. A file that can't be read or written costs
//! the removal of what is gone, never the start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::leftovers::Leftovers;
use super::state_file;
use crate::publish::discovery::{Platforms, platforms, supersede};
use crate::publish::{CameraTopics, Delivery, Message, Retained, Topics};

const FILE: &str = "retained.json";
/// So many entities that are gone are remembered: each makes all later descriptions longer. A camera has ten.
const MOST_GONE: usize = 100;

/// What was told, and what of it is gone.
#[derive(Debug)]
pub(super) struct Introduction {
    folder: PathBuf,
    told: Option<Introduced>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Introduced {
    node: Topics,
    cameras: BTreeSet<CameraTopics>,
    #[serde(default, skip_serializing_if = "Leftovers::is_empty")]
    former_nodes: Leftovers<Topics>,
    #[serde(default, skip_serializing_if = "Leftovers::is_empty")]
    former_cameras: Leftovers<CameraTopics>,
    home_assistant: Discovered,
}

/// What Home Assistant was told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Discovered {
    topic: String,
    /// What was described last.
    entities: Platforms,
    /// What was described before.
    #[serde(default, skip_serializing_if = "Platforms::is_empty")]
    gone: Platforms,
    /// Topics under which the node was described and is no longer.
    #[serde(default, skip_serializing_if = "Leftovers::is_empty")]
    topics: Leftovers<String>,
}

impl Introduced {
    /// What is told of a node with these cameras by this description, after `former`.
    fn after(
        former: Option<&Introduced>,
        node: Topics,
        cameras: BTreeSet<CameraTopics>,
        description: &Retained,
    ) -> Introduced {
        let described = former.map(|former| &former.home_assistant);
        let mut now = Introduced {
            node,
            cameras,
            former_nodes: Leftovers::default(),
            former_cameras: Leftovers::default(),
            home_assistant: Discovered::after(described, description),
        };
        if let Some(former) = former {
            let nodes = former.former_nodes.after([&former.node]);
            let cameras = former.former_cameras.after(&former.cameras);
            now.former_nodes = nodes.without(|node| *node == now.node);
            now.former_cameras = cameras.without(|camera| now.cameras.contains(camera));
        }
        now
    }

    /// What takes that off the broker which is gone.
    fn clear(&self) -> impl Iterator<Item = Retained> {
        let cameras = self.former_cameras.due().flat_map(|camera| {
            if camera.is_of(&self.node) {
                camera.clear()
            } else {
                camera.clear_surely()
            }
        });
        cameras.chain(self.former_nodes.due().flat_map(Topics::clear_surely))
    }
}

impl Discovered {
    /// What is told by this description, after `former`.
    ///
    /// One that removes the device is said only where something was described: rules that forbid its topic
    /// make some brokers hang up, again on each connection.
    fn after(former: Option<&Discovered>, description: &Retained) -> Discovered {
        let is_removed = description.payload.is_empty();
        let mut now = Discovered {
            topic: description.topic.clone(),
            entities: platforms(description),
            gone: Platforms::new(),
            topics: Leftovers::default(),
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
        let was_described = !former.entities.is_empty();
        let topics = former.topics.after(was_described.then_some(&former.topic));
        now.topics = topics.without(|topic| !is_removed && *topic == now.topic);
        now
    }
}

impl Introduction {
    /// What `folder` remembers.
    pub(super) fn load(folder: &Path) -> Introduction {
        let path = folder.join(FILE);
        let told = state_file::read(&path).unwrap_or_else(|fault| {
            warn!(
                path = %path.display(),
                %fault,
                "can't read what the broker and Home Assistant were told; what is gone since stays there \
                 until it is deleted by hand"
            );
            None
        });
        Introduction {
            folder: folder.to_owned(),
            told,
        }
    }

    /// What is to be sent so that a node with these cameras, and its description for Home Assistant, take the place
    /// of what was told before.
    ///
    /// What is gone is removed by each message from then on, not by the first alone: nobody knows whether that one was
    /// heard, since only the newest waits for a broker. To remove what is not there does nothing. What the broker keeps
    /// of a former name or of a camera that is gone is removed as often as [`Leftovers`] has it, and so is a device that
    /// is no longer described; one that never was, not at all.
    pub(super) fn replace(
        &mut self,
        node: Topics,
        cameras: impl IntoIterator<Item = CameraTopics>,
        mut description: Retained,
    ) -> Vec<Message> {
        let cameras = cameras.into_iter().collect();
        let now = Introduced::after(self.told.as_ref(), node, cameras, &description);
        supersede(&mut description, &now.home_assistant.gone);
        let removals = now.home_assistant.topics.due().map(|topic| removal(topic));
        let description = Some(description).filter(|message| !message.payload.is_empty());
        // Home Assistant first: what it removes vanishes, and is not seen to become unavailable before.
        let messages = removals.chain(description).chain(now.clear());
        let messages = messages.map(Message::Retained).collect();
        if self.told.as_ref() != Some(&now) {
            if let Err(fault) = state_file::write(&self.folder, FILE, &now) {
                warn!(
                    folder = %self.folder.display(),
                    %fault,
                    "can't write down what the broker and Home Assistant are told; is there room, and may this \
                     user write there?"
                );
            }
            self.told = Some(now);
        }
        messages
    }

    /// What takes all that was told last off the broker, by the connections that told it: for a name that is left
    /// for another, which may have no rights there. Home Assistant first, as above; a device that `next` describes
    /// on the same topic stays, with all that its users gave it.
    pub(super) fn farewell(&self, next: &Retained) -> Vec<Retained> {
        let Some(told) = &self.told else {
            return Vec::new();
        };
        let discovered = &told.home_assistant;
        let is_described = !discovered.entities.is_empty();
        let goes_on = next.topic == discovered.topic && !next.payload.is_empty();
        let device = (is_described && !goes_on).then(|| removal(&discovered.topic));
        let cameras = told.cameras.iter().flat_map(CameraTopics::clear);
        let messages = device.into_iter().chain(cameras);
        messages.chain(told.node.clear()).collect()
    }
}

/// Removes the device that was described on this topic, if any was.
fn removal(topic: &str) -> Retained {
    Retained {
        topic: topic.to_owned(),
        payload: Vec::new(),
        delivery: Delivery::AtLeastOnce,
    }
}

#[cfg(test)]
#[path = "introduction_tests.rs"]
mod tests;
