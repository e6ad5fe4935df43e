//! The proof that someone is who they say.

use std::fmt;

use polder_types::PrincipalId;

use super::provider::TokenFault;

/// How someone proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// The password, sent over TLS.
    Password,
    /// A SCRAM-SHA-256 exchange.
    Scram,
    /// An API token.
    Token,
    /// A client certificate, by the key that it was made for.
    Certificate,
    /// A session token, which was given to someone who had proved it before.
    Session,
    /// An identity provider vouched for them.
    Provider,
    /// The password and a code that changes.
    Totp,
    /// The password and a recovery code.
    Recovery,
    /// A passkey that verified its user.
    Passkey,
}

impl Method {
    /// Its word in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Scram => "scram",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Session => "session_token",
            Self::Provider => "provider",
            Self::Totp => "totp",
            Self::Recovery => "recovery_code",
            Self::Passkey => "passkey",
        }
    }
}

/// Why someone was not let in, or is not any more. For the record alone: whoever is refused is never told which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No account has the name.
    Unknown,
    /// The account has no password: it is a program's.
    NoPassword,
    /// It is not the password, or the proof is not one of knowing it.
    Password,
    /// It is no token, or not one that was made here.
    Token,
    /// The certificate is none of the register's, whoever signed it.
    Certificate,
    /// It is no session token, or none that has not ended.
    SessionToken,
    /// The account signs in with a second factor too, and none came.
    SecondFactor,
    /// It is not the code, or the account has none.
    Code,
    /// The code, or one after it, was used before.
    CodeUsed,
    /// It is no passkey, or not one that was added here, or what it signed is not what was asked for.
    Passkey,
    /// The passkey's counter did not go up: there may be a copy of it.
    PasskeyCounter,
    /// The token or certificate is not the account's whose name or credential came with it.
    Owner,
    /// The token or certificate is not for this way in.
    Wire,
    /// The token or certificate has come to its end.
    Expired,
    /// Token, sessions or account were revoked.
    Revoked,
    /// The account is disabled.
    Disabled,
    /// It is earlier than when account or token was made: the clock went back, and no end can be trusted.
    Clock,
    /// It is the account for emergencies, and it is not open.
    Sealed,
    /// A provider vouches for someone whom no account is linked with.
    NotLinked,
    /// There is no such identity provider here.
    NoProvider,
    /// What came of a provider is not believed.
    ProviderToken(TokenFault),
    /// The provider did not answer in time.
    ProviderUnreachable,
    /// The provider answered something else than it should.
    ProviderAnswer,
    /// The provider says no.
    ProviderRefused,
    /// What came back from a provider was not begun here, by this browser, a short time ago, or came back before.
    State,
}

impl Refusal {
    /// Its word in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NoPassword => "no_password",
            Self::Password => "password",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::SessionToken => "session_token",
            Self::SecondFactor => "second_factor",
            Self::Code => "code",
            Self::CodeUsed => "code_used",
            Self::Passkey => "passkey",
            Self::PasskeyCounter => "passkey_counter",
            Self::Owner => "owner",
            Self::Wire => "wire",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Clock => "clock",
            Self::Sealed => "sealed",
            Self::NotLinked => "not_linked",
            Self::NoProvider => "no_provider",
            Self::ProviderToken(fault) => fault.name(),
            Self::ProviderUnreachable => "provider_unreachable",
            Self::ProviderAnswer => "provider_answer",
            Self::ProviderRefused => "provider_refused",
            Self::State => "state",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Someone who proved who they are. Only [`super::Register`] makes one.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub(super) principal: PrincipalId,
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    pub(super) method: Method,
    pub(super) token: Option<(String, i64)>,
    /// The fingerprint and the end of a certificate without which it does not hold.
    pub(super) certificate: Option<(String, i64)>,
    /// The provider that vouched, and when what it gave comes to its end.
    pub(super) provider: Option<(String, i64)>,
    /// The id of the passkey, where it was one.
    pub(super) passkey: Option<String>,
    /// The version of the register that said so: what was revoked in a later one is over.
    pub(super) version: u64,
    pub(super) since_ms: i64,
}

impl SignedIn {
    /// `user:NAME` or `service:NAME`.
    pub fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    /// The account's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups of the register that the account is in, sorted; those that polder.yaml gives the principal come on top.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// How it was proved.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The id of the token, where it was one.
    pub fn token_id(&self) -> Option<&str> {
        self.token.as_ref().map(|(id, _)| id.as_str())
    }

    /// The fingerprint of the client certificate without which it does not hold.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_ref().map(|(fingerprint, _)| fingerprint.as_str())
    }

    /// The name of the identity provider, where one vouched.
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_ref().map(|(name, _)| name.as_str())
    }

    /// When what it was proved with comes to its end, in milliseconds since 1970: an API token, a certificate, or what a provider gave; of
    /// several the earliest.
    pub fn expires_ms(&self) -> Option<i64> {
        [&self.token, &self.certificate, &self.provider].into_iter().flatten().map(|(_, expires_ms)| *expires_ms).min()
    }

    /// When it was proved, in milliseconds since 1970.
    pub fn since_ms(&self) -> i64 {
        self.since_ms
    }
}
