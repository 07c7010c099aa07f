//! Records that are no event: listed, shown, put back.

use std::sync::Arc;

use abovefold_schemas::{Timestamp, records::DeadLetter};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    commands::dead_letters::{self, PutBack, by_reason, text},
    http::{
        App,
        fields::{self, Body, Fields, Parameters},
        problem::Problem,
    },
};

/// The most letters of a listing.
const MOST: usize = 1_000;
/// The most letters that are named to be put back: with the longest ids they still fit a body.
pub(in crate::http) const MOST_NAMED: usize = 100;
/// The longest id, in bytes.
pub(in crate::http) const LONGEST_ID: usize = 400;

/// A record that is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct ListedLetter {
    id: String,
    /// When it was logged (RFC 3339).
    time: String,
    /// Its length.
    bytes: usize,
    /// Why it is no event.
    reason: String,
    /// Whether it was put back and counted in the namespace that readers see.
    put_back: bool,
}

/// A reason, whatever the numbers in it, and how many letters have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct ReasonCount {
    reason: String,
    count: usize,
}

/// The last dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct DeadLetterList {
    /// All that the topic holds.
    total: u64,
    /// Newest first.
    letters: Vec<ListedLetter>,
    /// Of the letters that were looked at, most first.
    reasons: Vec<ReasonCount>,
}

/// A dead letter, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct WholeLetter {
    id: String,
    topic: String,
    partition: u32,
    offset: u64,
    /// When it was logged (RFC 3339).
    time: String,
    /// Null where it had none.
    key: Option<String>,
    /// What is no UTF-8 in it is replaced.
    value: String,
    /// Why it is no event.
    reason: String,
}

/// What became of letters that were to be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct PutBackCounts {
    put_back: usize,
    /// They still are no events.
    still_dead: usize,
}

/// Which letters: `ids`, or `all`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `put_back` reads, for the OpenAPI document")]
pub(in crate::http) struct PutBackWish {
    /// At most 100.
    ids: Option<serde_json::Value>,
    /// True for all there are.
    all: Option<serde_json::Value>,
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<abovefold_engine::EngineError>() {
            Ok(error) => error.into(),
            Err(error) => Self::unavailable(format!("{error:#}")),
        }
    }
}

/// The last records that are no event.
#[utoipa::path(get, path = "/admin/dead-letters", operation_id = "list_dead_letters", tag = "operations",
    params(("limit" = Option<u32>, Query, description = "How many, at most 1,000; 100 unless told otherwise", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "Newest first", body = DeadLetterList),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    Query(parameters): Parameters,
) -> Result<Json<DeadLetterList>, Problem> {
    let limit = fields::number(&parameters, "limit", 1..=MOST, 100)?;
    let session = &app.admin.session;
    let total = dead_letters::count(session).await?;
    let mut letters: Vec<(String, DeadLetter)> =
        dead_letters::newest(session, limit).await?.into_iter().collect();
    letters.sort_by(|(_, a), (_, b)| {
        b.time.cmp(&a.time).then((b.partition, b.offset).cmp(&(a.partition, a.offset)))
    });
    let reasons = by_reason(letters.iter().map(|(_, letter)| letter));
    letters.truncate(limit);
    // A store that is down leaves the letters to be read all the same.
    let counted = dead_letters::counted(session).await.unwrap_or_default();
    let listed = |(id, letter): (String, DeadLetter)| ListedLetter {
        id,
        time: Timestamp(letter.time).to_rfc3339(),
        bytes: letter.value.len(),
        put_back: counted.contains(&(letter.partition, letter.offset)),
        reason: letter.reason,
    };
    Ok(Json(DeadLetterList {
        total,
        letters: letters.into_iter().map(listed).collect(),
        reasons: reasons.into_iter().map(|(reason, count)| ReasonCount { reason, count }).collect(),
    }))
}

/// A record that is no event, with its bytes.
#[utoipa::path(get, path = "/admin/dead-letters/{id}", operation_id = "show_dead_letter", tag = "operations",
    params(("id" = String, Path, description = "As listed")),
    responses((status = 200, description = "The letter", body = WholeLetter),
        (status = 404, description = "There is no such letter", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<WholeLetter>, Problem> {
    let found = dead_letters::find(&app.admin.session, std::slice::from_ref(&id)).await?;
    let letter = found.into_values().next().ok_or_else(|| missing(&id))?;
    Ok(Json(WholeLetter {
        id,
        time: Timestamp(letter.time).to_rfc3339(),
        key: letter.key.as_deref().map(text),
        value: text(&letter.value),
        topic: letter.topic,
        partition: letter.partition,
        offset: letter.offset,
        reason: letter.reason,
    }))
}

fn missing(id: &str) -> Problem {
    Problem::missing(format!("there is no dead letter {id}; GET /admin/dead-letters lists them"))
}

/// Sends letters that are events by now to their reader's home, where each counts once.
#[utoipa::path(post, path = "/admin/dead-letters/put-back", operation_id = "put_back_dead_letters", tag = "operations", request_body = PutBackWish,
    responses((status = 200, description = "It is done; some may still be no events", body = PutBackCounts),
        (status = 404, description = "There is no such letter, and none was put back", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Neither `ids` nor `all`", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn put_back(
    State(app): State<Arc<App>>,
    Body(body): Body,
) -> Result<Json<PutBackCounts>, Problem> {
    let fields = Fields::parse(&body)?;
    let session = &app.admin.session;
    let PutBack { sent, still_dead } = if fields.value("all") == true {
        dead_letters::put_back_all(session).await?
    } else {
        if fields.value("ids").is_null() {
            return Err(Problem::field("ids", "is missing; name letters, or send \"all\": true"));
        }
        let ids = fields.texts("ids", (MOST_NAMED, LONGEST_ID))?;
        let letters = dead_letters::find(session, &ids).await?;
        if let Some(id) = ids.iter().find(|id| !letters.contains_key(*id)) {
            return Err(missing(id));
        }
        dead_letters::put_back(session, letters.values()).await?
    };
    Ok(Json(PutBackCounts { put_back: sent, still_dead }))
}
