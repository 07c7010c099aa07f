//! A data folder, whatever its layout.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::datatypes::TimestampMillisecondType;

use super::reader::open_batches;
use super::{
    ArticleRow, BehaviorRow, Catalogue, Columns, EventRow, HindsightRow, HistoryRow, OracleRow, TableError,
    TableReader, TableRow, VectorRow, derive,
};

/// Rows of a data folder, decoded a batch at a time. Ends after the first error.
pub type Rows<R> = Box<dyn Iterator<Item = Result<R, TableError>> + Send>;

/// How the files of a data folder lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// EB-NeRD's: `train/` and `validation/`, each with `behaviors.parquet` and `history.parquet`.
    Ebnerd,
    /// `behaviors.parquet` and perhaps `history.parquet`, without splits.
    Flat,
    /// The log form: `events.parquet`, and perhaps `behaviors.parquet`.
    Log,
}

/// Which impressions of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Those to learn from.
    Train,
    /// Those to measure on; they are later than all of [`Split::Train`].
    Validation,
    /// All of them; the only split of a folder without splits.
    Whole,
}

/// A newspaper and what its readers did.
#[derive(Clone, Debug)]
pub struct DataFolder {
    path: PathBuf,
    layout: Layout,
}

impl DataFolder {
    /// Finds out which layout a folder has.
    ///
    /// # Errors
    /// [`TableError::NoLayout`] when it has none of the known ones.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TableError> {
        let path = path.as_ref().to_owned();
        let has = |name: &str| path.join(name).is_file();
        let layout = if has("train/behaviors.parquet") || has("validation/behaviors.parquet") {
            Layout::Ebnerd
        } else if has("events.parquet") {
            Layout::Log
        } else if has("behaviors.parquet") {
            Layout::Flat
        } else {
            return Err(TableError::NoLayout { path });
        };
        Ok(Self { path, layout })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How its files lie.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The splits that [`DataFolder::behaviors`] and [`DataFolder::history`] accept, earliest first; beside
    /// these, [`Split::Whole`] is always accepted.
    pub fn splits(&self) -> Vec<Split> {
        match self.layout {
            Layout::Ebnerd => [Split::Train, Split::Validation]
                .into_iter()
                .filter(|split| self.path.join(folder_of(*split)).join("behaviors.parquet").is_file())
                .collect(),
            Layout::Flat | Layout::Log => vec![Split::Whole],
        }
    }

    /// All articles, in the file's order; none when the folder has no `articles.parquet`.
    ///
    /// # Errors
    /// When the file can't be read as a table of articles.
    pub fn articles(&self) -> Result<Vec<ArticleRow>, TableError> {
        let file = self.path.join("articles.parquet");
        if !file.is_file() {
            return Ok(Vec::new());
        }
        TableReader::open(file)?.collect()
    }

