//! Where training takes article vectors from: memory ([`HeldVectors`]), or on demand from elsewhere through a cache ([`CachedVectors`]).
//!
//! A vector is asked for *as of* a moment: what a version that came later says is not known then.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use abovefold_schemas::{ArticleId, Timestamp};
use half::f16;
use half::slice::HalfFloatSliceExt;
use lru::LruCache;

use crate::WIDTH;

/// Vectors that a cache holds unless told otherwise, as in the reference system: 77 MB.
pub const CACHED_VECTORS: usize = 50_000;

/// One vector that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Index of the article in the training set.
    pub article: u32,
    /// Only versions from before this moment are known.
    pub as_of: Timestamp,
}

/// Why no vectors came. What was tried and what to do is in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("article vectors cannot be read: {0}")]
pub struct VectorError(pub String);

/// What a source did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// Vectors that were at hand.
    pub hits: u64,
    /// Vectors that had to be fetched.
    pub misses: u64,
    /// Bytes of vectors that were fetched, at four bytes a number.
    pub fetched_bytes: u64,
    /// Bytes of vectors that are held now.
    pub held_bytes: u64,
}

impl SourceFacts {
    /// Share of the vectors asked for that were at hand; 1 before the first.
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 1.0,
            all => self.hits as f64 / all as f64,
        }
    }
}

/// Gives article vectors as of a moment.
pub trait VectorSource: Send + Sync {
    /// Writes one vector of [`WIDTH`] numbers for each of `wanted` into `into`, of unit length; zeros where the article has none then.
    ///
    /// # Errors
    /// When they can't be had. Nothing is known of `into` then.
    ///
    /// # Panics
    /// When `into` is not `wanted.len() * WIDTH` long.
    fn read(&self, wanted: &[Wanted], into: &mut [f32]) -> Result<(), VectorError>;

    /// What it did so far.
    fn facts(&self) -> SourceFacts;
}

/// Vectors in memory, two bytes a number, with the moment from which on each is known.
///
/// ```
/// use abovefold_models::{WIDTH, vectors::HeldVectors};
/// use abovefold_schemas::Timestamp;
/// let mut vectors = HeldVectors::new(1);
/// let mut one = vec![0.0; WIDTH];
/// one[3] = 1.0;
/// vectors.push(0, Timestamp(10), &one);
/// assert!(vectors.at(0, Timestamp(10)).is_none());
/// assert_eq!(vectors.at(0, Timestamp(11)), Some(one));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeldVectors {
    /// By article, the moments of its versions and the rows that hold them, earliest first.
    versions: Vec<Vec<(Timestamp, u32)>>,
    numbers: Vec<f16>,
}

impl HeldVectors {
    /// No vector yet for any of so many articles.
    pub fn new(articles: usize) -> Self {
        Self { versions: vec![Vec::new(); articles], numbers: Vec::new() }
    }

    /// One vector an article, flat `[articles, WIDTH]`, known from the beginning; zeros for an article without one.
    ///
    /// # Panics
    /// When `flat` is no multiple of [`WIDTH`] long.
    pub fn fixed(flat: &[f32]) -> Self {
        assert!(flat.len().is_multiple_of(WIDTH), "vectors are {WIDTH} numbers long");
        let mut vectors = Self::new(flat.len() / WIDTH);
        for (article, vector) in flat.chunks_exact(WIDTH).enumerate() {
            vectors.push(article as u32, Timestamp(i64::MIN), vector);
        }
        vectors
    }

    /// Makes place for so many articles; those that are there stay.
    pub fn grow(&mut self, articles: usize) {
        if articles > self.versions.len() {
            self.versions.resize(articles, Vec::new());
        }
    }

    /// Adds a version that counts for what is later than `from`. A vector of zeros is none, and is left out.
    ///
    /// # Panics
    /// When there is no such article, the vector is not [`WIDTH`] long, or an earlier version has a later `from`.
    pub fn push(&mut self, article: u32, from: Timestamp, vector: &[f32]) {
        assert_eq!(vector.len(), WIDTH, "vectors are {WIDTH} numbers long");
        if vector.iter().all(|number| *number == 0.0) {
            return;
        }
        let row = (self.numbers.len() / WIDTH) as u32;
        let versions = &mut self.versions[article as usize];
        assert!(versions.last().is_none_or(|(last, _)| *last <= from), "versions come in the order of time");
        versions.push((from, row));
        let start = self.numbers.len();
        self.numbers.resize(start + WIDTH, f16::ZERO);
        self.numbers[start..].convert_from_f32_slice(vector);
    }

    /// Articles that it is about, with or without a vector.
    pub fn articles(&self) -> usize {
        self.versions.len()
    }

