//! What refining has changed, for people and for programs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::output::say;
use super::raised::Raised;
use super::told::Told;
use crate::score::budget::Promise;
use crate::score::profile::{Manifest, Profile};
use crate::shell::word;

/// A Profile before and after it was refined.
pub(super) struct Outcome {
    dir: PathBuf,
    /// `profile.json` as it was, and its identity.
    before: (String, Manifest),
    /// The new one; none where nothing was new.
    pub(super) after: Option<Profile>,
    /// New fine frames, and how many of them the Profile as it was calls anomalous, ...
    fine: usize,
    above_before: usize,
    /// ... and the new one, by statistics that did not see them.
    pub(super) above_after: usize,
    /// New bad frames; of all, how many were found.
    bad: usize,
    pub(super) found_before: usize,
    known: usize,
    left_out: usize,
    /// How far out the lines are now; none where they stayed.
    pub(super) raised: Option<Raised>,
    pub(super) seconds: f64,
}

impl Outcome {
    /// Of a Profile that lies in `dir`, of which something was told.
    pub(super) fn before(profile: &Profile, told: &Told, dir: &Path) -> Outcome {
        Outcome {
            dir: dir.to_owned(),
            before: (profile.id().to_owned(), profile.manifest().clone()),
            after: None,
            fine: told.fine.len(),
            above_before: told.above,
            above_after: 0,
            bad: told.bad.len(),
            found_before: 0,
            known: told.known,
            left_out: told.left_out,
            raised: None,
            seconds: 0.0,
        }
    }

    /// Whether all that was given was left out: nothing was learnt, and whoever waits for it should hear so.
    pub(super) fn is_in_vain(&self) -> bool {
        self.after.is_none() && self.known == 0 && self.left_out > 0
    }

    /// The frames that can't be used.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// One line for programs.
    pub(super) fn print_json(&self) -> anyhow::Result<()> {
        let (former, before) = &self.before;
        let mut json = json!({
            "written": self.after.is_some(), "out": self.dir.to_string_lossy(), "former": former,
            "profile": former, "seconds": self.seconds, "known": self.known, "left_out": self.left_out,
            "before": lines(before),
        });
        if let Some(profile) = &self.after {
            let after = profile.manifest();
            json["profile"] = json!(profile.id());
            json["after"] = lines(after);
            json["rise"] = json!(self.raised.as_ref().map(Raised::json));
            json["fine"] = json!({
                "new": self.fine, "above_before": self.above_before, "above_after": self.above_after,
            });
            json["bad"] = json!({
                "new": self.bad, "in_all": after.recall.len(), "found_before": self.found_before,
                "found_after": after.recall.len() - after.missed(),
            });
        }
        say!("{json}")
    }

    /// For people.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let (dir, named) = (self.dir.display(), word(&self.dir));
        let Some(profile) = &self.after else {
            return say!(
                "Nothing new to refine {dir} with: {} frames were told before, {} are left out; the Profile \
                 is as it was",
                self.known,
                self.left_out
            );
        };
        say!("Profile {} written to {dir}", &profile.id()[..19])?;
        say!(
            "  refined with {} fine and {} bad frames, {} told before, {} left out, {:.0} s",
            self.fine,
            self.bad,
            self.known,
            self.left_out,
            self.seconds
        )?;
        say!("  {:<22}{:>20}{:>20}", "", "before", "after")?;
        for [name, before, after] in self.rows(profile.manifest()) {
            say!("  {name:<22}{before:>20}{after:>20}")?;
        }
        let promise = profile
            .manifest()
            .promise
            .iter()
            .flat_map(Promise::sentences);
        promise.into_iter().try_for_each(|line| say!("  {line}"))?;
        say!(
            "Next: inspectd check, then systemctl reload inspectd; to take it back: inspectd profile rollback {named}"
        )
    }

    /// The table: what, before, after.
    fn rows(&self, after: &Manifest) -> Vec<[String; 3]> {
        let (_, before) = &self.before;
        let both = [before, after];
        let row = |name: &str, of: &dyn Fn(&Manifest) -> String| {
            let [before, after] = both.map(of);
            [name.to_owned(), before, after]
        };
        let score = |raw: Option<f64>| raw.map_or("none".to_owned(), |raw| format!("{raw:.3}"));
        let rate = |of: fn(&Promise) -> f64| {
            move |manifest: &Manifest| {
                let promise = manifest.promise.as_ref();
                promise.map_or("none".to_owned(), |promise| promise.budget.say(of(promise)))
            }
        };
        let mut rows = vec![
            row("threshold", &|m| score(Some(m.deciding.raw))),
            row("alarm line", &|m| score(m.deciding.alarm)),
            row("local threshold", &|m| score(Some(m.local.raw))),
            row("local alarm line", &|m| score(m.local.alarm)),
            row("false alarms", &rate(|promise| promise.warn.likely)),
            row("  90 % sure from", &rate(|promise| promise.warn.low)),
            row("  to", &rate(|promise| promise.warn.high)),
        ];
        rows.extend(self.raised.as_ref().map(|raised| {
            let [before, after] = raised.both().map(|times| format!("{times:.1} x"));
            ["as far as calibrated".to_owned(), before, after]
        }));
        let share = |count: usize, of: usize| format!("{count} of {of}");
        let all = after.recall.len();
        rows.extend((self.fine > 0).then(|| {
            let (before, after) = (self.above_before, self.above_after);
            let name = "fine frames anomalous".to_owned();
            [name, share(before, self.fine), share(after, self.fine)]
        }));
        rows.extend((all > 0).then(|| {
            let name = "bad frames found".to_owned();
            [
                name,
                share(self.found_before, all),
                share(all - after.missed(), all),
            ]
        }));
        rows
    }
}

fn lines(manifest: &Manifest) -> Value {
    let (deciding, local) = (&manifest.deciding, &manifest.local);
    json!({
        "threshold": deciding.raw, "alarm_threshold": deciding.alarm, "local_threshold": local.raw,
        "local_alarm_threshold": local.alarm, "promise": manifest.promise,
    })
}
