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

/// A file of the site, or its one page: for every path that is the site's own, and, with status 404, for every other that a browser asks for.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if method != Method::GET && method != Method::HEAD {
        return missing(&uri);
    }
    if let Some(file) = Files::get(if path.is_empty() { INDEX } else { path }) {
        return answer(path, &file, &headers);
    }
    match (is_own(path), asks_for_a_page(path, &headers)) {
        (true, _) => frame(&headers),
        // The site's script says that there is nothing here.
        (false, true) => (StatusCode::NOT_FOUND, frame(&HeaderMap::new())).into_response(),
        (false, false) => missing(&uri),
    }
}

/// The site's one page as it was built, which its script fills.
pub(super) fn frame(headers: &HeaderMap) -> Response {
    match Files::get(INDEX) {
        Some(file) => answer(INDEX, &file, headers),
        None => not_built(),
    }
}

/// The same as text, if it is there.
pub(super) fn index() -> Option<String> {
    String::from_utf8(Files::get(INDEX)?.data.into_owned()).ok()
}

/// What is said where the program was built without the site.
pub(super) fn not_built() -> Response {
    (StatusCode::NOT_FOUND, Html(NOT_BUILT)).into_response()
}

/// Whether a browser has what this tag names.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    known.is_some_and(|known| known.contains(tag))
}

fn missing(uri: &Uri) -> Response {
    Problem::missing(format!("there is nothing at {}", uri.path())).into_response()
}

/// Whether a path is one of the site's pages.
fn is_own(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    match path.split_once('/') {
        None => ["", "account", "search", "side-by-side"].contains(&path),
        Some((kind, name)) => ["article", "section"].contains(&kind) && !name.contains('/'),
    }
}

/// Whether a browser asks for a path as it does for a page.
fn asks_for_a_page(path: &str, headers: &HeaderMap) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    !last.contains('.') && accepts.contains("text/html")
}

fn answer(path: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let path = if path.is_empty() { INDEX } else { path };
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let cache = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = match is_known(headers, &tag) {
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
