//! The rules refuse what they are there to refuse.

use super::*;

const RULES: &str = r#"
[licenses]
allow = ["Apache-2.0", "MIT", "MPL-2.0"]
exceptions = [{ crate = "odd", allow = ["Zlib"] }]
[advisories]
ignore = []
[bans]
deny = [{ crate = "openssl", reason = "one TLS library is enough" }]
[sources]
unknown-registry = "deny"
unknown-git = "deny"
"#;

fn rules() -> Rules {
    toml::from_str(RULES).unwrap()
}

fn dependency(name: &str, licence: Option<&str>) -> Dependency {
    Dependency { name: name.into(), version: "1.0.0".into(), source: Some(CRATES_IO.into()), licence: licence.map(Into::into) }
}

#[test]
fn only_allowed_licences_pass() {
    let good = [dependency("a", Some("MIT OR GPL-3.0-only")), dependency("b", Some("MIT/Apache-2.0")), dependency("odd", Some("Zlib"))];
    assert_eq!(licences(&rules(), &good).unwrap(), Vec::<String>::new());
    let bad = [
        dependency("c", Some("GPL-3.0-only")),
        dependency("d", None),
        dependency("e", Some("whatever I like")),
        dependency("f", Some("MIT AND GPL-2.0-only")),
        dependency("g", Some("Zlib")),
        dependency("odd", Some("Zlib")),
    ];
    let problems = licences(&rules(), &bad).unwrap();
    let named: Vec<&str> = problems.iter().filter_map(|problem| problem.split(' ').next()).collect();
    assert_eq!(named, ["c", "d", "e", "f", "g"]);
}

#[test]
fn an_exception_for_nobody_is_refused() {
    assert!(licences(&rules(), &[dependency("a", Some("MIT"))]).is_err());
}

#[test]
fn only_the_registry_passes_and_the_banned_do_not() {
    let ours = Dependency { source: None, ..dependency("polder", Some("Apache-2.0")) };
    assert!(sources(&rules(), &[ours, dependency("a", None)]).is_empty());
    let git = Dependency { source: Some("git+https://example.org/x".into()), ..dependency("x", None) };
    assert_eq!(sources(&rules(), &[git, dependency("openssl", None)]).len(), 2);
    let lax: Rules = toml::from_str(&RULES.replace("unknown-git = \"deny\"", "unknown-git = \"allow\"")).unwrap();
    assert_eq!(sources(&lax, &[]).len(), 1, "a rule that is not enforced is refused");
}

#[test]
fn an_unknown_rule_is_refused() {
    assert!(toml::from_str::<Rules>(&format!("{RULES}\n[surprise]\n")).is_err());
}

/// A database with one advisory, and lock files with and without the crate that it is about.
#[test]
fn a_vulnerable_dependency_is_a_problem_unless_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let advisory = folder.path().join("crates/leaky");
    std::fs::create_dir_all(&advisory).unwrap();
    std::fs::write(
        advisory.join("RUSTSEC-2020-0001.md"),
        "```toml\n[advisory]\nid = \"RUSTSEC-2020-0001\"\npackage = \"leaky\"\ndate = \"2020-01-01\"\n[versions]\npatched = [\">= 1.1.0\"]\n```\n\n# Leaks\n\nIt leaks.\n",
    )
    .unwrap();
    let lock = folder.path().join("Cargo.lock");
    let lock_of = |version: &str| {
        format!(
            "version = 4\n\n[[package]]\nname = \"leaky\"\nversion = \"{version}\"\nsource = \"{CRATES_IO}\"\nchecksum = \"{}\"\n",
            "0".repeat(64)
        )
    };
    std::fs::write(&lock, lock_of("1.1.0")).unwrap();
    let found = advisories(&rules(), &lock, folder.path()).unwrap();
    assert_eq!((found.known, found.problems.len()), (1, 0));
    std::fs::write(&lock, lock_of("1.0.0")).unwrap();
    let found = advisories(&rules(), &lock, folder.path()).unwrap();
    assert_eq!(found.problems, ["leaky 1.0.0: RUSTSEC-2020-0001: Leaks"]);
    let accepting = RULES.replace("ignore = []", "ignore = [{ id = \"RUSTSEC-2020-0001\", reason = \"we never call it\" }]");
    let found = advisories(&toml::from_str(&accepting).unwrap(), &lock, folder.path()).unwrap();
    assert_eq!((found.problems.len(), found.notes.len()), (0, 1));
    std::fs::write(&lock, lock_of("1.1.0")).unwrap();
    let found = advisories(&toml::from_str(&accepting).unwrap(), &lock, folder.path()).unwrap();
    assert_eq!(found.problems.len(), 1, "an acceptance that concerns nothing is removed");
}
