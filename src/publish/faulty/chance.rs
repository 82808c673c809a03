//! Draws from a seed: the same ones each time.

/// SplitMix64: the same draws from the same seed.
pub(in crate::publish) struct Chance(pub(in crate::publish) u64);

impl Chance {
    /// In 0..1.
    pub(in crate::publish) fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(in crate::publish) fn is(&mut self, rate: f64) -> bool {
        self.draw() < rate
    }
}
