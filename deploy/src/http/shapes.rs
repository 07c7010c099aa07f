//! What a request may hold, in the OpenAPI document, where the derived schemas cannot say it: ranges and lengths, names that are text or
//! number, and what each kind of event must have.

use serde_json::{Value, json};

use super::{
    admin::dead_letters::{LONGEST_ID, MOST_NAMED},
    portraits,
    recommend::MAX_CATEGORIES,
};
use crate::models::{CURRENT, LONGEST_NAME};

/// A reader's id as text: no control characters. The lengths that a schema can say count characters; what is bounded is bytes, as the
/// descriptions say.
const READER_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

/// The name of a model's folder. `current` is the link to one of them.
const MODEL_PATTERN: &str = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$";

/// Adds it to a document.
pub(super) fn describe(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    let reader = json!({
        "type": ["string", "integer"], "minLength": 1, "maxLength": 128, "pattern": READER_PATTERN,
        "minimum": i64::MIN, "maximum": i64::MAX
    });
    let token = json!({"maxLength": 128});
    merge(&mut schemas["ArticleNumber"], &json!({"minimum": i64::MIN, "maximum": i64::MAX}));
    let texts = |(most, longest): (usize, usize)| json!({"maxItems": most, "items": {"type": "string", "minLength": 1, "maxLength": longest}});
    let topics = texts((64, 128));
    for (schema, property, shape) in [
        ("RecommendRequest", "user_id", &reader),
        ("RecommendRequest", "after", &json!({"format": "after"})),
        ("RecommendRequest", "article_id", &json!({"minimum": i64::MIN, "maximum": i64::MAX})),
        (
            "RecommendRequest",
            "exclude",
            &json!({"maxItems": 1_000, "items": {"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}}),
        ),
        ("RecommendRequest", "categories", &texts(MAX_CATEGORIES)),
        ("Event", "user_id", &reader),
        ("Event", "read_time", &json!({"maximum": 1e9})),
        (
            "Event",
            "timestamp",
            &json!({
                "type": ["string", "integer", "null"], "format": "moment", "minimum": 0, "maximum": 253_402_300_799_999_i64
            }),
        ),
        ("Event", "impression_id", &token),
        ("Event", "view_id", &token),
        ("Event", "seq", &json!({"maximum": u32::MAX})),
        ("Event", "type", &json!({"enum": ["read", "preferences", "profile", "forget", null]})),
        ("Event", "topics", &topics),
        ("Event", "gender", &json!({"maximum": 2})),
        ("Event", "age", &json!({"maximum": 255})),
        ("Preferences", "topics", &topics),
        ("SignIn", "user_id", &reader),
    ] {
        merge(&mut schemas[schema]["properties"][property], shape);
    }
    let needs = |kinds: Value, field: &str, kind: &str| {
        let properties = json!({"type": {"enum": kinds}, (field): {"type": kind}});
        json!({"properties": properties, "required": [field]})
    };
    let mut preferences = needs(json!(["preferences"]), "topics", "array");
    preferences["required"] = json!(["type", "topics"]);
    let kinds = json!([
        // Whoever sends no `type` sends a read.
        needs(json!(["read", null]), "article_id", "integer"),
        preferences,
        {"properties": {"type": {"enum": ["profile", "forget"]}}, "required": ["type"]},
    ]);
    merge(&mut schemas["TimeMachineWish"]["properties"]["until"], &json!({"format": "moment"}));
    let mut ids = texts((MOST_NAMED, LONGEST_ID));
    ids["type"] = json!("array");
    schemas["PutBackWish"]["anyOf"] = json!([
        {"properties": {"ids": ids}, "required": ["ids"]},
        {"properties": {"all": {"const": true}}, "required": ["all"]}
    ]);
    let fields = schemas["Event"].take();
    schemas["Event"] = json!({
        "description": fields["description"],
        "allOf": [{"$ref": "#/components/schemas/EventFields"}, {"anyOf": kinds}]
    });
    schemas["EventFields"] = fields;
    let paths = document["paths"].as_object_mut();
    let operations = paths.into_iter().flatten().flat_map(|(name, path)| {
        let operations = path.as_object_mut().into_iter().flatten();
        operations.map(move |(_, operation)| (name.as_str(), operation))
    });
    for (path, operation) in operations {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let shape = match parameter["name"].as_str().unwrap_or_default() {
                "user_id" => {
                    json!({"minLength": 1, "maxLength": 128, "pattern": READER_PATTERN})
                }
                // Of all paths only a model's is one of names.
                "name" => json!({
                    "minLength": 1, "maxLength": LONGEST_NAME, "pattern": MODEL_PATTERN, "not": {"const": CURRENT}
                }),
                "limit" if path == "/readers/demo" => json!({"minimum": 1, "maximum": portraits::MOST}),
                "sort" => json!({"enum": ["newest", "most_read"]}),
                "since" => json!({"format": "moment"}),
                "q" => json!({"maxLength": 128}),
                "k" | "limit" if parameter["schema"]["maximum"].is_null() => {
                    json!({"minimum": 1, "maximum": 100})
                }
                "ns" => json!({"minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9_-]+$"}),
                "article_id" => json!({"minimum": i64::MIN, "maximum": i64::MAX}),
                "after" => json!({"format": "after"}),
                _ => continue,
            };
            merge(&mut parameter["schema"], &shape);
        }
    }
}

/// Puts the fields of one object over those of another.
fn merge(schema: &mut Value, shape: &Value) {
    debug_assert!(schema.is_object(), "what is described is there");
    for (name, value) in shape.as_object().into_iter().flatten() {
        schema[name] = value.clone();
    }
}
