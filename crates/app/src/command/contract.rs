//! `polder contract`: check, approve, list. What writes contracts stands in `propose` and `edit`, what shows profiles in `profile`.

use std::io::Write;
use std::path::{Path, PathBuf};

use polder_contract::approval::{approval_file, approval_text};
use polder_contract::domains::crossings;
use polder_contract::{Bounds, Contract, OnViolation, Problems};
use polder_keys::approver::ApproverKey;
use polder_policy::Action;
use polder_types::{ErrorKind, EventKind, printable};
use serde_json::{Value, json};

use crate::cli::{ContractCommand, Output};
use crate::command::edit;
use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::ingest;
use crate::installation::Installation;
use crate::print::{Listing, note, text};
use crate::project::Project;

const NO_CONTRACTS: &str = "{verb} the contracts: contracts/ holds none; `polder contract propose --write` writes first ones";

/// Runs a verb that needs no writer.
///
/// # Errors
/// When a contract is wrong.
pub fn offline(project: &Project, command: &ContractCommand, output: Output) -> Outcome {
    match command {
        ContractCommand::Check { name } => check(project, name.as_deref(), output),
        ContractCommand::Set { column, changes } => edit::set(project, column, changes),
        ContractCommand::Admit { columns } => edit::admit(project, columns),
        _ => list(project, output),
    }
}

fn list(project: &Project, output: Output) -> Outcome {
    let mut listing = Listing::new(&["table", "file", "source", "columns", "approved"]);
    for (path, contract) in project.contracts()? {
        let (table, source, columns) = (contract.table.to_string(), contract.source.clone(), contract.columns.len());
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let approved = match project.approved(&path, contract) {
            Ok(approved) => format!("by {}", approved.approver()),
            Err(failure) => failure.text().split(';').next().unwrap_or_default().split(": ").last().unwrap_or_default().to_owned(),
        };
        listing.row([json!(table), json!(file), json!(source), json!(columns), json!(approved)]);
    }
    listing.print(output)
}

fn check(project: &Project, name: Option<&str>, output: Output) -> Outcome {
    let contracts = match name {
        Some(name) => vec![project.contract(name)?],
        None => project.contracts()?,
    };
    domains_agree(project, name)?;
    ingest::can_be_asked(project, name)?;
    if contracts.is_empty() {
        return Err(Failure::new(ErrorKind::Invalid, NO_CONTRACTS.replace("{verb}", "check")));
    }
    project.patterns()?;
    let mut listing = Listing::new(&["table", "columns", "primary_key", "on_violation", "reject_limit", "approved"]);
    for (path, contract) in contracts {
        project.source(&contract.source)?.dataset(&contract.dataset)?;
        let key: Vec<Value> =
            contract.primary_key().into_iter().filter_map(|at| contract.columns.get(at)).map(|column| json!(column.name)).collect();
        let row = [
            json!(contract.table.to_string()),
            json!(contract.columns.len()),
            Value::Array(key),
            json!(violation(contract.on_violation)),
            json!(contract.reject_limit),
        ];
        let approved = project.approved(&path, contract).is_ok();
        listing.row(row.into_iter().chain([json!(approved)]));
    }
    listing.print(output)
}

/// Columns of one name are masked under one domain in all contracts, or say by name that they are not. Of the problems, those that a
/// contract has part in, or all.
fn domains_agree(project: &Project, name: Option<&str>) -> Outcome {
    let all = project.contracts()?;
    let contracts: Vec<&Contract> = all.iter().map(|(_, contract)| contract).collect();
    let file =
        name.and_then(|name| contracts.iter().find(|contract| contract.table.as_str() == name)).map(|contract| contract.file.as_str());
    let mut problems = crossings(&contracts);
    problems.retain(|problem| file.is_none_or(|file| problem.file == file || problem.problem.contains(file)));
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
}

fn violation(on_violation: OnViolation) -> &'static str {
    match on_violation {
        OnViolation::Fail => "fail",
        OnViolation::Quarantine => "quarantine",
        OnViolation::Drop => "drop",
    }
}

