//! Drift: whether the view of a footage moved while it was filmed.
//!
//! The first pictures that have a common view are the measure; each later handful is compared with it,
//! if it has a common view as well. So nothing that moves in front of the camera counts, and a camera
//! that was pushed does, once it stands still again. Of each picture a thumbnail is looked at, and none
//! is kept for longer than its handful.

use std::time::Duration;

use super::check::LOST;
use super::look::SIDE;
use super::reference::{LEAST_SHIFT, PLAIN, share_of_width};
use super::shift::{CommonView, Correlator, TRUSTED};

/// Pictures that are compared at a time: the fewest whose steady phases stand out of chance well.
const HANDFUL: usize = 16;

/// The whole picture counts: what a mask will hide later is not painted yet while footage is filmed.
const WHOLE: [f32; SIDE * SIDE] = [1.0; SIDE * SIDE];

/// Where and when a view had moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moved {
    /// When the first picture was taken that showed it.
    pub at: Duration,
    /// By how much, as a share of the width; none where nothing of the first view is found any more.
    pub share: Option<f64>,
}

/// The pictures that are compared with the first ones.
struct Anchor {
    view: CommonView,
    /// How well its own pictures match it, at least.
    matched: f32,
}

/// Follows the view of one footage.
pub struct Drift {
    correlator: Correlator,
    anchor: Option<Anchor>,
    /// Pictures of the present handful, with their times and sizes.
    handful: Vec<(Vec<u8>, Duration, (u32, u32))>,
    /// Since when every picture has been elsewhere.
    elsewhere_since: Option<Duration>,
    moved: Option<Moved>,
}

impl std::fmt::Debug for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drift")
            .field("moved", &self.moved)
            .finish_non_exhaustive()
    }
}

impl Default for Drift {
    fn default() -> Self {
        Self {
            correlator: Correlator::new(),
            anchor: None,
            handful: Vec::new(),
            elsewhere_since: None,
            moved: None,
        }
    }
}

impl Drift {
    /// Columns and rows of a thumbnail.
    pub const SIDE: usize = SIDE;

    /// Takes the next picture of `size`: the mean luma of the cells of its thumbnail, row by row.
    ///
    /// # Panics
    /// Where there are not [`Self::SIDE`] squared cells.
    pub fn push(&mut self, thumbnail: Vec<u8>, size: (u32, u32), at: Duration) {
        assert_eq!(thumbnail.len(), SIDE * SIDE, "cells of a thumbnail");
        if self.moved.is_some() {
            return;
        }
        if let Some(anchor) = &self.anchor {
            let is_elsewhere = anchor
                .place(&mut self.correlator, &thumbnail, size)
                .is_none_or(|share| share > LEAST_SHIFT);
            self.elsewhere_since = is_elsewhere.then(|| self.elsewhere_since.unwrap_or(at));
        }
        self.handful.push((thumbnail, at, size));
        if self.handful.len() == HANDFUL {
            self.compare();
            self.handful.clear();
        }
    }

    /// Where and when the view had moved, if it had.
    pub fn moved(&self) -> Option<Moved> {
        self.moved
    }

    fn compare(&mut self) {
        let Some(own) = Anchor::of(&mut self.correlator, &self.handful) else {
            return;
        };
        let Some(anchor) = &self.anchor else {
            self.anchor = Some(own);
            return;
        };
        let correlator = &mut self.correlator;
        let places = self.handful.iter();
        let mut places: Vec<Option<f64>> = places
            .map(|(thumbnail, _, size)| anchor.place(correlator, thumbnail, *size))
            .collect();
        // In the middle of the handful; what is lost is the farthest.
        places.sort_by(|a, b| {
            a.unwrap_or(f64::INFINITY)
                .total_cmp(&b.unwrap_or(f64::INFINITY))
        });
        let share = places[HANDFUL / 2];
        if share.is_none_or(|share| share > LEAST_SHIFT) {
            let at = self.elsewhere_since.unwrap_or(self.handful[0].1);
            self.moved = Some(Moved { at, share });
        }
    }
}

