//! The shapes of the parts, as signed distances: negative inside, in pixels, in the part's own
//! coordinates (centre at the origin, y down).

/// `[x, y]`.
pub(super) type Point = [f32; 2];
/// `[x, y, radius]`.
pub(super) type Hole = [f32; 3];

/// Shadows fall no further from a part than this.
const SHADOW_REACH: f32 = 24.0;

/// What the line makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Product {
    /// A turned flange with six bolt holes.
    #[default]
    Flange,
    /// A gear with 24 teeth and five lightening holes.
    Gear,
    /// A bracket, a plate with rounded corners and four bolt holes.
    Bracket,
}

#[rustfmt::skip]
const FLANGE: [Hole; 7] = [
    [0.0, 0.0, 34.0],
    [78.0, 0.0, 11.0], [39.0, 67.55, 11.0], [-39.0, 67.55, 11.0],
    [-78.0, 0.0, 11.0], [-39.0, -67.55, 11.0], [39.0, -67.55, 11.0],
];
#[rustfmt::skip]
const GEAR: [Hole; 6] = [
    [0.0, 0.0, 22.0],
    [56.0, 0.0, 14.0], [17.3, 53.26, 14.0], [-45.3, 32.92, 14.0],
    [-45.3, -32.92, 14.0], [17.3, -53.26, 14.0],
];
#[rustfmt::skip]
const BRACKET: [Hole; 5] = [
    [0.0, 0.0, 26.0],
    [78.0, 42.0, 10.0], [-78.0, 42.0, 10.0], [-78.0, -42.0, 10.0], [78.0, -42.0, 10.0],
];

impl Product {
    /// The bore first, then the bolt holes.
    fn holes(self) -> &'static [Hole] {
        match self {
            Product::Flange => &FLANGE,
            Product::Gear => &GEAR,
            Product::Bracket => &BRACKET,
        }
    }

    /// The bolt hole that a number in 0..1 chooses.
    pub(super) fn bolt_hole(self, choice: f32) -> Hole {
        let bolts = &self.holes()[1..];
        bolts[((choice * bolts.len() as f32) as usize).min(bolts.len() - 1)]
    }

    /// Where the face is widest, from the centre: there stains and scratches lie.
    pub(super) fn face_radius(self) -> f32 {
        match self {
            Product::Flange => 68.0,
            Product::Gear => 62.0,
            Product::Bracket => 44.0,
        }
    }

    /// Of the circle about the whole part.
    pub(super) fn radius(self) -> f32 {
        match self {
            Product::Flange => 106.0,
            Product::Gear => 104.0,
            Product::Bracket => 118.0,
        }
    }

    /// The point of the rim in a direction, near enough to bite a piece off.
    pub(super) fn rim(self, [x, y]: Point) -> Point {
        let far = match self {
            Product::Flange => 106.0,
            Product::Gear => 96.0,
            Product::Bracket => (108.0 / x.abs().max(0.01)).min(66.0 / y.abs().max(0.01)),
        };
        [far * x, far * y]
    }

    /// Whether it was turned on a lathe: rings on its face.
    pub(super) fn is_turned(self) -> bool {
        matches!(self, Product::Flange | Product::Gear)
    }

    /// Distance to the outer edge, holes filled.
    fn outline(self, [x, y]: Point) -> f32 {
        match self {
            Product::Flange => length([x, y]) - 106.0,
            Product::Gear => {
                let radius = length([x, y]);
                if (84.0..112.0).contains(&radius) {
                    // Flanks steep enough to look like teeth, but a distance still.
                    let wave = (24.0 * y.atan2(x)).cos();
                    radius - 95.0 - (16.0 * wave).clamp(-7.0, 7.0)
                } else {
                    radius - 95.0
                }
            }
            Product::Bracket => {
                let (dx, dy) = (x.abs() - 90.0, y.abs() - 48.0);
                length([dx.max(0.0), dy.max(0.0)]) + dx.max(dy).min(0.0) - 18.0
            }
        }
    }
}

/// A part's body, with what is wrong with its shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blank {
    pub(super) product: Product,
    /// The hole that is missing.
    pub(super) undrilled: Option<Hole>,
    /// The piece broken off.
    pub(super) bite: Option<Hole>,
}

impl Blank {
    /// Distance to the edge of the metal.
    pub(super) fn distance(&self, p: Point) -> f32 {
        let mut distance = self.product.outline(p);
        if distance > SHADOW_REACH {
            return distance;
        }
        for hole in self.product.holes() {
            if self.undrilled.as_ref() != Some(hole) {
                distance = distance.max(-to_circle(p, *hole));
            }
        }
        if self.product == Product::Flange {
            // A key way in the bore: without it, a sixth of a turn would not show.
            distance = distance.max(-((p[0] - 36.0).abs().max(p[1].abs()) - 7.0));
        }
        if let Some(bite) = self.bite {
            // A ragged edge.
            let ragged = 2.5 * (0.45 * p[0]).sin() * (0.37 * p[1]).sin();
            distance = distance.max(-(to_circle(p, bite) + ragged));
        }
        distance
    }

    /// Half the side of the square that holds the part and its shadow, however it is turned.
    pub(super) fn reach(&self) -> f32 {
        self.product.radius() + SHADOW_REACH
    }
}

/// `hypot` without its care for overflow, which costs ten times as much.
pub(super) fn length([x, y]: Point) -> f32 {
    (x * x + y * y).sqrt()
}

/// Distance to a circle.
pub(super) fn to_circle([x, y]: Point, [cx, cy, radius]: Hole) -> f32 {
    length([x - cx, y - cy]) - radius
}

/// Distance to the middle line of a rod of the given half length.
pub(super) fn to_rod([x, y]: Point, direction: Point, half_length: f32) -> f32 {
    let along = (x * direction[0] + y * direction[1]).clamp(-half_length, half_length);
    length([x - along * direction[0], y - along * direction[1]])
}
