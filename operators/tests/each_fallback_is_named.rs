//! What serves where something fails, beside what `query.rs` shows: named by the answer, and listed while it lasts.
#![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

mod query_support;

use std::sync::atomic::Ordering;

use abovefold_operators::query::{Fallback, QuerySettings, ServedBy};
use query_support::{World, ids, request};

#[tokio::test]
async fn cached_candidates_serve_from_memory_while_the_article_edge_is_down() {
    let world = World::new(60, true);
    world.know("ann", 3, &[3]).await;
    world.know("bob", 1, &[5]).await;
    world.trend(0, &[(8, 5), (11, 2)]).await;
    let before = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!(before.served_by, ServedBy::Reranker);
    world.cached("ann").await;
    assert_eq!(world.query.fallbacks(), []);

    let asked = world.articles.asked.load(Ordering::SeqCst);
    let again = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((again.served_by, ids(&again)), (ServedBy::Reranker, ids(&before)));
    assert_eq!(
        world.articles.asked.load(Ordering::SeqCst),
        asked,
        "cached candidates cost no trip to the article edge"
    );

    world.articles.down.store(true, Ordering::SeqCst);
    let nothing_cached = world.query.recommend(request("bob")).await.unwrap();
    assert_eq!((nothing_cached.served_by, ids(&nothing_cached)[0]), (ServedBy::Trending, 8));
    let during = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((during.served_by, during.model.as_deref()), (ServedBy::Cached, Some("fake-1")));
    assert_eq!(ids(&during), ids(&before), "in the ranker's order");
    assert_eq!(world.query.fallbacks(), [Fallback::ARTICLES]);

    world.ranker.broken.store(true, Ordering::SeqCst);
    let without_ranker = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((without_ranker.served_by, without_ranker.model), (ServedBy::Cached, None));
    let failed: Vec<&str> = world.query.fallbacks().iter().map(|fallback| fallback.failed).collect();
    assert_eq!(failed, ["articles", "ranker"]);

    world.ranker.broken.store(false, Ordering::SeqCst);
    world.articles.down.store(false, Ordering::SeqCst);
    let after = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((after.served_by, ids(&after)), (ServedBy::Reranker, ids(&before)));
    assert_eq!(world.query.fallbacks(), []);
}

#[tokio::test]
async fn what_was_withdrawn_is_not_served_from_memory_once_that_was_seen() {
    let world = World::new(60, true);
    world.know("ann", 3, &[3]).await;
    let before = world.query.recommend(request("ann")).await.unwrap();
    world.cached("ann").await;
    let mut withdrawn = before.picks[0].article.as_ref().clone();
    withdrawn.version.withdrawn = true;
    withdrawn.offset = withdrawn.offset.next();
    let gone = withdrawn.id;
    world.articles.articles.lock().unwrap().insert(gone, withdrawn.into());
    // What requests look for in memory is asked for again every few seconds, or now; what none has looked for, once it is old.
    world.query.recommend(request("ann")).await.unwrap();
    world.query.refresh().await;
    let seen = world.query.recommend(request("ann")).await.unwrap();
    assert!(!ids(&seen).contains(&gone.0));
    world.articles.down.store(true, Ordering::SeqCst);
    world.query.refresh().await;
    let during = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((during.served_by, ids(&during)), (ServedBy::Cached, ids(&seen)));
}

#[tokio::test]
async fn a_store_that_is_down_is_listed() {
    let world = World::new(40, true);
    world.know("ann", 0, &[4]).await;
    world.trend(2, &[(7, 3)]).await;
    world.store.down.store(true, Ordering::SeqCst);
    assert_eq!(world.query.recommend(request("ann")).await.unwrap().served_by, ServedBy::Trending);
    assert_eq!(world.query.fallbacks(), [Fallback::STATE]);
    let without = World::new(40, false);
    let failed: Vec<&str> = without.query.fallbacks().iter().map(|fallback| fallback.failed).collect();
    assert_eq!(failed, ["model"]);
}

/// The requests of a batch are filled up one after the other: none of them may wait for an edge that the one before found down.
#[tokio::test]
async fn one_request_finds_out_for_all_that_the_article_edge_is_down() {
    let world = World::with(40, true, QuerySettings { edge_pause_ms: 60_000, ..QuerySettings::default() });
    world.trend(0, &[(8, 5)]).await;
    world.articles.down.store(true, Ordering::SeqCst);
    let before = world.articles.asked.load(Ordering::SeqCst);
    let asked = (0..30).map(|_| world.query.recommend(request("nobody")));
    let answers = futures::future::join_all(asked).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().served_by == ServedBy::Trending));
    assert_eq!(world.articles.asked.load(Ordering::SeqCst) - before, 1);
}
