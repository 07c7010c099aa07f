//! The candidate cache under races: reads of one reader are folded while requests for its front page run, over edges that are slow in an order
//! of chance. After a read is folded, no answer is made from candidates that predate it. One seed is one interleaving:
//!
//! ```text
//! ABOVEFOLD_RACE_SEED=17 make test ARGS='--test no_answer_is_built_from_candidates_that_predate_the_state'
//! ```

mod query_support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use abovefold_engine::{
    Runtime, Simulation,
    log::partition_of,
    state::{EpochWrite, Put, StateStore, Tag, Value, WriteOutcome},
};
use abovefold_models::{HIDDEN, RerankRequest, WIDTH};
use abovefold_operators::query::{
    Budgets, Composition, Query, QueryContext, QuerySettings, Ranker, Request, Slate,
};
use abovefold_schemas::{Kept, LastRecord, Marker, Offset, Timestamp, keys::reader_key, state::ReaderState};
use async_trait::async_trait;
use query_support::{FakeArticles, FlakyStore, NOON, PARTITIONS, SECTIONS, Way, reader};

/// Interleavings that are tried.
const SEEDS: u64 = 3_000;
/// Reads that are folded in one of them.
const FOLDS: u64 = 8;
/// Who asks at the same time, and how often each.
const READERS: u64 = 3;
const REQUESTS: u64 = 10;

/// Says under which model candidates are cached, and ranks nothing.
#[derive(Debug)]
struct NoRanker;

#[async_trait]
impl Ranker for NoRanker {
    fn version(&self) -> &str {
        "none"
    }
    fn session_model(&self) -> &str {
        "session-1"
    }
    async fn rank(&self, _requests: Vec<RerankRequest>) -> Result<Vec<Vec<f32>>, String> {
        Err("the tests look at what was found".into())
    }
}

/// What is folded so far: for each version of the state, the section that its embedding points to.
#[derive(Debug, Default)]
struct Folded {
    latest: Offset,
    sections: BTreeMap<Offset, usize>,
}

/// Folds reads one by one, each of another section.
async fn fold(runtime: Runtime, store: Arc<FlakyStore>, folded: Arc<Mutex<Folded>>) {
    let name = reader("ann");
    let (key, tag) = (reader_key(&name), home());
    let mut expected = store.initialise(&tag, Marker::start(Offset(0))).await.unwrap();
    for number in 1..=FOLDS {
        let section = (number % SECTIONS.len() as u64) as usize;
        let mut hidden = vec![0.0_f32; HIDDEN];
        hidden[WIDTH + section] = 1.0;
        let hidden = hidden.iter().flat_map(|number| number.to_le_bytes()).collect();
        let state = ReaderState { hidden, total_reads: number, ..ReaderState::default() };
        let last = LastRecord { offset: expected.next, hash: number };
        let target = Marker { last: Some(last), ..Marker::start(expected.next.next()) };
        let value = Some(Value { version: target.next, bytes: state.to_kept().into() });
        let puts = vec![Put { key: key.clone(), value, mirrored: false }];
        // Before it is acknowledged it may be seen, and which section it points to is known.
        folded.lock().unwrap().sections.insert(target.next, section);
        let epoch = EpochWrite { expected, target, puts, invalidated: vec![key.clone()] };
        assert_eq!(store.write_epoch(&tag, &epoch).await.unwrap(), WriteOutcome::Applied);
        folded.lock().unwrap().latest = target.next;
        expected = target;
        runtime.sleep(Duration::from_micros(runtime.random() % 12_000)).await;
    }
}

fn home() -> Tag {
    Tag { namespace: "main".into(), partition: partition_of(reader("ann").as_bytes(), PARTITIONS) }
}

/// Looks whether a slate is all of one state, and of none before the acknowledged one. Whether something was folded meanwhile.
fn check(slate: &Slate, acknowledged: Offset, folded: &Folded) -> bool {
    let version = slate.state.version.unwrap_or(Offset(0));
    assert!(version >= acknowledged, "the state of {version:?}, though {acknowledged:?} was acknowledged");
    if let Some(section) = folded.sections.get(&version) {
        for pick in &slate.picks {
            let category = &pick.article.version.category;
            assert_eq!(category, SECTIONS[*section], "a candidate that predates {version:?}");
        }
    }
    folded.latest != acknowledged
}

/// Asks for slates one after the other. Returns how many were made while a fold was under way.
async fn ask(runtime: Runtime, query: Query, folded: Arc<Mutex<Folded>>) -> u64 {
    let mut raced = 0;
    for _ in 0..REQUESTS {
        let acknowledged = folded.lock().unwrap().latest;
        let slate = query.recommend(Request { k: 5, ..Request::new(reader("ann")) }).await.unwrap();
        raced += u64::from(check(&slate, acknowledged, &folded.lock().unwrap()));
        runtime.sleep(Duration::from_micros(runtime.random() % 6_000)).await;
    }
    raced
}

fn race(seed: u64) -> (u64, u64) {
    let simulation = Simulation::new(Timestamp(NOON), seed);
    let runtime = simulation.runtime();
    let run = async move {
        let way = || Way(Some(runtime.clone()));
        let store = Arc::new(FlakyStore { way: way(), ..FlakyStore::default() });
        let articles = FakeArticles::behind(way(), 80);
        let sources = Budgets { knn: 10, learned: 0, also_read: 0, topics: 0, trending: 0, newest: 0 };
        let query = Query::start(QueryContext {
            runtime: runtime.clone(),
            namespace: "main".into(),
            partitions: PARTITIONS,
            events_topic: "user_events".into(),
            store: store.clone(),
            articles: articles.clone(),
            ranker: Some(Arc::new(NoRanker)),
            trees: None,
            learned: None,
            impressions: None,
            past: false,
            experiment: None,
            settings: QuerySettings {
                edge_pause_ms: 0,
                sources,
                composition: Composition::none(),
                ..QuerySettings::default()
            },
        });
        let folded = Arc::<Mutex<Folded>>::default();
        let folding = runtime.spawn(fold(runtime.clone(), store, folded.clone()));
        let asking: Vec<_> = (0..READERS)
            .map(|_| runtime.spawn(ask(runtime.clone(), query.clone(), folded.clone())))
            .collect();
        let mut raced = 0;
        for asked in asking {
            raced += asked.await.unwrap();
        }
        folding.await.unwrap();
        let searches = articles.searches.load(std::sync::atomic::Ordering::SeqCst) as u64;
        (raced, READERS * REQUESTS - searches.min(READERS * REQUESTS))
    };
    simulation.run(run).unwrap()
}

#[test]
fn over_thousands_of_interleavings() {
    let seeds = match std::env::var("ABOVEFOLD_RACE_SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let whole = seeds.end - seeds.start > 1;
    let (mut raced, mut unsearched) = (0, 0);
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| race(seed));
        let Ok((of_seed, without_search)) = outcome else {
            panic!("seed {seed}: ABOVEFOLD_RACE_SEED={seed} repeats it");
        };
        raced += of_seed;
        unsearched += without_search;
    }
    // Else nothing was tried.
    assert!(
        !whole || (raced > SEEDS && unsearched > SEEDS),
        "{raced} raced, {unsearched} without a search of their own"
    );
}
