//! Approvals: a signed note over a contract's semantic hash, in a file beside the contract (`docs/format/approval.md`).

use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use polder_crypto::sha256;
use polder_types::{ErrorKind, TableName};

use crate::column::Column;
use crate::contract::{Contract, Disposition, OnViolation};

/// Signed note's algorithm byte of Ed25519.
const ALGORITHM: u8 = 1;
/// More signatures than any file needs.
const SIGNATURES_MAX: usize = 16;

/// Why a contract lets nothing in.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    #[error("take contract {table}: nobody approved it; read it, then run `polder contract approve {table}`")]
    Missing { table: String },
    #[error("take contract {table}: it is not what was approved; read what changed, then run `polder contract approve {table}`")]
    Changed { table: String },
    #[error("take contract {table}: its approval is damaged: {problem}; approve it again with `polder contract approve {table}`")]
    Damaged { table: String, problem: &'static str },
    #[error(
        "take contract {table}: no enrolled approver signed its approval; an approver of this environment runs `polder contract approve {table}`"
    )]
    NotEnrolled { table: String },
    #[error("derive a contract for model {table}: it gives no column; correct its SQL")]
    NoColumns { table: String },
    #[error("derive a contract for model {table}: it reads no table that an approved contract fills; let it read one, or make it a view")]
    NothingApproved { table: String },
    #[error("enrol an approver: {problem}; take the line that `polder init` printed, NAME+HASH+KEY")]
    Enrolment { problem: &'static str },
}

impl ApprovalError {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } | Self::Changed { .. } | Self::Damaged { .. } | Self::NotEnrolled { .. } => ErrorKind::Rejected,
            Self::Enrolment { .. } | Self::NoColumns { .. } | Self::NothingApproved { .. } => ErrorKind::Invalid,
        }
    }
}

/// An approver's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApproverPublic {
    name: String,
    key: [u8; 32],
}

impl ApproverPublic {
    /// Reads a signed-note verifier key, `NAME+HASH+KEY`.
    ///
    /// # Errors
    /// When it is not one of Ed25519, or its hash does not fit.
    pub fn parse(vkey: &str) -> Result<Self, ApprovalError> {
        let broken = |problem| ApprovalError::Enrolment { problem };
        let mut parts = vkey.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(broken("the key does not have three parts"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| broken("the key is not base64"))?;
        let key = match bytes.split_first() {
            Some((&ALGORITHM, key)) => <[u8; 32]>::try_from(key).map_err(|_| broken("the key is not one of Ed25519"))?,
            _ => return Err(broken("the key is not one of Ed25519")),
        };
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c == '+') {
            return Err(broken("the name is empty or holds a space"));
        }
        let approver = Self { name: name.to_owned(), key };
        if hex::encode(approver.id()) != hash {
            return Err(broken("the hash does not fit the name and the key"));
        }
        Ok(approver)
    }

    /// The approver's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Key id of a signed note: the first four bytes of SHA-256(name, line feed, algorithm, key).
    fn id(&self) -> [u8; 4] {
        let mut input = self.name.as_bytes().to_vec();
        input.extend_from_slice(&[b'\n', ALGORITHM]);
        input.extend_from_slice(&self.key);
        let hash = sha256(&input);
        let mut id = [0; 4];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        id
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(text.as_bytes(), signature).is_ok()
    }
}

/// What an approver signs: the text of the note.
pub fn approval_text(contract: &Contract) -> String {
    format!("polder contract approval v1\n{}\n{}\n", contract.table, hex::encode(contract.semantic_hash()))
}

/// The file of an approval: the text, and a signature of it by the key of `vkey`.
///
/// # Errors
/// When the verifier key is not one, or the signature is not by it.
pub fn approval_file(contract: &Contract, vkey: &str, signature: &[u8; 64]) -> Result<String, ApprovalError> {
    signed_note(&approval_text(contract), vkey, signature)
}

/// Every enrolled approver who signed a contract as it stands, in the order of the file: at least one.
///
/// # Errors
/// When there is no approval, it is for another text, or no enrolled approver signed it.
pub fn signers<'a>(
    contract: &Contract,
    approval: Option<&str>,
    enrolled: &'a [ApproverPublic],
) -> Result<Vec<&'a ApproverPublic>, ApprovalError> {
    let table = || contract.table.to_string();
    let Some(approval) = approval else { return Err(ApprovalError::Missing { table: table() }) };
    note_signers("polder contract approval v1", &approval_text(contract), approval, enrolled).map_err(|unsigned| match unsigned {
        Unsigned::Damaged(problem) => ApprovalError::Damaged { table: table(), problem },
        Unsigned::NotEnrolled => ApprovalError::NotEnrolled { table: table() },
        Unsigned::Changed => ApprovalError::Changed { table: table() },
    })
}

