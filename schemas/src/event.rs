//! The event: what a reader did, as JSON on the wire.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Unexpected, Visitor},
};

use crate::ids::{ArticleId, ReaderId, Timestamp};

/// The greatest length of a view id or an impression id, in bytes.
pub const MAX_TOKEN_BYTES: usize = 128;
/// The most topics that a reader can prefer.
pub const MAX_TOPICS: usize = 64;

/// What kind of thing a reader did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum EventKind {
    /// Read an article (the default when `type` is absent).
    #[default]
    Read = 0,
    /// Chose topics.
    Preferences = 1,
    /// Told something of itself.
    Profile = 2,
    /// Asked to be forgotten.
    Forget = 3,
}

impl EventKind {
    /// The kind of a number that a batch holds.
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::Read, Self::Preferences, Self::Profile, Self::Forget].get(usize::from(number)).copied()
    }
}

/// What a reader tells of itself. Every field may be unknown; a `profile` event changes only the fields that it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileFields {
    /// 0 or 1 as in EB-NeRD; the network has 2 for unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<u8>,
    /// The decade of the age: 30 for a reader of 30 to 39.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u8>,
    /// Signed in through single sign-on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_sso_user: Option<bool>,
    /// Pays for the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_subscriber: Option<bool>,
}

/// One event of a reader.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Who.
    pub user_id: ReaderId,
    /// What kind of thing.
    #[serde(rename = "type", skip_serializing_if = "is_read")]
    pub kind: EventKind,
    /// What was read; always there for a read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub article_id: Option<ArticleId>,
    /// Seconds on the page, at least 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_time: Option<f32>,
    /// The greatest share of the article seen, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scroll_pct: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    #[serde(skip_serializing_if = "is_zero")]
    pub device_type: u8,
    /// When it happened by the client's clock; the record's own time where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The slate that led to the read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impression_id: Option<String>,
    /// The view that this is a piece of: pieces of one view amend one read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_id: Option<String>,
    /// The number of the piece within its view; one that is not above the highest seen is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u32>,
    /// Preferred topics, of a `preferences` event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Of a `profile` event.
    #[serde(flatten)]
    pub profile: ProfileFields,
}

fn is_read(kind: &EventKind) -> bool {
    *kind == EventKind::Read
}

fn is_zero(device: &u8) -> bool {
    *device == 0
}

/// An event as it is read: its texts lie in the bytes that it was read from, unless they are written there with escapes.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRef<'a> {
    /// As in [`Event`], like all that follow; it is a [`ReaderId`].
    pub user_id: Cow<'a, str>,
    /// What kind of thing.
    pub kind: EventKind,
    /// What was read.
    pub article_id: Option<ArticleId>,
    /// Seconds on the page.
    pub read_time: Option<f32>,
    /// 0 to 100.
    pub scroll_pct: Option<f32>,
    /// 0 to 3.
    pub device_type: u8,
    /// By the client's clock.
    pub timestamp: Option<Timestamp>,
    /// The slate.
    pub impression_id: Option<Cow<'a, str>>,
    /// The view.
    pub view_id: Option<Cow<'a, str>>,
    /// The piece of the view.
    pub seq: Option<u32>,
    /// Preferred topics.
    pub topics: Vec<String>,
    /// Of a `profile` event.
    pub profile: ProfileFields,
}

impl EventRef<'_> {
    /// The event, apart from the bytes.
    pub fn into_owned(self) -> Event {
        let user_id = ReaderId::new(self.user_id).expect("it was checked when it was read");
        Event {
            user_id,
            kind: self.kind,
            article_id: self.article_id,
            read_time: self.read_time,
            scroll_pct: self.scroll_pct,
            device_type: self.device_type,
            timestamp: self.timestamp,
            impression_id: self.impression_id.map(Cow::into_owned),
            view_id: self.view_id.map(Cow::into_owned),
            seq: self.seq,
            topics: self.topics,
            profile: self.profile,
        }
    }
}

/// Why bytes are no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not UTF-8.
    #[error("not UTF-8: {0}")]
    Utf8(String),
    /// Not JSON, or no object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// A field is missing, of another type, or out of its range.
    #[error("field `{field}`: {reason}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl EventError {
    fn field(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field { field, reason: reason.into() }
    }
}

