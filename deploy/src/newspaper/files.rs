//! The newspaper and its readers as a data folder.

use std::path::Path;

use abovefold_schemas::Timestamp;
use abovefold_schemas::tables::{
    ArticleRow, EventRow, HindsightRow, HistoryRow, OracleRow, TableError, TableWriter,
};

use super::Spec;
use super::edition::Article;
use super::visits::{Record, reader_id};

/// Writes all tables.
pub(super) fn write(
    spec: &Spec,
    articles: &[Article],
    record: &Record,
    out: &Path,
) -> Result<(), TableError> {
    let rows: Vec<ArticleRow> = articles.iter().map(|article| article.row.clone()).collect();
    TableWriter::<ArticleRow>::write_file(out.join("articles.parquet"), &rows)?;
    TableWriter::<EventRow>::write_file(out.join("events.parquet"), &record.events)?;
    let (train, validation) = (spec.train_start(), spec.validation_start());
    split(record, train, validation, &out.join("train"))?;
    split(record, validation, spec.end, &out.join("validation"))?;
    let shown: Vec<OracleRow> = {
        // The impressions are numbered in the order of time, so those of the splits follow the warm-up's.
        let first = record.behaviors.partition_point(|row| row.behavior.impression_time < train) as u32 + 1;
        record.oracle.iter().filter(|row| row.impression_id >= first).copied().collect()
    };
    TableWriter::<OracleRow>::write_file(out.join("oracle.parquet"), &shown)
}

/// The impressions from `from` on and before `until`, and what each reader had read before.
fn split(record: &Record, from: Timestamp, until: Timestamp, folder: &Path) -> Result<(), TableError> {
    let first = record.behaviors.partition_point(|row| row.behavior.impression_time < from);
    let last = record.behaviors.partition_point(|row| row.behavior.impression_time < until);
    TableWriter::<HindsightRow>::write_file(
        folder.join("behaviors.parquet"),
        &record.behaviors[first..last],
    )?;
    let histories = record.reads.iter().enumerate().filter_map(|(number, reads)| {
        // A page that was still open at the start of the split is no history yet.
        let reads: Vec<_> = reads.iter().filter(|(_, left)| *left <= from).map(|(read, _)| *read).collect();
        (!reads.is_empty()).then(|| HistoryRow { reader: reader_id(number), reads })
    });
    TableWriter::<HistoryRow>::write_file(folder.join("history.parquet"), &histories.collect::<Vec<_>>())
}
