//! The cameras of one configuration at work: those that are inspected run in a pipeline, those that
//! are turned off wait with their inspectors, which still answer. Nothing here decides when to end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, never};

use super::controls::{Controls, Knobs};
use super::inspection::Inspection;
use super::inspector::{Inspector, Order};
use super::keeper::Hands;
use crate::capture::Moment;
use crate::config::Name;
use crate::decide::Tracker;
use crate::heartbeat::Heartbeat;
use crate::pipeline::{self, Decide as _, Failure, Finished, LeftBehind, Meter, Running};
use crate::publish::Message;

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
        if let Some(inspector) = self.asleep.iter_mut().find(|i| i.camera == *camera) {
            return Ok(inspector.order(order));
        }
        let index = self.awake.iter().position(|name| name == camera);
        let running = self.running.as_ref().zip(index);
        let is_taken = running.is_some_and(|(running, index)| running.order(index, order));
        if is_taken { Ok(Vec::new()) } else { Err(Busy) }
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
