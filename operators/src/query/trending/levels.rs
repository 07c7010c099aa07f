//! Decayed sums of many partitions, brought to one scale on which time stands still.
//!
//! A sum `s` as of `t` is worth `s * 2^(-(now - t) / h)` at `now`. Its *level* `log2(s) + t / h` says the same without a now: levels
//! are compared as they are, and the ratio of two sums at any moment is `2^(difference of levels)`. So a mirror recomputes only what changed.

use std::collections::BTreeMap;

use abovefold_schemas::{ArticleId, state::ArticleCounts};

use crate::fold::trends::HALF_LIVES_MS;

/// The levels of articles: one for each partition, and of their sum.
#[derive(Debug)]
pub(super) struct Levels {
    partitions: usize,
    half_life: usize,
    articles: BTreeMap<ArticleId, Entry>,
}

#[derive(Debug)]
struct Entry {
    by_partition: Vec<f64>,
    merged: f64,
}

impl Levels {
    /// `half_life` is a place in [`HALF_LIVES_MS`]; one beyond its end is taken as the last.
    pub(super) fn new(partitions: usize, half_life: usize) -> Self {
        Self { partitions, half_life: half_life.min(HALF_LIVES_MS.len() - 1), articles: BTreeMap::new() }
    }

    /// Takes in what one partition counted of an article; `None` where it no longer counts it.
    pub(super) fn set(&mut self, article: ArticleId, partition: usize, counts: Option<&ArticleCounts>) {
        let partitions = self.partitions;
        let nothing =
            || Entry { by_partition: vec![f64::NEG_INFINITY; partitions], merged: f64::NEG_INFINITY };
        let entry = self.articles.entry(article).or_insert_with(nothing);
        entry.by_partition[partition] =
            counts.map_or(f64::NEG_INFINITY, |counts| level(counts, self.half_life));
        entry.merged = merged(&entry.by_partition);
    }

    /// Drops what a partition counted.
    pub(super) fn forget(&mut self, partition: usize) {
        for entry in self.articles.values_mut() {
            entry.by_partition[partition] = f64::NEG_INFINITY;
            entry.merged = merged(&entry.by_partition);
        }
    }

    /// Drops all other articles.
    pub(super) fn retain(&mut self, kept: impl Fn(ArticleId) -> bool) {
        self.articles.retain(|article, _| kept(*article));
    }

    /// The articles of the highest levels, highest first, ties by the smaller id.
    pub(super) fn top(&self, count: usize) -> Vec<(ArticleId, f64)> {
        let order = |a: &(ArticleId, f64), b: &(ArticleId, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let counted = self.articles.iter().filter(|(_, entry)| entry.merged.is_finite());
        let mut top: Vec<_> = counted.map(|(id, entry)| (*id, entry.merged)).collect();
        if count == 0 {
            return Vec::new();
        }
        if top.len() > count {
            top.select_nth_unstable_by(count - 1, order);
            top.truncate(count);
        }
        top.sort_unstable_by(order);
        top
    }
}

fn level(counts: &ArticleCounts, half_life: usize) -> f64 {
    let sum = counts.decayed.get(half_life).copied().unwrap_or(0.0);
    if sum > 0.0 {
        sum.log2() + counts.time as f64 / HALF_LIVES_MS[half_life] as f64
    } else {
        f64::NEG_INFINITY
    }
}

/// The level of the sum: `m + log2(sum of 2^(l - m))` with `m` the highest, which cannot overflow.
fn merged(levels: &[f64]) -> f64 {
    let highest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if highest.is_finite() {
        highest + levels.iter().map(|level| (level - highest).exp2()).sum::<f64>().log2()
    } else {
        f64::NEG_INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::trends::{ReadFacts, count_read, decayed_reads};
    use abovefold_schemas::Timestamp;

    fn read_at(hours: &[i64]) -> ArticleCounts {
        let mut counts = ArticleCounts::default();
        hours
            .iter()
            .map(|hour| Timestamp(1_700_000_000_000 + hour * 3_600_000))
            .for_each(|time| count_read(&mut counts, time, ReadFacts::default()));
        counts
    }

    #[test]
    fn levels_say_what_decayed_sums_say() {
        let mut levels = Levels::new(2, 4);
        let (one, two, other) = (read_at(&[0, 1, 2]), read_at(&[5]), read_at(&[6, 7]));
        levels.set(ArticleId(1), 0, Some(&one));
        levels.set(ArticleId(1), 1, Some(&two));
        levels.set(ArticleId(2), 1, Some(&other));
        let top = levels.top(10);
        let now = Timestamp(1_700_000_000_000 + 9 * 3_600_000);
        let worth = |counts| decayed_reads(counts, 4, now);
        let ratio = worth(&other) / (worth(&one) + worth(&two));
        assert_eq!(top.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [1, 2]);
        assert!(((top[1].1 - top[0].1).exp2() - ratio).abs() < 1e-9);
        assert_eq!(levels.top(1).len(), 1);
        levels.forget(1);
        assert_eq!(levels.top(10).len(), 1);
        levels.set(ArticleId(1), 0, None);
        assert!(levels.top(10).is_empty() && levels.top(0).is_empty());
    }
}
