//! Namespaces: which there are, how far they are folded, and which one readers see.

use std::sync::Arc;

use abovefold_engine::log::Bounds;
use abovefold_schemas::records::NamespaceRecord;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    commands::namespace::{Listed, Promoted, markers, move_pointer},
    http::{
        App,
        fields::{self, Parameters},
        problem::Problem,
    },
    namespaces::Namespaces,
    session::Session,
    time_machine::PREFIX,
};

/// The most namespaces whose markers are read for a page.
const MOST: usize = 50;

/// A namespace, and how far it is folded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct NamespaceState {
    name: String,
    /// Whether readers see it.
    live: bool,
    /// `live`; `temporary`, a time machine's; `past`, standing at a past moment; `building`, on its way there; `beside`, folded on beside the live one.
    kind: &'static str,
    /// Records that are folded, of all partitions.
    done: u64,
    /// Records that it has to fold, up to its moment or the log's end.
    total: u64,
    /// The moment at which it stands, by partition.
    until: Option<Vec<u64>>,
}

/// All namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct NamespaceList {
    /// The one that readers see; null before the first start.
    live: Option<String>,
    /// By name.
    namespaces: Vec<Listed>,
}

/// The namespace that readers see from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct PromotedNamespace {
    live: String,
    /// What they saw before.
    was: Option<String>,
}

fn kind(record: &NamespaceRecord, live: bool) -> &'static str {
    match (&record.until, &record.searched) {
        _ if live => "live",
        _ if record.name.starts_with(PREFIX) => "temporary",
        (Some(_), Some(_)) => "past",
        (Some(_), None) => "building",
        (None, _) => "beside",
    }
}

/// The namespaces and how far each is folded, where the log ends here.
///
/// # Errors
/// When the store does not answer.
pub(in crate::http) async fn states(
    session: &Session,
    known: &Namespaces,
    bounds: &[Bounds],
) -> anyhow::Result<Vec<NamespaceState>> {
    let mut states = Vec::new();
    for record in known.records.values().take(MOST) {
        let live = known.live.as_ref() == Some(&record.name);
        let markers = markers(session, record).await?;
        let firsts = &record.first_offsets;
        let end = |(place, first): (usize, &u64)| {
            let until = record.until.as_ref().and_then(|until| until.get(place)).copied();
            until.or(bounds.get(place).map(|bounds| bounds.end.0)).unwrap_or(*first)
        };
        let ends: Vec<u64> = firsts.iter().enumerate().map(end).collect();
        let sum =
            |to: &[u64]| to.iter().zip(firsts).map(|(to, first)| to.saturating_sub(*first)).sum::<u64>();
        let total = sum(&ends);
        states.push(NamespaceState {
            name: record.name.clone(),
            live,
            kind: kind(record, live),
            done: sum(&markers).min(total),
            total,
            until: record.until.clone(),
        });
    }
    Ok(states)
}

/// The namespaces that there are, and which one readers see.
#[utoipa::path(get, path = "/admin/namespaces", operation_id = "list_namespaces", tag = "operations",
    responses((status = 200, description = "By name", body = NamespaceList)))]
pub(in crate::http) async fn list(State(app): State<Arc<App>>) -> Result<Json<NamespaceList>, Problem> {
    let session = &app.admin.session;
    let known = Namespaces::read(&session.edges).await?;
    let mut namespaces = Vec::new();
    for record in known.records.values() {
        let live = known.live.as_ref() == Some(&record.name);
        namespaces.push(Listed::of(record, live, markers(session, record).await?));
    }
    Ok(Json(NamespaceList { live: known.live, namespaces }))
}

/// Lets readers see a namespace, once it has come as far as the one that they see now.
#[utoipa::path(post, path = "/admin/namespaces/{ns}/promote", operation_id = "promote_namespace", tag = "operations",
    params(("ns" = String, Path, description = "The namespace"),
        ("wait_ms" = Option<u32>, Query, description = "How long it may take to come so far; 10,000 unless told otherwise", minimum = 0, maximum = 60000)),
    responses((status = 200, description = "Readers see it", body = PromotedNamespace),
        (status = 404, description = "There is none of this name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It stands at a past moment, is behind, or somebody promoted another one meanwhile", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn promote(
    State(app): State<Arc<App>>,
    Path(ns): Path<String>,
    Query(parameters): Parameters,
) -> Result<Json<PromotedNamespace>, Problem> {
    let wait_ms = fields::number(&parameters, "wait_ms", 0..=60_000, 10_000)? as i64;
    let session = &app.admin.session;
    let known = Namespaces::read(&session.edges).await?;
    let record = known.get(&ns).map_err(|error| Problem::missing(error.to_string()))?;
    if record.name.starts_with(PREFIX) {
        let detail =
            format!("{ns} is a time machine's, and is dropped again; replay into a namespace of your own");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    match move_pointer(session, &known, &ns, wait_ms).await {
        Ok(Promoted { name, was }) => Ok(Json(PromotedNamespace { live: name, was })),
        Err(error) => match error.downcast::<abovefold_engine::EngineError>() {
            Ok(error) => Err(error.into()),
            Err(error) => Err(Problem::new(StatusCode::CONFLICT, format!("{error:#}"))),
        },
    }
}
