//! Admission: who could not be answered in time is refused at once, and nothing more is computed for whom the time has passed.

mod query_support;

use std::{sync::atomic::Ordering, time::Duration};

use abovefold_operators::query::{QueryError, QuerySettings, Request, ServedBy};
use abovefold_schemas::{ArticleId, Timestamp};
use futures::stream::{FuturesUnordered, StreamExt};
use query_support::{World, request};

/// A request of a reader who waits so long.
fn within(world: &World, name: &str, millis: i64) -> Request {
    Request { deadline: Some(Timestamp(world.runtime.now().0 + millis)), ..request(name) }
}

/// One request after the other.
fn one_at_a_time() -> QuerySettings {
    QuerySettings { batch: 1, batches_in_flight: 1, edge_pause_ms: 0, ..QuerySettings::default() }
}

#[tokio::test]
async fn a_request_whose_deadline_has_passed_is_not_begun() {
    let world = World::new(40, true);
    world.know("ann", 0, &[4]).await;
    let late = world.query.recommend(within(&world, "ann", -1)).await;
    assert_eq!(late, Err(QueryError::Late));
    assert_eq!(world.articles.searches.load(Ordering::SeqCst), 0);
    let slate = world.query.recommend(within(&world, "ann", 60_000)).await.unwrap();
    assert_eq!(slate.served_by, ServedBy::Reranker);
}

#[tokio::test]
async fn a_request_whose_deadline_passes_on_its_way_is_dropped_before_the_next_step() {
    // The store answers after its limit, which is after the deadline: what is served then is nobody's.
    let settings =
        QuerySettings { state_limit_ms: 200, edge_pause_ms: 0, batch: 1, ..QuerySettings::default() };
    let world = World::with(40, true, settings);
    world.know("ann", 0, &[4]).await;
    world.store.hangs.store(true, Ordering::SeqCst);
    let patient =
        world.query.recommend(Request { page: Some(ArticleId(7)), ..within(&world, "bob", 60_000) });
    let (late, patient) = tokio::join!(
        world.query.recommend(Request { page: Some(ArticleId(8)), ..within(&world, "ann", 40) }),
        patient
    );
    assert_eq!(late, Err(QueryError::Late));
    assert!(patient.is_ok(), "the other one is served: {patient:?}");
    // Two requests in two batches, and one search: the one who waited.
    assert_eq!(world.articles.searches.load(Ordering::SeqCst), 1);
    assert_eq!(world.ranker.batches.lock().unwrap().len(), 0, "neither has a session");
}

#[tokio::test]
async fn a_reader_who_goes_away_is_not_worked_for() {
    let settings =
        QuerySettings { state_limit_ms: 100, edge_pause_ms: 0, batch: 1, ..QuerySettings::default() };
    let world = World::with(40, true, settings);
    world.store.hangs.store(true, Ordering::SeqCst);
    let gone = world.query.recommend(Request { page: Some(ArticleId(7)), ..request("ann") });
    assert_eq!(world.runtime.timeout(Duration::from_millis(20), gone).await, None, "gave up");
    let stayed = world.query.recommend(Request { page: Some(ArticleId(8)), ..request("bob") }).await;
    assert!(stayed.is_ok(), "{stayed:?}");
    assert_eq!(world.articles.searches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn more_requests_than_may_wait_are_refused_at_once() {
    let settings = QuerySettings { waiting_requests: 4, state_limit_ms: 300, ..one_at_a_time() };
    let world = World::with(40, false, settings);
    world.store.hangs.store(true, Ordering::SeqCst);
    let readers: Vec<String> = (0..40).map(|number| format!("reader-{number}")).collect();
    let asked = readers.iter().map(|name| world.query.recommend(request(name)));
    let answers = futures::future::join_all(asked);
    // Those that wait are let go when the refused have been counted: the store answers again.
    let mend = async {
        world.runtime.sleep(Duration::from_millis(50)).await;
        world.store.hangs.store(false, Ordering::SeqCst);
    };
    let (answers, ()) = tokio::join!(answers, mend);
    let busy = answers.iter().filter(|answer| **answer == Err(QueryError::Busy)).count();
    let served = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(busy + served, 40);
    // One or two are taken down before the rest is asked for.
    assert!((4..=8).contains(&served), "{served} were let in");
}

#[tokio::test]
async fn who_would_wait_beyond_its_deadline_is_refused_before_it_waits() {
    let settings = QuerySettings { state_limit_ms: 100, ..one_at_a_time() };
    let world = World::with(40, false, settings);
    world.store.hangs.store(true, Ordering::SeqCst);
    // A batch takes 100 ms, as this one shows.
    world.query.recommend(request("first")).await.unwrap();
    let readers: Vec<String> = (0..12).map(|number| format!("reader-{number}")).collect();
    let asked = readers.iter().map(|name| world.query.recommend(within(&world, name, 60_000)));
    let behind = async {
        // The twelve are in the queue by now.
        tokio::task::yield_now().await;
        world.query.recommend(within(&world, "hasty", 500)).await
    };
    let (answers, refused) = tokio::join!(futures::future::join_all(asked), behind);
    assert_eq!(
        refused,
        Err(QueryError::Busy),
        "or else it would be late: five batches come before its deadline, not twelve"
    );
    assert!(answers.iter().all(Result::is_ok), "who has time waits");
}

#[tokio::test]
async fn who_comes_when_a_queue_has_stood_for_long_is_refused_at_once() {
    let settings = QuerySettings { queue_ms: 10, state_limit_ms: 5, ..one_at_a_time() };
    let world = World::with(40, false, settings);
    world.store.hangs.store(true, Ordering::SeqCst);
    world.query.recommend(request("first")).await.unwrap();
    let readers: Vec<String> = (0..120).map(|number| format!("reader-{number}")).collect();
    let mut burst =
        readers.iter().map(|name| world.query.recommend(request(name))).collect::<FuturesUnordered<_>>();
    // One more than a burst has; each takes 5 ms and more.
    for _ in 0..65 {
        assert!(burst.next().await.unwrap().is_ok(), "a burst is borne");
    }
    assert_eq!(world.query.recommend(request("one-more")).await, Err(QueryError::Busy));
    while let Some(answer) = burst.next().await {
        assert!(answer.is_ok(), "who was let in is answered");
    }
    assert!(world.query.recommend(request("later")).await.is_ok(), "at rest again");
}
