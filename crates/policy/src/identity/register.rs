//! The register: all accounts, groups and tokens, as one document with a version.

use std::collections::{BTreeMap, BTreeSet};

use polder_types::ErrorKind;
use serde::{Deserialize, Serialize};

use super::account::{Account, At, Kind, is_name};
use super::break_glass::{BREAK_GLASS, BreakGlass};
use super::certificate::StoredCertificate;
use super::grant::Grant;
use super::passkey::{Assertion, RelyingParty, StoredPasskey};
use super::password::PasswordHash;
use super::provider::{Link, Vouched, is_issuer, is_provider_name, is_subject};
use super::scram::ScramSecret;
use super::signed_in::{Method, Refusal, SignedIn};
use super::token::{StoredToken, Token};
use super::totp::{Spent, StoredTotp};

/// The version of the format.
const FORMAT: u32 = 1;

/// Why a document is no register. What it holds is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It is not JSON of this form.
    #[error("read the register of accounts: it is not what was written, at its byte {column}")]
    Json {
        /// Where.
        column: usize,
    },
    /// A newer program wrote it.
    #[error(
        "read the register of accounts: its format is {found}, and this program reads {FORMAT}; use the version of polder that wrote it"
    )]
    Format {
        /// What it says.
        found: u32,
    },
    /// It contradicts itself.
    #[error("read the register of accounts: {what}")]
    Unsound {
        /// What is wrong.
        what: &'static str,
    },
}

impl RegisterError {
    /// What it means to the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Format { .. } => ErrorKind::Invalid,
            Self::Json { .. } | Self::Unsound { .. } => ErrorKind::Corrupt,
        }
    }
}

/// Who there is. Cheap to ask, and changed only by [`Register::apply`], which makes a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    format: u32,
    pub(super) version: u64,
    pub(super) accounts: BTreeMap<String, Account>,
    /// Groups, and when each was added.
    pub(super) groups: BTreeMap<String, At>,
    /// Tokens by id.
    pub(super) tokens: BTreeMap<String, StoredToken>,
    /// Grants by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) grants: BTreeMap<String, Grant>,
    /// The account for emergencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) break_glass: Option<BreakGlass>,
    /// Client certificates by fingerprint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) certificates: BTreeMap<String, StoredCertificate>,
}

impl Default for Register {
    /// Version 0: nobody.
    fn default() -> Self {
        Self {
            format: FORMAT,
            version: 0,
            accounts: BTreeMap::new(),
            groups: BTreeMap::new(),
            tokens: BTreeMap::new(),
            grants: BTreeMap::new(),
            break_glass: None,
            certificates: BTreeMap::new(),
        }
    }
}

