//! `events.parquet`, the log form: one row a read, in time order.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int8Array, Int32Array, TimestampMillisecondArray, UInt32Array};
use arrow::datatypes::{
    DataType, Field, Float32Type, Int8Type, Int64Type, Schema, TimeUnit, TimestampMillisecondType,
};

use super::writer::{article_number, reader_number};
use super::{Columns, TableError, TableRow};
use crate::ids::{ArticleId, ReaderId, Timestamp};

/// One read, as it enters the log.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Who read.
    pub reader: ReaderId,
    /// What was read.
    pub article_id: ArticleId,
    /// Seconds on the page.
    pub read_time: Option<f32>,
    /// How far it was scrolled, 0 to 100.
    pub scroll_pct: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub device_type: i8,
    /// When the reader *left* the page: only then is the read time known. The click came `read_time` earlier.
    pub timestamp: Timestamp,
}

impl TableRow for EventRow {
    const READ: &'static [&'static str] =
        &["user_id", "article_id", "read_time", "scroll_pct", "device_type", "timestamp"];

    fn schema() -> Schema {
        let columns = [
            ("user_id", DataType::UInt32),
            ("article_id", DataType::Int32),
            ("read_time", DataType::Float32),
            ("scroll_pct", DataType::Float32),
            ("device_type", DataType::Int8),
            ("timestamp", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ];
        Schema::new(columns.map(|(name, kind)| Field::new(name, kind, true)).to_vec())
    }

    fn decode(columns: &Columns<'_>) -> Result<Vec<Self>, TableError> {
        let reader = columns.readers("user_id")?;
        let article_id = columns.cells::<Int64Type>("article_id")?;
        let read_time = columns.cells::<Float32Type>("read_time")?;
        let scroll_pct = columns.cells::<Float32Type>("scroll_pct")?;
        let device_type = columns.cells::<Int8Type>("device_type")?;
        let timestamp = columns.cells::<TimestampMillisecondType>("timestamp")?;
        (0..columns.rows())
            .map(|row| {
                Ok(Self {
                    reader: reader.must_reader(row)?,
                    article_id: article_id.must_article(row)?,
                    read_time: read_time.get(row),
                    scroll_pct: scroll_pct.get(row),
                    device_type: device_type.get(row).unwrap_or(0),
                    timestamp: timestamp.must_time(row)?,
                })
            })
            .collect()
    }

    fn encode(rows: &[Self], path: &Path) -> Result<Vec<ArrayRef>, TableError> {
        let readers = rows
            .iter()
            .map(|row| reader_number(&row.reader, "user_id", path))
            .collect::<Result<Vec<_>, _>>()?;
        let articles = rows
            .iter()
            .map(|row| article_number(row.article_id, "article_id", path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(vec![
            Arc::new(UInt32Array::from(readers)),
            Arc::new(Int32Array::from(articles)),
            Arc::new(Float32Array::from_iter(rows.iter().map(|row| row.read_time))),
            Arc::new(Float32Array::from_iter(rows.iter().map(|row| row.scroll_pct))),
            Arc::new(Int8Array::from_iter_values(rows.iter().map(|row| row.device_type))),
            Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.timestamp.0))),
        ])
    }
}
