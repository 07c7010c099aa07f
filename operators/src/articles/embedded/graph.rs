//! The graph that is searched where an exact scan would take too long: HNSW, by usearch.
//!
//! A key of the graph is given out once. A new vector of an article gets a new key, and what stands at the old one is passed over by
//! searches, as a withdrawn article is; once much of a graph is passed over, [`Graph::is_worn`] says that it should be built anew.
//!
//! The graph finds its way by vectors of less precision. What it finds is then put in the order of the whole vectors' cosines, so that a
//! pair of query and article has the same bits as in a scan. Filters are asked within the search; where one leaves a part of the articles
//! only, those are looked at one by one instead, by their [`Codes`] first: a graph finds its way badly where most is passed over.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use abovefold_engine::{EngineError, Result};
use abovefold_models::WIDTH;
use abovefold_schemas::ArticleId;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use super::{
    super::{
        Article, Filter, Hit,
        filter::{direction, ranked},
    },
    codes::Codes,
    settings::{GraphPrecision, HnswSettings},
};

/// Room for so many more is made when a graph is full, at least.
const LEAST_ROOM: usize = 1_024;
/// A graph with fewer keys to pass over than this is never built anew.
const LEAST_WORN: usize = 1_000;
/// With so many times the articles that are asked for, or fewer, all are looked at.
const FEW: usize = 2;

/// A graph over the articles that can be found.
pub(super) struct Graph {
    index: Index,
    /// What stands at each key.
    members: Vec<Member>,
    /// The code at each key.
    codes: Codes,
    keys: HashMap<ArticleId, u32>,
    sections: HashMap<String, u32>,
    ef_search: usize,
}

/// What stands at a key. What a filter asks for lies here beside each other, not behind a pointer.
struct Member {
    /// Nothing where the article has another key by now, or is not to be found any more.
    article: Option<Arc<Article>>,
    published: i64,
    section: u32,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("keys", &self.members.len()).field("live", &self.live()).finish()
    }
}

/// A filter in a graph's own terms.
struct Wanted<'a> {
    members: &'a [Member],
    /// Keys, sorted.
    excluded: Vec<u32>,
    from: i64,
    until: i64,
    /// `None`: all.
    sections: Option<Vec<u32>>,
}

impl Wanted<'_> {
    fn admits(&self, key: u32) -> bool {
        let Some(member) = self.members.get(key as usize) else { return false };
        member.article.is_some()
            && member.published >= self.from
            && member.published <= self.until
            && self.sections.as_ref().is_none_or(|sections| sections.contains(&member.section))
            && self.excluded.binary_search(&key).is_err()
    }

    /// Whether only single articles are left out, so that their number says how many are left.
    fn is_wide(&self) -> bool {
        self.sections.is_none() && self.from == i64::MIN && self.until == i64::MAX
    }

    fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.members.len() as u32).filter(|key| self.admits(*key))
    }
}

impl Graph {
    /// An empty graph.
    ///
    /// # Errors
    /// When there is no memory for it, or usearch refuses the settings.
    pub(super) fn new(settings: &HnswSettings, room: usize) -> Result<Self> {
        let graph = Self {
            index: index(settings)?,
            members: Vec::with_capacity(room),
            codes: Codes::default(),
            keys: HashMap::with_capacity(room),
            sections: HashMap::new(),
            ef_search: settings.ef_search,
        };
        graph.make_room(room.max(LEAST_ROOM), settings.builders())?;
        Ok(graph)
    }

    /// The graph that [`Graph::bytes`] made of the same articles; what has another vector by now is passed over, and is not in it.
    ///
    /// # Errors
    /// When the bytes are of another form, or there is no memory for them.
    pub(super) fn from_bytes(
        settings: &HnswSettings,
        bytes: &[u8],
        linked: &[Option<Arc<Article>>],
    ) -> Result<Self> {
        let mut graph = Self::new(settings, linked.len())?;
        let failed = |error| EngineError::ours("read the graph of the articles", error);
        graph.index.load_from_buffer(bytes).map_err(failed)?;
        graph.index.change_expansion_add(settings.ef_construction);
        graph.index.change_expansion_search(settings.ef_search);
        if graph.index.size() != linked.len() {
            return Err(EngineError::ours(
                "read the graph of the articles",
                format!("it links {} articles, where {} are named", graph.index.size(), linked.len()),
            ));
        }
        for article in linked {
            match article.as_ref().and_then(|article| Some((article, findable_by(article)?))) {
                Some((article, by)) => {
                    graph.note(article, &by);
                }
                None => graph.note_nothing(),
            }
        }
        Ok(graph)
    }

