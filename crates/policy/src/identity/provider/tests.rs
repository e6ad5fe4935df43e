//! Each way in which a token can be another than the one that is wanted, made with keys of the test.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use polder_types::SeededRng;
use serde_json::{Value, json};

use super::super::{Change, Kind, LinkChange, Method, Refusal, Register, SignedIn};
use super::token::half_hash;
use super::*;

/// The time of the tests, in milliseconds, and in seconds.
const NOW: i64 = 1_800_000_000_000;
const NOW_S: i64 = NOW / 1_000;
const ISSUER: &str = "https://sso.example.org";
const NONCE: &str = "n-0S6_WzA2Mj";
const ID: Wanted<'static> = Wanted::IdToken { nonce: Some(NONCE), access_token: None };

/// A provider with a key of each sort.
struct Provider {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Provider {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// The modulus of the key of 2048 bits, from its DER (RFC 8017, A.1.1).
    fn modulus(&self) -> Vec<u8> {
        let der = self.rsa.public_key().as_ref();
        assert_eq!(&der[..9], b"\x30\x82\x01\x0a\x02\x82\x01\x01\x00");
        der[9..265].to_vec()
    }

    fn jwks(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "use": "sig", "n": b64(&self.modulus()), "e": "AQAB"},
            {"kty": "EC", "kid": "ec", "alg": "ES256", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])},
            {"kty": "OKP", "kid": "ed", "key_ops": ["verify"], "crv": "Ed25519", "x": b64(self.ed.public_key().as_ref())},
            // Of no use here: for encryption, of another curve, and a secret that is shared.
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": b64(&self.modulus()), "e": "AQAB"},
            {"kty": "EC", "kid": "p384", "crv": "P-384", "x": "AA", "y": "AA"},
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        ]})
    }

    fn keys(&self) -> Keys {
        keys(&self.jwks())
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        let rsa = |encoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &rng, message, &mut signature).unwrap();
            signature
        };
        match algorithm {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "ES256" => self.ec.sign(&rng, message).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(message).as_ref().to_vec(),
            other => panic!("{other}"),
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()));
        let signature = self.sign(header["alg"].as_str().unwrap(), message.as_bytes());
        format!("{message}.{}", b64(&signature))
    }

    /// A good header and good claims, with something else put in their places.
    fn with(&self, header: Value, claims: Value) -> String {
        self.token(&put(json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"}), header), &put(good(), claims))
    }
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn keys(jwks: &Value) -> Keys {
    Keys::parse(jwks.to_string().as_bytes()).unwrap()
}

fn good() -> Value {
    json!({"iss": "https://sso.example.org", "sub": "ann@sso", "aud": "polder", "exp": NOW_S + 600, "iat": NOW_S, "nonce": NONCE})
}

/// Null takes a name out.
fn put(mut into: Value, other: Value) -> Value {
    for (name, value) in other.as_object().unwrap() {
        match value {
            Value::Null => drop(into.as_object_mut().unwrap().remove(name)),
            value => into[name] = value.clone(),
        }
    }
    into
}

fn rules() -> Rules {
    Rules {
        provider: "sso".to_owned(),
        issuer: "https://sso.example.org".to_owned(),
        client_id: "polder".to_owned(),
        audiences: vec!["polder".to_owned(), "https://polder.example".to_owned()],
        signing: Signing::ALL.to_vec(),
    }
}

#[track_caller]
fn refused(provider: &Provider, text: &str, wanted: Wanted<'_>) -> TokenFault {
    rules().judge(text, &provider.keys(), wanted, NOW).unwrap_err()
}

#[test]
fn a_good_token_is_believed_however_it_is_signed() {
    let provider = Provider::new();
    for (algorithm, kid) in [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        for wanted in [ID, Wanted::Bearer] {
            let text = provider.with(json!({"alg": algorithm, "kid": kid}), json!({}));
            let vouched = rules().judge(&text, &provider.keys(), wanted, NOW).unwrap();
            assert_eq!((vouched.provider(), vouched.subject(), vouched.expires_ms()), ("sso", "ann@sso", NOW + 600_000), "{algorithm}");
            // Any other signature is none: one of another key, or of other claims.
            let (message, signature) = text.rsplit_once('.').unwrap();
            let other = Provider::new();
            let forged = format!("{message}.{}", b64(&other.sign(algorithm, message.as_bytes())));
            assert_eq!(refused(&provider, &forged, wanted), TokenFault::Signature, "{algorithm}");
            let claims = b64(put(good(), json!({"sub": "root"})).to_string().as_bytes());
            let changed = format!("{}.{claims}.{signature}", message.split_once('.').unwrap().0);
            assert_eq!(refused(&provider, &changed, wanted), TokenFault::Signature, "{algorithm}");
        }
    }
}

#[test]
fn a_token_does_not_choose_how_it_is_judged() {
    let provider = Provider::new();
    let unsigned = |header: &Value, signature: &[u8]| {
        format!("{}.{}.{}", b64(header.to_string().as_bytes()), b64(good().to_string().as_bytes()), b64(signature))
    };
    for none in ["none", "None", "NONE", "nOnE", ""] {
        assert_eq!(refused(&provider, &unsigned(&json!({"alg": none}), b"x"), ID), TokenFault::Algorithm, "{none}");
        // Without a signature at all it has no three parts.
        assert_eq!(refused(&provider, &unsigned(&json!({"alg": none}), b""), ID), TokenFault::Form, "{none}");
    }
    // The public key, which everyone knows, as the secret of an HMAC.
    let header = json!({"alg": "HS256", "kid": "rsa"});
    let message = format!("{}.{}", b64(header.to_string().as_bytes()), b64(good().to_string().as_bytes()));
    let public = provider.rsa.public_key().as_ref().to_vec();
    for secret in [public, provider.modulus(), b"secret".to_vec()] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
        let text = format!("{message}.{}", b64(aws_lc_rs::hmac::sign(&key, message.as_bytes()).as_ref()));
        assert_eq!(refused(&provider, &text, ID), TokenFault::Algorithm);
    }
    for other in ["RS512", "ES384", "PS384", "ES256K", "rs256"] {
        assert_eq!(refused(&provider, &unsigned(&json!({"alg": other, "kid": "rsa"}), b"x"), ID), TokenFault::Algorithm, "{other}");
    }
    // One that there is, and that the project's file does not name.
    let only = Rules { signing: vec![Signing::Es256], ..rules() };
    let text = provider.with(json!({}), json!({}));
    assert_eq!(only.judge(&text, &provider.keys(), ID, NOW).unwrap_err(), TokenFault::Algorithm);
    assert!(only.judge(&provider.with(json!({"alg": "ES256", "kid": "ec"}), json!({})), &provider.keys(), ID, NOW).is_ok());
    // A key that the token brings, or an address of keys, is not looked at.
    let mine = Provider::new();
    let brought = json!({"jwk": mine.jwks()["keys"][2], "jku": "https://evil.example/keys", "x5u": "https://evil.example/x"});
    assert_eq!(refused(&provider, &mine.with(brought, json!({})), ID), TokenFault::Signature);
}

#[test]
fn a_key_is_the_one_that_is_named_and_fits() {
    let provider = Provider::new();
    assert_eq!(refused(&provider, &provider.with(json!({"kid": "new"}), json!({})), ID), TokenFault::UnknownKey);
    // Keys of another sort, for encryption, for another signature, or that are shared.
    for (algorithm, kid) in [("EdDSA", "rsa"), ("EdDSA", "ec"), ("RS256", "ed"), ("RS256", "enc"), ("EdDSA", "shared"), ("ES256", "p384")] {
        let text = provider.with(json!({"alg": algorithm, "kid": kid}), json!({}));
        assert_eq!(refused(&provider, &text, ID), TokenFault::UnknownKey, "{algorithm} {kid}");
    }
    let for_pss = put(provider.jwks()["keys"][0].clone(), json!({"alg": "PS256"}));
    let for_pss = keys(&json!({"keys": [for_pss]}));
    let by = |algorithm: &str| provider.with(json!({"alg": algorithm, "kid": "rsa"}), json!({}));
    assert_eq!(rules().judge(&by("RS256"), &for_pss, ID, NOW).unwrap_err(), TokenFault::UnknownKey);
    assert!(rules().judge(&by("PS256"), &for_pss, ID, NOW).is_ok());
    // Without a name there has to be exactly one.
    let unnamed = provider.with(json!({"kid": null}), json!({}));
    assert!(rules().judge(&unnamed, &provider.keys(), ID, NOW).is_ok());
    let mut two = provider.jwks();
    let another = put(Provider::new().jwks()["keys"][2].clone(), json!({"kid": "ed2"}));
    two["keys"].as_array_mut().unwrap().push(another);
    assert_eq!(rules().judge(&unnamed, &keys(&two), ID, NOW).unwrap_err(), TokenFault::Key);
    two["keys"][6]["kid"] = json!("ed");
    assert_eq!(rules().judge(&provider.with(json!({}), json!({})), &keys(&two), ID, NOW).unwrap_err(), TokenFault::Key);
}

#[test]
fn a_set_of_keys_is_one_that_is_of_use() {
    let parse = |value: &Value| Keys::parse(value.to_string().as_bytes()).unwrap_err();
    assert_eq!(Keys::parse(b"<html>").unwrap_err(), KeysError::Json);
    assert_eq!(parse(&json!({})), KeysError::Json);
    assert_eq!(parse(&json!({"keys": []})), KeysError::None);
    assert_eq!(parse(&json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})), KeysError::None);
    let key = Provider::new().jwks()["keys"][2].clone();
    assert_eq!(parse(&json!({"keys": vec![key; 65]})), KeysError::TooMany);
}

