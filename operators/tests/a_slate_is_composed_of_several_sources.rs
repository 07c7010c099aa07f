//! Where candidates come from, and what the rules between an order and a slate do: each source and each rule alone.

mod query_support;

use std::{collections::BTreeSet, time::Duration};

use abovefold_operators::{
    articles::ArticleIndex,
    fold::trends::{Counted, MOST_WAITING, ReadFacts, count_read},
    query::{Budgets, Composition, QuerySettings, Request, Slate, Source},
};
use abovefold_schemas::{ArticleId, Kept, Timestamp, keys::ValueName};
use query_support::{NOON, World, article, ids, request};

fn settings(sources: Budgets, composition: Composition) -> QuerySettings {
    QuerySettings { edge_pause_ms: 0, sources, composition, ..QuerySettings::default() }
}

fn knn_alone() -> Budgets {
    Budgets { knn: 100, learned: 0, also_read: 0, topics: 0, trending: 0, newest: 0 }
}

async fn ask(world: &World, k: usize) -> Slate {
    world.query.recommend(Request { k, explain: true, ..request("ann") }).await.unwrap()
}

fn from(slate: &Slate, source: Source) -> BTreeSet<i64> {
    slate.picks.iter().filter(|pick| pick.source == source).map(|pick| pick.article.id.0).collect()
}

#[tokio::test]
async fn each_source_brings_its_share_and_is_remembered() {
    let sources = Budgets { knn: 5, learned: 0, also_read: 2, topics: 2, trending: 2, newest: 3 };
    let world = World::with(200, false, settings(sources, Composition::none()));
    world.know("ann", 1, &[1, 5]).await;
    world.trend(0, &[(2, 9), (6, 8), (10, 7), (5, 6)]).await;
    // After article 5, which ann read last, others went on to 7 and, once, to 11; 2 trends anyway.
    let mut counted = Counted::default();
    count_read(&mut counted.counts, Timestamp(NOON), ReadFacts::default());
    for next in [7, 7, 11, 1] {
        counted.follow(ArticleId(next), Timestamp(NOON));
    }
    let key = ValueName::Article(ArticleId(5)).to_key();
    world.fold_mirrored(0, vec![(key, counted.counts.to_kept())]).await;

    let slate = ask(&world, 100).await;
    let near: BTreeSet<i64> = from(&slate, Source::Knn);
    assert_eq!(near.len(), 5, "the search's own budget");
    assert!(near.iter().all(|id| id % 4 == 1 && ![1, 5].contains(id)));
    assert_eq!(from(&slate, Source::AlsoRead), [7, 11].into(), "what was read is left out");
    let because: BTreeSet<_> =
        slate.picks.iter().filter_map(|pick| pick.explanation.as_ref()?.because).map(|id| id.0).collect();
    assert!(because.contains(&5), "{because:?}");
    // Trending and newest fill up beyond their budgets here, since a hundred were asked for.
    assert!(from(&slate, Source::Trending).is_superset(&[2, 6].into()));
    assert!(from(&slate, Source::Newest).is_superset(&[200, 199, 198].into()));
    let all: BTreeSet<i64> = ids(&slate).into_iter().collect();
    assert_eq!(all.len(), slate.picks.len(), "what several bring counts once");
    let text = |id: i64| {
        let pick = slate.picks.iter().find(|pick| pick.article.id.0 == id).unwrap();
        pick.explanation.as_ref().unwrap().text.clone()
    };
    assert_eq!(text(7), "Readers of \u{201c}Headline 5\u{201d} go on to this");
    assert_eq!(text(6), "Read by many of late");
    assert!(text(*near.first().unwrap()).starts_with("Because you read \u{201c}Headline "));
}

