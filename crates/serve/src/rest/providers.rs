//! Signing in through an identity provider: with a browser that is sent there and comes back, or on another device. Nobody is signed in here yet,
//! so that these routes are open; what they give is a session token.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use polder_types::{ErrorKind, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use super::sign_in::origin;
use super::{Rest, accept, body, tickets};
use crate::fault::Fault;
use crate::ports::Session;
use crate::providers::{Providers, Return, Waited};

/// What binds a flow to the browser that began it. The prefix keeps other hosts and plain HTTP from setting it.
const COOKIE: &str = "__Host-polder-sign-in";
/// What tells the page that the token behind `#` is one that this browser was just given: a link could bring another's. Its hash, and the name.
const BROUGHT: &str = "__Host-polder-brought";
/// Longest body, in bytes.
const BODY_MAX_BYTES: usize = 4 << 10;
/// Where the page that takes a session token lies. Behind `#`, it is not sent to any server.
const PAGE: &str = "/sign-in#token=";

/// The names of the providers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Providers)]
pub(super) struct Names {
    /// Sorted.
    #[schema(example = json!(["sso"]))]
    providers: Vec<String>,
}

/// What a provider sends a browser back with.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    /// What was sent with the browser.
    state: Option<String>,
    /// What the provider gave it.
    code: Option<String>,
    /// Who the provider is.
    iss: Option<String>,
}

/// A sign-in on another device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceSignIn)]
pub(super) struct Begun {
    /// What it is asked for by. Who has it gets the session token.
    device: String,
    /// What the person types there.
    #[schema(example = "WDJB-MJHT")]
    user_code: String,
    /// Where they type it.
    #[schema(format = "uri")]
    verification_uri: String,
    /// The same with the code in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", nullable = false)]
    verification_uri_complete: Option<String>,
    /// When it is of no use any more.
    #[schema(format = DateTime)]
    expires: String,
    /// Seconds between two questions whether it is done.
    #[schema(minimum = 1)]
    interval: u32,
}

/// Which sign-in is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeviceQuestion)]
pub(super) struct Asked {
    /// As it was given.
    device: String,
}

/// Not done yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DevicePending)]
pub(super) struct Pending {
    #[schema(value_type = String, pattern = "^pending$")]
    status: &'static str,
    /// Seconds until it is asked again.
    #[schema(minimum = 1)]
    interval: u32,
}

/// Names the identity providers
#[utoipa::path(
    get,
    path = "/v1/sign-in/providers",
    operation_id = "listProviders",
    tag = "accounts",
    responses((status = 200, description = "Their names.", body = Names)),
)]
pub(super) async fn list(State(rest): State<Arc<Rest>>, headers: HeaderMap) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let providers = rest.context.accounts.providers().map_or_else(Vec::new, Providers::names);
    Ok(Json(Names { providers }).into_response())
}

/// Sends a browser to an identity provider
#[utoipa::path(
    get,
    path = "/v1/sign-in/{provider}",
    operation_id = "departToProvider",
    tag = "accounts",
    params(("provider" = String, Path, description = "The provider's name.")),
    responses((status = 302, description = "The browser is to go there, with a cookie that it has to bring back.")),
)]
pub(super) async fn depart(
    State(rest): State<Arc<Rest>>,
    extensions: Extensions,
    provider: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let origin = origin(rest.wire, &extensions, &headers)?;
    let departure = providers(&rest)?.depart(&named(provider)?, &origin).await.map_err(refused)?;
    let cookie = cookie(departure.binding.expose_secret(), departure.seconds);
    redirect(&departure.location, &cookie)
}

/// Takes what a browser brings back from an identity provider
///
/// The session token comes as JSON to whoever accepts JSON and no page; a browser is sent to the sign-in page with it.
#[utoipa::path(
    get,
    path = "/v1/sign-in/{provider}/callback",
    operation_id = "returnFromProvider",
    tag = "accounts",
    params(
        ("provider" = String, Path, description = "The provider's name."),
        ("state" = Option<String>, Query, description = "What was sent with the browser."),
        ("code" = Option<String>, Query, description = "What the provider gave it."),
        ("iss" = Option<String>, Query, description = "Who the provider is (RFC 9207)."),
    ),
    responses(
        (status = 201, description = "A session token.", body = tickets::Given),
        (status = 303, description = "The browser is to go to the sign-in page."),
    ),
)]
pub(super) async fn arrive(
    State(rest): State<Arc<Rest>>,
    extensions: Extensions,
    provider: Result<Path<String>, PathRejection>,
    sent: Result<Query<Sent>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = accept::choose(&headers, &["text/html", "application/json"])? == 0 && headers.contains_key(header::ACCEPT);
    let origin = origin(rest.wire, &extensions, &headers)?;
    let Query(sent) =
        sent.map_err(|_| Problem::malformed("take what a provider sent: it is no query, or a name stands twice; begin anew"))?;
    let returned =
        Return { state: sent.state.unwrap_or_default(), code: sent.code.map(Secret::new), issuer: sent.iss, binding: binding(&headers) };
    let session = providers(&rest)?.arrive(&named(provider)?, returned, &origin).await.map_err(refused)?;
    let ticket = ticket(session.as_ref()).await?;
    let gone = cookie("", 0);
    if page {
        let location = format!("{PAGE}{}", ticket.token.expose_secret());
        let mut response = redirect(&location, &gone)?;
        *response.status_mut() = StatusCode::SEE_OTHER;
        let hash = digest::digest(&digest::SHA256, ticket.token.expose_secret().as_bytes());
        let (hash, name) = (URL_SAFE_NO_PAD.encode(hash), URL_SAFE_NO_PAD.encode(&ticket.name));
        let brought = format!("{BROUGHT}={hash}.{name}; Path=/; Max-Age=60; Secure; SameSite=Lax");
        response.headers_mut().append(header::SET_COOKIE, value(&brought)?);
        return Ok(response);
    }
    let mut response = tickets::given(&ticket);
    response.headers_mut().insert(header::SET_COOKIE, value(&gone)?);
    Ok(response)
}

