//! Repeats: whether a picture was seen a moment ago, to the byte.
//!
//! A sensor's noise makes each picture another one. A source that hangs repeats its last picture, or
//! goes round its few buffers; of each picture only a digest is kept.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher as _};

/// Different pictures that are remembered: more than a driver has buffers.
const REMEMBERED: usize = 8;

/// The last different pictures of a source.
#[derive(Debug, Default)]
pub(super) struct Repeats(VecDeque<u64>);

impl Repeats {
    /// Whether the picture is one of those remembered; if not, it is from now on.
    pub(super) fn knows(&mut self, picture: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(picture);
        let digest = hasher.finish();
        let is_known = self.0.contains(&digest);
        if !is_known {
            if self.0.len() == REMEMBERED {
                self.0.pop_front();
            }
            self.0.push_back(digest);
        }
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eight_pictures_are_known_and_no_other() {
        let picture = |n: u8| vec![n; 100];
        let mut repeats = Repeats::default();
        assert!((0..9).all(|n| !repeats.knows(&picture(n))));
        assert!((1..9).all(|n| repeats.knows(&picture(n))));
        assert!(!repeats.knows(&picture(0)), "forgotten");
    }

    #[test]
    fn any_bit_makes_another_picture() {
        let picture: Vec<u8> = (0..101).collect();
        for bit in 0..8 * picture.len() {
            let mut other = picture.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let mut repeats = Repeats::default();
            assert!(
                !repeats.knows(&picture) && !repeats.knows(&other),
                "bit {bit}"
            );
        }
    }
}
