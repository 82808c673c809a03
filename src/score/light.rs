//! Light: what the frames of one kind of light have of their own.
//!
//! By day and by night the same scene has other features. Each light has its own means, its own map
//! and its own scales; how features vary about the means is learnt from the frames of all lights
//! together, because a covariance takes more frames than one light has (METHOD.md, section 3). Which
//! light a frame is of, the scene says ([`crate::preprocess::SceneReference::light_of`]).

use std::borrow::Cow;

use nalgebra::DVector;

use super::map::MapStatistics;
use super::parts::{FrameVectors, PartOffset};
use super::tokens::{Scratch, TokenGaussian};

/// One kind of light, as a fit knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Light {
    /// None where there is but one light.
    pub(super) shift: Option<Shift>,
    pub(super) map: MapStatistics,
}

/// How far the frames of one light lie from the mean of all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shift {
    pub(super) offset: PartOffset,
    /// Where its residual tokens lie.
    centre: DVector<f32>,
}

impl Shift {
    pub(super) fn new(offset: PartOffset, tokens: &TokenGaussian) -> Self {
        // The residual is the mean of the residual tokens, so one offset is that of both.
        let centre = tokens.centre(offset.residual());
        Shift { offset, centre }
    }
}

/// A frame as it would be in the mean of all lights.
pub(super) fn level<'f>(shift: Option<&Shift>, frame: &'f FrameVectors) -> Cow<'f, FrameVectors> {
    match shift {
        None => Cow::Borrowed(frame),
        Some(shift) => Cow::Owned(frame.less(&shift.offset)),
    }
}

/// Distances of a frame's residual tokens, `[P]`.
pub(super) fn distances(
    shift: Option<&Shift>,
    gaussian: &TokenGaussian,
    tokens: &[f32],
    scratch: &mut Scratch,
) -> Vec<f32> {
    match shift {
        None => gaussian.distances(tokens, scratch),
        Some(shift) => gaussian.distances_about(&shift.centre, tokens, scratch),
    }
}

#[cfg(test)]
#[path = "light_tests.rs"]
mod tests;
