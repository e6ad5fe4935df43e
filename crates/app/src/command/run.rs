//! `polder run`: every approved contract's source into its table, then the models.

use std::collections::{BTreeMap, BTreeSet};

use polder_store::Asked;
use polder_types::{ErrorKind, EventKind, RunId};
use serde_json::json;

use crate::cli::{Output, RunArgs};
use crate::command::pipeline::attempt::{GRACE, exit_of, settle};
use crate::course::Course;
use crate::erasure;
use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::ingest::{self, BatchReport, LoadOptions, Settled};
use crate::installation::Installation;
use crate::print;
use crate::signals::{Ends, Told};
use crate::telemetry::{self, RunTold};
use crate::wiring::Loss;

/// Runs what is selected. Each batch stands for itself: one that fails leaves the others as they are, and the run fails.
///
/// # Errors
/// When any batch failed, or nothing could begin.
pub async fn run(installation: &Installation, args: &RunArgs, memory_mib: u64, loss: Option<Loss>, output: Output) -> Outcome {
    let course = Course::new(installation.rng.as_ref())?;
    let begun_ms = installation.clock.now_ms();
    let hosted = hosted::current();
    let _at = hosted.as_ref().map(|host| host.at(course.run()));
    // Inside the process that serves, others ask the store for theirs.
    let before = if hosted.is_some() { installation.store.backend().asked() } else { Asked::default() };
    let work = batches(installation, args, memory_mib, loss, None, &course);
    let (done, told) = match &hosted {
        None => (Some(work.await?), None),
        Some(host) => until_told(work, &course, &mut host.ends()).await?,
    };
    let cut = (done.is_none() || course.cut()).then(|| {
        let text = "run: it was told to end before it was done; what was committed stands, and `polder run` does the rest";
        Failure::new(ErrorKind::Unavailable, text).exiting(exit_of(told.unwrap_or(Told::Interrupt)))
    });
    let reports = match done {
        Some(reports) => reports,
        None => broken_off(installation, &course).await,
    };
    let ended = end(installation, course.run(), reports, cut, before, output).await;
    let told = RunTold {
        run: course.run(),
        pipeline: None,
        result: if ended.is_ok() { "succeeded" } else { "failed" }.to_owned(),
        failed: ended.is_err(),
        attempt: 1,
        begun_ms,
        ended_ms: installation.clock.now_ms(),
        batches: course.told(),
    };
    telemetry::push(installation, &told).await;
    ended
}

/// Lets a run that someone of this process asks to end come to the end of its step, for a while, and begin no other. No reports: it was
/// broken off.
async fn until_told(
    work: impl Future<Output = Outcome<Vec<BatchReport>>>,
    course: &Course,
    ends: &mut Ends,
) -> Outcome<(Option<Vec<BatchReport>>, Option<Told>)> {
    tokio::pin!(work);
    let told = tokio::select! {
        biased;
        done = &mut work => return Ok((Some(done?), None)),
        told = ends.told() => told,
    };
    course.close();
    let done = tokio::select! {
        biased;
        done = &mut work => Some(done?),
        () = tokio::time::sleep(GRACE) => None,
        () = ends.at_once() => None,
    };
    Ok((done, Some(told)))
}

/// What a run that was broken off came to until then.
async fn broken_off(installation: &Installation, course: &Course) -> Vec<BatchReport> {
    settle(installation).await;
    if let Err(failure) = course.broken_off(installation).await {
        print::warn("that a step was broken off could not be recorded", &failure);
    }
    course.reports()
}