/// Begins a sign-in on another device
#[utoipa::path(
    post,
    path = "/v1/sign-in/{provider}/device",
    operation_id = "beginDeviceSignIn",
    tag = "accounts",
    params(("provider" = String, Path, description = "The provider's name.")),
    responses((status = 201, description = "Where the person goes, and what they type.", body = Begun)),
)]
pub(super) async fn begin_device(
    State(rest): State<Arc<Rest>>,
    extensions: Extensions,
    provider: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let origin = origin(rest.wire, &extensions, &headers)?;
    let begun = providers(&rest)?.begin_device(&named(provider)?, &origin).await.map_err(refused)?;
    let expires = DateTime::from_timestamp_millis(begun.expires_ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
    let begun = Begun {
        device: begun.device.expose_secret().clone(),
        user_code: begun.user_code,
        verification_uri: begun.verification_uri,
        verification_uri_complete: begun.verification_uri_complete,
        expires,
        interval: begun.interval_s,
    };
    Ok((StatusCode::CREATED, Json(begun)).into_response())
}

/// Asks whether someone has signed in on another device
#[utoipa::path(
    post,
    path = "/v1/sign-in/{provider}/device/token",
    operation_id = "askDeviceSignIn",
    tag = "accounts",
    params(("provider" = String, Path, description = "The provider's name.")),
    request_body(content = Asked, content_type = "application/json"),
    responses(
        (status = 201, description = "They have: a session token.", body = tickets::Given),
        (status = 202, description = "Not yet.", body = Pending),
    ),
)]
pub(super) async fn ask_device(
    State(rest): State<Arc<Rest>>,
    extensions: Extensions,
    provider: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let origin = origin(rest.wire, &extensions, &headers)?;
    let sent = body::read(&headers, sent, BODY_MAX_BYTES, rest.context.limits.sign_in).await?;
    let Ok(Asked { device }) = serde_json::from_slice(&sent) else {
        return Err(Problem::unprocessable("read body: it does not say which sign-in is asked for; send an object with `device` alone"));
    };
    match providers(&rest)?.wait_for_device(&named(provider)?, Secret::new(device), &origin).await.map_err(refused)? {
        Waited::Pending { interval_s } => {
            Ok((StatusCode::ACCEPTED, Json(Pending { status: "pending", interval: interval_s })).into_response())
        }
        Waited::In(session) => Ok(tickets::given(&ticket(session.as_ref()).await?)),
    }
}

/// Whether a browser may send a request although a page of another site made it: it goes to a provider, or comes back from there. What it
/// brings is judged by state and cookie, and what it gets, no page reads.
pub(super) fn is_on_the_way(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let only = |name: &'static str, wanted: &str| {
        let mut values = headers.get_all(HeaderName::from_static(name)).iter();
        values.next().is_some_and(|value| value == wanted) && values.next().is_none()
    };
    let navigates = only("sec-fetch-mode", "navigate") && only("sec-fetch-dest", "document") && !headers.contains_key(header::ORIGIN);
    method == Method::GET && navigates && (is_departure(path) || is_callback(path))
}

/// Whether this is the way to a provider.
fn is_departure(path: &str) -> bool {
    path.strip_prefix("/v1/sign-in/").is_some_and(|provider| !provider.is_empty() && !provider.contains('/') && provider != "providers")
}

/// Whether this is the way back from a provider, which reads what the provider put into the query.
pub(super) fn is_callback(path: &str) -> bool {
    let provider = path.strip_prefix("/v1/sign-in/").and_then(|rest| rest.strip_suffix("/callback"));
    provider.is_some_and(|provider| !provider.is_empty() && !provider.contains('/'))
}

/// A session token for someone who has just signed in, and the end of the session that they came by: the token begins its own.
async fn ticket(session: &dyn Session) -> Result<crate::ports::Ticket, Problem> {
    let ticket = session.ticket().await;
    session.close().await;
    ticket.map_err(refused)
}

/// What cannot be read is the name of none.
fn named(provider: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    provider.map(|Path(name)| name).map_err(|_| Problem::refused())
}

/// Without providers, as where there is no such one.
fn providers(rest: &Rest) -> Result<&dyn Providers, Problem> {
    rest.context.accounts.providers().ok_or_else(Problem::refused)
}

/// Whoever is not let in is told the same, whatever the reason. Nothing that they could send along would help, so it is no 401.
fn refused(fault: Fault) -> Problem {
    if fault.is_unauthenticated() { Problem::refused() } else { fault.into() }
}

fn cookie(value: &str, seconds: u32) -> String {
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

/// The cookie that the browser brings; none where it brings two.
fn binding(headers: &HeaderMap) -> Option<Secret<String>> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut ours = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    let first = ours.next()?;
    ours.next().is_none().then(|| Secret::new(first.to_owned()))
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    let broken =
        |_| Problem::from(Fault::new(ErrorKind::Internal, "write answer: a header cannot be written; this is a defect of the program"));
    HeaderValue::from_str(text).map_err(broken)
}

fn redirect(location: &str, cookie: &str) -> Result<Response, Problem> {
    let mut response = StatusCode::FOUND.into_response();
    response.headers_mut().insert(header::LOCATION, value(location)?);
    response.headers_mut().insert(header::SET_COOKIE, value(cookie)?);
    Ok(response)
}
