//! How long a client waits, passed down: the header `X-Request-Timeout-Ms`.

use std::{ops::RangeInclusive, sync::Arc};

use abovefold_schemas::Timestamp;
use axum::{
    extract::FromRequestParts,
    http::{HeaderName, request::Parts},
};

use super::{App, problem::Problem};

/// The header's name as documents write it.
pub(super) const NAME: &str = "X-Request-Timeout-Ms";
/// The header's name.
pub(super) const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-request-timeout-ms");
/// What it may say, in milliseconds.
pub(super) const RANGE: RangeInclusive<i64> = 1..=30_000;

/// The moment from which on the client does not wait any more; `None` where it does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(pub(super) Option<Timestamp>);

impl FromRequestParts<Arc<App>> for Deadline {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let mut given = parts.headers.get_all(TIMEOUT_HEADER).iter();
        let Some(first) = given.next() else { return Ok(Self(None)) };
        let number = first.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match number.and_then(|text| text.parse::<i64>().ok()).filter(|number| RANGE.contains(number)) {
            Some(millis) if given.next().is_none() => Ok(Self(Some(Timestamp(app.runtime.now().0 + millis)))),
            _ => Err(Problem::unreadable(format!(
                "the header {NAME} is not one integer from {} to {}",
                RANGE.start(),
                RANGE.end()
            ))),
        }
    }
}
