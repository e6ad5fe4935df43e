//! Passkeys: signing in with one, and what whoever is signed in does with their own. Binary values are Base64 for addresses, without padding, as
//! WebAuthn has them in JSON.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use super::sessions::Signed;
use super::tickets::{self, Given};
use super::{Rest, accept, body, sign_in as who};
use crate::fault::Fault;
use crate::ports::{Credential, Passkey, PasskeyAnswer, PasskeyMade};

/// Longest body, in bytes: an answer of an authenticator is far shorter.
const BODY_MAX_BYTES: usize = 64 << 10;
/// How long an authenticator may take, in milliseconds: as long as its challenge is awaited.
const TIMEOUT_MS: u32 = 120_000;

/// What `navigator.credentials.get` takes as `publicKey`, its binary values in Base64 for addresses.
#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyQuestion)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asking {
    challenge: String,
    rp_id: String,
    timeout: u32,
    user_verification: &'static str,
}

/// What `navigator.credentials.create` takes as `publicKey`, its binary values in Base64 for addresses.
#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyWish)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wish {
    challenge: String,
    rp: Party,
    user: User,
    pub_key_cred_params: Vec<Parameter>,
    timeout: u32,
    exclude_credentials: Vec<Known>,
    authenticator_selection: Selection,
    attestation: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyParty)]
struct Party {
    id: String,
    name: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyUser)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    name: String,
    display_name: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyParameter)]
struct Parameter {
    #[serde(rename = "type")]
    kind: &'static str,
    alg: i32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyKnown)]
struct Known {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PasskeySelection)]
#[serde(rename_all = "camelCase")]
struct Selection {
    resident_key: &'static str,
    require_resident_key: bool,
    user_verification: &'static str,
}

/// What an authenticator signed, its values in Base64 for addresses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasskeyAnswer)]
pub(super) struct Answer {
    /// `rawId`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    credential: String,
    /// `clientDataJSON`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    client_data: String,
    /// `authenticatorData`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    authenticator_data: String,
    /// `signature`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    signature: String,
    /// `userHandle`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    user_handle: String,
}

/// What an authenticator made, its values in Base64 for addresses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasskeyMade)]
pub(super) struct Made {
    /// `clientDataJSON`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    client_data: String,
    /// `attestationObject`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    attestation: String,
    /// What its user calls it.
    #[serde(default)]
    #[schema(nullable = false, max_length = 64)]
    label: Option<String>,
}

/// A passkey of the account.
#[derive(Serialize, ToSchema)]
#[schema(as = Passkey)]
pub(super) struct Listed {
    /// What names it here.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    id: String,
    /// What its user calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// When it was added.
    #[schema(format = DateTime)]
    added: String,
}

/// The passkeys of the account.
#[derive(Serialize, ToSchema)]
#[schema(as = Passkeys)]
pub(super) struct List {
    passkeys: Vec<Listed>,
}

fn listed(passkey: Passkey) -> Listed {
    let added = DateTime::from_timestamp_millis(passkey.added_ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
    Listed { id: passkey.id, label: passkey.label, added }
}

async fn sent<T: DeserializeOwned>(rest: &Rest, request: Request) -> Result<T, Problem> {
    let (parts, sent) = request.into_parts();
    let bytes = body::read(&parts.headers, sent, BODY_MAX_BYTES, rest.context.limits.stalled).await?;
    serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::unprocessable("read body: it is not what an authenticator's answer is sent as; see GET /v1/openapi.json")
        }
        _ => Problem::malformed("read body: it is no JSON; send JSON"),
    })
}

fn decoded(text: &str, name: &str) -> Result<Vec<u8>, Problem> {
    let wrong = || Problem::unprocessable(format!("read body: `{name}` is no Base64 for addresses, without padding; write it so"));
    URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())
}

/// Begins signing in with a passkey
#[utoipa::path(
    post,
    path = "/v1/sessions/passkey/options",
    operation_id = "askPasskey",
    tag = "accounts",
    responses((status = 200, description = "What the authenticator is to sign.", body = Asking)),
)]
pub(super) async fn ask(State(rest): State<Arc<Rest>>, request: Request) -> Result<Response, Problem> {
    accept::json(request.headers())?;
    let origin = who::origin(rest.wire, request.extensions(), request.headers())?;
    let asked = rest.context.accounts.passkey_challenge(&origin).await?;
    let challenge = URL_SAFE_NO_PAD.encode(asked.challenge);
    Ok(Json(Asking { challenge, rp_id: asked.party, timeout: TIMEOUT_MS, user_verification: "required" }).into_response())
}

