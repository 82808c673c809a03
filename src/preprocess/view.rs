//! The view of a camera: the part of its picture that is looked at.
//!
//! A [`Crop`] is the rectangle that goes to the teacher, a [`Mask`] holds polygons that are not looked
//! at. Both are relative to the whole frame, 0..1 from its top left corner, so they hold for any size.
//! The types can't hold what makes no sense; they know nothing of pixels' values.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Shortest side of a crop.
const SHORTEST: f64 = 0.05;
/// Share of the crop, and of the patches, that a mask must leave.
pub(crate) const LEAST_KEPT: f64 = 0.25;
/// Polygons of a mask, and points of a polygon: more is no mask that somebody drew.
const MOST: usize = 256;
/// What `0.7 + 0.3` and its like may be beyond 1.
const ROUNDING: f64 = 1e-9;
/// Squares a side that a view is checked on.
const SAMPLES: usize = 64;

/// Why a crop, a mask or both make no view.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ViewError {
    /// Not as many numbers as needed, or no numbers.
    #[error("\"{0}\" is not understood: give {1}")]
    Text(String, &'static str),
    /// A number that is not finite or not within the frame.
    #[error(
        "{0} is outside of the frame: coordinates run from 0 to 1, whatever its size in pixels"
    )]
    Outside(f64),
    /// The crop reaches beyond the frame.
    #[error("the crop reaches beyond the frame: x + width and y + height are 1 at most")]
    Beyond,
    /// The crop is too small to show anything.
    #[error("the crop is {0} wide or high; {SHORTEST} (5 % of the frame) is the least")]
    Small(f64),
    /// A polygon without an inside.
    #[error("polygon {0} has no area: give three points or more that are not on one line")]
    Flat(usize),
    /// More than anybody draws.
    #[error("a mask has at most {MOST} polygons of at most {MOST} points each")]
    Large,
    /// The mask leaves too little.
    #[error(
        "the mask leaves {:.0} % of what the crop shows, and a quarter is the least", 100.0 * .0
    )]
    Hidden(f64),
}

/// The rectangle of the frame that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 4]", into = "[f64; 4]")]
pub struct Crop {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Polygons that are not looked at, in coordinates of the whole frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Polygon>", into = "Vec<Polygon>")]
pub struct Mask(Vec<Polygon>);

/// Its corners `[x, y]` in order; the last is joined to the first. What lies inside follows the
/// even-odd rule.
pub type Polygon = Vec<[f64; 2]>;

/// A crop and a mask that leave enough to be looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct View {
    crop: Crop,
    mask: Mask,
}

/// A view that is not checked yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    crop: Crop,
    mask: Mask,
}

impl Crop {
    /// `[x, y, width, height]`.
    ///
    /// # Errors
    /// [`ViewError::Outside`], [`ViewError::Beyond`], [`ViewError::Small`].
    pub fn new([x, y, width, height]: [f64; 4]) -> Result<Self, ViewError> {
        check_coordinates([x, y, width, height])?;
        let shortest = width.min(height);
        if shortest < SHORTEST {
            return Err(ViewError::Small(shortest));
        }
        if x + width > 1.0 + ROUNDING || y + height > 1.0 + ROUNDING {
            return Err(ViewError::Beyond);
        }
        Ok(Crop {
            x,
            y,
            width,
            height,
        })
    }

    /// The pixels of a frame of `width` x `height`; at least one.
    pub fn pixels(self, width: u32, height: u32) -> Rect {
        let (x, columns) = span(self.x, self.width, width);
        let (y, rows) = span(self.y, self.height, height);
        Rect {
            x,
            y,
            width: columns,
            height: rows,
        }
    }
}

/// First pixel and length of `[start, start + length)` of `size` pixels.
fn span(start: f64, length: f64, size: u32) -> (u32, u32) {
    let edge = |at: f64| (at * f64::from(size)).round() as u32;
    let first = edge(start).min(size.saturating_sub(1));
    let end = edge(start + length).clamp(first + 1, size.max(first + 1));
    (first, end - first)
}

