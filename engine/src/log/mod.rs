//! The log: topics of partitions of records, appended to and read in order.
//!
//! Two makes: [`embedded`] (redb, one process) and [`kafka`] (rdkafka). One conformance suite
//! (`engine/tests/log_conformance.rs`) runs against both. [`memory`] is a third one for tests and simulations.

pub mod embedded;
pub mod kafka;
pub mod memory;
mod open;

use std::fmt::Debug;

use abovefold_schemas::{LastRecord, Offset, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};

pub use self::memory::MemoryLog;
pub use self::open::{LogClock, LogSettings, LogUrl, MAIN_TOPIC, open};
use crate::error::Result;

/// A record as it was read from a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in its partition.
    pub offset: Offset,
    /// The log's own time of it (log-append time in topics that we create).
    pub time: Timestamp,
    /// The key, by which a partition was chosen.
    pub key: Option<Bytes>,
    /// The payload; empty for a tombstone.
    pub value: Bytes,
    /// Headers in the order in which they were written.
    pub headers: Vec<(String, Bytes)>,
}

impl Record {
    /// The first eight bytes of the SHA-256 over key and value, as a marker keeps them.
    pub fn hash(&self) -> u64 {
        let mut hasher = Sha256::new();
        let key = self.key.as_deref().unwrap_or_default();
        hasher.update((key.len() as u64).to_be_bytes());
        hasher.update(key);
        hasher.update(&self.value);
        let digest = hasher.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(first)
    }

    /// What a marker keeps of it.
    pub fn as_last(&self) -> LastRecord {
        LastRecord { offset: self.offset, hash: self.hash() }
    }

    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_ref())
    }
}

/// A record to be appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Where to; `None` lets the key decide (`murmur2(key) mod N`, Kafka's default), or chance where there is no key.
    pub partition: Option<u32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The payload.
    pub value: Bytes,
    /// Headers.
    pub headers: Vec<(String, Bytes)>,
    /// The record's time where a topic takes its producers' time; ignored by topics with log-append time.
    pub time: Option<Timestamp>,
}

impl NewRecord {
    /// A record with key and value, placed by its key.
    pub fn keyed(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self { key: Some(key.into()), value: value.into(), ..Self::default() }
    }

    /// The bytes of key, payload and headers together, which a log limits.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.as_ref().map_or(0, |key| key.len()) + self.value.len() + headers
    }
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// The offset within it.
    pub offset: Offset,
}

/// The offsets that a partition holds: `begin..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset still there.
    pub begin: Offset,
    /// The offset that the next record will get.
    pub end: Offset,
}

/// Records of one partition, in order, as one read brought them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRun {
    /// Their partition.
    pub partition: u32,
    /// The records; none where only offsets were passed that hold nothing for a reader.
    pub records: Vec<Record>,
    /// The offset to read from next: the one after the last record, or a later one where what follows is nothing that a reader is
    /// given (control records of transactions, aborted records, gaps that compaction left).
    pub next: Offset,
}

impl RecordRun {
    /// A run that ends with its last record.
    ///
    /// # Panics
    /// When there is no record.
    pub fn new(partition: u32, records: Vec<Record>) -> Self {
        let next = records.last().expect("a run that ends with its last record has one").offset.next();
        Self { partition, records, next }
    }

    /// Offsets were passed up to `next`, and there was nothing to be given.
    pub fn passed(partition: u32, next: Offset) -> Self {
        Self { partition, records: Vec::new(), next }
    }
}

/// How a member takes part in a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group's name.
    pub group: String,
    /// The static member id (Kafka's `group.instance.id`), if any.
    pub member: Option<String>,
}

/// What a member of a group is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberEvent {
    /// These partitions are the member's now, beside those that it has already. Nothing of them is delivered before
    /// [`LogMember::start`].
    Assigned(Vec<u32>),
    /// These partitions are no longer the member's. Late writes are harmless: the marker refuses them.
    Revoked(Vec<u32>),
    /// Records of a partition that was started.
    Records(RecordRun),
}

