//! Scenes that chance seldom plays: a log that is not the one that was folded, state that does not parse, a reader who makes half of the traffic.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    EngineError, Runtime, Simulation, Task, WindowSettings,
    log::{Log, MemoryLog, NewRecord},
    state::{EpochWrite, MemoryStore, Put, StateStore, Tag, Value},
};
use abovefold_operators::{
    fold::FoldSettings,
    pipeline::{Topics, WorkerContext, write_path},
};
use abovefold_schemas::{
    Kept, Marker, Offset, ReaderId,
    keys::{reader_key, summary_key},
    state::{PartitionSummary, ReaderState},
};
use tokio::sync::watch;

use crate::{
    model::SmallModel,
    run::{NOON, namespace},
    traffic::home,
    world::{ARTICLES, DEAD_LETTERS, EVENTS, PARTITIONS},
};

/// A worker over edges that do nothing wrong.
struct Scene {
    runtime: Runtime,
    log: MemoryLog,
    store: MemoryStore,
    context: WorkerContext,
    stop: watch::Sender<bool>,
}

impl Scene {
    async fn new(runtime: &Runtime) -> Self {
        let clock = runtime.clone();
        let log = MemoryLog::new(Arc::new(move || clock.now()));
        for topic in [EVENTS, ARTICLES, DEAD_LETTERS] {
            log.create_topic(topic, PARTITIONS).await.unwrap();
        }
        let store = MemoryStore::within(runtime.clone());
        let (stop, stopped) = watch::channel(false);
        let context = WorkerContext {
            log: Arc::new(log.clone()),
            store: Arc::new(store.clone()),
            topics: Topics::default(),
            partitions: PARTITIONS,
            window: WindowSettings {
                length: Duration::from_millis(100),
                max_records: 64,
                ..WindowSettings::default()
            },
            fold: FoldSettings::default(),
            steps: abovefold_operators::steps::Steps::default(),
            group: "scene".into(),
            member: None,
            admit: None,
            stop: stopped,
            pause: abovefold_engine::Pause::default(),
            troubles: abovefold_engine::Troubles::none(),
            runtime: runtime.clone(),
        };
        Self { runtime: runtime.clone(), log, store, context, stop }
    }

    fn start(&self) -> Task<Result<(), EngineError>> {
        let namespace = namespace("main", vec![0; PARTITIONS as usize]);
        let flow = write_path(&self.context, &namespace, Some(Arc::new(SmallModel)), None);
        self.runtime.spawn(flow.finish())
    }

    async fn read(&self, reader: &str, article: u64, times: usize) {
        let value = format!(r#"{{"user_id":"{reader}","article_id":{article},"read_time":30}}"#);
        let records = vec![NewRecord::keyed(reader.to_owned(), value); times];
        self.log.append(EVENTS, records).await.unwrap();
    }

    async fn rest(&self, seconds: u64) {
        self.runtime.sleep(Duration::from_secs(seconds)).await;
    }

    fn marker(&self, partition: u32) -> u64 {
        self.store.held(&tag(partition)).0.map_or(0, |marker| marker.next.0)
    }

    fn state_of(&self, reader: &str) -> ReaderState {
        let key = reader_key(&ReaderId::new(reader).unwrap());
        let value = self.store.held(&tag(home(reader))).1.remove(&key).expect("the reader is known");
        ReaderState::from_kept(&value.bytes).unwrap()
    }
}

fn tag(partition: u32) -> Tag {
    Tag { namespace: "main".into(), partition }
}

/// Plays a scene.
fn play<F: Future<Output = ()> + Send + 'static>(scene: impl FnOnce(Runtime) -> F) {
    let simulation = Simulation::new(NOON, 1);
    let runtime = simulation.runtime();
    simulation.run_within(10_000_000, scene(runtime)).unwrap();
}

