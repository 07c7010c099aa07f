//! The interface, described: as OpenAPI, and as a page made of that.

use std::fmt::Write;

use axum::{
    Json,
    http::{HeaderName, header},
    response::Html,
};
use serde_json::Value;
use utoipa::OpenApi;

use super::{
    answers, articles, events, guarded, health, metrics, models, ops, portraits, problem, readers, recommend,
    session, shapes, stored,
};

/// Where the pages' one style sheet lies.
pub(super) const STYLE_PATH: &str = "/pages.css";

#[derive(OpenApi)]
#[openapi(
    info(title = "Abovefold", description = "Every reader's front page is a fold over the log."),
    paths(
        events::post_event,
        recommend::post_recommend,
        recommend::related,
        articles::article,
        articles::list,
        articles::sections,
        readers::demo,
        readers::active,
        portraits::demo_readers,
        stored::events,
        session::show,
        session::sign_in,
        session::sign_out,
        events::post_preferences,
        events::forget,
        events::forget_active,
        health::health,
        metrics::render,
        ops::frame,
        ops::page,
        models::list_models,
        models::promote
    ),
    components(schemas(problem::Problem, answers::Slate, answers::ReaderPage, answers::EventAccepted)),
    tags(
        (name = "reading", description = "What readers are shown"),
        (name = "events", description = "What readers do; all of it becomes an event in the log"),
        (name = "operations", description = "How the program is")
    )
)]
struct Document;

/// The interface as an OpenAPI document.
pub(super) fn document() -> Value {
    let document = Document::openapi().merge_from(super::admin::Document::openapi());
    let mut document = serde_json::to_value(document).expect("an OpenAPI document is JSON");
    shapes::describe(&mut document);
    guarded::describe(&mut document);
    document
}

/// `GET /openapi.json`
pub(super) async fn openapi() -> Json<Value> {
    Json(document())
}

/// `GET /docs`
pub(super) async fn page() -> Html<String> {
    let document = document();
    let mut body =
        String::from("<p>Described for programs by <a href=\"/openapi.json\">openapi.json</a>.</p>");
    let empty = serde_json::Map::new();
    for (path, methods) in document["paths"].as_object().unwrap_or(&empty) {
        for (method, operation) in methods.as_object().unwrap_or(&empty) {
            describe(&mut body, path, method, operation);
        }
    }
    Html(html("The interface", &body))
}

fn describe(body: &mut String, path: &str, method: &str, operation: &Value) {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let mut add = |html: String| body.write_str(&html).expect("writing to a string cannot fail");
    add(format!(
        "<h2><code>{} {}</code></h2><p>{}</p>",
        method.to_uppercase(),
        escape(path),
        text(&operation["summary"])
    ));
    let (parameters, empty) =
        (operation["parameters"].as_array().cloned().unwrap_or_default(), serde_json::Map::new());
    if !parameters.is_empty() {
        add("<h3>Parameters</h3><dl>".into());
        for parameter in &parameters {
            let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
            add(format!(
                "<dt><code>{name}</code> ({place})</dt><dd>{}</dd>",
                text(&parameter["description"])
            ));
        }
        add("</dl>".into());
    }
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    if let Some(name) = schema.as_str().and_then(|name| name.rsplit('/').next()) {
        add(format!("<h3>Body</h3><p>JSON: <code>{}</code></p>", escape(name)));
    }
    add("<h3>Answers</h3><dl>".into());
    for (status, answer) in operation["responses"].as_object().unwrap_or(&empty) {
        add(format!("<dt>{}</dt><dd>{}</dd>", escape(status), text(&answer["description"])));
    }
    add("</dl>".into());
}

/// The style of the pages that the program itself writes.
pub(super) async fn style() -> ([(HeaderName, &'static str); 2], &'static str) {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")], STYLE)
}

/// A whole page; `body` is HTML.
pub(super) fn html(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Abovefold</title>\
         <link rel=\"stylesheet\" href=\"{STYLE_PATH}\"></head><body><nav><a href=\"/\">The Daily Chronicle</a> \
         <a href=\"/ops\">Operations</a> <a href=\"/docs\">Interface</a> <a href=\"/metrics\">Metrics</a></nav>\
         <main><h1>{title}</h1>{body}</main></body></html>"
    )
}

/// Text that may stand in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = "\
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem; }
nav a { margin-right: 1rem; }
main { overflow-x: auto; }
h2 { border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); margin-top: 2rem; padding-top: 1rem; }
h3 { font-size: 1rem; margin-bottom: .25rem; }
dl { display: grid; grid-template-columns: max-content auto; gap: .25rem 1rem; margin: 0; }
dd { margin: 0; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .25rem 1.5rem .25rem 0; text-align: left; vertical-align: top; }
code { font-family: ui-monospace, monospace; }
";
