//! `behaviors.parquet`: the impressions and what was clicked in them.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Int8Array, Int32Array, TimestampMicrosecondArray, UInt32Array,
};
use arrow::datatypes::{
    DataType, Field, Float32Type, Int8Type, Int64Type, Schema, TimeUnit, TimestampMillisecondType, UInt32Type,
};

use super::writer::{article_lists, article_number, reader_number};
use super::{Columns, TableError, TableRow};
use crate::ids::{ArticleId, ReaderId, Timestamp};

/// One impression: a list of articles that a reader saw, and which of them were clicked.
///
/// EB-NeRD's `next_read_time` and `next_scroll_percentage` look ahead: they are written as null and never read; see
/// [`HindsightRow`](super::HindsightRow).
#[derive(Clone, Debug, PartialEq)]
pub struct BehaviorRow {
    /// Its number.
    pub impression_id: u32,
    /// The page that it was shown on; `None` on the front page.
    pub article_id: Option<ArticleId>,
    /// When it was shown.
    pub impression_time: Timestamp,
    /// Seconds on the page where it was shown.
    pub read_time: Option<f32>,
    /// How far that page was scrolled, 0 to 100.
    pub scroll_percentage: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub device_type: i8,
    /// The articles that were seen, in no order that means anything.
    pub in_view: Vec<ArticleId>,
    /// Those that were clicked; empty in a test set that hides them.
    pub clicked: Vec<ArticleId>,
    /// Who saw them.
    pub reader: ReaderId,
    /// Whether the reader was signed in.
    pub is_sso_user: bool,
    /// 0 male, 1 female, where known.
    pub gender: Option<i8>,
    /// A coarse kind of postcode, where known.
    pub postcode: Option<i8>,
    /// The decade of the reader's age, where known.
    pub age: Option<i8>,
    /// Whether the reader pays.
    pub is_subscriber: bool,
    /// The visit.
    pub session_id: u32,
}

impl TableRow for BehaviorRow {
    const READ: &'static [&'static str] = &[
        "impression_id",
        "article_id",
        "impression_time",
        "read_time",
        "scroll_percentage",
        "device_type",
        "article_ids_inview",
        "article_ids_clicked",
        "user_id",
        "is_sso_user",
        "gender",
        "postcode",
        "age",
        "is_subscriber",
        "session_id",
    ];

    fn schema() -> Schema {
        let articles = DataType::LargeList(Arc::new(Field::new("item", DataType::Int32, true)));
        let columns = [
            ("impression_id", DataType::UInt32),
            ("article_id", DataType::Int32),
            ("impression_time", DataType::Timestamp(TimeUnit::Microsecond, None)),
            ("read_time", DataType::Float32),
            ("scroll_percentage", DataType::Float32),
            ("device_type", DataType::Int8),
            ("article_ids_inview", articles.clone()),
            ("article_ids_clicked", articles),
            ("user_id", DataType::UInt32),
            ("is_sso_user", DataType::Boolean),
            ("gender", DataType::Int8),
            ("postcode", DataType::Int8),
            ("age", DataType::Int8),
            ("is_subscriber", DataType::Boolean),
            ("session_id", DataType::UInt32),
            ("next_read_time", DataType::Float32),
            ("next_scroll_percentage", DataType::Float32),
        ];
        Schema::new(columns.map(|(name, kind)| Field::new(name, kind, true)).to_vec())
    }

    fn decode(columns: &Columns<'_>) -> Result<Vec<Self>, TableError> {
        let impression_id = columns.cells::<UInt32Type>("impression_id")?;
        let article_id = columns.cells::<Int64Type>("article_id")?;
        let impression_time = columns.cells::<TimestampMillisecondType>("impression_time")?;
        let read_time = columns.cells::<Float32Type>("read_time")?;
        let scroll_percentage = columns.cells::<Float32Type>("scroll_percentage")?;
        let device_type = columns.cells::<Int8Type>("device_type")?;
        let in_view = columns.lists::<Int64Type>("article_ids_inview")?;
        let clicked = columns.lists::<Int64Type>("article_ids_clicked")?;
        let reader = columns.readers("user_id")?;
        let is_sso_user = columns.cells::<Int8Type>("is_sso_user")?;
        let gender = columns.cells::<Int8Type>("gender")?;
        let postcode = columns.cells::<Int8Type>("postcode")?;
        let age = columns.cells::<Int8Type>("age")?;
        let is_subscriber = columns.cells::<Int8Type>("is_subscriber")?;
        let session_id = columns.cells::<UInt32Type>("session_id")?;
        columns.require("article_ids_inview", "a list of Int32")?;
        (0..columns.rows())
            .map(|row| {
                Ok(Self {
                    impression_id: impression_id.must(row)?,
                    article_id: article_id.get(row).map(ArticleId),
                    impression_time: impression_time.must_time(row)?,
                    read_time: read_time.get(row),
                    scroll_percentage: scroll_percentage.get(row),
                    device_type: device_type.get(row).unwrap_or(0),
                    in_view: in_view.articles(row),
                    clicked: clicked.articles(row),
                    reader: reader.must_reader(row)?,
                    is_sso_user: is_sso_user.get(row).is_some_and(|flag| flag != 0),
                    gender: gender.get(row),
                    postcode: postcode.get(row),
                    age: age.get(row),
                    is_subscriber: is_subscriber.get(row).is_some_and(|flag| flag != 0),
                    session_id: session_id.get(row).unwrap_or(0),
                })
            })
            .collect()
    }

    fn encode(rows: &[Self], path: &Path) -> Result<Vec<ArrayRef>, TableError> {
        let floats = |value: fn(&Self) -> Option<f32>| -> ArrayRef {
            Arc::new(Float32Array::from_iter(rows.iter().map(value)))
        };
        let bytes = |value: fn(&Self) -> Option<i8>| -> ArrayRef {
            Arc::new(Int8Array::from_iter(rows.iter().map(value)))
        };
        let flags = |value: fn(&Self) -> bool| -> ArrayRef {
            Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(value(row)))))
        };
        let counts = |value: fn(&Self) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(value)))
        };
        let pages = rows
            .iter()
            .map(|row| row.article_id.map(|article| article_number(article, "article_id", path)).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let readers = rows
            .iter()
            .map(|row| reader_number(&row.reader, "user_id", path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(vec![
            counts(|row| row.impression_id),
            Arc::new(Int32Array::from(pages)),
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows.iter().map(|row| row.impression_time.0 * 1000),
            )),
            floats(|row| row.read_time),
            floats(|row| row.scroll_percentage),
            bytes(|row| Some(row.device_type)),
            article_lists(rows.iter().map(|row| &row.in_view[..]), "article_ids_inview", path)?,
            article_lists(rows.iter().map(|row| &row.clicked[..]), "article_ids_clicked", path)?,
            Arc::new(UInt32Array::from(readers)),
            flags(|row| row.is_sso_user),
            bytes(|row| row.gender),
            bytes(|row| row.postcode),
            bytes(|row| row.age),
            flags(|row| row.is_subscriber),
            counts(|row| row.session_id),
            floats(|_| None),
            floats(|_| None),
        ])
    }
}
