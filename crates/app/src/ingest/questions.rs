//! What a contract asks of its table as a load would leave it: asked through the SQL door, by whoever loads, before the commit.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array as _, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use futures::TryStreamExt as _;
use polder_contract::domains::not_comparable;
use polder_contract::question::{Answers, Asks, Question};
use polder_contract::{Approved, Contract, Problem, Problems};
use polder_engine::{Asker, Door, Materialized, Models, QueryOptions};
use polder_lake::Lake;
use polder_policy::{Action, TableRef};
use polder_types::{ErrorKind, TableName};

use crate::failure::{Failure, Outcome};
use crate::ingest::sink::LakeSink;
use crate::installation::Installation;
use crate::project::Project;

/// Memory for one question, in MiB; what does not fit is spilled, sealed.
const MEMORY_MIB: u64 = 256;

/// Asks all questions of a contract about what was staged.
pub(super) async fn ask(installation: &Installation, lake: &Lake, approved: &Approved, sink: &LakeSink<'_>) -> Outcome<Answers> {
    if approved.questions.is_empty() {
        return Ok(Answers::judge(approved, &[])?);
    }
    let own = own(installation, approved)?;
    // Asked anew: a table that is loaded for the first time had no id when the load was permitted.
    let permit = installation.may(Action::Run, approved.table.as_str()).await?;
    let door = installation.door_over(lake, MEMORY_MIB, own, sink.finished(&permit).await?)?;
    judged(installation, approved, &door).await
}

/// Asks all questions of a contract about what is visible: for a contract that changed where nothing new is to be loaded.
///
/// # Errors
/// As [`ask`].
pub(super) async fn ask_visible(installation: &Installation, lake: &Lake, approved: &Approved) -> Outcome {
    let door = installation.door(lake, MEMORY_MIB)?;
    judged(installation, approved, &door).await.map(drop)
}

fn own(installation: &Installation, approved: &Approved) -> Outcome<TableRef> {
    let table = &approved.table;
    installation
        .table(table.as_str())
        .ok_or_else(|| Failure::new(ErrorKind::Internal, format!("check table {table}: it has no key; report this as a defect")))
}

async fn judged(installation: &Installation, approved: &Approved, door: &Door) -> Outcome<Answers> {
    let table = &approved.table;
    // What others ask of this table, in contracts that may not even be approved, is no reason to refuse its rows.
    checked(&installation.project, |contract, _| contract.table == *table)?;
    let state = installation.journal.state();
    for question in &approved.questions {
        let Some(other) = question.refers_to().filter(|other| *other != table) else { continue };
        let is_view = installation.loaded_models()?.get(other).is_some();
        let is_there =
            installation.table(other.as_str()).is_some_and(|other| state.tables.get(&other.id).is_some_and(|head| head.sequence > 0));
        if !is_there && !is_view {
            let text = format!("check {}: table {other} has no rows yet; load it first", question.label());
            return Err(Failure::new(ErrorKind::Rejected, text));
        }
    }
    let asker = installation.asker();
    let mut answers = Vec::new();
    for question in &approved.questions {
        let answer = answer(door, &asker, question, table).await;
        answers.push(answer.map_err(|failure| failure.during(format!("ask {} of table {table}", question.label())))?);
    }
    Ok(Answers::judge(approved, &answers)?)
}

/// The one number that a question's query answers; what is null is none.
async fn answer(door: &Door, asker: &Asker, question: &Question, table: &TableName) -> Outcome<f64> {
    let wrong =
        || Failure::new(ErrorKind::Rejected, "its answer is not one row with one number; let the query count, or compute one number");
    let mut answer = door.query(asker, &question.sql(table), &QueryOptions::default()).await?;
    let mut number = None;
    while let Some(batch) = answer.try_next().await? {
        if batch.num_rows() == 0 {
            continue;
        }
        let [column] = batch.columns() else { return Err(wrong()) };
        let is_number = column.data_type().is_numeric() || *column.data_type() == DataType::Boolean;
        if number.is_some() || batch.num_rows() > 1 || !is_number {
            return Err(wrong());
        }
        let floats = cast(column, &DataType::Float64).map_err(|_| wrong())?;
        number = floats.as_primitive_opt::<Float64Type>().and_then(|floats| floats.iter().next().flatten());
        if number.is_none() {
            return Err(wrong());
        }
    }
    number.ok_or_else(wrong)
}

/// The other tables that a contract's questions are about.
fn others(contract: &Contract) -> BTreeSet<TableName> {
    let of = |question: &Question| match question.refers_to() {
        Some(table) => BTreeSet::from([table.clone()]),
        // What is no query is told where it is checked.
        None => polder_engine::check_query(&question.sql(&contract.table)).unwrap_or_default(),
    };
    contract.questions.iter().flat_map(of).filter(|other| *other != contract.table).collect()
}

