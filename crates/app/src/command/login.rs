//! `polder login`: signs in to a server through its identity provider (RFC 8628), and gives the session token. It opens no project.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use polder_types::{ErrorKind, Secret, printable};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::cli::{LoginArgs, Output};
use crate::failure::{Failure, Outcome};
use crate::notice::webhook::client;
use crate::print;

/// Longest answer, in bytes.
const ANSWER_MAX_BYTES: usize = 64 << 10;
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The longest time between two questions, whatever the server says.
const INTERVAL_MAX_S: u64 = 60;

#[derive(Deserialize)]
struct Begun {
    device: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    interval: u64,
}

#[derive(Deserialize)]
struct Pending {
    interval: u64,
}

#[derive(Deserialize)]
struct Given {
    token: String,
    name: String,
    expires: String,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

struct Server {
    client: Client,
    url: Url,
    /// Its host, for errors.
    shown: String,
}

/// Signs in.
///
/// # Errors
/// When the server cannot be reached, or does not let them in; or the token cannot be written.
pub async fn run(args: &LoginArgs, output: Output) -> Outcome {
    let server = Server::new(args)?;
    let (status, body) = server.send(server.post(&args.provider, "device")?).await?;
    if status != StatusCode::CREATED {
        return Err(server.refused(status, &body));
    }
    let begun: Begun = server.read(&body)?;
    let device = Secret::new(begun.device);
    print::note(&format!("go to {} and type {}", printable(&begun.verification_uri), printable(&begun.user_code)));
    if let Some(complete) = &begun.verification_uri_complete {
        print::note(&format!("or go to {}", printable(complete)));
    }
    let given = server.wait(&args.provider, &device, begun.interval).await?;
    let token = Secret::new(given.token);
    if let Some(file) = &args.token_file {
        write(file, token.expose_secret())?;
    }
    let (name, expires) = (printable(&given.name), printable(&given.expires));
    print::note(&format!("signed in as {name} until {expires}"));
    match (&args.token_file, output) {
        (None, Output::Json) => print::json(&json!({ "name": name, "expires": expires, "token": token.expose_secret() })),
        (Some(file), Output::Json) => print::json(&json!({ "name": name, "expires": expires, "token_file": file.display().to_string() })),
        (None, _) => print::line(token.expose_secret()),
        (Some(_), _) => Ok(()),
    }
}

impl Server {
    fn new(args: &LoginArgs) -> Outcome<Self> {
        let url = Url::parse(&args.server).ok().filter(|url| {
            let alone = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none() && alone
        });
        let text = "sign in: --server is no https address of a host alone; write it as https://polder.example:8443";
        let url = url.ok_or_else(|| Failure::new(ErrorKind::Invalid, text))?;
        let host = url.host_str().unwrap_or_default();
        let shown = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let ca = args.ca.as_deref().map(|ca| ca.display().to_string());
        let client = client(&format!("sign in to {shown}"), &url, ca.as_deref(), false, Path::new(""))?;
        Ok(Self { client, url, shown })
    }

    fn post(&self, provider: &str, path: &str) -> Outcome<RequestBuilder> {
        let mut url = self.url.clone();
        let added = url.path_segments_mut().map(|mut parts| {
            parts.pop_if_empty().extend(["v1", "sign-in", provider]).extend(path.split('/'));
        });
        added.map_err(|()| Failure::new(ErrorKind::Invalid, "sign in: --server takes no path"))?;
        // A refusal comes late.
        Ok(self.client.post(url).header(ACCEPT, "application/json").timeout(ANSWER_MAX))
    }

    /// Asks until they have signed in, or are not let in.
    async fn wait(&self, provider: &str, device: &Secret<String>, mut interval_s: u64) -> Outcome<Given> {
        loop {
            tokio::time::sleep(Duration::from_secs(interval_s.clamp(1, INTERVAL_MAX_S))).await;
            let question = json!({ "device": device.expose_secret() }).to_string();
            let request = self.post(provider, "device/token")?.header(CONTENT_TYPE, "application/json").body(question);
            let (status, body) = self.send(request).await?;
            match status {
                StatusCode::CREATED => return self.read(&body),
                StatusCode::ACCEPTED => interval_s = self.read::<Pending>(&body)?.interval,
                _ => return Err(self.refused(status, &body)),
            }
        }
    }

    async fn send(&self, request: RequestBuilder) -> Outcome<(StatusCode, Secret<Vec<u8>>)> {
        let unreachable = |error: reqwest::Error| {
            let text = format!("sign in to {}: it does not answer; check its name, its port and --ca", self.shown);
            // The client's own words hold the address, which the person gave.
            Failure::because(ErrorKind::Unavailable, text, &error.without_url())
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(unreachable)? {
            if body.len().saturating_add(part.len()) > ANSWER_MAX_BYTES {
                return Err(self.strange());
            }
            body.extend_from_slice(&part);
        }
        Ok((status, Secret::new(body)))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, body: &Secret<Vec<u8>>) -> Outcome<T> {
        serde_json::from_slice(body.expose_secret()).map_err(|_| self.strange())
    }

    fn strange(&self) -> Failure {
        let text = format!("sign in to {}: it answers as no server of Polder does; check --server", self.shown);
        Failure::new(ErrorKind::Unavailable, text)
    }

    fn refused(&self, status: StatusCode, body: &Secret<Vec<u8>>) -> Failure {
        let Ok(problem) = self.read::<Problem>(body) else { return self.strange() };
        let kind = match status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => ErrorKind::Denied,
            status if status.is_server_error() => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        Failure::new(kind, format!("sign in to {}: {}", self.shown, problem.detail))
    }
}

/// Writes a token where only its owner may read it; the file of before is replaced as a whole.
fn write(file: &Path, token: &str) -> Outcome {
    let failed = |error: std::io::Error| {
        let text = format!("write the session token to {}; name a file in a directory that you may write", file.display());
        Failure::because(ErrorKind::Unavailable, text, &error)
    };
    let name = file.file_name().and_then(|name| name.to_str()).ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    let aside = file.with_file_name(format!(".{name}.new"));
    // One that a killed program left.
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let written = || {
        let mut new = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        writeln!(new, "{token}")?;
        std::fs::rename(&aside, file)
    };
    written().map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        failed(error)
    })
}