#[test]
fn what_is_no_token_is_not_read() {
    let provider = Provider::new();
    let good_one = provider.with(json!({}), json!({}));
    let claims = good().to_string();
    let (head, rest) = good_one.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let signed = |body: &str| {
        let message = format!("{head}.{}", b64(body.as_bytes()));
        format!("{message}.{}", b64(&provider.sign("EdDSA", message.as_bytes())))
    };
    let twice = claims.replacen('{', "{\"sub\":\"root\",", 1);
    for text in [
        String::new(),
        "eyJ".to_owned(),
        format!("{head}.{body}"),
        format!("{good_one}.{body}"),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}.{signature}\n"),
        format!("{}.{body}.{signature}", b64(b"[]")),
        format!("{}.{body}.{signature}", b64(b"{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}")),
        signed(&twice),
        signed("[]"),
        signed(&claims.replace("\"polder\"", "7")),
        format!("{head}.{}.{signature}", b64("x".repeat(20_000).as_bytes())),
    ] {
        assert_eq!(refused(&provider, &text, ID), TokenFault::Form, "{}", &text[..text.len().min(80)]);
    }
    for critical in [json!(["exp"]), json!(["b64"]), json!([]), json!("b64")] {
        assert_eq!(refused(&provider, &provider.with(json!({"crit": critical, "b64": true}), json!({})), ID), TokenFault::Critical);
    }
    assert!(resembles_jwt(&good_one) && !resembles_jwt("polder_x.y.z") && !resembles_jwt("eyJ.a") && !resembles_jwt("eyJ.a.b.c"));
    assert_eq!(issuer_of(&good_one).as_deref(), Some("https://sso.example.org"));
    assert_eq!(issuer_of("eyJ.a.b"), None);
}

