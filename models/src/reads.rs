//! Article vectors from what readers read, where there is no text: random indexing, as a fold over the log.
//!
//! Every article has a *base vector*: a few entries of plus or minus one, named by the hash of its number. An article's
//! vector is the decayed sum of the base vectors of what its readers read just before and after it in the same visit, and of its own. Two
//! articles that are read together hold one another's base vectors, and two that are read beside the same ones hold the same, so that their
//! cosine is great. A new article has a vector as soon as one of its readers has come from, or gone on to, another. (Random indexing: Kanerva,
//! Kristoferson and Holst 2000; on sessions of reads it stands for the singular vectors of the table of co-reads, which it sketches without
//! ever holding that table.)
//!
//! Work a read: [`NEIGHBOURS`] sums of [`WIDTH`] numbers. The same reads in the same order give the same bytes, and no
//! vector knows of a read that was not yet observed.
//!
//! A vector that changes a little at each read is *published* as a version only when it has turned far enough and there are enough new reads behind it
//! ([`ReadVectors::observe`] says when). Since the reads must grow by a share each time, an article of `n` reads has at most
//! about `20 ln n` versions (on `globo-dev` five, in the mean).

use std::collections::HashMap;

use abovefold_schemas::{ArticleId, ReaderId, Timestamp};
use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::WIDTH;
use crate::seed::mix;

/// Entries of a base vector that are not zero.
const SPREAD: u64 = 16;
/// Pages before a read, within its visit, that count as read together with it.
pub const NEIGHBOURS: usize = 5;
/// A visit ends at a gap of this length, as everywhere else.
const VISIT_GAP_MS: i64 = 30 * 60 * 1000;
/// After this many reads, visits that are over are forgotten.
const SWEEP_EVERY: u64 = 1 << 16;

/// How reads become vectors. The defaults were chosen on `globo-dev`'s days before 2017-10-07.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadVectorOptions {
    /// Hours after which a read counts half.
    pub half_life_hours: f64,
    /// Weight of an article's own base vector against the others.
    pub own: f32,
    /// The power of an article's decayed reads by which its base vector counts less: what everybody reads tells little.
    pub damping: f32,
    /// A version is published when the cosine to the one before is below this.
    pub turned: f32,
    /// And when the reads have grown by this share since.
    pub grown: f64,
}

impl Default for ReadVectorOptions {
    fn default() -> Self {
        Self { half_life_hours: 3.0, own: 0.8, damping: 0.5, turned: 0.98, grown: 0.05 }
    }
}

/// A version of an article's vector, known from [`ReadVersion::from`] on.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadVersion {
    /// The article.
    pub article: ArticleId,
    /// The time of the read that brought it. It counts for what is later than this.
    pub from: Timestamp,
    /// [`WIDTH`] numbers, of unit length.
    pub vector: Vec<f32>,
}

struct Entry {
    sum: Vec<f32>,
    /// When `sum` and `weight` were last decayed.
    at: i64,
    /// Decayed number of reads.
    weight: f32,
    reads: u64,
    published: Option<Published>,
}

struct Published {
    direction: Vec<f16>,
    reads: u64,
}

struct Visit {
    last: i64,
    /// Latest first.
    pages: Vec<ArticleId>,
}

/// The fold: reads in, vectors out.
///
/// ```
/// use abovefold_models::reads::ReadVectors;
/// use abovefold_schemas::{ArticleId, ReaderId, Timestamp};
/// let mut vectors = ReadVectors::new(1);
/// let reader = ReaderId::new("7")?;
/// vectors.observe(&reader, ArticleId(1), Timestamp(1_000));
/// assert!(vectors.vector(ArticleId(1)).is_none(), "alone, it is like nothing");
/// vectors.observe(&reader, ArticleId(2), Timestamp(60_000));
/// let (one, two) = (vectors.vector(ArticleId(1)), vectors.vector(ArticleId(2)));
/// let cosine: f32 = one.iter().flatten().zip(two.iter().flatten()).map(|(a, b)| a * b).sum();
/// assert!(cosine > 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReadVectors {
    seed: u64,
    options: ReadVectorOptions,
    articles: HashMap<ArticleId, Entry>,
    visits: HashMap<ReaderId, Visit>,
    observed: u64,
}

