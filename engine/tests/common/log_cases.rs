//! The cases that both makes of the log have to pass.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use abovefold_engine::{
    Fault,
    log::{
        Bounds, Log, LogMember, MemberEvent, Membership, NewRecord, Position, Record, RecordRun, partition_of,
    },
};
use abovefold_schemas::{Offset, Timestamp};
use bytes::Bytes;
use futures::future::BoxFuture;
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// Nothing here takes so long, even on a busy machine.
const LONG: Duration = Duration::from_secs(40);
/// What has not come by then is taken not to come at all.
const SHORT: Duration = Duration::from_millis(400);

/// A make under test.
pub struct Subject {
    name: &'static str,
    open: Box<dyn Fn() -> Arc<dyn Log> + Send + Sync>,
    log: Option<Arc<dyn Log>>,
}

impl Subject {
    pub fn new(name: &'static str, open: impl Fn() -> Arc<dyn Log> + Send + Sync + 'static) -> Self {
        let log = Some(open());
        Self { name, open: Box::new(open), log }
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::clone(self.log.as_ref().expect("it is open between the cases"))
    }

    fn reopen(&mut self) {
        self.log = None;
        self.log = Some((self.open)());
    }
}

pub async fn all_cases(mut subject: Subject) {
    type Case = (&'static str, fn(Arc<dyn Log>) -> BoxFuture<'static, ()>);
    let cases: [Case; 12] = [
        ("records keep their order, bytes and places", |log| {
            Box::pin(records_keep_order_bytes_and_places(log))
        }),
        ("topics are created once", |log| Box::pin(topics_are_created_once(log))),
        ("what is not there is refused", |log| Box::pin(what_is_not_there_is_refused(log))),
        ("offsets are found by time", |log| Box::pin(offsets_are_found_by_time(log))),
        ("a reader follows the tail", |log| Box::pin(a_reader_follows_the_tail(log))),
        ("large and empty records pass", |log| Box::pin(large_and_empty_records_pass(log))),
        ("a member begins where it is told", |log| Box::pin(a_member_begins_where_it_is_told(log))),
        ("a member goes back and forth", |log| Box::pin(a_member_goes_back_and_forth(log))),
        ("a paused partition loses nothing", |log| Box::pin(a_paused_partition_loses_nothing(log))),
        ("a slow member loses nothing", |log| Box::pin(a_slow_member_loses_nothing(log))),
        ("the next member takes over", |log| Box::pin(the_next_member_takes_over(log))),
        ("reading is fast", |log| Box::pin(reading_is_fast(log))),
    ];
    for (name, case) in cases {
        run(subject.name, name, case(subject.log())).await;
    }
    let before = (read_all(&*subject.log(), "order").await, subject.log().bounds("order").await.unwrap());
    subject.reopen();
    let after = (read_all(&*subject.log(), "order").await, subject.log().bounds("order").await.unwrap());
    assert_eq!(before, after);
    println!("{}: reopening keeps everything ... ok", subject.name);
}

pub async fn run(make: &str, name: &str, case: impl Future<Output = ()>) {
    let begun = Instant::now();
    println!("{make}: {name} ...");
    case.await;
    println!("{make}: {name} ... ok after {:?}", begun.elapsed());
}

pub fn membership(group: &str) -> Membership {
    Membership { group: group.to_owned(), member: None }
}

pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it should have come by now")
}

/// Whether nothing comes for a while.
pub async fn stays_silent<T>(future: impl Future<Output = T>) -> bool {
    tokio::time::timeout(SHORT, future).await.is_err()
}

/// Everything that a topic holds, by partition.
pub async fn read_all(log: &dyn Log, topic: &str) -> BTreeMap<u32, Vec<Record>> {
    let bounds = log.bounds(topic).await.unwrap();
    let from = positions(bounds.iter().map(|bounds| bounds.begin));
    let mut left: u64 = bounds.iter().map(|bounds| bounds.end.0 - bounds.begin.0).sum();
    let mut all: BTreeMap<u32, Vec<Record>> = (0..bounds.len() as u32).map(|at| (at, Vec::new())).collect();
    let mut reader = log.read(topic, from).await.unwrap();
    while left > 0 {
        let run = in_time(reader.next()).await.unwrap();
        left -= run.records.len() as u64;
        all.get_mut(&run.partition).unwrap().extend(run.records);
    }
    all
}

