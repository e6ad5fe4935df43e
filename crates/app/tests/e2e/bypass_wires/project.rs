//! The tables, policies and models of the corpus as a project, and everyone who asks as an account with a token.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::corpus::{attempts, files, folder};
use crate::harness::Project;
use crate::served::secret;

/// Sees everything.
pub const BOSS: &str = "boss";
/// Versions of `patients`.
const VERSIONS: usize = 3;

/// The corpus as a project.
pub struct Corpus {
    pub project: Project,
    /// Whose they are.
    pub tokens: BTreeMap<String, String>,
    /// Of the table of patients: those that the corpus calls 0, 1 and 2.
    pub versions: Vec<u64>,
}

impl Corpus {
    pub fn new() -> Self {
        let project = Project::new();
        let source = "type: csv\npath: data\ndatasets:\n  patients: {file: patients.csv}\n  visits: {file: visits.csv}\n  secret: {file: secret.csv}\n";
        project.write("sources/clinic.yaml", source);
        for name in ["visits", "secret"] {
            table(&project, name, &folder().join(format!("tables/{name}.csv")), "append");
        }
        let mut versions = Vec::new();
        for version in 0..VERSIONS {
            table(&project, "patients", &folder().join(format!("tables/patients.{version}.csv")), "replace");
            if version + 1 == VERSIONS {
                put(&project, "models");
                put(&project, "policies");
                project.write("policies/boss.cedar", format!("permit (principal == User::\"{BOSS}\", action, resource);\n"));
            }
            let what = if version == 0 { "--all" } else { "patients" };
            project.run(&["contract", "approve", what, "--yes"]).ok();
            project.run(&["run"]).ok();
            versions.push(newest(&project));
        }
        let listeners = "    listeners: {postgres: \"127.0.0.1:0\", flight: \"127.0.0.1:0\", rest: \"127.0.0.1:0\"}\n";
        let polder = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
        project.write("polder.yaml", polder + listeners);
        let mut who: BTreeSet<String> = attempts(&versions).into_iter().map(|attempt| attempt.who).collect();
        who.insert(BOSS.to_owned());
        let mut tokens = BTreeMap::new();
        for name in who {
            let password = secret(&project, &name, &format!("{name} has a password of its own"));
            project.run(&["user", "add", &name, "--password-file", &password]).ok();
            let token = project.run(&["token", "create", &name]).ok().trim().to_owned();
            tokens.insert(name, token);
        }
        Self { project, tokens, versions }
    }
}

/// The newest version of the table of patients.
fn newest(project: &Project) -> u64 {
    let history = project.json(&["table", "history", "patients"]);
    let versions = history.as_array().unwrap().iter().map(|entry| entry["version"].as_u64().unwrap());
    versions.max().unwrap_or_else(|| panic!("{history}"))
}

/// The files of a folder of the corpus, as those of the project.
fn put(project: &Project, name: &str) {
    for file in files(&folder().join(name)) {
        project.write(&format!("{name}/{}", file.file_name().unwrap().to_str().unwrap()), std::fs::read(&file).unwrap());
    }
}

/// A table's file as a source has it, and a contract for it: values between commas, `\N` for NULL, under names with types.
fn table(project: &Project, name: &str, path: &Path, disposition: &str) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines();
    let columns: Vec<(&str, &str)> = lines.next().unwrap().split(',').map(|column| column.split_once(':').unwrap()).collect();
    let mut csv = columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",") + "\n";
    for line in lines {
        let cells = line.split(',').zip(&columns).map(|(value, (_, kind))| match value {
            "\\N" => String::new(),
            // In quotes it is a value, whatever it holds.
            text if *kind == "text" => format!("\"{text}\""),
            other => other.to_owned(),
        });
        csv += &(cells.collect::<Vec<_>>().join(",") + "\n");
    }
    project.write(&format!("data/{name}.csv"), csv);
    let properties = columns.iter().map(|(column, kind)| {
        let kind = match *kind {
            "integer" => "integer, logicalTypeOptions: {format: i64}",
            "text" => "string",
            "float" => "number",
            "timestamp" => "timestamp, logicalTypeOptions: {timezone: false}",
            same => same,
        };
        // The gate refuses addresses in columns that are not said to hold any.
        let more = if *column == "id" { ", required: true" } else { ", classification: personal" };
        format!("      - {{name: {column}, physicalName: {column}, logicalType: {kind}{more}}}\n")
    });
    let contract = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: bypass-{name}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, value: clinic}}\n  - {{property: polder.disposition, value: {disposition}}}\nschema:\n  - name: {name}\n    physicalName: {name}\n    properties:\n{}",
        properties.collect::<String>()
    );
    project.write(&format!("contracts/{name}.odcs.yaml"), contract);
}
