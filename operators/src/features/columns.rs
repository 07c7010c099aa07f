//! The columns: their names, groups and how each is computed.

use std::sync::LazyLock;

use abovefold_models::learner::Parts;
use abovefold_schemas::{ArticleId, Timestamp};

use super::{
    content::{Content, PastArticle, contents},
    counts::{After, CountsAt, CountsTable},
    exposures::{ExposedAt, ExposureTable},
    moment::Moment,
    relative::{of_greatest, ranks, shares, softmax},
};
use crate::fold::trends::HALF_LIVES_MS;

/// A column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, stored with a ranker that was trained on it.
    pub name: &'static str,
    /// What kind of knowledge it is, by which drop-one tables leave columns out.
    pub group: &'static str,
}

/// A candidate beside what the folds know of it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The article.
    pub article: ArticleId,
    /// When it was published, where the newsroom says so.
    pub published: Option<Timestamp>,
    /// Its vector, at unit length.
    pub vector: Option<&'a [f32]>,
    /// Its section; empty where none is known.
    pub category: &'a str,
    /// The session model's cosine; NaN where there is none.
    pub session: f32,
    /// The reranker's logit; NaN where there is none.
    pub rerank: f32,
}

/// What columns are read off.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The counts of all articles.
    pub counts: &'a CountsTable,
    /// How often they were shown, where impressions are folded.
    pub exposures: Option<&'a ExposureTable>,
    /// What the learner says of each candidate, in their order; empty where nothing was learned.
    pub learned: &'a [Parts],
    /// The articles of the moment's reads, in their order; empty where none is known.
    pub past: &'a [PastArticle<'a>],
    /// The page's article.
    pub page: Option<PastArticle<'a>>,
}

/// A matrix of columns, one row a candidate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Row-major, `[candidates, columns]`. NaN is missing.
    pub values: Vec<f32>,
    /// Number of columns.
    pub width: usize,
}

/// What the networks say of each candidate of a list; NaN where they say nothing.
#[derive(Clone, Copy, Debug)]
pub struct NetworkScores<'a> {
    /// The session model's cosines.
    pub session: &'a [f32],
    /// The reranker's logits.
    pub rerank: &'a [f32],
}

impl Columns {
    /// Puts the networks' scores in where [`features_at`] was called before they were known.
    pub fn set_networks(&mut self, scores: &NetworkScores<'_>) {
        let mut to = Builder { names: Vec::new(), columns: Vec::new() };
        networks(&mut to, scores);
        for (built, name) in to.columns.iter().zip(&to.names) {
            let Some(place) = column_names().iter().position(|column| column == name) else { continue };
            for (row, value) in built.iter().enumerate() {
                self.values[row * self.width + place] = *value;
            }
        }
    }

    /// One column.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn column(&self, name: &str) -> impl Iterator<Item = f32> {
        let place = column_names().iter().position(|column| column.name == name);
        let place = place.unwrap_or_else(|| panic!("there is a column {name}"));
        self.values.iter().skip(place).step_by(self.width).copied()
    }
}

struct Builder {
    names: Vec<Column>,
    columns: Vec<Vec<f32>>,
}

impl Builder {
    fn add(&mut self, group: &'static str, name: &'static str, values: Vec<f32>) {
        self.names.push(Column { name, group });
        self.columns.push(values);
    }
}

/// The columns, in the order of [`features_at`].
pub fn column_names() -> &'static [Column] {
    static NAMES: LazyLock<Vec<Column>> = LazyLock::new(columns);
    &NAMES
}

fn columns() -> Vec<Column> {
    let counts = CountsTable::new(1);
    let moment = Moment { now: Timestamp(0), reads: &[], total_reads: 0, page: None, device: 0 };
    build(&moment, &[], &Inputs { counts: &counts, exposures: None, learned: &[], past: &[], page: None })
        .names
}

/// The columns of each candidate, at a moment.
pub fn features_at(moment: &Moment<'_>, candidates: &[Candidate<'_>], inputs: &Inputs<'_>) -> Columns {
    let built = build(moment, candidates, inputs);
    let width = built.columns.len();
    let mut values = vec![0.0; width * candidates.len()];
    for (place, column) in built.columns.iter().enumerate() {
        for (row, value) in column.iter().enumerate() {
            values[row * width + place] = *value;
        }
    }
    Columns { values, width }
}

