//! A heat map: a picture with its anomaly map laid over it.
//!
//! The map is enlarged bilinearly, with each value at the middle of its patch, and coloured by Turbo
//! (Mikhailov 2019; dark blue, green, yellow, red). Where the map is low the picture stays as it is,
//! in grey, so that colour always means something; where nobody looks, beside the crop and under the
//! mask, it is dark. It shows scores and never changes them.

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, ImageResult, Rgb, RgbImage};

use super::enlarge::enlarge_in_view;
use super::whole::write_whole;
use crate::infer::Grid;
use crate::preprocess::{Picture, View};

/// The values of a map between which the colours run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Nothing is shown up to here.
    pub low: f32,
    /// The strongest colour from here on.
    pub high: f32,
}

impl Default for Scale {
    /// For a map in standard deviations: from 1 to 6.
    fn default() -> Self {
        Self {
            low: 1.0,
            high: 6.0,
        }
    }
}

/// How much of the picture the strongest colour hides.
const OPACITY: f32 = 0.65;
/// How much is left of the light where nobody looks.
const DARKNESS: f32 = 0.35;

/// The picture with `map`, `[rows * columns]` of `grid`, laid over what `view` shows of it. None where
/// the map does not fit the grid, or the picture's bytes its size. A value that is not finite counts
/// as the highest.
pub fn overlay(
    picture: &Picture<'_>,
    map: &[f32],
    grid: Grid,
    scale: Scale,
    view: &View,
) -> Option<RgbImage> {
    let (width, height) = (picture.width, picture.height);
    let fits = map.len() == grid.rows * grid.columns && !map.is_empty();
    let mut canvas = RgbImage::from_raw(width, height, picture.data.to_vec()).filter(|_| fits)?;
    let share: Vec<f32> = map.iter().map(|&value| scale.share(value)).collect();
    let shares = enlarge_in_view(&share, grid, view, (width, height));
    canvas
        .pixels_mut()
        .zip(shares)
        .for_each(|(pixel, share)| tint(pixel, share));
    if !view.is_whole() {
        darken(&mut canvas, view);
    }
    Some(canvas)
}

/// The picture as a PNG file's bytes.
///
/// # Errors
/// Those of the encoder.
pub fn to_png(picture: &RgbImage) -> ImageResult<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// Writes the picture as a PNG file, whatever the name ends in.
///
/// # Errors
/// Those of the encoder and of the file system; the text names the file.
pub fn write_png(picture: &RgbImage, path: &Path) -> anyhow::Result<()> {
    Ok(write_whole(path, &to_png(picture)?)?)
}

impl Scale {
    /// Where a value lies, 0..=1.
    fn share(self, value: f32) -> f32 {
        if value.is_finite() {
            ((value - self.low) / (self.high - self.low).max(f32::MIN_POSITIVE)).clamp(0.0, 1.0)
        } else {
            1.0
        }
    }
}

/// Lays the colour of `share` over the pixel, the more opaque the higher.
fn tint(pixel: &mut Rgb<u8>, share: f32) {
    let [r, g, b] = pixel.0.map(f32::from);
    let grey = 0.299 * r + 0.587 * g + 0.114 * b;
    // Full strength is reached half way: yellow and red then differ by hue alone.
    let alpha = OPACITY * (2.0 * share).min(1.0);
    pixel.0 = turbo(share).map(|colour| {
        let value = grey + alpha * (255.0 * colour - grey);
        (value + 0.5).clamp(0.0, 255.0) as u8
    });
}

/// Takes light from what `view` does not show, in grey.
fn darken(canvas: &mut RgbImage, view: &View) {
    let (width, height) = canvas.dimensions();
    let crop = view.crop().pixels(width, height);
    let masked = view.masked_pixels(width, height);
    for ((x, y, pixel), is_masked) in canvas.enumerate_pixels_mut().zip(masked) {
        let is_inside = (crop.x..crop.x + crop.width).contains(&x)
            && (crop.y..crop.y + crop.height).contains(&y);
        if is_masked || !is_inside {
            let [r, g, b] = pixel.0.map(f32::from);
            let grey = 0.299 * r + 0.587 * g + 0.114 * b;
            pixel.0 = [(DARKNESS * grey) as u8; 3];
        }
    }
}

