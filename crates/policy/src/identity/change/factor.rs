//! Changes of second factors: codes, recovery codes, passkeys.

use polder_types::event::IdentityChange;
use serde::{Deserialize, Serialize};

use super::{At, ChangeError, Kind, Register, already};
use crate::identity::passkey::{NewPasskey, PASSKEYS_MAX};
use crate::identity::totp::{RecoveryHash, StoredTotp};

/// What is to change of a user's second factors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FactorChange {
    /// From now on the user signs in with a code beside the password. Sessions that began without one are over.
    EnrolTotp { name: String, totp: StoredTotp },
    /// The password alone is enough again; the recovery codes are gone too.
    RemoveTotp { name: String },
    /// A recovery code was used, and is worth nothing any more.
    SpendRecovery { name: String, hash: RecoveryHash },
    /// A passkey of the user.
    AddPasskey { name: String, passkey: NewPasskey },
    /// The passkey lets nobody in any more, and the sessions that it began are over.
    RemovePasskey { name: String, id: String },
}

impl FactorChange {
    /// Whose factors they are.
    pub fn name(&self) -> &str {
        match self {
            Self::EnrolTotp { name, .. }
            | Self::RemoveTotp { name }
            | Self::SpendRecovery { name, .. }
            | Self::AddPasskey { name, .. }
            | Self::RemovePasskey { name, .. } => name,
        }
    }

    /// What it is called in the record.
    pub fn sort(&self) -> IdentityChange {
        match self {
            Self::EnrolTotp { .. } => IdentityChange::TotpEnrolled,
            Self::RemoveTotp { .. } => IdentityChange::TotpRemoved,
            Self::SpendRecovery { .. } => IdentityChange::RecoveryCodeUsed,
            Self::AddPasskey { .. } => IdentityChange::PasskeyAdded,
            Self::RemovePasskey { .. } => IdentityChange::PasskeyRemoved,
        }
    }
}

impl Register {
    /// Makes a change of second factors; says whose they are.
    pub(super) fn factor(&mut self, change: &FactorChange, at: At) -> Result<String, ChangeError> {
        let name = change.name().to_owned();
        if let FactorChange::AddPasskey { passkey, .. } = change
            && self.passkey_owner(passkey.credential()).is_some()
        {
            return Err(ChangeError::Factor { name, rule: "the passkey is there already; sign in with it" });
        }
        let account = self.of_kind(Kind::User, &name)?;
        match change {
            FactorChange::EnrolTotp { totp, .. } => {
                if account.totp.is_some() {
                    return Err(already(&name, "signing in with codes"));
                }
                account.totp = Some(totp.enrolled_at(at));
                account.revoked_before = Some(at);
            }
            FactorChange::RemoveTotp { .. } => {
                account.totp.take().ok_or_else(|| ChangeError::NoFactor { name: name.clone(), what: "codes" })?;
            }
            FactorChange::SpendRecovery { hash, .. } => {
                let missing = || ChangeError::NoFactor { name: name.clone(), what: "such recovery code" };
                let totp = account.totp.as_mut().ok_or_else(missing)?;
                let place = totp.recovery.iter().position(|other| other == hash).ok_or_else(missing)?;
                totp.recovery.remove(place);
            }
            FactorChange::AddPasskey { passkey, .. } => {
                if account.passkeys.len() >= PASSKEYS_MAX {
                    return Err(ChangeError::Factor { name, rule: "it has 20 passkeys, which is the most; remove one" });
                }
                let rule = "the passkey's label is one line of at most 64 characters; shorten it";
                if !passkey.is_labelled() {
                    return Err(ChangeError::Factor { name, rule });
                }
                account.passkeys.insert(passkey.id(), passkey.stored(at));
            }
            FactorChange::RemovePasskey { id, .. } => {
                account.passkeys.remove(id).ok_or_else(|| ChangeError::NoFactor { name: name.clone(), what: "such passkey" })?;
            }
        }
        Ok(name)
    }
}
