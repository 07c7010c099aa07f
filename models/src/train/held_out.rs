//! Readers that are not trained on: how high does what they read next rank among what others read just before?
//!
//! Each next read is ranked by cosine among [`AGAINST`] others, drawn from the reads of other readers just before it and without what
//! the reader has just read. That resembles a list of articles to choose from, whatever the data has of such lists.

use std::collections::{BTreeMap, HashMap};

use abovefold_schemas::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::network::Parameters;
use super::prepare::Data;
use super::windows::step_through;
use super::{TrainError, TrainingOptions};
use crate::WIDTH;
use crate::seed::{below, mix};
use crate::vectors::Wanted;

/// Articles that a held-out read is ranked among, beside itself.
const AGAINST: usize = 50;
/// Reads before it that those are drawn from.
const JUST_BEFORE: usize = 1024;
/// Reads of other readers that are remembered for it; a share of them where there are more.
const REMEMBERED: usize = 1 << 21;
/// Latest reads of a reader that are no candidates.
const JUST_READ: usize = 20;

/// How well held-out reads rank.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ranked {
    pub(super) mrr: f64,
    pub(super) hit_rate_10: f64,
    pub(super) reads: u64,
}

pub(super) struct HeldOut<'a> {
    data: &'a Data<'a>,
    seed: u64,
    /// What other readers read, by when they opened it.
    others: Vec<(Timestamp, u32)>,
}

impl<'a> HeldOut<'a> {
    pub(super) fn new(data: &'a Data<'a>, options: &TrainingOptions) -> Self {
        let all: usize = data.learn.iter().map(|reader| data.reads(*reader).len()).sum();
        let every = all.div_ceil(REMEMBERED).max(1);
        let mut others: Vec<(Timestamp, u32)> = data
            .learn
            .iter()
            .flat_map(|reader| {
                (0..data.reads(*reader).len())
                    .map(|read| (data.opened(*reader, read), data.reads(*reader)[read].article))
            })
            .step_by(every)
            .collect();
        others.sort_unstable();
        Self { data, seed: options.seed, others }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.data.held_out.is_empty()
    }

    /// By the session embedding of the reads so far.
    pub(super) fn of(&self, parameters: &Parameters) -> Result<Ranked, TrainError> {
        let mut tally = Tally::default();
        let readers = self.data.held_out.iter().map(|reader| (*reader, self.data.reads(*reader).len() - 1));
        step_through(
            self.data,
            parameters,
            readers,
            |_| false,
            |reader, reads, embedding| self.rank(reader, reads, embedding, &mut tally),
        )?;
        Ok(tally.ranked())
    }

    /// By the mean of the vectors of the reads so far.
    pub(super) fn of_means(&self) -> Result<Ranked, TrainError> {
        let mut tally = Tally::default();
        for &reader in &self.data.held_out {
            let reads = self.data.reads(reader);
            let wanted: Vec<Wanted> = reads[..reads.len() - 1]
                .iter()
                .map(|read| Wanted { article: read.article, as_of: read.time })
                .collect();
            let mut sum = vec![0.0f32; WIDTH];
            for (read, vector) in self.data.vectors(&wanted)?.chunks_exact(WIDTH).enumerate() {
                sum.iter_mut().zip(vector).for_each(|(sum, number)| *sum += number);
                self.rank(reader, read + 1, &sum, &mut tally)?;
            }
        }
        Ok(tally.ranked())
    }

    /// Ranks what `reader` read after its first `reads` reads by the cosine to `point`.
    fn rank(&self, reader: u32, reads: usize, point: &[f32], tally: &mut Tally) -> Result<(), TrainError> {
        let history = self.data.reads(reader);
        let target = history[reads].article;
        let just_read = &history[reads.saturating_sub(JUST_READ)..reads];
        let opened = self.data.opened(reader, reads);
        let end = self.others.partition_point(|(time, _)| *time < opened);
        let pool = &self.others[end.saturating_sub(JUST_BEFORE)..end];
        if pool.is_empty() || just_read.iter().any(|read| read.article == target) {
            return Ok(());
        }
        let seed = mix(self.seed ^ mix(u64::from(reader)) ^ mix(reads as u64).rotate_left(7));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut candidates: BTreeMap<u32, ()> = BTreeMap::new();
        for _ in 0..AGAINST * 4 {
            let article = pool[below(&mut random, pool.len())].1;
            if article != target && just_read.iter().all(|read| read.article != article) {
                candidates.insert(article, ());
            }
            if candidates.len() == AGAINST {
                break;
            }
        }
        if candidates.is_empty() {
            return Ok(());
        }
        let wanted: Vec<Wanted> = [target]
            .into_iter()
            .chain(candidates.into_keys())
            .map(|article| Wanted { article, as_of: opened })
            .collect();
        let vectors = self.data.vectors(&wanted)?;
        let scores: Vec<f32> = vectors
            .chunks_exact(WIDTH)
            .map(|vector| vector.iter().zip(point).map(|(a, b)| a * b).sum())
            .collect();
        let others = scores[1..].iter();
        // Equal scores share their mean rank.
        let rank: f64 = 1.0
            + others
                .map(|score| match score.partial_cmp(&scores[0]).unwrap_or(std::cmp::Ordering::Equal) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                })
                .sum::<f64>();
        tally.add(reader, rank);
        Ok(())
    }
}

/// Sums in the order of readers, whatever order they come in.
#[derive(Default)]
struct Tally {
    of_reader: HashMap<u32, (f64, u64, u64)>,
}

impl Tally {
    fn add(&mut self, reader: u32, rank: f64) {
        // A reader's own reads come in order.
        let sum = self.of_reader.entry(reader).or_default();
        *sum = (sum.0 + 1.0 / rank, sum.1 + u64::from(rank <= 10.0), sum.2 + 1);
    }

    fn ranked(&self) -> Ranked {
        let mut readers: Vec<_> = self.of_reader.iter().collect();
        readers.sort_unstable_by_key(|(reader, _)| **reader);
        let (mut reciprocal, mut hits, mut reads) = (0.0, 0, 0);
        for (_, (sum, hit, count)) in readers {
            reciprocal += sum;
            hits += hit;
            reads += count;
        }
        let all = (reads as f64).max(1.0);
        Ranked { mrr: reciprocal / all, hit_rate_10: hits as f64 / all, reads }
    }
}
