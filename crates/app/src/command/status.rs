//! `polder status` and `polder doctor`: what stands, and what is not as it should be.

mod exposure;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use polder_contract::{Anomaly, drift};
use polder_types::ErrorKind;
use serde::Serialize;
use serde_json::json;

use crate::cli::Output;
use crate::command::certificate::ENDING_DAYS;
use crate::command::keys::destruction::standing as destructions_standing;
use crate::command::pipeline::standing;
use crate::command::scheduler::standing as scheduler_standing;
use crate::command::status::exposure::{Exposed, exposed};
use crate::failure::{Failure, Outcome};
use crate::freshness::{self, Judged};
use crate::ingest::Offsets;
use crate::installation::Installation;
use crate::name_id::Named;
use crate::print::{self, Listing, text, time};
use crate::project::Project;

/// `polder status`, beside a writer.
///
/// # Errors
/// When the keyring cannot be read, or standard output cannot be written.
pub async fn status(installation: &Installation, output: Output) -> Outcome {
    let state = installation.journal.state();
    let destructions = destructions_standing(installation).await?;
    let names: BTreeMap<_, _> = installation.keys.datasets().into_iter().map(|dataset| (dataset.id, dataset.name)).collect();
    let last = state.runs.values().max_by_key(|run| run.started_ms);
    let tables: Vec<_> = state
        .tables
        .iter()
        .filter_map(|(id, head)| {
            let name = names.get(id)?.strip_prefix("table:")?;
            let newest = head.versions.last();
            Some((name.to_owned(), head.version, newest.map(|version| version.time_ms), newest.and_then(|version| version.counts)))
        })
        .collect();
    let open_erasures: Vec<&str> = state.open_erasures.keys().filter_map(|id| names.get(id)?.strip_prefix("table:")).collect();
    let unusual = unusual(installation).await?;
    // A file that is wrong hides nothing else.
    let pipelines = pipelines(installation).await;
    let of_files = pipelines.as_deref().unwrap_or_default();
    let listeners = exposed(&installation.project);
    let scheduler = scheduler_standing::asked(&installation.project);
    if output == Output::Json {
        let tables: Vec<_> = tables
            .iter()
            .map(|(name, version, at, counts)| json!({"table": name, "version": version, "time": at.map(time), "counts": counts}))
            .collect();
        return print::json(&json!({
            "lineage": installation.keys.lineage().to_string(), "log_entries": installation.journal.size(), "epoch": state.epoch,
            "keyring_version": installation.keys.keyring_version(), "anchor": installation.project.environment().anchor, "tables": tables, "open_intents": state.open_intents.len(),
            "open_erasures": open_erasures, "erased": {"done": state.erased.done, "rows": state.erased.rows, "refused": state.erased.refused},
            "break_glass": state.break_glass.map(|open| json!({"opened": time(open.time_ms), "until": open.until_ms.map(time)})),
            "reads": {"allowed": state.reads.allowed, "denied": state.reads.denied, "rows": state.reads.rows},
            "inspected": {"batches": state.inspected.batches, "found": state.inspected.found, "waived": state.inspected.waived},
            "destructions": destructions.iter().map(|one| json!({"dataset": one.dataset, "key_version": one.key_version,
                "state": if one.pending.is_empty() { "destroyed" } else { "pending" }, "pending": one.pending})).collect::<Vec<_>>(),
            "integrity_failures": state.integrity_failures.len(), "unusual": unusual,
            "pipelines": of_files, "scheduler": scheduler.as_ref().ok(), "listeners": listeners, "notices": {"begun": state.notices.begun, "delivered": state.notices.delivered, "failed": state.notices.failed},
            "last_run": last.map(|run| json!({"started": time(run.started_ms), "batches": run.batches,
                "committed": run.finished.map(|end| end.committed), "failed": run.finished.map(|end| end.failed)})),
        }));
    }
    text(&format!("lineage      {}", installation.keys.lineage()))?;
    text(&format!("log          {} entries, writer epoch {}", installation.journal.size(), state.epoch))?;
    text(&format!("keyring      version {}", installation.keys.keyring_version()))?;
    match &installation.project.environment().anchor {
        Some(path) => text(&format!("anchor       {path}"))?,
        None => text("anchor       none: a rollback of the whole installation cannot be detected")?,
    }
    text(&format!("reads        {} allowed, {} denied, {} rows", state.reads.allowed, state.reads.denied, state.reads.rows))?;
    if state.inspected.batches > 0 {
        text(&format!("inspected    {} findings refused, {} waived", state.inspected.found, state.inspected.waived))?;
    }
    if state.erased.done > 0 {
        text(&format!(
            "erased       {} rows and {} refused rows, in {} erasures",
            state.erased.rows, state.erased.refused, state.erased.done
        ))?;
    }
    match last {
        None => text("last run     none yet")?,
        Some(run) => match run.finished {
            Some(end) => {
                text(&format!("last run     {}: {} batches committed, {} failed", time(run.started_ms), end.committed, end.failed))?
            }
            None => text(&format!("last run     {}: did not finish; `polder run` goes on", time(run.started_ms)))?,
        },
    }
    if let Some(open) = &state.break_glass {
        text(&format!("break-glass  {}", opened(open, installation.clock.now_ms())))?;
    }
    for listener in &listeners {
        text(&format!("listener     {}", listener.says()))?;
    }
    if let Err(failure) = &pipelines {
        text(&format!("pipelines    {}", failure.to_string().replace('\n', "; ")))?;
    }
    for one in of_files {
        text(&format!("pipeline     {}: {}", one.pipeline, one.says()))?;
    }
    match &scheduler {
        Ok(report) => report.says().map_or(Ok(()), |says| text(&format!("scheduler    {says}")))?,
        // What is wrong with the pipelines' files is told above.
        Err(_) if pipelines.is_err() => {}
        Err(failure) => text(&format!("scheduler    {}", failure.to_string().replace('\n', "; ")))?,
    }
    if state.notices.failed > 0 {
        text(&format!("notices      {} receivers were told, {} could not be", state.notices.delivered, state.notices.failed))?;
    }
    if !state.open_intents.is_empty() {
        text(&format!("unfinished   {} commits; the next writer settles them", state.open_intents.len()))?;
    }
    for table in &open_erasures {
        text(&format!(
            "unfinished   an erasure from {table}: models may hold what was computed of the rows; `polder table erase {table} --resume`"
        ))?;
    }
    for one in destructions.iter().filter(|one| !one.pending.is_empty()) {
        text(&format!("keys         {}", one.text()))?;
    }
    for failure in &state.integrity_failures {
        text(&format!("integrity    {} failed at {}", failure.object, time(failure.time_ms)))?;
    }
    for one in &unusual {
        text(&format!("unusual      {}: {}", one.table, one.says))?;
    }
    let mut listing = Listing::new(&["table", "version", "time", "rows_loaded"]);
    for (name, version, at, counts) in tables {
        listing.row([json!(name), json!(version), json!(at.map(time)), json!(counts.map(|counts| counts.loaded))]);
    }
    listing.print(output)
}

