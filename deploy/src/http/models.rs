//! The models of this process: which there are, and which one serves.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, problem::Problem};
use crate::models::{ModelsFolder, Refusal, Shown};

/// A model of the models folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct NamedModel {
    /// The name of its folder, by which it is promoted.
    name: String,
    /// From its card; null where that cannot be read.
    version: Option<String>,
    /// Whether readers are served by it.
    serves: bool,
    /// Whether the link `current` names it.
    current: bool,
}

/// The models that there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ModelList {
    /// Where they lie.
    folder: String,
    /// In the order of their names.
    pub(super) models: Vec<NamedModel>,
    /// The version that orders what readers see now, wherever it lies; null where none does.
    serving: Option<String>,
    /// Why the model that should serve does not; null where it does.
    error: Option<String>,
}

/// A model that serves from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Promoted {
    name: String,
    /// From its card: what answers name from now on.
    version: String,
    /// What keeps the next start from serving it; null where it will.
    note: Option<String>,
}

/// The models of the models folder, and which one serves.
#[utoipa::path(get, path = "/admin/models", tag = "operations",
    responses((status = 200, description = "By name", body = ModelList)))]
pub(super) async fn list_models(State(app): State<Arc<App>>) -> Json<ModelList> {
    Json(list(&app).await)
}

/// As they are now.
pub(super) async fn list(app: &App) -> ModelList {
    let folder = app.models.folder().clone();
    // Cards are read from a disk that may be slow.
    let read = move || (folder.list(), folder.pointed().map(|pointed| pointed.target), folder);
    let (named, current, folder) = match tokio::task::spawn_blocking(read).await {
        Ok(read) => read,
        Err(_) => (Vec::new(), None, app.models.folder().clone()),
    };
    let Shown { target, trouble } = app.models.shown();
    let model = |(name, version): (String, Option<String>)| NamedModel {
        serves: is_named(&folder, target.as_deref(), &name),
        current: is_named(&folder, current.as_deref(), &name),
        name,
        version,
    };
    ModelList {
        models: named.into_iter().map(model).collect(),
        serving: app.seen().model.as_ref().map(|facts| facts.version.clone()),
        error: trouble,
        folder: folder.path().display().to_string(),
    }
}

/// Whether a target, as the link has it, is the model of a name.
fn is_named(folder: &ModelsFolder, target: Option<&std::path::Path>, name: &str) -> bool {
    target.is_some_and(|target| folder.at(target) == folder.at(name.as_ref()))
}

/// Puts a model of the models folder in force for every request from the next one on, and lets the link `current` name it.
#[utoipa::path(post, path = "/admin/models/{name}/promote", tag = "operations",
    params(("name" = String, Path, description = "The model's folder within the models folder")),
    responses((status = 200, description = "It serves", body = Promoted),
        (status = 404, description = "There is no such model", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has another session model than the namespace that readers see, or `current` is no link", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is broken, or no model can have this name; the model from before serves", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn promote(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Promoted>, Problem> {
    let models = app.models.clone();
    let named = name.clone();
    // Whoever goes away in the middle leaves no half of a change behind.
    let promoted = app.runtime.spawn(async move { models.promote(&named).await }).await;
    let version = match promoted {
        Ok(promoted) => promoted?,
        Err(error) => return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    };
    Ok(Json(Promoted { name, version, note: app.models.note() }))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        tracing::warn!("a model is not put in force: {refusal}");
        let detail = refusal.to_string();
        match refusal {
            Refusal::Name(reason) => Self::field("name", &reason),
            Refusal::Missing(_) => Self::missing(detail),
            Refusal::Broken(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            Refusal::OtherSession { .. } | Refusal::Link(_) => Self::new(StatusCode::CONFLICT, detail),
        }
    }
}
