//! Markdown: every path that a page names exists, so that no page speaks of what is long gone.

use std::collections::BTreeSet;

use super::Finding;

/// A word in backticks that begins with one of these is a path of the repository.
const ROOTS: [&str; 9] = [".ci/", ".config/", ".cargo/", "crates/", "demo/", "docs/", "fuzz/", "tests/", "xtask/"];

/// Checks one page. `exists` answers for a path relative to the repository.
pub fn check(file: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        for word in line.split('`').skip(1).step_by(2) {
            if ROOTS.iter().any(|root| word.starts_with(root)) && !found(word, &exists) {
                findings.push(Finding::new(file, index + 1, format!("names `{word}`, which does not exist")));
            }
        }
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let joined = join(folder, path);
            if !exists(&joined) {
                findings.push(Finding::new(file, index + 1, format!("links to {path}, which does not exist")));
            }
        }
    }
    findings
}

/// The crate that a file belongs to, as pages name it: `crates/store`, `xtask`.
pub fn place(file: &str) -> &str {
    let parts = if file.starts_with("crates/") { 2 } else { 1 };
    let end = file.match_indices('/').nth(parts - 1).map_or(file.len(), |(at, _)| at);
    file.get(..end).unwrap_or(file)
}

/// A page that claims cures names a crate and tests of it, and each of them is there. Rows of tables without one are found too.
pub fn tests_named(file: &str, text: &str, tests: &BTreeSet<(String, String)>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("| ") && !line.starts_with("| attack")) {
        let cell = line.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let (mut place, mut named) = ("", 0);
        for word in cell.split('`').skip(1).step_by(2) {
            if word.starts_with("crates/") || word == "xtask" {
                place = word;
            } else if word.contains('_') {
                named += 1;
                if !tests.contains(&(place.to_owned(), word.to_owned())) {
                    findings.push(Finding::new(file, index + 1, format!("names the test `{word}` of `{place}`, which does not exist")));
                }
            }
        }
        if named == 0 && !line.starts_with("| ---") {
            findings.push(Finding::new(file, index + 1, "claims a cure and names no test"));
        }
    }
    findings
}

/// A path in words may carry a line, a pattern or a placeholder: what stands before it must exist.
fn found(word: &str, exists: &impl Fn(&str) -> bool) -> bool {
    let path = word.split([' ', ':', '#']).next().unwrap_or_default();
    match path.find(['*', '<', '{', '[', '?', '…']) {
        None => exists(path.trim_end_matches('/')),
        Some(at) => path.get(..at).and_then(|before| before.rsplit_once('/')).is_none_or(|(folder, _)| exists(folder)),
    }
}

/// Joins a link to the folder of its page.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