    /// Versions of all articles together.
    pub fn rows(&self) -> usize {
        self.numbers.len() / WIDTH
    }

    /// Whether an article has a vector at any time.
    pub fn has(&self, article: u32) -> bool {
        !self.versions[article as usize].is_empty()
    }

    /// The first article with a number that is not finite, and its row.
    pub fn not_finite(&self) -> Option<u32> {
        let row = self.numbers.iter().position(|number| !number.is_finite())? / WIDTH;
        let holds = |versions: &Vec<(Timestamp, u32)>| versions.iter().any(|(_, held)| *held as usize == row);
        self.versions.iter().position(holds).map(|article| article as u32)
    }

    /// A vector as of a moment.
    pub fn at(&self, article: u32, as_of: Timestamp) -> Option<Vec<f32>> {
        let mut vector = vec![0.0; WIDTH];
        self.write(article, as_of, &mut vector).then_some(vector)
    }

    /// The last version of an article's vector.
    pub fn latest(&self, article: u32) -> Option<Vec<f32>> {
        self.at(article, Timestamp(i64::MAX))
    }

    fn write(&self, article: u32, as_of: Timestamp, into: &mut [f32]) -> bool {
        let versions = &self.versions[article as usize];
        let Some(last) = versions.partition_point(|(from, _)| *from < as_of).checked_sub(1) else {
            into.fill(0.0);
            return false;
        };
        let row = versions[last].1 as usize;
        self.numbers[row * WIDTH..][..WIDTH].convert_to_f32_slice(into);
        true
    }

    /// Calls `each` with every version: article, moment, and the bytes of its numbers.
    pub(crate) fn each_version(&self, mut each: impl FnMut(u32, Timestamp, &[f16])) {
        for (article, versions) in self.versions.iter().enumerate() {
            for (from, row) in versions {
                each(article as u32, *from, &self.numbers[*row as usize * WIDTH..][..WIDTH]);
            }
        }
    }
}

impl VectorSource for HeldVectors {
    fn read(&self, wanted: &[Wanted], into: &mut [f32]) -> Result<(), VectorError> {
        assert_eq!(into.len(), wanted.len() * WIDTH, "there is a place for each vector");
        for (wanted, into) in wanted.iter().zip(into.chunks_exact_mut(WIDTH)) {
            self.write(wanted.article, wanted.as_of, into);
        }
        Ok(())
    }

    fn facts(&self) -> SourceFacts {
        SourceFacts { held_bytes: self.numbers.len() as u64 * 2, ..SourceFacts::default() }
    }
}

/// Fetches vectors by article; `None` where an article has none.
pub type Fetch = dyn Fn(&[ArticleId]) -> Result<Vec<Option<Vec<f32>>>, String> + Send + Sync;

/// Vectors that are fetched when they are first needed; those used longest ago make room. Such a vector has no versions: it is the same at
/// all times.
pub struct CachedVectors {
    articles: Vec<ArticleId>,
    fetch: Box<Fetch>,
    held: Mutex<Held>,
}

struct Held {
    recent: LruCache<u32, Option<Box<[f16]>>>,
    facts: SourceFacts,
}

impl fmt::Debug for CachedVectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedVectors").field("articles", &self.articles.len()).finish_non_exhaustive()
    }
}

impl CachedVectors {
    /// Holds up to `capacity` vectors of `articles`, which a training set names by index.
    pub fn new(articles: Vec<ArticleId>, capacity: NonZeroUsize, fetch: Box<Fetch>) -> Self {
        let held = Held { recent: LruCache::new(capacity), facts: SourceFacts::default() };
        Self { articles, fetch, held: Mutex::new(held) }
    }
}

