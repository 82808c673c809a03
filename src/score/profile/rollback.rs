//! The former Profile taken back: it and the one in place change places in one atomic step.
//!
//! Nothing is lost: rolled back twice, all is as it was. What comes back is verified first, and must
//! be for the teacher of the one in place; what goes may be damaged or gone.

use std::fs;
use std::path::{Path, PathBuf};

use super::save::{Exchange, Place, exchange, holds_profile, is_unsupported, sync_dir};
use super::{Profile, ProfileError};
use crate::infer::TeacherInfo;

/// Where the Profile lies that the one in `dir` has replaced, if any.
///
/// # Errors
/// [`ProfileError::Foreign`] where something else lies in either place.
pub fn previous_of(dir: &Path) -> Result<PathBuf, ProfileError> {
    Place::find(dir).map(|place| place.previous)
}

impl Profile {
    /// Takes the previous Profile of `dir` back and gives it. It must have been made for `teacher`, or
    /// else for the one of the Profile in place.
    ///
    /// # Errors
    /// [`ProfileError::NoPrevious`], any of [`Profile::load`] for the previous one, and those of
    /// [`Profile::save`].
    pub fn roll_back(dir: &Path, teacher: Option<&TeacherInfo>) -> Result<Profile, ProfileError> {
        Profile::roll_back_by(dir, teacher, exchange)
    }

    pub(super) fn roll_back_by(
        dir: &Path,
        teacher: Option<&TeacherInfo>,
        exchange: Exchange,
    ) -> Result<Profile, ProfileError> {
        let place = Place::find(dir)?;
        if !holds_profile(&place.previous)? {
            return Err(ProfileError::NoPrevious {
                dir: dir.to_owned(),
                previous: place.previous,
            });
        }
        let own = || Profile::read_manifest(&place.dir).map(|manifest| manifest.origin.teacher);
        let expected = match teacher {
            Some(teacher) => teacher.clone(),
            // One that can't be read has nothing to say; it is what is to be got rid of.
            None => match own() {
                Ok(teacher) => teacher,
                Err(_) => Profile::read_manifest(&place.previous)?.origin.teacher,
            },
        };
        let profile = Profile::load_whole(&place.previous, &expected)?;
        place.swap(exchange)?;
        sync_dir(&place.parent).map_err(|source| ProfileError::Unsynced {
            dir: place.dir,
            source,
        })?;
        Ok(profile)
    }
}

impl Place {
    /// Puts the previous Profile in place, and the one that was there where that was.
    fn swap(&self, exchange: Exchange) -> Result<(), ProfileError> {
        let failed = |source| ProfileError::Write {
            path: self.dir.clone(),
            needed: None,
            source,
        };
        if !self.taken {
            return fs::rename(&self.previous, &self.dir).map_err(failed);
        }
        match exchange(&self.previous, &self.dir) {
            Err(error) if is_unsupported(&error) => self.swap_in_three_steps(),
            done => done.map_err(failed),
        }
    }

    /// For file systems that can't exchange: between the steps a reader finds no Profile.
    fn swap_in_three_steps(&self) -> Result<(), ProfileError> {
        let failed = |source| ProfileError::Write {
            path: self.dir.clone(),
            needed: None,
            source,
        };
        let aside = tempfile::Builder::new()
            .prefix(".inspectd-new-")
            .tempdir_in(&self.parent)
            .map_err(failed)?;
        fs::rename(&self.dir, aside.path()).map_err(failed)?;
        let former = aside.keep(); // a Profile now: never cleaned up
        fs::rename(&self.previous, &self.dir).map_err(|source| {
            // The error that is reported is the first one; the former lies in either place.
            let _ = fs::rename(&former, &self.dir);
            failed(source)
        })?;
        fs::rename(&former, &self.previous).map_err(|source| ProfileError::Retire {
            dir: self.dir.clone(),
            former: former.clone(),
            previous: self.previous.clone(),
            source,
        })
    }
}

#[cfg(test)]
#[path = "rollback_tests.rs"]
mod tests;
