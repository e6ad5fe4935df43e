//! Who imports whom. The table in ARCHITECTURE.md is the rule: it is read, not repeated here.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;

const PAGE: &str = "ARCHITECTURE.md";
/// Only these may name DataFusion or Delta: everything else stays light and knows no query engine.
const MAY_NAME_DATAFUSION: [&str; 4] = ["lake", "engine", "app", "xtask"];
/// A second version of any of these doubles build time and splits types that must be one.
const ONE_VERSION: [&str; 6] = ["arrow", "arrow-array", "datafusion", "deltalake-core", "object_store", "parquet"];

/// Reads `| crate | duty | imports |` rows: crate to the set of crates that it may import.
pub fn table(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for line in page.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        if let [first, _, last] = cells.as_slice() {
            if *first == "crate" && last.starts_with("imports") {
                inside = true;
                continue;
            }
            if inside && line.trim_start().starts_with('|') {
                let name = first.trim_matches('`');
                if !name.starts_with('-') {
                    let imports = last.split(',').map(|word| word.trim().trim_matches('`')).filter(|word| *word != "nothing");
                    rows.insert(name.to_owned(), imports.map(str::to_owned).collect());
                }
                continue;
            }
        }
        if !line.trim_start().starts_with('|') {
            inside = false;
        }
    }
    rows
}

/// The crate's name in the table: `polder-lake` is `lake`, the program `polder` is `app`.
fn room(package: &str) -> &str {
    if package == "polder" { "app" } else { package.strip_prefix("polder-").unwrap_or(package) }
}

/// Compares the table with what each member's manifest says.
pub fn check(metadata: &Metadata, page: &str) -> Vec<Finding> {
    let members: Vec<Member> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Member {
            name: package.name.to_string(),
            dependencies: package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind != DependencyKind::Development)
                .map(|dependency| dependency.name.clone())
                .collect(),
        })
        .collect();
    check_members(&members, page)
}

/// A workspace member and what it depends on outside its tests.
pub struct Member {
    pub name: String,
    pub dependencies: Vec<String>,
}

pub fn check_members(members: &[Member], page: &str) -> Vec<Finding> {
    let rules = table(page);
    let mut findings = Vec::new();
    if rules.is_empty() {
        findings.push(Finding::new(PAGE, 0, "has no table `| crate | duty | imports |`; tidy reads who may import whom from it"));
    }
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    for member in members {
        let crate_name = room(&member.name);
        let manifest = if crate_name == "xtask" { "xtask/Cargo.toml".to_owned() } else { format!("crates/{crate_name}/Cargo.toml") };
        for dependency in &member.dependencies {
            let heavy = dependency.starts_with("datafusion") || dependency.starts_with("deltalake");
            if heavy && !MAY_NAME_DATAFUSION.contains(&crate_name) {
                findings.push(Finding::new(&manifest, 0, format!("names {dependency}; only lake, engine and app may")));
            }
        }
        if crate_name == "xtask" {
            continue;
        }
        let Some(allowed) = rules.get(crate_name) else {
            findings.push(Finding::new(PAGE, 0, format!("has no row for the crate {crate_name}; say its duty and what it may import")));
            continue;
        };
        for dependency in member.dependencies.iter().filter(|dependency| names.contains(dependency.as_str())) {
            let imported = room(dependency);
            if imported != "types" && !allowed.contains(imported) && !allowed.contains("all") {
                findings.push(Finding::new(
                    &manifest,
                    0,
                    format!("imports {imported}, which {PAGE} does not allow; declare a port in {crate_name} and let app wire it"),
                ));
            }
        }
    }
    for row in rules.keys() {
        let known = names.iter().any(|name| room(name) == row);
        if !known {
            findings.push(Finding::new(PAGE, 0, format!("has a row for {row}, which is no crate of the workspace; remove it")));
        }
    }
    findings
}

/// Features stand in the root manifest only: a member that adds one rebuilds DataFusion for every `-p` switch.
pub fn features(file: &str, manifest: &str) -> Vec<Finding> {
    let Ok(parsed) = manifest.parse::<toml::Table>() else {
        return vec![Finding::new(file, 0, "is not TOML")];
    };
    let mut findings = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in parsed.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) || value.get("features").is_some() {
                findings.push(Finding::new(
                    file,
                    0,
                    format!("{name} is not plainly `{name}.workspace = true`; declare it in the root manifest"),
                ));
            }
        }
    }
    findings
}

/// No second version of the crates whose types cross our own.
pub fn one_version(lock: &str) -> Vec<Finding> {
    ONE_VERSION
        .iter()
        .filter_map(|name| {
            let wanted = format!("name = \"{name}\"");
            let count = lock.lines().filter(|line| *line == wanted).count();
            (count > 1).then(|| Finding::new("Cargo.lock", 0, format!("holds {name} {count} times; align the versions")))
        })
        .collect()
}