/// A text or a number, as ids and timestamps come.
enum TextOrNumber<'a> {
    Integer(i64),
    Text(Cow<'a, str>),
}

// By hand: of an untagged enum, serde would make an error in words for each kind that is tried before the right one, for each event.
impl<'de: 'a, 'a> Deserialize<'de> for TextOrNumber<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumberVisitor)
    }
}

struct TextOrNumberVisitor;

impl<'de> Visitor<'de> for TextOrNumberVisitor {
    type Value = TextOrNumber<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an integer")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(TextOrNumber::Integer(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        let number =
            i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))?;
        Ok(TextOrNumber::Integer(number))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(TextOrNumber::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(TextOrNumber::Text(Cow::Owned(text.to_owned())))
    }
}

/// A text that stays where it is. (Of a `Cow` within an `Option`, serde makes a copy.)
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    user_id: Option<TextOrNumber<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(default)]
    article_id: Option<i64>,
    #[serde(default)]
    read_time: Option<f64>,
    #[serde(default)]
    scroll_pct: Option<f64>,
    #[serde(default)]
    device_type: Option<i64>,
    #[serde(borrow, default)]
    timestamp: Option<TextOrNumber<'a>>,
    #[serde(borrow, default)]
    impression_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    view_id: Option<Text<'a>>,
    #[serde(default)]
    seq: Option<u32>,
    #[serde(default)]
    topics: Option<Vec<String>>,
    #[serde(default)]
    gender: Option<u8>,
    #[serde(default)]
    age: Option<u8>,
    #[serde(default)]
    is_sso_user: Option<bool>,
    #[serde(default)]
    is_subscriber: Option<bool>,
}

impl Event {
    /// A read with nothing but what every read has.
    pub fn read(user_id: ReaderId, article_id: ArticleId) -> Self {
        Self {
            user_id,
            kind: EventKind::Read,
            article_id: Some(article_id),
            read_time: None,
            scroll_pct: None,
            device_type: 0,
            timestamp: None,
            impression_id: None,
            view_id: None,
            seq: None,
            topics: Vec::new(),
            profile: ProfileFields::default(),
        }
    }

    /// An event of another kind, with nothing in it yet.
    pub fn of_kind(user_id: ReaderId, kind: EventKind) -> Self {
        Self { kind, article_id: None, ..Self::read(user_id, ArticleId(0)) }
    }

    /// Reads an event. Unknown fields are ignored, missing optional ones are absent.
    ///
    /// # Errors
    /// When the bytes are no JSON object or a field is missing, mistyped or out of its range; the error names the field.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EventError> {
        EventRef::from_json(bytes).map(EventRef::into_owned)
    }

    /// The event as JSON, without the fields that are absent.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an event has only text keys and finite numbers")
    }
}

