//! The cluster bootstrap: readers are drawn again, each with all that is theirs.
//!
//! Impressions of one reader resemble one another, so that drawing impressions would make intervals too narrow. A resample draws as many readers as there are,
//! with replacement (Efron and Tibshirani 1993; Field and Welsh 2007 for clusters). All that is needed of a reader are sums, so that a resample
//! costs one weighted sum of a table with a line a reader. Every table of a call sees the same draws: what is compared is paired.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::seed::below;

/// Resamples that go through a table at once, so that it is read from memory once for all of them.
const AT_ONCE: usize = 4;

/// Sums by reader, some columns wide.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: usize,
    /// Which reader each line is of, by their number.
    readers: Vec<u32>,
    /// `[lines, columns]`.
    sums: Vec<f64>,
}

impl Table {
    /// A table without lines.
    pub(super) fn new(columns: usize) -> Self {
        Self { columns, readers: Vec::new(), sums: Vec::new() }
    }

    /// The line of a reader, to add to. Lines are made in the order of readers.
    pub(super) fn line(&mut self, reader: u32) -> &mut [f64] {
        if self.readers.last() != Some(&reader) {
            self.readers.push(reader);
            self.sums.resize(self.sums.len() + self.columns, 0.0);
        }
        let start = self.sums.len() - self.columns;
        &mut self.sums[start..]
    }

    /// How many readers have a line.
    pub(super) fn readers(&self) -> usize {
        self.readers.len()
    }

    /// The sum of each column.
    pub(super) fn totals(&self) -> Vec<f64> {
        let mut totals = vec![0.0; self.columns];
        for line in self.sums.chunks_exact(self.columns.max(1)) {
            totals.iter_mut().zip(line).for_each(|(total, sum)| *total += sum);
        }
        totals
    }

    /// Adds the weighted lines to the totals of some resamples, `[AT_ONCE, columns]`.
    fn add(&self, weights: &[[f64; AT_ONCE]], totals: &mut [f64]) {
        let [first, second, third, fourth] = split(totals, self.columns);
        for (reader, line) in self.readers.iter().zip(self.sums.chunks_exact(self.columns)) {
            let [a, b, c, d] = weights[*reader as usize];
            for (column, sum) in line.iter().enumerate() {
                first[column] += a * sum;
                second[column] += b * sum;
                third[column] += c * sum;
                fourth[column] += d * sum;
            }
        }
    }
}

fn split(totals: &mut [f64], columns: usize) -> [&mut [f64]; AT_ONCE] {
    let (first, rest) = totals.split_at_mut(columns);
    let (second, rest) = rest.split_at_mut(columns);
    let (third, fourth) = rest.split_at_mut(columns);
    [first, second, third, fourth]
}

/// For each table the totals of every resample, `[resamples, columns]`. `readers` is how many there are to draw from.
pub(super) fn resample(tables: &[Table], readers: usize, resamples: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> =
        tables.iter().map(|table| Vec::with_capacity(resamples * table.columns)).collect();
    if readers == 0 {
        return all;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = vec![[0.0; AT_ONCE]; readers];
    let mut done = 0;
    while done < resamples {
        let now = AT_ONCE.min(resamples - done);
        weights.fill([0.0; AT_ONCE]);
        for draw in 0..now * readers {
            weights[below(&mut random, readers)][draw / readers] += 1.0;
        }
        for (table, totals) in tables.iter().zip(&mut all) {
            let start = totals.len();
            totals.resize(start + AT_ONCE * table.columns, 0.0);
            table.add(&weights, &mut totals[start..]);
            totals.truncate(start + now * table.columns);
        }
        done += now;
    }
    all
}

/// The 95 % interval of a value, from its resamples (percentile method); `None` where there are none. What is not defined in a resample is left out.
pub(super) fn interval(resampled: &[f64]) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = resampled.iter().copied().filter(|value| !value.is_nan()).collect();
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    Some([at(0.025), at(0.975)])
}

/// How probable a difference at least this far from 0 is if there is none: twice the smaller share of resamples on one side of 0, where one resample more
/// is counted so that it is never 0 (Davison and Hinkley 1997, section 4.2). NaN without resamples.
pub(super) fn p_value(differences: &[f64]) -> f64 {
    let defined = differences.iter().filter(|difference| !difference.is_nan());
    let (mut all, mut below, mut above) = (0u32, 0u32, 0u32);
    for difference in defined {
        all += 1;
        below += u32::from(*difference <= 0.0);
        above += u32::from(*difference >= 0.0);
    }
    if all == 0 {
        return f64::NAN;
    }
    (2.0 * f64::from(below.min(above) + 1) / f64::from(all + 1)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_a_resample_are_those_of_as_many_draws() {
        let mut table = Table::new(1);
        (0..37).for_each(|reader| table.line(reader)[0] += 1.0);
        let totals = resample(&[table.clone()], 37, 10, 3).remove(0);
        assert_eq!(totals, vec![37.0; 10]);
        assert_eq!(table.totals(), [37.0]);
        assert_ne!(
            resample(&[twice(&table)], 37, 10, 3),
            resample(&[twice(&table)], 37, 10, 4),
            "seeds differ"
        );
    }

    fn twice(table: &Table) -> Table {
        let mut other = Table::new(1);
        table.readers.iter().for_each(|reader| other.line(*reader)[0] += f64::from(*reader));
        other
    }

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_theory_has_it() {
        let mut table = Table::new(2);
        for reader in 0..400 {
            table.line(reader).copy_from_slice(&[f64::from(reader % 2), 1.0]);
        }
        let totals = resample(&[table], 400, 2000, 5).remove(0);
        let means: Vec<f64> = totals.chunks(2).map(|pair| pair[0] / pair[1]).collect();
        let [low, high] = interval(&means).unwrap();
        // 0.5 +- 1.96 sqrt(0.25 / 400)
        assert!((low - 0.451).abs() < 0.006 && (high - 0.549).abs() < 0.006, "{low} {high}");
    }

    #[test]
    fn p_values_are_two_sided_and_never_zero() {
        assert_eq!(p_value(&[1.0; 999]), 0.002);
        assert_eq!(p_value(&[-1.0, 1.0]), 1.0);
        assert_eq!(p_value(&[0.0; 10]), 1.0);
        assert!(p_value(&[]).is_nan());
    }
}
