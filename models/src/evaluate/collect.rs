//! Takes impressions one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use abovefold_schemas::Timestamp;
use serde_json::{Map, Value};

use super::measures::{best_first, measures_in_order};
use super::report::{LeftOut, Missing, RowKind};
use super::slices::Kept;
use super::top::{self, DIVERSITY, KEPT, NOVELTY, TOP};
use super::{CHANCE, CHANCE_SIMULATED, MEASURE_COUNT, ORACLE};
use crate::seed::mix;

/// What is known of an impression beside the scores. Its lists are parallel: one entry for each article in view.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImpressionFacts<'a> {
    /// Who saw it, by any number that is theirs alone.
    pub reader: u32,
    /// When it was shown.
    pub time: Timestamp,
    /// Which articles were clicked.
    pub clicked: &'a [bool],
    /// Reads of this reader before it: 0 is a cold reader, 1 to 3 a lukewarm one, more a warm one.
    pub reads_before: u32,
    /// The age of the clicked article (the first of several), where its publication is known.
    pub clicked_age: Option<Duration>,
    /// The hour of the day, 0 to 23, on the clock that the newspaper's readers live by.
    pub hour: u8,
    /// The articles' ids (or indexes), for coverage.
    pub candidates: &'a [u32],
    /// Each article's share of all reads of late, 0 to 1, for novelty; empty where that is not known.
    pub popularity: &'a [f32],
    /// Each article's vector, for the diversity within a list; an empty one where an article has none.
    pub vectors: Option<&'a [&'a [f32]]>,
}

/// One row of the table while impressions come in.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) kind: RowKind,
    /// The measures of each impression, then novelty and diversity; NaN where one is not defined.
    pub(super) values: Vec<[f32; KEPT]>,
    /// The articles that were among the first ten of some list.
    pub(super) shown: BTreeSet<u32>,
}

/// Hits and tries of a reader in one row of retrieval.
pub(super) type Hits = BTreeMap<u32, (u32, u32)>;

/// Gathers what a [`Report`](super::Report) is made of, one impression after another.
///
/// It keeps 40 bytes an impression and row, and 16 bytes an impression. The rows [`CHANCE`] and [`CHANCE_SIMULATED`] are made here and
/// come first; all others are named at the start, and each impression brings the scores of every one.
///
/// ```
/// use abovefold_models::evaluate::{Evaluation, ImpressionFacts};
/// let mut evaluation = Evaluation::new(&["newest", "ours"]).baselines(&["newest"]).pair("ours", "newest");
/// for reader in 0..40 {
///     let facts = ImpressionFacts { reader, clicked: &[false, true, false], ..Default::default() };
///     evaluation.add(&facts, &[&[3.0, 2.0, 1.0], &[0.1, 0.9, 0.2]]);
/// }
/// let report = evaluation.finish(200, 1);
/// assert_eq!(report.row("ours").unwrap().values.of("mrr"), 1.0);
/// assert_eq!(report.row("newest").unwrap().values.of("mrr"), 0.5);
/// assert_eq!(report.to_json()["rows"][0]["name"], "chance");
/// ```
#[derive(Debug)]
pub struct Evaluation {
    pub(super) rows: Vec<Row>,
    pub(super) kept: Vec<Kept>,
    pub(super) left_out: LeftOut,
    pub(super) candidates: BTreeSet<u32>,
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) retrieval: Vec<(String, Hits)>,
    pub(super) retrieval_pairs: Vec<(String, String)>,
    pub(super) missing: Vec<Missing>,
    pub(super) facts: Map<String, Value>,
    chance_seed: u64,
}

/// Rows that every evaluation has, before the named ones.
const OWN_ROWS: usize = 2;

impl Evaluation {
    /// An evaluation of these rows, and of chance. A row called [`ORACLE`] is taken for what no ranker can beat.
    ///
    /// # Panics
    /// When two rows have one name.
    pub fn new(rows: &[&str]) -> Self {
        let row = |name: &str, kind| Row {
            name: name.to_owned(),
            kind,
            values: Vec::new(),
            shown: BTreeSet::new(),
        };
        let mut all = vec![row(CHANCE, RowKind::Chance), row(CHANCE_SIMULATED, RowKind::Chance)];
        for name in rows {
            assert!(all.iter().all(|row| row.name != *name), "two rows are called {name}");
            all.push(row(name, if *name == ORACLE { RowKind::Oracle } else { RowKind::Model }));
        }
        Self {
            rows: all,
            kept: Vec::new(),
            left_out: LeftOut::default(),
            candidates: BTreeSet::new(),
            pairs: Vec::new(),
            retrieval: Vec::new(),
            retrieval_pairs: Vec::new(),
            missing: Vec::new(),
            facts: Map::new(),
            chance_seed: 1,
        }
    }

