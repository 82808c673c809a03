//! Loading a Profile: every byte is checked against its hash before any is used.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::golden::{Golden, GoldenFrame, is_golden_name};
use super::recall::{Recall, RecallFrame, is_recall_name};
use super::{
    FORMAT, IssuedReceipt, MANIFEST, MATERIAL, Manifest, Profile, ProfileError, RECEIPT, Receipt,
    STATISTICS, STUDENT,
};
use super::{arrays, identity, material, sha256};
use crate::infer::TeacherInfo;

impl Profile {
    /// Loads the Profile in `dir` for use with `teacher`: all that scores and tests, without what only a
    /// calibration needs. It can't be saved.
    ///
    /// # Errors
    /// Any of [`ProfileError`] but those of writing; the text names the file and the way out.
    pub fn load(dir: &Path, teacher: &TeacherInfo) -> Result<Profile, ProfileError> {
        let (id, manifest) = read_manifest(dir)?;
        let issued: IssuedReceipt = parse(&dir.join(RECEIPT), &read(&dir.join(RECEIPT))?)?;
        if issued.profile != id {
            return Err(damaged(
                &dir.join(MANIFEST),
                "was changed after calibration",
            ));
        }
        check_teacher(dir, &manifest.origin.teacher, teacher)?;
        let student = read_verified(dir, STUDENT, &manifest)?;
        let bytes = read_verified(dir, STATISTICS, &manifest)?;
        let (statistics, scene) = arrays::decode(&bytes, &manifest)
            .map_err(|what| damaged(&dir.join(STATISTICS), &what))?;
        let golden = golden_frames(dir, &manifest)?;
        Ok(Profile {
            id,
            manifest,
            receipt: issued.receipt,
            statistics,
            scene: scene.map(Arc::new),
            student,
            golden,
            material: None,
            recall: Vec::new(),
        })
    }

    /// Loads the Profile in `dir` with its material and its recall frames: every file is checked.
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub fn load_whole(dir: &Path, teacher: &TeacherInfo) -> Result<Profile, ProfileError> {
        let mut profile = Profile::load(dir, teacher)?;
        profile.recall = recall_frames(dir, &profile.manifest)?;
        if profile.manifest.has_material() {
            let bytes = read_verified(dir, MATERIAL, &profile.manifest)?;
            let material = material::decode(&bytes, &profile.manifest);
            let material = material.map_err(|what| damaged(&dir.join(MATERIAL), &what))?;
            profile.material = Some(material);
        }
        Ok(profile)
    }

    /// Reads the recall frames of the Profile in `dir`, whichever its teacher is.
    ///
    /// # Errors
    /// As [`Profile::read_manifest`].
    pub fn read_recall(dir: &Path) -> Result<Vec<RecallFrame>, ProfileError> {
        recall_frames(dir, &Profile::read_manifest(dir)?)
    }

    /// Reads `profile.json` alone, say to learn which teacher it asks for. Nothing beside it is
    /// checked.
    ///
    /// # Errors
    /// [`ProfileError::NotAProfile`], [`ProfileError::NewerFormat`], [`ProfileError::Damaged`] or
    /// [`ProfileError::Read`].
    pub fn read_manifest(dir: &Path) -> Result<Manifest, ProfileError> {
        read_manifest(dir).map(|(_, manifest)| manifest)
    }

    /// The identity of the Profile in `dir`, by `profile.json` alone.
    ///
    /// # Errors
    /// As [`Profile::read_manifest`].
    pub fn read_id(dir: &Path) -> Result<String, ProfileError> {
        read_manifest(dir).map(|(id, _)| id)
    }

    /// Reads `receipt.json` alone, say to learn where the teacher lay. Nothing beside it is checked.
    ///
    /// # Errors
    /// As [`Profile::read_manifest`].
    pub fn read_receipt(dir: &Path) -> Result<Receipt, ProfileError> {
        read_manifest(dir)?;
        let path = dir.join(RECEIPT);
        parse::<IssuedReceipt>(&path, &read(&path)?).map(|issued| issued.receipt)
    }
}

/// Identity and content of `profile.json`.
pub(super) fn read_manifest(dir: &Path) -> Result<(String, Manifest), ProfileError> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u64,
    }
    let path = dir.join(MANIFEST);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(ProfileError::NotAProfile {
                dir: dir.to_owned(),
            });
        }
        Err(source) => return Err(ProfileError::Read { path, source }),
    };
    // The version first: a newer format may have keys that this one does not know.
    let Version { format } = parse(&path, &bytes)?;
    if format > u64::from(FORMAT) {
        return Err(ProfileError::NewerFormat {
            path,
            found: format,
        });
    }
    Ok((identity(&bytes), parse(&path, &bytes)?))
}

fn check_teacher(dir: &Path, own: &TeacherInfo, given: &TeacherInfo) -> Result<(), ProfileError> {
    let what = if own.sha256 != given.sha256 {
        format!(
            "the teacher with SHA-256 {}, not for {}",
            own.sha256, given.sha256
        )
    } else if own.preprocessing != given.preprocessing {
        let (own, given) = (&own.preprocessing, &given.preprocessing);
        format!("this teacher with {own:?}, and its sidecar now says {given:?}")
    } else if own.precision != given.precision {
        let (own, given) = (own.precision, given.precision);
        format!("this teacher in {own}, and its sidecar now says {given}")
    } else {
        return Ok(());
    };
    Err(ProfileError::OtherTeacher {
        dir: dir.to_owned(),
        what,
    })
}

/// The golden frames. Their names are checked first: they say which files are read.
fn golden_frames(dir: &Path, manifest: &Manifest) -> Result<Vec<GoldenFrame>, ProfileError> {
    let read = |golden: &Golden| {
        if !is_golden_name(golden.file.as_ref()) {
            let what = format!("names {:?} as a golden frame", golden.file);
            return Err(damaged(&dir.join(MANIFEST), &what));
        }
        let bytes = read_verified(dir, &golden.file, manifest)?;
        Ok(GoldenFrame::loaded(golden.clone(), bytes))
    };
    manifest.golden.iter().map(read).collect()
}

/// The recall frames; their names are checked likewise.
fn recall_frames(dir: &Path, manifest: &Manifest) -> Result<Vec<RecallFrame>, ProfileError> {
    let read = |recall: &Recall| {
        if !is_recall_name(recall.file.as_ref()) {
            let what = format!("names {:?} as a recall frame", recall.file);
            return Err(damaged(&dir.join(MANIFEST), &what));
        }
        let bytes = read_verified(dir, &recall.file, manifest)?;
        Ok(RecallFrame::loaded(recall.clone(), bytes))
    };
    manifest.recall.iter().map(read).collect()
}

fn read_verified(dir: &Path, name: &str, manifest: &Manifest) -> Result<Vec<u8>, ProfileError> {
    let Some(expected) = manifest.files.get(name) else {
        return Err(damaged(
            &dir.join(MANIFEST),
            &format!("has no hash of {name}"),
        ));
    };
    let bytes = read(&dir.join(name))?;
    if sha256(&bytes) != *expected {
        return Err(damaged(
            &dir.join(name),
            "is truncated or was changed after calibration",
        ));
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, ProfileError> {
    std::fs::read(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => damaged(path, "is missing"),
        _ => ProfileError::Read {
            path: path.to_owned(),
            source,
        },
    })
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ProfileError> {
    let parsed = serde_json::from_slice(bytes);
    parsed.map_err(|error| damaged(path, &format!("can't be understood ({error})")))
}

fn damaged(path: &Path, what: &str) -> ProfileError {
    ProfileError::Damaged {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}
