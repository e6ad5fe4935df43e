//! Contracts: read, a proposed text judged, and an approval taken that someone signed elsewhere. What a contract says is changed in its file,
//! which is nobody's by this way.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use polder_types::TableName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::condition::{self, conditional};
use super::page::{self, Query};
use super::problem::Problem;
use super::runs::of;
use super::sessions::Signed;
use super::{Rest, accept, body};
use crate::works::{Approval, Comparison, ContractChange, ContractFile, ContractHead};

/// Contracts of a page where nothing is said.
const PAGE: usize = 100;
/// Contracts of a page, at most.
const PAGE_MAX: usize = 1_000;

/// A page of contracts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Contracts {
    /// By name.
    contracts: Vec<Head>,
    /// What `after` takes for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A contract, in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContractHead)]
pub(super) struct Head {
    /// The table.
    name: String,
    /// The file, from the project's directory.
    file: String,
    source: String,
    dataset: String,
    version: String,
    /// Columns that it authorises.
    columns: usize,
    /// SHA-256 of what it means.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    semantic_hash: String,
    /// The approver by whose signature it counts as it stands; null: it lets nothing in.
    #[schema(required = true)]
    approved_by: Option<String>,
}

impl From<ContractHead> for Head {
    fn from(head: ContractHead) -> Self {
        let ContractHead { name, file, source, dataset, version, columns, semantic_hash, approved_by } = head;
        Self { name, file, source, dataset, version, columns, semantic_hash, approved_by }
    }
}

/// A contract.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Contract {
    #[serde(flatten)]
    head: Head,
    /// The file, as it stands.
    text: String,
    /// What an approver signs, to the byte.
    approval_text: String,
}

impl From<ContractFile> for Contract {
    fn from(file: ContractFile) -> Self {
        let ContractFile { head, text, approval_text } = file;
        Self { head: head.into(), text, approval_text }
    }
}

/// A proposed contract.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposed {
    /// The whole text of its file.
    text: String,
}

/// Longest signed note that is looked at.
const NOTE_MAX_CHARS: usize = 16_384;

/// An approval that was signed elsewhere.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedApproval {
    /// The signed note: the text, an empty line, and signatures.
    #[schema(max_length = 16384)]
    note: String,
}

/// What a proposed text would change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Difference {
    /// SHA-256 of what it means.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    semantic_hash: String,
    /// Whether anything comes in then that does not now.
    widens: bool,
    /// The changes; none where it means the same.
    changes: Vec<Changed>,
}

/// A change of a contract.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changed {
    change: &'static str,
    #[schema(required = true)]
    column: Option<String>,
    /// The column's name before, where it was renamed.
    #[schema(required = true)]
    before: Option<String>,
    line: u64,
    what: String,
    widens: bool,
    /// What comes in then and does not now.
    #[schema(required = true)]
    lets_in: Option<String>,
    /// What stays outside then and comes in now.
    #[schema(required = true)]
    keeps_out: Option<String>,
    /// What readers would no longer find as they know it.
    #[schema(required = true)]
    breaks: Option<String>,
    migration: Migration,
}

/// What becomes of the rows that are stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Migration {
    step: &'static str,
    text: String,
}

impl From<Comparison> for Difference {
    fn from(comparison: Comparison) -> Self {
        let changes: Vec<Changed> = comparison.changes.into_iter().map(Changed::from).collect();
        Self { semantic_hash: comparison.semantic_hash, widens: changes.iter().any(|change| change.widens), changes }
    }
}

impl From<ContractChange> for Changed {
    fn from(change: ContractChange) -> Self {
        let ContractChange { change, column, before, line, what, lets_in, keeps_out, breaks, migration: (step, text) } = change;
        let (widens, migration) = (lets_in.is_some(), Migration { step, text });
        Self { change, column, before, line, what, widens, lets_in, keeps_out, breaks, migration }
    }
}

/// Lists the contracts that you may run or approve
#[utoipa::path(
    get,
    path = "/v1/contracts",
    operation_id = "list_contracts",
    tag = "contracts",
    params(
        ("limit" = Option<u16>, Query, description = "Contracts of a page; 100 if absent.", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "`next` of the page before.", max_length = 100, pattern = "^[A-Za-z0-9_-]+$"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of an earlier answer: 304 if it would be the same."),
    ),
    responses(
        (status = 200, description = "A page of them, by name.", body = Contracts, headers(("ETag" = String, description = "Names this content."))),
        (status = 304, description = "The same as under the given ETag."),
    ),
)]
pub(super) async fn list(
    Extension(signed): Extension<Arc<Signed>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let query = Query::read(query.as_deref(), "list contracts", &["limit", "after"])?;
    let (limit, after) = (query.limit(PAGE, PAGE_MAX)?, query.after(|text| TableName::new(text).ok().map(|_| text.to_owned()))?);
    let mut heads = of(&signed)?.contracts().await.map_err(Problem::of_work)?;
    heads.sort_by(|a, b| a.name.cmp(&b.name));
    heads.retain(|head| after.as_ref().is_none_or(|after| head.name.as_str() > after.as_str()));
    let more = heads.len() > limit;
    heads.truncate(limit);
    let next = heads.last().filter(|_| more).map(|last| page::next(&last.name));
    conditional(&Contracts { contracts: heads.into_iter().map(Head::from).collect(), next }, &headers)
}

