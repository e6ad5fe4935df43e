//! Each check finds what it is for, and leaves alone what is right.

use super::imports::{Member, check_members, features, one_version, table};
use super::{docs, source};

const PAGE: &str = "\
| crate | duty | imports (besides `types`) |
| --- | --- | --- |
| `types` | words | nothing |
| `crypto` | sealing | nothing |
| `store` | objects | `crypto` |
| `lake` | tables | `store` |
| `app` | wiring | all |

| other | table | here |
| --- | --- | --- |
";

fn member(name: &str, dependencies: &[&str]) -> Member {
    Member { name: name.to_owned(), dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect() }
}

fn good() -> Vec<Member> {
    vec![
        member("polder-types", &["serde"]),
        member("polder-crypto", &["polder-types"]),
        member("polder-store", &["polder-types", "polder-crypto", "object_store"]),
        member("polder-lake", &["polder-store", "datafusion", "deltalake-core"]),
        member("polder", &["polder-lake", "polder-crypto", "datafusion"]),
        member("xtask", &["anyhow"]),
    ]
}

fn texts(findings: Vec<super::Finding>) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_table_is_read_from_the_page() {
    let rules = table(PAGE);
    assert_eq!(rules.keys().collect::<Vec<_>>(), ["app", "crypto", "lake", "store", "types"]);
    assert!(rules["types"].is_empty());
    assert!(rules["store"].contains("crypto"));
}

#[test]
fn allowed_imports_pass() {
    assert_eq!(texts(check_members(&good(), PAGE)), Vec::<String>::new());
}

#[test]
fn an_import_against_the_table_is_found() {
    let mut members = good();
    members[1].dependencies.push("polder-store".to_owned());
    let found = texts(check_members(&members, PAGE));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("crates/crypto/Cargo.toml: imports store, which ARCHITECTURE.md does not allow"), "{found:?}");
}

#[test]
fn datafusion_outside_its_rooms_is_found() {
    let mut members = good();
    members[2].dependencies.push("datafusion-common".to_owned());
    assert_eq!(texts(check_members(&members, PAGE)), ["crates/store/Cargo.toml: names datafusion-common; only lake, engine and app may"]);
}

#[test]
fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
    let mut members = good();
    members.retain(|member| member.name != "polder-lake");
    members.push(member("polder-serve", &[]));
    let found = texts(check_members(&members, PAGE));
    assert!(found.iter().any(|text| text.contains("no row for the crate serve")), "{found:?}");
    assert!(found.iter().any(|text| text.contains("a row for lake, which is no crate")), "{found:?}");
    assert!(!check_members(&good(), "no table here").is_empty());
}

#[test]
fn features_stand_in_the_root_manifest_only() {
    assert!(features("a/Cargo.toml", "[dependencies]\nserde.workspace = true\n").is_empty());
    assert_eq!(features("a/Cargo.toml", "[dependencies]\nserde = { workspace = true, features = [\"rc\"] }\n").len(), 1);
    assert_eq!(features("a/Cargo.toml", "[dev-dependencies]\nserde = \"1\"\n").len(), 1);
}

#[test]
fn a_second_arrow_is_found() {
    assert!(one_version("name = \"arrow\"\nname = \"arrow-schema\"\n").is_empty());
    assert_eq!(one_version("name = \"arrow\"\nname = \"arrow\"\n").len(), 1);
}

#[test]
fn names_that_say_nothing_are_found() {
    assert!(source::name("crates/store/src/backend.rs").is_none());
    for bad in ["crates/store/src/mod.rs", "crates/store/src/utils.rs", "xtask/src/helpers.rs"] {
        assert!(source::name(bad).is_some(), "{bad}");
    }
}

#[test]
fn long_files_and_headless_crates_are_found() {
    let long = "fn a() {}\n".repeat(801);
    assert_eq!(source::check("crates/app/src/a.rs", &long).len(), 1);
    assert!(source::check("crates/app/src/a.rs", &"fn a() {}\n".repeat(800)).is_empty());
    assert_eq!(source::check("crates/lake/src/lib.rs", "//! Duty: x\npub fn a() {}\n").len(), 2);
    assert!(source::check("crates/lake/src/lib.rs", "\n").is_empty(), "a crate that holds nothing yet owes nothing");
}

#[test]
fn forbidden_words_are_found_with_their_line() {
    let ignored = ["fn a() {}\n#[", "ignore]\nfn b() {}\n"].concat();
    assert!(source::check("crates/lake/src/a.rs", &ignored)[0].to_string().starts_with("crates/lake/src/a.rs:2: "));
    let waiting = ["tokio::time::", "sleep(d).await;\n"].concat();
    assert!(source::check("crates/lake/src/a.rs", &waiting).is_empty(), "the program may wait");
    assert_eq!(source::check("crates/lake/src/a/tests.rs", &waiting).len(), 1, "a test may not");
    assert_eq!(source::check("crates/lake/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{waiting}}}\n")).len(), 1);
}

