//! Metrics of image scores: how well they part normal pictures from anomalous ones.
//!
//! All assume that higher is more anomalous and that scores are finite; ties count as the same
//! threshold. They are scikit-learn's definitions. No
//! threshold is chosen here.

/// What a set of image scores is worth.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ImageMetrics {
    /// Area under the ROC curve: chance that an anomalous picture scores above a normal one.
    pub auroc: f64,
    /// Average precision, without interpolation.
    pub average_precision: f64,
    /// Largest F1 over all thresholds.
    pub f1_max: f64,
    /// Least rate of false positives among the thresholds that find 95 % of the anomalous.
    pub fpr_at_95_recall: f64,
}

/// Pictures at or above one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    anomalous: usize,
    normal: usize,
}

impl ImageMetrics {
    /// From the scores of the normal and of the anomalous pictures. `None` if either is empty or
    /// holds a NaN, for then nothing can be told.
    pub fn new(normal: &[f64], anomalous: &[f64]) -> Option<Self> {
        let scores = normal
            .iter()
            .map(|&s| (s, false))
            .chain(anomalous.iter().map(|&s| (s, true)));
        let mut scores: Vec<(f64, bool)> = scores.collect();
        if normal.is_empty() || anomalous.is_empty() || scores.iter().any(|(s, _)| s.is_nan()) {
            return None;
        }
        scores.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let thresholds = thresholds(&scores);
        let all = Found {
            anomalous: anomalous.len(),
            normal: normal.len(),
        };
        Some(Self {
            auroc: auroc(&thresholds, all),
            average_precision: average_precision(&thresholds, all),
            f1_max: thresholds
                .iter()
                .map(|found| found.f1(all))
                .fold(0.0, f64::max),
            fpr_at_95_recall: fpr_at_recall(&thresholds, all, 0.95),
        })
    }
}

impl Found {
    fn f1(self, all: Found) -> f64 {
        2.0 * self.anomalous as f64 / (self.anomalous + self.normal + all.anomalous) as f64
    }
}

/// What is found at each distinct score, from the highest down.
fn thresholds(falling: &[(f64, bool)]) -> Vec<Found> {
    let mut found = Found {
        anomalous: 0,
        normal: 0,
    };
    // By `==`, so that -0.0 and 0.0 tie.
    let ties = falling.chunk_by(|a, b| a.0 == b.0);
    let counted = ties.map(|tied| {
        let anomalous = tied.iter().filter(|(_, anomalous)| *anomalous).count();
        found.anomalous += anomalous;
        found.normal += tied.len() - anomalous;
        found
    });
    counted.collect()
}

/// Trapezoids under the ROC curve, which gives ties one half.
fn auroc(thresholds: &[Found], all: Found) -> f64 {
    let mut before = Found {
        anomalous: 0,
        normal: 0,
    };
    let mut doubled = 0_u128;
    for &found in thresholds {
        let height = (found.anomalous + before.anomalous) as u128;
        doubled += height * (found.normal - before.normal) as u128;
        before = found;
    }
    doubled as f64 / (2 * all.anomalous as u128 * all.normal as u128) as f64
}

/// Sum of precision times the gain in recall.
fn average_precision(thresholds: &[Found], all: Found) -> f64 {
    let mut before = 0;
    let mut sum = 0.0;
    for found in thresholds {
        let precision = found.anomalous as f64 / (found.anomalous + found.normal) as f64;
        sum += precision * (found.anomalous - before) as f64;
        before = found.anomalous;
    }
    sum / all.anomalous as f64
}

fn fpr_at_recall(thresholds: &[Found], all: Found, recall: f64) -> f64 {
    let reached = thresholds
        .iter()
        .find(|found| found.anomalous as f64 / all.anomalous as f64 >= recall)
        .expect("the lowest threshold finds every anomalous picture");
    reached.normal as f64 / all.normal as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(scores: &[f64], labels: &[bool], wanted: bool) -> Vec<f64> {
        let pairs = scores
            .iter()
            .zip(labels)
            .filter(|&(_, &label)| label == wanted);
        pairs.map(|(&score, _)| score).collect()
    }

    #[test]
    fn metrics_equal_scikit_learn_to_1e_9() {
        #[derive(serde::Deserialize)]
        struct Case {
            scores: Vec<f64>,
            labels: Vec<bool>,
            auroc: f64,
            average_precision: f64,
            f1_max: f64,
            fpr_at_95_recall: f64,
        }
        #[derive(serde::Deserialize)]
        struct Golden {
            image: std::collections::BTreeMap<String, Case>,
        }
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/oracle/golden.json")).unwrap();
        assert_eq!(golden.image.len(), 2);
        for (name, case) in golden.image {
            let normal = split(&case.scores, &case.labels, false);
            let anomalous = split(&case.scores, &case.labels, true);
            let found = ImageMetrics::new(&normal, &anomalous).unwrap();
            for (found, expected) in [
                (found.auroc, case.auroc),
                (found.average_precision, case.average_precision),
                (found.f1_max, case.f1_max),
                (found.fpr_at_95_recall, case.fpr_at_95_recall),
            ] {
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{name}: {found} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn perfect_scores_are_perfect() {
        let found = ImageMetrics::new(&[0.0, 1.0], &[2.0, 3.0, 4.0]).unwrap();
        let expected = ImageMetrics {
            auroc: 1.0,
            average_precision: 1.0,
            f1_max: 1.0,
            fpr_at_95_recall: 0.0,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_class_or_a_nan_has_no_metrics() {
        assert_eq!(ImageMetrics::new(&[], &[1.0]), None);
        assert_eq!(ImageMetrics::new(&[1.0], &[]), None);
        assert_eq!(ImageMetrics::new(&[1.0, f64::NAN], &[2.0]), None);
    }

    proptest! {
        #[test]
        fn auroc_counts_pairs_and_sees_only_ranks(
            normal in prop::collection::vec(-5_i32..5, 1..40),
            anomalous in prop::collection::vec(-5_i32..5, 1..40),
        ) {
            let as_scores = |v: &[i32]| v.iter().map(|&s| f64::from(s)).collect::<Vec<_>>();
            let (low, high) = (as_scores(&normal), as_scores(&anomalous));
            let found = ImageMetrics::new(&low, &high).unwrap();
            let pairs = high.iter().flat_map(|h| low.iter().map(move |l| (h, l)));
            let wins = pairs.map(|(h, l)| if h > l { 1.0 } else if h == l { 0.5 } else { 0.0 });
            let expected = wins.sum::<f64>() / (low.len() * high.len()) as f64;
            prop_assert!((found.auroc - expected).abs() < 1e-12);

            let stretched = |v: &[f64]| v.iter().map(|s| (s / 2.0).exp() - 7.0).collect::<Vec<_>>();
            let monotone = ImageMetrics::new(&stretched(&low), &stretched(&high)).unwrap();
            prop_assert_eq!(monotone, found);

            let negated = |v: &[f64]| v.iter().map(|s| -s).collect::<Vec<_>>();
            let reversed = ImageMetrics::new(&negated(&low), &negated(&high)).unwrap();
            prop_assert!((reversed.auroc + found.auroc - 1.0).abs() < 1e-12);
        }
    }
}
