//! The topics of the MQTT contract. Built from names that can't hold a wildcard or a slash.

use crate::config::{Name, Prefix};

/// The topics of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    root: String,
}

/// The topics of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraTopics {
    /// `online` or `offline`.
    pub availability: String,
    /// What is seen now.
    pub state: String,
    /// Each change of an incident's phase.
    pub alert: String,
    /// The incidents that are open.
    pub active: String,
}

impl Topics {
    /// The topics of `node` below `prefix`.
    pub fn new(prefix: &Prefix, node: &Name) -> Self {
        Topics {
            root: format!("{prefix}/{node}"),
        }
    }

    /// `online` or `offline`; the topic of the will.
    pub fn availability(&self) -> String {
        format!("{}/availability", self.root)
    }

    /// Version, cameras, Profiles.
    pub fn info(&self) -> String {
        format!("{}/info", self.root)
    }

    /// The topics of one camera.
    pub fn camera(&self, camera: &Name) -> CameraTopics {
        let topic = |level: &str| format!("{}/{camera}/{level}", self.root);
        CameraTopics {
            availability: topic("availability"),
            state: topic("state"),
            alert: topic("alert"),
            active: topic("alert/active"),
        }
    }
}
