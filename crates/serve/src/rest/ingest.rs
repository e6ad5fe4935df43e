//! Rows that programs send. Who may is decided, and recorded, before any of the body is read; the body is held within limits, and loaded as
//! whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request as HttpRequest, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::problem::Problem;
use super::sessions::Signed;
use super::{Rest, accept, cloud_events};
use crate::fault::Fault;
use crate::ports;
use crate::ports::{NotPushed, Push, PushFormat, Pushed, Room};

/// What the body may be announced as.
pub(super) const MEDIA_TYPES: [&str; 6] = [
    "application/x-ndjson",
    "text/csv",
    "application/vnd.apache.arrow.stream",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/json",
];

/// By what a request is known again.
const KEY: &str = "idempotency-key";
/// Longest key, in bytes.
const KEY_MAX_BYTES: usize = 128;
/// Says that nothing was loaded now, since it was before.
const REPLAYED: HeaderName = HeaderName::from_static("polder-replayed");
/// What comes slower than this holds memory that others wait for, in bytes a second.
const SLOWEST: usize = 64 << 10;

/// What came of rows that were sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Loaded {
    /// The run under which it stands in the audit log.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    run: String,
    /// Which of the table's batches it is; null where nothing was loaded.
    batch: Option<u64>,
    /// Rows that the body holds.
    read: u64,
    /// Rows that were taken.
    loaded: u64,
    /// Rows refused and dropped.
    rejected: u64,
    /// Rows refused and kept, sealed.
    quarantined: u64,
    /// The first rows that were refused, at most 1,000. No value of a row stands there.
    verdicts: Vec<Verdict>,
    /// Whether more rows were refused.
    verdicts_truncated: bool,
}

/// Why a row was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Verdict)]
pub(super) struct Verdict {
    /// The record's number in the body, from 1; a header is none.
    #[schema(minimum = 1)]
    row: u64,
    /// `rejected`, or `quarantined` where the row was kept.
    verdict: &'static str,
    /// The column; null when the record as a whole is wrong.
    column: Option<String>,
    /// The rule of the contract.
    rule: String,
    /// The rule in words.
    reason: String,
}

impl From<Pushed> for Loaded {
    fn from(pushed: Pushed) -> Self {
        let Pushed { run, batch, read, loaded, rejected, quarantined, verdicts, truncated, replayed: _ } = pushed;
        let verdicts = verdicts.into_iter().map(Verdict::from).collect();
        Self { run: run.to_string(), batch, read, loaded, rejected, quarantined, verdicts, verdicts_truncated: truncated }
    }
}

impl From<ports::Verdict> for Verdict {
    fn from(verdict: ports::Verdict) -> Self {
        let ports::Verdict { row, quarantined, column, rule, reason } = verdict;
        Self { row, verdict: if quarantined { "quarantined" } else { "rejected" }, column, rule, reason }
    }
}

impl From<NotPushed> for Problem {
    fn from(why: NotPushed) -> Self {
        match why {
            NotPushed::Fault(fault) => fault.into(),
            NotPushed::Crowded(text) => Self::crowded(text),
            NotPushed::OtherBody(text) => Self::other_body(text),
            NotPushed::Rejected { message, rows } => Self::not_loaded(message, Loaded::from(*rows)),
        }
    }
}

/// Sends rows into a dataset
///
/// The dataset is one of a source of type `push`. All rows that the contract admits are in the table when the answer comes; each that it
/// refuses has a verdict. The same key with the same body, sent again within seven days, is answered the same, and loads nothing.
#[utoipa::path(
    post,
    path = "/v1/ingest/{source}/{dataset}",
    operation_id = "ingest",
    tag = "ingest",
    params(
        ("source" = String, Path, description = "The source's name."),
        ("dataset" = String, Path, description = "One of its datasets."),
        ("Idempotency-Key" = String, Header, description = "By what the request is known again: 1 to 128 characters of printable ASCII.", min_length = 1, max_length = 128, pattern = "^[!-~]([ -~]*[!-~])?$"),
    ),
    request_body(content = String, content_type = "application/x-ndjson", description = "The rows. `application/json` is the data of one CloudEvent whose attributes are the headers `ce-*`. No `Content-Encoding`."),
    responses(
        (status = 200, description = "What came of the rows.", body = Loaded, headers(("Polder-Replayed" = String, description = "`true` where they had been loaded before, and this is what was answered then."))),
        (status = 404, description = "There is no dataset of this name that you may send rows to."),
        (status = 413, description = "The body is longer than the dataset takes."),
        (status = 415, description = "The dataset takes no body of this form, or the body is compressed."),
        (status = 422, description = "Nothing was loaded: the rows broke the contract (`load` tells which), the body is not what it is announced as, or the key stands for another body."),
        (status = 429, description = "As many as may be are sending; try again."),
    ),
)]
pub(super) async fn push(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    names: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    accept::json(&parts.headers)?;
    if query.is_some() {
        return Err(Problem::malformed("send rows: the target has a query, and none is known; leave it out"));
    }
    let key = key(&parts.headers)?;
    let form = Form::of(&parts.headers)?;
    let place = rest.place_to_push()?;
    let Ok(Path((source, dataset))) = names else { return Err(Problem::no_such_dataset()) };
    let pushing = signed.session().push(&source, &dataset).await?;
    if !pushing.takes(form.format()) {
        return Err(Problem::unsupported(
            "send rows: the dataset takes none in this form; ask whoever keeps its source which ones it takes",
        ));
    }
    let bytes_max = pushing.bytes_max();
    let announced = body.size_hint();
    if announced.lower() > bytes_max as u64 {
        return Err(Problem::too_much(bytes_max));
    }
    let most = announced.upper().and_then(|most| usize::try_from(most).ok()).map_or(bytes_max, |most| most.min(bytes_max));
    let room = Room::new(place, rest.memory_to_push(most)?);
    let body = collected(body, bytes_max, rest.context.limits.stalled).await?;
    let body = form.body(&parts.headers, body)?;
    let pushed = pushing.load(Push { format: form.format(), key, body, room }).await?;
    let replayed = pushed.replayed;
    let mut response = Json(Loaded::from(pushed)).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

impl Rest {
    fn place_to_push(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if self.context.drain.has_begun() {
            return Err(Fault::limit("send rows: serving ends; send them again when it has begun anew").into());
        }
        let free = Arc::clone(&self.pushing).try_acquire_owned();
        free.map_err(|_| Problem::crowded("send rows: as many as may be send some at the moment; try again"))
    }

    fn memory_to_push(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).saturating_add(1);
        let free = Arc::clone(&self.pushed_kib).try_acquire_many_owned(kib);
        free.map_err(|_| Problem::crowded("send rows: there is no memory for more at the moment; try again, or send fewer at once"))
    }
}

