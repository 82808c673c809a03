//! The cameras of one configuration at work: those that are inspected run in a pipeline, those that
//! are turned off wait with their inspectors, which still answer. Nothing here decides when to end.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, never};

use super::controls::{Controls, Knobs};
use super::inspection::Inspection;
use super::inspector::Inspector;
use super::keeper::Hands;
use super::order::Order;
use crate::capture::Moment;
use crate::config::Name;
use crate::decide::Tracker;
use crate::heartbeat::Heartbeat;
use crate::pipeline::{
    self, CameraCounts, Decide as _, Failure, Finished, LeftBehind, Meter, Running,
};
use crate::publish::Message;

/// When an order that found a camera busy is given again.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// Too many orders wait for a camera.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// A generation of cameras.
pub(super) struct Generation {
    /// None where all cameras are turned off.
    running: Option<Running<Inspector>>,
    /// The cameras in the pipeline, by their index in it.
    awake: Vec<Name>,
    asleep: Vec<Inspector>,
    /// When mutes end by themselves, since boot.
    mute_ends: BTreeMap<Name, Duration>,
    /// What hangs in the drivers of cameras that are not in the pipeline.
    left_behind: HashMap<Name, LeftBehind>,
    none: Receiver<Infallible>,
}

/// What a generation goes on with, of each camera that the former one had.
#[derive(Default)]
pub(super) struct Carried {
    pub(super) trackers: HashMap<Name, Tracker>,
    pub(super) left_behind: HashMap<Name, LeftBehind>,
}

/// What the next generation goes on with, and why this one ended where that was a fault.
pub(super) struct Ended {
    pub(super) carried: Carried,
    pub(super) result: Result<(), Failure>,
}

impl Generation {
    /// Says how every camera stands, and starts those that are turned on.
    pub(super) fn start(
        inspection: &Inspection,
        boot_id: &Arc<str>,
        mut carried: Carried,
        controls: &Controls,
        keeper: &Hands,
        to_publish: &Sender<Message>,
    ) -> io::Result<Generation> {
        let (mut on, mut asleep) = inspection.cameras(boot_id, &mut carried, controls, keeper);
        let now = Moment::now();
        let awake: Vec<Name> = on.iter().map(|on| on.decide.camera.clone()).collect();
        let inspectors = on.iter().map(|on| &on.decide).chain(&asleep);
        let ends = inspectors.filter_map(|it| Some((it.camera.clone(), it.mute_end()?)));
        let mute_ends = ends.collect();
        let inspectors = on.iter_mut().map(|on| &mut on.decide).chain(&mut asleep);
        for camera in inspection.names() {
            let knobs = controls.of(&camera);
            if knobs != Knobs::default() {
                let (enabled, muted) = (knobs.enabled, knobs.muted);
                let threshold = knobs.level.get();
                tracing::info!(%camera, enabled, muted, threshold, "set over MQTT");
            }
        }
        for message in inspectors.flat_map(|inspector| inspector.start(now)) {
            // The outlet lives longer than any generation.
            let _ = to_publish.send(message);
        }
        let running = if on.is_empty() {
            tracing::info!("all cameras are turned off");
            None
        } else {
            Some(pipeline::start(on, Moment::now, to_publish.clone())?)
        };
        Ok(Generation {
            running,
            awake,
            asleep,
            mute_ends,
            left_behind: carried.left_behind,
            none: never(),
        })
    }

    /// Closes when all sources have ended or a stage has failed; never where nothing runs.
    pub(super) fn ended(&self) -> &Receiver<Infallible> {
        self.running.as_ref().map_or(&self.none, Running::ended)
    }

    /// The counters, where something runs.
    pub(super) fn meter(&self) -> Option<&Meter> {
        self.running.as_ref().map(Running::meter)
    }

    /// The heartbeats of its stages.
    pub(super) fn heartbeats(&self) -> impl Iterator<Item = (&'static str, Heartbeat)> {
        self.meter().into_iter().flat_map(Meter::heartbeats)
    }

    /// How many cameras give frames now, and how many are turned on.
    pub(super) fn giving_frames(&self) -> (usize, usize) {
        self.meter().map_or((0, 0), Meter::giving_frames)
    }

    /// Gives a camera an order. What an inspector says to it comes back where the camera is turned
    /// off, and takes the pipeline's way otherwise.
    pub(super) fn order(&mut self, camera: &Name, order: Order) -> Result<Vec<Message>, Busy> {
        let mute = match &order {
            Order::Mute(mute) => Some(*mute),
            _ => None,
        };
        let said = self.hand_over(camera, order)?;
        if let Some(mute) = mute {
            self.mute_ends.remove(camera);
            let end = mute.end().map(|end| (camera.clone(), end));
            self.mute_ends.extend(end);
        }
        Ok(said)
    }

