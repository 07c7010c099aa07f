//! The training set, checked and laid out: inputs scaled, sequences cut, readers and impressions held out.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use tch::Tensor;

use super::{ReadSequence, TrainError, TrainingImpression, TrainingOptions, TrainingSet, fits};
use crate::WIDTH;
use crate::card::Scaling;
use crate::folder::hex;
use crate::seed::{mix, shuffle};
use crate::session::{Behaviour, scaled_read, scaled_scroll};

/// A gap after which counting begins anew.
const VISIT_GAP_MS: i64 = 30 * 60 * 1000;
/// One reader in this many is held out.
const HELD_OUT: u64 = 12;
/// Readers held out at most.
const MOST_HELD_OUT: usize = 150;

/// One read as the network takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) article: usize,
    pub(super) behaviour: Behaviour,
    pub(super) time: i64,
}

/// The training set, ready.
pub(super) struct Data {
    /// `[articles, WIDTH]`, as given.
    pub(super) vectors: Tensor,
    pub(super) articles: usize,
    pub(super) scaling: Scaling,
    /// Every reader's last reads.
    pub(super) readers: Vec<Vec<Step>>,
    /// Readers that the session model learns from: at least two reads.
    pub(super) learn: Vec<usize>,
    /// Readers held out.
    pub(super) held_out: Vec<usize>,
    /// Impressions with a click and something not clicked, by time.
    pub(super) impressions: Vec<TrainingImpression>,
}

impl Data {
    pub(super) fn new(set: &TrainingSet, options: &TrainingOptions) -> Result<Self, TrainError> {
        check(set)?;
        let scaling = means(set);
        let readers: Vec<Vec<Step>> =
            set.readers.iter().map(|reader| steps(reader, options.max_reads)).collect();
        let (mut learn, mut held_out) = (Vec::new(), Vec::new());
        for (reader, steps) in readers.iter().enumerate() {
            if steps.len() < 2 {
                continue;
            }
            let chosen = mix(options.seed ^ mix(reader as u64)).is_multiple_of(HELD_OUT);
            if chosen && held_out.len() < MOST_HELD_OUT {
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
        Ok(Self {
            vectors: Tensor::from_slice(&set.vectors).view([-1, WIDTH as i64]),
            articles: set.articles.len(),
            scaling,
            readers,
            learn,
            held_out,
            impressions: impressions(set, options),
        })
    }
}

fn check(set: &TrainingSet) -> Result<(), TrainError> {
    let articles = set.articles.len();
    if !fits(set) {
        let text = format!(
            "{} vector numbers for {articles} articles, expected {}",
            set.vectors.len(),
            articles * WIDTH
        );
        return Err(TrainError::Inconsistent(text));
    }
    if let Some(at) = set.vectors.iter().position(|number| !number.is_finite()) {
        let text =
            format!("the vector of article {} holds a number that is not finite", set.articles[at / WIDTH]);
        return Err(TrainError::Inconsistent(text));
    }
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

/// A reader's last reads, with their positions in the visit.
fn steps(reader: &ReadSequence, most: usize) -> Vec<Step> {
    let mut position = 0u32;
    let mut before: Option<i64> = None;
    let mut steps: Vec<Step> = reader
        .reads
        .iter()
        .map(|read| {
            let visit_goes_on =
                before.is_some_and(|before| read.time.0.saturating_sub(before) <= VISIT_GAP_MS);
            position = if visit_goes_on { position.saturating_add(1) } else { 1 };
            before = Some(read.time.0);
            let behaviour =
                Behaviour { read_seconds: read.read_seconds, scroll_percent: read.scroll_percent, position };
            Step { article: read.article as usize, behaviour, time: read.time.0 }
        })
        .collect();
    steps.drain(..steps.len().saturating_sub(most));
    steps
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

/// Hash of the training set, in hex.
pub(super) fn digest(set: &TrainingSet) -> String {
    let mut hash = Sha256::new();
    for article in &set.articles {
        hash.update(article.0.to_le_bytes());
    }
    let bytes: Vec<u8> = set.vectors.iter().flat_map(|number| number.to_le_bytes()).collect();
    hash.update(&bytes);
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
