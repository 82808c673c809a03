//! The kept frames on disk, below the state folder: `frames/<camera>/<alert id>.<jpg|png>` waits for a
//! verdict and goes, oldest first, where room is needed; `feedback/<camera>/<fine|bad>/` has one and stays
//! until somebody takes it away. Ids sort by time, so names do.
//!
//! One thread alone writes here. `calibrate --refine` reads what has a verdict, and whoever likes removes
//! it: that is looked at anew each time.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::files;
use super::shelf::{Kept, Shelf};
use crate::capture::archive::free_bytes;
use crate::config::Name;
use crate::preprocess::extension;
use crate::publish::Verdict;

/// Incidents of which it is known why they have no frame: of some days.
const MEMORY: usize = 512;

/// What a verdict came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pinned {
    /// The frame is kept with it.
    Kept,
    /// The frame is there and stays where it was, for this reason.
    Refused(String),
    /// There is no frame, for this reason.
    Gone(String),
}

/// All kept frames.
#[derive(Debug)]
pub(super) struct Store {
    /// `frames` and `feedback` of the state folder.
    frames: PathBuf,
    feedback: PathBuf,
    shelf: Shelf,
    /// Why incidents have no frame, oldest first.
    gone: VecDeque<(String, String)>,
}

impl Store {
    /// Of what is there. What a killed daemon left unfinished is removed.
    pub(super) fn open(state_dir: &Path, quota: u64) -> Store {
        let frames = state_dir.join("frames");
        let mut waiting = Vec::new();
        for (camera, folder) in files::cameras(&frames) {
            files::tidy(&folder);
            waiting.extend(files::frames(&folder, &camera));
        }
        waiting.sort_by(|a, b| a.id.cmp(&b.id));
        Store {
            frames,
            feedback: state_dir.join("feedback"),
            shelf: Shelf::new(quota, waiting),
            gone: VecDeque::new(),
        }
    }

    /// So many bytes may wait, and as many have a verdict; what is above goes at once.
    pub(super) fn allow(&mut self, quota: u64) -> Result<(), String> {
        self.shelf.set_quota(quota);
        self.make_room("", 0)
    }

    /// Keeps the file of an incident's worst frame, in the place of its former one. One that has a verdict
    /// keeps the frame that was judged.
    pub(super) fn keep(&mut self, camera: &Name, id: &str, file: &[u8]) -> Result<(), String> {
        let frame = Kept {
            id: id.to_owned(),
            camera: camera.clone(),
            extension: extension(file),
            bytes: file.len() as u64,
        };
        if self.pinned().iter().any(|(_, pinned)| pinned.id == id) {
            return Ok(());
        }
        self.make_room(id, frame.bytes)?;
        let path = self.waiting(&frame);
        let folder = self.frames.join(camera.as_str());
        files::make(&folder)?;
        files::write(&folder, &format!("{id}.{}", frame.extension), file)?;
        if let Some(former) = self.shelf.put(frame) {
            let former = self.waiting(&former);
            if former != path {
                files::remove(&former)?;
            }
        }
        Ok(())
    }

    /// Remembers why an incident has no frame.
    pub(super) fn note_gone(&mut self, id: &str, why: String) {
        self.gone.retain(|(gone, _)| gone != id);
        if self.gone.len() == MEMORY {
            self.gone.pop_front();
        }
        self.gone.push_back((id.to_owned(), why));
    }

    /// Keeps the frame of an incident with a verdict, from now on or in the place of a contrary one.
    pub(super) fn pin(&mut self, id: &str, verdict: Verdict) -> Pinned {
        let pinned = match self.shelf.find(id).cloned() {
            Some(frame) => match self.pin_waiting(&frame, verdict) {
                // It has moved already, where the disk failed just after.
                Ok(false) => self.turn(id, verdict),
                moved => moved,
            },
            None => self.turn(id, verdict),
        };
        match pinned {
            Ok(true) => Pinned::Kept,
            Ok(false) => Pinned::Gone(self.why_gone(id)),
            Err(why) => Pinned::Refused(why),
        }
    }

