//! Who is told what became of a pipeline: by a signed webhook, by mail, or by a program of one's own.

mod command;
mod smtp;
pub(crate) mod webhook;

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use polder_crypto::sha256;
use polder_types::{ErrorKind, RunId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::{print, project};

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A run failed, and no attempt follows.
    Failure,
    /// All is well again.
    Recovery,
    /// A run succeeded.
    Success,
    /// A run failed, and another attempt follows.
    Retry,
    /// A table is older than it may be.
    FreshnessMissed,
    /// The account for emergencies is opened, which everyone is told: no pipeline chooses it.
    #[serde(skip_deserializing)]
    BreakGlassOpened,
}

impl NoticeKind {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Success => "success",
            Self::Retry => "retry",
            Self::FreshnessMissed => "freshness_missed",
            Self::BreakGlassOpened => "break_glass_opened",
        }
    }
}

/// One thing that is told. No value of a row stands in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The pipeline.
    pub pipeline: String,
    /// What it is about.
    pub kind: NoticeKind,
    /// The run.
    pub run: Option<RunId>,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// For people.
    pub text: String,
    /// For machines.
    pub details: serde_json::Value,
}

/// A receiver of signed posts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to, by reference.
    pub url: String,
    /// What it is signed with, by reference.
    pub secret: String,
    /// A file of certificates to trust, in place of the system's.
    #[serde(default)]
    pub ca: Option<String>,
    /// Without TLS, to this machine alone.
    #[serde(default)]
    pub plain_loopback: bool,
}

/// How a mail server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// A plain connection that becomes an encrypted one.
    #[default]
    Starttls,
    /// Encrypted from the beginning.
    Tls,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name.
    pub server: String,
    /// Its port.
    #[serde(default)]
    pub port: Option<u16>,
    /// How it is reached.
    #[serde(default)]
    pub tls: SmtpTls,
    /// A file of certificates to trust, in place of the system's.
    #[serde(default)]
    pub ca: Option<String>,
    /// Who logs in.
    #[serde(default)]
    pub user: Option<String>,
    /// With what, by reference.
    #[serde(default)]
    pub password: Option<String>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// Without TLS, to this machine alone.
    #[serde(default)]
    pub plain_loopback: bool,
}

/// Where notices go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channels {
    /// A signed post.
    pub webhook: Option<Webhook>,
    /// A mail.
    pub smtp: Option<Smtp>,
    /// A program and its arguments.
    pub command: Option<Vec<String>>,
}

impl Channels {
    /// How many there are.
    pub fn count(&self) -> u32 {
        u32::from(self.webhook.is_some()) + u32::from(self.smtp.is_some()) + u32::from(self.command.is_some())
    }
}

/// What all channels may take together, and each of them: they are told at the same time.
const ALL: Duration = Duration::from_secs(10);
/// What one try may take.
const TRY: Duration = Duration::from_secs(5);
/// The waits before the second and the third try.
const WAITS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// A try that failed.
struct Missed {
    failure: Failure,
    /// Whether another one may do better.
    again: bool,
}

impl Missed {
    fn again(failure: Failure) -> Self {
        Self { failure, again: true }
    }
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self { failure, again: false }
    }
}

/// A notice on its way over one channel.
trait Way: Sync {
    /// Where to, for people: no secret.
    fn whom(&self) -> &str;
    /// One try.
    fn once(&self) -> impl Future<Output = Result<(), Missed>> + Send;
}

/// Sends a notice over each channel, all at the same time; what each that failed says. Each has 10 seconds in all, and up to three tries
/// of what may pass; a program has one. Paths and `file:` references are relative to `base`. Secrets are read anew each time.
pub async fn send(notice: &Notice, channels: &Channels, base: &Path) -> Vec<Failure> {
    let webhook = async {
        let Some(webhook) = &channels.webhook else { return Ok(()) };
        tries(&webhook::Post::new(notice, webhook, base)?, TRY, ALL).await
    };
    let smtp = async {
        let Some(smtp) = &channels.smtp else { return Ok(()) };
        tries(&smtp::Mail::new(notice, smtp, base)?, TRY, ALL).await
    };
    let command = async {
        let Some(command) = &channels.command else { return Ok(()) };
        command::run(notice, command, ALL).await
    };
    let (webhook, smtp, command) = tokio::join!(webhook, smtp, command);
    [webhook, smtp, command].into_iter().filter_map(Result::err).collect()
}

/// Tries, each for so long, and all of them together.
async fn tries(way: &impl Way, each: Duration, together: Duration) -> Outcome {
    let silent = || {
        let text = format!("tell {}: it did not answer in time", way.whom());
        Missed::again(Failure::new(ErrorKind::Unavailable, text))
    };
    let mut last = None;
    let all = async {
        let mut waits = WAITS.into_iter();
        loop {
            let missed = match tokio::time::timeout(each, way.once()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(missed)) => missed,
                Err(_) => silent(),
            };
            match waits.next() {
                Some(wait) if missed.again => {
                    last = Some(missed.failure);
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(missed.failure),
            }
        }
    };
    let told = tokio::time::timeout(together, all).await;
    match told {
        Ok(told) => told,
        Err(_) => Err(last.unwrap_or_else(|| silent().failure)),
    }
}

impl Notice {
    /// The same for the same notice, so that a receiver can tell a second try from a second notice.
    fn id(&self) -> String {
        let run = self.run.map(|run| run.to_string());
        let parts = json!([self.pipeline, self.kind.name(), run, self.at_ms, self.text, self.details]);
        hex::encode(sha256(parts.to_string().as_bytes()).get(..16).unwrap_or_default())
    }

    /// What it is about, for a mail's subject.
    fn subject(&self) -> String {
        match self.kind {
            NoticeKind::BreakGlassOpened => "break-glass opened".to_owned(),
            kind => format!("pipeline {}: {}", self.pipeline, kind.name().replace('_', " ")),
        }
    }

    /// The notice as a CloudEvent 1.0 in its structured mode.
    fn event(&self) -> Value {
        if self.kind == NoticeKind::BreakGlassOpened {
            return json!({
                "specversion": "1.0", "id": self.id(), "source": "/break-glass", "subject": "break-glass",
                "type": "io.polder.break_glass.opened", "time": print::time(self.at_ms), "datacontenttype": "application/json",
                "data": { "kind": self.kind.name(), "at_ms": self.at_ms, "text": self.text, "details": self.details },
            });
        }
        json!({
            "specversion": "1.0", "id": self.id(), "source": format!("/pipelines/{}", self.pipeline), "subject": self.pipeline,
            "type": format!("io.polder.pipeline.{}", self.kind.name()), "time": print::time(self.at_ms),
            "datacontenttype": "application/json",
            "data": {
                "pipeline": self.pipeline, "kind": self.kind.name(), "run": self.run.map(|run| run.to_string()), "at_ms": self.at_ms,
                "text": self.text, "details": self.details,
            },
        })
    }
}

/// The address of this machine that a host names; none when it is another machine, or a name that others decide about.
fn loopback(host: &str) -> Option<IpAddr> {
    let plain = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match plain.parse::<IpAddr>() {
        Ok(address) => address.is_loopback().then_some(address),
        Err(_) => (plain == "localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    }
}

/// The text of a file of certificates.
fn certificates(ca: &str, base: &Path) -> Outcome<String> {
    project::read(&base.join(ca)).map_err(|failure| failure.during(format!("read the certificates to trust, {ca}")))
}

/// Whether an error comes from a certificate that is not trusted, is of another name or is out of date.
fn is_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) {
            return true;
        }
        // An error of input and output leaves out of its sources what it holds.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests;
