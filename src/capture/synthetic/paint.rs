//! Paints a frame of the line: belt, shadows, metal, light and sensor.
//!
//! Everything random comes from tables made once per seed and entered at a place that the frame's
//! number gives, so a frame is the same however and whenever it is painted.

use super::line::{self, DefectKind, FRAMES_PER_PART, Flaw, HEIGHT, PITCH, Part, WIDTH, uniform};
use super::shape::{Point, Product, length, to_circle, to_rod};

/// The belt repeats after this many pixels: two parts.
const BELT: usize = 2 * PITCH as usize;
/// Length of the table of noise, a power of two; longer than a row, so rows don't match.
const NOISE: usize = 1 << 16;
/// Height of the rails at both sides of the belt.
const RAIL: usize = 26;

type Rgb = [f32; 3];

const RUBBER: Rgb = [62.0, 70.0, 68.0];
const STEEL: Rgb = [168.0, 170.0, 173.0];
const COPPER: Rgb = [176.0, 122.0, 88.0];
const BRASS: Rgb = [190.0, 168.0, 96.0];

/// Where the light comes from, in the frame: the upper left.
const LIGHT: Point = [-0.6, -0.8];
/// How far a part's shadow falls to the lower right.
const SHADOW: f32 = 9.0;

/// Paints the frames of one line.
pub(super) struct Painter {
    seed: u64,
    product: Product,
    /// Brightness of the rubber, about 0, `[HEIGHT, BELT]`.
    belt: Vec<f32>,
    /// Share of the light that reaches a pixel, `[HEIGHT, WIDTH]`.
    vignette: Vec<f32>,
    /// Normally distributed.
    noise: Vec<f32>,
    canvas: Vec<Rgb>,
}

impl Painter {
    pub(super) fn new(seed: u64, product: Product) -> Self {
        let noise = normal_table(seed);
        Self {
            seed,
            product,
            belt: belt(&noise),
            vignette: vignette(),
            noise,
            canvas: vec![[0.0; 3]; (WIDTH * HEIGHT) as usize],
        }
    }

    /// `[HEIGHT, WIDTH, 3]`.
    pub(super) fn paint(&mut self, frame: u64, defects: bool) -> Vec<u8> {
        self.lay_belt(frame);
        for part in line::parts(self.seed, self.product, defects, frame) {
            self.lay_part(&part);
            if let Some(flaw) = part.flaw
                && flaw.kind == DefectKind::ForeignObject
            {
                self.lay_pin(&part, &flaw);
            }
        }
        self.expose(frame)
    }

    fn lay_belt(&mut self, frame: u64) {
        let step = PITCH as u64 / FRAMES_PER_PART;
        let shift = BELT - (frame % (2 * FRAMES_PER_PART) * step) as usize % BELT;
        let rows = self.canvas.chunks_exact_mut(WIDTH as usize);
        for ((y, row), belt) in rows.enumerate().zip(self.belt.chunks_exact(BELT)) {
            if let Some(shade) = rail(y) {
                row.fill(STEEL.map(|value| 0.62 * value * shade));
                continue;
            }
            for (x, pixel) in row.iter_mut().enumerate() {
                let grain = belt[(x + shift) % BELT];
                *pixel = RUBBER.map(|value| value + grain);
            }
        }
    }

    /// Calls `paint` with each pixel of a square in the frame and its step from the square's centre.
    fn each_pixel(&mut self, centre: Point, reach: f32, paint: impl Fn(&mut Rgb, Point)) {
        let range = |middle: f32, side: u32| {
            let low = (middle - reach).max(0.0) as usize;
            low..((middle + reach).max(0.0) as usize).min(side as usize)
        };
        let columns = range(centre[0], WIDTH);
        for y in range(centre[1], HEIGHT) {
            let row = &mut self.canvas[y * WIDTH as usize..][..WIDTH as usize];
            let dy = y as f32 - centre[1];
            for (x, pixel) in row
                .iter_mut()
                .enumerate()
                .take(columns.end)
                .skip(columns.start)
            {
                paint(pixel, [x as f32 - centre[0], dy]);
            }
        }
    }

