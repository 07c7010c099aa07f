//! `articles.parquet`.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int16Array, Int32Array, LargeListBuilder, StringArray, StringBuilder,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{
    DataType, Field, Int8Type, Int16Type, Int64Type, Schema, TimeUnit, TimestampMillisecondType,
};

use super::writer::article_number;
use super::{Columns, TableError, TableRow};
use crate::ids::{ArticleId, Timestamp};

/// An article as the newspaper published it. Text that the data does not have is empty.
///
/// EB-NeRD's lifetime totals (`total_inviews`, `total_pageviews`, `total_read_time`) are written as null and
/// never read: they look into the future.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArticleRow {
    /// Its number.
    pub article_id: ArticleId,
    /// The headline.
    pub title: String,
    /// The teaser below it.
    pub subtitle: String,
    /// The text; paragraphs are set apart by a blank line.
    pub body: String,
    /// The section, EB-NeRD's `category_str`.
    pub category: String,
    /// The section's number, EB-NeRD's `category`.
    pub category_id: Option<i16>,
    /// What it is about.
    pub topics: Vec<String>,
    /// When it could first be read.
    pub published_time: Timestamp,
    /// When it was last changed.
    pub last_modified_time: Option<Timestamp>,
    /// Whether it is for subscribers only.
    pub premium: bool,
    /// Its kind, such as `article_default`.
    pub article_type: String,
    /// Where it stands on the web.
    pub url: String,
}

impl TableRow for ArticleRow {
    const READ: &'static [&'static str] = &[
        "article_id",
        "title",
        "subtitle",
        "last_modified_time",
        "premium",
        "body",
        "published_time",
        "article_type",
        "url",
        "topics",
        "category",
        "category_str",
    ];

    fn schema() -> Schema {
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let list = |item| DataType::LargeList(Arc::new(Field::new("item", item, true)));
        let columns = [
            ("article_id", DataType::Int32),
            ("title", DataType::Utf8),
            ("subtitle", DataType::Utf8),
            ("last_modified_time", time.clone()),
            ("premium", DataType::Boolean),
            ("body", DataType::Utf8),
            ("published_time", time),
            ("image_ids", list(DataType::Int64)),
            ("article_type", DataType::Utf8),
            ("url", DataType::Utf8),
            ("ner_clusters", list(DataType::Utf8)),
            ("entity_groups", list(DataType::Utf8)),
            ("topics", list(DataType::Utf8)),
            ("category", DataType::Int16),
            ("subcategory", list(DataType::Int16)),
            ("category_str", DataType::Utf8),
            ("total_inviews", DataType::Int32),
            ("total_pageviews", DataType::Int32),
            ("total_read_time", DataType::Float32),
            ("sentiment_score", DataType::Float32),
            ("sentiment_label", DataType::Utf8),
        ];
        Schema::new(columns.map(|(name, kind)| Field::new(name, kind, true)).to_vec())
    }

    fn decode(columns: &Columns<'_>) -> Result<Vec<Self>, TableError> {
        let article_id = columns.cells::<Int64Type>("article_id")?;
        let title = columns.texts("title")?;
        let subtitle = columns.texts("subtitle")?;
        let body = columns.texts("body")?;
        // Other tools write the section's name into `category` itself.
        let named =
            columns.type_of("category").is_some_and(|kind| kind.is_string() || *kind == DataType::Utf8View);
        let plain = columns.texts(if named { "category" } else { "category_str" })?;
        let category = columns.texts("category_str")?;
        let category_id = columns.cells::<Int16Type>(if named { "" } else { "category" })?;
        let topics = columns.text_lists("topics")?;
        let published_time = columns.cells::<TimestampMillisecondType>("published_time")?;
        let last_modified_time = columns.cells::<TimestampMillisecondType>("last_modified_time")?;
        let premium = columns.cells::<Int8Type>("premium")?;
        let article_type = columns.texts("article_type")?;
        let url = columns.texts("url")?;
        (0..columns.rows())
            .map(|row| {
                let section =
                    Some(category.get(row)).filter(|text| !text.is_empty()).unwrap_or(plain.get(row));
                Ok(Self {
                    article_id: article_id.must_article(row)?,
                    title: title.get(row).to_owned(),
                    subtitle: subtitle.get(row).to_owned(),
                    body: body.get(row).to_owned(),
                    category: section.to_owned(),
                    category_id: category_id.get(row),
                    topics: topics.texts(row),
                    published_time: published_time.must_time(row)?,
                    last_modified_time: last_modified_time.get(row).map(Timestamp),
                    premium: premium.get(row).is_some_and(|flag| flag != 0),
                    article_type: article_type.get(row).to_owned(),
                    url: url.get(row).to_owned(),
                })
            })
            .collect()
    }

    fn encode(rows: &[Self], path: &Path) -> Result<Vec<ArrayRef>, TableError> {
        let text = |value: fn(&Self) -> &String| -> ArrayRef {
            // Empty means that there is none, so that a round trip through a file keeps rows as they are.
            Arc::new(StringArray::from_iter(
                rows.iter().map(|row| Some(value(row)).filter(|text| !text.is_empty())),
            ))
        };
        let numbers = rows
            .iter()
            .map(|row| article_number(row.article_id, "article_id", path))
            .collect::<Result<Vec<_>, _>>()?;
        let mut topics = LargeListBuilder::new(StringBuilder::new());
        for row in rows {
            for topic in &row.topics {
                topics.values().append_value(topic);
            }
            topics.append(true);
        }
        let mut columns: Vec<ArrayRef> = Vec::new();
        for field in Self::schema().fields() {
            columns.push(match field.name().as_str() {
                "article_id" => Arc::new(Int32Array::from(numbers.clone())),
                "title" => text(|row| &row.title),
                "subtitle" => text(|row| &row.subtitle),
                "last_modified_time" => Arc::new(TimestampMicrosecondArray::from_iter(
                    rows.iter().map(|row| row.last_modified_time.map(|time| time.0 * 1000)),
                )),
                "premium" => Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.premium)))),
                "body" => text(|row| &row.body),
                "published_time" => Arc::new(TimestampMicrosecondArray::from_iter_values(
                    rows.iter().map(|row| row.published_time.0 * 1000),
                )),
                "article_type" => text(|row| &row.article_type),
                "url" => text(|row| &row.url),
                "topics" => Arc::new(topics.finish_cloned()),
                "category" => Arc::new(Int16Array::from_iter(rows.iter().map(|row| row.category_id))),
                "category_str" => text(|row| &row.category),
                _ => new_null_array(field.data_type(), rows.len()),
            });
        }
        Ok(columns)
    }
}
