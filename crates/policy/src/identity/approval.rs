//! Approvals by enrolled keys: what is asked for counts only as far as someone else signed it, whoever else can change the register.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::account::At;
use super::{encoded, scram};

/// A person's public key, as `approvers` of polder.yaml enrols it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approver {
    name: String,
    #[serde(with = "encoded")]
    public: [u8; 32],
}

/// Those whose signatures count, and the installation for which they do: what was approved for one counts in no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvers {
    lineage: String,
    keys: Vec<Approver>,
}

/// A signature that is kept with what it approves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub(super) by: String,
    #[serde(with = "encoded")]
    pub(super) signature: [u8; 64],
    pub(super) at: At,
}

impl Approval {
    /// The approver's name.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// When it was signed.
    pub fn at(&self) -> At {
        self.at
    }
}

/// Why a signature approves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unapproved {
    /// Nobody of that name is enrolled.
    NotEnrolled,
    /// It is not a signature of this request under that name's key.
    Signature,
    /// Who signed asked for it, or gets it.
    SamePerson,
}

impl Approvers {
    /// Those enrolled, by name and Ed25519 key, for an installation.
    pub fn new(lineage: &str, keys: impl IntoIterator<Item = (String, [u8; 32])>) -> Self {
        let keys = keys.into_iter().map(|(name, public)| Approver { name, public }).collect();
        Self { lineage: lineage.to_owned(), keys }
    }

    /// The installation's id.
    pub(super) fn lineage(&self) -> &str {
        &self.lineage
    }

    /// The key under which `by` signed a request in which none of `persons` (principals) may have a hand.
    pub(super) fn verify(&self, request: &[u8], by: &str, signature: &[u8], persons: &[&str]) -> Result<[u8; 32], Unapproved> {
        let mut named = self.keys.iter().filter(|approver| approver.name == by).peekable();
        if named.peek().is_none() {
            return Err(Unapproved::NotEnrolled);
        }
        let text = text(request);
        let signed = |approver: &&Approver| UnparsedPublicKey::new(&ED25519, approver.public).verify(text.as_bytes(), signature).is_ok();
        let signer = named.find(signed).ok_or(Unapproved::Signature)?;
        // A person may be enrolled under two names; the key tells.
        let concerned = |approver: &Approver| persons.iter().any(|person| is_person(&approver.name, person));
        if self.keys.iter().any(|approver| approver.public == signer.public && concerned(approver)) {
            return Err(Unapproved::SamePerson);
        }
        Ok(signer.public)
    }
}

/// Whether a key's name is that of a principal, with its kind or without.
fn is_person(name: &str, principal: &str) -> bool {
    name == principal || principal.split_once(':').is_some_and(|(_, own)| own == name)
}

/// What is signed: the text of every approval by a key, over the request's SHA-256.
fn text(request: &[u8]) -> String {
    let hash: String = scram::hash(request).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("polder approval 1\n{hash}\n")
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    /// A person with a key.
    pub struct Person {
        pub name: &'static str,
        pair: Ed25519KeyPair,
    }

    impl Person {
        pub fn new(name: &'static str, seed: u8) -> Self {
            Self { name, pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
        }

        pub fn enrolled(&self) -> (String, [u8; 32]) {
            (self.name.to_owned(), self.pair.public_key().as_ref().try_into().unwrap())
        }

        pub fn sign(&self, request: &[u8]) -> [u8; 64] {
            self.pair.sign(text(request).as_bytes()).as_ref().try_into().unwrap()
        }
    }

    #[test]
    fn only_an_enrolled_key_of_someone_else_approves() {
        let (ann, bea) = (Person::new("ann", 1), Person::new("bea", 2));
        // Ann under a second name.
        let alias = Person::new("service-desk", 1);
        let approvers = Approvers::new("here", [ann.enrolled(), bea.enrolled(), alias.enrolled()]);
        let request = b"a request";
        let verify = |by: &str, signature: &[u8], persons: &[&str]| approvers.verify(request, by, signature, persons);
        assert_eq!(verify("bea", &bea.sign(request), &["user:ann"]), Ok(bea.enrolled().1));
        assert_eq!(verify("bea", &ann.sign(request), &["user:ann"]), Err(Unapproved::Signature));
        assert_eq!(verify("bea", &bea.sign(b"another"), &["user:ann"]), Err(Unapproved::Signature));
        assert_eq!(verify("carl", &bea.sign(request), &["user:ann"]), Err(Unapproved::NotEnrolled));
        for name in ["user:bea", "service:bea", "bea"] {
            assert_eq!(verify("bea", &bea.sign(request), &[name]), Err(Unapproved::SamePerson), "{name}");
        }
        assert_eq!(verify("service-desk", &alias.sign(request), &["user:ann"]), Err(Unapproved::SamePerson));
        assert!(verify("service-desk", &alias.sign(request), &["user:bob"]).is_ok());
    }
}
