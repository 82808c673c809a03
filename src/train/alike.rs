//! Alike: frames that show the same to the teacher.
//!
//! Frames are compared by the cosine of their class tokens, so a distance has the same meaning for
//! every teacher and every scene.

/// A distance (1 - cosine) up to which two frames show the same. Measured with two teachers: noise of
/// 3 grey levels moves a frame by less than 0.0006, a part that goes on by a tenth of its way by 0.003
/// to 0.01, and consecutive magnetic tiles are 0.02 and more apart.
const SAME: f32 = 0.001;

/// Of each frame the first one that it shows the same as, which is itself where none before it does;
/// of vectors of length one. Greedy: only frames that are the first of theirs are compared with.
pub(super) fn first_alike(units: &[Vec<f32>]) -> Vec<usize> {
    let mut firsts: Vec<usize> = Vec::new();
    let mut of_each = Vec::with_capacity(units.len());
    for (frame, vector) in units.iter().enumerate() {
        // The latest first: in a film it is the most alike.
        let mut known = firsts.iter().rev();
        let first = known.find(|first| distance(&units[**first], vector) <= SAME);
        of_each.push(first.copied().unwrap_or_else(|| {
            firsts.push(frame);
            frame
        }));
    }
    of_each
}

/// Of length one.
pub(super) fn unit(vector: &[f32]) -> Vec<f32> {
    let square: f32 = vector.iter().map(|value| value * value).sum();
    let length = square.sqrt().max(f32::MIN_POSITIVE);
    vector.iter().map(|value| value / length).collect()
}

/// 1 - cosine, of vectors of length one.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f32 {
    1.0 - a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_knows_the_first_that_shows_the_same() {
        let towards = |axis: usize, noise: f32| {
            let mut vector = vec![noise; 8];
            vector[axis] = 10.0;
            unit(&vector)
        };
        let frames = [
            (0, 0.0),
            (1, 0.0),
            (0, 0.05),
            (1, 0.03),
            (2, 0.0),
            (0, 0.02),
        ];
        let units: Vec<Vec<f32>> = frames
            .iter()
            .map(|(axis, noise)| towards(*axis, *noise))
            .collect();
        assert_eq!(first_alike(&units), [0, 1, 0, 1, 4, 0]);
        assert!(first_alike(&[]).is_empty());
    }
}
