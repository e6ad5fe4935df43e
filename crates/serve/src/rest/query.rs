//! A question and its answer.

use std::sync::Arc;

use arrow::datatypes::Field;
use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use polder_types::limit::PURPOSE_MAX_BYTES;
use serde::Serialize;
use utoipa::ToSchema;

use super::format::Format;
use super::guard::{Id, REQUEST};
use super::problem::Problem;
use super::request::Request;
use super::sessions::Signed;
use super::stream::Sending;
use super::{Rest, body, parameters};
use crate::ports::{Answer, Dialect, Question, Session};

/// An answer as JSON. Its members stand in this order; without its end it is no JSON.
#[derive(ToSchema)]
#[schema(as = Answer)]
#[allow(dead_code, reason = "describes what the writer of JSON writes row by row")]
pub(super) struct Described {
    /// The id under which the question stands in the audit log; that of the request where nothing was read.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    request: String,
    columns: Vec<AnswerColumn>,
    /// A list of values a row, in the order of the columns.
    #[schema(value_type = Vec<Vec<serde_json::Value>>)]
    rows: Vec<()>,
    row_count: u64,
}

/// A column of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnswerColumn {
    name: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    data_type: String,
    nullable: bool,
}

impl AnswerColumn {
    pub(super) fn of(field: &Field) -> Self {
        Self { name: field.name().clone(), data_type: field.data_type().to_string(), nullable: field.is_nullable() }
    }
}

/// Answers a question
///
/// One statement that reads. The answer comes in the form that `Accept` asks for, as it is computed. It is whole only if the connection says so:
/// one that broke off ends without the last chunk (HTTP/1.1) or by a reset (HTTP/2), and as JSON, NDJSON, CSV or Parquet also without its end.
#[utoipa::path(
    post,
    path = "/v1/query",
    operation_id = "query",
    tag = "questions",
    params(("Polder-Purpose" = Option<String>, Header, description = "What the answer is for, in printable ASCII, at most 256 bytes.", max_length = 256, pattern = "^[ -~]*$")),
    request_body(content = Request, content_type = "application/json"),
    responses(
        (status = 200, description = "The rows.", body = Described, content_type = "application/json", headers(("Polder-Request" = String, description = "The id under which the question stands in the audit log."))),
        (status = 404, description = "There is none of that name that you may know of."),
    ),
)]
pub(super) async fn query(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    Extension(Id(id)): Extension<Id>,
    request: HttpRequest,
) -> Result<Response, Problem> {
    let limits = &rest.context.limits;
    let (parts, sent) = request.into_parts();
    let format = Format::of(&parts.headers)?;
    let place = rest.place()?;
    let asked = Request::read(&body::read(&parts.headers, sent, limits.message_bytes, limits.stalled).await?)?;
    let question = question(signed.session().as_ref(), asked, &parts.headers).await?;
    let (request, schema, mut rows, holds) = match signed.session().ask(question).await? {
        Answer::Rows { request, schema, rows, holds } => (request.unwrap_or(id), schema, rows, holds),
        Answer::Done(_) => {
            rest.sessions.forget(&signed);
            let detail = "answer question: it has no rows, and what it sets is gone with the request; give the purpose as `purpose`";
            return Err(Problem::unprocessable(detail));
        }
    };
    // Awaited before the answer begins: most of what goes wrong goes wrong here, and is told with a status.
    let first = rows.next().await.transpose()?;
    let writer = format.writer(request, &schema)?;
    let mut response = Sending { signed, place, writer, first, rows, holds, stalled: limits.stalled }.begin().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if let Ok(request) = HeaderValue::try_from(request.to_string()) {
        headers.insert(REQUEST, request);
    }
    Ok(response)
}

async fn question(session: &dyn Session, asked: Request, headers: &HeaderMap) -> Result<Question, Problem> {
    let purpose = purpose(asked.purpose, headers)?;
    let mut question = Question { sql: asked.sql, dialect: Dialect::Plain, purpose, ..Question::default() };
    if !asked.parameters.is_empty() {
        let expected = session.describe(&question).await?.parameters;
        question.parameters = Some(parameters::row(&asked.parameters, &expected)?);
        question.parameter_types = expected.into_iter().map(Some).collect();
    }
    Ok(question)
}

/// The purpose that body and header give, which must not differ.
///
/// # Errors
/// When they do, or it is none that can be recorded.
pub(super) fn purpose(of_body: Option<String>, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all("polder-purpose").iter();
    let of_header = match (given.next(), given.next()) {
        (None, _) => None,
        (Some(value), None) => match value.to_str() {
            Ok(text) => Some(text.to_owned()),
            Err(_) => {
                return Err(Problem::malformed("take purpose: the header Polder-Purpose is not printable ASCII; give it as `purpose`"));
            }
        },
        (Some(_), Some(_)) => return Err(Problem::malformed("take purpose: the header Polder-Purpose stands twice; give it once")),
    };
    let purpose = match (of_body, of_header) {
        (Some(body), Some(header)) if body != header => {
            return Err(Problem::malformed("take purpose: body and header say different ones; give one"));
        }
        (body, header) => body.or(header),
    };
    match &purpose {
        Some(purpose) if purpose.len() > PURPOSE_MAX_BYTES || purpose.chars().any(char::is_control) => {
            let detail =
                format!("take purpose: it is longer than {PURPOSE_MAX_BYTES} bytes or has control characters; say it in fewer words");
            Err(Problem::unprocessable(detail))
        }
        _ => Ok(purpose),
    }
}
