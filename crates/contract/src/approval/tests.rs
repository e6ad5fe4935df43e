use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::*;

struct Signer {
    pair: Ed25519KeyPair,
    public: ApproverPublic,
}

impl Signer {
    fn new(name: &str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let key = <[u8; 32]>::try_from(pair.public_key().as_ref()).unwrap();
        Self { pair, public: ApproverPublic { name: name.to_owned(), key } }
    }

    fn vkey(&self) -> String {
        let mut tagged = vec![ALGORITHM];
        tagged.extend_from_slice(&self.public.key);
        format!("{}+{}+{}", self.public.name, hex::encode(self.public.id()), STANDARD.encode(tagged))
    }

    fn approve(&self, contract: &Contract) -> String {
        let signature = self.pair.sign(approval_text(contract).as_bytes());
        approval_file(contract, &self.vkey(), signature.as_ref().try_into().unwrap()).unwrap()
    }
}

fn contract(required: bool) -> Contract {
    let text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\ncustomProperties: [{{property: polder.source, value: f}}]\nschema: [{{name: t, properties: [{{name: a, logicalType: string, required: {required}}}]}}]\n"
    );
    Contract::parse(&text, "t.odcs.yaml").unwrap()
}

#[test]
fn an_enrolled_approver_lets_a_contract_in() {
    let ann = Signer::new("ann", 1);
    let file = ann.approve(&contract(true));
    let approved = Approved::verify(contract(true), Some(&file), &[ApproverPublic::parse(&ann.vkey()).unwrap()]).unwrap();
    assert_eq!(approved.approver(), "ann");
    assert_eq!(approved.table.as_str(), "t");
}

#[test]
fn anything_else_does_not() {
    let (ann, eve) = (Signer::new("ann", 1), Signer::new("eve", 2));
    let same_name = Signer::new("ann", 3);
    let enrolled = [ann.public.clone()];
    let file = ann.approve(&contract(true));
    let verify = |required, file: Option<&str>| Approved::verify(contract(required), file, &enrolled).unwrap_err();
    assert!(matches!(verify(true, None), ApprovalError::Missing { .. }));
    assert!(matches!(verify(false, Some(&file)), ApprovalError::Changed { .. }));
    assert!(matches!(verify(true, Some(&eve.approve(&contract(true)))), ApprovalError::NotEnrolled { .. }));
    assert!(matches!(verify(true, Some(&same_name.approve(&contract(true)))), ApprovalError::NotEnrolled { .. }));
    assert!(matches!(Approved::verify(contract(true), Some(&file), &[]).unwrap_err(), ApprovalError::NotEnrolled { .. }));
    // The signature of one text under another text.
    let moved = file.replace(&hex::encode(contract(true).semantic_hash()), &hex::encode(contract(false).semantic_hash()));
    assert!(matches!(verify(false, Some(&moved)), ApprovalError::Damaged { .. }));
}

#[test]
fn no_changed_byte_is_accepted() {
    let ann = Signer::new("ann", 1);
    let enrolled = [ann.public.clone()];
    let file = ann.approve(&contract(true)).into_bytes();
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(changed) else { continue };
            // A line end more or less at the very end signs nothing.
            let accepted = Approved::verify(contract(true), Some(&text), &enrolled).is_ok();
            assert!(!accepted || text.trim_end() == String::from_utf8_lossy(&file).trim_end(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn the_file_is_a_signed_note() {
    use signed_note::Note;
    let ann = Signer::new("ann", 1);
    let file = ann.approve(&contract(true));
    let note = Note::from_bytes(file.as_bytes()).unwrap();
    assert_eq!(note.text(), approval_text(&contract(true)).as_bytes());
}

#[test]
fn error_texts() {
    let table = || "flights".to_owned();
    let errors = [
        ApprovalError::Missing { table: table() },
        ApprovalError::Changed { table: table() },
        ApprovalError::Damaged { table: table(), problem: "it has no signature" },
        ApprovalError::NotEnrolled { table: table() },
        ApproverPublic::parse("ann").unwrap_err(),
        ApproverPublic::parse("ann+00000000+AAAA").unwrap_err(),
    ];
    insta::assert_snapshot!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}