    /// The links, to be kept.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.index.serialized_length()];
        let failed = |error| EngineError::ours("write the graph of the articles", error);
        self.index.save_to_buffer(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// What stands at each key; nothing where it is passed over.
    pub(super) fn linked(&self) -> impl ExactSizeIterator<Item = Option<&Arc<Article>>> {
        self.members.iter().map(|member| member.article.as_ref())
    }

    /// A graph of these articles; `None` when it was told to stop. Blocks for long, in several threads where the settings say so, unless
    /// `kept` is a graph of most of them.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn build(
        settings: &HnswSettings,
        articles: &[Arc<Article>],
        kept: Option<Self>,
        stop: &AtomicBool,
    ) -> Result<Option<Self>> {
        let mut graph = match kept {
            Some(kept) => kept,
            None => Self::new(settings, articles.len())?,
        };
        let linked = graph.members.len();
        for article in articles {
            if !graph.keys.contains_key(&article.id)
                && let Some(by) = findable_by(article)
            {
                graph.note(article, &by);
            }
        }
        graph.make_room(graph.members.len(), settings.builders())?;
        let next = AtomicUsize::new(linked);
        let failure = Mutex::new(None);
        let link = || {
            while !stop.load(Ordering::Relaxed) {
                let key = next.fetch_add(1, Ordering::Relaxed);
                let article = graph.members.get(key).and_then(|member| member.article.as_ref());
                let Some(by) = article.and_then(|article| findable_by(article)) else { return };
                if let Err(error) = graph.link(key as u32, &by) {
                    next.store(graph.members.len(), Ordering::Relaxed);
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..settings.builders() {
                scope.spawn(link);
            }
            link();
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok((!stop.load(Ordering::Relaxed)).then_some(graph)),
        }
    }

    /// Room for so many keys, and for so many threads that link them.
    fn make_room(&self, keys: usize, threads: usize) -> Result<()> {
        self.index
            .reserve_capacity_and_threads(keys.max(self.index.capacity()), threads.max(2))
            .map_err(|error| EngineError::ours("make room in the graph of the articles", error))
    }

    /// Takes a version in: one that can be found is found by its vector from now on, one that cannot (withdrawn, no vector) is not.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn put(&mut self, article: &Arc<Article>) -> Result<()> {
        let by = findable_by(article);
        let known = self.keys.get(&article.id).copied();
        if let (Some(key), Some(_)) = (known, &by) {
            let same = self.members[key as usize].article.as_ref();
            if same.is_some_and(|known| known.version.vector == article.version.vector) {
                self.members[key as usize] = self.member(article);
                return Ok(());
            }
        }
        if let Some(key) = known {
            self.keys.remove(&article.id);
            self.members[key as usize].article = None;
        }
        let Some(by) = by else { return Ok(()) };
        if self.members.len() >= self.index.capacity() {
            let more = (self.members.len() / 2).max(LEAST_ROOM);
            // One thread alone links from now on, and searches.
            self.make_room(self.members.len() + more, 1)?;
        }
        let key = self.note(article, &by);
        let linked = self.link(key, &by);
        if linked.is_err() {
            // It is not there, so it may be taken in again.
            self.keys.remove(&article.id);
            self.members[key as usize].article = None;
        }
        linked
    }

    /// The nearest of those that pass the filter.
    ///
    /// # Errors
    /// When there is no memory for the search.
    pub(super) fn nearest(&self, direction: &[f32], k: usize, filter: &Filter) -> Result<Vec<Hit>> {
        let wanted = self.wanted(filter);
        let admitted = match wanted.is_wide() {
            true => self.live() - wanted.excluded.len(),
            false => wanted.keys().count(),
        };
        if admitted <= k * FEW || admitted * 4 < self.live() * 3 {
            return Ok(self.one_by_one(direction, k, &wanted));
        }
        let found = self
            .index
            .filtered_search(direction, self.ef_search.max(k), |key| {
                u32::try_from(key).is_ok_and(|key| wanted.admits(key))
            })
            .map_err(|error| EngineError::ours("search the graph of the articles", error))?;
        if found.keys.len() < k.min(admitted) {
            // Parts of a graph that cannot be reached from where a search begins are rare, but there may be some.
            return Ok(self.one_by_one(direction, k, &wanted));
        }
        let keys = found.keys.iter().filter_map(|key| u32::try_from(*key).ok());
        Ok(ranked(direction, keys.filter_map(|key| self.article(key)), k))
    }

    /// The nearest of all that are wanted.
    fn one_by_one(&self, direction: &[f32], k: usize, wanted: &Wanted<'_>) -> Vec<Hit> {
        let keys = self.codes.nearest(direction, wanted.keys(), k);
        ranked(direction, keys.into_iter().filter_map(|key| self.article(key)), k)
    }

    /// How many articles can be found.
    pub(super) fn live(&self) -> usize {
        self.keys.len()
    }

    /// Whether so much of the graph is passed over that it should be built anew.
    pub(super) fn is_worn(&self) -> bool {
        let worn = self.members.len() - self.live();
        worn > LEAST_WORN && worn > self.live() / 3
    }

    fn article(&self, key: u32) -> Option<Arc<Article>> {
        self.members.get(key as usize)?.article.clone()
    }

    fn wanted(&self, filter: &Filter) -> Wanted<'_> {
        let mut excluded: Vec<u32> =
            filter.exclude.iter().filter_map(|article| self.keys.get(article).copied()).collect();
        excluded.sort_unstable();
        excluded.dedup();
        let sections = filter.categories.iter().filter_map(|section| self.sections.get(section).copied());
        Wanted {
            members: &self.members,
            excluded,
            from: filter.published_from.map_or(i64::MIN, |from| from.0),
            until: filter.published_until.map_or(i64::MAX, |until| until.0),
            sections: (!filter.categories.is_empty()).then(|| sections.collect()),
        }
    }

