//! The read path over edges in memory: what serves a reader, and what never does.

mod query_support;

use std::{collections::BTreeSet, sync::atomic::Ordering};

use abovefold_operators::query::{Budgets, QueryError, QuerySettings, Request, ServedBy};
use abovefold_schemas::{ArticleId, Kept, records::Impression};
use query_support::{World, ids, request};

#[tokio::test]
async fn a_reader_without_state_gets_what_trends_and_before_that_what_is_new() {
    let world = World::new(40, true);
    let slate = world.query.recommend(request("nobody")).await.unwrap();
    assert_eq!(slate.served_by, ServedBy::Newest);
    assert_eq!(ids(&slate)[0], 40);
    assert_eq!(slate.picks.len(), 10);

    world.trend(0, &[(3, 5), (8, 1)]).await;
    world.trend(1, &[(8, 7), (5, 2)]).await;
    let slate = world.query.recommend(request("nobody")).await.unwrap();
    assert_eq!(slate.served_by, ServedBy::Trending);
    assert_eq!(ids(&slate)[..3], [8, 3, 5], "partial counts are added up over partitions");
    assert_eq!(slate.picks.len(), 10, "filled up by the newest");
    assert_eq!(slate.picks[0].score, 1.0);
    assert!((slate.picks[1].score - 5.0 / 8.0).abs() < 1e-5);
    assert!(slate.picks.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let active = world.query.active_readers(1);
    assert_eq!((active.len(), active[0].user_id.as_str()), (1, "somebody-1"));
}

#[tokio::test]
async fn a_reader_with_state_gets_what_is_near_and_nothing_it_read() {
    let world = World::new(80, false);
    // Section 1 has 20 articles: 1, 5, 9, ...
    world.know("ann", 1, &[1, 5, 9]).await;
    let slate = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((slate.served_by, slate.model.as_deref(), slate.fresh), (ServedBy::Knn, None, true));
    assert_eq!(slate.picks.len(), 10);
    assert!(ids(&slate).iter().all(|id| ![1, 5, 9].contains(id)));
    assert_eq!(slate.state.reads, 3);
    let of_section = ids(&slate).iter().filter(|id| *id % 4 == 1).count();
    assert_eq!(of_section, 7, "the section has its share and no more while there is anything else");
    assert!(slate.picks.windows(2).all(|pair| pair[0].score >= pair[1].score));
}

#[tokio::test]
async fn what_is_excluded_read_or_shown_already_never_comes_and_a_slate_is_filled_up() {
    let world = World::new(24, true);
    world.know("ann", 2, &[2, 6]).await;
    world.trend(0, &[(2, 9), (10, 4)]).await;
    let exclude: Vec<ArticleId> = (11..=22).map(ArticleId).collect();
    let slate = world.query.recommend(Request { k: 100, exclude, ..request("ann") }).await.unwrap();
    let (found, once): (Vec<i64>, BTreeSet<i64>) = (ids(&slate), ids(&slate).into_iter().collect());
    let expected: BTreeSet<i64> =
        (1..=24).filter(|id| ![2, 6].contains(id) && !(11..=22).contains(id)).collect();
    assert_eq!((found.len(), once), (expected.len(), expected));
}

#[tokio::test]
async fn the_ranker_orders_and_every_way_that_it_fails_leaves_the_cosines() {
    let world = World::with(60, true, QuerySettings { ranker_limit_ms: 50, ..query_support::settings() });
    world.know("ann", 3, &[3]).await;
    let slate = world.query.recommend(Request { explain: true, ..request("ann") }).await.unwrap();
    assert_eq!((slate.served_by, slate.model.as_deref()), (ServedBy::Reranker, Some("fake-1")));
    assert_eq!(ids(&slate)[0], 60, "the ranker of the tests prefers high numbers");
    let why = slate.picks[0].explanation.clone().unwrap();
    assert!(why.cosine.is_some() && why.logit.is_some());
    assert!(slate.picks.iter().all(|pick| (0.0..=1.0).contains(&pick.score)));

    world.ranker.broken.store(true, Ordering::SeqCst);
    let slate = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((slate.served_by, slate.model), (ServedBy::Knn, None));
    world.ranker.hangs.store(true, Ordering::SeqCst);
    let slate = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!(slate.served_by, ServedBy::Knn);
    assert_eq!(slate.picks[0].article.version.category, "Culture");
}

#[tokio::test]
async fn cached_candidates_serve_until_the_state_changes() {
    // The search alone: the lists in memory may name a withdrawn article for some seconds.
    let sources =
        Budgets { learned: 0, also_read: 0, topics: 0, trending: 0, newest: 0, ..Budgets::default() };
    let world = World::with(60, false, QuerySettings { sources, ..query_support::settings() });
    world.know("ann", 0, &[4]).await;
    let first = world.query.recommend(request("ann")).await.unwrap();
    world.cached("ann").await;
    assert_eq!(world.articles.searches.load(Ordering::SeqCst), 1);
    let second = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!(world.articles.searches.load(Ordering::SeqCst), 1, "served from the cache");
    assert_eq!(ids(&first), ids(&second));

    world.know("ann", 1, &[4, 8]).await;
    let third = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!(world.articles.searches.load(Ordering::SeqCst), 2, "the state changed");
    assert_ne!(ids(&first), ids(&third));
    assert!(!ids(&third).contains(&8));

    // What was withdrawn meanwhile is not served from the cache once that was seen, which is within seconds.
    world.cached("ann").await;
    let gone = third.picks[0].article.id;
    let mut withdrawn = third.picks[0].article.as_ref().clone();
    withdrawn.version.withdrawn = true;
    withdrawn.offset = withdrawn.offset.next();
    world.articles.articles.lock().unwrap().insert(gone, withdrawn.into());
    world.query.refresh().await;
    let fourth = world.query.recommend(request("ann")).await.unwrap();
    assert!(!ids(&fourth).contains(&gone.0));
    assert_eq!(world.articles.searches.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_store_that_is_down_or_hangs_leaves_what_trends() {
    let settings = QuerySettings { state_limit_ms: 50, edge_pause_ms: 0, ..QuerySettings::default() };
    let world = World::with(40, true, settings);
    world.know("ann", 0, &[4]).await;
    world.trend(2, &[(7, 3)]).await;
    world.store.down.store(true, Ordering::SeqCst);
    let slate = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((slate.served_by, slate.state.marker), (ServedBy::Trending, None));
    assert_eq!(ids(&slate)[0], 7);
    assert!(matches!(world.query.reader(&query_support::reader("ann")).await, Err(QueryError::State(_))));
    world.store.hangs.store(true, Ordering::SeqCst);
    let slate = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!(slate.served_by, ServedBy::Trending);
    world.store.hangs.store(false, Ordering::SeqCst);
    world.store.down.store(false, Ordering::SeqCst);
    let slate = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!(slate.served_by, ServedBy::Reranker, "and back again");
}

#[tokio::test]
async fn articles_that_are_down_are_served_from_memory_or_not_at_all() {
    let world = World::new(40, true);
    world.know("ann", 0, &[4]).await;
    world.articles.down.store(true, Ordering::SeqCst);
    let nothing = world.query.recommend(request("ann")).await;
    assert!(
        matches!(nothing, Err(QueryError::Nothing(ref why)) if why.contains("connection refused")),
        "{nothing:?}"
    );

    world.articles.down.store(false, Ordering::SeqCst);
    world.trend(0, &[(7, 3), (4, 2), (9, 1)]).await;
    world.articles.down.store(true, Ordering::SeqCst);
    let slate = world.query.recommend(request("ann")).await.unwrap();
    assert_eq!((slate.served_by, ids(&slate)), (ServedBy::Trending, vec![7, 9]), "without what was read");
    assert_eq!(slate.picks[0].article.version.title, "Headline 7");
}

#[tokio::test]
async fn chosen_topics_come_first_for_a_reader_with_no_reads() {
    let world = World::new(40, true);
    world.trend(0, &[(4, 9), (8, 8), (3, 1)]).await;
    world.prefers("bob", &["science", "Culture news"]).await;
    let slate = world.query.recommend(request("bob")).await.unwrap();
    assert_eq!(slate.served_by, ServedBy::Preferences);
    assert_eq!(ids(&slate)[0], 3, "what trends among what was chosen");
    assert!(
        slate
            .picks
            .iter()
            .all(|pick| ["Science", "Culture"].contains(&pick.article.version.category.as_str()))
    );
}

#[tokio::test]
async fn related_stories_are_near_the_page_and_not_the_page() {
    let world = World::new(60, true);
    world.know("ann", 0, &[4]).await;
    for name in ["ann", "nobody"] {
        let page = Some(ArticleId(6));
        let slate = world.query.recommend(Request { k: 3, page, ..request(name) }).await.unwrap();
        assert_eq!(slate.picks.len(), 3);
        assert!(ids(&slate).iter().all(|id| id % 4 == 2 && *id != 6), "{name}: {:?}", ids(&slate));
    }
    let unknown = Request { k: 3, page: Some(ArticleId(999)), ..request("nobody") };
    assert_eq!(world.query.recommend(unknown).await.unwrap().served_by, ServedBy::Newest);
}

#[tokio::test]
async fn requests_that_wait_together_are_scored_together() {
    let world = World::new(40, true);
    for name in 0..8 {
        world.know(&format!("reader-{name}"), name % 4, &[1]).await;
    }
    let asked = (0..200).map(|n| world.query.recommend(request(&format!("reader-{}", n % 8))));
    let answers = futures::future::join_all(asked).await;
    for (n, slate) in answers.into_iter().enumerate() {
        let slate = slate.unwrap();
        assert_eq!(slate.reader.as_str(), format!("reader-{}", n % 8));
        assert_eq!(slate.served_by, ServedBy::Reranker);
    }
    let batches = world.ranker.batches.lock().unwrap().clone();
    assert_eq!(batches.iter().sum::<usize>(), 200);
    assert!(batches.len() <= 20 && batches.iter().all(|size| *size <= 32), "{batches:?}");
}

#[tokio::test]
async fn what_is_shown_is_logged_as_an_impression() {
    let world = World::new(40, true);
    let marker = world.know("ann", 0, &[4]).await;
    let slate = world.query.recommend(Request { page: Some(ArticleId(8)), ..request("ann") }).await.unwrap();
    let logged = async {
        while world.log.records.lock().unwrap().is_empty() {
            world.runtime.sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    world.runtime.timeout(std::time::Duration::from_secs(5), logged).await.expect("it is logged");
    let (topic, record) = world.log.records.lock().unwrap()[0].clone();
    let impression = Impression::from_kept(&record.value).unwrap();
    assert_eq!((topic.as_str(), record.key.as_deref()), ("impressions", Some(&b"ann"[..])));
    assert_eq!(impression.impression_id, slate.impression_id);
    assert_eq!(impression.shown.iter().map(|shown| shown.article_id).collect::<Vec<_>>(), ids(&slate));
    assert_eq!((impression.marker, impression.article_id), (marker.next.0, Some(8)));
    assert_eq!(impression.counts_markers.len(), 4);
}
