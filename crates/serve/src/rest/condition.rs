//! Answers under an ETag: one that the client has already is not sent again, and what is changed is what the client has seen.

use aws_lc_rs::digest;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use polder_types::ErrorKind;
use serde::Serialize;

use super::problem::Problem;
use crate::fault::Fault;

/// The content as JSON under its ETag, or that it is what the client has already. It may be kept by the client alone, who must ask each time.
///
/// # Errors
/// When it is no JSON, which is a defect.
pub(super) fn conditional(content: &impl Serialize, headers: &HeaderMap) -> Result<Response, Problem> {
    answer(json(content)?, headers)
}

/// JSON that was written before, in the same way.
///
/// # Errors
/// Never; its tag is one that a header can hold.
pub(super) fn answer(body: Vec<u8>, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = tag(&body);
    let mut response = if matches(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    let answer = response.headers_mut();
    answer.insert(header::ETAG, HeaderValue::try_from(tag).map_err(|_| defect())?);
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer.insert(header::VARY, HeaderValue::from_static("authorization, accept"));
    Ok(response)
}

/// A content as JSON.
///
/// # Errors
/// When it is none, which is a defect.
pub(super) fn json(content: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(content).map_err(|_| defect().into())
}

/// The ETag of a body.
pub(super) fn tag(body: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, body)))
}

/// The ETags that a change is made under: what the client has seen. `*` and weak tags are none, since they say nothing of that.
///
/// # Errors
/// When there is no `If-Match`.
pub(super) fn seen(headers: &HeaderMap) -> Result<Vec<String>, Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        return Err(Problem::precondition_required());
    }
    let given = headers.get_all(header::IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    Ok(given.flat_map(|value| value.split(',')).map(|one| one.trim().to_owned()).collect())
}

fn defect() -> Fault {
    Fault::new(ErrorKind::Internal, "write answer: it is no JSON; this is a defect of the program")
}

/// By weak comparison (RFC 9110, 13.1.2).
fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}