/// That the account for emergencies was opened, and not sealed since.
fn opened(open: &polder_audit::BreakGlassOpen, now_ms: i64) -> String {
    let ends = match open.until_ms {
        Some(until_ms) if now_ms >= until_ms => format!("its time was over on {}", time(until_ms)),
        Some(until_ms) => format!("anyone with its token comes in until {}", time(until_ms)),
        None => "nobody knows until when".to_owned(),
    };
    format!("opened on {}, and not sealed since; {ends}; polder break-glass seal", time(open.time_ms))
}

/// How a pipeline stands.
#[derive(Serialize)]
struct Standing {
    pipeline: String,
    /// Of its newest run.
    last: Option<&'static str>,
    last_started: Option<String>,
    last_success: Option<String>,
    /// Since when no run of it succeeded.
    failing_since: Option<String>,
    /// Tables that are older than their contracts let them be; with its name the column whose newest value is.
    too_old: Vec<String>,
}

impl Standing {
    fn says(&self) -> String {
        let mut says = match (self.last, &self.last_started) {
            (Some(last), Some(at)) => format!("{last} on {at}"),
            _ => "no run yet".to_owned(),
        };
        if let Some(since) = &self.failing_since {
            let before = self.last_success.as_ref().map_or_else(|| "never before".to_owned(), |at| format!("last on {at}"));
            says += &format!("; failing since {since}, succeeded {before}");
        }
        if !self.too_old.is_empty() {
            says += &format!("; too old: {}", self.too_old.join(", "));
        }
        says
    }
}

