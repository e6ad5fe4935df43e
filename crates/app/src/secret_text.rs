//! Secrets that are written out: texts that have the form of a password in a URL, of a private key or of a known sort of token.

use polder_policy::identity::Token;

/// A secret that stands in a text. The text of it is nowhere repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its line, from 1.
    pub line: u64,
    /// What it looks like.
    pub what: &'static str,
}

/// What may stand in a token.
type Alphabet = fn(u8) -> bool;

/// Tokens that are known by how they begin: what they begin with, of what and how many bytes they have at least after that, and what they are.
const TOKENS: [(&str, Alphabet, usize, &str); 19] = [
    ("AKIA", upper, 16, "an access key of AWS"),
    ("ASIA", upper, 16, "an access key of AWS"),
    ("ghp_", alphanumeric, 30, "a token of GitHub"),
    ("gho_", alphanumeric, 30, "a token of GitHub"),
    ("ghu_", alphanumeric, 30, "a token of GitHub"),
    ("ghs_", alphanumeric, 30, "a token of GitHub"),
    ("ghr_", alphanumeric, 30, "a token of GitHub"),
    ("github_pat_", word, 22, "a token of GitHub"),
    ("glpat-", word, 20, "a token of GitLab"),
    ("xoxb-", word, 20, "a token of Slack"),
    ("xoxp-", word, 20, "a token of Slack"),
    ("xoxa-", word, 20, "a token of Slack"),
    ("xoxs-", word, 20, "a token of Slack"),
    ("xapp-", word, 20, "a token of Slack"),
    ("sk_live_", alphanumeric, 16, "a key of Stripe"),
    ("AIza", word, 35, "a key of Google"),
    ("whsec_", base64, 20, "a secret of a webhook"),
    ("AGE-SECRET-KEY-1", upper, 40, "a private key of age"),
    ("PMAK-", word, 40, "a key of Postman"),
];

/// How a token of Polder begins, and how many bytes follow.
const OWN: (&str, usize) = ("polder_", 47);

/// All that looks like a secret, one a line at most.
pub fn find(text: &str) -> Vec<Written> {
    let found = |(index, line): (usize, &str)| {
        let what = what(line)?;
        Some(Written { line: u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1), what })
    };
    text.split('\n').enumerate().filter_map(found).collect()
}

fn what(line: &str) -> Option<&'static str> {
    if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    if line.match_indices("://").any(|(at, separator)| has_password(line.get(..at), line.get(at + separator.len()..))) {
        return Some("a URL with a password");
    }
    // Its checksum tells one from what merely begins so.
    let (begin, length) = OWN;
    let own = |rest: &str| rest.get(..length).is_some_and(|rest| Token::parse(&format!("{begin}{rest}")).is_some());
    if starts(line, begin).any(own) {
        return Some("a token of Polder");
    }
    let token = TOKENS
        .iter()
        .find(|(begin, of, least, _)| starts(line, begin).any(|rest| rest.bytes().take_while(|byte| of(*byte)).count() >= *least));
    token.map(|(.., what)| *what).or_else(|| starts(line, "eyJ").any(signed).then_some("a signed token (JWT)"))
}

/// What follows each occurrence of a beginning that no letter, digit or `_` stands before.
fn starts<'a>(line: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(begin).filter_map(move |(at, _)| {
        let joined = line.get(..at).and_then(|before| before.bytes().next_back()).is_some_and(|byte| alphanumeric(byte) || byte == b'_');
        if joined { None } else { line.get(at + begin.len()..) }
    })
}

/// Whether `user:password@` follows the `://` of a scheme.
fn has_password(scheme: Option<&str>, rest: Option<&str>) -> bool {
    let (Some(scheme), Some(rest)) = (scheme, rest) else { return false };
    let named = scheme.bytes().next_back().is_some_and(alphanumeric);
    let authority = rest.split(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>')).next();
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    named && user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

/// Whether the rest of a JSON Web Token follows its first letters: two points, and something of its alphabet around each.
fn signed(rest: &str) -> bool {
    let end = rest.bytes().take_while(|byte| word(*byte) || *byte == b'.').count();
    let parts: Vec<&str> = rest.get(..end).unwrap_or_default().split('.').collect();
    matches!(parts.as_slice(), [head, claims, signature, ..] if head.len() >= 8 && claims.starts_with("eyJ") && signature.len() >= 16)
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together here, so that no file of this repository holds what looks like a secret.
    fn written() -> Vec<(String, &'static str)> {
        let jwt = format!("ey{}.ey{}.{}", "JhbGciOiJIUzI1NiJ9", "JzdWIiOiIxMjM0In0", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P");
        let mut written = vec![
            (format!("url: postgres://ann:{}@db.example.org/x", "hunter2"), "a URL with a password"),
            (format!("-- see \"https://:{}@host\"", "p"), "a URL with a password"),
            (format!("a@b then amqps://u:{}@[::1]:5671", "p:q@r"), "a URL with a password"),
            (format!("key: |-----{} RSA PRIVATE KEY-----", "BEGIN"), "a private key"),
            (format!("-----{} PGP PRIVATE KEY BLOCK-----", "BEGIN"), "a private key"),
            (format!("Authorization: Bearer {jwt}"), "a signed token (JWT)"),
        ];
        let own = Token::new(&polder_types::SeededRng::new(1)).unwrap().text();
        written.push((format!("authorization: Bearer {}", own.expose_secret()), "a token of Polder"));
        for (begin, _, least, what) in TOKENS {
            written.push((format!("token: \"{begin}{}\"", "A".repeat(least)), what));
        }
        written
    }

    #[test]
    fn what_looks_like_a_secret_is_found_with_its_line() {
        for (line, what) in written() {
            let text = format!("# first\n\n{line}\nlast: 1\n");
            assert_eq!(find(&text), [Written { line: 3, what }], "{line}");
        }
    }

    #[test]
    fn what_is_none_is_not_found() {
        for line in [
            "url: postgres://ann@db.example.org/x",
            "url: https://example.org:8443/a@b:c",
            "see https://example.org and ann:bob@example.org",
            "password: env:PASSWORD",
            "passphrase: file:../secret",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "AKIA",
            "select AKIAN from t",
            "ghp_short",
            "polder_4fGh01Xy_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "SLAKIAABCDEFGHIJKLMNOPQRST",
            "eyJ.eyJ.x",
            "time: {a: b}://",
            "://:p@h",
            "é://é:é",
        ] {
            assert_eq!(find(line), [], "{line}");
        }
    }

    #[test]
    fn the_finding_does_not_repeat_it() {
        for (line, _) in written() {
            let shown = format!("{:?}", find(&line));
            assert!(!shown.contains("hunter2") && !shown.contains("AAAA") && !shown.contains("eyJ"), "{shown}");
        }
    }
}
