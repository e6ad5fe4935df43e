//! JSON Schemas (draft 2020-12) of the project's files, for editors and other checkers. Keys and words come from the very tables that the
//! readers go by. A schema cannot say all that a reader checks; `polder contract check` and `polder ci` do.

mod contract;
mod layout;
mod pipeline;
mod policy_test;
mod project;
mod source;

use std::path::Path;

use serde_json::{Map, Value, json};

/// Where schemas lie in a project that has them.
pub const FOLDER: &str = ".polder/schemas";

/// A sort of project file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// polder.yaml
    Project,
    /// sources/*.yaml
    Source,
    /// a layout file of fixed-width text, such as layouts/*.yaml
    Layout,
    /// contracts/*.odcs.yaml
    Contract,
    /// pipelines/*.yaml
    Pipeline,
    /// policies/*.cedar (a Cedar schema)
    Policy,
    /// policies/tests/*.yaml
    PolicyTest,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 7] = [Self::Project, Self::Source, Self::Layout, Self::Contract, Self::Pipeline, Self::Policy, Self::PolicyTest];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Source => "source",
            Self::Layout => "layout",
            Self::Contract => "contract",
            Self::Pipeline => "pipeline",
            Self::Policy => "policy",
            Self::PolicyTest => "policy-test",
        }
    }

    /// The files that it is for.
    pub const fn files(self) -> &'static str {
        match self {
            Self::Project => "polder.yaml",
            Self::Source => "sources/*.yaml",
            Self::Layout => "layouts/*.yaml",
            Self::Contract => "contracts/*.odcs.yaml",
            Self::Pipeline => "pipelines/*.yaml",
            Self::Policy => "policies/*.cedar",
            Self::PolicyTest => "policies/tests/*.yaml",
        }
    }

    /// The name of its schema's file.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Project => "project.schema.json",
            Self::Source => "source.schema.json",
            Self::Layout => "layout.schema.json",
            Self::Contract => "contract.schema.json",
            Self::Pipeline => "pipeline.schema.json",
            Self::Policy => "polder.cedarschema",
            Self::PolicyTest => "policy-test.schema.json",
        }
    }

    /// The schema's text.
    pub fn text(self) -> String {
        let document = match self {
            Self::Project => project::schema(),
            Self::Source => source::schema(),
            Self::Layout => layout::schema(),
            Self::Contract => contract::schema(),
            Self::Pipeline => pipeline::schema(),
            Self::PolicyTest => policy_test::schema(),
            Self::Policy => return polder_policy::SCHEMA.to_owned(),
        };
        // A value of our own making is always written.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }
}

/// The first line of a file in a folder of a project, which tells editors its schema; empty where the project has none. `up` leads from
/// the file's folder to the project's directory: empty, or `../`.
pub fn header(project: &Path, kind: Kind, up: &str) -> String {
    if project.join(FOLDER).join(kind.file()).is_file() {
        format!("# yaml-language-server: $schema={up}{FOLDER}/{}\n", kind.file())
    } else {
        String::new()
    }
}

fn document(kind: Kind, title: &str, body: Value) -> Value {
    let mut document = Map::new();
    document.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    document.insert("$id".to_owned(), json!(format!("urn:polder:schema:{}", kind.name())));
    document.insert("title".to_owned(), json!(title));
    if let Value::Object(body) = body {
        document.extend(body);
    }
    Value::Object(document)
}

/// A mapping with these keys and no others. The value of each comes from `value`.
fn mapping<'a>(keys: impl IntoIterator<Item = &'a str>, required: &[&str], value: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys.into_iter().map(|key| (key.to_owned(), value(key))).collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

#[cfg(test)]
mod tests;
