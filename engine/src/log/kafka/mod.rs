//! The log in Apache Kafka, used as the promise needs it: `acks=all` and an idempotent producer, `read_committed`,
//! no automatic offset reset, topics that keep everything.
//!
//! Every member of a group and every reader has a thread of its own, which polls librdkafka always, also while its partitions
//! are paused. It hands records over a bounded buffer to the asynchronous side. Partitions are assigned to
//! librdkafka only when their owner says where to begin, with explicit offsets: a committed offset is never asked for.

mod admin;
mod assignment;
mod buffer;
mod client;
mod member;
mod poller;
mod producer;
mod record;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use abovefold_schemas::{Offset, Timestamp};
use async_trait::async_trait;

use self::{
    admin::Admin,
    client::Connection,
    member::{KafkaMember, KafkaReader},
    poller::{Origin, Poller},
    producer::Producer,
};
use super::{
    Bounds, Log, LogMember, LogReader, LogSettings, Membership, NewRecord, Position, open::check_topic_name,
};
use crate::error::{EngineError, Result};

/// How long an answer of a broker is waited for.
const ANSWER: Duration = Duration::from_secs(8);
/// How long a topic is taken to have the partitions that it had: some may be added, and it may be made again with fewer.
const KNOWN: Duration = Duration::from_secs(5);

/// The log in Kafka.
pub struct KafkaLog {
    connection: Arc<Connection>,
    admin: Arc<Admin>,
    producer: Producer,
    /// How many partitions the topics have that were asked for before, and when they were.
    known: Mutex<BTreeMap<String, (u32, Instant)>>,
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog").field("servers", &self.connection.servers).finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Prepares clients for the brokers at `host:port[,host:port]`. Nothing is asked of them yet.
    ///
    /// # Errors
    /// When librdkafka refuses a property, or can't read a certificate.
    pub fn open(servers: &str, settings: &LogSettings) -> Result<Self> {
        let connection = Arc::new(Connection::new(servers, settings));
        let admin = Arc::new(Admin::start(Arc::clone(&connection))?);
        let producer = Producer::start(Arc::clone(&connection))?;
        Ok(Self { connection, admin, producer, known: Mutex::default() })
    }

    /// The partitions of a topic that has to be there.
    async fn expect_topic(&self, topic: &str, tried: &str) -> Result<u32> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        if let Some((partitions, asked)) = known
            && asked.elapsed() < KNOWN
        {
            return Ok(partitions);
        }
        check_topic_name(topic)?;
        let asked = Instant::now();
        let Some(partitions) = self.partitions(topic).await? else {
            let tried = format!("{tried} topic {topic} at {}", self.connection);
            let missing = EngineError::user(tried, "there is no such topic; create it, or check its name");
            // One that was there may be again: a broker that has just started may not know it yet.
            return Err(EngineError { retry: known.is_some(), ..missing });
        };
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(topic.to_owned(), (partitions, asked));
        Ok(partitions)
    }

    /// Runs something that waits for a broker away from the runtime's threads.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Admin) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        Admin::ask(&self.admin, work).await
    }

    fn check_size(&self, topic: &str, records: &[NewRecord]) -> Result<()> {
        let limit = self.connection.settings.max_record_bytes;
        match records.iter().map(NewRecord::size).find(|size| *size > limit) {
            Some(size) => {
                let reason = format!("a record has {size} bytes, the greatest size is {limit}");
                Err(EngineError::user(format!("append to topic {topic} at {}", self.connection), reason))
            }
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn partitions(&self, topic: &str) -> Result<Option<u32>> {
        let topic = topic.to_owned();
        self.ask(move |admin| admin.partitions(&topic)).await
    }

    async fn create_topic(&self, topic: &str, partitions: u32) -> Result<u32> {
        check_topic_name(topic)?;
        let topic = topic.to_owned();
        self.ask(move |admin| admin.create_topic(&topic, partitions)).await
    }

    async fn append(&self, topic: &str, records: Vec<NewRecord>) -> Result<Vec<Position>> {
        // A topic that is not there may be made: who must not drop records waits for it.
        let missing = |error: EngineError| EngineError { retry: true, ..error };
        let partitions = self.expect_topic(topic, "append to").await.map_err(missing)?;
        self.check_size(topic, &records)?;
        let mut positions = self.producer.append(topic, partitions, &records).await?;
        if positions.iter().any(Option::is_none) {
            // The broker took a repeated batch for what it was and no longer knew its offsets. The records lie before the end.
            let bounds = self.bounds(topic).await?;
            for (position, record) in
                positions.iter_mut().zip(&records).filter(|(position, _)| position.is_none())
            {
                let partition = match (record.partition, &record.key) {
                    (Some(partition), _) => partition,
                    (None, Some(key)) => super::partition_of(key, partitions),
                    (None, None) => 0,
                };
                let last = bounds.get(partition as usize).map_or(0, |bounds| bounds.end.0.saturating_sub(1));
                *position = Some(Position { partition, offset: Offset(last) });
            }
        }
        Ok(positions.into_iter().flatten().collect())
    }

    async fn bounds(&self, topic: &str) -> Result<Vec<Bounds>> {
        let partitions = self.expect_topic(topic, "find the bounds of").await?;
        let topic = topic.to_owned();
        self.ask(move |admin| admin.bounds(&topic, partitions)).await
    }

    async fn offsets_at(&self, topic: &str, time: Timestamp) -> Result<Vec<Offset>> {
        let partitions = self.expect_topic(topic, "seek by time in").await?;
        let topic = topic.to_owned();
        self.ask(move |admin| admin.offsets_at(&topic, partitions, time)).await
    }

    async fn read(&self, topic: &str, from: Vec<Position>) -> Result<Box<dyn LogReader>> {
        let bounds = self.bounds(topic).await?;
        let mut starts = Vec::with_capacity(from.len());
        for position in from {
            let tried = || {
                let Position { partition, offset } = position;
                format!(
                    "read topic {topic}, partition {partition}, from offset {offset} at {}",
                    self.connection
                )
            };
            match bounds.get(position.partition as usize) {
                Some(bounds) => {
                    client::check_bounds(position.offset, *bounds, tried)?;
                    starts.push((position, bounds.end));
                }
                None => {
                    return Err(EngineError::user(
                        tried(),
                        format!("it has only {} partitions", bounds.len()),
                    ));
                }
            }
        }
        let poller = Poller::start(Arc::clone(&self.connection), topic, Origin::Positions(starts))?;
        Ok(Box::new(KafkaReader::new(poller)))
    }

    async fn join(&self, topic: &str, membership: Membership) -> Result<Box<dyn LogMember>> {
        self.expect_topic(topic, "join a group on").await?;
        let poller = Poller::start(Arc::clone(&self.connection), topic, Origin::Group(membership))?;
        Ok(Box::new(KafkaMember::new(poller, Arc::clone(&self.admin))))
    }
}