/// The pipelines that have a file, by name.
async fn pipelines(installation: &Installation) -> Outcome<Vec<Standing>> {
    let (state, now_ms) = (installation.journal.state(), installation.clock.now_ms());
    let mut all = Vec::new();
    for pipeline in installation.project.pipelines()? {
        let id = installation.name_id(Named::Pipeline, &pipeline.name)?;
        let info = state.pipelines.get(&id);
        let last = info.and_then(|info| info.last);
        let judged = freshness::judge(installation, &pipeline, now_ms).await?;
        all.push(Standing {
            last: last.map(|run| standing(&state, run)),
            last_started: last.and_then(|run| state.runs.get(&run)).map(|run| time(run.started_ms)),
            last_success: info.and_then(|info| info.succeeded).map(|(_, at)| time(at)),
            failing_since: info.and_then(|info| info.failing).map(|(_, at)| time(at)),
            too_old: judged.iter().filter(|table| table.missed).map(Judged::name).collect(),
            pipeline: pipeline.name,
        });
    }
    Ok(all)
}

/// Something unusual about a table: its last load beside those before, or that there was none for long.
#[derive(Serialize)]
struct Unusual {
    table: String,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    anomaly: Option<Anomaly>,
}

/// What is unusual about the tables, by name.
async fn unusual(installation: &Installation) -> Outcome<Vec<Unusual>> {
    let state = installation.journal.state();
    let now_ms = installation.clock.now_ms();
    let mut found = Vec::new();
    for dataset in installation.keys.datasets() {
        let Some(table) = dataset.name.strip_prefix("table:") else { continue };
        let Some(head) = state.tables.get(&dataset.id) else { continue };
        let loads = head.versions.iter().filter(|version| version.operation.loads());
        let loads: Vec<i64> = loads.map(|version| version.time_ms).collect();
        if let Some((since, usual)) = drift::stale(&loads, now_ms) {
            let says = format!("freshness: no load for {}, usually one every {}", span(since), span(usual));
            found.push(Unusual { table: table.to_owned(), says, anomaly: None });
        }
        let of = |says: String, anomaly| Unusual { table: table.to_owned(), says, anomaly };
        match Offsets::read(installation, dataset.id, head.sequence).await {
            Ok(Some(offsets)) => found.extend(offsets.anomalies.into_iter().map(|anomaly| of(anomaly.to_string(), Some(anomaly)))),
            // A model's table has no offsets.
            Ok(None) => {}
            // All else still has its status.
            Err(_) => found.push(of("its last load cannot be read; `polder audit verify` says more".to_owned(), None)),
        }
    }
    found.sort_by(|a, b| (&a.table, &a.says).cmp(&(&b.table, &b.says)));
    Ok(found)
}

/// A length of time for people.
fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// One thing that `doctor` looked at.
struct Check {
    what: &'static str,
    fine: bool,
    says: String,
}

/// `polder doctor`. `ending` is how many client certificates come to their end soon, where that could be read.
///
/// # Errors
/// When something is red.
pub fn doctor(
    project: &Project,
    installation: Option<&Installation>,
    failure: Option<&Failure>,
    ending: Option<usize>,
    output: Output,
) -> Outcome {
    let mut checks =
        vec![Check { what: "core dumps", fine: core_dumps_off(), says: "off for this program".to_owned() }, swap(), key_file(project)];
    checks.extend(storage(project, installation));
    checks.extend(ways_in(project));
    // Where it does not open, that is what there is to say.
    checks.extend(installation.and_then(|_| runs(project)));
    checks.extend(ending.filter(|ending| *ending > 0).map(ending_certificates));
    match (installation, failure) {
        (Some(installation), _) => checks.extend(inside(installation)),
        (None, Some(failure)) => checks.push(Check { what: "installation", fine: false, says: failure.to_string().replace('\n', " ") }),
        (None, None) => {}
    }
    for (what, found) in [
        ("sources", project.sources().map(|sources| format!("{} in order", sources.len()))),
        ("contracts", project.contracts().map(|contracts| format!("{} in order", contracts.len()))),
        ("pipelines", project.pipelines().map(|pipelines| format!("{} in order", pipelines.len()))),
        ("policies", project.policies().map(|policies| format!("{} in order", policies.count()))),
    ] {
        checks.push(match found {
            Ok(says) => Check { what, fine: true, says },
            Err(failure) => Check { what, fine: false, says: failure.to_string() },
        });
    }
    let red = checks.iter().filter(|check| !check.fine).count();
    let mut listing = Listing::new(&["", "check", "finding"]);
    for check in &checks {
        listing.row([json!(if check.fine { "ok" } else { "RED" }), json!(check.what), json!(check.says)]);
    }
    listing.print(output)?;
    if red == 0 {
        Ok(())
    } else {
        Err(Failure::new(ErrorKind::Rejected, format!("{red} of {} checks are red; do what their findings say", checks.len())))
    }
}