    /// The articles' vectors, or `None` when the folder has no `contrastive_vector.parquet`. EB-NeRD's
    /// archive keeps that file in a folder of its own, so one level below is looked at as well.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn vectors(&self) -> Result<Option<Rows<VectorRow>>, TableError> {
        let name = "contrastive_vector.parquet";
        let here = self.path.join(name);
        let file = if here.is_file() { Some(here) } else { self.below(name)? };
        let Some(file) = file else { return Ok(None) };
        Ok(Some(Box::new(TableReader::<VectorRow>::open(file)?)))
    }

    /// The file `name` of the first folder in this one that has it, by name.
    fn below(&self, name: &str) -> Result<Option<PathBuf>, TableError> {
        let failed = |source| TableError::Io { action: "list", path: self.path.clone(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let candidate = entry.map_err(failed)?.path().join(name);
            if candidate.is_file() {
                found.push(candidate);
            }
        }
        Ok(found.into_iter().min())
    }

    /// The impressions of a split, in the file's order, which need not be that of time.
    ///
    /// # Errors
    /// When the folder has no such split, or a file can't be opened.
    pub fn behaviors(&self, split: Split) -> Result<Rows<BehaviorRow>, TableError> {
        self.table(split, "behaviors.parquet")
    }

    /// The impressions of a split in the order of time, then of their ids. All of them are held in memory.
    ///
    /// # Errors
    /// As [`DataFolder::behaviors`], and when a row can't be read.
    pub fn behaviors_in_time_order(&self, split: Split) -> Result<Vec<BehaviorRow>, TableError> {
        let mut rows: Vec<BehaviorRow> = self.behaviors(split)?.collect::<Result<_, _>>()?;
        rows.sort_by_key(|row| (row.impression_time, row.impression_id));
        Ok(rows)
    }

    /// The readers' histories of a split, in the file's order. Each ends where the split begins: what the file has from the split's first
    /// impression on is left out, since it would tell what was clicked.
    ///
    /// # Errors
    /// When the folder has no such split, or a file can't be opened.
    pub fn history(&self, split: Split) -> Result<Rows<HistoryRow>, TableError> {
        let mut rows: Rows<HistoryRow> = Box::new(std::iter::empty());
        for one in self.parts(split)? {
            let Some(file) = self.file(one, "history.parquet") else { continue };
            let histories = TableReader::<HistoryRow>::open(file)?;
            let begin = match self.file(one, "behaviors.parquet") {
                Some(behaviors) => first_impression(&behaviors)?,
                None => None,
            };
            rows = Box::new(rows.chain(histories.map(move |history| history.map(|row| cut(row, begin)))));
        }
        Ok(rows)
    }

    /// All articles, each unknown before its publication; none when the folder has no `articles.parquet`.
    ///
    /// # Errors
    /// As [`DataFolder::articles`].
    pub fn catalogue(&self) -> Result<Catalogue, TableError> {
        Ok(Catalogue::new(self.articles()?))
    }

    /// The true probabilities of a generated newspaper, or `None` when the folder has no `oracle.parquet`.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn oracle(&self) -> Result<Option<Rows<OracleRow>>, TableError> {
        let file = self.path.join("oracle.parquet");
        if !file.is_file() {
            return Ok(None);
        }
        Ok(Some(Box::new(TableReader::<OracleRow>::open(file)?)))
    }

    /// All reads in the order of time, each at the moment when the reader left the page.
    ///
    /// They stream from `events.parquet` where there is one in order. Otherwise they are sorted in memory
    /// (about 32 bytes a read): from an unordered `events.parquet`, or from histories and impressions, where
    /// - every entry of a history is a read from `impression_time_fixed` on;
    /// - every clicked article is a read from `impression_time` on, and `next_read_time` and
    ///   `next_scroll_percentage` are its telemetry. They would leak as features of the impression; as the
    ///   read that followed it they are known from its end on, which is when the event is;
    /// - a read that appears more than once (validation's histories cover the weeks of the training
    ///   impressions) counts once.
    ///
    /// # Errors
    /// When a file can't be opened; for what is sorted, also when a row can't be read.
    pub fn events(&self) -> Result<Rows<EventRow>, TableError> {
        let file = self.path.join("events.parquet");
        if !file.is_file() {
            let behaviors = self.table::<HindsightRow>(Split::Whole, "behaviors.parquet")?;
            return derive::events(self.history(Split::Whole)?, behaviors);
        }
        let events = TableReader::<EventRow>::open(&file)?;
        if in_time_order(&file)? {
            return Ok(Box::new(events));
        }
        derive::sorted(events)
    }

    /// The files `name` of a split. A flat folder may lack all but its impressions, and EB-NeRD's test set
    /// hides the clicks, so a missing file of an existing split reads as an empty table.
    fn table<R: TableRow + Send + 'static>(&self, split: Split, name: &str) -> Result<Rows<R>, TableError> {
        let mut rows: Rows<R> = Box::new(std::iter::empty());
        for file in self.parts(split)?.into_iter().filter_map(|one| self.file(one, name)) {
            rows = Box::new(rows.chain(TableReader::<R>::open(file)?));
        }
        Ok(rows)
    }

    /// The splits of the folder that one asked for consists of.
    fn parts(&self, split: Split) -> Result<Vec<Split>, TableError> {
        let splits = self.splits();
        if split == Split::Whole || splits.contains(&split) {
            return Ok(if split == Split::Whole { splits } else { vec![split] });
        }
        let expected: Vec<&str> = splits.iter().map(|split| name_of(*split)).collect();
        Err(TableError::NoSplit {
            path: self.path.clone(),
            part: name_of(split),
            expected: expected.join(", "),
        })
    }

    fn file(&self, split: Split, name: &str) -> Option<PathBuf> {
        Some(self.path.join(folder_of(split)).join(name)).filter(|file| file.is_file())
    }
}

/// A history without what was opened at `begin` or later.
fn cut(mut row: HistoryRow, begin: Option<i64>) -> HistoryRow {
    if let Some(begin) = begin {
        row.reads.retain(|read| read.impression_time.0 < begin);
    }
    row
}

/// The time of the earliest impression of a file, in milliseconds; reads that column only.
fn first_impression(file: &Path) -> Result<Option<i64>, TableError> {
    let mut first: Option<i64> = None;
    for batch in open_batches(file, &["impression_time"])? {
        let batch =
            batch.map_err(|error| TableError::Parquet { path: file.to_owned(), source: error.into() })?;
        let columns = Columns::new(file, &batch);
        let times = columns.cells::<TimestampMillisecondType>("impression_time")?;
        for time in (0..batch.num_rows()).filter_map(|row| times.get(row)) {
            first = Some(first.map_or(time, |first| first.min(time)));
        }
    }
    Ok(first)
}

fn name_of(split: Split) -> &'static str {
    match split {
        Split::Train => "train split",
        Split::Validation => "validation split",
        Split::Whole => "whole (there are no splits)",
    }
}

fn folder_of(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Validation => "validation",
        Split::Whole => "",
    }
}

/// Whether the rows of a file of events are in the order of time; reads that column only.
fn in_time_order(file: &Path) -> Result<bool, TableError> {
    let mut latest = i64::MIN;
    for batch in open_batches(file, &["timestamp"])? {
        let batch =
            batch.map_err(|error| TableError::Parquet { path: file.to_owned(), source: error.into() })?;
        let columns = Columns::new(file, &batch);
        let times = columns.cells::<TimestampMillisecondType>("timestamp")?;
        for row in 0..batch.num_rows() {
            let time = times.must(row)?;
            if time < latest {
                return Ok(false);
            }
            latest = time;
        }
    }
    Ok(true)
}
