//! Trends and also-read: what the readers of one partition did with each article, as exponentially decayed sums.
//!
//! A sum `s` that was brought up to date at `t` is worth `s * 2^(-(now - t) / half_life)` at `now`. The sums run per event in the order of
//! the log, so that the same log gives the same bits. They are partial: the read path adds them up over partitions.
//!
//! What was read next of an article is up to 2 KB, and its readers' next reads would write it again and again. So a follow-up first waits in
//! the article's counts, and [`MOST_WAITING`] of them are counted into its [`AlsoRead`] together: in the order in which they came, so that the
//! sums are those of counting each at once. Whoever reads the two [counts what waits](count_waiting) for himself.

use abovefold_schemas::{
    ArticleId, Timestamp,
    state::{AlsoRead, ArticleCounts, Successor},
};

/// The half-lives of the decayed read counts: 2, 7, 20 and 45 minutes, 8 and 36 hours.
pub const HALF_LIVES_MS: [i64; 6] = [120_000, 420_000, 1_200_000, 2_700_000, 28_800_000, 129_600_000];
/// The half-life (a place in [`HALF_LIVES_MS`]) of follow-ups and of reading times.
pub const FOLLOWED_HALF_LIFE: usize = 4;
/// The half-life of also-read counts: 3 days.
pub const ALSO_READ_HALF_LIFE_MS: i64 = 259_200_000;
/// The most successors that an article keeps; the weakest goes first.
pub const MAX_SUCCESSORS: usize = 64;
/// So many follow-ups are counted into an article's [`AlsoRead`] together.
pub const MOST_WAITING: usize = 16;
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

/// What one partition counts of an article: its reads, and what was read next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Its reads, and the follow-ups that wait.
    pub counts: ArticleCounts,
    /// The follow-ups that were counted.
    pub also_read: AlsoRead,
}

impl Counted {
    /// Folds in that a reader read `next` after the article. Returns whether `also_read` changed.
    pub fn follow(&mut self, next: ArticleId, time: Timestamp) -> bool {
        let counts = &mut self.counts;
        counts.follows += 1;
        counts.waiting.push(next.0);
        counts.waiting_times.push(time.0);
        if counts.waiting.len() < MOST_WAITING {
            return false;
        }
        count_waiting(&mut self.also_read, counts);
        counts.waiting.clear();
        counts.waiting_times.clear();
        true
    }
}

/// Counts into `also_read` what waits in the article's counts, but for what it has already.
pub fn count_waiting(also_read: &mut AlsoRead, counts: &ArticleCounts) {
    let before = counts.follows.saturating_sub(counts.waiting.len() as u64);
    let known = also_read.follows.saturating_sub(before);
    let waiting = counts.waiting.iter().zip(&counts.waiting_times);
    for (next, time) in waiting.skip(known as usize) {
        count_successor(also_read, ArticleId(*next), Timestamp(*time));
    }
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

/// Counts at once that a reader read `next` after the article.
pub fn count_successor(also_read: &mut AlsoRead, next: ArticleId, time: Timestamp) {
    also_read.follows += 1;
    let follows = also_read.follows;
    match also_read.next.iter_mut().find(|successor| successor.article_id == next.0) {
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
            also_read.next.push(Successor {
                article_id: next.0,
                weight: 1.0,
                time: time.0,
                lately: 1.0,
                follows,
            });
        }
    }
    if also_read.next.len() > MAX_SUCCESSORS {
        let worth =
            |successor: &Successor| successor.weight * decay(time.0 - successor.time, ALSO_READ_HALF_LIFE_MS);
        let weakest = (0..also_read.next.len()).min_by(|&a, &b| {
            let (a, b) = (&also_read.next[a], &also_read.next[b]);
            worth(a).total_cmp(&worth(b)).then(b.article_id.cmp(&a.article_id))
        });
        if let Some(place) = weakest {
            also_read.next.swap_remove(place);
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
        let mut also_read = AlsoRead::default();
        for next in 0..MAX_SUCCESSORS as i64 + 8 {
            count_successor(&mut also_read, ArticleId(next), Timestamp(next * 1_000));
        }
        assert_eq!(also_read.next.len(), MAX_SUCCESSORS);
        assert!(also_read.next.iter().all(|successor| successor.article_id >= 8));
    }

    /// Whenever one looks, counting what waits gives the bytes that counting each at once gives; so it does for one who has some of it.
    #[test]
    fn follow_ups_that_waited_count_as_if_each_had_been_counted_at_once() {
        let (mut at_once, mut behind) = (AlsoRead::default(), AlsoRead::default());
        let mut counted = Counted::default();
        let mut written = 0;
        for number in 0..1_000_i64 {
            let (next, time) =
                (ArticleId(number * number % 97), Timestamp(number * 60_000 - number % 7 * 90_000));
            count_successor(&mut at_once, next, time);
            written += u32::from(counted.follow(next, time));
            let mut whole = counted.also_read.clone();
            count_waiting(&mut whole, &counted.counts);
            assert_eq!(whole, at_once, "after {number}");
            if counted.counts.waiting.is_empty() || number % 5 == 0 {
                count_waiting(&mut behind, &counted.counts);
            }
            if counted.counts.waiting.is_empty() {
                behind.clone_from(&counted.also_read);
            }
            assert!(at_once.follows - behind.follows < 5 + 1);
        }
        assert_eq!(written, 1_000 / MOST_WAITING as u32);
    }
}
