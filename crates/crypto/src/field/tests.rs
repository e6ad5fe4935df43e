use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use polder_types::{Rng, SeededRng};
use proptest::prelude::*;

use super::*;

const PYTHON: &str = "POLDER_JUDGE_FIELDS_PYTHON";
const GUIDE: &str = include_str!("../../../../docs/format/masking.md");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// An example of docs/format/masking.md: the block after `<!-- example: NAME -->`.
fn example(name: &str) -> Vec<u8> {
    let after = GUIDE.split_once(&format!("<!-- example: {name} -->\n```text\n")).unwrap_or_else(|| panic!("no example {name}")).1;
    bytes(after.split_once("```").unwrap().0)
}

fn domain_key() -> [u8; 32] {
    std::array::from_fn(|at| at as u8)
}

/// Format version 1, for good: a program that gives others has cut every table off from those that were loaded before. The values were
/// computed by `judge_fields.py`, not by us.
#[test]
fn the_format_has_golden_values() {
    let key = FieldKey::derive(&domain_key());
    assert_eq!(example("domain key"), domain_key());
    for (text, name) in [("1850578006084", "pseudonym"), ("Zoë", "pseudonym of a text"), ("", "pseudonym of nothing")] {
        assert_eq!(key.pseudonym(text.as_bytes()).as_slice(), example(name), "{name}");
    }
    let nonce: [u8; 16] = std::array::from_fn(|at| 0xf0 + at as u8);
    let mut cipher = key.cipher().unwrap();
    assert_eq!(cipher.encrypt(b"1850578006084", &nonce).unwrap(), example("encrypted at random"));
    assert_eq!(cipher.encrypt_deterministic(b"1850578006084").unwrap(), example("encrypted deterministically"));
    for name in ["encrypted at random", "encrypted deterministically"] {
        assert_eq!(cipher.open(&example(name)).unwrap().as_slice(), b"1850578006084", "{name}");
    }
}

/// RFC 5297, appendix A.1 and A.2, through the cipher that we use (of shorter keys, as the RFC has them).
#[test]
fn the_cipher_is_that_of_the_rfc() {
    use aes_siv::siv::Aes128Siv;
    let mut siv = Aes128Siv::new_from_slice(&bytes("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")).unwrap();
    let ad = bytes("101112131415161718191a1b1c1d1e1f2021222324252627");
    let sealed = siv.encrypt([&ad], &bytes("112233445566778899aabbccddee")).unwrap();
    assert_eq!(hex(&sealed), "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
    let mut siv = Aes128Siv::new_from_slice(&bytes("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f")).unwrap();
    let headers = [
        "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
        "102030405060708090a0",
        "09f911029d74e35bd84156c5635688c0",
    ];
    let plain = "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553";
    let sealed = siv.encrypt(headers.map(bytes), &bytes(plain)).unwrap();
    assert_eq!(
        hex(&sealed),
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d"
    );
}

#[test]
fn equal_texts_look_alike_only_where_they_are_meant_to() {
    let (key, other) = (FieldKey::derive(&domain_key()), FieldKey::derive(&[9; 32]));
    let mut cipher = key.cipher().unwrap();
    let (one, two) = (cipher.encrypt(b"Ann", &[1; 16]).unwrap(), cipher.encrypt(b"Ann", &[2; 16]).unwrap());
    assert_ne!(one, two);
    assert_eq!(cipher.encrypt_deterministic(b"Ann").unwrap(), cipher.encrypt_deterministic(b"Ann").unwrap());
    assert_ne!(key.pseudonym(b"Ann"), other.pseudonym(b"Ann"));
    // Under another domain nothing opens.
    let mut foreign = other.cipher().unwrap();
    for sealed in [one, two, cipher.encrypt_deterministic(b"Ann").unwrap()] {
        assert!(cipher.open(&sealed).is_ok() && foreign.open(&sealed).is_err());
    }
}

proptest! {
    #[test]
    fn what_is_encrypted_opens_and_nothing_that_was_changed_does(text: Vec<u8>, nonce: [u8; 16], random: bool, at: usize, bit in 0u32..8) {
        let mut cipher = FieldKey::derive(&domain_key()).cipher().unwrap();
        let sealed = if random { cipher.encrypt(&text, &nonce) } else { cipher.encrypt_deterministic(&text) }.unwrap();
        let opened = cipher.open(&sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), text.as_slice());
        let mut changed = sealed.clone();
        let at = at % changed.len();
        changed[at] ^= 1 << bit;
        prop_assert!(cipher.open(&changed).is_err());
        prop_assert!(cipher.open(&sealed[..at]).is_err());
        prop_assert!(cipher.open(&[&sealed[..], &[0]].concat()).is_err());
    }

    #[test]
    fn no_bytes_panic_the_cipher(sealed: Vec<u8>) {
        let _ = FieldKey::derive(&domain_key()).cipher().unwrap().open(&sealed);
    }
}

/// Without the variable this fails: a judge that was not asked has not agreed.
fn python() -> PathBuf {
    let Some(python) = std::env::var_os(PYTHON) else {
        panic!("the judge was not run: {PYTHON} does not name a Python with `cryptography`; `cargo xtask test` prepares one");
    };
    python.into()
}

/// The judge's answer to each request.
fn judged(requests: &[String]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge_fields.py");
    let mut judge = Command::new(python()).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    judge.stdin.take().unwrap().write_all((requests.join("\n") + "\n").as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success(), "the judge stopped: {}", output.status);
    let answers: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), requests.len());
    answers
}

fn word(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { hex(bytes) }
}

/// Python's `hmac` and PyPI `cryptography` compute the same values, open ours, and refuse them once a bit is changed.
#[test]
fn the_judge_computes_the_same_values_and_opens_ours() {
    let rng = SeededRng::new(5);
    let (mut requests, mut wanted) = (Vec::new(), Vec::new());
    for len in [0usize, 1, 13, 15, 16, 17, 31, 32, 100, 1000] {
        let (mut domain, mut text, mut nonce) = ([0u8; 32], vec![0u8; len], [0u8; 16]);
        for buffer in [&mut domain[..], &mut text, &mut nonce] {
            rng.fill(buffer).unwrap();
        }
        let key = FieldKey::derive(&domain);
        let mut cipher = key.cipher().unwrap();
        let (random, same) = (cipher.encrypt(&text, &nonce).unwrap(), cipher.encrypt_deterministic(&text).unwrap());
        let mut ask = |what: &str, words: &[&[u8]], answer: String| {
            let words: Vec<String> = words.iter().map(|bytes| word(bytes)).collect();
            requests.push(format!("{what} {} {}", hex(&domain), words.join(" ")));
            wanted.push(answer);
        };
        ask("pseudonym", &[&text], hex(&key.pseudonym(&text)));
        ask("deterministic", &[&text], hex(&same));
        ask("random", &[&text, &nonce], hex(&random));
        for sealed in [&random, &same] {
            ask("open", &[sealed], word(&text));
            let mut changed = sealed.clone();
            changed[sealed.len() - 1] ^= 1;
            ask("open", &[&changed], "refused".to_owned());
        }
    }
    assert_eq!(judged(&requests), wanted);
}
