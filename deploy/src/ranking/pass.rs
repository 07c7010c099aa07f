//! One pass over a data folder: each impression with its columns, its reader's session and what the simple baselines say of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use abovefold_models::{Inference, RerankRequest, WIDTH, learner::LearnerOptions};
use abovefold_operators::features::{
    Candidate, Columns, History, PastArticle, PastList, PastRead,
    columns::NetworkScores,
    content::session_cosine,
    retrieval::{POPULAR_HALF_LIFE, prior_of},
};
use abovefold_schemas::{ArticleId, ReaderId, Timestamp, tables::BehaviorRow};
use anyhow::Context;

use super::{
    sessions::{SessionAt, Sessions},
    stream::{Happening, Stream},
    vectors::VectorsAsOf,
};
use crate::{dataset, output::Output};

/// Impressions that are looked at together: enough for the GRU's waves to be full.
const TOGETHER: usize = 2_048;
/// Requests of one call of the reranker.
const RERANK_CHUNK: usize = 64;

/// What a pass is made of.
pub struct Pass<'a> {
    /// What happens.
    pub stream: Stream,
    /// Article vectors.
    pub vectors: VectorsAsOf,
    /// When articles were published, where the newsroom says so.
    pub published: BTreeMap<ArticleId, Timestamp>,
    /// The sections of articles, where they have one.
    pub categories: BTreeMap<ArticleId, String>,
    /// The networks; without them their columns are missing.
    pub inference: Option<&'a Inference>,
    /// The networks learned from impressions before this moment: what they say of those would be too good.
    pub unseen_from: Option<Timestamp>,
    /// Only impressions since this moment are looked at; those before are folded only.
    pub from: Option<Timestamp>,
    /// The longest stretch of time that is looked at together.
    pub together: Option<Duration>,
    /// Whether each impression's reader is searched for, among all articles alive.
    pub search: bool,
    /// Where progress goes.
    pub output: &'a Output,
    /// What is being done, in words.
    pub what: &'static str,
}

/// An impression, and what was known when it was shown.
#[derive(Debug)]
pub struct Seen {
    /// The impression.
    pub row: BehaviorRow,
    /// The ranker's columns.
    pub columns: Columns,
    /// The reader's reads before it.
    pub reads_before: u64,
    /// The pages of the reader's visit, latest first.
    pub pages: Vec<ArticleId>,
    /// The candidates' vectors.
    pub vectors: Vec<Option<Arc<[f32]>>>,
    /// The reader's session.
    pub session: SessionAt,
    /// What searches over all articles alive bring, where they were asked for.
    pub found: Found,
}

/// What searches bring for a reader at a moment.
#[derive(Debug, Default)]
pub struct Found {
    /// By the learned vectors.
    pub learned: Vec<ArticleId>,
    /// What is read most.
    pub popular: Vec<ArticleId>,
}

impl Seen {
    /// Which articles in view were clicked.
    pub fn clicked(&self) -> Vec<bool> {
        self.row.in_view.iter().map(|article| self.row.clicked.contains(article)).collect()
    }
}

/// What was folded at the end of a chunk of impressions, for those who look beyond the lists.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// The impressions, in the order of time.
    pub seen: &'a [Seen],
    /// The folds as of the chunk's end.
    pub history: &'a History,
    /// Vectors as of the chunk's end.
    pub vectors: &'a VectorsAsOf,
}

/// Articles that a search brings.
pub const RETRIEVED: usize = 100;
/// Articles that nobody read for this long are not searched: 48 hours.
pub const ALIVE_MS: i64 = 48 * 3_600_000;

struct Waiting {
    seen: Seen,
    steps: u64,
}

