//! Article vectors as of a moment of the stream: given ones, those of the text, or what readers read.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_schemas::{ArticleId, ReaderId, Timestamp};

/// Article vectors, known as far as the stream has come.
#[derive(Debug, Default)]
pub struct VectorsAsOf {
    given: BTreeMap<ArticleId, Arc<[f32]>>,
    published: BTreeMap<ArticleId, Timestamp>,
}

impl VectorsAsOf {
    /// Vectors that do not change, each unknown before its article was published.
    pub fn given(
        vectors: &BTreeMap<ArticleId, Vec<f32>>,
        published: BTreeMap<ArticleId, Timestamp>,
    ) -> Self {
        let given = vectors.iter().map(|(id, vector)| (*id, Arc::from(vector.as_slice()))).collect();
        Self { given, published }
    }

    /// Takes a read in.
    pub fn observe(&mut self, _reader: &ReaderId, _article: ArticleId, _time: Timestamp) {}

    /// An article's vector at `now`; `None` where it has none, or none yet.
    pub fn get(&self, article: ArticleId, now: Timestamp) -> Option<&Arc<[f32]>> {
        let unknown = self.published.get(&article).is_some_and(|published| *published > now);
        self.given.get(&article).filter(|_| !unknown)
    }
}