/// Signs in with a passkey, and makes a session token
#[utoipa::path(
    post,
    path = "/v1/sessions/passkey",
    operation_id = "createSessionByPasskey",
    tag = "accounts",
    request_body(content = Answer, content_type = "application/json"),
    responses(
        (status = 201, description = "The token.", body = Given),
        (status = 401, description = "Not signed in; the same whatever the reason."),
    ),
)]
pub(super) async fn sign_in(State(rest): State<Arc<Rest>>, request: Request) -> Result<Response, Problem> {
    accept::json(request.headers())?;
    let origin = who::origin(rest.wire, request.extensions(), request.headers())?;
    let answer: Answer = sent(&rest, request).await?;
    let answer = PasskeyAnswer {
        credential: decoded(&answer.credential, "credential")?,
        client_data: decoded(&answer.client_data, "client_data")?,
        authenticator_data: decoded(&answer.authenticator_data, "authenticator_data")?,
        signature: decoded(&answer.signature, "signature")?,
        user_handle: decoded(&answer.user_handle, "user_handle")?,
    };
    let signed = rest.sessions.enter(Credential::Passkey(answer), origin, true).await?;
    let ticket = signed.session().ticket().await?;
    // The token takes the session's place.
    rest.sessions.forget(&signed);
    Ok(tickets::given(&ticket))
}

/// Lists your passkeys
#[utoipa::path(
    get,
    path = "/v1/passkeys",
    operation_id = "listPasskeys",
    tag = "accounts",
    responses((status = 200, description = "The passkeys of the account.", body = List)),
)]
pub(super) async fn list(Extension(signed): Extension<Arc<Signed>>, headers: HeaderMap) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let passkeys = signed.session().passkeys().await?.into_iter().map(listed).collect();
    Ok(Json(List { passkeys }).into_response())
}

/// Begins adding a passkey
#[utoipa::path(
    post,
    path = "/v1/passkeys/options",
    operation_id = "wishPasskey",
    tag = "accounts",
    responses((status = 200, description = "What the authenticator is to make.", body = Wish)),
)]
pub(super) async fn wish(Extension(signed): Extension<Arc<Signed>>, headers: HeaderMap) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let wish = signed.session().passkey_wish().await?;
    let known = wish.known.into_iter().map(|id| Known { kind: "public-key", id: URL_SAFE_NO_PAD.encode(id) });
    let wish = Wish {
        challenge: URL_SAFE_NO_PAD.encode(wish.asked.challenge),
        rp: Party { id: wish.asked.party, name: "Polder" },
        user: User { id: URL_SAFE_NO_PAD.encode(wish.user_handle), name: wish.name.clone(), display_name: wish.name },
        pub_key_cred_params: [-8, -7].map(|alg| Parameter { kind: "public-key", alg }).into(),
        timeout: TIMEOUT_MS,
        exclude_credentials: known.collect(),
        authenticator_selection: Selection { resident_key: "required", require_resident_key: true, user_verification: "required" },
        attestation: "none",
    };
    Ok(Json(wish).into_response())
}

/// Adds a passkey
#[utoipa::path(
    post,
    path = "/v1/passkeys",
    operation_id = "addPasskey",
    tag = "accounts",
    request_body(content = Made, content_type = "application/json"),
    responses((status = 201, description = "It was added.", body = Listed)),
)]
pub(super) async fn add(
    State(rest): State<Arc<Rest>>,
    Extension(signed): Extension<Arc<Signed>>,
    request: Request,
) -> Result<Response, Problem> {
    accept::json(request.headers())?;
    let made: Made = sent(&rest, request).await?;
    let made = PasskeyMade {
        client_data: decoded(&made.client_data, "client_data")?,
        attestation: decoded(&made.attestation, "attestation")?,
        label: made.label,
    };
    let added = signed.session().add_passkey(made).await?;
    Ok((StatusCode::CREATED, Json(listed(added))).into_response())
}

/// Removes a passkey, and ends the sessions that it began
#[utoipa::path(
    delete,
    path = "/v1/passkeys/{id}",
    operation_id = "removePasskey",
    tag = "accounts",
    params(("id" = String, Path, description = "The passkey's id, as the list has it.")),
    responses(
        (status = 204, description = "It lets nobody in any more."),
        (status = 404, description = "The account has none of this id."),
    ),
)]
pub(super) async fn remove(
    Extension(signed): Extension<Arc<Signed>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Ok(Path(id)) = id else {
        return Err(Fault::new(polder_types::ErrorKind::NotFound, "remove passkey: that is no id; GET /v1/passkeys lists them").into());
    };
    signed.session().remove_passkey(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
