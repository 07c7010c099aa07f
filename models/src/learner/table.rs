//! What was learned: vectors of articles, readers, devices and hours, and how a candidate is scored by them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use abovefold_schemas::{ArticleId, ReaderId};

use super::adagrad::{START, add_scaled, dot};
use super::{LEARNED_WIDTH, PAGES};
use crate::seed::mix;

/// A map whose hashes are the same in every run.
pub(super) type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// One learned vector and the sum of squares of its gradients.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Learned {
    pub(super) vector: [f32; LEARNED_WIDTH],
    pub(super) squares: f32,
}

/// What is learned of one article: as a page that one comes from (`P`), as one that is gone to (`Q`), and its bias (`B`).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LearnedArticle {
    pub(super) id: ArticleId,
    pub(super) from: Learned,
    pub(super) to: Learned,
    pub(super) bias: f32,
    pub(super) bias_squares: f32,
}

/// What is known of a moment at which a reader is about to choose.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The reader.
    pub reader: &'a ReaderId,
    /// The pages of the visit so far, latest first; at most [`PAGES`] count.
    pub pages: &'a [ArticleId],
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub device: u8,
    /// Hour of the day, UTC.
    pub hour: u8,
}

/// The parts of a candidate's score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// What the pages before say.
    pub pages: f32,
    /// What the reader's own vector says.
    pub reader: f32,
    /// What device and hour say.
    pub moment: f32,
    /// The article's bias.
    pub bias: f32,
}

impl Parts {
    /// The score.
    pub fn sum(&self) -> f32 {
        self.pages + self.reader + self.moment + self.bias
    }
}

/// What was learned.
#[derive(Clone, Debug)]
pub struct Table {
    seed: u64,
    pub(super) article_places: FixedMap<ArticleId, u32>,
    /// By place; what lies at a place that no article has is void.
    pub(super) articles: Vec<LearnedArticle>,
    pub(super) free_articles: Vec<u32>,
    pub(super) reader_places: FixedMap<ReaderId, u32>,
    pub(super) readers: Vec<Learned>,
    pub(super) free_readers: Vec<u32>,
    pub(super) devices: Vec<Learned>,
    pub(super) hours: Vec<Learned>,
}

/// The halves of `h`, for scoring.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) pages: [f32; LEARNED_WIDTH],
    pub(super) reader: [f32; LEARNED_WIDTH],
    pub(super) moment: [f32; LEARNED_WIDTH],
}

impl Table {
    /// Nothing learned yet. Vectors start hash-seeded by id within +-0.05, those of devices and hours within +-0.025, readers at zero.
    pub fn new(seed: u64) -> Self {
        let few = |salt: u64, count: usize| {
            (0..count).map(|place| Learned::seeded(mix(seed ^ salt) ^ place as u64, 0.025)).collect()
        };
        Self {
            seed,
            article_places: FixedMap::default(),
            articles: Vec::new(),
            free_articles: Vec::new(),
            reader_places: FixedMap::default(),
            readers: Vec::new(),
            free_readers: Vec::new(),
            devices: few(0xdeb1ce, 4),
            hours: few(0x40025, 24),
        }
    }

    /// Number of articles known.
    pub fn articles(&self) -> usize {
        self.article_places.len()
    }

    /// Number of readers known.
    pub fn readers(&self) -> usize {
        self.reader_places.len()
    }

    /// The place of an article, which is made where it is new.
    pub(super) fn article(&mut self, id: ArticleId) -> usize {
        if let Some(place) = self.article_places.get(&id) {
            return *place as usize;
        }
        let start = mix(self.seed ^ mix(id.0 as u64));
        let article = LearnedArticle {
            id,
            from: Learned::seeded(start, 0.05),
            to: Learned::seeded(mix(start ^ 1), 0.05),
            bias: 0.0,
            bias_squares: 0.0,
        };
        let place = put_at(&mut self.articles, self.free_articles.pop(), article);
        self.article_places.insert(id, place as u32);
        place
    }

    /// The place of a reader, which is made where it is new.
    pub(super) fn reader(&mut self, id: &ReaderId) -> usize {
        if let Some(place) = self.reader_places.get(id) {
            return *place as usize;
        }
        let nothing = Learned { vector: [0.0; LEARNED_WIDTH], squares: START };
        let place = put_at(&mut self.readers, self.free_readers.pop(), nothing);
        self.reader_places.insert(id.clone(), place as u32);
        place
    }

