//! Trends and also-read: what the readers of one partition did with each article, as exponentially decayed sums.
//!
//! A sum `s` that was brought up to date at `t` is worth `s * 2^(-(now - t) / half_life)` at `now`. The sums run per event in the order of
//! the log, so that the same log gives the same bits. They are partial: the read path adds them up over partitions.

use abovefold_schemas::{
    ArticleId, Timestamp,
    state::{ArticleCounts, Successor},
};

/// The half-lives of the decayed read counts: 2, 7, 20 and 45 minutes, 8 and 36 hours.
pub const HALF_LIVES_MS: [i64; 6] = [120_000, 420_000, 1_200_000, 2_700_000, 28_800_000, 129_600_000];
/// The half-life (a place in [`HALF_LIVES_MS`]) of follow-ups and of reading times.
pub const FOLLOWED_HALF_LIFE: usize = 4;
/// The half-life of also-read counts: 3 days.
pub const ALSO_READ_HALF_LIFE_MS: i64 = 259_200_000;
/// The most successors that an article keeps; the weakest goes first.
pub const MAX_SUCCESSORS: usize = 64;
/// What a successor's recent count fades by at each read that follows.
pub const LATELY_FADE: f64 = 0.99;

/// A read counts for no more seconds than this: 10 minutes.
const LONGEST_READ: f32 = 600.0;

/// What a sum is worth `age_ms` later (earlier, where negative: then more, which merging partial sums needs).
pub fn decay(age_ms: i64, half_life_ms: i64) -> f64 {
    (-(age_ms as f64) / half_life_ms as f64).exp2()
}

/// What one read says of its article, beside that it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReadFacts {
    /// Whether it followed another article in the same visit.
    pub followed: bool,
    /// Seconds on the page, if known.
    pub read_time: Option<f32>,
}

/// Folds one read of the article into its counts.
pub fn count_read(counts: &mut ArticleCounts, time: Timestamp, facts: ReadFacts) {
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
    let half_life = HALF_LIVES_MS[FOLLOWED_HALF_LIFE];
    let (keep, weight) =
        if later >= 0 { (decay(later, half_life), 1.0) } else { (1.0, decay(-later, half_life)) };
    let add = |sum: f64, what: f64| sum * keep + weight * what;
    counts.followed = add(counts.followed, f64::from(u8::from(facts.followed)));
    let seconds = facts.read_time.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    counts.dwell =
        add(counts.dwell, seconds.map_or(0.0, |seconds| f64::from(seconds.min(LONGEST_READ)).ln_1p()));
    counts.dwells = add(counts.dwells, f64::from(u8::from(seconds.is_some())));
    counts.reads += 1;
    counts.time = counts.time.max(time.0);
    counts.first_seen = counts.first_seen.min(time.0);
}

/// Folds into the counts of an article that its reader read `next` after it.
pub fn count_successor(counts: &mut ArticleCounts, next: ArticleId, time: Timestamp) {
    counts.follows += 1;
    let follows = counts.follows;
    match counts.next.iter_mut().find(|successor| successor.article_id == next.0) {
        Some(successor) => {
            successor.lately = 1.0 + lately(successor, follows);
            successor.follows = follows;
            let later = time.0 - successor.time;
            successor.weight = if later >= 0 {
                successor.weight * decay(later, ALSO_READ_HALF_LIFE_MS) + 1.0
            } else {
                successor.weight + decay(-later, ALSO_READ_HALF_LIFE_MS)
            };
            successor.time = successor.time.max(time.0);
        }
        None => {
            counts.next.push(Successor {
                article_id: next.0,
                weight: 1.0,
                time: time.0,
                lately: 1.0,
                follows,
            });
        }
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

/// A successor's recent count when `follows` reads have followed its article.
pub fn lately(successor: &Successor, follows: u64) -> f64 {
    let passed = follows.saturating_sub(successor.follows).min(10_000);
    successor.lately * LATELY_FADE.powi(passed as i32)
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
        let half = HALF_LIVES_MS[3];
        let read = ReadFacts { followed: true, read_time: Some(1.0) };
        let mut counts = ArticleCounts::default();
        count_read(&mut counts, Timestamp(0), ReadFacts::default());
        count_read(&mut counts, Timestamp(half), read);
        assert!((decayed_reads(&counts, 3, Timestamp(half)) - 1.5).abs() < 1e-12);
        assert!((decayed_reads(&counts, 3, Timestamp(2 * half)) - 0.75).abs() < 1e-12);
        count_read(&mut counts, Timestamp(0), read);
        assert!((decayed_reads(&counts, 3, Timestamp(half)) - 2.0).abs() < 1e-12);
        assert_eq!((counts.reads, counts.first_seen, counts.time), (3, 0, half));
        let late = decay(half, HALF_LIVES_MS[FOLLOWED_HALF_LIFE]);
        assert!((counts.followed - 1.0 - late).abs() < 1e-12);
        assert!((counts.dwell / counts.dwells - 2_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn successors_are_bounded_and_the_weakest_goes() {
        let mut counts = ArticleCounts::default();
        for next in 0..MAX_SUCCESSORS as i64 + 8 {
            count_successor(&mut counts, ArticleId(next), Timestamp(next * 1_000));
        }
        assert_eq!(counts.next.len(), MAX_SUCCESSORS);
        assert!(counts.next.iter().all(|successor| successor.article_id >= 8));
    }
}