fn build(moment: &Moment<'_>, candidates: &[Candidate<'_>], inputs: &Inputs<'_>) -> Builder {
    let mut to = Builder { names: Vec::new(), columns: Vec::new() };
    let at: Vec<CountsAt> =
        candidates.iter().map(|candidate| inputs.counts.at(candidate.article, moment.now)).collect();
    let pages = moment.pages();
    let after: Vec<After> = pages.iter().map(|page| inputs.counts.after(*page, moment.now)).collect();
    popularity(&mut to, &at);
    age(&mut to, moment, candidates, &at);
    transitions(&mut to, moment, candidates, inputs, (&pages, &after), &at);
    exposures(&mut to, moment, candidates, inputs, &at);
    content(&mut to, &contents(moment, candidates, inputs.past, inputs.page));
    learned(&mut to, candidates, inputs);
    let session: Vec<f32> = candidates.iter().map(|candidate| candidate.session).collect();
    let rerank: Vec<f32> = candidates.iter().map(|candidate| candidate.rerank).collect();
    networks(&mut to, &NetworkScores { session: &session, rerank: &rerank });
    context(&mut to, moment, candidates, &pages);
    to
}

const READS: [&str; HALF_LIVES_MS.len()] =
    ["reads_2m", "reads_7m", "reads_20m", "reads_45m", "reads_8h", "reads_36h"];
const READS_SHARE: [&str; HALF_LIVES_MS.len()] = [
    "reads_2m_share",
    "reads_7m_share",
    "reads_20m_share",
    "reads_45m_share",
    "reads_8h_share",
    "reads_36h_share",
];

fn popularity(to: &mut Builder, at: &[CountsAt]) {
    let group = "popularity";
    let reads = |place: usize| -> Vec<f32> { at.iter().map(|at| at.reads[place] as f32).collect() };
    for place in 0..HALF_LIVES_MS.len() {
        let values = reads(place);
        to.add(group, READS_SHARE[place], shares(&values));
        to.add(group, READS[place], values);
    }
    to.add(group, "reads_7m_greatest", of_greatest(&reads(1)));
    to.add(group, "reads_45m_greatest", of_greatest(&reads(3)));
    to.add(group, "reads_45m_rank", ranks(&reads(3)));
    let rise = |short: usize, long: usize| {
        at.iter().map(|at| ((10.0 * at.reads[short] + 0.5) / (at.reads[long] + 1.0)) as f32).collect()
    };
    to.add(group, "rise_2m_20m", rise(0, 2));
    to.add(group, "rise_7m_45m", rise(1, 3));
    to.add(group, "rise_45m_8h", rise(3, 4));
    let draw: Vec<f32> = at.iter().map(|at| ((at.followed + 0.5) / (at.reads[4] + 1.0)) as f32).collect();
    to.add(group, "followed_rank", ranks(&draw));
    to.add(group, "followed", draw);
    let dwell: Vec<f32> = at.iter().map(|at| at.dwell.map_or(f32::NAN, |dwell| dwell as f32)).collect();
    to.add(group, "dwell_rank", ranks(&dwell));
    to.add(group, "dwell", dwell);
}

fn age(to: &mut Builder, moment: &Moment<'_>, candidates: &[Candidate<'_>], at: &[CountsAt]) {
    let group = "age";
    let hours = |ms: Option<i64>| ms.map_or(f32::NAN, |ms| (ms as f64 / 3.6e6) as f32);
    let seen: Vec<f32> = at.iter().map(|at| hours(at.age_ms)).collect();
    to.add(group, "age_rank", ranks(&seen));
    to.add(group, "age_h", seen);
    to.add(group, "idle_h", at.iter().map(|at| hours(at.idle_ms)).collect());
    let published: Vec<f32> = candidates
        .iter()
        .map(|candidate| hours(candidate.published.map(|then| moment.now.0 - then.0)))
        .collect();
    to.add(group, "published_rank", ranks(&published));
    to.add(group, "published_h", published);
    let since = |candidate: &Candidate<'_>| hours(moment.since_read(candidate.article));
    to.add("reader", "read_before_h", candidates.iter().map(since).collect());
}

