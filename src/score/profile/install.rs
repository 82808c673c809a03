//! A Profile that was made elsewhere: copied beside its place and verified there, to be switched in.
//!
//! Copied are the files that its `profile.json` may name, its receipt and its reports, by their content
//! alone; what else lies with them stays behind. Whether it scores here as it did where it was made is
//! for the caller to find out, before [`Staged::switch_in`].

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::golden::is_golden_name;
use super::recall::is_recall_name;
use super::save::{Aside, Exchange, Place, exchange};
use super::{
    MANIFEST, MATERIAL, Manifest, Profile, ProfileError, RECEIPT, REPORTS, STATISTICS, STUDENT,
};
use crate::infer::TeacherInfo;

/// A Profile beside its place, whole and on the disk, that nobody uses yet. Dropped, it is removed.
pub struct Staged {
    place: Place,
    aside: Aside,
}

impl Profile {
    /// Copies the Profile in `from` beside `dir`, whose parent must exist, and loads the copy whole.
    /// Nothing in place is touched.
    ///
    /// # Errors
    /// Those of [`Profile::load`], about `from`, with [`ProfileError::Torn`] for a file that is damaged;
    /// [`ProfileError::Foreign`] and [`ProfileError::Write`] as in [`Profile::save`].
    pub fn stage(
        from: &Path,
        dir: &Path,
        teacher: &TeacherInfo,
    ) -> Result<(Profile, Staged), ProfileError> {
        let manifest = Profile::read_manifest(from).map_err(|fault| fault.in_copied(from))?;
        let place = Place::find(dir)?;
        let aside = place.write_aside(&files(from, &manifest)?)?;
        let profile = Profile::load_whole(aside.folder.path(), teacher);
        let profile = profile.map_err(|fault| fault.in_copied(from))?;
        Ok((profile, Staged { place, aside }))
    }
}

impl Staged {
    /// Puts it in place by one atomic step; the Profile that was there stays as the previous one.
    ///
    /// # Errors
    /// Those of [`Profile::save`].
    pub fn switch_in(self) -> Result<(), ProfileError> {
        self.switch_in_by(exchange)
    }

    fn switch_in_by(self, exchange: Exchange) -> Result<(), ProfileError> {
        self.place.switch_in(self.aside, exchange)
    }
}

/// Names and contents of what is copied. A name that no Profile's file has is left to loading, which
/// refuses it.
fn files<'a>(from: &Path, manifest: &'a Manifest) -> Result<Vec<(&'a str, Vec<u8>)>, ProfileError> {
    let material = manifest.has_material().then_some(MATERIAL);
    let golden = manifest.golden.iter().map(|golden| golden.file.as_str());
    let recall = manifest.recall.iter().map(|recall| recall.file.as_str());
    let frames = golden.filter(|name| is_golden_name(name.as_ref()));
    let frames = frames.chain(recall.filter(|name| is_recall_name(name.as_ref())));
    let own = [MANIFEST, RECEIPT, STUDENT, STATISTICS].into_iter();
    let own = own.chain(material).chain(frames);
    let mut files = Vec::new();
    for name in own {
        files.push((name, read(&from.join(name))?));
    }
    // No hash vouches for these, so a link may lead to anything.
    let reports = REPORTS.into_iter();
    let reports = reports
        .filter(|name| fs::symlink_metadata(from.join(name)).is_ok_and(|report| report.is_file()));
    for name in reports {
        files.push((name, read(&from.join(name))?));
    }
    Ok(files)
}

/// A file's content. Anything else of that name, such as a pipe, could take for ever.
fn read(path: &Path) -> Result<Vec<u8>, ProfileError> {
    let torn = |what: &str| ProfileError::Torn {
        path: path.to_owned(),
        what: what.to_owned(),
    };
    match fs::metadata(path) {
        Ok(file) if !file.is_file() => return Err(torn("is no file")),
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Err(torn("is missing")),
        _ => {}
    }
    fs::read(path).map_err(|source| ProfileError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
