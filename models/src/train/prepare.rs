//! The training set, checked: means of what is known, readers and impressions held out, and the hash of it all.

use abovefold_schemas::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::{TrainError, TrainingImpression, TrainingOptions, TrainingRead, TrainingSet};
use crate::WIDTH;
use crate::card::Scaling;
use crate::folder::hex;
use crate::seed::{mix, shuffle};
use crate::session::{scaled_read, scaled_scroll};
use crate::vectors::{VectorSource, Wanted};

/// A gap after which counting begins anew.
const VISIT_GAP_MS: i64 = 30 * 60 * 1000;
/// One reader in this many is held out.
const HELD_OUT: u64 = 12;

/// The training set, ready.
pub(super) struct Data<'a> {
    pub(super) set: &'a TrainingSet,
    pub(super) source: &'a dyn VectorSource,
    pub(super) scaling: Scaling,
    /// Readers that the session model learns from: at least two reads.
    pub(super) learn: Vec<u32>,
    /// Readers held out.
    pub(super) held_out: Vec<u32>,
    /// Impressions with a click and something not clicked, by time.
    pub(super) impressions: Vec<TrainingImpression>,
}

impl<'a> Data<'a> {
    pub(super) fn new(
        set: &'a TrainingSet,
        source: &'a dyn VectorSource,
        options: &TrainingOptions,
    ) -> Result<Self, TrainError> {
        check(set)?;
        let (mut learn, mut held_out) = (Vec::new(), Vec::new());
        for (reader, sequence) in (0u32..).zip(&set.readers) {
            if sequence.reads.len() < 2 {
                continue;
            }
            let chosen = mix(options.seed ^ mix(u64::from(reader))).is_multiple_of(HELD_OUT);
            if chosen && held_out.len() < options.max_held_out {
                held_out.push(reader);
            } else {
                learn.push(reader);
            }
        }
        if learn.is_empty() {
            // Too few readers to hold one out.
            std::mem::swap(&mut learn, &mut held_out);
        }
        if learn.is_empty() {
            return Err(TrainError::Empty);
        }
        let impressions = impressions(set, options);
        Ok(Self { set, source, scaling: means(set), learn, held_out, impressions })
    }

    /// A reader's reads.
    pub(super) fn reads(&self, reader: u32) -> &'a [TrainingRead] {
        &self.set.readers[reader as usize].reads
    }

    /// When a reader opened the page of a read: what was known then decides what could be shown.
    pub(super) fn opened(&self, reader: u32, read: usize) -> Timestamp {
        let reads = self.reads(reader);
        let earliest = if read == 0 { Timestamp(i64::MIN) } else { reads[read - 1].time };
        reads[read].opened(earliest)
    }

    /// Vectors as of their moments, flat.
    pub(super) fn vectors(&self, wanted: &[Wanted]) -> Result<Vec<f32>, TrainError> {
        let mut vectors = vec![0.0; wanted.len() * WIDTH];
        self.source.read(wanted, &mut vectors)?;
        Ok(vectors)
    }
}

/// The how-manieth read of its visit each of `reads[first..first + count]` is.
pub(super) fn positions(reads: &[TrainingRead], first: usize, count: usize) -> Vec<u32> {
    let goes_on =
        |read: usize| read > 0 && reads[read].time.0.saturating_sub(reads[read - 1].time.0) <= VISIT_GAP_MS;
    let mut begin = first;
    while goes_on(begin) {
        begin -= 1;
    }
    let mut position = (first - begin) as u32;
    (first..first + count)
        .map(|read| {
            position = if goes_on(read) { position.saturating_add(1) } else { 1 };
            position
        })
        .collect()
}

fn check(set: &TrainingSet) -> Result<(), TrainError> {
    let articles = set.articles.len();
    let known = |article: &u32| (*article as usize) < articles;
    for (index, reader) in set.readers.iter().enumerate() {
        if let Some(read) = reader.reads.iter().find(|read| !known(&read.article)) {
            return Err(TrainError::Inconsistent(format!(
                "reader {index} read article {} of {articles}",
                read.article
            )));
        }
        if !reader.reads.is_sorted_by_key(|read| read.time) {
            return Err(TrainError::Inconsistent(format!(
                "the reads of reader {index} are not in order of time"
            )));
        }
    }
    for (index, impression) in set.impressions.iter().enumerate() {
        if impression.reader as usize >= set.readers.len() || !impression.in_view.iter().all(known) {
            return Err(TrainError::Inconsistent(format!(
                "impression {index} names a reader or an article that is not there"
            )));
        }
    }
    Ok(())
}

