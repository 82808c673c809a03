//! The topics of the MQTT contract. Built from names that can't hold a wildcard or a slash.
//!
//! Every topic that the program publishes or subscribes to is spelt here and nowhere else; so is
//! what a topic that comes in asks for.

use serde::{Deserialize, Serialize};

use super::{Delivery, Retained};
use crate::config::{Name, Prefix};

/// The topics of a node; written down as `<prefix>/<node>`, of which they follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topics {
    root: String,
}

/// The topics of a camera; written down as `<prefix>/<node>/<camera>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CameraTopics {
    /// `online`, `offline` or `disabled`.
    pub availability: String,
    /// What is seen now.
    pub state: String,
    /// Each change of an incident's phase.
    pub alert: String,
    /// The incidents that are open.
    pub active: String,
    /// The worst frame of the last incident, JPEG.
    pub snapshot: String,
    /// The same frame with its heat map, JPEG.
    pub heatmap: String,
    /// The root of the controls.
    root: String,
}

/// What can be asked of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Send a picture.
    Snapshot,
    /// Keep alerts back for a while.
    Mute,
    /// Say whether an alert was right.
    Feedback,
    /// Read configuration and Profiles anew.
    Reload,
    /// Say how the node is.
    HealthCheck,
}

/// What can be set of a camera, by a pair of topics: `/set` to us, `/state` from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Control {
    /// Whether the camera is inspected.
    Enabled,
    /// How far from normal a picture may be.
    Threshold,
    /// Whether its alerts are kept back.
    Mute,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 5] = [
        Verb::Snapshot,
        Verb::Mute,
        Verb::Feedback,
        Verb::Reload,
        Verb::HealthCheck,
    ];

    /// Its level of the topic.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Snapshot => "snapshot",
            Verb::Mute => "mute",
            Verb::Feedback => "feedback",
            Verb::Reload => "reload",
            Verb::HealthCheck => "health_check",
        }
    }
}

impl Control {
    /// All of them.
    pub const ALL: [Control; 3] = [Control::Enabled, Control::Threshold, Control::Mute];

    /// Its level of the topic.
    pub fn as_str(self) -> &'static str {
        match self {
            Control::Enabled => "enabled",
            Control::Threshold => "threshold",
            Control::Mute => "mute",
        }
    }
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

    /// How the machine and its parts are.
    pub fn health(&self) -> String {
        format!("{}/health", self.root)
    }

    /// Where a request comes in.
    pub fn request(&self, verb: Verb) -> String {
        format!("{}/request/{}", self.root, verb.as_str())
    }

    /// Where it is answered.
    pub fn response(&self, verb: Verb) -> String {
        format!("{}/response/{}", self.root, verb.as_str())
    }

    /// The filter of all requests.
    pub fn requests(&self) -> String {
        format!("{}/request/+", self.root)
    }

    /// The filters of all that others may tell us. Two, however many cameras there are: AWS IoT Core takes
    /// eight at most in one packet. The second lets in what is for no camera of ours as well.
    pub fn subscriptions(&self) -> Vec<String> {
        vec![self.requests(), format!("{}/+/+/set", self.root)]
    }

    /// What a topic asks of the node; `None` where it is no request or an unknown one.
    pub fn requested(&self, topic: &str) -> Option<Verb> {
        Verb::ALL
            .into_iter()
            .find(|verb| self.request(*verb) == topic)
    }

    /// The topics of one camera.
    pub fn camera(&self, camera: &Name) -> CameraTopics {
        let topic = |level: &str| format!("{}/{camera}/{level}", self.root);
        CameraTopics {
            availability: topic("availability"),
            state: topic("state"),
            alert: topic("alert"),
            active: topic("alert/active"),
            snapshot: topic("snapshot"),
            heatmap: topic("heatmap"),
            root: format!("{}/{camera}", self.root),
        }
    }

    /// What takes all that the broker keeps of the node itself off it again: for a name that is no longer ours.
    pub fn clear(&self) -> Vec<Retained> {
        vec![
            // On the line that says it: an older one of it may wait there.
            empty(self.health(), Delivery::AtMostOnce),
            empty(self.info(), Delivery::AtLeastOnce),
            empty(self.availability(), Delivery::AtLeastOnce),
        ]
    }

    /// The same once it is another's to say: surely, as [`CameraTopics::clear_surely`].
    pub fn clear_surely(&self) -> Vec<Retained> {
        surely(self.clear())
    }
}

