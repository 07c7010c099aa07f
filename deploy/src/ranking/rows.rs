//! The rows of the table, and retrieval beyond the lists.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_models::{
    ArticleMatrix, WIDTH,
    evaluate::{Evaluation, ImpressionFacts, ORACLE},
};
use abovefold_operators::features::ColumnRanker;
use abovefold_schemas::{ArticleId, ReaderId, Timestamp};

use super::pass::{ALIVE_MS, Chunk, Found, RETRIEVED, Seen, cosines};

/// Baselines that are read off single columns.
pub const BASELINES: [&str; 5] =
    ["newest", "popularity 45 min", "sequential rules", "sequential rules + popularity", "mean of vectors"];
/// What the parts of the ranker say alone.
pub const PARTS: [&str; 3] = ["learned embedding", "session model", "reranker"];
/// The ranker that serves.
pub const FULL: &str = "full pipeline";
/// Trees that are grown anew every day.
pub const DAILY: &str = "retrained daily";
const KNN: &str = "session kNN";
const LEARNED: &str = "learned search";
const BOTH: &str = "learned search and popularity in turn";
const POPULAR: &str = "popularity";

/// Gives every impression a score by each row.
pub struct Rows {
    rankers: Vec<(String, ColumnRanker)>,
    networks: bool,
    oracle: Option<BTreeMap<(u32, ArticleId), f32>>,
    names: Vec<String>,
    readers: BTreeMap<ReaderId, u32>,
    index: Index,
}

/// What a search would see: as of the end of the chunk before.
struct Index {
    matrix: ArticleMatrix,
    /// The vectors in the matrix: most do not change from chunk to chunk.
    indexed: BTreeMap<ArticleId, Arc<[f32]>>,
}

impl Rows {
    /// Rows by these rankers, beside the baselines; `networks`: whether there are session embeddings.
    pub fn new(
        rankers: Vec<(String, ColumnRanker)>,
        networks: bool,
        oracle: Option<BTreeMap<(u32, ArticleId), f32>>,
    ) -> Self {
        let mut names: Vec<String> = BASELINES
            .iter()
            .filter(|name| networks || **name != "mean of vectors")
            .map(|name| (*name).to_owned())
            .collect();
        let parts = PARTS.iter().filter(|name| networks || **name == "learned embedding");
        names.extend(parts.map(|name| (*name).to_owned()));
        names.extend(rankers.iter().map(|(name, _)| name.clone()));
        names.extend(oracle.is_some().then(|| ORACLE.to_owned()));
        let index = Index { matrix: ArticleMatrix::new(WIDTH, 1 << 14), indexed: BTreeMap::new() };
        Self { rankers, networks, oracle, names, readers: BTreeMap::new(), index }
    }

    /// Puts a ranker in the place of the one of its name.
    pub fn replace(&mut self, name: &str, ranker: ColumnRanker) {
        if let Some((_, place)) = self.rankers.iter_mut().find(|(known, _)| known == name) {
            *place = ranker;
        }
    }

    /// An empty evaluation of these rows, with the tests that are asked for.
    pub fn evaluation(&self) -> Evaluation {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let baselines: Vec<&str> = names.iter().copied().filter(|name| BASELINES.contains(name)).collect();
        let mut evaluation = Evaluation::new(&names).baselines(&baselines);
        if self.networks {
            evaluation = evaluation.pair("session model", "mean of vectors");
            evaluation = evaluation.pair_retrieval(KNN, POPULAR);
        }
        evaluation = evaluation.pair_retrieval(LEARNED, POPULAR);
        for (name, _) in self.rankers.iter().filter(|(name, _)| name != FULL) {
            evaluation = evaluation.pair(FULL, name);
        }
        evaluation
    }

    /// Adds the impressions of a chunk.
    ///
    /// # Errors
    /// When a ranker fails.
    pub fn add(&mut self, chunk: &Chunk<'_>, evaluation: &mut Evaluation) -> anyhow::Result<()> {
        let total = chunk
            .seen
            .last()
            .map_or(0.0, |seen| chunk.history.counts().total_reads(seen.row.impression_time));
        for seen in chunk.seen {
            let scores = self.scores(seen);
            let clicked = seen.clicked();
            let candidates: Vec<u32> = seen.row.in_view.iter().map(|article| article.0 as u32).collect();
            let hit = clicked.iter().position(|clicked| *clicked);
            let age = hit
                .and_then(|place| seen.columns.column("age_h").nth(place))
                .filter(|hours| hours.is_finite() && *hours >= 0.0);
            let share: Vec<f32> = seen.columns.column("reads_8h").collect();
            let popularity: Vec<f32> =
                share.iter().map(|reads| (f64::from(*reads) / total.max(1.0)).min(1.0) as f32).collect();
            let vectors: Vec<&[f32]> =
                seen.vectors.iter().map(|vector| vector.as_deref().unwrap_or(&[])).collect();
            let facts = ImpressionFacts {
                reader: self.reader(&seen.row.reader),
                time: seen.row.impression_time,
                clicked: &clicked,
                reads_before: u32::try_from(seen.reads_before).unwrap_or(u32::MAX),
                clicked_age: age.map(|hours| std::time::Duration::from_secs_f32(hours * 3_600.0)),
                hour: (seen.row.impression_time.0.rem_euclid(86_400_000) / 3_600_000) as u8,
                candidates: &candidates,
                popularity: &popularity,
                vectors: Some(&vectors),
            };
            let scores: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
            evaluation.add(&facts, &scores);
        }
        self.retrieve(chunk, evaluation)
    }