fn positions(offsets: impl Iterator<Item = Offset>) -> Vec<Position> {
    offsets.zip(0..).map(|(offset, partition)| Position { partition, offset }).collect()
}

/// Numbered records of one partition.
pub fn numbered(partition: u32, numbers: std::ops::Range<usize>) -> Vec<NewRecord> {
    let record = |number: usize| NewRecord {
        partition: Some(partition),
        value: Bytes::from(number.to_string()),
        ..NewRecord::default()
    };
    numbers.map(record).collect()
}

/// The events of a member until partitions were assigned.
pub async fn assigned(member: &mut dyn LogMember) -> Vec<u32> {
    loop {
        match in_time(member.next()).await.unwrap() {
            MemberEvent::Assigned(partitions) => return partitions,
            MemberEvent::Revoked(_) => {}
            MemberEvent::Records(run) => panic!("records before a start: {run:?}"),
        }
    }
}

pub async fn next_run(member: &mut dyn LogMember) -> RecordRun {
    match in_time(member.next()).await.unwrap() {
        MemberEvent::Records(run) => run,
        other => panic!("{other:?} where records should come"),
    }
}

/// Takes at least so many records of a member, and checks that each partition goes on where it is.
async fn follow(member: &mut dyn LogMember, places: &mut BTreeMap<u32, u64>, count: usize) {
    let mut taken = 0;
    while taken < count {
        let run = next_run(member).await;
        let place = places.get_mut(&run.partition).expect("a partition that was started");
        for record in &run.records {
            assert_eq!(record.offset.0, *place, "partition {}", run.partition);
            assert_eq!(record.value, Bytes::from(place.to_string()));
            *place += 1;
        }
        taken += run.records.len();
    }
}

async fn records_keep_order_bytes_and_places(log: Arc<dyn Log>) {
    assert_eq!(log.create_topic("order", 4).await.unwrap(), 4);
    let mut expected: BTreeMap<u32, Vec<NewRecord>> =
        (0..4).map(|partition| (partition, Vec::new())).collect();
    for call in 0..10 {
        let records: Vec<_> = (0..300)
            .map(|number| NewRecord {
                headers: vec![
                    ("origin".into(), Bytes::from_static(b"\x00\xff")),
                    ("origin".into(), Bytes::new()),
                    ("call".into(), Bytes::from(vec![call])),
                ],
                ..NewRecord::keyed(format!("reader-{}", number % 37), vec![call, (number % 251) as u8, 0xff])
            })
            .collect();
        let placed = log.append("order", records.clone()).await.unwrap();
        assert_eq!(placed.len(), records.len());
        for (record, position) in records.into_iter().zip(placed) {
            assert_eq!(position.partition, partition_of(record.key.as_deref().unwrap(), 4));
            let partition = expected.get_mut(&position.partition).unwrap();
            assert_eq!(position.offset, Offset(partition.len() as u64));
            partition.push(record);
        }
    }
    let bounds = log.bounds("order").await.unwrap();
    let ends: Vec<_> = expected.values().map(|records| Offset(records.len() as u64)).collect();
    assert_eq!(bounds, ends.iter().map(|end| Bounds { begin: Offset(0), end: *end }).collect::<Vec<_>>());
    for (partition, records) in read_all(&*log, "order").await {
        for (at, (read, written)) in records.iter().zip(&expected[&partition]).enumerate() {
            assert_eq!(read.offset, Offset(at as u64));
            assert_eq!(
                (&read.key, &read.value, &read.headers),
                (&written.key, &written.value, &written.headers)
            );
            assert!(at == 0 || read.time >= records[at - 1].time);
        }
        assert_eq!(records.len(), expected[&partition].len());
    }
    // From the middle.
    let from = Offset(ends[2].0 / 2);
    let mut reader = log.read("order", vec![Position { partition: 2, offset: from }]).await.unwrap();
    let run = in_time(reader.next()).await.unwrap();
    assert_eq!((run.partition, run.records[0].offset), (2, from));
}

