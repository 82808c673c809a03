//! Variety: how much of the footage differs, as the teacher sees it.
//!
//! Near-duplicates count as one ([`crate::train::alike`]). The others are linked where they lie close by the measure of their own neighbourhood; what hangs together is a kind. A
//! slow change, such as of the light over a day, is one kind, since there are frames in between.

use crate::train::alike::{distance, first_alike, unit};
use crate::train::cache::spread;

/// Different frames up to this many times the median distance to the nearest one are of one kind.
const LINK: f32 = 4.0;
/// More frames than this are not compared, but as many, evenly over the footage. They take 0.5 s.
const MOST: usize = 1000;
/// A smaller share of the frames makes no kind.
const LEAST_SHARE: f64 = 0.02;

/// How much the footage shows.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Variety {
    /// Frames that were compared.
    pub compared: usize,
    /// How many are left without near-duplicates.
    pub different: usize,
    /// What they show, the most frequent first.
    pub kinds: Vec<Kind>,
    /// Frames that are of no kind: next to none is like them.
    pub alone: Vec<usize>,
}

/// Frames that hang together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Kind {
    /// Of those compared.
    pub frames: usize,
    /// The one in their middle.
    pub example: usize,
}

/// A frame and its near-duplicates.
struct Group {
    leader: usize,
    frames: usize,
}

/// Groups that hang together.
struct Linked {
    groups: Vec<usize>,
    /// The one that is nearest to all of them together.
    middle: usize,
}

impl Variety {
    /// Of the frames' vectors, in the footage's order.
    pub(super) fn of(vectors: &[&[f32]]) -> Variety {
        let frames = spread(vectors.len(), MOST);
        let units: Vec<Vec<f32>> = frames.iter().map(|&frame| unit(vectors[frame])).collect();
        let groups = groups(&units);
        let mut variety = Variety {
            compared: units.len(),
            different: groups.len(),
            ..Variety::default()
        };
        let least = ((LEAST_SHARE * units.len() as f64).ceil() as usize).max(2);
        for kind in linked(&groups, &units) {
            let size = kind.groups.iter().map(|&group| groups[group].frames);
            let size = size.sum();
            if size >= least {
                variety.kinds.push(Kind {
                    frames: size,
                    example: frames[groups[kind.middle].leader],
                });
            } else {
                let leaders = kind
                    .groups
                    .iter()
                    .map(|&group| frames[groups[group].leader]);
                variety.alone.extend(leaders);
            }
        }
        variety
            .kinds
            .sort_by_key(|kind| std::cmp::Reverse(kind.frames));
        variety.alone.sort_unstable();
        variety
    }
}

/// Frames that show the same, by their first.
fn groups(units: &[Vec<f32>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (frame, leader) in first_alike(units).into_iter().enumerate() {
        match groups.binary_search_by_key(&leader, |group| group.leader) {
            Ok(group) => groups[group].frames += 1,
            Err(_) => groups.push(Group {
                leader: frame,
                frames: 1,
            }),
        }
    }
    groups
}

/// The groups that hang together.
fn linked(groups: &[Group], units: &[Vec<f32>]) -> Vec<Linked> {
    let count = groups.len();
    let mut distances = vec![0.0; count * count];
    for a in 0..count {
        for b in 0..a {
            let apart = distance(&units[groups[a].leader], &units[groups[b].leader]);
            distances[a * count + b] = apart;
            distances[b * count + a] = apart;
        }
    }
    let row = |group: usize| &distances[group * count..][..count];
    let nearest = |group: usize| {
        let others = row(group).iter().enumerate();
        let others = others.filter(|(other, _)| *other != group);
        others
            .map(|(_, &apart)| apart)
            .fold(f32::INFINITY, f32::min)
    };
    let mut nearest: Vec<f32> = (0..count).map(nearest).collect();
    nearest.sort_unstable_by(f32::total_cmp);
    let link = LINK * nearest.get(count / 2).copied().unwrap_or_default();
    let mut is_free = vec![true; count];
    let mut kinds = Vec::new();
    for first in 0..count {
        if !std::mem::take(&mut is_free[first]) {
            continue;
        }
        let mut kind = vec![first];
        let mut done = 0;
        while let Some(&group) = kind.get(done) {
            done += 1;
            for (other, &apart) in row(group).iter().enumerate() {
                if apart <= link && std::mem::take(&mut is_free[other]) {
                    kind.push(other);
                }
            }
        }
        let away = |group: usize| -> f32 { kind.iter().map(|&other| row(group)[other]).sum() };
        let middle = kind.iter().copied();
        let middle = middle.min_by(|&a, &b| away(a).total_cmp(&away(b)));
        kinds.push(Linked {
            middle: middle.unwrap_or(first),
            groups: kind,
        });
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A direction in 8 dimensions, with a little of frame `i`'s own.
    fn vector(towards: usize, i: usize, own: f32) -> Vec<f32> {
        let mut vector = vec![0.0; 8];
        vector[towards] = 10.0;
        let angle = i as f32 * 2.4;
        vector[6] = own * angle.sin();
        vector[7] = own * angle.cos();
        vector
    }

    fn variety(vectors: &[Vec<f32>]) -> Variety {
        Variety::of(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn frames_that_differ_by_noise_are_one() {
        let vectors: Vec<_> = (0..600).map(|i| vector(i % 3, i, 0.05)).collect();
        let found = variety(&vectors);
        assert_eq!((found.compared, found.different), (600, 3));
    }

    #[test]
    fn two_lights_are_two_kinds_and_a_hand_in_the_picture_is_alone() {
        let mut vectors: Vec<_> = (0..60).map(|i| vector(0, i, 2.0)).collect();
        vectors.extend((0..30).map(|i| vector(1, i, 2.0)));
        vectors.insert(40, vector(2, 0, 0.0));
        let found = variety(&vectors);
        let sizes: Vec<usize> = found.kinds.iter().map(|kind| kind.frames).collect();
        assert_eq!(sizes, [60, 30]);
        assert!(found.kinds[0].example < 60 && found.kinds[1].example > 60);
        assert_eq!(found.alone, [40]);
    }

    #[test]
    fn a_slow_change_is_one_kind() {
        let vectors: Vec<Vec<f32>> = (0..200).map(|i| vec![10.0, i as f32 / 10.0, 0.0]).collect();
        let found = variety(&vectors);
        assert_eq!(found.kinds.len(), 1, "{:?}", found.kinds);
        assert!(
            (40..160).contains(&found.kinds[0].example),
            "{:?}",
            found.kinds
        );
        assert!(found.different > 20);
    }

    #[test]
    fn footage_of_one_picture_or_of_none_is_no_fault() {
        assert_eq!(variety(&[]), Variety::default());
        let found = variety(&vec![vec![0.0; 4]; 20]);
        assert_eq!(found.compared, 20);
        let found = variety(&vec![vec![1.0, 2.0]; 20]);
        assert_eq!((found.different, found.kinds.len()), (1, 1));
    }

    #[test]
    fn long_footage_is_thinned_evenly_and_its_frames_keep_their_numbers() {
        let mut vectors = vec![vector(0, 0, 0.0); 5000];
        for vector in &mut vectors[4000..] {
            vector.swap(0, 1);
        }
        let found = variety(&vectors);
        assert_eq!((found.compared, found.different), (MOST, 2));
        assert!(found.kinds.iter().all(|kind| kind.frames > 100));
    }
}
