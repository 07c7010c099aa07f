//! Lenient access to the columns of a batch: asked for by name, cast to the wanted type.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, LargeListArray, LargeStringArray, PrimitiveArray,
    RecordBatch,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, TimestampMillisecondType};

use super::TableError;
use crate::ids::{ArticleId, ReaderId, Timestamp};

/// The columns of one batch, and the file that it came from.
#[derive(Debug)]
pub struct Columns<'a> {
    path: &'a Path,
    batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    /// The columns of `batch`, which was read from `path`.
    pub fn new(path: &'a Path, batch: &'a RecordBatch) -> Self {
        Self { path, batch }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The column's own type, if the column is there.
    pub(super) fn type_of(&self, name: &str) -> Option<&DataType> {
        self.batch.column_by_name(name).map(|array| array.data_type())
    }

    /// The column as `wanted`. Arrow's own cast does the work; unlike its default, a value that does not fit
    /// is an error and not a null.
    fn cast(&self, name: &str, wanted: &DataType) -> Result<Option<ArrayRef>, TableError> {
        let Some(array) = self.batch.column_by_name(name) else { return Ok(None) };
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let cast = cast_with_options(array, wanted, &strict).map_err(|error| TableError::ColumnType {
            path: self.path.to_owned(),
            column: name.to_owned(),
            found: array.data_type().to_string(),
            expected: wanted.to_string(),
            message: error.to_string(),
        })?;
        Ok(Some(cast))
    }

    /// A column of numbers or times; missing columns read as null.
    pub(super) fn cells<T: ArrowPrimitiveType>(&'a self, name: &'a str) -> Result<Cells<'a, T>, TableError> {
        let array = self.cast(name, &T::DATA_TYPE)?.map(|array| array.as_primitive::<T>().clone());
        Ok(Cells { columns: self, name, array })
    }

    /// A column of text; missing columns read as null.
    pub(super) fn texts(&'a self, name: &'a str) -> Result<Texts<'a>, TableError> {
        let array = self.cast(name, &DataType::LargeUtf8)?.map(|array| array.as_string::<i64>().clone());
        Ok(Texts { columns: self, name, array })
    }

    /// A column of readers' ids: text as it stands, integers as their decimal text.
    pub(super) fn readers(&'a self, name: &'a str) -> Result<Texts<'a>, TableError> {
        // Floats would become "42.0", which is another reader than 42.
        if let Some(found) = self.type_of(name).filter(|found| found.is_floating()) {
            return Err(TableError::ColumnType {
                path: self.path.to_owned(),
                column: name.to_owned(),
                found: found.to_string(),
                expected: "UInt32 or Utf8".to_owned(),
                message: "a reader's id is no fraction".to_owned(),
            });
        }
        self.texts(name)
    }

    /// A column of lists of numbers or times; missing columns read as null.
    pub(super) fn lists<T: ArrowPrimitiveType>(&'a self, name: &'a str) -> Result<Lists, TableError> {
        let wanted = DataType::LargeList(Arc::new(Field::new("item", T::DATA_TYPE, true)));
        Ok(Lists { array: self.cast(name, &wanted)?.map(|array| array.as_list::<i64>().clone()) })
    }

    /// A column of lists of text; missing columns read as null.
    pub(super) fn text_lists(&'a self, name: &'a str) -> Result<Lists, TableError> {
        let wanted = DataType::LargeList(Arc::new(Field::new("item", DataType::LargeUtf8, true)));
        Ok(Lists { array: self.cast(name, &wanted)?.map(|array| array.as_list::<i64>().clone()) })
    }

    /// Refuses a file without this column, whatever it holds.
    pub(super) fn require(&self, name: &str, expected: &str) -> Result<(), TableError> {
        if self.type_of(name).is_some() {
            return Ok(());
        }
        Err(self.absent(name, 0, expected))
    }

    /// The error for a row that has no value in `column`: a missing column, or a null in it.
    fn absent(&self, column: &str, row: usize, expected: &str) -> TableError {
        let (path, column, expected) = (self.path.to_owned(), column.to_owned(), expected.to_owned());
        match self.type_of(&column) {
            None => TableError::MissingColumn { path, column, expected },
            Some(_) => TableError::Null { path, column, row, expected },
        }
    }
}

