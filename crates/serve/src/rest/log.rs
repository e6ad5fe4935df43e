//! The audit log for whoever verifies it: its checkpoint, its leaves, and proofs. Leaves hold ids, counts and commitments; private values are not
//! given here.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::accept;
use super::page::{self, Query};
use super::problem::Problem;
use super::runs::of;
use super::sessions::Signed;
use crate::works;

/// Entries of a page where nothing is said.
const PAGE: usize = 256;
/// Entries of a page, at most.
const PAGE_MAX: usize = 1_024;

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entries {
    /// In the log's order.
    entries: Vec<Entry>,
    /// What `after` takes for the next page; absent where there is nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// An entry, without private values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogEntry)]
pub(super) struct Entry {
    index: u64,
    time: String,
    /// The leaf, as RFC 8785 writes JSON; to be hashed as it is.
    leaf: String,
    /// SHA-256 of a zero byte and the leaf.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    leaf_hash: String,
}

/// That an entry is in the log: RFC 6962's path from the leaf to the root that the checkpoint signs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inclusion {
    index: u64,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    leaf_hash: String,
    /// Entries of the log.
    size: u64,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    root: String,
    path: Vec<String>,
    /// The signed note with `size` and `root`.
    checkpoint: String,
}

/// That an older log is the beginning of this one, by RFC 6962.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Consistency {
    old_size: u64,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    old_root: String,
    /// Entries of the log.
    size: u64,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    root: String,
    path: Vec<String>,
    /// The signed note with `size` and `root`.
    checkpoint: String,
}

/// Gives the newest checkpoint of the audit log
///
/// A C2SP signed note with size and root. Its key is to be known by another way than this: `polder audit export` tells it.
#[utoipa::path(
    get,
    path = "/v1/audit/checkpoint",
    operation_id = "checkpoint",
    tag = "audit",
    responses((status = 200, description = "The signed note.", body = String, content_type = "text/plain")),
)]
pub(super) async fn checkpoint(Extension(signed): Extension<Arc<Signed>>, headers: HeaderMap) -> Result<Response, Problem> {
    accept::choose(&headers, &["text/plain"])?;
    let note = of(&signed)?.checkpoint().await.map_err(Problem::of_work)?;
    let mut response = note.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// Lists entries of the audit log
#[utoipa::path(
    get,
    path = "/v1/audit/entries",
    operation_id = "list_entries",
    tag = "audit",
    params(
        ("limit" = Option<u16>, Query, description = "Entries of a page; 256 if absent.", minimum = 1, maximum = 1024),
        ("after" = Option<u64>, Query, description = "The index of the last entry that one has; from the first entry on if absent.", minimum = 0),
    ),
    responses((status = 200, description = "A page of them.", body = Entries)),
)]
pub(super) async fn entries(
    Extension(signed): Extension<Arc<Signed>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let query = Query::read(query.as_deref(), "list entries", &["limit", "after"])?;
    let (limit, after) = (query.limit(PAGE, PAGE_MAX)?, query.number("after")?);
    let from = after.map_or(0, |after| after.saturating_add(1));
    let mut entries = of(&signed)?.entries(from, limit.saturating_add(1)).await.map_err(Problem::of_work)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| last.index);
    let entries = entries.into_iter().map(|works::LogEntry { index, time, leaf, leaf_hash }| Entry { index, time, leaf, leaf_hash });
    Ok(Json(Entries { entries: entries.collect(), next }).into_response())
}

/// Proves that an entry is in the audit log
#[utoipa::path(
    get,
    path = "/v1/audit/entries/{index}/proof",
    operation_id = "prove_entry",
    tag = "audit",
    params(("index" = u64, Path, description = "The entry's index.", minimum = 0)),
    responses(
        (status = 200, description = "The proof.", body = Inclusion),
        (status = 404, description = "The log has no such entry."),
    ),
)]
pub(super) async fn inclusion(
    Extension(signed): Extension<Arc<Signed>>,
    index: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let index = index.ok().and_then(|Path(text)| page::digits(&text));
    let index = index.ok_or_else(|| Problem::not_found("prove entry: an index is a whole number; GET /v1/audit/entries lists entries"))?;
    let works::Inclusion { index, leaf_hash, size, root, path, checkpoint } =
        of(&signed)?.inclusion(index).await.map_err(Problem::of_work)?;
    Ok(Json(Inclusion { index, leaf_hash, size, root, path, checkpoint }).into_response())
}

/// Proves that the audit log only grew
#[utoipa::path(
    get,
    path = "/v1/audit/consistency",
    operation_id = "prove_growth",
    tag = "audit",
    params(("from" = u64, Query, description = "Entries of the log as it was.", minimum = 0)),
    responses(
        (status = 200, description = "The proof.", body = Consistency),
        (status = 404, description = "The log was never that long."),
    ),
)]
pub(super) async fn consistency(
    Extension(signed): Extension<Arc<Signed>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let from = Query::read(query.as_deref(), "prove growth", &["from"])?.number("from")?;
    let from = from.ok_or_else(|| Problem::malformed("prove growth: `from` is missing; give the size of the log as you know it"))?;
    let works::Consistency { old_size, old_root, size, root, path, checkpoint } =
        of(&signed)?.consistency(from).await.map_err(Problem::of_work)?;
    Ok(Json(Consistency { old_size, old_root, size, root, path, checkpoint }).into_response())
}
