//! What the scanner's thread keeps, and how it finds: by an exact scan of a matrix, or by a graph.
//!
//! A graph takes minutes to build. That happens in a thread of its own, from what was there when it began; the scan goes on serving
//! until the graph is there and has taken in what changed meanwhile. Into a graph articles come one at a time, between questions.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use abovefold_engine::{EngineError, Result};
use abovefold_models::{ArticleMatrix, WIDTH, give_way};
use abovefold_schemas::{ArticleId, Offset};
use tokio::sync::oneshot;

use super::{
    super::{
        Article, Hit, NearestQuery,
        filter::{Sieve, ranked},
    },
    graph::{Graph, findable_by},
    kept,
    settings::HnswSettings,
    spawn,
    table::Table,
};

/// Up to so many queries, reading the matrix once for each is quicker than one product, which first rearranges the whole matrix:
/// 10,000 articles, one thread: 1.9 ms for each alone, 8 ms for two to eight together.
const FEW: usize = 4;
/// Graphs of at most so many articles are built at once: that takes a fraction of a second.
const BUILT_AT_ONCE: usize = 1_000;
/// How often a graph that is being built is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Articles to be taken in.
#[derive(Debug)]
pub(super) struct TakeIn {
    pub(super) articles: VecDeque<Arc<Article>>,
    /// Comes with the last of a batch.
    pub(super) marker: Option<Vec<Offset>>,
    pub(super) done: oneshot::Sender<Result<()>>,
}

/// Finds the nearest articles.
pub(super) struct Searcher {
    table: Arc<RwLock<Table>>,
    settings: HnswSettings,
    /// Where a graph that was built is kept, if anywhere.
    kept: Option<PathBuf>,
    near: Near,
    next: Option<Next>,
    /// A graph that could not be built is not tried again.
    gave_up: bool,
    /// Whether a graph is searched, for others to see.
    by_graph: Arc<AtomicBool>,
    /// Who waits until no graph is being built.
    settled: Vec<oneshot::Sender<()>>,
}

/// What is searched.
enum Near {
    Matrix(ArticleMatrix),
    Graph(Graph),
}

/// The graph that takes its place.
enum Next {
    Building(Building),
    CatchingUp { graph: Graph, behind: VecDeque<ArticleId> },
}

struct Building {
    built: mpsc::Receiver<Result<Option<Graph>>>,
    changed: VecDeque<ArticleId>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Building {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that builds the graph of the articles panicked");
        }
    }
}

impl Searcher {
    /// One that is about to take in `expected` articles.
    ///
    /// # Errors
    /// When there is no memory for a graph.
    pub(super) fn new(
        table: Arc<RwLock<Table>>,
        settings: HnswSettings,
        kept: Option<PathBuf>,
        expected: usize,
        by_graph: Arc<AtomicBool>,
    ) -> Result<Self> {
        let at_once = expected >= settings.from_articles && expected <= BUILT_AT_ONCE;
        let near = match at_once {
            true => Near::Graph(Graph::new(&settings, expected)?),
            false => Near::Matrix(ArticleMatrix::new(WIDTH, expected.max(1_024))),
        };
        by_graph.store(at_once, Ordering::Relaxed);
        Ok(Self { table, settings, kept, near, next: None, gave_up: false, by_graph, settled: Vec::new() })
    }

    /// Tells `done` once no graph is being built.
    pub(super) fn tell_when_settled(&mut self, done: oneshot::Sender<()>) {
        self.settled.push(done);
        self.settle();
    }

    /// How long to wait for a job before looking after the graph that is being built; `None`: as long as it takes.
    pub(super) fn patience(&self) -> Option<Duration> {
        match &self.next {
            None => None,
            Some(Next::Building(_)) => Some(LOOK_EVERY),
            Some(Next::CatchingUp { .. }) => Some(Duration::ZERO),
        }
    }

    /// Takes in what comes next: all that fits between two questions, which is a whole chunk for the matrix, one article for a graph.
    pub(super) fn take_in_some(&mut self, coming: &mut VecDeque<TakeIn>) {
        let Some(first) = coming.front_mut() else { return };
        while let Some(article) = first.articles.pop_front() {
            if let Err(error) = self.put(article) {
                if let Some(TakeIn { done, .. }) = coming.pop_front() {
                    // Who gave up meanwhile needs no answer, here and below.
                    let _ = done.send(Err(error));
                }
                return;
            }
            if matches!(self.near, Near::Graph(_)) && !first.articles.is_empty() {
                return;
            }
        }
        let Some(TakeIn { marker, done, .. }) = coming.pop_front() else { return };
        let result = self.finish(marker);
        let _ = done.send(result);
    }

