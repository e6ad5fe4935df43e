//! Sign-ins that are on their way: people who were sent to a provider and have to come back, and those who sign in on another device. Each is of
//! use once, for a short time, and lives in the memory of this process alone.

use std::collections::HashMap;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use polder_crypto::sha256;
use polder_policy::identity::{Refusal, Vouched, Wanted};
use polder_serve::{Departure, Device, Fault, Return};
use polder_types::{ErrorKind, Rng, Secret};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::wire::{self, Answered, Proof};
use super::{Metadata, Provider, deadline, encrypted};

/// How long someone who was sent to a provider may take.
const DEPARTED_MS: i64 = 300_000;
/// The longest time for signing in on another device.
const DEVICE_MAX_S: u32 = 900;
/// Seconds between two questions where the provider does not say (RFC 8628, 3.2).
const INTERVAL_S: u32 = 5;
/// The longest time between two questions.
const INTERVAL_MAX_S: u32 = 60;
/// Most that are on their way of each sort, in all and from one address.
const ALL_MAX: usize = 10_000;
const OF_ADDRESS_MAX: usize = 64;
/// Longest code that a person types, and longest address that they go to, in bytes.
const SHOWN_MAX_BYTES: usize = 1_024;
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// By the SHA-256 of what brings them back.
type Waiting<T> = Mutex<HashMap<[u8; 32], T>>;

/// All sign-ins that are on their way.
#[derive(Default)]
pub struct Flows {
    departed: Waiting<Departed>,
    devices: Waiting<OnDevice>,
}

struct Departed {
    provider: String,
    address: IpAddr,
    until_ms: i64,
    nonce: Secret<String>,
    verifier: Secret<String>,
    /// SHA-256 of what the browser has to bring along.
    binding: [u8; 32],
}

struct OnDevice {
    provider: String,
    address: IpAddr,
    until_ms: i64,
    code: Secret<String>,
    interval_s: u32,
    /// The provider is not asked before.
    next_ms: i64,
}

/// Whom an entry is of, and how long it is kept.
trait Entry {
    fn address(&self) -> IpAddr;
    fn until_ms(&self) -> i64;
}

impl Entry for Departed {
    fn address(&self) -> IpAddr {
        self.address
    }

    fn until_ms(&self) -> i64 {
        self.until_ms
    }
}

impl Entry for OnDevice {
    fn address(&self) -> IpAddr {
        self.address
    }

    fn until_ms(&self) -> i64 {
        self.until_ms
    }
}

/// Why a step was not made.
#[derive(Debug)]
pub enum Stepped {
    /// It is a refusal, for the record.
    Refused(Refusal),
    /// It cannot be done, and why may be told.
    Fault(Fault),
}

impl From<Refusal> for Stepped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Stepped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a provider gives for a code. The access token is of use for nothing here but to be compared.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct BegunDevice {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u32,
    interval: Option<u32>,
}

