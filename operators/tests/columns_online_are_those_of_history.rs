//! Online = offline: the columns that the query operator logs for an impression are those that the same folds give when they are run over the
//! log up to the impression's markers, bit for bit.
#![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

mod query_support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use abovefold_engine::{
    Runtime, Task, Troubles, WindowSettings,
    log::{Log, LogClock, MemoryLog, NewRecord, partition_of},
    state::{MemoryStore, StateStore, Tag},
};
use abovefold_models::{
    HIDDEN, InferenceError, StepBatch, StepResult, WIDTH, learner::LearnerOptions, session_embedding,
};
use abovefold_operators::{
    decode::decode,
    features::{
        Candidate, History, Inputs, Moment, PastArticle, PastRead,
        content::{session_cosine, unit_vector},
        features_at,
    },
    fold::{FoldSettings, SessionModel},
    learning::{Learned, LearnerFlow, LearnerSettings},
    pipeline::{Topics, WorkerContext, write_path},
    query::{Impressions, Query, QueryContext, QuerySettings, Ranker, Request, ServedBy},
    steps::Steps,
};
use abovefold_schemas::{
    ArticleId, Event, Kept, Offset, ReaderId, Timestamp,
    records::{Impression, NamespaceRecord},
};
use async_trait::async_trait;
use query_support::{FakeArticles, FakeRanker, NOON, PARTITIONS, article};
use tokio::sync::watch;

const ARTICLES: i64 = 60;

/// A session model that points to the section of what was read last.
#[derive(Debug)]
struct Pointing;

#[async_trait]
impl SessionModel for Pointing {
    async fn step(&self, batch: StepBatch) -> Result<StepResult, InferenceError> {
        let mut hidden = batch.hidden.clone();
        for (row, behaviour) in hidden.chunks_mut(HIDDEN).zip(&batch.behaviours) {
            row[WIDTH + behaviour.position as usize % 4] +=
                1.0 + behaviour.read_seconds.unwrap_or(0.0) / 100.0;
        }
        Ok(StepResult { hidden })
    }
}

struct World {
    runtime: Runtime,
    clock: Arc<AtomicI64>,
    log: Arc<MemoryLog>,
    store: Arc<MemoryStore>,
    articles: Arc<FakeArticles>,
    learned: Arc<Learned>,
    query: Query,
    stop: watch::Sender<bool>,
    flows: Vec<Task<abovefold_engine::Result<()>>>,
}

impl World {
    async fn new() -> Self {
        let (runtime, clock) = (Runtime::real(), Arc::new(AtomicI64::new(NOON)));
        let told = clock.clone();
        let says: LogClock = Arc::new(move || Timestamp(told.load(Ordering::Relaxed)));
        let log = Arc::new(MemoryLog::new(says));
        let topics = Topics::default();
        for topic in [&topics.user_events, &topics.articles, &topics.impressions] {
            log.create_topic(topic, PARTITIONS).await.unwrap();
        }
        log.create_topic(&topics.learned, 1).await.unwrap();
        let (store, (stop, stopped)) = (Arc::new(MemoryStore::new()), watch::channel(false));
        let context = WorkerContext {
            log: log.clone(),
            store: store.clone(),
            topics: topics.clone(),
            partitions: PARTITIONS,
            window: WindowSettings { length: Duration::ZERO, max_records: 64, ..WindowSettings::default() },
            fold: FoldSettings { cached_readers: 512, cached_articles: 512 },
            steps: Steps::default(),
            group: "test".into(),
            member: None,
            admit: None,
            pause: abovefold_engine::Pause::default(),
            troubles: Troubles::none(),
            stop: stopped.clone(),
            runtime: runtime.clone(),
        };
        let namespace = NamespaceRecord {
            name: "main".into(),
            session_model: "pointing".into(),
            first_offsets: vec![0; PARTITIONS as usize],
            base_article_offsets: vec![0; PARTITIONS as usize],
            ..NamespaceRecord::default()
        };
        let learner = LearnerFlow {
            log: log.clone(),
            topics: topics.clone(),
            partitions: PARTITIONS,
            steps: Steps::default(),
            group: "test".into(),
            member: None,
            settings: LearnerSettings { publish_every_ms: 5, ..LearnerSettings::default() },
            stop: stopped,
            runtime: runtime.clone(),
        };
        let flows = vec![
            runtime.spawn(write_path(&context, &namespace, Some(Arc::new(Pointing)), None).finish()),
            runtime.spawn(learner.run()),
        ];
        // Half of them nobody reads: what was read is never served.
        let articles = FakeArticles::with(2 * ARTICLES);
        let learned = Learned::follow(log.clone(), &topics.learned, &runtime);
        let query = Query::start(QueryContext {
            runtime: runtime.clone(),
            namespace: "main".into(),
            partitions: PARTITIONS,
            events_topic: topics.user_events,
            store: store.clone(),
            articles: articles.clone(),
            ranker: Some(Arc::<FakeRanker>::default() as Arc<dyn Ranker>),
            trees: None,
            learned: Some(learned.clone()),
            impressions: Some(Impressions { log: log.clone(), topic: topics.impressions }),
            past: false,
            // The test itself says when the mirror is brought up to date.
            settings: QuerySettings {
                log_features: true,
                trends_every_ms: 3_600_000,
                ..QuerySettings::default()
            },
            experiment: None,
        });
        Self { runtime, clock, log, store, articles, learned, query, stop, flows }
    }