impl Register {
    /// Reads a register.
    ///
    /// # Errors
    /// When it is not one that [`Self::to_json`] wrote.
    pub fn from_json(bytes: &[u8]) -> Result<Self, RegisterError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        // The format first: a newer one may have keys that this program does not know.
        let wrong = |error: serde_json::Error| RegisterError::Json { column: error.column() };
        let head: Head = serde_json::from_slice(bytes).map_err(wrong)?;
        if head.format != FORMAT {
            return Err(RegisterError::Format { found: head.format });
        }
        let register: Self = serde_json::from_slice(bytes).map_err(wrong)?;
        register.sound().map_err(|what| RegisterError::Unsound { what })?;
        Ok(register)
    }

    /// The document, of which a hash is recorded: equal registers give equal bytes.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which is a defect.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    pub(super) fn sound(&self) -> Result<(), &'static str> {
        let names = self.accounts.keys().chain(self.groups.keys()).all(|name| is_name(name));
        let groups = self.accounts.values().flat_map(Account::groups).all(|group| self.groups.contains_key(group));
        let tokens = self.tokens.iter().all(|(id, token)| Token::is_id(id) && self.accounts.contains_key(&token.owner));
        let secrets = self.accounts.values().filter_map(|account| account.credentials.as_ref());
        let costs = secrets.into_iter().all(|secrets| secrets.scram.sound() && secrets.hash.sound());
        let granted = self.grants.values().all(|grant| {
            let subject = self.accounts.get(&grant.account).and_then(|account| account.principal(&grant.account).ok());
            self.groups.contains_key(&grant.group) && subject.is_some_and(|subject| subject.as_str() == grant.subject)
        });
        // The account for emergencies has nothing by which one could come in without an opening.
        let emergency = match (self.accounts.get(BREAK_GLASS), &self.break_glass) {
            (Some(account), Some(_)) => {
                account.kind == Kind::User
                    && account.credentials.is_none()
                    && account.totp.is_none()
                    && account.passkeys.is_empty()
                    && account.links.is_empty()
                    && account.groups.is_empty()
                    && !account.disabled
            }
            (None, None) => true,
            _ => false,
        };
        let links = || self.accounts.values().flat_map(Account::links);
        let linked: BTreeSet<(&str, &str)> = links().map(|(provider, link)| (provider.as_str(), link.subject())).collect();
        let links = links().all(|(provider, link)| is_provider_name(provider) && is_issuer(link.issuer()) && is_subject(link.subject()))
            && linked.len() == links().count();
        let users =
            self.accounts.values().all(|account| account.kind == Kind::User || (account.totp.is_none() && account.passkeys.is_empty()));
        let factors = self.accounts.values().all(|account| account.totp.as_ref().is_none_or(StoredTotp::sound));
        let passkeys = self.accounts.values().flat_map(|account| &account.passkeys).all(|(id, passkey)| passkey.sound(id));
        let rules = [
            (links, "two accounts are linked with one person of a provider, or an account with nobody"),
            (users, "a service has a second factor"),
            (factors && passkeys, "a second factor is none that is made"),
            (names, "an account or group has a name that none may have"),
            (groups, "an account is in a group that there is none of"),
            (tokens, "a token has no account, or no id"),
            (granted, "a grant is of an account or a group that there is none of"),
            (emergency, "the account break-glass is not as only `polder break-glass` makes it"),
            (self.certificates_sound(), "a certificate has no account, or no fingerprint"),
            (costs, "a password's hash asks for less or more work than any that is made"),
        ];
        rules.into_iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, what)| Err(what))
    }

    /// Its version: each change makes the next.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The accounts by name.
    pub fn accounts(&self) -> &BTreeMap<String, Account> {
        &self.accounts
    }

    /// One account.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.get(name)
    }

    /// The groups by name, and when each was added.
    pub fn groups(&self) -> &BTreeMap<String, At> {
        &self.groups
    }

    /// The members of a group.
    pub fn members<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a str> {
        self.accounts.iter().filter(move |(_, account)| account.groups.contains(group)).map(|(name, _)| name.as_str())
    }

    /// The tokens by id.
    pub fn tokens(&self) -> &BTreeMap<String, StoredToken> {
        &self.tokens
    }

    /// The salt and the iterations that a SCRAM exchange for a name begins with; made up, and the same each time, where no account with a
    /// password has it. `key` is the installation's.
    pub fn challenge(&self, name: &str, key: &[u8]) -> (Vec<u8>, u32) {
        // Both are computed, so that the time tells nothing.
        let made_up = ScramSecret::made_up(name, key);
        let scram = self.scram(name).unwrap_or(&made_up);
        (scram.salt().to_vec(), scram.iterations())
    }

    fn scram(&self, name: &str) -> Option<&ScramSecret> {
        self.accounts.get(name)?.credentials.as_ref().map(|secrets| &secrets.scram)
    }

    /// Judges a password. A text that begins like a token is judged as one, whose owner the name must be.
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked. A wrong password costs as much time whether there is an account or not.
    pub fn by_password(&self, name: &str, text: &str, wire: &str, now_ms: i64) -> Result<SignedIn, Refusal> {
        if Token::resembles(text) {
            let signed_in = self.by_token(text, wire, now_ms)?;
            return if signed_in.name == name { Ok(signed_in) } else { Err(Refusal::Owner) };
        }
        let account = self.with_password(name, text)?;
        if account.totp.is_some() {
            return Err(Refusal::SecondFactor);
        }
        self.signed_in(name, account, Method::Password, None, now_ms)
    }

    /// Judges a password with a code, or with a recovery code. `spent_step` is the last step whose codes are worth nothing any more. What it
    /// returns beside who it is, whoever keeps the register has to make worthless before anyone is let in.
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked.
    pub fn by_password_and_code(
        &self,
        name: &str,
        text: &str,
        code: &str,
        spent_step: u64,
        now_ms: i64,
    ) -> Result<(SignedIn, Spent), Refusal> {
        let account = self.with_password(name, text)?;
        let totp = account.totp.as_ref().ok_or(Refusal::Code)?;
        if let Some(hash) = totp.recovery(code) {
            return Ok((self.signed_in(name, account, Method::Recovery, None, now_ms)?, Spent::Recovery(hash)));
        }
        match totp.verify(code, spent_step, now_ms) {
            Some(step) => Ok((self.signed_in(name, account, Method::Totp, None, now_ms)?, Spent::Step(step))),
            None if totp.verify(code, 0, now_ms).is_some() => Err(Refusal::CodeUsed),
            None => Err(Refusal::Code),
        }
    }

    /// Judges what a passkey signed: it is one of an account, for the party, the challenge and the user that it was asked for, and its user was
    /// verified. Returns the credential's id and its counter, which whoever keeps the register compares with the last one.
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked.
    pub fn by_passkey<'a>(
        &'a self,
        party: &RelyingParty,
        challenge: &[u8],
        assertion: &Assertion,
        user_handle: impl Fn(&str) -> Vec<u8>,
        now_ms: i64,
    ) -> Result<(SignedIn, &'a StoredPasskey, u32), Refusal> {
        let (name, passkey) = self.passkey_owner(&assertion.credential).ok_or(Refusal::Passkey)?;
        if user_handle(name) != assertion.user_handle {
            return Err(Refusal::Passkey);
        }
        let counter = passkey.verify(party, challenge, assertion).map_err(|_| Refusal::Passkey)?;
        let account = self.accounts.get(name).ok_or(Refusal::Unknown)?;
        let signed_in = self.signed_in(name, account, Method::Passkey, None, now_ms)?;
        Ok((SignedIn { passkey: Some(passkey.id()), ..signed_in }, passkey, counter))
    }

    /// Whose passkey has this credential id.
    pub(super) fn passkey_owner(&self, credential: &[u8]) -> Option<(&str, &StoredPasskey)> {
        self.accounts.iter().find_map(|(name, account)| {
            let found = account.passkeys.values().find(|passkey| passkey.credential() == credential)?;
            Some((name.as_str(), found))
        })
    }

    /// The account whose password this is. A wrong one costs as much time whether there is an account or not.
    fn with_password(&self, name: &str, text: &str) -> Result<&Account, Refusal> {
        let account = self.accounts.get(name);
        let stored = account.and_then(|account| account.credentials.as_ref()).map(|secrets| &secrets.hash);
        // One hash is computed in any case.
        let fits = stored.map_or_else(|| PasswordHash::made_up().verify(text), |hash| hash.verify(text));
        let account = account.ok_or(Refusal::Unknown)?;
        if stored.is_none() {
            return Err(Refusal::NoPassword);
        }
        if !fits {
            return Err(Refusal::Password);
        }
        Ok(account)
    }

    /// Judges a SCRAM proof. Returns with the proof of who it is the `ServerSignature` for the client.
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked.
    pub fn by_scram(&self, name: &str, auth_message: &str, proof: &[u8], key: &[u8], now_ms: i64) -> Result<(SignedIn, Vec<u8>), Refusal> {
        let made_up = ScramSecret::made_up(name, key);
        let stored = self.scram(name);
        let signature = stored.unwrap_or(&made_up).verify(auth_message, proof);
        let account = self.accounts.get(name).ok_or(Refusal::Unknown)?;
        if stored.is_none() {
            return Err(Refusal::NoPassword);
        }
        let signature = signature.ok_or(Refusal::Password)?;
        // The exchange has no place for a code.
        if account.totp.is_some() {
            return Err(Refusal::SecondFactor);
        }
        Ok((self.signed_in(name, account, Method::Scram, None, now_ms)?, signature))
    }

    /// Judges a token for a way in (one of [`super::WIRES`]).
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked.
    pub fn by_token(&self, text: &str, wire: &str, now_ms: i64) -> Result<SignedIn, Refusal> {
        let token = Token::parse(text).ok_or(Refusal::Token)?;
        let stored = self.tokens.get(token.id()).ok_or(Refusal::Token)?;
        if !stored.verify(&token) {
            return Err(Refusal::Token);
        }
        Self::token_holds(stored, now_ms)?;
        if !stored.wires.contains(wire) {
            return Err(Refusal::Wire);
        }
        let account = self.accounts.get(&stored.owner).ok_or(Refusal::Unknown)?;
        self.signed_in(&stored.owner, account, Method::Token, Some((token.id().to_owned(), stored.expires_ms)), now_ms)
    }

    /// Lets in whom a provider vouches for, if an account is linked with them. Groups are the register's alone, whatever the provider says.
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked.
    pub fn by_provider(&self, vouched: &Vouched, now_ms: i64) -> Result<SignedIn, Refusal> {
        let is_that = |link: &Link| link.issuer() == vouched.issuer() && link.subject() == vouched.subject();
        let is_linked = |account: &Account| account.links.get(vouched.provider()).is_some_and(is_that);
        let (name, account) = self.accounts.iter().find(|(_, account)| is_linked(account)).ok_or(Refusal::NotLinked)?;
        if now_ms >= vouched.expires_ms() {
            return Err(Refusal::Expired);
        }
        let signed_in = self.signed_in(name, account, Method::Provider, None, now_ms)?;
        Ok(SignedIn { provider: Some((vouched.provider().to_owned(), vouched.expires_ms())), ..signed_in })
    }

    fn token_holds(stored: &StoredToken, now_ms: i64) -> Result<(), Refusal> {
        if stored.revoked.is_some() {
            return Err(Refusal::Revoked);
        }
        if now_ms < stored.made.time_ms {
            return Err(Refusal::Clock);
        }
        if now_ms >= stored.expires_ms { Err(Refusal::Expired) } else { Ok(()) }
    }

    /// The one place where the proof is made.
    pub(super) fn signed_in(
        &self,
        name: &str,
        account: &Account,
        method: Method,
        token: Option<(String, i64)>,
        now_ms: i64,
    ) -> Result<SignedIn, Refusal> {
        Self::account_holds(account, now_ms)?;
        self.unsealed(name, now_ms)?;
        let principal = account.principal(name).map_err(|_| Refusal::Unknown)?;
        let groups = account.groups.iter().cloned().collect();
        let (certificate, passkey, provider) = (None, None, None);
        Ok(SignedIn {
            principal,
            name: name.to_owned(),
            groups,
            method,
            token,
            certificate,
            passkey,
            provider,
            version: self.version,
            since_ms: now_ms,
        })
    }

    /// The account for emergencies is nobody's while it is sealed. Who approved its opening is judged by [`Self::membership`].
    fn unsealed(&self, name: &str, now_ms: i64) -> Result<(), Refusal> {
        if name == BREAK_GLASS && !self.is_open(now_ms) { Err(Refusal::Sealed) } else { Ok(()) }
    }

    fn account_holds(account: &Account, now_ms: i64) -> Result<(), Refusal> {
        if account.disabled {
            return Err(Refusal::Disabled);
        }
        if now_ms < account.added.time_ms { Err(Refusal::Clock) } else { Ok(()) }
    }

    /// Whether someone who signed in, by this register or an older one, still is who they were then. Returns the groups that the account
    /// is in now, sorted.
    ///
    /// # Errors
    /// Why the session is over.
    pub fn still(&self, signed_in: &SignedIn, now_ms: i64) -> Result<Vec<String>, Refusal> {
        let account = self.accounts.get(&signed_in.name).ok_or(Refusal::Revoked)?;
        // One of the same name that was added since is another one.
        if account.added.version > signed_in.version || account.kind.name() != signed_in.principal.kind() {
            return Err(Refusal::Revoked);
        }
        if account.revoked_before.is_some_and(|at| at.version > signed_in.version) {
            return Err(if account.disabled { Refusal::Disabled } else { Refusal::Revoked });
        }
        Self::account_holds(account, now_ms)?;
        self.unsealed(&signed_in.name, now_ms)?;
        if let Some(id) = signed_in.token_id() {
            Self::token_holds(self.tokens.get(id).ok_or(Refusal::Revoked)?, now_ms)?;
        }
        self.certificate_holds(signed_in, now_ms)?;
        if let Some((provider, expires_ms)) = &signed_in.provider {
            // Unlinking also ends sessions by its version; this holds whatever else the change did.
            if !account.links.contains_key(provider) {
                return Err(Refusal::Revoked);
            }
            if now_ms >= *expires_ms {
                return Err(Refusal::Expired);
            }
        }
        if signed_in.passkey.as_ref().is_some_and(|id| !account.passkeys.contains_key(id)) {
            return Err(Refusal::Revoked);
        }
        Ok(account.groups.iter().cloned().collect())
    }

    /// Someone who signed in before and comes again with a session token, perhaps by another way in: one that an API token or a
    /// certificate let in comes in by the ways of that alone. Neither the moment at which they proved who they are nor the version of the register is another one.
    ///
    /// # Errors
    /// Why it is refused: for the record, never for who asked.
    pub fn resume(&self, signed_in: &SignedIn, wire: &str, now_ms: i64) -> Result<SignedIn, Refusal> {
        let groups = self.still(signed_in, now_ms)?;
        if let Some(id) = signed_in.token_id()
            && self.tokens.get(id).is_none_or(|token| !token.wires.contains(wire))
        {
            return Err(Refusal::Wire);
        }
        if let Some(fingerprint) = signed_in.certificate()
            && self.certificates.get(fingerprint).is_none_or(|certificate| !certificate.wires.contains(wire))
        {
            return Err(Refusal::Wire);
        }
        Ok(SignedIn { groups, method: Method::Session, ..signed_in.clone() })
    }

    /// What has ended long ago, and is of no use to anyone.
    pub(super) fn forget_tokens(&mut self, ended_before_ms: i64) {
        self.tokens.retain(|_, token| {
            let ended_ms = token.revoked.map_or(token.expires_ms, |at| at.time_ms.min(token.expires_ms));
            ended_ms >= ended_before_ms
        });
    }

    pub(super) fn unknown_groups<'a>(&self, groups: &'a BTreeSet<String>) -> Option<&'a str> {
        groups.iter().find(|group| !self.groups.contains_key(*group)).map(String::as_str)
    }
}
