//! Approvals of who may approve: a signed note over an environment's approvers and what is asked of them. Whoever could add an approver
//! unseen could approve anything, so a change of the list is itself approved by one who was on it (`docs/format/approval.md`).

use polder_crypto::sha256;

use crate::approval::{ApprovalError, ApproverPublic, Unsigned, note_signers, signed_note};

const HEADING: &str = "polder approvers approval v1";

/// Who may approve in an environment, and what is asked of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The environment's name.
    pub environment: String,
    /// The approvers' public keys, as they stand in the file.
    pub approvers: Vec<String>,
    /// Whether an author cannot approve what they wrote.
    pub other_than_author: bool,
    /// Name of an approver, and an address that they commit under.
    pub git: Vec<(String, String)>,
}

impl Enrolment {
    /// SHA-256 of what it means; the order of the file does not change it.
    pub fn hash(&self) -> [u8; 32] {
        let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
        let mut lines: Vec<String> = self.approvers.iter().map(|vkey| format!("approver {}", quoted(vkey.trim()))).collect();
        lines.extend(self.git.iter().map(|(name, address)| format!("git {} {}", quoted(name), quoted(&address.to_lowercase()))));
        lines.push(format!("other_than_author {}", self.other_than_author));
        lines.sort();
        lines.dedup();
        sha256(format!("polder approvers v1\n{}\n{}\n", quoted(&self.environment), lines.join("\n")).as_bytes())
    }

    /// What an approver signs.
    pub fn text(&self) -> String {
        format!("{HEADING}\n{}\n{}\n", self.environment.escape_default(), hex::encode(self.hash()))
    }

    /// The file of an approval.
    ///
    /// # Errors
    /// When the verifier key is not one, or the signature is not by it.
    pub fn file(&self, vkey: &str, signature: &[u8; 64]) -> Result<String, ApprovalError> {
        signed_note(&self.text(), vkey, signature)
    }

    /// Those of `enrolled` who signed it as it stands; why nobody did.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the approval.
    pub fn signers<'a>(&self, approval: Option<&str>, enrolled: &'a [ApproverPublic]) -> Result<Vec<&'a ApproverPublic>, &'static str> {
        let approval = approval.ok_or("nobody approved it")?;
        note_signers(HEADING, &self.text(), approval, enrolled).map_err(|unsigned| match unsigned {
            Unsigned::Damaged(problem) => problem,
            Unsigned::NotEnrolled => "nobody signed it who was an approver before",
            Unsigned::Changed => "it is not what was approved",
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::Engine;

    use super::*;

    fn signer(name: &str, seed: u8) -> (Ed25519KeyPair, String) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let mut tagged = vec![1];
        tagged.extend_from_slice(pair.public_key().as_ref());
        let mut id = format!("{name}\n").into_bytes();
        id.extend_from_slice(&tagged);
        let hash = hex::encode(&sha256(&id)[..4]);
        (pair, format!("{name}+{hash}+{}", base64::engine::general_purpose::STANDARD.encode(&tagged)))
    }

    fn enrolment(approvers: &[&str]) -> Enrolment {
        Enrolment {
            environment: "prod".to_owned(),
            approvers: approvers.iter().map(|vkey| (*vkey).to_owned()).collect(),
            other_than_author: true,
            git: vec![("ann".to_owned(), "Ann@example.org".to_owned())],
        }
    }

    #[test]
    fn who_was_enrolled_approves_who_is() {
        let ((ann, ann_key), (eve, eve_key)) = (signer("ann", 1), signer("eve", 2));
        let before = [ApproverPublic::parse(&ann_key).unwrap()];
        let wider = enrolment(&[&ann_key, &eve_key]);
        let sign = |pair: &Ed25519KeyPair, vkey: &str, of: &Enrolment| {
            of.file(vkey, pair.sign(of.text().as_bytes()).as_ref().try_into().unwrap()).unwrap()
        };
        let file = sign(&ann, &ann_key, &wider);
        assert_eq!(wider.signers(Some(&file), &before).unwrap()[0].name(), "ann");
        // The order of the file and the case of an address mean nothing.
        let mut same = enrolment(&[&eve_key, &ann_key]);
        same.git[0].1 = "ann@EXAMPLE.org".to_owned();
        assert!(same.signers(Some(&file), &before).is_ok());
        // Anything else does.
        let mut other = vec![enrolment(&[&ann_key])];
        other.extend([
            Enrolment { other_than_author: false, ..wider.clone() },
            Enrolment { environment: "test".to_owned(), ..wider.clone() },
        ]);
        other.push(Enrolment { git: Vec::new(), ..wider.clone() });
        for other in other {
            assert_eq!(other.signers(Some(&file), &before), Err("it is not what was approved"));
        }
        assert_eq!(wider.signers(Some(&sign(&eve, &eve_key, &wider)), &before), Err("nobody signed it who was an approver before"));
        assert_eq!(wider.signers(None, &before), Err("nobody approved it"));
        assert_eq!(wider.signers(Some("polder contract approval v1\nx\n\n"), &before), Err("it is not an approval of version 1"));
    }
}
