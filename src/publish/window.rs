//! What was handed to the client with QoS 1 and is not acknowledged yet.
//!
//! The client tells a message's packet id only when it writes it, in the order in which messages
//! were handed over; so ids are paired with messages first in, first out. The window counts from
//! the oldest unacknowledged message to the newest one, acknowledged or not: packet ids are reused
//! in a circle, and so one never comes round while it is taken.

use std::collections::VecDeque;
use std::time::Instant;

/// Messages from the oldest unacknowledged to the newest. Far below the client's 100 packet ids,
/// and enough for a broker 100 ms away: 160 alerts a second.
pub(super) const SPAN: usize = 16;

/// What a packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// The alert at this place of the spool.
    Alert(u64),
    /// The retained message of this topic, or an answer.
    Retained(String),
}

#[derive(Debug)]
struct Slot {
    carried: Carried,
    packet: Option<u16>,
    acknowledged: bool,
}

/// The messages on their way.
#[derive(Debug, Default)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    /// When the oldest one was handed over or, later, the last acknowledgement came.
    waiting_since: Option<Instant>,
}

impl Window {
    /// Whether another message may be handed over; `span` is what the broker grants, at most
    /// [`SPAN`].
    pub(super) fn has_room(&self, span: usize) -> bool {
        self.slots.len() < span.min(SPAN)
    }

    /// Whether everything is acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a retained message is on its way.
    pub(super) fn has_retained(&self) -> bool {
        let is_it =
            |slot: &Slot| !slot.acknowledged && matches!(slot.carried, Carried::Retained(_));
        self.slots.iter().any(is_it)
    }

    /// Whether this is on its way.
    pub(super) fn has(&self, carried: &Carried) -> bool {
        let is_it = |slot: &Slot| !slot.acknowledged && slot.carried == *carried;
        self.slots.iter().any(is_it)
    }

    /// What waits for its acknowledgement for longest.
    pub(super) fn oldest(&self) -> Option<&Carried> {
        self.slots.front().map(|slot| &slot.carried)
    }

    /// Since when no acknowledgement has come although one is due.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// A message was handed to the client.
    pub(super) fn handed_over(&mut self, carried: Carried) {
        self.waiting_since.get_or_insert_with(Instant::now);
        self.slots.push_back(Slot {
            carried,
            packet: None,
            acknowledged: false,
        });
    }

    /// The client wrote the next message under this packet id.
    pub(super) fn written(&mut self, packet: u16) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.packet.is_none()) {
            slot.packet = Some(packet);
        }
    }

    /// The broker acknowledged a packet; what it carried, or `None` where it is unknown.
    pub(super) fn acknowledged(&mut self, packet: u16) -> Option<Carried> {
        let is_it = |slot: &&mut Slot| slot.packet == Some(packet) && !slot.acknowledged;
        let slot = self.slots.iter_mut().find(is_it)?;
        slot.acknowledged = true;
        let carried = slot.carried.clone();
        while self.slots.front().is_some_and(|slot| slot.acknowledged) {
            self.slots.pop_front();
        }
        self.waiting_since = (!self.slots.is_empty()).then(Instant::now);
        Some(carried)
    }

    /// The connection is gone; what was on its way is sent anew from the spool.
    pub(super) fn clear(&mut self) {
        *self = Window::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unknown_or_repeated_acknowledgement_means_nothing() {
        let mut window = Window::default();
        window.handed_over(Carried::Alert(7));
        assert_eq!(window.acknowledged(1), None, "not written yet");
        window.written(1);
        assert_eq!(window.acknowledged(1), Some(Carried::Alert(7)));
        assert_eq!(window.acknowledged(1), None);
        assert!(window.is_empty() && window.waiting_since().is_none());
    }

    proptest! {
        /// A client with 100 packet ids in a circle and a broker that acknowledges in any order.
        #[test]
        fn every_acknowledgement_finds_its_message(steps in proptest::collection::vec(0usize..40, 1..400)) {
            let mut window = Window::default();
            let (mut next, mut packet) = (0u64, 0u16);
            let mut unacknowledged: Vec<(u16, u64)> = Vec::new();
            for step in steps {
                if step < 20 && window.has_room(SPAN) {
                    window.handed_over(Carried::Alert(next));
                    packet = packet % 100 + 1;
                    prop_assert!(unacknowledged.iter().all(|(taken, _)| *taken != packet));
                    window.written(packet);
                    unacknowledged.push((packet, next));
                    next += 1;
                } else if !unacknowledged.is_empty() {
                    let (packet, seq) = unacknowledged.remove(step % unacknowledged.len());
                    prop_assert_eq!(window.acknowledged(packet), Some(Carried::Alert(seq)));
                }
            }
            for (packet, seq) in unacknowledged {
                prop_assert_eq!(window.acknowledged(packet), Some(Carried::Alert(seq)));
            }
            prop_assert!(window.is_empty());
        }
    }
}
