//! What the OpenAPI document says of every endpoint alike: keys, limits, deadlines, and what is refused before a route sees it.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::{deadline, guard::Need, problem::PROBLEM_JSON, sessions};

/// The endpoints that pass a client's deadline on.
const WITH_DEADLINE: [&str; 3] = ["/recommend", "/demo/{user_id}", "/articles/{article_id}/related"];

/// Adds it to a document.
pub(super) fn describe(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of a server or an operator, or a reader's token, which reads and writes that reader only. Nothing is asked \
                            for where no keys are configured."
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": sessions::COOKIE,
            "description": "What POST /session gave a browser. It counts as that reader's token; what writes by it has to come from a page \
                            of this origin."
        }
    });
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, operations) in paths {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap_or_default();
            if let Some(operation) = operation.as_object_mut() {
                describe_operation(path, &method, operation);
            }
        }
    }
}

fn describe_operation(path: &str, method: &Method, operation: &mut Map<String, Value>) {
    let need = Need::of(Some(path), method);
    let mut refusals = Vec::new();
    if !matches!(need, Need::Nothing | Need::Page) {
        // A session counts for what readers do, but makes no other session.
        let by_session = need == Need::Reader && path != super::session::PATH;
        let schemes =
            if by_session { json!([{"bearer": []}, {"session": []}]) } else { json!([{"bearer": []}]) };
        operation.insert("security".into(), schemes);
        refusals.push(("401", "It asks for a key or a token"));
        refusals.push(("429", "There were too many requests from this client"));
        refusals.push(("503", "An edge is down"));
    }
    match need {
        Need::Nothing | Need::Page => {}
        Need::Reader => refusals.push((
            "403",
            "The token or session is of another reader, or another origin's page writes by a session",
        )),
        Need::Operator => refusals.push(("403", "It asks for an operator's key")),
    }
    if WITH_DEADLINE.contains(&path) {
        let header = json!({
            "name": deadline::NAME,
            "in": "header",
            "required": false,
            "description": "How long the client waits, in milliseconds; what is late is not computed any further",
            "schema": {"type": "integer", "minimum": deadline::RANGE.start(), "maximum": deadline::RANGE.end()}
        });
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        parameters.as_array_mut().into_iter().for_each(|parameters| parameters.push(header.clone()));
        refusals.push(("504", "The deadline passed before there was an answer"));
    }
    if operation.contains_key("requestBody") {
        refusals.push(("408", "The body did not come in time"));
        refusals.push(("413", "More than 64 KiB"));
        refusals.push(("415", "The body is packed (Content-Encoding)"));
    }
    if operation.contains_key("requestBody") || operation.contains_key("parameters") {
        refusals.push(("400", "It cannot be read"));
        refusals.push(("422", "Something is missing, mistyped or out of its range"));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, description) in refusals {
        responses.entry(status).or_insert_with(|| refusal(description));
    }
}

fn refusal(description: &str) -> Value {
    let schema = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
    let mut content = Map::new();
    content.insert(PROBLEM_JSON.into(), schema);
    json!({"description": description, "content": content})
}
