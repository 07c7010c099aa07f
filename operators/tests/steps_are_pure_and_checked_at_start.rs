//! Steps of the configuration: what they do to reads, what they leave alone, what is refused, and that a replay folds the same.

#![allow(clippy::unwrap_used)] // Tests.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::{
    Dataflow, EpochSink, Feed, Lease, Runtime, TumblingWindow, WindowSettings,
    log::{Log, MemoryLog, Record, RecordRun},
    state::{MemoryStore, StateStore, Tag, Value},
};
use abovefold_operators::{
    decode::{Decode, columns},
    fold::{ArticleTable, Fold, FoldContext, FoldSettings},
    key::KeyByReader,
    pipeline::graphs,
    steps::{ApplySteps, StepConfig, Steps},
};
use abovefold_schemas::{Kept, Marker, Offset, ReaderId, Timestamp, keys::reader_key, state::ReaderState};
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use tokio::sync::mpsc;

fn filter(text: &str) -> StepConfig {
    StepConfig { filter: Some(text.into()), ..StepConfig::default() }
}

fn derive(column: &str, text: &str) -> StepConfig {
    StepConfig { derive: BTreeMap::from([(column.into(), text.into())]), ..StepConfig::default() }
}

fn records(events: &[&str]) -> Vec<Record> {
    (0..)
        .zip(events)
        .map(|(offset, event)| Record {
            offset: Offset(offset),
            time: Timestamp(1_704_110_400_000 + offset as i64 * 1_000),
            key: None,
            value: Bytes::copy_from_slice(event.as_bytes()),
            headers: Vec::new(),
        })
        .collect()
}

/// What is left of reads of one reader: article, read time, scroll depth, device, view.
type Row = (i64, Option<f32>, Option<f32>, u8, Option<String>);

fn applied(steps: &[StepConfig], events: &[&str]) -> Vec<Row> {
    let mut run = Decode::default().run(RecordRun::new(0, records(events)));
    assert!(run.dead.is_empty(), "{:?}", run.dead);
    run.batch = Steps::new(steps).unwrap().apply(&run.batch).unwrap();
    let rows = columns(&run);
    (0..rows.len())
        .map(|row| rows.row(row))
        .map(|row| {
            let article = row.article_id.map_or(-1, |article| article.0);
            (article, row.read_time, row.scroll_pct, row.device_type, row.view_id.map(str::to_owned))
        })
        .collect()
}

fn articles(steps: &[StepConfig], events: &[&str]) -> Vec<i64> {
    applied(steps, events).into_iter().map(|row| row.0).collect()
}

const READS: [&str; 5] = [
    r#"{"user_id":"ann","article_id":1,"read_time":0.5,"scroll_pct":10}"#,
    r#"{"user_id":"bob","article_id":2,"read_time":30,"device_type":1,"view_id":"v-1","seq":1}"#,
    r#"{"user_id":"ann","article_id":3,"scroll_pct":90,"device_type":3}"#,
    r#"{"user_id":"cid","article_id":4,"read_time":5000,"scroll_pct":0}"#,
    r#"{"user_id":"bob","article_id":5,"read_time":1,"scroll_pct":50,"view_id":"v-2"}"#,
];

#[test]
fn a_filter_keeps_the_reads_for_which_it_is_true() {
    assert_eq!(articles(&[filter("read_time >= 1")], &READS), [2, 4, 5], "unknown is not true");
    assert_eq!(articles(&[filter("read_time >= 1 OR read_time IS NULL")], &READS), [2, 3, 4, 5]);
    assert_eq!(articles(&[filter("user_id <> 'bob'")], &READS), [1, 3, 4]);
    assert_eq!(articles(&[filter("starts_with(view_id, 'v-')"), filter("seq = 1")], &READS), [2]);
    assert_eq!(articles(&[filter("offset % 2 = 0 AND log_time > 0")], &READS), [1, 3, 5]);
    assert_eq!(articles(&[filter("false")], &READS), [0_i64; 0]);
    assert_eq!(articles(&[], &READS), [1, 2, 3, 4, 5]);
}

