//! Metrics of maps: how well single pixels part normal from anomalous.
//!
//! Pixel AUROC, and AUPRO as MVTec AD defines it: the overlap with each 8-connected region of the
//! masks, averaged over regions, against the rate of false positives over all normal pixels,
//! integrated up to a rate of 0.3 and divided by it. All pixels are pooled (eight bytes each) and
//! sorted once; no threshold is skipped. It never resizes: map and mask come at one size.

/// AUPRO integrates up to this rate of false positives.
const FPR_LIMIT: f64 = 0.3;

/// What a set of maps is worth.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PixelMetrics {
    /// Area under the ROC curve over all pixels.
    pub auroc: f64,
    /// Area under the per-region overlap up to a false-positive rate of 0.3, 0..1.
    pub aupro: f64,
}

/// Pixels of all pictures so far.
#[derive(Debug, Default)]
pub struct PixelPool {
    /// Per pixel the score, as bits that order like it, above the region: 0 is normal, `r` is
    /// region `r - 1`.
    pixels: Vec<u64>,
    /// Pixels of each region.
    regions: Vec<u32>,
}

/// Why a picture could not be pooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Map, mask and width disagree.
    #[error("a map of {map} pixels does not fit a mask of {mask} pixels, {width} a row")]
    Shape {
        /// Pixels of the map.
        map: usize,
        /// Pixels of the mask.
        mask: usize,
        /// Columns.
        width: usize,
    },
    /// A NaN in the map.
    #[error("pixel {pixel} of the map is not a number")]
    NotANumber {
        /// Its index.
        pixel: usize,
    },
}

impl PixelPool {
    /// Adds a picture without defects, pixels in any order.
    ///
    /// # Errors
    /// [`PoolError::NotANumber`].
    pub fn add_normal(&mut self, map: &[f32]) -> Result<(), PoolError> {
        check_numbers(map)?;
        self.pixels
            .extend(map.iter().map(|&score| rising_bits(score) << 32));
        Ok(())
    }

    /// Adds a picture and its mask (true is anomalous), both row by row of `width` pixels.
    ///
    /// # Errors
    /// Any [`PoolError`]; the pool is then as it was.
    pub fn add(&mut self, map: &[f32], mask: &[bool], width: usize) -> Result<(), PoolError> {
        if map.len() != mask.len() || width == 0 || !mask.len().is_multiple_of(width) {
            return Err(PoolError::Shape {
                map: map.len(),
                mask: mask.len(),
                width,
            });
        }
        check_numbers(map)?;
        let labels = self.label(mask, width);
        let pixels = map.iter().zip(labels);
        self.pixels
            .extend(pixels.map(|(&s, region)| rising_bits(s) << 32 | u64::from(region)));
        Ok(())
    }

    /// Numbers the mask's 8-connected regions, by flooding each from its first pixel.
    fn label(&mut self, mask: &[bool], width: usize) -> Vec<u32> {
        let mut labels = vec![0; mask.len()];
        let mut open = Vec::new();
        for start in 0..mask.len() {
            if !mask[start] || labels[start] != 0 {
                continue;
            }
            let region = self.regions.len() as u32 + 1;
            let mut size = 0;
            labels[start] = region;
            open.push(start);
            while let Some(at) = open.pop() {
                size += 1;
                for next in neighbours(at, width, mask.len()) {
                    if mask[next] && labels[next] == 0 {
                        labels[next] = region;
                        open.push(next);
                    }
                }
            }
            self.regions.push(size);
        }
        labels
    }

    /// The metrics over all pixels pooled. `None` without an anomalous or without a normal pixel.
    pub fn metrics(mut self) -> Option<PixelMetrics> {
        let anomalous = self
            .regions
            .iter()
            .map(|&size| size as usize)
            .sum::<usize>();
        let normal = self.pixels.len() - anomalous;
        if anomalous == 0 || normal == 0 {
            return None;
        }
        self.pixels.sort_unstable_by(|a, b| b.cmp(a));
        // Hitting a pixel of a region lifts the mean overlap by this much.
        let count = self.regions.len() as f64;
        let gains: Vec<f64> = self
            .regions
            .iter()
            .map(|&size| 1.0 / (f64::from(size) * count))
            .collect();
        let mut roc = Curve::default();
        let mut overlap = Curve::default();
        let (mut hits, mut false_positives, mut mean_overlap) = (0_usize, 0_usize, 0.0);
        for tied in self.pixels.chunk_by(|a, b| a >> 32 == b >> 32) {
            for pixel in tied {
                match (pixel & u64::from(u32::MAX)) as usize {
                    0 => false_positives += 1,
                    region => {
                        hits += 1;
                        mean_overlap += gains[region - 1];
                    }
                }
            }
            let fpr = false_positives as f64 / normal as f64;
            roc.extend(fpr, hits as f64 / anomalous as f64, 1.0);
            overlap.extend(fpr, mean_overlap, FPR_LIMIT);
        }
        Some(PixelMetrics {
            auroc: roc.area,
            aupro: overlap.area / FPR_LIMIT,
        })
    }
}

/// Area under a curve of straight pieces from the origin.
#[derive(Default)]
struct Curve {
    x: f64,
    y: f64,
    area: f64,
}

