//! Read-your-writes: a request waits for the event that its token names, bounded, and holds up nobody.

mod query_support;

use std::time::Duration;

use abovefold_engine::{Runtime, log::Position, state::StateStore};
use abovefold_operators::query::{QueryError, QuerySettings, Request};
use abovefold_schemas::Offset;
use futures::StreamExt;
use query_support::{PARTITIONS, World, ids, reader, request};

fn token(world: &World, name: &str, offset: u64) -> Option<String> {
    let partition = world.tag(&reader(name)).partition;
    Some(world.query.token(Position { partition, offset: Offset(offset) }))
}

#[tokio::test]
async fn a_request_waits_for_its_event_and_hurries_the_worker() {
    let settings = QuerySettings { after_wait_ms: 10_000, ..QuerySettings::default() };
    let world = World::with(40, true, settings);
    world.know("ann", 0, &[4]).await;
    let mut wishes = world.store.inner.hurries("main").await.unwrap();
    let after = token(&world, "ann", 1);
    let waiting = world.query.recommend(Request { after, ..request("ann") });
    let worker = async {
        let wish = wishes.next().await.unwrap();
        assert_eq!(
            wish,
            (world.tag(&reader("ann")).partition, Offset(2)),
            "the first offset after the event"
        );
        // Others are served meanwhile.
        assert!(world.query.recommend(request("bob")).await.unwrap().fresh);
        world.know("ann", 0, &[4, 8]).await;
    };
    let (slate, ()) = tokio::join!(waiting, worker);
    let slate = slate.unwrap();
    assert!(slate.fresh);
    assert_eq!((slate.state.reads, slate.state.marker), (2, Some(Offset(2))));
    assert!(!ids(&slate).contains(&8));
}

#[tokio::test]
async fn past_the_bound_the_answer_says_that_it_is_not_fresh() {
    let settings = QuerySettings { after_wait_ms: 40, ..QuerySettings::default() };
    let world = World::with(40, true, settings);
    world.know("ann", 0, &[4]).await;
    let slate =
        world.query.recommend(Request { after: token(&world, "ann", 7), ..request("ann") }).await.unwrap();
    assert!(!slate.fresh);
    assert_eq!(slate.picks.len(), 10, "and is an answer all the same");
    let slate =
        world.query.recommend(Request { after: token(&world, "ann", 0), ..request("ann") }).await.unwrap();
    assert!(slate.fresh, "what is folded already is not waited for");
}

#[tokio::test]
async fn a_token_of_another_log_is_refused() {
    let world = World::new(4, false);
    let elsewhere = world.query.token(Position { partition: PARTITIONS, offset: Offset(1) });
    for token in ["nonsense".to_string(), elsewhere] {
        let refused = world.query.recommend(Request { after: Some(token), ..request("ann") }).await;
        assert!(matches!(refused, Err(QueryError::Token(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn the_read_path_ends_with_its_last_handle() {
    let world = World::new(4, false);
    let store = std::sync::Arc::downgrade(&world.store);
    world.query.recommend(request("ann")).await.unwrap();
    drop(world);
    let gone = async {
        while store.upgrade().is_some() {
            Runtime::real().sleep(Duration::from_millis(20)).await;
        }
    };
    Runtime::real().timeout(Duration::from_secs(10), gone).await.expect("its tasks end");
}