/// Signs contracts and records it: those of these tables, or all that are not approved as they stand. What is wrong with any of them is
/// told before one is signed.
///
/// # Errors
/// When a contract is wrong, approving is not permitted, the key cannot be used, or the answer is no.
pub async fn approve(installation: &Installation, names: Option<&[String]>, yes: bool, key: Option<&Path>) -> Outcome {
    let project = &installation.project;
    let names: Vec<String> = match names {
        Some(names) => names.to_vec(),
        None => {
            let contracts = project.contracts()?;
            if contracts.is_empty() {
                return Err(Failure::new(ErrorKind::Invalid, NO_CONTRACTS.replace("{verb}", "approve")));
            }
            let open = contracts.into_iter().filter(|(path, contract)| project.approved(path, contract.clone()).is_err());
            open.map(|(_, contract)| contract.table.to_string()).collect()
        }
    };
    if names.is_empty() {
        return text("every contract is approved as it stands");
    }
    for name in &names {
        approvable(project, name)?;
    }
    for name in &names {
        approve_one(installation, name, yes, key).await?;
    }
    Ok(())
}

/// That a contract is one that can be approved: its dataset is there, and it agrees with the others.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn approvable(project: &Project, name: &str) -> Outcome {
    let (_, contract) = project.contract(name)?;
    project.source(&contract.source)?.dataset(&contract.dataset)?;
    domains_agree(project, Some(name))?;
    ingest::can_be_asked(project, Some(name))
}

/// Records an approval and puts its file beside the contract. Who calls this has verified it.
///
/// # Errors
/// When it cannot be recorded, or the file not be put in its place.
pub(crate) async fn keep(installation: &Installation, name: &str, path: &Path, contract: &Contract, file: &str) -> Outcome<PathBuf> {
    let contract_hash = hex::encode(contract.semantic_hash());
    let target = Project::approval_path(path);
    let aside = write_aside(&target, file.as_bytes())?;
    if let Err(unrecorded) = record(installation, name, contract_hash).await {
        // Without its record the approval is none.
        let _ = std::fs::remove_file(&aside);
        return Err(unrecorded);
    }
    std::fs::rename(&aside, &target).map_err(|error| {
        let text = format!(
            "approve contract {name}: it is signed and recorded, and the file could not be put in its place; rename {} to {}",
            aside.display(),
            target.display()
        );
        Failure::because(ErrorKind::Unavailable, text, &error)
    })?;
    Ok(target)
}

async fn approve_one(installation: &Installation, name: &str, yes: bool, key: Option<&Path>) -> Outcome {
    let project = &installation.project;
    let (path, contract) = project.contract(name)?;
    // Once more: other answers may have taken their time.
    domains_agree(project, Some(name))?;
    ingest::can_be_asked(project, Some(name))?;
    if let Err(denied) = installation.may(Action::Approve, name).await {
        if installation.lease.is_none() {
            // Who only reads records no refusal: whoever serves refuses it too, and does.
            let hash = hex::encode(contract.semantic_hash());
            hosted::client::ask(project, &["contract", "approved", name, "--hash", &hash])?;
        }
        return Err(denied);
    }
    let key_path = project.approver_key(key)?;
    let approver = ApproverKey::open(&key_path)?;
    summary(&contract)?;
    if !yes && !confirmed("approve this contract? [y/N] ")? {
        return Err(Failure::new(ErrorKind::Invalid, format!("approve contract {name}: not confirmed; nothing was signed")));
    }
    let signature = approver.sign(approval_text(&contract).as_bytes())?;
    let file = approval_file(&contract, &approver.vkey(), &signature)?;
    let target = keep(installation, name, &path, &contract, &file).await?;
    if project.approved(&path, contract).is_err() {
        note(&format!(
            "warning: {} is not an approver of this environment yet; add to approvers in polder.yaml:\n  - {}",
            approver.name(),
            approver.vkey()
        ));
    }
    text(&format!("approved contract {name} as {}: {}", approver.name(), target.display()))
}

/// Records an approval: here, or where another process serves, there.
async fn record(installation: &Installation, name: &str, contract_hash: String) -> Outcome {
    if installation.lease.is_some() {
        let dataset = installation.keys.find(&format!("table:{name}"));
        return installation.record(EventKind::ContractApproved { dataset, contract_hash }).await;
    }
    match hosted::client::ask(&installation.project, &["contract", "approved", name, "--hash", &contract_hash])? {
        Some(answer) if answer.code == 0 => Ok(()),
        Some(answer) => {
            note(answer.notes.trim_end());
            let text = format!("approve contract {name}: `polder serve` did not record it, and nothing was approved; see what it says");
            Err(Failure::new(ErrorKind::Unavailable, text).exiting(answer.code))
        }
        None => {
            let text = format!("approve contract {name}: `polder serve` has just ended, and nothing was approved; try again");
            Err(Failure::new(ErrorKind::Unavailable, text))
        }
    }
}

