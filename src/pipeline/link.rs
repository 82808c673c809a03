//! The links after the sources, and the inbox that gathers them.
//!
//! [`newest`] is the one place where frames are lost: a frame that nobody took gives way to the next
//! one, and the sender learns it, to count it. [`waiting`] loses nothing and is for footage, where
//! every frame counts and none is stale. [`FanIn`] takes from many links, each with the same chance.

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

type Slot<T> = Arc<Mutex<Option<T>>>;

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
    let slot = Arc::new(Mutex::new(None));
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
                let former = lock(slot).replace(value);
                match (wake.try_send(()), former) {
                    (Err(channel::TrySendError::Disconnected(())), _) => Err(Closed),
                    (_, Some(former)) => Ok(Sent::Replaced(former)),
                    (_, None) => Ok(Sent::Queued),
                }
            }
        }
    }

    /// Sends a value that takes no other's place: waits until the receiver has taken what it has.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the receiver is gone.
    pub fn send_behind(&self, value: T) -> Result<(), Closed> {
        if let SenderKind::Newest(_, wake) = &self.0 {
            // The second wake-up goes through when the receiver has come back from the first one,
            // and from the value before it.
            for _ in 0..2 {
                wake.send(()).or(Err(Closed))?;
            }
        }
        self.send(value).map(drop)
    }
}

fn lock<T>(slot: &Slot<T>) -> std::sync::MutexGuard<'_, Option<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gathers links until all are closed.
pub struct FanIn<T> {
    inlets: Vec<Receiver<T>>,
}

/// What an inlet answered.
enum Answer<T> {
    Value(T),
    Nothing,
    Closed,
}

impl<T> FanIn<T> {
    /// Gathers these links.
    pub fn new(inlets: Vec<Receiver<T>>) -> Self {
        FanIn { inlets }
    }

    /// Waits for one inlet to answer; there must be one.
    fn answer(&self) -> (usize, Answer<T>) {
        let mut select = Select::new();
        for inlet in &self.inlets {
            match &inlet.0 {
                ReceiverKind::Newest(_, woken) => select.recv(woken),
                ReceiverKind::Waiting(receiver) => select.recv(receiver),
            };
        }
        let operation = select.select();
        let index = operation.index();
        let answer = match &self.inlets[index].0 {
            ReceiverKind::Newest(slot, woken) => match operation.recv(woken) {
                Ok(()) => lock(slot).take().map_or(Answer::Nothing, Answer::Value),
                Err(_) => Answer::Closed,
            },
            ReceiverKind::Waiting(receiver) => operation
                .recv(receiver)
                .map_or(Answer::Closed, Answer::Value),
        };
        (index, answer)
    }
}

impl<T> Iterator for FanIn<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while !self.inlets.is_empty() {
            match self.answer() {
                (_, Answer::Value(value)) => return Some(value),
                (_, Answer::Nothing) => {}
                (index, Answer::Closed) => drop(self.inlets.swap_remove(index)),
            }
        }
        None
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
    fn a_value_that_is_sent_behind_another_replaces_none() {
        for _ in 0..500 {
            let (sender, receiver) = newest();
            let source = thread::spawn(move || {
                sender.send(1).unwrap();
                sender.send_behind(2)
            });
            let values: Vec<i32> = FanIn::new(vec![receiver]).collect();
            assert_eq!(values, [1, 2]);
            assert_eq!(source.join().unwrap(), Ok(()));
        }
        let (sender, receiver) = newest();
        drop(receiver);
        assert_eq!(sender.send_behind(1), Err(Closed));
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
