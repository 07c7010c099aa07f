//! The third step: what the ranker sees of each candidate, read off the folds; see [`crate::features`].

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use abovefold_engine::{Emitter, Operator, Result};
use abovefold_models::learner::Parts;
use abovefold_schemas::{ArticleId, Offset, ReaderId, Timestamp};
use sha2::{Digest, Sha256};

use super::{
    ServingModel,
    batch::{Batch, Gathered, Known},
    metrics::Stopwatch,
    request::ServedBy,
    settings::RankBy,
    shared::Shared,
    vectors::{Prepared, READ_OLD_MS},
};
use crate::features::{
    Candidate, Columns, Inputs, Moment, PastArticle, column_names, content::session_cosine, features_at,
};

/// The columns of a request's candidates, and what they were read off.
#[derive(Debug)]
pub struct Seen {
    /// The moment as of which they were computed.
    pub(super) now: Timestamp,
    /// For each partition the first offset that the counts had not seen.
    pub(super) markers: Vec<Offset>,
    /// The version of what was learned.
    pub(super) learned: u64,
    /// The candidates, in the order of the rows.
    pub(super) candidates: Vec<ArticleId>,
    /// The session model's cosines, in the same order.
    pub(super) session: Vec<f32>,
    /// The matrix.
    pub(super) columns: Columns,
}

/// Computes the columns of requests whose candidates were found near their reader or page, or are what trends, for a reader without reads. All of it is in memory but the articles that a
/// reader read, which are asked for once a batch where they are not kept.
#[derive(Debug)]
pub struct Features {
    shared: Arc<Shared>,
}

impl Features {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn is_wanted(gathered: &Gathered, model: &ServingModel) -> bool {
        let settings = gathered.known.asked.settings();
        let ranks = model.trees.is_some() && settings.ranker == RankBy::Trees;
        let is_new = matches!(gathered.served_by, ServedBy::Trending | ServedBy::Preferences);
        let by_nearness = matches!(gathered.served_by, ServedBy::Knn | ServedBy::Cached);
        (ranks || settings.log_features)
            && (by_nearness || (is_new && gathered.known.asked.request.page.is_none()))
    }

    fn seen(&self, gathered: &Gathered, articles: &BTreeMap<ArticleId, Prepared>) -> Seen {
        let known = &gathered.known;
        let request = &known.asked.request;
        let asked = self.shared.runtime.now();
        let prepared: Vec<Prepared> = gathered
            .candidates
            .iter()
            .map(|candidate| self.shared.prepared.of(&candidate.article, asked))
            .collect();
        let session: Vec<f32> = prepared
            .iter()
            .map(|candidate| match (&known.session, candidate.unit()) {
                (Some(session), Some(unit)) => session_cosine(session, unit),
                _ => f32::NAN,
            })
            .collect();
        let named = |id: ArticleId| articles.get(&id).map_or(PastArticle::default(), Prepared::past);
        let past: Vec<PastArticle<'_>> =
            known.state.reads.iter().map(|read| named(ArticleId(read.article_id))).collect();
        let page = request.page.map(named);
        let ids: Vec<ArticleId> = prepared.iter().map(|candidate| candidate.article.id).collect();

        let counts = self.shared.trending.counts();
        let moment = moment(known, counts.now);
        let candidates: Vec<Candidate<'_>> = prepared
            .iter()
            .zip(&session)
            .map(|(prepared, session)| {
                let version = &prepared.article.version;
                Candidate {
                    article: prepared.article.id,
                    published: Some(Timestamp(version.published)).filter(|then| *then <= moment.now),
                    vector: prepared.unit(),
                    category: &version.category,
                    session: *session,
                    rerank: f32::NAN,
                }
            })
            .collect();
        let (learned, version) = self.learned(&request.reader, &moment, &ids);
        let inputs = Inputs { counts: &counts.table, exposures: None, learned: &learned, past: &past, page };
        let columns = features_at(&moment, &candidates, &inputs);
        Seen {
            now: moment.now,
            markers: counts.markers.clone(),
            learned: version,
            candidates: ids,
            session,
            columns,
        }
    }

    /// What was learned of the candidates, and its version.
    fn learned(&self, reader: &ReaderId, moment: &Moment<'_>, ids: &[ArticleId]) -> (Vec<Parts>, u64) {
        let Some(learned) = &self.shared.learned else { return (Vec::new(), 0) };
        let at = learned.at();
        (at.table.scores(&moment.learned(reader, &moment.pages()), ids), at.version)
    }
}

/// What is known of the reader and the request. Now is the namespace's watermark, or the reader's last read where that was folded since the
/// mirror of the counts was brought up to date.
pub(super) fn moment(known: &Known, watermark: Option<Timestamp>) -> Moment<'_> {
    let latest = known.state.reads.iter().map(|read| Timestamp(read.time)).max();
    Moment {
        now: watermark.max(latest).unwrap_or(Timestamp(0)),
        reads: &known.state.reads,
        total_reads: known.state.total_reads,
        page: known.asked.request.page,
        device: device_of(known),
    }
}

/// The device of the request, or of the last read where it is absent.
pub(super) fn device_of(known: &Known) -> u8 {
    let device = known.asked.request.device_type.map_or(known.state.device_type, u32::from);
    u8::try_from(device).unwrap_or(0)
}

/// The first eight bytes of the SHA-256 over the columns' names, each followed by a zero byte.
pub fn columns_hash() -> u64 {
    static HASH: LazyLock<u64> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        for column in column_names() {
            hash.update(column.name);
            hash.update([0]);
        }
        hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    });
    *HASH
}

impl Operator for Features {
    type In = Batch<Gathered>;
    type Out = Batch<Gathered>;

    fn name(&self) -> &'static str {
        "features"
    }

    fn rows(&self, batch: &Self::In) -> usize {
        batch.items.len()
    }

    async fn handle(&mut self, mut batch: Batch<Gathered>, out: &mut Emitter<Batch<Gathered>>) -> Result<()> {
        let watch = Stopwatch::start();
        let model = batch.model.clone();
        let wanted: Vec<bool> =
            batch.items.iter().map(|gathered| Self::is_wanted(gathered, &model)).collect();
        let mut ids = Vec::new();
        for (gathered, _) in batch.items.iter().zip(&wanted).filter(|(_, wanted)| **wanted) {
            let known = &gathered.known;
            ids.extend(known.state.reads.iter().map(|read| ArticleId(read.article_id)));
            ids.extend(known.asked.request.page);
        }
        let articles = self.shared.prepared.get(&self.shared, ids, READ_OLD_MS).await;
        for (gathered, _) in batch.items.iter_mut().zip(wanted).filter(|(_, wanted)| *wanted) {
            gathered.seen = Some(Box::new(self.seen(gathered, &articles)));
            // A full batch is many times half a millisecond: others get their turn in between.
            tokio::task::yield_now().await;
        }
        watch.record_stage(self.name());
        out.emit(batch).await
    }
}
