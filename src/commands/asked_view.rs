//! The view that a calibration is to have: by its options, else the camera's configuration, else the Profile that it
//! replaces. A crop or a mask never goes, and never stays, without a word.

use std::path::Path;

use crate::cli::CalibrateArgs;
use crate::config::Camera;
use crate::preprocess::{Mask, View, ViewError};
use crate::score::profile::{Profile, ProfileError};

/// For the Profile that is to lie in `out`.
pub(super) fn asked_view(
    args: &CalibrateArgs,
    camera: Option<&Camera>,
    out: &Path,
) -> Result<View, ViewError> {
    let is_asked = args.crop.is_some() || !args.mask.is_empty();
    let mut crop = args.crop.or_else(|| camera?.crop);
    let mut mask = match args.mask.is_empty() {
        true => camera.and_then(|camera| camera.mask.clone()),
        false => Some(Mask::joined(args.mask.iter().cloned())?),
    };
    let elsewhere = camera.map(|camera| camera.profile.as_path());
    let elsewhere = elsewhere.filter(|profile| *profile != out);
    let former = former(out).or_else(|| former(elsewhere?));
    // The configuration leaves them out so that the Profile's own count (config/inspectd.toml).
    if let Some(former) = former.as_ref().filter(|_| camera.is_some() && !is_asked) {
        crop.get_or_insert(former.crop());
        mask.get_or_insert_with(|| former.mask().clone());
    }
    let view = View::new(crop.unwrap_or_default(), mask.unwrap_or_default())?;
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
