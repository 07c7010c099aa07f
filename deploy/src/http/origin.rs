//! Whether a browser asks from one of the newspaper's own pages.
//!
//! A cookie goes along by itself, so that what writes by one has to say where it comes from. Browsers do: by `Sec-Fetch-Site` where the page came
//! by TLS or from this machine, and by `Origin` with everything but `GET` and `HEAD`. A page cannot set either.

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::problem::Problem;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A page of this origin.
    Here,
    /// A page of another one.
    Elsewhere,
    /// No browser said so.
    Unsaid,
}

/// Where a request with these headers comes from.
pub(super) fn of(headers: &HeaderMap) -> From {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text(&FETCH_SITE) {
        return if site == "same-origin" { From::Here } else { From::Elsewhere };
    }
    match (text(&header::ORIGIN), text(&header::HOST)) {
        (None, _) => From::Unsaid,
        (Some(origin), Some(host)) => match origin.split_once("://") {
            Some((_, authority)) if authority.eq_ignore_ascii_case(host) => From::Here,
            _ => From::Elsewhere,
        },
        (Some(_), None) => From::Elsewhere,
    }
}

/// Refuses what writes by a cookie and does not say that it comes from here.
pub(super) fn check_write(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if method.is_safe() || of(headers) == From::Here {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "a session writes from the newspaper's own pages only (Sec-Fetch-Site or Origin says so); others present a token",
    ))
}

/// Refuses what comes from a page of another origin.
pub(super) fn check_not_elsewhere(headers: &HeaderMap) -> Result<(), Problem> {
    match of(headers) {
        From::Here | From::Unsaid => Ok(()),
        From::Elsewhere => {
            let detail = "a page of another origin signs nobody in or out here";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_browser_says_decides_and_silence_is_not_taken_for_yes() {
        let cases: [(&[(&str, &str)], From); 9] = [
            (&[("sec-fetch-site", "same-origin")], From::Here),
            (
                &[("sec-fetch-site", "same-origin"), ("origin", "http://proxied"), ("host", "inner")],
                From::Here,
            ),
            (
                &[("sec-fetch-site", "same-site"), ("origin", "http://here"), ("host", "here")],
                From::Elsewhere,
            ),
            (&[("sec-fetch-site", "cross-site")], From::Elsewhere),
            (&[("origin", "http://Here:8000"), ("host", "here:8000")], From::Here),
            (&[("origin", "http://here:8001"), ("host", "here:8000")], From::Elsewhere),
            (&[("origin", "null"), ("host", "here")], From::Elsewhere),
            (&[("origin", "http://here")], From::Elsewhere),
            (&[("host", "here")], From::Unsaid),
        ];
        for (said, expected) in cases {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let headers = said.iter().map(pair).collect();
            assert_eq!(of(&headers), expected, "{said:?}");
            assert_eq!(check_write(&Method::POST, &headers).is_ok(), expected == From::Here, "{said:?}");
            assert_eq!(check_not_elsewhere(&headers).is_err(), expected == From::Elsewhere, "{said:?}");
            assert!(check_write(&Method::GET, &headers).is_ok(), "{said:?}");
        }
    }
}
