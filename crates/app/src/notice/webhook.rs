//! A signed post of a notice: a CloudEvent, signed after Standard Webhooks.

use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polder_crypto::hmac_sha256;
use polder_types::{Clock as _, ErrorKind, Secret, SystemClock};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, StatusCode};
use url::Url;

use super::{Missed, Notice, TRY, Way, Webhook, certificates, is_certificate, loopback};
use crate::failure::{Failure, Outcome};
use crate::secret_ref;

/// What a secret in base64 begins with.
const CODED: &str = "whsec_";
/// The shortest key, in bytes, as Standard Webhooks asks.
const KEY_MIN_BYTES: usize = 24;

/// A post, ready to be sent.
pub struct Post {
    client: Client,
    /// May hold a secret: only its host is ever told.
    url: Url,
    whom: String,
    key: Secret<Vec<u8>>,
    id: String,
    body: String,
}

impl Post {
    /// Reads the secrets, and makes the post of a notice.
    ///
    /// # Errors
    /// When a reference, the URL or the secret's form is wrong, or plain HTTP would leave this machine.
    pub fn new(notice: &Notice, webhook: &Webhook, base: &Path) -> Outcome<Self> {
        let reading = |failure: Failure| failure.during("tell a webhook");
        let secret = secret_ref::resolve(&webhook.secret, base).map_err(reading)?;
        let key = key(secret.expose_secret())?;
        let url = secret_ref::resolve(&webhook.url, base).map_err(reading)?;
        // What the parser says could quote the URL.
        let url = Url::parse(url.expose_secret()).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        let url = url.ok_or_else(|| invalid("tell a webhook: what `url` names is no URL; write https://HOST/PATH there".to_owned()))?;
        let whom = whom(&url);
        let client = client(&format!("tell {whom}"), &url, webhook.ca.as_deref(), webhook.plain_loopback, base)?;
        let body = notice.event().to_string();
        Ok(Self { client, url, whom, key, id: format!("msg_{}", notice.id()), body })
    }

    /// The header that proves who sent the body, and when.
    fn signature(&self, seconds: i64) -> String {
        signature(self.key.expose_secret(), &self.id, seconds, &self.body)
    }

    /// An error of the client, without its words: they hold the URL.
    fn missed(&self, error: &reqwest::Error) -> Missed {
        let whom = &self.whom;
        if is_certificate(error) {
            let text = format!(
                "tell {whom}: its certificate is not trusted, is for another name or is out of date; name the file of its authority as `ca`"
            );
            return Failure::new(ErrorKind::Unavailable, text).into();
        }
        let text = match error {
            error if error.is_timeout() => format!("tell {whom}: it did not answer in time"),
            error if error.is_connect() => format!("tell {whom}: no connection; check its name, its port and that it runs"),
            _ => format!("tell {whom}: the connection broke before it answered"),
        };
        Missed::again(Failure::new(ErrorKind::Unavailable, text))
    }
}

impl Way for Post {
    fn whom(&self) -> &str {
        &self.whom
    }

    async fn once(&self) -> Result<(), Missed> {
        let seconds = SystemClock.now_ms().div_euclid(1000);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=utf-8"))
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", self.signature(seconds))
            .body(self.body.clone());
        // The body of the answer is of no use, and is not read.
        let status = request.send().await.map_err(|error| self.missed(&error))?.status();
        if status.is_success() {
            return Ok(());
        }
        let (whom, code) = (&self.whom, status.as_u16());
        if status.is_redirection() {
            let text = format!("tell {whom}: it answers with a redirect ({code}), which is not followed; write the URL that it leads to");
            return Err(Failure::new(ErrorKind::Invalid, text).into());
        }
        let failure =
            Failure::new(ErrorKind::Unavailable, format!("tell {whom}: it answers with status {code}; look there for the reason"));
        let passes = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        Err(Missed { failure, again: passes })
    }
}

fn signature(key: &[u8], id: &str, seconds: i64, body: &str) -> String {
    format!("v1,{}", STANDARD.encode(hmac_sha256(key, format!("{id}.{seconds}.{body}").as_bytes())))
}

fn invalid(text: String) -> Failure {
    Failure::new(ErrorKind::Invalid, text)
}

/// The host alone: the rest of a URL may be a secret.
fn whom(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| format!("the webhook at {host}"), |port| format!("the webhook at {host}:{port}"))
}

/// The key of signatures: base64 after `whsec_`, else the text itself.
fn key(secret: &str) -> Outcome<Secret<Vec<u8>>> {
    let key = match secret.strip_prefix(CODED) {
        Some(coded) => STANDARD.decode(coded).map_err(|_| {
            invalid(format!("tell a webhook: its secret begins with {CODED}, and no base64 follows; copy it again from the receiver"))
        })?,
        None => secret.as_bytes().to_vec(),
    };
    let key = Secret::new(key);
    if key.expose_secret().len() < KEY_MIN_BYTES {
        return Err(invalid(format!(
            "tell a webhook: its secret has fewer than {KEY_MIN_BYTES} bytes; take a longer one, of random bytes"
        )));
    }
    Ok(key)
}

/// A client that goes to one URL over TLS, or in clear to this machine alone where that is asked for; it follows no redirect. `step` is
/// what an error begins with.
///
/// # Errors
/// When the URL would be reached in clear otherwise, or the certificates to trust cannot be read.
pub(crate) fn client(step: &str, url: &Url, ca: Option<&str>, plain_loopback: bool, base: &Path) -> Outcome<Client> {
    let mut builder = Client::builder().redirect(Policy::none()).retry(reqwest::retry::never()).referer(false).timeout(TRY);
    if url.scheme() == "http" {
        let host = url.host_str().unwrap_or_default();
        let address = loopback(host).filter(|_| plain_loopback).ok_or_else(|| {
            invalid(format!(
                "{step}: plain http:// is for this machine alone, with `plain_loopback: true` and a host such as 127.0.0.1; write https://"
            ))
        })?;
        // No proxy, and no file of hosts, leads it elsewhere.
        builder = builder.no_proxy().resolve(host, SocketAddr::new(address, 0));
    } else {
        builder = builder.https_only(true);
    }
    if let Some(ca) = ca {
        let none = || invalid(format!("{step}: {ca} holds no certificate; write those of the authority there, in PEM"));
        let trusted = Certificate::from_pem_bundle(certificates(ca, base)?.as_bytes()).map_err(|_| none())?;
        if trusted.is_empty() {
            return Err(none());
        }
        builder = builder.tls_certs_only(trusted);
    }
    let text = || format!("{step}: this machine trusts no authority; install ca-certificates, or name a file as `ca`");
    builder.build().map_err(|_| Failure::new(ErrorKind::Unavailable, text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        // The specification's example; in parts, so that no file of this repository holds what looks like a secret.
        let secret = format!("{CODED}{}", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed =
            signature(key(&secret).unwrap().expose_secret(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_is_base64_after_its_mark_or_the_text_and_never_short() {
        assert_eq!(key("a text of twenty-four b.").unwrap().expose_secret(), b"a text of twenty-four b.");
        for secret in ["short", "a text of twenty-three", "whsec_c2hvcnQ=", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"] {
            let failure = key(secret).unwrap_err();
            assert!(failure.kind() == ErrorKind::Invalid && !failure.to_string().contains(secret), "{failure}");
        }
    }

    #[test]
    fn no_more_than_the_host_is_told() {
        let url = Url::parse("https://ann:hunter2@hooks.example.org:8443/hunter3?token=hunter4#hunter5").unwrap();
        assert_eq!(whom(&url), "the webhook at hooks.example.org:8443");
    }
}
