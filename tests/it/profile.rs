//! A Profile for the daemon's tests: the tests' teacher and a student that learnt the synthetic
//! line without defects. Made by the library's own calibration, in seconds.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use inspectd::capture::synthetic::Synthetic;
use inspectd::infer::{Teacher, TeacherFile};
use inspectd::preprocess::View;
use inspectd::score::Scoring;
use inspectd::score::budget::Budget;
use inspectd::score::profile::{FrameSize, Origin, Profile, Receipt, StudentShape};
use inspectd::train::Supervisor;
use inspectd::train::calibrate::{Wishes, calibrate};
use inspectd::train::memory::Memory;
use inspectd::train::unfinished::Unfinished;

use crate::teacher;

/// Writes a Profile for the synthetic line of seed 1 to `dir`, with a memory bank or without.
pub(crate) fn make(dir: &Path, bank: bool) {
    let teacher = Teacher::load(&TeacherFile::open(teacher::named().as_deref()).unwrap()).unwrap();
    let line = Synthetic {
        seed: 1,
        frames: Some(120),
        ..Synthetic::default()
    };
    let wishes = Wishes {
        scoring: Scoring::Default,
        bank,
        epochs: Some(4),
        seed: 1,
        budget: Budget::Share(0.01),
        fps: None,
        hits: (3, 5),
        cache_bytes: 100_000_000,
        most_frames: 120,
        view: View::default(),
        memory: Memory::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let unfinished = Unfinished::open(&folder.path().join("p")).unwrap();
    let supervisor = Supervisor {
        progress: &|_, _, _| {},
        stop: &AtomicBool::new(false),
    };
    let learnt = calibrate(&teacher, &line, &wishes, &unfinished, supervisor).unwrap();
    let origin = Origin {
        teacher: teacher.info().clone(),
        student: StudentShape {
            blocks: learnt.blocks,
            mlp_width: learnt.mlp_width,
        },
        frame: learnt
            .size
            .map(|(width, height)| FrameSize { width, height }),
        view: wishes.view,
        normal_frames: learnt.used,
        epochs: learnt.epochs,
        seed: wishes.seed,
        camera: None,
    };
    let receipt = Receipt {
        calibrated_at: jiff::Timestamp::UNIX_EPOCH,
        refined_at: None,
        seconds: 0.0,
        version: "test".into(),
        host: "test".into(),
        teacher: None,
    };
    Profile::new(
        origin,
        learnt.statistics,
        learnt.scene,
        learnt.student,
        receipt,
    )
    .save(dir)
    .unwrap();
}
