//! Identity providers (OpenID Connect): their documents and keys over TLS, and what is asked of them. Whether what they give is believed is
//! judged in `polder_policy::identity`.

mod flows;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polder_policy::identity::{Keys, Refusal, Rules, TokenFault, Vouched, Wanted};
use polder_types::Secret;
use reqwest::Client;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::failure::Outcome;
use crate::notice::webhook::client;
use crate::project::Project;
use crate::secret_ref;
use crate::settings::ProviderSettings;

pub use flows::{Flows, Stepped};

/// All that is asked of a provider for one sign-in takes this long at the most: whoever waits hears within a second that it is not there.
const DEADLINE: Duration = Duration::from_millis(800);
/// How long a provider's document and keys are believed.
const FRESH_MS: i64 = 300_000;
/// For a key that is not among those that are known, they are fetched anew at most once in this time: whoever sends tokens with made-up keys
/// shall not make us ask for each.
const ANEW_MS: i64 = 30_000;
/// After a fetch that failed, the next one waits for this long.
const REST_MS: i64 = 1_000;

/// All identity providers of an environment.
pub struct Providers {
    all: BTreeMap<String, Provider>,
    public_url: Option<String>,
}

/// One of them.
pub struct Provider {
    rules: Rules,
    settings: ProviderSettings,
    client: Client,
    base: PathBuf,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    metadata: Option<(Arc<Metadata>, i64)>,
    keys: Option<(Arc<Keys>, i64)>,
    /// When keys were last asked for because one was not known.
    anew_ms: Option<i64>,
    failed_ms: Option<i64>,
}

/// What of a discovery document is used (OpenID Connect Discovery, 3).
#[derive(Deserialize)]
struct Written {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    device_authorization_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where a provider is asked what.
#[derive(Debug)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    device_authorization_endpoint: Option<Url>,
    token_endpoint_auth_methods_supported: Vec<String>,
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// None where it is another provider's, or leads somewhere in the clear.
    fn read(document: &[u8], issuer: &str) -> Option<Self> {
        let written: Written = serde_json::from_slice(document).ok().filter(|written: &Written| written.issuer == issuer)?;
        Some(Self {
            issuer: written.issuer,
            authorization_endpoint: encrypted(&written.authorization_endpoint)?,
            token_endpoint: encrypted(&written.token_endpoint)?,
            jwks_uri: encrypted(&written.jwks_uri)?,
            device_authorization_endpoint: match written.device_authorization_endpoint {
                Some(endpoint) => Some(encrypted(&endpoint)?),
                None => None,
            },
            token_endpoint_auth_methods_supported: written.token_endpoint_auth_methods_supported,
            authorization_response_iss_parameter_supported: written.authorization_response_iss_parameter_supported,
        })
    }
}

/// An address that is reached over TLS.
fn encrypted(address: &str) -> Option<Url> {
    Url::parse(address).ok().filter(|url| url.scheme() == "https" && url.has_host())
}

/// The end of what is asked of a provider for one sign-in.
pub fn deadline() -> Instant {
    Instant::now() + DEADLINE
}

