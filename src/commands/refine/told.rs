//! What people told of frames, as the Profile to be refined sees them: by the steps of every other
//! frame, those that it would not judge left out and told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::exit::DataError;
use super::super::judge::{Judge, frame_of_file};
use super::super::recall::Bad;
use crate::capture::images::read_bounded;
use crate::preprocess::{SceneFault, SceneFaultKind};
use crate::score::profile::{MOST_RECALL, RECALL_BYTES, RecallFrame, sha256};
use crate::score::refit::{FineFrame, Material};
use crate::score::tokens::Scratch;
use crate::train::CalibrationError;

/// What was told.
#[derive(Default)]
pub(super) struct Told {
    /// What is new, in the order given, ...
    pub(super) fine: Vec<FineFrame>,
    /// The files of these.
    pub(super) fine_names: Vec<String>,
    /// ... of which the Profile as it is calls so many anomalous.
    pub(super) above: usize,
    pub(super) bad: Vec<Bad>,
    /// All that was given, by the hashes of its files, and whether it is new.
    verdicts: BTreeMap<String, (Verdict, bool)>,
    /// Bad frames, and their bytes, that the Profile can still take.
    room: (usize, usize),
    /// Frames that were told in the same way before.
    pub(super) known: usize,
    /// Frames that can't be used.
    pub(super) left_out: usize,
}

/// What somebody says of a frame.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Fine,
    Bad,
}

impl Told {
    /// Reads and judges the files of fine and of bad frames; the Profile has `recall` already. Once `stop`
    /// is raised it ends.
    ///
    /// # Errors
    /// [`DataError`] where one frame is told to be both, [`CalibrationError::Stopped`].
    pub(super) fn hear(
        judge: &mut Judge,
        (material, recall): (&Material, &[RecallFrame]),
        (fine, bad): (&[PathBuf], &[PathBuf]),
        stop: &AtomicBool,
    ) -> anyhow::Result<Told> {
        let held: usize = recall.iter().map(|frame| frame.bytes().len()).sum();
        let mut told = Told {
            room: (
                MOST_RECALL.saturating_sub(recall.len()),
                RECALL_BYTES.saturating_sub(held),
            ),
            ..Told::default()
        };
        let fine = fine.iter().map(|path| (Verdict::Fine, path));
        let bad = bad.iter().map(|path| (Verdict::Bad, path));
        for (verdict, path) in fine.chain(bad) {
            if stop.load(Ordering::Relaxed) {
                return Err(CalibrationError::Stopped.into());
            }
            let name = path.display().to_string();
            let file = match read_bounded(path) {
                Ok(file) => file,
                Err(fault) => {
                    told.leave_out(&name, &format!("it can't be read: {fault}"));
                    continue;
                }
            };
            let hash = sha256(&file);
            if let Some((other, _)) = told.verdicts.get(&hash) {
                let both = format!("{name} is told to be fine and to be bad: give it once");
                anyhow::ensure!(*other == verdict, DataError(both));
                continue;
            }
            let is_known = match verdict {
                Verdict::Fine => material.knows(&hash),
                Verdict::Bad => {
                    let manifest = judge.profile().manifest();
                    manifest.recall_hashes().any(|own| *own == hash)
                }
            };
            if is_known {
                told.verdicts.insert(hash, (verdict, false));
                told.known += 1;
            } else {
                told.take(judge, verdict, name, (file, hash));
            }
        }
        Ok(told)
    }

    /// Takes a file that is new.
    fn take(
        &mut self,
        judge: &mut Judge,
        verdict: Verdict,
        name: String,
        (file, sha256): (Vec<u8>, String),
    ) {
        let judged = match judge.judge(&frame_of_file(&file)) {
            Ok(judged) => judged,
            Err(rejection) => return self.leave_out(&name, &rejection.to_string()),
        };
        if let Some(fault) = judged.fault {
            return self.leave_out(&name, &of_scene(&fault));
        }
        if verdict == Verdict::Bad && !self.has_room_for(&file) {
            let bounds = format!(
                "a Profile holds {MOST_RECALL} bad frames of {} MiB together",
                RECALL_BYTES >> 20
            );
            return self.leave_out(&name, &bounds);
        }
        self.verdicts.insert(sha256.clone(), (verdict, true));
        match verdict {
            Verdict::Fine => {
                let fit = judge.profile().statistics().fit();
                let frame =
                    fit.normal_frame(&judged.features, judged.light, &mut Scratch::default());
                self.above += usize::from(judged.score.is_anomalous());
                self.fine.push(FineFrame { sha256, frame });
                self.fine_names.push(name);
            }
            Verdict::Bad => self.bad.push(Bad {
                name,
                file,
                before: Some(judged.score.value),
                is_accepted: false,
            }),
        }
    }

    /// Whether one more bad frame can be kept, which then takes its room.
    fn has_room_for(&mut self, file: &[u8]) -> bool {
        let (frames, bytes) = &mut self.room;
        let has = *frames > 0 && *bytes >= file.len();
        if has {
            (*frames, *bytes) = (*frames - 1, *bytes - file.len());
        }
        has
    }

    fn leave_out(&mut self, name: &str, reason: &str) {
        tracing::warn!("{name} is left out: {reason}");
        self.left_out += 1;
    }

    /// Whether there is nothing new.
    pub(super) fn is_nothing(&self) -> bool {
        self.verdicts.values().all(|(_, is_new)| !is_new)
    }

    /// Whether a file with this hash is among what is new.
    pub(super) fn has(&self, sha256: &str) -> bool {
        self.verdicts.get(sha256).is_some_and(|(_, is_new)| *is_new)
    }
}

/// Why a frame whose scene is at fault teaches nothing.
fn of_scene(fault: &SceneFault) -> String {
    match fault.kind {
        SceneFaultKind::Changed => format!(
            "its light is another ({fault}): refining can't teach a light; film in it too, and calibrate \
             again on all lights"
        ),
        kind => format!(
            "the scene as a whole is at fault ({}: {fault})",
            kind.word()
        ),
    }
}
