//! Runs: begun, listed, shown and ended.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use polder_types::RunId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::page::{self, Query};
use super::problem::Problem;
use super::sessions::Signed;
use super::{Rest, accept, body};
use crate::works::{self, Order, Works};

/// Runs of a page where nothing is said.
const PAGE: usize = 50;
/// Runs of a page, at most.
const PAGE_MAX: usize = 500;
/// Tables and models of one order.
const NAMES_MAX: usize = 1_000;
/// Longest name of a table, model or pipeline, in bytes.
const NAME_MAX_BYTES: usize = 63;
/// Longest key of an order, in bytes.
const KEY_MAX_BYTES: usize = 128;

/// What is to be run: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RunOrder, example = json!({"tables": ["visits"]}))]
pub(super) struct Ordered {
    /// A pipeline, which is run once as its file says.
    #[serde(default, deserialize_with = "body::given")]
    #[schema(nullable = false, max_length = 63)]
    pipeline: Option<String>,
    /// Tables and models.
    #[serde(default, deserialize_with = "body::given")]
    #[schema(nullable = false, min_items = 1, max_items = 1000)]
    tables: Option<Vec<String>>,
}

/// That a run was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Begun {
    /// The run's id.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    run: String,
}

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Runs {
    /// The newest first.
    runs: Vec<Run>,
    /// What `after` takes for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A run, as far as it has come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Run {
    #[schema(pattern = "^[0-9a-f]{32}$")]
    run: String,
    /// Its pipeline.
    #[schema(required = true)]
    pipeline: Option<String>,
    /// `hand`, `schedule` or `retry`.
    trigger: &'static str,
    /// From 1.
    attempt: u32,
    started: String,
    #[schema(required = true)]
    ended: Option<String>,
    /// How it ended; null as long as nothing says so.
    #[schema(required = true)]
    result: Option<&'static str>,
    /// The kind of the gravest failure.
    #[schema(required = true)]
    error: Option<String>,
    /// Batches that were committed.
    #[schema(required = true)]
    committed: Option<u32>,
    /// Batches that failed.
    #[schema(required = true)]
    failed: Option<u32>,
}

impl From<works::Run> for Run {
    fn from(run: works::Run) -> Self {
        let works::Run { id, place: _, pipeline, trigger, attempt, started, ended, result, error, committed, failed } = run;
        Self { run: id.to_string(), pipeline, trigger, attempt, started, ended, result, error, committed, failed }
    }
}

/// A run and its steps.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunShown {
    #[serde(flatten)]
    run: Run,
    /// Those that ended, in this order.
    steps: Vec<Step>,
}

/// What a step came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Step {
    /// The table or model; null where it has no file any more.
    #[schema(required = true)]
    step: Option<String>,
    status: String,
    /// The kind of its failure.
    #[schema(required = true)]
    error: Option<String>,
    #[schema(required = true)]
    counts: Option<Counts>,
    started: String,
    ended: String,
}

/// Rows of a step.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counts {
    /// That the source holds.
    read: u64,
    /// That were taken.
    loaded: u64,
    /// That were refused and dropped.
    rejected: u64,
    /// That were refused and kept.
    quarantined: u64,
}

impl From<works::Step> for Step {
    fn from(step: works::Step) -> Self {
        let works::Step { name, status, error, counts, started, ended } = step;
        let counts = counts.map(|works::Counts { read, loaded, rejected, quarantined }| Counts { read, loaded, rejected, quarantined });
        Self { step: name, status, error, counts, started, ended }
    }
}

/// Begins a run
///
/// Of a pipeline or of tables and models, each of which you must be permitted to run. The same order under the same key begins nothing: it is
/// answered with the run that it began, also after the server was started anew. A run that began goes on when your session ends.
#[utoipa::path(
    post,
    path = "/v1/runs",
    operation_id = "start_run",
    tag = "runs",
    params(("Idempotency-Key" = String, Header, description = "Names the order: 1 to 128 letters, digits and `-_.:`.", max_length = 128, pattern = "^[A-Za-z0-9_.:-]{1,128}$")),
    request_body(content = Ordered, content_type = "application/json"),
    responses(
        (status = 202, description = "It began, or it had under the same key.", body = Begun, headers(("Location" = String, description = "Where the run is told of."))),
        (status = 404, description = "There is none of that name that you may run."),
    ),
)]
pub(super) async fn start(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    request: Request,
) -> Result<Response, Problem> {
    let limits = &rest.context.limits;
    let (parts, sent) = request.into_parts();
    accept::json(&parts.headers)?;
    let _place = rest.place()?;
    let key = key(&parts.headers)?;
    let order = order(body::object(&body::read(&parts.headers, sent, limits.message_bytes, limits.stalled).await?)?)?;
    let run = of(&signed)?.start(order, &key).await.map_err(Problem::of_work)?;
    let location = HeaderValue::try_from(format!("/v1/runs/{run}"));
    let mut response = (StatusCode::ACCEPTED, Json(Begun { run: run.to_string() })).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let (Some(key), None) = (given.next(), given.next()) else {
        let detail = "begin run: it needs one header Idempotency-Key, so that a request that is sent again begins nothing; choose a key for each order";
        return Err(Problem::malformed(detail));
    };
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let key = key.to_str().ok().filter(|key| (1..=KEY_MAX_BYTES).contains(&key.len()) && key.as_bytes().iter().all(fits));
    key.map(str::to_owned).ok_or_else(|| {
        Problem::malformed(format!("begin run: Idempotency-Key is not 1 to {KEY_MAX_BYTES} letters, digits and -_.: ; choose another"))
    })
}

