//! What readers do, into the log.

use std::{sync::Arc, time::Duration};

use abovefold_engine::log::NewRecord;
use abovefold_schemas::{ArticleId, Event, EventError, EventKind};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    App,
    answers::EventAccepted,
    fields::{Body, Fields, check_names, reader},
    keys::Caller,
    problem::Problem,
};

/// How long the log may take to make an event durable.
const LIMIT: Duration = Duration::from_secs(10);

type Accepted = Result<(StatusCode, Json<EventAccepted>), Problem>;

/// What a reader did.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "describes what `schemas::Event` reads, for the OpenAPI document")]
pub(super) struct EventBody {
    /// At most 128 bytes; a number is taken as its text.
    user_id: String,
    /// Always there for a read.
    article_id: Option<ArticleNumber>,
    /// Seconds in view.
    #[schema(minimum = 0)]
    read_time: Option<f32>,
    /// The greatest share of the article seen.
    #[schema(minimum = 0, maximum = 100)]
    scroll_pct: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    #[schema(minimum = 0, maximum = 4)]
    device_type: Option<u8>,
    /// RFC 3339, the same without a zone (UTC), or epoch milliseconds; the log's own time where absent.
    timestamp: Option<String>,
    /// The slate that led to the read.
    impression_id: Option<String>,
    /// `read` (the default), `preferences`, `profile`, `forget`.
    r#type: Option<String>,
    /// Pieces of one view share it, and amend one read.
    view_id: Option<String>,
    /// The number of the piece within its view.
    seq: Option<u32>,
    /// Of `preferences`.
    topics: Option<Vec<String>>,
    /// Of `profile`: 0 or 1.
    gender: Option<u8>,
    /// Of `profile`: the decade, such as 30.
    age: Option<u8>,
    /// Of `profile`.
    is_sso_user: Option<bool>,
    /// Of `profile`.
    is_subscriber: Option<bool>,
}

/// An article's number.
#[derive(ToSchema)]
#[schema(value_type = i64)]
#[expect(dead_code, reason = "describes a number, for the OpenAPI document")]
pub(super) struct ArticleNumber(ArticleId);

/// Topics that a reader chose.
#[derive(ToSchema)]
#[schema(as = Preferences)]
#[expect(dead_code, reason = "describes what `schemas::Event` reads, for the OpenAPI document")]
pub(super) struct PreferencesBody {
    /// At most 64.
    topics: Vec<String>,
}

/// Takes an event, whatever its content type says: `sendBeacon` calls it plain text.
#[utoipa::path(post, path = "/event", tag = "events", request_body = EventBody, responses(
    (status = 202, description = "It is in the log", body = EventAccepted),
    (status = 400, description = "No JSON object", body = Problem, content_type = "application/problem+json"),
    (status = 413, description = "More than 64 KiB", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A field is missing, mistyped or out of its range", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The log is down", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn post_event(State(app): State<Arc<App>>, caller: Caller, Body(body): Body) -> Accepted {
    if body.trim_ascii_start().first() != Some(&b'{') {
        // A list would be taken for the fields in their order.
        Fields::parse(&body)?;
    }
    let event = match Event::from_json(&body) {
        // It may be that a whole number is written as 1.0.
        Err(EventError::Field { .. }) => Event::from_json(Fields::parse(&body)?.into_json().as_bytes())?,
        read => read?,
    };
    check_names(&body)?;
    append(&app, &caller, event).await
}

/// The topics that a reader chose, as an event.
#[utoipa::path(post, path = "/users/{user_id}/preferences", tag = "events", request_body = PreferencesBody,
    params(("user_id" = String, Path, description = "The reader")),
    responses((status = 202, description = "It is in the log", body = EventAccepted),
        (status = 422, description = "A field is missing, mistyped or out of its range", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn post_preferences(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    caller: Caller,
    Body(body): Body,
) -> Accepted {
    let reader = reader("user_id", user_id)?;
    let topics = Fields::parse(&body)?.value("topics");
    // The event's own reader checks the topics, so that both ways in refuse the same.
    let event = json!({"user_id": reader.as_str(), "type": "preferences", "topics": topics});
    append(&app, &caller, Event::from_json(event.to_string().as_bytes())?).await
}

/// Asks for a reader to be forgotten, as an event.
#[utoipa::path(delete, path = "/users/{user_id}", tag = "events",
    params(("user_id" = String, Path, description = "The reader")),
    responses((status = 202, description = "It is in the log", body = EventAccepted)))]
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(user_id): Path<String>,
) -> Accepted {
    append(&app, &caller, Event::of_kind(reader("user_id", user_id)?, EventKind::Forget)).await
}

/// The same for the reader whose name is that of another path.
#[utoipa::path(delete, path = "/users/active", tag = "events",
    responses((status = 202, description = "It is in the log", body = EventAccepted)))]
pub(super) async fn forget_active(State(app): State<Arc<App>>, caller: Caller) -> Accepted {
    append(&app, &caller, Event::of_kind(reader("user_id", "active")?, EventKind::Forget)).await
}

async fn append(app: &App, caller: &Caller, event: Event) -> Accepted {
    caller.may_act_for(&event.user_id)?;
    let record = NewRecord::keyed(event.user_id.as_bytes().to_vec(), event.to_json());
    let appended = app.runtime.timeout(LIMIT, app.log.append(&app.events_topic, vec![record])).await;
    let appended =
        appended.ok_or_else(|| Problem::unavailable("the log did not take the event within 10 s"))??;
    let position = appended.first().copied();
    let position = position.ok_or_else(|| Problem::unavailable("the log did not say where the event is"))?;
    let after = app.seen().query.token(position);
    let accepted = EventAccepted { partition: position.partition, offset: position.offset.0, after };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}
