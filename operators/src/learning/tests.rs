//! The learner over a log in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use abovefold_engine::{
    Runtime, Task,
    log::{Log, LogClock, MemoryLog, NewRecord, RecordRun},
};
use abovefold_models::learner::{LearnerOptions, Row, RowKey, Table};
use abovefold_schemas::{ArticleId, Event, EventKind, Offset, ReaderId, Timestamp};
use tokio::sync::watch;

use super::{
    Learned, LearnerFlow, LearnerSettings,
    leader::{Leader, Places, Published},
    roll_back, versions,
    versions::rebuilt,
};
use crate::{pipeline::Topics, steps::Steps};

const NOON: i64 = 1_704_110_400_000;
const PARTITIONS: u32 = 3;

struct World {
    log: Arc<MemoryLog>,
    clock: Arc<AtomicI64>,
    places: Places,
}

impl World {
    async fn new(settings: LearnerSettings) -> Self {
        let clock = Arc::new(AtomicI64::new(NOON));
        let told = clock.clone();
        let says: LogClock = Arc::new(move || Timestamp(told.load(Ordering::Relaxed)));
        let log = Arc::new(MemoryLog::new(says));
        log.create_topic("user_events", PARTITIONS).await.unwrap();
        log.create_topic("learned", 1).await.unwrap();
        let places = Places {
            log: log.clone(),
            events: "user_events".into(),
            learned: "learned".into(),
            partitions: PARTITIONS,
            steps: Steps::default(),
            settings,
            runtime: Runtime::real(),
        };
        Self { log, clock, places }
    }

    /// Some readers read some articles, one read in 20 s of the log.
    async fn read(&self, from: i64, until: i64) {
        for read in from..until {
            self.clock.store(NOON + read * 20_000, Ordering::Relaxed);
            let event = Event::read(reader(read % 7), ArticleId(read * read % 23));
            self.append(event).await;
        }
    }

    async fn append(&self, event: Event) {
        let record = NewRecord::keyed(event.user_id.as_str().to_owned(), event.to_json());
        self.log.append("user_events", vec![record]).await.unwrap();
    }

    async fn start(&self) -> Leader {
        Leader::start(&self.places).await.unwrap()
    }

    /// Learns from everything of the log up to these offsets, partition by partition, publishing after every 50 records.
    async fn learn(&self, leader: &mut Leader, from: &[u64], until: &[u64]) {
        for partition in 0..PARTITIONS {
            let ends = (Offset(from[partition as usize]), Offset(until[partition as usize]));
            let records = self.log.records("user_events", partition, ends.0, ends.1);
            for some in records.chunks(50) {
                leader.learn(RecordRun::new(partition, some.to_vec())).await.unwrap();
                assert_eq!(leader.publish().await.unwrap(), Published::Counts);
            }
        }
    }

    async fn ends(&self) -> Vec<u64> {
        self.log.bounds("user_events").await.unwrap().iter().map(|bounds| bounds.end.0).collect()
    }

    fn flow(&self, stop: &watch::Receiver<bool>) -> LearnerFlow {
        LearnerFlow {
            log: self.log.clone(),
            topics: Topics::default(),
            partitions: PARTITIONS,
            steps: Steps::default(),
            group: "test".into(),
            member: None,
            settings: self.places.settings.clone(),
            stop: stop.clone(),
            runtime: Runtime::real(),
        }
    }
}

fn reader(number: i64) -> ReaderId {
    ReaderId::new(format!("reader-{number}")).unwrap()
}

fn settings(whole_every: u64) -> LearnerSettings {
    LearnerSettings { whole_every, publish_every_ms: 5, ..LearnerSettings::default() }
}

fn bytes(table: &Table) -> Vec<(RowKey, Vec<u8>)> {
    table.rows().into_iter().map(|(key, row)| (key, row.to_bytes())).collect()
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so().await {
            return;
        }
        Runtime::real().sleep(Duration::from_millis(5)).await;
    }
    panic!("not within 10 s: {what}");
}

