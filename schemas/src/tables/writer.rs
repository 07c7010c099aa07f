//! Rows into a Parquet file. Equal rows make equal bytes.

use std::fs::{self, File};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{TableError, TableRow};
use crate::ids::{ArticleId, ReaderId};

/// Stands in the footer of every file, whatever version wrote it, so that equal rows make equal bytes.
const CREATED_BY: &str = "abovefold";

/// Writes one file. Until [`TableWriter::finish`] it has another name, so that a file with the right name is
/// whole.
#[derive(Debug)]
pub struct TableWriter<R> {
    path: PathBuf,
    unfinished: PathBuf,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    rows: PhantomData<fn(R)>,
}

impl<R: TableRow> TableWriter<R> {
    /// Starts a file; missing folders above it are made.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, TableError> {
        let path = path.as_ref().to_owned();
        let unfinished = path.with_extension("parquet.part");
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| TableError::Io { action, path, source }
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("create folder", folder))?;
        }
        let file = File::create(&unfinished).map_err(failed("create", &unfinished))?;
        let schema = Arc::new(R::schema());
        let properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))
            .map_err(|error| TableError::Encode { path: path.clone(), message: error.to_string() })?;
        Ok(Self { path, unfinished, schema, writer, rows: PhantomData })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// When a value does not fit its column, or the disk refuses.
    pub fn write(&mut self, rows: &[R]) -> Result<(), TableError> {
        let columns = R::encode(rows, &self.path)?;
        let failed = |message| TableError::Encode { path: self.path.clone(), message };
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| failed(error.to_string()))?;
        self.writer.write(&batch).map_err(|error| failed(error.to_string()))
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(self) -> Result<(), TableError> {
        self.writer
            .close()
            .map_err(|error| TableError::Encode { path: self.path.clone(), message: error.to_string() })?;
        fs::rename(&self.unfinished, &self.path).map_err(|source| TableError::Io {
            action: "rename to its final name",
            path: self.unfinished.clone(),
            source,
        })
    }

    /// Writes a whole file at once.
    ///
    /// # Errors
    /// As [`TableWriter::create`] and [`TableWriter::write`].
    pub fn write_file(path: impl AsRef<Path>, rows: &[R]) -> Result<(), TableError> {
        let mut writer = Self::create(path)?;
        // In slices, so that the columns of a long table are not all in memory beside its rows.
        for some in rows.chunks(65_536) {
            writer.write(some)?;
        }
        writer.finish()
    }
}

/// An article's id as EB-NeRD's `int32`.
pub(super) fn article_number(article: ArticleId, column: &str, path: &Path) -> Result<i32, TableError> {
    i32::try_from(article.0).map_err(|_| TableError::Value {
        path: path.to_owned(),
        column: column.to_owned(),
        value: article.to_string(),
        expected: "an article's id within int32",
    })
}

/// A reader's id as EB-NeRD's `uint32`.
pub(super) fn reader_number(reader: &ReaderId, column: &str, path: &Path) -> Result<u32, TableError> {
    reader.as_str().parse().map_err(|_| TableError::Value {
        path: path.to_owned(),
        column: column.to_owned(),
        value: reader.to_string(),
        expected: "a reader's id that is a number within uint32",
    })
}

/// A column of lists of articles.
pub(super) fn article_lists<'r>(
    lists: impl Iterator<Item = &'r [ArticleId]>,
    column: &str,
    path: &Path,
) -> Result<ArrayRef, TableError> {
    let mut builder = arrow::array::LargeListBuilder::new(arrow::array::Int32Builder::new());
    for list in lists {
        for article in list {
            builder.values().append_value(article_number(*article, column, path)?);
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}
