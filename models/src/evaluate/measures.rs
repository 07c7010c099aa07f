//! The measures of one ranked list with known clicks.
//!
//! | measure | definition | source |
//! |---|---|---|
//! | `auc` | the share of (clicked, not clicked) pairs in which the clicked article has the better score | scikit-learn's `roc_auc_score` |
//! | `mrr` | the mean over the list's clicks of one over the rank | `mrr_score` of ebanalyse/ebnerd-benchmark |
//! | `mrr@10` | the same, where a rank beyond 10 counts nothing | as CHAMELEON and GRU4Rec are reported |
//! | `ndcg@k` | sum over the clicks within the first k of 1/log2(1 + rank), over the greatest that sum can be | Järvelin and Kekäläinen 2002; scikit-learn's `ndcg_score` |
//! | `hr@k` | 1 if a click is within the first k, else 0 | hit rate, also called recall@k where there is one click |
//!
//! **Ties.** The order of equal scores is unknown, so that each measure is its expected value over all orders of them (McSherry and
//! Najork 2008, which scikit-learn follows in `ndcg_score`). It is exact, in closed form, and makes a ranker that says nothing
//! exactly as good as chance. Where nothing is tied it is the plain definition. A score that is no number ranks last.
//!
//! **Clicks.** A list with several is one list: `auc` and `mrr` are means over its clicks, `ndcg` sums them, `hr` asks for one. A list
//! without a click has no measures. A list whose every article was clicked (a list of one, for example) has no `auc`; the others are 1.

use crate::seed::mix;

/// How many measures a list has.
pub const MEASURE_COUNT: usize = 8;

/// The measures' names, as `evaluate --json` writes them, in the order in which [`measures`] gives them.
pub const MEASURES: [&str; MEASURE_COUNT] =
    ["auc", "mrr", "mrr@10", "ndcg@5", "ndcg@10", "hr@1", "hr@3", "hr@10"];

/// The place of a measure within [`MEASURES`].
pub fn measure_index(name: &str) -> Option<usize> {
    MEASURES.iter().position(|measure| *measure == name)
}

/// The measures of one list, in the order of [`MEASURES`]; `None` when nothing was clicked. `auc` is NaN where every article was clicked.
///
/// ```
/// use abovefold_models::evaluate::measures;
/// let [auc, mrr, ..] = measures(&[0.9, 0.5, 0.1], &[false, true, false]).unwrap();
/// assert_eq!((auc, mrr), (0.5, 0.5));
/// // Nothing said: the expected value over all orders, (1 + 1/2 + 1/3) / 3.
/// let [_, mrr, ..] = measures(&[0.0; 3], &[false, true, false]).unwrap();
/// assert!((mrr - 11.0 / 18.0).abs() < 1e-12);
/// ```
///
/// # Panics
/// When there is another number of scores than of labels.
pub fn measures(scores: &[f64], clicked: &[bool]) -> Option<[f64; MEASURE_COUNT]> {
    measures_in_order(&best_first(scores, 0), scores, clicked)
}

/// The places of the list, the best score first; equal scores in an order that is drawn from `salt`.
pub(super) fn best_first(scores: &[f64], salt: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| {
        worth(scores[b])
            .total_cmp(&worth(scores[a]))
            .then_with(|| mix(salt ^ a as u64).cmp(&mix(salt ^ b as u64)))
    });
    order
}

/// [`measures`], with the places of the list from the best score to the worst.
pub(super) fn measures_in_order(
    order: &[usize],
    scores: &[f64],
    clicked: &[bool],
) -> Option<[f64; MEASURE_COUNT]> {
    assert_eq!(scores.len(), clicked.len(), "every score needs a label");
    let clicks = clicked.iter().filter(|clicked| **clicked).count();
    if clicks == 0 {
        return None;
    }
    let mut won = 0.0;
    let mut others_left = (scores.len() - clicks) as f64;
    let mut sums = Sums::default();
    let mut misses = [1.0; 3];
    let mut first = 0;
    for tied in order.chunk_by(|&a, &b| worth(scores[a]) == worth(scores[b])) {
        let end = first + tied.len();
        let clicks_here = tied.iter().filter(|place| clicked[**place]).count();
        let others_here = (tied.len() - clicks_here) as f64;
        others_left -= others_here;
        if clicks_here > 0 {
            won += clicks_here as f64 * (others_left + 0.5 * others_here);
            let each = clicks_here as f64 / tied.len() as f64;
            (first + 1..=end).for_each(|rank| sums.add(rank, each));
            for (miss, limit) in misses.iter_mut().zip(HIT_LIMITS) {
                *miss *= chance_of_no_click(tied.len(), clicks_here, limit.saturating_sub(first));
            }
        }
        first = end;
    }
    let positives = clicks as f64;
    // Not a number where every article was clicked: there are no pairs.
    let auc = won / (positives * (scores.len() - clicks) as f64);
    let ideal = |limit: usize| (1..=clicks.min(limit)).map(discount).sum::<f64>();
    let [hr_1, hr_3, hr_10] = misses.map(|miss| 1.0 - miss);
    Some([
        auc,
        sums.reciprocal / positives,
        sums.reciprocal_10 / positives,
        sums.gain_5 / ideal(5),
        sums.gain_10 / ideal(10),
        hr_1,
        hr_3,
        hr_10,
    ])
}

