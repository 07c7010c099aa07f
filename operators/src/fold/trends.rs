//! Trends and also-read: what the readers of one partition did with each article, as exponentially decayed sums.
//!
//! A sum `s` that was brought up to date at `t` is worth `s * 2^(-(now - t) / half_life)` at `now`. The sums run per event in the order of
//! the log, so that the same log gives the same bits. They are partial: the read path adds them up over partitions.

use abovefold_schemas::{
    ArticleId, Timestamp,
    state::{ArticleCounts, Successor},
};

/// The half-lives of the decayed read counts: 10 minutes, 1 hour, 6 hours, 1 day, 3 days.
pub const HALF_LIVES_MS: [i64; 5] = [600_000, 3_600_000, 21_600_000, 86_400_000, 259_200_000];
/// The half-life of also-read counts: 3 days.
pub const ALSO_READ_HALF_LIFE_MS: i64 = 259_200_000;
/// The most successors that an article keeps; the weakest goes first.
pub const MAX_SUCCESSORS: usize = 32;

/// What a sum is worth `age_ms` later (earlier, where negative: then more, which merging partial sums needs).
pub fn decay(age_ms: i64, half_life_ms: i64) -> f64 {
    (-(age_ms as f64) / half_life_ms as f64).exp2()
}

/// Folds one read of the article into its counts.
pub fn count_read(counts: &mut ArticleCounts, time: Timestamp) {
    if counts.decayed.is_empty() {
        counts.decayed = vec![0.0; HALF_LIVES_MS.len()];
        counts.time = time.0;
        counts.first_seen = time.0;
    }
    let later = time.0 - counts.time;
    for (sum, half_life) in counts.decayed.iter_mut().zip(HALF_LIVES_MS) {
        // A late read adds what is left of it by the time of the sums; the sums never go back.
        *sum =
            if later >= 0 { *sum * decay(later, half_life) + 1.0 } else { *sum + decay(-later, half_life) };
    }
    counts.reads += 1;
    counts.time = counts.time.max(time.0);
    counts.first_seen = counts.first_seen.min(time.0);
}

/// Folds into the counts of an article that its reader read `next` after it.
pub fn count_successor(counts: &mut ArticleCounts, next: ArticleId, time: Timestamp) {
    match counts.next.iter_mut().find(|successor| successor.article_id == next.0) {
        Some(successor) => {
            let later = time.0 - successor.time;
            successor.weight = if later >= 0 {
                successor.weight * decay(later, ALSO_READ_HALF_LIFE_MS) + 1.0
            } else {
                successor.weight + decay(-later, ALSO_READ_HALF_LIFE_MS)
            };
            successor.time = successor.time.max(time.0);
        }
        None => counts.next.push(Successor { article_id: next.0, weight: 1.0, time: time.0 }),
    }
    if counts.next.len() > MAX_SUCCESSORS {
        let worth =
            |successor: &Successor| successor.weight * decay(time.0 - successor.time, ALSO_READ_HALF_LIFE_MS);
        let weakest = (0..counts.next.len()).min_by(|&a, &b| {
            let (a, b) = (&counts.next[a], &counts.next[b]);
            worth(a).total_cmp(&worth(b)).then(b.article_id.cmp(&a.article_id))
        });
        if let Some(place) = weakest {
            counts.next.swap_remove(place);
        }
    }
}

/// The decayed reads of an article at `now`, for one of [`HALF_LIVES_MS`].
pub fn decayed_reads(counts: &ArticleCounts, half_life: usize, now: Timestamp) -> f64 {
    counts
        .decayed
        .get(half_life)
        .map_or(0.0, |sum| sum * decay(now.0 - counts.time, HALF_LIVES_MS[half_life]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_halves_in_its_half_life() {
        let mut counts = ArticleCounts::default();
        count_read(&mut counts, Timestamp(0));
        count_read(&mut counts, Timestamp(3_600_000));
        assert!((decayed_reads(&counts, 1, Timestamp(3_600_000)) - 1.5).abs() < 1e-12);
        assert!((decayed_reads(&counts, 1, Timestamp(7_200_000)) - 0.75).abs() < 1e-12);
        count_read(&mut counts, Timestamp(0));
        assert!((decayed_reads(&counts, 1, Timestamp(3_600_000)) - 2.0).abs() < 1e-12);
        assert_eq!((counts.reads, counts.first_seen, counts.time), (3, 0, 3_600_000));
    }

    #[test]
    fn successors_are_bounded_and_the_weakest_goes() {
        let mut counts = ArticleCounts::default();
        for next in 0..40 {
            count_successor(&mut counts, ArticleId(next), Timestamp(next * 1_000));
        }
        assert_eq!(counts.next.len(), MAX_SUCCESSORS);
        assert!(counts.next.iter().all(|successor| successor.article_id >= 8));
    }
}