impl Providers {
    /// Those of a project's environment.
    ///
    /// # Errors
    /// When the certificates that one is known by cannot be read.
    pub fn open(project: &Project) -> Outcome<Self> {
        let serving = &project.environment().serving;
        let mut all = BTreeMap::new();
        for (name, settings) in &serving.providers {
            all.insert(name.clone(), Provider::new(name, settings, project)?);
        }
        Ok(Self { all, public_url: serving.public_url.clone() })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Their names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.all.keys().cloned().collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of the name.
    pub fn named(&self, name: &str) -> Result<&Provider, Refusal> {
        self.all.get(name).ok_or(Refusal::NoProvider)
    }

    /// The one that a token says that it is of.
    pub fn of_token(&self, text: &str) -> Option<&Provider> {
        let issuer = polder_policy::identity::issuer_of(text)?;
        self.all.values().find(|provider| provider.rules.issuer == issuer)
    }

    /// Where a browser comes back to from a provider; none where the server does not know how browsers reach it.
    pub fn back(&self, provider: &str) -> Option<String> {
        self.public_url.as_ref().map(|url| format!("{url}/v1/sign-in/{provider}/callback"))
    }
}

impl Provider {
    fn new(name: &str, settings: &ProviderSettings, project: &Project) -> Outcome<Self> {
        let rules = Rules {
            provider: name.to_owned(),
            issuer: settings.issuer.clone(),
            client_id: settings.client_id.clone(),
            audiences: settings.audiences.clone(),
            signing: settings.signing.clone(),
        };
        let base = project.dir().to_path_buf();
        let step = format!("ask identity provider {name}");
        let issuer = Url::parse(&settings.issuer)
            .map_err(|error| crate::failure::Failure::because(polder_types::ErrorKind::Invalid, step.clone(), &error))?;
        let client = client(&step, &issuer, settings.ca.as_deref(), false, &base)?;
        Ok(Self { rules, settings: settings.clone(), client, base, held: Mutex::default() })
    }

    /// Its name here.
    pub fn name(&self) -> &str {
        &self.rules.provider
    }

    /// Judges one of its tokens.
    ///
    /// # Errors
    /// Why it is not believed.
    pub async fn judge(&self, text: &str, wanted: Wanted<'_>, now_ms: i64, until: Instant) -> Result<Vouched, Refusal> {
        let keys = self.keys(now_ms, until).await?;
        let judged = match self.rules.judge(text, &keys, wanted, now_ms) {
            Err(TokenFault::UnknownKey) => match self.newer_keys(now_ms, until).await? {
                Some(newer) => self.rules.judge(text, &newer, wanted, now_ms),
                None => Err(TokenFault::UnknownKey),
            },
            judged => judged,
        };
        judged.map_err(Refusal::ProviderToken)
    }

    async fn metadata(&self, now_ms: i64, until: Instant) -> Result<Arc<Metadata>, Refusal> {
        let mut held = within(until, self.held.lock()).await?;
        self.metadata_in(&mut held, now_ms, until).await
    }

    async fn metadata_in(&self, held: &mut Held, now_ms: i64, until: Instant) -> Result<Arc<Metadata>, Refusal> {
        if let Some((metadata, _)) = held.metadata.as_ref().filter(|(_, at_ms)| is_within(*at_ms, now_ms, FRESH_MS)) {
            return Ok(Arc::clone(metadata));
        }
        let address = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let address = Url::parse(&address).map_err(|_| Refusal::ProviderAnswer)?;
        let fetched = self.document(held, &address, now_ms, until).await?;
        let metadata = Arc::new(Metadata::read(&fetched, &self.settings.issuer).ok_or(Refusal::ProviderAnswer)?);
        held.metadata = Some((Arc::clone(&metadata), now_ms));
        Ok(metadata)
    }

    async fn keys(&self, now_ms: i64, until: Instant) -> Result<Arc<Keys>, Refusal> {
        let mut held = within(until, self.held.lock()).await?;
        match held.keys.as_ref().filter(|(_, at_ms)| is_within(*at_ms, now_ms, FRESH_MS)) {
            Some((keys, _)) => Ok(Arc::clone(keys)),
            None => self.fetch_keys(&mut held, now_ms, until).await,
        }
    }

    /// The keys of now, unless they were asked for a short time ago.
    async fn newer_keys(&self, now_ms: i64, until: Instant) -> Result<Option<Arc<Keys>>, Refusal> {
        let mut held = within(until, self.held.lock()).await?;
        if held.anew_ms.is_some_and(|at_ms| is_within(at_ms, now_ms, ANEW_MS)) {
            // Whoever came in the meantime may have fetched it.
            return Ok(held.keys.as_ref().map(|(keys, _)| Arc::clone(keys)));
        }
        held.anew_ms = Some(now_ms);
        self.fetch_keys(&mut held, now_ms, until).await.map(Some)
    }