/// Killed between two versions, and started again: the table has the bytes that it would have had, whether the last version was whole or not.
#[tokio::test]
async fn a_learner_that_was_killed_goes_on_as_if_nothing_had_been() {
    for whole_every in [1, 3, 1_000] {
        let undisturbed = World::new(settings(whole_every)).await;
        undisturbed.read(0, 900).await;
        let ends = undisturbed.ends().await;
        let half: Vec<u64> = ends.iter().map(|end| end / 2).collect();
        let mut leader = undisturbed.start().await;
        undisturbed.learn(&mut leader, &[0, 0, 0], &half).await;
        undisturbed.learn(&mut leader, &half, &ends).await;

        let killed = World::new(settings(whole_every)).await;
        killed.read(0, 900).await;
        let mut first = killed.start().await;
        killed.learn(&mut first, &[0, 0, 0], &half).await;
        // What it learned and did not publish is gone with it.
        let lost = killed.log.records("user_events", 0, Offset(half[0]), Offset(ends[0]));
        first.learn(RecordRun::new(0, lost)).await.unwrap();
        drop(first);
        let mut second = killed.start().await;
        killed.learn(&mut second, &half, &ends).await;
        assert_eq!(bytes(second.table()), bytes(leader.table()), "whole every {whole_every}");
        assert!(second.table().articles() > 10 && second.table().readers() > 3);
    }
}

/// What follows the topic is near what the learner has, and the same after a whole version.
#[tokio::test]
async fn whoever_follows_has_what_was_learned() {
    let world = World::new(settings(2)).await;
    world.read(0, 400).await;
    let learned = Learned::follow(world.log.clone(), "learned", &Runtime::real());
    let mut leader = world.start().await;
    world.learn(&mut leader, &[0, 0, 0], &world.ends().await).await;
    let count = versions(world.log.as_ref(), "learned").await.unwrap().len() as u64;
    assert!(count > 6);
    eventually("the follower has the last version", async || learned.at().version == count).await;
    for (key, row) in learned.at().table.rows() {
        let own = leader.table().row(&key).unwrap();
        assert!(own.distance(&row) <= 0.02, "{key:?} is {} away", own.distance(&row));
        if count.is_multiple_of(2) {
            assert_eq!(own, row);
        }
    }
}

async fn versions_of(world: &World) -> u64 {
    versions(world.log.as_ref(), "learned").await.unwrap().len() as u64
}

/// All that was read was learned from, exactly once, by whoever led.
async fn learned_all(world: &World) -> bool {
    let rebuilt = rebuilt(world.log.as_ref(), "learned", None, LearnerOptions::default()).await.unwrap();
    rebuilt.latest.is_some_and(|latest| latest.positions == world.ends_now())
}

impl World {
    fn ends_now(&self) -> Vec<u64> {
        (0..PARTITIONS)
            .map(|partition| {
                self.log.records("user_events", partition, Offset(0), Offset(u64::MAX)).len() as u64
            })
            .collect()
    }
}

fn spawn(world: &World, stop: &watch::Receiver<bool>) -> Task<abovefold_engine::Result<()>> {
    world.places.runtime.spawn(world.flow(stop).run())
}

/// Of two workers one learns; when it ends, the other one goes on.
#[tokio::test]
async fn of_two_workers_one_learns_and_the_other_takes_over() {
    let world = World::new(settings(4)).await;
    let ((stop_one, one), (stop_two, two)) = (watch::channel(false), watch::channel(false));
    let first = spawn(&world, &one);
    world.read(0, 200).await;
    eventually("the first one learned", async || learned_all(&world).await).await;
    let second = spawn(&world, &two);
    Runtime::real().sleep(Duration::from_millis(50)).await;
    world.read(200, 400).await;
    eventually("all is learned", async || learned_all(&world).await).await;
    stop_one.send_replace(true);
    first.await.unwrap().unwrap();
    world.read(400, 600).await;
    eventually("the second one goes on", async || learned_all(&world).await).await;
    stop_two.send_replace(true);
    second.await.unwrap().unwrap();

    let mut reads = 0;
    for seen in versions(world.log.as_ref(), "learned").await.unwrap() {
        reads += seen.reads;
    }
    assert_eq!(reads, 600, "each read was taken in once");
}

/// Two that both hold themselves for the one: the topic's order decides, and the other one's version is void.
#[tokio::test]
async fn a_learner_that_was_overtaken_leaves_no_trace() {
    let world = World::new(settings(4)).await;
    world.read(0, 300).await;
    let ends = world.ends().await;
    let (mut old, mut new) = (world.start().await, world.start().await);
    world.learn(&mut new, &[0, 0, 0], &ends).await;
    let expected = bytes(new.table());
    let records = world.log.records("user_events", 1, Offset(0), Offset(ends[1]));
    old.learn(RecordRun::new(1, records)).await.unwrap();
    let before = versions_of(&world).await;
    assert_eq!(old.publish().await.unwrap(), Published::Overtaken);
    assert_eq!(versions_of(&world).await, before);
    assert_eq!(bytes(world.start().await.table()), expected);
}

