use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::wire::tests::Script;
use super::*;

const CHALLENGE: &[u8; 20] = b"0123456789abcdefghij";

/// A greeting of a server that can do what `capabilities` says.
fn hello(capabilities: u32, method: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let mut packet = b"\x0a8.4.0\0\x01\x00\x00\x00".to_vec();
    packet.extend_from_slice(&CHALLENGE[..8]);
    packet.extend_from_slice(&[0, a, b, 45, 2, 0, c, d, 21]);
    packet.extend_from_slice(&[0; 10]);
    packet.extend_from_slice(&CHALLENGE[8..]);
    packet.push(0);
    packet.extend_from_slice(method);
    packet.push(0);
    packet
}

fn login(password: &str, private: bool) -> Login {
    Login { user: "ana".to_owned(), password: Secret::new(password.to_owned()), database: Some("shop".to_owned()), private, tls: private }
}

/// What a client tells a server that says these packets behind its greeting, and how it ends.
fn session(method: &[u8], says: &[(u8, &[u8])], login: &Login) -> (Result<(), NoWay>, Vec<u8>) {
    let first = hello(u32::MAX, method);
    let mut packets: Vec<(u8, &[u8])> = vec![(0, &first)];
    packets.extend_from_slice(says);
    let mut link = Link::new(Script::of(&packets), 0);
    let greeting = greeting(&mut link).unwrap();
    let ended = log_in(&mut link, &greeting, login);
    let told = link.stream().told.clone();
    (ended, told)
}

#[test]
fn proofs_are_those_of_the_protocol() {
    // The vectors of other implementations: SHA1(p) xor SHA1(c, SHA1(SHA1(p))), SHA256(p) xor SHA256(SHA256(SHA256(p)), c).
    let challenge: Vec<u8> =
        vec![0x64, 0x43, 0x6f, 0x3e, 0x19, 0x42, 0x06, 0x25, 0x68, 0x4b, 0x38, 0x17, 0x31, 0x05, 0x10, 0x4e, 0x18, 0x4a, 0x66, 0x20];
    let proof = Method::Native.proof(b"root", &challenge);
    let twice = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"root").as_ref());
    // What a server does: it knows the double hash only, and finds the single one in the proof.
    let found = mixed(&proof, digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[&challenge, twice.as_ref()].concat()).as_ref());
    assert_eq!(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &found).as_ref(), twice.as_ref());
    // `*81F5E21E35407D884A6CD4A731AEBFB6AF209E1B` is what MySQL keeps of the password root.
    assert_eq!(hex::encode(twice.as_ref()), "81f5e21e35407d884a6cd4a731aebfb6af209e1b");
    let proof = Method::CachingSha2.proof(b"root", &challenge);
    let twice = digest::digest(&digest::SHA256, digest::digest(&digest::SHA256, b"root").as_ref());
    let found = mixed(&proof, digest::digest(&digest::SHA256, &[twice.as_ref(), &challenge].concat()).as_ref());
    assert_eq!(digest::digest(&digest::SHA256, &found).as_ref(), twice.as_ref());
    assert_eq!(Method::Native.proof(b"", &challenge), b"");
    assert_eq!(Method::CachingSha2.proof(b"", &challenge), b"\0");
}

#[test]
fn a_server_without_tls_is_told_nothing() {
    let first = hello(!TLS, b"mysql_native_password");
    let mut link = Link::new(Script::of(&[(0, &first)]), 0);
    let greeting = greeting(&mut link).unwrap();
    assert!(matches!(ask_tls(&mut link, &greeting, true), Err(NoWay::WithoutTls)));
    assert_eq!(link.stream().told, b"");
}

#[test]
fn the_demand_for_tls_holds_no_name() {
    let first = hello(u32::MAX, b"mysql_native_password");
    let mut link = Link::new(Script::of(&[(0, &first)]), 0);
    let greeting = greeting(&mut link).unwrap();
    assert!(ask_tls(&mut link, &greeting, true).is_ok());
    let told = &link.stream().told;
    assert_eq!(told.len(), 4 + 32);
    let asked = u32::from_le_bytes(*told[4..].first_chunk().unwrap());
    assert_ne!(asked & TLS, 0);
    // Neither files of this machine, nor compression, nor several statements.
    assert_eq!(asked & (1 << 7 | 1 << 5 | 1 << 16), 0);
}

#[test]
fn a_password_is_proved_and_never_sent_where_a_proof_will_do() {
    for method in [&b"mysql_native_password"[..], b"caching_sha2_password"] {
        let more: &[(u8, &[u8])] = &[(2, &[1, 3]), (3, &[0, 0, 0, 2, 0, 0, 0])];
        let says = if method == b"mysql_native_password" { &[(2, &[0u8, 0, 0, 2, 0, 0, 0][..])][..] } else { more };
        let (ended, told) = session(method, says, &login("a secret word", true));
        assert!(ended.is_ok());
        let proof = Method::of(method).unwrap().proof(b"a secret word", CHALLENGE);
        let text = [&b"ana\0"[..], &[proof.len() as u8], &proof, b"shop\0", method, b"\0"].concat();
        assert!(told.ends_with(&text));
        assert!(memchr::memmem::find(&told, b"secret").is_none());
    }
}