/// The batches of a run, which is to be ended then; of files only that stand still, where it is known which these are.
///
/// # Errors
/// When nothing could begin.
pub(crate) async fn batches(
    installation: &Installation,
    args: &RunArgs,
    memory_mib: u64,
    loss: Option<Loss>,
    settled: Option<&Settled>,
    course: &Course,
) -> Outcome<Vec<BatchReport>> {
    let project = &installation.project;
    let contracts = project.contracts()?;
    // In the order in which they depend on each other.
    let loaded = installation.loaded_models()?;
    let models: Vec<String> = loaded.in_order().map(|model| model.name.to_string()).collect();
    let needed = needs(&loaded);
    for name in &args.select {
        let known = contracts.iter().any(|(_, contract)| contract.table.as_str() == name) || models.contains(name);
        if !known {
            let names: Vec<&str> =
                contracts.iter().map(|(_, contract)| contract.table.as_str()).chain(models.iter().map(String::as_str)).collect();
            return Err(Failure::new(
                ErrorKind::Invalid,
                format!("run {name}: there is no such contract or model; {}", polder_contract::yaml::suggest(name, &names)),
            ));
        }
    }
    let chosen = |name: &str| args.select.is_empty() || args.select.iter().any(|selected| selected == name);
    let contracts: Vec<_> = contracts.into_iter().filter(|(_, contract)| chosen(contract.table.as_str())).collect();
    let contracts = ingest::in_order(contracts, &loaded);
    let models: Vec<String> = models.into_iter().filter(|name| chosen(name)).collect();
    if contracts.is_empty() && models.is_empty() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            "run: contracts/ holds nothing that lets rows in; declare a source (`polder source propose DIR --write`), then `polder contract propose --write`",
        ));
    }
    let run = course.run();
    let tables = contracts.iter().map(|(_, contract)| contract.table.as_str());
    let steps: Vec<&str> = tables.chain(models.iter().map(String::as_str)).collect();
    course.start(installation, &steps, true).await?;
    let lake = installation.lake(loss)?;
    let options = LoadOptions {
        again: args.again,
        full_refresh: args.full_refresh,
        window: args.from.as_deref().zip(args.to.as_deref()),
        dry_run: args.dry_run,
        loss,
        settled,
    };
    let mut reports: Vec<BatchReport> = Vec::new();
    for (path, contract) in contracts {
        let table = contract.table.to_string();
        if !course.begins(installation, &table) {
            break;
        }
        let before = installation.store.backend().asked();
        let loaded = match project.approved(&path, contract) {
            Ok(approved) => ingest::load(installation, &lake, approved, run, options).await,
            Err(failure) => Err(failure),
        };
        let mut report = loaded.unwrap_or_else(|failure| BatchReport::refused(table, failure));
        report.store = Some(installation.store.backend().asked().since(before));
        if !args.dry_run {
            course.ended(installation, &mut report).await;
        }
        // After the end of the step is recorded: what was loaded is not loaded again for what becomes of this.
        if args.maintain && !args.dry_run && report.failure.is_none() && !course.closed() {
            ingest::optimize(installation, &lake, &mut report).await;
            report.store = Some(installation.store.backend().asked().since(before));
            course.amend(&report);
        }
        reports.push(report);
    }
    for name in &models {
        if !course.begins(installation, name) {
            break;
        }
        let asked = installation.store.backend().asked();
        let mut report = if let Some(before) = needed.get(name).and_then(|needed| failed_one(&reports, needed)) {
            let (table, kind) = before;
            let failure = Failure::new(kind, format!("build model {name}: not begun, since {table} failed; its table is as it was"));
            BatchReport::refused(name.clone(), failure)
        } else if args.dry_run {
            continue;
        } else {
            crate::command::model::build(installation, &lake, name, run, memory_mib)
                .await
                .unwrap_or_else(|failure| BatchReport::refused(name.clone(), failure))
        };
        report.store = Some(installation.store.backend().asked().since(asked));
        if !args.dry_run {
            course.ended(installation, &mut report).await;
        }
        reports.push(report);
    }
    if !args.dry_run {
        // What an erasure waits for was computed, or it is told that it was not.
        reports.extend(erasure::after_builds(installation, &lake, memory_mib).await);
    }
    Ok(reports)
}

