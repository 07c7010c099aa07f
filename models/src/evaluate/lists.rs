//! The mean measures of a few lists that are all at hand, as training looks at what it held out.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use super::{MEASURES, measures};
use crate::seed::below;

/// One impression: a score and a label for each article shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RankedList {
    /// The ranker's scores; the greater, the better. What is no number ranks last.
    pub scores: Vec<f64>,
    /// Which were clicked; as many as `scores`.
    pub clicked: Vec<bool>,
}

/// One row of the table of metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    /// What was evaluated.
    pub name: String,
    /// Lists with at least one click.
    pub n: usize,
    /// The chance that a clicked article has a better score than one that was not, over lists that have both.
    pub auc: f64,
    /// Mean over a list's clicks of one over the rank; see [`measures`] for this and all others.
    pub mrr: f64,
    /// The same, where a rank beyond 10 counts nothing.
    #[serde(rename = "mrr@10")]
    pub mrr_10: f64,
    /// Normalised discounted cumulative gain of the first five, each click a gain of one.
    #[serde(rename = "ndcg@5")]
    pub ndcg_5: f64,
    /// The same of the first ten.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
    /// Share of lists with a click at the top.
    #[serde(rename = "hr@1")]
    pub hr_1: f64,
    /// Share of lists with a click among the first three.
    #[serde(rename = "hr@3")]
    pub hr_3: f64,
    /// Share of lists with a click among the first ten.
    #[serde(rename = "hr@10")]
    pub hr_10: f64,
    /// 95 % bootstrap intervals over lists, by metric.
    pub ci: BTreeMap<String, [f64; 2]>,
}

/// Evaluates lists; `resamples` bootstrap samples make the intervals (0: none), drawn from `seed`.
///
/// Lists without a click are left out.
///
/// ```
/// use abovefold_models::RankedList;
/// use abovefold_models::evaluate::evaluate;
/// let list = RankedList { scores: vec![0.9, 0.5, 0.1], clicked: vec![false, true, false] };
/// let row = evaluate("example", &[list], 0, 1);
/// assert_eq!((row.n, row.mrr, row.auc), (1, 0.5, 0.5));
/// ```
///
/// # Panics
/// When a list has another number of scores than of labels.
pub fn evaluate(name: &str, lists: &[RankedList], resamples: usize, seed: u64) -> MetricsRow {
    let figures: Vec<[f64; 8]> =
        lists.iter().filter_map(|list| measures(&list.scores, &list.clicked)).collect();
    let means = means(figures.iter());
    let mut ci = BTreeMap::new();
    if resamples > 0 && !figures.is_empty() {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut samples: Vec<[f64; 8]> = Vec::with_capacity(resamples);
        for _ in 0..resamples {
            samples
                .push(self::means((0..figures.len()).map(|_| &figures[below(&mut random, figures.len())])));
        }
        for (metric, name) in MEASURES.iter().enumerate() {
            let mut values: Vec<f64> = samples.iter().map(|sample| sample[metric]).collect();
            values.sort_unstable_by(f64::total_cmp);
            let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
            ci.insert((*name).to_owned(), [at(0.025), at(0.975)]);
        }
    }
    let [auc, mrr, mrr_10, ndcg_5, ndcg_10, hr_1, hr_3, hr_10] = means;
    MetricsRow {
        name: name.to_owned(),
        n: figures.len(),
        auc,
        mrr,
        mrr_10,
        ndcg_5,
        ndcg_10,
        hr_1,
        hr_3,
        hr_10,
        ci,
    }
}

/// Means over lists, each over the lists where it is defined.
fn means<'a>(figures: impl Iterator<Item = &'a [f64; 8]>) -> [f64; 8] {
    let (mut sums, mut counts) = ([0.0; 8], [0u64; 8]);
    for list in figures {
        for metric in 0..8 {
            if !list[metric].is_nan() {
                sums[metric] += list[metric];
                counts[metric] += 1;
            }
        }
    }
    std::array::from_fn(|metric| if counts[metric] == 0 { 0.0 } else { sums[metric] / counts[metric] as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(scores: &[f64], clicked: &[usize]) -> RankedList {
        RankedList {
            scores: scores.to_vec(),
            clicked: (0..scores.len()).map(|i| clicked.contains(&i)).collect(),
        }
    }

    #[test]
    fn lists_without_a_click_are_left_out_and_intervals_hold_the_mean() {
        let mut lists = vec![list(&[1.0, 2.0], &[])];
        lists.extend((0..200).map(|i| list(&[f64::from(i % 3), 1.0, 0.5], &[0])));
        let row = evaluate("intervals", &lists, 200, 7);
        assert_eq!(row.n, 200);
        let [low, high] = row.ci["auc"];
        assert!(low < row.auc && row.auc < high, "{low} {} {high}", row.auc);
        assert_eq!(row, evaluate("intervals", &lists, 200, 7));
        let json = serde_json::to_value(&row).unwrap();
        assert!(json["hr@10"].is_number() && json["ci"]["ndcg@10"].is_array());
    }
}
