//! What can be wrong with a table: always the file, the column, and what was expected.

use std::io;
use std::path::PathBuf;

/// Why a table could not be read or written. None of these goes away by trying again.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `open`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a Parquet file, a damaged one, or one with a feature that is not built in.
    #[error("cannot read {} as parquet: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the parquet library said.
        source: parquet::errors::ParquetError,
    },
    /// The rows could not be put into Arrow columns, or those into Parquet.
    #[error("cannot write {}: {message}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the library said.
        message: String,
    },
    /// A column that nothing works without is not there.
    #[error("{} has no column {column}, expected {expected}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: String,
        /// The type that it should have.
        expected: String,
    },
    /// A column has a type, or holds a value, that the expected type can't take.
    #[error("{} column {column} has type {found}, expected {expected}: {message}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type that it has.
        found: String,
        /// The type that it should have.
        expected: String,
        /// What exactly can't be taken.
        message: String,
    },
    /// A null where there must be a value.
    #[error("{} column {column} is null in row {row} of a batch, expected {expected}", path.display())]
    Null {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row within its batch.
        row: usize,
        /// What should be there.
        expected: String,
    },
    /// A value that does not belong into its column.
    #[error("{} column {column} cannot hold {value}, expected {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The folder has none of the known layouts.
    #[error(
        "{} is no data folder, expected train/ and validation/ with behaviors.parquet, or events.parquet, or \
         behaviors.parquet",
        path.display()
    )]
    NoLayout {
        /// The folder.
        path: PathBuf,
    },
    /// The folder does not have the asked-for part.
    #[error("{} has no {part}, expected one of {expected}", path.display())]
    NoSplit {
        /// The folder.
        path: PathBuf,
        /// What was asked for.
        part: &'static str,
        /// What there is.
        expected: String,
    },
}