/// What the sender calls the request.
fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut given = headers.get_all(KEY).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Problem::malformed(
            "send rows: the header Idempotency-Key does not stand there once; give each request a key of its own, and the same one when it is sent again",
        ));
    };
    match value.to_str() {
        Ok(text) if !text.is_empty() && text.len() <= KEY_MAX_BYTES && !text.bytes().any(|byte| byte.is_ascii_control()) => {
            Ok(text.to_owned())
        }
        _ => Err(Problem::malformed(format!(
            "send rows: the header Idempotency-Key is not 1 to {KEY_MAX_BYTES} characters of printable ASCII; give another one"
        ))),
    }
}

/// How rows stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Ndjson,
    Csv,
    Arrow,
    /// One event, or a list of them, with their attributes.
    Event,
    Events,
    /// The data of one event; its attributes are headers.
    Data,
}

impl Form {
    /// # Errors
    /// When the body is announced as none of them, or as compressed.
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::unsupported(
                "read body: it is compressed, which is not taken; send it as it is, without Content-Encoding",
            ));
        }
        let unknown = || {
            let text = format!("read body: Content-Type is none that is taken; send one of {}", MEDIA_TYPES.join(", "));
            Problem::unsupported(text)
        };
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(only), None) = (types.next(), types.next()) else { return Err(unknown()) };
        let mut parts = only.to_str().map_err(|_| unknown())?.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let form = match kind.as_str() {
            "application/x-ndjson" => Self::Ndjson,
            "text/csv" => Self::Csv,
            "application/vnd.apache.arrow.stream" => Self::Arrow,
            "application/cloudevents+json" => Self::Event,
            "application/cloudevents-batch+json" => Self::Events,
            "application/json" if cloud_events::has_attributes(headers) => Self::Data,
            "application/json" => {
                let text = "read body: it is JSON without the headers ce-* that make it a CloudEvent; send them, or send rows as application/x-ndjson, an object a line";
                return Err(Problem::unsupported(text));
            }
            _ => return Err(unknown()),
        };
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_ascii_lowercase());
            let fits = match name.as_str() {
                "charset" => form != Self::Arrow && value == "utf-8",
                "header" => form == Self::Csv && value == "present",
                _ => false,
            };
            if !fits {
                let text = "read body: Content-Type has a parameter that is not taken; text is UTF-8, and CSV has a header";
                return Err(Problem::unsupported(text));
            }
        }
        Ok(form)
    }

    fn format(self) -> PushFormat {
        match self {
            Self::Ndjson => PushFormat::Ndjson,
            Self::Csv => PushFormat::Csv,
            Self::Arrow => PushFormat::Arrow,
            Self::Event | Self::Events | Self::Data => PushFormat::Events,
        }
    }

    /// The body as the format has it: of events a list.
    fn body(self, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Problem> {
        match self {
            Self::Ndjson | Self::Csv | Self::Arrow => Ok(body),
            Self::Event => cloud_events::one(&body),
            Self::Events => cloud_events::many(body),
            Self::Data => cloud_events::of_headers(headers, &body),
        }
    }
}

/// Reads a body whole, which must come at no less than a certain speed.
async fn collected(body: Body, bytes_max: usize, stalled: Duration) -> Result<Bytes, Problem> {
    let seconds = u64::try_from(bytes_max / SLOWEST).unwrap_or(u64::MAX);
    let time_max = stalled.saturating_add(Duration::from_secs(seconds));
    match tokio::time::timeout(time_max, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_much(bytes_max)),
        Ok(Err(_)) => Err(Problem::malformed("read body: it broke off; send it again")),
        Err(_) => Err(Problem::too_slow()),
    }
}
