//! `sbom`: the bill of materials of the program, CycloneDX 1.6 JSON. It lists what is linked into or runs while building `polder`
//! on this platform, and nothing that only tests use. The same lock file gives the same bytes.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use rustsec::Lockfile;
use serde_json::{Value, json};
use spdx::{Expression, ParseMode};

use crate::process::{capture, command};
use crate::workspace;

const PROGRAM: &str = "polder";

/// Writes the bill to a file or to standard output.
pub fn run(output: Option<&Path>) -> Result<()> {
    let version = capture(command("rustc").arg("-vV"), "ask rustc for this platform")?;
    let platform = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host platform")?;
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(workspace::root().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), platform.to_owned()])
        .exec()
        .context("read the workspace with cargo metadata")?;
    let lock = Lockfile::load(workspace::root().join("Cargo.lock")).context("read Cargo.lock")?;
    let text = format!("{}\n", serde_json::to_string_pretty(&bill(&metadata, &checksums(&lock), platform)?)?);
    match output {
        None => print!("{text}"),
        Some(file) => std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?,
    }
    Ok(())
}

/// SHA-256 of each package's archive, as the lock file holds it.
fn checksums(lock: &Lockfile) -> BTreeMap<(String, String), String> {
    lock.packages
        .iter()
        .filter_map(|package| {
            let checksum = package.checksum.as_ref()?.as_sha256()?;
            Some(((package.name.to_string(), package.version.to_string()), checksum.iter().map(|byte| format!("{byte:02x}")).collect()))
        })
        .collect()
}

/// The packages that reach the program, by kinds of dependency that do.
fn reached(metadata: &Metadata) -> Result<BTreeMap<&PackageId, BTreeSet<&PackageId>>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata gave no dependency graph")?;
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let program = metadata.packages.iter().find(|package| package.name.as_str() == PROGRAM).context("find the program's package")?;
    let mut found: BTreeMap<&PackageId, BTreeSet<&PackageId>> = BTreeMap::new();
    let mut waiting = vec![&program.id];
    while let Some(id) = waiting.pop() {
        if found.contains_key(id) {
            continue;
        }
        let node = nodes.get(id).context("a package is missing in the dependency graph")?;
        let needs: BTreeSet<&PackageId> = node
            .deps
            .iter()
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development))
            .map(|dependency| &dependency.pkg)
            .collect();
        waiting.extend(needs.iter().copied());
        found.insert(id, needs);
    }
    Ok(found)
}

fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.to_string().replace('+', "%2B"))
}

fn component(package: &Package, checksums: &BTreeMap<(String, String), String>) -> Value {
    let kind = if package.name.as_str() == PROGRAM { "application" } else { "library" };
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package.name.as_str(),
        "version": package.version.to_string(),
        "purl": purl(package),
    });
    let Some(map) = component.as_object_mut() else {
        return component;
    };
    if let Some(licence) = &package.license {
        // Some manifests still write `MIT/Apache-2.0`, which is no SPDX expression.
        let expression = Expression::canonicalize(licence).ok().flatten().unwrap_or_else(|| licence.clone());
        let choice = match Expression::parse_mode(&expression, ParseMode::STRICT) {
            Ok(_) => json!([{"expression": expression}]),
            Err(_) => json!([{"license": {"name": licence}}]),
        };
        map.insert("licenses".to_owned(), choice);
    }
    if let Some(checksum) = checksums.get(&(package.name.to_string(), package.version.to_string())) {
        map.insert("hashes".to_owned(), json!([{"alg": "SHA-256", "content": checksum}]));
    }
    if let Some(repository) = &package.repository {
        map.insert("externalReferences".to_owned(), json!([{"type": "vcs", "url": repository}]));
    }
    component
}

/// The whole document.
fn bill(metadata: &Metadata, checksums: &BTreeMap<(String, String), String>, platform: &str) -> Result<Value> {
    let reached = reached(metadata)?;
    let packages: BTreeMap<&PackageId, &Package> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let mut program = None;
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for (id, needs) in &reached {
        let package = packages.get(id).context("a package is missing in cargo's metadata")?;
        let mut on: Vec<String> = needs.iter().filter_map(|need| packages.get(need)).map(|package| purl(package)).collect();
        on.sort();
        dependencies.push((purl(package), on));
        if package.name.as_str() == PROGRAM {
            program = Some(component(package, checksums));
        } else {
            components.push((purl(package), component(package, checksums)));
        }
    }
    components.sort_by(|left, right| left.0.cmp(&right.0));
    dependencies.sort();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": program.context("find the program's package")?,
            "properties": [{"name": "cargo:target", "value": platform}],
        },
        "components": components.into_iter().map(|(_, component)| component).collect::<Vec<_>>(),
        "dependencies": dependencies.into_iter().map(|(name, on)| json!({"ref": name, "dependsOn": on})).collect::<Vec<_>>(),
    }))
}
