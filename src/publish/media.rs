//! Pictures on the wire: a frame and its heat map, each a JPEG on a retained topic of its camera.
//!
//! They are sent at QoS 0, before the report that names them: an alert never waits for a picture,
//! and the hash in the alert tells whether the retained one is still the one that is meant.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{CameraTopics, Delivery, Message, Retained};

/// A frame as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The frame, JPEG.
    pub snapshot: Vec<u8>,
    /// The same with its heat map, JPEG.
    pub heatmap: Vec<u8>,
}

/// Where the pictures of a frame are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaNames {
    snapshot_topic: String,
    heatmap_topic: String,
    /// Of the snapshot's bytes.
    sha256: String,
}

impl Media {
    /// Where a subscriber finds them.
    pub fn names(&self, topics: &CameraTopics) -> MediaNames {
        let digest = Sha256::digest(&self.snapshot);
        MediaNames {
            snapshot_topic: topics.snapshot.clone(),
            heatmap_topic: topics.heatmap.clone(),
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The messages that show them.
    pub fn messages(self, topics: &CameraTopics) -> Vec<Message> {
        vec![
            picture(&topics.snapshot, self.snapshot),
            picture(&topics.heatmap, self.heatmap),
        ]
    }

    /// What takes the pictures off a broker that may hold them from a time when they were on.
    pub fn clear(topics: &CameraTopics) -> Vec<Message> {
        vec![
            picture(&topics.snapshot, Vec::new()),
            picture(&topics.heatmap, Vec::new()),
        ]
    }
}

fn picture(topic: &str, payload: Vec<u8>) -> Message {
    Message::Retained(Retained {
        topic: topic.to_owned(),
        payload,
        delivery: Delivery::AtMostOnce,
    })
}