#[test]
fn a_token_of_another_sort_signs_nobody_in() {
    let provider = Provider::new();
    let of = |kind: Value| provider.with(json!({"typ": kind}), json!({}));
    for kind in ["jwt", "JWT"] {
        assert!(rules().judge(&of(json!(kind)), &provider.keys(), ID, NOW).is_ok());
    }
    for kind in ["at+jwt", "application/at+JWT"] {
        assert!(rules().judge(&of(json!(kind)), &provider.keys(), Wanted::Bearer, NOW).is_ok());
        assert_eq!(refused(&provider, &of(json!(kind)), ID), TokenFault::Type);
    }
    for kind in ["logout+jwt", "secevent+jwt", "dpop+jwt", ""] {
        for wanted in [ID, Wanted::Bearer] {
            assert_eq!(refused(&provider, &of(json!(kind)), wanted), TokenFault::Type, "{kind}");
        }
    }
    let events = json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
    assert_eq!(refused(&provider, &provider.with(json!({}), events), Wanted::Bearer), TokenFault::Type);
}

#[test]
fn it_is_of_the_provider_and_for_us() {
    let provider = Provider::new();
    let with = |claims: Value| provider.with(json!({}), claims);
    for issuer in ["https://evil.example", "https://sso.example.org/", "http://sso.example.org", ""] {
        assert_eq!(refused(&provider, &with(json!({"iss": issuer})), ID), TokenFault::Issuer, "{issuer}");
    }
    let wrong = [
        json!({"aud": "other"}),
        json!({"aud": []}),
        json!({"aud": ["Polder"]}),
        // For others too, and it does not say that we asked; or it says that another one did.
        json!({"aud": ["polder", "other"]}),
        json!({"aud": ["polder", "other"], "azp": "other"}),
        json!({"aud": "polder", "azp": "other"}),
    ];
    for claims in wrong {
        assert_eq!(refused(&provider, &with(claims.clone()), ID), TokenFault::Audience, "{claims}");
        assert_eq!(refused(&provider, &with(claims.clone()), Wanted::Bearer), TokenFault::Audience, "{claims}");
    }
    for claims in [json!({"aud": ["polder"]}), json!({"aud": ["polder", "other"], "azp": "polder"}), json!({"azp": "polder"})] {
        assert!(rules().judge(&with(claims), &provider.keys(), ID, NOW).is_ok());
    }
    // A bearer that another client was given for one of the audiences is for us; as an ID token it is not.
    let of_another = with(json!({"aud": "https://polder.example", "azp": "cli"}));
    assert!(rules().judge(&of_another, &provider.keys(), Wanted::Bearer, NOW).is_ok());
    assert_eq!(refused(&provider, &of_another, ID), TokenFault::Audience);
}