#[tokio::test]
async fn a_new_article_is_a_candidate_at_once() {
    let world = World::with(40, false, settings(Budgets::default(), Composition::none()));
    world.know("ann", 1, &[1]).await;
    world.trend(0, &[(2, 9)]).await;
    let slate = ask(&world, 100).await;
    assert!(!ids(&slate).contains(&41));
    // Of another section, without a vector, read by nobody: only its time speaks for it.
    let mut new = article(42);
    new.version.vector = Vec::new();
    world.articles.apply(vec![new], &[]).await.unwrap();
    // The list of the newest is kept for two seconds.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let slate = ask(&world, 100).await;
    assert!(from(&slate, Source::Newest).contains(&42));
}

#[tokio::test]
async fn sections_that_are_asked_for_are_searched_in() {
    let world = World::with(80, false, settings(Budgets::default(), Composition::default()));
    world.know("ann", 1, &[1]).await;
    world.trend(0, &[(2, 9), (3, 8)]).await;
    let asked = Request { k: 10, categories: vec!["Sport".into()], ..request("ann") };
    let slate = world.query.recommend(asked.clone()).await.unwrap();
    assert_eq!(slate.picks.len(), 10);
    assert!(slate.picks.iter().all(|pick| pick.article.version.category == "Sport"));
    let nobody = Request { reader: request("nobody").reader, ..asked };
    let slate = world.query.recommend(nobody).await.unwrap();
    assert!(slate.picks.iter().all(|pick| pick.article.version.category == "Sport"));
    assert_eq!(ids(&slate)[0], 2, "what trends there comes first");
}

#[tokio::test]
async fn what_is_too_old_is_not_served() {
    let old = QuerySettings { oldest_hours: 1, ..settings(Budgets::default(), Composition::none()) };
    let world = World::with(300, false, old);
    world.know("ann", 1, &[1]).await;
    // The watermark is noon and articles are published in the minutes after: all are young.
    world.trend(0, &[(2, 9)]).await;
    assert!(ids(&ask(&world, 100).await).contains(&5));
    // At 300 minutes past noon only those of the last hour are.
    world.watermark(1, NOON + 300 * 60_000).await;
    let slate = ask(&world, 100).await;
    assert_eq!(slate.picks.len(), 61);
    assert!(ids(&slate).iter().all(|id| *id >= 240));
}

#[tokio::test]
async fn what_is_shown_and_not_read_tires() {
    let tiring = Composition { fatigue: 0.8, ..Composition::none() };
    for (composition, moves) in [(tiring, true), (Composition::none(), false)] {
        let world = World::with(80, false, settings(knn_alone(), composition));
        world.know("ann", 1, &[1]).await;
        let first = ids(&ask(&world, 5).await);
        let mut seen: BTreeSet<i64> = first.iter().copied().collect();
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            seen.extend(ids(&ask(&world, 5).await));
        }
        assert_eq!(seen.len() > first.len(), moves, "{seen:?}");
    }
}

