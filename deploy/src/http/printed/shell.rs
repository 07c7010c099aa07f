//! The frame that a page is put into: the site's `index.html`.

use std::{fmt::Write, ops::Range, sync::LazyLock};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Page, words::Words};
use crate::http::{docs::escape, site};

/// The newspaper's name, as the frame's own title has it.
const NAME: &str = "The Daily Chronicle";
/// The element that the page goes into, as it stands in the frame.
const ROOT: &str = "<div id=\"paper\"></div>";

/// What is replaced in the frame.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    text: String,
    language: Option<Range<usize>>,
    title: Option<Range<usize>>,
    description: Option<Range<usize>>,
    root: Range<usize>,
    /// The language that articles are in, where the frame says so.
    articles: Option<Range<usize>>,
}

static FRAME: LazyLock<Option<Frame>> = LazyLock::new(|| site::index().and_then(Frame::of));

impl Frame {
    /// `None` where there is no empty root element.
    fn of(text: String) -> Option<Self> {
        let between = |before: &str, after: &str| {
            let start = text.find(before)? + before.len();
            Some(start..start + text[start..].find(after)?)
        };
        let root = text.find(ROOT)?;
        Some(Self {
            language: between("<html lang=\"", "\""),
            title: between("<title>", "</title>"),
            description: between("<meta name=\"description\" content=\"", "\""),
            root: root..root + ROOT.len(),
            articles: between("<meta name=\"articles-language\" content=\"", "\""),
            text,
        })
    }

    fn with(&self, page: &Page, words: &Words) -> String {
        let title = page.title.as_ref().map_or(NAME.into(), |title| format!("{title} · {NAME}"));
        let mut root = format!("<div id=\"paper\" data-printed=\"{}\">{}</div>", page.kind, page.content);
        let data = inert(&page.data);
        write!(root, "<script type=\"application/json\" id=\"printed-data\">{data}</script>")
            .expect("writing to a string cannot fail");
        let mut edits: Vec<(Range<usize>, String)> = vec![(self.root.clone(), root)];
        let texts = [
            (&self.language, Some(words.tag.to_string())),
            (&self.title, Some(escape(&title))),
            (&self.description, page.description.as_deref().map(escape)),
        ];
        edits.extend(texts.into_iter().filter_map(|(place, text)| place.clone().zip(text)));
        edits.sort_by_key(|(place, _)| place.start);
        let (mut whole, mut from) = (String::new(), 0);
        for (place, text) in edits {
            whole.push_str(&self.text[from..place.start]);
            whole.push_str(&text);
            from = place.end;
        }
        whole.push_str(&self.text[from..]);
        whole
    }
}

/// The attribute `lang` of an article's texts, on a page of another language.
pub(super) fn language_of_articles(words: &Words) -> String {
    let frame = FRAME.as_ref();
    let tag = frame.and_then(|frame| frame.text.get(frame.articles.clone()?)).filter(|tag| *tag != words.tag);
    tag.map(|tag| format!(" lang=\"{tag}\"")).unwrap_or_default()
}

/// JSON that may stand in a data block: nothing in it ends the block or begins a comment.
fn inert(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// The page in its frame. A browser that has the same one already is told so.
pub(super) fn answer(page: Page, words: &Words, is_open: bool, headers: &HeaderMap) -> Response {
    let Some(frame) = FRAME.as_ref() else { return site::not_built() };
    let html = frame.with(&page, words);
    let hash: String = Sha256::digest(&html)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let is_known = page.status == StatusCode::OK && site::is_known(headers, &tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => (page.status, Html(html)).into_response(),
    };
    // Where keys are configured, what is shown is for whoever is signed in.
    let cache = if is_open { "no-cache" } else { "private, no-cache" };
    let values = response.headers_mut();
    values.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    values.insert(header::VARY, HeaderValue::from_static("accept-language, cookie, authorization"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        values.insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INDEX: &str = "<!doctype html><html lang=\"en\"><head><meta name=\"description\" content=\"Old.\" />\
        <title>The Daily Chronicle</title></head><body><div id=\"paper\"></div><noscript>x</noscript></body></html>";

    #[test]
    fn a_page_is_put_into_the_frame_and_nothing_of_it_breaks_out() {
        let page = Page {
            kind: "article",
            status: StatusCode::OK,
            title: Some("</title><script>alert(1)</script>".into()),
            description: Some("\" onload=\"x".into()),
            content: "<p>Text.</p>".into(),
            data: json!({"title": "</script><!-- <script> &amp;"}),
        };
        let html = Frame::of(INDEX.into()).unwrap().with(&page, super::super::words::of(&HeaderMap::new()));
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        assert_eq!(html.matches("</title>").count(), 1, "{html}");
        assert!(html.contains("content=\"&quot; onload=&quot;x\""), "{html}");
        assert!(
            html.contains("<div id=\"paper\" data-printed=\"article\"><p>Text.</p></div><script type="),
            "{html}"
        );
        assert!(html.ends_with("</script><noscript>x</noscript></body></html>"), "{html}");
        let data = html.split_once("id=\"printed-data\">").unwrap().1.split_once("</script>").unwrap().0;
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), page.data);
    }

    #[test]
    fn a_frame_without_an_empty_root_is_none() {
        assert_eq!(Frame::of(INDEX.replace("\"paper\"", "\"other\"")), None);
    }

    #[test]
    fn the_frame_that_is_built_takes_pages() {
        // Without the site there is no frame.
        assert_eq!(FRAME.is_some(), site::index().is_some(), "index.html has {ROOT}");
    }
}
