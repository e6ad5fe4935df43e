//! Models that read a table, through other models too: computed anew, then without a past.

use std::collections::BTreeSet;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use futures::TryStreamExt as _;
use polder_engine::{ColumnRef, Materialized, Model, Models, Predicate, QueryOptions};
use polder_lake::Lake;
use polder_types::event::TableOperation;
use polder_types::{DatasetId, ErrorKind, EventKind, TableName};

use super::{Order, purge};
use crate::command::model::build;
use crate::course::Course;
use crate::failpoint;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;

/// Whether a model reads a table, through other models too.
pub fn reads(models: &Models, model: &Model, table: &str) -> bool {
    let below = |input: &TableName| models.get(input).is_some_and(|below| reads(models, below, table));
    model.inputs.iter().any(|input| input.as_str() == table || below(input))
}

/// The one number that a question answers.
pub(super) async fn counted(installation: &Installation, lake: &Lake, question: &str, memory_mib: u64) -> Outcome<u64> {
    let door = installation.door(lake, memory_mib)?;
    let batches: Vec<_> =
        door.query(&installation.asker(), question, &QueryOptions { whole: true, ..QueryOptions::default() }).await?.try_collect().await?;
    let number = batches.iter().find_map(|batch| batch.columns().first()?.as_primitive_opt::<Int64Type>()?.iter().next().flatten());
    let internal = || Failure::new(ErrorKind::Internal, "count the rows that are meant: there is no answer; report this as a defect");
    number.and_then(|number| u64::try_from(number).ok()).ok_or_else(internal)
}