/// Turbo's published polynomial, `0..=1` to RGB in `0..=1`.
fn turbo(share: f32) -> [f32; 3] {
    const RED: [f32; 6] = [
        0.135_721, 4.615_392, -42.660_32, 132.131_08, -152.942_4, 59.286_38,
    ];
    const GREEN: [f32; 6] = [
        0.091_402_6,
        2.194_188,
        4.842_966,
        -14.185_033,
        4.277_298,
        2.829_566,
    ];
    const BLUE: [f32; 6] = [
        0.106_673, 12.641_946, -60.582_05, 110.362_77, -89.903_11, 27.348_25,
    ];
    [RED, GREEN, BLUE].map(|terms| {
        let value = terms.iter().rev().fold(0.0, |sum, term| sum * share + term);
        value.clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::{Crop, Mask};

    const GRID: Grid = Grid {
        rows: 3,
        columns: 4,
    };

    fn grey(width: u32, height: u32) -> Picture<'static> {
        Picture {
            width,
            height,
            data: vec![100; (width * height * 3) as usize].into(),
        }
    }

    #[test]
    fn a_normal_map_leaves_a_grey_picture_as_it_is() {
        let shown = overlay(
            &grey(64, 48),
            &[0.5; 12],
            GRID,
            Scale::default(),
            &View::default(),
        )
        .unwrap();
        assert!(shown.iter().all(|&value| value == 100));
    }

    #[test]
    fn the_patch_that_stands_out_is_red_and_its_opposite_corner_is_not_touched() {
        let mut map = [0.0; 12];
        map[4 + 2] = 9.0;
        let shown = overlay(
            &grey(64, 48),
            &map,
            GRID,
            Scale::default(),
            &View::default(),
        )
        .unwrap();
        // The middle of row 1, column 2.
        let [red, green, blue] = shown.get_pixel(40, 24).0;
        assert!(red > 110 && green < 60 && blue < 60, "{red} {green} {blue}");
        assert_eq!(shown.get_pixel(0, 0).0, [100; 3]);
        assert_eq!(shown.get_pixel(63, 47).0, [100; 3]);
    }

    #[test]
    fn what_is_not_looked_at_is_dark_and_the_map_lies_over_the_crop() {
        let crop = Crop::new([0.5, 0.0, 0.5, 1.0]).unwrap();
        let corner = vec![[0.75, 0.5], [1.0, 0.5], [1.0, 1.0], [0.75, 1.0]];
        let view = View::new(crop, Mask::new(vec![corner]).unwrap()).unwrap();
        let mut map = [0.0; 12];
        map[0] = 9.0;
        let shown = overlay(&grey(64, 48), &map, GRID, Scale::default(), &view).unwrap();
        assert_eq!(shown.get_pixel(10, 10).0, [35; 3], "beside the crop");
        assert_eq!(shown.get_pixel(60, 40).0, [35; 3], "under the mask");
        assert_eq!(shown.get_pixel(60, 10).0, [100; 3], "looked at, and normal");
        let [red, green, _] = shown.get_pixel(33, 4).0;
        assert!(red > 110 && green < 60, "the first patch of the crop");
    }

    #[test]
    fn a_map_of_another_grid_is_refused() {
        assert!(
            overlay(
                &grey(64, 48),
                &[0.0; 11],
                GRID,
                Scale::default(),
                &View::default()
            )
            .is_none()
        );
        let none = Grid {
            rows: 0,
            columns: 0,
        };
        assert!(overlay(&grey(64, 48), &[], none, Scale::default(), &View::default()).is_none());
    }

    #[test]
    fn what_is_not_finite_shows_as_the_worst() {
        let shown = |value| {
            overlay(
                &grey(8, 8),
                &[value; 12],
                GRID,
                Scale::default(),
                &View::default(),
            )
            .unwrap()
        };
        assert_eq!(shown(f32::NAN), shown(100.0));
        assert_eq!(shown(f32::INFINITY), shown(100.0));
    }

    #[test]
    fn the_colours_run_from_blue_over_green_to_red() {
        // Turbo's table at 0, 64, 128, 192 and 255 of 255. The polynomial is at most 0.126 off,
        // at the ends of blue.
        let table = [
            (0.0, [0.190, 0.072, 0.232]),
            (64.0, [0.158, 0.736, 0.923]),
            (128.0, [0.644, 0.990, 0.234]),
            (192.0, [0.984, 0.493, 0.128]),
            (255.0, [0.480, 0.016, 0.011]),
        ];
        for (level, expected) in table {
            let got = turbo(level / 255.0);
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 0.13, "{level}: {got} {expected}");
            }
        }
    }

    #[test]
    fn a_png_is_read_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let map: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let shown = overlay(
            &grey(31, 17),
            &map,
            GRID,
            Scale::default(),
            &View::default(),
        )
        .unwrap();
        let path = folder.path().join("map.heat");
        write_png(&shown, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), to_png(&shown).unwrap());
        let back = image::load_from_memory(&to_png(&shown).unwrap()).unwrap();
        assert_eq!(back.into_rgb8(), shown);
    }
}
