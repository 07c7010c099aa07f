//! Where an experiment runs, each reader is served by the settings of its arm, request after request, and answer and impression name it.
#![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

mod query_support;

use std::time::Duration;

use abovefold_operators::query::{Arm, Budgets, Composition, Experiment, QuerySettings, Slate};
use abovefold_schemas::{Kept, records::Impression};
use query_support::{World, ids, reader, request};

const READERS: usize = 24;

fn settings(knn: usize) -> QuerySettings {
    let sources = Budgets { knn, learned: 0, also_read: 0, topics: 0, trending: 0, newest: 0 };
    QuerySettings { sources, composition: Composition::none(), edge_pause_ms: 0, ..QuerySettings::default() }
}

/// One arm ranks all articles, of which the ranker of the tests prefers the last; the other one the ten nearest to the reader.
fn experiment() -> Experiment {
    let arm = |name: &str, knn| Arm { name: name.into(), weight: 1.0, settings: settings(knn) };
    Experiment::new("autumn", vec![arm("all", 100), arm("nearest", 10)]).unwrap()
}

fn names() -> impl Iterator<Item = String> {
    (0..READERS).map(|number| format!("reader-{number}"))
}

/// All readers at once, so that requests of both arms travel together.
async fn ask(world: &World) -> Vec<Slate> {
    let asked = names().map(|name| world.query.recommend(request(&name)));
    futures::future::try_join_all(asked.collect::<Vec<_>>()).await.unwrap()
}

async fn logged(world: &World, count: usize) -> Vec<Impression> {
    let all = async {
        while world.log.records.lock().unwrap().len() < count {
            world.runtime.sleep(Duration::from_millis(2)).await;
        }
    };
    world.runtime.timeout(Duration::from_secs(5), all).await.expect("all are logged");
    let records = world.log.records.lock().unwrap();
    records.iter().map(|(_, record)| Impression::from_kept(&record.value).unwrap()).collect()
}

#[tokio::test]
async fn readers_are_served_by_their_arm_and_stay_in_it() {
    let world = World::in_experiment(60, true, settings(100), Some(experiment()));
    for name in names() {
        world.know(&name, 3, &[3]).await;
    }
    // The second time candidates are cached, and those of an arm are its readers' alone.
    for turn in 1..=2 {
        for (name, slate) in names().zip(ask(&world).await) {
            let arm = experiment().arm_of(&reader(&name)).name.clone();
            assert_eq!(slate.arm.as_deref(), Some(arm.as_str()), "{name}");
            let near = ids(&slate).iter().filter(|id| *id % 4 == 3).count();
            assert_eq!(near, if arm == "nearest" { 10 } else { 3 }, "{name} in {arm}: {:?}", ids(&slate));
        }
        assert_eq!(logged(&world, turn * READERS).await.len(), turn * READERS);
        for name in names() {
            world.cached(&name).await;
        }
    }
    let logged = logged(&world, 2 * READERS).await;
    let arms = logged.iter().map(|slate| (slate.arm.as_str(), &slate.user_id));
    let (all, nearest): (Vec<_>, Vec<_>) = arms.partition(|(arm, _)| *arm == "all");
    assert!(!all.is_empty() && !nearest.is_empty(), "{} and {}", all.len(), nearest.len());
    for slate in &logged {
        assert_eq!(slate.arm, experiment().arm_of(&reader(&slate.user_id)).name);
    }
}

#[tokio::test]
async fn without_an_experiment_nothing_names_an_arm() {
    let world = World::new(40, false);
    let slate = world.query.recommend(request("nobody")).await.unwrap();
    assert_eq!((slate.arm, world.query.experiment()), (None, None));
    assert_eq!(logged(&world, 1).await[0].arm, "");
}
