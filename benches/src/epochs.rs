//! What atomic epochs cost in Redis: transactions that compare the marker and write an epoch, against the same writes as a plain pipeline, in
//! the same rounds and on the same server.

use std::{path::PathBuf, process::Command, time::Instant};

use abovefold_engine::{
    Result,
    state::{EpochWrite, Put, RedisStore, StateSettings, StateStore, Tag, Value, WriteOutcome},
};
use abovefold_schemas::{Marker, Offset};
use redis::{Pipeline, aio::MultiplexedConnection};
use tempfile::TempDir;

use crate::row::Row;

/// Rounds of each side, interleaved.
const ROUNDS: usize = 31;
/// Epochs of one round.
const PER_ROUND: usize = 16;
/// Readers and articles of an epoch of 256 records.
const TOUCHED: usize = 200;
/// An article's counts.
const ARTICLE_BYTES: usize = 240;
/// Atomic epochs may take 15 % longer than plain writes.
const TARGET: f64 = 1.0 / 1.15;

/// A Redis of its own.
struct Server {
    folder: TempDir,
    script: PathBuf,
    port: u16,
}

impl Server {
    fn start() -> Option<Self> {
        std::env::var_os("ABOVEFOLD_REDIS_SERVER")?;
        let script = PathBuf::from(std::env::var_os("ABOVEFOLD_SERVERS")?).join("redis.sh");
        let folder = TempDir::new().ok()?;
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut start = Command::new("bash");
        let started =
            start.arg(&script).arg("start").arg(folder.path()).arg(port.to_string()).output().ok()?;
        started.status.success().then_some(Self { folder, script, port })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What does not stop is left to the user, who is told by the script.
        Command::new("bash").arg(&self.script).arg("stop").arg(self.folder.path()).output().ok();
    }
}

/// One row for readers with a hidden state (12 KB), one for readers without a model; none without a Redis.
///
/// # Panics
/// When the server ends meanwhile, which it has no reason to.
pub fn rows() -> Vec<Row> {
    let Some(server) = Server::start() else {
        return Vec::new();
    };
    let runtime = crate::threads();
    [("12 KB", 12_000), ("1 KB", 1_000)]
        .map(|(size, bytes)| {
            let rounds =
                runtime.block_on(measure(server.port, bytes)).expect("the server is there to the end");
            let name = format!("atomic epochs in Redis, {TOUCHED} readers of {size}");
            Row::new(name, "epochs/s", "the same writes as a plain pipeline", rounds).wanted(TARGET)
        })
        .into()
}

/// Epochs a second in each round: atomic, and plain.
async fn measure(port: u16, bytes: usize) -> Result<Vec<(f64, f64)>> {
    let url = format!("redis://127.0.0.1:{port}/0");
    let store = RedisStore::connect(&url, &StateSettings::default()).await?;
    let client = redis::Client::open(url).expect("the address is one");
    let mut plain = client.get_multiplexed_async_connection().await.expect("the server is there");
    let tag = Tag { namespace: format!("bench-{bytes}"), partition: 0 };
    let mut marker = Marker::start(Offset(0));
    store.initialise(&tag, marker).await?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let epochs: Vec<EpochWrite> = (0..PER_ROUND)
            .map(|_| {
                let epoch = epoch(marker, bytes);
                marker = epoch.target;
                epoch
            })
            .collect();
        let mut rates = [0.0; 2];
        // Who begins alternates, so that neither always meets the server warm.
        for side in [round % 2, 1 - round % 2] {
            let begun = Instant::now();
            for epoch in &epochs {
                if side == 0 {
                    let written = store.write_epoch(&tag, epoch).await?;
                    assert_eq!(written, WriteOutcome::Applied, "nobody else writes here");
                } else {
                    write_plainly(&mut plain, &format!("plain-{bytes}"), epoch).await;
                }
            }
            rates[side] = PER_ROUND as f64 / begun.elapsed().as_secs_f64();
        }
        rounds.push((rates[0], rates[1]));
    }
    Ok(rounds)
}

/// An epoch of some records: it writes readers and articles, and drops the readers' candidates.
fn epoch(expected: Marker, bytes: usize) -> EpochWrite {
    let target = Marker::start(Offset(expected.next.0 + 256));
    let value = |length: usize, number: usize| {
        let bytes: Vec<u8> = (0..length).map(|place| (place * 31 + number) as u8).collect();
        Some(Value { version: target.next, bytes: bytes.into() })
    };
    let first = expected.next.0 as usize;
    let reader = |number: usize| format!("r{}", (first + number * 7) % 5_000);
    let readers = (0..TOUCHED).map(|number| Put {
        key: reader(number).into(),
        value: value(bytes, number),
        mirrored: false,
    });
    let articles = (0..TOUCHED).map(|number| Put {
        key: format!("a{}", (first + number * 13) % 3_000).into(),
        value: value(ARTICLE_BYTES, number),
        mirrored: true,
    });
    let invalidated = (0..TOUCHED).map(|number| reader(number).into()).collect();
    EpochWrite { expected, target, puts: readers.chain(articles).collect(), invalidated }
}

/// The same writes, compared with nothing and in no transaction, as one pipeline.
async fn write_plainly(connection: &mut MultiplexedConnection, prefix: &str, epoch: &EpochWrite) {
    let mut pipeline = Pipeline::with_capacity(epoch.puts.len() + 5);
    let key = |kind: &str, name: &[u8]| [prefix.as_bytes(), kind.as_bytes(), name].concat();
    let (mut names, mut mirrored, mut dropped) = (redis::cmd("SADD"), redis::cmd("ZADD"), redis::cmd("DEL"));
    names.arg(key(":index", b""));
    mirrored.arg(key(":changed", b"")).arg(epoch.target.next.0);
    let mut changed = Vec::new();
    for put in &epoch.puts {
        let Some(value) = &put.value else { continue };
        let row = [&value.version.0.to_be_bytes()[..], &value.bytes].concat();
        pipeline.cmd("SET").arg(key(":v:", &put.key)).arg(row).ignore();
        names.arg(&put.key[..]);
        if put.mirrored {
            changed.extend_from_slice(&put.key);
        }
    }
    mirrored.arg(changed);
    for name in &epoch.invalidated {
        dropped.arg(key(":d:", name));
    }
    for command in [names, mirrored, dropped] {
        pipeline.add_command(command).ignore();
    }
    let marker = epoch.target.to_bytes().to_vec();
    pipeline.cmd("SET").arg(key(":marker", b"")).arg(&marker).ignore();
    pipeline.cmd("PUBLISH").arg(key(":marker", b"")).arg(&marker).ignore();
    pipeline.query_async::<()>(connection).await.expect("the server is there");
}
