//! The events on their way to the caller, and the place where the thread waits.
//!
//! It waits for a command and for room for the next event at once. So the thread always takes a
//! command, after a bounded time of work, whether the caller takes events or not, and a caller that
//! waits for room for a command is always woken: neither can block the other for ever, whatever the
//! channels hold. What the caller has not taken is bounded by what it asked: an answer for each of
//! its [`IN_DOUBT`](super::IN_DOUBT) appends, a batch for its read, and one status, of which only
//! the newest is kept.

use std::collections::VecDeque;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, at, never, select};

use super::{Event, Status};

/// Events that found no room yet, oldest first.
#[derive(Debug)]
pub(super) struct Outgoing {
    waiting: VecDeque<Event>,
    to: Sender<Event>,
}

/// Why the thread goes on.
pub(super) enum Woken<C> {
    Command(C),
    Time,
    Closed,
}

impl Outgoing {
    pub(super) fn new(to: Sender<Event>) -> Self {
        Outgoing {
            waiting: VecDeque::new(),
            to,
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.waiting.push_back(event);
    }

    /// Takes the place of a status that nobody has taken.
    pub(super) fn status(&mut self, status: Status) {
        self.waiting
            .retain(|event| !matches!(event, Event::Status(_)));
        self.push(Event::Status(status));
    }

    /// Waits for a command until then, and hands events over meanwhile.
    pub(super) fn wait<C>(&mut self, commands: &Receiver<C>, until: Option<Instant>) -> Woken<C> {
        let time = until.map_or_else(never, at);
        let command = |command: Result<C, _>| command.map_or(Woken::Closed, Woken::Command);
        loop {
            let Some(event) = self.waiting.pop_front() else {
                select! {
                    recv(commands) -> received => return command(received),
                    recv(time) -> _ => return Woken::Time,
                }
            };
            let mut event = Some(event);
            let woken = select! {
                // What is to be sent is taken only when there is room for it.
                send(self.to, event.take().expect("it is sent once")) -> sent => {
                    if sent.is_err() {
                        self.waiting.clear();
                    }
                    continue;
                }
                recv(commands) -> received => command(received),
                recv(time) -> _ => Woken::Time,
            };
            if let Some(event) = event {
                self.waiting.push_front(event);
            }
            return woken;
        }
    }
}
