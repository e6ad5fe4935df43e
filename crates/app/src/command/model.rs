//! `polder model`: what becomes of the data.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use futures::StreamExt;
use polder_contract::question::Answers;
use polder_contract::{Approved, Cells, Column, ColumnType, Gate, GateOptions, RawBatch, Reconciliation};
use polder_engine::{Answer, Door, Materialized, OutputColumn};
use polder_lake::{Committed, Lake, TableWriter, WriteMode, WriteRequest};
use polder_policy::Action;
use polder_store::Asked;
use polder_types::event::Counts;
use polder_types::{ErrorKind, EventKind, RunId, TableName};
use serde_json::json;

use crate::cli::{ModelCommand, Output};
use crate::command::run::end;
use crate::course::Course;
use crate::described::Described;
use crate::erasure;
use crate::failpoint;
use crate::failure::{Failure, Outcome};
use crate::ingest::BatchReport;
use crate::installation::Installation;
use crate::print::Listing;
use crate::progress::Progress;

/// Runs a verb.
///
/// # Errors
/// When a model is wrong, or may not be run.
pub async fn run(installation: &Installation, command: &ModelCommand, memory_mib: u64, output: Output) -> Outcome {
    match command {
        ModelCommand::List => {
            let mut listing = Listing::new(&["model", "materialized", "inputs", "description"]);
            for model in installation.loaded_models()?.in_order() {
                let kind = if model.materialized == Materialized::Table { "table" } else { "view" };
                let inputs: Vec<_> = model.inputs.iter().map(|input| json!(input.to_string())).collect();
                listing.row([json!(model.name.to_string()), json!(kind), json!(inputs), json!(model.description)]);
            }
            listing.print(output)
        }
        ModelCommand::Lineage { name } => {
            let lake = installation.lake(None)?;
            let door = installation.door(&lake, memory_mib)?;
            let columns = door.model_columns(&installation.asker(), &table_name(name)?).await?;
            let mut listing = Listing::new(&["column", "type", "classification", "computed_from"]);
            for column in &columns {
                let inputs: Vec<_> = column.inputs.iter().map(|input| json!(format!("{}.{}", input.table, input.column))).collect();
                listing.row([json!(column.name), json!(column.data_type.to_string()), json!(column.classification), json!(inputs)]);
            }
            listing.print(output)
        }
        ModelCommand::Run { name } => run_models(installation, name.as_deref(), memory_mib, output).await,
    }
}

/// Builds one model or all, up to the first that fails. Whatever happens, that the run ended is recorded, and each model is reported.
async fn run_models(installation: &Installation, name: Option<&str>, memory_mib: u64, output: Output) -> Outcome {
    let lake = installation.lake(None)?;
    let models = installation.loaded_models()?;
    let names = models.in_order().map(|model| model.name.to_string());
    let names: Vec<String> = names.filter(|model| name.is_none_or(|name| name == model)).collect();
    if names.is_empty() {
        return Err(Failure::new(ErrorKind::Invalid, "build models: models/ holds no such model; `polder model list` shows them"));
    }
    let course = Course::new(installation.rng.as_ref())?;
    let run = course.run();
    course.start(installation, &names.iter().map(String::as_str).collect::<Vec<_>>(), true).await?;
    let mut reports: Vec<BatchReport> = Vec::new();
    for name in &names {
        course.begins(installation, name);
        let mut report = match reports.iter().find_map(|report| Some((&report.table, report.failure.as_ref()?.kind()))) {
            Some((failed, kind)) => {
                let text = format!("build model {name}: not begun, since {failed} failed; its table is as it was");
                BatchReport::refused(name.clone(), Failure::new(kind, text))
            }
            None => build(installation, &lake, name, run, memory_mib)
                .await
                .unwrap_or_else(|failure| BatchReport::refused(name.clone(), failure)),
        };
        course.ended(installation, &mut report).await;
        reports.push(report);
    }
    reports.extend(erasure::after_builds(installation, &lake, memory_mib).await);
    end(installation, run, reports, None, Asked::default(), output).await
}

fn table_name(name: &str) -> Outcome<TableName> {
    TableName::new(name).map_err(|error| Failure::of(ErrorKind::Invalid, &error))
}

/// Builds one model; a view needs no building.
///
/// # Errors
/// When it cannot begin. A failure on the way is in the report.
pub async fn build(installation: &Installation, lake: &Lake, name: &str, run: RunId, memory_mib: u64) -> Outcome<BatchReport> {
    let table = table_name(name)?;
    let models = installation.loaded_models()?;
    let Some(model) = models.get(&table) else {
        return Err(Failure::new(ErrorKind::NotFound, format!("build model {name}: models/ holds no such model")));
    };
    installation.may(Action::Run, name).await?;
    let mut report = BatchReport::new(name.to_owned());
    // A view has keys too, so that policies can speak of it; its rows are computed whenever it is read.
    let dataset = installation.dataset(&format!("table:{name}")).await?;
    if model.materialized == Materialized::View {
        report.status = "view";
        return Ok(report);
    }
    let built = async {
        let door = installation.door(lake, memory_mib)?;
        build_into(installation, lake, &door, &table, dataset, run, &mut report).await
    };
    if let Err(failure) = built.await {
        let mut failure = failure.during(format!("build model {name}"));
        let failed = EventKind::BatchFailed { run, dataset, counts: report.counts, error: failure.kind().name().to_owned() };
        installation.record_failure(&mut failure, failed).await;
        report.fail(failure);
    }
    Ok(report)
}

