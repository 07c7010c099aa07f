//! The write path without a model: decode alone, and decode -> window -> key -> fold -> sink into a store in memory.

use std::{hint::black_box, sync::Arc, time::Instant};

use abovefold_engine::{
    Dataflow, EpochSink, Feed, Lease, Result, Runtime, Stage, TumblingWindow, WindowSettings,
    log::{Log, MemoryLog, Record, RecordRun},
    state::{MemoryStore, StateStore, Tag},
};
use abovefold_operators::{
    decode::Decode,
    fold::{ArticleTable, Fold, FoldContext, FoldSettings},
    key::KeyByReader,
};
use abovefold_schemas::{ArticleId, Event, Marker, Offset, ReaderId, Timestamp};
use futures::stream;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;

use crate::row::Row;

/// Events of one round.
const EVENTS: usize = 200_000;
/// Readers that they come from.
pub const READERS: usize = 10_000;
/// Records of one run, as a log hands them on.
const RUN: usize = 1_000;
/// Records of an epoch: a replay at full speed writes a reader once for many reads.
const EPOCH: usize = 16_384;
/// Rounds of each side, interleaved.
const ROUNDS: usize = 5;
/// Events a second that decode -> key -> sink is to reach in memory.
const TARGET: f64 = 300_000.0;

/// Measures both, each beside its baseline in the same rounds.
///
/// # Panics
/// When a dataflow fails, which it has no reason to.
pub fn rows() -> Vec<Row> {
    let records = events(0, EVENTS, READERS);
    let runtime = crate::threads();
    let (mut decode_rounds, mut fold_rounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let parsed = rate(|| {
            for record in &records {
                black_box(serde_json::from_slice::<IgnoredAny>(&record.value).is_ok());
            }
        });
        let decoded = rate(|| {
            let mut decode = Decode::default();
            for run in runs(&records) {
                black_box(decode.run(run));
            }
        });
        let folded = rate(|| runtime.block_on(fold(&records)).expect("the dataflow has no reason to fail"));
        decode_rounds.push((decoded, parsed));
        fold_rounds.push((folded, TARGET));
    }
    let fold = format!("decode, window, key, fold, sink; epochs of {EPOCH}");
    vec![
        Row::new("decode JSON to Arrow", "events/s", "JSON parsed and thrown away", decode_rounds),
        Row::new(fold, "events/s", "300,000 events/s", fold_rounds).wanted(1.0),
    ]
}

fn rate(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    EVENTS as f64 / started.elapsed().as_secs_f64()
}

/// Reads of many readers and articles, as records of one partition, from an offset on.
///
/// # Panics
/// Never: a number is a reader's id.
pub fn events(first: usize, count: usize, readers: usize) -> Vec<Record> {
    // A linear congruential generator: any spread over readers and articles will do.
    let mut state = 1 + first as u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (first as u64..(first + count) as u64)
        .map(|offset| {
            let reader = ReaderId::new(draw(readers as u64).to_string()).expect("a number is an id");
            let mut event = Event::read(reader, ArticleId(draw(5_000) as i64));
            event.read_time = Some(draw(120) as f32);
            event.scroll_pct = Some(draw(100) as f32);
            event.device_type = 1;
            event.timestamp = Some(Timestamp(1_700_000_000_000 + offset as i64 * 10));
            let key = Some(event.user_id.as_str().to_owned().into());
            let time = Timestamp(1_700_000_000_000 + offset as i64 * 10);
            Record { offset: Offset(offset), time, key, value: event.to_json().into(), headers: Vec::new() }
        })
        .collect()
}

fn runs(records: &[Record]) -> impl Iterator<Item = RecordRun> + '_ {
    records.chunks(RUN).map(|records| RecordRun::new(0, records.to_vec()))
}

async fn fold(records: &[Record]) -> Result<()> {
    let runtime = Runtime::real();
    let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
    let (feedback, _signals) = mpsc::unbounded_channel();
    let lease = Lease { partition: 0, generation: 1 };
    let marker = Marker::start(Offset(0));
    store.initialise(&Tag { namespace: "bench".into(), partition: 0 }, marker).await?;
    let mut feed = vec![Ok(Feed::Begin { lease, marker })];
    let ends = records.len() as u64;
    feed.extend(runs(records).flat_map(|run| {
        // Without a source there is nobody to acknowledge: the window is told at once.
        let acked = Marker::start(run.next);
        [Ok(Feed::Data { lease, data: run }), Ok(Feed::Acked { lease, marker: acked })]
    }));
    let mut flow = Dataflow::new("bench", runtime.clone());
    let log = MemoryLog::new(Arc::new(|| Timestamp(0)));
    log.create_topic("articles", 1).await?;
    let window = WindowSettings { max_records: EPOCH, ..WindowSettings::default() };
    let fold = Fold::new(FoldContext {
        namespace: "bench".into(),
        first_offsets: vec![Offset(0)],
        store: store.clone(),
        model: None,
        table: ArticleTable::new(Arc::new(log), "articles", Vec::new()),
        feedback: feedback.clone(),
        settings: FoldSettings { cached_readers: 2 * READERS, ..FoldSettings::default() },
        runtime: runtime.clone(),
    });
    let source: Stage<_> = flow.source("records", stream::iter(feed));
    source
        .then(&mut flow, Decode::default())
        .then(&mut flow, TumblingWindow::new(window, runtime.clone()))
        .then(&mut flow, KeyByReader::new(1))
        .then(&mut flow, fold)
        .sink(&mut flow, EpochSink::new("bench", "bench", store.clone(), feedback, runtime));
    flow.finish().await?;
    let stored = store.read(&Tag { namespace: "bench".into(), partition: 0 }, &[], &[]).await?.marker;
    assert_eq!(stored.map(|marker| marker.next), Some(Offset(ends)), "every event is folded");
    Ok(())
}