    async fn fetch_keys(&self, held: &mut Held, now_ms: i64, until: Instant) -> Result<Arc<Keys>, Refusal> {
        let address = self.metadata_in(held, now_ms, until).await?.jwks_uri.clone();
        let fetched = self.document(held, &address, now_ms, until).await?;
        let keys = Arc::new(Keys::parse(&fetched).map_err(|_| Refusal::ProviderAnswer)?);
        held.keys = Some((Arc::clone(&keys), now_ms));
        Ok(keys)
    }

    /// A public document of the provider.
    async fn document(&self, held: &mut Held, address: &Url, now_ms: i64, until: Instant) -> Result<Vec<u8>, Refusal> {
        if held.failed_ms.is_some_and(|at_ms| is_within(at_ms, now_ms, REST_MS)) {
            return Err(Refusal::ProviderUnreachable);
        }
        match wire::get(&self.client, address, until).await {
            Ok(document) => {
                held.failed_ms = None;
                Ok(document)
            }
            Err(refusal) => {
                held.failed_ms = Some(now_ms);
                Err(refusal)
            }
        }
    }

    /// What proves to the provider that we are its client; read anew each time.
    fn secret(&self) -> Result<Option<Secret<String>>, Refusal> {
        let Some(reference) = &self.settings.client_secret else { return Ok(None) };
        match secret_ref::resolve(reference, &self.base) {
            Ok(secret) => Ok(Some(secret)),
            Err(failure) => {
                tracing::error!(provider = self.name(), %failure, "the client secret cannot be read");
                Err(Refusal::ProviderAnswer)
            }
        }
    }
}

/// Waits for something until the end of the sign-in.
async fn within<T>(until: Instant, waited: impl Future<Output = T>) -> Result<T, Refusal> {
    tokio::time::timeout_at(until, waited).await.map_err(|_| Refusal::ProviderUnreachable)
}

/// Whether it was a short time ago. A clock that went back makes nothing younger.
fn is_within(at_ms: i64, now_ms: i64, span_ms: i64) -> bool {
    now_ms >= at_ms && now_ms.saturating_sub(at_ms) < span_ms
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_document_is_the_providers_own_and_leads_nowhere_in_the_clear() {
        let issuer = "https://sso.example";
        let good = json!({
            "issuer": issuer, "authorization_endpoint": "https://sso.example/auth", "token_endpoint": "https://sso.example/token",
            "jwks_uri": "https://keys.example/jwks", "device_authorization_endpoint": "https://sso.example/device", "more": [1],
        });
        let read = |document: &Value| Metadata::read(document.to_string().as_bytes(), issuer);
        assert_eq!(read(&good).unwrap().jwks_uri.as_str(), "https://keys.example/jwks");
        let wrong = [
            ("issuer", json!("https://sso.example/")),
            ("issuer", json!("https://evil.example")),
            ("authorization_endpoint", json!("http://sso.example/auth")),
            ("token_endpoint", json!("http://sso.example/token")),
            ("token_endpoint", Value::Null),
            ("jwks_uri", json!("file:///etc/passwd")),
            ("device_authorization_endpoint", json!("http://sso.example/device")),
        ];
        for (name, value) in wrong {
            let mut document = good.clone();
            document[name] = value;
            assert!(read(&document).is_none(), "{document}");
        }
        assert!(Metadata::read(b"<html>", issuer).is_none());
    }

    #[test]
    fn a_clock_that_went_back_makes_nothing_fresh() {
        assert!(is_within(1_000, 1_000, 10) && is_within(1_000, 1_009, 10));
        assert!(!is_within(1_000, 1_010, 10) && !is_within(1_000, 999, 10));
    }
}