#[test]
fn it_holds_now_with_a_minute_for_clocks() {
    let provider = Provider::new();
    let with = |claims: Value| provider.with(json!({}), claims);
    for ended in [NOW_S, NOW_S - 1, 0] {
        assert_eq!(refused(&provider, &with(json!({"exp": ended})), ID), TokenFault::Expired);
    }
    assert!(rules().judge(&with(json!({"exp": NOW_S + 1})), &provider.keys(), ID, NOW).is_ok());
    for name in ["nbf", "iat"] {
        for (ahead, is_taken) in [(0, true), (59, true), (60, true), (61, false), (3_600, false)] {
            let judged = rules().judge(&with(json!({name: NOW_S + ahead})), &provider.keys(), ID, NOW);
            let expected = if is_taken { None } else { Some(TokenFault::NotYet) };
            assert_eq!(judged.err(), expected, "{name} {ahead}");
        }
    }
    // What is no time, and what has to be there.
    for claims in [
        json!({"exp": null}),
        json!({"iat": null}),
        json!({"exp": "soon"}),
        json!({"exp": -1}),
        json!({"exp": 1e300}),
        json!({"nbf": 9e18}),
    ] {
        assert_eq!(refused(&provider, &with(claims.clone()), ID), TokenFault::Form, "{claims}");
    }
    assert!(rules().judge(&with(json!({"iat": null})), &provider.keys(), Wanted::Bearer, NOW).is_ok());
    let decimal = with(json!({"exp": serde_json::from_str::<Value>(&format!("{}.75", NOW_S + 1)).unwrap()}));
    assert_eq!(rules().judge(&decimal, &provider.keys(), ID, NOW).unwrap().expires_ms(), NOW + 1_000);
}

