//! The stream of one page.

use std::{convert::Infallible, sync::Arc};

use abovefold_engine::Graph;
use axum::{
    extract::{Query, State},
    response::sse::{Event, KeepAlive, Sse},
};
use futures::Stream;
use tokio::sync::watch;

use super::{
    Page, Sampled, lock,
    sample::flows,
    snapshot::{History, LiveEvent},
};
use crate::http::{App, fields, fields::Parameters, problem::Problem};

/// How often a page may want a snapshot, in milliseconds.
const EVERY_MS: std::ops::RangeInclusive<usize> = 100..=10_000;
/// Snapshots after which a stream may be told to end.
const LIMIT: std::ops::RangeInclusive<usize> = 1..=1_000_000;
/// A snapshot that comes so much too early is not left out, in milliseconds: nobody wakes up at the very moment.
const SLACK_MS: i64 = 40;

/// How the program is, again and again: the event `history` once, then `snapshot` after `snapshot`.
///
/// `history` has the dataflows of this process and the curves of the last quarter of an hour (schema `History`). Each `snapshot` (schema `Snapshot`) is whole,
/// and has the next point of each curve. A page that is slow misses some.
#[utoipa::path(get, path = "/admin/live", tag = "operations",
    params(("every_ms" = Option<u32>, Query, description = "How often, in milliseconds; once a second unless told otherwise", minimum = 100, maximum = 10000),
        ("limit" = Option<u32>, Query, description = "Ends after so many snapshots; without it, it never ends", minimum = 1, maximum = 1000000)),
    responses((status = 200, description = "Events until the client goes away", body = LiveEvent, content_type = "text/event-stream"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many pages are open", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn live(
    State(app): State<Arc<App>>,
    Query(parameters): Parameters,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let every_ms = fields::number(&parameters, "every_ms", EVERY_MS, 1_000)? as u64;
    let limit = match parameters.contains_key("limit") {
        true => Some(fields::number(&parameters, "limit", LIMIT, 1)?),
        false => None,
    };
    let page = app.admin.live.open(every_ms).ok_or_else(|| {
        Problem::unavailable("too many operations pages are open; close one, or ask again later")
    })?;
    let seen = app.seen();
    let graphs: Vec<Graph> = flows(&app, &seen).map(|flow| flow.graph.clone()).collect();
    let curves = lock(&page.live.curves).clone();
    let history = Event::default().event("history").json_data(History { every_ms, graphs, curves });
    let history = history.map_err(|error| Problem::unavailable(error.to_string()))?;
    let reading = Reading {
        last: page.live.last.subscribe(),
        stop: app.admin.session.stop.clone(),
        first: Some(history),
        due: 0,
        every_ms: every_ms as i64,
        left: limit,
        _page: page,
    };
    let events = futures::stream::unfold(reading, |mut reading| async move {
        let event = reading.next().await?;
        Some((Ok(event), reading))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().text("still here")))
}

/// A page that reads.
struct Reading {
    last: watch::Receiver<Sampled>,
    stop: watch::Receiver<bool>,
    /// What is sent before everything else.
    first: Option<Event>,
    /// From when on a sample is sent.
    due: i64,
    every_ms: i64,
    /// Snapshots to the end, if there is one.
    left: Option<usize>,
    /// Open until this is dropped.
    _page: Page,
}

impl Reading {
    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            // The last sample is news to this page.
            self.last.mark_changed();
            return Some(first);
        }
        self.left = match self.left {
            Some(left) => Some(left.checked_sub(1)?),
            None => None,
        };
        loop {
            tokio::select! {
                biased;
                // A closed channel is a stop as well: who ends does not wait for pages.
                _ = self.stop.wait_for(|stop| *stop) => return None,
                changed = self.last.changed() => changed.ok()?,
            }
            let Sampled { at_ms, json } = self.last.borrow_and_update().clone();
            // A clock that was set back starts anew.
            let is_due = at_ms >= self.due || at_ms < self.due - 2 * self.every_ms;
            if json.is_empty() || !is_due {
                continue;
            }
            self.due = at_ms + self.every_ms - SLACK_MS;
            return Some(Event::default().event("snapshot").data(json));
        }
    }
}
