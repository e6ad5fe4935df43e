//! Identity providers of an environment.

use polder_policy::identity::Signing;

/// An identity provider, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Who it says that it is: the URL under which its discovery document lies.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// A reference to what proves it; a public client has none.
    pub client_secret: Option<String>,
    /// Whom tokens may be for that come instead of a password.
    pub audiences: Vec<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// How it may sign.
    pub signing: Vec<Signing>,
    /// A file with the certificates of the only authorities that are trusted.
    pub ca: Option<String>,
}

/// The keys of an identity provider.
pub const PROVIDER_KEYS: [&str; 7] = ["issuer", "client_id", "client_secret", "audiences", "scopes", "algorithms", "ca"];
/// What is always asked for: without it there is no ID token.
pub const SCOPE: &str = "openid";
