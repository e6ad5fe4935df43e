//! Enrolled approvers: Ed25519 keys in the signed-note form (C2SP), for contracts, destruction and break-glass.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use polder_crypto::sha256;
use polder_types::{PrincipalId, Rng};
use zeroize::Zeroizing;

use crate::custody::private_file;
use crate::error::Error;
use crate::keys::{public_key, sign_with, signing_key};
use crate::locked::DatasetKey;

const WHAT: &str = "approver key";
const PRIVATE: &str = "PRIVATE+KEY+";
/// Signed note's algorithm byte of Ed25519.
const ALGORITHM: u8 = 1;
const NAME_MAX_BYTES: usize = 128;

/// A person's signing key, in a file of mode 0600. Has no `Debug`.
pub struct ApproverKey {
    name: String,
    seed: DatasetKey,
    public: [u8; 32],
}

impl ApproverKey {
    /// Makes a key and its file: one line `PRIVATE+KEY+name+hash+base64(1 ‖ seed)`, as other signed-note tools write it.
    ///
    /// # Errors
    /// When the name is not one, the file exists or cannot be written, or there is no randomness.
    pub fn create(path: &Path, name: &str, rng: Arc<dyn Rng>) -> Result<Self, Error> {
        check_name(name)?;
        let key = Self::from_seed(name, DatasetKey::random(rng.as_ref())?)?;
        let mut tagged = Zeroizing::new([ALGORITHM; 33]);
        if let Some(seed) = tagged.last_chunk_mut::<32>() {
            *seed = *key.seed.expose();
        }
        let mut line = Zeroizing::new(String::with_capacity(PRIVATE.len() + name.len() + 64));
        line.push_str(&format!("{PRIVATE}{name}+{:08x}+", key.key_hash()));
        STANDARD.encode_string(tagged.as_slice(), &mut line);
        line.push('\n');
        private_file::create(path, WHAT, line.as_bytes())?;
        Ok(key)
    }

    /// Opens a key file.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or it is not as written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = private_file::read(path, WHAT)?;
        Self::parse(&bytes)?.ok_or_else(|| Error::FileDamaged { what: WHAT, path: PathBuf::from(path) })
    }

    fn parse(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let Some(line) = std::str::from_utf8(bytes).ok().and_then(|text| text.trim_end().strip_prefix(PRIVATE)) else { return Ok(None) };
        let mut parts = line.splitn(3, '+');
        let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else { return Ok(None) };
        let mut tagged = Zeroizing::new([0; 36]);
        let Ok(33) = STANDARD.decode_slice(encoded, tagged.as_mut_slice()) else { return Ok(None) };
        let Some(([ALGORITHM], rest)) = tagged.split_first_chunk::<1>() else { return Ok(None) };
        let Some(seed) = rest.first_chunk::<32>() else { return Ok(None) };
        if check_name(name).is_err() {
            return Ok(None);
        }
        let key = Self::from_seed(name, DatasetKey::copied(seed)?)?;
        Ok((format!("{:08x}", key.key_hash()) == hash).then_some(key))
    }

    fn from_seed(name: &str, seed: DatasetKey) -> Result<Self, Error> {
        let public = public_key(&signing_key(&seed)?)?;
        Ok(Self { name: name.to_owned(), seed, public })
    }

    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The signed-note key id, which is public: first four bytes of SHA-256(name ‖ newline ‖ 1 ‖ public key), big-endian.
    pub fn key_hash(&self) -> u32 {
        key_hash(&self.name, &self.public)
    }

    /// The verifier key to enrol: `name+hash+base64(1 ‖ public key)`.
    pub fn vkey(&self) -> String {
        self.approver().vkey()
    }

    /// The public half.
    pub fn approver(&self) -> Approver {
        Approver { name: self.name.clone(), public: self.public }
    }

    /// Signs.
    ///
    /// # Errors
    /// When the key does not work, which is a defect.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        sign_with(&signing_key(&self.seed)?, message)
    }

    /// Approves a request by its hash.
    ///
    /// # Errors
    /// As [`ApproverKey::sign`].
    pub fn approve(&self, request: &[u8; 32]) -> Result<Approval, Error> {
        Ok(Approval { name: self.name.clone(), signature: self.sign(&approval_text(request))? })
    }
}

/// An enrolled approver: the public half of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    name: String,
    public: [u8; 32],
}