impl Default for Crop {
    /// The whole frame.
    fn default() -> Self {
        Crop {
            x: 0.0,
            y: 0.0,
            width: 1.0,
            height: 1.0,
        }
    }
}

impl Rect {
    /// The whole of a frame.
    pub fn whole(width: u32, height: u32) -> Self {
        Rect {
            x: 0,
            y: 0,
            width,
            height,
        }
    }
}

impl Mask {
    /// Of these polygons; none hide nothing.
    ///
    /// # Errors
    /// [`ViewError::Outside`], [`ViewError::Flat`], [`ViewError::Large`].
    pub fn new(polygons: Vec<Polygon>) -> Result<Self, ViewError> {
        if polygons.len() > MOST || polygons.iter().any(|polygon| polygon.len() > MOST) {
            return Err(ViewError::Large);
        }
        for (number, polygon) in polygons.iter().enumerate() {
            check_coordinates(polygon.iter().flatten().copied())?;
            if is_flat(polygon) {
                return Err(ViewError::Flat(number + 1));
            }
        }
        Ok(Mask(polygons))
    }

    /// All that either of `masks` hides.
    ///
    /// # Errors
    /// [`ViewError::Large`].
    pub fn joined(masks: impl IntoIterator<Item = Mask>) -> Result<Self, ViewError> {
        Mask::new(masks.into_iter().flat_map(|mask| mask.0).collect())
    }

    /// Whether nothing is masked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which cells of `columns` x `rows` over `area` have their centre under the mask.
    fn raster(&self, area: Crop, columns: usize, rows: usize) -> Vec<bool> {
        let mut cells = vec![false; columns * rows];
        let (step_x, step_y) = (area.width / columns as f64, area.height / rows as f64);
        let column = |x: f64| {
            let at = ((x - area.x) / step_x - 0.5).ceil();
            at.clamp(0.0, columns as f64) as usize
        };
        for (row, line) in cells.chunks_exact_mut(columns.max(1)).enumerate() {
            let y = area.y + (row as f64 + 0.5) * step_y;
            for polygon in &self.0 {
                for [from, to] in inside(polygon, y) {
                    line[column(from)..column(to)].fill(true);
                }
            }
        }
        cells
    }
}

