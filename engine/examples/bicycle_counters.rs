//! Bicycle counters: a second pipeline, which has nothing to do with news.
//!
//! Counters beside cycle paths write what they counted into a topic, keyed by their place. A dataflow folds that into windows of 15 minutes of
//! event time. One counter is offline for a while and sends what it has later; one has a clock that runs ahead.
//!
//! ```text
//! crossings -> window -> quarters (fold) -> sink        late_crossings
//!                              |                              ^
//!                              +------------------------------+
//! ```
//!
//! `cargo run --release --example bicycle_counters`

use std::{
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use abovefold_engine::{
    Dataflow, EngineError, EpochSink, PartitionedSource, Result, Runtime, SourceSettings, Troubles,
    TumblingWindow, WindowSettings,
    log::{Log, LogSettings, Membership, NewRecord, RecordRun},
    state::{StateSettings, StateStore},
    time::{
        LateTopic, Measured, ResultChange, Results, ResultsSettings, TimedEvent, WindowFold,
        WindowFoldSettings, Windowing, Windows,
    },
};
use abovefold_schemas::{Offset, Timestamp};
use tokio::sync::{mpsc, watch};

const TOPIC: &str = "crossings";
const LATE_TOPIC: &str = "late_crossings";
const NAMESPACE: &str = "main";
const PARTITIONS: u32 = 2;
const NAME: &str = "quarters";

/// What the counters send first: place, time of day, bicycles within the last minutes.
const MORNING: &str = "\
bridge 08:01 12
station 08:02 30
bridge 08:06 15
station 08:09 28
bridge 08:14 9
harbour 08:13 4
station 23:59 1
bridge 08:16 11
harbour 08:19 6
bridge 08:21 14
";
/// And after a break, in which the worker was started again. The harbour was offline in between.
const LATER: &str = "\
station 08:10 5
bridge 08:31 8
station 08:33 17
bridge 08:12 2
harbour 08:24 3
harbour 08:36 5
bridge 08:47 7
harbour 08:02 1
station 08:51 20
";

/// Every quarter of an hour begins a window. Events may come 5 minutes out of order, and 10 minutes later they still amend a result.
fn quarters() -> Windowing {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    Windowing {
        out_of_orderness: minutes(5),
        allowed_lateness: minutes(10),
        ..Windowing::of(Windows::Tumbling { length: minutes(15) })
    }
}

/// The time of day on the day of the example.
fn at(time_of_day: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("2026-05-04T{time_of_day}"))
}

/// The events in a run of records: `<place> <time> <bicycles>`. What is none folds to nothing.
fn crossings(run: &RecordRun) -> Vec<TimedEvent<f64>> {
    let event = |record: &abovefold_engine::log::Record| {
        let text = std::str::from_utf8(&record.value).ok()?;
        let [_, time, bicycles] = text.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some(TimedEvent {
            offset: record.offset,
            log_time: record.time,
            event_time: at(time),
            key: record.key.clone()?,
            item: bicycles.parse().ok()?,
            payload: record.value.clone(),
        })
    };
    run.records.iter().filter_map(event).collect()
}

async fn send(log: &dyn Log, lines: &str) -> Result<()> {
    let records = lines.lines().map(|line| {
        let place = line.split(' ').next().unwrap_or_default();
        NewRecord::keyed(place.to_owned(), line.to_owned())
    });
    log.append(TOPIC, records.collect()).await.map(drop)
}

