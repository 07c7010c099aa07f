//! The exact nearest articles by cosine: one matrix of unit vectors, one product for all queries.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use abovefold_schemas::ArticleId;
use tch::{Device, Kind, Tensor};

use crate::weights::numbers;

/// Queries that one product takes, so that their scores stay small beside the matrix.
const QUERY_BATCH: usize = 64;

/// Articles' vectors in one matrix, and the exact nearest among them.
///
/// Calls block: a scan reads the whole matrix. It is `Send`; give it a thread of its own, or a lock.
///
/// ```
/// use abovefold_models::ArticleMatrix;
/// use abovefold_schemas::ArticleId;
/// let mut matrix = ArticleMatrix::new(2, 16);
/// matrix.upsert(ArticleId(1), &[3.0, 0.0])?;
/// matrix.upsert(ArticleId(2), &[0.0, 0.1])?;
/// let nearest = matrix.nearest(&[0.9, 0.1], 1, |_, _| true)?;
/// assert_eq!(nearest[0][0].0, ArticleId(1));
/// # Ok::<(), abovefold_models::MatrixError>(())
/// ```
pub struct ArticleMatrix {
    width: usize,
    /// `[width, capacity]`, one column an article: a product with one query reads this layout at the memory's speed (measured: 27 GB/s,
    /// 16 GB/s with one row an article, 35 GB/s for a plain sum). Columns from `ids.len()` on are unused.
    columns: Tensor,
    ids: Vec<ArticleId>,
    column_of: HashMap<ArticleId, usize>,
}

impl ArticleMatrix {
    /// An empty matrix for vectors of `width` numbers, with room for `capacity` of them; it grows by itself.
    pub fn new(width: usize, capacity: usize) -> Self {
        let columns = Tensor::zeros([width as i64, capacity.max(16) as i64], (Kind::Float, Device::Cpu));
        Self { width, columns, ids: Vec::new(), column_of: HashMap::new() }
    }

    /// Numbers in a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of articles.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no article.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether the article is in the matrix.
    pub fn contains(&self, article: ArticleId) -> bool {
        self.column_of.contains_key(&article)
    }

    /// The articles, in no particular order.
    pub fn articles(&self) -> &[ArticleId] {
        &self.ids
    }

    /// The article's vector, at unit length.
    pub fn vector(&self, article: ArticleId) -> Option<Vec<f32>> {
        let column = *self.column_of.get(&article)?;
        Some(numbers(&self.column(column)))
    }

    /// Adds an article, or replaces its vector; its length is made one.
    ///
    /// # Errors
    /// When the vector has another width, has no direction (all zeros), or holds a number that is not finite.
    pub fn upsert(&mut self, article: ArticleId, vector: &[f32]) -> Result<(), MatrixError> {
        let unit = self.unit(vector).map_err(|fault| fault.of(Some(article)))?;
        let column = match self.column_of.get(&article) {
            Some(&column) => column,
            None => {
                if self.ids.len() as i64 == self.capacity() {
                    self.grow();
                }
                self.ids.push(article);
                self.column_of.insert(article, self.ids.len() - 1);
                self.ids.len() - 1
            }
        };
        tch::no_grad(|| self.column(column).copy_(&Tensor::from_slice(&unit)));
        Ok(())
    }

    /// Takes an article out; says whether it was there.
    pub fn remove(&mut self, article: ArticleId) -> bool {
        let Some(column) = self.column_of.remove(&article) else { return false };
        // The last column moves into the hole, so that those in use stay in one piece.
        let last = self.ids.len() - 1;
        if column != last {
            tch::no_grad(|| self.column(column).copy_(&self.column(last)));
            self.ids[column] = self.ids[last];
            self.column_of.insert(self.ids[column], column);
        }
        self.ids.pop();
        true
    }

    /// The `k` nearest articles of each query by cosine, best first; equal ones by id.
    ///
    /// `queries` is flat `[q, width]`. `filter` gets the query's index and the article, and is applied before the cut at
    /// `k`; it is only asked about articles near enough to matter. A query without direction (all zeros) has no nearest.
    ///
    /// # Errors
    /// When the queries' length is no multiple of the width, or a number is not finite.
    pub fn nearest(
        &self,
        queries: &[f32],
        k: usize,
        filter: impl Fn(usize, ArticleId) -> bool,
    ) -> Result<Vec<Vec<(ArticleId, f32)>>, MatrixError> {
        if !queries.len().is_multiple_of(self.width) {
            return Err(MatrixError::Width { article: None, found: queries.len(), expected: self.width });
        }
        let mut units = Vec::with_capacity(queries.len());
        let mut directed = Vec::with_capacity(queries.len() / self.width);
        for query in queries.chunks_exact(self.width) {
            match self.unit(query) {
                Ok(unit) => {
                    units.extend_from_slice(&unit);
                    directed.push(true);
                }
                Err(MatrixError::NoDirection { .. }) => {
                    units.resize(units.len() + self.width, 0.0);
                    directed.push(false);
                }
                Err(error) => return Err(error),
            }
        }
        let mut nearest = Vec::with_capacity(directed.len());
        for batch in units.chunks(QUERY_BATCH * self.width) {
            let scores = self.scores(batch);
            for scores in scores.chunks_exact(self.len().max(1)).take(batch.len() / self.width) {
                let query = nearest.len();
                let list = if directed[query] {
                    self.best(scores, k, |article| filter(query, article))
                } else {
                    Vec::new()
                };
                nearest.push(list);
            }
        }
        nearest.resize(directed.len(), Vec::new());
        Ok(nearest)
    }