    fn put(&mut self, article: Arc<Article>) -> Result<()> {
        if !self.table.write().map_err(|_| poisoned())?.put(article.clone()) {
            return Ok(());
        }
        match &mut self.near {
            Near::Graph(graph) => graph.put(&article)?,
            Near::Matrix(matrix) => match findable_by(&article) {
                Some(vector) => matrix.upsert(article.id, &vector).map_err(|error| {
                    EngineError::ours(format!("take in the vector of article {}", article.id), error)
                })?,
                None => {
                    matrix.remove(article.id);
                }
            },
        }
        match &mut self.next {
            Some(Next::Building(building)) => building.changed.push_back(article.id),
            Some(Next::CatchingUp { behind, .. }) => behind.push_back(article.id),
            None => {}
        }
        Ok(())
    }

    fn finish(&mut self, marker: Option<Vec<Offset>>) -> Result<()> {
        let Some(marker) = marker else { return Ok(()) };
        self.table.write().map_err(|_| poisoned())?.marker = marker;
        let due = match &self.near {
            Near::Matrix(matrix) => matrix.len() >= self.settings.from_articles,
            Near::Graph(graph) => graph.is_worn(),
        };
        if due
            && self.next.is_none()
            && !self.gave_up
            && let Err(error) = self.begin()
        {
            self.give_up(&error.to_string());
        }
        Ok(())
    }

    /// Begins to build a graph of what is there.
    fn begin(&mut self) -> Result<()> {
        let articles = self.table.read().map_err(|_| poisoned())?.all();
        tracing::info!(articles = articles.len(), "a graph of the articles is being built");
        let (sender, built) = mpsc::channel();
        let (settings, stop) = (self.settings.clone(), Arc::new(AtomicBool::new(false)));
        let (told, kept) = (stop.clone(), self.kept.clone());
        let thread = spawn("articles-build", move || {
            give_way();
            // The searcher may have ended; then nobody needs a graph.
            let _ = sender.send(build(kept.as_deref(), &settings, &articles, &told));
        })?;
        let changed = VecDeque::new();
        self.next = Some(Next::Building(Building { built, changed, stop, thread: Some(thread) }));
        Ok(())
    }

