//! What the log holds of a reader, as it is stored.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use abovefold_engine::log::{Position, Record};
use abovefold_schemas::{Event, EventKind, Offset, ReaderId};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    App,
    fields::{self, Parameters},
    keys::Caller,
    problem::Problem,
};

/// How many records are read at a time, from the end backwards: a reader who was here just now is found in the first few.
const PIECES: [u64; 3] = [2_000, 8_000, 40_000];
/// How long one piece may take.
const LIMIT: Duration = Duration::from_secs(5);

/// An event of a reader.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct StoredEvent {
    offset: u64,
    /// The log's own time of it, in RFC 3339.
    time: String,
    /// `read`, `preferences`, `profile`, `forget`.
    r#type: &'static str,
    /// Whether the reader asked to be forgotten later: then it is in the log and counts for nothing.
    forgotten: bool,
    /// The event as it was written.
    #[schema(value_type = Object)]
    event: Value,
}

/// The latest events of a reader.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct StoredEvents {
    user_id: String,
    /// The topic, and the partition that all events of the reader are in.
    topic: String,
    partition: u32,
    /// Newest first.
    events: Vec<StoredEvent>,
    /// How many records of the partition were looked at, from its end backwards; at most 50,000.
    searched: u64,
    /// Whether these are all; otherwise there may be older ones.
    complete: bool,
}

/// A reader's events as the log has them, newest first.
#[utoipa::path(get, path = "/users/{user_id}/events", tag = "reading",
    params(("user_id" = String, Path, description = "The reader"),
        ("limit" = Option<u32>, Query, description = "How many, at most 100; 50 unless told otherwise")),
    responses((status = 200, description = "Newest first", body = StoredEvents),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The log is down", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(user_id): Path<String>,
    Query(parameters): Parameters,
) -> Result<Json<StoredEvents>, Problem> {
    let reader = fields::reader("user_id", user_id)?;
    caller.may_act_for(&reader)?;
    let limit = fields::number(&parameters, "limit", 1..=100, 50)?;
    let partition = app.seen().query.home(&reader);
    let bounds = within(&app, app.log.bounds(&app.events_topic)).await?;
    let bounds = bounds.get(partition as usize).copied();
    let bounds =
        bounds.ok_or_else(|| Problem::unavailable("the log does not have the reader's partition"))?;
    let mut found = VecDeque::new();
    let mut from = bounds.end;
    for piece in PIECES {
        if from <= bounds.begin || found.len() > limit {
            break;
        }
        let until = from;
        from = Offset(until.0.saturating_sub(piece)).max(bounds.begin);
        let older = within(&app, of_reader(&app, &reader, partition, from, until)).await?;
        older.into_iter().rev().for_each(|event| found.push_front(event));
        // One more than is asked for says that there are more.
        found.drain(..found.len().saturating_sub(limit + 1));
    }
    let complete = from <= bounds.begin && found.len() <= limit;
    found.drain(..found.len().saturating_sub(limit));
    let mut events: Vec<StoredEvent> = found.into_iter().rev().collect();
    let forget = events.iter().position(|event| event.r#type == name(EventKind::Forget));
    let before = forget.map_or(events.len(), |place| place + 1);
    events[before..].iter_mut().for_each(|event| event.forgotten = true);
    Ok(Json(StoredEvents {
        user_id: reader.as_str().into(),
        topic: app.events_topic.clone(),
        partition,
        events,
        searched: bounds.end.0 - from.0,
        complete,
    }))
}

/// The reader's events from `from` to before `until`, oldest first.
async fn of_reader(
    app: &App,
    reader: &ReaderId,
    partition: u32,
    from: Offset,
    until: Offset,
) -> abovefold_engine::Result<Vec<StoredEvent>> {
    let mut log = app.log.read(&app.events_topic, vec![Position { partition, offset: from }]).await?;
    let (mut events, mut next) = (Vec::new(), from);
    while next < until {
        let run = log.next().await?;
        next = run.next;
        let before = run.records.iter().take_while(|record| record.offset < until);
        events.extend(before.filter_map(|record| stored(record, reader)));
    }
    Ok(events)
}

/// The event of a record, if it is one of this reader.
fn stored(record: &Record, reader: &ReaderId) -> Option<StoredEvent> {
    if record.key.as_deref() != Some(reader.as_bytes()) {
        return None;
    }
    let event = Event::from_json(&record.value).ok().filter(|event| event.user_id == *reader)?;
    Some(StoredEvent {
        offset: record.offset.0,
        time: record.time.to_rfc3339(),
        r#type: name(event.kind),
        forgotten: false,
        event: serde_json::from_slice(&record.value).ok()?,
    })
}

fn name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Read => "read",
        EventKind::Preferences => "preferences",
        EventKind::Profile => "profile",
        EventKind::Forget => "forget",
    }
}

async fn within<T>(app: &App, call: impl Future<Output = abovefold_engine::Result<T>>) -> Result<T, Problem> {
    let answer = app.runtime.timeout(LIMIT, call).await;
    Ok(answer.ok_or_else(|| Problem::unavailable("the log did not answer within 5 s"))??)
}
