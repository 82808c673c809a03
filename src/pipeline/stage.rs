//! The stages between capture and publish: loops that take an item, run a step, pass it on.
//!
//! A stage ends when its inbox closes or when nobody takes what it makes. Rejected items pass
//! through untouched, so that the order of a camera's frames never changes.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, never, select};
use tracing::error;

use super::meter::StageMeter;
use super::{Item, Meter, Stamp};
use crate::preprocess::Rejection;
use crate::seam::{PanicBudget, caught};

/// A step of one camera: which opening of its source a frame is of, counted from 1, and the frame.
pub type Step<A, B> = Box<dyn FnMut(u32, A) -> Result<B, Rejection> + Send>;

/// A stage that can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Too many panics in a short time.
    #[error(
        "{stage} panicked more than five times within a minute (last: {reason}); \
         the log has each panic, please report it"
    )]
    Panics {
        /// The stage.
        stage: &'static str,
        /// The text of the last panic.
        reason: String,
    },
    /// A thread ended by a panic outside of the seam.
    #[error("the thread {0} ended by a panic; the log has it, please report it")]
    Thread(&'static str),
}

/// The last step of one camera: what is seen becomes messages.
pub trait Decide: Send + 'static {
    /// What inference found.
    type Seen: Send + 'static;
    /// What is published.
    type Message: Send + 'static;
    /// What it may be told beside the frames.
    type Order: Send + 'static;

    /// Takes the next frame.
    fn decide(
        &mut self,
        stamp: Stamp,
        seen: Result<Self::Seen, Rejection>,
    ) -> Decided<Self::Message>;

    /// Takes an order; what is to be published because of it.
    fn order(&mut self, order: Self::Order) -> Vec<Self::Message>;
}

/// What was decided about a frame.
#[derive(Debug, PartialEq)]
pub struct Decided<M> {
    /// What is to be published.
    pub messages: Vec<M>,
    /// Whether the frame is anomalous by itself, or why it can't be judged.
    pub verdict: Result<bool, Rejection>,
    /// Whether the verdict is that of an earlier frame, which this one hardly differs from.
    pub is_repeated: bool,
}

/// A stage whose step may panic.
pub(super) struct Guarded<'a> {
    pub(super) stage: &'static str,
    pub(super) meter: &'a StageMeter,
    /// What a panic is to the frame.
    pub(super) rejection: fn(String) -> Rejection,
}

impl Guarded<'_> {
    /// Runs the step of each item's camera.
    pub(super) fn run<A, B>(
        &self,
        inbox: impl Iterator<Item = Item<A>>,
        mut steps: Vec<Step<A, B>>,
        to: &Sender<Item<B>>,
    ) -> Result<(), Failure> {
        let mut budget = PanicBudget::default();
        for Item {
            camera,
            opening,
            stamp,
            content,
        } in inbox
        {
            let content = match content {
                Err(rejection) => Err(rejection),
                Ok(content) => {
                    let step = &mut steps[camera];
                    match self.meter.time(|| caught(|| step(opening, content))) {
                        Ok(result) => result,
                        Err(reason) if budget.spend(Instant::now()) => {
                            Err((self.rejection)(reason))
                        }
                        Err(reason) => {
                            return Err(Failure::Panics {
                                stage: self.stage,
                                reason,
                            });
                        }
                    }
                }
            };
            if to
                .send(Item {
                    camera,
                    opening,
                    stamp,
                    content,
                })
                .is_err()
            {
                break;
            }
        }
        Ok(())
    }
}

/// Decides on each item and takes orders between them, and gives back the deciders when the inbox
/// closes. Orders that came before that are taken all the same: somebody was told that they are.
pub(super) fn decide<D: Decide>(
    inbox: &Receiver<Item<D::Seen>>,
    mut orders: Receiver<(usize, D::Order)>,
    mut deciders: Vec<D>,
    to: &Sender<D::Message>,
    meter: &Meter,
) -> Vec<D> {
    loop {
        let messages = select! {
            recv(inbox) -> item => match item {
                Ok(item) => decide_one(item, &mut deciders, meter),
                Err(_) => break,
            },
            recv(orders) -> order => match order {
                Ok(order) => obey(order, &mut deciders, meter),
                Err(_) => {
                    orders = never();
                    Vec::new()
                }
            },
        };
        if !pass_on(messages, to) {
            return deciders;
        }
    }
    for order in orders.try_iter() {
        if !pass_on(obey(order, &mut deciders, meter), to) {
            break;
        }
    }
    deciders
}

fn obey<D: Decide>(
    (camera, order): (usize, D::Order),
    deciders: &mut [D],
    meter: &Meter,
) -> Vec<D::Message> {
    let heartbeat = meter.decide.heartbeat();
    heartbeat.during(|| deciders[camera].order(order))
}

/// Whether somebody still takes them.
fn pass_on<M>(messages: Vec<M>, to: &Sender<M>) -> bool {
    let is_taken = messages.into_iter().all(|message| to.send(message).is_ok());
    if !is_taken {
        error!("nobody publishes any more; what was decided last is lost");
    }
    is_taken
}

fn decide_one<D: Decide>(
    item: Item<D::Seen>,
    deciders: &mut [D],
    meter: &Meter,
) -> Vec<D::Message> {
    let decider = &mut deciders[item.camera];
    let decided = meter
        .decide
        .time(|| decider.decide(item.stamp, item.content));
    let counters = meter.camera(item.camera);
    counters.streak.note(item.opening, &decided.verdict);
    match &decided.verdict {
        Ok(anomalous) => {
            let counter = match decided.is_repeated {
                true => &counters.gated,
                false => &counters.judged,
            };
            counter.fetch_add(1, Relaxed);
            counters.anomalous.fetch_add(u64::from(*anomalous), Relaxed);
        }
        Err(rejection) => counters.reject(rejection),
    }
    decided.messages
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;

    use super::*;

    /// Repeats its orders.
    struct Echo;

    impl Decide for Echo {
        type Seen = ();
        type Message = u32;
        type Order = u32;

        fn decide(&mut self, _: Stamp, seen: Result<(), Rejection>) -> Decided<u32> {
            Decided {
                messages: Vec::new(),
                verdict: seen.map(|()| false),
                is_repeated: false,
            }
        }

        fn order(&mut self, order: u32) -> Vec<u32> {
            vec![order]
        }
    }

    #[test]
    fn orders_that_came_before_the_last_frame_was_taken_are_obeyed() {
        let meter = Meter::new(["a".to_owned()]);
        let (frames, inbox) = unbounded();
        let (sender, orders) = unbounded();
        let (to, published) = unbounded();
        (0..20).for_each(|order| sender.send((0, order)).unwrap());
        drop(frames);
        decide(&inbox, orders, vec![Echo], &to, &meter);
        drop(to);
        assert_eq!(
            published.iter().collect::<Vec<_>>(),
            (0..20).collect::<Vec<_>>()
        );
    }
}
