//! Pictures of two scenes for tests, and what may befall a camera: the belt of the demo, where all
//! moves but the rails, and a workshop, where all stands still but a disc that passes by.

use super::{Look, SceneFootage, SceneReference};
use crate::capture::synthetic::{HEIGHT, Synthetic, WIDTH};
use crate::capture::{Frame, Moment, Pixels, replay};
use crate::preprocess::{Interpolation, Preprocessing, Preprocessor, View};

/// `[HEIGHT, WIDTH, 3]`.
pub(super) type Rgb = Vec<u8>;

const COLUMNS: usize = WIDTH as usize;
const ROWS: usize = HEIGHT as usize;

/// Looks at pictures as the bundled teacher's input shows them.
pub(super) struct Eye(Preprocessor);

impl Eye {
    pub(super) fn new() -> Self {
        Self::looking_at(View::default())
    }

    pub(super) fn looking_at(view: View) -> Self {
        let preprocessor = Preprocessor::new(&Preprocessing {
            width: 224,
            height: 224,
            mean: [0.5; 3],
            std: [0.5; 3],
            interpolation: Interpolation::Bilinear,
        });
        Self(preprocessor.looking_at(view))
    }

    pub(super) fn look(&mut self, data: &[u8]) -> &Look {
        self.look_at(WIDTH, HEIGHT, data)
    }

    pub(super) fn look_at(&mut self, width: u32, height: u32, data: &[u8]) -> &Look {
        let frame = Frame {
            seq: 0,
            at: Moment::now(),
            name: None,
            pixels: Pixels::Rgb8 {
                width,
                height,
                data: data.to_vec(),
            },
        };
        self.0.prepare(&frame).unwrap();
        self.0.look()
    }
}

/// Frames of the belt.
pub(super) fn belt(start: u64, count: u64, defects: bool) -> impl Iterator<Item = Rgb> {
    let line = Synthetic {
        start,
        frames: Some(count),
        defects,
        seed: 1,
        ..Synthetic::default()
    };
    let frames = replay(&line).unwrap();
    frames.map(|frame| match frame.unwrap().pixels {
        Pixels::Rgb8 { data, .. } => data,
        _ => unreachable!("the synthetic scene is RGB"),
    })
}

fn hash(a: u64, b: u64, c: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ c.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    for _ in 0..2 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    }
    z ^ (z >> 31)
}

fn unit(a: u64, b: u64, c: u64) -> f32 {
    (hash(a, b, c) >> 40) as f32 / (1 << 24) as f32
}

/// Frame `i` of the workshop: boxes of many sizes that stand still, `dx` and `dy` pixels from their
/// place, a dark disc that passes in front of them, and noise.
pub(super) fn workshop(i: u64, dx: i64, dy: i64) -> Rgb {
    let mut shades = vec![[110.0_f32, 105.0, 100.0]; COLUMNS * ROWS];
    for block in 0..90_u64 {
        let of = |what| unit(block, what, 77);
        let (width, height) = (20.0 + 120.0 * of(0), 20.0 + 90.0 * of(1));
        let left = (-60.0 + 760.0 * of(2)) as i64 + dx;
        let top = (-60.0 + 600.0 * of(3)) as i64 + dy;
        let colour: [f32; 3] =
            std::array::from_fn(|c| 40.0 + 180.0 * of(4) + 20.0 * of(5 + c as u64));
        for y in top.max(0)..(top + height as i64).min(ROWS as i64) {
            for x in left.max(0)..(left + width as i64).min(COLUMNS as i64) {
                shades[y as usize * COLUMNS + x as usize] = colour;
            }
        }
    }
    let at = [(i as f32 * 37.0) % 900.0 - 130.0, 240.0];
    let noise = |p: usize| 4.0 * (unit(i, p as u64, 5) + unit(i, p as u64, 6) - 1.0);
    let mut picture = Vec::with_capacity(3 * shades.len());
    for (p, shade) in shades.iter().enumerate() {
        let (x, y) = ((p % COLUMNS) as f32, (p / COLUMNS) as f32);
        let is_disc = (x - at[0]).hypot(y - at[1]) < 110.0;
        let shade = if is_disc { [35.0, 40.0, 45.0] } else { *shade };
        picture.extend(shade.map(|v| (v + noise(p)) as u8));
    }
    picture
}

/// Noise of up to `most` grey levels on a plain picture: a lens that is covered.
pub(super) fn noise(level: u8, most: u64) -> Rgb {
    let values = 0..3 * (COLUMNS * ROWS) as u64;
    values
        .map(|i| {
            let off = (hash(i, u64::from(level), most) % (most + 1)) as u8;
            level.checked_add(off).unwrap_or(level - off)
        })
        .collect()
}

/// The reference of pictures that follow each other.
pub(super) fn reference(pictures: impl Iterator<Item = Rgb>) -> SceneReference {
    reference_of(&mut Eye::new(), pictures)
}

/// The same as an eye sees them.
pub(super) fn reference_of(eye: &mut Eye, pictures: impl Iterator<Item = Rgb>) -> SceneReference {
    let mut footage = SceneFootage::new(true);
    for (i, picture) in pictures.enumerate() {
        footage.take(i, None, eye.look(&picture));
    }
    footage.fit().unwrap()
}

/// The picture with another noise of a grey level at one in so many values.
pub(super) fn noisy(picture: &[u8], seed: u64, one_in: u64) -> Rgb {
    let values = picture.iter().zip(0_u64..);
    values
        .map(|(&v, i)| v.saturating_add(u8::from(hash(seed, i, 3).is_multiple_of(one_in))))
        .collect()
}

/// Each channel times its gain.
pub(super) fn lit(picture: &[u8], gain: [f32; 3]) -> Rgb {
    let values = picture.iter().enumerate();
    values
        .map(|(i, &v)| (f32::from(v) * gain[i % 3]) as u8)
        .collect()
}

/// The picture out of focus: three box filters of `2 * radius + 1`, each way.
pub(super) fn blurred(picture: &[u8], radius: i64) -> Rgb {
    let mut out = picture.to_vec();
    for (count, step, lines) in [
        (
            COLUMNS,
            3,
            (0..ROWS).map(|y| 3 * y * COLUMNS).collect::<Vec<_>>(),
        ),
        (ROWS, 3 * COLUMNS, (0..COLUMNS).map(|x| 3 * x).collect()),
    ] {
        for _ in 0..3 {
            for start in lines.iter().flat_map(|&line| line..line + 3) {
                let line: Vec<u32> = (0..count).map(|i| out[start + i * step].into()).collect();
                let value = |i: i64| line[i.clamp(0, count as i64 - 1) as usize];
                let mut sum: u32 = (-radius..=radius).map(value).sum();
                for i in 0..count as i64 {
                    out[start + i as usize * step] = (sum / (2 * radius as u32 + 1)) as u8;
                    sum = sum + value(i + radius + 1) - value(i - radius);
                }
            }
        }
    }
    out
}

/// The picture with a plain rectangle in front of `share` of it.
pub(super) fn covered(picture: &[u8], share: f32, shade: u8) -> Rgb {
    let columns = (share * COLUMNS as f32) as usize;
    let mut out = picture.to_vec();
    for row in out.chunks_exact_mut(3 * COLUMNS) {
        row[..3 * columns].fill(shade);
    }
    out
}