/// Shows a contract that you may run or approve
#[utoipa::path(
    get,
    path = "/v1/contracts/{name}",
    operation_id = "show_contract",
    tag = "contracts",
    params(
        ("name" = String, Path, description = "The table's name."),
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of an earlier answer: 304 if it would be the same."),
    ),
    responses(
        (status = 200, description = "The contract.", body = Contract, headers(("ETag" = String, description = "Names this content."))),
        (status = 304, description = "The same as under the given ETag."),
        (status = 404, description = "There is none of that name that you may know of."),
    ),
)]
pub(super) async fn show(
    Extension(signed): Extension<Arc<Signed>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let contract = of(&signed)?.contract(&named(name)?).await.map_err(Problem::of_work)?;
    conditional(&Contract::from(contract), &headers)
}

/// Says what a proposed text would change
///
/// As `polder contract diff` does: what would newly come in, what would stay outside, what would break, and what becomes of stored rows. Nothing is
/// kept of the text.
#[utoipa::path(
    post,
    path = "/v1/contracts/{name}/diff",
    operation_id = "diff_contract",
    tag = "contracts",
    params(("name" = String, Path, description = "The table's name.")),
    request_body(content = Proposed, content_type = "application/json"),
    responses(
        (status = 200, description = "The changes.", body = Difference),
        (status = 404, description = "There is none of that name that you may know of."),
    ),
)]
pub(super) async fn diff(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let limits = &rest.context.limits;
    let (parts, sent) = request.into_parts();
    accept::json(&parts.headers)?;
    let _place = rest.place()?;
    let name = named(name)?;
    let Proposed { text } = body::object(&body::read(&parts.headers, sent, limits.message_bytes, limits.stalled).await?)?;
    let comparison = of(&signed)?.compare(&name, &text).await.map_err(Problem::of_work)?;
    Ok(Json(Difference::from(comparison)).into_response())
}

/// Takes an approval that was signed elsewhere
///
/// The approver's key never comes here. `If-Match` holds the ETag of the contract as the approver read it: when it is another one now, nothing is
/// taken. You must be permitted to approve, and the signature must be that of an enrolled approver over the contract as it stands.
#[utoipa::path(
    post,
    path = "/v1/contracts/{name}/approvals",
    operation_id = "approve_contract",
    tag = "contracts",
    params(
        ("name" = String, Path, description = "The table's name."),
        ("If-Match" = Option<String>, Header, description = "`ETag` of the contract that was read. `*` and weak tags match none. It is demanded (428)."),
    ),
    request_body(content = SignedApproval, content_type = "application/json"),
    responses(
        (status = 200, description = "It was recorded, and stands beside the contract.", body = Contract, headers(("ETag" = String, description = "Names the contract as it is now."))),
        (status = 404, description = "There is none of that name that you may know of."),
        (status = 412, description = "The contract is another one than was read."),
        (status = 428, description = "There is no `If-Match`."),
    ),
)]
pub(super) async fn approve(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let limits = &rest.context.limits;
    let (parts, sent) = request.into_parts();
    accept::json(&parts.headers)?;
    let _place = rest.place()?;
    let name = named(name)?;
    let SignedApproval { note } = body::object(&body::read(&parts.headers, sent, limits.message_bytes, limits.stalled).await?)?;
    if note.chars().count() > NOTE_MAX_CHARS {
        return Err(Problem::unprocessable(format!(
            "read body: `note` has at most {NOTE_MAX_CHARS} characters; send the approval as it was written"
        )));
    }
    let seen = condition::seen(&parts.headers)?;
    let unchanged = |file: &ContractFile| {
        let body = condition::json(&Contract::from(file.clone()));
        body.is_ok_and(|body| seen.contains(&condition::tag(&body)))
    };
    match of(&signed)?.approve(&name, &note, &unchanged).await.map_err(Problem::of_work)? {
        Approval::Changed => Err(Problem::precondition_failed()),
        // What was asked of the request before is not asked of the answer.
        Approval::Taken(contract) => conditional(&Contract::from(*contract), &HeaderMap::new()),
    }
}

/// What is no name is no table's, whatever else it may be.
fn named(name: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let name = name.ok().and_then(|Path(name)| TableName::new(&name).ok().map(|_| name));
    name.ok_or_else(|| {
        Problem::not_found("find contract: there is none of this name that you may know of; GET /v1/contracts lists those that you may")
    })
}
