//! The file: which topics there are, and records by topic, partition and offset.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use abovefold_schemas::{Offset, Timestamp};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::watch;

use super::{super::Record, codec};
use crate::error::{EngineError, Result};

/// Name of a topic -> format version (1 byte), id (4 bytes), partitions (4 bytes), big-endian.
pub(super) const TOPICS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("topics");
/// Topic id, partition, offset -> record, as [`codec`] writes it.
pub(super) const RECORDS: TableDefinition<'static, (u32, u32, u64), &[u8]> = TableDefinition::new("records");

const TOPIC_VERSION: u8 = 1;
/// redb's cache. Records are written once and read soon after, or in one sweep: little is gained by keeping more.
const CACHE_BYTES: usize = 64 << 20;
/// One run of records holds at most this many of them,
const RUN_RECORDS: usize = 1_000;
/// or ends after the record that fills this many bytes.
const RUN_BYTES: usize = 4 << 20;

/// A topic and how far its partitions go. The writer moves the ends, once the records are durable.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) id: u32,
    ends: Vec<AtomicU64>,
    /// The time of each partition's last record, known to the writer alone.
    pub(super) last_times: Vec<AtomicI64>,
    /// Changes after each append, and wakes those who follow the tail.
    pub(super) grown: watch::Sender<()>,
}

impl Topic {
    fn new(name: &str, id: u32, tails: impl IntoIterator<Item = (u64, i64)>) -> Self {
        let (ends, last_times) =
            tails.into_iter().map(|(end, time)| (AtomicU64::new(end), AtomicI64::new(time))).unzip();
        Self { name: name.to_owned(), id, ends, last_times, grown: watch::Sender::new(()) }
    }

    /// A topic without records.
    pub(super) fn empty(name: &str, id: u32, partitions: u32) -> Self {
        Self::new(name, id, (0..partitions).map(|_| (0, i64::MIN)))
    }

    pub(super) fn partitions(&self) -> u32 {
        u32::try_from(self.ends.len()).expect("partitions are counted in 32 bits")
    }

    /// The offset that the partition's next record will get.
    pub(super) fn end(&self, partition: u32) -> u64 {
        self.ends.get(partition as usize).map_or(0, |end| end.load(Ordering::Acquire))
    }

    /// Moves a partition's end. Only the writer does so.
    pub(super) fn set_end(&self, partition: u32, end: u64) {
        self.ends[partition as usize].store(end, Ordering::Release);
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![TOPIC_VERSION];
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&self.partitions().to_be_bytes());
        bytes
    }
}

/// Id and partition count of a stored topic.
fn topic_from_bytes(bytes: &[u8]) -> Option<(u32, u32)> {
    let (&TOPIC_VERSION, rest) = bytes.split_first()? else { return None };
    let (id, rest) = rest.split_first_chunk::<4>()?;
    let partitions: [u8; 4] = rest.try_into().ok()?;
    Some((u32::from_be_bytes(*id), u32::from_be_bytes(partitions)))
}

/// The open file.
pub(super) struct Store {
    path: PathBuf,
    pub(super) database: Database,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the embedded log {}", self.path.display())
    }
}

impl Store {
    /// Opens or makes the file in a folder and looks how far each partition goes.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("log.redb");
        let tried = format!("open the embedded log {}", path.display());
        std::fs::create_dir_all(folder).map_err(|error| {
            EngineError::user(
                &tried,
                format!("can't make its folder: {error}; choose one that can be written"),
            )
        })?;
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create(&path).map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                    EngineError::user(
                        &tried,
                        format!("another abovefold owns {}; stop it, or use its address", folder.display()),
                    )
                }
                DatabaseError::UpgradeRequired(_) => EngineError::user(
                    &tried,
                    format!("{error}; it was written by another version of abovefold"),
                ),
                error => EngineError::outside(&tried, error),
            })?;
        let topics = load(&database).map_err(|error| EngineError::outside(&tried, error))?;
        Ok(Self { path, database, topics: RwLock::new(topics) })
    }

    pub(super) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// An id that no topic has.
    pub(super) fn free_id(&self) -> u32 {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().map(|topic| topic.id + 1).max().unwrap_or(0)
    }

    pub(super) fn add_topic(&self, topic: Topic) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.name.clone(), Arc::new(topic));
    }

    /// One run of records from an offset on. Blocks.
    pub(super) fn read(&self, topic: &Topic, partition: u32, from: u64) -> Result<Vec<Record>> {
        let tried =
            || format!("read topic {}, partition {partition}, from offset {from} of {self}", topic.name);
        let read = || -> Result<Vec<Record>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(RECORDS)?;
            let last = (topic.id, partition, from.saturating_add(RUN_RECORDS as u64));
            let mut records = Vec::new();
            let mut bytes = 0;
            for entry in table.range((topic.id, partition, from)..last)? {
                let (key, value) = entry?;
                let (_, _, offset) = key.value();
                let record = codec::decode(Offset(offset), value.value())
                    .ok_or_else(|| redb::Error::Corrupted(format!("offset {offset} holds no record")))?;
                bytes += value.value().len();
                records.push(record);
                if bytes >= RUN_BYTES {
                    break;
                }
            }
            Ok(records)
        };
        read().map_err(|error| EngineError::outside(tried(), error))
    }

    /// The first offset at or after a time. Blocks. Times never go back within a partition, so that bisection finds it.
    pub(super) fn offset_at(&self, topic: &Topic, partition: u32, time: Timestamp) -> Result<Offset> {
        let search = || -> Result<u64, redb::Error> {
            let (mut low, mut high) = (0, topic.end(partition));
            if high == 0 {
                return Ok(0);
            }
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(RECORDS)?;
            while low < high {
                let middle = low + (high - low) / 2;
                let stored = table.get((topic.id, partition, middle))?;
                let found = stored
                    .and_then(|value| codec::time_of(value.value()))
                    .ok_or_else(|| redb::Error::Corrupted(format!("offset {middle} holds no record")))?;
                if found < time {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            Ok(low)
        };
        let tried = || format!("seek {time} in topic {}, partition {partition} of {self}", topic.name);
        search().map(Offset).map_err(|error| EngineError::outside(tried(), error))
    }
}

/// The topics of a file, with their ends.
fn load(database: &Database) -> Result<BTreeMap<String, Arc<Topic>>, redb::Error> {
    let transaction = database.begin_write()?;
    let mut topics = BTreeMap::new();
    {
        let names = transaction.open_table(TOPICS)?;
        let records = transaction.open_table(RECORDS)?;
        for entry in names.iter()? {
            let (name, stored) = entry?;
            let (id, partitions) = topic_from_bytes(stored.value())
                .ok_or_else(|| redb::Error::Corrupted(format!("topic {} is unreadable", name.value())))?;
            let mut tails = Vec::new();
            for partition in 0..partitions {
                let last =
                    records.range((id, partition, 0)..=(id, partition, u64::MAX))?.next_back().transpose()?;
                tails.push(match last {
                    Some((key, value)) => {
                        (key.value().2 + 1, codec::time_of(value.value()).map_or(i64::MIN, |time| time.0))
                    }
                    None => (0, i64::MIN),
                });
            }
            topics.insert(name.value().to_owned(), Arc::new(Topic::new(name.value(), id, tails)));
        }
    }
    transaction.commit()?;
    Ok(topics)
}

/// Runs something that blocks away from the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    tried: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(EngineError::ours(tried, error)),
    }
}