/// An earlier version is current again for whoever follows, and whoever learns goes on from it.
#[tokio::test]
async fn what_was_learned_is_rolled_back() {
    let world = World::new(settings(3)).await;
    world.read(0, 300).await;
    let ends = world.ends().await;
    let mut leader = world.start().await;
    world.learn(&mut leader, &[0, 0, 0], &ends).await;
    let (good, wanted) = (versions_of(&world).await, leader.table().clone());
    world.read(300, 700).await;
    let more = world.ends().await;
    world.learn(&mut leader, &ends, &more).await;
    assert_ne!(bytes(leader.table()), bytes(&wanted));

    let (log, options) = (world.log.as_ref(), LearnerOptions::default());
    assert!(roll_back(log, "learned", 999, options, &Runtime::real()).await.is_err());
    let learned = Learned::follow(world.log.clone(), "learned", &Runtime::real());
    let version = roll_back(log, "learned", good, options, &Runtime::real()).await.unwrap();
    eventually("the follower has it", async || learned.at().version == version).await;
    let moved: Vec<(RowKey, Row)> =
        wanted.rows().into_iter().filter(|(key, row)| Table::new(1).row(key).as_ref() != Some(row)).collect();
    for (key, row) in moved {
        assert_eq!(learned.at().table.row(&key), Some(row), "{key:?}");
    }

    world.read(700, 710).await;
    let last = world.ends().await;
    let records = world.log.records("user_events", 0, Offset(more[0]), Offset(last[0]));
    leader.learn(RecordRun::new(0, records)).await.unwrap();
    assert_eq!(
        leader.publish().await.unwrap(),
        Published::Overtaken,
        "whoever learned meanwhile begins again"
    );
    let mut again = world.start().await;
    for (key, row) in wanted.rows() {
        assert_eq!(again.table().row(&key), Some(row), "{key:?}");
    }
    world.learn(&mut again, &more, &last).await;
}

/// However much a reader sends, and whatever times it claims, no vector moves by more than its budget of steps.
#[tokio::test]
async fn a_hostile_reader_is_bounded() {
    let world = World::new(settings(1_000)).await;
    world.read(0, 200).await;
    let mut leader = world.start().await;
    world.learn(&mut leader, &[0, 0, 0], &world.ends().await).await;
    let (before, ends) = (leader.table().clone(), world.ends().await);
    world.clock.store(NOON + 7_200_000, Ordering::Relaxed);
    for attempt in 0..4_000 {
        let mut event =
            Event::read(reader(99), ArticleId(if attempt % 2 == 0 { 5 } else { attempt + 1_000 }));
        event.timestamp = Some(Timestamp(NOON + 7_200_000 - attempt % 3 * 40 * 60_000));
        world.append(event).await;
    }
    world.learn(&mut leader, &ends, &world.ends().await).await;
    let budget = world.places.settings.reads_an_hour;
    for (key, row) in before.rows() {
        // The bias moves by at most 0.15 a step, a vector by at most 0.5.
        let moved = leader.table().row(&key).map_or(0.0, |now| now.distance(&row));
        assert!(moved <= 0.5 * budget as f32, "{key:?} moved by {moved}");
    }
    let taught = leader.table().readers();
    assert_eq!(taught, before.readers() + 1);
    let spent = leader.table().clone();
    let ends = world.ends().await;
    for attempt in 0..50 {
        world.append(Event::read(reader(99), ArticleId(attempt % 23))).await;
    }
    world.learn(&mut leader, &ends, &world.ends().await).await;
    for (key, row) in spent.rows() {
        assert_eq!(leader.table().row(&key), Some(row), "its budget of the hour is spent: {key:?}");
    }
}

#[tokio::test]
async fn whoever_asks_is_forgotten() {
    let world = World::new(settings(2)).await;
    world.read(0, 100).await;
    let mut forget = Event::read(reader(3), ArticleId(1));
    (forget.kind, forget.article_id) = (EventKind::Forget, None);
    let key = RowKey::Reader(reader(3));
    let mut leader = world.start().await;
    world.learn(&mut leader, &[0, 0, 0], &world.ends().await).await;
    assert!(leader.table().row(&key).is_some());
    let ends = world.ends().await;
    world.append(forget).await;
    world.learn(&mut leader, &ends, &world.ends().await).await;
    assert_eq!(leader.table().row(&key), None);
    let rebuilt = rebuilt(world.log.as_ref(), "learned", None, LearnerOptions::default()).await.unwrap();
    assert_eq!((rebuilt.published.row(&key), rebuilt.learner.table().row(&key)), (None, None));
}
