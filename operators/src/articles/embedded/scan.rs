//! The scanner's thread: takes articles in, and answers the questions that wait together.

use std::{collections::VecDeque, sync::mpsc};

use abovefold_engine::{EngineError, Result};
use tokio::sync::oneshot;

use super::{
    super::{Hit, NearestQuery},
    searcher::{Searcher, TakeIn},
};

/// Queries that are answered together at most: beyond that a scan's product no longer gets faster by being larger, and the scores of
/// 100,000 articles would take 25 MB.
const MOST_TOGETHER: usize = 64;

/// What the scanner is asked to do.
#[derive(Debug)]
pub(super) enum ScanJob {
    /// Take in what is durable now.
    TakeIn(TakeIn),
    /// Find the nearest.
    Nearest(Question),
    /// Say when no graph is being built.
    Settle(oneshot::Sender<()>),
}

/// Queries of one caller.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) queries: Vec<NearestQuery>,
    /// The queries' vectors at length 1, one after the other.
    pub(super) directions: Vec<f32>,
    pub(super) done: oneshot::Sender<Result<Vec<Vec<Hit>>>>,
}

/// Works until nobody can ask any more. Questions and articles take turns, so that neither waits long for the other.
pub(super) fn run(mut searcher: Searcher, jobs: &mpsc::Receiver<ScanJob>) {
    let mut waiting = VecDeque::new();
    let mut coming = VecDeque::new();
    loop {
        if waiting.is_empty() && coming.is_empty() {
            let next = match searcher.patience() {
                None => jobs.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                Some(time) => jobs.recv_timeout(time),
            };
            match next {
                Ok(job) => waiting.push_back(job),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
        waiting.extend(jobs.try_iter());
        match waiting.pop_front() {
            Some(ScanJob::TakeIn(articles)) => coming.push_back(articles),
            Some(ScanJob::Nearest(first)) => answer(&searcher, gather(first, &mut waiting)),
            Some(ScanJob::Settle(done)) => searcher.tell_when_settled(done),
            None => {}
        }
        searcher.take_in_some(&mut coming);
        searcher.look_after_next();
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

fn answer(searcher: &Searcher, questions: Vec<Question>) {
    let queries: Vec<&NearestQuery> = questions.iter().flat_map(|question| &question.queries).collect();
    let directions: Vec<f32> = questions.iter().flat_map(|question| &question.directions).copied().collect();
    let mut results = match searcher.find(&queries, &directions) {
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
