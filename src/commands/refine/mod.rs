//! `inspectd calibrate --refine`: frames that people called fine widen what is normal, those that they
//! called bad must still be found. Student and teacher stay as they are, so it takes seconds.

mod outcome;
mod raised;
mod told;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;

use self::outcome::Outcome;
use self::raised::Raised;
use self::told::Told;
use super::exit::DataError;
use super::film::named;
use super::going_on::alone;
use super::golden::{self, with_golden};
use super::judge::{Judge, teacher_of};
use super::recall::{Bad, with_recall, within_bounds};
use super::signals;
use crate::capture::{CaptureError, images};
use crate::cli::CalibrateArgs;
use crate::infer::Teacher;
use crate::preprocess::SceneRules;
use crate::score::lines::Terms;
use crate::score::profile::{GoldenFrame, Profile, RecallFrame, Refined, check_target, sha256};
use crate::score::refit::{Material, Refit};
use crate::shell::word;

/// Which Profile is refined, and by what.
struct Order {
    dir: PathBuf,
    teacher: Option<PathBuf>,
    /// Files by name, of each folder.
    fine: Vec<PathBuf>,
    bad: Vec<PathBuf>,
    accepts_missed: bool,
    /// Whether lines may be drawn so far out that next to nothing is found.
    accepts_rise: bool,
    /// How the camera's scene is watched.
    scene: SceneRules,
}

/// A Profile that can be refined, and what belongs to it.
struct Refinable {
    profile: Profile,
    material: Material,
    golden: Vec<GoldenFrame>,
    recall: Vec<RecallFrame>,
    terms: Terms,
}

/// Refines, saves the Profile in one step, and says what has changed.
pub(super) fn refine(args: &CalibrateArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let stop = signals::stop_flag().context("can't listen for signals")?;
    let order = order(args)?;
    // The Profile first: where there is none, nothing is to be written either.
    let teacher = teacher_of(&order.dir, order.teacher.as_deref())?;
    let place = check_target(&order.dir)?;
    let mut outcome = alone(&place, || {
        let refinable = Refinable::load(&order.dir, &teacher)?;
        carry_out(refinable, &order, &teacher, &stop)
    })?;
    outcome.seconds = started.elapsed().as_secs_f64();
    let said = match args.json {
        true => outcome.print_json(),
        false => outcome.print(),
    };
    anyhow::ensure!(
        !outcome.is_in_vain(),
        DataError(format!(
            "all {} frames that were told are left out, so there is nothing to refine by",
            outcome.left_out()
        ))
    );
    said
}

/// What the command line asks for: the camera's Profile and what was told of its alerts, or both by path.
fn order(args: &CalibrateArgs) -> anyhow::Result<Order> {
    let told = &args.refine;
    let mut order = Order {
        dir: args.out.clone().unwrap_or_default(),
        teacher: args.teacher.clone(),
        fine: files(&told.fine)?,
        bad: files(&told.bad)?,
        accepts_missed: told.accept_missed,
        accepts_rise: told.accept_rise,
        scene: SceneRules::default(),
    };
    let Some(name) = &args.camera else {
        return Ok(order);
    };
    let config = crate::config::load(&args.config)?;
    let camera = named(&config, name)?;
    if args.out.is_none() {
        order.dir.clone_from(&camera.profile);
    }
    order.teacher = order.teacher.or_else(|| config.teacher.clone());
    order.scene = camera.scene;
    let folder = config.node.state_dir.join("feedback").join(name);
    (order.fine, order.bad) = (
        told_so(&folder.join("fine"))?,
        told_so(&folder.join("bad"))?,
    );
    anyhow::ensure!(
        !(order.fine.is_empty() && order.bad.is_empty()),
        DataError(format!(
            "nobody has told of an alert of {name} yet: there is no picture in fine/ or bad/ of {}; tell by \
             request/feedback, or give pictures with --out PROFILE --fine PATH --bad PATH",
            folder.display()
        ))
    );
    Ok(order)
}

/// The frames of one verdict on alerts; none where nobody gave it.
fn told_so(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    match images::list(folder) {
        Err(CaptureError::Broken(_)) => Ok(Vec::new()),
        Err(CaptureError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        files => Ok(files?),
    }
}

/// The image files of all paths.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let of_path = images::list(path);
        files.extend(of_path.with_context(|| format!("can't refine with {}", path.display()))?);
    }
    Ok(files)
}