impl Anchor {
    /// Of a handful whose pictures have a common view.
    fn of(
        correlator: &mut Correlator,
        handful: &[(Vec<u8>, Duration, (u32, u32))],
    ) -> Option<Anchor> {
        let thumbnails = handful.iter().map(|(thumbnail, ..)| thumbnail.as_slice());
        let view = correlator.view(thumbnails, &WHOLE)?;
        let mut matched = f32::INFINITY;
        for (thumbnail, ..) in handful {
            matched = matched.min(correlator.shift(&view, thumbnail, &WHOLE).matched);
        }
        (f64::from(matched) >= PLAIN).then_some(Anchor { view, matched })
    }

    /// How far from its place the view lies in a picture, as a share of the width; none where it is not
    /// found.
    fn place(
        &self,
        correlator: &mut Correlator,
        thumbnail: &[u8],
        size: (u32, u32),
    ) -> Option<f64> {
        let shift = correlator.shift(&self.view, thumbnail, &WHOLE);
        let is_found = shift.matched >= TRUSTED.max(LOST as f32 * self.matched);
        is_found.then(|| share_of_width(shift.cells, size))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Eye, Rgb, belt, workshop};
    use super::*;

    /// What is found of pictures that come every second.
    fn drift(pictures: impl Iterator<Item = Rgb>) -> Option<Moved> {
        let (mut drift, mut eye) = (Drift::default(), Eye::new());
        for (second, picture) in (0..).zip(pictures) {
            let look = eye.look(&picture);
            drift.push(
                look.appearance.thumbnail.clone(),
                look.appearance.size,
                Duration::from_secs(second),
            );
        }
        drift.moved()
    }

    #[test]
    fn a_tripod_that_is_bumped_is_found_with_the_time() {
        for (dx, dy) in [(20, 0), (-40, 85)] {
            let place = |i| if i < 27 { (0, 0) } else { (dx, dy) };
            let pictures = (0..48).map(|i| workshop(i, place(i).0, place(i).1));
            let moved = drift(pictures).unwrap_or_else(|| panic!("{dx} {dy}"));
            assert_eq!(moved.at, Duration::from_secs(27));
            let pixels = 640.0 * moved.share.unwrap();
            let expected = (dx as f64).hypot(dy as f64);
            assert!((pixels - expected).abs() < 4.0, "{pixels} for {expected}");
        }
    }

    #[test]
    fn a_camera_that_was_turned_away_is_found() {
        let elsewhere = |i: u64| {
            let mut picture = workshop(i, 0, 0);
            picture.reverse();
            picture
        };
        let pictures = (0..20).map(|i| workshop(i, 0, 0));
        let moved = drift(pictures.chain((20..48).map(elsewhere))).unwrap();
        assert_eq!((moved.at, moved.share), (Duration::from_secs(20), None));
    }

    #[test]
    fn what_moves_in_front_of_the_camera_is_no_drift() {
        assert_eq!(drift((0..48).map(|i| workshop(i, (i % 3) as i64, 0))), None);
        assert_eq!(drift(belt(0, 64, false)), None);
        let standing = belt(5, 1, false).next().unwrap();
        let starts = std::iter::repeat_n(standing, 20).chain(belt(5, 44, false));
        assert_eq!(drift(starts), None);
    }

    #[test]
    fn a_push_that_is_put_right_at_once_and_few_pictures_are_no_drift() {
        let pushed = |i: u64| workshop(i, if (20..24).contains(&i) { 50 } else { 0 }, 0);
        assert_eq!(drift((0..48).map(pushed)), None);
        assert_eq!(drift((0..20).map(|i| workshop(i, 4 * i as i64, 0))), None);
        assert_eq!(drift(std::iter::repeat_n(vec![0; 640 * 480 * 3], 32)), None);
    }
}