impl CameraTopics {
    /// What takes all that the broker keeps of a camera off it again: for one that is no more.
    pub fn clear(&self) -> Vec<Retained> {
        let controls = Control::ALL.map(|control| self.state_of(control));
        let kept = [self.availability.clone(), self.active.clone()];
        let moments = [&self.state, &self.snapshot, &self.heatmap].map(Clone::clone);
        let kept = controls.into_iter().chain(kept);
        kept.map(|topic| empty(topic, Delivery::AtLeastOnce))
            .chain(moments.map(|topic| empty(topic, Delivery::AtMostOnce)))
            .collect()
    }

    /// The same for one of a name that is no longer ours: surely, and once on a connection that lasts, since another
    /// node may take the name. No older message of it waits to be said.
    pub fn clear_surely(&self) -> Vec<Retained> {
        surely(self.clear())
    }

    /// Whether this is a camera of that node.
    pub fn is_of(&self, node: &Topics) -> bool {
        let split = self.root.rsplit_once('/');
        split.is_some_and(|(root, _)| root == node.root)
    }

    /// Where a control is set.
    pub fn set(&self, control: Control) -> String {
        format!("{}/{}/set", self.root, control.as_str())
    }

    /// Where a control's value is told.
    pub fn state_of(&self, control: Control) -> String {
        format!("{}/{}/state", self.root, control.as_str())
    }

    /// The control that a topic sets; `None` where it sets none of this camera's.
    pub fn control(&self, topic: &str) -> Option<Control> {
        Control::ALL
            .into_iter()
            .find(|control| self.set(*control) == topic)
    }
}

impl TryFrom<String> for Topics {
    type Error = String;

    fn try_from(root: String) -> Result<Self, Self::Error> {
        let (prefix, node) = split(&root)?;
        let prefix = Prefix::try_from(prefix.to_owned())?;
        Ok(Topics::new(&prefix, &node))
    }
}

impl From<Topics> for String {
    fn from(topics: Topics) -> Self {
        topics.root
    }
}

impl TryFrom<String> for CameraTopics {
    type Error = String;

    fn try_from(root: String) -> Result<Self, Self::Error> {
        let (node, camera) = split(&root)?;
        Ok(Topics::try_from(node.to_owned())?.camera(&camera))
    }
}

impl From<CameraTopics> for String {
    fn from(topics: CameraTopics) -> Self {
        topics.root
    }
}

/// The last level of a topic, and what is before it.
fn split(topic: &str) -> Result<(&str, Name), String> {
    let split = topic.rsplit_once('/');
    let (before, last) = split.ok_or_else(|| format!("{topic:.80?} has too few levels"))?;
    Ok((before, last.parse()?))
}

/// Takes what the broker keeps on a topic off it.
fn empty(topic: String, delivery: Delivery) -> Retained {
    Retained {
        topic,
        payload: Vec::new(),
        delivery,
    }
}

fn surely(mut messages: Vec<Retained>) -> Vec<Retained> {
    for message in &mut messages {
        message.delivery = Delivery::AtLeastOnce;
    }
    messages
}

/// Where Home Assistant looks for the description of a node, below its discovery prefix.
pub fn homeassistant_config(discovery: &Prefix, node: &Name) -> String {
    format!("{discovery}/device/inspectd_{node}/config")
}

