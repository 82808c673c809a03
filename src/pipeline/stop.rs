//! Asking the captures to stop, by dropping an end. No flag: who holds a [`Stop`] can wait on it
//! beside any other channel. Dropping the [`Asker`] asks, whatever the reason.

use std::convert::Infallible;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

/// Asks when it is dropped.
#[derive(Debug)]
pub struct Asker(#[expect(dead_code, reason = "its drop is the signal")] Sender<Infallible>);

/// Learns that it was asked.
#[derive(Debug, Clone)]
pub struct Stop(Receiver<Infallible>);

/// Both ends.
pub fn stop() -> (Asker, Stop) {
    let (asker, stop) = bounded(0);
    (Asker(asker), Stop(stop))
}

impl Stop {
    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Waits at most so long; whether it was asked.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.0.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected)
    }

    /// For waiting on it beside other channels: it closes.
    pub(super) fn channel(&self) -> &Receiver<Infallible> {
        &self.0
    }
}
