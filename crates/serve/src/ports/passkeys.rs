//! Passkeys, as the program and the REST wire speak of them. Who may add one, and whether one is what it says, the program decides.

use polder_types::ErrorKind;

use crate::fault::Fault;

/// What an authenticator is asked to sign, so that someone signs in with a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyChallenge {
    /// Random bytes, which are answered once and soon.
    pub challenge: Vec<u8>,
    /// The name that passkeys are bound to.
    pub party: String,
}

/// What an authenticator is asked to make a passkey of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyWish {
    /// Random bytes, which are answered once and soon, and the name that the passkey is bound to.
    pub asked: PasskeyChallenge,
    /// The account's name.
    pub name: String,
    /// What the passkey knows its account by: nobody else learns a name from it.
    pub user_handle: Vec<u8>,
    /// The credentials that the account has, so that no authenticator makes a second one.
    pub known: Vec<Vec<u8>>,
}

/// A passkey that an authenticator made.
#[derive(Debug, Clone)]
pub struct PasskeyMade {
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation: Vec<u8>,
    /// What its user calls it.
    pub label: Option<String>,
}

/// What a passkey signed.
#[derive(Debug, Clone)]
pub struct PasskeyAnswer {
    /// The credential's id.
    pub credential: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `signature`.
    pub signature: Vec<u8>,
    /// `userHandle`.
    pub user_handle: Vec<u8>,
}

/// A passkey of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// What names it in lists.
    pub id: String,
    /// What its user calls it.
    pub label: Option<String>,
    /// When it was added, in milliseconds since 1970.
    pub added_ms: i64,
}

/// There are none where nobody wired them in.
pub(super) fn none() -> Fault {
    Fault::new(ErrorKind::Invalid, "use passkeys: there are none on this way in; sign in over REST")
}