/// Refuses while a table is stored that a model computed which is there no longer, or is a view now: nobody knows what it holds.
pub(super) fn none_unknown(installation: &Installation, models: &Models) -> Outcome {
    let state = installation.journal.state();
    for info in installation.keys.datasets() {
        let Some(name) = info.name.strip_prefix("table:").and_then(|name| TableName::new(name).ok()) else { continue };
        let built = state.tables.get(&info.id).is_some_and(|head| head.versions.iter().any(|one| one.operation == TableOperation::Model));
        if built && models.get(&name).is_none_or(|model| model.materialized == Materialized::View) {
            let text = format!(
                "find the models that hold rows of it: {name} was computed by a model that models/ does not hold any more, or holds as a view, so nobody knows what lies there; put the file back as it was, or remove what it computed with `polder table drop {name}`"
            );
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
    }
    Ok(())
}

/// The models that read a table and are stored, each after those that it reads; also those that read it once, by other files than models/ holds now.
pub struct Affected {
    pub(super) stored: Vec<TableName>,
    pub(super) datasets: Vec<(TableName, DatasetId)>,
    /// Of them, those that do not read it any more.
    former: BTreeSet<TableName>,
    /// Datasets of models of which no build was committed: one that was broken off may have left files there.
    pub(super) unbuilt: Vec<DatasetId>,
}

impl Affected {
    /// As models/ and the log say, with the datasets of models that read the table once.
    pub fn of(installation: &Installation, models: &Models, table: &TableName, once: &BTreeSet<DatasetId>) -> Self {
        let state = installation.journal.state();
        let is_built = |id: &DatasetId| state.tables.get(id).is_some_and(|head| head.sequence > 0);
        let (mut datasets, mut former) = (Vec::new(), BTreeSet::new());
        for model in models.in_order().filter(|model| model.materialized != Materialized::View) {
            let Some(id) = installation.keys.find(&format!("table:{}", model.name)).filter(is_built) else { continue };
            let now = reads(models, model, table.as_str());
            if !now && !once.contains(&id) {
                continue;
            }
            datasets.push((model.name.clone(), id));
            if !now {
                former.insert(model.name.clone());
            }
        }
        let mut unbuilt = Vec::new();
        for info in installation.keys.datasets().into_iter().filter(|info| !is_built(&info.id)) {
            let Some(name) = info.name.strip_prefix("table:").and_then(|name| TableName::new(name).ok()) else { continue };
            if once.contains(&info.id) || models.get(&name).is_some_and(|model| reads(models, model, table.as_str())) {
                unbuilt.push(info.id);
            }
        }
        Self { stored: datasets.iter().map(|(name, _)| name.clone()).collect(), datasets, former, unbuilt }
    }

    pub(super) fn dataset(&self, model: &TableName) -> Option<DatasetId> {
        self.datasets.iter().find(|(name, _)| name == model).map(|(_, id)| *id)
    }

    /// Those that were not computed since the table was committed without the rows, or since what they read was.
    pub fn stale(&self, installation: &Installation, models: &Models, table: &TableName) -> Vec<TableName> {
        self.stored.iter().filter(|model| self.is_stale(installation, models, table, model)).cloned().collect()
    }

    fn is_stale(&self, installation: &Installation, models: &Models, table: &TableName, model: &TableName) -> bool {
        let newest = |name: &TableName, wanted: TableOperation| {
            let id = installation.keys.find(&format!("table:{name}"))?;
            let state = installation.journal.state();
            let mut versions = state.tables.get(&id)?.versions.iter().rev();
            versions.find(|version| version.operation == wanted).map(|version| version.index)
        };
        let own = newest(model, TableOperation::Model);
        // What lies there was computed before anyone looked what of.
        if self.former.contains(model) && own < newest(table, TableOperation::Erase) {
            return true;
        }
        // What a view reads is read by whoever reads the view.
        let mut todo: Vec<TableName> = models.get(model).map(|model| model.inputs.iter().cloned().collect()).unwrap_or_default();
        let mut seen = BTreeSet::new();
        while let Some(input) = todo.pop() {
            if !seen.insert(input.clone()) {
                continue;
            }
            let since = if input == *table {
                newest(&input, TableOperation::Erase)
            } else if self.stored.contains(&input) {
                newest(&input, TableOperation::Model)
            } else {
                todo.extend(models.get(&input).into_iter().flat_map(|view| view.inputs.iter().cloned()));
                continue;
            };
            if own < since {
                return true;
            }
        }
        false
    }

    /// Computes those anew that are stale, and deletes what was in any of them before.
    ///
    /// # Errors
    /// When one cannot be computed: those before it are done.
    pub(super) async fn compute(
        &self,
        installation: &Installation,
        lake: &Lake,
        models: &Models,
        table: &TableName,
        memory_mib: u64,
    ) -> Outcome {
        let stale = self.stale(installation, models, table);
        if !stale.is_empty() {
            // Those that read them become stale by it.
            self.build(installation, lake, models, table, memory_mib).await?;
        }
        for (_, dataset) in &self.datasets {
            let state = installation.journal.state();
            let newest = state.tables.get(dataset).and_then(|head| head.versions.last()).map(|version| version.operation);
            if newest != Some(TableOperation::Erase) {
                lake.erase(*dataset, None, &installation.actor).await?;
            }
            purge(installation, lake, *dataset).await?;
            failpoint::hit("erase-model");
        }
        for dataset in &self.unbuilt {
            purge(installation, lake, *dataset).await?;
        }
        Ok(())
    }

    async fn build(&self, installation: &Installation, lake: &Lake, models: &Models, table: &TableName, memory_mib: u64) -> Outcome {
        let course = Course::new(installation.rng.as_ref())?;
        let run = course.run();
        course.start(installation, &self.stored.iter().map(TableName::as_str).collect::<Vec<_>>(), false).await?;
        let (mut committed, mut failed) = (0u32, None);
        for model in &self.stored {
            if !self.is_stale(installation, models, table, model) {
                continue;
            }
            course.begins(installation, model.as_str());
            let built = build(installation, lake, model.as_str(), run, memory_mib).await;
            let mut report = built.unwrap_or_else(|failure| crate::ingest::BatchReport::refused(model.to_string(), failure));
            course.ended(installation, &mut report).await;
            match report.failure {
                Some(failure) => {
                    failed = Some(failure);
                    break;
                }
                None => committed += 1,
            }
        }
        let finished = EventKind::RunFinished { run, committed, failed: u32::from(failed.is_some()) };
        match failed {
            None => installation.record(finished).await,
            Some(mut failure) => {
                installation.record_failure(&mut failure, finished).await;
                Err(failure)
            }
        }
    }

    /// The condition as a model can be asked it: when each of its columns is the model's under the same name, and comes from the table's own
    /// and from nothing else.
    pub(super) async fn condition(
        &self,
        installation: &Installation,
        lake: &Lake,
        model: &TableName,
        order: &Order,
        memory_mib: u64,
    ) -> Outcome<Option<Predicate>> {
        let wanted = order.predicate(lake).await?.columns();
        let door = installation.door(lake, memory_mib)?;
        for name in &wanted {
            let mut at = ColumnRef { table: model.to_string(), column: name.clone() };
            while at.table != order.table.as_str() {
                let Ok(reader) = TableName::new(&at.table) else { return Ok(None) };
                if !self.stored.contains(&reader) {
                    return Ok(None);
                }
                let columns = door.model_columns(&installation.asker(), &reader).await?;
                let Some(column) = columns.into_iter().find(|column| column.name == *name) else { return Ok(None) };
                let mut inputs = column.inputs.into_iter();
                let (Some(input), None) = (inputs.next(), inputs.next()) else { return Ok(None) };
                if input.column != *name {
                    return Ok(None);
                }
                at = input;
            }
        }
        let Some(dataset) = self.dataset(model).filter(|_| !wanted.is_empty()) else { return Ok(None) };
        Ok(Predicate::parse(&order.condition, &order.table, lake.schema(dataset, None).await?.as_ref()).await.ok())
    }
}
