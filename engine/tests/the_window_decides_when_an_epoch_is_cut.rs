//! An epoch is cut when the window's length is over, when it is full, or when somebody waits; and a partition has one under way.

#![allow(clippy::unwrap_used)] // Tests.

use std::time::Duration;

use abovefold_engine::{
    Emitter, Epoch, Feed, Lease, Operator, Runtime, Simulation, TumblingWindow, WindowSettings,
    log::{Record, RecordRun},
};
use abovefold_schemas::{Marker, Offset, Timestamp};
use tokio::sync::mpsc;

type Cut = Feed<Epoch<RecordRun>>;

const LONG: Duration = Duration::from_secs(3_600);

/// A window, called by hand, and what it emits.
struct Bench {
    window: TumblingWindow<RecordRun>,
    runtime: Runtime,
    emitter: Emitter<Cut>,
    emitted: mpsc::Receiver<Cut>,
}

impl Bench {
    fn new(length: Duration, max_records: usize) -> Self {
        Self::with(WindowSettings { length, max_records, ..WindowSettings::default() })
    }

    fn with(settings: WindowSettings) -> Self {
        let runtime = Simulation::new(Timestamp(1_000_000), 1).runtime();
        let (sender, emitted) = mpsc::channel(64);
        let window = TumblingWindow::new(settings, runtime.clone());
        Self { window, runtime, emitter: Emitter::new(sender), emitted }
    }

    async fn feed(&mut self, message: Feed<RecordRun>) {
        self.window.handle(message, &mut self.emitter).await.unwrap();
    }

    async fn begin(&mut self, lease: Lease, next: u64) {
        self.feed(Feed::Begin { lease, marker: Marker::start(Offset(next)) }).await;
        assert!(matches!(self.emitted.try_recv(), Ok(Feed::Begin { .. })), "a begin is passed on at once");
    }

    async fn data(&mut self, lease: Lease, offsets: std::ops::Range<u64>) {
        self.feed(Feed::Data { lease, data: run(lease.partition, offsets) }).await;
    }

    async fn ack(&mut self, lease: Lease, epoch: &Epoch<RecordRun>) {
        self.feed(Feed::Acked { lease, marker: epoch.target }).await;
    }

    /// The next epoch that was cut, if one was.
    fn cut(&mut self) -> Option<Epoch<RecordRun>> {
        match self.emitted.try_recv() {
            Ok(Feed::Data { data, .. }) => Some(data),
            Ok(other) => panic!("not an epoch: {other:?}"),
            Err(_) => None,
        }
    }
}

fn run(partition: u32, offsets: std::ops::Range<u64>) -> RecordRun {
    let record = |offset: u64| Record {
        offset: Offset(offset),
        time: Timestamp(0),
        key: None,
        value: offset.to_string().into(),
        headers: Vec::new(),
    };
    RecordRun::new(partition, offsets.map(record).collect())
}

fn lease(partition: u32, generation: u64) -> Lease {
    Lease { partition, generation }
}

fn offsets(epoch: &Epoch<RecordRun>) -> Vec<u64> {
    epoch.runs.iter().flat_map(|run| &run.records).map(|record| record.offset.0).collect()
}

#[tokio::test]
async fn at_its_length() {
    let mut bench = Bench::new(LONG, 100);
    let lease = lease(0, 1);
    bench.begin(lease, 10).await;
    assert_eq!(bench.window.deadline(), None, "an empty window does not close");
    let opened = bench.runtime.now();
    bench.data(lease, 10..12).await;
    let closes = bench.window.deadline().unwrap();
    let length = closes.millis_since(opened);
    assert!((3_600_000..3_601_000).contains(&length), "it closes {length} ms after its first record");
    bench.data(lease, 12..13).await;
    assert_eq!(bench.window.deadline(), Some(closes), "a tumbling window is not put off by what comes later");
    bench.window.alarm(&mut bench.emitter).await.unwrap();
    assert_eq!(bench.cut(), None, "an alarm before its time cuts nothing");

    // The same, of no length: the alarm comes at once.
    let mut bench = Bench::new(Duration::ZERO, 100);
    bench.begin(lease, 10).await;
    bench.data(lease, 10..13).await;
    let epoch = bench.cut().unwrap();
    assert_eq!(offsets(&epoch), [10, 11, 12]);
    assert_eq!((epoch.expected, epoch.target.next), (Marker::start(Offset(10)), Offset(13)));
    assert_eq!(epoch.target.last.unwrap().offset, Offset(12));
}

#[tokio::test]
async fn partitions_that_begin_together_do_not_cut_together() {
    let mut bench = Bench::new(LONG, 100);
    let mut lengths = Vec::new();
    for partition in 0..4 {
        let lease = lease(partition, 1);
        bench.begin(lease, 0).await;
        let opened = bench.runtime.now();
        bench.data(lease, 0..1).await;
        // The first to close is the one that opened last.
        lengths.push(bench.window.deadline().unwrap().millis_since(opened) / 60_000);
    }
    assert_eq!(lengths, [60, 52, 45, 37], "minutes of the first windows");
}