    /// `false` where the frame was taken away by somebody.
    fn pin_waiting(&mut self, frame: &Kept, verdict: Verdict) -> Result<bool, String> {
        let pinned: u64 = self.pinned().iter().map(|(_, pinned)| pinned.bytes).sum();
        if pinned + frame.bytes > self.shelf.quota() {
            return Err(format!(
                "no room: the frames with a verdict in {} take {} of {} MB (feedback.megabytes): run \
                 `inspectd calibrate --refine`, then delete some",
                self.feedback.display(),
                pinned >> 20,
                self.shelf.quota() >> 20
            ));
        }
        let folder = self.folder(&frame.camera, verdict);
        let is_moved = files::move_into(&folder, &self.waiting(frame))?;
        self.shelf.take(&frame.id);
        Ok(is_moved)
    }

    /// The frame of an incident that has a verdict already; `false` where there is none.
    fn turn(&self, id: &str, verdict: Verdict) -> Result<bool, String> {
        let found = self.pinned().into_iter().find(|(_, frame)| frame.id == id);
        match found {
            None => Ok(false),
            Some((former, _)) if former == verdict => Ok(true),
            Some((former, frame)) => {
                let from = self.folder(&frame.camera, former).join(name(&frame));
                files::move_into(&self.folder(&frame.camera, verdict), &from)
            }
        }
    }

    /// The frames that have a verdict.
    fn pinned(&self) -> Vec<(Verdict, Kept)> {
        let mut pinned = Vec::new();
        for (camera, _) in files::cameras(&self.feedback) {
            for verdict in [Verdict::Fine, Verdict::Bad] {
                let frames = files::frames(&self.folder(&camera, verdict), &camera);
                pinned.extend(frames.into_iter().map(|frame| (verdict, frame)));
            }
        }
        pinned
    }

    /// Removes the oldest frames until there is room for so many bytes of incident `id`.
    fn make_room(&mut self, id: &str, bytes: u64) -> Result<(), String> {
        if bytes > self.shelf.quota() {
            return Err(format!(
                "it takes {bytes} bytes: feedback.megabytes allows fewer"
            ));
        }
        if bytes > self.free(self.shelf.bytes()) {
            return Err(format!("the disk under {} is full", self.frames.display()));
        }
        while !self.shelf.has_room(id, bytes) || bytes > self.free(0) {
            let Some(oldest) = self.shelf.oldest_beside(id).cloned() else {
                break;
            };
            files::remove(&self.waiting(&oldest))?;
            self.shelf.take(&oldest.id);
            self.note_gone(
                &oldest.id,
                "it was evicted, since newer frames needed its room: feedback.megabytes".to_owned(),
            );
        }
        Ok(())
    }

    /// Bytes that the disk has for frames, were so many of them removed. Where the system gives no answer,
    /// writing will.
    fn free(&self, gained: u64) -> u64 {
        free_bytes(&self.frames, gained).unwrap_or(u64::MAX)
    }

    fn why_gone(&self, id: &str) -> String {
        let known = self.gone.iter().rev().find(|(gone, _)| gone == id);
        match known {
            Some((_, why)) => why.clone(),
            None if self.shelf.quota() == 0 => {
                "no frames are kept: feedback.megabytes is 0".to_owned()
            }
            None => "the id is unknown, or its frame was taken away or evicted before the last \
                     start"
                .to_owned(),
        }
    }

    fn waiting(&self, frame: &Kept) -> PathBuf {
        self.frames.join(frame.camera.as_str()).join(name(frame))
    }

    fn folder(&self, camera: &Name, verdict: Verdict) -> PathBuf {
        let verdict = match verdict {
            Verdict::Fine => "fine",
            Verdict::Bad => "bad",
        };
        self.feedback.join(camera.as_str()).join(verdict)
    }
}

fn name(frame: &Kept) -> String {
    format!("{}.{}", frame.id, frame.extension)
}