impl Pass<'_> {
    /// Runs it; `look` gets the impressions by chunks.
    ///
    /// # Errors
    /// When a table can't be read, the networks fail, or `look` does.
    pub fn run(mut self, look: &mut dyn FnMut(Chunk<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut history = History::new(1, LearnerOptions::default());
        let mut sessions = Sessions::default();
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut steps = Vec::new();
        let mut alive = BTreeSet::new();
        let wanted = std::mem::take(&mut self.stream.wanted);
        while let Some(next) = self.stream.next() {
            match next? {
                Happening::Read(read) => {
                    let vector = self.vectors.get(read.article_id, read.timestamp).cloned();
                    self.vectors.observe(&read.reader, read.article_id, read.timestamp);
                    let past = PastRead {
                        reader: &read.reader,
                        article: read.article_id,
                        time: read.timestamp,
                        read_time: read.read_time,
                        scroll_pct: read.scroll_pct,
                        device: u8::try_from(read.device_type).unwrap_or(0),
                    };
                    history.read(&past, &mut steps);
                    if wanted.get(&read.reader).is_some_and(|last| read.timestamp <= *last) {
                        steps.iter().for_each(|step| sessions.note(&read.reader, vector.clone(), step));
                    }
                    steps.clear();
                }
                Happening::Shown(row) => {
                    if self.from.is_none_or(|from| row.impression_time >= from) {
                        let mut one = self.waiting(&history, &sessions, &row);
                        one.seen.found = found(&history, &row, &one.seen.pages, &alive);
                        waiting.push(one);
                    }
                    history.shown(&row.in_view, &row.clicked, row.impression_time);
                    let began =
                        waiting.first().map_or(row.impression_time, |one| one.seen.row.impression_time);
                    let long = self.together.is_some_and(|most| {
                        row.impression_time.millis_since(began) as u128 >= most.as_millis()
                    });
                    if waiting.len() == TOGETHER || long {
                        self.look(&mut waiting, &mut sessions, &history, &wanted, look)?;
                        if self.search {
                            let since = Timestamp(row.impression_time.0 - ALIVE_MS);
                            alive = history.counts().alive(since);
                        }
                    }
                }
            }
            if history.reads().is_multiple_of(20_000) {
                self.output.progress(self.what, history.reads(), 0);
            }
        }
        self.look(&mut waiting, &mut sessions, &history, &wanted, look)?;
        self.output.end_progress();
        Ok(())
    }

    fn waiting(&self, history: &History, sessions: &Sessions, row: &BehaviorRow) -> Waiting {
        let list = list_of(row);
        let known = |article: &ArticleId| {
            self.published.get(article).copied().filter(|published| *published <= row.impression_time)
        };
        let vector =
            |article: ArticleId| self.vectors.get(article, row.impression_time).map(|vector| &**vector);
        let category = |article: ArticleId| self.categories.get(&article).map_or("", String::as_str);
        let candidate = |article: &ArticleId| Candidate {
            article: *article,
            published: known(article),
            vector: vector(*article),
            category: category(*article),
            session: f32::NAN,
            rerank: f32::NAN,
        };
        let candidates: Vec<Candidate<'_>> = row.in_view.iter().map(candidate).collect();
        let article = |id: ArticleId| PastArticle { vector: vector(id), category: category(id) };
        let reads = &history.reader(&row.reader).reads;
        let past: Vec<PastArticle<'_>> =
            reads.iter().map(|read| article(ArticleId(read.article_id))).collect();
        let columns = history.features(&list, &candidates, &past, row.article_id.map(article));
        let seen = Seen {
            columns,
            reads_before: history.reader(&row.reader).total_reads,
            pages: history.moment(&list).pages(),
            vectors: row
                .in_view
                .iter()
                .map(|article| self.vectors.get(*article, row.impression_time).cloned())
                .collect(),
            session: SessionAt::default(),
            found: Found::default(),
            row: row.clone(),
        };
        Waiting { steps: sessions.steps(&row.reader), seen }
    }

    /// Takes the GRU's steps for the impressions that wait, fills the networks' columns in, and hands them on.
    fn look(
        &mut self,
        waiting: &mut Vec<Waiting>,
        sessions: &mut Sessions,
        history: &History,
        wanted: &HashMap<ReaderId, Timestamp>,
        look: &mut dyn FnMut(Chunk<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if waiting.is_empty() {
            return Ok(());
        }
        let asked: Vec<(ReaderId, u64)> =
            waiting.iter().map(|one| (one.seen.row.reader.clone(), one.steps)).collect();
        let found = sessions.at(&asked, self.inference).context("step through reads")?;
        let mut seen: Vec<Seen> = Vec::with_capacity(waiting.len());
        for (one, session) in waiting.drain(..).zip(found) {
            if wanted.get(&one.seen.row.reader).is_some_and(|last| *last <= one.seen.row.impression_time) {
                sessions.forget(&one.seen.row.reader);
            }
            seen.push(Seen { session, ..one.seen });
        }
        if let Some(inference) = self.inference {
            let first = seen.partition_point(|one| {
                self.unseen_from.is_some_and(|unseen| one.row.impression_time < unseen)
            });
            for chunk in seen[first..].chunks_mut(RERANK_CHUNK) {
                fill_in(chunk, inference)?;
            }
        }
        look(Chunk { seen: &seen, history, vectors: &self.vectors })
    }
}

fn list_of(row: &BehaviorRow) -> PastList<'_> {
    PastList {
        reader: &row.reader,
        time: row.impression_time,
        page: row.article_id,
        device: u8::try_from(row.device_type).unwrap_or(0),
    }
}