/// One column of numbers or times.
pub(super) struct Cells<'a, T: ArrowPrimitiveType> {
    columns: &'a Columns<'a>,
    name: &'a str,
    array: Option<PrimitiveArray<T>>,
}

impl<T: ArrowPrimitiveType> Cells<'_, T> {
    /// The value in `row`, if there is one.
    pub(super) fn get(&self, row: usize) -> Option<T::Native> {
        self.array.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row))
    }

    /// The value in `row`, or an error that names the column.
    pub(super) fn must(&self, row: usize) -> Result<T::Native, TableError> {
        self.get(row).ok_or_else(|| self.columns.absent(self.name, row, &T::DATA_TYPE.to_string()))
    }
}

impl Cells<'_, TimestampMillisecondType> {
    /// The moment in `row`, or an error that names the column.
    pub(super) fn must_time(&self, row: usize) -> Result<Timestamp, TableError> {
        self.must(row).map(Timestamp)
    }
}

impl Cells<'_, arrow::datatypes::Int64Type> {
    /// The article in `row`, or an error that names the column.
    pub(super) fn must_article(&self, row: usize) -> Result<ArticleId, TableError> {
        self.must(row).map(ArticleId)
    }
}

/// One column of text.
pub(super) struct Texts<'a> {
    columns: &'a Columns<'a>,
    name: &'a str,
    array: Option<LargeStringArray>,
}

impl Texts<'_> {
    /// The text in `row`; empty where there is none.
    pub(super) fn get(&self, row: usize) -> &str {
        self.array.as_ref().filter(|array| array.is_valid(row)).map_or("", |array| array.value(row))
    }

    /// The text in `row` as a reader's id, or an error that names the column.
    pub(super) fn must_reader(&self, row: usize) -> Result<ReaderId, TableError> {
        let text = self.get(row);
        if text.is_empty() {
            return Err(self.columns.absent(self.name, row, "a reader's id, UInt32 or Utf8"));
        }
        ReaderId::new(text).map_err(|_| TableError::Value {
            path: self.columns.path.to_owned(),
            column: self.name.to_owned(),
            value: text.to_owned(),
            expected: "a reader's id of at most 128 bytes without control characters",
        })
    }
}

/// One column of lists.
pub(super) struct Lists {
    array: Option<LargeListArray>,
}

impl Lists {
    fn list(&self, row: usize) -> Option<ArrayRef> {
        self.array.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row))
    }

    /// The list in `row`, with its nulls; empty where there is none.
    pub(super) fn options<T: ArrowPrimitiveType>(&self, row: usize) -> Vec<Option<T::Native>> {
        self.list(row).map_or_else(Vec::new, |list| list.as_primitive::<T>().iter().collect())
    }

    /// The list in `row` without its nulls; empty where there is none.
    pub(super) fn values<T: ArrowPrimitiveType>(&self, row: usize) -> Vec<T::Native> {
        self.list(row).map_or_else(Vec::new, |list| list.as_primitive::<T>().iter().flatten().collect())
    }

    /// The articles listed in `row`.
    pub(super) fn articles(&self, row: usize) -> Vec<ArticleId> {
        self.values::<arrow::datatypes::Int64Type>(row).into_iter().map(ArticleId).collect()
    }

    /// The texts listed in `row`.
    pub(super) fn texts(&self, row: usize) -> Vec<String> {
        self.list(row).map_or_else(Vec::new, |list| {
            list.as_string::<i64>().iter().flatten().map(str::to_owned).collect()
        })
    }
}
