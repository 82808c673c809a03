//! One generation of the pipeline: all threads under one configuration, started and joined in
//! order.
//!
//! A reload ends one generation and starts the next, and carries over what the deciders give back;
//! the outlet goes on. Nothing here decides when to stop: the caller does.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::warn;

use super::capture::Capture;
use super::link::{self, FanIn};
use super::opening::LeftBehind;
use super::stage::{Decide, Failure, Guarded, Step, decide};
use super::{Asker, Camera, Item, Meter, Stop, stop};
use crate::capture::{Frame, Moment};
use crate::preprocess::Rejection;

/// Frames of footage that wait for prepare: one is taken while the next is read.
const FOOTAGE_DEPTH: usize = 2;
/// Items between prepare, infer and decide: one is made while another is used. More would make
/// verdicts older, not more.
const STAGE_DEPTH: usize = 1;
/// Orders that wait for decide; each takes a moment.
const ORDER_DEPTH: usize = 16;

/// A pipeline that runs.
pub struct Running<D: Decide> {
    asker: Option<Asker>,
    captures: Vec<(String, JoinHandle<LeftBehind>)>,
    prepare: JoinHandle<Result<(), Failure>>,
    infer: JoinHandle<Result<(), Failure>>,
    decide: JoinHandle<Vec<D>>,
    to_publish: Sender<D::Message>,
    orders: Sender<(usize, D::Order)>,
    ended: Receiver<Infallible>,
    meter: Arc<Meter>,
}

/// What a pipeline gives back.
#[derive(Debug)]
pub struct Finished<D> {
    /// The deciders, in the order of the cameras.
    pub deciders: Vec<D>,
    /// What hangs in the driver of each camera, in the same order.
    pub left_behind: Vec<LeftBehind>,
    /// Why it ended, where that was a fault.
    pub result: Result<(), Failure>,
}

/// Starts all threads; what is decided goes to `to_publish`.
///
/// # Errors
///
/// The system's answer where a thread could not be started; those that were end by themselves.
pub fn start<P, D>(
    cameras: Vec<Camera<P, D>>,
    clock: fn() -> Moment,
    to_publish: Sender<D::Message>,
) -> io::Result<Running<D>>
where
    P: Send + 'static,
    D: Decide,
{
    let meter = Arc::new(Meter::new(cameras.iter().map(|camera| camera.name.clone())));
    let (asker, stop) = stop();
    let Parts {
        captures,
        inlets,
        prepares,
        infers,
        deciders,
    } = take_apart(cameras, clock, &stop, &meter);
    let (to_infer, prepared) = bounded(STAGE_DEPTH);
    let (to_decide, seen) = bounded(STAGE_DEPTH);
    let (orders, ordered) = bounded(ORDER_DEPTH);
    let (alive, ended) = bounded(0);
    let counting = Arc::clone(&meter);
    let sender = to_publish.clone();
    let decide = spawn("decide", move || {
        let _alive = alive;
        decide(&seen, ordered, deciders, &sender, &counting)
    })?;
    let infer = spawn_infer(prepared, infers, to_decide, Arc::clone(&meter))?;
    let prepare = spawn_prepare(inlets, prepares, to_infer, Arc::clone(&meter))?;
    let captures = captures
        .into_iter()
        .map(|capture| {
            let name = capture.name.clone();
            Ok((name, spawn("capture", move || capture.run())?))
        })
        .collect::<io::Result<_>>()?;
    let asker = Some(asker);
    Ok(Running {
        asker,
        captures,
        prepare,
        infer,
        decide,
        to_publish,
        orders,
        ended,
        meter,
    })
}

/// The cameras by stages.
struct Parts<P, D: Decide> {
    captures: Vec<Capture>,
    inlets: Vec<link::Receiver<Item<Frame>>>,
    prepares: Vec<Step<Frame, P>>,
    infers: Vec<Step<P, D::Seen>>,
    deciders: Vec<D>,
}

