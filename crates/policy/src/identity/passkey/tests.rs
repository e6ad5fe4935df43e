//! Passkeys made and used by an authenticator of the test, each part of what it says wrong once.

use std::collections::BTreeSet;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::value::Value;
use polder_types::{ErrorKind, SystemRng};
use serde_json::{Value as Json, json};

use super::*;
use crate::identity::{Change, Credentials, FactorChange, Kind, Method, Password, Refusal, Register};

const ORIGIN: &str = "https://polder.example:8443";
const CHALLENGE: [u8; 32] = [9; 32];
const UP_UV: u8 = 0x05;
const NOW_MS: i64 = 1_800_000_000_000;

enum Key {
    Es256(EcdsaKeyPair),
    Eddsa(Ed25519KeyPair),
}

/// A software authenticator with one credential.
struct Authenticator {
    key: Key,
    credential: Vec<u8>,
    flags: u8,
    counter: u32,
    party: String,
    client: Json,
}

fn party() -> RelyingParty {
    RelyingParty::of(ORIGIN).unwrap()
}

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn map(members: Vec<(i64, Value)>) -> Value {
    Value::Map(members.into_iter().map(|(name, value)| (Value::from(name), value)).collect())
}

impl Authenticator {
    fn new(eddsa: bool) -> Self {
        let key = if eddsa {
            Key::Eddsa(Ed25519KeyPair::generate().unwrap())
        } else {
            Key::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
        };
        let client = json!({ "challenge": URL_SAFE_NO_PAD.encode(CHALLENGE), "origin": ORIGIN, "crossOrigin": false, "more": [1] });
        Self { key, credential: vec![7; 16], flags: UP_UV, counter: 3, party: "polder.example".to_owned(), client }
    }

    fn cose(&self) -> Value {
        match &self.key {
            Key::Es256(key) => {
                let point = key.public_key().as_ref();
                map(vec![
                    (1, Value::from(2)),
                    (3, Value::from(-7)),
                    (-1, Value::from(1)),
                    (-2, Value::Bytes(point[1..33].to_vec())),
                    (-3, Value::Bytes(point[33..65].to_vec())),
                ])
            }
            Key::Eddsa(key) => map(vec![
                (1, Value::from(1)),
                (3, Value::from(-8)),
                (-1, Value::from(6)),
                (-2, Value::Bytes(key.public_key().as_ref().to_vec())),
            ]),
        }
    }

    fn client(&self, kind: &str) -> Vec<u8> {
        let mut client = self.client.clone();
        if client.get("type").is_none() {
            client["type"] = json!(kind);
        }
        client.to_string().into_bytes()
    }

