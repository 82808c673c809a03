//! A frame as it would be in a little more or less light.
//!
//! All levels are multiplied, as they are stored: what a lamp that ages, a cloud or the exposure of a
//! camera does to them is next to a factor there too. What passes white is white.

use std::borrow::Cow;

use super::{Rejection, decode};
use crate::capture::{Frame, Pixels};

/// The frame with every level `factor` times as high.
///
/// # Errors
/// A [`Rejection`] where the frame holds no sound picture.
pub fn relight(frame: &Frame, factor: f32) -> Result<Frame, Rejection> {
    let levels: [u8; 256] =
        std::array::from_fn(|level| (level as f32 * factor).round().clamp(0.0, 255.0) as u8);
    let picture = decode(&frame.pixels)?;
    let mut data = match picture.data {
        Cow::Owned(data) => data,
        Cow::Borrowed(data) => data.to_vec(),
    };
    for value in &mut data {
        *value = levels[usize::from(*value)];
    }
    Ok(Frame {
        seq: frame.seq,
        at: frame.at,
        name: frame.name.clone(),
        pixels: Pixels::Rgb8 {
            width: picture.width,
            height: picture.height,
            data,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Moment;

    fn frame(data: Vec<u8>) -> Frame {
        Frame {
            seq: 3,
            at: Moment::now(),
            name: Some("a".into()),
            pixels: Pixels::Rgb8 {
                width: 16,
                height: 16,
                data,
            },
        }
    }

    #[test]
    fn every_level_is_multiplied_up_to_white() {
        let own = frame((0..768).map(|i| (i % 256) as u8).collect());
        let brighter = relight(&own, 1.05).unwrap();
        let Pixels::Rgb8 { data, .. } = &brighter.pixels else {
            panic!("{brighter:?}")
        };
        assert_eq!(
            (data[0], data[100], data[200], data[250]),
            (0, 105, 210, 255)
        );
        assert_eq!((brighter.seq, &brighter.name), (own.seq, &own.name));
    }

    #[test]
    fn a_frame_without_a_picture_is_refused_as_ever() {
        let broken = frame(vec![0; 5]);
        assert!(relight(&broken, 1.05).is_err());
    }
}