#[test]
fn derived_columns_keep_their_type_and_what_they_cannot_hold_is_unknown() {
    let read_times = |text: &str| -> Vec<Option<f32>> {
        applied(&[derive("read_time", text)], &READS).into_iter().map(|row| row.1).collect()
    };
    let capped = [Some(0.5), Some(30.0), None, Some(600.0), Some(1.0)];
    assert_eq!(read_times("CASE WHEN read_time IS NULL THEN NULL ELSE least(read_time, 600.0) END"), capped);
    assert_eq!(read_times("0.0 - read_time"), [None; 5], "no time is below 0");
    assert_eq!(read_times("read_time / 0.0"), [None; 5], "nor infinite");
    assert_eq!(read_times("7"), [Some(7.0); 5], "a whole number is a number");
    assert_eq!(read_times("NULL"), [None; 5]);
    let devices = |text: &str| -> Vec<u8> {
        applied(&[derive("device_type", text)], &READS).into_iter().map(|row| row.3).collect()
    };
    assert_eq!(devices("device_type + 2"), [2, 3, 0, 2, 2], "5 is no device");
    assert_eq!(devices("-1"), [0; 5]);
    let views: Vec<_> =
        applied(&[derive("view_id", "repeat(view_id, 100)")], &READS).into_iter().map(|row| row.4).collect();
    assert_eq!(views, [const { None }; 5], "a view's id has at most 128 bytes");
    // Steps follow each other; the expressions of one step all see the row before it.
    let both = StepConfig {
        derive: BTreeMap::from([
            ("read_time".into(), "scroll_pct".into()),
            ("scroll_pct".into(), "read_time".into()),
        ]),
        ..StepConfig::default()
    };
    let swapped = applied(&[both, filter("scroll_pct IS NULL")], &READS);
    assert_eq!(
        swapped,
        [(3, Some(90.0), None, 3, None), (4, Some(0.0), None, 0, None)],
        "5,000 is no percentage"
    );
}

