//! The body of a request: plain JSON, of a limited length, within a limited time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::problem::Problem;

/// Reads it whole.
///
/// # Errors
/// When it is announced as anything but JSON, is too long, too slow, or breaks off.
pub(super) async fn read(headers: &HeaderMap, body: Body, bytes_max: usize, time_max: Duration) -> Result<Bytes, Problem> {
    if !is_json(headers) || headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::unsupported_media_type());
    }
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Problem::too_large(bytes_max));
    }
    match tokio::time::timeout(time_max, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large(bytes_max)),
        Ok(Err(_)) => Err(Problem::malformed("read body: it broke off; send it again")),
        Err(_) => Err(Problem::too_slow()),
    }
}

/// Reads an object of JSON, each name once and none that is not known: what one reader takes and another leaves is how something gets past
/// whoever looked at it before.
///
/// # Errors
/// When it is no JSON, or another than described. The text names places, no values.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("read body: it is not UTF-8; send JSON in UTF-8"))?;
    let unread = |error: serde_json::Error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            Category::Data if error.to_string().starts_with("duplicate field") => {
                Problem::malformed(format!("read body: a name stands twice in an object ({place}); write each once"))
            }
            Category::Data => Problem::unprocessable(format!(
                "read body: it is not as described ({place}); GET /v1/openapi.json says what the route takes"
            )),
            Category::Io | Category::Syntax | Category::Eof => Problem::malformed(format!("read body: it is no JSON ({place}); send JSON")),
        }
    };
    // A list would be taken for the members in their order.
    let is_object = text.trim_ascii_start().starts_with('{');
    let value: Result<T, Problem> = serde_json::from_str(text).map_err(unread);
    match value {
        Ok(_) if !is_object => Err(Problem::unprocessable("read body: it is no object; GET /v1/openapi.json says what the route takes")),
        value => value,
    }
}

/// A member that may be left out, and is no `null`.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let mut parts = only.to_str().unwrap_or_default().split(';').map(str::trim);
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            // JSON has one encoding; a client may say so.
            parameter.is_empty() || (name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8"))
        })
}
