//! Checkpoints: C2SP tlog-checkpoint in a C2SP signed note, with one Ed25519 signature.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::{Cause, Error};
use crate::merkle::Hash;

/// The signed-note algorithm byte of Ed25519.
const ED25519_KEY: u8 = 1;
/// Longest note that is parsed, in bytes. Ours have about 300.
const NOTE_MAX_BYTES: usize = 4096;

/// Signs checkpoints with the journal's key.
pub trait Signer: Send + Sync {
    /// The key's name, which is also the log's origin: no white space, no `+`.
    fn name(&self) -> &str;
    /// An Ed25519 signature.
    ///
    /// # Errors
    /// When the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Cause>;
    /// The public key.
    fn verifying_key(&self) -> [u8; 32];
}

/// Who signs, as far as verifying needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: [u8; 32],
}

impl Verifier {
    /// A verifier of one log.
    ///
    /// # Errors
    /// When the name cannot stand in a signed note.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, Error> {
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(Error::SignerName);
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// The log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The verifier key as text: `name+id+key`, as other implementations take it.
    pub fn vkey(&self) -> String {
        format!("{}+{}+{}", self.name, hex::encode(self.key_id()), BASE64.encode(self.typed_key()))
    }

    fn typed_key(&self) -> Vec<u8> {
        [&[ED25519_KEY], self.key.as_slice()].concat()
    }

    fn key_id(&self) -> [u8; 4] {
        let hash = polder_crypto::sha256(&[self.name.as_bytes(), b"\n", &self.typed_key()].concat());
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }
}

/// A tree head with Polder's two extension lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// The writer's fencing epoch.
    pub(crate) epoch: u64,
    /// The version of the keyring that the writer used.
    pub(crate) keyring: u64,
}

/// A head and the signed note that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) head: Head,
    pub(crate) note: String,
}

impl Checkpoint {
    pub(crate) fn sign(head: Head, verifier: &Verifier, signer: &dyn Signer) -> Result<Self, Error> {
        let text = text(verifier.name(), &head);
        let failed = |source| Error::Sign { size: head.size, source };
        let signature = signer.sign(text.as_bytes()).map_err(failed)?;
        let line = BASE64.encode([verifier.key_id().as_slice(), &signature].concat());
        let note = format!("{text}\n\u{2014} {} {line}\n", verifier.name());
        // A signer with another key would leave a log that nobody can open again.
        Self::parse(&note, verifier).map_err(|what| failed(what.into()))
    }

    /// Reads a note of this log, checks its signature, and takes it only when it is written exactly as [`Self::sign`] writes it.
    pub(crate) fn parse(note: &str, verifier: &Verifier) -> Result<Self, &'static str> {
        if note.len() > NOTE_MAX_BYTES {
            return Err("its checkpoint is too long");
        }
        let malformed = "its checkpoint is not a signed note of one signature";
        let (body, signatures) = note.rsplit_once("\n\n").ok_or(malformed)?;
        let line = signatures.strip_suffix('\n').and_then(|line| line.strip_prefix("\u{2014} ")).ok_or(malformed)?;
        let (name, signature) = line.split_once(' ').ok_or(malformed)?;
        if name != verifier.name {
            return Err("its checkpoint is of another log");
        }
        let signature = BASE64.decode(signature).map_err(|_| malformed)?;
        let (id, signature) = signature.split_first_chunk::<4>().ok_or(malformed)?;
        if *id != verifier.key_id() {
            return Err("its checkpoint is signed with another key");
        }
        let signed = format!("{body}\n");
        UnparsedPublicKey::new(&ED25519, verifier.key)
            .verify(signed.as_bytes(), signature)
            .map_err(|_| "the signature of its checkpoint does not verify")?;
        let head = parse_text(&signed, verifier.name()).ok_or("its checkpoint is signed but not one of Polder's")?;
        Ok(Self { head, note: note.to_owned() })
    }
}

fn text(origin: &str, head: &Head) -> String {
    let root = BASE64.encode(head.root.0);
    format!("{origin}\n{}\n{root}\nepoch {}\nkeyring {}\n", head.size, head.epoch, head.keyring)
}

fn parse_text(signed: &str, origin: &str) -> Option<Head> {
    let mut lines = signed.lines().skip(1);
    let size = lines.next()?.parse().ok()?;
    let root = Hash(BASE64.decode(lines.next()?).ok()?.try_into().ok()?);
    let epoch = lines.next()?.strip_prefix("epoch ")?.parse().ok()?;
    let keyring = lines.next()?.strip_prefix("keyring ")?.parse().ok()?;
    let head = Head { size, root, epoch, keyring };
    (text(origin, &head) == signed).then_some(head)
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use proptest::prelude::*;
    use signed_note::{Note, StandardVerifier, VerifierList};

    use super::*;
    use crate::merkle::leaf_hash;

    /// A signer with a key of its own.
    pub(crate) struct TestSigner(String, Ed25519KeyPair);

    impl TestSigner {
        pub(crate) fn new(name: &str, seed: u8) -> Self {
            Self(name.to_owned(), Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
        }

        pub(crate) fn verifier(&self) -> Verifier {
            Verifier::new(&self.0, self.verifying_key()).unwrap()
        }
    }

    impl Signer for TestSigner {
        fn name(&self) -> &str {
            &self.0
        }
        fn sign(&self, message: &[u8]) -> Result<[u8; 64], Cause> {
            Ok(self.1.sign(message).as_ref().try_into()?)
        }
        fn verifying_key(&self) -> [u8; 32] {
            self.1.public_key().as_ref().try_into().unwrap()
        }
    }

    fn head() -> Head {
        Head { size: 300, root: leaf_hash(b"x"), epoch: 7, keyring: 3 }
    }

    #[test]
    fn another_implementation_accepts_the_note() {
        let signer = TestSigner::new("polder/0123", 1);
        let verifier = signer.verifier();
        let checkpoint = Checkpoint::sign(head(), &verifier, &signer).unwrap();
        assert_eq!(Checkpoint::parse(&checkpoint.note, &verifier).unwrap(), checkpoint);
        let note = Note::from_bytes(checkpoint.note.as_bytes()).unwrap();
        let judge = VerifierList::new(vec![Box::new(StandardVerifier::new(&verifier.vkey()).unwrap())]);
        assert_eq!(note.verify(&judge).unwrap().0.len(), 1);
        let read = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!((read.origin(), read.size(), read.hash().0), ("polder/0123", 300, head().root.0));
        assert_eq!(read.extension(), "epoch 7\nkeyring 3\n");
    }

    #[test]
    fn a_signer_with_another_key_is_refused_at_once() {
        let signer = TestSigner::new("polder/0123", 1);
        let other = TestSigner::new("polder/0123", 2).verifier();
        assert!(matches!(Checkpoint::sign(head(), &other, &signer), Err(Error::Sign { size: 300, .. })));
    }

    #[test]
    fn names_that_break_a_note_are_refused() {
        for bad in ["", "a b", "a+b", "a\nb", "a\u{2003}b", "a\u{7f}b"] {
            assert!(matches!(Verifier::new(bad, [0; 32]), Err(Error::SignerName)), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_refused(position in 0usize..400, change in 1u8..=255) {
            let signer = TestSigner::new("polder/0123", 1);
            let verifier = signer.verifier();
            let note = Checkpoint::sign(head(), &verifier, &signer).unwrap().note;
            let mut bytes = note.into_bytes();
            let position = position % bytes.len();
            bytes[position] ^= change;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(Checkpoint::parse(&changed, &verifier).is_err());
            }
        }
    }
}
