//! The links after the sources, and the inbox that gathers them.
//!
//! [`newest`] is the one place where frames are lost: a frame that nobody took gives way to the next
//! one, and the sender learns it, to count it. What must be heard (that there are no frames, and why) is
//! kept beside it, with the frame before it, and gives way to nothing while there is room: a slow stage hears
//! of each fault, one that is stuck of the first ones and the last.
//! [`waiting`] loses nothing and is for footage, where every frame counts and none is stale. [`FanIn`]
//! takes from many links, each with the same chance.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{self as channel, Select};

/// The end of a link that a source holds.
#[derive(Debug)]
pub struct Sender<T>(SenderKind<T>);

#[derive(Debug)]
enum SenderKind<T> {
    Newest(Slot<T>, channel::Sender<()>),
    Waiting(channel::Sender<T>),
}

/// The end of a link that a stage holds.
#[derive(Debug)]
pub struct Receiver<T>(ReceiverKind<T>);

#[derive(Debug)]
enum ReceiverKind<T> {
    Newest(Slot<T>, channel::Receiver<()>),
    Waiting(channel::Receiver<T>),
}

type Slot<T> = Arc<Mutex<Waiting<T>>>;

/// What nobody has taken yet, in order.
#[derive(Debug)]
struct Waiting<T> {
    /// What is not replaced, and what came before it.
    kept: VecDeque<T>,
    newest: Option<T>,
}

/// So many are kept: one more takes the place of the last, and of the frame behind it. A camera at fault makes an
/// entry or two for each opening, and what it last said is what counts.
const KEPT: usize = 8;

impl<T> Waiting<T> {
    /// Keeps a value behind all that waits; gives back what had no room.
    fn keep(&mut self, value: T) -> Vec<T> {
        self.kept.extend(self.newest.take());
        let room = self.kept.len().min(KEPT - 1);
        let former = self.kept.drain(room..).collect();
        self.kept.push_back(value);
        former
    }
}

/// What became of a value that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent<T> {
    /// It waits for the receiver.
    Queued,
    /// It waits, and took the place of this one, that nobody had taken.
    Replaced(T),
}

/// The other end is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// A link that keeps the newest value.
pub fn newest<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Arc::new(Mutex::new(Waiting {
        kept: VecDeque::with_capacity(KEPT + 1),
        newest: None,
    }));
    let (wake, woken) = channel::bounded(1);
    let sender = Sender(SenderKind::Newest(Arc::clone(&slot), wake));
    (sender, Receiver(ReceiverKind::Newest(slot, woken)))
}

/// A link that makes the sender wait while `depth` values wait.
pub fn waiting<T>(depth: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = channel::bounded(depth);
    (
        Sender(SenderKind::Waiting(sender)),
        Receiver(ReceiverKind::Waiting(receiver)),
    )
}

impl<T> Sender<T> {
    /// Sends a value.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the receiver is gone.
    pub fn send(&self, value: T) -> Result<Sent<T>, Closed> {
        match &self.0 {
            SenderKind::Waiting(sender) => {
                sender.send(value).map(|()| Sent::Queued).or(Err(Closed))
            }
            SenderKind::Newest(slot, wake) => {
                let former = lock(slot).newest.replace(value);
                told(wake).map(|()| former.map_or(Sent::Queued, Sent::Replaced))
            }
        }
    }

    /// Sends a value that takes no frame's place and that no frame takes the place of. Waits for nobody
    /// on a link that keeps the newest value, and gives back what had no room beside it there.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the receiver is gone.
    pub fn send_kept(&self, value: T) -> Result<Vec<T>, Closed> {
        match &self.0 {
            SenderKind::Waiting(_) => self.send(value).map(|_| Vec::new()),
            SenderKind::Newest(slot, wake) => {
                let former = lock(slot).keep(value);
                told(wake).map(|()| former)
            }
        }
    }
}

/// Wakes the receiver.
fn told(wake: &channel::Sender<()>) -> Result<(), Closed> {
    match wake.try_send(()) {
        Err(channel::TrySendError::Disconnected(())) => Err(Closed),
        Ok(()) | Err(channel::TrySendError::Full(())) => Ok(()),
    }
}

fn lock<T>(slot: &Slot<T>) -> std::sync::MutexGuard<'_, Waiting<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gathers links until all are closed.
pub struct FanIn<T> {
    inlets: Vec<Receiver<T>>,
    /// What was taken from an inlet at once.
    ready: VecDeque<T>,
}

impl<T> FanIn<T> {
    /// Gathers these links.
    pub fn new(inlets: Vec<Receiver<T>>) -> Self {
        FanIn {
            inlets,
            ready: VecDeque::new(),
        }
    }

