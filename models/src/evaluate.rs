//! How well something ranks: AUC, MRR, NDCG and hit rate of lists with known clicks, with their uncertainty.
//!
//! Every figure is the mean over lists. Equal scores share their mean rank, so that a ranker that says nothing is no better than chance,
//! and the order in which candidates are listed tells nothing.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

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
    /// Mean over a list's clicks of one over the rank.
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

const NAMES: [&str; 8] = ["auc", "mrr", "mrr@10", "ndcg@5", "ndcg@10", "hr@1", "hr@3", "hr@10"];

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
    let figures: Vec<[f64; 8]> = lists.iter().filter_map(figures_of).collect();
    let means = means(figures.iter());
    let mut ci = BTreeMap::new();
    if resamples > 0 && !figures.is_empty() {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut samples: Vec<[f64; 8]> = Vec::with_capacity(resamples);
        for _ in 0..resamples {
            samples
                .push(self::means((0..figures.len()).map(|_| &figures[below(&mut random, figures.len())])));
        }
        for (metric, name) in NAMES.iter().enumerate() {
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

/// Ranks from 1, the best first; equal scores share the mean of their ranks.
pub fn mean_ranks(scores: &[f64]) -> Vec<f64> {
    let value = |index: usize| if scores[index].is_nan() { f64::NEG_INFINITY } else { scores[index] };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    let mut ranks = vec![0.0; scores.len()];
    let mut first = 0;
    while first < order.len() {
        let mut end = first + 1;
        while end < order.len() && value(order[end]) == value(order[first]) {
            end += 1;
        }
        let rank = (first + 1 + end) as f64 / 2.0;
        order[first..end].iter().for_each(|&index| ranks[index] = rank);
        first = end;
    }
    ranks
}

/// The eight figures of one list, in the order of [`NAMES`]; AUC is NaN where every article was clicked.
fn figures_of(list: &RankedList) -> Option<[f64; 8]> {
    assert_eq!(list.scores.len(), list.clicked.len(), "every score needs a label");
    let ranks = mean_ranks(&list.scores);
    let clicked: Vec<f64> =
        ranks.iter().zip(&list.clicked).filter(|(_, clicked)| **clicked).map(|(rank, _)| *rank).collect();
    if clicked.is_empty() {
        return None;
    }
    let (positives, all) = (clicked.len() as f64, ranks.len() as f64);
    // The rank sum counts, for each click, those before it; what is left after the clicks themselves are lost pairs.
    let lost = clicked.iter().sum::<f64>() - positives * (positives + 1.0) / 2.0;
    let auc = if positives < all { 1.0 - lost / (positives * (all - positives)) } else { f64::NAN };
    let reciprocal = |limit: f64| {
        clicked.iter().filter(|rank| **rank <= limit).map(|rank| 1.0 / rank).sum::<f64>() / positives
    };
    let ndcg = |limit: f64| {
        let gain: f64 =
            clicked.iter().filter(|rank| **rank <= limit).map(|rank| 1.0 / (1.0 + rank).log2()).sum();
        let ideal: f64 =
            (1..=clicked.len().min(limit as usize)).map(|rank| 1.0 / (1.0 + rank as f64).log2()).sum();
        gain / ideal
    };
    let hit = |limit: f64| if clicked.iter().any(|rank| *rank <= limit) { 1.0 } else { 0.0 };
    Some([
        auc,
        reciprocal(f64::INFINITY),
        reciprocal(10.0),
        ndcg(5.0),
        ndcg(10.0),
        hit(1.0),
        hit(3.0),
        hit(10.0),
    ])
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
    fn equal_scores_share_their_mean_rank() {
        assert_eq!(mean_ranks(&[1.0, 3.0, 1.0, f64::NAN]), vec![2.5, 1.0, 2.5, 4.0]);
        let silent = evaluate("silent", &[list(&[0.0; 9], &[4])], 0, 0);
        assert_eq!((silent.auc, silent.mrr, silent.hr_3, silent.hr_10), (0.5, 0.2, 0.0, 1.0));
    }

    #[test]
    fn figures_agree_with_those_worked_out_by_hand() {
        let row = evaluate("hand", &[list(&[4.0, 3.0, 2.0, 1.0], &[1, 3])], 0, 0);
        assert_eq!(row.auc, 0.25);
        assert_eq!(row.mrr, 0.375);
        let ideal = 1.0 + 1.0 / 3f64.log2();
        let gain = 1.0 / 3f64.log2() + 1.0 / 5f64.log2();
        assert!((row.ndcg_5 - gain / ideal).abs() < 1e-12);
        assert_eq!((row.hr_1, row.hr_3), (0.0, 1.0));
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
