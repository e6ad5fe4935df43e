//! Session tokens: whoever is signed in is given one, and uses it in place of a password or an API token, on every wire.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use chrono::{DateTime, SecondsFormat};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::sessions::Signed;
use super::{Rest, accept};
use crate::ports::Ticket;

/// A session token.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionToken)]
pub(super) struct Given {
    /// The token, which is told this once. It goes where a token goes: `Authorization: Bearer`, or in place of a password.
    #[schema(pattern = "^polders_[0-9A-Za-z_-]{49}$")]
    token: String,
    /// The account's name.
    #[schema(example = "ann")]
    name: String,
    /// When it ends by itself.
    #[schema(format = DateTime, example = "2026-11-28T12:00:00Z")]
    expires: String,
}

/// The answer that gives a session token.
pub(super) fn given(ticket: &Ticket) -> Response {
    let expires = DateTime::from_timestamp_millis(ticket.expires_ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
    let given = Given { token: ticket.token.expose_secret().clone(), name: ticket.name.clone(), expires };
    (StatusCode::CREATED, Json(given)).into_response()
}

/// Makes a session token
#[utoipa::path(
    post,
    path = "/v1/sessions",
    operation_id = "createSession",
    tag = "accounts",
    params(("Polder-Code" = Option<String>, Header, description = "With a password: the code of the second factor, or a recovery code.", max_length = 32)),
    responses((status = 201, description = "The token.", body = Given)),
)]
pub(super) async fn create(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let ticket = signed.session().ticket().await?;
    // The token takes the session's place.
    rest.sessions.forget(&signed);
    Ok(given(&ticket))
}

/// Ends the session token that the request came with
#[utoipa::path(
    delete,
    path = "/v1/sessions/current",
    operation_id = "endSession",
    tag = "accounts",
    responses((status = 204, description = "It is worth nothing any more, and sessions that it began are over.")),
)]
pub(super) async fn end(State(rest): State<Arc<Rest>>, Extension(signed): Extension<Arc<Signed>>) -> Result<StatusCode, Problem> {
    signed.session().end_ticket().await?;
    rest.sessions.forget(&signed);
    Ok(StatusCode::NO_CONTENT)
}
