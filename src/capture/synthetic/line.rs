//! The production line of the synthetic scene: which part lies where in which frame, and what is
//! wrong with it. All of it follows from the seed and a number, in any order; nothing is drawn here.

use std::ops::Range;

use super::shape::{Blank, Hole, Point, Product};

/// Columns of a frame.
pub const WIDTH: u32 = 640;
/// Rows of a frame.
pub const HEIGHT: u32 = 480;

/// Pixels from one part to the next, and frames in which the belt moves by that.
pub(super) const PITCH: f32 = 520.0;
pub(super) const FRAMES_PER_PART: u64 = 10;

/// One part in so many is defective, never two within four.
const PARTS_PER_DEFECT: u64 = 6;

/// What can be wrong with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DefectKind {
    /// A bolt hole was not drilled.
    MissingHole,
    /// A scratch across the face.
    Scratch,
    /// A stain of oil or rust.
    Stain,
    /// A pin lies on the belt beside the part.
    ForeignObject,
    /// The whole part is of another metal.
    WrongColour,
    /// A piece of the rim has broken off.
    BrokenEdge,
    /// The part lies turned and out of its place.
    Misplaced,
}

impl DefectKind {
    /// Every kind; defects come in this order, over and over.
    pub const ALL: [DefectKind; 7] = [
        DefectKind::MissingHole,
        DefectKind::Stain,
        DefectKind::Misplaced,
        DefectKind::Scratch,
        DefectKind::BrokenEdge,
        DefectKind::ForeignObject,
        DefectKind::WrongColour,
    ];

    /// A word for people: `missing hole`.
    pub fn name(self) -> &'static str {
        match self {
            DefectKind::MissingHole => "missing hole",
            DefectKind::Scratch => "scratch",
            DefectKind::Stain => "stain",
            DefectKind::ForeignObject => "foreign object",
            DefectKind::WrongColour => "wrong colour",
            DefectKind::BrokenEdge => "broken edge",
            DefectKind::Misplaced => "misplaced part",
        }
    }
}

/// A defect as it shows in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defect {
    /// What is wrong.
    pub kind: DefectKind,
    /// The number of the part: the same in all frames that show it.
    pub part: u64,
    /// Left, top, width and height in pixels, within the frame.
    pub bbox: [u32; 4],
}

/// What a defect does to its part, in the part's own coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Flaw {
    pub(super) kind: DefectKind,
    /// Where it is: `[x, y, radius]`.
    pub(super) place: Hole,
    /// 0..1, from slight to bad.
    pub(super) severity: f32,
    /// Direction of a scratch or pin, a unit vector.
    pub(super) direction: Point,
}

/// One part in one frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Centre in the frame; may lie outside.
    pub(super) centre: Point,
    /// Cosine and sine of its rotation.
    pub(super) turn: Point,
    /// Its metal's brightness, about 1.
    pub(super) tone: f32,
    pub(super) blank: Blank,
    pub(super) flaw: Option<Flaw>,
    number: u64,
}

/// The parts that may show in `frame`, shadows included.
pub(super) fn parts(seed: u64, product: Product, defects: bool, frame: u64) -> Vec<Part> {
    let first = frame / FRAMES_PER_PART;
    let step = PITCH / FRAMES_PER_PART as f32 * (frame % FRAMES_PER_PART) as f32;
    (0..3u64)
        .map(|i| {
            let x = step + PITCH * (1.0 - i as f32);
            part(seed, product, defects, first + i, x)
        })
        .filter(|part| {
            (-part.blank.reach()..WIDTH as f32 + part.blank.reach()).contains(&part.centre[0])
        })
        .collect()
}

/// The defect that shows in `frame`, at least by half.
pub(super) fn truth(seed: u64, product: Product, frame: u64) -> Option<Defect> {
    parts(seed, product, true, frame).iter().find_map(|part| {
        let flaw = part.flaw?;
        let [x, y] = part.to_frame([flaw.place[0], flaw.place[1]]);
        let radius = flaw.place[2] + 3.0;
        let clip = |centre: f32, side: u32| -> Range<f32> {
            (centre - radius).clamp(0.0, side as f32)..(centre + radius).clamp(0.0, side as f32)
        };
        let (across, down) = (clip(x, WIDTH), clip(y, HEIGHT));
        let (width, height) = (across.end - across.start, down.end - down.start);
        (width * height >= 0.5 * (2.0 * radius).powi(2)).then(|| Defect {
            kind: flaw.kind,
            part: part.number,
            bbox: [across.start, down.start, width, height].map(|side| side.round() as u32),
        })
    })
}

