//! The embedded make: every article in memory, every version in redb, and an exact scan over all vectors; beyond some size a graph instead.
//!
//! Two threads work beside the runtime. The *writer* owns the file: it makes a batch durable, together with the marker. The
//! *scanner* owns what is searched: it takes in what the writer has made durable, and answers the questions that wait together. From
//! [`HnswSettings::from_articles`] on a third one builds an HNSW graph of what is there, or reads the one that was kept (`articles.graph`), and the scanner
//! searches that once it is done.

mod codes;
mod graph;
mod kept;
mod scan;
mod searcher;
mod settings;
mod store;
mod table;

use std::{
    path::Path,
    sync::{
        Arc, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use abovefold_engine::{EngineError, Result};
use abovefold_models::WIDTH;
use abovefold_schemas::{ArticleId, Offset};
use async_trait::async_trait;
use tokio::sync::oneshot;

pub use self::settings::{GraphPrecision, HnswSettings};
use self::{
    scan::ScanJob,
    searcher::{Searcher, TakeIn},
    store::WriteJob,
    table::Table,
};
use super::{
    Article, ArticleIndex, Filter, Hit, NearestQuery,
    filter::{Sieve, check_k, check_version, checked_direction},
};

/// Articles in this process, kept in `articles.redb`.
#[derive(Debug)]
pub struct EmbeddedArticles {
    /// The file, as errors name it.
    file: String,
    table: Arc<RwLock<Table>>,
    /// Whether a graph is searched.
    by_graph: Arc<AtomicBool>,
    /// Taken when dropped, so that the threads end.
    senders: Option<Senders>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone, Debug)]
struct Senders {
    writer: mpsc::Sender<WriteJob>,
    scanner: mpsc::Sender<ScanJob>,
}

impl EmbeddedArticles {
    /// Opens `DIR/articles.redb`, makes it where there is none, and fills memory from it.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or when another process has the file open.
    pub async fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, &HnswSettings::default()).await
    }

    /// The same, with other settings of the graph.
    ///
    /// # Errors
    /// As [`EmbeddedArticles::open`].
    pub async fn open_with(dir: &Path, settings: &HnswSettings) -> Result<Self> {
        let path = dir.join("articles.redb");
        let file = path.display().to_string();
        let (writer, write_jobs) = mpsc::channel();
        let (scanner, scan_jobs) = mpsc::channel();
        let (opened, when_opened) = oneshot::channel();
        let for_writer = scanner.clone();
        let writer_thread =
            spawn("articles-write", move || store::run(&path, opened, &write_jobs, &for_writer))?;
        let kept = when_opened.await.map_err(|_| thread_is_gone(&file))??;
        let (table, by_graph) = (Arc::new(RwLock::new(Table::default())), Arc::new(AtomicBool::new(false)));
        let graph = Some(dir.join("articles.graph"));
        let expected = kept.articles.len();
        let searcher = Searcher::new(table.clone(), settings.clone(), graph, expected, by_graph.clone())?;
        let (done, filled) = oneshot::channel();
        let all = TakeIn { articles: kept.articles.into(), marker: Some(kept.marker), done };
        scanner.send(ScanJob::TakeIn(all)).expect("the receiver is held here until the thread takes it");
        let scan_thread = spawn("articles-scan", move || scan::run(searcher, &scan_jobs))?;
        filled.await.map_err(|_| thread_is_gone(&file))??;
        Ok(Self {
            file,
            table,
            by_graph,
            senders: Some(Senders { writer, scanner }),
            threads: vec![writer_thread, scan_thread],
        })
    }

    /// Waits while a graph is being built, for tests and measurements; searches need not wait for it.
    ///
    /// # Errors
    /// When a thread of this edge has ended.
    pub async fn settled(&self) -> Result<()> {
        let (done, settled) = oneshot::channel();
        self.senders().scanner.send(ScanJob::Settle(done)).map_err(|_| thread_is_gone(&self.file))?;
        settled.await.map_err(|_| thread_is_gone(&self.file))
    }

    /// Whether a graph is searched by now, and not every vector.
    pub fn searches_by_graph(&self) -> bool {
        self.by_graph.load(Ordering::Relaxed)
    }

    fn senders(&self) -> &Senders {
        self.senders.as_ref().expect("taken by drop alone")
    }

    fn table(&self) -> Result<RwLockReadGuard<'_, Table>> {
        self.table.read().map_err(|_| thread_is_gone(&self.file))
    }
}

impl Drop for EmbeddedArticles {
    /// Waits until what was begun is written and the file is closed, so that it can be opened again at once.
    fn drop(&mut self) {
        self.senders = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(file = self.file, "a thread of the articles panicked");
            }
        }
    }
}

#[async_trait]
impl ArticleIndex for EmbeddedArticles {
    async fn apply(&self, versions: Vec<Article>, marker: &[Offset]) -> Result<()> {
        for article in &versions {
            check_version(&article.version)?;
        }
        let (done, written) = oneshot::channel();
        let job = WriteJob {
            articles: versions.into_iter().map(Arc::new).collect(),
            marker: marker.to_vec(),
            done,
        };
        self.senders().writer.send(job).map_err(|_| thread_is_gone(&self.file))?;
        written.await.map_err(|_| thread_is_gone(&self.file))?
    }

    async fn marker(&self) -> Result<Vec<Offset>> {
        Ok(self.table()?.marker.clone())
    }

    async fn nearest(&self, queries: Vec<NearestQuery>) -> Result<Vec<Vec<Hit>>> {
        let mut directions = Vec::with_capacity(queries.len() * WIDTH);
        for query in &queries {
            directions.extend(checked_direction(query)?);
        }
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        let (done, found) = oneshot::channel();
        let question = scan::Question { queries, directions, done };
        self.senders().scanner.send(ScanJob::Nearest(question)).map_err(|_| thread_is_gone(&self.file))?;
        found.await.map_err(|_| thread_is_gone(&self.file))?
    }

    async fn get(&self, ids: &[ArticleId]) -> Result<Vec<Option<Arc<Article>>>> {
        let table = self.table()?;
        Ok(ids.iter().map(|id| table.get(*id).cloned()).collect())
    }

    async fn newest(&self, k: usize, filter: &Filter) -> Result<Vec<Arc<Article>>> {
        check_k(k)?;
        let sieve = Sieve::new(filter);
        let table = self.table()?;
        Ok(table
            .latest_first(filter.published_until)
            .filter(|article| sieve.admits(article))
            .take(k)
            .cloned()
            .collect())
    }

    async fn count(&self) -> Result<usize> {
        Ok(self.table()?.in_view())
    }

    async fn refresh(&self) -> Result<()> {
        // What `apply` has returned from can be found already.
        Ok(())
    }

    async fn check(&self) -> Result<String> {
        let how = if self.searches_by_graph() { "an HNSW graph" } else { "an exact scan" };
        let table = self.table()?;
        Ok(format!("embedded, {} articles in {}, searched by {how}", table.in_view(), self.file))
    }
}

/// Starts a thread that may block.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| EngineError::outside(format!("start the thread {name}"), error))
}

fn thread_is_gone(file: &str) -> EngineError {
    EngineError::ours(
        format!("use the articles in {file}"),
        "their thread has ended; its panic is in the log: start again",
    )
}
