//! `inspectd profile install`: a Profile that was made elsewhere takes a place here, once it is whole and
//! scores here as it did there. Until then nothing in place is touched.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use super::exit::DataError;
use super::going_on::alone;
use super::golden;
use super::judge::{Judge, teacher_of};
use super::output::say;
use super::profile::{SHORT, bad_only_in, described, of_any_teacher, tell_of_bad_aside};
use crate::cli::InstallArgs;
use crate::score::profile::{Profile, Staged, check_target, previous_of};
use crate::shell::word;

/// What came of it.
struct Installed {
    profile: Arc<Profile>,
    /// The one that had the place, where it could be read.
    former: Option<Profile>,
    /// Whether it was in place already.
    is_there: bool,
}

/// Installs a Profile, and says what has changed.
pub(super) fn install(args: &InstallArgs) -> anyhow::Result<()> {
    let place = check_target(&args.dir)?;
    check_apart(&args.from, &place)?;
    let installed = alone(&place, || carry_out(args))?;
    if args.json {
        return print_json(&installed, &args.dir);
    }
    print(&installed, &args.dir)
}

/// Refuses to copy a Profile onto itself.
fn check_apart(from: &Path, place: &Path) -> anyhow::Result<()> {
    // What can't be found is told by whoever reads it.
    let real = fs::canonicalize(from).unwrap_or_else(|_| from.to_owned());
    anyhow::ensure!(
        !(real.starts_with(place) || place.starts_with(&real)),
        DataError(format!(
            "{} and {} are one folder, or one lies within the other: give the folder that the Profile was \
             copied into, and the place where it is to go",
            from.display(),
            place.display()
        ))
    );
    Ok(())
}

fn carry_out(args: &InstallArgs) -> anyhow::Result<Installed> {
    let refused = || format!("nothing was installed in {}", args.dir.display());
    let receipt = Profile::read_receipt(&args.from);
    receipt
        .map_err(|fault| fault.in_copied(&args.from))
        .with_context(refused)?;
    let id = Profile::read_id(&args.from)?;
    let former = of_any_teacher(&args.dir).ok();
    if let Some(there) = former.as_ref().filter(|former| former.id() == id) {
        return Ok(Installed {
            profile: Arc::new(there.clone()),
            former,
            is_there: true,
        });
    }
    let (profile, staged) = prepare(args).with_context(refused)?;
    staged.switch_in()?;
    if profile.manifest().golden.is_empty() {
        tracing::warn!(
            "the Profile has no golden frames, so it could not be tested on this machine: a new calibration \
             keeps some"
        );
    }
    Ok(Installed {
        profile,
        former,
        is_there: false,
    })
}

/// The Profile beside its place, whole, for this machine's teacher, and tested by its golden frames.
fn prepare(args: &InstallArgs) -> anyhow::Result<(Arc<Profile>, Staged)> {
    // Which teacher this machine uses is known by the Profile in place.
    let by = match Profile::read_receipt(&args.dir) {
        Ok(_) => &args.dir,
        Err(_) => &args.from,
    };
    let teacher = teacher_of(by, args.teacher.as_deref())?;
    let (mut profile, staged) = Profile::stage(&args.from, &args.dir, teacher.info())?;
    let golden = profile.take_golden();
    let profile = Arc::new(profile);
    let mut judge = Judge::load(Arc::clone(&profile), &teacher, &args.from)?;
    golden::test(&mut judge, &golden, &args.from)?;
    Ok((profile, staged))
}

impl Installed {
    /// Bad frames that test no Profile in place any more; none where the former one can't be read.
    fn bad_aside(&self) -> Option<usize> {
        let former = self.former.as_ref()?;
        Some(bad_only_in(former, &self.profile))
    }
}

/// For programs.
fn print_json(installed: &Installed, dir: &Path) -> anyhow::Result<()> {
    let mut json = described(&installed.profile, dir);
    json["installed"] = json!(!installed.is_there);
    json["former"] = json!(installed.former.as_ref().map(Profile::id));
    json["bad_put_aside"] = json!(installed.bad_aside());
    say!("{json}")
}

/// For people.
fn print(installed: &Installed, dir: &Path) -> anyhow::Result<()> {
    let (profile, shown) = (&installed.profile, dir.display());
    let (id, made) = (&profile.id()[..SHORT], profile.receipt().made_at());
    let host = &profile.receipt().host;
    if installed.is_there {
        return say!(
            "Profile {id}, made {made:.0} on {host}, is in {shown} already, and whole: nothing to do"
        );
    }
    say!("Profile {id}, made {made:.0} on {host}, is in {shown}")?;
    if let frames @ 1.. = profile.manifest().golden.len() {
        say!("  its {frames} golden frames score here as calibrated")?;
    }
    if let Some(former) = &installed.former {
        let id = &former.id()[..SHORT];
        let named = word(dir);
        say!("  {id} is the previous one now; to take it back: inspectd profile rollback {named}")?;
        tell_of_bad_aside(installed.bad_aside(), &previous_of(dir)?, dir)?;
    }
    say!(
        "A running daemon takes it at its next reload: systemctl reload inspectd, kill -HUP, or \
         request/reload. Before that: inspectd check"
    )
}