    pub(super) fn known(&self, id: ArticleId) -> Option<&LearnedArticle> {
        self.article_places.get(&id).map(|place| &self.articles[*place as usize])
    }

    /// The parts of each candidate's score, in order. An article that is not known yet scores 0 by its pages, reader and bias.
    pub fn scores(&self, context: &Context<'_>, candidates: &[ArticleId]) -> Vec<Parts> {
        let query = self.query(context);
        let score = |candidate: &ArticleId| match self.known(*candidate) {
            None => Parts::default(),
            Some(article) => {
                let to = &article.to.vector;
                Parts {
                    pages: dot(&query.pages, to),
                    reader: dot(&query.reader, to),
                    moment: dot(&query.moment, to),
                    bias: article.bias,
                }
            }
        };
        candidates.iter().map(score).collect()
    }

    /// The articles that score best for a moment, best first, of those `among` which it looks. With each comes its prior, which is added
    /// to its score. What is not known yet is left out.
    ///
    /// Negatives were drawn from what was read, so that a score says how much better than usual an article suits: to find what is read
    /// next, the logarithm of how much it is read belongs to it (the correction of sampled softmax, Bengio and Senecal 2008).
    pub fn best(
        &self,
        context: &Context<'_>,
        count: usize,
        among: impl Iterator<Item = (ArticleId, f32)>,
    ) -> Vec<(ArticleId, f32)> {
        let Query { pages: mut h, reader, moment } = self.query(context);
        add_scaled(&mut h, 1.0, &reader);
        add_scaled(&mut h, 1.0, &moment);
        let score = |(id, prior): (ArticleId, f32)| {
            let article = self.known(id)?;
            Some((id, dot(&h, &article.to.vector) + article.bias + prior))
        };
        let mut scored: Vec<(ArticleId, f32)> = among.filter_map(score).collect();
        let better = |a: &(ArticleId, f32), b: &(ArticleId, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if scored.len() > count {
            scored.select_nth_unstable_by(count, better);
            scored.truncate(count);
        }
        scored.sort_unstable_by(better);
        scored
    }

    /// `h`, in its parts.
    pub(super) fn query(&self, context: &Context<'_>) -> Query {
        let mut query = Query {
            pages: [0.0; LEARNED_WIDTH],
            reader: [0.0; LEARNED_WIDTH],
            moment: self.devices[usize::from(context.device.min(3))].vector,
        };
        add_scaled(&mut query.moment, 1.0, &self.hours[usize::from(context.hour % 24)].vector);
        let pages = &context.pages[..context.pages.len().min(PAGES)];
        for (place, page) in pages.iter().enumerate() {
            if let Some(article) = self.known(*page) {
                add_scaled(&mut query.pages, weight_of_page(place, pages.len()), &article.from.vector);
            }
        }
        if let Some(place) = self.reader_places.get(context.reader) {
            query.reader = self.readers[*place as usize].vector;
        }
        query
    }
}

/// Puts an entry at a place that is free, or at the end. Gives the place.
fn put_at<T>(entries: &mut Vec<T>, free: Option<u32>, entry: T) -> usize {
    match free {
        Some(place) => {
            entries[place as usize] = entry;
            place as usize
        }
        None => {
            entries.push(entry);
            entries.len() - 1
        }
    }
}

/// Weight of a page in `h`: 1 for the last one, a share of 0.5 for those before.
pub(super) fn weight_of_page(place: usize, pages: usize) -> f32 {
    if place == 0 { 1.0 } else { 0.5 / (pages - 1) as f32 }
}

impl Learned {
    /// Uniform within `+-scale`, by a hash.
    fn seeded(start: u64, scale: f32) -> Self {
        let mut vector = [0.0; LEARNED_WIDTH];
        for (place, x) in vector.iter_mut().enumerate() {
            let unit = (mix(start.wrapping_add(place as u64)) >> 40) as f32 / (1 << 24) as f32;
            *x = scale * (2.0 * unit - 1.0);
        }
        Self { vector, squares: START }
    }
}
