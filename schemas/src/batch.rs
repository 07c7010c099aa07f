//! Event batches on the write path: one row an event, as an Arrow [`RecordBatch`].
//!
//! | column | type | |
//! |---|---|---|
//! | `offset` | u64 | in the partition |
//! | `log_time` | i64 | the record's time, ms |
//! | `event_time` | i64 | the client's time clamped to the log's, ms |
//! | `user_id` | utf8 | |
//! | `kind` | u8 | [`EventKind`] |
//! | `article_id` | i64? | of reads |
//! | `read_time` | f32? | seconds |
//! | `scroll_pct` | f32? | 0 to 100 |
//! | `device_type` | u8 | |
//! | `view_id` | utf8? | |
//! | `seq` | u32? | |
//! | `detail` | utf8? | the event's JSON, of kinds other than reads |
//! | `origin` | u64? | of a copy that the intake made: the original's partition in the upper 24 bits, its offset below |
//! | `turn` | u64? | of a copy: 0 for the first of its source to its home, else one more than the offset of the one before it |
//! | `put_back` | bool | whether it came back from the dead letters |

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        Array, BooleanArray, BooleanBuilder, Float32Array, Float32Builder, Int64Array, Int64Builder,
        RecordBatch, StringArray, StringBuilder, UInt8Array, UInt8Builder, UInt32Array, UInt32Builder,
        UInt64Array, UInt64Builder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use crate::{
    event::{EventKind, EventRef},
    ids::{ArticleId, Timestamp},
    marker::Offset,
    state::Origin,
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    Arc::new(Schema::new(vec![
        field("offset", DataType::UInt64, false),
        field("log_time", DataType::Int64, false),
        field("event_time", DataType::Int64, false),
        field("user_id", DataType::Utf8, false),
        field("kind", DataType::UInt8, false),
        field("article_id", DataType::Int64, true),
        field("read_time", DataType::Float32, true),
        field("scroll_pct", DataType::Float32, true),
        field("device_type", DataType::UInt8, false),
        field("view_id", DataType::Utf8, true),
        field("seq", DataType::UInt32, true),
        field("detail", DataType::Utf8, true),
        field("origin", DataType::UInt64, true),
        field("turn", DataType::UInt64, true),
        field("put_back", DataType::Boolean, false),
    ]))
});

/// The schema of an event batch.
pub fn event_schema() -> SchemaRef {
    SCHEMA.clone()
}

const ORIGIN_OFFSET_BITS: u32 = 40;

/// Which copies of its source have to be there before a copy counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// Nothing is said of it.
    #[default]
    Unknown,
    /// None: it is the first from its source to its home.
    First,
    /// The one whose original has this offset.
    After(u64),
}

impl Turn {
    fn to_column(self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::First => Some(0),
            Self::After(offset) => Some(offset + 1),
        }
    }

    fn from_column(value: Option<u64>) -> Self {
        match value {
            None => Self::Unknown,
            Some(0) => Self::First,
            Some(next) => Self::After(next - 1),
        }
    }
}

/// Where a row stands in the log, beside what the event says.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPlace {
    /// Its offset.
    pub offset: Offset,
    /// The record's time.
    pub log_time: Timestamp,
    /// Of a copy: where the original lies.
    pub origin: Option<Origin>,
    /// Of a copy: what has to be there before it.
    pub turn: Turn,
    /// Whether it came back from the dead letters.
    pub put_back: bool,
}

/// Builds event batches, column by column.
#[derive(Debug, Default)]
pub struct EventBatchBuilder {
    offset: UInt64Builder,
    log_time: Int64Builder,
    event_time: Int64Builder,
    user_id: StringBuilder,
    kind: UInt8Builder,
    article_id: Int64Builder,
    read_time: Float32Builder,
    scroll_pct: Float32Builder,
    device_type: UInt8Builder,
    view_id: StringBuilder,
    seq: UInt32Builder,
    detail: StringBuilder,
    origin: UInt64Builder,
    turn: UInt64Builder,
    put_back: BooleanBuilder,
}

