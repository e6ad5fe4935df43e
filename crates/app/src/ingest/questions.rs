//! What a contract asks of its table as a load would leave it: asked through the SQL door, by whoever loads, before the commit.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array as _, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use polder_contract::question::{Answers, Question};
use polder_contract::{Approved, Contract, Problem, Problems};
use polder_engine::{Asker, Door, QueryOptions};
use polder_lake::Lake;
use polder_policy::Action;
use polder_types::{ErrorKind, TableName};

use crate::failure::{Failure, Outcome};
use crate::ingest::sink::LakeSink;
use crate::installation::Installation;
use crate::project::Project;

/// Memory for one question, in MiB; what does not fit is spilled, sealed.
const MEMORY_MIB: u64 = 256;

/// Asks all questions of a contract about what was staged.
pub(super) async fn ask(installation: &Installation, lake: &Lake, approved: &Approved, sink: &LakeSink<'_>) -> Outcome<Answers> {
    let mut answers = Vec::new();
    if !approved.questions.is_empty() {
        let table = &approved.table;
        let own = installation
            .table(table.as_str())
            .ok_or_else(|| Failure::new(ErrorKind::Internal, format!("check table {table}: it has no key; report this as a defect")))?;
        let state = installation.journal.state();
        for question in &approved.questions {
            let Some(other) = question.refers_to().filter(|other| *other != table) else { continue };
            let is_model = installation.loaded_models()?.get(other).is_some();
            let is_there =
                installation.table(other.as_str()).is_some_and(|other| state.tables.get(&other.id).is_some_and(|head| head.sequence > 0));
            if !is_there && !is_model {
                let text = format!("check {}: table {other} has no rows yet; load it first", question.label());
                return Err(Failure::new(ErrorKind::Rejected, text));
            }
        }
        // Asked anew: a table that is loaded for the first time had no id when the load was permitted.
        let permit = installation.may(Action::Run, table.as_str()).await?;
        let door = installation.door_over(lake, MEMORY_MIB, own, sink.finished(&permit).await?)?;
        let asker = installation.asker();
        for question in &approved.questions {
            let answer = answer(&door, &asker, question, table).await;
            answers.push(answer.map_err(|failure| failure.during(format!("ask {} of table {table}", question.label())))?);
        }
    }
    Ok(Answers::judge(approved, &answers)?)
}

/// The one number that a question's query answers; what is null is none.
async fn answer(door: &Door, asker: &Asker, question: &Question, table: &TableName) -> Outcome<f64> {
    let batches = door.query(asker, &question.sql(table), &QueryOptions::default()).await?.collect().await?;
    let wrong =
        || Failure::new(ErrorKind::Rejected, "its answer is not one row with one number; let the query count, or compute one number");
    let mut numbers = Vec::new();
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        let [column] = batch.columns() else { return Err(wrong()) };
        let is_number = column.data_type().is_numeric() || *column.data_type() == DataType::Boolean;
        let floats = cast(column, &DataType::Float64).ok().filter(|_| is_number).ok_or_else(wrong)?;
        let floats = floats.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
        numbers.extend(floats.iter().take(2));
    }
    match numbers.as_slice() {
        [Some(number)] => Ok(*number),
        _ => Err(wrong()),
    }
}

/// Contracts in an order in which each comes after those that it refers to; where they refer to each other in a circle, as they stood.
pub fn in_order<T>(contracts: Vec<(T, Contract)>) -> Vec<(T, Contract)> {
    let tables: BTreeSet<TableName> = contracts.iter().map(|(_, contract)| contract.table.clone()).collect();
    let mut waiting = contracts;
    let mut done: BTreeSet<TableName> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready = |contract: &Contract| {
            let mut others = contract.questions.iter().filter_map(Question::refers_to);
            others.all(|other| *other == contract.table || done.contains(other) || !tables.contains(other))
        };
        let place = waiting.iter().position(|(_, contract)| ready(contract)).unwrap_or(0);
        let next = waiting.remove(place);
        done.insert(next.1.table.clone());
        ordered.push(next);
    }
    ordered
}

/// Whether what contracts ask can be asked: relationships lead to columns that are stored, and rules in SQL are queries. Of the problems
/// those of one table, or all.
///
/// # Errors
/// What cannot be asked, with the contract's file.
pub fn can_be_asked(project: &Project, only: Option<&str>) -> Outcome {
    let contracts = project.contracts()?;
    let models: BTreeSet<String> = project.models()?.into_iter().map(|(name, _)| name).collect();
    let by_table: BTreeMap<&TableName, &Contract> = contracts.iter().map(|(_, contract)| (&contract.table, contract)).collect();
    let mut problems = Vec::new();
    for (_, contract) in contracts.iter().filter(|(_, contract)| only.is_none_or(|only| contract.table.as_str() == only)) {
        for question in &contract.questions {
            let mut wrong = |problem: String, advice: &str| {
                problems.push(Problem { file: contract.file.clone(), line: 1, problem, advice: advice.to_owned() });
            };
            if let Err(problem) = polder_engine::check_query(&question.sql(&contract.table)) {
                wrong(format!("{} cannot be asked: {problem}", question.label()), "correct the query");
            }
            let polder_contract::question::Asks::Relationship { table, to, .. } = &question.asks else { continue };
            match by_table.get(table) {
                Some(other) => {
                    let held = |name: &String| other.columns.iter().any(|column| column.name == *name && column.stored().is_some());
                    for column in to.iter().filter(|column| !held(column)) {
                        wrong(
                            format!("{}: table {table} has no column {column}", question.label()),
                            "name one that its contract authorises",
                        );
                    }
                }
                None if models.contains(table.as_str()) => {}
                None => {
                    wrong(format!("{}: no contract fills table {table}, and no model has its name", question.label()), "correct the name")
                }
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
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