#[tokio::test]
async fn with_what_came_while_the_one_before_was_under_way() {
    let mut bench = Bench::with(WindowSettings { length: LONG, max_records: 4, backlog_records: 10 });
    let lease = lease(3, 1);
    bench.begin(lease, 0).await;
    bench.data(lease, 0..4).await;
    let first = bench.cut().unwrap();
    assert_eq!(offsets(&first), [0, 1, 2, 3]);
    bench.data(lease, 4..17).await;
    bench.ack(lease, &first).await;
    let second = bench.cut().unwrap();
    assert_eq!(offsets(&second), Vec::from_iter(4..14), "as much as an epoch may have of a backlog");
    bench.ack(lease, &second).await;
    assert_eq!(bench.cut(), None, "what is left neither fills a window nor is it old");
}

#[tokio::test]
async fn when_it_is_full_and_no_epoch_has_more() {
    let mut bench = Bench::new(LONG, 4);
    let lease = lease(3, 1);
    bench.begin(lease, 0).await;
    bench.data(lease, 0..3).await;
    assert_eq!(bench.cut(), None, "it is neither full nor old");
    bench.data(lease, 3..10).await;
    let first = bench.cut().unwrap();
    assert_eq!(offsets(&first), [0, 1, 2, 3], "a run is cut where the epoch is full");
    assert_eq!(bench.cut(), None, "one epoch of a partition is under way");
    bench.ack(lease, &first).await;
    let second = bench.cut().unwrap();
    assert_eq!(offsets(&second), [4, 5, 6, 7]);
    assert_eq!(second.expected, first.target, "each expects what the one before leaves");
    bench.ack(lease, &second).await;
    assert_eq!(bench.cut(), None, "two are left: they wait for the window to close");
    assert!(bench.window.deadline().is_some());
}

#[tokio::test]
async fn when_somebody_waits() {
    let mut bench = Bench::new(LONG, 100);
    let lease = lease(0, 1);
    bench.begin(lease, 0).await;
    bench.data(lease, 0..2).await;
    bench.feed(Feed::Hurry { partition: 0, until: Offset(4) }).await;
    let first = bench.cut().unwrap();
    assert_eq!(offsets(&first), [0, 1]);
    // The wish reaches further than what was there: what comes next is cut as soon as it may be.
    bench.data(lease, 2..3).await;
    assert_eq!(bench.cut(), None, "not while the first is under way");
    bench.ack(lease, &first).await;
    let second = bench.cut().unwrap();
    bench.ack(lease, &second).await;
    bench.data(lease, 3..4).await;
    let third = bench.cut().unwrap();
    bench.ack(lease, &third).await;
    bench.data(lease, 4..6).await;
    assert_eq!(bench.cut(), None, "the wish is granted");
    // A wish for what is folded already, or for another partition, changes nothing.
    bench.feed(Feed::Hurry { partition: 0, until: Offset(4) }).await;
    bench.feed(Feed::Hurry { partition: 7, until: Offset(4) }).await;
    assert_eq!(bench.cut(), None);
}

#[tokio::test]
async fn each_partition_has_its_own() {
    let mut bench = Bench::new(LONG, 2);
    let (first, second) = (lease(0, 1), lease(1, 2));
    bench.begin(first, 0).await;
    bench.begin(second, 0).await;
    bench.data(first, 0..2).await;
    bench.data(second, 0..2).await;
    assert_eq!(bench.cut().map(|epoch| epoch.runs[0].partition), Some(0));
    assert_eq!(
        bench.cut().map(|epoch| epoch.runs[0].partition),
        Some(1),
        "the epoch of another is no hindrance"
    );
}

#[tokio::test]
async fn what_a_lease_held_is_void_with_it() {
    let mut bench = Bench::new(LONG, 4);
    let (old, new) = (lease(0, 1), lease(0, 2));
    bench.begin(old, 0).await;
    bench.data(old, 0..3).await;
    bench.begin(new, 1).await;
    bench.data(old, 3..9).await;
    assert_eq!(bench.cut(), None, "records of the old lease are dropped");
    bench.data(new, 1..5).await;
    let epoch = bench.cut().unwrap();
    assert_eq!((offsets(&epoch), epoch.expected.next), (vec![1, 2, 3, 4], Offset(1)));
    bench.feed(Feed::Acked { lease: old, marker: epoch.target }).await;
    bench.data(new, 5..9).await;
    assert_eq!(bench.cut(), None, "an acknowledgement of the old lease frees nothing");
    bench.feed(Feed::End { lease: new }).await;
    assert!(matches!(bench.emitted.try_recv(), Ok(Feed::End { .. })));
    bench.data(new, 9..20).await;
    bench.window.flush(&mut bench.emitter).await.unwrap();
    assert_eq!(bench.cut(), None, "a partition that is no longer ours is left alone");
}

#[tokio::test]
async fn an_orderly_end_cuts_what_is_left_in_epochs_that_fit() {
    let mut bench = Bench::new(LONG, 4);
    let lease = lease(0, 1);
    bench.begin(lease, 0).await;
    bench.data(lease, 0..3).await;
    bench.data(lease, 3..9).await;
    let mut epochs = vec![bench.cut().unwrap()];
    bench.window.flush(&mut bench.emitter).await.unwrap();
    while let Some(epoch) = bench.cut() {
        epochs.push(epoch);
    }
    let cut: Vec<Vec<u64>> = epochs.iter().map(offsets).collect();
    assert_eq!(cut, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8]]);
    assert!(epochs.windows(2).all(|pair| pair[1].expected == pair[0].target));
}
