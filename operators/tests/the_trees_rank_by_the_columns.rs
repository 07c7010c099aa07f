//! Where there are trees they give the order, over the columns that are logged, and say which of them moved a pick; without them, and by
//! `reference`, the networks do.
#![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

mod query_support;

use std::sync::{Arc, atomic::Ordering};

use abovefold_models::trees::{Lists, Trees, TreesOptions};
use abovefold_operators::{
    features::{ColumnRanker, Columns, column_names},
    query::{
        Arm, Experiment, Impressions, Query, QueryContext, QuerySettings, RankBy, Ranker, Request, ServedBy,
        Slate,
    },
};
use abovefold_schemas::{ArticleId, Kept, records::Impression};
use query_support::{PARTITIONS, World, ids, request};

/// Trees that learned that what is read most is clicked.
fn popular() -> Arc<ColumnRanker> {
    let names: Vec<String> = column_names().iter().map(|column| column.name.to_owned()).collect();
    let reads = names.iter().position(|name| name == "reads_8h").unwrap();
    let mut lists = Lists { columns: names, ..Lists::default() };
    let width = lists.columns.len();
    for list in 0..200 {
        let mut values = vec![0.0; 6 * width];
        let clicked: Vec<bool> = (0..6).map(|row| row == list % 6).collect();
        (0..6)
            .for_each(|row| values[row * width + reads] = if clicked[row] { 5.0 } else { (row % 3) as f32 });
        lists.push(&values, &clicked);
    }
    let options =
        TreesOptions { trees: 20, rows_in_leaf: 5, leaves: 4, column_share: 1.0, ..TreesOptions::default() };
    Arc::new(ColumnRanker::new(&Trees::grow(&lists, &options, 20, &mut |_, _, _| {}).unwrap()).unwrap())
}

fn query(world: &World, trees: Option<Arc<ColumnRanker>>, ranker: RankBy, log_features: bool) -> Query {
    let settings = QuerySettings { ranker, log_features, ..query_support::settings() };
    query_with(world, trees, settings, None)
}

fn query_with(
    world: &World,
    trees: Option<Arc<ColumnRanker>>,
    settings: QuerySettings,
    experiment: Option<Experiment>,
) -> Query {
    Query::start(QueryContext {
        runtime: world.runtime.clone(),
        namespace: "main".into(),
        partitions: PARTITIONS,
        events_topic: "user_events".into(),
        store: world.store.clone(),
        articles: world.articles.clone(),
        ranker: Some(world.ranker.clone() as Arc<dyn Ranker>),
        trees,
        learned: None,
        impressions: Some(Impressions { log: world.log.clone(), topic: "impressions".into() }),
        past: false,
        settings,
        experiment,
    })
}

async fn ask(query: &Query) -> Slate {
    query.refresh().await;
    query.recommend(Request { explain: true, ..request("ann") }).await.unwrap()
}

async fn world() -> World {
    let world = World::new(60, true);
    world.know("ann", 3, &[3]).await;
    world.trend(0, &[(23, 9), (31, 2)]).await;
    world
}

#[tokio::test]
async fn what_the_trees_prefer_comes_first_and_is_explained() {
    let world = world().await;
    let slate = ask(&query(&world, Some(popular()), RankBy::Trees, true)).await;
    assert_eq!((slate.served_by, slate.model.as_deref()), (ServedBy::Reranker, Some("fake-1")));
    assert_eq!(ids(&slate)[0], 23, "the networks of the tests would prefer 60");
    let why = slate.picks[0].explanation.as_ref().unwrap();
    assert_eq!(why.reasons[0].0, "reads_8h");
    assert!(why.reasons[0].1 > 0.0 && why.logit.is_some());

    // The scores are those that the trees give for what was logged.
    let logged = loop {
        let found =
            world.log.records.lock().unwrap().iter().find(|(topic, _)| topic == "impressions").cloned();
        match found {
            Some((_, record)) => break Impression::from_kept(&record.value).unwrap(),
            None => world.runtime.sleep(std::time::Duration::from_millis(2)).await,
        }
    };
    let columns = Columns { values: logged.columns.clone(), width: column_names().len() };
    let scores = popular().scores(&columns);
    assert_eq!(scores.len(), logged.candidates.len());
    let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
    assert_eq!(ArticleId(logged.candidates[best]), slate.picks[0].article.id);
    assert_eq!(logged.columns_hash, abovefold_operators::query::features::columns_hash());
}

#[tokio::test]
async fn the_reference_is_the_two_networks_alone() {
    let world = world().await;
    let by_networks = ask(&query(&world, None, RankBy::Trees, false)).await;
    let reference = ask(&query(&world, Some(popular()), RankBy::Reference, false)).await;
    assert_eq!(ids(&by_networks)[0], 60);
    assert_eq!(ids(&reference), ids(&by_networks));
    assert!(reference.picks[0].explanation.as_ref().unwrap().reasons.is_empty());
}

#[tokio::test]
async fn an_arm_can_do_without_the_trees_beside_one_that_has_them() {
    let world = world().await;
    let arm = |name: &str, ranker| {
        let settings = QuerySettings { ranker, ..query_support::settings() };
        Arm { name: name.into(), weight: 1.0, settings }
    };
    for salt in ["a", "b", "c", "d"] {
        let arms = vec![arm("trees", RankBy::Trees), arm("reference", RankBy::Reference)];
        let experiment = Experiment::new(salt, arms).unwrap();
        let query = query_with(&world, Some(popular()), QuerySettings::default(), Some(experiment));
        let slate = ask(&query).await;
        let best = if slate.arm.as_deref() == Some("trees") { 23 } else { 60 };
        assert_eq!(ids(&slate)[0], best, "{salt}: {:?}", slate.arm);
    }
}

#[tokio::test]
async fn the_trees_rank_without_networks_and_without_the_articles_that_were_read() {
    let world = world().await;
    world.ranker.broken.store(true, Ordering::SeqCst);
    let broken = ask(&query(&world, Some(popular()), RankBy::Trees, false)).await;
    assert_eq!((broken.served_by, ids(&broken)[0]), (ServedBy::Trees, 23));
    assert_eq!(broken.model.as_deref(), Some("fake-1"), "the trees are of that version, too");
    assert_eq!(broken.picks[0].explanation.as_ref().unwrap().logit, None);
}

#[tokio::test]
async fn a_reader_without_reads_is_ranked_for_as_well_and_what_it_chose_comes_first() {
    let world = world().await;
    world.prefers("ben", &["Culture"]).await;
    let query = query(&world, Some(popular()), RankBy::Trees, false);
    query.refresh().await;
    let nobody = query.recommend(request("nobody")).await.unwrap();
    assert_eq!((nobody.served_by, nobody.model.as_deref()), (ServedBy::Trending, Some("fake-1")));
    assert_eq!(ids(&nobody)[0], 23);
    let ben = query.recommend(request("ben")).await.unwrap();
    assert_eq!((ben.served_by, ben.model.as_deref()), (ServedBy::Preferences, Some("fake-1")));
    assert!(ben.picks[..5].iter().all(|pick| pick.article.version.category == "Culture"));
}
