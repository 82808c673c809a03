//! Fallback: a start at which a camera's Profile is damaged, or does not score here as it did. The former
//! Profile is taken back where it passes all that a start asks of a Profile, and has golden frames to show it.
//!
//! A start alone falls back; a reload has its old generation to go on with. What the configuration asks for
//! in vain, such as another teacher or a Profile that was never made, is no reason. Nothing is switched
//! unless the daemon can start by it, and nothing comes back that is at fault itself: no two damaged
//! Profiles take turns.

use std::path::PathBuf;

use super::golden;
use super::inspection::{Inspection, key_of_profile};
use super::judge::{Judge, load_teacher, streams};
use super::loaded::Loaded;
use crate::config::{Camera, Config, Issues};
use crate::infer::Teacher;
use crate::score::profile::{Profile, ProfileError, previous_of};
use crate::shell::word;

/// Begins what is said of a former Profile that is no better.
const NO_HELP: &str = "nor can the former Profile help";

/// A camera whose Profile is at fault.
struct Spoilt {
    /// Its place in the configuration.
    camera: usize,
    fault: String,
    /// Where its former Profile would lie.
    previous: PathBuf,
}

/// Loads what `config` names, by former Profiles where that helps.
///
/// # Errors
/// Those of [`Inspection::load`], and why no former Profile helps where there is one.
pub(super) fn load(config: Config) -> Result<Inspection, Issues> {
    match Inspection::load(config.clone()) {
        Err(faults) => fall_back(config, faults),
        loaded => loaded,
    }
}

fn fall_back(config: Config, mut faults: Issues) -> Result<Inspection, Issues> {
    let spoilt = spoilt(&config);
    let keys: Vec<String> = spoilt.iter().map(|s| key_of_profile(s.camera)).collect();
    let is_all = faults.iter().all(|fault| keys.contains(&fault.key));
    if spoilt.is_empty() || !is_all || !spoilt.iter().all(|spoilt| spoilt.previous.exists()) {
        return Err(faults);
    }
    let mut former = config.clone();
    for spoilt in &spoilt {
        former.cameras[spoilt.camera]
            .profile
            .clone_from(&spoilt.previous);
    }
    let mut inspection = match Inspection::load(former) {
        Ok(inspection) => inspection,
        Err(others) => {
            for other in others.iter() {
                let text = format!("{NO_HELP}: {}", other.message);
                faults.add(&other.key, text);
            }
            return Err(faults);
        }
    };
    if let Err((camera, fault)) = take_back(&config, &spoilt, &inspection) {
        faults.add(key_of_profile(camera), fault);
        return Err(faults);
    }
    for spoilt in &spoilt {
        tell(&config.cameras[spoilt.camera], spoilt);
        inspection.note_fallback(spoilt.camera, spoilt.fault.clone());
    }
    inspection.config = config;
    Ok(inspection)
}

/// The cameras whose Profiles are at fault.
fn spoilt(config: &Config) -> Vec<Spoilt> {
    let Ok(teacher) = load_teacher(config.teacher.as_deref()) else {
        return Vec::new();
    };
    let cameras = config.cameras.iter().enumerate();
    let spoilt = cameras.filter_map(|(camera, settings)| {
        Some(Spoilt {
            fault: damage(&test(settings, &teacher).err()?)?,
            previous: previous_of(&settings.profile).ok()?,
            camera,
        })
    });
    spoilt.collect()
}

/// Loads a camera's Profile and scores its golden frames, as a start does.
fn test(camera: &Camera, teacher: &Teacher) -> anyhow::Result<()> {
    let Loaded {
        profile,
        student,
        golden,
        ..
    } = Loaded::load(camera, teacher)?;
    let runner = teacher.runner(&streams(&profile, &student, teacher.info()))?;
    let mut judge = Judge::new(profile, runner, student);
    Ok(golden::test(&mut judge, &golden, &camera.profile)?)
}

/// What is wrong with the Profile itself, if that is it.
fn damage(fault: &anyhow::Error) -> Option<String> {
    match fault.downcast_ref::<ProfileError>() {
        Some(fault) => fault.damage(),
        // The engine can't run its student.
        None => Some(format!("{fault:#}")),
    }
}

/// Takes the former Profiles back, each once, if all can be.
///
/// # Errors
/// The camera whose one can't be, and why.
fn take_back(
    config: &Config,
    spoilt: &[Spoilt],
    inspection: &Inspection,
) -> Result<(), (usize, String)> {
    let profiles: Vec<&Profile> = inspection.profiles().collect();
    for one in spoilt {
        if profiles[one.camera].manifest().golden.is_empty() {
            return Err(one.by_hand(config, "it has no golden frames to test it by"));
        }
        // What only a calibration needs of it was not read so far.
        if let Err(fault) = Profile::load_whole(&one.previous, inspection.teacher()) {
            let fault = anyhow::Error::from(fault);
            return Err((one.camera, format!("{NO_HELP}: {fault:#}")));
        }
    }
    let mut taken: Vec<&PathBuf> = Vec::new();
    for one in spoilt {
        // Cameras may share one.
        if taken.contains(&&one.previous) {
            continue;
        }
        let dir = &config.cameras[one.camera].profile;
        if let Err(fault) = Profile::roll_back(dir, Some(inspection.teacher())) {
            let fault = anyhow::Error::from(fault);
            return Err(one.by_hand(config, &format!("{fault:#}")));
        }
        taken.push(&one.previous);
    }
    Ok(())
}

impl Spoilt {
    /// That its former Profile is sound for all that is known, but not taken back.
    fn by_hand(&self, config: &Config, why: &str) -> (usize, String) {
        let dir = word(&config.cameras[self.camera].profile);
        let text = format!(
            "the former Profile is not taken back by itself, because {why}; to take it back: inspectd profile \
             rollback {dir}"
        );
        (self.camera, text)
    }
}

/// Tells the journal, with what to do.
fn tell(camera: &Camera, spoilt: &Spoilt) {
    let (dir, fault) = (camera.profile.display(), &spoilt.fault);
    tracing::warn!(
        camera = %camera.name,
        "the Profile {dir} can't be used: {fault}; the former one was taken back and judges from now on, and \
         this one lies in {}: calibrate again, or put a whole one in place with `inspectd profile install`, \
         then reload",
        spoilt.previous.display()
    );
}
