//! Another model is put in force while requests are under way: each is ordered by one version, and named after it. What is not fit to serve is told
//! before.
#![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

mod query_support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use abovefold_models::{RerankRequest, WIDTH};
use abovefold_operators::query::{QuerySettings, Ranker, Request, ServedBy, ServingModel, Slate, probe};
use async_trait::async_trait;
use query_support::{World, ids, request};
use tokio::sync::{Notify, Semaphore};

/// Prefers high article numbers, or low ones; it says when it has begun, and ends when it is let.
#[derive(Debug)]
struct Gated {
    version: &'static str,
    sign: f32,
    began: Notify,
    may_end: Semaphore,
}

impl Gated {
    fn new(version: &'static str, sign: f32, may_end: usize) -> Arc<Self> {
        Arc::new(Self { version, sign, began: Notify::new(), may_end: Semaphore::new(may_end) })
    }
}

#[async_trait]
impl Ranker for Gated {
    fn version(&self) -> &str {
        self.version
    }
    fn session_model(&self) -> &str {
        "session-1"
    }
    async fn rank(&self, requests: Vec<RerankRequest>) -> Result<Vec<Vec<f32>>, String> {
        self.began.notify_one();
        self.may_end.acquire().await.unwrap().forget();
        let own = |vector: &[f32]| self.sign * vector[100..].iter().sum::<f32>();
        Ok(requests.iter().map(|request| request.candidates.chunks_exact(WIDTH).map(own).collect()).collect())
    }
}

fn model(ranker: &Arc<Gated>) -> ServingModel {
    ServingModel { ranker: Some(ranker.clone()), trees: None }
}

fn says(slate: &Slate) -> (Option<&str>, i64) {
    (slate.model.as_deref(), ids(slate)[0])
}

#[tokio::test]
async fn a_request_under_way_ends_with_the_model_that_it_began_with() {
    let world = World::with(60, true, QuerySettings { ranker_limit_ms: 60_000, ..QuerySettings::default() });
    world.know("ann", 3, &[3]).await;
    let (old, new) = (Gated::new("old", 1.0, 0), Gated::new("new", -1.0, 9));
    world.query.swap_model(model(&old));
    let query = world.query.clone();
    let under_way =
        tokio::spawn(
            async move { query.recommend(Request { explain: true, ..request("ann") }).await.unwrap() },
        );
    old.began.notified().await;
    assert_eq!(world.query.swap_model(model(&new)).version(), "old");
    let query = world.query.clone();
    let next =
        tokio::spawn(async move { query.recommend(Request { explain: true, ..request("ann") }).await });
    old.may_end.add_permits(1);
    let (under_way, next) = (under_way.await.unwrap(), next.await.unwrap().unwrap());
    assert_eq!(says(&under_way), (Some("old"), 60));
    assert_eq!(says(&next), (Some("new"), 1));
    for slate in [under_way, next] {
        assert_eq!(slate.served_by, ServedBy::Reranker);
        let sign = if slate.model.as_deref() == Some("old") { 1.0 } else { -1.0 };
        assert!(
            slate.picks.iter().all(|pick| pick.explanation.as_ref().unwrap().logit.unwrap() * sign > 0.0)
        );
    }
}

/// Scores as it is told.
struct Scores<F>(F);

impl<F> std::fmt::Debug for Scores<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scores")
    }
}

#[async_trait]
impl<F: Fn(&RerankRequest) -> Vec<f32> + Send + Sync> Ranker for Scores<F> {
    fn version(&self) -> &str {
        "told"
    }
    fn session_model(&self) -> &str {
        "session-1"
    }
    async fn rank(&self, requests: Vec<RerankRequest>) -> Result<Vec<Vec<f32>>, String> {
        Ok(requests.iter().map(&self.0).collect())
    }
}

async fn probed(
    score: impl Fn(&RerankRequest) -> Vec<f32> + Send + Sync + 'static,
    limit: Option<Duration>,
) -> String {
    let model = ServingModel { ranker: Some(Arc::new(Scores(score))), trees: None };
    probe(&model, limit).await.map_or_else(|unfit| unfit.to_string(), |_| "fit".into())
}

#[tokio::test]
async fn what_is_not_fit_to_serve_is_told_before() {
    let one_each = |request: &RerankRequest| vec![0.5; request.len()];
    assert_eq!(probed(one_each, None).await, "fit");
    assert_eq!(probed(one_each, Some(Duration::from_secs(60))).await, "fit");
    let too_few = probed(|request| vec![0.5; request.len().saturating_sub(1)], None).await;
    assert!(too_few.contains("[99, 6, 0, 0] scores for [100, 7, 1, 0] candidates"), "{too_few}");
    let no_number = probed(|request| vec![f32::NAN; request.len()], None).await;
    assert!(no_number.contains("NaN"), "{no_number}");
    let calls = AtomicUsize::new(0);
    let other_each_time =
        move |request: &RerankRequest| vec![calls.fetch_add(1, Ordering::SeqCst) as f32; request.len()];
    let other_each_time = probed(other_each_time, None).await;
    assert!(other_each_time.contains("differently each time"), "{other_each_time}");
    let slow = probed(one_each, Some(Duration::ZERO)).await;
    assert!(slow.contains("0 ms at most"), "{slow}");
    assert_eq!(probe(&ServingModel::default(), None).await, Ok(Duration::ZERO), "no model is no unfit one");
}
