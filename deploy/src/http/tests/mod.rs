//! The interface over the embedded log, a store in memory and the embedded articles.
#![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

mod answers;
mod bounds;
mod keys;
mod live;
mod pages;
mod paper;
mod refusals;
mod sessions;

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::{
    Pause, Runtime, Troubles,
    log::{self, Log, LogSettings},
    state::{EpochWrite, MemoryStore, Put, StateStore, Tag, Value as Stored},
};
use abovefold_operators::{
    articles::{Article, ArticleIndex, embedded::EmbeddedArticles},
    pipeline::Topics,
    query::{Composition, Query, QueryContext, QuerySettings},
};
use abovefold_schemas::{
    ArticleId, ArticleVersion, Kept, LastRecord, Marker, Offset, ReaderId,
    keys::{ValueName, reader_key, summary_key},
    state::{ActiveReader, ArticleCounts, PartitionSummary, Read, ReaderState},
};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

use super::{Admin, App, Guard, Reading, Seen, Transport, router, serve, start};
use crate::{
    config::{Config, HttpConfig},
    edges::Edges,
    models::{Loaded, Models},
    output::Output,
    session::Session,
};

const NOON: i64 = 1_704_110_400_000;

struct Served {
    address: String,
    client: Client,
    store: Arc<MemoryStore>,
    log: Arc<dyn Log>,
    articles: Arc<EmbeddedArticles>,
    query: Query,
    reading: Arc<Reading>,
    /// Dropped, it stops the server.
    _stop: oneshot::Sender<()>,
    _home: tempfile::TempDir,
}

