//! For whoever watches the process: that it runs, and that it takes questions. No more is said to those who are not signed in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::{Rest, accept};
use crate::fault::Fault;

/// How it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(value_type = String, pattern = "^ok$")]
    status: &'static str,
}

/// Says that the process runs
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "health",
    responses((status = 200, description = "It runs.", body = Health)),
)]
pub(super) async fn livez(headers: HeaderMap) -> Result<Response, Problem> {
    accept::json(&headers)?;
    Ok(Json(Health { status: "ok" }).into_response())
}

/// Says whether questions are taken
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "health",
    responses((status = 200, description = "They are.", body = Health)),
)]
pub(super) async fn readyz(State(rest): State<Arc<Rest>>, headers: HeaderMap) -> Result<Response, Problem> {
    accept::json(&headers)?;
    if rest.context.drain.has_begun() {
        return Err(Fault::limit("take questions: serving ends; ask again when it has begun anew").into());
    }
    Ok(Json(Health { status: "ok" }).into_response())
}