    /// Cosines of unit queries with every article, flat `[q, len]`.
    fn scores(&self, units: &[f32]) -> Vec<f32> {
        if self.is_empty() {
            return Vec::new();
        }
        tch::no_grad(|| {
            let used = self.columns.narrow(1, 0, self.len() as i64);
            if units.len() == self.width {
                return numbers(&used.tr().mv(&Tensor::from_slice(units)));
            }
            numbers(&Tensor::from_slice(units).view([-1, self.width as i64]).mm(&used))
        })
    }

    /// The best `k` that pass the filter. The heap holds the worst of them on top; only what beats it is put to the filter.
    fn best(&self, scores: &[f32], k: usize, filter: impl Fn(ArticleId) -> bool) -> Vec<(ArticleId, f32)> {
        if k == 0 {
            return Vec::new();
        }
        let mut heap: BinaryHeap<Scored> = BinaryHeap::with_capacity(k + 1);
        let mut bar = f32::NEG_INFINITY;
        for (&score, &article) in scores.iter().zip(&self.ids) {
            if score < bar {
                continue;
            }
            let candidate = Scored { score, article };
            let full = heap.len() == k;
            if full && heap.peek().is_some_and(|worst| candidate >= *worst) {
                continue;
            }
            if !filter(article) {
                continue;
            }
            if full {
                heap.pop();
            }
            heap.push(candidate);
            if heap.len() == k {
                bar = heap.peek().map_or(bar, |worst| worst.score);
            }
        }
        heap.into_sorted_vec()
            .into_iter()
            .map(|scored| (scored.article, scored.score.clamp(-1.0, 1.0)))
            .collect()
    }

    fn unit(&self, vector: &[f32]) -> Result<Vec<f32>, MatrixError> {
        if vector.len() != self.width {
            return Err(MatrixError::Width { article: None, found: vector.len(), expected: self.width });
        }
        if !vector.iter().all(|number| number.is_finite()) {
            return Err(MatrixError::NotFinite { article: None });
        }
        let length = vector.iter().map(|&number| f64::from(number) * f64::from(number)).sum::<f64>().sqrt();
        if length < 1e-12 {
            return Err(MatrixError::NoDirection { article: None });
        }
        Ok(vector.iter().map(|&number| (f64::from(number) / length) as f32).collect())
    }

    fn column(&self, column: usize) -> Tensor {
        self.columns.select(1, column as i64)
    }

    fn capacity(&self) -> i64 {
        self.columns.size()[1]
    }

    fn grow(&mut self) {
        let larger = Tensor::zeros([self.width as i64, self.capacity() * 2], (Kind::Float, Device::Cpu));
        tch::no_grad(|| larger.narrow(1, 0, self.capacity()).copy_(&self.columns));
        self.columns = larger;
    }
}

/// A scored article; the greater is the worse, so that a heap has the worst on top and sorts best first.
struct Scored {
    score: f32,
    article: ArticleId,
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.article.cmp(&other.article))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scored {}

/// Why a vector is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatrixError {
    /// Another number of numbers.
    #[error("{} has {found} numbers, expected {expected}", whose(.article))]
    Width {
        /// Whose vector; `None`: a query's.
        article: Option<ArticleId>,
        /// How many there are.
        found: usize,
        /// How many a vector of this matrix has.
        expected: usize,
    },
    /// All zeros: a cosine needs a direction.
    #[error("{} is all zeros, which has no direction", whose(.article))]
    NoDirection {
        /// Whose vector; `None`: a query's.
        article: Option<ArticleId>,
    },
    /// Not a number, or infinite.
    #[error("{} holds a number that is not finite", whose(.article))]
    NotFinite {
        /// Whose vector; `None`: a query's.
        article: Option<ArticleId>,
    },
}

impl MatrixError {
    fn of(self, article: Option<ArticleId>) -> Self {
        match self {
            Self::Width { found, expected, .. } => Self::Width { article, found, expected },
            Self::NoDirection { .. } => Self::NoDirection { article },
            Self::NotFinite { .. } => Self::NotFinite { article },
        }
    }
}

fn whose(article: &Option<ArticleId>) -> String {
    article.map_or_else(|| "the query".to_owned(), |article| format!("the vector of article {article}"))
}
