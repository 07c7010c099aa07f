//! One run: traffic, workers, clients and faults together, then quiet, then the last look and a replay.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use abovefold_engine::{
    Runtime, Simulation, Troubles, WindowSettings,
    log::Log,
    state::{StateStore, Tag},
};
use abovefold_operators::{
    fold::{FOLD_VERSION, FoldSettings},
    intake::INTAKE_NAMESPACE,
    pipeline::{Topics, WorkerContext, intake, write_path},
    steps::Steps,
};
use abovefold_schemas::{Offset, ReaderId, Timestamp, keys::reader_key, records::NamespaceRecord};
use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    edges::Edges,
    model::SmallModel,
    plan::{Kind, Plan, TRAFFIC_MS},
    seen::Seen,
    traffic::{self, Ledger, home},
    world::{ARTICLES, EVENTS, PARTITIONS, World},
};

/// When the simulated time begins: 2024-01-01T12:00:00Z.
pub const NOON: Timestamp = Timestamp(1_704_110_400_000);
/// After the traffic, everything has to be folded within this time.
const QUIET_MS: i64 = 240_000;
/// More steps than any seed takes.
const STEPS: u64 = 30_000_000;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub violations: Vec<String>,
    pub faults: BTreeMap<&'static str, u64>,
    pub seen: BTreeMap<&'static str, u64>,
    pub events: u64,
    pub epochs: u64,
    pub lost: u64,
    pub doubled: u64,
    pub trace: u64,
}

pub fn namespace(name: &str, base_articles: Vec<u64>) -> NamespaceRecord {
    NamespaceRecord {
        name: name.into(),
        fold_version: FOLD_VERSION,
        session_model: "small".into(),
        precision: "f32".into(),
        tile: 1,
        device_class: "none".into(),
        first_offsets: vec![0; PARTITIONS as usize],
        base_article_offsets: base_articles,
        ..NamespaceRecord::default()
    }
}

/// What a worker of this run is told.
pub fn context(
    world: &Arc<World>,
    runtime: &Runtime,
    plan: &Plan,
    stop: watch::Receiver<bool>,
) -> WorkerContext {
    let edges = Arc::new(Edges::new(world, runtime));
    WorkerContext {
        log: edges.clone(),
        store: edges,
        topics: Topics::default(),
        partitions: PARTITIONS,
        window: WindowSettings {
            length: Duration::from_millis(plan.window_ms),
            max_records: plan.max_records,
            backlog_records: 2 * plan.max_records,
        },
        fold: FoldSettings { cached_readers: plan.cached, cached_articles: plan.cached },
        steps: Steps::default(),
        group: "simulated".into(),
        member: None,
        admit: None,
        stop,
        pause: abovefold_engine::Pause::default(),
        troubles: Troubles::none(),
        runtime: runtime.clone(),
    }
}

/// A worker's process, from its start to its end.
pub async fn work(
    world: Arc<World>,
    plan: Plan,
    runtime: Runtime,
    base: Vec<u64>,
    stop: watch::Receiver<bool>,
) {
    let context = context(&world, &runtime, &plan, stop);
    let write = write_path(&context, &namespace("main", base), Some(Arc::new(SmallModel)), None);
    let mut flows = vec![runtime.spawn(write.finish())];
    match intake(&context).await {
        Ok(intake) => flows.push(runtime.spawn(intake.finish())),
        Err(error) => world.violated(format!("the intake did not start: {error}")),
    }
    for flow in flows {
        if let Ok(Err(error)) = flow.await {
            world.violated(format!("a worker ended by itself: {error}"));
        }
    }
    for (dataflow, partition, reason) in context.troubles.list() {
        world.violated(format!("{dataflow} stopped partition {partition}: {reason}"));
    }
}

/// Runs a plan.
pub fn run(plan: &Plan) -> Outcome {
    let simulation = Simulation::new(NOON, plan.seed);
    let runtime = simulation.runtime();
    let plan = plan.clone();
    let inside = async move {
        let world = World::new(runtime.clone(), plan.seed);
        traffic::make_topics(&world).await;
        // In some seeds the first articles count from the start, in others from when they were published.
        let known = world.log.bounds(ARTICLES).await.unwrap();
        let base: Vec<u64> =
            known.iter().map(|bounds| if plan.seed.is_multiple_of(3) { 0 } else { bounds.end.0 }).collect();
        world.begins_with(&base);
        let ledger = play(&world, &plan, &base).await;
        let mut outcome = close(&world, ledger);
        if outcome.violations.is_empty() {
            replay(&world, &plan, &base).await;
            outcome.violations = world.tally().violations;
        }
        outcome
    };
    let seen = Seen::default();
    let mut outcome = metrics::with_local_recorder(&seen, || simulation.run_within(STEPS, inside))
        .unwrap_or_else(|stuck| Outcome {
            violations: vec![format!("the run came to no end: {stuck}")],
            ..Outcome::default()
        });
    outcome.seen.extend(seen.counts());
    outcome
}