impl EventBatchBuilder {
    /// Appends an event. A missing timestamp is the record's, and a client's future is clamped to the log's time.
    pub fn push(&mut self, event: EventRef<'_>, place: &RowPlace) {
        let event_time = event.timestamp.map_or(place.log_time, |claimed| claimed.min(place.log_time));
        self.offset.append_value(place.offset.0);
        self.log_time.append_value(place.log_time.0);
        self.event_time.append_value(event_time.0);
        self.user_id.append_value(&event.user_id);
        self.kind.append_value(event.kind as u8);
        self.article_id.append_option(event.article_id.map(|article| article.0));
        self.read_time.append_option(event.read_time);
        self.scroll_pct.append_option(event.scroll_pct);
        self.device_type.append_value(event.device_type);
        self.view_id.append_option(event.view_id.as_deref());
        self.seq.append_option(event.seq);
        self.origin.append_option(
            place
                .origin
                .as_ref()
                .map(|origin| (u64::from(origin.partition) << ORIGIN_OFFSET_BITS) | origin.offset),
        );
        self.turn.append_option(place.turn.to_column());
        self.put_back.append_value(place.put_back);
        let detail = (event.kind != EventKind::Read).then(|| event.into_owned().to_json());
        self.detail
            .append_option(detail.as_deref().map(|json| std::str::from_utf8(json).unwrap_or_default()));
    }

    /// The batch of all rows since the last call.
    pub fn finish(&mut self) -> RecordBatch {
        RecordBatch::try_new(
            event_schema(),
            vec![
                Arc::new(self.offset.finish()),
                Arc::new(self.log_time.finish()),
                Arc::new(self.event_time.finish()),
                Arc::new(self.user_id.finish()),
                Arc::new(self.kind.finish()),
                Arc::new(self.article_id.finish()),
                Arc::new(self.read_time.finish()),
                Arc::new(self.scroll_pct.finish()),
                Arc::new(self.device_type.finish()),
                Arc::new(self.view_id.finish()),
                Arc::new(self.seq.finish()),
                Arc::new(self.detail.finish()),
                Arc::new(self.origin.finish()),
                Arc::new(self.turn.finish()),
                Arc::new(self.put_back.finish()),
            ],
        )
        .expect("the builders are those of the schema, and every push appends to each")
    }
}

/// The columns of an event batch, by name and type.
#[derive(Clone, Copy, Debug)]
pub struct EventColumns<'a> {
    offset: &'a UInt64Array,
    log_time: &'a Int64Array,
    event_time: &'a Int64Array,
    user_id: &'a StringArray,
    kind: &'a UInt8Array,
    article_id: &'a Int64Array,
    read_time: &'a Float32Array,
    scroll_pct: &'a Float32Array,
    device_type: &'a UInt8Array,
    view_id: &'a StringArray,
    seq: &'a UInt32Array,
    detail: &'a StringArray,
    origin: &'a UInt64Array,
    turn: &'a UInt64Array,
    put_back: &'a BooleanArray,
}

/// One row of an event batch.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow<'a> {
    /// Its offset.
    pub offset: Offset,
    /// The record's time.
    pub log_time: Timestamp,
    /// When it happened, never after the record's time.
    pub event_time: Timestamp,
    /// The reader.
    pub user_id: &'a str,
    /// What kind of thing it did.
    pub kind: EventKind,
    /// What it read.
    pub article_id: Option<ArticleId>,
    /// Seconds.
    pub read_time: Option<f32>,
    /// 0 to 100.
    pub scroll_pct: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub device_type: u8,
    /// The view.
    pub view_id: Option<&'a str>,
    /// The piece of the view.
    pub seq: Option<u32>,
    /// The event's JSON, where it is no read.
    pub detail: Option<&'a str>,
    /// Of a copy: where the original lies.
    pub origin: Option<Origin>,
    /// Of a copy: what has to be there before it.
    pub turn: Turn,
    /// Whether it came back from the dead letters.
    pub put_back: bool,
}