/// Makes and saves the new Profile, where anything is new.
fn carry_out(
    refinable: Refinable,
    order: &Order,
    teacher: &Teacher,
    stop: &AtomicBool,
) -> anyhow::Result<Outcome> {
    let mut judge = Judge::load(refinable.profile.clone().into(), teacher, &order.dir)?;
    golden::test(&mut judge, &refinable.golden, &order.dir)?;
    let mut judge = judge.watching(&order.scene);
    let files = (order.fine.as_slice(), order.bad.as_slice());
    let known = (&refinable.material, refinable.recall.as_slice());
    let told = Told::hear(&mut judge, known, files, stop)?;
    drop(judge);
    let mut outcome = Outcome::before(&refinable.profile, &told, &order.dir);
    if !told.is_nothing() {
        let former = refinable.profile.manifest().clone();
        let profile = refinable.refined(told, order, teacher, &mut outcome)?;
        // Whoever copies one there, or rolls back, asks for no lock.
        anyhow::ensure!(
            Profile::read_manifest(&order.dir)? == former,
            DataError(format!(
                "the Profile {} was replaced while it was refined, so nothing was written: refine once more",
                order.dir.display()
            ))
        );
        profile.save(&order.dir)?;
        outcome.after = Some(profile);
    }
    Ok(outcome)
}

impl Refinable {
    fn load(dir: &Path, teacher: &Teacher) -> anyhow::Result<Refinable> {
        let mut profile = Profile::load_whole(dir, teacher.info())?;
        let promise = profile.statistics().promise().copied();
        let Some((material, promise)) = profile.take_material().zip(promise) else {
            let fault = format!(
                "the Profile {} was made by an earlier version and holds nothing to refine it by: calibrate \
                 once more with `inspectd calibrate --footage PATH --out {}`",
                dir.display(),
                word(dir)
            );
            return Err(DataError(fault).into());
        };
        Ok(Refinable {
            terms: Terms {
                budget: promise.budget,
                pace: promise.pace,
                interval: material.interval,
                alone: 0,
            },
            golden: profile.take_golden(),
            recall: profile.take_recall(),
            material,
            profile,
        })
    }

    /// The Profile that it becomes by what was told, which `outcome` notes.
    fn refined(
        mut self,
        told: Told,
        order: &Order,
        teacher: &Teacher,
        outcome: &mut Outcome,
    ) -> anyhow::Result<Profile> {
        let dir = &order.dir;
        let by = Refined {
            fine: told.fine.len(),
            bad: told.bad.len(),
        };
        // What is told of a frame last is what counts.
        let recall = self
            .recall
            .iter()
            .filter(|frame| !told.has(&sha256(frame.bytes())));
        let bad: Vec<Bad> = recall.map(|frame| Bad::kept(frame, dir)).collect();
        let had_fine = self.material.fine.len();
        self.material.fine.retain(|fine| !told.has(&fine.sha256));
        let is_other = by.fine > 0 || self.material.fine.len() < had_fine;
        self.material.fine.extend(told.fine);
        let bad = within_bounds(bad.into_iter().chain(told.bad).collect());
        outcome.found_before = bad.iter().filter(|bad| bad.was_found()).count();

        let mut statistics = self.profile.statistics().clone();
        if is_other {
            let refit = statistics.refit(&self.material, &self.terms);
            let Refit {
                statistics: new,
                fine,
                rise,
            } = refit.context("the frames can't be described by statistics")?;
            let raised = Raised::new(rise, &self.material.fine, &told.fine_names);
            raised.check(order.accepts_rise)?;
            outcome.raised = Some(raised);
            let fine = fine.into_iter().rev().take(by.fine);
            outcome.above_after = fine
                .filter(|frame| new.judge(frame.clone()).is_anomalous())
                .count();
            statistics = new;
        }
        let profile = self.profile.refined(statistics, by, jiff::Timestamp::now());
        let profile = profile.with_material(self.material);
        let golden = self.golden.iter().map(|frame| frame.bytes().to_vec());
        let profile = with_golden(profile, golden.collect(), teacher, dir)?;
        let scene = &order.scene;
        with_recall(profile, bad, teacher, dir, scene, order.accepts_missed)
    }
}
