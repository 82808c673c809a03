//! Which patches of a picture are looked at.
//!
//! Made of a camera's view and a teacher's grid, it travels with the features, so that masked patches
//! take no part in any mean, map or statistics. Attention still sees their tokens: their pixels are
//! painted with one constant before the resize, so they say nothing of what lies under the mask.

use std::borrow::Cow;
use std::sync::Arc;

use super::Grid;
use crate::preprocess::{LEAST_KEPT, View, ViewError};

/// The patches of a grid, some of them masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patches {
    grid: Grid,
    /// Per patch, `[rows * columns]`; none where none is masked.
    masked: Option<Arc<[bool]>>,
}

impl Patches {
    /// All of a grid.
    pub fn all(grid: Grid) -> Self {
        Patches { grid, masked: None }
    }

    /// Those that the view leaves: a patch is masked when at least half of it is.
    ///
    /// # Errors
    /// [`ViewError::Hidden`] where less than a quarter of the patches is left.
    pub fn of(view: &View, grid: Grid) -> Result<Self, ViewError> {
        let masked = view.masked_patches(grid.rows, grid.columns);
        let hidden = masked.iter().filter(|masked| **masked).count();
        let share = 1.0 - hidden as f64 / masked.len().max(1) as f64;
        if share < LEAST_KEPT {
            return Err(ViewError::Hidden(share));
        }
        Ok(Patches {
            grid,
            masked: (hidden > 0).then(|| masked.into()),
        })
    }

    /// Rows and columns.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Whether all are looked at.
    pub fn are_all(&self) -> bool {
        self.masked.is_none()
    }

    /// Whether a patch, counted row by row, is looked at.
    pub fn keeps(&self, patch: usize) -> bool {
        self.masked.as_ref().is_none_or(|masked| !masked[patch])
    }

    /// What belongs to the patches that are looked at.
    pub fn kept<T>(&self, of_patches: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        let numbered = of_patches.enumerate();
        numbered.filter_map(|(patch, value)| self.keeps(patch).then_some(value))
    }

    /// The tokens of the patches that are looked at, of those of all, `[P, D]`.
    pub fn kept_tokens<'a>(&self, tokens: &'a [f32], width: usize) -> Cow<'a, [f32]> {
        if self.are_all() {
            return tokens.into();
        }
        let kept = self.kept(tokens.chunks_exact(width));
        kept.flatten().copied().collect()
    }
}
