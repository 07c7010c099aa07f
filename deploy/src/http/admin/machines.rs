//! The time machine: a reader's front page as of an earlier moment.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use abovefold_engine::log::Position;
use abovefold_operators::query::Request;
use abovefold_schemas::Timestamp;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        App,
        answers::Slate,
        fields::{self, Body, Fields, Parameters},
        problem::Problem,
    },
    time_machine::{Machine, Stage, TimeMachines},
};

/// The name by which the front page of now is asked for.
const LIVE: &str = "live";
/// How long the log may take to say when it begins.
const LIMIT: Duration = Duration::from_secs(1);

/// A time machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct MachineState {
    /// The name of its namespace.
    id: String,
    /// The moment (RFC 3339).
    until: String,
    /// `replaying`, `ready` or `failed`.
    state: &'static str,
    /// Records folded; 0 before it is known, or once it is done.
    done: u64,
    /// Records to fold; 0 as above.
    total: u64,
    /// Why it failed; null where it did not.
    error: Option<String>,
}

/// The time machines of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct MachineList {
    /// The one asked for last at the end.
    machines: Vec<MachineState>,
    /// When the log begins (RFC 3339); null where it is empty or does not answer.
    earliest: Option<String>,
    /// Now (RFC 3339).
    latest: String,
}

/// The moment to look at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `start` reads, for the OpenAPI document")]
pub(in crate::http) struct TimeMachineWish {
    /// RFC 3339, or that without a zone (UTC). What was logged before it is known.
    until: String,
}

/// A front page as of an earlier moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct PastSlate {
    /// The time machine.
    id: String,
    /// Its moment (RFC 3339).
    until: String,
    #[serde(flatten)]
    slate: Slate,
}

impl From<&Machine> for MachineState {
    fn from(machine: &Machine) -> Self {
        let (state, done, total, error) = match machine.stage() {
            Stage::Replaying(done, total) => ("replaying", done, total, None),
            Stage::Ready(_) => ("ready", 0, 0, None),
            Stage::Failed(error) => ("failed", 0, 0, Some(error)),
        };
        Self { id: machine.id.clone(), until: machine.until.to_rfc3339(), state, done, total, error }
    }
}

impl TimeMachines {
    /// All there are, the one asked for last at the end.
    pub(in crate::http) fn states(&self) -> Vec<MachineState> {
        self.all().iter().map(|machine| MachineState::from(machine.as_ref())).collect()
    }
}

/// The time machines, and how far back one may look.
#[utoipa::path(get, path = "/admin/time-machine", operation_id = "list_time_machines", tag = "operations",
    responses((status = 200, description = "The one asked for last at the end", body = MachineList)))]
pub(in crate::http) async fn list(State(app): State<Arc<App>>) -> Json<MachineList> {
    let earliest = app.runtime.timeout(LIMIT, begins(&app)).await.flatten();
    Json(MachineList {
        machines: app.admin.machines.states(),
        earliest: earliest.map(|moment| moment.to_rfc3339()),
        latest: app.runtime.now().to_rfc3339(),
    })
}

/// When the first record that the log still has was logged.
async fn begins(app: &App) -> Option<Timestamp> {
    let bounds = app.log.bounds(&app.events_topic).await.ok()?;
    let filled = (0..).zip(&bounds).filter(|(_, bounds)| bounds.begin < bounds.end);
    let from: Vec<Position> =
        filled.map(|(partition, bounds)| Position { partition, offset: bounds.begin }).collect();
    let mut waited_for: BTreeSet<u32> = from.iter().map(|position| position.partition).collect();
    if waited_for.is_empty() {
        return None;
    }
    let mut reader = app.log.read(&app.events_topic, from).await.ok()?;
    let mut earliest: Option<Timestamp> = None;
    while !waited_for.is_empty() {
        let run = reader.next().await.ok()?;
        if waited_for.remove(&run.partition)
            && let Some(first) = run.records.first()
        {
            earliest = Some(earliest.map_or(first.time, |known| known.min(first.time)));
        }
    }
    earliest
}

