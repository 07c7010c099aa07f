//! What is asked of the edges once a second, whoever looks: where the log ends, where the markers are; and, while a page is open, how all else is.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{log::Bounds, state::Tag};
use abovefold_schemas::Offset;

use crate::{
    commands::dead_letters,
    http::{
        App,
        admin::namespaces::{self, NamespaceState},
        health::{self, Edges},
        models::{self, NamedModel},
    },
};

/// How long an edge may take.
const LIMIT: Duration = Duration::from_secs(2);

/// How the edges are, as of the last look.
#[derive(Clone, Debug, Default)]
pub(super) struct Looked {
    /// Of the events, by partition; empty where the log does not answer.
    pub(super) bounds: Vec<Bounds>,
    /// The markers of the namespace that readers see, by partition; `None` where nothing is folded or the store does not answer.
    pub(super) markers: Vec<Option<Offset>>,
    pub(super) rest: Arc<Rest>,
}

/// What is looked at for pages alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest {
    pub(super) edges: Option<Edges>,
    pub(super) dead_letters: Option<u64>,
    pub(super) namespaces: Vec<NamespaceState>,
    pub(super) models: Vec<NamedModel>,
}

/// Bounds and markers now.
pub(super) async fn look(app: &App, rest: Arc<Rest>) -> Looked {
    let namespace = app.seen().namespace.clone();
    let bounds = app.runtime.timeout(LIMIT, app.log.bounds(&app.events_topic));
    let marker = |partition| {
        let tag = Tag { namespace: namespace.clone(), partition };
        async move {
            let read = app.runtime.timeout(LIMIT, app.store.read(&tag, &[], &[])).await;
            read.and_then(Result::ok).and_then(|snapshot| snapshot.marker).map(|marker| marker.next)
        }
    };
    let markers = futures::future::join_all((0..app.partitions).map(marker));
    let (bounds, markers) = tokio::join!(bounds, markers);
    Looked { bounds: bounds.and_then(Result::ok).unwrap_or_default(), markers, rest }
}

/// All else.
pub(super) async fn look_at_the_rest(app: &App, bounds: &[Bounds]) -> Rest {
    let session = &app.admin.session;
    let dead_letters = app.runtime.timeout(LIMIT, dead_letters::count(session));
    let known = app.admin.live.namespaces();
    let namespaces = app.runtime.timeout(LIMIT, namespaces::states(session, &known, bounds));
    let (edges, dead_letters, namespaces, models) =
        tokio::join!(health::edges(app), dead_letters, namespaces, models::list(app));
    Rest {
        edges: Some(edges),
        dead_letters: dead_letters.and_then(Result::ok),
        namespaces: namespaces.and_then(Result::ok).unwrap_or_default(),
        models: models.models,
    }
}
