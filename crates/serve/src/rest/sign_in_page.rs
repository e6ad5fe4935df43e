//! The page for signing in, and which requests are its own: those from the origin that `public_url` names, to the routes that the page needs.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, header};
use polder_types::ErrorKind;

use super::Rest;
use super::problem::Problem;
use crate::fault::Fault;

/// The page and what it is made of: public as far as it goes, since nobody is signed in before it.
pub(super) const PAGES: [(Method, &str); 3] =
    [(Method::GET, "/sign-in"), (Method::GET, "/sign-in/page.js"), (Method::GET, "/sign-in/page.css")];

/// What the page may load and ask: itself. Nothing of it runs but its one script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";

const ENGLISH: &str = include_str!("sign_in_page/en.html");
const FRENCH: &str = include_str!("sign_in_page/fr.html");
const SCRIPT: &str = include_str!("sign_in_page/page.js");
const STYLE: &str = include_str!("sign_in_page/page.css");

/// The page, in French for who reads that rather, and otherwise in English.
pub(super) async fn show(State(rest): State<Arc<Rest>>, headers: HeaderMap) -> Result<Response, Problem> {
    let text = if prefers_french(&headers) { FRENCH } else { ENGLISH };
    let mut response = part(&rest, "text/html; charset=utf-8", text)?;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    Ok(response)
}

pub(super) async fn script(State(rest): State<Arc<Rest>>) -> Result<Response, Problem> {
    part(&rest, "text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn style(State(rest): State<Arc<Rest>>) -> Result<Response, Problem> {
    part(&rest, "text/css; charset=utf-8", STYLE)
}

/// Without an address for browsers the page could do nothing: what it sent would be refused.
fn part(rest: &Rest, kind: &'static str, text: &'static str) -> Result<Response, Problem> {
    if rest.context.public_url.is_none() {
        let words = "show page: this server has no address for browsers; write public_url below listeners.rest in polder.yaml";
        return Err(Fault::new(ErrorKind::NotFound, words).into());
    }
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))];
    Ok((headers, text).into_response())
}

/// Whether French comes before English in what a reader likes (RFC 9110, 12.5.4).
fn prefers_french(headers: &HeaderMap) -> bool {
    let text = only(headers, header::ACCEPT_LANGUAGE).unwrap_or_default();
    let liking = |language: &str| {
        let ranges = text.split(',').take(32).filter_map(|range| {
            let (tag, quality) = range.trim().split_once(';').unwrap_or((range.trim(), "q=1"));
            let quality: f32 = quality.trim().strip_prefix("q=")?.parse().ok()?;
            tag.split('-').next().is_some_and(|tag| tag.eq_ignore_ascii_case(language)).then_some(quality)
        });
        ranges.fold(0.0, f32::max)
    };
    liking("fr") > liking("en")
}

/// What begins the paths that pages of ours ask for.
const PATHS: [&str; 4] = ["/sign-in", "/v1/sign-in", "/v1/sessions", "/v1/passkeys"];

/// Whether a request that a page sent is one of ours. `ours` is the origin by which browsers reach this server.
pub(super) fn is_ours(request: &Request, ours: &str) -> bool {
    let path = request.uri().path();
    let within = |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !PATHS.iter().any(within) || host(request) != ours.strip_prefix("https://") {
        return false;
    }
    let headers = request.headers();
    if headers.get_all(header::ORIGIN).iter().any(|origin| origin != ours) {
        return false;
    }
    let same = headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none");
    same || is_link(request, path)
}

/// Whether somebody follows a link of another site to the page, or comes back from a provider that they signed in with: that shows a document,
/// and tells the other site nothing.
fn is_link(request: &Request, path: &str) -> bool {
    let says = |name: &str, word: &str| request.headers().get_all(name).iter().all(|value| value == word);
    let there = |name: &str| request.headers().contains_key(name);
    let way = path == "/sign-in" || path.starts_with("/v1/sign-in/");
    request.method() == Method::GET
        && way
        && !there("origin")
        && there("sec-fetch-mode")
        && says("sec-fetch-mode", "navigate")
        && there("sec-fetch-dest")
        && says("sec-fetch-dest", "document")
}

/// The host that was asked for: in the target with HTTP/2, in a header with HTTP/1.1, and never two of them.
fn host(request: &Request) -> Option<&str> {
    let named = only(request.headers(), header::HOST);
    match (request.uri().authority().map(http::uri::Authority::as_str), named) {
        (Some(target), None) => Some(target),
        (Some(target), Some(named)) if target == named => Some(target),
        (None, named) => named,
        _ => None,
    }
}

fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const OURS: &str = "https://polder.example:8443";

    fn asked(method: Method, path: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri(path).header("host", "polder.example:8443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        is_ours(&request.body(Body::empty()).unwrap(), OURS)
    }

    #[test]
    fn what_the_sign_in_page_sends_is_ours() {
        let same = ("sec-fetch-site", "same-origin");
        for path in
            ["/sign-in", "/sign-in/page.js", "/v1/sessions", "/v1/sessions/current", "/v1/sign-in/providers", "/v1/passkeys/options"]
        {
            assert!(asked(Method::POST, path, &[("origin", OURS), same]), "{path}");
            assert!(asked(Method::GET, path, &[same]), "{path}");
        }
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert!(asked(Method::GET, "/sign-in", &link) && asked(Method::GET, "/v1/sign-in/sso/callback", &link));
    }

    #[test]
    fn a_reader_is_answered_in_their_language() {
        for (said, french) in [
            ("fr", true),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7", true),
            ("en-GB,fr;q=0.5", false),
            ("de, fr;q=0.4", true),
            ("de", false),
            ("", false),
            ("fr;q=x", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, said.parse().unwrap())]);
            assert_eq!(prefers_french(&headers), french, "{said}");
        }
    }

    #[test]
    fn nothing_else_is() {
        let same = ("sec-fetch-site", "same-origin");
        for path in ["/v1/query", "/v1/tables", "/v1/whoami", "/mcp", "/sign-inn", "/v1/sessionsx", "/", "/v1/openapi.json"] {
            assert!(!asked(Method::POST, path, &[("origin", OURS), same]), "{path}");
        }
        for origin in
            ["https://evil.example", "null", "http://polder.example:8443", "https://polder.example", "https://polder.example:8443/"]
        {
            assert!(!asked(Method::POST, "/v1/sessions", &[("origin", origin), same]), "{origin}");
        }
        assert!(!asked(Method::POST, "/v1/sessions", &[("origin", OURS), ("origin", "null"), same]));
        for site in ["cross-site", "same-site"] {
            assert!(!asked(Method::POST, "/v1/sessions", &[("origin", OURS), ("sec-fetch-site", site)]), "{site}");
            assert!(!asked(Method::GET, "/sign-in", &[("sec-fetch-site", site)]), "{site}");
            let link = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
            assert!(!asked(Method::POST, "/sign-in", &link) && !asked(Method::GET, "/v1/passkeys", &link), "{site}");
            let frame = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
            assert!(!asked(Method::GET, "/sign-in", &frame), "{site}");
        }
        // Another's name that was made to lead here.
        let elsewhere = Request::get("/v1/sign-in/providers").header("host", "evil.example").header("sec-fetch-site", "same-origin");
        assert!(!is_ours(&elsewhere.body(Body::empty()).unwrap(), OURS));
        let two =
            Request::get("https://polder.example:8443/sign-in").header("host", "evil.example").header("sec-fetch-site", "same-origin");
        assert!(!is_ours(&two.body(Body::empty()).unwrap(), OURS));
    }
}
