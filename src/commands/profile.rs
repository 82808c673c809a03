//! `inspectd profile show` and `inspectd profile rollback`: what a Profile is, and the former one taken
//! back.

use std::path::Path;

use serde_json::{Value, json};

use super::judge::load_teacher;
use super::output::say;
use crate::cli::{RollbackArgs, ShowArgs};
use crate::score::bank::MemoryBank;
use crate::score::profile::{Golden, Origin, Profile, ProfileError, Receipt, previous_of};
use crate::shell::word;

/// How much of an identity tells it from others, for people.
pub(super) const SHORT: usize = 19;

/// Prints what the Profile in a directory is, every byte of it checked against its hash.
pub(super) fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let profile = of_any_teacher(&args.dir)?;
    let at = previous_of(&args.dir)?;
    let previous = match of_any_teacher(&at) {
        Err(ProfileError::NotAProfile { .. }) => None,
        other => Some(other),
    };
    if args.json {
        let mut json = described(&profile, &args.dir);
        json["previous"] = previous.map_or(Value::Null, |previous| match previous {
            Ok(previous) => described(&previous, &at),
            Err(fault) => json!({ "dir": at.to_string_lossy(), "fault": fault.to_string() }),
        });
        return say!("{json}");
    }
    print(&profile)?;
    match previous {
        None => say!("previous       none"),
        Some(Err(fault)) => say!("previous       none that can be used: {fault}"),
        Some(Ok(previous)) => {
            say!(
                "previous       {}, made {:.0}",
                &previous.id()[..SHORT],
                previous.receipt().made_at()
            )?;
            let dir = word(&args.dir);
            say!("               to take it back: inspectd profile rollback {dir}")
        }
    }
}

/// Takes the former Profile back, and says what is in place now.
pub(super) fn rollback(args: &RollbackArgs) -> anyhow::Result<()> {
    let teacher = args.teacher.as_deref();
    let teacher = teacher.map(|path| load_teacher(Some(path))).transpose()?;
    let info = teacher.as_ref().map(|teacher| teacher.info());
    let profile = Profile::roll_back(&args.dir, info)?;
    // It is done: what lies beside is only told.
    let at = previous_of(&args.dir);
    let previous = (at.as_ref().ok()).and_then(|at| of_any_teacher(at).ok().map(|own| (own, at)));
    let aside = previous.as_ref().map(|(own, _)| bad_only_in(own, &profile));
    if args.json {
        let mut json = described(&profile, &args.dir);
        json["previous"] = json!(previous.as_ref().map(|(own, _)| own.id()));
        json["bad_put_aside"] = json!(aside);
        return say!("{json}");
    }
    let dir = args.dir.display();
    let (id, made) = (&profile.id()[..SHORT], profile.receipt().made_at());
    say!("Profile {id}, made {made:.0}, is in {dir} again")?;
    if let Some((previous, at)) = &previous {
        let id = &previous.id()[..SHORT];
        say!("  {id} is the previous one now; the same command takes it back")?;
        tell_of_bad_aside(aside, at, &args.dir)?;
    }
    say!(
        "A running daemon takes it at its next reload: systemctl reload inspectd, kill -HUP, or \
         request/reload. Before a start: inspectd check"
    )
}

/// Says how many bad frames the Profile that lies at `previous` now had alone, and how they count again.
pub(super) fn tell_of_bad_aside(
    aside: Option<usize>,
    previous: &Path,
    dir: &Path,
) -> anyhow::Result<()> {
    let (Some(aside @ 1..), dir, at) = (aside, word(dir), word(previous)) else {
        return Ok(());
    };
    say!(
        "  {aside} bad frames go with it and test no Profile here any more; to tell them again: \
         inspectd calibrate --refine --out {dir} --bad {at}/recall-*"
    )
}

/// How many bad frames `one` has that `other` has not.
pub(super) fn bad_only_in(one: &Profile, other: &Profile) -> usize {
    let known: Vec<&String> = other.manifest().recall_hashes().collect();
    let own = one.manifest().recall_hashes();
    own.filter(|hash| !known.contains(hash)).count()
}