    /// Gives the article a key.
    fn note(&mut self, article: &Arc<Article>, by: &[f32]) -> u32 {
        let key = self.members.len() as u32;
        self.codes.push(by);
        let member = self.member(article);
        self.members.push(member);
        self.keys.insert(article.id, key);
        key
    }

    /// Gives a key away at which nothing stands.
    fn note_nothing(&mut self) {
        self.codes.push(&[0.0; WIDTH]);
        self.members.push(Member { article: None, published: 0, section: 0 });
    }

    fn member(&mut self, article: &Arc<Article>) -> Member {
        let next = self.sections.len() as u32;
        let section = match self.sections.get(&article.version.category) {
            Some(section) => *section,
            None => *self.sections.entry(article.version.category.clone()).or_insert(next),
        };
        Member { article: Some(article.clone()), published: article.version.published, section }
    }

    fn link(&self, key: u32, direction: &[f32]) -> Result<()> {
        self.index
            .add(u64::from(key), direction)
            .map_err(|error| EngineError::ours("link an article into the graph", error))
    }
}

/// An empty index of usearch.
fn index(settings: &HnswSettings) -> Result<Index> {
    let (metric, quantization) = match settings.precision {
        // All vectors have length 1, so that the inner product is the cosine.
        GraphPrecision::F32 => (MetricKind::IP, ScalarKind::F32),
        GraphPrecision::Bf16 => (MetricKind::IP, ScalarKind::BF16),
        GraphPrecision::F16 => (MetricKind::IP, ScalarKind::F16),
        GraphPrecision::I8 => (MetricKind::Cos, ScalarKind::I8),
    };
    let options = IndexOptions {
        dimensions: WIDTH,
        metric,
        quantization,
        // With one link there is no graph.
        connectivity: settings.m.max(2),
        expansion_add: settings.ef_construction,
        expansion_search: settings.ef_search,
        multi: false,
    };
    let failed = |error| EngineError::ours("make a graph of the articles", error);
    Index::new(&options).map_err(failed)
}

/// What an article is found by: its vector at length 1; nothing where it is withdrawn or has no direction.
pub(super) fn findable_by(article: &Article) -> Option<Vec<f32>> {
    if article.version.withdrawn { None } else { direction(&article.version.vector) }
}