/// Where Home Assistant says that it has started.
pub fn homeassistant_status(discovery: &Prefix) -> String {
    format!("{discovery}/status")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics::new(&Prefix::default(), &"press".parse().unwrap())
    }

    #[test]
    fn a_request_is_known_by_its_topic_and_no_other_topic_is_one() {
        for verb in Verb::ALL {
            assert_eq!(topics().requested(&topics().request(verb)), Some(verb));
            assert_eq!(topics().requested(&topics().response(verb)), None);
        }
        assert_eq!(topics().requested("inspectd/press/request/dance"), None);
        assert_eq!(topics().requested("inspectd/other/request/mute"), None);
    }

    #[test]
    fn a_control_is_known_by_its_set_topic_of_its_own_camera_only() {
        let [ours, other] =
            ["cam0", "cam1"].map(|name| topics().camera(&name.parse::<Name>().unwrap()));
        for control in Control::ALL {
            assert_eq!(ours.control(&ours.set(control)), Some(control));
            assert_eq!(ours.control(&ours.state_of(control)), None);
            assert_eq!(ours.control(&other.set(control)), None);
        }
    }

    /// Whether a filter without `#` lets a topic in.
    fn matches(filter: &str, topic: &str) -> bool {
        let (filter, topic) = (filter.split('/'), topic.split('/'));
        let same = |(wanted, level): (&str, &str)| wanted == "+" || wanted == level;
        filter.clone().count() == topic.clone().count() && filter.zip(topic).all(same)
    }

    #[test]
    fn few_filters_let_in_all_that_thirty_cameras_can_be_told_and_nothing_that_they_say() {
        let filters = topics().subscriptions();
        // With that of Home Assistant's status.
        assert!(filters.len() < 8, "more than AWS IoT Core takes");
        let count = |topic: String| filters.iter().filter(|one| matches(one, &topic)).count();
        for verb in Verb::ALL {
            assert_eq!(count(topics().request(verb)), 1);
            assert_eq!(count(topics().response(verb)), 0);
        }
        for n in 0..30 {
            let camera = topics().camera(&format!("cam{n}").parse().unwrap());
            for control in Control::ALL {
                assert_eq!(count(camera.set(control)), 1);
                assert_eq!(count(camera.state_of(control)), 0);
            }
            for said in [
                camera.availability,
                camera.state,
                camera.alert,
                camera.active,
            ] {
                assert_eq!(count(said), 0);
            }
        }
    }

    #[test]
    fn what_the_live_line_says_is_emptied_on_it_while_older_of_it_may_wait_and_else_surely() {
        let camera = topics().camera(&"cam0".parse().unwrap());
        let lines = |messages: Vec<Retained>| {
            let on_live = |it: &Retained| it.delivery == Delivery::AtMostOnce;
            let live = messages.into_iter().filter(on_live);
            live.map(|it| it.topic).collect::<Vec<_>>()
        };
        assert_eq!(lines(topics().clear()), ["inspectd/press/health"]);
        let levels = ["state", "snapshot", "heatmap"];
        let of_camera = levels.map(|level| format!("inspectd/press/cam0/{level}"));
        assert_eq!(lines(camera.clear()), of_camera);
        for surely in [topics().clear_surely(), camera.clear_surely()] {
            assert!(surely.iter().all(|it| it.payload.is_empty()));
            assert_eq!(lines(surely), [""; 0]);
        }
    }

    #[test]
    fn topics_that_were_written_down_are_read_as_they_were_and_no_others_are() {
        let prefix = Prefix::try_from("site/hall-3".to_owned()).unwrap();
        let node = Topics::new(&prefix, &"press".parse().unwrap());
        let camera = node.camera(&"cam0".parse().unwrap());
        assert_eq!(Topics::try_from(String::from(node.clone())), Ok(node));
        assert_eq!(
            CameraTopics::try_from(String::from(camera.clone())),
            Ok(camera)
        );
        for foreign in ["", "press", "/press", "a/+", "#/press", "a/b c", "a//press"] {
            assert!(Topics::try_from(foreign.to_owned()).is_err(), "{foreign}");
        }
        for foreign in ["cam0", "press/cam0", "a/+/cam0", "a/press/#"] {
            assert!(
                CameraTopics::try_from(foreign.to_owned()).is_err(),
                "{foreign}"
            );
        }
    }

    #[test]
    fn the_topics_of_home_assistant_lie_below_its_prefix() {
        let discovery = Prefix::try_from("homeassistant".to_owned()).unwrap();
        let node = "press".parse().unwrap();
        assert_eq!(
            homeassistant_config(&discovery, &node),
            "homeassistant/device/inspectd_press/config"
        );
        assert_eq!(homeassistant_status(&discovery), "homeassistant/status");
    }
}
