//! The counts of all articles, partition by partition: partial sums that are added up when they are read.

use std::collections::BTreeSet;

use abovefold_schemas::{
    ArticleId, Timestamp,
    state::{AlsoRead, ArticleCounts, Successor},
};

use crate::fold::{
    cache::FixedMap,
    trends::{
        ALSO_READ_HALF_LIFE_MS, Counted, FOLLOWED_HALF_LIFE, HALF_LIVES_MS, ReadFacts, count_read,
        count_successor, count_waiting, decay, decayed_reads, lately,
    },
};

/// An article that a partition's readers left unread for this long, 7 days, counts for nothing there; so it can be dropped.
pub const EXPIRES_AFTER_MS: i64 = 7 * 86_400_000;

/// The counts of all articles in all partitions. Every follow-up is counted here; none waits.
#[derive(Clone, Debug, Default)]
pub struct CountsTable {
    partitions: Vec<FixedMap<ArticleId, Counted>>,
}

/// One article's counts at a moment, added up over partitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CountsAt {
    /// Decayed reads, one for each of [`HALF_LIVES_MS`].
    pub reads: [f64; HALF_LIVES_MS.len()],
    /// Decayed reads that followed another in their visit.
    pub followed: f64,
    /// Mean of `ln(1 + seconds)` on the page; `None` where no length is known.
    pub dwell: Option<f64>,
    /// Milliseconds since the first read; `None` before it.
    pub age_ms: Option<i64>,
    /// Milliseconds since the latest read; `None` before the first.
    pub idle_ms: Option<i64>,
    /// All reads.
    pub total: u64,
}

impl CountsTable {
    /// Nothing counted, in so many partitions.
    pub fn new(partitions: usize) -> Self {
        Self { partitions: vec![FixedMap::default(); partitions] }
    }

    /// Takes in what a partition counts of an article; `None` where it no longer counts it. What was read next is taken in before, where it
    /// changed ([`CountsTable::set_also_read`]).
    pub fn set(&mut self, partition: usize, article: ArticleId, counts: Option<ArticleCounts>) {
        let Some(counts) = counts else {
            self.partitions[partition].remove(&article);
            return;
        };
        let counted = self.partitions[partition].entry(article).or_default();
        count_waiting(&mut counted.also_read, &counts);
        counted.counts = counts;
    }

    /// Takes in what a partition counted of what was read after an article; `None` where it no longer counts it.
    pub fn set_also_read(&mut self, partition: usize, article: ArticleId, also_read: Option<AlsoRead>) {
        self.partitions[partition].entry(article).or_default().also_read = also_read.unwrap_or_default();
    }

    /// Drops what a partition counted.
    pub fn forget(&mut self, partition: usize) {
        self.partitions[partition].clear();
    }

    /// Folds a read, as the write path does.
    pub fn read(
        &mut self,
        partition: usize,
        article: ArticleId,
        previous: Option<ArticleId>,
        time: Timestamp,
        read_time: Option<f32>,
    ) {
        let partition = &mut self.partitions[partition];
        let facts = ReadFacts { followed: previous.is_some(), read_time };
        count_read(&mut partition.entry(article).or_default().counts, time, facts);
        if let Some(previous) = previous {
            count_successor(&mut partition.entry(previous).or_default().also_read, article, time);
        }
    }

    /// What each partition counts of an article that is alive there at `now`, in their order.
    pub fn of(&self, article: ArticleId, now: Timestamp) -> impl Iterator<Item = &Counted> {
        let counted = self.partitions.iter().filter_map(move |partition| partition.get(&article));
        counted.filter(move |counted| now.0 - counted.counts.time <= EXPIRES_AFTER_MS)
    }

    /// Whether a partition counts an article, alive or not.
    pub fn contains(&self, article: ArticleId) -> bool {
        self.partitions.iter().any(|partition| partition.contains_key(&article))
    }

    /// Whether one partition counts an article, alive or not.
    pub fn contains_in(&self, partition: usize, article: ArticleId) -> bool {
        self.partitions[partition].contains_key(&article)
    }

    /// Number of articles counted, in the partition that counts the most.
    pub fn articles(&self) -> usize {
        self.partitions.iter().map(FixedMap::len).max().unwrap_or(0)
    }

    /// Articles that somebody read since a moment.
    pub fn alive(&self, since: Timestamp) -> BTreeSet<ArticleId> {
        let all = self.partitions.iter().flat_map(FixedMap::iter);
        all.filter(|(_, counted)| counted.counts.reads > 0 && counted.counts.time >= since.0)
            .map(|(article, _)| *article)
            .collect()
    }

    /// Reads of all articles, decayed by the half-life of [`FOLLOWED_HALF_LIFE`].
    pub fn total_reads(&self, now: Timestamp) -> f64 {
        let all = self.partitions.iter().flat_map(FixedMap::values);
        all.map(|counted| decayed_reads(&counted.counts, FOLLOWED_HALF_LIFE, now)).sum()
    }

