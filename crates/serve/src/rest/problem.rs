//! Why a request was not served, as RFC 9457 has it. The body is written in one place, [`super::guard`], where the request's id is known.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use polder_types::{ErrorKind, RequestId};
use serde::Serialize;
use utoipa::ToSchema;

use super::ingest::Loaded;
use crate::fault::Fault;
use crate::ports::NO_DATASET;

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// `urn:polder:problem:` and the kind.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The step that failed, then what to do.
    detail: &'a str,
    /// `urn:polder:request:` and the id of the request; absent where none could be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// The five-character SQLSTATE, where the question was at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'a str>,
    /// The first character of the question that it is about, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    position: Option<u32>,
    /// What is known of rows that were sent and not loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Loaded>)]
    load: Option<&'a Loaded>,
}

/// What a handler answers instead of what was asked for.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    word: &'static str,
    title: &'static str,
    detail: String,
    sqlstate: Option<&'static str>,
    position: Option<u32>,
    load: Option<Box<Loaded>>,
}

impl Problem {
    fn new(status: StatusCode, word: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, word, title, detail: detail.into(), sqlstate: None, position: None, load: None }
    }

    /// The same for all who are not signed in, whatever the reason.
    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "not signed in", Fault::not_signed_in().message())
    }

    /// The same for all whom a provider's answer did not sign in, whatever the reason.
    pub(super) fn refused() -> Self {
        let detail = "sign in: you are not let in through this provider; ask whoever keeps the accounts, or begin anew";
        Self::new(StatusCode::FORBIDDEN, "denied", "denied", detail)
    }

    /// A page of some site speaks through a browser.
    pub(super) fn browser() -> Self {
        let detail =
            "take request: it was sent by a page in a browser, and no page is trusted; use a program, and give its own credentials";
        Self::new(StatusCode::FORBIDDEN, "browser", "not for browsers", detail)
    }

    /// What was sent cannot be read.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "not valid", detail)
    }

    /// What was sent can be read and means nothing here.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "not as described", detail)
    }

    pub(super) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "not found", "find route: there is none here; GET /v1/openapi.json lists all")
    }

    /// The same whether a table is not there or may not be known of.
    pub(super) fn no_such_table() -> Self {
        let detail = "find table: there is none of this name that you may know of; GET /v1/tables lists those that you may";
        Self::new(StatusCode::NOT_FOUND, "not_found", "not found", detail)
    }

    /// The same whether something is not there or may not be known of.
    pub(super) fn not_found(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "not found", detail)
    }

    /// What is to be changed is not what the client has seen.
    pub(super) fn precondition_failed() -> Self {
        let detail = "take request: it is another one than If-Match names; read it again, and decide anew";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", "changed meanwhile", detail)
    }

    /// The client does not say what it has seen.
    pub(super) fn precondition_required() -> Self {
        let detail = "take request: it has no If-Match; give the ETag of what you have read";
        Self::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", "say what you have seen", detail)
    }

    /// A fault of something that is no question: SQLSTATEs say nothing of it.
    pub(super) fn of_work(fault: Fault) -> Self {
        Self { sqlstate: None, position: None, ..Self::from(fault) }
    }

    pub(super) fn method_not_allowed() -> Self {
        let detail = "take request: the route has no such method; the header Allow names those that it has";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "method not allowed", detail)
    }

    pub(super) fn not_acceptable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", "not acceptable", detail)
    }

    pub(super) fn too_slow() -> Self {
        let detail = "read body: it did not come in time; send it again, in one go";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "too slow", detail)
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("read body: it is longer than {bytes_max} bytes; ask in fewer words, or give fewer parameters");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "too large", detail)
    }

    pub(super) fn uri_too_long(bytes_max: usize) -> Self {
        let detail = format!("take request: its target is longer than {bytes_max} bytes; ask by the body of POST /v1/query");
        Self::new(StatusCode::URI_TOO_LONG, "uri_too_long", "target too long", detail)
    }

    pub(super) fn headers_too_large(bytes_max: usize) -> Self {
        let detail = format!("take request: its headers are longer than {bytes_max} bytes; send fewer");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "headers too large", detail)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let detail = "read body: it is not announced as plain JSON; send Content-Type: application/json, and no Content-Encoding";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "not JSON", detail)
    }

    /// The same whether a dataset is not there or one may not send into it.
    pub(super) fn no_such_dataset() -> Self {
        Fault::new(ErrorKind::NotFound, NO_DATASET).into()
    }

    /// A body of another form than may be.
    pub(super) fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "not a form that is taken", detail)
    }

    /// More is sent than a dataset takes at once.
    pub(super) fn too_much(bytes_max: usize) -> Self {
        let detail = format!("read body: it is longer than the {bytes_max} bytes that the dataset takes; send it in parts");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "too large", detail)
    }

    /// As many do the same as may.
    pub(super) fn crowded(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "crowded", "too many at once", detail)
    }

    /// A key stands for another body.
    pub(super) fn other_body(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "other_body", "the key stands for another body", detail)
    }

    /// Rows that were not loaded, and what is known of them.
    pub(super) fn not_loaded(detail: impl Into<String>, load: Loaded) -> Self {
        let (word, title) = words(ErrorKind::Rejected);
        Self { load: Some(Box::new(load)), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, word, title, detail) }
    }

    /// Writes the document, and the headers that its status calls for.
    pub(super) fn write(self, response: &mut Response, request: Option<RequestId>) {
        let document = Document {
            kind: format!("urn:polder:problem:{}", self.word),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            instance: request.map(|id| format!("urn:polder:request:{id}")),
            sqlstate: self.sqlstate,
            position: self.position,
            load: self.load.as_deref(),
        };
        // It holds nothing that JSON cannot say; were it otherwise, the status alone would be answered.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"polder\", charset=\"UTF-8\""));
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"polder\""));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        *response.body_mut() = body.into();
    }
}

/// A kind in one word, and in words.
pub(super) const fn words(kind: ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::Denied => ("denied", "denied"),
        ErrorKind::Invalid => ("invalid", "not valid"),
        ErrorKind::Rejected => ("rejected", "rejected"),
        ErrorKind::NotFound => ("not_found", "not found"),
        ErrorKind::Conflict => ("conflict", "another change came first"),
        ErrorKind::Busy => ("busy", "busy"),
        ErrorKind::Unavailable => ("unavailable", "not available now"),
        ErrorKind::Corrupt => ("corrupt", "damaged data"),
        ErrorKind::Internal => ("internal", "a defect of the program"),
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        if fault.is_unauthenticated() {
            return Self::unauthenticated();
        }
        let kind = fault.kind();
        let (word, title) = words(kind);
        let status = StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { sqlstate: Some(fault.sqlstate()), position: fault.position(), ..Self::new(status, word, title, fault.message()) }
    }
}

impl IntoResponse for Problem {
    /// The document follows in [`super::guard::finish`].
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
