//! The far end of the pipeline: one thread that takes the messages of all generations.
//!
//! It outlives a reload, so that delivery goes on while the models load anew. It ends when every
//! sender is dropped, and gives back what it has to tell.

use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::generation::spawn;

/// Messages that wait for the outlet: several of each camera, so that a moment of its absence does
/// not hold up inference.
const DEPTH: usize = 256;

/// A thread that takes messages.
#[derive(Debug)]
pub struct Outlet<M, O> {
    sender: Sender<M>,
    thread: JoinHandle<O>,
}

impl<M: Send + 'static, O: Send + 'static> Outlet<M, O> {
    /// Starts `work`; its inbox closes when this value is closed and no generation runs any more.
    ///
    /// # Errors
    ///
    /// The system's answer where the thread could not be started.
    pub fn start(work: impl FnOnce(&Receiver<M>) -> O + Send + 'static) -> io::Result<Self> {
        let (sender, inbox) = bounded(DEPTH);
        let thread = spawn("publish", move || work(&inbox))?;
        Ok(Outlet { sender, thread })
    }

    /// An end for a generation, or for the supervisor.
    pub fn sender(&self) -> Sender<M> {
        self.sender.clone()
    }

    /// Gives the outlet a message. Waits where many wait already.
    pub fn send(&self, message: M) {
        // An outlet that is gone has ended the process by its panic.
        let _ = self.sender.send(message);
    }

    /// Waits until all is taken and the work has ended.
    pub fn close(self) -> O {
        drop(self.sender);
        match self.thread.join() {
            Ok(told) => told,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
