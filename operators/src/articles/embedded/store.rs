//! The file: versions and marker, written as one by a thread of their own.

use std::{
    path::Path,
    sync::{Arc, mpsc},
};

use abovefold_engine::{EngineError, Result};
use abovefold_schemas::{ArticleId, ArticleVersion, Kept, Offset};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use super::{super::Article, scan::ScanJob, searcher::TakeIn, thread_is_gone};

/// Article to the offset of its version (big-endian) and the kept version.
const ARTICLES: TableDefinition<'_, i64, &[u8]> = TableDefinition::new("articles");
/// Partition of the topic `articles` to its next offset.
const MARKER: TableDefinition<'_, u32, u64> = TableDefinition::new("marker");

/// Everything is in memory anyway; redb's own cache serves the writes alone.
const CACHE_BYTES: usize = 32 << 20;
/// What the scanner takes in between two scans, so that questions wait less than a few milliseconds.
const CHUNK: usize = 256;

/// A batch to be made durable and then found.
#[derive(Debug)]
pub(super) struct WriteJob {
    pub(super) articles: Vec<Arc<Article>>,
    pub(super) marker: Vec<Offset>,
    pub(super) done: oneshot::Sender<Result<()>>,
}

/// What a file holds when it is opened.
#[derive(Debug)]
pub(super) struct KeptArticles {
    pub(super) articles: Vec<Arc<Article>>,
    pub(super) marker: Vec<Offset>,
}

/// The writer's thread: opens the file, says what is in it, and writes until nobody can ask any more.
pub(super) fn run(
    path: &Path,
    opened: oneshot::Sender<Result<KeptArticles>>,
    jobs: &mpsc::Receiver<WriteJob>,
    scanner: &mpsc::Sender<ScanJob>,
) {
    let file = path.display().to_string();
    let database = match open(path).and_then(|database| Ok((load(&database, &file)?, database))) {
        Ok((kept, database)) => {
            if opened.send(Ok(kept)).is_err() {
                return;
            }
            database
        }
        Err(error) => {
            // Nobody waits any more: nobody needs to know.
            let _ = opened.send(Err(error));
            return;
        }
    };
    while let Ok(WriteJob { articles, marker, done }) = jobs.recv() {
        let result =
            write(&database, &file, &articles, &marker).and_then(|()| show(scanner, &file, articles, marker));
        let _ = done.send(result);
    }
}

fn open(path: &Path) -> Result<Database> {
    let tried = || format!("open {}", path.display());
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|error| {
            EngineError::user(format!("make the folder {}", dir.display()), error.to_string())
        })?;
    }
    Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => EngineError::user(
            tried(),
            "another process owns it: stop that one, give this one another --home, or keep the articles in Elasticsearch \
             (--articles http://host:port/index), which several processes can share",
        ),
        error => EngineError::user(
            tried(),
            format!("{error}; if the file is damaged, move it away: it is filled again from the topic articles"),
        ),
    })
}

/// Reads every article and the marker.
fn load(database: &Database, file: &str) -> Result<KeptArticles> {
    let failed = |error: redb::Error| EngineError::outside(format!("read the articles in {file}"), error);
    create_tables(database).map_err(failed)?;
    let (rows, marker) = read_all(database).map_err(failed)?;
    let mut articles = Vec::with_capacity(rows.len());
    for (id, bytes) in rows {
        let unreadable = |reason: String| {
            EngineError::user(
                format!("read article {id} in {file}"),
                format!("{reason}; move the file away: it is filled again from the topic articles"),
            )
        };
        let (offset, kept) =
            bytes.split_first_chunk::<8>().ok_or_else(|| unreadable("too few bytes".into()))?;
        let version = ArticleVersion::from_kept(kept).map_err(|error| unreadable(error.to_string()))?;
        articles.push(Arc::new(Article {
            id: ArticleId(id),
            offset: Offset(u64::from_be_bytes(*offset)),
            version,
        }));
    }
    Ok(KeptArticles { articles, marker })
}

fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(ARTICLES)?;
    transaction.open_table(MARKER)?;
    transaction.commit()?;
    Ok(())
}

type Rows = Vec<(i64, Vec<u8>)>;

fn read_all(database: &Database) -> Result<(Rows, Vec<Offset>), redb::Error> {
    let transaction = database.begin_read()?;
    let mut rows = Vec::new();
    for row in transaction.open_table(ARTICLES)?.iter()? {
        let (id, bytes) = row?;
        rows.push((id.value(), bytes.value().to_vec()));
    }
    let mut marker = Vec::new();
    for row in transaction.open_table(MARKER)?.iter()? {
        marker.push(Offset(row?.1.value()));
    }
    Ok((rows, marker))
}

/// Writes what is newer than the file, and the marker, in one transaction that is durable when this returns.
fn write(database: &Database, file: &str, articles: &[Arc<Article>], marker: &[Offset]) -> Result<()> {
    let attempt = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(ARTICLES)?;
            let mut bytes = Vec::new();
            for article in articles {
                let newer = table.get(article.id.0)?.is_none_or(|kept| {
                    kept.value()
                        .first_chunk::<8>()
                        .is_none_or(|offset| u64::from_be_bytes(*offset) < article.offset.0)
                });
                if newer {
                    bytes.clear();
                    bytes.extend_from_slice(&article.offset.0.to_be_bytes());
                    bytes.extend_from_slice(&article.version.to_kept());
                    table.insert(article.id.0, bytes.as_slice())?;
                }
            }
            let mut table = transaction.open_table(MARKER)?;
            table.retain(|_, _| false)?;
            for (partition, next) in (0_u32..).zip(marker) {
                table.insert(partition, next.0)?;
            }
        }
        transaction.commit()?;
        Ok(())
    };
    attempt()
        .map_err(|error| EngineError::outside(format!("write {} articles to {file}", articles.len()), error))
}

/// Hands a durable batch to the scanner in chunks, and waits until it can be found.
fn show(
    scanner: &mpsc::Sender<ScanJob>,
    file: &str,
    articles: Vec<Arc<Article>>,
    marker: Vec<Offset>,
) -> Result<()> {
    let mut chunks: Vec<Vec<Arc<Article>>> = articles.chunks(CHUNK).map(<[_]>::to_vec).collect();
    if chunks.is_empty() {
        chunks.push(Vec::new());
    }
    let last = chunks.len() - 1;
    for (place, articles) in chunks.into_iter().enumerate() {
        let marker = (place == last).then(|| marker.clone());
        let (done, taken) = oneshot::channel();
        let chunk = TakeIn { articles: articles.into(), marker, done };
        scanner.send(ScanJob::TakeIn(chunk)).map_err(|_| thread_is_gone(file))?;
        taken.blocking_recv().map_err(|_| thread_is_gone(file))??;
    }
    Ok(())
}
