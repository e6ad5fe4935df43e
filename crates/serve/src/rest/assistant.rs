//! The way in for assistants, `POST /mcp`: signed in, read and limited as every other request, then handed to [`crate::mcp`], and what it
//! needs of this listener for its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use polder_types::{ErrorKind, RequestId, printable_json};
use tokio::sync::OwnedSemaphorePermit;

use super::format::{Format, Unwritable, Writer};
use super::guard::Id;
use super::problem::{Problem, words};
use super::sessions::Signed;
use super::tables::Table;
use super::{Rest, body, query};
use crate::fault::Fault;
use crate::mcp;
use crate::ports::{self, Session};

/// Answers one message of an assistant.
pub(super) async fn ask(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    Extension(Id(id)): Extension<Id>,
    request: Request,
) -> Result<Response, Problem> {
    let limits = &rest.context.limits;
    let (mut parts, sent) = request.into_parts();
    let sent = body::read(&parts.headers, sent, limits.message_bytes, limits.stalled).await?;
    mcp::check(&sent).map_err(|broken| Problem::malformed(broken.to_string()))?;
    let purpose = query::purpose(None, &parts.headers)?;
    let caller = Arc::new(Caller { rest: Arc::clone(&rest), signed, id, purpose, over: AtomicBool::new(false) });
    parts.extensions.insert(Arc::clone(&caller));
    let answered = rest.assistants.handle(Request::from_parts(parts, Full::new(sent))).await;
    if caller.over.load(Ordering::Relaxed) {
        return Err(Problem::unauthenticated());
    }
    let (parts, body) = answered.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes);
    answer(parts.status, &parts.headers, body)
}

/// The answer as the protocol's implementation made it, where it is one of the protocol; else what it came to, in our own words: what it says
/// may repeat what was sent.
fn answer(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let mut response = match status {
        _ if json => {
            let text = String::from_utf8(body.into()).map_err(|_| defect())?;
            let mut response = Response::new(Body::from(printable_json(&text).into_owned()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        StatusCode::ACCEPTED => Response::new(Body::empty()),
        StatusCode::NOT_ACCEPTABLE => {
            let detail = "choose format: an answer is JSON or a stream of events; send Accept: application/json, text/event-stream";
            return Err(Problem::not_acceptable(detail));
        }
        _ if status.is_client_error() => {
            let detail = "read message: it is none of the Model Context Protocol in a version that is spoken here; send one request of JSON-RPC \
                          2.0, and as MCP-Protocol-Version what `initialize` answered";
            return Err(Problem::malformed(detail));
        }
        _ => return Err(defect().into()),
    };
    *response.status_mut() = status;
    Ok(response)
}

fn defect() -> Fault {
    Fault::new(ErrorKind::Internal, "answer message: no answer came of it; this is a defect of the program")
}

/// Who sent a message. There is none but of a request that signed in.
pub(crate) struct Caller {
    rest: Arc<Rest>,
    signed: Arc<Signed>,
    id: RequestId,
    purpose: Option<String>,
    over: AtomicBool,
}

impl Caller {
    /// The session.
    pub(crate) fn session(&self) -> &dyn Session {
        self.signed.session().as_ref()
    }

    /// The id of the request, under which stands what reads nothing.
    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// What the answer is for, as the request's header says.
    pub(crate) fn purpose(&self) -> Option<&str> {
        self.purpose.as_deref()
    }

    /// A place among those who are being answered.
    ///
    /// # Errors
    /// When there is none, or serving ends.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        self.rest.place()
    }

    /// Nobody finds the session any more: something was set in it.
    pub(crate) fn forget(&self) {
        self.rest.sessions.forget(&self.signed);
    }

    /// The session turned out to be over, so that the request is answered as one of nobody.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Rows as one JSON object, of which there are as many as fit.
pub(crate) struct Sheet {
    writer: Box<dyn Writer>,
    text: Vec<u8>,
    rows: usize,
    rows_max: usize,
    bytes_max: usize,
    cut: bool,
}

/// What may follow the rows.
const END_MAX_BYTES: usize = 64;

impl Sheet {
    /// For rows of these columns.
    ///
    /// # Errors
    /// When JSON cannot hold such columns.
    pub(crate) fn new(request: RequestId, schema: &SchemaRef, rows_max: usize, bytes_max: usize) -> Result<Self, Fault> {
        let mut writer = Format::Json.writer(request, schema).map_err(|_| unwritable(Unwritable))?;
        // The head comes with the first rows, also where these are none.
        let text = writer.write(&RecordBatch::new_empty(Arc::clone(schema))).map_err(unwritable)?;
        if text.len() + END_MAX_BYTES > bytes_max {
            let text = format!("write answer: its columns alone take more than {bytes_max} bytes; select fewer of them");
            return Err(Fault::new(ErrorKind::Invalid, text));
        }
        Ok(Self { writer, text, rows: 0, rows_max, bytes_max, cut: false })
    }

    /// Takes rows; says whether it takes more.
    ///
    /// # Errors
    /// When a value has no place in JSON, or the first row does not fit.
    pub(crate) fn take(&mut self, batch: &RecordBatch) -> Result<bool, Fault> {
        for row in 0..batch.num_rows() {
            if self.rows == self.rows_max {
                self.cut = true;
                break;
            }
            let written = self.writer.write(&batch.slice(row, 1)).map_err(unwritable)?;
            if self.text.len() + written.len() + END_MAX_BYTES > self.bytes_max {
                if self.rows == 0 {
                    let text = format!("write answer: its first row alone takes more than {} bytes; select fewer columns", self.bytes_max);
                    return Err(Fault::new(ErrorKind::Invalid, text));
                }
                self.cut = true;
                break;
            }
            self.text.extend(written);
            self.rows += 1;
        }
        Ok(!self.cut)
    }

    /// The object.
    ///
    /// # Errors
    /// Never, unless it is no UTF-8.
    pub(crate) fn finish(mut self) -> Result<String, Fault> {
        let end = self.writer.finish(self.rows as u64).map_err(unwritable)?;
        self.text.extend(end);
        let text = String::from_utf8(self.text).map_err(|_| defect())?;
        let open = text.trim_end().strip_suffix('}').ok_or_else(defect)?;
        Ok(format!("{open},\"truncated\":{}}}", self.cut))
    }
}

fn unwritable(_: Unwritable) -> Fault {
    let text = "write answer: JSON cannot hold its columns, by their types or because two have one name; name columns with AS or cast them";
    Fault::new(ErrorKind::Invalid, text)
}

/// A table as this listener tells of it.
///
/// # Errors
/// Never, unless it cannot be said in JSON.
pub(crate) fn described(table: ports::Table) -> Result<serde_json::Value, Fault> {
    serde_json::to_value(Table::from(table)).map_err(|_| defect())
}

/// A kind of error in one word.
pub(crate) const fn word(kind: ErrorKind) -> &'static str {
    words(kind).0
}
