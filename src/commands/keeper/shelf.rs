//! Which frames wait for a verdict, and which of them has to go for a new one: the quota as a plain value.
//!
//! Frames are older or newer by when they came here, not by a clock, which may be wrong on a board; those of
//! former runs are older than all of this one. Nothing here touches a file.

use std::collections::VecDeque;

use crate::config::Name;

/// The kept frame of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// The incident's id.
    pub(super) id: String,
    pub(super) camera: Name,
    /// `jpg` or `png`.
    pub(super) extension: &'static str,
    pub(super) bytes: u64,
}

/// The frames that wait, and how much they may take.
#[derive(Debug)]
pub(super) struct Shelf {
    quota: u64,
    /// Oldest first.
    frames: VecDeque<Kept>,
}

impl Shelf {
    /// With these frames, oldest first, which may be more than the quota allows.
    pub(super) fn new(quota: u64, frames: impl IntoIterator<Item = Kept>) -> Self {
        Shelf {
            quota,
            frames: frames.into_iter().collect(),
        }
    }

    pub(super) fn quota(&self) -> u64 {
        self.quota
    }

    pub(super) fn set_quota(&mut self, quota: u64) {
        self.quota = quota;
    }

    /// Bytes of all frames.
    pub(super) fn bytes(&self) -> u64 {
        self.frames.iter().map(|frame| frame.bytes).sum()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Kept> {
        self.frames.iter().find(|frame| frame.id == id)
    }

    /// The frame that goes first where a frame of incident `id` comes: none of its own, which it replaces.
    pub(super) fn oldest_beside(&self, id: &str) -> Option<&Kept> {
        self.frames.iter().find(|frame| frame.id != id)
    }

    /// Whether the quota has room for so many bytes of incident `id`.
    pub(super) fn has_room(&self, id: &str, bytes: u64) -> bool {
        let others = self.frames.iter().filter(|frame| frame.id != id);
        others.map(|frame| frame.bytes).sum::<u64>() + bytes <= self.quota
    }

    /// Puts a frame behind all others; the former one of its incident, where there was one.
    pub(super) fn put(&mut self, frame: Kept) -> Option<Kept> {
        let former = self.take(&frame.id);
        self.frames.push_back(frame);
        former
    }

    /// Takes the frame of an incident away.
    pub(super) fn take(&mut self, id: &str) -> Option<Kept> {
        let at = self.frames.iter().position(|frame| frame.id == id)?;
        self.frames.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: &str, bytes: u64) -> Kept {
        Kept {
            id: id.to_owned(),
            camera: "cam0".parse().unwrap(),
            extension: "jpg",
            bytes,
        }
    }

    #[test]
    fn a_worse_frame_of_an_incident_takes_the_place_of_the_former_and_is_the_newest() {
        let mut shelf = Shelf::new(100, [frame("a", 40), frame("b", 40)]);
        assert!(shelf.has_room("a", 60) && !shelf.has_room("c", 21));
        assert_eq!(shelf.oldest_beside("a").unwrap().id, "b");
        assert_eq!(shelf.put(frame("a", 60)), Some(frame("a", 40)));
        assert_eq!(shelf.oldest_beside("c").unwrap().id, "b");
        assert_eq!(shelf.bytes(), 100);
        assert_eq!(shelf.take("b"), Some(frame("b", 40)));
        assert_eq!((shelf.find("b"), shelf.bytes()), (None, 60));
    }
}
