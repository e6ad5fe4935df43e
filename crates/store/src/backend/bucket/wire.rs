//! HTTP to one storage: TLS that is verified, no redirect, every answer short and in time.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::HeaderMap;
use object_store::client::HttpRequest;
use reqwest::{Certificate, Client, Method, StatusCode, Url, redirect};

use super::patience::Patience;
use super::place::S3Place;
use super::trouble::Trouble;
use super::xml;
use crate::counters::Live;
use crate::error::find;

/// Longest answer: more than a listing of a thousand keys, and than what is read at a time.
const ANSWER_MAX_BYTES: usize = 16 << 20;
/// Longest answer that says no.
const REFUSAL_MAX_BYTES: usize = 64 << 10;
const USER_AGENT: &str = concat!("polder/", env!("CARGO_PKG_VERSION"));

/// Whether the proxies that the environment names are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxies {
    OfTheEnvironment,
    /// What goes to the storage goes to no one else.
    Never,
}

/// A client of one storage.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    patience: Patience,
    live: Arc<Live>,
    keeps_versions: AtomicBool,
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Wire {
    /// # Errors
    /// When a certificate of `ca` cannot be read, or the system's cannot be had.
    pub(super) fn new(place: &S3Place, patience: Patience, live: Arc<Live>, proxies: Proxies) -> Result<Self, Trouble> {
        let mut client = Client::builder()
            .user_agent(USER_AGENT)
            .http1_only()
            // A redirect would take a signed request to whom the settings do not name.
            .redirect(redirect::Policy::none())
            .referer(false)
            .https_only(!place.address.is_plain())
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .connect_timeout(patience.connect)
            .timeout(patience.request);
        if proxies == Proxies::Never {
            client = client.no_proxy();
        }
        if place.address.is_plain() {
            // It stays on this machine, whatever the environment says of proxies and the hosts file of `localhost`.
            client = client.no_proxy().resolve("localhost", std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        }
        if let Some(pem) = &place.ca_pem {
            let certificates = Certificate::from_pem_bundle(pem).map_err(|_| Trouble::tls("the file of `ca` holds no certificate"))?;
            if certificates.is_empty() {
                return Err(Trouble::tls("the file of `ca` holds no certificate"));
            }
            client = client.tls_certs_only(certificates);
        }
        let client = client.build().map_err(|error| trouble(error, &patience))?;
        Ok(Self { client, patience, live, keeps_versions: AtomicBool::new(false) })
    }

    /// Whether any answer told that the bucket keeps older versions of what is replaced or deleted.
    pub(super) fn keeps_versions(&self) -> bool {
        self.keeps_versions.load(Ordering::Relaxed)
    }

    /// Sends a signed request; the answer may say no.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<Answer, Trouble> {
        let failed = |error| trouble(error, &self.patience);
        let (parts, body) = request.into_parts();
        let asks_for_a_list = parts.uri.query().is_some_and(|query| !query.is_empty());
        let counter = match parts.method {
            Method::GET if asks_for_a_list => &self.live.sent_lists,
            Method::GET => &self.live.sent_gets,
            Method::HEAD => &self.live.sent_heads,
            Method::DELETE => &self.live.sent_deletes,
            _ => &self.live.sent_puts,
        };
        Live::add(counter, 1);
        let url: Url = parts.uri.to_string().parse().map_err(|_| Trouble::Odd("a key that no address holds"))?;
        let headless = parts.method == Method::HEAD;
        let mut sent = reqwest::Request::new(parts.method, url);
        *sent.headers_mut() = parts.headers;
        *sent.body_mut() = Some(match body.as_bytes() {
            Some(bytes) => bytes.clone().into(),
            None => reqwest::Body::wrap(body),
        });
        let mut answer = self.client.execute(sent).await.map_err(failed)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        // `null` is the version of what was written while the bucket keeps none.
        if headers.get("x-amz-version-id").is_some_and(|version| version != "null") {
            self.keeps_versions.store(true, Ordering::Relaxed);
        }
        let most = if status.is_success() { ANSWER_MAX_BYTES } else { REFUSAL_MAX_BYTES };
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len().saturating_add(chunk.len()) > most {
                if status.is_success() {
                    return Err(Trouble::Odd("it is too long"));
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let body = if headless { Bytes::new() } else { body.freeze() };
        Ok(Answer { status, headers, body })
    }
}

impl Answer {
    /// The code of an answer that says no.
    pub(super) fn code(&self) -> Option<String> {
        let error = xml::read(&self.body).ok().filter(|root| root.name == "Error")?;
        error.child("Code").map(|code| code.text.clone())
    }

    /// What an answer that says no means.
    pub(super) fn trouble(&self, needs: &'static str) -> Trouble {
        let region = self.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        let stays = matches!(self.status.as_u16(), 301 | 307 | 400);
        Trouble::status(self.status.as_u16(), self.code().as_deref(), region.filter(|_| stays), needs)
    }
}

/// What an error of the connection means. Its text is repeated only as far as it is of the system's or of TLS.
fn trouble(error: reqwest::Error, patience: &Patience) -> Trouble {
    let waited = |timeout: Duration| Trouble::Timeout(timeout);
    if let Some(tls) = find(&error, &mut |at| at.downcast_ref::<rustls::Error>().map(ToString::to_string)) {
        return Trouble::tls(&tls);
    }
    if error.is_connect() {
        let reason =
            find(&error, &mut |at| at.downcast_ref::<std::io::Error>().filter(|error| error.source().is_none()).map(ToString::to_string));
        let late = || format!("none within {} seconds", patience.connect.as_secs());
        return Trouble::connect(&reason.unwrap_or_else(|| if error.is_timeout() { late() } else { "it was refused".to_owned() }));
    }
    if error.is_builder() {
        return Trouble::tls("the system's trusted certificates cannot be read");
    }
    if error.is_timeout() { waited(patience.request) } else { Trouble::Broken }
}
