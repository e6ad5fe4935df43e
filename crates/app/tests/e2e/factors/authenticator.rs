//! An authenticator in software, which makes one Ed25519 credential and does what WebAuthn says, until it is told to go wrong.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::value::Value as Cbor;
use serde_json::{Value, json};

#[derive(Clone)]
pub struct Authenticator {
    key: Arc<Ed25519KeyPair>,
    credential: Vec<u8>,
    origin: String,
    party: Option<String>,
    user: String,
    flags: u8,
    counter: u32,
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

impl Authenticator {
    /// One in a browser that shows a page of this origin.
    pub fn new(origin: &str) -> Self {
        let key = Arc::new(Ed25519KeyPair::generate().unwrap());
        let credential = hash(key.public_key().as_ref());
        Self { key, credential, origin: origin.to_owned(), party: None, user: String::new(), flags: 0x05, counter: 0 }
    }

    fn client(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false }).to_string().into_bytes()
    }

    fn data(&mut self, party: &str, attested: bool) -> Vec<u8> {
        self.counter += 1;
        let mut data = hash(self.party.as_deref().unwrap_or(party).as_bytes());
        data.push(if attested { self.flags | 0x40 } else { self.flags });
        data.extend(self.counter.to_be_bytes());
        if attested {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.credential.len()).unwrap().to_be_bytes());
            data.extend(&self.credential);
            let key =
                [(1, Cbor::from(1)), (3, Cbor::from(-8)), (-1, Cbor::from(6)), (-2, Cbor::Bytes(self.key.public_key().as_ref().to_vec()))];
            let key = Cbor::Map(key.into_iter().map(|(name, value)| (Cbor::from(name), value)).collect());
            ciborium::into_writer(&key, &mut data).unwrap();
        }
        data
    }

    /// Answers what `navigator.credentials.create` is asked.
    pub fn create(&mut self, wish: &Value) -> Value {
        self.user = wish["user"]["id"].as_str().unwrap().to_owned();
        let data = self.data(wish["rp"]["id"].as_str().unwrap(), true);
        let word = |word: &str| Cbor::Text(word.to_owned());
        let object =
            Cbor::Map(vec![(word("fmt"), word("none")), (word("attStmt"), Cbor::Map(Vec::new())), (word("authData"), Cbor::Bytes(data))]);
        let mut attestation = Vec::new();
        ciborium::into_writer(&object, &mut attestation).unwrap();
        let client_data = self.client("webauthn.create", &wish["challenge"]);
        json!({ "client_data": text(client_data), "attestation": text(attestation), "label": "a key of the test" })
    }

    /// Answers what `navigator.credentials.get` is asked.
    pub fn get(&mut self, asked: &Value) -> Value {
        let data = self.data(asked["rpId"].as_str().unwrap(), false);
        let client_data = self.client("webauthn.get", &asked["challenge"]);
        let signature = self.key.sign(&[data.as_slice(), &hash(&client_data)].concat());
        json!({
            "credential": text(&self.credential),
            "client_data": text(client_data),
            "authenticator_data": text(data),
            "signature": text(signature),
            "user_handle": self.user,
        })
    }

    /// Does one thing wrong from now on.
    pub fn go_wrong(&mut self, what: &str) {
        match what {
            "origin" => self.origin = "https://evil.example".to_owned(),
            "party" => self.party = Some("evil.example".to_owned()),
            "signature" => self.key = Self::new(&self.origin).key,
            "unverified" => self.flags = 0x01,
            "user" => self.user = text("somebody else"),
            // One that was copied when it was new, and knows nothing of what the other did.
            "counter" => self.counter = 0,
            other => panic!("{other}"),
        }
    }
}
