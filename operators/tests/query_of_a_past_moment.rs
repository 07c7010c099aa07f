//! The front page as it was: where a namespace stands at a past moment, nothing is served that was published after its watermark.

mod query_support;

use abovefold_engine::state::Tag;
use abovefold_operators::query::{Query, QueryContext, QuerySettings};
use abovefold_schemas::{Kept, keys::summary_key, state::PartitionSummary};
use query_support::{NOON, PARTITIONS, World, ids, request};

#[tokio::test]
async fn nothing_is_served_that_was_published_later() {
    // Article n was published n minutes after noon.
    let world = World::new(40, false);
    world.know("ann", 0, &[4]).await;
    let summary = PartitionSummary { watermark: NOON + 20 * 60_000, ..PartitionSummary::default() };
    let tag = Tag { namespace: "main".into(), partition: 1 };
    world.fold(&tag, vec![(summary_key(), summary.to_kept(), true)], Vec::new()).await;
    let past = Query::start(QueryContext {
        runtime: world.runtime.clone(),
        namespace: "main".into(),
        partitions: PARTITIONS,
        events_topic: "user_events".into(),
        store: world.store.clone(),
        articles: world.articles.clone(),
        ranker: None,
        trees: None,
        learned: None,
        impressions: None,
        past: true,
        settings: QuerySettings::default(),
        experiment: None,
    });
    past.refresh().await;
    let near = ids(&past.recommend(request("ann")).await.unwrap());
    assert!(near.len() == 10 && near.iter().all(|id| *id <= 20), "{near:?}");
    let newest = ids(&past.recommend(request("bob")).await.unwrap());
    assert_eq!(newest[..3], [20, 19, 18]);
    let now = ids(&world.query.recommend(request("bob")).await.unwrap());
    assert_eq!(now[0], 40, "beside it, the present is served");
}
