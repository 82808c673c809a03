//! `inspectd calibrate`: normal footage in, a Profile out. The footage is filmed, kept from before, or
//! any that is given.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;

use super::asked_view::asked_view;
use super::board::lower_priority;
use super::exit::DataError;
use super::film::{Filmed, Script, named};
use super::going_on::{alone, going_on};
use super::golden::with_golden;
use super::judge::load_teacher;
use super::made::Made;
use super::origin::profile_of;
use super::output::{make_folder, say};
use super::places::check_places;
use super::progress::Bars;
use super::recall::{former, with_recall};
use super::refine::refine;
use super::report::draft;
use super::signals::{self, Interrupts};
use crate::capture::archive::{self, Archive, Kept};
use crate::capture::{CameraSettings, Fps, Joined, Opener, SourceSpec, footage};
use crate::cli::CalibrateArgs;
use crate::config::Camera;
use crate::decide::Rules;
use crate::evaluate::dump::Dump;
use crate::evaluate::whole::WholeFile;
use crate::preprocess::SceneRules;
use crate::score::Scoring;
use crate::shell::word;
use crate::train::calibrate::{Calibration, RECOMMENDED_FRAMES, Wishes, calibrate as learn};
use crate::train::unfinished::Unfinished;
use crate::train::{CalibrationError, Supervisor};

/// What is to be made, and of what.
pub(super) struct Order {
    pub(super) out: PathBuf,
    pub(super) teacher: Option<PathBuf>,
    pub(super) wishes: Wishes,
    /// Where the features of the frames used are written.
    pub(super) dump: Option<PathBuf>,
    /// Where the report is written too.
    pub(super) report: Option<PathBuf>,
    /// How the camera was set that filmed the footage.
    pub(super) camera: Option<CameraSettings>,
    /// How the scene of the camera is watched that the Profile is for.
    pub(super) scene: SceneRules,
    /// Whether bad frames of the former Profile may pass as normal.
    pub(super) accepts_missed: bool,
    /// Whether the footage was just filmed, and all that is to be said of it has been.
    pub(super) is_reviewed: bool,
}

/// Films where it is asked to, learns, saves the Profile in one step, and says what came out.
pub(super) fn calibrate(args: &CalibrateArgs) -> anyhow::Result<()> {
    if args.refine.refine {
        return refine(args);
    }
    if let Some(name) = &args.camera {
        return on_camera(args, name);
    }
    let stop = signals::stop_flag().context("can't listen for signals")?;
    let Some(out) = &args.out else {
        unreachable!("the command line was checked");
    };
    let made = on_footage(&args.footage, order(args, out.clone(), None)?, &stop)?;
    report(args, Some(&made), None)
}

/// The camera's footage, filmed now or kept, to the Profile that the configuration names.
fn on_camera(args: &CalibrateArgs, name: &str) -> anyhow::Result<()> {
    let config = crate::config::load(&args.config)?;
    let camera = named(&config, name)?;
    let mut order = order(
        args,
        args.out.clone().unwrap_or_else(|| camera.profile.clone()),
        Some(camera),
    )?;
    order.teacher = order.teacher.or_else(|| config.teacher.clone());
    if let Some(parent) = order
        .out
        .parent()
        .filter(|_| args.out.is_none() && !args.film_only)
    {
        make_folder(parent)?;
    }
    let archive = Archive::new(&config.node.state_dir, config.footage.bytes);
    let interrupts = signals::interrupts().context("can't listen for signals")?;
    let stop = &interrupts.stop;
    if !args.footage.is_empty() {
        // Nothing is filmed: the first Ctrl-C stops.
        interrupts.enough.store(true, Ordering::Relaxed);
        let found = |path: &PathBuf| match path == Path::new("last") {
            true => archive.newest(name),
            false => Ok(path.clone()),
        };
        let paths: Result<Vec<PathBuf>, _> = args.footage.iter().map(found).collect();
        return report(args, Some(&on_footage(&paths?, order, stop)?), None);
    }
    let filmed = film(args, camera, &archive, &order, &interrupts)?;
    filmed.warn();
    if args.film_only {
        return report(args, None, Some(&filmed));
    }
    if !args.json
        && let Err(fault) = filmed.print()
    {
        // Whoever read it may have gone with a lost session; what was filmed is learnt all the same.
        tracing::debug!(%fault, "nobody reads what was filmed");
    }
    order.is_reviewed = true;
    let made = if stop.load(Ordering::Relaxed) {
        Err(CalibrationError::Stopped.into())
    } else {
        on_footage(std::slice::from_ref(&filmed.folder), order, stop)
    };
    let made = made.with_context(|| {
        let folder = filmed.folder.display();
        format!("there is no Profile, but the footage is kept in {folder}")
    })?;
    report(args, Some(&made), Some(&filmed))
}