    fn lay_part(&mut self, part: &Part) {
        let noise = std::mem::take(&mut self.noise);
        let metal = Metal {
            part,
            noise: &noise,
        };
        self.each_pixel(part.centre, part.blank.reach(), |pixel, step| {
            let p = part.to_part(step);
            let distance = part.blank.distance(p);
            if distance > -1.0 {
                let above =
                    part.to_part([step[0] + SHADOW * LIGHT[0], step[1] + SHADOW * LIGHT[1]]);
                let depth = (0.5 - part.blank.distance(above) / 12.0).clamp(0.0, 1.0);
                *pixel = pixel.map(|value| value * (1.0 - 0.6 * depth));
            }
            if distance < 0.5 {
                blend(pixel, metal.colour(p, step, distance), 0.5 - distance);
            }
        });
        self.noise = noise;
    }

    fn lay_pin(&mut self, part: &Part, flaw: &Flaw) {
        let centre = part.to_frame([flaw.place[0], flaw.place[1]]);
        let half = flaw.place[2] - 6.0;
        self.each_pixel(centre, flaw.place[2] + 8.0, |pixel, step| {
            let shadow = to_rod([step[0] - 3.0, step[1] - 4.0], flaw.direction, half) - 5.0;
            *pixel = pixel.map(|value| value * (1.0 - 0.5 * (0.5 - shadow / 4.0).clamp(0.0, 1.0)));
            let distance = to_rod(step, flaw.direction, half);
            // Round: bright along the middle.
            let shine = 1.15 - 0.1 * distance;
            blend(pixel, BRASS.map(|value| value * shine), 5.5 - distance);
        });
    }

    /// Light and sensor: vignette, drift, noise that grows with the signal, 8 bits.
    fn expose(&self, frame: u64) -> Vec<u8> {
        let light = light(self.seed, frame);
        let start = line::mix(self.seed, frame, 21) as usize;
        let mut data = Vec::with_capacity(self.canvas.len() * 3);
        let mut at = start;
        for (pixel, vignette) in self.canvas.iter().zip(&self.vignette) {
            for value in pixel {
                let value = value * vignette * light;
                let noise = self.noise[at % NOISE] * (1.3 + 0.008 * value);
                at = at.wrapping_add(1);
                data.push((value + noise + 0.5) as u8);
            }
            // A step of 3 would meet the same row of noise again and again.
            at = at.wrapping_add(usize::from(at.is_multiple_of(7)));
        }
        data
    }
}

/// The surface of one part.
struct Metal<'a> {
    part: &'a Part,
    noise: &'a [f32],
}

impl Metal<'_> {
    /// At `p` on the part, `step` from its centre in the frame, `distance` from its edge.
    fn colour(&self, p: Point, step: Point, distance: f32) -> Rgb {
        let product = self.part.blank.product;
        let radius = length(p).max(1.0);
        let mut shade = self.part.tone;
        if product.is_turned() {
            // Rings of the tool, and the two bright sectors that turned metal has under one light.
            let ring = self.noise[(radius * 1.5) as usize % NOISE];
            let (x, y) = (step[0] / radius, step[1] / radius);
            shade += 0.022 * ring + 0.10 * (0.28 * (x * x - y * y) + 0.96 * 2.0 * x * y);
        } else {
            shade += 0.03 * self.noise[(p[1] + 512.0) as usize % NOISE] - 0.0006 * p[0];
        }
        if product == Product::Flange {
            // A raised hub with a bevel.
            let bevel = (1.0 - (radius - 56.0).abs() / 3.0).max(0.0);
            shade += 0.25 * bevel * (step[0] * LIGHT[0] + step[1] * LIGHT[1]) / radius;
            shade += if radius < 56.0 { 0.06 } else { 0.0 };
        }
        shade += self.edge(p, distance);
        let tint = match self.part.flaw {
            Some(flaw) if flaw.kind == DefectKind::WrongColour => COPPER,
            _ => STEEL,
        };
        let colour = tint.map(|value| value * shade);
        match self.part.flaw {
            Some(flaw) => worn(colour, p, &flaw),
            None => colour,
        }
    }

    /// The bevel at the edge: bright where it faces the light.
    fn edge(&self, p: Point, distance: f32) -> f32 {
        if distance < -4.0 {
            return 0.0;
        }
        let blank = &self.part.blank;
        let light = self.part.to_part(LIGHT);
        let towards = blank.distance([p[0] + light[0], p[1] + light[1]]) - distance;
        0.3 * towards.clamp(-1.0, 1.0) * (1.0 + distance / 4.0)
    }
}