impl Approver {
    /// Reads a verifier key, as [`ApproverKey::vkey`] prints it.
    ///
    /// # Errors
    /// When it is not one of Ed25519, or its hash is not that of name and key.
    pub fn parse(vkey: &str) -> Result<Self, Error> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else { return Err(Error::VerifierKey) };
        let tagged: [u8; 33] = STANDARD.decode(encoded).ok().and_then(|key| key.try_into().ok()).ok_or(Error::VerifierKey)?;
        let ([ALGORITHM], public) = tagged.split_first_chunk::<1>().ok_or(Error::VerifierKey)? else { return Err(Error::VerifierKey) };
        let public = public.try_into().map_err(|_| Error::VerifierKey)?;
        ParsedPublicKey::new(&ED25519, public).map_err(|_| Error::VerifierKey)?;
        if check_name(name).is_err() || format!("{:08x}", key_hash(name, &public)) != hash {
            return Err(Error::VerifierKey);
        }
        Ok(Self { name: name.to_owned(), public })
    }

    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The signed-note key id.
    pub fn key_hash(&self) -> u32 {
        key_hash(&self.name, &self.public)
    }

    /// The verifier key as text.
    pub fn vkey(&self) -> String {
        let tagged = [&[ALGORITHM], self.public.as_slice()].concat();
        format!("{}+{:08x}+{}", self.name, self.key_hash(), STANDARD.encode(tagged))
    }

    /// Verifies a signature.
    ///
    /// # Errors
    /// When it is not of this message under this key.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), Error> {
        ParsedPublicKey::new(&ED25519, self.public)
            .map_err(|_| Error::VerifierKey)?
            .verify_sig(message, signature)
            .map_err(|_| Error::Signature { name: self.name.clone() })
    }
}

/// One person's approval of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The enrolled approver's name.
    pub name: String,
    /// Over the request's hash.
    pub signature: [u8; 64],
}

/// That two enrolled approvers, neither the requester, approved one request. Only [`TwoPersons::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoPersons {
    request: [u8; 32],
    requester: PrincipalId,
    approvers: [String; 2],
}

impl TwoPersons {
    /// Verifies approvals of a request. An approver who has the requester's name does not count, nor does one key twice.
    ///
    /// # Errors
    /// When a signature is wrong or not of an enrolled approver, or fewer than two different persons signed.
    pub fn verify(request: [u8; 32], requester: &PrincipalId, enrolled: &[Approver], approvals: &[Approval]) -> Result<Self, Error> {
        let text = approval_text(&request);
        let mut counted: Vec<&Approver> = Vec::new();
        for approval in approvals {
            let known = enrolled.iter().find(|approver| approver.name == approval.name);
            let approver = known.ok_or(Error::Approval { problem: "a signer is not enrolled" })?;
            approver.verify(&text, &approval.signature)?;
            if approver.name == requester.name() || approver.name == requester.as_str() {
                return Err(Error::Approval { problem: "the requester is among the signers" });
            }
            if !counted.iter().any(|other| other.public == approver.public || other.name == approver.name) {
                counted.push(approver);
            }
        }
        match counted.as_slice() {
            [first, second, ..] => Ok(Self { request, requester: requester.clone(), approvers: [first.name.clone(), second.name.clone()] }),
            _ => Err(Error::Approval { problem: "fewer than two persons signed" }),
        }
    }

    /// The request's hash.
    pub fn request(&self) -> &[u8; 32] {
        &self.request
    }

    /// Who asked.
    pub fn requester(&self) -> &PrincipalId {
        &self.requester
    }

    /// Who approved.
    pub fn approvers(&self) -> &[String; 2] {
        &self.approvers
    }
}

/// What an approval signs: a text of its own, so that it is never a signature of anything else.
fn approval_text(request: &[u8; 32]) -> Vec<u8> {
    format!("polder approval 1\n{}\n", hex::encode(request)).into_bytes()
}

fn key_hash(name: &str, public: &[u8; 32]) -> u32 {
    let hash = sha256(&[name.as_bytes(), b"\n", &[ALGORITHM], public].concat());
    hash.first_chunk::<4>().copied().map(u32::from_be_bytes).unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), Error> {
    let ok = (1..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
    if ok { Ok(()) } else { Err(Error::Name { what: "approver", most: NAME_MAX_BYTES }) }
}

#[cfg(test)]
mod tests;
