//! The buffers of a stream: filled by the driver, copied once, given back at once.
//!
//! It assumes a node whose format is set. Of several filled buffers the newest counts, since the
//! others show the past; they go back unread. After any error the stream is of no more use: drop
//! the queue, which ends the stream, unmaps and closes, and says so at debug where one of that fails.

use std::io;
use std::time::{Duration, Instant};

use super::sys::{Filled, Mapping, Node, Woken};

/// One that is being filled, one that waits to be filled next, one that is filled, one being copied.
const BUFFERS: u32 = 4;

/// A running stream.
pub(super) struct Queue {
    // Unmapped before the node is closed: fields are dropped in this order.
    mappings: Vec<Mapping>,
    node: Node,
}

impl Queue {
    /// Starts the stream of a node.
    ///
    /// # Errors
    /// What was tried, and the system's answer.
    pub(super) fn start(node: Node) -> Result<Queue, (&'static str, io::Error)> {
        let asked = node.request_buffers(BUFFERS);
        let count = asked.map_err(|reason| ("get buffers from", reason))?;
        let mut queue = Queue {
            mappings: Vec::new(),
            node,
        };
        for index in 0..count {
            let mapping = queue.node.map(index);
            queue
                .mappings
                .push(mapping.map_err(|reason| ("map a buffer of", reason))?);
        }
        for index in 0..queue.mappings.len() {
            let queued = queue.node.queue(index);
            queued.map_err(|reason| ("give a buffer to", reason))?;
        }
        let started = queue.node.stream_on();
        started.map_err(|reason| ("start the stream of", reason))?;
        Ok(queue)
    }

    /// The node, for its controls.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// The newest filled buffer, waited for until `deadline`; those passed over went back.
    ///
    /// # Errors
    /// Those of the driver. A buffer may be lost to us then.
    pub(super) fn take(&self, deadline: Instant) -> io::Result<Option<Filled>> {
        let timeout = deadline.saturating_duration_since(Instant::now());
        match self.node.wait(timeout)? {
            Woken::Idle => return Ok(None),
            Woken::Filled => {}
            Woken::Fault => {
                // The device says by this request what is wrong.
                self.node.dequeue()?;
                return Err(io::Error::other("the device reports an error"));
            }
        }
        let mut newest: Option<Filled> = None;
        for _ in 0..self.mappings.len() {
            let filled = match self.node.dequeue() {
                // Another might have been promised than the driver has.
                Err(none) if none.kind() == io::ErrorKind::WouldBlock => break,
                answer => answer?,
            };
            if filled.index >= self.mappings.len() {
                return Err(io::Error::other(
                    "the driver gave a buffer that we do not have",
                ));
            }
            if let Some(older) = newest.replace(filled) {
                self.give_back(older)?;
            }
        }
        Ok(newest)
    }

    /// The bytes that the driver wrote, and the buffer goes back.
    ///
    /// # Errors
    /// Those of the driver.
    pub(super) fn copy(&self, filled: Filled) -> io::Result<Vec<u8>> {
        let bytes = self.mappings[filled.index].copy(filled.used);
        self.give_back(filled)?;
        Ok(bytes)
    }

    /// The buffer goes back unread.
    ///
    /// # Errors
    /// Those of the driver.
    pub(super) fn give_back(&self, filled: Filled) -> io::Result<()> {
        self.node.queue(filled.index)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if let Err(reason) = self.node.stream_off() {
            tracing::debug!(%reason, "the stream can't be ended");
        }
    }
}

/// Frames counted by the driver's own count, which starts where it likes and starts over at its end.
#[derive(Debug, Default)]
pub(super) struct Count {
    last: Option<u32>,
    next: u64,
}

impl Count {
    /// The number of a frame that is handed over. A gap before it is what the driver, or the queue,
    /// lost.
    pub(super) fn taken(&mut self, sequence: u32) -> u64 {
        let number = self.next + self.lost(sequence);
        self.next = number + 1;
        number
    }

    /// A frame that was passed over on purpose: it leaves no gap.
    pub(super) fn passed(&mut self, sequence: u32) {
        self.next += self.lost(sequence);
    }

    /// Frames missing between the last one and this.
    fn lost(&mut self, sequence: u32) -> u64 {
        let step = self
            .last
            .replace(sequence)
            .map_or(1, |last| sequence.wrapping_sub(last));
        // A driver that does not count always says 0; one that starts over goes back.
        if step == 0 || step > u32::MAX / 2 {
            return 0;
        }
        u64::from(step - 1)
    }
}

/// How long ago a frame was taken.
///
/// `taken`, `started` (the stream) and `now` are readings of `CLOCK_MONOTONIC`. A time in the future
/// or before the stream is no time of a frame: it counts as now.
pub(super) fn age(taken: Option<Duration>, started: Duration, now: Duration) -> Duration {
    taken
        .filter(|taken| *taken >= started)
        .and_then(|taken| now.checked_sub(taken))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_from_0_and_a_gap_is_what_was_lost() {
        let mut count = Count::default();
        let numbers = [7, 8, 11, 12].map(|sequence| count.taken(sequence));
        assert_eq!(numbers, [0, 1, 4, 5]);
    }

    #[test]
    fn frames_passed_over_on_purpose_leave_no_gap_but_losses_among_them_do() {
        let mut count = Count::default();
        assert_eq!(count.taken(0), 0);
        count.passed(1);
        count.passed(2);
        assert_eq!(count.taken(3), 1);
        count.passed(6);
        assert_eq!(count.taken(7), 4);
    }

    #[test]
    fn the_drivers_count_may_start_over_stand_still_or_go_back() {
        let mut count = Count::default();
        let sequences = [u32::MAX - 1, u32::MAX, 1, 1, 1, 0, 1];
        let numbers = sequences.map(|sequence| count.taken(sequence));
        assert_eq!(numbers, [0, 1, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_frame_is_never_from_the_future_nor_older_than_its_stream() {
        let s = Duration::from_secs;
        for (taken, expected) in [
            (Some(s(95)), s(5)),
            (Some(s(101)), s(0)),
            (Some(s(0)), s(0)),
            (None, s(0)),
        ] {
            assert_eq!(age(taken, s(90), s(100)), expected, "{taken:?}");
        }
    }
}
