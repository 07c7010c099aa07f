//! The last lines of the log.

use axum::{Json, extract::Query};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        fields::{self, Parameters},
        live::LogCounts,
        problem::Problem,
    },
    recent::{Counts, Line, MOST_LINES, RECENT},
};

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct LogLine {
    /// RFC 3339.
    time: String,
    /// `warn` or `error`.
    level: &'static str,
    /// The module that said it.
    target: String,
    /// Its message and fields, in one line.
    text: String,
}

/// The last lines of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct LogLines {
    /// Newest first.
    lines: Vec<LogLine>,
    /// At warn, since the start.
    warnings: u64,
    /// At error, since the start.
    errors: u64,
}

impl From<Line> for LogLine {
    fn from(line: Line) -> Self {
        let level = if line.is_error { "error" } else { "warn" };
        Self { time: line.time.to_rfc3339(), level, target: line.target, text: line.text }
    }
}

/// How many lines there were since the start.
pub(in crate::http) fn log_counts() -> LogCounts {
    let Counts { warnings, errors } = RECENT.counts();
    LogCounts { warnings, errors }
}

/// What this process logged last at warn and above.
#[utoipa::path(get, path = "/admin/log", operation_id = "log_lines", tag = "operations",
    params(("limit" = Option<u32>, Query, description = "How many, at most 1,000; 200 unless told otherwise", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "Newest first", body = LogLines),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn lines(Query(parameters): Parameters) -> Result<Json<LogLines>, Problem> {
    let limit = fields::number(&parameters, "limit", 1..=MOST_LINES, 200)?;
    let (lines, Counts { warnings, errors }) = RECENT.last(limit);
    Ok(Json(LogLines { lines: lines.into_iter().map(LogLine::from).collect(), warnings, errors }))
}