/// Contracts in an order in which each comes after those that its questions are about; where these go in a circle, as they stood.
pub fn in_order<T>(contracts: Vec<(T, Contract)>) -> Vec<(T, Contract)> {
    let tables: BTreeSet<TableName> = contracts.iter().map(|(_, contract)| contract.table.clone()).collect();
    let mut waiting: Vec<(BTreeSet<TableName>, (T, Contract))> = contracts.into_iter().map(|entry| (others(&entry.1), entry)).collect();
    let mut done: BTreeSet<TableName> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready = |others: &BTreeSet<TableName>| others.iter().all(|other| done.contains(other) || !tables.contains(other));
        let place = waiting.iter().position(|(others, _)| ready(others)).unwrap_or(0);
        let (_, next) = waiting.remove(place);
        done.insert(next.1.table.clone());
        ordered.push(next);
    }
    ordered
}

/// Whether what contracts ask can be asked: relationships lead to columns that are stored alike, rules in SQL are queries, and no table
/// refers to one that refers to it. Of the problems those that one table has part in, or all.
///
/// # Errors
/// What cannot be asked, with the contract's file.
pub fn can_be_asked(project: &Project, only: Option<&str>) -> Outcome {
    checked(project, |contract, question| {
        let part = |only: &str| contract.table.as_str() == only || question.refers_to().is_some_and(|other| other.as_str() == only);
        only.is_none_or(part)
    })
}

/// Checks the questions that are chosen.
fn checked(project: &Project, chosen: impl Fn(&Contract, &Question) -> bool) -> Outcome {
    let contracts = project.contracts()?;
    if contracts.iter().all(|(_, contract)| contract.questions.is_empty()) {
        return Ok(());
    }
    let files: Vec<_> = project.models()?.into_iter().map(|(name, text)| (format!("models/{name}.sql"), text)).collect();
    let models = Models::load(&files)?;
    let by_table: BTreeMap<&TableName, &Contract> = contracts.iter().map(|(_, contract)| (&contract.table, contract)).collect();
    let mut problems = Vec::new();
    for (_, contract) in &contracts {
        for question in &contract.questions {
            if !chosen(contract, question) {
                continue;
            }
            let mut wrong = |problem: String, advice: &str| {
                let problem = format!("{}: {problem}", question.label());
                problems.push(Problem { file: contract.file.clone(), line: 1, problem, advice: advice.to_owned() });
            };
            if let Err(problem) = polder_engine::check_query(&question.sql(&contract.table)) {
                wrong(format!("it cannot be asked: {problem}"), "correct the query");
            }
            let Asks::Relationship { from, table, to } = &question.asks else { continue };
            let Some(other) = by_table.get(table) else {
                match models.get(table) {
                    Some(model) if model.materialized == Materialized::View => {}
                    Some(_) => {
                        wrong(format!("model {table} is built after all loads"), "refer to a table that a contract fills, or to a view")
                    }
                    None => wrong(format!("no contract fills table {table}, and no model has its name"), "correct the name"),
                }
                continue;
            };
            if other.table != contract.table && refers(&by_table, other, &contract.table) {
                wrong(
                    format!("table {table} refers to {} in turn, so neither can be loaded first", contract.table),
                    "remove one relationship",
                );
            }
            for (from, to) in from.iter().zip(to) {
                let column = |contract: &Contract, name: &String| contract.columns.iter().find(|column| column.name == *name).cloned();
                let (Some(here), Some(there)) = (column(contract, from), column(other, to).filter(|column| column.stored().is_some()))
                else {
                    wrong(format!("table {table} has no column {to}"), "name one that its contract authorises and stores");
                    continue;
                };
                if let Some(why) = not_comparable(&here, &there) {
                    wrong(why, "store both alike: as they are and of one type, or under one domain");
                }
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
}

/// Whether a contract's relationships lead to a table, over others too.
fn refers(by_table: &BTreeMap<&TableName, &Contract>, from: &Contract, to: &TableName) -> bool {
    let (mut todo, mut seen) = (vec![from], BTreeSet::new());
    while let Some(contract) = todo.pop() {
        for other in contract.questions.iter().filter_map(Question::refers_to) {
            if other == to {
                return true;
            }
            if seen.insert(other) {
                todo.extend(by_table.get(other).copied());
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(table: &str, to: &[&str]) -> (usize, Contract) {
        let relationships: Vec<String> = to.iter().map(|to| format!("{{to: {to}.id}}")).collect();
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: i\nversion: 1.0.0\nstatus: active\ncustomProperties: [{{property: polder.source, value: s}}]\n\
             schema:\n  - name: {table}\n    properties: [{{name: id, logicalType: string, relationships: [{}]}}]\n",
            relationships.join(", ")
        );
        (0, Contract::parse(&text, "c.yaml").unwrap())
    }

    #[test]
    fn tables_come_after_those_that_they_refer_to() {
        let order = |contracts: Vec<(usize, Contract)>| {
            in_order(contracts).into_iter().map(|(_, contract)| contract.table.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(vec![contract("a", &["b", "x"]), contract("b", &["c", "b"]), contract("c", &[]), contract("d", &[])]), "c b a d");
        // A circle ends.
        assert_eq!(order(vec![contract("a", &["b"]), contract("b", &["a"]), contract("c", &[])]), "c a b");
    }
}