/// The pieces `[from, to)` of the line at `y` that lie inside, by the even-odd rule.
fn inside(polygon: &[[f64; 2]], y: f64) -> Vec<[f64; 2]> {
    let next = polygon.iter().cycle().skip(1);
    let crossings = polygon.iter().zip(next).filter_map(|(a, b)| {
        let crosses = (a[1] <= y) != (b[1] <= y);
        crosses.then(|| a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
    });
    let mut crossings: Vec<f64> = crossings.collect();
    crossings.sort_unstable_by(f64::total_cmp);
    crossings.as_chunks::<2>().0.to_vec()
}

/// Whether all points lie on one line, or nearly.
fn is_flat(polygon: &[[f64; 2]]) -> bool {
    let Some((first, rest)) = polygon.split_first() else {
        return true;
    };
    let sides = rest.iter().map(|p| [p[0] - first[0], p[1] - first[1]]);
    let longest = sides
        .clone()
        .max_by(|a, b| a[0].hypot(a[1]).total_cmp(&b[0].hypot(b[1])));
    let Some(along) = longest else {
        return true;
    };
    let areas = sides.map(|side| (along[0] * side[1] - along[1] * side[0]).abs());
    areas.fold(0.0, f64::max) < 1e-6
}

fn check_coordinates(values: impl IntoIterator<Item = f64>) -> Result<(), ViewError> {
    match values
        .into_iter()
        .find(|value| !(0.0..=1.0).contains(value))
    {
        Some(value) => Err(ViewError::Outside(value)),
        None => Ok(()),
    }
}

impl View {
    /// Of both.
    ///
    /// # Errors
    /// [`ViewError::Hidden`] where the mask leaves less than a quarter of the crop.
    pub fn new(crop: Crop, mask: Mask) -> Result<Self, ViewError> {
        let hidden = mask.raster(crop, SAMPLES, SAMPLES);
        let kept = hidden.iter().filter(|hidden| !**hidden).count();
        let share = kept as f64 / hidden.len() as f64;
        if share < LEAST_KEPT {
            return Err(ViewError::Hidden(share));
        }
        Ok(View { crop, mask })
    }

    /// Whether all of the frame is looked at.
    pub fn is_whole(&self) -> bool {
        *self == View::default()
    }

    /// The rectangle that is looked at.
    pub fn crop(&self) -> Crop {
        self.crop
    }

    /// What is not looked at.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Which pixels of a frame of `width` x `height` are masked, row by row.
    pub fn masked_pixels(&self, width: u32, height: u32) -> Vec<bool> {
        self.mask
            .raster(Crop::default(), width as usize, height as usize)
    }

    /// Which of `columns` x `rows` points, evenly over the crop, are masked, row by row.
    pub fn masked_points(&self, columns: usize, rows: usize) -> Vec<bool> {
        self.mask.raster(self.crop, columns, rows)
    }

    /// Which of `rows` x `columns` patches over the crop are masked: by half or more, measured at 16 x
    /// 16 points of each.
    pub fn masked_patches(&self, rows: usize, columns: usize) -> Vec<bool> {
        const POINTS: usize = 16;
        let points = self.masked_points(columns * POINTS, rows * POINTS);
        let mut masked = vec![0; rows * columns];
        for (at, _) in points.iter().enumerate().filter(|(_, masked)| **masked) {
            let (row, column) = (at / (columns * POINTS), at % (columns * POINTS));
            masked[row / POINTS * columns + column / POINTS] += 1;
        }
        let half = |count| count >= POINTS * POINTS / 2;
        masked.into_iter().map(half).collect()
    }
}

impl TryFrom<[f64; 4]> for Crop {
    type Error = ViewError;

    fn try_from(values: [f64; 4]) -> Result<Self, ViewError> {
        Crop::new(values)
    }
}

impl From<Crop> for [f64; 4] {
    fn from(crop: Crop) -> Self {
        [crop.x, crop.y, crop.width, crop.height]
    }
}

impl TryFrom<Vec<Polygon>> for Mask {
    type Error = ViewError;

    fn try_from(polygons: Vec<Polygon>) -> Result<Self, ViewError> {
        Mask::new(polygons)
    }
}

impl From<Mask> for Vec<Polygon> {
    fn from(mask: Mask) -> Self {
        mask.0
    }
}

impl TryFrom<Parts> for View {
    type Error = ViewError;

    fn try_from(Parts { crop, mask }: Parts) -> Result<Self, ViewError> {
        View::new(crop, mask)
    }
}

impl FromStr for Crop {
    type Err = ViewError;

    /// `X,Y,W,H`.
    fn from_str(text: &str) -> Result<Self, ViewError> {
        const FORM: &str = "X,Y,WIDTH,HEIGHT, each from 0 to 1";
        Crop::new(numbers(text, FORM)?)
    }
}

impl FromStr for Mask {
    type Err = ViewError;

    /// One polygon, `x,y x,y x,y`.
    fn from_str(text: &str) -> Result<Self, ViewError> {
        const FORM: &str = "points as \"x,y x,y x,y\", each number from 0 to 1";
        let points = text.split_whitespace().map(|point| numbers(point, FORM));
        Mask::new(vec![points.collect::<Result<_, _>>()?])
    }
}

/// As many numbers between commas as are asked for.
fn numbers<const N: usize>(text: &str, form: &'static str) -> Result<[f64; N], ViewError> {
    let values: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let values = values.ok().and_then(|values| values.try_into().ok());
    values.ok_or_else(|| ViewError::Text(text.to_owned(), form))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