async fn topics_are_created_once(log: Arc<dyn Log>) {
    assert_eq!(log.partitions("once").await.unwrap(), None);
    assert_eq!(log.partitions("once").await.unwrap(), None, "asking does not create it");
    assert_eq!(log.create_topic("once", 3).await.unwrap(), 3);
    assert_eq!(log.create_topic("once", 8).await.unwrap(), 3);
    assert_eq!(log.partitions("once").await.unwrap(), Some(3));
    assert_eq!(log.create_topic("default", 0).await.unwrap(), 4);
    let error = log.create_topic("no spaces", 1).await.unwrap_err();
    assert_eq!(error.fault, Fault::User);
}

async fn what_is_not_there_is_refused(log: Arc<dyn Log>) {
    let fault = |error: abovefold_engine::EngineError| {
        println!("  refused: {error}");
        (error.fault, error.retry)
    };
    let users = (Fault::User, false);
    // It may be made, and then the same records can be appended.
    let mended = (Fault::User, true);
    assert_eq!(fault(log.append("missing", vec![NewRecord::keyed("k", "v")]).await.unwrap_err()), mended);
    assert_eq!(fault(log.bounds("missing").await.unwrap_err()), users);
    assert_eq!(fault(log.join("missing", membership("missing")).await.err().unwrap()), users);
    assert_eq!(log.partitions("missing").await.unwrap(), None);

    log.create_topic("bounded", 2).await.unwrap();
    log.append("bounded", numbered(1, 0..5)).await.unwrap();
    let read = |partition, offset| log.read("bounded", vec![Position { partition, offset: Offset(offset) }]);
    assert_eq!(fault(read(1, 6).await.err().unwrap()), users);
    assert_eq!(fault(read(0, 1).await.err().unwrap()), users);
    assert_eq!(fault(read(2, 0).await.err().unwrap()), users);
    assert_eq!(fault(log.append("bounded", numbered(2, 0..1)).await.unwrap_err()), users);
    let huge = NewRecord::keyed("k", vec![0; (16 << 20) + 1]);
    assert_eq!(fault(log.append("bounded", vec![huge]).await.unwrap_err()), users);

    let mut member = log.join("bounded", membership("bounded")).await.unwrap();
    assigned(&mut *member).await;
    assert_eq!(fault(member.start(1, Offset(6)).await.unwrap_err()), users);
    // Refused, it can still be started where it should.
    member.start(1, Offset(5)).await.unwrap();
    log.append("bounded", numbered(1, 5..6)).await.unwrap();
    follow(&mut *member, &mut BTreeMap::from([(1, 5)]), 1).await;
    member.leave().await.unwrap();
}

async fn offsets_are_found_by_time(log: Arc<dyn Log>) {
    log.create_topic("times", 3).await.unwrap();
    for call in 0..20 {
        // Partition 2 stays empty.
        log.append("times", numbered(0, call..call + 1)).await.unwrap();
        log.append("times", numbered(1, call * 2..call * 2 + 2)).await.unwrap();
    }
    let all = read_all(&*log, "times").await;
    let times: Vec<i64> = all.values().flatten().map(|record| record.time.0).collect();
    let edges = [0, i64::MAX / 4];
    for time in times.iter().flat_map(|time| [*time, *time + 1]).chain(edges) {
        let expected: Vec<_> = all
            .values()
            .map(|records| Offset(records.iter().take_while(|record| record.time.0 < time).count() as u64))
            .collect();
        assert_eq!(log.offsets_at("times", Timestamp(time)).await.unwrap(), expected, "{time}");
    }
}

async fn a_reader_follows_the_tail(log: Arc<dyn Log>) {
    log.create_topic("tail", 2).await.unwrap();
    log.append("tail", numbered(0, 0..3)).await.unwrap();
    let from = positions([Offset(3), Offset(0)].into_iter());
    let mut reader = log.read("tail", from).await.unwrap();
    assert!(stays_silent(reader.next()).await);
    for number in 3..8 {
        let waiting = tokio::spawn(async move {
            let run = reader.next().await;
            (reader, run)
        });
        log.append("tail", numbered(0, number..number + 1)).await.unwrap();
        let (same, run) = in_time(waiting).await.unwrap();
        reader = same;
        let run = run.unwrap();
        assert_eq!((run.partition, run.records.len()), (0, 1));
        assert_eq!(run.records[0].value, Bytes::from(number.to_string()));
    }
    log.append("tail", numbered(1, 0..1)).await.unwrap();
    assert_eq!(in_time(reader.next()).await.unwrap().partition, 1);
}