impl VectorSource for CachedVectors {
    fn read(&self, wanted: &[Wanted], into: &mut [f32]) -> Result<(), VectorError> {
        assert_eq!(into.len(), wanted.len() * WIDTH, "there is a place for each vector");
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // What is needed now is copied out before anything makes room for it.
        let mut places: std::collections::BTreeMap<u32, Vec<usize>> = std::collections::BTreeMap::new();
        for (place, wanted) in wanted.iter().enumerate() {
            places.entry(wanted.article).or_default().push(place);
        }
        let copy = |vector: Option<&[f16]>, places: &[usize], into: &mut [f32]| {
            for place in places {
                let into = &mut into[place * WIDTH..][..WIDTH];
                match vector {
                    Some(vector) => vector.convert_to_f32_slice(into),
                    None => into.fill(0.0),
                }
            }
        };
        let mut missing = Vec::new();
        for (article, places) in &places {
            match held.recent.get(article) {
                Some(vector) => copy(vector.as_deref(), places, into),
                None => missing.push(*article),
            }
        }
        held.facts.hits += (places.len() - missing.len()) as u64;
        held.facts.misses += missing.len() as u64;
        if missing.is_empty() {
            return Ok(());
        }
        let ids: Vec<ArticleId> = missing.iter().map(|article| self.articles[*article as usize]).collect();
        let fetched = (self.fetch)(&ids).map_err(VectorError)?;
        if fetched.len() != ids.len() {
            return Err(VectorError(format!("{} vectors came for {} articles", fetched.len(), ids.len())));
        }
        for (article, vector) in missing.into_iter().zip(fetched) {
            let id = self.articles[article as usize];
            if let Some(vector) = &vector {
                if vector.len() != WIDTH {
                    let length = vector.len();
                    return Err(VectorError(format!(
                        "that of article {id} has {length} numbers, not {WIDTH}"
                    )));
                }
                if !vector.iter().all(|number| number.is_finite()) {
                    return Err(VectorError(format!(
                        "that of article {id} holds a number that is not finite"
                    )));
                }
                held.facts.fetched_bytes += WIDTH as u64 * 4;
            }
            let vector = vector.map(|mut vector| {
                unit_length(&mut vector);
                let mut halves = vec![f16::ZERO; WIDTH];
                halves.convert_from_f32_slice(&vector);
                halves.into_boxed_slice()
            });
            copy(vector.as_deref(), &places[&article], into);
            held.recent.put(article, vector);
        }
        held.facts.held_bytes =
            held.recent.iter().filter(|(_, vector)| vector.is_some()).count() as u64 * WIDTH as u64 * 2;
        Ok(())
    }

    fn facts(&self) -> SourceFacts {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).facts
    }
}

/// Makes a vector one of length 1; one without a direction stays as it is.
pub fn unit_length(vector: &mut [f32]) {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 && length.is_finite() {
        vector.iter_mut().for_each(|number| *number /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(place: usize) -> Vec<f32> {
        (0..WIDTH).map(|at| if at == place { 1.0 } else { 0.0 }).collect()
    }

    fn wanted(article: u32) -> Wanted {
        Wanted { article, as_of: Timestamp(0) }
    }

    #[test]
    fn what_was_used_longest_ago_makes_room_and_is_fetched_again() {
        let ids: Vec<ArticleId> = (0..4).map(ArticleId).collect();
        let fetch =
            |ids: &[ArticleId]| Ok(ids.iter().map(|id| (id.0 < 3).then(|| axis(id.0 as usize))).collect());
        let cached = CachedVectors::new(ids, NonZeroUsize::new(2).unwrap(), Box::new(fetch));
        let read = |articles: &[u32]| {
            let mut into = vec![9.0; articles.len() * WIDTH];
            let asked: Vec<Wanted> = articles.iter().map(|article| wanted(*article)).collect();
            cached.read(&asked, &mut into).unwrap();
            into
        };
        assert_eq!(read(&[0, 1, 0]), [axis(0), axis(1), axis(0)].concat());
        assert_eq!((cached.facts().hits, cached.facts().misses), (0, 2));
        // 0 is used again, so 1 makes room for 2.
        read(&[0]);
        read(&[2]);
        assert_eq!((cached.facts().hits, cached.facts().misses), (1, 3));
        read(&[0]);
        read(&[1]);
        assert_eq!((cached.facts().hits, cached.facts().misses), (2, 4));
        // More at once than there is room for, one of them without a vector.
        assert_eq!(read(&[2, 3, 0, 1]), [axis(2), vec![0.0; WIDTH], axis(0), axis(1)].concat());
        assert_eq!(cached.facts().fetched_bytes % (WIDTH as u64 * 4), 0);
        assert!(cached.facts().held_bytes <= 2 * WIDTH as u64 * 2);
    }

    #[test]
    fn a_vector_of_another_length_or_without_finite_numbers_is_named() {
        let ids = vec![ArticleId(7)];
        let one = NonZeroUsize::new(1).unwrap();
        let error = |vector: Vec<f32>| {
            let fetch = move |_: &[ArticleId]| Ok(vec![Some(vector.clone())]);
            let cached = CachedVectors::new(ids.clone(), one, Box::new(fetch));
            cached.read(&[wanted(0)], &mut vec![0.0; WIDTH]).unwrap_err().to_string()
        };
        assert!(error(vec![1.0; 12]).contains("article 7 has 12 numbers, not 768"));
        assert!(error(vec![f32::NAN; WIDTH]).contains("article 7 holds a number that is not finite"));
    }
}
