//! Rows that a principal sends: decided about before they are read, then loaded as every other batch is, on a thread of its own, so that
//! whoever hangs up in the middle neither stops nor halves it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest;
use polder_connect::PushLimits;
use polder_contract::{Approved, Contract};
use polder_policy::Action;
use polder_serve::{Fault, NO_DATASET, NotPushed, Push, PushFormat, Pushed, Pushing, Verdict};
use polder_types::event::Counts;
use polder_types::{ErrorKind, Event, EventKind, RunId};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Doing, Visit};
use crate::course::Course;
use crate::failpoint;
use crate::failure::{Failure, Outcome};
use crate::ingest::{self, BatchReport, Offsets, Verdicts};
use crate::installation::Installation;
use crate::project::Project;
use crate::sessions::pushes::Memory;

/// Of the thread of a load: plans are deep.
const STACK_BYTES: usize = 16 << 20;

/// Someone who may send rows into a table.
struct Sending {
    doing: Doing,
    installation: Installation,
    approved: Approved,
    table: String,
    limits: PushLimits,
    course: Course,
}

/// What a dataset is.
struct Found {
    path: PathBuf,
    contract: Contract,
    limits: PushLimits,
    /// Whether another contract takes the dataset, too.
    twice: bool,
}

/// Decides whether a principal may send rows into a dataset, and records it.
pub(super) async fn begin(visit: &Visit, source: &str, dataset: &str) -> Result<Box<dyn Pushing>, NotPushed> {
    let (standing, asker, membership) = visit.standing().await?;
    let hall = visit.hall();
    let turn = hall.pushes.turns.take(visit.holding.signed_in.principal());
    let Ok(turn) = turn else {
        let text = "send rows: as many as may be of one account are on their way; wait until one has ended";
        return Err(NotPushed::Crowded(text.to_owned()));
    };
    let doing = Doing::with(&visit.holding, turn, membership.groups);
    let installation = standing.acting(&hall.installation, &asker);
    let (project, names) = (installation.project.clone(), (source.to_owned(), dataset.to_owned()));
    let found = tokio::task::spawn_blocking(move || find(&project, &names.0, &names.1)).await;
    let found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(failure)) => {
            crate::print::warn("rows that are sent are refused until the project's files can be used", &failure);
            let text = "send rows: a file of the project cannot be used as it is; whoever keeps the project can mend it";
            return Err(Fault::new(ErrorKind::Unavailable, text).into());
        }
        Err(_) => return Err(Fault::new(ErrorKind::Internal, "read the project's files: it broke off; report this as a defect").into()),
    };
    let unknown = || NotPushed::from(Fault::new(ErrorKind::NotFound, NO_DATASET));
    let session = visit.holding.id;
    let Some(Found { path, contract, limits, twice }) = found else {
        let kind = EventKind::Refused { action: Action::Run.name().to_owned(), error: ErrorKind::NotFound.name().to_owned() };
        let event = Event::new(&asker.principal, kind).with("source", source).with("dataset", dataset);
        hall.record(event.with("session", session.to_string())).await?;
        return Err(unknown());
    };
    let table = contract.table.to_string();
    let permit = match installation.may(Action::Run, &table).await {
        Ok(permit) => permit,
        Err(failure) if matches!(failure.kind(), ErrorKind::Denied | ErrorKind::NotFound) => return Err(unknown()),
        Err(failure) => return Err(told(&failure).into()),
    };
    let course = Course::new(installation.rng.as_ref()).map_err(|failure| told(&failure))?;
    let kind = EventKind::PushDecided {
        run: course.run(),
        dataset: installation.keys.find(&format!("table:{table}")),
        policies: permit.policies().to_vec(),
        session,
    };
    hall.record(Event::new(&asker.principal, kind).with("source", source).with("dataset", dataset)).await?;
    if twice {
        let text = "send rows: more than one contract takes the dataset, and a request is loaded into one table; give each contract a dataset of its own";
        return Err(Fault::new(ErrorKind::Conflict, text).into());
    }
    let approved = installation.project.approved(&path, contract).map_err(|failure| told(&failure))?;
    Ok(Box::new(Sending { doing, installation, approved, table, limits, course }))
}

/// The contract of a dataset that is pushed to; none where there is none.
fn find(project: &Project, source: &str, dataset: &str) -> Outcome<Option<Found>> {
    let contracts = project.contracts()?.into_iter();
    let mut taking = contracts.filter(|(_, contract)| contract.source == source && contract.dataset == dataset);
    let Some((path, contract)) = taking.next() else { return Ok(None) };
    let connection = project.source(&contract.source)?;
    if connection.source_type != polder_connect::SourceType::Push {
        return Ok(None);
    }
    let Ok(declared) = connection.dataset(dataset) else { return Ok(None) };
    Ok(Some(Found { path, contract, limits: declared.push.clone(), twice: taking.next().is_some() }))
}

