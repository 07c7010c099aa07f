//! How long it takes from the start of the program to its first folded event, with many readers in the store.
//!
//! `restart ABOVEFOLD HOME [READERS]`: the first time, so many readers (a million) read once each, straight into the log of an embedded home, and are
//! folded without a model. Then the program `ABOVEFOLD` is started seven times, each time over one new event.
#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

use abovefold_benches::row::median;
use abovefold_engine::log::{Log, LogSettings, NewRecord, open};
use abovefold_schemas::{ArticleId, Event, ReaderId};

const TOPIC: &str = "user_events";
const PARTITIONS: u32 = 4;
/// Records of one append.
const CHUNK: usize = 10_000;
const STARTS: usize = 7;
/// What the sink says when an epoch is stored.
const WRITTEN: &str = "epoch write ends";

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(program), Some(home)) = (arguments.next(), arguments.next()) else {
        println!("usage: restart ABOVEFOLD HOME [READERS]");
        return;
    };
    let readers = arguments.next().map_or(1_000_000, |text| text.parse().expect("READERS is a number"));
    let (program, home) = (PathBuf::from(program), PathBuf::from(home));
    fill(&home, readers).await;
    let begun = Instant::now();
    let (child, said) = start(&program, &home);
    wait_for_end(said, readers);
    end(child);
    println!("{readers} readers are in the store ({:.1} s)", begun.elapsed().as_secs_f64());
    let mut times = Vec::new();
    for number in 0..STARTS {
        append(&home, vec![read(number, 7)]).await;
        let begun = Instant::now();
        let (child, said) = start(&program, &home);
        let written = said.lines().map_while(Result::ok).any(|line| line.contains(WRITTEN));
        assert!(written, "the program ended before it wrote anything");
        times.push(begun.elapsed().as_secs_f64());
        end(child);
    }
    let seconds: Vec<String> = times.iter().map(|time| format!("{time:.2}")).collect();
    println!(
        "from start to the first event folded and stored: median {:.2} s of {}",
        median(&times),
        seconds.join(", ")
    );
}

fn read(reader: usize, article: i64) -> NewRecord {
    let reader = ReaderId::new(format!("reader-{reader}")).expect("that is an id");
    let mut event = Event::read(reader, ArticleId(article));
    event.read_time = Some(30.0);
    NewRecord::keyed(event.user_id.as_str().to_owned(), event.to_json())
}

fn log(home: &Path) -> std::sync::Arc<dyn Log> {
    open(&format!("file:{}", home.join("log").display()), &LogSettings::default()).expect("the log opens")
}

async fn append(home: &Path, records: Vec<NewRecord>) {
    log(home).append(TOPIC, records).await.expect("the log takes them");
}

/// Lets everybody read once, where the log is empty.
async fn fill(home: &Path, readers: usize) {
    let log = log(home);
    log.create_topic(TOPIC, PARTITIONS).await.expect("the log takes a topic");
    let bounds = log.bounds(TOPIC).await.expect("the log has its topic");
    if bounds.iter().any(|bounds| bounds.end.0 > 0) {
        return;
    }
    for first in (0..readers).step_by(CHUNK) {
        let chunk = first..readers.min(first + CHUNK);
        let records = chunk.map(|reader| read(reader, (reader % 5_000) as i64)).collect();
        log.append(TOPIC, records).await.expect("the log takes them");
    }
}

/// Starts the program, with windows short enough to wait for nothing.
fn start(program: &Path, home: &Path) -> (Child, BufReader<ChildStderr>) {
    let mut child = Command::new(program)
        .args(["run", "--listen", "127.0.0.1:0", "--home"])
        .arg(home)
        .env("ABOVEFOLD__WINDOW__LENGTH", "50ms")
        .env("ABOVEFOLD__WINDOW__MAX_RECORDS", "16384")
        .env("RUST_LOG", "warn,abovefold_engine=debug")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let said = BufReader::new(child.stderr.take().expect("it is piped"));
    (child, said)
}

/// Waits until nothing has been written for a second after everybody may be in the store.
fn wait_for_end(said: BufReader<ChildStderr>, readers: usize) {
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in said.lines().map_while(Result::ok).filter(|line| line.contains(WRITTEN)) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut patience = Duration::from_secs(60).max(Duration::from_micros(readers as u64 * 20));
    while lines.recv_timeout(patience).is_ok() {
        patience = Duration::from_secs(5);
    }
}

/// Ends the program in order.
fn end(mut child: Child) {
    let told = Command::new("kill").arg(child.id().to_string()).status();
    assert!(told.is_ok_and(|status| status.success()), "the program runs until it is told to end");
    child.wait().expect("it ends");
}