    /// Some readers read something every 40 s, over more than a day; all of it is folded and learned.
    async fn read(&self, from: i64, until: i64) {
        for read in from..until {
            self.clock.store(NOON + read * 40_000, Ordering::Relaxed);
            let mut event =
                Event::read(reader(read * read % 11), ArticleId(1 + (read * read + read / 90) % ARTICLES));
            event.read_time = (read % 3 > 0).then_some((read % 80) as f32);
            event.device_type = (read % 4) as u8;
            let record = NewRecord::keyed(event.user_id.as_str().to_owned(), event.to_json());
            self.log.append("user_events", vec![record]).await.unwrap();
        }
        for (partition, bounds) in (0..).zip(self.log.bounds("user_events").await.unwrap()) {
            let tag = Tag { namespace: "main".into(), partition };
            self.store.hurry(&tag, bounds.end).await.unwrap();
            self.store.wait_for(&tag, bounds.end).await.unwrap();
        }
    }

    async fn impressions(&self, count: usize) -> Vec<Impression> {
        loop {
            let partitions = (0..PARTITIONS).flat_map(|partition| {
                self.log.records("impressions", partition, Offset(0), Offset(u64::MAX))
            });
            let found: Vec<Impression> =
                partitions.map(|record| Impression::from_kept(&record.value).unwrap()).collect();
            if found.len() >= count {
                return found;
            }
            self.runtime.sleep(Duration::from_millis(5)).await;
        }
    }

    /// The folds over each partition up to these offsets.
    fn history(&self, until: &[u64]) -> History {
        let mut history = History::new(PARTITIONS, LearnerOptions::default());
        let mut steps = Vec::new();
        for (partition, end) in (0..).zip(until) {
            for record in self.log.records("user_events", partition, Offset(0), Offset(*end)) {
                let (event, _) = decode(&record).unwrap();
                let read = PastRead {
                    reader: &event.user_id,
                    article: event.article_id.unwrap(),
                    time: record.time,
                    read_time: event.read_time,
                    scroll_pct: event.scroll_pct,
                    device: event.device_type,
                };
                history.read(&read, &mut steps);
            }
        }
        history
    }