/// Films, once it is known that a Profile could be made of it.
fn film(
    args: &CalibrateArgs,
    camera: &Camera,
    archive: &Archive,
    order: &Order,
    interrupts: &Interrupts,
) -> anyhow::Result<Filmed> {
    if !args.film_only {
        let place = check_places(order)?;
        // Whoever works on that Profile now may well do so in ten minutes.
        alone(&place, || Ok(()))?;
        let teacher = load_teacher(order.teacher.as_deref())?;
        order.wishes.check_memory(teacher.info())?;
    }
    let span = Duration::from_secs_f64(60.0 * args.minutes);
    Script::new(camera, archive, span, args.frames, args.lossless).film(interrupts)
}

/// What the command line asks for, and the configuration of `camera` where it does not.
fn order(args: &CalibrateArgs, out: PathBuf, camera: Option<&Camera>) -> anyhow::Result<Order> {
    let view = asked_view(args, camera, &out)?;
    let rules = camera.map_or_else(Rules::default, |camera| camera.incident);
    Ok(Order {
        out,
        teacher: args.teacher.clone(),
        wishes: Wishes {
            scoring: args.scoring,
            bank: args.memory_bank,
            epochs: args.epochs.map(usize::from),
            seed: args.seed,
            budget: args.false_alarms,
            fps: args.fps.or_else(|| camera?.fps.map(Fps::get)),
            hits: (rules.hits, rules.window),
            cache_bytes: args.cache.saturating_mul(1_000_000),
            most_frames: args.frames,
            view,
            memory: args.memory.unwrap_or_default(),
        },
        dump: args.dump.clone(),
        report: args.report.clone(),
        camera: None,
        scene: camera.map_or_else(SceneRules::default, |camera| camera.scene),
        accepts_missed: args.refine.accept_missed,
        is_reviewed: false,
    })
}

/// Calibrates on the footage at these paths, one after the other, with what its notes say of the camera.
fn on_footage(paths: &[PathBuf], mut order: Order, stop: &AtomicBool) -> anyhow::Result<Made> {
    // Only now: filming keeps its priority, since a camera does not wait.
    lower_priority();
    let footages: Result<Vec<SourceSpec>, _> = paths.iter().map(|path| footage(path)).collect();
    let footages = footages?;
    let _held: Vec<_> = paths.iter().map(|path| archive::hold(path)).collect();
    order.camera = settings(&footages)?.or(order.camera);
    // Without an `fps` of its own, a camera is judged as fast as it can be. An earlier version wrote down 0 for less
    // than one in 200 s.
    let own = kept(&footages).filter_map(|kept| kept.notes.fps.filter(|fps| *fps > 0.0));
    let own = own.max_by(f64::total_cmp);
    order.wishes.fps = order.wishes.fps.or(own);
    let openers = footages.into_iter().map(SourceSpec::into_opener);
    let footage = Joined::of(openers.collect());
    carry_out(footage.as_ref(), &order, stop)
}

fn kept(footages: &[SourceSpec]) -> impl Iterator<Item = &Kept> {
    footages.iter().filter_map(|footage| match footage {
        SourceSpec::Kept(kept) => Some(kept),
        _ => None,
    })
}

/// How the camera was set while it filmed these, of which a Profile can hold but one.
fn settings(footages: &[SourceSpec]) -> anyhow::Result<Option<CameraSettings>> {
    let mut known: Option<CameraSettings> = None;
    for kept in kept(footages) {
        let now = kept.notes.settings();
        let Some(known) = &mut known else {
            known = Some(now);
            continue;
        };
        let differences = known.join(&now);
        if !differences.is_empty() {
            return Err(DataError(format!(
                "the camera was set differently for {} than before, and only one of that can be inspected with: \
                 {}; film all with the same `controls`, or calibrate on one",
                kept.path.display(),
                differences.join("; ")
            ))
            .into());
        }
    }
    for kept in kept(footages) {
        if let Some(known) = &mut known {
            known.forget_beyond(&kept.notes.settings());
        }
    }
    Ok(known)
}

/// What came out, in one line for programs.
fn report(
    args: &CalibrateArgs,
    made: Option<&Made>,
    filmed: Option<&Filmed>,
) -> anyhow::Result<()> {
    if args.json {
        let mut json = made.map_or_else(|| json!({}), Made::json);
        if let Some(filmed) = filmed {
            json["footage"] = filmed.json();
        }
        return say!("{json}");
    }
    match (made, filmed) {
        (Some(made), _) => {
            made.print()?;
            say!(
                "Next: inspectd score --profile {} IMAGE...",
                word(&made.out)
            )
        }
        (None, Some(filmed)) => {
            filmed.print()?;
            let camera = &filmed.notes.camera;
            let config = word(&args.config);
            say!("Next: inspectd calibrate --camera {camera} --footage last --config {config}")
        }
        (None, None) => Ok(()),
    }
}

