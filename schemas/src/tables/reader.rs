//! Rows out of a Parquet file, a batch at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{Columns, TableError, TableRow};

/// Rows that are decoded and held at a time.
const BATCH_ROWS: usize = 4096;

/// An iterator over the rows of one file, in the file's order. It holds one batch, and ends after an error.
#[derive(Debug)]
pub struct TableReader<R> {
    path: PathBuf,
    batches: Option<ParquetRecordBatchReader>,
    rows: vec::IntoIter<R>,
}

impl<R: TableRow> TableReader<R> {
    /// Opens a file; reads its footer only.
    ///
    /// # Errors
    /// When there is no such file, or it is not Parquet.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TableError> {
        let path = path.as_ref().to_owned();
        let batches = Some(open_batches(&path, R::READ)?);
        Ok(Self { path, batches, rows: Vec::new().into_iter() })
    }

    fn next_batch(&mut self) -> Result<Option<Vec<R>>, TableError> {
        let Some(batch) = self.batches.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let batch =
            batch.map_err(|error| TableError::Parquet { path: self.path.clone(), source: error.into() })?;
        R::decode(&Columns::new(&self.path, &batch)).map(Some)
    }
}

impl<R: TableRow> Iterator for TableReader<R> {
    type Item = Result<R, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            match self.next_batch() {
                Ok(Some(rows)) => self.rows = rows.into_iter(),
                Ok(None) => return None,
                Err(error) => {
                    self.batches = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The batches of a file, with those of `columns` that it has.
pub(super) fn open_batches(path: &Path, columns: &[&str]) -> Result<ParquetRecordBatchReader, TableError> {
    let file = File::open(path).map_err(|source| TableError::Io {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    let damaged = |source| TableError::Parquet { path: path.to_owned(), source };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?;
    let wanted: Vec<usize> = builder
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| columns.contains(&field.name().as_str()))
        .map(|(index, _)| index)
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(damaged)
}
