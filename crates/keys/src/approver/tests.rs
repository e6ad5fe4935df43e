use polder_types::{ErrorKind, SeededRng, SystemRng};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList};

use super::*;

fn key(directory: &Path, name: &str) -> ApproverKey {
    ApproverKey::create(&directory.join(name), name, Arc::new(SystemRng)).unwrap()
}

#[test]
fn a_key_reads_back_and_signs() {
    let directory = tempfile::tempdir().unwrap();
    let ann = key(directory.path(), "ann");
    let again = ApproverKey::open(&directory.path().join("ann")).unwrap();
    assert_eq!((again.name(), again.public(), again.vkey()), ("ann", ann.public(), ann.vkey()));
    let signature = again.sign(b"text").unwrap();
    assert_eq!(ann.sign(b"text").unwrap(), signature);
    let approver = Approver::parse(&ann.vkey()).unwrap();
    assert_eq!(approver, ann.approver());
    approver.verify(b"text", &signature).unwrap();
    assert!(approver.verify(b"texT", &signature).is_err());
    assert!(key(directory.path(), "bob").approver().verify(b"text", &signature).is_err());
}

/// The judge: another implementation of signed notes.
#[test]
fn another_implementation_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let ann = key(directory.path(), "ann");
    let judge = StandardVerifier::new(&ann.vkey()).unwrap();
    assert_eq!(judge.key_id(), ann.key_hash());
    let text = "polder.example\nan approval\n";
    let mut tagged = ann.key_hash().to_be_bytes().to_vec();
    tagged.extend_from_slice(&ann.sign(text.as_bytes()).unwrap());
    let note = format!("{text}\n\u{2014} ann {}\n", STANDARD.encode(&tagged));
    let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(&ann.vkey()).unwrap())]);
    assert_eq!(Note::from_bytes(note.as_bytes()).unwrap().verify(&verifiers).unwrap().0.len(), 1);
    let changed = note.replace("an approval", "no approval");
    assert!(Note::from_bytes(changed.as_bytes()).unwrap().verify(&verifiers).is_err());
}

#[test]
fn a_changed_file_or_verifier_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ann");
    let ann = key(directory.path(), "ann");
    let good = std::fs::read(&path).unwrap();
    let vkey = ann.vkey();
    for at in 0..good.len() - 1 {
        let mut bad = good.clone();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        std::fs::write(&path, &bad).unwrap();
        let error = ApproverKey::open(&path).err().unwrap_or_else(|| panic!("changed at {at}"));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    for at in 0..vkey.len() {
        let mut bad = vkey.clone().into_bytes();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        assert!(Approver::parse(std::str::from_utf8(&bad).unwrap()).is_err(), "changed at {at}");
    }
    for bad in ["", "ann", "ann+00000000", "ann+00000000+AAAA"] {
        assert!(Approver::parse(bad).is_err());
    }
}

#[test]
fn names_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    for (at, bad) in ["", "a b", "a+b", "é", "a\nb"].into_iter().enumerate() {
        let made = ApproverKey::create(&directory.path().join(at.to_string()), bad, Arc::new(SeededRng::new(1)));
        assert_eq!(made.err().unwrap().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn two_persons_are_two_and_not_the_requester() {
    let directory = tempfile::tempdir().unwrap();
    let keys: Vec<ApproverKey> = ["ann", "bob", "eve"].map(|name| key(directory.path(), name)).into();
    let enrolled: Vec<Approver> = keys.iter().map(ApproverKey::approver).collect();
    let eve = PrincipalId::new("user", "eve").unwrap();
    let request = [7; 32];
    let by = |at: usize| keys[at].approve(&request).unwrap();
    let verify = |enrolled: &[Approver], approvals: &[Approval]| TwoPersons::verify(request, &eve, enrolled, approvals);
    let both = verify(&enrolled, &[by(0), by(1)]).unwrap();
    assert_eq!((both.request(), both.approvers()), (&request, &["ann".to_owned(), "bob".to_owned()]));
    assert!(verify(&enrolled, &[by(0)]).is_err());
    assert!(verify(&enrolled, &[]).is_err());
    assert!(verify(&enrolled, &[by(0), by(0)]).is_err(), "one person twice");
    assert!(verify(&enrolled, &[by(0), by(2)]).is_err(), "the requester");
    assert!(verify(&enrolled[..1], &[by(0), by(1)]).is_err(), "not enrolled");
    let other = keys[1].approve(&[8; 32]).unwrap();
    assert!(verify(&enrolled, &[by(0), other]).is_err(), "another request");
    let forged = Approval { name: "bob".to_owned(), signature: by(0).signature };
    assert!(verify(&enrolled, &[by(0), forged]).is_err(), "another's signature");
    // One key under two names is one person.
    let twin = Approver { name: "ann2".to_owned(), public: enrolled[0].public };
    let twice = Approval { name: "ann2".to_owned(), signature: by(0).signature };
    assert!(verify(&[enrolled[0].clone(), twin], &[by(0), twice]).is_err());
}