async fn build_into(
    installation: &Installation,
    lake: &Lake,
    door: &Door,
    table: &TableName,
    dataset: polder_types::DatasetId,
    run: RunId,
    report: &mut BatchReport,
) -> Outcome {
    let planned = door.run_model(&installation.asker(), table).await?;
    let columns = planned.columns.iter().map(column).collect::<Outcome<Vec<Column>>>()?;
    let approved = Arc::new(derived(installation, table, columns)?);
    let schema = approved.arrow_schema();
    let models = installation.loaded_models()?;
    let inputs = models.get(table).and_then(|model| Described::new(installation).of_inputs(model));
    installation.classify(dataset, &approved, inputs).await?;
    let sequence = installation.journal.state().tables.get(&dataset).map_or(0, |head| head.sequence) + 1;
    let contract_hash = hex::encode(approved.semantic_hash());
    installation.record(EventKind::BatchStarted { run, dataset, sequence, contract_hash }).await?;
    failpoint::hit("model-started");
    let gate = Gate::new(Arc::clone(&approved), GateOptions::new(installation.keys.derive("unique keys")?, installation.spill()))?;
    let request = WriteRequest {
        dataset,
        source: format!("model:{table}"),
        schema,
        mode: WriteMode::Model,
        keys: Vec::new(),
        history: None,
        actor: installation.actor.clone(),
    };
    let mut writer = lake.writer(request).await?;
    let filled = fill(&mut writer, &gate, planned.rows, sequence, report).await;
    if filled.is_err() {
        // What was staged is named by no version; if it cannot be deleted now, vacuum will.
        let _ = writer.abort().await;
    }
    filled
}

/// Computes the rows, checks, stages, counts and commits them.
async fn fill(writer: &mut TableWriter, gate: &Gate, mut batches: Answer, sequence: u64, report: &mut BatchReport) -> Outcome {
    let table = report.table.clone();
    let progress = Progress::start(format!("build {table}"));
    let mut produced = 0u64;
    let file: Arc<str> = format!("model {table}").into();
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let raw = RawBatch {
            columns: batch.columns().iter().cloned().map(Cells::Typed).collect(),
            rows: batch.num_rows(),
            first_record: produced + 1,
            first_ordinal: produced,
            file: Arc::clone(&file),
            malformed: Vec::new(),
        };
        produced += batch.num_rows() as u64;
        let checked = gate.check(raw)?;
        if let Some(rejection) = checked.rejections.first() {
            let column = rejection.column.as_deref().unwrap_or("a row");
            return Err(Failure::new(
                ErrorKind::Rejected,
                format!("check the rows: a value of {column} is not one of its type (rule {}); correct the model's SQL", rejection.rule),
            ));
        }
        writer.write(checked.admitted).await?;
        progress.at(produced, "rows");
    }
    let duplicates = gate.finish()?;
    let staged = writer.finish(&duplicates, &mut |_, _, _| {}).await?;
    let reconciliation = Reconciliation { read: produced, loaded: staged.rows, ..Reconciliation::default() };
    report.counts = Some(Counts { read: produced, loaded: staged.rows, ..Counts::default() });
    let reconciled = reconciliation.close(gate.contract(), &duplicates, Answers::judge(gate.contract(), &[])?)?;
    if let Committed::Now { version } = writer.commit(sequence, reconciled).await? {
        report.version = Some(version);
    }
    report.status = "committed";
    progress.finish(&format!("{produced} rows computed, {} stored", staged.rows));
    Ok(())
}

/// The contract of a model: its columns as computed, approved because each contract below it is.
fn derived(installation: &Installation, table: &TableName, columns: Vec<Column>) -> Outcome<Approved> {
    let project = &installation.project;
    let models = installation.loaded_models()?;
    let mut inputs = Vec::new();
    let mut todo: Vec<TableName> = models.get(table).map(|model| model.inputs.iter().cloned().collect()).unwrap_or_default();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(input) = todo.pop() {
        if !seen.insert(input.clone()) {
            continue;
        }
        match models.get(&input) {
            Some(model) => todo.extend(model.inputs.iter().cloned()),
            None => {
                let (path, contract) = project.contract(input.as_str())?;
                inputs.push(project.approved(&path, contract)?);
            }
        }
    }
    Ok(Approved::derive(table.clone(), columns, &inputs)?)
}

fn column(output: &OutputColumn) -> Outcome<Column> {
    let ty = match &output.data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::String,
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 => ColumnType::Int8,
        DataType::Int16 => ColumnType::Int16,
        DataType::Int32 => ColumnType::Int32,
        DataType::Int64 => ColumnType::Int64,
        DataType::Float32 => ColumnType::Float32,
        DataType::Float64 => ColumnType::Float64,
        DataType::Decimal128(precision, scale) => ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).unwrap_or(0) },
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(TimeUnit::Microsecond, zone) => ColumnType::Timestamp { zone: zone.is_some() },
        other => {
            return Err(Failure::new(
                ErrorKind::Invalid,
                format!("store column {} of the model: a table does not hold the type {other}; cast it in the model's SQL", output.name),
            ));
        }
    };
    let mut column = Column::new(&output.name, ty);
    column.required = !output.nullable;
    column.allow_nan = true;
    column.classification = output.classification.clone();
    Ok(column)
}