/// Part `number` with its centre's column at `x`, but for the play that every part has.
fn part(seed: u64, product: Product, defects: bool, number: u64, x: f32) -> Part {
    let random = |what: u64| uniform(seed, number, what);
    let signed = |what: u64| 2.0 * random(what) - 1.0;
    let flaw = defects.then(|| flaw(seed, product, number)).flatten();
    let mut centre = [x + 4.0 * signed(0), 0.5 * HEIGHT as f32 + 4.0 * signed(1)];
    let mut angle = 0.04 * signed(2);
    if let Some(flaw) = flaw
        && flaw.kind == DefectKind::Misplaced
    {
        let side = if random(3) < 0.5 { -1.0 } else { 1.0 };
        centre[1] += side * (30.0 + 30.0 * flaw.severity);
        angle += side * 0.5;
    }
    let at = |kind| flaw.filter(|flaw| flaw.kind == kind).map(|flaw| flaw.place);
    Part {
        centre,
        turn: [angle.cos(), angle.sin()],
        tone: 1.0 + 0.03 * signed(4),
        blank: Blank {
            product,
            undrilled: at(DefectKind::MissingHole),
            bite: at(DefectKind::BrokenEdge),
        },
        flaw,
        number,
    }
}

/// What is wrong with part `number`, if anything is.
fn flaw(seed: u64, product: Product, number: u64) -> Option<Flaw> {
    let block = number / PARTS_PER_DEFECT;
    // The first and last two of a block are always good.
    let chosen = 2 + (uniform(seed, block, 10) * (PARTS_PER_DEFECT - 4) as f32) as u64;
    if number % PARTS_PER_DEFECT != chosen {
        return None;
    }
    let kinds = DefectKind::ALL;
    let kind = kinds[(block % kinds.len() as u64) as usize];
    let severity = uniform(seed, block, 11);
    let (sin, cos) = (std::f32::consts::TAU * uniform(seed, block, 12)).sin_cos();
    let face = product.face_radius();
    let place = match kind {
        DefectKind::MissingHole => product.bolt_hole(uniform(seed, block, 13)),
        DefectKind::Scratch => [face * cos, face * sin, 22.0 + 18.0 * severity],
        DefectKind::Stain => [face * cos, face * sin, 13.0 + 13.0 * severity],
        DefectKind::ForeignObject => {
            let side = if sin < 0.0 { -1.0 } else { 1.0 };
            [70.0 * cos, side * 155.0, 14.0 + 10.0 * severity]
        }
        DefectKind::BrokenEdge => {
            let [x, y] = product.rim([cos, sin]);
            [x, y, 16.0 + 14.0 * severity]
        }
        DefectKind::WrongColour | DefectKind::Misplaced => [0.0, 0.0, product.radius()],
    };
    let direction = (std::f32::consts::TAU * uniform(seed, block, 14)).sin_cos();
    Some(Flaw {
        kind,
        place,
        severity,
        direction: [direction.1, direction.0],
    })
}

impl Part {
    /// A point of the part in the frame.
    pub(super) fn to_frame(&self, [x, y]: Point) -> Point {
        let [cos, sin] = self.turn;
        [
            self.centre[0] + cos * x - sin * y,
            self.centre[1] + sin * x + cos * y,
        ]
    }

    /// A step in the frame as a step on the part.
    pub(super) fn to_part(&self, [x, y]: Point) -> Point {
        let [cos, sin] = self.turn;
        [cos * x + sin * y, cos * y - sin * x]
    }
}

/// A number in 0..1 that depends on all three, without any order between them.
pub(super) fn uniform(seed: u64, index: u64, what: u64) -> f32 {
    (mix(seed, index, what) >> 40) as f32 / (1u64 << 24) as f32
}

/// 64 random bits for the three (the finaliser of SplitMix64, thrice).
pub(super) fn mix(seed: u64, index: u64, what: u64) -> u64 {
    [seed, index, what].iter().fold(0, |state: u64, &value| {
        let mut z = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