async fn play(world: &Arc<World>, plan: &Plan, base: &[u64]) -> Ledger {
    let runtime = &world.runtime;
    let sent = runtime.spawn(traffic::send(world.clone(), plan.clone()));
    let (stop, stopped) = watch::channel(false);
    let mut processes = Vec::new();
    for _ in 0..plan.workers {
        processes.push(start(world, plan, base, &stopped));
    }
    let ended = watch::channel(false);
    for number in 0..2 {
        runtime.spawn(client(world.clone(), number, ended.1.clone()));
    }
    let snapshots = runtime.spawn(save_often(world.clone()));
    strike(world, plan, base, &mut processes, &stopped).await;
    let ledger = sent.await.unwrap();
    snapshots.abort();
    quiet(world, plan).await;
    ended.0.send_replace(true);
    stop.send_replace(true);
    for (_, ending) in processes {
        if runtime.timeout(Duration::from_secs(60), ending).await.is_none() {
            world.violated("a worker did not end when it was told to".into());
        }
    }
    ledger
}

type Worker = (Runtime, abovefold_engine::Task<()>);

fn start(world: &Arc<World>, plan: &Plan, base: &[u64], stop: &watch::Receiver<bool>) -> Worker {
    let process = world.runtime.process();
    let working = work(world.clone(), plan.clone(), process.clone(), base.to_vec(), stop.clone());
    let task = process.spawn(working);
    (process, task)
}

/// Lets the faults happen, each at its time.
async fn strike(
    world: &Arc<World>,
    plan: &Plan,
    base: &[u64],
    workers: &mut [Worker],
    stop: &watch::Receiver<bool>,
) {
    for fault in &plan.faults {
        world.runtime.sleep_until(Timestamp(NOON.0 + fault.at_ms as i64)).await;
        let until = |ms: u64| Timestamp(world.runtime.now().0 + ms as i64);
        match fault.kind {
            Kind::Crash { worker, down_ms } => {
                world.struck(fault.kind.name());
                workers[worker].0.kill();
                world.runtime.sleep(Duration::from_millis(down_ms)).await;
                workers[worker] = start(world, plan, base, stop);
            }
            Kind::Expel { nth, unaware_ms } => {
                for group in ["simulated-main", "simulated-intake"] {
                    if world.log.expel(group, EVENTS, nth) {
                        world.struck(fault.kind.name());
                    }
                }
                let later = world.clone();
                world.runtime.spawn(async move {
                    later.runtime.sleep(Duration::from_millis(unaware_ms)).await;
                    for group in ["simulated-main", "simulated-intake"] {
                        later.log.tell_expelled(group, EVENTS);
                    }
                });
            }
            Kind::StoreForgets { ms } => {
                world.struck(fault.kind.name());
                world.forget(ms);
            }
            Kind::StoreEmptied => {
                world.struck(fault.kind.name());
                world.store.restore(&Default::default());
            }
            Kind::StoreAway { ms }
            | Kind::StoreMute { ms }
            | Kind::StoreFull { ms }
            | Kind::StoreSlow { ms }
            | Kind::StoreRepeats { ms }
            | Kind::LogAway { ms }
            | Kind::LogPartial { ms } => world.begin(fault.kind, until(ms)),
        }
    }
}

async fn save_often(world: Arc<World>) {
    loop {
        world.save();
        world.runtime.sleep(Duration::from_millis(700)).await;
    }
}

/// Reads candidates, and keeps what it computed from the state that it saw, as the read path does.
async fn client(world: Arc<World>, number: u64, ended: watch::Receiver<bool>) {
    let edges = Edges::new(&world, &world.runtime);
    while !*ended.borrow() {
        world.runtime.sleep(Duration::from_millis(10 + world.below(60))).await;
        let reader = ReaderId::new(format!("reader-{}", world.below(9))).unwrap();
        let tag = Tag { namespace: "main".into(), partition: home(reader.as_str()) };
        let key = reader_key(&reader);
        let keys = std::slice::from_ref(&key);
        let Ok(snapshot) = StateStore::read(&edges, &tag, keys, keys).await else { continue };
        let version = snapshot.values[0].as_ref().map_or(Offset(0), |value| value.version);
        match &snapshot.derived[0] {
            Some(kept) if kept.as_ref() != version.0.to_be_bytes() => {
                world.violated(format!("client {number} was given candidates of another state of {reader}"));
            }
            Some(_) => world.see("candidates served", 1),
            None => {
                world.runtime.sleep(Duration::from_millis(world.below(300))).await;
                let derived = Bytes::copy_from_slice(&version.0.to_be_bytes());
                let kept = edges.put_derived(&tag, &key, version, derived, Duration::from_secs(600)).await;
                world.see(if kept == Ok(true) { "candidates kept" } else { "candidates refused" }, 1);
            }
        }
    }
}