/// A failure as a client hears it: in one line.
fn told(failure: &Failure) -> Fault {
    Fault::new(failure.kind(), one_line(failure))
}

fn one_line(failure: &Failure) -> String {
    failure.to_string().lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

const fn format_of(format: PushFormat) -> polder_connect::PushFormat {
    match format {
        PushFormat::Ndjson => polder_connect::PushFormat::Ndjson,
        PushFormat::Csv => polder_connect::PushFormat::Csv,
        PushFormat::Arrow => polder_connect::PushFormat::Arrow,
        PushFormat::Events => polder_connect::PushFormat::Cloudevents,
    }
}

/// SHA-256 of parts, each with its length, so that no two lists of parts are the same bytes.
fn hashed(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[async_trait]
impl Pushing for Sending {
    fn takes(&self, format: PushFormat) -> bool {
        self.limits.formats.contains(&format_of(format))
    }

    fn bytes_max(&self) -> usize {
        self.limits.bytes_max
    }

    async fn load(self: Box<Self>, push: Push) -> Result<Pushed, NotPushed> {
        self.doing.may_go_on()?;
        let Some(place) = self.doing.holding.hall.pushes.place() else {
            return Err(NotPushed::Crowded("send rows: as many as may be are being loaded, or serving ends; send them again".to_owned()));
        };
        let (sender, receiver) = oneshot::channel();
        let runtime = Handle::current();
        let work = move || {
            // Given back last: whoever waits for all places finds everything ended.
            let _place = place;
            let done = runtime.block_on(self.run(push));
            // Nobody may be left to hear it; what was loaded is found again when it is sent again.
            let _ = sender.send(done);
        };
        let broke_off = || Fault::new(ErrorKind::Internal, "load rows: it broke off; send them again with the same key, and report this");
        if std::thread::Builder::new().name("push".to_owned()).stack_size(STACK_BYTES).spawn(work).is_err() {
            return Err(NotPushed::Crowded("send rows: there is no thread to load them; try again".to_owned()));
        }
        receiver.await.unwrap_or_else(|_| Err(broke_off().into()))
    }
}

impl Sending {
    /// Loads, or finds what was loaded, when its turn has come.
    async fn run(self: Box<Self>, push: Push) -> Result<Pushed, NotPushed> {
        let hall = Arc::clone(&self.doing.holding.hall);
        let pushes = &hall.pushes;
        let memory = pushes.of_table(&self.table);
        let mut memory = memory.lock().await;
        let contract_hash = hex::encode(self.approved.semantic_hash());
        let changes = pushes.changes();
        let (_beside, _alone) = match memory.warm.as_ref() == Some(&contract_hash) {
            true => (Some(changes.read().await), None),
            false => (None, Some(changes.write().await)),
        };
        let Ok(_load) = pushes.loads.acquire().await else { return Err(Fault::limit("load rows: serving ends; send them again").into()) };
        // Whoever was revoked while they waited loads nothing.
        self.doing.may_go_on()?;
        let Push { format, key, body, room: _room } = push;
        let principal = self.installation.actor.to_string();
        let key = hashed(&[b"polder push 1", principal.as_bytes(), key.as_bytes()]);
        let digest = hashed(&[format_of(format).name().as_bytes(), &body]);
        let looked = memory.refresh(&self.installation, &pushes.lake, &self.table).await;
        looked.map_err(|failure| told(&failure.during(format!("look for what was sent into table {}", self.table))))?;
        let now_ms = self.installation.clock.now_ms();
        if let Some(sequence) = memory.find(&key, now_ms) {
            return self.again(&memory, sequence, &digest).await;
        }
        if !memory.has_room(now_ms) {
            let text = "send rows: more requests than can be known again were sent into the table in seven days; send more rows at once";
            return Err(NotPushed::Crowded(text.to_owned()));
        }
        let sent = ingest::Pushed { format: format_of(format), body, key, digest };
        let pushed = self.loaded(&pushes.lake, sent).await?;
        memory.warm = Some(contract_hash);
        failpoint::hit("push-answer");
        Ok(pushed)
    }

    /// What was answered when the request came before, if it is the same.
    async fn again(&self, memory: &Memory, sequence: u64, digest: &[u8; 32]) -> Result<Pushed, NotPushed> {
        let lost = || Fault::new(ErrorKind::Corrupt, "find what was sent: what stood beside its commit is gone; restore it from a backup");
        let dataset = memory.dataset.ok_or_else(lost)?;
        let offsets = Offsets::read(&self.installation, dataset, sequence).await.map_err(|failure| told(&failure))?;
        let Offsets { run, push, .. } = offsets.ok_or_else(lost)?;
        let (noted, run) = (push.ok_or_else(lost)?, run.parse().map_err(|_| lost())?);
        if noted.body != hex::encode(digest) {
            let text =
                "send rows: the key stands for another body, which was loaded in the last seven days; give each request a key of its own";
            return Err(NotPushed::OtherBody(text.to_owned()));
        }
        Ok(answer(run, Some(sequence), noted.counts, &noted.verdicts, true))
    }

    async fn loaded(&self, lake: &polder_lake::Lake, sent: ingest::Pushed) -> Result<Pushed, NotPushed> {
        let (installation, course, table) = (&self.installation, &self.course, self.table.as_str());
        course.start(installation, &[table], false).await.map_err(|failure| told(&failure))?;
        course.begins(installation, table);
        let pushed = ingest::push(installation, lake, self.approved.clone(), course.run(), sent).await;
        let (mut report, verdicts) =
            pushed.unwrap_or_else(|failure| (BatchReport::refused(table.to_owned(), failure), Verdicts::default()));
        course.ended(installation, &mut report).await;
        let committed = report.status == "committed";
        let finished =
            EventKind::RunFinished { run: course.run(), committed: u32::from(committed), failed: u32::from(report.failure.is_some()) };
        let counts = report.counts.unwrap_or_default();
        let Some(mut failure) = report.failure.take() else {
            let recorded = installation.record(finished).await;
            // The rows are in the table: who sends them again is told so.
            recorded.map_err(|failure| told(&failure.during("record that rows were loaded; send them again with the same key")))?;
            return Ok(answer(course.run(), report.sequence, counts, &verdicts, false));
        };
        installation.record_failure(&mut failure, finished).await;
        if failure.kind() != ErrorKind::Rejected || committed {
            return Err(told(&failure).into());
        }
        // Nothing came in, and of what was refused at most a sample is kept.
        let refused = counts.rejected.saturating_add(counts.quarantined);
        let counts = Counts { read: counts.read, rejected: refused, ..Counts::default() };
        let verdicts = Verdicts { kept: false, ..verdicts };
        let rows = Box::new(answer(course.run(), None, counts, &verdicts, false));
        Err(NotPushed::Rejected { message: one_line(&failure), rows })
    }
}

fn answer(run: RunId, batch: Option<u64>, counts: Counts, verdicts: &Verdicts, replayed: bool) -> Pushed {
    let told = verdicts.rows.iter().map(|verdict| Verdict {
        row: verdict.row,
        quarantined: verdicts.kept,
        column: verdict.column.clone(),
        rule: verdict.rule.clone(),
        reason: ingest::reason(&verdict.rule).to_owned(),
    });
    let told: Vec<Verdict> = told.collect();
    let truncated = u64::try_from(told.len()).unwrap_or(u64::MAX) < verdicts.refused;
    let Counts { read, loaded, rejected, quarantined, .. } = counts;
    Pushed { run, batch, read, loaded, rejected, quarantined, verdicts: told, truncated, replayed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_of_parts_have_one_hash() {
        assert_eq!(hashed(&[b"a", b"b"]), hashed(&[b"a", b"b"]));
        let others: [&[&[u8]]; 4] = [&[b"ab"], &[b"", b"ab"], &[b"a", b"b", b""], &[b"b", b"a"]];
        for other in others {
            assert_ne!(hashed(&[b"a", b"b"]), hashed(other));
        }
    }

    #[test]
    fn more_rows_than_are_told_are_said_to_be_more() {
        let verdict = ingest::Verdict { row: 3, column: Some("age".to_owned()), rule: "maximum".to_owned() };
        let verdicts = Verdicts { rows: vec![verdict], refused: 2, kept: true };
        let counts = Counts { read: 5, loaded: 3, quarantined: 2, ..Counts::default() };
        let told = answer(RunId([1; 16]), Some(4), counts, &verdicts, false);
        assert!(told.truncated && told.verdicts.iter().all(|verdict| verdict.quarantined));
        assert_eq!(told.verdicts.first().map(|verdict| verdict.reason.as_str()), Some("the value is too large"));
        let whole = answer(RunId([1; 16]), Some(4), counts, &Verdicts { refused: 1, ..verdicts }, true);
        assert!(!whole.truncated && whole.replayed);
    }
}