fn order(ordered: Ordered) -> Result<Order, Problem> {
    let fits = |name: &String| (1..=NAME_MAX_BYTES).contains(&name.len());
    match ordered {
        Ordered { pipeline: Some(name), tables: None } if fits(&name) => Ok(Order::Pipeline(name)),
        Ordered { pipeline: None, tables: Some(names) } if (1..=NAMES_MAX).contains(&names.len()) && names.iter().all(fits) => {
            Ok(Order::Tables(names))
        }
        _ => Err(Problem::unprocessable(format!(
            "read body: it names not either a `pipeline` or 1 to {NAMES_MAX} `tables`, each in 1 to {NAME_MAX_BYTES} bytes; write one of the two"
        ))),
    }
}

/// Lists the runs that you may know of
///
/// Those that you began; all of them for whoever may read the audit log.
#[utoipa::path(
    get,
    path = "/v1/runs",
    operation_id = "list_runs",
    tag = "runs",
    params(
        ("limit" = Option<u16>, Query, description = "Runs of a page; 50 if absent.", minimum = 1, maximum = 500),
        ("after" = Option<String>, Query, description = "`next` of the page before.", max_length = 100, pattern = "^[A-Za-z0-9_-]+$"),
    ),
    responses((status = 200, description = "A page of them, the newest first.", body = Runs)),
)]
pub(super) async fn list(
    Extension(signed): Extension<Arc<Signed>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let query = Query::read(query.as_deref(), "list runs", &["limit", "after"])?;
    let (limit, before) = (query.limit(PAGE, PAGE_MAX)?, query.after(page::digits)?);
    let mut runs = of(&signed)?.runs(before, limit.saturating_add(1)).await.map_err(Problem::of_work)?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next = runs.last().filter(|_| more).map(|last| page::next(&last.place.to_string()));
    Ok(Json(Runs { runs: runs.into_iter().map(Run::from).collect(), next }).into_response())
}

/// Shows a run that you may know of
#[utoipa::path(
    get,
    path = "/v1/runs/{id}",
    operation_id = "show_run",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id.", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The run.", body = RunShown),
        (status = 404, description = "There is none of that id that you may know of."),
    ),
)]
pub(super) async fn show(
    Extension(signed): Extension<Arc<Signed>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let (run, steps) = of(&signed)?.run(named(id)?).await.map_err(Problem::of_work)?;
    Ok(Json(RunShown { run: run.into(), steps: steps.into_iter().map(Step::from).collect() }).into_response())
}

/// Asks a run to end
///
/// The step that goes on is finished, and no other begins.
#[utoipa::path(
    post,
    path = "/v1/runs/{id}/cancel",
    operation_id = "cancel_run",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id.", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 202, description = "It was asked to.", body = Begun),
        (status = 404, description = "There is none of that id that you may know of."),
        (status = 409, description = "It has ended already, or the server does not work on it."),
    ),
)]
pub(super) async fn cancel(
    Extension(signed): Extension<Arc<Signed>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let id = named(id)?;
    of(&signed)?.cancel(id).await.map_err(Problem::of_work)?;
    Ok((StatusCode::ACCEPTED, Json(Begun { run: id.to_string() })).into_response())
}

/// The run of a path. What is no id is no run's, whatever else it may be.
///
/// # Errors
/// When it is none.
pub(super) fn named(id: Result<Path<String>, PathRejection>) -> Result<RunId, Problem> {
    let id = id.ok().filter(|Path(text)| text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    id.and_then(|Path(text)| text.parse().ok()).ok_or_else(no_such_run)
}

fn no_such_run() -> Problem {
    Problem::not_found("find run: there is none of this id that you may know of; GET /v1/runs lists those that you may")
}

/// What the principal of a request works with.
///
/// # Errors
/// When there is nothing but questions.
pub(super) fn of(signed: &Signed) -> Result<&dyn Works, Problem> {
    signed.session().works().ok_or_else(Problem::no_such_route)
}