impl<'a> EventRef<'a> {
    /// Reads an event where it lies. Unknown fields are ignored, missing optional ones are absent.
    ///
    /// # Errors
    /// When the bytes are no JSON object or a field is missing, mistyped or out of its range; the error names the field.
    pub fn from_json(bytes: &'a [u8]) -> Result<Self, EventError> {
        // The parser would take a list as the fields in their order.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(EventError::Json("it does not begin with {".into()));
        }
        match serde_json::from_slice::<Wire<'_>>(bytes) {
            Ok(wire) => Self::from_wire(wire),
            Err(error) => Err(explain(bytes, &error)),
        }
    }

    fn from_wire(wire: Wire<'a>) -> Result<Self, EventError> {
        let user_id = match wire.user_id {
            None => return Err(EventError::field("user_id", "is missing")),
            Some(TextOrNumber::Integer(number)) => Cow::Owned(number.to_string()),
            Some(TextOrNumber::Text(text)) => text,
        };
        ReaderId::check(&user_id).map_err(|error| EventError::field("user_id", error.to_string()))?;
        let kind = match wire.kind.as_ref().map(|kind| kind.0.as_ref()) {
            None | Some("read") => EventKind::Read,
            Some("preferences") => EventKind::Preferences,
            Some("profile") => EventKind::Profile,
            Some("forget") => EventKind::Forget,
            Some(_) => {
                return Err(EventError::field("type", "is none of read, preferences, profile, forget"));
            }
        };
        if kind == EventKind::Read && wire.article_id.is_none() {
            return Err(EventError::field("article_id", "is missing"));
        }
        let timestamp = match wire.timestamp {
            None => None,
            Some(TextOrNumber::Integer(millis)) => Some(Timestamp(millis)),
            Some(TextOrNumber::Text(text)) => Some(Timestamp::parse(&text).ok_or_else(|| {
                EventError::field(
                    "timestamp",
                    "is neither RFC 3339, nor that without a zone, nor epoch milliseconds",
                )
            })?),
        };
        if kind == EventKind::Preferences && wire.topics.is_none() {
            return Err(EventError::field("topics", "is missing"));
        }
        let topics = wire.topics.unwrap_or_default();
        if topics.len() > MAX_TOPICS
            || topics.iter().any(|topic| topic.is_empty() || topic.len() > MAX_TOKEN_BYTES)
        {
            return Err(EventError::field(
                "topics",
                "holds more than 64 topics, or an empty one, or one of over 128 bytes",
            ));
        }
        if wire.gender.is_some_and(|gender| gender > 2) {
            return Err(EventError::field("gender", "is none of 0, 1, 2"));
        }
        let device_type = wire.device_type.unwrap_or(0);
        Ok(Self {
            user_id,
            kind,
            article_id: wire.article_id.map(ArticleId),
            read_time: number_in("read_time", wire.read_time, 0.0, 1e9)?,
            scroll_pct: number_in("scroll_pct", wire.scroll_pct, 0.0, 100.0)?,
            device_type: u8::try_from(device_type)
                .ok()
                .filter(|device| *device <= 4)
                .ok_or_else(|| EventError::field("device_type", "is none of 0 to 4"))?,
            timestamp: timestamp
                .map(|moment| match (0..=MAX_MILLIS).contains(&moment.0) {
                    true => Ok(moment),
                    false => Err(EventError::field("timestamp", "is before 1970 or after 9999")),
                })
                .transpose()?,
            impression_id: token("impression_id", wire.impression_id)?,
            view_id: token("view_id", wire.view_id)?,
            seq: wire.seq,
            topics,
            profile: ProfileFields {
                gender: wire.gender,
                age: wire.age,
                is_sso_user: wire.is_sso_user,
                is_subscriber: wire.is_subscriber,
            },
        })
    }
}

/// The last millisecond of the year 9999.
const MAX_MILLIS: i64 = 253_402_300_799_999;

fn number_in(
    field: &'static str,
    value: Option<f64>,
    least: f64,
    most: f64,
) -> Result<Option<f32>, EventError> {
    match value {
        None => Ok(None),
        Some(number) if number.is_finite() && (least..=most).contains(&number) => Ok(Some(number as f32)),
        Some(_) => Err(EventError::field(field, format!("is not between {least} and {most}"))),
    }
}

fn token<'a>(field: &'static str, text: Option<Text<'a>>) -> Result<Option<Cow<'a, str>>, EventError> {
    match text {
        Some(Text(text)) if text.len() > MAX_TOKEN_BYTES => {
            Err(EventError::field(field, "has more than 128 bytes"))
        }
        other => Ok(other.map(|text| text.0)),
    }
}

/// A field, what it should be, and whether a value is that.
type Expectation = (&'static str, &'static str, fn(&serde_json::Value) -> bool);