/// Stains and scratches on the metal.
fn worn(colour: Rgb, p: Point, flaw: &Flaw) -> Rgb {
    let [x, y, radius] = flaw.place;
    let from = [p[0] - x, p[1] - y];
    match flaw.kind {
        DefectKind::Stain => {
            let ragged = 3.0 * (0.35 * p[0] + 2.0).sin() * (0.3 * p[1]).cos();
            let depth = (-(to_circle(p, flaw.place) + ragged) / 6.0).clamp(0.0, 1.0);
            let rust = [0.55, 0.42, 0.30];
            std::array::from_fn(|i| colour[i] * (1.0 - depth * (1.0 - rust[i])))
        }
        DefectKind::Scratch => {
            let width = 1.2 + 1.3 * flaw.severity;
            let bright = (width + 0.5 - to_rod(from, flaw.direction, radius)).clamp(0.0, 1.0);
            let beside = [from[0] - 2.0, from[1] - 2.0];
            let dark = (width + 0.5 - to_rod(beside, flaw.direction, radius)).clamp(0.0, 1.0);
            colour.map(|value| value * (1.0 - 0.45 * dark) + 70.0 * bright)
        }
        _ => colour,
    }
}

fn blend(pixel: &mut Rgb, colour: Rgb, share: f32) {
    let share = share.clamp(0.0, 1.0);
    for (value, new) in pixel.iter_mut().zip(colour) {
        *value += share * (new - *value);
    }
}

/// Brightness of the rail in a row, if there is one: a rounded profile.
fn rail(y: usize) -> Option<f32> {
    let from_edge = y.min(HEIGHT as usize - 1 - y);
    (from_edge < RAIL).then(|| {
        let across = from_edge as f32 / RAIL as f32;
        0.45 + 0.75 * (std::f32::consts::PI * across).sin()
    })
}

/// The lamp in a frame: slow drift of about 3 %, and a little flicker.
fn light(seed: u64, frame: u64) -> f32 {
    let wave = |period: f64, phase: u64| {
        let turn = frame as f64 / period + f64::from(uniform(seed, 0, phase));
        (std::f64::consts::TAU * turn).sin() as f32
    };
    let flicker = 2.0 * uniform(seed, frame, 24) - 1.0;
    1.0 + 0.022 * wave(310.0, 22) + 0.01 * wave(73.0, 23) + 0.004 * flicker
}

fn vignette() -> Vec<f32> {
    let (width, height) = (WIDTH as f32, HEIGHT as f32);
    let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x as f32, y as f32)));
    pixels
        .map(|(x, y)| {
            let (dx, dy) = (2.0 * x / width - 1.0, 2.0 * y / height - 1.0);
            // The lamp hangs a little to the left.
            1.06 - 0.16 * (dx * dx + 0.8 * dy * dy) - 0.05 * dx
        })
        .collect()
}

/// A woven rubber belt: a fine weave, grain, and dirt in streaks along the way.
fn belt(noise: &[f32]) -> Vec<f32> {
    let weave = std::f32::consts::TAU / 8.0;
    let rows = (0..HEIGHT as usize).flat_map(|y| (0..BELT).map(move |x| (x, y)));
    rows.map(|(x, y)| {
        let (fx, fy) = (x as f32 * weave, y as f32 * weave);
        let grain = noise[(y * BELT + x).wrapping_mul(40_503) % NOISE];
        let streak = noise[(y / 3) % NOISE] + noise[(y / 17) % NOISE];
        let patch = noise[(x / 40 + 31 * (y / 40)) % NOISE];
        4.0 * fx.sin() * fy.sin() + 2.2 * grain + 1.5 * streak + 0.7 * patch
    })
    .collect()
}

/// Normally distributed numbers (Box and Muller).
fn normal_table(seed: u64) -> Vec<f32> {
    (0..NOISE as u64 / 2)
        .flat_map(|i| {
            let radius = (-2.0 * (1.0 - uniform(seed, i, 31)).ln()).sqrt();
            let (sin, cos) = (std::f32::consts::TAU * uniform(seed, i, 32)).sin_cos();
            [radius * cos, radius * sin]
        })
        .collect()
}
