//! Fields of a request, read one by one, so that an error names the one that is to blame.

use std::{collections::BTreeMap, ops::RangeInclusive};

use abovefold_schemas::{ArticleId, ReaderId};
use axum::{body::Bytes, extract::rejection::BytesRejection, http::StatusCode};
use serde_json::{Map, Value};

use super::{MAX_BODY_BYTES, problem::Problem};

/// A body as axum read it.
pub(super) type Body = Result<Bytes, BytesRejection>;
/// The parameters of a query string.
pub(super) type Parameters = axum::extract::Query<BTreeMap<String, String>>;

/// The bytes of a body, or why they are not taken.
pub(super) fn bytes(body: Body) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {MAX_BODY_BYTES} bytes"),
        ),
        status => Problem::new(status, rejection.body_text()),
    })
}

/// The fields of a JSON object. Unknown ones are ignored, and `null` is as good as absent.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Problem::unreadable("the body is JSON, but no object")),
            Err(error) => Err(Problem::unreadable(format!("the body is not JSON: {error}"))),
        }
    }

    fn get<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                read(value).map(Some).ok_or_else(|| Problem::field(name, &format!("is not {expected}")))
            }
        }
    }

    /// A field as it is; null where it is absent.
    pub(super) fn value(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// A reader's id, as text or as a number.
    pub(super) fn reader(&self, name: &str) -> Result<ReaderId, Problem> {
        let read = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => number.as_i64().map(|number| number.to_string()),
            _ => None,
        };
        match self.get(name, "a text or an integer", read)? {
            Some(text) => reader(name, text),
            None => Err(Problem::field(name, "is missing")),
        }
    }

    pub(super) fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let expected = match (*range.start(), *range.end()) {
            (i64::MIN, i64::MAX) => "an integer".to_string(),
            (least, most) => format!("an integer from {least} to {most}"),
        };
        self.get(name, &expected, |value| value.as_i64().filter(|number| range.contains(number)))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        self.get(name, "a text", |value| value.as_str().map(String::from))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.get(name, "true or false", Value::as_bool)
    }

    /// A list of at most so many texts, each of at most so many bytes.
    pub(super) fn texts(&self, name: &str, (most, longest): (usize, usize)) -> Result<Vec<String>, Problem> {
        let expected = format!("a list of at most {most} texts of at most {longest} bytes");
        let text = |value: &Value| {
            value.as_str().filter(|text| !text.is_empty() && text.len() <= longest).map(String::from)
        };
        let read = |value: &Value| {
            let list = value.as_array().filter(|list| list.len() <= most)?;
            list.iter().map(text).collect::<Option<Vec<_>>>()
        };
        Ok(self.get(name, &expected, read)?.unwrap_or_default())
    }

    pub(super) fn article_ids(&self, name: &str, most: usize) -> Result<Vec<ArticleId>, Problem> {
        let expected = format!("a list of at most {most} integers");
        let read = |value: &Value| {
            let list = value.as_array().filter(|list| list.len() <= most)?;
            list.iter().map(|value| value.as_i64().map(ArticleId)).collect::<Option<Vec<_>>>()
        };
        Ok(self.get(name, &expected, read)?.unwrap_or_default())
    }
}

/// A reader's id out of a text.
pub(super) fn reader(field: &str, text: impl Into<String>) -> Result<ReaderId, Problem> {
    ReaderId::new(text).map_err(|error| Problem::field(field, &format!("is no id: {error}")))
}

/// An article's number out of a path.
pub(super) fn article(text: &str) -> Result<ArticleId, Problem> {
    text.parse().map(ArticleId).map_err(|_| Problem::field("article_id", "is not an integer"))
}

/// A number out of a query string.
pub(super) fn number(
    parameters: &BTreeMap<String, String>,
    name: &str,
    range: RangeInclusive<usize>,
    default: usize,
) -> Result<usize, Problem> {
    let Some(text) = parameters.get(name) else { return Ok(default) };
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        Problem::field(name, &format!("is not an integer from {} to {}", range.start(), range.end()))
    })
}
