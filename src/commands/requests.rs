//! What others ask of the running daemon, done and answered.
//!
//! A [`Desk`] is what requests may touch; [`Desk::handle`] does one and says what follows. Each is
//! answered once; a control is answered by its state, once its camera takes it. What only the supervisor can
//! do it finds in [`Follows`]. Nothing here waits for long: who asks a camera that does not answer in time is
//! told so.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::{info, warn};

use super::controls::Controls;
use super::feedback;
use super::gallery::Latest;
use super::generation::Busy;
use super::order::{Asker, Order};
use super::waiting::Waiting;
use crate::capture::Moment;
use crate::config::Name;
use crate::decide::Mute;
use crate::publish::{
    Control, Feedback, Heard, Hush, Incoming, Message, Position, Ration, Refusal, Reply, Request,
    Setting, Topics,
};

/// How long the cameras have to hand their pictures over; a stage takes orders between two frames.
const PATIENCE: Duration = Duration::from_secs(2);

/// Gives a camera an order.
pub(super) type Orders<'a> = Box<dyn FnMut(&Name, Order) -> Result<Vec<Message>, Busy> + 'a>;

/// What requests may touch.
pub(super) struct Desk<'a> {
    pub(super) topics: &'a Topics,
    pub(super) cameras: &'a [Name],
    pub(super) controls: &'a mut Controls,
    /// What was set and found its camera busy.
    pub(super) waiting: &'a mut Waiting,
    /// The state folder.
    pub(super) folder: &'a Path,
    pub(super) order: Orders<'a>,
    /// Lines about what is asked wrongly.
    pub(super) refusals: &'a mut Ration,
}

/// What follows from requests.
#[derive(Debug, Default)]
pub(super) struct Follows {
    /// To be published.
    pub(super) messages: Vec<Message>,
    /// Whether a camera was turned on or off.
    pub(super) is_switched: bool,
    /// Verdicts that are noted, and whose frames are to be kept.
    pub(super) verdicts: Vec<(Feedback, Reply)>,
    /// Who asked for a reload.
    pub(super) reloads: Vec<Reply>,
    /// Who asked how the node is.
    pub(super) health_checks: Vec<Reply>,
}