/// Records, inside the process that serves, an approval that another process of this machine has signed: that of a contract as it stands.
///
/// # Errors
/// When it is not permitted, the contract is another by now, or it cannot be recorded.
pub async fn approved(installation: &Installation, name: &str, hash: &str) -> Outcome {
    if hosted::current().is_none() {
        let text = format!("record the approval of contract {name}: `polder contract approve` signs and records it");
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let (_, contract) = installation.project.contract(name)?;
    installation.may(Action::Approve, name).await?;
    let contract_hash = hex::encode(contract.semantic_hash());
    if contract_hash != hash {
        let text = format!("approve contract {name}: it was changed meanwhile; look at it again");
        return Err(Failure::new(ErrorKind::Conflict, text));
    }
    let dataset = installation.keys.find(&format!("table:{name}"));
    installation.record(EventKind::ContractApproved { dataset, contract_hash }).await
}

/// Writes an approval, durable, beside where it belongs: what the log says was approved must not fail to be there.
fn write_aside(target: &Path, text: &[u8]) -> Outcome<PathBuf> {
    let failed = |error: std::io::Error| Failure::because(ErrorKind::Unavailable, format!("write {}", target.display()), &error);
    if target.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    let aside = target.with_extension("approval.new");
    // One that a killed program left.
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&aside).map_err(failed)?;
    if let Err(error) = file.write_all(text).and_then(|()| file.sync_all()) {
        let _ = std::fs::remove_file(&aside);
        return Err(failed(error));
    }
    Ok(aside)
}

/// What a person is about to sign.
fn summary(contract: &Contract) -> Outcome {
    note(&printable(&format!("contract for table {}, from dataset {} of source {}:", contract.table, contract.dataset, contract.source)));
    for column in &contract.columns {
        let mut rules = vec![column.ty.to_string()];
        if column.primary_key.is_some() {
            rules.push("primary key".to_owned());
        } else if column.required {
            rules.push("required".to_owned());
        }
        if column.unique {
            rules.push("unique".to_owned());
        }
        match column.bounds {
            Bounds::None => {}
            Bounds::Whole { min, max } if column.ty.to_string().starts_with("int") => rules.push(format!("{min} to {max}")),
            // Dates and decimals are held as whole numbers of a unit that says little here.
            Bounds::Whole { .. } => rules.push("within the bounds of the file".to_owned()),
            Bounds::Float { min, max, .. } => rules.push(format!("{min} to {max}")),
        }
        match (column.min_length, column.max_length) {
            (None, None) => {}
            (least, most) => rules.push(format!(
                "{} to {} characters",
                least.unwrap_or(0),
                most.map_or("any number of".to_owned(), |most| most.to_string())
            )),
        }
        if let Some(pattern) = &column.pattern {
            rules.push(format!("matches {pattern}"));
        }
        if let Some(values) = &column.valid_values {
            rules.push(format!("one of {} values", values.len()));
        }
        if !column.null_tokens.is_empty() {
            rules.push(format!("null when {}", column.null_tokens.join(" or ")));
        }
        for waiver in &column.waivers {
            rules.push(format!("{} let through, since {} says: {}", waiver.kind, waiver.approver, waiver.reason));
        }
        for kind in &column.personal {
            rules.push(format!("may hold personal data: {kind}"));
        }
        if let Some(classification) = &column.classification {
            rules.push(classification.clone());
        }
        if let Some(mask) = &column.mask {
            let stored = column.stored().map_or_else(|| "not stored".to_owned(), |stored| format!("stored as {stored}"));
            rules.push(format!("masked ({mask}), {stored}"));
        }
        let renamed = if column.physical_name == column.name { String::new() } else { format!(" (from {})", column.physical_name) };
        note(&printable(&format!("  {:<24} {}{renamed}", column.name, rules.join(", "))));
    }
    note(&format!(
        "every other column stays outside; rows that break a rule: {}; a load of which more than {} of the rows do so fails",
        violation(contract.on_violation),
        contract.reject_limit
    ));
    Ok(())
}

/// Asks a person; without a terminal the answer is no.
///
/// # Errors
/// When the terminal cannot be read.
pub fn confirmed(question: &str) -> Outcome<bool> {
    if !hosted::is_terminal() {
        return Ok(false);
    }
    let failed = |error: std::io::Error| Failure::because(ErrorKind::Unavailable, "ask on the terminal", &error);
    let answer = hosted::ask(question).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