    fn data(&self, attested: bool) -> Vec<u8> {
        let flags = if attested { self.flags | 0x40 } else { self.flags };
        let mut data = scram::hash(self.party.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        if attested {
            data.extend([0; 16]);
            data.extend((self.credential.len() as u16).to_be_bytes());
            data.extend(&self.credential);
            data.extend(cbor(&self.cose()));
        }
        data
    }

    fn attestation(data: Vec<u8>) -> Vec<u8> {
        let text = |text: &str| Value::Text(text.to_owned());
        cbor(&Value::Map(vec![
            (text("fmt"), text("none")),
            (text("attStmt"), Value::Map(Vec::new())),
            (text("authData"), Value::Bytes(data)),
        ]))
    }

    fn register(&self) -> Registration {
        let attestation = Self::attestation(self.data(true));
        Registration { client_data: self.client("webauthn.create"), attestation, label: Some("a phone".to_owned()) }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::Es256(key) => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Key::Eddsa(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    fn answer(&self) -> Assertion {
        self.answer_with(self.data(false))
    }

    fn answer_with(&self, authenticator_data: Vec<u8>) -> Assertion {
        let client_data = self.client("webauthn.get");
        let signature = self.sign(&[authenticator_data.as_slice(), &scram::hash(&client_data)].concat());
        Assertion { credential: self.credential.clone(), client_data, authenticator_data, signature, user_handle: b"ann".to_vec() }
    }
}

fn registered(registration: Registration) -> Result<NewPasskey, PasskeyError> {
    registration.verify(&party(), &CHALLENGE)
}

fn at() -> At {
    At { version: 1, time_ms: NOW_MS }
}

#[test]
fn a_passkey_of_either_kind_is_added_and_used() {
    for eddsa in [false, true] {
        let mut authenticator = Authenticator::new(eddsa);
        let passkey = registered(authenticator.register()).unwrap();
        let stored = passkey.stored(at());
        assert!(stored.sound(&passkey.id()) && passkey.is_labelled());
        assert_eq!((stored.counter(), stored.label()), (3, Some("a phone")));
        authenticator.counter = 4;
        assert_eq!(stored.verify(&party(), &CHALLENGE, &authenticator.answer()), Ok(4));
        // Backed up, and with an extension's outputs.
        authenticator.flags = UP_UV | BACKED | 0x80;
        let mut data = authenticator.data(false);
        data.extend(cbor(&Value::Map(vec![(Value::Text("x".to_owned()), Value::Bool(true))])));
        assert_eq!(stored.verify(&party(), &CHALLENGE, &authenticator.answer_with(data)), Ok(4));
        let text = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<StoredPasskey>(&text).unwrap(), stored);
    }
}

/// Eligible for backup, and backed up.
const BACKED: u8 = 0x18;

#[test]
fn what_the_browser_says_is_checked() {
    let stored = registered(Authenticator::new(false).register()).unwrap();
    let wrongs = [
        ("type", json!("webauthn.other"), PasskeyError::Type),
        ("challenge", json!(URL_SAFE_NO_PAD.encode([8; 32])), PasskeyError::Challenge),
        ("challenge", json!(""), PasskeyError::Challenge),
        ("challenge", json!("!"), PasskeyError::Challenge),
        ("origin", json!("https://evil.example"), PasskeyError::Origin),
        ("origin", json!("http://polder.example:8443"), PasskeyError::Origin),
        ("origin", json!("https://polder.example"), PasskeyError::Origin),
        ("crossOrigin", json!(true), PasskeyError::Origin),
        ("topOrigin", json!("https://evil.example"), PasskeyError::Origin),
        ("challenge", json!(1), PasskeyError::ClientData),
    ];
    for (name, value, error) in wrongs {
        let mut authenticator = Authenticator::new(false);
        authenticator.client[name] = value;
        assert_eq!(registered(authenticator.register()).unwrap_err(), error, "{name}");
        assert_eq!(stored.stored(at()).verify(&party(), &CHALLENGE, &authenticator.answer()).unwrap_err(), error, "{name}");
    }
    // Neither is taken for the other.
    let authenticator = Authenticator::new(false);
    let mut registration = authenticator.register();
    registration.client_data = authenticator.client("webauthn.get");
    assert_eq!(registered(registration).unwrap_err(), PasskeyError::Type);
    let mut registration = authenticator.register();
    registration.client_data = b"{".to_vec();
    assert_eq!(registered(registration.clone()).unwrap_err(), PasskeyError::ClientData);
    registration.client_data = [authenticator.client("webauthn.create"), vec![b' '; 5_000]].concat();
    assert_eq!(registered(registration).unwrap_err(), PasskeyError::ClientData);
    // A name that stands twice is read by nobody.
    let mut registration = authenticator.register();
    let twice = String::from_utf8(registration.client_data).unwrap().replacen('{', "{\"origin\":\"https://evil.example\",", 1);
    registration.client_data = twice.into_bytes();
    assert_eq!(registered(registration).unwrap_err(), PasskeyError::ClientData);
}

#[test]
fn what_the_authenticator_says_is_checked() {
    let stored = registered(Authenticator::new(false).register()).unwrap().stored(at());
    for (flags, error) in [
        (0x04, PasskeyError::Presence),
        (0x01, PasskeyError::Verification),
        (0x00, PasskeyError::Presence),
        (UP_UV | 0x10, PasskeyError::Data),
        // Extensions are announced, and none come.
        (UP_UV | 0x80, PasskeyError::Data),
    ] {
        let authenticator = Authenticator { flags, ..Authenticator::new(false) };
        assert_eq!(registered(authenticator.register()).unwrap_err(), error, "{flags:x}");
        assert_eq!(stored.verify(&party(), &CHALLENGE, &authenticator.answer()).unwrap_err(), error, "{flags:x}");
    }
    let elsewhere = Authenticator { party: "evil.example".to_owned(), ..Authenticator::new(false) };
    assert_eq!(registered(elsewhere.register()).unwrap_err(), PasskeyError::Party);
    assert_eq!(stored.verify(&party(), &CHALLENGE, &elsewhere.answer()).unwrap_err(), PasskeyError::Party);
    // Cut anywhere, or followed by something.
    let authenticator = Authenticator::new(false);
    let data = authenticator.data(true);
    for length in 0..data.len() {
        let registration = Registration { attestation: Authenticator::attestation(data[..length].to_vec()), ..authenticator.register() };
        assert!(registered(registration).is_err(), "{length}");
    }
    let longer = [data.as_slice(), &[0]].concat();
    let registration = Registration { attestation: Authenticator::attestation(longer), ..authenticator.register() };
    assert_eq!(registered(registration).unwrap_err(), PasskeyError::Data);
    // A key in an answer, or none in a registration.
    assert_eq!(stored.verify(&party(), &CHALLENGE, &authenticator.answer_with(data)).unwrap_err(), PasskeyError::Data);
    let registration = Registration { attestation: Authenticator::attestation(authenticator.data(false)), ..authenticator.register() };
    assert_eq!(registered(registration).unwrap_err(), PasskeyError::Credential);
}

#[test]
fn no_attestation_is_taken_and_nothing_that_is_none() {
    let authenticator = Authenticator::new(false);
    let good = authenticator.register().attestation;
    let text = |text: &str| Value::Text(text.to_owned());
    let object = |format: &str, statement: Value, more: Option<&str>| {
        let mut members =
            vec![(text("fmt"), text(format)), (text("attStmt"), statement), (text("authData"), Value::Bytes(authenticator.data(true)))];
        members.extend(more.map(|name| (text(name), Value::Bool(true))));
        cbor(&Value::Map(members))
    };
    let empty = || Value::Map(Vec::new());
    let wrongs = [
        (object("packed", empty(), None), PasskeyError::Attestation),
        (object("none", Value::Map(vec![(text("sig"), Value::Bytes(vec![1]))]), None), PasskeyError::Attestation),
        (object("none", Value::Bool(true), None), PasskeyError::Data),
        (object("none", empty(), Some("more")), PasskeyError::Data),
        (object("none", empty(), Some("fmt")), PasskeyError::Data),
        ([good.as_slice(), &[0]].concat(), PasskeyError::Data),
        (good[..good.len() - 1].to_vec(), PasskeyError::Data),
        (Vec::new(), PasskeyError::Data),
        // Deeper than anything that is made, and a length that is none.
        (vec![0x81; 5_000], PasskeyError::Data),
        (vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], PasskeyError::Data),
        (vec![0; 9_000], PasskeyError::Data),
    ];
    for (attestation, error) in wrongs {
        assert_eq!(registered(Registration { attestation, ..authenticator.register() }).unwrap_err(), error);
    }
}

#[test]
fn no_other_key_is_taken() {
    let authenticator = Authenticator::new(false);
    let (x, y) = match authenticator.cose() {
        Value::Map(members) => (members[3].1.clone(), members[4].1.clone()),
        _ => panic!("it is a map"),
    };
    let data = |key: &Value| {
        let mut data = authenticator.data(true);
        data.truncate(37 + 16 + 2 + 16);
        data.extend(cbor(key));
        data
    };
    let kinds = [
        // RS256 as it says, another curve, another kind.
        vec![(1, Value::from(2)), (3, Value::from(-257)), (-1, Value::from(1)), (-2, x.clone()), (-3, y.clone())],
        vec![(1, Value::from(2)), (3, Value::from(-7)), (-1, Value::from(2)), (-2, x.clone()), (-3, y.clone())],
        vec![(1, Value::from(1)), (3, Value::from(-7)), (-1, Value::from(1)), (-2, x.clone()), (-3, y.clone())],
        // A part is missing, too short, there twice, or one too many.
        vec![(1, Value::from(2)), (3, Value::from(-7)), (-1, Value::from(1)), (-2, x.clone())],
        vec![(1, Value::from(2)), (3, Value::from(-7)), (-1, Value::from(1)), (-2, x.clone()), (-3, Value::Bytes(vec![1; 31]))],
        vec![(1, Value::from(2)), (3, Value::from(-7)), (-1, Value::from(1)), (-2, x.clone()), (-2, x.clone()), (-3, y.clone())],
        vec![(1, Value::from(2)), (3, Value::from(-7)), (-1, Value::from(1)), (-2, x.clone()), (-3, y.clone()), (4, Value::from(1))],
        // No point of the curve.
        vec![(1, Value::from(2)), (3, Value::from(-7)), (-1, Value::from(1)), (-2, x.clone()), (-3, Value::Bytes(vec![1; 32]))],
        vec![(1, Value::from(2)), (3, Value::from(-7)), (-1, Value::from(1)), (-2, Value::Text("x".to_owned())), (-3, y)],
    ];
    for members in kinds {
        let attestation = Authenticator::attestation(data(&map(members.clone())));
        let refused = registered(Registration { attestation, ..authenticator.register() });
        assert_eq!(refused.unwrap_err(), PasskeyError::Key, "{members:?}");
    }
    // The control.
    let attestation = Authenticator::attestation(data(&authenticator.cose()));
    assert!(registered(Registration { attestation, ..authenticator.register() }).is_ok());
}

#[test]
fn a_signature_is_of_its_key_and_of_all_that_was_said() {
    for eddsa in [false, true] {
        let authenticator = Authenticator::new(eddsa);
        let stored = registered(authenticator.register()).unwrap().stored(at());
        let other = Authenticator::new(eddsa).answer();
        assert_eq!(stored.verify(&party(), &CHALLENGE, &other).unwrap_err(), PasskeyError::Signature);
        let mut counted = authenticator.answer();
        counted.authenticator_data[36] ^= 1;
        assert_eq!(stored.verify(&party(), &CHALLENGE, &counted).unwrap_err(), PasskeyError::Signature);
        let mut said = authenticator.answer();
        said.client_data.push(b' ');
        assert_eq!(stored.verify(&party(), &CHALLENGE, &said).unwrap_err(), PasskeyError::Signature);
        let mut empty = authenticator.answer();
        empty.signature.clear();
        assert_eq!(stored.verify(&party(), &CHALLENGE, &empty).unwrap_err(), PasskeyError::Signature);
    }
}

fn register() -> Register {
    let credentials = Some(Credentials::new(&Password::new("ann", "four words and a half").unwrap(), &SystemRng).unwrap());
    let add = Change::AddAccount { kind: Kind::User, name: "ann".to_owned(), groups: BTreeSet::new(), credentials };
    let register = Register::default().apply(&add, NOW_MS, &SystemRng).unwrap().register;
    let add = Change::AddAccount { kind: Kind::Service, name: "reports".to_owned(), groups: BTreeSet::new(), credentials: None };
    register.apply(&add, NOW_MS, &SystemRng).unwrap().register
}

fn factor(register: &Register, change: FactorChange) -> Result<Register, (ErrorKind, String)> {
    let applied = register.apply(&Change::Factor(change), NOW_MS, &SystemRng);
    applied.map(|applied| applied.register).map_err(|error| (error.kind(), error.to_string()))
}

#[test]
fn a_passkey_lets_its_account_in_until_it_is_removed() {
    let authenticator = Authenticator::new(true);
    let passkey = registered(authenticator.register()).unwrap();
    let (name, id) = ("ann".to_owned(), passkey.id());
    let add = || FactorChange::AddPasskey { name: name.clone(), passkey: passkey.clone() };
    let with = factor(&register(), add()).unwrap();
    let bytes = with.to_json().unwrap();
    assert_eq!(Register::from_json(&bytes).unwrap(), with);
    let handle = |name: &str| name.as_bytes().to_vec();
    let judged = |register: &Register, assertion: &Assertion| {
        register.by_passkey(&party(), &CHALLENGE, assertion, handle, NOW_MS).map(|(signed_in, _, counter)| (signed_in, counter))
    };
    let (signed_in, counter) = judged(&with, &authenticator.answer()).unwrap();
    assert_eq!((signed_in.name(), signed_in.method(), counter), ("ann", Method::Passkey, 3));
    // Another's handle, a credential that nobody has, and one that was taken away.
    let bob = Assertion { user_handle: b"bob".to_vec(), ..authenticator.answer() };
    assert_eq!(judged(&with, &bob).unwrap_err(), Refusal::Passkey);
    let unknown = Assertion { credential: vec![1; 16], ..authenticator.answer() };
    assert_eq!(judged(&with, &unknown).unwrap_err(), Refusal::Passkey);
    let without = factor(&with, FactorChange::RemovePasskey { name: name.clone(), id: id.clone() }).unwrap();
    assert_eq!(judged(&without, &authenticator.answer()).unwrap_err(), Refusal::Passkey);
    assert_eq!(without.still(&signed_in, NOW_MS).unwrap_err(), Refusal::Revoked);
    let disabled = with.apply(&Change::Disable { kind: Kind::User, name: name.clone() }, NOW_MS, &SystemRng).unwrap().register;
    assert_eq!(judged(&disabled, &authenticator.answer()).unwrap_err(), Refusal::Disabled);
    // It is added once, to a user, and removed once.
    assert!(factor(&with, add()).unwrap_err().1.contains("there already"));
    let service = FactorChange::AddPasskey { name: "reports".to_owned(), passkey: passkey.clone() };
    assert_eq!(factor(&register(), service).unwrap_err().0, ErrorKind::Invalid);
    let nobody = FactorChange::AddPasskey { name: "nobody".to_owned(), passkey: passkey.clone() };
    assert_eq!(factor(&register(), nobody).unwrap_err().0, ErrorKind::NotFound);
    assert_eq!(factor(&without, FactorChange::RemovePasskey { name, id }).unwrap_err().0, ErrorKind::NotFound);
}

#[test]
fn an_account_has_so_many_passkeys_and_no_more() {
    let mut register = register();
    for number in 0..21u8 {
        let authenticator = Authenticator { credential: vec![number; 20], ..Authenticator::new(true) };
        let passkey = registered(authenticator.register()).unwrap();
        let added = factor(&register, FactorChange::AddPasskey { name: "ann".to_owned(), passkey });
        match added {
            Ok(next) => register = next,
            Err((kind, text)) => {
                assert_eq!((number, kind), (20, ErrorKind::Invalid));
                assert!(text.contains("20 passkeys"), "{text}");
            }
        }
    }
    assert_eq!(register.account("ann").unwrap().passkeys().len(), 20);
    let labelled = Registration { label: Some("x".repeat(65)), ..Authenticator::new(true).register() };
    assert!(!registered(labelled).unwrap().is_labelled());
}

#[test]
fn a_party_is_an_origin() {
    assert_eq!(party().id(), "polder.example");
    assert_eq!(RelyingParty::of("https://localhost").unwrap().id(), "localhost");
    for wrong in ["http://polder.example", "polder.example", "https://", "https://[::1]:8443", "https://a/b"] {
        assert_eq!(RelyingParty::of(wrong), None, "{wrong}");
    }
}
