//! Rust files: length, names, forbidden words, heads of crates, and who may write to the file system.

use super::Finding;

/// Past this a file has more than one subject.
const LINES_MAX: usize = 800;
const FORBIDDEN_NAMES: [&str; 9] = ["mod", "utils", "util", "helpers", "helper", "manager", "common", "misc", "stuff"];
/// Crates through which no byte reaches a disk: only the store, the keys' custody, the audit log's export and the program write.
const NEVER_WRITES: [&str; 8] = ["types", "crypto", "contract", "connect", "policy", "lake", "engine", "serve"];
const WRITES: [&str; 9] = [
    "fs::write(",
    "fs::create_dir",
    "fs::copy(",
    "fs::rename(",
    "fs::remove_",
    "File::create",
    "OpenOptions",
    "tempfile::",
    "LocalFileSystem",
];

/// `deny.toml` accepts two advisories about the XML that cloud stores answer, because the one place that opens such a store lets none of it
/// reach `object_store`'s parser.
const CLOUD_STORES: [&str; 9] = [
    "AmazonS3",
    "MicrosoftAzure",
    "GoogleCloudStorage",
    "object_store::aws",
    "object_store::azure",
    "object_store::gcp",
    "object_store::http",
    "object_store::parse_url",
    "object_store::registry",
];
/// That place, and what it must hold.
const DOOR: (&str, [&str; 2]) = ("crates/store/src/backend/bucket/door.rs", [".with_http_connector(Guard(", "fn is_let_through("]);

/// A model's contract is derived from approved ones where models are built, and nowhere else: whoever could call this elsewhere could
/// let in what nobody approved.
const DERIVES: (&str, &str) = ("Approved::derive(", "crates/app/src/command/model.rs");

/// A permit to read some rows and columns scans all of them: only the door, which hides the others, asks for one. Whatever the policies are
/// called, and wherever the line ends; what has no arguments is another `access`, as is the rest of a struct.
const ACCESSES: (&str, [&str; 2]) = (".access(", ["crates/policy/", "crates/engine/src/door/"]);

/// Names that say nothing of what a file holds.
pub fn name(file: &str) -> Option<Finding> {
    let stem = file.rsplit('/').next().and_then(|name| name.strip_suffix(".rs"))?;
    if !FORBIDDEN_NAMES.contains(&stem) {
        return None;
    }
    let advice = if stem == "mod" { "put it in `folder.rs` beside `folder/`" } else { "name it after the noun it holds" };
    Some(Finding::new(file, 0, format!("`{stem}.rs` is not used here; {advice}")))
}

/// The names of all tests of a file: functions under an attribute that makes them one.
pub fn tests(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= ["#[test]", "#[tokio::test"].iter().any(|attribute| line.starts_with(attribute));
            continue;
        }
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            names.push(rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect());
        }
        is_test = false;
    }
    names
}

/// Whether the whole file is test code.
fn is_test_file(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/") || file.contains("/examples/") || file.starts_with("fuzz/")
}

/// The words are put together here, so that this file does not hold what it forbids.
fn forbidden() -> Vec<(String, bool, &'static str)> {
    let whole = false;
    let tests_only = true;
    vec![
        (["#[", "ignore"].concat(), whole, "an ignored test proves nothing; mend it or remove it"),
        (["thread::", "sleep"].concat(), whole, "wait for the event itself"),
        (["time::", "sleep"].concat(), tests_only, "wait for the event itself; time comes from a clock that the test moves"),
        (["todo", "!("].concat(), whole, "finish it or leave it out"),
        (["unimplemented", "!("].concat(), whole, "finish it or leave it out"),
        (["dbg", "!("].concat(), whole, "remove it"),
    ]
}

/// All checks on the text of one Rust file.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(Finding::new(file, 0, format!("has {lines} lines, at most {LINES_MAX} are allowed; split it by noun")));
    }
    if file.ends_with("src/lib.rs") && !text.trim().is_empty() {
        for head in ["//! Duty:", "//! Never:", "//! Enter at:"] {
            if !text.lines().take(12).any(|line| line.starts_with(head)) {
                findings.push(Finding::new(file, 1, format!("does not open with `{head}`")));
            }
        }
    }
    let crate_name = file.strip_prefix("crates/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let forbidden = forbidden();
    let mut in_tests = is_test_file(file);
    for (index, line) in text.lines().enumerate() {
        // Test modules stand at a file's end, so all that follows is test code.
        in_tests |= line.trim_start().starts_with("#[cfg(test)]") && !line.contains("allow");
        let code = line.split("//").next().unwrap_or_default();
        for (word, tests_only, advice) in &forbidden {
            if (in_tests || !tests_only) && code.contains(word.as_str()) {
                findings.push(Finding::new(file, index + 1, format!("holds `{word}`; {advice}")));
            }
        }
        if !crate_name.is_empty() && file != DOOR.0 {
            for word in CLOUD_STORES.iter().filter(|word| code.contains(*word)) {
                let advice = format!("only {} opens a cloud store, and keeps its XML from object_store's parser", DOOR.0);
                findings.push(Finding::new(file, index + 1, format!("holds `{word}`; {advice}")));
            }
        }
        if !in_tests && code.contains(DERIVES.0) && file != DERIVES.1 && file != "xtask/src/tidy/source.rs" {
            findings.push(Finding::new(file, index + 1, format!("holds `{}`; only {} derives a contract", DERIVES.0, DERIVES.1)));
        }
        let asks = file != "xtask/src/tidy/source.rs" && code.replace("..access(", "").replace(".access()", "").contains(ACCESSES.0);
        if !in_tests && asks && !ACCESSES.1.iter().any(|place| file.starts_with(place)) {
            let advice = "only the door of the engine keeps what such a permit does not show; ask for the whole with `permit`";
            findings.push(Finding::new(file, index + 1, format!("holds `{}`; {advice}", ACCESSES.0)));
        }
        if !in_tests && NEVER_WRITES.contains(&crate_name) {
            for word in WRITES.iter().filter(|word| code.contains(*word)) {
                findings.push(Finding::new(file, index + 1, format!("holds `{word}`; {crate_name} reaches a disk only through the store")));
            }
        }
    }
    if file == DOOR.0 {
        for word in DOOR.1.iter().filter(|word| !text.contains(*word)) {
            let advice = "without it XML reaches object_store's parser (RUSTSEC-2026-0194 and RUSTSEC-2026-0195, which deny.toml accepts)";
            findings.push(Finding::new(file, 0, format!("does not hold `{word}`; {advice}")));
        }
    }
    findings
}