impl Desk<'_> {
    /// Does what a message asks for, if anything.
    pub(super) fn hear(&mut self, heard: &Incoming, follows: &mut Follows) {
        let Incoming {
            topic,
            payload,
            retained,
        } = heard;
        match Heard::parse(self.topics, self.cameras, topic, payload, *retained) {
            None => {}
            Some(Ok(Heard::Asked(request, reply))) => self.handle(request, reply, follows),
            Some(Ok(Heard::Set(setting))) => self.turn(setting, Moment::now(), follows),
            Some(Err(Refusal::Asked(answer))) => {
                if let Some(left_out) = self.refusals.take(Instant::now()) {
                    warn!(
                        topic,
                        left_out, "a request can't be understood; it is answered why"
                    );
                }
                follows.messages.push(answer);
            }
            Some(Err(Refusal::Set {
                camera,
                control,
                fault,
            })) => {
                if let Some(left_out) = self.refusals.take(Instant::now()) {
                    warn!(topic, fault, left_out, "a control is not set");
                }
                let told = (self.order)(&camera, Order::Tell(control));
                follows.messages.extend(told.unwrap_or_default());
            }
        }
    }

    /// Sets what waits for a camera that was busy, as far as that takes it now.
    pub(super) fn set_again(&mut self, follows: &mut Follows) {
        for (setting, at) in self.waiting.take() {
            let is_ours = self.cameras.contains(&setting.camera);
            if is_ours && self.set(&setting, at, follows).is_err() {
                self.waiting.put(setting, at);
            }
        }
    }

    fn handle(&mut self, request: Request, reply: Reply, follows: &mut Follows) {
        match request {
            Request::Snapshot { camera } => self.snapshot(camera, &reply, follows),
            Request::Mute { camera, hush } => {
                let (to, now) = (Position::Mute(hush), Moment::now());
                let meant = self.meant(camera).into_iter();
                let busy: Vec<Setting> = meant
                    .map(|camera| Setting { camera, to })
                    .filter(|setting| self.set(setting, now, follows).is_err())
                    .collect();
                follows.messages.push(match busy.first() {
                    None => reply.ok(Value::Null),
                    Some(Setting { camera, .. }) => reply.error(&format!("{camera}: {BUSY}")),
                });
            }
            Request::Feedback(feedback) => {
                match feedback::keep(self.folder, &feedback, Timestamp::now()) {
                    Ok(()) => follows.verdicts.push((feedback, reply)),
                    Err(fault) => {
                        warn!(fault, "a verdict on an alert is not kept");
                        follows.messages.push(reply.error(&fault));
                    }
                }
            }
            Request::Reload => follows.reloads.push(reply),
            Request::HealthCheck => follows.health_checks.push(reply),
        }
    }

    /// The camera, or all.
    fn meant(&self, camera: Option<Name>) -> Vec<Name> {
        camera.map_or_else(|| self.cameras.to_vec(), |camera| vec![camera])
    }

    /// Sets a control, or has it wait: nobody hears that a camera is busy, so nobody sets it again.
    fn turn(&mut self, setting: Setting, at: Moment, follows: &mut Follows) {
        if self.set(&setting, at, follows).is_ok() {
            return;
        }
        if let Some(left_out) = self.refusals.take(Instant::now()) {
            let Setting { camera, to } = &setting;
            warn!(%camera, ?to, left_out, "the camera is busy: a control is set as soon as it takes it");
        }
        self.waiting.put(setting, at);
    }

    /// Sets a control as was asked for at this time: first of the camera, then for the next start.
    fn set(&mut self, setting: &Setting, at: Moment, follows: &mut Follows) -> Result<(), Busy> {
        let Setting { camera, to } = setting;
        let told = match *to {
            Position::Enabled(enabled) if self.controls.of(camera).enabled == enabled => {
                (self.order)(camera, Order::Tell(Control::Enabled))?
            }
            Position::Enabled(enabled) => {
                info!(%camera, enabled, "a camera is turned on or off");
                self.controls.turn(camera, |knobs| knobs.enabled = enabled);
                follows.is_switched = true;
                Vec::new()
            }
            Position::Threshold(level) => {
                let told = (self.order)(camera, Order::Threshold(level))?;
                self.controls.turn(camera, |knobs| knobs.level = level);
                told
            }
            Position::Mute(hush) => {
                let told = (self.order)(camera, Order::Mute(mute(hush, at)))?;
                let is_for_good = hush == Hush::On;
                self.controls
                    .turn(camera, |knobs| knobs.muted = is_for_good);
                told
            }
        };
        self.waiting.forget(camera, to.control());
        follows.messages.extend(told);
        Ok(())
    }

    /// Publishes the latest pictures. The answer says of each camera what came of it, and is an
    /// error where no picture came of any.
    fn snapshot(&mut self, camera: Option<Name>, reply: &Reply, follows: &mut Follows) {
        let deadline = Instant::now() + PATIENCE;
        let waits = Arc::new(());
        let asked: Vec<(Name, Receiver<_>)> = self
            .meant(camera)
            .into_iter()
            .map(|camera| {
                let (to, answer) = bounded(1);
                let waits = Arc::downgrade(&waits);
                // An order that is not taken drops its end, which is an answer as well.
                let _ = (self.order)(&camera, Order::Snapshot(Asker { to, waits }));
                (camera, answer)
            })
            .collect();
        let (mut data, mut faults) = (Map::new(), Vec::new());
        for (camera, answer) in asked {
            match answer.recv_deadline(deadline) {
                Ok(Ok(Latest {
                    messages,
                    data: said,
                })) => {
                    follows.messages.extend(messages);
                    data.insert(camera.to_string(), said);
                }
                Ok(Err(fault)) => faults.push(format!("{camera}: {fault}")),
                Err(_) => faults.push(format!("{camera}: {BUSY}")),
            }
        }
        drop(waits);
        let faults = faults.join("; ");
        follows.messages.push(if data.is_empty() {
            reply.error(&faults)
        } else {
            let missing = (!faults.is_empty()).then_some(faults);
            reply.ok(json!({ "cameras": data, "missing": missing }))
        });
    }
}

const BUSY: &str = "the camera does not answer in time; try again";

/// The end of a mute that was asked for at this time, by the clock of the frames.
fn mute(hush: Hush, at: Moment) -> Mute {
    match hush {
        Hush::Off => Mute::Off,
        Hush::On => Mute::On,
        Hush::For(time) => Mute::Until(at.since_boot.saturating_add(time)),
    }
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
