//! Tables in Parquet: EB-NeRD's, and the log form.
//!
//! A *data folder* holds one newspaper and what its readers did. [`DataFolder::open`] finds out which of the
//! known layouts it has and offers plain rows; nothing above this module sees an Arrow column of a data
//! folder.
//!
//! Writers write the exact schema of EB-NeRD (`large_list<int32>`, `uint32` ids, `timestamp[us]`, no zone).
//! Readers are lenient, because every tool writes its own dialect of the same table: lists may be `list`,
//! `large_list` or views, text may be `utf8`, `large_utf8`, views or dictionaries, times may be in any unit,
//! and optional columns may be missing.
//!
//! Nothing that is given out looks ahead, so that none of it becomes a feature by accident: columns that look into the future of an
//! impression can be written only ([`HindsightRow`]), the lifetime totals of `articles.parquet` are not read at all, histories end where
//! their split begins, and a [`Catalogue`] knows no article before it was published.
//!
//! ```no_run
//! # fn main() -> Result<(), abovefold_schemas::tables::TableError> {
//! use abovefold_schemas::tables::DataFolder;
//!
//! let folder = DataFolder::open("data/ebnerd_demo")?;
//! for event in folder.events()? {
//!     let event = event?;
//!     println!("{} read {} until {}", event.reader, event.article_id, event.timestamp);
//! }
//! # Ok(())
//! # }
//! ```

mod articles;
mod behaviors;
mod catalogue;
mod columns;
mod derive;
mod error;
mod events;
mod folder;
mod hindsight;
mod history;
mod oracle;
mod reader;
mod vectors;
mod writer;

pub use articles::ArticleRow;
pub use behaviors::BehaviorRow;
pub use catalogue::{Catalogue, KnownArticles};
pub use columns::Columns;
pub use error::TableError;
pub use events::EventRow;
pub use folder::{DataFolder, Layout, Rows, Split};
pub use hindsight::HindsightRow;
pub use history::{HistoryRead, HistoryRow};
pub use oracle::OracleRow;
pub use reader::TableReader;
pub use vectors::VectorRow;
pub use writer::TableWriter;

use std::path::Path;

use arrow::array::ArrayRef;
use arrow::datatypes::Schema;

/// One row of a table that is kept as a Parquet file.
pub trait TableRow: Sized {
    /// The columns that [`TableRow::decode`] looks at; others are not even read from the file.
    const READ: &'static [&'static str];

    /// What the writer writes.
    fn schema() -> Schema;

    /// Takes the rows out of one batch.
    ///
    /// # Errors
    /// When a required column is missing, is null somewhere, or has a type or a value that can't be taken.
    fn decode(columns: &Columns<'_>) -> Result<Vec<Self>, TableError>;

    /// The columns of [`TableRow::schema`], in its order; `path` is the file that they go to, for messages.
    ///
    /// # Errors
    /// When a value does not fit its column, such as a reader's id that is no number.
    fn encode(rows: &[Self], path: &Path) -> Result<Vec<ArrayRef>, TableError>;
}