/// A worker, from the stored markers to the present end of the log.
async fn work(log: &Arc<dyn Log>, store: &Arc<dyn StateStore>, runtime: &Runtime) -> Result<()> {
    let (_stop, stopped) = watch::channel(false);
    let (feedback, signals) = mpsc::unbounded_channel();
    let source = PartitionedSource {
        settings: SourceSettings {
            dataflow: "crossings",
            topic: TOPIC.into(),
            membership: Membership { group: "counters".into(), member: None },
            namespace: NAMESPACE.into(),
            first_offsets: Vec::new(),
            until: Some(log.bounds(TOPIC).await?.iter().map(|bounds| bounds.end).collect::<Vec<Offset>>()),
            admit: None,
        },
        log: log.clone(),
        store: store.clone(),
        signals,
        stop: stopped,
        pause: abovefold_engine::Pause::default(),
        troubles: Troubles::none(),
        runtime: runtime.clone(),
    };
    let fold = WindowFold::<RecordRun, Measured, _>::new(
        WindowFoldSettings {
            name: NAME,
            windowing: quarters(),
            namespace: NAMESPACE.into(),
            store: store.clone(),
            late: Some(Arc::new(LateTopic {
                log: log.clone(),
                topic: LATE_TOPIC.into(),
                runtime: runtime.clone(),
            })),
            feedback: feedback.clone(),
            runtime: runtime.clone(),
        },
        crossings,
    )?;
    let epochs = WindowSettings { length: Duration::ZERO, ..WindowSettings::default() };
    let mut flow = Dataflow::new("crossings", runtime.clone());
    flow.source_loop(TOPIC, |out| source.run(out))
        .then(&mut flow, TumblingWindow::new(epochs, runtime.clone()))
        .then(&mut flow, fold)
        .sink(&mut flow, EpochSink::new("crossings", NAMESPACE, store.clone(), feedback, runtime.clone()));
    flow.finish().await
}

/// Runs the pipeline in a folder, which may be empty, and says what it finds.
///
/// # Errors
/// When the folder cannot be written.
pub async fn run(folder: &Path, out: &mut impl Write) -> Result<()> {
    let runtime = Runtime::real();
    // The log's clock is moved by hand, so that the example says the same every day.
    let clock = Arc::new(AtomicI64::new(0));
    let read = clock.clone();
    let settings = LogSettings {
        clock: Arc::new(move || Timestamp(read.load(Ordering::Relaxed))),
        ..LogSettings::default()
    };
    let log = abovefold_engine::log::open(&format!("file:{}", folder.join("log").display()), &settings)?;
    let url = format!("file:{}", folder.join("state").display());
    let store = abovefold_engine::state::open(&url, &StateSettings::default()).await?;
    log.create_topic(TOPIC, PARTITIONS).await?;
    log.create_topic(LATE_TOPIC, 1).await?;
    // Early results at every look; and no partition is waited for that has nothing new.
    let settings = ResultsSettings { idle_after: Duration::ZERO, early: Some(Duration::ZERO) };
    let windows = (NAME, quarters());
    let mut results =
        Results::<Measured>::new(windows, store.clone(), (NAMESPACE, PARTITIONS), settings, runtime.clone());
    for (now, lines) in [("08:25", MORNING), ("08:55", LATER)] {
        clock.store(at(now).unwrap_or_default().0, Ordering::Relaxed);
        send(log.as_ref(), lines).await?;
        work(&log, &store, &runtime).await?;
        say(out, format_args!("what is known at {now}:"))?;
        for change in results.refresh().await? {
            let ResultChange::Upsert(result) = change else { continue };
            let time = |moment: Timestamp| moment.to_rfc3339()[11..16].to_owned();
            let (from, to) = (time(result.window.start), time(result.window.end));
            let (place, bicycles) = (String::from_utf8_lossy(&result.key), result.aggregate.sum);
            let (events, pane) = (result.events, result.pane);
            say(
                out,
                format_args!(
                    "  {place:8} {from} to {to}  {bicycles:3} bicycles in {events} readings, {pane}"
                ),
            )?;
        }
    }
    let late: u64 = log.bounds(LATE_TOPIC).await?.iter().map(|bounds| bounds.end.0).sum();
    say(
        out,
        format_args!("{} readings came too late, {late} of them lie in {LATE_TOPIC}", results.late_events()),
    )
}

fn say(out: &mut impl Write, line: std::fmt::Arguments<'_>) -> Result<()> {
    writeln!(out, "{line}").map_err(|error| EngineError::outside("say a result", error))
}

/// Runs it in a temporary folder, on the terminal.
#[allow(dead_code, reason = "the test that runs this pipeline has a main of its own")]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::TempDir::new()?;
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    tokio.block_on(run(folder.path(), &mut std::io::stdout().lock()))?;
    Ok(())
}