/// 256 random bits, as text.
fn random(rng: &dyn Rng) -> Result<Secret<String>, Fault> {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes)
        .map_err(|_| Fault::new(ErrorKind::Unavailable, "sign in: the operating system gives no randomness; try again later"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Keeps one, if there is room.
fn keep<T: Entry>(waiting: &Waiting<T>, key: &str, entry: T, now_ms: i64) -> Result<(), Fault> {
    let mut all = waiting.lock();
    all.retain(|_, other| other.until_ms() > now_ms);
    let of_address = all.values().filter(|other| other.address() == entry.address()).count();
    if all.len() >= ALL_MAX || of_address >= OF_ADDRESS_MAX {
        return Err(Fault::limit("sign in: too many are on their way to a provider; end one that was begun, or try again in some minutes"));
    }
    all.insert(sha256(key.as_bytes()), entry);
    Ok(())
}

impl Flows {
    /// Sends a browser to a provider. `back` is where it comes back to.
    ///
    /// # Errors
    /// When the provider does not answer, or too many are on their way.
    pub async fn depart(&self, provider: &Provider, back: &str, address: IpAddr, now_ms: i64, rng: &dyn Rng) -> Result<Departure, Stepped> {
        let until = deadline();
        let metadata = provider.metadata(now_ms, until).await?;
        let (state, nonce, verifier, binding) = (random(rng)?, random(rng)?, random(rng)?, random(rng)?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose_secret().as_bytes()));
        let mut location = metadata.authorization_endpoint.clone();
        location
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.settings.client_id)
            .append_pair("redirect_uri", back)
            .append_pair("scope", &provider.settings.scopes.join(" "))
            .append_pair("state", state.expose_secret())
            .append_pair("nonce", nonce.expose_secret())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let departed = Departed {
            provider: provider.name().to_owned(),
            address,
            until_ms: now_ms.saturating_add(DEPARTED_MS),
            nonce,
            verifier,
            binding: sha256(binding.expose_secret().as_bytes()),
        };
        keep(&self.departed, state.expose_secret(), departed, now_ms)?;
        Ok(Departure { location: location.to_string(), binding, seconds: u32::try_from(DEPARTED_MS / 1_000).unwrap_or(0) })
    }

    /// The departure that a browser comes back from. Whatever becomes of it, it is of no use again.
    fn take(&self, provider: &str, returned: &Return, now_ms: i64) -> Result<Departed, Refusal> {
        let departed = self.departed.lock().remove(&sha256(returned.state.as_bytes())).ok_or(Refusal::State)?;
        let brought = returned.binding.as_ref().is_some_and(|binding| sha256(binding.expose_secret().as_bytes()) == departed.binding);
        let fits = brought && departed.provider == provider && now_ms < departed.until_ms;
        fits.then_some(departed).ok_or(Refusal::State)
    }

    /// Judges what a browser brought back.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn arrive(&self, provider: &Provider, back: &str, returned: &Return, now_ms: i64) -> Result<Vouched, Refusal> {
        let departed = self.take(provider.name(), returned, now_ms)?;
        let until = deadline();
        let metadata = provider.metadata(now_ms, until).await?;
        // Another provider's answer, led here by a page in between, names another issuer (RFC 9207).
        let of_another = match &returned.issuer {
            Some(issuer) => *issuer != metadata.issuer,
            None => metadata.authorization_response_iss_parameter_supported,
        };
        if of_another {
            return Err(Refusal::ProviderAnswer);
        }
        let code = returned.code.as_ref().ok_or(Refusal::ProviderRefused)?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret().as_str()),
            ("redirect_uri", back),
            ("code_verifier", departed.verifier.expose_secret().as_str()),
        ];
        match provider.post(&metadata, &metadata.token_endpoint, &fields, until).await? {
            Answered::Given(given) => provider.believe(&given, Some(departed.nonce.expose_secret()), now_ms, until).await,
            Answered::Refused(_) => Err(Refusal::ProviderRefused),
        }
    }

    /// Begins to sign someone in on another device.
    ///
    /// # Errors
    /// When the provider does not answer or has no such thing, or too many are on their way.
    pub async fn begin_device(&self, provider: &Provider, address: IpAddr, now_ms: i64, rng: &dyn Rng) -> Result<Device, Stepped> {
        let until = deadline();
        let metadata = provider.metadata(now_ms, until).await?;
        let endpoint = metadata.device_authorization_endpoint.as_ref().ok_or(Refusal::ProviderAnswer)?;
        let scope = provider.settings.scopes.join(" ");
        let begun = match provider.post(&metadata, endpoint, &[("scope", scope.as_str())], until).await? {
            Answered::Given(given) => given,
            Answered::Refused(_) => return Err(Refusal::ProviderRefused.into()),
        };
        let begun: BegunDevice = serde_json::from_slice(begun.expose_secret()).map_err(|_| Refusal::ProviderAnswer)?;
        let code = Secret::new(begun.device_code);
        // They are shown to a person, who goes there.
        let urls = std::iter::once(&begun.verification_uri).chain(&begun.verification_uri_complete);
        let safe = urls.into_iter().all(|url| url.len() <= SHOWN_MAX_BYTES && encrypted(url).is_some());
        let plain = begun.user_code.len() <= SHOWN_MAX_BYTES && begun.user_code.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if !safe || !plain {
            return Err(Refusal::ProviderAnswer.into());
        }
        let device = random(rng)?;
        let interval_s = begun.interval.unwrap_or(INTERVAL_S).clamp(1, INTERVAL_MAX_S);
        let until_ms = now_ms.saturating_add(i64::from(begun.expires_in.min(DEVICE_MAX_S)).saturating_mul(1_000));
        let waits = OnDevice { provider: provider.name().to_owned(), address, until_ms, code, interval_s, next_ms: now_ms };
        keep(&self.devices, device.expose_secret(), waits, now_ms)?;
        Ok(Device {
            device,
            user_code: begun.user_code,
            verification_uri: begun.verification_uri,
            verification_uri_complete: begun.verification_uri_complete,
            expires_ms: until_ms,
            interval_s,
        })
    }

    /// Whether someone has signed in on another device: who they are, or after how many seconds it may be asked again.
    ///
    /// # Errors
    /// Why it is refused; it is of no use any more then.
    pub async fn wait_for_device(&self, provider: &Provider, device: &str, now_ms: i64) -> Result<Result<Vouched, u32>, Refusal> {
        let key = sha256(device.as_bytes());
        let code = {
            let mut all = self.devices.lock();
            all.retain(|_, waits| waits.until_ms > now_ms);
            let waits = all.get_mut(&key).filter(|waits| waits.provider == provider.name()).ok_or(Refusal::State)?;
            if now_ms < waits.next_ms {
                return Ok(Err(waits.interval_s));
            }
            // Whoever asks more often does not make us ask the provider more often.
            waits.next_ms = now_ms.saturating_add(i64::from(waits.interval_s).saturating_mul(1_000));
            Secret::new(waits.code.expose_secret().clone())
        };
        let until = deadline();
        let answered = async {
            let metadata = provider.metadata(now_ms, until).await?;
            let fields = [("grant_type", DEVICE_GRANT), ("device_code", code.expose_secret().as_str())];
            provider.post(&metadata, &metadata.token_endpoint, &fields, until).await
        };
        let given = match answered.await {
            Ok(Answered::Refused(word)) if matches!(word.as_str(), "authorization_pending" | "slow_down") => {
                let mut all = self.devices.lock();
                let waits = all.get_mut(&key).ok_or(Refusal::State)?;
                if word == "slow_down" {
                    waits.interval_s = waits.interval_s.saturating_add(INTERVAL_S).min(INTERVAL_MAX_S);
                }
                return Ok(Err(waits.interval_s));
            }
            Ok(Answered::Given(given)) => Ok(given),
            Ok(Answered::Refused(_)) => Err(Refusal::ProviderRefused),
            Err(refusal) => Err(refusal),
        };
        // From here on it is over, once: of two that ask at the same time one is late.
        self.devices.lock().remove(&key).ok_or(Refusal::State)?;
        provider.believe(&given?, None, now_ms, until).await.map(Ok)
    }
}

