//! What a configuration asks for, loaded: one teacher for all cameras, each camera's student,
//! statistics and source. Everything that can fail at start fails here, all faults at once, before
//! any thread starts. Nothing is opened that others could miss: no camera, no connection.

use std::sync::Arc;
use std::time::Duration;

use super::controls::{Controls, Knobs};
use super::darkroom::Darkroom;
use super::eye::{Eye, Looked, Models};
use super::gallery::Gallery;
use super::generation::Carried;
use super::golden;
use super::inspector::Inspector;
use super::judge::{Judge, extractor, load_teacher, streams};
use super::keeper::Hands;
use super::loaded::Loaded;
use crate::config::{Camera, Config, Issues, Name, Retry};
use crate::decide::{Identity, Mute, Tracker};
use crate::infer::{TeacherInfo, TeacherRunner};
use crate::pipeline::{self, LeftBehind};
use crate::publish::discovery::{Described, describe, remove};
use crate::publish::{
    CameraTopics, Endpoint, HomeAssistantTopics, Info, InfoCamera, Limits, Reporter, Retained,
    Settings, Topics, homeassistant_config, homeassistant_status,
};
use crate::score::profile::Profile;

/// Pauses between attempts to open a source: a camera that is plugged in again is judged within ten
/// seconds, and a missing one costs a failed open each few seconds.
const RETRY: Retry = Retry {
    min: Duration::from_millis(500),
    max: Duration::from_secs(5),
};

/// A configuration with all that it names.
pub(super) struct Inspection {
    pub(super) config: Config,
    endpoint: Option<Arc<Endpoint>>,
    teacher: TeacherRunner,
    cameras: Vec<Loaded>,
}

/// A camera as the pipeline takes it.
pub(super) type PipelineCamera = pipeline::Camera<Looked, Inspector>;

/// The key of the configuration that names a camera's Profile.
pub(super) fn key_of_profile(camera: usize) -> String {
    format!("camera[{camera}].profile")
}

