//! Requests to an identity provider: within the time of one sign-in, without redirects, and with answers of a limited length.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polder_policy::identity::Refusal;
use polder_types::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::Zeroize as _;

use super::within;

/// Longest answer, in bytes.
const ANSWER_MAX_BYTES: usize = 256 << 10;

/// How a client proves who it is.
pub(super) struct Proof<'a> {
    pub(super) client_id: &'a str,
    pub(super) secret: Option<Secret<String>>,
    /// In the header, or in the form.
    pub(super) in_header: bool,
}

/// Why a provider gave no tokens (RFC 6749, 5.2).
#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) error: String,
}

/// What a form was answered with.
pub(super) enum Answered {
    /// What was asked for, as JSON.
    Given(Secret<Vec<u8>>),
    /// The word of the error.
    Refused(String),
}

/// A public document.
pub(super) async fn get(client: &Client, address: &Url, until: Instant) -> Result<Vec<u8>, Refusal> {
    let (status, body) = send(client.get(address.clone()), until).await?;
    if status == StatusCode::OK { Ok(body) } else { Err(Refusal::ProviderAnswer) }
}

/// Sends a form, with what proves who sends it.
pub(super) async fn post(
    client: &Client,
    address: &Url,
    proof: &Proof<'_>,
    fields: &[(&str, &str)],
    until: Instant,
) -> Result<Answered, Refusal> {
    let mut request = client.post(address.clone());
    if let Some(secret) = proof.secret.as_ref().filter(|_| proof.in_header) {
        request = request.header(AUTHORIZATION, basic(proof.client_id, secret)?);
    }
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(proof, fields));
    let (status, body) = send(request, until).await?;
    let body = Secret::new(body);
    if status.is_success() {
        return Ok(Answered::Given(body));
    }
    if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(Refusal::ProviderAnswer);
    }
    let refused: Refused = serde_json::from_slice(body.expose_secret()).map_err(|_| Refusal::ProviderAnswer)?;
    Ok(Answered::Refused(refused.error))
}

/// The form, with what does not stand in the header.
fn form(proof: &Proof<'_>, fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    match &proof.secret {
        Some(_) if proof.in_header => {}
        Some(secret) => {
            form.append_pair("client_id", proof.client_id).append_pair("client_secret", secret.expose_secret());
        }
        None => {
            form.append_pair("client_id", proof.client_id);
        }
    }
    form.finish()
}

/// Name and secret are written as in a form before they are Base64 (RFC 6749, 2.3.1).
fn basic(client_id: &str, secret: &Secret<String>) -> Result<HeaderValue, Refusal> {
    let coded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut pair = format!("{}:{}", coded(client_id), coded(secret.expose_secret()));
    let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(&pair))).map_err(|_| Refusal::ProviderAnswer)?;
    pair.zeroize();
    header.set_sensitive(true);
    Ok(header)
}

async fn send(request: RequestBuilder, until: Instant) -> Result<(StatusCode, Vec<u8>), Refusal> {
    let answered = async {
        let mut response = request.header(ACCEPT, "application/json").send().await.map_err(|error| unanswered(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| unanswered(&error))? {
            if body.len().saturating_add(part.len()) > ANSWER_MAX_BYTES {
                return Err(Refusal::ProviderAnswer);
            }
            body.extend_from_slice(&part);
        }
        Ok((status, body))
    };
    within(until, answered).await?
}

/// The words of the client's errors may hold addresses, so that only their sort is told.
fn unanswered(error: &reqwest::Error) -> Refusal {
    tracing::warn!(connect = error.is_connect(), timeout = error.is_timeout(), "an identity provider did not answer");
    Refusal::ProviderUnreachable
}