const HIT_LIMITS: [usize; 3] = [1, 3, 10];

/// What the clicks at their ranks add up to.
#[derive(Default)]
struct Sums {
    reciprocal: f64,
    reciprocal_10: f64,
    gain_5: f64,
    gain_10: f64,
}

impl Sums {
    /// Adds `weight` clicks at a rank, from 1.
    fn add(&mut self, rank: usize, weight: f64) {
        let (reciprocal, gain) = (weight / rank as f64, weight * discount(rank));
        self.reciprocal += reciprocal;
        if rank <= 10 {
            self.reciprocal_10 += reciprocal;
            self.gain_10 += gain;
        }
        if rank <= 5 {
            self.gain_5 += gain;
        }
    }
}

/// 1/log2(1 + rank), the weight of a rank from 1.
fn discount(rank: usize) -> f64 {
    1.0 / (1.0 + rank as f64).log2()
}

/// What a score ranks by.
fn worth(score: f64) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score }
}

/// The probability that none of `clicks` is among the first `within` of `tied` articles in random order:
/// C(tied - clicks, within) / C(tied, within).
fn chance_of_no_click(tied: usize, clicks: usize, within: usize) -> f64 {
    if within + clicks > tied && within > 0 {
        return 0.0;
    }
    (0..within).map(|place| (tied - clicks - place) as f64 / (tied - place) as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The measures of every order of the tied, one by one.
    fn by_all_orders(scores: &[f64], clicked: &[bool]) -> [f64; MEASURE_COUNT] {
        fn orders(left: Vec<usize>, done: Vec<usize>, scores: &[f64], all: &mut Vec<Vec<usize>>) {
            if left.is_empty() {
                all.push(done);
                return;
            }
            let best = left.iter().map(|place| scores[*place]).fold(f64::MIN, f64::max);
            for (at, place) in left.iter().enumerate().filter(|(_, place)| scores[**place] == best) {
                let (mut rest, mut more) = (left.clone(), done.clone());
                rest.remove(at);
                more.push(*place);
                orders(rest, more, scores, all);
            }
        }
        let mut all = Vec::new();
        orders((0..scores.len()).collect(), Vec::new(), scores, &mut all);
        let mut sums = [0.0; MEASURE_COUNT];
        for order in &all {
            let mut untied = vec![0.0; scores.len()];
            order.iter().enumerate().for_each(|(rank, place)| untied[*place] = -(rank as f64));
            let values = measures(&untied, clicked).unwrap();
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / all.len() as f64);
        }
        sums
    }

    #[test]
    fn ties_count_the_mean_over_all_their_orders() {
        let scores = [2.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.0];
        for clicks in 1..127u32 {
            let clicked: Vec<bool> = (0..7).map(|place| clicks >> place & 1 == 1).collect();
            let (found, expected) = (measures(&scores, &clicked).unwrap(), by_all_orders(&scores, &clicked));
            for (measure, (a, b)) in found.iter().zip(expected).enumerate() {
                assert!((a - b).abs() < 1e-12, "{} of {clicked:?}: {a} is not {b}", MEASURES[measure]);
            }
        }
    }

    #[test]
    fn a_ranker_that_says_nothing_is_as_good_as_chance() {
        let mut clicked = [false; 20];
        clicked[7] = true;
        let [auc, mrr, .., hr_1, hr_3, hr_10] = measures(&[0.0; 20], &clicked).unwrap();
        let harmonic: f64 = (1..=20).map(|rank| 1.0 / f64::from(rank)).sum();
        assert_eq!(auc, 0.5);
        assert!((mrr - harmonic / 20.0).abs() < 1e-12);
        for (found, expected) in [(hr_1, 0.05), (hr_3, 0.15), (hr_10, 0.5)] {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn measures_agree_with_those_worked_out_by_hand() {
        let [auc, mrr, _, ndcg_5, _, hr_1, hr_3, _] =
            measures(&[4.0, 3.0, 2.0, 1.0], &[false, true, false, true]).unwrap();
        assert_eq!((auc, mrr, hr_1, hr_3), (0.25, 0.375, 0.0, 1.0));
        let ideal = 1.0 + 1.0 / 3f64.log2();
        assert!((ndcg_5 - (1.0 / 3f64.log2() + 1.0 / 5f64.log2()) / ideal).abs() < 1e-12);
    }

    #[test]
    fn lists_without_a_choice_have_what_they_can_have() {
        assert_eq!(measures(&[1.0, 2.0], &[false, false]), None);
        assert_eq!(measures(&[], &[]), None);
        let [auc, others @ ..] = measures(&[1.0], &[true]).unwrap();
        assert!(auc.is_nan());
        assert_eq!(others, [1.0; 7]);
        let nothing = f64::NAN;
        let [_, mrr, ..] = measures(&[nothing, -1e300, nothing], &[false, true, false]).unwrap();
        assert_eq!(mrr, 1.0);
    }
}
