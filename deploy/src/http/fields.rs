//! Fields of a request, read one by one, so that an error names the one that is to blame.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use abovefold_schemas::{ArticleId, ReaderId};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
};
use serde_json::{Map, Value};

use super::{App, MAX_BODY_BYTES, problem::Problem, unique::UniqueNames};

/// A whole body, as it is: not too long, not packed, and not too slow.
#[derive(Debug)]
pub(super) struct Body(pub(super) Bytes);
/// The parameters of a query string.
pub(super) type Parameters = axum::extract::Query<BTreeMap<String, String>>;

impl FromRequest<Arc<App>> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if is_packed(request.headers()) {
            let detail = "the body is packed (Content-Encoding); send it as it is";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        match app.runtime.timeout(app.body_time, Bytes::from_request(request, app)).await {
            Some(body) => body.map(Self).map_err(refused),
            None => {
                let detail = format!("the body did not come within {} s", app.body_time.as_secs_f64());
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
            }
        }
    }
}

/// Whether a body would have to be unpacked, which may make very much of very little.
fn is_packed(headers: &HeaderMap) -> bool {
    let as_it_is = |value: &[u8]| value.is_empty() || value.eq_ignore_ascii_case(b"identity");
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !as_it_is(value.as_bytes()))
}

fn refused(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {MAX_BODY_BYTES} bytes"),
        ),
        status => Problem::new(status, rejection.body_text()),
    }
}

/// Whether no name of the JSON text is there twice.
pub(super) fn check_names(body: &[u8]) -> Result<(), Problem> {
    match serde_json::from_slice::<UniqueNames>(body) {
        Ok(UniqueNames) => Ok(()),
        Err(error) => Err(Problem::unreadable(format!("the body is not JSON: {error}"))),
    }
}

/// The fields of a JSON object. Unknown ones are ignored, and `null` is as good as absent.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        check_names(body)?;
        match serde_json::from_slice(body) {
            Ok(Value::Object(mut fields)) => {
                fields.values_mut().for_each(take_whole_numbers);
                Ok(Self(fields))
            }
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

    /// The object again, as JSON.
    pub(super) fn into_json(self) -> String {
        Value::Object(self.0).to_string()
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
        let expected = format!("a list of at most {most} texts of 1 to {longest} bytes");
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

/// Whole numbers up to this one are exact as floats; beyond it, one may stand for another.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// JSON does not tell 1.0 from 1, and programs write either: what is whole and exact becomes an integer.
fn take_whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64()).unwrap_or(f64::NAN);
            if float.fract() == 0.0 && float.abs() <= MOST_EXACT {
                *number = (float as i64).into();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(take_whole_numbers),
        Value::Object(object) => object.values_mut().for_each(take_whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
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
