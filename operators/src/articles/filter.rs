//! What both makes ask of vectors and of filters.

use std::sync::Arc;

use abovefold_engine::{EngineError, Result};
use abovefold_models::WIDTH;
use abovefold_schemas::{ArticleId, ArticleVersion};

use super::{Article, Filter, Hit, NearestQuery};

/// The most articles that one question may ask for (Elasticsearch's own limit on a result window).
pub(super) const GREATEST_K: usize = 10_000;

/// Whether an index can take this version in: its vector has no numbers or 768 finite ones.
///
/// # Errors
/// When it cannot; the reason names the article and what is wrong with it.
pub fn check_version(version: &ArticleVersion) -> Result<()> {
    let tried = || format!("take in article {}", version.article_id);
    match version.vector.len() {
        0 => Ok(()),
        WIDTH if version.vector.iter().all(|number| number.is_finite()) => Ok(()),
        WIDTH => Err(EngineError::user(
            tried(),
            "its vector holds a number that is not finite: write the article again",
        )),
        width => Err(EngineError::user(
            tried(),
            format!(
                "its vector has {width} numbers, {WIDTH} are needed: index it with vectors of the model's space"
            ),
        )),
    }
}

/// The vector at length 1, or nothing where it has no direction (no numbers, zeros).
///
/// Summed in f64, so that neither tiny nor huge numbers are lost to the range of f32.
pub(super) fn direction(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    (length.is_finite() && length > 0.0)
        .then(|| vector.iter().map(|number| (f64::from(*number) / length) as f32).collect())
}

/// The cosine between a direction and a vector of any length but zero, summed in one fixed order: the same pair always gives the
/// same bits, whoever asks and whatever else is asked for at the time (a matrix product does not promise that).
pub(super) fn cosine(direction: &[f32], vector: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut products = [0.0_f32; LANES];
    let mut squares = [0.0_f32; LANES];
    for (ours, theirs) in direction.chunks_exact(LANES).zip(vector.chunks_exact(LANES)) {
        for lane in 0..LANES {
            products[lane] += ours[lane] * theirs[lane];
            squares[lane] += theirs[lane] * theirs[lane];
        }
    }
    let length = squares.iter().sum::<f32>().sqrt();
    if length.is_normal() {
        return (products.iter().sum::<f32>() / length).clamp(-1.0, 1.0);
    }
    // Squares beyond the range of f32: take the slow way.
    match self::direction(vector) {
        Some(vector) => {
            direction.iter().zip(&vector).map(|(ours, theirs)| ours * theirs).sum::<f32>().clamp(-1.0, 1.0)
        }
        None => 0.0,
    }
}

/// Hits by cosine, nearest first, ties by the smaller number, cut to `k`.
pub(super) fn ranked(direction: &[f32], articles: impl Iterator<Item = Arc<Article>>, k: usize) -> Vec<Hit> {
    let mut hits: Vec<Hit> =
        articles.map(|article| Hit { cosine: cosine(direction, &article.version.vector), article }).collect();
    hits.sort_by(|one, other| {
        other.cosine.total_cmp(&one.cosine).then(one.article.id.cmp(&other.article.id))
    });
    hits.truncate(k);
    hits
}

/// The direction of a query, after a look at the whole query.
pub(super) fn checked_direction(query: &NearestQuery) -> Result<Vec<f32>> {
    let refuse = |reason: String| EngineError::user("find the nearest articles", reason);
    if query.vector.len() != WIDTH {
        return Err(refuse(format!(
            "the query's vector has {} numbers, {WIDTH} are needed",
            query.vector.len()
        )));
    }
    check_k(query.k)?;
    direction(&query.vector).ok_or_else(|| {
        refuse("the query's vector has no direction: it is zero or holds a number that is not finite".into())
    })
}

/// Refuses to return more than [`GREATEST_K`] articles.
pub(super) fn check_k(k: usize) -> Result<()> {
    if k > GREATEST_K {
        return Err(EngineError::user(
            "find articles",
            format!("k is {k}, at most {GREATEST_K} are given at a time"),
        ));
    }
    Ok(())
}

/// A [`Filter`] made ready to be asked often.
#[derive(Debug)]
pub(super) struct Sieve<'a> {
    filter: &'a Filter,
    /// Sorted.
    excluded: Vec<ArticleId>,
}

impl<'a> Sieve<'a> {
    /// Prepares a filter.
    pub(super) fn new(filter: &'a Filter) -> Self {
        let mut excluded = filter.exclude.clone();
        excluded.sort_unstable();
        Self { filter, excluded }
    }

    /// Whether the article is not withdrawn and passes the filter.
    pub(super) fn admits(&self, article: &Article) -> bool {
        let version = &article.version;
        let filter = self.filter;
        !version.withdrawn
            && filter.published_from.is_none_or(|from| version.published >= from.0)
            && filter.published_until.is_none_or(|until| version.published <= until.0)
            && (filter.categories.is_empty() || filter.categories.contains(&version.category))
            && self.excluded.binary_search(&article.id).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_and_huge_vectors_have_a_direction_and_zeros_have_none() {
        for scale in [1e-38_f32, 1.0, 8e37] {
            let mut vector = vec![0.0; WIDTH];
            vector[0] = 3.0 * scale;
            vector[1] = -4.0 * scale;
            let direction = direction(&vector).unwrap();
            let length: f32 = direction.iter().map(|number| number * number).sum();
            assert!((length - 1.0).abs() < 1e-6, "{scale}: {length}");
        }
        assert_eq!(direction(&[0.0; WIDTH]), None);
        assert_eq!(direction(&[]), None);
    }

    #[test]
    fn a_vector_of_another_width_or_with_nan_is_refused_by_name() {
        let narrow = ArticleVersion { article_id: 7, vector: vec![1.0; 3], ..ArticleVersion::default() };
        assert!(
            check_version(&narrow)
                .unwrap_err()
                .to_string()
                .contains("take in article 7: its vector has 3 numbers")
        );
        let broken = ArticleVersion { vector: vec![f32::NAN; WIDTH], ..ArticleVersion::default() };
        assert!(check_version(&broken).unwrap_err().to_string().contains("not finite"));
        assert!(check_version(&ArticleVersion::default()).is_ok());
    }
}
