//! The inference handle: callers at once, wrong numbers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use abovefold_models::{
    Behaviour, DeviceChoice, HIDDEN, Inference, InferenceError, InferenceOptions, ModelFolder, Profile,
    RerankRequest, StepBatch, WIDTH,
};

fn start() -> Inference {
    let options = InferenceOptions { device: DeviceChoice::Cpu, tile: 16, ..InferenceOptions::default() };
    Inference::start(&ModelFolder::untrained(1), options).unwrap()
}

fn vector(seed: usize) -> Vec<f32> {
    (0..WIDTH).map(|unit| ((unit * 7 + seed * 13) as f32).sin() * 0.05).collect()
}

fn batch(seeds: std::ops::Range<usize>) -> StepBatch {
    let mut batch = StepBatch::default();
    for seed in seeds {
        batch.push(&[0.0; HIDDEN], &vector(seed), Behaviour { position: 1, ..Behaviour::default() });
    }
    batch
}

fn request(session: usize, count: usize) -> RerankRequest {
    let candidates = (0..count).flat_map(vector).collect();
    RerankRequest { profile: Profile::default(), session: vector(session), candidates }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_once_get_their_own_rows_and_scores() {
    let inference = start();
    let expected = Arc::new(inference.step(batch(0..100)).await.unwrap());
    let mut tasks = Vec::new();
    for task in 0..20usize {
        let (inference, expected) = (inference.clone(), expected.clone());
        tasks.push(tokio::spawn(async move {
            let (from, until) = (task * 5, task * 5 + 1 + task % 5);
            let found = inference.step(batch(from..until)).await.unwrap();
            for row in from..until {
                assert_eq!(found.row(row - from), expected.row(row));
            }
            let scores =
                inference.rerank(vec![request(task, 5), request(task, 0), request(task, 12)]).await.unwrap();
            assert_eq!(scores.iter().map(Vec::len).collect::<Vec<_>>(), [5, 0, 12]);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_request_scores_the_same_alone_and_among_others() {
    let inference = start();
    let alone = inference.rerank(vec![request(3, 40)]).await.unwrap().remove(0);
    let others = (0..9).map(|session| request(session, 10 + session * 9)).chain([request(3, 40)]).collect();
    let among = inference.rerank(others).await.unwrap().pop().unwrap();
    for (a, b) in alone.iter().zip(&among) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[tokio::test]
async fn an_untrained_reranker_puts_the_article_nearest_to_the_session_first() {
    let inference = start();
    let scores = inference.rerank(vec![request(4, 30)]).await.unwrap().remove(0);
    let best = (0..30).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
    assert_eq!(best, 4, "{scores:?}");
}

#[tokio::test]
async fn wrong_numbers_are_refused_by_name() {
    let inference = start();
    let mut short = batch(0..2);
    short.vectors.pop();
    let mut poisoned = batch(0..3);
    poisoned.vectors[WIDTH + 5] = f32::NAN;
    for (batch, expected) in
        [(short, "1535 vector numbers for 2 rows"), (poisoned, "the vector of row 1 holds")]
    {
        let error = inference.step(batch).await.unwrap_err();
        assert!(matches!(error, InferenceError::Input(_)) && error.to_string().contains(expected), "{error}");
    }
    let mut bad = request(0, 3);
    bad.session.pop();
    let error = inference.rerank(vec![request(0, 1), bad]).await.unwrap_err().to_string();
    assert!(error.contains("request 1: the session embedding has 767 numbers"), "{error}");
    let options = InferenceOptions { tile: 1, ..InferenceOptions::default() };
    assert!(matches!(Inference::start(&ModelFolder::untrained(1), options), Err(InferenceError::Options(_))));
}
