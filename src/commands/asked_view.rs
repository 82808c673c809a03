//! The view that a calibration is to have: by its options, else the camera's configuration, else the Profile
//! that it replaces. A crop or a mask never goes without a word.

use std::path::Path;

use crate::cli::CalibrateArgs;
use crate::config::Camera;
use crate::preprocess::{Mask, View, ViewError};
use crate::score::profile::Profile;

/// For the Profile that is to lie in `out`.
pub(super) fn asked_view(
    args: &CalibrateArgs,
    camera: Option<&Camera>,
    out: &Path,
) -> Result<View, ViewError> {
    let crop = args.crop.or_else(|| camera?.crop);
    let mask = match args.mask.is_empty() {
        true => camera.and_then(|camera| camera.mask.clone()),
        false => Some(Mask::joined(args.mask.iter().cloned())?),
    };
    let is_asked = crop.is_some() || mask.is_some();
    let view = View::new(crop.unwrap_or_default(), mask.unwrap_or_default())?;
    let former = Profile::read_manifest(out).map(|manifest| manifest.origin.view);
    let Some(former) = former.ok().filter(|former| *former != view) else {
        return Ok(view);
    };
    let out = out.display();
    // The configuration leaves them out so that the Profile's own count (config/inspectd.toml).
    if camera.is_some() && !is_asked {
        tracing::info!(
            "the crop and the mask of the Profile {out} are kept; --crop 0,0,1,1 looks at all"
        );
        return Ok(former);
    }
    if !former.is_whole() {
        tracing::warn!(
            "the Profile {out}, which this replaces, has another crop or mask; only what is given now counts"
        );
    }
    Ok(view)
}
