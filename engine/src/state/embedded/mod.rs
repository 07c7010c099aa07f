//! The store in one file of one process (redb).
//!
//! redb is synchronous, so nothing of it runs on the runtime's threads: one thread writes, and epochs that wait together share one
//! durable transaction (each of them is whole or refused on its own); a few threads read. A commit is on the disk when
//! [`StateStore::write_epoch`] returns, so that a killed process loses nothing that it promised.
//!
//! Derived values are kept in memory only: they are a cache, and a restart begins without them.

mod readers;
mod tables;
mod writer;

use std::{fmt, path::Path, path::PathBuf, sync::Arc, sync::Mutex, time::Duration};

use abovefold_schemas::{Marker, Offset};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use redb::ReadableDatabase;
use tokio::sync::oneshot;

use super::{
    Changes, EpochWrite, Snapshot, StateSettings, StateStore, Tag, Value, WriteOutcome,
    local::{Derived, Signals, lock},
    open::check_namespace,
};
use crate::{
    error::{EngineError, Result},
    runtime::Runtime,
};
use readers::Readers;
use writer::{Change, Writer};

/// How often a waiter looks although nobody woke it; in one process nothing can be missed.
const POLL: Duration = Duration::from_secs(1);
/// How much of a partition is read for a scan before the reading transaction is let go.
const SCAN_CHUNK: usize = 512;

/// What the threads share.
struct Shared {
    database: redb::Database,
    file: PathBuf,
    derived: Mutex<Derived>,
    signals: Signals,
}

impl Shared {
    /// An error of the file, with what was tried.
    fn failed(&self, tried: &str, reason: impl fmt::Display) -> EngineError {
        EngineError::outside(format!("{tried} in {}", self.file.display()), reason)
    }
}

/// The make of [`StateStore`] for one process: a redb file `state.redb` in a folder.
#[derive(Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
    readers: Arc<Readers>,
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").field("file", &self.shared.file).finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens or makes `state.redb` in a folder, which is made too. One process may have it open.
    pub async fn open(directory: &Path, settings: &StateSettings) -> Result<Self> {
        let (directory, cache_bytes) = (directory.to_owned(), settings.cache_bytes);
        let (sender, opened) = oneshot::channel();
        std::thread::Builder::new()
            .name("state-open".to_owned())
            .spawn(move || {
                // Nobody to tell if the caller gave up: the file is closed again.
                let _ = sender.send(open_database(&directory, cache_bytes));
            })
            .map_err(|error| EngineError::outside("start a thread for the state store", error))?;
        let (database, file) = opened
            .await
            .map_err(|_| EngineError::ours("open the state store", "the thread that opens it panicked"))??;
        let shared =
            Arc::new(Shared { database, file, derived: Mutex::default(), signals: Signals::default() });
        let writer = Arc::new(Writer::start(Arc::clone(&shared))?);
        let readers = Arc::new(Readers::start(Arc::clone(&shared))?);
        Ok(Self { shared, writer, readers })
    }
}

fn open_database(directory: &Path, cache_bytes: usize) -> Result<(redb::Database, PathBuf)> {
    let file = directory.join("state.redb");
    let tried = format!("open the state store {}", file.display());
    std::fs::create_dir_all(directory).map_err(|error| EngineError::user(&tried, error.to_string()))?;
    let database = match redb::Builder::new().set_cache_size(cache_bytes).create(&file) {
        Ok(database) => database,
        Err(redb::DatabaseError::DatabaseAlreadyOpen | redb::DatabaseError::LockProtocolMismatch) => {
            let reason = "another program has it open: stop that one first, or name another folder";
            return Err(EngineError::user(tried, reason));
        }
        Err(error) => return Err(EngineError::user(tried, error.to_string())),
    };
    tables::prepare(&database).map_err(|reason| EngineError::user(tried, reason))?;
    Ok((database, file))
}

#[async_trait]
impl StateStore for EmbeddedStore {
    async fn read(&self, tag: &Tag, keys: &[Bytes], derived: &[Bytes]) -> Result<Snapshot> {
        check_namespace(&tag.namespace)?;
        let (prefix, keys, derived) = (tables::prefix(tag), keys.to_vec(), derived.to_vec());
        let read = move |shared: &Shared| {
            // The view is taken while no derived value can change: what is found then belongs to that view, since a commit
            // drops derived values first.
            let (transaction, derived) = {
                let kept = lock(&shared.derived);
                let transaction = shared.database.begin_read()?;
                let found = derived.iter().map(|key| kept.get(&tables::key(&prefix, key))).collect();
                (transaction, found)
            };
            let marker = tables::marker(&transaction, &prefix)?;
            let values = tables::values(&transaction, &prefix, &keys)?;
            Ok(Snapshot { marker, values, derived })
        };
        self.readers.run("read values", read).await
    }