/// Ends a run: its report is printed first, whatever can be recorded then. `before` is what had been asked of the store when it began; of a
/// run that is all that its process does, nothing, so that opening the store counts too. `cut`: not all was begun that was to be, which is no
/// success.
pub(super) async fn end(
    installation: &Installation,
    run: RunId,
    reports: Vec<BatchReport>,
    cut: Option<Failure>,
    before: Asked,
    output: Output,
) -> Outcome {
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    let committed = reports.iter().filter(|report| matches!(report.status, "committed" | "migrated")).count();
    let failed_batches = failed.max(usize::from(cut.is_some()));
    let (committed, failed_batches) = (u32::try_from(committed).unwrap_or(u32::MAX), u32::try_from(failed_batches).unwrap_or(u32::MAX));
    // First, and whatever the log says: what was committed stands.
    let shown = show(&reports, run, installation.store.backend().asked().since(before), output);
    let finished = EventKind::RunFinished { run, committed, failed: failed_batches };
    let Some(mut gravest) = gravest(reports).or(cut) else {
        let recorded = installation.record(finished).await;
        recorded.map_err(|failure| failure.during("record that the run has ended; its batches are as reported"))?;
        return shown;
    };
    installation.record_failure(&mut gravest, finished).await;
    if failed == 0 {
        return Err(gravest);
    }
    Err(gravest.during(match failed {
        1 => "1 of the run's batches failed; the others are as reported".to_owned(),
        failed => format!("{failed} of the run's batches failed, the gravest for this; the others are as reported"),
    }))
}

/// The first of those failures that weigh most: the exit code must not say that trying again may help when it cannot for one of them.
pub(super) fn gravest(reports: Vec<BatchReport>) -> Option<Failure> {
    let failures = reports.into_iter().filter_map(|report| report.failure);
    failures.reduce(|gravest, next| if next.kind().gravity() > gravest.kind().gravity() { next } else { gravest })
}

/// Prints what became of each batch, and what was asked of the store for it.
pub(super) fn show(reports: &[BatchReport], run: RunId, asked: Asked, output: Output) -> Outcome {
    if output == Output::Json {
        let batches: Vec<_> = reports.iter().map(ingest::to_json).collect();
        let success = reports.iter().all(|report| report.failure.is_none());
        return print::json(&json!({ "run": run.to_string(), "success": success, "batches": batches, "store": asked }));
    }
    reports.iter().flat_map(ingest::lines).chain([ingest::store_line(asked)]).try_for_each(|line| print::line(&line))
}

/// Whether any of the failures may pass without anybody's doing: not only the gravest one says so.
pub(super) fn any_passes(reports: &[BatchReport]) -> bool {
    reports.iter().filter_map(|report| report.failure.as_ref()).any(passes)
}

/// Whether a failure may pass without anybody's doing.
pub(super) fn passes(failure: &Failure) -> bool {
    matches!(failure.kind(), ErrorKind::Unavailable | ErrorKind::Conflict | ErrorKind::Busy)
}

/// Every table and model that a model reads, through other models too.
pub(super) fn needs(models: &polder_engine::Models) -> BTreeMap<String, BTreeSet<String>> {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for model in models.in_order() {
        let direct = model.inputs.iter().map(ToString::to_string);
        let below = direct.flat_map(|input| {
            let deeper = needs.get(&input).cloned().unwrap_or_default();
            deeper.into_iter().chain([input])
        });
        let below: BTreeSet<String> = below.collect();
        needs.insert(model.name.to_string(), below);
    }
    needs
}

/// The first batch that failed of those that a model needs.
fn failed_one(reports: &[BatchReport], needed: &BTreeSet<String>) -> Option<(String, ErrorKind)> {
    reports.iter().filter(|report| needed.contains(&report.table)).find_map(|report| {
        let failure = report.failure.as_ref()?;
        Some((report.table.clone(), failure.kind()))
    })
}
