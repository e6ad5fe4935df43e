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
pub(super) const MEMORY_MIB: u64 = 256;

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

pub(super) fn own(installation: &Installation, approved: &Approved) -> Outcome<TableRef> {
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
    let mut answer = door.query(asker, &question.sql(table), &QueryOptions { whole: true, ..QueryOptions::default() }).await?;
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

/// The other tables that a question is about, in the table of its contract: what views read among them.
fn others(question: &Question, own: &TableName, models: &Models) -> BTreeSet<TableName> {
    let named = match question.refers_to() {
        Some(table) => BTreeSet::from([table.clone()]),
        // What is no query is told where it is checked.
        None => polder_engine::check_query(&question.sql(own)).unwrap_or_default(),
    };
    let (mut todo, mut others) = (Vec::from_iter(named), BTreeSet::new());
    while let Some(other) = todo.pop() {
        if other == *own || others.contains(&other) {
            continue;
        }
        if let Some(view) = models.get(&other).filter(|model| model.materialized == Materialized::View) {
            todo.extend(view.inputs.iter().cloned());
        }
        others.insert(other);
    }
    others
}

/// The other tables that all questions of a contract are about.
fn needed(contract: &Contract, models: &Models) -> BTreeSet<TableName> {
    contract.questions.iter().flat_map(|question| others(question, &contract.table, models)).collect()
}

/// Contracts in an order in which each comes after those that its questions are about; where these go in a circle, as they stood.
pub fn in_order<T>(contracts: Vec<(T, Contract)>, models: &Models) -> Vec<(T, Contract)> {
    let tables: BTreeSet<TableName> = contracts.iter().map(|(_, contract)| contract.table.clone()).collect();
    let mut waiting: Vec<(BTreeSet<TableName>, (T, Contract))> =
        contracts.into_iter().map(|entry| (needed(&entry.1, models), entry)).collect();
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

/// Whether what contracts ask can be asked, as [`unaskable`] tells. Of the problems those that one table has part in, or all.
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
    let contracts: Vec<&Contract> = contracts.iter().map(|(_, contract)| contract).collect();
    let problems = unaskable(&contracts, &models, chosen);
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
}

/// What of the questions of contracts that are chosen cannot be asked, from the project's files alone: relationships lead to columns that are
/// stored alike, rules in SQL are queries, and no table refers to one that refers to it, by whichever of the two. Whether a query finds its
/// columns, and answers one number, is not known before it is asked.
pub fn unaskable(contracts: &[&Contract], models: &Models, chosen: impl Fn(&Contract, &Question) -> bool) -> Vec<Problem> {
    let by_table: BTreeMap<&TableName, &Contract> = contracts.iter().map(|contract| (&contract.table, *contract)).collect();
    let needs: Needs<'_> = contracts.iter().map(|contract| (&contract.table, needed(contract, models))).collect();
    let mut problems = Vec::new();
    for &contract in contracts {
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
            for other in others(question, &contract.table, models) {
                if lead(&needs, &other, &contract.table) {
                    let problem = format!("table {other} refers to {} in turn, so neither can be loaded first", contract.table);
                    wrong(problem, "remove the relationship or the rule of one of them");
                }
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
    problems
}

/// What the questions of each table's contract are about.
type Needs<'a> = BTreeMap<&'a TableName, BTreeSet<TableName>>;

/// Whether the questions of a table's contract lead to another table, over others too.
fn lead(needs: &Needs<'_>, from: &TableName, to: &TableName) -> bool {
    let (mut todo, mut seen) = (vec![from], BTreeSet::new());
    while let Some(table) = todo.pop() {
        for other in needs.get(table).into_iter().flatten() {
            if other == to {
                return true;
            }
            if seen.insert(other) {
                todo.push(other);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A contract of a table that refers to others, and whose rules in SQL are these.
    fn asking(table: &str, to: &[&str], queries: &[&str]) -> Contract {
        let relationships: Vec<String> = to.iter().map(|to| format!("{{to: {to}.id}}")).collect();
        let rules: Vec<String> = queries.iter().map(|query| format!("{{type: sql, query: \"{query}\", mustBe: 0}}")).collect();
        let quality = if rules.is_empty() { String::new() } else { format!("    quality: [{}]\n", rules.join(", ")) };
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: i\nversion: 1.0.0\nstatus: active\ncustomProperties: [{{property: polder.source, value: s}}]\n\
             schema:\n  - name: {table}\n{quality}    properties: [{{name: id, logicalType: string, relationships: [{}]}}]\n",
            relationships.join(", ")
        );
        Contract::parse(&text, &format!("{table}.yaml")).unwrap()
    }

    fn contract(table: &str, to: &[&str]) -> (usize, Contract) {
        (0, asking(table, to, &[]))
    }

    /// Models with a view over a table.
    fn view(name: &str, over: &str) -> Models {
        let text = format!("-- polder: materialized = view\nselect id from {over}\n");
        Models::load(&[(format!("models/{name}.sql"), text)]).unwrap()
    }

    #[test]
    fn tables_come_after_those_that_they_refer_to() {
        let order = |contracts: Vec<(usize, Contract)>| {
            in_order(contracts, &view("v", "c")).into_iter().map(|(_, contract)| contract.table.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(vec![contract("a", &["b", "x"]), contract("b", &["c", "b"]), contract("c", &[]), contract("d", &[])]), "c b a d");
        // A circle ends.
        assert_eq!(order(vec![contract("a", &["b"]), contract("b", &["a"]), contract("c", &[])]), "c a b");
        // What a view reads is there before the view is asked, and so is what a rule in SQL names.
        assert_eq!(order(vec![contract("a", &["v"]), contract("c", &[])]), "c a");
        assert_eq!(order(vec![(0, asking("a", &[], &["select count(*) from c"])), contract("c", &[])]), "c a");
    }

    #[test]
    fn a_circle_is_told_whether_relationships_make_it_or_rules_in_sql_or_views() {
        let told = |contracts: &[Contract]| -> Vec<String> {
            let contracts: Vec<&Contract> = contracts.iter().collect();
            unaskable(&contracts, &view("v", "b"), |_, _| true).iter().map(ToString::to_string).collect()
        };
        let (names_a, names_b) = ("select count(*) from a", "select count(*) from b where id not in (select id from ${table})");
        for (circle, label) in [
            ([asking("a", &[], &[names_b]), asking("b", &[], &[names_a])], "quality rule 1 in SQL"),
            ([asking("a", &["b"], &[]), asking("b", &[], &[names_a])], "the relationship of id to b.id"),
            ([asking("a", &["v"], &[]), asking("b", &[], &[names_a])], "the relationship of id to v.id"),
        ] {
            let told = told(&circle);
            assert_eq!(told.len(), 2, "{told:?}");
            let wanted = format!("a.yaml, line 1: {label}: table b refers to a in turn, so neither can be loaded first; ");
            assert!(told[0].starts_with(&wanted), "{told:?}");
            assert!(told[1].starts_with("b.yaml, line 1: quality rule 1 in SQL: table a refers to b in turn"), "{told:?}");
        }
        // Over a third table all three have part in it.
        let three = [asking("a", &[], &[names_b]), asking("b", &["c"], &[]), asking("c", &[], &[names_a])];
        assert_eq!(told(&three).len(), 3, "{:?}", told(&three));
        // A rule may name its own table, and two may name a third one.
        let none = [asking("a", &["a"], &[names_a, names_b]), asking("b", &[], &[]), asking("c", &["b"], &[names_a])];
        assert_eq!(told(&none), Vec::<String>::new());
    }
}