    async fn initialise(&self, tag: &Tag, marker: Marker) -> Result<Marker> {
        check_namespace(&tag.namespace)?;
        self.writer.ask(|answer| Change::Initialise { tag: tag.clone(), marker, answer }).await
    }

    async fn write_epoch(&self, tag: &Tag, epoch: &EpochWrite) -> Result<WriteOutcome> {
        check_namespace(&tag.namespace)?;
        self.writer.ask(|answer| Change::Epoch { tag: tag.clone(), epoch: epoch.clone(), answer }).await
    }

    async fn wait_for(&self, tag: &Tag, next: Offset) -> Result<Marker> {
        let read = || async { Ok(self.read(tag, &[], &[]).await?.marker) };
        self.shared.signals.wait(&Runtime::real(), tag, next, POLL, read).await
    }

    async fn hurry(&self, tag: &Tag, next: Offset) -> Result<()> {
        check_namespace(&tag.namespace)?;
        self.shared.signals.wish(&tag.namespace, tag.partition, next);
        Ok(())
    }

    async fn hurries(&self, namespace: &str) -> Result<BoxStream<'static, (u32, Offset)>> {
        check_namespace(namespace)?;
        Ok(self.shared.signals.wishes(namespace))
    }

    async fn changed_since(&self, tag: &Tag, since: Offset) -> Result<Changes> {
        check_namespace(&tag.namespace)?;
        let prefix = tables::prefix(tag);
        let read = move |shared: &Shared| {
            let transaction = shared.database.begin_read()?;
            let values = tables::changed_since(&transaction, &prefix, since)?;
            Ok(Changes { marker: tables::marker(&transaction, &prefix)?, values })
        };
        self.readers.run("read what changed", read).await
    }

    fn scan(&self, tag: &Tag) -> BoxStream<'static, Result<(Bytes, Value)>> {
        if let Err(error) = check_namespace(&tag.namespace) {
            return futures::stream::iter([Err(error)]).boxed();
        }
        let (readers, prefix) = (Arc::clone(&self.readers), tables::prefix(tag));
        // Each chunk has a view of its own, so that a slow scan does not keep the pages of old ones alive.
        futures::stream::try_unfold(Some(None), move |after: Option<Option<Bytes>>| {
            let (readers, prefix) = (Arc::clone(&readers), prefix.clone());
            async move {
                let Some(after) = after else { return Ok(None) };
                let read = move |shared: &Shared| {
                    let transaction = shared.database.begin_read()?;
                    tables::chunk(&transaction, &prefix, after.as_deref(), SCAN_CHUNK)
                };
                let chunk = readers.run("scan", read).await?;
                let last = chunk.last().map(|(key, _)| Some(key.clone()));
                Ok::<_, EngineError>(Some((futures::stream::iter(chunk.into_iter().map(Ok)), last)))
            }
        })
        .try_flatten()
        .boxed()
    }

    async fn put_derived(
        &self,
        tag: &Tag,
        key: &Bytes,
        version: Offset,
        derived: Bytes,
        time_to_live: Duration,
    ) -> Result<bool> {
        check_namespace(&tag.namespace)?;
        let (prefix, key) = (tables::prefix(tag), key.clone());
        let put = move |shared: &Shared| {
            // Locked over look and write: an epoch that drops this value comes before (and is seen) or after (and drops it).
            let mut kept = lock(&shared.derived);
            let transaction = shared.database.begin_read()?;
            let current = tables::version(&transaction, &prefix, &key)?;
            let is_there = tables::marker(&transaction, &prefix)?.is_some();
            Ok(is_there && current == version && kept.put(tables::key(&prefix, &key), derived, time_to_live))
        };
        self.readers.run("keep a derived value", put).await
    }

    async fn partitions(&self, namespace: &str) -> Result<Vec<u32>> {
        check_namespace(namespace)?;
        let namespace = namespace.to_owned();
        let read = move |shared: &Shared| tables::partitions(&shared.database.begin_read()?, &namespace);
        self.readers.run("list partitions", read).await
    }

    async fn drop_namespace(&self, namespace: &str) -> Result<()> {
        check_namespace(namespace)?;
        self.writer.ask(|answer| Change::Drop { namespace: namespace.to_owned(), answer }).await
    }

    async fn check(&self) -> Result<String> {
        let read = |shared: &Shared| shared.database.begin_read().map(drop).map_err(redb::Error::from);
        self.readers.run("read", read).await?;
        Ok(format!("embedded, {}", self.shared.file.display()))
    }
}