/// Starts to rebuild what readers were shown at an earlier moment, in a namespace of its own that is dropped again. Asked again for the same moment, it is the one
/// that is there; there are two at most, and a third takes the place of the one that was looked at least recently.
#[utoipa::path(post, path = "/admin/time-machine", operation_id = "start_time_machine", tag = "operations", request_body = TimeMachineWish,
    responses((status = 202, description = "It is being rebuilt, or ready", body = MachineState),
        (status = 409, description = "The moment lies in the future", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`until` is no moment", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn start(
    State(app): State<Arc<App>>,
    Body(body): Body,
) -> Result<(StatusCode, Json<MachineState>), Problem> {
    let text = Fields::parse(&body)?.text("until")?;
    let text = text.ok_or_else(|| Problem::field("until", "is missing"))?;
    let is_date = text.contains('-') || text.contains(':');
    let until = Timestamp::parse(&text).filter(|moment| is_date && moment.0 >= 0);
    let until = until.ok_or_else(|| Problem::field("until", "is no moment such as 2026-11-17T12:00:00Z"))?;
    if until > app.runtime.now() {
        return Err(Problem::new(StatusCode::CONFLICT, format!("{until} lies in the future")));
    }
    let model = app.models.in_force().await;
    let machine = app.admin.machines.start(until, model);
    Ok((StatusCode::ACCEPTED, Json(machine.as_ref().into())))
}

/// A reader's front page as it was. Articles that were not published yet are unknown, and nothing of it is logged as shown.
#[utoipa::path(get, path = "/admin/time-machine/slate", operation_id = "past_slate", tag = "operations",
    params(("user_id" = String, Query, description = "The reader"),
        ("k" = Option<u32>, Query, description = "How many articles; 10 unless told otherwise"),
        ("id" = Option<String>, Query, description = "The time machine; the one asked for last unless told otherwise; `live` for what the reader would be shown now")),
    responses((status = 200, description = "Best first", body = PastSlate),
        (status = 404, description = "There is no such time machine", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is still being rebuilt, failed, or nothing had been read by then", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is missing or wrong", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn slate(
    State(app): State<Arc<App>>,
    Query(parameters): Parameters,
) -> Result<Json<PastSlate>, Problem> {
    let reader = parameters.get("user_id").ok_or_else(|| Problem::field("user_id", "is missing"))?;
    let reader = fields::reader("user_id", reader)?;
    let k = fields::number(&parameters, "k", 1..=100, 10)?;
    // An operator looks, and no reader is shown it.
    let request = Request { k, shown: false, ..Request::new(reader) };
    if parameters.get("id").is_some_and(|id| id == LIVE) {
        let (seen, now) = (app.reading.seen_by(&request.reader), app.runtime.now());
        let slate = Slate::of(seen.query.recommend(request).await?, &seen.namespace, None);
        return Ok(Json(PastSlate { id: LIVE.into(), until: now.to_rfc3339(), slate }));
    }
    let machines = app.admin.machines.all();
    let machine = match parameters.get("id") {
        Some(id) => machines.iter().find(|machine| machine.id == *id),
        None => machines.last(),
    };
    let machine = machine.ok_or_else(|| {
        Problem::missing("there is no such time machine; POST /admin/time-machine starts one")
    })?;
    machine.used(app.runtime.now());
    let not_now = |detail: String| Problem::new(StatusCode::CONFLICT, detail);
    let query = match machine.stage() {
        Stage::Ready(query) => query,
        Stage::Replaying(done, total) => {
            return Err(not_now(format!(
                "{} is still being rebuilt: {done} of {total} records",
                machine.until
            )));
        }
        Stage::Failed(error) => return Err(not_now(error)),
    };
    // Without a watermark it could not be told what was published by then.
    if query.now().is_none() {
        return Err(not_now(format!("nothing had been read by {}", machine.until)));
    }
    let slate = query.recommend(request).await?;
    Ok(Json(PastSlate {
        id: machine.id.clone(),
        until: machine.until.to_rfc3339(),
        slate: Slate::of(slate, &machine.id, None),
    }))
}

/// Drops a time machine and its namespace.
#[utoipa::path(delete, path = "/admin/time-machine/{id}", operation_id = "remove_time_machine", tag = "operations",
    params(("id" = String, Path, description = "As listed")),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "There is no such time machine", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    match app.admin.machines.remove(&id) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::missing(format!(
            "there is no time machine {id}; GET /admin/time-machine lists them"
        ))),
    }
}
