//! Article vectors as of a moment of the stream: given ones, those of the text, or what readers read.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_models::reads::ReadVectors;
use abovefold_operators::fold::cache::FixedMap;
use abovefold_schemas::{ArticleId, ReaderId, Timestamp};

/// Article vectors, known as far as the stream has come.
pub enum VectorsAsOf {
    /// Vectors that do not change.
    Given {
        /// At unit length.
        vectors: BTreeMap<ArticleId, Arc<[f32]>>,
        /// An article is unknown before it was published.
        published: BTreeMap<ArticleId, Timestamp>,
    },
    /// Vectors of what readers read, in versions.
    Reads {
        /// The fold that makes them.
        fold: Box<ReadVectors>,
        /// The latest version of each.
        latest: FixedMap<ArticleId, Arc<[f32]>>,
    },
}

impl VectorsAsOf {
    /// Those of `given`; where there are none, vectors from reads.
    pub fn new(
        given: &BTreeMap<ArticleId, Vec<f32>>,
        published: BTreeMap<ArticleId, Timestamp>,
        seed: u64,
    ) -> Self {
        if given.is_empty() {
            return Self::Reads { fold: Box::new(ReadVectors::new(seed)), latest: FixedMap::default() };
        }
        let vectors = given.iter().map(|(id, vector)| (*id, Arc::from(vector.as_slice()))).collect();
        Self::Given { vectors, published }
    }

    /// Takes a read in.
    pub fn observe(&mut self, reader: &ReaderId, article: ArticleId, time: Timestamp) {
        if let Self::Reads { fold, latest } = self {
            for version in fold.observe(reader, article, time) {
                latest.insert(version.article, Arc::from(version.vector));
            }
        }
    }

    /// An article's vector at `now`; `None` where it has none, or none yet.
    pub fn get(&self, article: ArticleId, now: Timestamp) -> Option<&Arc<[f32]>> {
        match self {
            Self::Given { vectors, published } => {
                let unknown = published.get(&article).is_some_and(|published| *published > now);
                vectors.get(&article).filter(|_| !unknown)
            }
            Self::Reads { latest, .. } => latest.get(&article),
        }
    }
}