/// Folds ten reads, lets `change` happen to the log while no worker is there, and returns what the next worker says.
fn refusal(change: fn(&MemoryLog, u32)) -> String {
    let (sender, said) = std::sync::mpsc::channel();
    play(move |runtime| async move {
        let scene = Scene::new(&runtime).await;
        let partition = home("ann");
        scene.read("ann", 1, 10).await;
        let worker = scene.start();
        scene.rest(5).await;
        scene.stop.send_replace(true);
        worker.await.unwrap().unwrap();
        assert_eq!(scene.marker(partition), 10);
        change(&scene.log, partition);
        scene.stop.send_replace(false);
        let worker = scene.start();
        let ended = runtime.timeout(Duration::from_secs(60), worker).await;
        scene.stop.send_replace(true);
        let said = match ended {
            None => "it went on".to_owned(),
            Some(outcome) => outcome.unwrap().expect_err("it went on to its end").to_string(),
        };
        assert_eq!(scene.marker(partition), 10, "nothing was folded: {said}");
        sender.send(said).unwrap();
    });
    said.recv().unwrap()
}

fn append(log: &MemoryLog, text: &str, times: usize) {
    let records = vec![NewRecord::keyed("ann", text.to_owned()); times];
    futures::executor::block_on(log.append(EVENTS, records)).unwrap();
}

