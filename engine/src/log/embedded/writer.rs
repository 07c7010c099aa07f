//! The thread that writes. What waits together is written together, under one fsync.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
};

use abovefold_schemas::{Offset, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::{
    super::{LogClock, NewRecord, Position, partition_of},
    codec,
    store::{RECORDS, Store, TOPICS, Topic},
};
use crate::error::{EngineError, Result};

/// Callers that may wait before others are held back.
const WAITING: usize = 1_024;
/// One transaction takes no more calls after this many records,
const COMMIT_RECORDS: usize = 20_000;
/// or this many bytes.
const COMMIT_BYTES: usize = 32 << 20;

enum Job {
    Append(Call),
    Create { topic: String, partitions: u32, reply: oneshot::Sender<Result<u32>> },
}

/// The door to the writing thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(store: Arc<Store>, clock: LogClock) -> Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let tried = format!("start the writer of {store}");
        let mut writing = Writing { store, clock, keyless: 0, buffer: Vec::new() };
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writing.run(waiting))
            .map_err(|error| EngineError::outside(tried, error))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(super) async fn append(&self, topic: Arc<Topic>, records: Vec<NewRecord>) -> Result<Vec<Position>> {
        let tried = format!("append to topic {} of the embedded log", topic.name);
        self.ask(tried, |reply| Job::Append(Call { topic, records, reply })).await
    }

    pub(super) async fn create_topic(&self, topic: String, partitions: u32) -> Result<u32> {
        let tried = format!("create topic {topic} in the embedded log");
        self.ask(tried, |reply| Job::Create { topic, partitions, reply }).await
    }

    async fn ask<T>(&self, tried: String, job: impl FnOnce(oneshot::Sender<Result<T>>) -> Job) -> Result<T> {
        let gone = || EngineError::ours(&tried, "the writing thread is gone");
        let (reply, answer) = oneshot::channel();
        self.jobs.as_ref().ok_or_else(gone)?.send(job(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        // What was taken is written before the file closes.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Writing {
    store: Arc<Store>,
    clock: LogClock,
    /// Where the next record without a key goes.
    keyless: u32,
    buffer: Vec<u8>,
}

/// One caller's append.
struct Call {
    topic: Arc<Topic>,
    records: Vec<NewRecord>,
    reply: oneshot::Sender<Result<Vec<Position>>>,
}

/// How far partitions (topic id, number) will go, and their last times, when a transaction is durable.
type Tails = BTreeMap<(u32, u32), (u64, i64)>;

impl Writing {
    fn run(&mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut held = None;
        while let Some(job) = held.take().or_else(|| waiting.blocking_recv()) {
            match job {
                Job::Create { topic, partitions, reply } => {
                    let _ = reply.send(self.create(&topic, partitions));
                }
                Job::Append(first) => {
                    let mut calls = vec![first];
                    held = gather(&mut calls, &mut waiting);
                    self.append(calls);
                }
            }
        }
    }

    fn create(&self, name: &str, partitions: u32) -> Result<u32> {
        if let Some(topic) = self.store.topic(name) {
            return Ok(topic.partitions());
        }
        let topic = Topic::empty(name, self.store.free_id(), partitions);
        let write = || -> Result<(), redb::Error> {
            let transaction = self.store.database.begin_write()?;
            transaction.open_table(TOPICS)?.insert(name, topic.to_bytes().as_slice())?;
            Ok(transaction.commit()?)
        };
        write()
            .map_err(|error| EngineError::outside(format!("create topic {name} in {}", self.store), error))?;
        self.store.add_topic(topic);
        Ok(partitions)
    }

    fn append(&mut self, calls: Vec<Call>) {
        match self.write(&calls) {
            Ok((positions, tails)) => {
                let topics: BTreeMap<u32, &Arc<Topic>> =
                    calls.iter().map(|call| (call.topic.id, &call.topic)).collect();
                for ((topic, partition), (end, time)) in tails {
                    topics[&topic].last_times[partition as usize].store(time, Ordering::Relaxed);
                    topics[&topic].set_end(partition, end);
                }
                for topic in topics.values() {
                    topic.grown.send_replace(());
                }
                for (call, positions) in calls.into_iter().zip(positions) {
                    let _ = call.reply.send(Ok(positions));
                }
            }
            Err(error) => {
                let tried = format!("append to {}", self.store);
                for call in calls {
                    let _ = call.reply.send(Err(EngineError::outside(&tried, &error)));
                }
            }
        }
    }

    /// Writes the records of all calls in one durable transaction; returns each call's positions, and the new tails.
    fn write(&mut self, calls: &[Call]) -> Result<(Vec<Vec<Position>>, Tails), redb::Error> {
        let mut tails = Tails::new();
        let mut positions = Vec::with_capacity(calls.len());
        let transaction = self.store.database.begin_write()?;
        let mut table = transaction.open_table(RECORDS)?;
        for Call { topic, records, .. } in calls {
            let now = (self.clock)();
            let mut placed = Vec::with_capacity(records.len());
            for record in records {
                let partition = self.place(record, topic.partitions());
                let (end, last) = tails.entry((topic.id, partition)).or_insert_with(|| {
                    (topic.end(partition), topic.last_times[partition as usize].load(Ordering::Relaxed))
                });
                // The clock may be set back; the log's time may not.
                *last = now.0.max(*last);
                codec::encode(record, Timestamp(*last), &mut self.buffer);
                table.insert((topic.id, partition, *end), self.buffer.as_slice())?;
                placed.push(Position { partition, offset: Offset(*end) });
                *end += 1;
            }
            positions.push(placed);
        }
        drop(table);
        transaction.commit()?;
        Ok((positions, tails))
    }

    /// A record's partition: as asked for, by its key, or in turn.
    fn place(&mut self, record: &NewRecord, partitions: u32) -> u32 {
        match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of(key, partitions),
            (None, None) => {
                self.keyless = self.keyless.wrapping_add(1);
                self.keyless % partitions
            }
        }
    }
}

/// Takes the appends that wait already; returns a job of another kind that came between them.
fn gather(calls: &mut Vec<Call>, waiting: &mut mpsc::Receiver<Job>) -> Option<Job> {
    let size = |call: &Call| call.records.iter().map(|record| record.value.len()).sum::<usize>();
    let (mut records, mut bytes) = (calls[0].records.len(), size(&calls[0]));
    while records < COMMIT_RECORDS && bytes < COMMIT_BYTES {
        match waiting.try_recv() {
            Ok(Job::Append(call)) => {
                records += call.records.len();
                bytes += size(&call);
                calls.push(call);
            }
            Ok(other) => return Some(other),
            Err(_) => break,
        }
    }
    None
}
