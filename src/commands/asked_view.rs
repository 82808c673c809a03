//! The view that a calibration is to have: by its options, else the camera's configuration, else the Profile that it
//! replaces. A crop or a mask never goes, and never stays, without a word.

use std::path::Path;

use anyhow::Context as _;

use crate::cli::CalibrateArgs;
use crate::config::Camera;
use crate::preprocess::{Mask, View};
use crate::score::profile::{Profile, ProfileError};

/// For the Profile that is to lie in `out`.
pub(super) fn asked_view(
    args: &CalibrateArgs,
    camera: Option<&Camera>,
    out: &Path,
) -> anyhow::Result<View> {
    let is_asked = args.crop.is_some() || !args.mask.is_empty();
    let mut crop = args.crop.or_else(|| camera?.crop);
    let mut mask = match args.mask.is_empty() {
        true => camera.and_then(|camera| camera.mask.clone()),
        false => Some(Mask::joined(args.mask.iter().cloned())?),
    };
    let elsewhere = camera.map(|camera| camera.profile.as_path());
    let elsewhere = elsewhere.filter(|profile| *profile != out);
    let of = |dir| former(dir).map(|view| (dir, view));
    let former = of(out).or_else(|| of(elsewhere?));
    let mut inherited = None;
    // The configuration leaves them out so that the Profile's own count (config/inspectd.toml).
    if let Some((dir, former)) = former.as_ref().filter(|_| camera.is_some() && !is_asked) {
        inherited = inheriting(dir, crop.is_none(), mask.is_none());
        crop.get_or_insert(former.crop());
        mask.get_or_insert_with(|| former.mask().clone());
    }
    let view = View::new(crop.unwrap_or_default(), mask.unwrap_or_default());
    let view = match inherited {
        Some(inherited) => view.context(inherited)?,
        None => view?,
    };
    let former = former.map(|(_, view)| view);
    match former {
        _ if args.film_only => {}
        Some(former) if former == view && !view.is_whole() && !is_asked => {
            tracing::warn!(
                "a part of the frame is looked at, as by the former Profile; --crop 0,0,1,1 looks at all"
            );
        }
        Some(former) if former != view && !former.is_whole() => tracing::warn!(
            "the former Profile looks at another part of the frame; only what is given now counts"
        ),
        _ => {}
    }
    Ok(view)
}

/// That one of both is kept of the Profile in `dir`, where they do not go together.
fn inheriting(dir: &Path, crop: bool, mask: bool) -> Option<String> {
    let (kept, own) = match (crop, mask) {
        (true, false) => ("crop", "mask"),
        (false, true) => ("mask", "crop"),
        _ => return None,
    };
    Some(format!(
        "the {kept} of the Profile {}, which is kept where none is given, does not go with the {own} of the \
         configuration: give both, by --crop and --mask",
        dir.display()
    ))
}

/// What the Profile in `dir` looks at, where there is one.
fn former(dir: &Path) -> Option<View> {
    match Profile::read_manifest(dir) {
        Ok(manifest) => Some(manifest.origin.view),
        Err(ProfileError::NotAProfile { .. }) => None,
        Err(fault) => {
            tracing::warn!("crop and mask of the former Profile are not kept: {fault}");
            None
        }
    }
}