/// Why a signed note approves nothing.
pub(crate) enum Unsigned {
    /// It is no such note, or a signature by an enrolled key does not verify.
    Damaged(&'static str),
    /// Nobody who is enrolled signed it.
    NotEnrolled,
    /// It is a note of another text.
    Changed,
}

/// Every enrolled approver who signed a text, by a signed note that begins with a heading.
pub(crate) fn note_signers<'a>(
    heading: &str,
    wanted: &str,
    note: &str,
    enrolled: &'a [ApproverPublic],
) -> Result<Vec<&'a ApproverPublic>, Unsigned> {
    let (text, signatures) = note.split_once("\n\n").ok_or(Unsigned::Damaged("it has no signature"))?;
    let text = format!("{text}\n");
    if text.lines().next() != Some(heading) {
        return Err(Unsigned::Damaged("it is not an approval of version 1"));
    }
    let mut signers = Vec::new();
    for line in signatures.lines().take(SIGNATURES_MAX) {
        let no_signature = || Unsigned::Damaged("a line is not a signature");
        let mut parts = line.strip_prefix("\u{2014} ").ok_or_else(no_signature)?.split(' ');
        let (Some(name), Some(signed), None) = (parts.next(), parts.next(), parts.next()) else { return Err(no_signature()) };
        let signed = STANDARD.decode(signed).map_err(|_| Unsigned::Damaged("a signature is not base64"))?;
        let (id, signature) = signed.split_first_chunk::<4>().ok_or(Unsigned::Damaged("a signature is too short"))?;
        if let Some(approver) = enrolled.iter().find(|approver| approver.name == name && approver.id() == *id) {
            if !approver.verifies(&text, signature) {
                return Err(Unsigned::Damaged("a signature does not verify"));
            }
            signers.push(approver);
        }
    }
    if signers.is_empty() {
        return Err(Unsigned::NotEnrolled);
    }
    if text == wanted { Ok(signers) } else { Err(Unsigned::Changed) }
}

/// A text with a signature of it by the key of `vkey`, as a signed note.
///
/// # Errors
/// When the verifier key is not one, or the signature is not by it.
pub(crate) fn signed_note(text: &str, vkey: &str, signature: &[u8; 64]) -> Result<String, ApprovalError> {
    let approver = ApproverPublic::parse(vkey)?;
    if !approver.verifies(text, signature) {
        return Err(ApprovalError::Enrolment { problem: "the signature is not by this key" });
    }
    let mut signed = approver.id().to_vec();
    signed.extend_from_slice(signature);
    Ok(format!("{text}\n\u{2014} {} {}\n", approver.name, STANDARD.encode(signed)))
}

/// A contract that an enrolled approver signed as it stands, or that of a model which reads nothing but what such contracts let in.
#[derive(Debug, Clone)]
pub struct Approved {
    contract: Arc<Contract>,
    approver: String,
}

impl Approved {
    /// Takes a contract together with its approval.
    ///
    /// # Errors
    /// When there is no approval, it is for another text, or no enrolled approver signed it.
    pub fn verify(contract: Contract, approval: Option<&str>, enrolled: &[ApproverPublic]) -> Result<Self, ApprovalError> {
        let signed = signers(&contract, approval, enrolled)?;
        let first = signed.first().ok_or_else(|| ApprovalError::NotEnrolled { table: contract.table.to_string() })?;
        let approver = first.name.clone();
        Ok(Self { contract: Arc::new(contract), approver })
    }

    /// The contract of a model: the columns that it computes from tables whose contracts are approved. Its rows can hold
    /// nothing that those did not let in. Only the place that builds models calls it, which `xtask tidy` makes sure of.
    ///
    /// # Errors
    /// When it reads no table with an approved contract, or would have no column.
    pub fn derive(table: TableName, columns: Vec<Column>, inputs: &[Self]) -> Result<Self, ApprovalError> {
        if inputs.is_empty() {
            return Err(ApprovalError::NothingApproved { table: table.to_string() });
        }
        if columns.is_empty() {
            return Err(ApprovalError::NoColumns { table: table.to_string() });
        }
        let mut meaning = format!("polder derived contract v1\n{table}\n");
        for column in &columns {
            meaning.push_str(&format!("{} {} {}\n", column.name, column.ty, column.required));
        }
        let mut hashes: Vec<String> = inputs.iter().map(|input| hex::encode(input.semantic_hash())).collect();
        hashes.sort();
        meaning.push_str(&hashes.join("\n"));
        let contract = Contract {
            id: format!("model:{table}"),
            name: table.to_string(),
            version: "derived".to_owned(),
            status: "active".to_owned(),
            file: format!("models/{table}.sql"),
            dataset: table.to_string(),
            source: format!("model:{table}"),
            table,
            columns,
            quality: Vec::new(),
            questions: Vec::new(),
            on_violation: OnViolation::Fail,
            disposition: Disposition::Replace,
            deletes: None,
            validity: None,
            freshness: Vec::new(),
            reject_limit: 0.0,
            max_row_bytes: usize::MAX,
            null_tokens: Vec::new(),
            notes: Vec::new(),
            semantic: sha256(meaning.as_bytes()),
            derived: true,
        };
        Ok(Self { contract: Arc::new(contract), approver: "derived".to_owned() })
    }

    /// The contract.
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// Who signed.
    pub fn approver(&self) -> &str {
        &self.approver
    }
}

impl std::ops::Deref for Approved {
    type Target = Contract;

    fn deref(&self) -> &Contract {
        &self.contract
    }
}

#[cfg(test)]
mod tests;