    /// Waits for one inlet and takes what it has; there must be one.
    fn take(&mut self) {
        let mut select = Select::new();
        for inlet in &self.inlets {
            match &inlet.0 {
                ReceiverKind::Newest(_, woken) => select.recv(woken),
                ReceiverKind::Waiting(receiver) => select.recv(receiver),
            };
        }
        let operation = select.select();
        let index = operation.index();
        let is_open = match &self.inlets[index].0 {
            ReceiverKind::Newest(slot, woken) => {
                let is_open = operation.recv(woken).is_ok();
                let mut waiting = lock(slot);
                self.ready.extend(waiting.kept.drain(..));
                self.ready.extend(waiting.newest.take());
                is_open
            }
            ReceiverKind::Waiting(receiver) => {
                let value = operation.recv(receiver).ok();
                let is_open = value.is_some();
                self.ready.extend(value);
                is_open
            }
        };
        if !is_open {
            drop(self.inlets.swap_remove(index));
        }
    }
}

impl<T> Iterator for FanIn<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while self.ready.is_empty() && !self.inlets.is_empty() {
            self.take();
        }
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_newest_value_wins_and_the_loss_is_told() {
        let (sender, receiver) = newest();
        assert_eq!(sender.send(1), Ok(Sent::Queued));
        assert_eq!(sender.send(2), Ok(Sent::Replaced(1)));
        assert_eq!(sender.send(3), Ok(Sent::Replaced(2)));
        drop(sender);
        let values: Vec<i32> = FanIn::new(vec![receiver]).collect();
        assert_eq!(values, [3]);
    }

    #[test]
    fn a_sender_learns_that_the_receiver_is_gone() {
        let (sender, receiver) = newest();
        drop(receiver);
        assert_eq!(sender.send(1), Err(Closed));
        let (sender, receiver) = waiting(1);
        drop(receiver);
        assert_eq!(sender.send(1), Err(Closed));
    }

    #[test]
    fn every_value_is_taken_or_counted_and_the_last_one_is_always_taken() {
        let (sender, receiver) = newest();
        let source = thread::spawn(move || {
            (0..20_000)
                .filter(|n| matches!(sender.send(*n), Ok(Sent::Replaced(_))))
                .count()
        });
        let values: Vec<i32> = FanIn::new(vec![receiver]).collect();
        assert_eq!(values.len() + source.join().unwrap(), 20_000);
        assert_eq!(values.last(), Some(&19_999));
        assert!(values.is_sorted());
    }

    #[test]
    fn what_must_be_heard_replaces_no_frame_and_is_replaced_by_none() {
        let (sender, receiver) = newest();
        for (value, kept) in [
            (1, false),
            (2, true),
            (3, false),
            (4, false),
            (5, true),
            (6, false),
        ] {
            if kept {
                assert_eq!(sender.send_kept(value), Ok(Vec::new()));
                continue;
            }
            // Of two frames in a row the older one goes, as ever.
            let lost = (value == 4).then_some(3);
            let sent = sender.send(value);
            assert_eq!(sent, Ok(lost.map_or(Sent::Queued, Sent::Replaced)));
        }
        drop(sender);
        let values: Vec<i32> = FanIn::new(vec![receiver]).collect();
        assert_eq!(values, [1, 2, 4, 5, 6]);
        let (sender, receiver) = newest();
        drop(receiver);
        assert_eq!(sender.send_kept(1), Err(Closed));
    }

    #[test]
    fn a_receiver_that_is_stuck_hears_the_first_and_the_last_of_what_must_be_heard() {
        for with_frames in [false, true] {
            let (sender, receiver) = newest();
            let mut lost = 0;
            for n in 0..100 {
                if with_frames && n % 2 == 0 {
                    lost += usize::from(sender.send(n) != Ok(Sent::Queued));
                } else {
                    lost += sender.send_kept(n).unwrap().len();
                }
            }
            drop(sender);
            let values: Vec<i32> = FanIn::new(vec![receiver]).collect();
            assert_eq!(values.len() + lost, 100);
            assert!(values.len() <= KEPT && values.is_sorted());
            assert_eq!((values.first(), values.last()), (Some(&0), Some(&99)));
        }
    }

    #[test]
    fn a_waiting_link_loses_nothing() {
        let (sender, receiver) = waiting(2);
        let source = thread::spawn(move || (0..5000).all(|n| sender.send(n) == Ok(Sent::Queued)));
        let values: Vec<i32> = FanIn::new(vec![receiver]).collect();
        assert_eq!(values, (0..5000).collect::<Vec<_>>());
        assert!(source.join().unwrap());
    }

    #[test]
    fn a_busy_camera_does_not_starve_a_slow_one() {
        let (busy, busy_end) = waiting(1000);
        let (slow, slow_end) = waiting(1000);
        for n in 0..1000 {
            busy.send(("busy", n)).unwrap();
        }
        slow.send(("slow", 0)).unwrap();
        let fan_in = FanIn::new(vec![busy_end, slow_end]);
        let position = fan_in.take(200).position(|(name, _)| name == "slow");
        assert!(position.is_some(), "not within 200 of 1001");
    }
}
