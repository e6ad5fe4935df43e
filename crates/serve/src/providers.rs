//! Signing in through an identity provider, as the program wires it in. The listener carries what browsers and clients send; who is let in is
//! decided elsewhere.

use std::sync::Arc;

use async_trait::async_trait;
use polder_types::Secret;

use crate::fault::Fault;
use crate::ports::{Origin, Session};

/// Someone who is sent to a provider.
#[derive(Debug)]
pub struct Departure {
    /// Where the browser is to go.
    pub location: String,
    /// What the browser has to bring along when it comes back, so that nobody else can come in its place.
    pub binding: Secret<String>,
    /// How long it may take, in seconds.
    pub seconds: u32,
}

/// What a browser brings back from a provider.
#[derive(Debug)]
pub struct Return {
    /// What was sent with it.
    pub state: String,
    /// What the provider gave it for us; none where it said no.
    pub code: Option<Secret<String>>,
    /// Who the provider says that it is (RFC 9207).
    pub issuer: Option<String>,
    /// What it was to bring along.
    pub binding: Option<Secret<String>>,
}

/// Someone who signs in on another device than the one that asks (RFC 8628).
#[derive(Debug)]
pub struct Device {
    /// What the asking side names it by.
    pub device: Secret<String>,
    /// What the person types.
    pub user_code: String,
    /// Where they type it.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// When it is of no use any more, in milliseconds since 1970.
    pub expires_ms: i64,
    /// Seconds between two questions whether it is done.
    pub interval_s: u32,
}

/// What waiting for another device came to.
pub enum Waited {
    /// Not yet; ask again after so many seconds.
    Pending {
        /// The seconds.
        interval_s: u32,
    },
    /// They are signed in.
    In(Arc<dyn Session>),
}

/// The identity providers. Each success and each refusal is recorded before it is answered.
#[async_trait]
pub trait Providers: Send + Sync {
    /// Their names, sorted.
    fn names(&self) -> Vec<String>;

    /// Sends a browser to a provider.
    ///
    /// # Errors
    /// [`Fault::not_signed_in`] where there is no such provider or it does not answer; a limit; or when there is no address to come back to.
    async fn depart(&self, provider: &str, origin: &Origin) -> Result<Departure, Fault>;

    /// Judges what a browser brought back. It is of use once.
    ///
    /// # Errors
    /// [`Fault::not_signed_in`], or what kept it from being recorded.
    async fn arrive(&self, provider: &str, returned: Return, origin: &Origin) -> Result<Arc<dyn Session>, Fault>;

    /// Begins to sign someone in on another device.
    ///
    /// # Errors
    /// As [`Providers::depart`].
    async fn begin_device(&self, provider: &str, origin: &Origin) -> Result<Device, Fault>;

    /// Whether someone has signed in on another device. It is of use until they have, or the provider says no.
    ///
    /// # Errors
    /// [`Fault::not_signed_in`], or what kept it from being recorded.
    async fn wait_for_device(&self, provider: &str, device: Secret<String>, origin: &Origin) -> Result<Waited, Fault>;
}
