//! A review in the Static Analysis Results Interchange Format 2.1.0, which forges show beside the lines of a change.

use polder_contract::ChangeKind;
use polder_crypto::sha256;
use serde_json::{Value, json};

use crate::review::{Finding, RULES, Review};

/// The document.
pub fn document(review: &Review) -> Value {
    let rules = rules();
    let results: Vec<Value> = review.findings.iter().map(|finding| result(finding, &rules, &review.prefix)).collect();
    let described: Vec<Value> = rules
        .iter()
        .map(|(id, title)| json!({ "id": id, "name": id, "shortDescription": { "text": title }, "defaultConfiguration": { "level": "warning" } }))
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "polder", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": described } },
            "columnKind": "unicodeCodePoints",
            "automationDetails": { "id": format!("polder-ci/{}/", review.environment) },
            "properties": { "base": review.base, "commit": review.commit.as_str(), "environment": review.environment },
            "results": results,
        }],
    })
}

/// Every rule: kinds of changes, then the other sorts of findings that no kind has the name of.
fn rules() -> Vec<(&'static str, &'static str)> {
    let mut rules: Vec<_> = ChangeKind::ALL.iter().map(|kind| (kind.name(), kind.title())).collect();
    let others: Vec<_> = RULES.into_iter().filter(|(name, _)| !rules.iter().any(|(known, _)| known == name)).collect();
    rules.extend(others);
    rules
}

fn result(finding: &Finding, rules: &[(&str, &str)], prefix: &str) -> Value {
    let index = rules.iter().position(|(id, _)| *id == finding.rule);
    // The same finding in another run is the same, wherever its line moved.
    let print = sha256(format!("{}\n{}\n{}\n{}", finding.rule, finding.subject, finding.file, finding.message).as_bytes());
    json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.level.name(),
        "message": { "text": finding.message },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&format!("{prefix}{}", finding.file)), "uriBaseId": "%SRCROOT%" },
                "region": { "startLine": finding.line },
            },
        }],
        "partialFingerprints": { "polder/v1": hex::encode(print) },
    })
}

/// A relative path as a URI.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(uri("shop/contracts/a b#1.odcs.yaml"), "shop/contracts/a%20b%231.odcs.yaml");
    }

    #[test]
    fn each_rule_has_one_name() {
        let rules = rules();
        for (at, (name, title)) in rules.iter().enumerate() {
            assert!(!rules[at + 1..].iter().any(|(other, _)| other == name), "{name}");
            assert!(title.ends_with('.'), "{title}");
        }
        assert!(RULES.iter().all(|(name, _)| rules.iter().any(|(other, _)| other == name)));
    }
}
