//! `audit-deps`: what our dependencies are allowed to be. `deny.toml` is the rule; nothing is fetched.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustsec::advisory::Informational;
use rustsec::report::Settings;
use rustsec::{Database, Lockfile, Report};
use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

use crate::workspace;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// `deny.toml`, in the words of cargo-deny so that it serves both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    licenses: LicenceRules,
    #[serde(default)]
    advisories: AdvisoryRules,
    #[serde(default)]
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LicenceRules {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// A licence that one crate alone may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct AdvisoryRules {
    #[serde(default)]
    ignore: Vec<Ignored>,
}

/// An advisory that does not concern us, with the reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignored {
    id: String,
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Bans {
    #[serde(default)]
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_registry: String,
    unknown_git: String,
}

/// One package of the lock file and what its manifest says of its licence.
pub struct Dependency {
    pub name: String,
    pub version: String,
    pub source: Option<String>,
    pub licence: Option<String>,
}

/// Checks everything that can be checked with what is there.
pub fn run(db: Option<&Path>) -> Result<()> {
    let root = workspace::root();
    let text = std::fs::read_to_string(root.join("deny.toml")).context("read deny.toml")?;
    let rules: Rules = toml::from_str(&text).context("read deny.toml: it does not fit")?;
    let dependencies: Vec<Dependency> = workspace::metadata()?
        .packages
        .into_iter()
        .map(|package| Dependency {
            name: package.name.to_string(),
            version: package.version.to_string(),
            source: package.source.map(|source| source.repr),
            licence: package.license,
        })
        .collect();
    let mut problems = licences(&rules, &dependencies)?;
    problems.extend(sources(&rules, &dependencies));
    let lock = root.join("Cargo.lock");
    match db {
        Some(folder) => {
            let found = advisories(&rules, &lock, folder)?;
            for note in &found.notes {
                println!("note: {note}");
            }
            println!("advisories: {} known, checked against Cargo.lock", found.known);
            problems.extend(found.problems);
        }
        None => println!("advisories: NOT checked, since no database was given (--db DIR)"),
    }
    println!("licences and sources: {} packages checked", dependencies.len());
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!(
            "{} problems with dependencies; update the crate, replace it, or state the exception with its reason in deny.toml",
            problems.len()
        );
    }
    Ok(())
}

/// Every package needs a licence expression that the allow-list satisfies.
pub fn licences(rules: &Rules, dependencies: &[Dependency]) -> Result<Vec<String>> {
    let parse = |names: &[String]| -> Result<Vec<Licensee>> {
        names.iter().map(|name| Licensee::parse(name).with_context(|| format!("read deny.toml: {name} is no SPDX licence"))).collect()
    };
    let allowed = parse(&rules.licenses.allow)?;
    let mut exceptions: BTreeMap<&str, Vec<Licensee>> = BTreeMap::new();
    for exception in &rules.licenses.exceptions {
        exceptions.insert(&exception.name, parse(&exception.allow)?);
        if !dependencies.iter().any(|dependency| dependency.name == exception.name) {
            bail!("deny.toml: the exception for {} serves nothing, since it is no dependency; remove it", exception.name);
        }
    }
    let mut problems = Vec::new();
    for dependency in dependencies {
        let Dependency { name, version, licence, .. } = dependency;
        let Some(licence) = licence else {
            problems.push(format!("{name} {version}: states no licence"));
            continue;
        };
        let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
            problems.push(format!("{name} {version}: `{licence}` is no SPDX expression"));
            continue;
        };
        let own = exceptions.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        if !expression.evaluate(|wanted| allowed.iter().chain(own).any(|licensee| licensee.satisfies(wanted))) {
            problems.push(format!("{name} {version}: the licence `{licence}` is not allowed"));
        }
    }
    Ok(problems)
}

/// Everything comes from the crates registry or from this workspace, and what is banned is absent.
pub fn sources(rules: &Rules, dependencies: &[Dependency]) -> Vec<String> {
    let mut problems = Vec::new();
    for (key, value) in [("unknown-registry", &rules.sources.unknown_registry), ("unknown-git", &rules.sources.unknown_git)] {
        if value != "deny" {
            problems.push(format!("deny.toml: sources.{key} is `{value}`, but only `deny` is enforced here"));
        }
    }
    for Dependency { name, version, source, .. } in dependencies {
        if source.as_deref().is_some_and(|source| source != CRATES_IO) {
            problems.push(format!("{name} {version}: does not come from the crates registry"));
        }
        if let Some(banned) = rules.bans.deny.iter().find(|banned| banned.name == *name) {
            problems.push(format!("{name} {version}: is banned: {}", banned.reason));
        }
    }
    problems
}

/// What the advisory database says.
pub struct Advisories {
    pub known: usize,
    pub problems: Vec<String>,
    pub notes: Vec<String>,
}

/// Vulnerabilities and unsound crates are problems; unmaintained ones are notes.
pub fn advisories(rules: &Rules, lock: &Path, folder: &Path) -> Result<Advisories> {
    let database = Database::open(folder).with_context(|| format!("open the advisory database {}", folder.display()))?;
    let lockfile = Lockfile::load(lock).context("read Cargo.lock")?;
    let settings = Settings {
        informational_warnings: vec![Informational::Unsound, Informational::Unmaintained, Informational::Notice],
        ..Settings::default()
    };
    let report = Report::generate(&database, &lockfile, &settings);
    let ignored = |id: &str| rules.advisories.ignore.iter().find(|ignored| ignored.id == id);
    let mut found = Advisories { known: database.iter().count(), problems: Vec::new(), notes: Vec::new() };
    let mut met = Vec::new();
    let mut sort = |line: String, id: &str, blocks: bool, found: &mut Advisories| {
        met.push(id.to_owned());
        match (ignored(id), blocks) {
            (Some(ignored), _) => found.notes.push(format!("{line} (accepted: {})", ignored.reason)),
            (None, true) => found.problems.push(line),
            (None, false) => found.notes.push(line),
        }
    };
    for vulnerability in &report.vulnerabilities.list {
        let id = vulnerability.advisory.id.as_str();
        let line = format!("{} {}: {id}: {}", vulnerability.package.name, vulnerability.package.version, vulnerability.advisory.title);
        sort(line, id, true, &mut found);
    }
    for (kind, warnings) in &report.warnings {
        for warning in warnings {
            let (id, title) = warning.advisory.as_ref().map_or(("", ""), |advisory| (advisory.id.as_str(), advisory.title.as_str()));
            let line = format!("{} {}: {id} ({}): {title}", warning.package.name, warning.package.version, kind.as_str());
            sort(line, id, kind.as_str() == "unsound", &mut found);
        }
    }
    for ignored in rules.advisories.ignore.iter().filter(|ignored| !met.contains(&ignored.id)) {
        found.problems.push(format!("deny.toml: {} is accepted but concerns no dependency; remove it", ignored.id));
    }
    Ok(found)
}
