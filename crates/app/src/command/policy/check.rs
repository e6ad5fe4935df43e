//! `polder policy check`.

use std::collections::{BTreeMap, BTreeSet};

use polder_contract::yaml::suggest;
use polder_policy::{OWNERS_GROUP, Spoken, TableRef, row_type, spoken};
use serde_json::{Value, json};

use super::Governed;
use crate::cli::Output;
use crate::failure::Outcome;
use crate::print::{self, Listing};
use crate::project::{self, Project};
use crate::settings::Settings;

/// A policy that can never apply, or not to all that it names.
struct Warning<'a> {
    spoken: &'a Spoken,
    message: String,
}

/// What policies name of one table.
#[derive(Default)]
struct Named<'a> {
    policies: BTreeSet<&'a str>,
    rows_by: BTreeSet<&'a str>,
    columns: BTreeSet<&'a str>,
}

/// What policies can name, as far as files tell.
struct Known<'a> {
    tables: &'a [TableRef],
    /// Of all environments: the policies are the same in each.
    groups: BTreeSet<String>,
}

/// Checks the policies, and tells what they speak of.
///
/// # Errors
/// With all that is wrong in them, file and line each; when a contract or model is wrong.
pub fn check(project: &Project, output: Output) -> Outcome {
    let governed = Governed::of(project)?;
    let settings = Settings::parse(&project::read(&project.dir().join(project::FILE))?, project::FILE)?;
    let groups = settings.environments.values().flat_map(|environment| environment.groups.keys().cloned());
    let known = Known { tables: &governed.tables, groups: groups.chain([OWNERS_GROUP.to_owned()]).collect() };
    let spoken = spoken(&governed.files);
    let warnings: Vec<Warning<'_>> = spoken.iter().flat_map(|spoken| known.missing(spoken)).collect();
    let named = named(&spoken, &governed.tables);
    let (policies, files) = (governed.policies.count(), governed.files.len());
    if output == Output::Json {
        return print::json(&document(policies, &governed.files, &named, &spoken, &warnings));
    }
    let mut listing = Listing::new(&["table", "policies", "rows_by", "columns"]);
    for (table, named) in &named {
        listing.row([json!(table), json!(named.policies), json!(named.rows_by), json!(named.columns)]);
    }
    if output == Output::Table {
        let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
        let what = if named.is_empty() { "they name no table" } else { "of tables they name:" };
        print::line(&format!("{} in {}, nothing is wrong; {what}", count(policies, "policy", "policies"), count(files, "file", "files")))?;
    }
    if output != Output::Table || !named.is_empty() {
        listing.print(output)?;
    }
    for warning in &warnings {
        let Spoken { file, line, id, .. } = warning.spoken;
        print::note(&format!("warning: {file}, line {line}: policy {id}: {}", warning.message));
    }
    Ok(())
}

fn document(
    policies: usize,
    files: &[(String, String)],
    named: &BTreeMap<&str, Named<'_>>,
    spoken: &[Spoken],
    warnings: &[Warning<'_>],
) -> Value {
    let tables: Vec<Value> = named
        .iter()
        .map(|(table, named)| json!({ "table": table, "policies": named.policies, "rows_by": named.rows_by, "columns": named.columns }))
        .collect();
    let files: Vec<&String> = files.iter().map(|(file, _)| file).collect();
    let groups: BTreeSet<&str> = spoken.iter().flat_map(|spoken| spoken.named("Group")).collect();
    let purposes: BTreeSet<&String> = spoken.iter().flat_map(|spoken| &spoken.purposes).collect();
    let warnings: Vec<Value> = warnings
        .iter()
        .map(|Warning { spoken, message }| json!({ "file": spoken.file, "line": spoken.line, "policy": spoken.id, "message": message }))
        .collect();
    json!({
        "policies": policies, "files": files, "tables": tables, "groups": groups, "purposes": purposes,
        "time": spoken.iter().any(|spoken| spoken.time), "warnings": warnings,
    })
}

fn named<'a>(spoken: &'a [Spoken], tables: &'a [TableRef]) -> BTreeMap<&'a str, Named<'a>> {
    let row_types: BTreeMap<String, &str> = tables.iter().map(|table| (row_type(table.name.as_str()), table.name.as_str())).collect();
    let mut named: BTreeMap<&str, Named<'_>> = BTreeMap::new();
    for spoken in spoken {
        for table in spoken.types.iter().filter_map(|name| row_types.get(name).copied()) {
            let of = named.entry(table).or_default();
            of.policies.insert(&spoken.id);
            of.rows_by.extend(spoken.attributes.iter().map(String::as_str));
        }
        for table in spoken.named("Table") {
            named.entry(table).or_default().policies.insert(&spoken.id);
        }
        for (table, column) in spoken.named("Column").filter_map(|column| column.split_once('.')) {
            let of = named.entry(table).or_default();
            of.policies.insert(&spoken.id);
            of.columns.insert(column);
        }
    }
    named
}

impl Known<'_> {
    /// What a policy names and nobody knows.
    fn missing<'a>(&self, spoken: &'a Spoken) -> Vec<Warning<'a>> {
        let mut messages = Vec::new();
        let tables: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        for group in spoken.named("Group").filter(|group| !self.groups.contains(*group)) {
            let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
            messages.push(format!(
                "no environment of polder.yaml has a group {group}; unless accounts do (`polder group list`), nobody is in it; {}",
                suggest(group, &groups)
            ));
        }
        for table in spoken.named("Table").filter(|table| !tables.contains(table)) {
            messages.push(format!("there is no contract or model for table {table}; {}", suggest(table, &tables)));
        }
        for model in spoken.named("Model") {
            let models: Vec<&str> = self.tables.iter().filter(|table| table.model).map(|table| table.name.as_str()).collect();
            if !models.contains(&model) {
                messages.push(format!("there is no model {model}; {}", suggest(model, &models)));
            }
        }
        messages.extend(spoken.named("Column").filter_map(|column| self.no_column(column)));
        messages.into_iter().map(|message| Warning { spoken, message }).collect()
    }

    fn no_column(&self, id: &str) -> Option<String> {
        let Some((table, column)) = id.split_once('.') else {
            return Some(format!("no column has the id {id:?}; write TABLE.COLUMN"));
        };
        let Some(table) = self.tables.iter().find(|known| known.name.as_str() == table) else {
            let tables: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
            return Some(format!("there is no contract for table {table}; {}", suggest(table, &tables)));
        };
        if table.column(column).is_some() {
            return None;
        }
        if table.model {
            return Some(format!("{} is a model: policies know no columns of it, and it is read as a whole or not at all", table.name));
        }
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        Some(format!("the contract of table {} has no column {column} that is stored; {}", table.name, suggest(column, &columns)))
    }
}
