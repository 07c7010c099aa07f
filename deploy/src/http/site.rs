//! The newspaper's files, which are embedded in the program.

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem::Problem;

/// What `site/` builds.
#[derive(RustEmbed)]
#[folder = "../site/dist"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";
/// Vite names these by their content.
const HASHED: &str = "assets/";

/// A file of the site, or its one page for every path that is the site's own.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if method != Method::GET && method != Method::HEAD {
        return missing(&uri);
    }
    if let Some(file) = Files::get(if path.is_empty() { INDEX } else { path }) {
        return answer(path, &file, &headers);
    }
    if !is_page(path, &headers) {
        return missing(&uri);
    }
    match Files::get(INDEX) {
        Some(file) => answer(INDEX, &file, &headers),
        None => (StatusCode::NOT_FOUND, Html(NOT_BUILT)).into_response(),
    }
}

fn missing(uri: &Uri) -> Response {
    Problem::missing(format!("there is nothing at {}", uri.path())).into_response()
}

/// Whether a path is one of the site's pages, or a browser asks for it as a page.
fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let own = path.is_empty() || path == "account" || path.starts_with("article/");
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    !last.contains('.') && (own || accepts.contains("text/html"))
}

fn answer(path: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let path = if path.is_empty() { INDEX } else { path };
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let cache = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let mut response = match known.is_some_and(|known| known.contains(&tag)) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => file.data.clone().into_owned().into_response(),
    };
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    let values =
        [(header::CONTENT_TYPE, kind), (header::ETAG, tag), (header::CACHE_CONTROL, cache.to_string())];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>The Daily Chronicle</title>\
<h1>The newspaper is not in this program</h1><p>It was built without the site. <code>make build</code> builds both.</p>\
<p><a href=\"/docs\">The interface</a> and <a href=\"/ops\">the operations page</a> are here.</p></html>";
