//! The operations page: its frame, and what is true now as plain HTML.

use std::{fmt::Write, sync::Arc};

use abovefold_engine::state::Tag;
use abovefold_operators::query::{Arm, Query};
use abovefold_schemas::Offset;
use axum::{
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{Html, IntoResponse, Response},
};

use super::{
    App, Reading,
    docs::{escape, html},
    health::{self, EdgeHealth},
    site,
};

/// Where the site was not built.
const NOT_BUILT: &str = "<p>The program was built without the site: <code>make build</code> builds both. \
<a href=\"/ops/plain\">The numbers as tables</a> are here.</p>";

/// The operations page, whose numbers the browser asks for itself.
#[utoipa::path(get, path = "/ops", tag = "operations",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(super) async fn frame(method: Method, headers: HeaderMap) -> Response {
    let built = site::serve(method, Uri::from_static("/ops.html"), headers).await;
    match built.status() {
        StatusCode::NOT_FOUND => Html(html("Operations", NOT_BUILT)).into_response(),
        _ => built,
    }
}

/// The same without scripts: namespace, edges, markers, lag and dataflows as they are at this moment.
#[utoipa::path(get, path = "/ops/plain", tag = "operations",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(super) async fn page(State(app): State<Arc<App>>) -> Html<String> {
    let seen = app.seen();
    let (edges, partitions, articles) =
        tokio::join!(health::edges(&app), partitions(&app, &seen.namespace), articles_marker(&app));
    let mut body = String::new();
    let now = seen.query.now().map_or("nothing folded yet".to_string(), |now| now.to_rfc3339());
    let model = health::model(&seen).map_or("none".to_string(), |_| {
        seen.model.as_ref().map_or(String::new(), |facts| {
            format!(
                "{} ({}, {}, digest {})",
                facts.version, facts.precision, facts.device_class, facts.digest
            )
        })
    });
    table(
        &mut body,
        "Serving",
        &["what", "is"],
        &[
            vec!["namespace".into(), seen.namespace.clone()],
            vec!["why not the live one".into(), app.reading.trouble().unwrap_or_default()],
            vec!["watermark".into(), now],
            vec!["model".into(), model],
            vec!["why not another model".into(), app.models.shown().trouble.unwrap_or_default()],
            vec!["experiment".into(), experiment(&app.reading, &seen.query)],
            vec!["articles folded up to".into(), articles],
            vec![
                "articles in memory, for when their edge is down".into(),
                seen.query.articles_in_memory().to_string(),
            ],
        ],
    );
    let edge =
        |name: &str, edge: &EdgeHealth| vec![name.to_string(), edge.status.to_string(), edge.detail.clone()];
    table(
        &mut body,
        "Edges",
        &["edge", "status", "in words"],
        &[edge("log", &edges.log), edge("state", &edges.state), edge("articles", &edges.articles)],
    );
    table(&mut body, "Partitions", &["partition", "marker", "log begins", "log ends", "lag"], &partitions);
    let graphs = app.admin.watched.iter().map(|flow| &flow.graph).chain([seen.query.graph()]);
    let rows: Vec<Vec<String>> = graphs.map(|graph| vec![graph.to_text()]).collect();
    table(&mut body, "Dataflows of this process", &["steps"], &rows);
    Html(html("Operations", &body))
}

/// The arms, their shares of the readers, and the namespaces that some of them have to themselves.
fn experiment(reading: &Reading, query: &Query) -> String {
    let Some(experiment) = query.experiment() else { return "none".into() };
    let said = |arm: &Arc<Arm>| {
        let own = reading.of_arm(&arm.name);
        let own = own.map_or(String::new(), |seen| format!(" (namespace {})", seen.namespace));
        format!("{} {:.1} %{own}", arm.name, experiment.share(arm) * 100.0)
    };
    experiment.arms().iter().map(said).collect::<Vec<_>>().join(", ")
}

async fn partitions(app: &App, namespace: &str) -> Vec<Vec<String>> {
    let bounds = app.log.bounds(&app.events_topic).await.unwrap_or_default();
    let mut rows = Vec::new();
    for partition in 0..app.partitions {
        let tag = Tag { namespace: namespace.to_owned(), partition };
        let read =
            app.runtime.timeout(std::time::Duration::from_secs(2), app.store.read(&tag, &[], &[])).await;
        let marker = match read {
            Some(Ok(snapshot)) => snapshot.marker.map(|marker| marker.next),
            _ => None,
        };
        let bounds = bounds.get(partition as usize);
        let lag = bounds.zip(marker).map(|(bounds, marker)| bounds.end.0.saturating_sub(marker.0));
        let offset =
            |offset: Option<Offset>| offset.map_or("unknown".to_string(), |offset| offset.to_string());
        rows.push(vec![
            partition.to_string(),
            offset(marker),
            offset(bounds.map(|bounds| bounds.begin)),
            offset(bounds.map(|bounds| bounds.end)),
            lag.map_or("unknown".to_string(), |lag| lag.to_string()),
        ]);
    }
    rows
}

async fn articles_marker(app: &App) -> String {
    match app.runtime.timeout(std::time::Duration::from_secs(2), app.articles.marker()).await {
        Some(Ok(marker)) => {
            let offsets: Vec<String> =
                marker.iter().enumerate().map(|(partition, next)| format!("{partition}:{next}")).collect();
            if offsets.is_empty() { "nothing yet".into() } else { offsets.join(", ") }
        }
        _ => "unknown".into(),
    }
}

fn table(body: &mut String, title: &str, heads: &[&str], rows: &[Vec<String>]) {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = String>| -> String {
        cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(&cell))).collect()
    };
    let heads = cells("th", &mut heads.iter().map(ToString::to_string));
    let rows: String = rows.iter().fold(String::new(), |mut rows, row| {
        let row = cells("td", &mut row.iter().cloned());
        write!(rows, "<tr>{row}</tr>").expect("writing to a string cannot fail");
        rows
    });
    let title = escape(title);
    write!(body, "<h2>{title}</h2><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
        .expect("writing to a string cannot fail");
}
