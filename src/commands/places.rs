//! The places that a calibration writes to, tried before the work that leads to what they get: a camera films ten
//! minutes, and a wrong path should cost none of them.

use std::path::{Path, PathBuf, absolute};

use super::calibrate::Order;
use super::exit::DataError;
use super::output::make_writable;
use crate::evaluate::whole::WholeFile;
use crate::score::profile::check_target;

/// Tries all places of `order`, and gives where its Profile will really lie. What was there before is untouched.
pub(super) fn check_places(order: &Order) -> anyhow::Result<PathBuf> {
    let place = check_target(&order.out)?;
    for beside in order.report.iter().chain(&order.dump) {
        check_beside(beside, &order.out)?;
    }
    if let Some(file) = &order.report {
        // Dropped at once, which leaves nothing.
        WholeFile::create(file)?;
    }
    // The last, for its folder stays.
    if let Some(folder) = &order.dump {
        make_writable(folder)?;
    }
    Ok(place)
}

/// Refuses a path within the Profile's directory, which may hold nothing but the Profile.
fn check_beside(path: &Path, out: &Path) -> anyhow::Result<()> {
    let (path, out) = (absolute(path)?, absolute(out)?);
    anyhow::ensure!(
        !path.starts_with(&out),
        DataError(format!(
            "{} lies within the Profile {}, which holds nothing else: give a path beside it",
            path.display(),
            out.display()
        ))
    );
    Ok(())
}