    fn reader(&mut self, reader: &ReaderId) -> u32 {
        let next = self.readers.len() as u32;
        *self.readers.entry(reader.clone()).or_insert(next)
    }

    /// The scores of an impression, row by row in the order of the names. What a row can't score is at the end of its list.
    fn scores(&self, seen: &Seen) -> Vec<Vec<f64>> {
        let column = |name: &str| -> Vec<f64> { seen.columns.column(name).map(last_where_missing).collect() };
        let mut scores = Vec::with_capacity(self.names.len());
        let popularity = column("reads_45m");
        let rules: Vec<f64> =
            seen.columns.column("next").map(|x| f64::from(if x.is_nan() { 0.0 } else { x })).collect();
        scores.push(column("age_h").into_iter().map(|age| if age == LAST { LAST } else { -age }).collect());
        scores.push(popularity.clone());
        scores.push(rules.clone());
        let most = popularity.iter().copied().fold(1e-9, f64::max);
        scores.push(rules.iter().zip(&popularity).map(|(rule, reads)| rule + 1e-3 * reads / most).collect());
        if self.networks {
            let mean = cosines(&seen.session.sum, &seen.vectors);
            scores.push(mean.into_iter().map(last_where_missing).collect());
        }
        scores.push(column("learned"));
        if self.networks {
            scores.push(column("session"));
            scores.push(column("rerank"));
        }
        for (_, ranker) in &self.rankers {
            scores.push(ranker.scores(&seen.columns));
        }
        if let Some(oracle) = &self.oracle {
            let id = seen.row.impression_id;
            let truth = |article: &ArticleId| oracle.get(&(id, *article)).copied().unwrap_or(0.0);
            scores.push(seen.row.in_view.iter().map(|article| f64::from(truth(article))).collect());
        }
        scores
    }

    /// Whether what was clicked is among the first hundred that a search over all articles alive brings.
    fn retrieve(&mut self, chunk: &Chunk<'_>, evaluation: &mut Evaluation) -> anyhow::Result<()> {
        let found = if self.networks { self.nearest(chunk)? } else { BTreeMap::new() };
        for (place, seen) in chunk.seen.iter().enumerate() {
            if seen.found.popular.is_empty() {
                continue;
            }
            let reader = self.reader(&seen.row.reader);
            let mut add = |row: &str, found: &[ArticleId]| {
                let hit = found.iter().any(|article| seen.row.clicked.contains(article));
                evaluation.add_retrieval(row, hit, reader);
            };
            add(POPULAR, &seen.found.popular);
            add(LEARNED, &seen.found.learned);
            add(BOTH, &both(&seen.found));
            if self.networks {
                add(KNN, found.get(&place).map_or(&[], Vec::as_slice));
            }
        }
        Ok(())
    }

    /// The articles nearest to each session, by the impression's place in the chunk. They are those that were known when the chunk began.
    fn nearest(&mut self, chunk: &Chunk<'_>) -> anyhow::Result<BTreeMap<usize, Vec<ArticleId>>> {
        let mut nearest = BTreeMap::new();
        let Some(now) = chunk.seen.last().map(|seen| seen.row.impression_time) else { return Ok(nearest) };
        if !self.index.matrix.is_empty() {
            let asked: Vec<(usize, &Seen)> = chunk
                .seen
                .iter()
                .enumerate()
                .filter(|(_, seen)| seen.session.embedding.len() == WIDTH)
                .collect();
            let queries: Vec<f32> =
                asked.iter().flat_map(|(_, seen)| seen.session.embedding.iter().copied()).collect();
            let allowed = |query: usize, article: ArticleId| !asked[query].1.pages.contains(&article);
            let found = self.index.matrix.nearest(&queries, RETRIEVED, allowed)?;
            for ((place, _), found) in asked.iter().zip(found) {
                nearest.insert(*place, found.into_iter().map(|(article, _)| article).collect());
            }
        }
        self.index.renew(chunk, now)?;
        Ok(nearest)
    }
}

impl Index {
    /// Goes on to the articles alive, and their vectors, as of a chunk's end.
    fn renew(&mut self, chunk: &Chunk<'_>, now: Timestamp) -> anyhow::Result<()> {
        let alive = chunk.history.counts().alive(Timestamp(now.0 - ALIVE_MS));
        let gone: Vec<ArticleId> =
            self.matrix.articles().iter().copied().filter(|article| !alive.contains(article)).collect();
        gone.into_iter().for_each(|article| {
            self.matrix.remove(article);
            self.indexed.remove(&article);
        });
        for article in &alive {
            let Some(vector) = chunk.vectors.get(*article, now) else { continue };
            let known = self.indexed.get(article).is_some_and(|known| Arc::ptr_eq(known, vector));
            if !known && vector.iter().any(|x| *x != 0.0) {
                self.matrix.upsert(*article, vector)?;
                self.indexed.insert(*article, vector.clone());
            }
        }
        Ok(())
    }
}

/// Both searches in turn, each article once.
fn both(found: &Found) -> Vec<ArticleId> {
    let mut merged = Vec::with_capacity(RETRIEVED);
    let turns = found.learned.iter().zip(&found.popular).flat_map(|(learned, popular)| [*learned, *popular]);
    for article in turns {
        if !merged.contains(&article) && merged.len() < RETRIEVED {
            merged.push(article);
        }
    }
    merged
}

const LAST: f64 = -1e30;

fn last_where_missing(value: f32) -> f64 {
    if value.is_nan() { LAST } else { f64::from(value) }
}