    /// An article's reads, decayed by one of [`HALF_LIVES_MS`].
    pub fn reads(&self, article: ArticleId, half_life: usize, now: Timestamp) -> f64 {
        self.of(article, now).map(|counted| decayed_reads(&counted.counts, half_life, now)).sum()
    }

    /// Drops what counts for nothing from `now` on; see [`EXPIRES_AFTER_MS`].
    pub fn expire(&mut self, now: Timestamp) {
        for partition in &mut self.partitions {
            partition.retain(|_, counted| now.0 - counted.counts.time <= EXPIRES_AFTER_MS);
        }
    }

    /// An article's counts at `now`.
    pub fn at(&self, article: ArticleId, now: Timestamp) -> CountsAt {
        let mut sum = CountsAt::default();
        let (mut dwell, mut dwells) = (0.0, 0.0);
        for Counted { counts, .. } in self.of(article, now) {
            for (place, reads) in sum.reads.iter_mut().enumerate() {
                *reads += decayed_reads(counts, place, now);
            }
            if counts.reads > 0 {
                let worth = decay(now.0 - counts.time, HALF_LIVES_MS[FOLLOWED_HALF_LIFE]);
                sum.followed += counts.followed * worth;
                dwell += counts.dwell * worth;
                dwells += counts.dwells * worth;
                let (age, idle) = (now.0 - counts.first_seen, now.0 - counts.time);
                sum.age_ms = Some(sum.age_ms.map_or(age, |known| known.max(age)));
                sum.idle_ms = Some(sum.idle_ms.map_or(idle, |known| known.min(idle)));
            }
            sum.total += counts.reads;
        }
        sum.dwell = (dwells > 1e-9).then(|| dwell / dwells);
        sum
    }

    /// How much of one article was read after `page`, decayed by time.
    pub fn next_of(&self, page: ArticleId, article: ArticleId, now: Timestamp) -> f64 {
        let of = |Counted { also_read, .. }: &Counted| {
            let successor = also_read.next.iter().find(|successor| successor.article_id == article.0)?;
            Some(worth_of(successor, also_read, now).0)
        };
        self.of(page, now).filter_map(of).sum()
    }

    /// How much was read after `page`, as of a moment.
    pub fn after(&self, page: ArticleId, now: Timestamp) -> After {
        let mut after = After::default();
        for Counted { also_read, .. } in self.of(page, now) {
            for successor in &also_read.next {
                let worth = after.by_article.entry(ArticleId(successor.article_id)).or_default();
                let (weight, recent) = worth_of(successor, also_read, now);
                worth.0 += weight;
                worth.1 += recent;
                after.total.0 += weight;
                after.total.1 += recent;
            }
        }
        after
    }
}

fn worth_of(successor: &Successor, also_read: &AlsoRead, now: Timestamp) -> (f64, f64) {
    let weight = successor.weight * decay(now.0 - successor.time, ALSO_READ_HALF_LIFE_MS);
    (weight, lately(successor, also_read.follows))
}

/// What was read after one article: decayed by time, and by the reads that followed.
#[derive(Clone, Debug, Default)]
pub struct After {
    by_article: FixedMap<ArticleId, (f64, f64)>,
    /// Both, over all successors.
    pub total: (f64, f64),
}

impl After {
    /// The successors with the greatest decayed counts, and those.
    pub fn most(&self, count: usize) -> Vec<(ArticleId, f64)> {
        let mut most: Vec<(ArticleId, f64)> =
            self.by_article.iter().map(|(article, (weight, _))| (*article, *weight)).collect();
        most.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        most.truncate(count);
        most
    }

    /// Both counts of one successor.
    pub fn of(&self, article: ArticleId) -> (f64, f64) {
        self.by_article.get(&article).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_counted_for_nothing_already() {
        let hour = |hour: i64| Timestamp(1_700_000_000_000 + hour * 3_600_000);
        let mut table = CountsTable::new(2);
        table.read(0, ArticleId(1), None, hour(0), Some(9.0));
        table.read(1, ArticleId(1), None, hour(2), None);
        table.read(1, ArticleId(2), Some(ArticleId(1)), hour(3), None);
        let (alive, half, gone) = (hour(168), hour(169), hour(7 * 24 + 4));
        let seen = |table: &CountsTable, now| {
            (
                table.at(ArticleId(1), now),
                table.after(ArticleId(1), now).total,
                table.next_of(ArticleId(1), ArticleId(2), now),
            )
        };
        assert_eq!(seen(&table, alive).0.total, 2);
        assert_eq!(seen(&table, half).0.total, 1, "one partition's readers left it for a week");
        for now in [half, gone] {
            let before = seen(&table, now);
            table.expire(now);
            assert_eq!(seen(&table, now), before);
        }
        assert_eq!((table.articles(), table.contains(ArticleId(1))), (0, false));
    }
}
