//! `inspectd calibrate`: normal footage in, a Profile out.

use std::path::{Path, absolute};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;

use super::judge::load_teacher;
use super::progress::Bars;
use crate::capture::footage;
use crate::cli::CalibrateArgs;
use crate::evaluate::dump::Dump;
use crate::infer::Teacher;
use crate::score::profile::{FrameSize, Origin, Profile, Receipt, StudentShape, check_target};
use crate::train::Supervisor;
use crate::train::calibrate::{Calibration, RECOMMENDED_FRAMES, Wishes, calibrate as learn};

/// Learns, saves the Profile in one step, and says what came out.
pub(super) fn calibrate(args: &CalibrateArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    check_target(&args.out)?;
    let footage = footage(&args.footage)?.into_opener();
    let teacher = load_teacher(args.teacher.as_deref())?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop)?;
    let wishes = Wishes {
        scoring: args.scoring,
        epochs: args.epochs.map(usize::from),
        seed: args.seed,
        rate: args.rate,
        cache_bytes: args.cache * 1_000_000,
        most_frames: args.frames,
    };
    let bars = Bars::default();
    let progress = |step, done, total| bars.at(step, done, total);
    let supervisor = Supervisor {
        progress: &progress,
        stop: &stop,
    };
    let learnt = learn(&teacher, footage.as_ref(), &wishes, supervisor)
        .with_context(|| format!("can't calibrate on {}", footage.describe()))?;
    warn(&learnt);
    if let Some(folder) = &args.dump {
        let mut dump = Dump::default();
        learnt
            .vectors
            .iter()
            .for_each(|frame| dump.push_features(&frame.z, &frame.d));
        dump.write(folder)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let (used, frames) = (learnt.used, learnt.frames);
    let profile = profile(learnt, &teacher, args, seconds)?;
    profile.save(&args.out)?;
    report(&profile, args, used, frames, seconds);
    Ok(())
}

/// Sets `stop` on the first SIGINT or SIGTERM; a second one ends the program at once.
fn stop_on_signals(stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The conditional shutdown comes first: at the first signal the flag is not set yet.
        let code = i32::from(u8::from(sysexits::ExitCode::TempFail));
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(stop)))
            .context("can't listen for signals")?;
    }
    Ok(())
}

fn warn(learnt: &Calibration) {
    for (name, reason) in &learnt.rejected {
        tracing::warn!("{name} is left out: {reason}");
    }
    if learnt.used < RECOMMENDED_FRAMES {
        tracing::warn!(
            "{} frames are few: thresholds will be rough; {RECOMMENDED_FRAMES} or more are better",
            learnt.used
        );
    }
}

fn profile(
    learnt: Calibration,
    teacher: &Teacher,
    args: &CalibrateArgs,
    seconds: f64,
) -> anyhow::Result<Profile> {
    let origin = Origin {
        teacher: teacher.info().clone(),
        student: StudentShape {
            blocks: learnt.blocks,
            mlp_width: learnt.mlp_width,
        },
        frame: Some(FrameSize {
            width: learnt.size.0,
            height: learnt.size.1,
        }),
        normal_frames: learnt.used,
        epochs: learnt.epochs,
        seed: args.seed,
    };
    let receipt = Receipt {
        calibrated_at: jiff::Timestamp::now(),
        seconds,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        teacher: args.teacher.as_deref().map(absolute).transpose()?,
    };
    Ok(Profile::new(
        origin,
        learnt.statistics,
        learnt.student,
        receipt,
    ))
}

fn report(profile: &Profile, args: &CalibrateArgs, used: usize, frames: usize, seconds: f64) {
    let manifest = profile.manifest();
    let (deciding, local) = (&manifest.deciding, &manifest.local);
    if args.json {
        println!(
            "{}",
            json!({
                "profile": profile.id(), "out": args.out, "frames": frames, "used": used,
                "scoring": manifest.scoring, "seconds": seconds,
                "threshold": deciding.raw, "local_threshold": local.raw,
                "asked_rate": deciding.asked_rate, "achieved_rate": deciding.achieved_rate,
            })
        );
        return;
    }
    let shown = |path: &Path| path.display().to_string();
    println!(
        "Profile {} written to {}",
        &profile.id()[..19],
        shown(&args.out)
    );
    println!("  {used} of {frames} frames used, {seconds:.0} s");
    println!(
        "  threshold {:.3}, local threshold {:.3}",
        deciding.raw, local.raw
    );
    let (asked, achieved) = (100.0 * deciding.asked_rate, 100.0 * deciding.achieved_rate);
    if achieved > asked {
        println!(
            "  {used} frames support a false-alarm rate of {achieved:.2} % of frames per score, not the {asked:.2} % asked; \
             film more to get there"
        );
    } else {
        println!("  at most {asked:.2} % of normal frames are expected above each threshold");
    }
    println!(
        "Next: inspectd score --profile {} IMAGE...",
        shown(&args.out)
    );
}