impl Inspection {
    /// Loads and checks what `config` names.
    ///
    /// # Errors
    ///
    /// Every fault, under the key that names the thing at fault.
    pub(super) fn load(config: Config) -> Result<Inspection, Issues> {
        let mut issues = Issues::default();
        let endpoint = match config.mqtt.enabled {
            true => Endpoint::new(&config.mqtt, &mut issues).map(Arc::new),
            false => None,
        };
        let teacher = match load_teacher(config.teacher.as_deref()) {
            Ok(teacher) => teacher,
            Err(fault) => {
                issues.add("teacher.path", format!("{fault:#}"));
                return Err(issues);
            }
        };
        let mut cameras = Vec::new();
        for (index, camera) in config.cameras.iter().enumerate() {
            match Loaded::load(camera, &teacher) {
                Ok(loaded) => {
                    loaded.check_view(camera, index, &mut issues);
                    loaded.warn_of_pace(camera);
                    loaded.tell_of_drift(camera);
                    cameras.push(loaded);
                }
                Err(fault) => issues.add(key_of_profile(index), format!("{fault:#}")),
            }
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        let of = |camera: &Loaded| streams(&camera.profile, &camera.student, teacher.info());
        let streams: Vec<usize> = cameras.iter().flat_map(of).collect();
        let teacher = match teacher.runner(&streams) {
            Ok(teacher) => teacher,
            Err(fault) => {
                issues.add("teacher.path", format!("{:#}", anyhow::Error::from(fault)));
                return Err(issues);
            }
        };
        for (index, (camera, loaded)) in config.cameras.iter().zip(&mut cameras).enumerate() {
            let golden = std::mem::take(&mut loaded.golden);
            let (profile, student) = (Arc::clone(&loaded.profile), loaded.student.clone());
            let mut judge = Judge::new(profile, teacher.clone(), student);
            if let Err(fault) = golden::test_camera(camera, &mut judge, &golden) {
                issues.add(key_of_profile(index), fault);
            }
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        Ok(Inspection {
            config,
            endpoint,
            teacher,
            cameras,
        })
    }

    /// The teacher of all cameras.
    pub(super) fn teacher(&self) -> &TeacherInfo {
        self.teacher.info()
    }

    /// Notes why a camera's former Profile was taken back, to be told with the node's info.
    pub(super) fn note_fallback(&mut self, camera: usize, why: String) {
        self.cameras[camera].fallback = Some(why);
    }

    /// The Profiles of the cameras, in the order of the configuration.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.cameras.iter().map(|loaded| &*loaded.profile)
    }

    /// How to publish.
    pub(super) fn settings(&self, boot_id: &Arc<str>) -> Settings {
        let Config {
            node,
            mqtt,
            spool,
            sink,
            home_assistant,
            ..
        } = &self.config;
        let topics = Topics::new(&mqtt.prefix, &node.name);
        let mut subscriptions = topics.subscriptions();
        let home_assistant = home_assistant.discovery.then(|| HomeAssistantTopics {
            status: homeassistant_status(&home_assistant.prefix),
            discovery: homeassistant_config(&home_assistant.prefix, &node.name),
        });
        subscriptions.extend(home_assistant.iter().map(|topics| topics.status.clone()));
        Settings {
            mqtt: mqtt.clone(),
            endpoint: self.endpoint.clone(),
            boot_id: Arc::clone(boot_id),
            limits: Limits {
                alerts: spool.alerts,
                bytes: spool.bytes,
            },
            sink: sink.clone(),
            subscriptions,
            home_assistant,
            topics,
        }
    }

    /// What Home Assistant is told of the node: all of it, or that it is gone, if it ever heard of it.
    pub(super) fn discovery(&self) -> Retained {
        let Config {
            node,
            home_assistant,
            cameras,
            ..
        } = &self.config;
        let prefix = &home_assistant.prefix;
        let described: Vec<Described> = cameras
            .iter()
            .map(|camera| Described {
                name: camera.name.clone(),
                has_snapshot: camera.snapshot.is_some(),
            })
            .collect();
        match home_assistant.discovery {
            true => describe(
                prefix,
                &self.topics(),
                &node.name,
                env!("CARGO_PKG_VERSION"),
                &described,
            ),
            false => remove(prefix, &node.name),
        }
    }

    /// What the node says of itself.
    pub(super) fn info(&self, boot_id: &Arc<str>, started: jiff::Timestamp) -> Info {
        let cameras = self.config.cameras.iter().zip(&self.cameras);
        Info {
            version: env!("CARGO_PKG_VERSION"),
            schemas: ["urn:inspectd:schema:alert:1.0"],
            boot_id: Arc::clone(boot_id),
            started_at: format!("{started:.3}"),
            teacher: format!("sha256:{}", self.teacher.info().sha256),
            cameras: cameras
                .map(|(camera, loaded)| InfoCamera {
                    name: camera.name.to_string(),
                    profile: Arc::new(loaded.identity()),
                    fallback: loaded.fallback.clone(),
                })
                .collect(),
            last_reload_error: None,
        }
    }

    /// The names of the cameras, in the order of the configuration.
    pub(super) fn names(&self) -> Vec<Name> {
        let cameras = self.config.cameras.iter();
        cameras.map(|camera| camera.name.clone()).collect()
    }

    /// Whether there is a broker that keeps what is said.
    pub(super) fn has_broker(&self) -> bool {
        self.endpoint.is_some()
    }

    /// The topics of the cameras.
    pub(super) fn camera_topics(&self) -> Vec<CameraTopics> {
        let (node, names) = (self.topics(), self.names());
        names.iter().map(|camera| node.camera(camera)).collect()
    }

    /// Goes on counting what the sources of `former` have started and what hangs of it.
    pub(super) fn count_on(&mut self, former: &Inspection) {
        for camera in &mut self.config.cameras {
            for other in &former.config.cameras {
                camera.source.count_on(&other.source);
            }
        }
    }

    /// Whether a camera of `former` is one of ours, under the same topics.
    pub(super) fn goes_on_with(&self, camera: &Name, former: &Inspection) -> bool {
        self.topics() == former.topics() && self.names().contains(camera)
    }

    /// The cameras for the pipeline, and the inspectors of those that are turned off. What is used of
    /// `carried` is taken out.
    pub(super) fn cameras(
        &self,
        boot_id: &Arc<str>,
        carried: &mut Carried,
        controls: &Controls,
        keeper: &Hands,
    ) -> (Vec<PipelineCamera>, Vec<Inspector>) {
        let (mut on, mut off) = (Vec::new(), Vec::new());
        for (camera, loaded) in self.config.cameras.iter().zip(&self.cameras) {
            let knobs = controls.of(&camera.name);
            let former = carried.trackers.remove(&camera.name);
            let line = self
                .keeps_frames()
                .then(|| keeper.line(camera.name.clone()));
            let inspector = self.inspector(camera, loaded, boot_id, former, knobs);
            let inspector = inspector.kept_by(line);
            if knobs.enabled {
                let left = carried.left_behind.remove(&camera.name);
                let left = left.unwrap_or_default();
                on.push(self.pipeline_camera(camera, loaded, inspector, left));
            } else {
                off.push(inspector);
            }
        }
        (on, off)
    }

    /// Whether frames of anomalies are kept for feedback.
    fn keeps_frames(&self) -> bool {
        self.config.feedback.bytes > 0
    }

    fn inspector(
        &self,
        camera: &Camera,
        loaded: &Loaded,
        boot_id: &Arc<str>,
        former: Option<Tracker>,
        knobs: Knobs,
    ) -> Inspector {
        let identity_of = Identity {
            node: self.config.node.name.as_str().into(),
            camera: camera.name.as_str().into(),
            boot_id: Arc::clone(boot_id),
        };
        let tracker = match former {
            Some(tracker) => tracker.with_rules(camera.incident),
            None => {
                let mut tracker = Tracker::new(identity_of.clone(), camera.incident);
                tracker.mute(if knobs.muted { Mute::On } else { Mute::Off });
                tracker
            }
        };
        let tracker = tracker.watching(loaded.drift_reference(), camera.drift);
        let topics = self.topics().camera(&camera.name);
        let profile = Arc::new(loaded.identity());
        let reporter = Reporter::new(topics, identity_of, profile);
        let view = &loaded.profile.manifest().origin.view;
        let gallery = camera.snapshot.map(|max_bytes| {
            let darkroom = Darkroom::new(camera.name.clone(), max_bytes);
            Gallery::new(darkroom.looking_at(view.clone()))
        });
        let profile = Arc::clone(&loaded.profile);
        Inspector::new(
            camera.name.clone(),
            profile,
            tracker,
            reporter,
            knobs,
            gallery,
        )
        .repeating(camera.gate > 0.0)
    }

    fn pipeline_camera(
        &self,
        camera: &Camera,
        loaded: &Loaded,
        decide: Inspector,
        left_behind: LeftBehind,
    ) -> PipelineCamera {
        let input = &self.teacher.info().preprocessing;
        let opener = loaded.opener(camera);
        let mut eye = Eye::new(input, &loaded.profile, camera, opener.is_live())
            .keeping_shots(self.keeps_frames())
            .frozen_since(decide.frozen_since());
        let (teacher, student) = (self.teacher.clone(), loaded.student.clone());
        let mut models = Models::new(extractor(&loaded.profile, teacher, student));
        pipeline::Camera {
            name: camera.name.to_string(),
            opener,
            left_behind,
            deadline: camera.deadline,
            first_frame: camera.first_frame(),
            retry: RETRY,
            prepare: Box::new(move |opening, frame| eye.look(opening, frame)),
            infer: Box::new(move |_, looked| models.see(looked)),
            decide,
        }
    }

    /// The topics of the node.
    pub(super) fn topics(&self) -> Topics {
        Topics::new(&self.config.mqtt.prefix, &self.config.node.name)
    }
}