/// Waits until both namespaces have come to the end of the log, which the intake makes longer.
async fn quiet(world: &Arc<World>, plan: &Plan) {
    let limit = world.runtime.now().0 + TRAFFIC_MS as i64 + QUIET_MS;
    let mut still = 0;
    while still < 4 {
        world.runtime.sleep(Duration::from_millis(500)).await;
        if world.has_violations() {
            return;
        }
        let ends: Vec<Offset> =
            world.log.bounds(EVENTS).await.unwrap().iter().map(|bounds| bounds.end).collect();
        let behind = |namespace: &str| {
            (0..)
                .zip(&ends)
                .filter(|(partition, end)| {
                    let tag = Tag { namespace: namespace.into(), partition: *partition };
                    world.store.held(&tag).0.is_none_or(|marker| marker.next != **end)
                })
                .count()
        };
        let behind = (behind("main"), behind(INTAKE_NAMESPACE));
        still = if behind == (0, 0) { still + 1 } else { 0 };
        if world.runtime.now().0 > limit {
            return world.violated(format!(
                "{} partitions of main and {} of the intake are not folded to their end",
                behind.0, behind.1
            ));
        }
    }
    world.check_all();
    for (group, namespace) in [("simulated-main", "main"), ("simulated-intake", INTAKE_NAMESPACE)] {
        for partition in 0..PARTITIONS {
            let stored =
                world.store.held(&Tag { namespace: namespace.into(), partition }).0.map(|marker| marker.next);
            let committed = world.log.committed(group, EVENTS, partition);
            // What was folded before a crash may have been committed by nobody since.
            if committed > stored
                || (committed.is_none() && stored > Some(Offset(0)) && plan.faults.is_empty())
            {
                world.violated(format!(
                    "{group} committed {committed:?} of partition {partition}, stored is {stored:?}"
                ));
            }
        }
    }
}

/// What has to hold when all is quiet.
fn close(world: &Arc<World>, ledger: Ledger) -> Outcome {
    let counted = world.reads();
    let clean = !world.has_violations();
    let (lost, doubled) = (ledger.reads.saturating_sub(counted), counted.saturating_sub(ledger.reads));
    if clean && (lost, doubled) != (0, 0) {
        world.violated(format!("{} reads were sent and {counted} counted", ledger.reads));
    }
    let tally = world.tally();
    Outcome {
        violations: tally.violations,
        faults: tally.faults,
        seen: tally.seen,
        events: ledger.events,
        epochs: tally.epochs,
        lost: if clean { lost } else { 0 },
        doubled: if clean { doubled } else { 0 },
        trace: tally.trace,
    }
}

/// The same log again, into a namespace beside it, cut otherwise; every epoch of it is checked like all others.
async fn replay(world: &Arc<World>, plan: &Plan, base: &[u64]) {
    let ends: Vec<Offset> = world.log.bounds(EVENTS).await.unwrap().iter().map(|bounds| bounds.end).collect();
    let (_stop, stopped) = watch::channel(false);
    let other = Plan { window_ms: 1_000, max_records: 7, cached: 2, ..plan.clone() };
    let context = context(world, &world.runtime, &other, stopped);
    let flow = write_path(
        &context,
        &namespace("again", base.to_vec()),
        Some(Arc::new(SmallModel)),
        Some(ends.clone()),
    );
    match world.runtime.timeout(Duration::from_secs(3_600), flow.finish()).await {
        None => world.violated("the replay came to no end".into()),
        Some(Err(error)) => world.violated(format!("the replay failed: {error}")),
        Some(Ok(())) => {}
    }
    for (partition, end) in (0..).zip(&ends) {
        let marker = |namespace: &str| world.store.held(&Tag { namespace: namespace.into(), partition }).0;
        let (live, again) = (marker("main"), marker("again"));
        if live.map(|marker| marker.next) != Some(*end) || live != again {
            world
                .violated(format!("partition {partition}: live stands at {live:?}, the replay at {again:?}"));
        }
    }
}