fn transitions(
    to: &mut Builder,
    moment: &Moment<'_>,
    candidates: &[Candidate<'_>],
    inputs: &Inputs<'_>,
    (pages, after): (&[ArticleId], &[After]),
    at: &[CountsAt],
) {
    let group = "also-read";
    let of =
        |page: usize, candidate: &Candidate<'_>| after.get(page).map(|after| after.of(candidate.article));
    let column = |worth: &dyn Fn(&Candidate<'_>) -> Option<f64>| -> Vec<f32> {
        candidates.iter().map(|candidate| worth(candidate).map_or(f32::NAN, |worth| worth as f32)).collect()
    };
    let lately = column(&|candidate| Some(of(0, candidate)?.1));
    to.add(group, "next_lately_rank", ranks(&lately));
    to.add(group, "next_lately_share", shares(&lately));
    to.add(group, "next_lately", lately);
    let weight = column(&|candidate| Some(of(0, candidate)?.0));
    to.add(group, "next_share", shares(&weight));
    let total = after.first().map_or(0.0, |after| after.total.0);
    let smoothed = |candidate: &Candidate<'_>| {
        let after = after.first()?.of(candidate.article).0;
        Some((after / (total + 5.0)) as f32)
    };
    to.add(group, "next_smoothed", candidates.iter().map(|c| smoothed(c).unwrap_or(f32::NAN)).collect());
    let lift = |(candidate, at): (&Candidate<'_>, &CountsAt)| {
        let after = after.first()?.of(candidate.article).0;
        Some(((after + 0.1) / (at.reads[5] + 2.0)) as f32)
    };
    let lift: Vec<f32> = candidates.iter().zip(at).map(|pair| lift(pair).unwrap_or(f32::NAN)).collect();
    to.add(group, "lift_rank", ranks(&lift));
    to.add(group, "lift", lift);
    to.add(group, "next", weight);
    let both = column(&|candidate| {
        let sum: f64 =
            after.iter().enumerate().map(|(k, after)| after.of(candidate.article).1 / (k + 1) as f64).sum();
        (!after.is_empty()).then_some(sum)
    });
    to.add(group, "visit_next_rank", ranks(&both));
    to.add(group, "visit_next_share", shares(&both));
    to.add(group, "visit_next", both);
    for (page, name) in [(1, "next_2"), (2, "next_3")] {
        to.add(group, name, column(&|candidate| Some(of(page, candidate)?.0)));
    }
    let back = column(&|candidate| {
        let page = *pages.first()?;
        Some(inputs.counts.next_of(candidate.article, page, moment.now))
    });
    to.add(group, "before_share", shares(&back));
    to.add(group, "before", back);
}

