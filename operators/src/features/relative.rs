//! A candidate beside the others of its list.

/// Each value's share of the sum; zero where the sum is zero. What is missing stays missing and counts as nothing.
pub fn shares(values: &[f32]) -> Vec<f32> {
    let sum: f64 = values.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value)).sum();
    values
        .iter()
        .map(|value| if sum > 0.0 { (f64::from(*value) / sum) as f32 } else { value * 0.0 })
        .collect()
}

/// Each value as a share of the greatest one.
pub fn of_greatest(values: &[f32]) -> Vec<f32> {
    let greatest = values.iter().copied().fold(0.0, f32::max);
    values.iter().map(|value| if greatest > 0.0 { value / greatest } else { value * 0.0 }).collect()
}

/// Mean ranks from 0 (the greatest) to 1 (the least); ties have the mean of their ranks, missing values come last.
pub fn ranks(values: &[f32]) -> Vec<f32> {
    let key = |value: f32| if value.is_nan() { f32::NEG_INFINITY } else { value };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| key(values[*b]).total_cmp(&key(values[*a])));
    let last = values.len().saturating_sub(1).max(1) as f32;
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let mut until = from + 1;
        while until < order.len() && key(values[order[until]]) == key(values[order[from]]) {
            until += 1;
        }
        let mean = (from + until - 1) as f32 / 2.0;
        order[from..until].iter().for_each(|place| ranks[*place] = mean / last);
        from = until;
    }
    ranks
}

/// The softmax over the list.
pub fn softmax(values: &[f32]) -> Vec<f32> {
    let greatest = values.iter().copied().filter(|value| !value.is_nan()).fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = values.iter().map(|value| (value - greatest).exp()).collect();
    let sum: f32 = weights.iter().filter(|weight| !weight.is_nan()).sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[1.0, 3.0, 3.0, f32::NAN, 0.0]), [0.5, 0.125, 0.125, 1.0, 0.75]);
        assert_eq!(ranks(&[7.0]), [0.0]);
    }

    #[test]
    fn shares_add_up() {
        assert_eq!(shares(&[1.0, 3.0]), [0.25, 0.75]);
        assert_eq!(shares(&[0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(of_greatest(&[1.0, 4.0]), [0.25, 1.0]);
        assert!((softmax(&[0.0, 0.0])[1] - 0.5).abs() < 1e-6);
    }
}
