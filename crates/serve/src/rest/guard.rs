//! What holds for every request and every answer, whichever route it is.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Version};
use polder_types::{ErrorKind, RequestId};

use super::problem::Problem;
use super::{Rest, providers, sign_in_page};
use crate::fault::Fault;

/// Names the request in answers and records.
pub(super) const REQUEST: HeaderName = HeaderName::from_static("polder-request");

/// Longest target of a request, in bytes.
const TARGET_MAX_BYTES: usize = 8 << 10;
/// Longest headers of a request together, in bytes.
const HEADERS_MAX_BYTES: usize = 32 << 10;

/// For every answer. Nothing is a page, nothing is shown in one, and nothing is kept by whoever passes it on.
const ALWAYS: [(HeaderName, &str); 6] = [
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// The id of a request, made here: one that a client chose could be another's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) RequestId);

/// Outermost: gives the request its id, and every answer its headers; writes what problems are.
pub(super) async fn finish(State(rest): State<Arc<Rest>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::random(rest.context.rng.as_ref()).ok();
    let head = request.method() == Method::HEAD;
    let mut response = match id {
        Some(id) => {
            request.extensions_mut().insert(Id(id));
            next.run(request).await
        }
        None => {
            Problem::from(Fault::new(ErrorKind::Unavailable, "take request: the operating system gives no randomness; try again later"))
                .into_response()
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.write(&mut response, id);
    }
    if head {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        // The page for signing in says what of its own it may load; no handler says anything else of these.
        if name == header::CONTENT_SECURITY_POLICY && headers.contains_key(&name) {
            continue;
        }
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(id) = id.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
        headers.entry(REQUEST).or_insert(id);
    }
    response
}

/// Turns away what no route takes.
pub(super) async fn refuse(State(rest): State<Arc<Rest>>, request: Request, next: Next) -> Response {
    match refused(&request, rest.context.public_url.as_deref()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn refused(request: &Request, public_url: Option<&str>) -> Option<Problem> {
    if matches!(request.version(), Version::HTTP_09 | Version::HTTP_10) {
        // Those who speak it cannot tell an answer that broke off from a whole one.
        return Some(Problem::malformed("take request: it is of HTTP/1.0 or older; speak HTTP/1.1 or HTTP/2"));
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_MAX_BYTES {
        return Some(Problem::uri_too_long(TARGET_MAX_BYTES));
    }
    let length: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if length > HEADERS_MAX_BYTES {
        return Some(Problem::headers_too_large(HEADERS_MAX_BYTES));
    }
    let from_ours = || public_url.is_some_and(|ours| sign_in_page::is_ours(request, ours));
    let on_the_way = || providers::is_on_the_way(request.method(), request.uri().path(), request.headers());
    (from_a_page(request.headers()) && !from_ours() && !on_the_way()).then(Problem::browser)
}

/// Whether a page of some site sent it: browsers say so in headers that pages cannot change. But for those that [`sign_in_page`] knows, there is no
/// page of ours, so that even one of the same origin is another's whose name was made to lead here.
fn from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.get_all("sec-fetch-site").iter().any(|site| site != "none")
}