#[test]
fn a_write_outside_the_store_is_found_but_not_in_tests() {
    let line = "std::fs::write(path, bytes)?;\n";
    assert_eq!(source::check("crates/engine/src/a.rs", line).len(), 1);
    assert!(source::check("crates/store/src/a.rs", line).is_empty());
    assert!(source::check("crates/engine/src/a.rs", &format!("#[cfg(test)]\nmod tests {{ {line} }}\n")).is_empty());
}

#[test]
fn a_cloud_store_is_opened_in_one_place_and_guarded_there() {
    for line in ["use object_store::aws::AmazonS3Builder;\n", "let store = object_store::parse_url(&url)?;\n"] {
        assert!(!source::check("crates/store/src/a.rs", line).is_empty());
    }
    assert!(source::check("crates/store/src/a.rs", "use object_store::ObjectStore;\n").is_empty());
    let door = "crates/store/src/backend/bucket/door.rs";
    let guarded = "use object_store::aws::AmazonS3Builder;\nlet s = b.with_http_connector(Guard(wire));\nfn is_let_through() {}\n";
    assert!(source::check(door, guarded).is_empty());
    assert_eq!(source::check(door, "use object_store::aws::AmazonS3Builder;\n").len(), 2);
}

#[test]
fn a_page_that_names_what_is_gone_is_found() {
    let page = "See `crates/lake/src/lib.rs`, `crates/gone/src/lib.rs`, `docs/adr/NNNN-*.md`, `polder run`.\n[a](../ok.md#x) [b](no.md) [c](https://example.org)\n```\n`crates/shown`\n```\n";
    let exists = |path: &str| ["crates/lake/src/lib.rs", "docs/adr", "ok.md"].contains(&path);
    let found = texts(docs::check("docs/page.md", page, exists));
    assert_eq!(
        found,
        ["docs/page.md:1: names `crates/gone/src/lib.rs`, which does not exist", "docs/page.md:2: links to no.md, which does not exist"]
    );
}

#[test]
fn a_threat_without_its_test_is_found() {
    let text =
        "#[test]\n#[should_panic]\n// why\nfn keys_do_not_debug() {}\n#[tokio::test(flavor = \"x\")]\nasync fn waits() {}\nfn other() {}\n";
    let found = source::tests(text);
    assert_eq!(found, ["keys_do_not_debug", "waits"]);
    let tests: std::collections::BTreeSet<(String, String)> =
        found.into_iter().map(|test| (docs::place("crates/keys/src/tests/life.rs").to_owned(), test)).collect();
    assert_eq!(docs::place("xtask/src/main.rs"), "xtask");
    let head = "| attack | cure | test |\n| --- | --- | --- |\n";
    let found = |cell: &str| docs::tests_named("t.md", &format!("{head}| a | b | {cell} |\n"), &tests).len();
    assert_eq!(found("`crates/keys`: `keys_do_not_debug`, `waits`"), 0);
    // Another name, a function that is no test, another crate, none.
    assert_eq!(found("`crates/keys`: `keys_are_gone`"), 1);
    assert_eq!(found("`crates/keys`: `waits`; `crates/store`: `keys_do_not_debug`"), 1);
    assert_eq!(found("`waits_not`"), 1);
    assert_eq!(found("`crates/keys`: `some_other`"), 1);
    assert_eq!(found("soon"), 1);
}

#[test]
fn only_the_door_asks_for_a_part_of_a_table() {
    let text = "fn f() { let access = policies.access(&asker, &[], &table, &now, request)?; }\n";
    for inside in ["crates/engine/src/door/decide.rs", "crates/policy/src/permit.rs", "crates/app/src/reads/tests.rs"] {
        assert_eq!(source::check(inside, text).len(), 0, "{inside}");
    }
    for elsewhere in ["crates/app/src/ingest.rs", "crates/lake/src/scan.rs", "crates/engine/src/model.rs"] {
        let found = texts(source::check(elsewhere, text));
        assert!(found.len() == 1 && found[0].contains("only the door"), "{found:?}");
        for other in ["rules\n    .access(\n        asker)", "self.policies().access(asker)"] {
            assert_eq!(source::check(elsewhere, &format!("fn f() {{ {other}; }}\n")).len(), 1, "{other}");
        }
        assert_eq!(source::check(elsewhere, "fn f() { source.access(); Access { a, ..access(url) }; }\n").len(), 0);
    }
}

#[test]
fn only_the_builder_of_models_derives_a_contract() {
    let text = "fn f() { Approved::derive(table, columns, &inputs) }\n";
    assert_eq!(source::check("crates/app/src/command/model.rs", text).len(), 0);
    for elsewhere in ["crates/app/src/ingest.rs", "crates/engine/src/model.rs"] {
        let found = texts(source::check(elsewhere, text));
        assert!(found.len() == 1 && found[0].contains("only crates/app/src/command/model.rs derives"), "{found:?}");
    }
}