/// The log.
#[async_trait]
pub trait Log: Debug + Send + Sync {
    /// The number of partitions of a topic; `None` where there is no such topic.
    async fn partitions(&self, topic: &str) -> Result<Option<u32>>;

    /// Creates a topic that keeps everything (no retention, log-append time), or finds that it is there. 0 partitions leave
    /// their number to the log's own default. Returns the number of partitions that it really has.
    async fn create_topic(&self, topic: &str, partitions: u32) -> Result<u32>;

    /// Appends records and returns their positions, in the same order, once they are durable
    /// (`acks=all`; an fsync). Records of one key keep their order.
    ///
    /// # Errors
    /// When the topic or partition is not there, a record is too large, or the log does not answer. Some of the records may have
    /// been written then: appending them again may write them twice. A topic that is not there is the user's fault, and trying again helps
    /// once it is made.
    async fn append(&self, topic: &str, records: Vec<NewRecord>) -> Result<Vec<Position>>;

    /// First and next offset of each partition, by its number.
    async fn bounds(&self, topic: &str) -> Result<Vec<Bounds>>;

    /// For each partition the first offset whose record's time is at or after `time`; its end where there is none.
    async fn offsets_at(&self, topic: &str, time: Timestamp) -> Result<Vec<Offset>>;

    /// Reads partitions from given offsets, outside any group, and follows the tail.
    ///
    /// # Errors
    /// When an offset lies outside the partition's bounds: there is no automatic reset.
    async fn read(&self, topic: &str, from: Vec<Position>) -> Result<Box<dyn LogReader>>;

    /// Joins a consumer group on a topic.
    async fn join(&self, topic: &str, membership: Membership) -> Result<Box<dyn LogMember>>;
}

/// A reader of chosen partitions.
#[async_trait]
pub trait LogReader: Send {
    /// The next records of one partition; waits at the end of the log. Cancel-safe.
    async fn next(&mut self) -> Result<RecordRun>;
}

/// One member of a consumer group.
///
/// The member does not know where to begin: its owner reads the markers of the partitions that were assigned and calls
/// [`LogMember::start`]. Committed offsets are for monitoring only.
#[async_trait]
pub trait LogMember: Send {
    /// What happens next: an assignment, a revocation, records. Cancel-safe. Must be called regularly, also while
    /// partitions are paused, so that the group does not expel the member.
    async fn next(&mut self) -> Result<MemberEvent>;

    /// Delivers an assigned partition from `from` on. Called again, it goes back (or forward) to `from`, and nothing that was
    /// fetched before is delivered after it returned.
    async fn start(&mut self, partition: u32, from: Offset) -> Result<()>;

    /// Stops delivering a partition for a while; it stays assigned.
    async fn pause(&mut self, partition: u32) -> Result<()>;

    /// Delivers a paused partition again, with nothing lost.
    async fn resume(&mut self, partition: u32) -> Result<()>;

    /// Tells the group how far a partition has come, for monitoring (next-to-read). Does not wait.
    fn commit(&mut self, partition: u32, next: Offset);

    /// Leaves the group at once, so that others take over without waiting for a time-out. (A static member of a Kafka group
    /// keeps its partitions until the time-out, so that it may come back to them: that is what makes it static.)
    async fn leave(self: Box<Self>) -> Result<()>;
}

/// Kafka's default partitioner for keyed records: `(murmur2(key) & 0x7fffffff) mod partitions`.
///
/// # Panics
/// When `partitions` is 0.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

/// MurmurHash2 with 32 bits as Kafka's Java client has it (seed 0x9747b28c).
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ (data.len() as u32);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_that_of_kafkas_java_client() {
        // From the unit test of org.apache.kafka.common.utils.Utils.
        for (text, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }
}
