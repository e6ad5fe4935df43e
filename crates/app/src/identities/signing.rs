//! An approver's signature of what the register asks to be approved. The key stays in the process of who has it.

use std::path::Path;

use polder_crypto::sha256;
use polder_keys::approver::ApproverKey;
use polder_types::ErrorKind;
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::installation::Installation;
use crate::print;

/// What may be signed so.
const FORMATS: [&str; 2] = ["polder grant 1", "polder break-glass 1"];

/// Signs a request with the key of who acts: here, or where the command was typed. Gives the approver's name and the signature.
///
/// # Errors
/// When there is no key, or it cannot be used.
pub fn signed(installation: &Installation, request: &[u8], key: Option<&Path>) -> Outcome<(String, [u8; 64])> {
    let line = match hosted::sign(request) {
        Some(line) => {
            line.map_err(|error| Failure::because(ErrorKind::Unavailable, "approve: the signature of the caller did not come", &error))?
        }
        None => sign(request, &installation.project.approver_key(key)?)?,
    };
    let parsed = line.rsplit_once(':').and_then(|(name, signature)| {
        let signature: [u8; 64] = hex::decode(signature).ok()?.try_into().ok()?;
        Some((name.to_owned(), signature))
    });
    parsed.ok_or_else(|| Failure::new(ErrorKind::Invalid, "approve: what came is no signature; the caller's program is another one"))
}

/// Says what is signed, and signs it: `NAME:SIGNATURE`, as `polder keys approve` prints.
///
/// # Errors
/// When it is no request of these, or the key cannot be used.
pub fn sign(request: &[u8], key: &Path) -> Outcome<String> {
    let wrong = || Failure::new(ErrorKind::Invalid, "approve: what is to be signed is no grant and no opening; nothing was signed");
    let said: Map<String, Value> = serde_json::from_slice(request).map_err(|_| wrong())?;
    if !said.get("format").and_then(Value::as_str).is_some_and(|format| FORMATS.contains(&format)) {
        return Err(wrong());
    }
    let key = ApproverKey::open(key)?;
    print::note(&format!("signed as {}:", key.name()));
    for (word, value) in said.iter().filter(|(word, _)| !matches!(word.as_str(), "format" | "lineage")) {
        let value = match (word.strip_suffix("_ms"), value.as_i64(), value.as_str()) {
            (Some("length"), Some(ms), _) => format!("{} hours", ms / 3_600_000),
            (Some(_), Some(ms), _) => print::time(ms),
            (_, _, Some(text)) => text.to_owned(),
            _ => value.to_string(),
        };
        print::note(&format!("  {:<13} {value}", word.trim_end_matches("_ms").replace('_', " ")));
    }
    let approval = key.approve(&sha256(request))?;
    Ok(format!("{}:{}", approval.name, hex::encode(approval.signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_grant_or_an_opening_is_signed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bea.key");
        let key = ApproverKey::create(&file, "bea", std::sync::Arc::new(polder_types::SystemRng)).unwrap();
        for other in ["", "{}", "[]", r#"{"format":"polder contract v1"}"#, r#"{"format":1}"#] {
            assert_eq!(sign(other.as_bytes(), &file).unwrap_err().kind(), ErrorKind::Invalid, "{other}");
        }
        let request = br#"{"format":"polder grant 1","lineage":"x","id":"y","until_ms":5,"reason":"z"}"#;
        let line = sign(request, &file).unwrap();
        let (name, signature) = line.rsplit_once(':').unwrap();
        let signature: [u8; 64] = hex::decode(signature).unwrap().try_into().unwrap();
        let text = format!("polder approval 1\n{}\n", hex::encode(sha256(request)));
        assert_eq!(name, "bea");
        key.approver().verify(text.as_bytes(), &signature).unwrap();
    }
}