/// Makes and saves a Profile. Once `stop` is raised it ends, and what is done is kept for the next time.
pub(super) fn carry_out(
    footage: &dyn Opener,
    order: &Order,
    stop: &AtomicBool,
) -> anyhow::Result<Made> {
    let place = check_places(order)?;
    let again = match order.is_reviewed {
        true => "the same command with --footage last",
        false => "the same command",
    };
    going_on(&place, again, stop, |unfinished| {
        make(footage, order, unfinished, stop)
    })
}

fn make(
    footage: &dyn Opener,
    order: &Order,
    unfinished: &Unfinished,
    stop: &AtomicBool,
) -> anyhow::Result<Made> {
    let started = Instant::now();
    let report = order.report.as_deref().map(WholeFile::create).transpose()?;
    let teacher = load_teacher(order.teacher.as_deref())?;
    let bars = Bars::default();
    let progress = |step, done, total| bars.at(step, done, total);
    let supervisor = Supervisor {
        progress: &progress,
        stop,
    };
    let mut learnt = learn(&teacher, footage, &order.wishes, unfinished, supervisor)
        .map_err(|error| stopped_or(error, stop))
        .with_context(|| format!("can't calibrate on {}", footage.describe()))?;
    warn(&learnt, order.is_reviewed);
    let mut dump = Dump::default();
    if order.dump.is_some() {
        let vectors = learnt.taught.iter().map(|frame| &frame.vectors);
        vectors.for_each(|frame| dump.push_features(&frame.z, &frame.d));
    }
    let shown = (order.out.as_path(), &order.wishes.view);
    let draft = draft(&learnt, footage, shown, &bars, stop)?;
    let seconds = started.elapsed().as_secs_f64();
    let (used, frames, rejected) = (learnt.used, learnt.frames, learnt.rejected.len());
    let taken_over = learnt.taken_over;
    let files = std::mem::take(&mut learnt.golden);
    let profile = profile_of(learnt, &teacher, order, seconds)?;
    let profile = with_golden(profile, files, &teacher, &order.out)?;
    let bad = former(&order.out, teacher.info());
    let (out, scene) = (&order.out, &order.scene);
    let profile = with_recall(profile, bad, &teacher, out, scene, order.accepts_missed)?;
    let [html, json] = draft.finish(&profile);
    let copy = report.map(|file| (file, html.clone()));
    profile.save_with_reports(&order.out, [html, json])?;
    if let Some((file, html)) = copy {
        file.finish(&html)?;
    }
    if let Some(folder) = &order.dump {
        dump.write(folder)?;
    }
    Ok(Made {
        profile,
        out: order.out.clone(),
        used,
        frames,
        rejected,
        seconds,
        taken_over,
        hottest_celsius: bars.hottest(),
    })
}

/// Ctrl-C in a terminal reaches the `ffmpeg` that reads the footage as well, and its end is then no
/// fault of the footage.
fn stopped_or(error: CalibrationError, stop: &AtomicBool) -> CalibrationError {
    if stop.load(Ordering::Relaxed) {
        CalibrationError::Stopped
    } else {
        error
    }
}

fn warn(learnt: &Calibration, is_reviewed: bool) {
    for (name, reason) in &learnt.rejected {
        tracing::warn!("{name} is left out: {reason}");
    }
    if learnt.clamped > 0 {
        tracing::warn!(
            "{} of the teacher's values were beyond the range of the cache and were clamped: this \
             teacher's features are unusually large, check its sidecar",
            learnt.clamped
        );
    }
    if learnt.size.is_none() {
        tracing::warn!("the frames are of different sizes: later ones of any size will be judged");
    }
    for reason in &learnt.not_golden {
        tracing::warn!("one golden frame less, by which machines are tested: {reason}");
    }
    for warning in &learnt.scene_warnings {
        tracing::warn!("{warning}");
    }
    if learnt.used < RECOMMENDED_FRAMES && !is_reviewed {
        let statistics = &learnt.statistics;
        let could_have_bank =
            statistics.scoring() == Scoring::Default && statistics.fit().bank().is_none();
        tracing::warn!(
            "{} frames are few: thresholds will be rough; {RECOMMENDED_FRAMES} or more are better{}",
            learnt.used,
            match could_have_bank {
                true => ", and where there are no more, --memory-bank may find more by these",
                false => "",
            }
        );
    }
}