fn inside(installation: &Installation) -> Vec<Check> {
    let state = installation.journal.state();
    let kits = installation.keys.recovery_kits();
    // An older kit's test says nothing about the newest one.
    let tested = kits.iter().max_by_key(|kit| kit.written_ms).and_then(|kit| kit.tested_ms);
    let anchor = installation.project.environment().anchor.as_ref();
    let recovered = state.tables.values().flat_map(|head| &head.versions).filter(|version| version.recovered).count();
    let mut checks = vec![
        Check {
            what: "recovery kit",
            fine: tested.is_some(),
            says: match (kits.len(), tested) {
                (0, _) => "there is none: polder keys kit --to DIR".to_owned(),
                (_, None) => "the newest was never tested: polder keys recover --test SHARE SHARE".to_owned(),
                (_, Some(ms)) => format!("tested {}", time(ms)),
            },
        },
        Check {
            what: "anchor",
            fine: anchor.is_some(),
            says: anchor
                .map_or("none: a rollback of the whole installation cannot be detected; set `anchor` in polder.yaml, then `polder audit anchor --init`".to_owned(), |path| {
                    format!("the log agrees with {path}")
                }),
        },
        Check {
            what: "log",
            fine: true,
            says: format!("{} entries, the tree agrees with its signed checkpoint", installation.journal.size()),
        },
        Check {
            what: "commits",
            fine: state.open_intents.is_empty(),
            says: match state.open_intents.len() {
                0 if recovered == 0 => "none unfinished".to_owned(),
                0 => format!("none unfinished; {recovered} were settled after a crash"),
                open => format!("{open} unfinished: the next `polder run` settles them"),
            },
        },
        Check {
            what: "integrity",
            fine: state.integrity_failures.is_empty(),
            says: match state.integrity_failures.first() {
                None => state.verified.map_or_else(
                    || "no object failed; `polder audit verify` opens every file".to_owned(),
                    |verified| format!("no object failed; all was verified on {}", time(verified.time_ms)),
                ),
                Some(failure) => format!(
                    "{} objects failed, {} first; restore them, then polder audit verify --record",
                    state.integrity_failures.len(),
                    failure.object
                ),
            },
        },
    ];
    if let Some(open) = &state.break_glass {
        checks.push(Check { what: "break-glass", fine: false, says: opened(open, installation.clock.now_ms()) });
    }
    checks
}

fn core_dumps_off() -> bool {
    rustix::process::getrlimit(rustix::process::Resource::Core).current == Some(0)
}

/// Memory may reach the disk through swap, which is not ours to encrypt.
fn swap() -> Check {
    let text = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let plain = plain_swap(&text, Path::new("/sys/block"));
    match plain.as_slice() {
        [] => Check { what: "swap", fine: true, says: "none in the clear".to_owned() },
        devices => Check {
            what: "swap",
            fine: false,
            says: format!("{} is not known to be encrypted: values in memory may reach it; turn it off or encrypt it", devices.join(", ")),
        },
    }
}