    /// The matrix of an impression, from the log; `later` ms after it was served.
    async fn columns(&self, impression: &Impression, later: i64) -> Vec<u32> {
        let reader = ReaderId::new(impression.user_id.as_str()).unwrap();
        let counted = self.history(&impression.counts_markers);
        let mut folded = impression.counts_markers.clone();
        folded[impression.partition as usize] = impression.marker;
        let folded = self.history(&folded);
        let state = folded.reader(&reader);
        let hidden = self.query.reader(&reader).await.unwrap().state.unwrap().hidden;
        let hidden: Vec<f32> =
            hidden.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();

        let versions = self.articles.articles.lock().unwrap().clone();
        let unit = |id: i64| unit_vector(&versions[&ArticleId(id)].version.vector).unwrap();
        let candidates: Vec<Vec<f32>> = impression.candidates.iter().map(|id| unit(*id)).collect();
        let past: Vec<Vec<f32>> = state.reads.iter().map(|read| unit(read.article_id)).collect();
        let page = impression.article_id.map(unit);
        let category = |id: i64| versions[&ArticleId(id)].version.category.as_str();
        let list: Vec<Candidate<'_>> = impression
            .candidates
            .iter()
            .zip(&candidates)
            .map(|(id, vector)| Candidate {
                article: ArticleId(*id),
                published: Some(Timestamp(article(*id).version.published)),
                vector: Some(vector),
                category: category(*id),
                session: session_cosine(session_embedding(&hidden), vector),
                rerank: article(*id).version.vector[100..].iter().sum::<f32>() * 5.0,
            })
            .collect();
        let moment = Moment {
            now: Timestamp(impression.now.unwrap() + later),
            reads: &state.reads,
            total_reads: state.total_reads,
            page: impression.article_id.map(ArticleId),
            device: u8::try_from(impression.device_type).unwrap(),
        };
        let ids: Vec<ArticleId> = impression.candidates.iter().copied().map(ArticleId).collect();
        let learned = self.learned.at();
        assert_eq!(learned.version, impression.learned_version);
        let learned = learned.table.scores(&moment.learned(&reader, &moment.pages()), &ids);
        let read: Vec<PastArticle<'_>> = state
            .reads
            .iter()
            .zip(&past)
            .map(|(read, vector)| PastArticle { vector: Some(vector), category: category(read.article_id) })
            .collect();
        let page = page.as_deref().zip(impression.article_id);
        let page = page.map(|(vector, id)| PastArticle { vector: Some(vector), category: category(id) });
        let inputs =
            Inputs { counts: counted.counts(), exposures: None, learned: &learned, past: &read, page };
        features_at(&moment, &list, &inputs).values.into_iter().map(f32::to_bits).collect()
    }
}

fn reader(number: i64) -> ReaderId {
    ReaderId::new(format!("reader-{number}")).unwrap()
}

fn bits(columns: &[f32]) -> Vec<u32> {
    columns.iter().map(|value| value.to_bits()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_logged_matrix_is_that_of_history() {
    let world = World::new().await;
    world.read(0, 2_500).await;
    world.query.refresh().await;
    world.stop_learning().await;
    let mut asked = 0;
    for number in [0, 1, 3, 4, 5, 9] {
        for page in [None, Some(ArticleId(7))] {
            let device_type = page.map(|_| 2);
            let request = Request { page, device_type, explain: true, ..Request::new(reader(number)) };
            let slate = world.query.recommend(request).await.unwrap();
            assert_eq!(slate.served_by, ServedBy::Reranker);
            asked += 1;
        }
    }
    let impressions = world.impressions(asked).await;
    let homes: std::collections::BTreeSet<u32> = impressions.iter().map(|one| one.partition).collect();
    assert!(homes.len() > 2, "readers of several partitions asked");
    for impression in &impressions {
        assert!(impression.learned_version > 0 && impression.candidates.len() >= 20);
        assert_eq!(world.columns(impression, 0).await, bits(&impression.columns));
        assert_ne!(
            world.columns(impression, 60_000).await,
            bits(&impression.columns),
            "the test would see a minute"
        );
    }
}

impl World {
    /// Waits until all is learned and known here, and ends the dataflows: what is asked after this sees one version.
    async fn stop_learning(&self) {
        let ends = self.log.bounds("user_events").await.unwrap();
        let total: u64 = ends.iter().map(|bounds| bounds.end.0).sum();
        loop {
            let versions =
                abovefold_operators::learning::versions(self.log.as_ref(), "learned").await.unwrap();
            let reads: u64 = versions.iter().map(|version| version.reads).sum();
            if reads == total && self.learned.at().version == versions.len() as u64 {
                return;
            }
            self.runtime.sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A reader's state may be newer than the mirror of the counts: both markers are logged, and give the matrix again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_lags_is_in_the_markers() {
    let world = World::new().await;
    world.read(0, 1_200).await;
    world.query.refresh().await;
    world.read(1_200, 1_260).await;
    world.stop_learning().await;
    world.query.recommend(Request::new(reader(1))).await.unwrap();
    let impression = world.impressions(1).await.remove(0);
    let home = partition_of(b"reader-1", PARTITIONS);
    assert!(impression.marker > impression.counts_markers[home as usize], "the mirror lags");
    assert_eq!(world.columns(&impression, 0).await, bits(&impression.columns));

    world.stop.send_replace(true);
    for flow in world.flows {
        flow.await.unwrap().unwrap();
    }
}