async fn large_and_empty_records_pass(log: Arc<dyn Log>) {
    log.create_topic("sizes", 1).await.unwrap();
    let large: Vec<u8> = (0..10_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let written = vec![
        NewRecord::keyed("large", large),
        NewRecord::keyed("", ""),
        NewRecord { value: Bytes::from_static(b"no key"), ..NewRecord::default() },
        NewRecord { headers: vec![("h".into(), Bytes::new())], ..NewRecord::default() },
    ];
    log.append("sizes", written.clone()).await.unwrap();
    let read = &read_all(&*log, "sizes").await[&0];
    for (read, written) in read.iter().zip(&written) {
        assert_eq!(read.key, written.key);
        assert!(read.value == written.value, "offset {}", read.offset);
        assert_eq!(read.headers, written.headers);
    }
    assert_eq!(read.len(), written.len());
}

async fn a_member_begins_where_it_is_told(log: Arc<dyn Log>) {
    log.create_topic("begin", 3).await.unwrap();
    for partition in 0..3 {
        log.append("begin", numbered(partition, 0..100)).await.unwrap();
    }
    let mut member = log.join("begin", membership("begin")).await.unwrap();
    assert_eq!(assigned(&mut *member).await, [0, 1, 2]);
    assert!(stays_silent(member.next()).await, "nothing comes before a start");
    member.start(0, Offset(40)).await.unwrap();
    member.start(2, Offset(0)).await.unwrap();
    let mut places = BTreeMap::from([(0, 40), (2, 0)]);
    follow(&mut *member, &mut places, 160).await;
    assert!(stays_silent(member.next()).await, "a partition that was not started is not delivered");
    member.start(1, Offset(100)).await.unwrap();
    log.append("begin", numbered(1, 100..101)).await.unwrap();
    places.insert(1, 100);
    follow(&mut *member, &mut places, 1).await;
    // Committed offsets are for others to look at.
    member.commit(0, Offset(77));
    member.commit(1, Offset(3));
    member.leave().await.unwrap();
    let mut member = log.join("begin", membership("begin")).await.unwrap();
    assert_eq!(assigned(&mut *member).await, [0, 1, 2]);
    member.start(0, Offset(5)).await.unwrap();
    follow(&mut *member, &mut BTreeMap::from([(0, 5)]), 95).await;
    member.leave().await.unwrap();
}

async fn a_member_goes_back_and_forth(log: Arc<dyn Log>) {
    const COUNT: usize = 20_000;
    log.create_topic("seek", 2).await.unwrap();
    for partition in 0..2 {
        log.append("seek", numbered(partition, 0..COUNT)).await.unwrap();
    }
    let mut member = log.join("seek", membership("seek")).await.unwrap();
    assert_eq!(assigned(&mut *member).await, [0, 1]);
    let mut places = BTreeMap::new();
    let mut chance = ChaCha8Rng::seed_from_u64(11);
    for partition in 0..2 {
        member.start(partition, Offset(0)).await.unwrap();
        places.insert(partition, 0);
    }
    for _ in 0..60 {
        let partition = chance.random_range(0..2);
        let from = chance.random_range(0..COUNT as u64 - 100);
        // At times in the midst of records that were fetched already, at times before any.
        for _ in 0..chance.random_range(0..3) {
            if places.values().any(|place| (*place as usize) < COUNT) {
                let run = next_run(&mut *member).await;
                let place = places.get_mut(&run.partition).unwrap();
                assert_eq!(run.records[0].offset.0, *place);
                *place = run.next.0;
            }
        }
        member.start(partition, Offset(from)).await.unwrap();
        places.insert(partition, from);
    }
    let left: usize = places.values().map(|place| COUNT - *place as usize).sum();
    follow(&mut *member, &mut places, left).await;
    member.leave().await.unwrap();
}

async fn a_paused_partition_loses_nothing(log: Arc<dyn Log>) {
    log.create_topic("pause", 2).await.unwrap();
    let mut member = log.join("pause", membership("pause")).await.unwrap();
    assert_eq!(assigned(&mut *member).await, [0, 1]);
    let mut places = BTreeMap::from([(0, 0), (1, 0)]);
    for partition in 0..2 {
        member.start(partition, Offset(0)).await.unwrap();
    }
    let mut written = 0;
    for _ in 0..5 {
        for partition in 0..2 {
            log.append("pause", numbered(partition, written..written + 2_500)).await.unwrap();
        }
        written += 2_500;
        follow(&mut *member, &mut places, 1_000).await;
        member.pause(0).await.unwrap();
        let (zero, left) = (places[&0], written - places[&1] as usize);
        follow(&mut *member, &mut places, left).await;
        assert_eq!(places[&0], zero, "it was paused");
        assert!(stays_silent(member.next()).await);
        member.resume(0).await.unwrap();
        let left = written - places[&0] as usize;
        follow(&mut *member, &mut places, left).await;
    }
    // A start leaves it paused.
    member.pause(0).await.unwrap();
    member.start(0, Offset(10)).await.unwrap();
    assert!(stays_silent(member.next()).await);
    member.resume(0).await.unwrap();
    places.insert(0, 10);
    follow(&mut *member, &mut places, written - 10).await;
    member.leave().await.unwrap();
}

/// More than any buffer takes, read with rests, so that it fills up, is held back, and goes on.
async fn a_slow_member_loses_nothing(log: Arc<dyn Log>) {
    const COUNT: u64 = 60;
    log.create_topic("slow", 2).await.unwrap();
    for number in 0..COUNT {
        let records = (0..2).map(|partition| NewRecord {
            partition: Some(partition),
            value: Bytes::from(vec![number as u8; 1 << 20]),
            ..NewRecord::default()
        });
        log.append("slow", records.collect()).await.unwrap();
    }
    let mut member = log.join("slow", membership("slow")).await.unwrap();
    assert_eq!(assigned(&mut *member).await, [0, 1]);
    for partition in 0..2 {
        member.start(partition, Offset(0)).await.unwrap();
    }
    let mut places = BTreeMap::from([(0, 0), (1, 0)]);
    while places.values().any(|place| *place < COUNT) {
        if places[&0] < 12 {
            tokio::time::sleep(SHORT).await;
        }
        let run = next_run(&mut *member).await;
        let place = places.get_mut(&run.partition).unwrap();
        for record in run.records {
            assert_eq!(
                (record.offset.0, record.value[0], record.value.len()),
                (*place, *place as u8, 1 << 20)
            );
            *place += 1;
        }
    }
    member.leave().await.unwrap();
}

async fn the_next_member_takes_over(log: Arc<dyn Log>) {
    log.create_topic("over", 2).await.unwrap();
    for partition in 0..2 {
        log.append("over", numbered(partition, 0..10)).await.unwrap();
    }
    let mut first = log.join("over", membership("over")).await.unwrap();
    assert_eq!(assigned(&mut *first).await, [0, 1]);
    first.start(0, Offset(0)).await.unwrap();
    follow(&mut *first, &mut BTreeMap::from([(0, 0)]), 10).await;
    first.leave().await.unwrap();
    let begun = Instant::now();
    let mut second = log.join("over", membership("over")).await.unwrap();
    assert_eq!(assigned(&mut *second).await, [0, 1]);
    println!("  took over after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(5), "it waited for a time-out");
    second.start(0, Offset(4)).await.unwrap();
    second.start(1, Offset(7)).await.unwrap();
    follow(&mut *second, &mut BTreeMap::from([(0, 4), (1, 7)]), 9).await;
    second.leave().await.unwrap();
}

async fn reading_is_fast(log: Arc<dyn Log>) {
    const COUNT: usize = 200_000;
    log.create_topic("fast", 4).await.unwrap();
    let value = Bytes::from(vec![b'x'; 300]);
    let begun = Instant::now();
    for at in 0..COUNT / 5_000 {
        let record =
            |number: usize| NewRecord::keyed(format!("reader-{}", at * 5_000 + number), value.clone());
        log.append("fast", (0..5_000).map(record).collect()).await.unwrap();
    }
    let written = begun.elapsed();
    let begun = Instant::now();
    let all = read_all(&*log, "fast").await;
    assert_eq!(all.values().map(Vec::len).sum::<usize>(), COUNT);
    let rate = |time: Duration| COUNT as f64 / time.as_secs_f64() / 1_000.0;
    println!("  {:.0} k records/s written, {:.0} k read", rate(written), rate(begun.elapsed()));
}