/// Gives each stage its part of each camera, and links the sources: live ones by a link that keeps
/// the newest frame, footage by one that waits.
fn take_apart<P, D: Decide>(
    cameras: Vec<Camera<P, D>>,
    clock: fn() -> Moment,
    stop: &Stop,
    meter: &Arc<Meter>,
) -> Parts<P, D> {
    let mut parts = Parts {
        captures: Vec::new(),
        inlets: Vec::new(),
        prepares: Vec::new(),
        infers: Vec::new(),
        deciders: Vec::new(),
    };
    for (index, camera) in cameras.into_iter().enumerate() {
        let is_live = camera.opener.is_live();
        let (to, inlet) = if is_live {
            link::newest()
        } else {
            link::waiting(FOOTAGE_DEPTH)
        };
        parts.inlets.push(inlet);
        parts.prepares.push(camera.prepare);
        parts.infers.push(camera.infer);
        parts.deciders.push(camera.decide);
        parts.captures.push(Capture {
            camera: index,
            name: camera.name,
            opener: camera.opener.into(),
            left_behind: camera.left_behind,
            deadline: camera.deadline,
            first_frame: camera.first_frame,
            retry: camera.retry,
            clock,
            to,
            stop: stop.clone(),
            meter: Arc::clone(meter),
        });
    }
    parts
}

fn spawn_prepare<P: Send + 'static>(
    inlets: Vec<link::Receiver<Item<Frame>>>,
    steps: Vec<Step<Frame, P>>,
    to: Sender<Item<P>>,
    meter: Arc<Meter>,
) -> io::Result<JoinHandle<Result<(), Failure>>> {
    spawn("prepare", move || {
        let stage = Guarded {
            stage: "prepare",
            meter: &meter.prepare,
            rejection: Rejection::Undecodable,
        };
        stage.run(FanIn::new(inlets), steps, &to)
    })
}

fn spawn_infer<P: Send + 'static, F: Send + 'static>(
    inbox: Receiver<Item<P>>,
    steps: Vec<Step<P, F>>,
    to: Sender<Item<F>>,
    meter: Arc<Meter>,
) -> io::Result<JoinHandle<Result<(), Failure>>> {
    spawn("infer", move || {
        let stage = Guarded {
            stage: "infer",
            meter: &meter.infer,
            rejection: Rejection::Inference,
        };
        stage.run(inbox.into_iter(), steps, &to)
    })
}

pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

impl<D: Decide> Running<D> {
    /// Closes when all sources have ended or a stage has failed: time to [`Running::join`].
    pub fn ended(&self) -> &Receiver<Infallible> {
        &self.ended
    }

    /// The counters.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Gives the decider of a camera, by its index, an order beside the frames. `false` where too
    /// many wait already or decide has ended.
    pub fn order(&self, camera: usize, order: D::Order) -> bool {
        self.orders.try_send((camera, order)).is_ok()
    }

    /// Asks the sources to stop, waits for each stage in order, and gives back what they hold.
    /// `last` makes each decider's last messages, while they can still be published.
    pub fn join(mut self, mut last: impl FnMut(&mut D) -> Vec<D::Message>) -> Finished<D> {
        drop(self.asker.take());
        let prepare = joined(self.prepare, "prepare").and_then(|result| result);
        let captures = self.captures.into_iter();
        let left_behind = captures.map(|(camera, capture)| {
            capture.join().unwrap_or_else(|_| {
                warn!(camera, "its supervisor ended by a panic");
                LeftBehind::default()
            })
        });
        let left_behind = left_behind.collect();
        let infer = joined(self.infer, "infer").and_then(|result| result);
        let mut result = prepare.and(infer);
        let deciders = joined(self.decide, "decide");
        let mut deciders = deciders.unwrap_or_else(|fault| {
            result = std::mem::replace(&mut result, Ok(())).and(Err(fault));
            Vec::new()
        });
        let messages = deciders.iter_mut().flat_map(&mut last);
        let lost = messages
            .filter_map(|message| self.to_publish.send(message).err())
            .count();
        if lost > 0 {
            warn!(messages = lost, "nobody publishes the last messages");
        }
        Finished {
            deciders,
            left_behind,
            result,
        }
    }
}

fn joined<T>(thread: JoinHandle<T>, name: &'static str) -> Result<T, Failure> {
    thread.join().map_err(|_| Failure::Thread(name))
}

#[cfg(test)]
#[path = "generation_tests.rs"]
mod tests;