/// The slow path: says which field made the fast path fail.
fn explain(bytes: &[u8], error: &serde_json::Error) -> EventError {
    if let Err(error) = std::str::from_utf8(bytes) {
        return EventError::Utf8(error.to_string());
    }
    let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(bytes) else {
        return EventError::Json(error.to_string());
    };
    let expectations: [Expectation; 15] = [
        ("user_id", "a text or an integer", |v| v.is_string() || v.is_i64()),
        ("article_id", "an integer", serde_json::Value::is_i64),
        ("read_time", "a number", serde_json::Value::is_number),
        ("scroll_pct", "a number", serde_json::Value::is_number),
        ("device_type", "an integer", serde_json::Value::is_i64),
        ("timestamp", "a text or an integer", |v| v.is_string() || v.is_i64()),
        ("type", "a text", serde_json::Value::is_string),
        ("impression_id", "a text", serde_json::Value::is_string),
        ("view_id", "a text", serde_json::Value::is_string),
        ("seq", "an integer from 0 to 4294967295", |v| v.as_u64().is_some_and(|n| n <= u64::from(u32::MAX))),
        ("topics", "a list of texts", |v| {
            v.as_array().is_some_and(|list| list.iter().all(|t| t.is_string()))
        }),
        ("gender", "an integer from 0 to 255", is_small),
        ("age", "an integer from 0 to 255", is_small),
        ("is_sso_user", "true or false", serde_json::Value::is_boolean),
        ("is_subscriber", "true or false", serde_json::Value::is_boolean),
    ];
    for (field, expected, holds) in expectations {
        if object.get(field).is_some_and(|value| !value.is_null() && !holds(value)) {
            return EventError::field(field, format!("is not {expected}"));
        }
    }
    EventError::Json(error.to_string())
}

fn is_small(value: &serde_json::Value) -> bool {
    value.as_u64().is_some_and(|number| number <= 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_systems_event_is_read() {
        let event = Event::from_json(
            br#"{"user_id":"123456","article_id":9876543,"read_time":45.2,"scroll_pct":85.0,"device_type":1,"timestamp":"2024-01-01T12:00:00"}"#,
        )
        .unwrap();
        assert_eq!(event.user_id.as_str(), "123456");
        assert_eq!(event.article_id, Some(ArticleId(9_876_543)));
        assert_eq!(event.timestamp, Some(Timestamp(1_704_110_400_000)));
        assert_eq!(Event::from_json(&event.to_json()), Ok(event));
    }

    #[test]
    fn numbers_name_readers_too_and_unknown_fields_are_ignored() {
        let event =
            Event::from_json(br#"{"user_id":42,"article_id":7,"colour":"red","timestamp":1704110400000}"#)
                .unwrap();
        assert_eq!(event.user_id.as_str(), "42");
        assert_eq!(event.timestamp, Some(Timestamp(1_704_110_400_000)));
    }

    #[test]
    fn what_is_wrong_is_said_by_field() {
        for (json, field) in [
            (r#"{"article_id":7}"#, "user_id"),
            (r#"{"user_id":"","article_id":7}"#, "user_id"),
            (r#"{"user_id":{},"article_id":7}"#, "user_id"),
            (r#"{"user_id":"a"}"#, "article_id"),
            (r#"{"user_id":"a","article_id":"x"}"#, "article_id"),
            (r#"{"user_id":"a","article_id":7,"read_time":-1}"#, "read_time"),
            (r#"{"user_id":"a","article_id":7,"read_time":"long"}"#, "read_time"),
            (r#"{"user_id":"a","article_id":7,"scroll_pct":101}"#, "scroll_pct"),
            (r#"{"user_id":"a","article_id":7,"timestamp":"yesterday"}"#, "timestamp"),
            (r#"{"user_id":"a","article_id":7,"device_type":9}"#, "device_type"),
            (r#"{"user_id":"a","type":"dance"}"#, "type"),
            (r#"{"user_id":"a","type":"preferences"}"#, "topics"),
        ] {
            let error = Event::from_json(json.as_bytes()).unwrap_err();
            assert!(
                matches!(error, EventError::Field { field: named, .. } if named == field),
                "{json}: {error}"
            );
        }
        assert!(matches!(Event::from_json(b"not json"), Err(EventError::Json(_))));
        assert!(matches!(Event::from_json(b"{\"user_id\":\"\xff\"}"), Err(EventError::Utf8(_))));
        assert!(matches!(
            Event::from_json(br#"{"user_id":"a","article_id":7,"read_time":NaN}"#),
            Err(EventError::Json(_))
        ));
        assert!(matches!(Event::from_json(br#"["a", null, 7]"#), Err(EventError::Json(_))));
    }
}