#[test]
fn a_row_on_which_an_expression_fails_is_null_whoever_its_neighbours_are() {
    let events: Vec<String> =
        (0..4).map(|number| format!(r#"{{"user_id":"ann","article_id":{number},"read_time":1}}"#)).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let steps = [filter("12 / article_id > 5")];
    assert_eq!(articles(&steps, &events), [1, 2], "0 fails, 3 gives 4");
    for event in &events[..1] {
        assert_eq!(articles(&steps, &[event]), [0_i64; 0]);
    }
    let derived = applied(&[derive("read_time", "10 / article_id")], &events);
    let times: Vec<Option<f32>> = derived.into_iter().map(|row| row.1).collect();
    assert_eq!(times, [None, Some(10.0), Some(5.0), Some(3.0)]);
    let texts = applied(&[derive("seq", "CAST(view_id AS INT)")], &READS);
    assert_eq!(texts.len(), 5, "a text that is no number fails on its row alone");
}

#[test]
fn what_is_no_read_passes_untouched() {
    let events = [
        r#"{"user_id":"ann","type":"forget"}"#,
        r#"{"user_id":"ann","type":"preferences","topics":["World"],"device_type":2}"#,
        r#"{"user_id":"ann","article_id":1,"read_time":0.5}"#,
        r#"{"user_id":"ann","type":"profile","gender":1}"#,
    ];
    let steps = [filter("read_time >= 1"), derive("device_type", "1")];
    let left = applied(&steps, &events);
    assert_eq!(left.iter().map(|row| row.3).collect::<Vec<_>>(), [0, 2, 0], "no filter loses a forget");
}

#[test]
fn what_is_no_pure_expression_of_its_type_is_refused_in_one_line() {
    let bad = [
        (filter("reed_time >= 1"), "reed_time"),
        (filter("read_time >="), "read_time >="),
        (filter("read_time >= 1 garbage garbage"), "garbage"),
        (filter("read_time"), "true or false"),
        (filter("NULL"), "true or false"),
        (filter("read_time >= 'much'"), "'much'"),
        (filter("nosuch(read_time)"), "nosuch"),
        (filter("now() > to_timestamp(0)"), "no pure function"),
        (filter("current_date() IS NOT NULL"), "no pure function"),
        (filter("uuid() <> view_id"), "no pure function"),
        (filter("version() <> ''"), "no pure function"),
        (filter("sum(read_time) > 1"), "more than a function of one row"),
        (filter("row_number() OVER () > 1"), "more than a function of one row"),
        (filter("read_time > (SELECT 1)"), "step 1"),
        (filter("read_time > $1"), "step 1"),
        (derive("user_id", "'bob'"), "user_id cannot be derived"),
        (derive("offset", "1"), "offset cannot be derived"),
        (derive("event_time", "log_time"), "event_time cannot be derived"),
        (derive("mood", "1"), "mood is no column"),
        (derive("read_time", "'long'"), "has to stay Float32"),
        (derive("device_type", "read_time"), "has to stay UInt8"),
        (derive("view_id", "article_id"), "has to stay Utf8"),
        (derive("seq", "true"), "has to stay UInt32"),
        (StepConfig::default(), "either `filter` or `derive`"),
        (StepConfig { derive: derive("seq", "1").derive, ..filter("true") }, "either `filter` or `derive`"),
    ];
    for (step, reason) in bad {
        let error = Steps::new(std::slice::from_ref(&step)).expect_err(&format!("{step:?}"));
        let line = error.to_string();
        assert!(line.contains(reason) && !line.contains('\n'), "{step:?}: {line}");
        assert!(line.starts_with("read [[steps]] of the configuration, step 1, "), "{line}");
    }
    // It says which one.
    let line = Steps::new(&[filter("true"), filter("nothing")]).unwrap_err().to_string();
    assert!(line.contains("step 2"), "{line}");
}

#[test]
fn the_graph_shows_them_where_there_are_any() {
    let write = &graphs(&Steps::new(&[filter("true")]).unwrap())[0];
    let line = "write: user_events -> decode -> window -> steps -> key by reader -> embed -> sink";
    assert_eq!(write.to_text(), line);
}

/// Everything of the fold's partition after events were folded through steps, in epochs of at most so many records.
async fn folded(steps: &Steps, events: &[&str], most: usize) -> BTreeMap<Bytes, Value> {
    let runtime = Runtime::real();
    let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
    let (feedback, _signals) = mpsc::unbounded_channel();
    let lease = Lease { partition: 0, generation: 1 };
    let marker = Marker::start(Offset(0));
    let tag = Tag { namespace: "main".into(), partition: 0 };
    store.initialise(&tag, marker).await.unwrap();
    let data = records(events);
    let mut feed = vec![Ok(Feed::Begin { lease, marker })];
    feed.extend(data.chunks(3).map(|run| Ok(Feed::Data { lease, data: RecordRun::new(0, run.to_vec()) })));
    let window = WindowSettings { max_records: most, ..WindowSettings::default() };
    let log = MemoryLog::new(Arc::new(|| Timestamp(0)));
    log.create_topic("articles", 1).await.unwrap();
    let fold = Fold::new(FoldContext {
        namespace: "main".into(),
        first_offsets: vec![Offset(0)],
        store: store.clone(),
        model: None,
        table: ArticleTable::new(Arc::new(log), "articles", Vec::new()),
        feedback: feedback.clone(),
        settings: FoldSettings::default(),
        runtime: runtime.clone(),
    });
    let mut flow = Dataflow::new("test", runtime.clone());
    flow.source("records", stream::iter(feed))
        .then(&mut flow, Decode::default())
        .then(&mut flow, TumblingWindow::new(window, runtime.clone()))
        .then(&mut flow, ApplySteps::new(steps.clone()))
        .then(&mut flow, KeyByReader::new(1))
        .then(&mut flow, fold)
        .sink(&mut flow, EpochSink::new("test", "main", store.clone(), feedback, runtime));
    flow.finish().await.unwrap();
    let stored = store.read(&tag, &[], &[]).await.unwrap().marker.unwrap();
    assert_eq!(stored.next, Offset(events.len() as u64), "what is filtered is folded, to nothing");
    store.scan(&tag).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_replay_through_the_same_steps_gives_the_same_bytes_however_it_is_cut() {
    let steps =
        Steps::new(&[filter("read_time >= 1"), derive("read_time", "least(read_time, 600.0)")]).unwrap();
    let events: Vec<&str> = READS.iter().copied().cycle().take(40).collect();
    let expected = folded(&steps, &events, 100).await;
    for most in [1, 7] {
        assert_eq!(folded(&steps, &events, most).await, expected, "epochs of {most}");
    }
    assert_ne!(folded(&Steps::default(), &events, 100).await, expected);
    let state = |reader: &str| {
        let value = expected.get(&reader_key(&ReaderId::new(reader).unwrap()));
        value.map(|value| ReaderState::from_kept(&value.bytes).unwrap())
    };
    assert!(state("ann").is_none(), "all that ann read was too short, or of unknown length");
    assert!(state("cid").unwrap().reads.iter().all(|read| read.read_time == Some(600.0)));
    assert_eq!(state("bob").unwrap().total_reads, 2, "pieces that repeat amend nothing");
}