impl ReadVectors {
    /// Nothing read yet. Base vectors follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self::with_options(seed, ReadVectorOptions::default())
    }

    /// The same, with other options.
    pub fn with_options(seed: u64, options: ReadVectorOptions) -> Self {
        Self { seed, options, articles: HashMap::new(), visits: HashMap::new(), observed: 0 }
    }

    /// Takes one read in; gives the versions that it publishes. Reads come in the order of the log; `time` is the event's.
    pub fn observe(&mut self, reader: &ReaderId, article: ArticleId, time: Timestamp) -> Vec<ReadVersion> {
        let before = self.visit(reader, article, time.0);
        self.observed += 1;
        if self.observed.is_multiple_of(SWEEP_EVERY) {
            self.visits.retain(|_, visit| time.0.saturating_sub(visit.last) <= VISIT_GAP_MS);
        }
        self.count(article, time.0);
        if before.is_empty() {
            return Vec::new();
        }
        let own = self.damped_base(article);
        for (place, page) in before.iter().enumerate() {
            let nearness = 1.0 / (place + 1) as f32;
            let theirs = self.damped_base(*page);
            self.add(article, &theirs, nearness);
            self.decay(*page, time.0);
            self.add(*page, &own, nearness);
        }
        before.into_iter().chain([article]).filter_map(|article| self.publish(article, time)).collect()
    }

    /// The vector that an article has by now, of unit length; `None` before it was read together with another.
    pub fn vector(&self, article: ArticleId) -> Option<Vec<f32>> {
        let entry = self.articles.get(&article)?;
        self.direction(article, entry)
    }

    /// Reads taken in so far.
    pub fn observed(&self) -> u64 {
        self.observed
    }

    /// The pages of the visit before this read, the latest first, each once and without the article itself; remembers this one.
    fn visit(&mut self, reader: &ReaderId, article: ArticleId, time: i64) -> Vec<ArticleId> {
        let Some(visit) = self.visits.get_mut(reader) else {
            self.visits.insert(reader.clone(), Visit { last: time, pages: vec![article] });
            return Vec::new();
        };
        if time.saturating_sub(visit.last) > VISIT_GAP_MS {
            visit.pages.clear();
        }
        visit.last = time;
        visit.pages.retain(|page| *page != article);
        let before = visit.pages.clone();
        visit.pages.insert(0, article);
        visit.pages.truncate(NEIGHBOURS);
        before
    }

    fn count(&mut self, article: ArticleId, time: i64) {
        self.decay(article, time);
        let entry = self.articles.entry(article).or_insert_with(|| Entry {
            sum: vec![0.0; WIDTH],
            at: time,
            weight: 0.0,
            reads: 0,
            published: None,
        });
        entry.weight += 1.0;
        entry.reads += 1;
    }

    fn decay(&mut self, article: ArticleId, time: i64) {
        let half_life = self.options.half_life_hours * 3_600_000.0;
        let Some(entry) = self.articles.get_mut(&article) else { return };
        let passed = time.saturating_sub(entry.at);
        if passed > 0 {
            let kept = (-(passed as f64) / half_life).exp2() as f32;
            entry.sum.iter_mut().for_each(|number| *number *= kept);
            entry.weight *= kept;
            entry.at = time;
        }
    }

    /// An article's base vector as (place, number), scaled by how little is known from its being read.
    fn damped_base(&self, article: ArticleId) -> [(usize, f32); SPREAD as usize] {
        let weight = self.articles.get(&article).map_or(0.0, |entry| entry.weight);
        let scale = (1.0 + weight).powf(-self.options.damping);
        base(self.seed, article).map(|(place, sign)| (place, sign * scale))
    }

    fn add(&mut self, article: ArticleId, base: &[(usize, f32)], weight: f32) {
        if let Some(entry) = self.articles.get_mut(&article) {
            for (place, number) in base {
                entry.sum[*place] += weight * number;
            }
        }
    }

    fn direction(&self, article: ArticleId, entry: &Entry) -> Option<Vec<f32>> {
        let length = norm(&entry.sum);
        if length <= 0.0 {
            return None;
        }
        let mut vector: Vec<f32> = entry.sum.iter().map(|number| number / length).collect();
        let own = self.options.own / (SPREAD as f32).sqrt();
        for (place, sign) in base(self.seed, article) {
            vector[place] += own * sign;
        }
        let length = norm(&vector);
        vector.iter_mut().for_each(|number| *number /= length.max(1e-12));
        Some(vector)
    }

    fn publish(&mut self, article: ArticleId, time: Timestamp) -> Option<ReadVersion> {
        let entry = self.articles.get(&article)?;
        let new = match &entry.published {
            None => true,
            Some(published) => entry.reads as f64 >= published.reads as f64 * (1.0 + self.options.grown),
        };
        if !new {
            return None;
        }
        let vector = self.direction(article, entry)?;
        let turned = entry.published.as_ref().is_none_or(|published| {
            let before = published.direction.to_f32_vec();
            vector.iter().zip(&before).map(|(a, b)| a * b).sum::<f32>() < self.options.turned
        });
        let entry = self.articles.get_mut(&article)?;
        if !turned {
            // Asked again once the reads have grown as much again.
            if let Some(published) = &mut entry.published {
                published.reads = entry.reads;
            }
            return None;
        }
        let mut direction = vec![f16::ZERO; WIDTH];
        direction.convert_from_f32_slice(&vector);
        entry.published = Some(Published { direction, reads: entry.reads });
        Some(ReadVersion { article, from: time, vector })
    }
}

fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

/// The places and signs of an article's base vector.
fn base(seed: u64, article: ArticleId) -> [(usize, f32); SPREAD as usize] {
    let name = mix(seed ^ mix(article.0 as u64));
    std::array::from_fn(|entry| {
        let drawn = mix(name.wrapping_add(entry as u64));
        ((drawn >> 1) as usize % WIDTH, if drawn & 1 == 0 { 1.0 } else { -1.0 })
    })
}