/// A Profile for the teacher that it asks for, whichever that is.
pub(super) fn of_any_teacher(dir: &Path) -> Result<Profile, ProfileError> {
    let teacher = Profile::read_manifest(dir)?.origin.teacher;
    Profile::load_whole(dir, &teacher)
}

/// For programs.
pub(super) fn described(profile: &Profile, dir: &Path) -> Value {
    let (manifest, receipt) = (profile.manifest(), profile.receipt());
    let origin = &manifest.origin;
    let golden = manifest.golden.iter();
    let golden =
        golden.map(|golden| json!({ "file": golden.file, "score": golden.scores.value() }));
    json!({
        "profile": profile.id(), "dir": dir.to_string_lossy(), "format": manifest.format,
        "scoring": manifest.scoring, "student_blocks": origin.student.blocks, "seed": origin.seed,
        "teacher": { "sha256": origin.teacher.sha256, "path": receipt.teacher },
        "frames": origin.normal_frames, "frame": origin.frame, "view": origin.view,
        "camera": origin.camera,
        "memory_bank": profile.statistics().fit().bank().map(MemoryBank::count),
        "deciding": manifest.deciding, "local": manifest.local,
        "calibrated_at": receipt.calibrated_at, "seconds": receipt.seconds,
        "version": receipt.version, "host": receipt.host, "golden": golden.collect::<Value>(),
        "refined_at": receipt.refined_at, "refined": manifest.refined, "recall": manifest.recall,
    })
}

/// For people.
fn print(profile: &Profile) -> anyhow::Result<()> {
    let (manifest, receipt) = (profile.manifest(), profile.receipt());
    say!("profile        {}", profile.id())?;
    say!(
        "made           {:.0}, in {:.0} s, by inspectd {} on {}",
        receipt.calibrated_at,
        receipt.seconds,
        receipt.version,
        receipt.host
    )?;
    if let Some(at) = receipt.refined_at {
        let fine: usize = manifest.refined.iter().map(|by| by.fine).sum();
        let times = manifest.refined.len();
        say!("refined        {times} x, with {fine} fine frames, last {at:.0}")?;
    }
    print_origin(&manifest.origin, receipt)?;
    if let Some(bank) = profile.statistics().fit().bank() {
        say!("memory bank    {} patches", bank.count())?;
    }
    let (deciding, local) = (manifest.deciding.raw, manifest.local.raw);
    say!("threshold      {deciding:.3}, local threshold {local:.3}")?;
    match &manifest.promise {
        Some(promise) => (promise.sentences().iter()).try_for_each(|line| say!("{line}"))?,
        None => say!("false alarms   nothing is promised: it was made by an earlier version")?,
    }
    print_golden(&manifest.golden)?;
    if let (all @ 1.., missed) = (manifest.recall.len(), manifest.missed()) {
        say!("bad frames     {all}, of which it finds {}", all - missed)?;
    }
    if !manifest.has_material() {
        say!("to refine      not possible: it was made by an earlier version")?;
    }
    Ok(())
}

/// What it was made of.
fn print_origin(origin: &Origin, receipt: &Receipt) -> anyhow::Result<()> {
    let path = receipt.teacher.as_ref();
    let path = path.map_or("bundled".to_owned(), |path| path.display().to_string());
    say!("teacher        {path}, SHA-256 {}", origin.teacher.sha256)?;
    let size = origin.frame.map_or_else(
        || "of different sizes".to_owned(),
        |size| format!("of {}x{}", size.width, size.height),
    );
    say!("frames         {} normal ones {size}", origin.normal_frames)?;
    if !origin.view.is_whole() {
        let view = serde_json::to_string(&origin.view)?;
        say!("looks at       {view}")?;
    }
    if let Some(camera) = &origin.camera {
        say!("camera         {}", serde_json::to_string(camera)?)?;
    }
    Ok(())
}

/// What machines that use it are tested by.
fn print_golden(golden: &[Golden]) -> anyhow::Result<()> {
    if golden.is_empty() {
        return say!("golden frames  none: machines that use it are not tested");
    }
    let scores = golden
        .iter()
        .map(|own| format!("{:.3}", own.scores.value()));
    let scores = scores.collect::<Vec<_>>().join(", ");
    say!("golden frames  {}, which scored {scores}", golden.len())
}