fn exposures(
    to: &mut Builder,
    moment: &Moment<'_>,
    candidates: &[Candidate<'_>],
    inputs: &Inputs<'_>,
    at: &[CountsAt],
) {
    let group = "exposures";
    let shown: Vec<Option<ExposedAt>> = candidates
        .iter()
        .map(|candidate| inputs.exposures.and_then(|table| table.at(candidate.article, moment.now)))
        .collect();
    let column = |worth: &dyn Fn(&ExposedAt, &CountsAt) -> f64| -> Vec<f32> {
        shown
            .iter()
            .zip(at)
            .map(|(shown, at)| shown.as_ref().map_or(f32::NAN, |shown| worth(shown, at) as f32))
            .collect()
    };
    let recent = column(&|shown, _| (shown.clicked[0] + 0.5) / (shown.shown[0] + 5.0));
    to.add(group, "click_rate_20m_rank", ranks(&recent));
    to.add(group, "click_rate_20m", recent);
    let long = column(&|shown, _| (shown.clicked[1] + 0.5) / (shown.shown[1] + 5.0));
    to.add(group, "click_rate_8h_rank", ranks(&long));
    to.add(group, "click_rate_8h_greatest", of_greatest(&long));
    to.add(group, "click_rate_8h", long);
    to.add(group, "shown_8h", column(&|shown, _| shown.shown[1]));
    to.add(group, "reads_for_shown", column(&|shown, at| (at.reads[4] + 0.5) / (shown.shown[1] + 5.0)));
}

fn content(to: &mut Builder, contents: &[Content]) {
    let group = "content";
    let column = |part: &dyn Fn(&Content) -> f32| -> Vec<f32> { contents.iter().map(part).collect() };
    let mean = column(&|content| content.mean);
    to.add(group, "mean_cosine_rank", ranks(&mean));
    to.add(group, "mean_cosine", mean);
    let visit = column(&|content| content.visit);
    to.add(group, "visit_cosine_rank", ranks(&visit));
    to.add(group, "visit_cosine", visit);
    let last = column(&|content| content.last);
    to.add(group, "last_cosine_rank", ranks(&last));
    to.add(group, "last_cosine", last);
    let nearest = column(&|content| content.nearest);
    to.add(group, "nearest_rank", ranks(&nearest));
    to.add(group, "nearest_cosine", nearest);
    to.add(group, "nearest_h", column(&|content| content.nearest_h));
    let same_story = column(&|content| content.same_story);
    to.add(group, "same_story_rank", ranks(&same_story));
    to.add(group, "same_story", same_story);
    let section = column(&|content| content.section);
    to.add(group, "section_rank", ranks(&section));
    to.add(group, "section", section);
    to.add(group, "section_lately", column(&|content| content.section_lately));
    to.add(group, "section_visit", column(&|content| content.section_visit));
    to.add(group, "section_latest", column(&|content| content.section_latest));
    to.add(group, "section_of_page", column(&|content| content.section_of_page));
    to.add(group, "section_engaged", column(&|content| content.section_engaged));
    to.add(group, "nearest_engaged", column(&|content| content.nearest_engaged));
    let engaged = column(&|content| content.engaged);
    to.add(group, "engaged_rank", ranks(&engaged));
    to.add(group, "engaged", engaged);
}

fn learned(to: &mut Builder, candidates: &[Candidate<'_>], inputs: &Inputs<'_>) {
    let group = "learned";
    let part = |part: &dyn Fn(&Parts) -> f32| -> Vec<f32> {
        (0..candidates.len()).map(|row| inputs.learned.get(row).map_or(f32::NAN, part)).collect()
    };
    let score = part(&Parts::sum);
    to.add(group, "learned_softmax", softmax(&score));
    to.add(group, "learned_rank", ranks(&score));
    to.add(group, "learned", score);
    let pages = part(&|parts| parts.pages);
    to.add(group, "learned_pages_rank", ranks(&pages));
    to.add(group, "learned_pages", pages);
    let reader = part(&|parts| parts.reader);
    to.add(group, "learned_reader_rank", ranks(&reader));
    to.add(group, "learned_reader", reader);
    to.add(group, "learned_moment", part(&|parts| parts.moment));
    to.add(group, "learned_bias", part(&|parts| parts.bias));
}

fn networks(to: &mut Builder, scores: &NetworkScores<'_>) {
    to.add("session model", "session_rank", ranks(scores.session));
    to.add("session model", "session", scores.session.to_vec());
    to.add("reranker", "rerank_rank", ranks(scores.rerank));
    to.add("reranker", "rerank", scores.rerank.to_vec());
}

fn context(to: &mut Builder, moment: &Moment<'_>, candidates: &[Candidate<'_>], pages: &[ArticleId]) {
    let group = "context";
    let all = |value: f32| vec![value; candidates.len()];
    to.add(group, "hour", all(f32::from(moment.hour())));
    to.add(group, "device", all(f32::from(moment.device)));
    to.add(group, "pages", all(pages.len() as f32));
    to.add(group, "visit_reads", all(moment.visit().count() as f32));
    to.add(group, "total_reads", all((moment.total_reads as f32).ln_1p()));
    let idle =
        moment.reads.last().map_or(f32::NAN, |read| ((moment.now.0 - read.time) as f64 / 3.6e6) as f32);
    to.add(group, "reader_idle_h", all(idle));
    to.add(group, "on_page", all(f32::from(u8::from(moment.page.is_some()))));
}
