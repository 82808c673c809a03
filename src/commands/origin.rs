//! What a calibration learnt as a Profile: where it comes from, its receipt, and what refining needs.

use std::path::{Path, PathBuf, absolute};

use super::calibrate::Order;
use crate::infer::Teacher;
use crate::score::profile::{FrameSize, Origin, Profile, Receipt, StudentShape};
use crate::score::refit::Material;
use crate::train::calibrate::Calibration;

/// The Profile that `order` asks for, which took so many seconds.
///
/// # Errors
/// Where the working folder, from which the teacher's path may be told, is gone.
pub(super) fn profile_of(
    learnt: Calibration,
    teacher: &Teacher,
    order: &Order,
    seconds: f64,
) -> anyhow::Result<Profile> {
    let origin = Origin {
        teacher: teacher.info().clone(),
        student: StudentShape {
            blocks: learnt.blocks,
            mlp_width: learnt.mlp_width,
        },
        frame: learnt
            .size
            .map(|(width, height)| FrameSize { width, height }),
        view: order.wishes.view.clone(),
        normal_frames: learnt.used,
        epochs: learnt.epochs,
        seed: order.wishes.seed,
        camera: order.camera.clone(),
    };
    let material = Material {
        frames: learnt.taught,
        relit: learnt.relit,
        held_out: learnt.held_out,
        fine: Vec::new(),
        interval: learnt.interval,
    };
    let (statistics, scene) = (learnt.statistics, learnt.scene);
    let receipt = receipt(order, seconds)?;
    let profile = Profile::new(origin, statistics, scene, learnt.student, receipt);
    Ok(profile.with_material(material))
}

fn receipt(order: &Order, seconds: f64) -> anyhow::Result<Receipt> {
    let teacher = order.teacher.as_deref().map(remembered).transpose()?;
    Ok(Receipt {
        calibrated_at: jiff::Timestamp::now(),
        refined_at: None,
        seconds,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        teacher: teacher.flatten(),
    })
}

/// The teacher's path as the receipt can hold it.
fn remembered(path: &Path) -> std::io::Result<Option<PathBuf>> {
    let path = absolute(path)?;
    if path.to_str().is_none() {
        tracing::warn!(
            "{} is no UTF-8: give --teacher with this Profile",
            path.display()
        );
        return Ok(None);
    }
    Ok(Some(path))
}