impl Served {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings of the interface changed.
    async fn with(change: impl FnOnce(&mut HttpConfig)) -> Self {
        let mut http = Config::load(None, &[]).unwrap().http;
        change(&mut http);
        let home = tempfile::tempdir().unwrap();
        let url = format!("file:{}", home.path().join("log").display());
        let log = log::open(&url, &LogSettings::default()).unwrap();
        log.create_topic("user_events", 4).await.unwrap();
        let articles = Arc::new(EmbeddedArticles::open(&home.path().join("articles")).await.unwrap());
        articles.apply((1..=30).map(article).collect(), &[Offset(31)]).await.unwrap();
        let config = Config::load(None, &[("home", home.path().display().to_string())]).unwrap();
        let (runtime, store) = (Runtime::real(), Arc::new(MemoryStore::new()));
        let session = session(&config, &runtime, &log, &store, &articles).await;
        let query = Query::start(QueryContext {
            runtime: runtime.clone(),
            namespace: "main".into(),
            partitions: 4,
            events_topic: "user_events".into(),
            store: store.clone(),
            articles: articles.clone(),
            ranker: None,
            trees: None,
            learned: None,
            impressions: None,
            past: false,
            settings: QuerySettings {
                after_wait_ms: 30,
                composition: Composition::none(),
                ..QuerySettings::default()
            },
            experiment: None,
        });
        let reading = Reading::new(seen("main", &query), BTreeMap::new());
        let models = Models::new(config, runtime.clone(), reading.clone(), Loaded::default());
        let guard = Arc::new(Guard::new(&http, runtime.clone()).unwrap());
        let app = App {
            runtime,
            reading: reading.clone(),
            models,
            partitions: 4,
            events_topic: "user_events".into(),
            log: log.clone(),
            store: store.clone(),
            articles: articles.clone(),
            troubles: Troubles::none(),
            metrics: Arc::new(|| "# HELP abovefold_up It is.\n".into()),
            admin: Admin::new(&session, Vec::new()),
            guard,
            body_time: http.body_time(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            stopped.await.ok();
        };
        let app = Arc::new(app);
        start(&app);
        tokio::spawn(serve(listener, router(app), Transport::new(&http), shutdown));
        let client = Client::builder().no_proxy().no_gzip().build().unwrap();
        Self { address, client, store, log, articles, query, reading, _stop: stop, _home: home }
    }

    async fn ask(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.client.request(method, format!("{}{path}", self.address)).body(body).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.ask(Method::POST, path, body.to_string()).await
    }

    /// Asks for what must be refused, and returns the problem.
    async fn refused(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
        status: u16,
    ) -> Value {
        problem(self.ask(method, path, body).await, status).await
    }

    /// Folds a state of the reader who read these, last one last, into its partition.
    async fn know(&self, name: &str, reads: &[i64]) {
        let reader = ReaderId::new(name).unwrap();
        let tag = Tag { namespace: "main".into(), partition: self.query.home(&reader) };
        let expected = self.store.initialise(&tag, Marker::start(Offset(0))).await.unwrap();
        let last = Some(LastRecord { offset: expected.next, hash: 1 });
        let target = Marker { last, ..Marker::start(expected.next.next()) };
        let read = |(minute, id): (usize, &i64)| Read {
            article_id: *id,
            time: NOON + minute as i64 * 60_000,
            read_time: Some(45.2),
            ..Read::default()
        };
        let state =
            ReaderState { reads: reads.iter().enumerate().map(read).collect(), ..ReaderState::default() };
        let seen = ActiveReader { user_id: name.into(), reads: reads.len() as u64, last_seen: NOON };
        let summary = PartitionSummary { watermark: NOON, active: vec![seen], ..PartitionSummary::default() };
        let put = |key, bytes: Vec<u8>, mirrored| Put {
            key,
            value: Some(Stored { version: target.next, bytes: bytes.into() }),
            mirrored,
        };
        let puts = vec![
            put(reader_key(&reader), state.to_kept(), false),
            put(summary_key(), summary.to_kept(), true),
        ];
        self.store
            .write_epoch(&tag, &EpochWrite { expected, target, puts, invalidated: Vec::new() })
            .await
            .unwrap();
        self.query.refresh().await;
    }

    /// Counts these articles as read so much, in a partition of their own.
    async fn count(&self, articles: &[(i64, f64)]) {
        let tag = Tag { namespace: "main".into(), partition: 0 };
        let expected = self.store.initialise(&tag, Marker::start(Offset(0))).await.unwrap();
        let last = Some(LastRecord { offset: expected.next, hash: 1 });
        let target = Marker { last, ..Marker::start(expected.next.next()) };
        let put = |(id, reads): &(i64, f64)| {
            let counts = ArticleCounts { decayed: vec![*reads; 8], time: NOON, ..ArticleCounts::default() };
            let value = Stored { version: target.next, bytes: counts.to_kept().into() };
            Put { key: ValueName::Article(ArticleId(*id)).to_key(), value: Some(value), mirrored: true }
        };
        let puts = articles.iter().map(put).collect();
        let epoch = EpochWrite { expected, target, puts, invalidated: Vec::new() };
        self.store.write_epoch(&tag, &epoch).await.unwrap();
        self.query.refresh().await;
    }

    /// Publishes an article, changed.
    async fn publish(&self, id: i64, change: impl FnOnce(&mut ArticleVersion)) {
        let mut article = article(id);
        change(&mut article.version);
        self.articles.apply(vec![article], &[Offset(id as u64 + 1)]).await.unwrap();
    }
}

/// What operators work with, over the same edges; its own topics are made.
async fn session(
    config: &Config,
    runtime: &Runtime,
    log: &Arc<dyn Log>,
    store: &Arc<MemoryStore>,
    articles: &Arc<EmbeddedArticles>,
) -> Session {
    let topics = Topics::default();
    for topic in [&topics.dead_letters, &topics.namespaces, &topics.articles] {
        log.create_topic(topic, 1).await.unwrap();
    }
    Session {
        config: config.clone(),
        edges: Edges {
            log: log.clone(),
            store: store.clone(),
            articles: articles.clone(),
            topics,
            partitions: 4,
        },
        runtime: runtime.clone(),
        background: runtime.clone(),
        output: Output::terminal(),
        folder: std::path::PathBuf::new(),
        // Nobody ends it: a channel whose sender is gone would say so.
        stop: Box::leak(Box::new(watch::Sender::new(false))).subscribe(),
        pause: Pause::default(),
        troubles: Troubles::none(),
        learned: Arc::default(),
    }
}

/// A namespace without a model, as readers see it.
fn seen(namespace: &str, query: &Query) -> Seen {
    Seen { namespace: namespace.into(), session_model: None, query: query.clone(), model: None }
}

fn article(id: i64) -> Article {
    let mut vector = vec![0.0; 768];
    vector[(id % 3) as usize] = 1.0;
    vector[100 + id as usize] = 0.3;
    let version = ArticleVersion {
        article_id: id,
        title: format!("Headline {id}"),
        body: "One.\n\nTwo.".into(),
        category: ["World", "Sport", "Science"][(id % 3) as usize].into(),
        published: NOON + id * 60_000,
        vector,
        withdrawn: id == 30,
        ..ArticleVersion::default()
    };
    Article { id: ArticleId(id), offset: Offset(id as u64), version }
}

async fn problem(response: Response, status: u16) -> Value {
    let kind = response.headers()["content-type"].to_str().unwrap().to_string();
    assert_eq!((response.status().as_u16(), kind.as_str()), (status, "application/problem+json"));
    let problem: Value = response.json().await.unwrap();
    assert_eq!(
        (problem["status"].as_u64(), problem["type"].as_str()),
        (Some(status.into()), Some("about:blank"))
    );
    assert!(problem["title"].is_string() && !problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    problem
}

async fn json_of(response: Response, status: StatusCode) -> Value {
    assert_eq!(response.status(), status);
    response.json().await.unwrap()
}
