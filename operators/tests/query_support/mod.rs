//! Makes of the edges that tests can break, and a read path over them.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use abovefold_engine::{
    EngineError, Result, Runtime,
    log::{
        Bounds, Log, LogMember, LogReader, Membership, NewRecord, Position, Record, RecordRun, partition_of,
    },
    state::{Changes, EpochWrite, MemoryStore, Put, Snapshot, StateStore, Tag, Value, WriteOutcome},
};
use abovefold_models::{HIDDEN, RerankRequest, WIDTH};
use abovefold_operators::{
    articles::{Article, ArticleIndex, Filter, Hit, NearestQuery},
    fold::trends::{ReadFacts, count_read},
    query::{Composition, Experiment, Impressions, Query, QueryContext, QuerySettings, Ranker, Request},
};
use abovefold_schemas::{
    ArticleId, ArticleVersion, Kept, LastRecord, Marker, Offset, ReaderId, Timestamp,
    keys::{ValueName, reader_key, summary_key},
    state::{ActiveReader, ArticleCounts, PartitionSummary, Read, ReaderState},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::sync::Notify;

pub const PARTITIONS: u32 = 4;
pub const SECTIONS: [&str; 4] = ["World", "Science", "Sport", "Culture"];
/// The log's time when the tests begin.
pub const NOON: i64 = 1_704_110_400_000;

pub fn reader(name: &str) -> ReaderId {
    ReaderId::new(name).unwrap()
}

/// The direction of a section, with a little of the article's own.
pub fn vector(section: usize, own: usize) -> Vec<f32> {
    let mut vector = vec![0.0; WIDTH];
    vector[section] = 1.0;
    vector[100 + own % 600] = 0.2 + 0.001 * own as f32;
    vector
}

/// Article `id` is of section `id mod 4`, published `id` minutes after noon.
pub fn article(id: i64) -> Article {
    let section = id.rem_euclid(4) as usize;
    let version = ArticleVersion {
        article_id: id,
        title: format!("Headline {id}"),
        category: SECTIONS[section].into(),
        topics: vec![format!("{} news", SECTIONS[section])],
        published: NOON + id * 60_000,
        vector: vector(section, id as usize),
        ..ArticleVersion::default()
    };
    Article { id: ArticleId(id), offset: Offset(id as u64), version }
}

/// The way to an edge: none, or one that takes its time there and back, in an order of chance.
#[derive(Debug, Default)]
pub struct Way(pub Option<Runtime>);

impl Way {
    async fn there_and_back<T>(&self, call: impl Future<Output = T>) -> T {
        self.travel().await;
        let done = call.await;
        self.travel().await;
        done
    }

    async fn travel(&self) {
        let Some(runtime) = &self.0 else { return };
        let micros = runtime.random() % 4_000;
        runtime.sleep(Duration::from_micros(micros)).await;
    }
}

/// Articles in memory, which can be down.
#[derive(Debug, Default)]
pub struct FakeArticles {
    pub way: Way,
    pub articles: Mutex<BTreeMap<ArticleId, Arc<Article>>>,
    pub down: AtomicBool,
    pub searches: AtomicUsize,
    /// All calls that readers wait for.
    pub asked: AtomicUsize,
    pub queries: AtomicUsize,
}

impl FakeArticles {
    pub fn with(count: i64) -> Arc<Self> {
        Self::behind(Way::default(), count)
    }

    pub fn behind(way: Way, count: i64) -> Arc<Self> {
        let fake = Self { way, ..Self::default() };
        fake.articles.lock().unwrap().extend((1..=count).map(|id| (ArticleId(id), Arc::new(article(id)))));
        Arc::new(fake)
    }

    fn up(&self) -> Result<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.down.load(Ordering::SeqCst) {
            true => Err(EngineError::outside("ask the articles", "connection refused")),
            false => Ok(()),
        }
    }

    fn matching(&self, filter: &Filter) -> Vec<Arc<Article>> {
        let articles = self.articles.lock().unwrap();
        let matches = |article: &&Arc<Article>| {
            !article.version.withdrawn
                && !filter.exclude.contains(&article.id)
                && filter.published_from.is_none_or(|from| article.version.published >= from.0)
                && filter.published_until.is_none_or(|until| article.version.published <= until.0)
                && (filter.categories.is_empty() || filter.categories.contains(&article.version.category))
        };
        articles.values().filter(matches).cloned().collect()
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

#[async_trait]
impl ArticleIndex for FakeArticles {
    async fn apply(&self, versions: Vec<Article>, _marker: &[Offset]) -> Result<()> {
        self.articles
            .lock()
            .unwrap()
            .extend(versions.into_iter().map(|article| (article.id, Arc::new(article))));
        Ok(())
    }
    async fn marker(&self) -> Result<Vec<Offset>> {
        Ok(Vec::new())
    }
    async fn nearest(&self, queries: Vec<NearestQuery>) -> Result<Vec<Vec<Hit>>> {
        let call = async {
            self.up()?;
            self.searches.fetch_add(1, Ordering::SeqCst);
            self.queries.fetch_add(queries.len(), Ordering::SeqCst);
            let search = |query: &NearestQuery| {
                let found = self.matching(&query.filter).into_iter();
                let mut hits: Vec<Hit> = found
                    .map(|article| Hit { cosine: cosine(&query.vector, &article.version.vector), article })
                    .collect();
                hits.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
                hits.truncate(query.k);
                hits
            };
            Ok(queries.iter().map(search).collect())
        };
        self.way.there_and_back(call).await
    }
    async fn get(&self, ids: &[ArticleId]) -> Result<Vec<Option<Arc<Article>>>> {
        let call = async {
            self.up()?;
            let articles = self.articles.lock().unwrap();
            Ok(ids.iter().map(|id| articles.get(id).cloned()).collect())
        };
        self.way.there_and_back(call).await
    }
    async fn newest(&self, k: usize, filter: &Filter) -> Result<Vec<Arc<Article>>> {
        let call = async {
            self.up()?;
            let mut found = self.matching(filter);
            found.sort_by_key(|article| std::cmp::Reverse(article.version.published));
            found.truncate(k);
            Ok(found)
        };
        self.way.there_and_back(call).await
    }
    async fn count(&self) -> Result<usize> {
        Ok(self.articles.lock().unwrap().len())
    }
    async fn refresh(&self) -> Result<()> {
        Ok(())
    }
    async fn check(&self) -> Result<String> {
        self.up()?;
        Ok("in memory".into())
    }
}

/// A store that can be down, or never answer.
#[derive(Debug, Default)]
pub struct FlakyStore {
    pub way: Way,
    pub inner: MemoryStore,
    pub down: AtomicBool,
    pub hangs: AtomicBool,
}

impl FlakyStore {
    async fn up(&self) -> Result<()> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        match self.down.load(Ordering::SeqCst) {
            true => Err(EngineError::outside("ask the state store", "connection refused")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl StateStore for FlakyStore {
    async fn read(&self, tag: &Tag, keys: &[Bytes], derived: &[Bytes]) -> Result<Snapshot> {
        self.up().await?;
        self.way.there_and_back(self.inner.read(tag, keys, derived)).await
    }
    async fn initialise(&self, tag: &Tag, marker: Marker) -> Result<Marker> {
        self.way.there_and_back(self.inner.initialise(tag, marker)).await
    }
    async fn write_epoch(&self, tag: &Tag, epoch: &EpochWrite) -> Result<WriteOutcome> {
        self.way.there_and_back(self.inner.write_epoch(tag, epoch)).await
    }
    async fn wait_for(&self, tag: &Tag, next: Offset) -> Result<Marker> {
        self.up().await?;
        self.inner.wait_for(tag, next).await
    }
    async fn hurry(&self, tag: &Tag, next: Offset) -> Result<()> {
        self.up().await?;
        self.inner.hurry(tag, next).await
    }
    async fn hurries(&self, namespace: &str) -> Result<BoxStream<'static, (u32, Offset)>> {
        self.inner.hurries(namespace).await
    }
    async fn changed_since(&self, tag: &Tag, since: Offset) -> Result<Changes> {
        self.up().await?;
        self.way.there_and_back(self.inner.changed_since(tag, since)).await
    }
    fn scan(&self, tag: &Tag) -> BoxStream<'static, Result<(Bytes, Value)>> {
        self.inner.scan(tag)
    }
    async fn put_derived(
        &self,
        tag: &Tag,
        key: &Bytes,
        version: Offset,
        derived: Bytes,
        ttl: Duration,
    ) -> Result<bool> {
        self.up().await?;
        self.way.there_and_back(self.inner.put_derived(tag, key, version, derived, ttl)).await
    }
    async fn partitions(&self, namespace: &str) -> Result<Vec<u32>> {
        self.inner.partitions(namespace).await
    }
    async fn drop_namespace(&self, namespace: &str) -> Result<()> {
        self.inner.drop_namespace(namespace).await
    }
    async fn check(&self) -> Result<String> {
        self.up().await?;
        self.inner.check().await
    }
}

/// Prefers high article numbers: the candidate whose own direction is longest.
#[derive(Debug, Default)]
pub struct FakeRanker {
    pub broken: AtomicBool,
    pub hangs: AtomicBool,
    pub batches: Mutex<Vec<usize>>,
}

#[async_trait]
impl Ranker for FakeRanker {
    fn version(&self) -> &str {
        "fake-1"
    }
    fn session_model(&self) -> &str {
        "session-1"
    }
    async fn rank(&self, requests: Vec<RerankRequest>) -> std::result::Result<Vec<Vec<f32>>, String> {
        self.batches.lock().unwrap().push(requests.len());
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err("the device is lost".into());
        }
        let logits = |request: &RerankRequest| {
            let own = |vector: &[f32]| vector[100..].iter().sum::<f32>() * 5.0;
            request.candidates.chunks_exact(WIDTH).map(own).collect()
        };
        Ok(requests.iter().map(logits).collect())
    }
}

/// A log that only keeps what is appended.
#[derive(Clone, Debug, Default)]
pub struct FakeLog {
    pub records: Arc<Mutex<Vec<(String, NewRecord)>>>,
    appended: Arc<Notify>,
}

/// Reads a topic of it, as if all were in one partition.
struct FakeReader {
    log: FakeLog,
    topic: String,
    next: usize,
}

#[async_trait]
impl LogReader for FakeReader {
    async fn next(&mut self) -> Result<RecordRun> {
        loop {
            let appended = self.log.appended.notified();
            let records = self.log.records.lock().unwrap().clone();
            let of_topic = records.into_iter().filter(|(topic, _)| *topic == self.topic);
            let new: Vec<Record> = of_topic
                .enumerate()
                .skip(self.next)
                .map(|(offset, (_, record))| Record {
                    offset: Offset(offset as u64),
                    time: Timestamp(NOON),
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                })
                .collect();
            if !new.is_empty() {
                self.next += new.len();
                return Ok(RecordRun::new(0, new));
            }
            appended.await;
        }
    }
}

#[async_trait]
impl Log for FakeLog {
    async fn partitions(&self, _topic: &str) -> Result<Option<u32>> {
        Ok(Some(PARTITIONS))
    }
    async fn create_topic(&self, _topic: &str, partitions: u32) -> Result<u32> {
        Ok(partitions)
    }
    async fn append(&self, topic: &str, records: Vec<NewRecord>) -> Result<Vec<Position>> {
        let positions = records.iter().map(|_| Position { partition: 0, offset: Offset(0) }).collect();
        self.records.lock().unwrap().extend(records.into_iter().map(|record| (topic.to_string(), record)));
        self.appended.notify_waiters();
        Ok(positions)
    }
    async fn bounds(&self, _topic: &str) -> Result<Vec<Bounds>> {
        Ok(vec![Bounds { begin: Offset(0), end: Offset(0) }; PARTITIONS as usize])
    }
    async fn offsets_at(&self, _topic: &str, _time: Timestamp) -> Result<Vec<Offset>> {
        Ok(vec![Offset(0); PARTITIONS as usize])
    }
    async fn read(&self, topic: &str, _from: Vec<Position>) -> Result<Box<dyn LogReader>> {
        Ok(Box::new(FakeReader { log: self.clone(), topic: topic.to_owned(), next: 0 }))
    }
    async fn join(&self, _topic: &str, _membership: Membership) -> Result<Box<dyn LogMember>> {
        unimplemented!()
    }
}

/// The settings of most tests: no chance in a slate, and none of what was shown before.
pub fn settings() -> QuerySettings {
    let composition = Composition { section_share: 0.7, chosen_first: true, ..Composition::none() };
    QuerySettings { edge_pause_ms: 0, composition, ..QuerySettings::default() }
}

/// A read path over edges that tests hold.
pub struct World {
    pub runtime: Runtime,
    pub store: Arc<FlakyStore>,
    pub articles: Arc<FakeArticles>,
    pub ranker: Arc<FakeRanker>,
    pub log: Arc<FakeLog>,
    pub query: Query,
}

impl World {
    pub fn new(articles: i64, ranked: bool) -> Self {
        Self::with(articles, ranked, settings())
    }

    pub fn with(articles: i64, ranked: bool, settings: QuerySettings) -> Self {
        Self::in_experiment(articles, ranked, settings, None)
    }

    pub fn in_experiment(
        articles: i64,
        ranked: bool,
        settings: QuerySettings,
        experiment: Option<Experiment>,
    ) -> Self {
        let (runtime, store, log) =
            (Runtime::real(), Arc::<FlakyStore>::default(), Arc::<FakeLog>::default());
        let (articles, ranker) = (FakeArticles::with(articles), Arc::<FakeRanker>::default());
        let query = Query::start(QueryContext {
            runtime: runtime.clone(),
            namespace: "main".into(),
            partitions: PARTITIONS,
            events_topic: "user_events".into(),
            store: store.clone(),
            articles: articles.clone(),
            ranker: ranked.then(|| ranker.clone() as Arc<dyn Ranker>),
            trees: None,
            learned: None,
            impressions: Some(Impressions { log: log.clone(), topic: "impressions".into() }),
            past: false,
            settings,
            experiment,
        });
        Self { runtime, store, articles, ranker, log, query }
    }

    pub fn tag(&self, reader: &ReaderId) -> Tag {
        Tag { namespace: "main".into(), partition: partition_of(reader.as_bytes(), PARTITIONS) }
    }

    /// Folds something into a partition: one epoch of one record.
    pub async fn fold(
        &self,
        tag: &Tag,
        values: Vec<(Bytes, Vec<u8>, bool)>,
        invalidated: Vec<Bytes>,
    ) -> Marker {
        let marker = self.store.inner.read(tag, &[], &[]).await.unwrap().marker;
        let expected = match marker {
            Some(marker) => marker,
            None => self.store.inner.initialise(tag, Marker::start(Offset(0))).await.unwrap(),
        };
        let last = LastRecord { offset: expected.next, hash: 1 };
        let target = Marker { last: Some(last), ..Marker::start(expected.next.next()) };
        let put = |(key, bytes, mirrored): (Bytes, Vec<u8>, bool)| Put {
            key,
            value: Some(Value { version: target.next, bytes: bytes.into() }),
            mirrored,
        };
        let epoch = EpochWrite { expected, target, puts: values.into_iter().map(put).collect(), invalidated };
        assert_eq!(self.store.inner.write_epoch(tag, &epoch).await.unwrap(), WriteOutcome::Applied);
        target
    }

    /// Gives a reader a state, with the session embedding of a section and these reads.
    pub async fn know(&self, name: &str, section: usize, reads: &[i64]) -> Marker {
        let reader = reader(name);
        let mut hidden = vec![0.0_f32; HIDDEN];
        hidden[WIDTH + section] = 1.0;
        let reads: Vec<Read> =
            reads.iter().map(|id| Read { article_id: *id, time: NOON, ..Read::default() }).collect();
        let state = ReaderState {
            hidden: hidden.iter().flat_map(|number| number.to_le_bytes()).collect(),
            total_reads: reads.len() as u64,
            reads,
            ..ReaderState::default()
        };
        let key = reader_key(&reader);
        self.fold(&self.tag(&reader), vec![(key.clone(), state.to_kept(), false)], vec![key]).await
    }

    /// Gives a reader topics and no reads.
    pub async fn prefers(&self, name: &str, topics: &[&str]) {
        let reader = reader(name);
        let topics = topics.iter().map(ToString::to_string).collect();
        let state = ReaderState { topics, ..ReaderState::default() };
        self.fold(&self.tag(&reader), vec![(reader_key(&reader), state.to_kept(), false)], Vec::new()).await;
    }

    /// Folds mirrored values into a partition, and brings the trends up to date.
    pub async fn fold_mirrored(&self, partition: u32, values: Vec<(Bytes, Vec<u8>)>) {
        let values = values.into_iter().map(|(key, bytes)| (key, bytes, true)).collect();
        self.fold(&Tag { namespace: "main".into(), partition }, values, Vec::new()).await;
        self.query.refresh().await;
    }

    /// Brings a partition's log time forward.
    pub async fn watermark(&self, partition: u32, watermark: i64) {
        let summary = PartitionSummary { watermark, ..PartitionSummary::default() };
        self.fold_mirrored(partition, vec![(summary_key(), summary.to_kept())]).await;
    }

    /// Counts reads of articles in a partition, and brings the trends up to date.
    pub async fn trend(&self, partition: u32, reads: &[(i64, usize)]) {
        let mut values = Vec::new();
        for (id, times) in reads {
            let mut counts = ArticleCounts::default();
            (0..*times).for_each(|_| count_read(&mut counts, Timestamp(NOON), ReadFacts::default()));
            values.push((ValueName::Article(ArticleId(*id)).to_key(), counts.to_kept(), true));
        }
        let seen =
            |user_id: String| ActiveReader { user_id, reads: 3, last_seen: NOON + i64::from(partition) };
        let active = vec![seen(format!("somebody-{partition}"))];
        let summary = PartitionSummary { watermark: NOON, active, ..PartitionSummary::default() };
        values.push((summary_key(), summary.to_kept(), true));
        self.fold(&Tag { namespace: "main".into(), partition }, values, Vec::new()).await;
        self.query.refresh().await;
    }

    /// Waits until candidates of the reader are cached.
    pub async fn cached(&self, name: &str) {
        let (reader, runtime) = (reader(name), self.runtime.clone());
        let cached = async {
            loop {
                let found =
                    self.store.inner.read(&self.tag(&reader), &[], &[reader_key(&reader)]).await.unwrap();
                if found.derived[0].is_some() {
                    return;
                }
                runtime.sleep(Duration::from_millis(2)).await;
            }
        };
        self.runtime.timeout(Duration::from_secs(5), cached).await.expect("candidates are cached");
    }
}

/// A request of a reader for ten.
pub fn request(name: &str) -> Request {
    Request::new(reader(name))
}

/// The articles of a slate.
pub fn ids(slate: &abovefold_operators::query::Slate) -> Vec<i64> {
    slate.picks.iter().map(|pick| pick.article.id.0).collect()
}