/// Swap devices of `/proc/swaps` that the kernel does not say are encrypted, or memory alone: of the device mapper only what
/// cryptsetup made, and compressed memory only when nothing of it is written back to a disk.
fn plain_swap<'a>(swaps: &'a str, blocks: &Path) -> Vec<&'a str> {
    let says = |device: &str, file: &str| std::fs::read_to_string(blocks.join(device).join(file)).unwrap_or_default();
    let sealed = |device: &str| {
        let real = Path::new(device).canonicalize().unwrap_or_else(|_| PathBuf::from(device));
        let name = real.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("dm-") {
            says(name, "dm/uuid").starts_with("CRYPT-")
        } else {
            name.starts_with("zram") && matches!(says(name, "backing_dev").trim(), "" | "none")
        }
    };
    swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).filter(|device| !sealed(device)).collect()
}

/// How a store in a bucket is reached.
fn storage(project: &Project, installation: Option<&Installation>) -> Option<Check> {
    let crate::settings::Store::S3(store) = &project.environment().store else { return None };
    let (name, endpoint) = (store.address.name(), store.address.endpoint());
    let trust = match (store.address.is_plain(), &store.ca) {
        (true, _) => "in plain HTTP, which does not leave this machine".to_owned(),
        (false, Some(ca)) => format!("by TLS, trusting {ca} alone"),
        (false, None) => "by TLS, trusting whom the system trusts".to_owned(),
    };
    let versions = installation.is_some_and(|installation| installation.store.backend().keeps_versions());
    let says = match versions {
        true => format!(
            "{name} keeps older versions of objects, and a key that is destroyed would stay in older keyrings; use a bucket that keeps none"
        ),
        false => format!("{name} at {endpoint}, {trust}"),
    };
    Some(Check { what: "store", fine: !versions, says })
}

/// What serving exposes, which is what someone wrote: no fault, and to be seen.
fn ways_in(project: &Project) -> Vec<Check> {
    let mut listeners = exposed(project);
    // What matters most comes first.
    listeners.sort_by_key(|listener| !listener.is_reachable());
    listeners.iter().map(Exposed::says).map(|says| Check { what: "listener", fine: true, says }).collect()
}

/// Who runs the pipelines, which is for the people who keep them: cron may do it, and that is no fault.
fn runs(project: &Project) -> Option<Check> {
    // Files that are wrong are a check of their own.
    project.pipelines().ok()?;
    match scheduler_standing::asked(project) {
        Ok(report) => report.says().map(|says| Check { what: "scheduler", fine: true, says }),
        Err(failure) => Some(Check { what: "scheduler", fine: false, says: failure.to_string().replace('\n', " ") }),
    }
}

fn ending_certificates(ending: usize) -> Check {
    let days = ENDING_DAYS;
    let says = format!("WARNING: {ending} of services end within {days} days; `polder service certificate list` says which");
    Check { what: "client certificates", fine: true, says }
}

fn key_file(project: &Project) -> Check {
    let (crate::settings::Custody::KeyFile { path } | crate::settings::Custody::Passphrase { path, .. }) = &project.environment().keys;
    let path = project.path(path);
    let inside = project.holds(&path);
    Check {
        what: "root key",
        fine: path.is_file() && !inside,
        says: match (path.is_file(), inside) {
            (false, _) => format!("{} is not there; bring it, or recover: polder keys recover SHARE SHARE --key-file FILE", path.display()),
            (true, true) => format!("{} lies in the project: whoever copies that has its key; move it", path.display()),
            (true, false) => format!("{}, apart from the project", path.display()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_swap_that_the_kernel_says_is_encrypted_passes() {
        let blocks = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("dm-0/dm/uuid", "CRYPT-PLAIN-swap\n"),
            ("dm-1/dm/uuid", "LVM-abc\n"),
            ("zram0/backing_dev", "none\n"),
            ("zram1/backing_dev", "/dev/sdb1\n"),
        ] {
            let file = blocks.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let line = |device: &str| format!("{device} partition 1 0 -2\n");
        let devices = ["/dev/dm-0", "/dev/dm-1", "/dev/dm-2", "/dev/zram0", "/dev/zram1", "/dev/sda2", "/swapfile"];
        let swaps = format!("Filename Type Size Used Priority\n{}", devices.map(line).concat());
        assert_eq!(plain_swap(&swaps, blocks.path()), ["/dev/dm-1", "/dev/dm-2", "/dev/zram1", "/dev/sda2", "/swapfile"]);
    }
}
