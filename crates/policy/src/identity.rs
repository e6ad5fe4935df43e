//! Who there is: accounts, groups, tokens, and the proof that someone is one of them. Pure: whoever keeps the [`Register`] reads and
//! writes it, records what happened, and answers late.

mod account;
mod change;
mod delay;
mod encoded;
mod guessed;
mod password;
mod register;
mod scram;
mod signed_in;
mod token;

#[cfg(test)]
mod tests;

pub use account::{Account, At, Credentials, Kind, NAME_RULE, is_name};
pub use change::{Applied, Change, ChangeError, Subject, TOKEN_DAYS, TOKEN_DAYS_MAX};
pub use delay::Delays;
pub use password::{CredentialsError, Password, PasswordError, PasswordHash};
pub use register::{Register, RegisterError};
pub use scram::ScramSecret;
pub use signed_in::{Method, Refusal, SignedIn};
pub use token::{StoredToken, Token};

/// The ways in that a token may be for.
pub const WIRES: [&str; 3] = ["postgres", "flight", "rest"];