impl Curve {
    /// Goes on to `(x, y)`, counting the area up to `limit` only.
    fn extend(&mut self, x: f64, y: f64, limit: f64) {
        let width = x.min(limit) - self.x;
        if width > 0.0 {
            let end = self.y + (y - self.y) * width / (x - self.x);
            self.area += width * (self.y + end) / 2.0;
        }
        (self.x, self.y) = (x, y);
    }
}

/// The up to eight pixels around one.
fn neighbours(at: usize, width: usize, pixels: usize) -> impl Iterator<Item = usize> {
    let (row, column, rows) = (at / width, at % width, pixels / width);
    let rows = row.saturating_sub(1)..(row + 2).min(rows);
    let columns = column.saturating_sub(1)..(column + 2).min(width);
    rows.flat_map(move |r| columns.clone().map(move |c| r * width + c))
}

fn check_numbers(map: &[f32]) -> Result<(), PoolError> {
    match map.iter().position(|score| score.is_nan()) {
        Some(pixel) => Err(PoolError::NotANumber { pixel }),
        None => Ok(()),
    }
}

/// Bits that order as unsigned numbers as the scores do; -0.0 ties with 0.0.
fn rising_bits(score: f32) -> u64 {
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    };
    u64::from(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn metrics_equal_the_reference_to_1e_9() {
        #[derive(serde::Deserialize)]
        struct Case {
            width: usize,
            maps: Vec<Vec<f32>>,
            masks: Vec<Vec<bool>>,
            auroc: f64,
            aupro: f64,
        }
        #[derive(serde::Deserialize)]
        struct Golden {
            pixel: std::collections::BTreeMap<String, Case>,
        }
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/oracle/golden.json")).unwrap();
        assert_eq!(golden.pixel.len(), 2);
        for (name, case) in golden.pixel {
            let mut pool = PixelPool::default();
            for (map, mask) in case.maps.iter().zip(&case.masks) {
                pool.add(map, mask, case.width).unwrap();
            }
            let found = pool.metrics().unwrap();
            assert!((found.auroc - case.auroc).abs() < 1e-9, "{name}: {found:?}");
            assert!((found.aupro - case.aupro).abs() < 1e-9, "{name}: {found:?}");
        }
    }

    #[test]
    fn regions_that_touch_by_a_corner_are_one_and_rows_do_not_wrap() {
        let mask = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0].map(|m| m == 1);
        let mut pool = PixelPool::default();
        pool.add(&[0.0; 16], &mask, 4).unwrap();
        assert_eq!(pool.regions, [2, 1, 1]);
        let diagonal = [1, 0, 0, 1].map(|m| m == 1);
        let mut pool = PixelPool::default();
        pool.add(&[0.0; 4], &diagonal, 2).unwrap();
        assert_eq!(pool.regions, [2]);
    }

    #[test]
    fn a_perfect_map_is_perfect_and_a_blind_one_is_half() {
        let mask = [true, false, false, true];
        let mut perfect = PixelPool::default();
        perfect.add(&[1.0, 0.0, -1.0, 2.0], &mask, 4).unwrap();
        assert_eq!(
            perfect.metrics(),
            Some(PixelMetrics {
                auroc: 1.0,
                aupro: 1.0
            })
        );
        let mut blind = PixelPool::default();
        blind.add(&[3.0; 4], &mask, 4).unwrap();
        let found = blind.metrics().unwrap();
        assert_eq!(found.auroc, 0.5);
        assert!((found.aupro - 0.15).abs() < 1e-12);
    }

    #[test]
    fn pictures_that_cannot_be_pooled_leave_the_pool_alone() {
        let mut pool = PixelPool::default();
        let shape = PoolError::Shape {
            map: 3,
            mask: 4,
            width: 2,
        };
        assert_eq!(pool.add(&[0.0; 3], &[true; 4], 2), Err(shape));
        let nan = [0.0, f32::NAN];
        assert_eq!(
            pool.add(&nan, &[true; 2], 2),
            Err(PoolError::NotANumber { pixel: 1 })
        );
        assert_eq!(
            pool.add_normal(&nan),
            Err(PoolError::NotANumber { pixel: 1 })
        );
        assert!(pool.pixels.is_empty() && pool.regions.is_empty());
        assert_eq!(pool.metrics(), None);
    }

    proptest! {
        #[test]
        fn bits_order_as_scores_do(a in -1e30_f32..1e30, b in -1e30_f32..1e30) {
            prop_assert_eq!(a < b, rising_bits(a) < rising_bits(b));
            prop_assert_eq!(rising_bits(0.0), rising_bits(-0.0));
        }
    }

    #[test]
    #[ignore = "a measurement: run with --ignored --nocapture"]
    fn measure_25_million_pixels() {
        use rand::RngExt as _;
        use rand::SeedableRng as _;
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let map: Vec<f32> = (0..250_000)
            .map(|_| random.random_range(0.0..1.0))
            .collect();
        let mask: Vec<bool> = (0..250_000)
            .map(|i| i % 500 < 40 && i / 500 % 100 < 30)
            .collect();
        let start = std::time::Instant::now();
        let mut pool = PixelPool::default();
        for i in 0..100 {
            let shifted: Vec<f32> = map.iter().map(|v| v + i as f32 * 1e-3).collect();
            pool.add(&shifted, &mask, 500).unwrap();
        }
        let pooled = start.elapsed();
        let metrics = pool.metrics();
        println!(
            "pooled in {pooled:?}, all in {:?}: {metrics:?}",
            start.elapsed()
        );
    }
}