impl Provider {
    async fn post(&self, metadata: &Metadata, to: &Url, fields: &[(&str, &str)], until: Instant) -> Result<Answered, Refusal> {
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let has = |method: &str| methods.iter().any(|other| other == method);
        // The header is what every provider takes (RFC 6749, 2.3.1), unless it says otherwise.
        let in_header = has("client_secret_basic") || !has("client_secret_post");
        let proof = Proof { client_id: &self.settings.client_id, secret: self.secret()?, in_header };
        wire::post(&self.client, to, &proof, fields, until).await
    }

    /// Judges the ID token that came for a code.
    async fn believe(&self, given: &Secret<Vec<u8>>, nonce: Option<&String>, now_ms: i64, until: Instant) -> Result<Vouched, Refusal> {
        let tokens: Tokens = serde_json::from_slice(given.expose_secret()).map_err(|_| Refusal::ProviderAnswer)?;
        let (id_token, access_token) = (Secret::new(tokens.id_token), tokens.access_token.map(Secret::new));
        let access_token = access_token.as_ref().map(|token| token.expose_secret().as_str());
        let wanted = Wanted::IdToken { nonce: nonce.map(String::as_str), access_token };
        self.judge(id_token.expose_secret(), wanted, now_ms, until).await
    }
}

#[cfg(test)]
mod tests;