impl<'a> EventColumns<'a> {
    /// The columns of a batch that has [`event_schema`].
    ///
    /// # Panics
    /// When the batch has another schema.
    pub fn of(batch: &'a RecordBatch) -> Self {
        fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> &'a T {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_any().downcast_ref())
                .unwrap_or_else(|| panic!("an event batch has the column {name} of its schema"))
        }
        Self {
            offset: column(batch, "offset"),
            log_time: column(batch, "log_time"),
            event_time: column(batch, "event_time"),
            user_id: column(batch, "user_id"),
            kind: column(batch, "kind"),
            article_id: column(batch, "article_id"),
            read_time: column(batch, "read_time"),
            scroll_pct: column(batch, "scroll_pct"),
            device_type: column(batch, "device_type"),
            view_id: column(batch, "view_id"),
            seq: column(batch, "seq"),
            detail: column(batch, "detail"),
            origin: column(batch, "origin"),
            turn: column(batch, "turn"),
            put_back: column(batch, "put_back"),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.offset.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The reader of a row.
    pub fn user_id(&self, row: usize) -> &'a str {
        self.user_id.value(row)
    }

    /// What was read in a row.
    pub fn article_id(&self, row: usize) -> Option<ArticleId> {
        self.article_id.is_valid(row).then(|| ArticleId(self.article_id.value(row)))
    }

    /// One row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> EventRow<'a> {
        fn present<T>(array: &impl Array, row: usize, value: impl FnOnce() -> T) -> Option<T> {
            array.is_valid(row).then(value)
        }
        EventRow {
            offset: Offset(self.offset.value(row)),
            log_time: Timestamp(self.log_time.value(row)),
            event_time: Timestamp(self.event_time.value(row)),
            user_id: self.user_id.value(row),
            kind: EventKind::from_u8(self.kind.value(row))
                .expect("a batch holds the kinds that its builder wrote"),
            article_id: self.article_id(row),
            read_time: present(self.read_time, row, || self.read_time.value(row)),
            scroll_pct: present(self.scroll_pct, row, || self.scroll_pct.value(row)),
            device_type: self.device_type.value(row),
            view_id: present(self.view_id, row, || self.view_id.value(row)),
            seq: present(self.seq, row, || self.seq.value(row)),
            detail: present(self.detail, row, || self.detail.value(row)),
            origin: present(self.origin, row, || {
                let packed = self.origin.value(row);
                Origin {
                    partition: (packed >> ORIGIN_OFFSET_BITS) as u32,
                    offset: packed & ((1 << ORIGIN_OFFSET_BITS) - 1),
                }
            }),
            turn: Turn::from_column(present(self.turn, row, || self.turn.value(row))),
            put_back: self.put_back.value(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_the_future_is_clamped() {
        let json = br#"{"user_id":"ann","article_id":7,"timestamp":5000,"read_time":3.5}"#;
        let event = EventRef::from_json(json).unwrap();
        let place = RowPlace {
            offset: Offset(9),
            log_time: Timestamp(2_000),
            origin: Some(Origin { partition: 3, offset: 77 }),
            turn: Turn::After(0),
            put_back: false,
        };
        let mut builder = EventBatchBuilder::default();
        builder.push(event, &place);
        let batch = builder.finish();
        let row = EventColumns::of(&batch).row(0);
        assert_eq!(row.event_time, Timestamp(2_000));
        assert_eq!(row.article_id, Some(ArticleId(7)));
        assert_eq!((row.origin, row.turn), (Some(Origin { partition: 3, offset: 77 }), Turn::After(0)));
        assert_eq!((row.read_time, row.scroll_pct, row.view_id), (Some(3.5), None, None));
    }
}