#[test]
fn it_answers_what_was_asked() {
    let provider = Provider::new();
    for nonce in [json!("stale"), json!(""), Value::Null] {
        let text = provider.with(json!({}), json!({"nonce": nonce}));
        assert_eq!(refused(&provider, &text, ID), TokenFault::Nonce, "{nonce}");
        // On another device there is none to compare with.
        assert!(rules().judge(&text, &provider.keys(), Wanted::IdToken { nonce: None, access_token: None }, NOW).is_ok());
    }
    for (algorithm, kid, signing) in [("EdDSA", "ed", Signing::EdDsa), ("ES256", "ec", Signing::Es256)] {
        let text = provider.with(json!({"alg": algorithm, "kid": kid}), json!({"at_hash": half_hash("access", signing)}));
        let of = |access_token| Wanted::IdToken { nonce: Some(NONCE), access_token: Some(access_token) };
        assert!(rules().judge(&text, &provider.keys(), of("access"), NOW).is_ok());
        assert_eq!(refused(&provider, &text, of("another")), TokenFault::AccessToken);
    }
    // OpenID Connect Core, A.3: the example of `at_hash`.
    assert_eq!(half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", Signing::Rs256), "77QmUPtjPfzWtF2AnpK9RQ");
}

#[test]
fn somebody_is_named() {
    let provider = Provider::new();
    for subject in ["", "a\nb", &"x".repeat(256)] {
        assert_eq!(refused(&provider, &provider.with(json!({}), json!({"sub": subject})), ID), TokenFault::Subject);
    }
    assert_eq!(refused(&provider, &provider.with(json!({}), json!({"sub": null})), ID), TokenFault::Form);
    assert_eq!(refused(&provider, &provider.with(json!({}), json!({"sub": 7})), ID), TokenFault::Form);
}

fn applied(register: &Register, change: Change) -> Register {
    register.apply(&change, NOW, &SeededRng::new(1)).unwrap().register
}

fn added(name: &str, provider: &str, subject: &str) -> Change {
    let (name, provider, subject) = (name.to_owned(), provider.to_owned(), subject.to_owned());
    Change::Link(LinkChange::Add { name, groups: ["nurses".to_owned()].into(), provider, issuer: ISSUER.to_owned(), subject })
}

fn linked(name: &str, provider: &str, subject: &str) -> Change {
    let (name, provider, subject) = (name.to_owned(), provider.to_owned(), subject.to_owned());
    Change::Link(LinkChange::Link { name, provider, issuer: ISSUER.to_owned(), subject })
}

fn unlinked(name: &str, provider: Option<&str>) -> Change {
    Change::Link(LinkChange::Unlink { name: name.to_owned(), provider: provider.map(str::to_owned) })
}

fn with_ann() -> Register {
    let register = applied(&Register::default(), Change::AddGroup { name: "nurses".to_owned() });
    applied(&register, added("ann", "sso", "ann@sso"))
}

fn vouched(claims: Value) -> Vouched {
    let provider = Provider::new();
    rules().judge(&provider.with(json!({}), claims), &provider.keys(), ID, NOW).unwrap()
}

fn ann(register: &Register) -> SignedIn {
    register.by_provider(&vouched(json!({})), NOW).unwrap()
}

#[test]
fn whom_a_provider_vouches_for_is_who_is_linked_and_nobody_else() {
    let register = with_ann();
    let signed_in = ann(&register);
    assert_eq!((signed_in.name(), signed_in.method(), signed_in.provider()), ("ann", Method::Provider, Some("sso")));
    assert_eq!((signed_in.groups(), signed_in.expires_ms()), (&["nurses".to_owned()][..], Some(NOW + 600_000)));
    // Someone else of the provider; the same one of another; and someone whose name is that of an account.
    for subject in ["bob@sso", "ann", "ANN@sso"] {
        assert_eq!(register.by_provider(&vouched(json!({"sub": subject})), NOW).unwrap_err(), Refusal::NotLinked, "{subject}");
    }
    let elsewhere = applied(&applied(&register, unlinked("ann", None)), linked("ann", "other", "ann@sso"));
    assert_eq!(elsewhere.by_provider(&vouched(json!({})), NOW).unwrap_err(), Refusal::NotLinked);
    // Another provider that came to have the name in the project's file vouches for nobody.
    let provider = Provider::new();
    let moved = Rules { issuer: "https://evil.example".to_owned(), ..rules() };
    let text = provider.with(json!({}), json!({"iss": "https://evil.example"}));
    let of_another = moved.judge(&text, &provider.keys(), ID, NOW).unwrap();
    assert_eq!(register.by_provider(&of_another, NOW).unwrap_err(), Refusal::NotLinked);
    let disabled = applied(&register, Change::Disable { kind: Kind::User, name: "ann".to_owned() });
    assert_eq!(disabled.by_provider(&vouched(json!({})), NOW).unwrap_err(), Refusal::Disabled);
    assert_eq!(register.by_provider(&vouched(json!({})), NOW + 600_000).unwrap_err(), Refusal::Expired);
    // A user without a password has none that could be tried.
    assert_eq!(register.by_password("ann", "four words and a half", "rest", NOW).unwrap_err(), Refusal::NoPassword);
}

#[test]
fn a_session_ends_with_the_token_and_with_the_link() {
    let register = with_ann();
    let signed_in = ann(&register);
    assert!(register.still(&signed_in, NOW + 599_999).is_ok());
    assert_eq!(register.still(&signed_in, NOW + 600_000).unwrap_err(), Refusal::Expired);
    for change in [unlinked("ann", None), unlinked("ann", Some("sso")), Change::Disable { kind: Kind::User, name: "ann".to_owned() }] {
        assert!(applied(&register, change).still(&signed_in, NOW).is_err());
    }
    // Linked anew, with someone else: the session of before is over all the same.
    let anew = applied(&applied(&register, unlinked("ann", None)), linked("ann", "sso", "ann2@sso"));
    assert_eq!(anew.still(&signed_in, NOW).unwrap_err(), Refusal::Revoked);
}

#[test]
fn one_person_of_a_provider_is_one_account() {
    let register = applied(&with_ann(), added("bob", "sso", "bob@sso"));
    let refused = |change: Change| register.apply(&change, NOW, &SeededRng::new(1)).unwrap_err().to_string();
    assert!(refused(added("cleo", "sso", "ann@sso")).contains("user ann is linked with that subject"));
    assert!(refused(linked("ann", "sso", "ann2@sso")).contains("it is linked there already"));
    assert!(refused(linked("ann", "Sso", "x")).contains("a provider's name is"));
    assert!(refused(linked("ann", "other", "")).contains("of 1 to 255 bytes"));
    assert!(refused(linked("nobody", "sso", "x")).contains("there is no user nobody"));
    assert!(refused(unlinked("bob", Some("other"))).contains("it is not linked with other"));
    assert!(refused(added("ann", "other", "x")).contains("there is user ann already"));
    // What was linked is read again as it was written, and what contradicts itself is not.
    let written = register.to_json().unwrap();
    assert_eq!(Register::from_json(&written).unwrap(), register);
    let twice = String::from_utf8(written).unwrap().replace("bob@sso", "ann@sso");
    assert!(Register::from_json(twice.as_bytes()).is_err());
}
