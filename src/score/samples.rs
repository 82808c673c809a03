//! Samples: the vectors that a Gaussian is fitted on, one per frame.
//!
//! A [`Samples`] holds at least one vector, all of one width, all finite: checked once, here, so
//! that no fit has to. Vectors are widened to `f64` on the way in. It never weighs or drops one.

use nalgebra::DMatrix;

/// Why statistics could not be fitted on the frames given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Fewer frames than the fit can be made of.
    #[error("{got} normal frames are too few, {needed} are the least: give more footage")]
    TooFew {
        /// The least number.
        needed: usize,
        /// What there was.
        got: usize,
    },
    /// Vectors of different lengths: the frames went through different models.
    #[error(
        "frame {frame} has a feature of {got} values where the first has {expected}: \
         extract all frames with one teacher and one student"
    )]
    Ragged {
        /// Index of the frame.
        frame: usize,
        /// Length of the first frame's vector.
        expected: usize,
        /// Length of this one's.
        got: usize,
    },
    /// A NaN or an infinity among the features.
    #[error(
        "the features of frame {frame} are not finite: check the teacher with \
         `inspectd teacher inspect`, and look at the frame"
    )]
    NotFinite {
        /// Index of the frame.
        frame: usize,
    },
    /// Nothing varies, or not enough to say in which direction.
    #[error(
        "{what} does not vary enough over the normal frames: the footage repeats itself (a frozen \
         camera?); give more and different normal frames"
    )]
    NoVariation {
        /// What was being fitted.
        what: &'static str,
    },
}

/// Vectors of one width, one per frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// `[width, frames]`: each column is a frame.
    columns: DMatrix<f64>,
}

impl Samples {
    /// Gathers one vector of each frame.
    ///
    /// # Errors
    /// [`FitError::TooFew`] without any vector, [`FitError::Ragged`] and [`FitError::NotFinite`]
    /// with the index of the first frame at fault.
    pub fn gather<'a, T>(rows: impl IntoIterator<Item = &'a [T]>) -> Result<Self, FitError>
    where
        T: Copy + Into<f64> + 'a,
    {
        let mut values = Vec::new();
        let mut width = None;
        let mut frames = 0;
        for row in rows {
            let expected = *width.get_or_insert(row.len());
            if row.len() != expected {
                let got = row.len();
                return Err(FitError::Ragged {
                    frame: frames,
                    expected,
                    got,
                });
            }
            values.extend(row.iter().map(|&v| v.into()));
            if values[values.len() - expected..]
                .iter()
                .any(|v: &f64| !v.is_finite())
            {
                return Err(FitError::NotFinite { frame: frames });
            }
            frames += 1;
        }
        match width {
            None => Err(FitError::TooFew { needed: 1, got: 0 }),
            Some(width) => Ok(Self {
                columns: DMatrix::from_vec(width, frames, values),
            }),
        }
    }

    /// Number of vectors.
    pub fn frames(&self) -> usize {
        self.columns.ncols()
    }

    /// Length of each vector.
    pub fn width(&self) -> usize {
        self.columns.nrows()
    }

    /// `[width, frames]`.
    pub(super) fn columns(&self) -> &DMatrix<f64> {
        &self.columns
    }

    /// The same samples seen through `map`, a function of one vector that keeps finite values
    /// finite.
    pub(super) fn mapped(&self, map: impl Fn(&[f64]) -> Vec<f64>) -> Result<Self, FitError> {
        let frames = self.columns.column_iter();
        let mapped: Vec<Vec<f64>> = frames
            .map(|column| map(column.into_owned().as_slice()))
            .collect();
        Self::gather(mapped.iter().map(Vec::as_slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_another_width_is_named() {
        let rows: [&[f32]; 3] = [&[1.0, 2.0], &[3.0, 4.0], &[5.0]];
        let expected = FitError::Ragged {
            frame: 2,
            expected: 2,
            got: 1,
        };
        assert_eq!(Samples::gather(rows), Err(expected));
    }

    #[test]
    fn a_nan_is_named_by_its_frame() {
        let rows: [&[f32]; 2] = [&[1.0, 2.0], &[3.0, f32::NAN]];
        assert_eq!(Samples::gather(rows), Err(FitError::NotFinite { frame: 1 }));
    }

    #[test]
    fn no_frames_are_too_few() {
        let none: [&[f64]; 0] = [];
        assert_eq!(
            Samples::gather(none),
            Err(FitError::TooFew { needed: 1, got: 0 })
        );
    }
}
