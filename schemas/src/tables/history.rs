//! `history.parquet`: one row a reader, with what was read before the impressions of the split.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Builder, Int32Builder, LargeListBuilder, TimestampMicrosecondBuilder, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema, TimeUnit, TimestampMillisecondType};

use super::writer::{article_number, reader_number};
use super::{Columns, TableError, TableRow};
use crate::ids::{ArticleId, ReaderId, Timestamp};

/// A reader's reads, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// Who read.
    pub reader: ReaderId,
    /// What was read.
    pub reads: Vec<HistoryRead>,
}

/// One read of a [`HistoryRow`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistoryRead {
    /// When the article was opened.
    pub impression_time: Timestamp,
    /// How far it was scrolled, 0 to 100.
    pub scroll_percentage: Option<f32>,
    /// The article.
    pub article_id: ArticleId,
    /// Seconds on it.
    pub read_time: Option<f32>,
}

impl TableRow for HistoryRow {
    const READ: &'static [&'static str] = &[
        "user_id",
        "impression_time_fixed",
        "scroll_percentage_fixed",
        "article_id_fixed",
        "read_time_fixed",
    ];

    fn schema() -> Schema {
        let list = |item| DataType::LargeList(Arc::new(Field::new("item", item, true)));
        let columns = [
            ("user_id", DataType::UInt32),
            ("impression_time_fixed", list(DataType::Timestamp(TimeUnit::Microsecond, None))),
            ("scroll_percentage_fixed", list(DataType::Float32)),
            ("article_id_fixed", list(DataType::Int32)),
            ("read_time_fixed", list(DataType::Float32)),
        ];
        Schema::new(columns.map(|(name, kind)| Field::new(name, kind, true)).to_vec())
    }

    fn decode(columns: &Columns<'_>) -> Result<Vec<Self>, TableError> {
        let reader = columns.readers("user_id")?;
        let times = columns.lists::<TimestampMillisecondType>("impression_time_fixed")?;
        let scrolls = columns.lists::<Float32Type>("scroll_percentage_fixed")?;
        let articles = columns.lists::<Int64Type>("article_id_fixed")?;
        let seconds = columns.lists::<Float32Type>("read_time_fixed")?;
        columns.require("impression_time_fixed", "a list of Timestamp")?;
        columns.require("article_id_fixed", "a list of Int32")?;
        (0..columns.rows())
            .map(|row| {
                let scrolls = scrolls.options::<Float32Type>(row);
                let seconds = seconds.options::<Float32Type>(row);
                let times = times.options::<TimestampMillisecondType>(row);
                let articles = articles.options::<Int64Type>(row);
                // The lists are parallel; a read without its time or its article is no read.
                let reads =
                    times.into_iter().zip(articles).enumerate().filter_map(|(place, (time, article))| {
                        Some(HistoryRead {
                            impression_time: Timestamp(time?),
                            scroll_percentage: scrolls.get(place).copied().flatten(),
                            article_id: ArticleId(article?),
                            read_time: seconds.get(place).copied().flatten(),
                        })
                    });
                Ok(Self { reader: reader.must_reader(row)?, reads: reads.collect() })
            })
            .collect()
    }

    fn encode(rows: &[Self], path: &Path) -> Result<Vec<ArrayRef>, TableError> {
        let readers = rows
            .iter()
            .map(|row| reader_number(&row.reader, "user_id", path))
            .collect::<Result<Vec<_>, _>>()?;
        let mut times = LargeListBuilder::new(TimestampMicrosecondBuilder::new());
        let mut scrolls = LargeListBuilder::new(Float32Builder::new());
        let mut articles = LargeListBuilder::new(Int32Builder::new());
        let mut seconds = LargeListBuilder::new(Float32Builder::new());
        for row in rows {
            for read in &row.reads {
                times.values().append_value(read.impression_time.0 * 1000);
                scrolls.values().append_option(read.scroll_percentage);
                articles.values().append_value(article_number(read.article_id, "article_id_fixed", path)?);
                seconds.values().append_option(read.read_time);
            }
            times.append(true);
            scrolls.append(true);
            articles.append(true);
            seconds.append(true);
        }
        Ok(vec![
            Arc::new(UInt32Array::from(readers)),
            Arc::new(times.finish()),
            Arc::new(scrolls.finish()),
            Arc::new(articles.finish()),
            Arc::new(seconds.finish()),
        ])
    }
}