/// That held vectors are those of the articles, and are numbers.
pub(super) fn check_vectors(set: &TrainingSet) -> Result<(), TrainError> {
    let (given, articles) = (set.vectors.articles(), set.articles.len());
    if given != articles {
        return Err(TrainError::Inconsistent(format!("vectors of {given} articles for {articles} articles")));
    }
    if let Some(article) = set.vectors.not_finite() {
        let id = set.articles[article as usize];
        let text = format!("the vector of article {id} holds a number that is not finite");
        return Err(TrainError::Inconsistent(text));
    }
    Ok(())
}

/// Means of what is known; the defaults where nothing is.
fn means(set: &TrainingSet) -> Scaling {
    let (mut read, mut scroll) = ((0.0f64, 0u64), (0.0f64, 0u64));
    for reads in set.readers.iter().flat_map(|reader| &reader.reads) {
        if let Some(seconds) = reads.read_seconds.filter(|seconds| seconds.is_finite()) {
            read = (read.0 + f64::from(scaled_read(seconds)), read.1 + 1);
        }
        if let Some(percent) = reads.scroll_percent.filter(|percent| percent.is_finite()) {
            scroll = (scroll.0 + f64::from(scaled_scroll(percent)), scroll.1 + 1);
        }
    }
    let mean = |(sum, count): (f64, u64), default: f32| {
        if count == 0 { default } else { (sum / count as f64) as f32 }
    };
    let default = Scaling::default();
    Scaling { mean_read: mean(read, default.mean_read), mean_scroll: mean(scroll, default.mean_scroll) }
}

fn impressions(set: &TrainingSet, options: &TrainingOptions) -> Vec<TrainingImpression> {
    let tells = |impression: &&TrainingImpression| {
        let clicks = impression.in_view.iter().filter(|article| impression.clicked.contains(article)).count();
        clicks > 0 && clicks < impression.in_view.len()
    };
    let mut chosen: Vec<&TrainingImpression> = set.impressions.iter().filter(tells).collect();
    if chosen.len() > options.max_impressions {
        shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed ^ 0x696d_7072), &mut chosen);
        chosen.truncate(options.max_impressions);
    }
    chosen.sort_by_key(|impression| (impression.time, impression.reader));
    chosen.into_iter().cloned().collect()
}

/// Hash of the training set, in hex. Vectors that are fetched on demand are not in it.
pub(super) fn digest(set: &TrainingSet) -> String {
    let mut hash = Sha256::new();
    for article in &set.articles {
        hash.update(article.0.to_le_bytes());
    }
    set.vectors.each_version(|article, from, numbers| {
        hash.update(article.to_le_bytes());
        hash.update(from.0.to_le_bytes());
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        hash.update(&bytes);
    });
    for reader in &set.readers {
        hash.update((reader.reads.len() as u64).to_le_bytes());
        for read in &reader.reads {
            let known = |value: Option<f32>| value.map_or(u32::MAX, f32::to_bits).to_le_bytes();
            hash.update(read.article.to_le_bytes());
            hash.update(known(read.read_seconds));
            hash.update(known(read.scroll_percent));
            hash.update(read.time.0.to_le_bytes());
        }
    }
    for impression in &set.impressions {
        let profile = impression.profile;
        hash.update(impression.reader.to_le_bytes());
        hash.update(impression.time.0.to_le_bytes());
        hash.update([
            profile.device,
            profile.gender,
            profile.age,
            u8::from(profile.sso),
            u8::from(profile.subscriber),
        ]);
        for list in [&impression.in_view, &impression.clicked] {
            hash.update((list.len() as u64).to_le_bytes());
            list.iter().for_each(|article| hash.update(article.to_le_bytes()));
        }
    }
    hex(hash.finalize().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_the_last_gap() {
        let minutes = [0, 10, 50, 60, 70, 101];
        let read = |minute: &i64| TrainingRead {
            article: 0,
            read_seconds: None,
            scroll_percent: None,
            time: Timestamp(minute * 60_000),
        };
        let reads: Vec<TrainingRead> = minutes.iter().map(read).collect();
        assert_eq!(positions(&reads, 0, 6), [1, 2, 1, 2, 3, 1]);
        assert_eq!(positions(&reads, 4, 2), [3, 1]);
        assert_eq!(positions(&reads, 5, 1), [1]);
    }
}