#[test]
fn the_password_itself_goes_over_tls_only() {
    let wants: (u8, &[u8]) = (2, &[1, 4]);
    let (ended, told) = session(b"caching_sha2_password", &[wants, (4, &[0, 0, 0])], &login("a secret word", true));
    assert!(ended.is_ok());
    assert!(told.ends_with(b"\x0e\0\0\x03a secret word\0"));
    // In the clear it goes under the server's key.
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&key.public_key()).unwrap();
    let pem = format!("\x01-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(der.as_ref()));
    let says = [wants, (4, pem.as_bytes()), (6, &[0, 0, 0][..])];
    let (ended, told) = session(b"caching_sha2_password", &says, &login("a secret word", false));
    assert!(ended.is_ok(), "{ended:?}");
    assert!(memchr::memmem::find(&told, b"secret").is_none());
    let sealed = &told[told.len() - 256..];
    let mut plain = vec![0; 256];
    let opened = OaepPrivateDecryptingKey::new(key).unwrap();
    let plain = opened.decrypt(&OAEP_SHA1_MGF1SHA1, sealed, &mut plain, None).unwrap();
    assert_eq!(mixed(plain, CHALLENGE), b"a secret word\0");
    // What is no key gets nothing.
    for pem in [&b"\x01"[..], b"\x01-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"\x00x"] {
        let (ended, told) = session(b"caching_sha2_password", &[wants, (4, pem)], &login("a secret word", false));
        assert!(matches!(ended, Err(NoWay::Fault(Fault::Damaged(_)))));
        assert!(memchr::memmem::find(&told, b"secret").is_none());
    }
}

#[test]
fn a_method_that_would_give_the_password_away_is_refused() {
    for method in ["mysql_clear_password", "dialog", "sha256_password", "client_ed25519", "authentication_windows_client"] {
        let switch = [b"\xfe", method.as_bytes(), b"\0", CHALLENGE, b"\0"].concat();
        let (ended, told) = session(b"mysql_native_password", &[(2, &switch)], &login("a secret word", true));
        assert!(matches!(ended, Err(NoWay::Method(told)) if told == method));
        assert!(memchr::memmem::find(&told, b"secret").is_none());
    }
    let (ended, _) = session(b"mysql_native_password", &[(2, b"\xfe")], &login("x", true));
    assert!(matches!(ended, Err(NoWay::Method(told)) if told == "mysql_old_password"));
}

#[test]
fn the_method_is_changed_once() {
    let other = b"ABCDEFGHIJKLMNOPQRST";
    let switch = [&b"\xfemysql_native_password\0"[..], other, b"\0"].concat();
    let (ended, told) = session(b"unheard_of", &[(2, &switch), (4, &[0, 0, 0])], &login("word", true));
    assert!(ended.is_ok());
    assert!(told.ends_with(&Method::Native.proof(b"word", other)));
    let (ended, _) = session(b"unheard_of", &[(2, &switch), (4, &switch)], &login("word", true));
    assert!(matches!(ended, Err(NoWay::Fault(Fault::Damaged("an unknown step of the login")))));
    // The same answer for the same challenge twice would help whoever listens; one of another length is no challenge.
    let short = [&b"\xfemysql_native_password\0"[..], b"abc", b"\0"].concat();
    let (ended, _) = session(b"unheard_of", &[(2, &short)], &login("word", true));
    assert!(matches!(ended, Err(NoWay::Fault(Fault::Damaged(_)))));
}

#[test]
fn a_greeting_cut_anywhere_is_an_error() {
    let whole = hello(u32::MAX, b"mysql_native_password");
    for cut in 0..whole.len() - b"mysql_native_password\0".len() - 13 {
        let mut link = Link::new(Script::of(&[(0, &whole[..cut])]), 0);
        assert!(greeting(&mut link).is_err(), "{cut}");
    }
    let mut link = Link::new(Script::of(&[(0, b"\xff\x69\x04Host '10.0.0.1' is not allowed to connect")]), 0);
    assert!(matches!(greeting(&mut link), Err(Fault::Refused(told)) if told.number == 1129));
    let old = hello(NEEDED & !PLUGIN_AUTH, b"");
    let mut link = Link::new(Script::of(&[(0, &old)]), 0);
    assert!(matches!(greeting(&mut link), Err(Fault::Damaged("the server is older than MySQL 5.5"))));
    let mut link = Link::new(Script::of(&[(0, b"SSH-2.0-x")]), 0);
    assert!(matches!(greeting(&mut link), Err(Fault::Damaged("no greeting of MySQL"))));
}