#[tokio::test]
async fn what_a_cold_reader_chose_comes_first_though_it_was_shown_before() {
    for (chosen_first, science) in [(true, 5), (false, 0)] {
        let tiring = Composition { fatigue: 0.8, chosen_first, ..Composition::none() };
        let world = World::with(80, true, settings(Budgets::default(), tiring));
        // Of the others, so many that they come first by what is read.
        let others = (1..80).filter(|number| article(*number).version.category != "Science");
        world.trend(0, &others.map(|number| (number, 9)).collect::<Vec<_>>()).await;
        world.prefers("bob", &["Science"]).await;
        let request = || Request { k: 5, ..request("bob") };
        for _ in 0..3 {
            let slate = world.query.recommend(request()).await.unwrap();
            let of_science = slate.picks.iter().filter(|pick| pick.article.version.category == "Science");
            assert_eq!(of_science.count(), science, "{:?}", ids(&slate));
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

#[tokio::test]
async fn one_story_is_told_once() {
    let once = Composition { story_cosine: 0.97, ..Composition::none() };
    for (composition, copies) in [(once, 1), (Composition::none(), 3)] {
        let world = World::with(80, false, settings(knn_alone(), composition));
        world.know("ann", 1, &[1]).await;
        let mut tellings: Vec<_> = (1001..=1003).map(|id| article(id * 4 + 1)).collect();
        for telling in &mut tellings {
            telling.version.vector = article(5).version.vector;
        }
        let told: BTreeSet<i64> = tellings.iter().map(|telling| telling.id.0).chain([5]).collect();
        world.articles.apply(tellings, &[]).await.unwrap();
        let slate = ask(&world, 10).await;
        let shown = ids(&slate).into_iter().filter(|id| told.contains(id)).count();
        assert!(if copies == 1 { shown == 1 } else { shown >= copies }, "{shown}");
        let all = ask(&world, 100).await;
        let shown = ids(&all).into_iter().filter(|id| told.contains(id)).count();
        assert_eq!(shown, 4, "what is held back comes where there is nothing else");
    }
}

#[tokio::test]
async fn the_last_place_explores_and_says_with_what_probability() {
    let curious = Composition { exploration: 0.5, explored_exposures: 5.0, ..Composition::none() };
    let world = World::with(200, false, settings(knn_alone(), curious));
    world.know("ann", 1, &[1]).await;
    let mut explored = 0;
    for _ in 0..60 {
        let slate = ask(&world, 5).await;
        let last = slate.picks.last().unwrap();
        assert!(slate.picks[..4].iter().all(|pick| pick.propensity == 1.0 && pick.source == Source::Knn));
        if last.source == Source::Exploration {
            explored += 1;
            assert!(last.article.id.0 > 150, "one of the newest fifty");
            assert!((0.009..=0.6).contains(&last.propensity), "{}", last.propensity);
        } else {
            assert!((0.5..0.6).contains(&last.propensity), "{}", last.propensity);
        }
    }
    assert!((15..=45).contains(&explored), "{explored} of 60 at one half");
}

#[tokio::test]
async fn what_ages_fast_comes_later() {
    let ageing = Composition { half_life_hours: 1.0, ..Composition::none() };
    let world = World::with(80, false, settings(knn_alone(), ageing));
    world.know("ann", 1, &[1]).await;
    let by_nearness = ids(&ask(&world, 3).await);
    world.watermark(0, NOON + 80 * 60_000).await;
    assert_eq!(ids(&ask(&world, 3).await), [77, 73, 69], "before: {by_nearness:?}");
}

/// The mirror of the counts drops an article that nobody reads for a week. When it is read again, its counts come alone, since what was read
/// next did not change: the mirror asks for that.
#[tokio::test]
async fn what_was_read_next_outlasts_a_quiet_week() {
    let sources = Budgets { knn: 5, also_read: 4, ..knn_alone() };
    let world = World::with(200, false, settings(sources, Composition::none()));
    world.know("ann", 1, &[1, 5]).await;
    let mut counted = Counted::default();
    let read = |counted: &mut Counted, next: i64, time: i64| {
        count_read(&mut counted.counts, Timestamp(time), ReadFacts::default());
        counted.follow(ArticleId(next), Timestamp(time))
    };
    for number in 1..=MOST_WAITING {
        assert_eq!(read(&mut counted, 7, NOON), number == MOST_WAITING);
    }
    read(&mut counted, 11, NOON);
    let counts = |counted: &Counted| (ValueName::Article(ArticleId(5)).to_key(), counted.counts.to_kept());
    let next = (ValueName::AlsoRead(ArticleId(5)).to_key(), counted.also_read.to_kept());
    world.fold_mirrored(0, vec![counts(&counted), next]).await;
    world.watermark(0, NOON).await;
    let also_read = async || from(&ask(&world, 50).await, Source::AlsoRead);
    assert_eq!(also_read().await, [7, 11].into(), "those that waited count too");

    let later = NOON + 8 * 86_400_000;
    world.watermark(0, later).await;
    assert_eq!(also_read().await, [].into(), "it expired");
    read(&mut counted, 12, later);
    world.fold_mirrored(0, vec![counts(&counted)]).await;
    assert_eq!(also_read().await, [7, 11, 12].into());
}