/// What searches over the articles alive bring for an impression's reader.
fn found(history: &History, row: &BehaviorRow, pages: &[ArticleId], alive: &BTreeSet<ArticleId>) -> Found {
    if alive.is_empty() {
        return Found::default();
    }
    let list = list_of(row);
    let (counts, now) = (history.counts(), row.impression_time);
    let moment = history.moment(&list);
    let reads: HashMap<ArticleId, f64> =
        alive.iter().map(|article| (*article, counts.reads(*article, POPULAR_HALF_LIFE, now))).collect();
    let among = reads
        .iter()
        .filter(|(article, _)| !pages.contains(article))
        .map(|(article, reads)| (*article, prior_of(*reads)));
    let learned = history.learner().table().best(&moment.learned(&row.reader, pages), RETRIEVED, among);
    let mut popular: Vec<(ArticleId, f64)> =
        reads.iter().map(|(article, reads)| (*article, *reads)).collect();
    popular.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Found {
        learned: learned.into_iter().map(|(article, _)| article).collect(),
        popular: popular.into_iter().take(RETRIEVED).map(|(article, _)| article).collect(),
    }
}

/// The networks' scores of each candidate, put into its columns.
fn fill_in(seen: &mut [Seen], inference: &Inference) -> anyhow::Result<()> {
    let with_session: Vec<usize> =
        (0..seen.len()).filter(|place| !seen[*place].session.embedding.is_empty()).collect();
    let request = |place: &usize| {
        let one = &seen[*place];
        let mut candidates = Vec::with_capacity(one.vectors.len() * WIDTH);
        for vector in &one.vectors {
            match vector {
                Some(vector) => candidates.extend_from_slice(vector),
                None => candidates.resize(candidates.len() + WIDTH, 0.0),
            }
        }
        RerankRequest {
            profile: dataset::profile(&one.row),
            session: one.session.embedding.clone(),
            candidates,
        }
    };
    let requests: Vec<RerankRequest> = with_session.iter().map(request).collect();
    let logits = inference.rerank_blocking(requests).context("rerank")?;
    for (place, logits) in with_session.into_iter().zip(logits) {
        let one = &mut seen[place];
        let session = cosines(&one.session.embedding, &one.vectors);
        let has = |place: usize, value: f32| if one.vectors[place].is_some() { value } else { f32::NAN };
        let rerank: Vec<f32> = logits.iter().enumerate().map(|(at, logit)| has(at, *logit)).collect();
        one.columns.set_networks(&NetworkScores { session: &session, rerank: &rerank });
    }
    Ok(())
}

/// The cosine of each vector (of unit length) with `query`; NaN where either is missing.
pub fn cosines(query: &[f32], vectors: &[Option<Arc<[f32]>>]) -> Vec<f32> {
    let cosine = |vector: &Option<Arc<[f32]>>| match vector {
        Some(vector) => session_cosine(query, vector),
        None => f32::NAN,
    };
    vectors.iter().map(cosine).collect()
}
