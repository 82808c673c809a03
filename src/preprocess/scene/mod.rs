//! The scene as a whole: what it looks like, and whether a Profile can judge it at all.
//!
//! A [`Look`] is taken of each picture. Calibration gathers looks ([`SceneFootage`]) into a
//! [`SceneReference`]; [`SceneCheck`] holds one look against it, and [`SceneWatch`] follows one
//! camera in time. An anomaly is none of their business: measures are such that a thing that covers
//! a third of the picture is left to the models.

mod check;
mod drift;
mod footage;
mod lights;
mod look;
mod measures;
mod reference;
mod repeats;
mod shift;
mod spread;
mod unmasked;
mod watch;

pub use check::{Lighting, OTHER_LIGHT, SceneCheck};
pub use drift::{Drift, Moved};
pub use footage::SceneFootage;
pub use look::{GRID, Look};
pub use reference::{SceneArray, SceneNumbers, SceneReference};
pub use watch::{SceneRules, SceneWatch};

/// How far a picture's statistics are from those of the normal footage, in robust deviations.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SceneZ {
    /// Of the brightness.
    pub brightness_z: f32,
    /// Of the contrast.
    pub contrast_z: f32,
    /// Of the sharpness.
    pub sharpness_z: f32,
}

#[cfg(test)]
mod fixture;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod mask_tests;

#[cfg(test)]
mod watch_tests;

#[cfg(test)]
mod limit_tests;