    /// How long until a mute has to be ended; `None` where none ends by itself.
    pub(super) fn mute_ends_in(&self) -> Option<Duration> {
        let end = self.mute_ends.values().min()?;
        Some(end.saturating_sub(Moment::now().since_boot))
    }

    /// Ends the mutes whose time is over, also of cameras that give no frame; what is said because of it.
    pub(super) fn end_mutes(&mut self, now: Moment) -> Vec<Message> {
        let is_over = |(_, end): &(&Name, &Duration)| **end <= now.since_boot;
        let over = self.mute_ends.iter().filter(is_over);
        let over: Vec<Name> = over.map(|(camera, _)| camera.clone()).collect();
        let mut messages = Vec::new();
        for camera in over {
            if let Ok(said) = self.hand_over(&camera, Order::EndMute(now)) {
                self.mute_ends.remove(&camera);
                messages.extend(said);
            } else {
                self.mute_ends.insert(camera, now.since_boot + AGAIN);
            }
        }
        messages
    }

    fn hand_over(&mut self, camera: &Name, order: Order) -> Result<Vec<Message>, Busy> {
        if let Some(inspector) = self.asleep.iter_mut().find(|i| i.camera == *camera) {
            return Ok(inspector.order(order));
        }
        let index = self.awake.iter().position(|name| name == camera);
        let running = self.running.as_ref().zip(index);
        let is_taken = running.is_some_and(|(running, index)| running.order(index, order));
        if is_taken { Ok(Vec::new()) } else { Err(Busy) }
    }

    /// The cameras that gave frames and of which none could be judged, each with a warning.
    pub(super) fn unjudged(&self) -> Vec<String> {
        let counts = self.meter().into_iter().flat_map(Meter::counts);
        let unjudged = counts.filter(|(_, counts)| counts.is_all_rejected());
        unjudged
            .map(|(camera, CameraCounts { rejected, .. })| {
                tracing::warn!(camera, ?rejected, "no frame could be judged");
                camera
            })
            .collect()
    }

    /// Ends it. Incidents of cameras that do not stay are closed.
    pub(super) fn finish(self, stays: impl Fn(&Name) -> bool) -> Ended {
        let finished = match self.running {
            None => Finished {
                deciders: Vec::new(),
                left_behind: Vec::new(),
                result: Ok(()),
            },
            Some(running) => {
                running.meter().log();
                running.join(|inspector| {
                    if stays(&inspector.camera) {
                        Vec::new()
                    } else {
                        inspector.stop(Moment::now())
                    }
                })
            }
        };
        let inspectors = finished.deciders.into_iter().chain(self.asleep);
        let mut left_behind = self.left_behind;
        left_behind.extend(self.awake.into_iter().zip(finished.left_behind));
        left_behind.retain(|_, left| left.count() > 0);
        Ended {
            carried: Carried {
                trackers: inspectors.map(Inspector::into_tracker).collect(),
                left_behind,
            },
            result: finished.result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Mute, Rules, stories};
    use crate::publish::camera::{reporter, told};
    use crate::score::fixture::profile;

    /// A generation whose only camera, `cam0`, is turned off.
    fn asleep() -> Generation {
        let knobs = Knobs {
            enabled: false,
            ..Knobs::default()
        };
        let inspector = Inspector::new(
            "cam0".parse().unwrap(),
            Arc::new(profile(60, 1)),
            stories::tracker(Rules::default()),
            reporter(),
            knobs,
            None,
        );
        Generation {
            running: None,
            awake: Vec::new(),
            asleep: vec![inspector],
            mute_ends: BTreeMap::new(),
            left_behind: HashMap::new(),
            none: never(),
        }
    }

    #[test]
    fn the_mute_of_a_camera_that_is_turned_off_ends_in_time_and_is_told() {
        let (mut generation, camera) = (asleep(), "cam0".parse().unwrap());
        assert_eq!(generation.mute_ends_in(), None);
        let end = stories::moment(10);
        let until = || Order::Mute(Mute::Until(end.since_boot));
        generation.order(&camera, until()).unwrap();
        assert!(generation.mute_ends_in().is_some());
        assert!(generation.end_mutes(stories::moment(9)).is_empty());
        let said = told(&generation.end_mutes(end));
        assert_eq!(said[0], ("cam0/mute/state".to_owned(), "OFF".into()));
        let (topic, state) = &said[1];
        assert_eq!(
            (topic.as_str(), &state["muted"]),
            ("cam0/state", &false.into())
        );
        assert_eq!(generation.mute_ends_in(), None);
        // A mute that is taken back, or that has no end, takes the place of one that has.
        for other in [Mute::Off, Mute::On] {
            generation.order(&camera, until()).unwrap();
            generation.order(&camera, Order::Mute(other)).unwrap();
            assert_eq!(generation.mute_ends_in(), None);
        }
    }
}
