//! Which partitions a polling thread has, and what librdkafka calls back about them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::{
    super::MemberEvent,
    admin::partition_number,
    buffer::Buffer,
    client::{Connection, forward_log, made_again},
};
use crate::error::EngineError;

/// A partition that the group gave us, or that we took.
#[derive(Default)]
pub(super) struct Owned {
    /// What librdkafka was told last: the generation of the start, and the next offset that is expected.
    pub(super) started: Option<Started>,
    /// The owner wants none of it for now.
    pub(super) paused: bool,
    /// librdkafka fetches none of it for now.
    pub(super) held: bool,
}

/// How a partition was given to librdkafka.
pub(super) struct Started {
    pub(super) generation: u64,
    pub(super) next: u64,
    /// Where the partition ended just before it was started, until librdkafka has come to its end once: then nothing lies before it.
    pub(super) end: Option<u64>,
}

/// Partitions by number. Both the thread and, through it, librdkafka's callbacks change them.
pub(super) type OwnedPartitions = BTreeMap<u32, Owned>;

/// What librdkafka calls back while the thread polls.
pub(super) struct PollerContext {
    connection: Arc<Connection>,
    buffer: Arc<Buffer>,
    owned: Mutex<OwnedPartitions>,
}

impl PollerContext {
    pub(super) fn new(connection: &Arc<Connection>, buffer: &Arc<Buffer>) -> Self {
        Self { connection: Arc::clone(connection), buffer: Arc::clone(buffer), owned: Mutex::default() }
    }

    pub(super) fn owned(&self) -> MutexGuard<'_, OwnedPartitions> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for PollerContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some(topic) = made_again(facility, message) {
            let reason = "it was deleted and made again meanwhile, so that its offsets name other records; rebuild the namespace by \
                          `abovefold replay` into a new one";
            let tried = format!("read topic {topic} at {}", self.connection);
            self.buffer.push_event(Err(EngineError::user(tried, reason)));
        }
        forward_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.note_trouble(&error, reason);
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for PollerContext {
    /// An assignment is taken note of and reported; librdkafka is given no partition before its owner says where to begin. What is
    /// revoked is taken from librdkafka at once.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let numbers =
            list.elements().into_iter().filter_map(|element| u32::try_from(element.partition()).ok());
        let mut partitions: Vec<u32> = numbers.collect();
        partitions.sort_unstable();
        let outcome = if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.owned().extend(partitions.iter().map(|partition| (*partition, Owned::default())));
            if !partitions.is_empty() {
                tracing::info!(?partitions, "assigned");
                self.buffer.push_event(Ok(MemberEvent::Assigned(partitions)));
            }
            // Nothing is added, but librdkafka goes on only after this call.
            consumer.incremental_assign(&TopicPartitionList::new())
        } else {
            let topic = list.elements().first().map(|element| element.topic().to_owned()).unwrap_or_default();
            let mut fetched = TopicPartitionList::new();
            for partition in &partitions {
                let owned = self.owned().remove(partition);
                if owned.is_some_and(|owned| owned.started.is_some()) {
                    fetched.add_partition(&topic, partition_number(*partition));
                }
            }
            if !partitions.is_empty() {
                tracing::info!(?partitions, lost = consumer.assignment_lost(), "revoked");
                self.buffer.revoke(partitions);
            }
            consumer.incremental_unassign(&fetched)
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "librdkafka did not take the rebalance");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "offsets were not committed; they are for monitoring only");
        }
    }
}