    /// Looks after the graph that is being built, and lets one that is behind catch up by one article.
    pub(super) fn look_after_next(&mut self) {
        match self.next.take() {
            None => return,
            Some(Next::Building(mut building)) => match building.built.try_recv() {
                Err(mpsc::TryRecvError::Empty) => self.next = Some(Next::Building(building)),
                Ok(Ok(Some(graph))) => {
                    let behind = std::mem::take(&mut building.changed);
                    self.next = Some(Next::CatchingUp { graph, behind });
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => self.give_up(&error.to_string()),
                Err(mpsc::TryRecvError::Disconnected) => self.give_up("its thread panicked"),
            },
            Some(Next::CatchingUp { mut graph, mut behind }) => match behind.pop_front() {
                Some(id) => match self.catch_up(&mut graph, id) {
                    Ok(()) => self.next = Some(Next::CatchingUp { graph, behind }),
                    Err(error) => self.give_up(&error.to_string()),
                },
                None => {
                    tracing::info!(articles = graph.live(), "articles are searched by a graph from now on");
                    self.near = Near::Graph(graph);
                    self.by_graph.store(true, Ordering::Relaxed);
                }
            },
        }
        self.settle();
    }

    fn catch_up(&self, graph: &mut Graph, id: ArticleId) -> Result<()> {
        let article = self.table.read().map_err(|_| poisoned())?.get(id).cloned();
        article.map_or(Ok(()), |article| graph.put(&article))
    }

    fn give_up(&mut self, reason: &str) {
        self.gave_up = true;
        tracing::error!(reason, "no graph of the articles: searches go on as before, until the next start");
    }

    fn settle(&mut self) {
        if self.next.is_none() {
            for done in self.settled.drain(..) {
                let _ = done.send(());
            }
        }
    }

    /// One list of hits per query; `directions` has the queries' vectors at length 1, one after the other.
    ///
    /// # Errors
    /// When the scan or the search fails.
    pub(super) fn find(&self, queries: &[&NearestQuery], directions: &[f32]) -> Result<Vec<Vec<Hit>>> {
        match &self.near {
            Near::Graph(graph) => queries
                .iter()
                .zip(directions.chunks_exact(WIDTH))
                .map(|(query, direction)| graph.nearest(direction, query.k, &query.filter))
                .collect(),
            Near::Matrix(matrix) => self.scan(matrix, queries, directions),
        }
    }

    fn scan(
        &self,
        matrix: &ArticleMatrix,
        queries: &[&NearestQuery],
        directions: &[f32],
    ) -> Result<Vec<Vec<Hit>>> {
        // Only this thread writes the table, so holding it for the whole scan keeps nobody waiting.
        let table = self.table.read().map_err(|_| poisoned())?;
        let sieves: Vec<Sieve<'_>> = queries.iter().map(|query| Sieve::new(&query.filter)).collect();
        let most = queries.iter().map(|query| query.k).max().unwrap_or(0);
        if most == 0 {
            return Ok(vec![Vec::new(); queries.len()]);
        }
        let admitted =
            |query: usize, id: ArticleId| table.get(id).is_some_and(|article| sieves[query].admits(article));
        let together = if queries.len() <= FEW { 1 } else { queries.len() };
        let mut nearest = Vec::with_capacity(queries.len());
        for (part, directions) in directions.chunks(together * WIDTH).enumerate() {
            let found = matrix
                .nearest(directions, most, |query, id| admitted(part * together + query, id))
                .map_err(|error| EngineError::ours("scan the articles", error))?;
            nearest.extend(found);
        }
        let hits = nearest.into_iter().zip(directions.chunks_exact(WIDTH)).zip(queries).map(
            |((found, direction), query)| {
                ranked(
                    direction,
                    found.into_iter().take(query.k).filter_map(|(id, _)| table.get(id).cloned()),
                    query.k,
                )
            },
        );
        Ok(hits.collect())
    }
}

/// A graph of these articles, from the one that was kept where there is such, and kept in its place.
fn build(
    path: Option<&Path>,
    settings: &HnswSettings,
    articles: &[Arc<Article>],
    stop: &AtomicBool,
) -> Result<Option<Graph>> {
    let from = path.and_then(|path| kept::read(path, settings, articles));
    let linked = from.as_ref().map_or(0, |graph| graph.linked().len());
    let graph = Graph::build(settings, articles, from, stop)?;
    if let (Some(path), Some(graph)) = (path, &graph)
        && graph.linked().len() > linked
        && let Err(error) = kept::write(path, settings, graph)
    {
        tracing::warn!(%error, "the next start builds the graph of the articles anew");
    }
    Ok(graph)
}

fn poisoned() -> EngineError {
    EngineError::ours("use the articles in memory", "an earlier panic left them half changed: start again")
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::ArticleVersion;

    use super::*;

    fn article(id: i64, offset: u64) -> Arc<Article> {
        // Directions that differ; any will do.
        let vector = (0..WIDTH).map(|unit| ((offset as usize * 31 + unit * 17) % 257) as f32 - 128.0);
        let version =
            ArticleVersion { article_id: id, vector: vector.collect(), ..ArticleVersion::default() };
        Arc::new(Article { id: ArticleId(id), offset: Offset(offset), version })
    }

    fn take_in(searcher: &mut Searcher, articles: impl Iterator<Item = Arc<Article>>) {
        let (done, _) = oneshot::channel();
        let batch = TakeIn { articles: articles.collect(), marker: Some(Vec::new()), done };
        let mut coming = VecDeque::from([batch]);
        while !coming.is_empty() {
            searcher.take_in_some(&mut coming);
        }
    }

    #[test]
    fn a_graph_that_is_worn_is_built_anew() {
        // Small and quick: what it finds is tested elsewhere.
        let settings = HnswSettings { from_articles: 0, m: 4, ef_construction: 8, ..HnswSettings::default() };
        let mut searcher = Searcher::new(Arc::default(), settings, None, 0, Arc::default()).unwrap();
        let count = 1_100;
        take_in(&mut searcher, (0..count).map(|id| article(id, id as u64)));
        assert!(searcher.next.is_none());
        take_in(&mut searcher, (0..count).map(|id| article(id, (count + id) as u64)));
        assert!(searcher.next.is_some());
        take_in(&mut searcher, std::iter::once(article(7, 9_999)));
        while searcher.next.is_some() {
            std::thread::yield_now();
            searcher.look_after_next();
        }
        let Near::Graph(graph) = &searcher.near else { panic!("it was a graph and remains one") };
        assert_eq!(graph.live(), count as usize);
        assert!(!graph.is_worn());
        let newest = article(7, 9_999);
        let query = findable_by(&newest).unwrap();
        let hits = graph.nearest(&query, 1, &super::super::Filter::default()).unwrap();
        assert_eq!(hits[0].article, newest, "what came while it was built is in it");
    }
}
