//! The embedded log: one redb file, owned by one process.
//!
//! A thread of its own writes. Appends that wait together share one durable transaction, so that a hundred callers pay for
//! one fsync. Reads run on blocking threads over redb's snapshots, and those who follow the tail are woken by the
//! writer. Groups live in memory: the member that came first has all partitions until it leaves.

mod codec;
mod follower;
mod group;
mod store;
mod writer;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use abovefold_schemas::{Offset, Timestamp};
use async_trait::async_trait;

use self::{
    follower::Follower,
    group::{EmbeddedMember, Groups},
    store::{Store, Topic},
    writer::Writer,
};
use super::{
    Bounds, Log, LogMember, LogReader, LogSettings, Membership, NewRecord, Position, RecordRun,
    open::check_topic_name,
};
use crate::error::{EngineError, Result};

/// The embedded log.
#[derive(Debug)]
pub struct EmbeddedLog {
    store: Arc<Store>,
    writer: Writer,
    groups: Arc<Groups>,
    partitions: u32,
    max_record_bytes: usize,
}

impl EmbeddedLog {
    /// Opens the log in a folder, and makes both if they are not there.
    ///
    /// # Errors
    /// When another process owns it, or the folder can't be written.
    pub fn open(folder: &Path, settings: &LogSettings) -> Result<Self> {
        let store = Arc::new(Store::open(folder)?);
        let writer = Writer::start(Arc::clone(&store), Arc::clone(&settings.clock))?;
        Ok(Self {
            store,
            writer,
            groups: Arc::default(),
            partitions: settings.embedded_partitions.max(1),
            max_record_bytes: settings.max_record_bytes,
        })
    }

    fn topic(&self, topic: &str, tried: &str) -> Result<Arc<Topic>> {
        self.store.topic(topic).ok_or_else(|| {
            EngineError::user(
                format!("{tried} topic {topic} of {}", self.store),
                "there is no such topic; create it, or check its name",
            )
        })
    }

    fn check(&self, topic: &Topic, record: &NewRecord) -> Result<()> {
        let tried = || format!("append to topic {} of {}", topic.name, self.store);
        let bytes = record.size();
        if bytes > self.max_record_bytes {
            let reason =
                format!("a record has {bytes} bytes, the greatest size is {}", self.max_record_bytes);
            return Err(EngineError::user(tried(), reason));
        }
        match record.partition {
            Some(partition) if partition >= topic.partitions() => {
                let reason = format!("there is no partition {partition}, only {}", topic.partitions());
                Err(EngineError::user(tried(), reason))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn partitions(&self, topic: &str) -> Result<Option<u32>> {
        Ok(self.store.topic(topic).map(|topic| topic.partitions()))
    }

    async fn create_topic(&self, topic: &str, partitions: u32) -> Result<u32> {
        check_topic_name(topic)?;
        if let Some(topic) = self.store.topic(topic) {
            return Ok(topic.partitions());
        }
        let partitions = if partitions == 0 { self.partitions } else { partitions };
        self.writer.create_topic(topic.to_owned(), partitions).await
    }

    async fn append(&self, topic: &str, records: Vec<NewRecord>) -> Result<Vec<Position>> {
        // A topic that is not there may be made: who must not drop records waits for it.
        let missing = |error: EngineError| EngineError { retry: true, ..error };
        let topic = self.topic(topic, "append to").map_err(missing)?;
        records.iter().try_for_each(|record| self.check(&topic, record))?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.writer.append(topic, records).await
    }

    async fn bounds(&self, topic: &str) -> Result<Vec<Bounds>> {
        let topic = self.topic(topic, "find the bounds of")?;
        Ok((0..topic.partitions())
            .map(|partition| Bounds { begin: Offset(0), end: Offset(topic.end(partition)) })
            .collect())
    }

    async fn offsets_at(&self, topic: &str, time: Timestamp) -> Result<Vec<Offset>> {
        let topic = self.topic(topic, "seek by time in")?;
        let store = Arc::clone(&self.store);
        let search = move || {
            let partitions = 0..topic.partitions();
            partitions.map(|partition| store.offset_at(&topic, partition, time)).collect::<Result<Vec<_>>>()
        };
        store::blocking("seek by time in the embedded log", search).await
    }

    async fn read(&self, topic: &str, from: Vec<Position>) -> Result<Box<dyn LogReader>> {
        let topic = self.topic(topic, "read")?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = from.iter().find(|position| !seen.insert(position.partition)) {
            let tried = format!("read topic {} of {}", topic.name, self.store);
            return Err(EngineError::ours(tried, format!("partition {} is named twice", twice.partition)));
        }
        let mut follower = Follower::new(Arc::clone(&self.store), topic);
        for position in from {
            follower.start(position.partition, position.offset)?;
        }
        Ok(Box::new(EmbeddedReader { follower }))
    }

    async fn join(&self, topic: &str, membership: Membership) -> Result<Box<dyn LogMember>> {
        let topic = self.topic(topic, "join a group on")?;
        let group = self.groups.group(&membership.group, &topic.name);
        Ok(Box::new(EmbeddedMember::join(group, Follower::new(Arc::clone(&self.store), topic))))
    }
}

struct EmbeddedReader {
    follower: Follower,
}

#[async_trait]
impl LogReader for EmbeddedReader {
    async fn next(&mut self) -> Result<RecordRun> {
        self.follower.next().await
    }
}
