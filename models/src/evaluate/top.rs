//! Beyond accuracy: what the first ten of a list are like.

use super::MEASURE_COUNT;

/// How many articles of a list are looked at.
pub(super) const TOP: usize = 10;
/// Where novelty lies among the values of an impression.
pub(super) const NOVELTY: usize = MEASURE_COUNT;
/// Where diversity lies.
pub(super) const DIVERSITY: usize = MEASURE_COUNT + 1;
/// How many values an impression has.
pub(super) const KEPT: usize = MEASURE_COUNT + 2;

/// The least share that novelty looks at, about 20 bits: an article that nobody has read is new, not infinitely so.
const LEAST_SHARE: f32 = 1e-6;

/// The mean of -log2 of the share of reads that went to each article, in bits (mean self-information; Zhou et al. 2010, Castells et al.
/// 2015). NaN where shares are not known.
pub(super) fn novelty(first: &[usize], popularity: &[f32]) -> f32 {
    let bits = first.iter().filter_map(|place| popularity.get(*place)).map(|share| {
        let share = if share.is_nan() { 0.0 } else { *share };
        -share.clamp(LEAST_SHARE, 1.0).log2()
    });
    mean(bits)
}

/// The mean of 1 - cosine over the pairs of articles that have vectors (intra-list distance; Ziegler et al. 2005). NaN where fewer than two
/// have one.
pub(super) fn diversity(first: &[usize], vectors: Option<&[&[f32]]>) -> f32 {
    let Some(vectors) = vectors else { return f32::NAN };
    let mut sum: Vec<f32> = Vec::new();
    let mut count = 0.0f32;
    for vector in first.iter().filter_map(|place| vectors.get(*place)) {
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !(length.is_finite() && length > 0.0) {
            continue;
        }
        sum.resize(vector.len().max(sum.len()), 0.0);
        sum.iter_mut().zip(*vector).for_each(|(sum, x)| *sum += x / length);
        count += 1.0;
    }
    if count < 2.0 {
        return f32::NAN;
    }
    // The squared length of a sum of unit vectors is their number and twice the cosine of each pair.
    let squared: f32 = sum.iter().map(|x| x * x).sum();
    1.0 - (squared - count) / (count * (count - 1.0))
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { f32::NAN } else { sum / count as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn novelty_is_in_bits() {
        assert_eq!(novelty(&[0, 2], &[0.5, 0.1, 0.125]), 2.0);
        assert!(novelty(&[0], &[]).is_nan());
        assert!(novelty(&[0], &[0.0]) < 20.0);
    }

    #[test]
    fn diversity_is_the_mean_over_pairs() {
        let vectors: [&[f32]; 4] = [&[2.0, 0.0], &[0.0, 3.0], &[1.0, 0.0], &[]];
        // The pairs' distances are 1, 0 and 1.
        let found = diversity(&[0, 1, 2, 3], Some(&vectors));
        assert!((found - 2.0 / 3.0).abs() < 1e-6);
        assert!(diversity(&[0, 3], Some(&vectors)).is_nan());
        assert!(diversity(&[0, 1], None).is_nan());
    }
}
