//! The scanner's thread: owns the matrix, takes articles in, and answers what waits together with one product.

use std::{
    collections::VecDeque,
    sync::{Arc, RwLock, mpsc},
};

use abovefold_engine::{EngineError, Result};
use abovefold_models::{ArticleMatrix, WIDTH};
use abovefold_schemas::{ArticleId, Offset};
use tokio::sync::oneshot;

use super::{
    super::{
        Article, Hit, NearestQuery,
        filter::{Sieve, direction, ranked},
    },
    table::Table,
};

/// Queries that one product answers at most: beyond that the product no longer gets faster by being larger, and the scores of
/// 100,000 articles would take 25 MB.
const MOST_TOGETHER: usize = 64;

/// Up to so many queries, reading the matrix once for each is quicker than one product, which first rearranges the whole matrix:
/// 10,000 articles, one thread: 1.9 ms for each alone, 8 ms for two to eight together.
const FEW: usize = 4;

/// What the scanner is asked to do.
#[derive(Debug)]
pub(super) enum ScanJob {
    /// Take in what is durable now; the marker comes with the last of a batch.
    TakeIn { articles: Vec<Arc<Article>>, marker: Option<Vec<Offset>>, done: oneshot::Sender<Result<()>> },
    /// Find the nearest.
    Nearest(Question),
}

/// Queries of one caller.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) queries: Vec<NearestQuery>,
    /// The queries' vectors at length 1, one after the other.
    pub(super) directions: Vec<f32>,
    pub(super) done: oneshot::Sender<Result<Vec<Vec<Hit>>>>,
}

/// Works until nobody can ask any more.
pub(super) fn run(table: &RwLock<Table>, jobs: &mpsc::Receiver<ScanJob>) {
    let mut matrix = ArticleMatrix::new(WIDTH, 1024);
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match jobs.recv() {
                Ok(job) => waiting.push_back(job),
                Err(_) => return,
            }
        }
        waiting.extend(jobs.try_iter());
        match waiting.pop_front() {
            Some(ScanJob::TakeIn { articles, marker, done }) => {
                let _ = done.send(take_in(table, &mut matrix, articles, marker));
            }
            Some(ScanJob::Nearest(first)) => answer(table, &matrix, gather(first, &mut waiting)),
            None => {}
        }
    }
}

/// The first question and those right behind it, up to [`MOST_TOGETHER`] queries; without those whose caller has gone.
fn gather(first: Question, waiting: &mut VecDeque<ScanJob>) -> Vec<Question> {
    let mut queries = first.queries.len();
    let mut questions = vec![first];
    while let Some(ScanJob::Nearest(next)) = waiting.front() {
        queries += next.queries.len();
        if queries > MOST_TOGETHER {
            break;
        }
        if let Some(ScanJob::Nearest(next)) = waiting.pop_front() {
            questions.push(next);
        }
    }
    questions.retain(|question| !question.done.is_closed());
    questions
}

fn take_in(
    table: &RwLock<Table>,
    matrix: &mut ArticleMatrix,
    articles: Vec<Arc<Article>>,
    marker: Option<Vec<Offset>>,
) -> Result<()> {
    let mut table = table.write().map_err(|_| poisoned())?;
    for article in articles {
        if !table.put(article.clone()) {
            continue;
        }
        let found_by = if article.version.withdrawn { None } else { direction(&article.version.vector) };
        match found_by {
            Some(vector) => matrix.upsert(article.id, &vector).map_err(|error| {
                EngineError::ours(format!("take in the vector of article {}", article.id), error)
            })?,
            None => {
                matrix.remove(article.id);
            }
        }
    }
    if let Some(marker) = marker {
        table.marker = marker;
    }
    Ok(())
}

fn answer(table: &RwLock<Table>, matrix: &ArticleMatrix, questions: Vec<Question>) {
    let mut results = match find(table, matrix, &questions) {
        Ok(results) => results.into_iter(),
        Err(error) => {
            for question in questions {
                let error = EngineError { tried: error.tried.clone(), reason: error.reason.clone(), ..error };
                let _ = question.done.send(Err(error));
            }
            return;
        }
    };
    for question in questions {
        let hits = results.by_ref().take(question.queries.len()).collect();
        // A caller that gave up meanwhile needs no answer.
        let _ = question.done.send(Ok(hits));
    }
}

/// One list of hits per query, over all questions.
fn find(table: &RwLock<Table>, matrix: &ArticleMatrix, questions: &[Question]) -> Result<Vec<Vec<Hit>>> {
    // Only this thread writes the table, so holding it for the whole scan keeps nobody waiting.
    let table = table.read().map_err(|_| poisoned())?;
    let queries: Vec<&NearestQuery> = questions.iter().flat_map(|question| &question.queries).collect();
    let directions: Vec<f32> = questions.iter().flat_map(|question| &question.directions).copied().collect();
    let sieves: Vec<Sieve<'_>> = queries.iter().map(|query| Sieve::new(&query.filter)).collect();
    let most = queries.iter().map(|query| query.k).max().unwrap_or(0);
    if most == 0 {
        return Ok(vec![Vec::new(); queries.len()]);
    }
    let admitted =
        |query: usize, id: ArticleId| table.get(id).is_some_and(|article| sieves[query].admits(article));
    let together = if queries.len() <= FEW { 1 } else { queries.len() };
    let mut nearest = Vec::with_capacity(queries.len());
    for (part, directions) in directions.chunks(together * WIDTH).enumerate() {
        let found = matrix
            .nearest(directions, most, |query, id| admitted(part * together + query, id))
            .map_err(|error| EngineError::ours("scan the articles", error))?;
        nearest.extend(found);
    }
    let hits = nearest.into_iter().zip(directions.chunks_exact(WIDTH)).zip(&queries).map(
        |((found, direction), query)| {
            ranked(
                direction,
                found.into_iter().take(query.k).filter_map(|(id, _)| table.get(id).cloned()),
                query.k,
            )
        },
    );
    Ok(hits.collect())
}

fn poisoned() -> EngineError {
    EngineError::ours("use the articles in memory", "an earlier panic left them half changed: start again")
}
