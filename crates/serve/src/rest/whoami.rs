//! Who one is.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::accept;
use super::problem::Problem;
use super::sessions::Signed;

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Who {
    /// The principal that policies decide about.
    #[schema(example = "user:ann")]
    principal: String,
    /// The account's name.
    name: String,
    /// The session's id in the audit log.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    session: String,
}

/// Says who you are
#[utoipa::path(
    get,
    path = "/v1/whoami",
    operation_id = "whoami",
    tag = "accounts",
    responses((status = 200, description = "Who is signed in.", body = Who)),
)]
pub(super) async fn whoami(Extension(signed): Extension<Arc<Signed>>, headers: HeaderMap) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let session = signed.session();
    let who = Who { principal: session.principal().to_string(), name: session.name().to_owned(), session: session.id().to_string() };
    Ok(Json(who).into_response())
}
