//! Contracts for those who may run or approve them. Whoever may only read a table does not see its contract, which names columns that may be
//! hidden from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_contract::approval::{approval_text, signers};
use polder_contract::{Change, Contract};
use polder_policy::Action;
use polder_serve::Fault;
use polder_serve::works::{Approval, Comparison, ContractChange, ContractFile, ContractHead, Unchanged};
use polder_types::ErrorKind;

use super::runs::{Runs, finished};
use super::{allowed, failed, unreadable};
use crate::command::contract::{approvable, keep};
use crate::failure::Failure;
use crate::installation::Installation;
use crate::print;
use crate::review::contracts::changes;

/// Longest approval, in bytes: sixteen signatures take less than half of it.
const NOTE_MAX_BYTES: usize = 16 << 10;

fn no_such_contract() -> Fault {
    Fault::new(
        ErrorKind::NotFound,
        "find contract: there is none of this name that you may know of; GET /v1/contracts lists those that you may",
    )
}

fn known(acting: &Installation, name: &str) -> bool {
    allowed(acting, Action::Run, name) || allowed(acting, Action::Approve, name)
}

fn found(acting: &Installation, name: &str) -> Result<(PathBuf, Contract), Fault> {
    let contracts = acting.project.contracts().map_err(|failure| unreadable(&failure))?;
    let found = contracts.into_iter().find(|(_, contract)| contract.table.as_str() == name);
    found.filter(|_| known(acting, name)).ok_or_else(no_such_contract)
}

fn head(acting: &Installation, path: &Path, contract: &Contract) -> ContractHead {
    ContractHead {
        name: contract.table.to_string(),
        file: acting.project.shown(path),
        source: contract.source.clone(),
        dataset: contract.dataset.clone(),
        version: contract.version.clone(),
        columns: contract.columns.len(),
        semantic_hash: hex::encode(contract.semantic_hash()),
        approved_by: acting.project.approved(path, contract.clone()).ok().map(|approved| approved.approver().to_owned()),
    }
}

pub(super) fn list(acting: &Installation) -> Result<Vec<ContractHead>, Fault> {
    let contracts = acting.project.contracts().map_err(|failure| unreadable(&failure))?;
    let seen = contracts.iter().filter(|(_, contract)| known(acting, contract.table.as_str()));
    Ok(seen.map(|(path, contract)| head(acting, path, contract)).collect())
}

pub(super) fn show(acting: &Installation, name: &str) -> Result<ContractFile, Fault> {
    let (path, contract) = found(acting, name)?;
    let unread = |error: std::io::Error| {
        unreadable(&Failure::because(ErrorKind::Unavailable, format!("read {}", acting.project.shown(&path)), &error))
    };
    let text = std::fs::read_to_string(&path).map_err(unread)?;
    // Of the text that is shown, should the file have changed since it was found.
    let contract = match Contract::parse(&text, &contract.file) {
        Ok(contract) if contract.table.as_str() == name => contract,
        _ => return Err(Fault::new(ErrorKind::Unavailable, format!("read contract {name}: it is being changed; ask again"))),
    };
    Ok(ContractFile { head: head(acting, &path, &contract), approval_text: approval_text(&contract), text })
}

pub(super) fn compare(acting: &Installation, name: &str, text: &str) -> Result<Comparison, Fault> {
    let (_, contract) = found(acting, name)?;
    let proposed = Contract::parse(text, "the proposed text").map_err(|problems| {
        let problems = Failure::from(problems).to_string().replace('\n', "; ");
        Fault::new(ErrorKind::Rejected, format!("compare contract {name}: {problems}"))
    })?;
    if proposed.table != contract.table {
        let text = format!("compare contract {name}: the proposed text is a contract for table {}; send it to that one", proposed.table);
        return Err(Fault::new(ErrorKind::Rejected, text));
    }
    let changes = changes(Some(&contract), Some(&proposed)).into_iter().map(change).collect();
    Ok(Comparison { semantic_hash: hex::encode(proposed.semantic_hash()), changes })
}

fn change(change: Change) -> ContractChange {
    ContractChange {
        change: change.kind.name(),
        column: change.column,
        before: change.before,
        line: change.line,
        what: change.what,
        lets_in: change.lets_in,
        keeps_out: change.keeps_out,
        breaks: change.breaks,
        migration: (change.migration.step.name(), change.migration.text),
    }
}

/// An approval could not be recorded, or not be written. Where files of the server lie is told to whoever keeps it.
fn unkept(name: &str, failure: &Failure) -> Fault {
    print::warn("an approval could not be kept", failure);
    let text = format!("approve contract {name}: the approval could not be kept; whoever keeps the server sees why, and what to do");
    Fault::new(failure.kind(), text)
}

pub(super) async fn approve(
    runs: &Runs,
    acting: Installation,
    name: &str,
    note: &str,
    unchanged: Unchanged<'_>,
) -> Result<Approval, Fault> {
    found(&acting, name)?;
    acting.may(Action::Approve, name).await.map_err(|denied| failed(&denied))?;
    // Of two who saw the same, the second one sees that it is not so any more.
    let one = Arc::clone(&runs.approving).lock_owned().await;
    if !unchanged(&show(&acting, name)?) {
        return Ok(Approval::Changed);
    }
    let (path, contract) = found(&acting, name)?;
    if note.len() > NOTE_MAX_BYTES {
        let text = format!("approve contract {name}: the note is longer than {NOTE_MAX_BYTES} bytes; send the approval alone");
        return Err(Fault::new(ErrorKind::Rejected, text));
    }
    let enrolled = acting.project.approvers().map_err(|failure| unreadable(&failure))?;
    signers(&contract, Some(note), &enrolled).map_err(|error| failed(&Failure::of(error.kind(), &error)))?;
    approvable(&acting.project, name).map_err(|failure| failed(&failure))?;
    let (name, note) = (name.to_owned(), note.to_owned());
    finished(async move {
        let _one = one;
        keep(&acting, &name, &path, &contract, &note).await.map_err(|failure| unkept(&name, &failure))?;
        Ok(Approval::Taken(Box::new(show(&acting, &name)?)))
    })
    .await
}
