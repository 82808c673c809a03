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
use super::judge::{Judge, load_student, load_teacher};
use crate::capture::{Calibrated, Fps, Opener};
use crate::config::{Camera, Config, Issues, Name, Retry};
use crate::decide::{DriftReference, Identity, Mute, Tracker};
use crate::infer::{Extractor, StudentRunner, Teacher, TeacherRunner, pretrained_streams};
use crate::pipeline::{self, LeftBehind};
use crate::publish::discovery::{Described, describe, remove};
use crate::publish::{
    Control, Endpoint, HomeAssistantTopics, Info, InfoCamera, Limits, Message, ProfileIdentity,
    Reporter, Retained, Settings, Topics, homeassistant_config, homeassistant_status,
};
use crate::score::budget::{Budget, Promise};
use crate::score::profile::{GoldenFrame, Profile};
use crate::score::threshold::Threshold;

/// Pauses between attempts to open a source: a camera that is plugged in again is judged within ten
/// seconds, and a missing one costs a failed open each few seconds.
const RETRY: Retry = Retry {
    min: Duration::from_millis(500),
    max: Duration::from_secs(5),
};

/// Frames may come this much faster than the Profile's lines were drawn for before that is worth a word.
const PACE_MARGIN: f64 = 1.25;

/// A configuration with all that it names.
pub(super) struct Inspection {
    pub(super) config: Config,
    endpoint: Option<Arc<Endpoint>>,
    teacher: TeacherRunner,
    cameras: Vec<Loaded>,
}

/// A camera as the pipeline takes it.
pub(super) type PipelineCamera = pipeline::Camera<Looked, Inspector>;

/// One camera's part.
struct Loaded {
    profile: Arc<Profile>,
    student: StudentRunner,
    /// Let go once they were scored.
    golden: Vec<GoldenFrame>,
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
            match load_camera(camera, &teacher) {
                Ok(loaded) => {
                    check_view(camera, &loaded.profile, index, &mut issues);
                    warn_of_pace(camera, &loaded.profile);
                    cameras.push(loaded);
                }
                Err(fault) => issues.add(format!("camera[{index}].profile"), format!("{fault:#}")),
            }
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        let mut streams = pretrained_streams(teacher.info()).to_vec();
        streams.extend(cameras.iter().flat_map(|camera| camera.student.streams()));
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
                issues.add(format!("camera[{index}].profile"), fault);
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
        let sets = self.config.cameras.iter().flat_map(|camera| {
            let topics = topics.camera(&camera.name);
            Control::ALL.map(|control| topics.set(control))
        });
        let mut subscriptions: Vec<String> = sets.chain([topics.requests()]).collect();
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

    /// What Home Assistant is told of the node: all of it, or that it is gone.
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
                    profile: Arc::new(identity(&loaded.profile)),
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

    /// What takes the cameras that `next` no longer has off the broker.
    pub(super) fn left_by(&self, next: &Inspection) -> Vec<Message> {
        let topics = self.topics();
        let gone = self.names().into_iter();
        let gone = gone.filter(|camera| !next.goes_on_with(camera, self));
        gone.flat_map(|camera| topics.camera(&camera).clear())
            .collect()
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
    ) -> (Vec<PipelineCamera>, Vec<Inspector>) {
        let (mut on, mut off) = (Vec::new(), Vec::new());
        for (camera, loaded) in self.config.cameras.iter().zip(&self.cameras) {
            let knobs = controls.of(&camera.name);
            let former = carried.trackers.remove(&camera.name);
            let inspector = self.inspector(camera, loaded, boot_id, former, knobs);
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
        let tracker = tracker.watching(drift_reference(&loaded.profile), camera.drift);
        let topics = self.topics().camera(&camera.name);
        let profile = Arc::new(identity(&loaded.profile));
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
        let opener = opener_of(camera, &loaded.profile);
        let mut eye = Eye::new(input, &loaded.profile, camera, opener.is_live())
            .frozen_since(decide.frozen_since());
        let patches = loaded.profile.statistics().fit().patches().clone();
        let extractor = Extractor::new(self.teacher.clone(), loaded.student.clone());
        let mut models = Models::new(extractor.looking_at(patches));
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

/// The camera's source, held to the settings of its Profile's footage.
fn opener_of(camera: &Camera, profile: &Profile) -> Box<dyn Opener> {
    let source = camera.source.clone();
    match &profile.manifest().origin.camera {
        Some(settings) => {
            let opener = source.like(settings).into_opener();
            Box::new(Calibrated::new(opener, settings.clone()))
        }
        None => source.into_opener(),
    }
}

fn load_camera(camera: &Camera, teacher: &Teacher) -> anyhow::Result<Loaded> {
    let mut profile = Profile::load(&camera.profile, teacher.info())?;
    let golden = profile.take_golden();
    let student = load_student(&profile, &camera.profile)?;
    Ok(Loaded {
        profile: Arc::new(profile),
        student,
        golden,
    })
}

/// Refuses a view that the configuration names and the Profile does not have.
fn check_view(camera: &Camera, profile: &Profile, index: usize, issues: &mut Issues) {
    let view = &profile.manifest().origin.view;
    let mut differs = |key: &str| {
        issues.add(
            format!("camera[{index}].{key}"),
            format!(
                "is not what the Profile {} was calibrated with: calibrate again with --{key}, or \
                 leave {key} out here to use the Profile's own",
                camera.profile.display()
            ),
        );
    };
    if camera.crop.is_some_and(|crop| crop != view.crop()) {
        differs("crop");
    }
    if camera.mask.as_ref().is_some_and(|mask| mask != view.mask()) {
        differs("mask");
    }
}

/// Says where the camera is judged otherwise than its Profile's lines were drawn for. The promise is about
/// another number of false alarms then, which is no reason not to watch.
fn warn_of_pace(camera: &Camera, profile: &Profile) {
    let Some(Promise { budget, pace, .. }) = profile.statistics().promise() else {
        return;
    };
    let rules = camera.incident;
    let is_slower = |fps: Fps| fps.get() <= PACE_MARGIN * pace.fps;
    let is_kept =
        (rules.hits, rules.window) == (pace.hits, pace.window) && camera.fps.is_none_or(is_slower);
    if !is_kept && matches!(budget, Budget::Per(..)) {
        tracing::warn!(
            camera = %camera.name,
            "the Profile's lines were drawn for {budget} false alarms at {:.3} frames a second and {} of \
             {} for an incident, and the configuration says otherwise: calibrate again, or expect another \
             number of them",
            pace.fps,
            pace.hits,
            pace.window
        );
    }
}

/// What the live scores are held against.
fn drift_reference(profile: &Profile) -> DriftReference {
    let statistics = profile.statistics();
    let [image, local] = [statistics.deciding(), statistics.local()].map(Threshold::held_out);
    DriftReference::new(profile.id(), statistics.scoring(), image, local)
}

fn identity(profile: &Profile) -> ProfileIdentity {
    let origin = &profile.manifest().origin;
    ProfileIdentity {
        id: profile.id().to_owned(),
        teacher: format!("sha256:{}", origin.teacher.sha256),
        calibrated_at: Some(format!("{:.3}", profile.receipt().calibrated_at)),
        normal_frames: origin.normal_frames as u64,
    }
}