#[test]
fn a_log_that_is_not_the_one_that_was_folded_is_refused() {
    let cut = refusal(|log, partition| log.truncate(EVENTS, partition, Offset(4)));
    assert!(cut.contains("cut") && cut.contains("replay") && !cut.contains('\n'), "{cut}");
    let made_again = refusal(|log, partition| {
        log.truncate(EVENTS, partition, Offset(0));
        append(log, r#"{"user_id":"ann","article_id":2}"#, 12);
    });
    assert!(made_again.contains("another record") && !made_again.contains('\n'), "{made_again}");
    let expired = refusal(|log, partition| {
        append(log, r#"{"user_id":"ann","article_id":2}"#, 12);
        log.forget_before(EVENTS, partition, Offset(15));
    });
    assert!(expired.contains("retention") && !expired.contains('\n'), "{expired}");
}

#[test]
fn a_log_that_is_cut_under_a_worker_stops_it() {
    play(|runtime| async move {
        let scene = Scene::new(&runtime).await;
        scene.read("ann", 1, 10).await;
        let worker = scene.start();
        scene.rest(5).await;
        scene.log.truncate(EVENTS, home("ann"), Offset(4));
        let ended = runtime.timeout(Duration::from_secs(60), worker).await.expect("it notices");
        let said = ended.unwrap().expect_err("it cannot go on").to_string();
        assert!(said.contains("cut") && !said.contains('\n'), "{said}");
    });
}

#[test]
fn state_that_does_not_parse_stops_its_partition_alone_until_it_is_mended() {
    play(|runtime| async move {
        let scene = Scene::new(&runtime).await;
        let (broken, whole) =
            (home("ann"), (0..).map(|n| format!("r{n}")).find(|r| home(r) != home("ann")).unwrap());
        let worker = scene.start();
        scene.read("ann", 1, 1).await;
        scene.rest(3).await;
        let good = scene.store.save();
        // Somebody writes something into the store by hand; the worker finds another marker than its own, and reads again.
        let expected = scene.store.held(&tag(broken)).0.unwrap();
        let value = Some(Value { version: Offset(1), bytes: "nonsense".into() });
        let put = Put { key: reader_key(&ReaderId::new("ann").unwrap()), value, mirrored: false };
        let target = Marker::start(Offset(1));
        let epoch = EpochWrite { expected, target, puts: vec![put], invalidated: Vec::new() };
        scene.store.write_epoch(&tag(broken), &epoch).await.unwrap();
        scene.rest(3).await;
        scene.read("ann", 1, 2).await;
        scene.read(&whole, 1, 5).await;
        scene.rest(5).await;
        assert_eq!(scene.marker(home(&whole)), 5, "the others go on");
        let stopped = scene.context.troubles.list();
        assert_eq!(stopped.len(), 1, "{stopped:?}");
        assert!(stopped[0].1 == broken && stopped[0].2.contains("replay"), "{stopped:?}");
        scene.store.restore(&good);
        scene.rest(180).await;
        assert_eq!(scene.marker(broken), 3, "mended, it goes on by itself");
        assert_eq!(scene.context.troubles.list(), []);
        assert_eq!(scene.state_of("ann").total_reads, 3);
        scene.stop.send_replace(true);
        worker.await.unwrap().unwrap();
    });
}

/// Half of the traffic comes from one reader: its order holds, and others wait no longer than for one epoch of its partition.
#[test]
fn a_hot_reader_keeps_its_order_and_starves_nobody() {
    play(|runtime| async move {
        let scene = Scene::new(&runtime).await;
        let worker = scene.start();
        scene.rest(2).await;
        let others: Vec<String> =
            (0..40).map(|n| format!("r{n}")).filter(|r| home(r) != home("hot")).collect();
        for article in 0..50 {
            scene.read("hot", article, 20).await;
            for (number, other) in others.iter().enumerate() {
                scene.read(other, number as u64, 1).await;
            }
            scene.rest(1).await;
            for other in &others {
                assert_eq!(scene.state_of(other).total_reads, article + 1, "{other} is up to date");
            }
        }
        scene.rest(5).await;
        let state = scene.state_of("hot");
        assert_eq!(state.total_reads, 1_000);
        assert!(state.reads.windows(2).all(|pair| pair[0].article_id <= pair[1].article_id), "in order");
        scene.stop.send_replace(true);
        worker.await.unwrap().unwrap();
    });
}

/// A partition is paused while much of it is under way. When another worker wrote meanwhile, it begins again, and goes on to the end.
#[test]
fn a_partition_that_begins_again_while_it_is_paused_comes_to_its_end() {
    play(|runtime| async move {
        let scene = Scene::new(&runtime).await;
        let partition = home("ann");
        scene.read("ann", 1, 12_000).await;
        let worker = scene.start();
        while scene.marker(partition) < 1_000 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
        // The store loses what it had.
        scene.store.restore(&Default::default());
        scene.rest(60).await;
        assert_eq!(scene.marker(partition), 12_000);
        assert_eq!(scene.state_of("ann").total_reads, 12_000);
        scene.stop.send_replace(true);
        worker.await.unwrap().unwrap();
    });
}

/// Eight pieces of a view, in any order and with repeats, leave the bytes that one piece with the totals leaves.
#[test]
fn a_view_in_pieces_is_the_view_in_one() {
    let piece = |seq: u64| {
        format!(
            r#"{{"user_id":"ann","article_id":7,"view_id":"v","seq":{seq},"read_time":{},"scroll_pct":{},"timestamp":{}}}"#,
            seq * 10,
            seq * 12,
            NOON.0 - 5_000
        )
    };
    // What fills the log in the other runs' place: pieces of another reader's view that were seen before.
    let filler =
        r#"{"user_id":"zoe","article_id":9,"view_id":"w","seq":1,"timestamp":1704110390000}"#.to_owned();
    let digest = |pieces: Vec<String>| {
        let (sender, received) = std::sync::mpsc::channel();
        play(move |runtime| async move {
            let scene = Scene::new(&runtime).await;
            let partition = home("ann");
            let of_ann =
                |value: String| NewRecord { partition: Some(partition), ..NewRecord::keyed("ann", value) };
            scene.log.append(EVENTS, pieces.into_iter().map(of_ann).collect()).await.unwrap();
            let worker = scene.start();
            scene.rest(5).await;
            let state = scene.state_of("ann");
            let summary = scene.store.held(&tag(partition)).1.remove(&summary_key()).unwrap();
            let summary = PartitionSummary::from_kept(&summary.bytes).unwrap();
            sender.send((state.to_kept(), summary.reads)).unwrap();
            scene.stop.send_replace(true);
            worker.await.unwrap().unwrap();
        });
        received.recv().unwrap()
    };
    let one = digest(std::iter::repeat_n(filler, 7).chain([piece(8)]).collect());
    let in_order: Vec<String> = (1..=8).map(piece).collect();
    assert_eq!(digest(in_order.clone()), one);
    let repeated = in_order.iter().flat_map(|piece| [piece.clone(), piece.clone()]).collect();
    assert_eq!(digest(repeated), one);
    let shuffled = [3, 1, 8, 2, 8, 5, 7, 4, 6].map(piece).to_vec();
    assert_eq!(digest(shuffled), one);
}
