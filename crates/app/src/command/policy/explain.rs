//! `polder policy explain`.

use polder_policy::{Action, Circumstances, Denied, Effect, Explained, TableRef};
use polder_types::{DatasetId, ErrorKind, PrincipalId, TableName};
use serde_json::{Value, json};

use super::{by, time};
use crate::account;
use crate::cli::{ExplainArgs, Output};
use crate::described::Described;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::policy_test::{PRINCIPAL_KINDS, principal};
use crate::print::{self, Listing};
use crate::reading;

/// What stands for a condition on rows that is not told.
const WITHHELD: &str = "[withheld: it takes Describe on the table]";

/// Who is asked about.
struct Reader {
    principal: PrincipalId,
    groups: Vec<String>,
    purpose: Option<String>,
    at_micros: i64,
}

/// Whether others are asked about than whoever asks, or whoever asks as they would be in another group: that tells of the rights of others.
///
/// # Errors
/// When the account has no name that can be written.
pub fn of_another(args: &ExplainArgs) -> Outcome<bool> {
    let asker = account::current()?;
    Ok(!args.groups.is_empty() || args.principal.as_deref().is_some_and(|principal| principal != asker.as_str()))
}

/// Tells what of a table may be read, and by which policies. That [`of_another`] was permitted is the caller's affair. To whom may not
/// `Describe` the table it tells of no column that they do not see.
///
/// # Errors
/// When there is no such table, or none that whoever asks may know of; when an argument is wrong.
pub fn explain(installation: &Installation, args: &ExplainArgs, output: Output) -> Outcome {
    let principal = match args.principal.as_deref() {
        None => installation.actor.clone(),
        Some(text) => principal(text).ok_or_else(|| {
            let kinds = PRINCIPAL_KINDS.map(|kind| format!("{kind}:NAME")).join(", ");
            Failure::new(ErrorKind::Invalid, format!("take --as {text}: it is no principal; write one of {kinds}"))
        })?,
    };
    let mut groups = installation.project.environment().groups_of(principal.as_str());
    groups.extend(args.groups.iter().cloned());
    groups.sort();
    groups.dedup();
    let at_micros = time(args.at.as_deref(), installation.clock.now_ms())?;
    let reader = Reader { principal, groups, purpose: args.purpose.clone(), at_micros };
    let Some(table) = table(installation, &args.table)? else { return Err(not_found(&Denied::no_such_table(&args.table))) };
    let circumstances = Circumstances::at(reader.at_micros).with_purpose(reader.purpose.clone());
    let explained = installation.policies.explain(&reader.principal, &reader.groups, &table, &circumstances);
    let auditor = installation.policies.decide_installation(&installation.actor, &installation.groups, Action::Audit).allowed;
    if let (Some(denied @ Denied::Unknown { .. }), false) = (&explained.denied, auditor) {
        return Err(not_found(denied));
    }
    // Whoever asks about others may audit.
    let describes = installation.policies.decide(&installation.actor, &installation.groups, Action::Describe, &table).allowed;
    let told = Told::of(explained, auditor || describes);
    match output {
        Output::Table => lines(&reader, &told),
        Output::Json => print::json(&document(&reader, &told)),
        other => columns(&told.explained).print(other),
    }
}

/// An explanation without what whoever asks may not know of.
struct Told {
    explained: Explained,
    /// Which rows may be seen; none when all may.
    filter: Option<String>,
}

impl Told {
    /// A hidden column is no column of the table to whom may not `Describe` it, and conditions on rows name columns.
    fn of(mut explained: Explained, knows_columns: bool) -> Self {
        if knows_columns {
            let filter = explained.filter.as_ref().map(ToString::to_string);
            return Self { explained, filter };
        }
        explained.columns.retain(|column| column.sight.is_visible());
        for rows in &mut explained.rows {
            rows.condition = WITHHELD.to_owned();
            rows.doubt = rows.doubt.take().map(|_| WITHHELD.to_owned());
        }
        let filter = explained.filter.is_some().then(|| WITHHELD.to_owned());
        Self { explained, filter }
    }

    fn rows(&self) -> String {
        self.filter.as_ref().map_or_else(|| "all rows".to_owned(), |filter| format!("rows where {filter}"))
    }
}

fn not_found(denied: &Denied) -> Failure {
    Failure::of(denied.kind(), denied)
}

/// A table that is stored, or that a contract or model is for.
fn table(installation: &Installation, name: &str) -> Outcome<Option<TableRef>> {
    if let Some(table) = installation.table(name) {
        return Ok(Some(table));
    }
    let Ok(name) = TableName::new(name) else { return Ok(None) };
    let contracts = installation.project.contracts()?;
    let known = contracts.iter().any(|(_, contract)| contract.table == name) || installation.loaded_models()?.get(&name).is_some();
    Ok(known.then(|| Described::new(installation).table(&name, DatasetId([0; 16]))))
}

fn columns(explained: &Explained) -> Listing {
    let mut listing = Listing::new(&["column", "seen", "by"]);
    for column in &explained.columns {
        listing.row([json!(column.name), json!(reading::word(column.sight)), json!(column.policies)]);
    }
    listing
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Permits => "permit",
        Effect::Forbids => "forbid",
    }
}

fn lines(reader: &Reader, told: &Told) -> Outcome {
    let explained = &told.explained;
    let Reader { principal, groups, purpose, at_micros } = reader;
    let groups = if groups.is_empty() { "no group".to_owned() } else { groups.join(", ") };
    let purpose = purpose.as_ref().map_or_else(|| "no purpose".to_owned(), |purpose| format!("purpose {purpose}"));
    let at = print::time(at_micros.div_euclid(1_000));
    print::line(&format!("{principal} (in {groups}), for {purpose}, at {at}, may read of table {}:", explained.table))?;
    match &explained.denied {
        Some(_) => print::line(&format!("nothing ({})", by(&reading::policies(explained))))?,
        None => print::line(&format!("{} ({})", told.rows(), by(&reading::rows_policies(explained))))?,
    }
    for reason in &explained.reasons {
        print::line(&format!("  {reason}"))?;
    }
    if !explained.columns.is_empty() {
        print::line("")?;
        columns(explained).print(Output::Table)?;
    }
    if !explained.rows.is_empty() {
        print::line("")?;
        let mut listing = Listing::new(&["rows", "by", "where", "doubt"]);
        for rows in &explained.rows {
            listing.row([json!(effect(rows.effect)), json!(rows.policy), json!(rows.condition), json!(rows.doubt)]);
        }
        listing.print(Output::Table)?;
    }
    Ok(())
}

fn document(reader: &Reader, told: &Told) -> Value {
    let explained = &told.explained;
    let columns: Vec<Value> = explained
        .columns
        .iter()
        .map(|column| json!({ "column": column.name, "seen": reading::word(column.sight), "policies": column.policies }))
        .collect();
    let rows: Vec<Value> = explained
        .rows
        .iter()
        .map(|rows| json!({ "policy": rows.policy, "effect": effect(rows.effect), "condition": rows.condition, "doubt": rows.doubt }))
        .collect();
    json!({
        "principal": reader.principal.as_str(), "groups": reader.groups, "purpose": reader.purpose,
        "at": print::time(reader.at_micros.div_euclid(1_000)), "table": explained.table.as_str(), "denied": explained.denied.is_some(),
        "denied_by": explained.denied.as_ref().map(Denied::policies), "read": explained.read.allowed, "read_policies": explained.read.policies,
        "filter": told.filter, "columns": columns, "rows": rows, "reasons": explained.reasons,
    })
}
