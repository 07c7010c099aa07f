//! The folds, run over history: what training and evaluation read features off.

use abovefold_engine::log::partition_of;
use abovefold_models::learner::{Learner, LearnerOptions, Observed};
use abovefold_schemas::{
    ArticleId, EventKind, Offset, ReaderId, Timestamp,
    batch::{EventRow, Turn},
    state::ReaderState,
};

use super::{
    columns::{Candidate, Columns, Inputs, features_at},
    content::PastArticle,
    counts::CountsTable,
    exposures::ExposureTable,
    moment::Moment,
};
use crate::fold::{
    cache::FixedMap,
    reader::{Outcome, Step, fold_event},
};

/// A read of the past.
#[derive(Clone, Copy, Debug)]
pub struct PastRead<'a> {
    /// Who read.
    pub reader: &'a ReaderId,
    /// What.
    pub article: ArticleId,
    /// When the page was left.
    pub time: Timestamp,
    /// Seconds on the page, if known.
    pub read_time: Option<f32>,
    /// 0 to 100, if known.
    pub scroll_pct: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub device: u8,
}

/// A list of the past, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct PastList<'a> {
    /// For whom.
    pub reader: &'a ReaderId,
    /// When.
    pub time: Timestamp,
    /// The page that it was shown on.
    pub page: Option<ArticleId>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub device: u8,
}

/// Everything that was folded so far, and what the learner learned from it. Reads and lists must come in the order of time.
#[derive(Debug)]
pub struct History {
    partitions: u32,
    counts: CountsTable,
    exposures: ExposureTable,
    learner: Learner,
    readers: FixedMap<ReaderId, ReaderState>,
    nobody: ReaderState,
    reads: u64,
}

impl History {
    /// Nothing happened yet. With as many partitions as the log, sums are added up in the same order as online, to the same bits.
    pub fn new(partitions: u32, learner: LearnerOptions) -> Self {
        Self {
            partitions,
            counts: CountsTable::new(partitions as usize),
            exposures: ExposureTable::default(),
            learner: Learner::new(learner),
            readers: FixedMap::default(),
            nobody: ReaderState::default(),
            reads: 0,
        }
    }

    /// Folds a read. The steps that it asks of the GRU are added to `steps`.
    pub fn read(&mut self, read: &PastRead<'_>, steps: &mut Vec<Step>) {
        let state = match self.readers.get_mut(read.reader) {
            Some(state) => state,
            None => self.readers.entry(read.reader.clone()).or_default(),
        };
        let row = EventRow {
            offset: Offset(self.reads),
            log_time: read.time,
            event_time: read.time,
            user_id: read.reader.as_str(),
            kind: EventKind::Read,
            article_id: Some(read.article),
            read_time: read.read_time,
            scroll_pct: read.scroll_pct,
            device_type: read.device,
            view_id: None,
            seq: None,
            detail: None,
            origin: None,
            turn: Turn::Unknown,
            put_back: false,
        };
        if let Outcome::NewRead { previous } = fold_event(state, steps, &row) {
            let partition = partition_of(read.reader.as_bytes(), self.partitions) as usize;
            self.counts.read(partition, read.article, previous, read.time, read.read_time);
        }
        self.learner.observe(&Observed {
            reader: read.reader,
            article: read.article,
            exit: read.time,
            read_seconds: read.read_time,
            device: read.device,
        });
        self.reads += 1;
    }

    /// Folds what a list showed, and what of it was clicked.
    pub fn shown(&mut self, in_view: &[ArticleId], clicked: &[ArticleId], time: Timestamp) {
        self.exposures.shown(in_view, clicked, time);
    }

    /// What is known of a reader.
    pub fn reader(&self, reader: &ReaderId) -> &ReaderState {
        self.readers.get(reader).unwrap_or(&self.nobody)
    }

    /// The counts of all articles.
    pub fn counts(&self) -> &CountsTable {
        &self.counts
    }

    /// What was learned.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// Reads folded so far.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// The moment of a list, as the folds know it.
    pub fn moment<'a>(&'a self, list: &PastList<'_>) -> Moment<'a> {
        let state = self.reader(list.reader);
        Moment {
            now: list.time,
            reads: &state.reads,
            total_reads: state.total_reads,
            page: list.page,
            device: list.device,
        }
    }

    /// The columns of a list's candidates. `past` are the articles of the reader's reads, in their order.
    pub fn features(
        &self,
        list: &PastList<'_>,
        candidates: &[Candidate<'_>],
        past: &[PastArticle<'_>],
        page: Option<PastArticle<'_>>,
    ) -> Columns {
        let moment = self.moment(list);
        let ids: Vec<ArticleId> = candidates.iter().map(|candidate| candidate.article).collect();
        let learned = self.learner.table().scores(&moment.learned(list.reader, &moment.pages()), &ids);
        let inputs =
            Inputs { counts: &self.counts, exposures: Some(&self.exposures), learned: &learned, past, page };
        features_at(&moment, candidates, &inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp(1_700_000_000_000 + minute * 60_000)
    }

    fn fold(history: &mut History, minutes: impl Iterator<Item = i64>) {
        let mut steps = Vec::new();
        for minute in minutes {
            let reader = ReaderId::new(format!("r{}", minute % 7)).unwrap();
            let read = PastRead {
                reader: &reader,
                article: ArticleId(minute * minute % 23),
                time: at(minute),
                read_time: Some(20.0),
                scroll_pct: None,
                device: 1,
            };
            history.read(&read, &mut steps);
            history.shown(&[ArticleId(1), ArticleId(2), read.article], &[read.article], at(minute));
        }
    }

    /// Whatever happens after a moment, the columns that were read off before it keep their bytes: it is the same fold, cut there.
    #[test]
    fn the_future_does_not_change_the_past() {
        let candidates: Vec<Candidate<'_>> = (0..23)
            .map(|id| Candidate {
                article: ArticleId(id),
                published: Some(at(id)),
                vector: None,
                category: "news",
                session: 0.5,
                rerank: f32::NAN,
            })
            .collect();
        let reader = ReaderId::new("r3").unwrap();
        let list = PastList { reader: &reader, time: at(400), page: Some(ArticleId(4)), device: 1 };
        let bits = |history: &History| -> Vec<u32> {
            history.features(&list, &candidates, &[], None).values.into_iter().map(f32::to_bits).collect()
        };
        let mut whole = History::new(3, LearnerOptions::default());
        fold(&mut whole, 0..400);
        let before = bits(&whole);
        let mut cut = History::new(3, LearnerOptions::default());
        fold(&mut cut, (0..900).filter(|minute| *minute < 400));
        assert_eq!(bits(&cut), before);
        fold(&mut whole, 400..900);
        assert_ne!(bits(&whole), before, "the test would see a difference");
    }
}
