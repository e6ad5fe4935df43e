//! Who there is: accounts, groups, tokens, and the proof that someone is one of them. Pure: whoever keeps the [`Register`] reads and
//! writes it, records what happened, and answers late.

mod account;
mod approval;
mod break_glass;
mod certificate;
mod change;
mod delay;
mod encoded;
mod grant;
mod guessed;
mod passkey;
mod password;
mod provider;
mod register;
mod scram;
mod session_token;
mod signed_in;
mod token;
mod totp;

#[cfg(test)]
mod tests;

pub use account::{Account, At, Credentials, Kind, NAME_RULE, is_name};
pub use approval::{Approval, Approvers};
pub use break_glass::{BREAK_GLASS, BREAK_GLASS_HOURS_MAX, BreakGlass, Opening, OpeningState};
pub use certificate::{StoredCertificate, is_fingerprint};
pub use change::{Applied, CertificateChange, CertificateError, Change, ChangeError, FactorChange, Subject, TOKEN_DAYS, TOKEN_DAYS_MAX};
pub use change::{BreakGlassChange, GrantChange, GrantError, GrantRecord, LinkChange, LinkError};
pub use delay::Delays;
pub use grant::{Ended, GRANT_HOURS, GRANT_HOURS_MAX, Grant, GrantState, Membership};
pub use passkey::{Assertion, NewPasskey, PasskeyError, Registration, RelyingParty, StoredPasskey};
pub use password::{CredentialsError, Password, PasswordError, PasswordHash};
pub use provider::{
    Keys, KeysError, Link, PROVIDER_NAME_RULE, Rules, Signing, TokenFault, Vouched, Wanted, is_provider_name, issuer_of, resembles_jwt,
};
pub use register::{Register, RegisterError};
pub use scram::ScramSecret;
pub use session_token::SessionToken;
pub use signed_in::{Method, Refusal, SignedIn};
pub use token::{StoredToken, Token};
pub use totp::{NewTotp, RECOVERY_CODES, RecoveryHash, Spent, StoredTotp, step_of};

/// The ways in that a token or a certificate may be for.
pub const WIRES: [&str; 4] = ["postgres", "flight", "rest", "metrics"];