    /// Says which rows are baselines: each other row is tested against the best of them, measure by measure. Without any, against chance.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn baselines(mut self, rows: &[&str]) -> Self {
        for name in rows {
            let index = self.index(name);
            self.rows[index].kind = RowKind::Baseline;
        }
        self
    }

    /// Asks for a paired test of one row against another.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn pair(mut self, row: &str, against: &str) -> Self {
        self.pairs.push((self.index(row), self.index(against)));
        self
    }

    /// Asks for a paired test of one row of retrieval against another; left out where one of them never came.
    #[must_use]
    pub fn pair_retrieval(mut self, row: &str, against: &str) -> Self {
        self.retrieval_pairs.push((row.to_owned(), against.to_owned()));
        self
    }

    /// What the random orders of [`CHANCE_SIMULATED`], and of equal scores within the first ten, are drawn from; 1 unless told otherwise.
    #[must_use]
    pub fn chance_seed(mut self, seed: u64) -> Self {
        self.chance_seed = seed;
        self
    }

    /// Adds a fact of the run to the report, such as its data or how long it took.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// Names a row that is left out, and why.
    pub fn missing(&mut self, row: &str, reason: &str) {
        self.missing.push(Missing { row: row.to_owned(), reason: reason.to_owned() });
    }

    /// Takes an impression with the scores of each named row, in the order of [`Evaluation::new`]: the greater the better, and what is no number
    /// ranks last. An impression without an article or without a click is counted, and left out of every row.
    ///
    /// # Panics
    /// When the number of rows is another one, or a list is not as long as the labels.
    pub fn add(&mut self, facts: &ImpressionFacts<'_>, scores: &[&[f64]]) {
        assert_eq!(scores.len() + OWN_ROWS, self.rows.len(), "an impression brings the scores of every row");
        let length = facts.clicked.len();
        if length == 0 {
            self.left_out.empty += 1;
            return;
        }
        if !facts.clicked.contains(&true) {
            self.left_out.no_click += 1;
            return;
        }
        self.left_out.one_article += u64::from(length == 1);
        self.left_out.no_auc += u64::from(facts.clicked.iter().all(|clicked| *clicked));
        self.left_out.several_clicks +=
            u64::from(facts.clicked.iter().filter(|clicked| **clicked).count() > 1);
        let salt = mix(self.chance_seed ^ mix(self.kept.len() as u64));
        let constant = vec![0.0; length];
        let lists = [&constant[..], &constant[..]].into_iter().chain(scores.iter().copied());
        for (row, list) in self.rows.iter_mut().zip(lists) {
            let order = best_first(list, salt);
            let taken = if row.name == CHANCE_SIMULATED {
                let mut drawn = vec![0.0; length];
                order.iter().enumerate().for_each(|(rank, place)| drawn[*place] = -(rank as f64));
                measures_in_order(&order, &drawn, facts.clicked)
            } else {
                measures_in_order(&order, list, facts.clicked)
            };
            let mut values = [f32::NAN; KEPT];
            for (value, measure) in values.iter_mut().zip(taken.unwrap_or([f64::NAN; MEASURE_COUNT])) {
                *value = measure as f32;
            }
            let first = &order[..length.min(TOP)];
            values[NOVELTY] = top::novelty(first, facts.popularity);
            values[DIVERSITY] = top::diversity(first, facts.vectors);
            row.values.push(values);
            row.shown.extend(first.iter().filter_map(|place| facts.candidates.get(*place)));
        }
        self.candidates.extend(facts.candidates);
        self.kept.push(Kept::of(facts));
    }

    /// Takes one retrieval of a row: whether what was read next was among the 100 that it found.
    pub fn add_retrieval(&mut self, row: &str, hit: bool, reader: u32) {
        let place = self.retrieval.iter().position(|(name, _)| name == row).unwrap_or_else(|| {
            self.retrieval.push((row.to_owned(), Hits::new()));
            self.retrieval.len() - 1
        });
        let (hits, tries) = self.retrieval[place].1.entry(reader).or_default();
        *hits += u32::from(hit);
        *tries += 1;
    }

    /// Impressions taken so far, without those left out.
    pub fn taken(&self) -> usize {
        self.kept.len()
    }

    fn index(&self, name: &str) -> usize {
        self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| panic!("no row is called {name}"))
    }
}
