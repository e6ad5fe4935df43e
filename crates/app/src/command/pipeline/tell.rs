//! What is told of a pipeline, and that it was: each notice is recorded before it is sent, and what became of it after.

use polder_types::event::{Phase, RunResult};
use polder_types::{EventKind, NameId, Private, RunId};
use serde_json::json;

use super::attempt::{Asked, Attempt};
use crate::duration::Shown;
use crate::failure::Failure;
use crate::freshness::Judged;
use crate::installation::Installation;
use crate::notice::{self, Notice, NoticeKind};
use crate::pipeline::Pipeline;
use crate::print;
use crate::project::Project;

/// Sends a notice, if the pipeline tells of such things, and records it. What cannot be recorded is told all the same: an alarm that
/// nobody hears helps nobody.
pub async fn tell(installation: &Installation, pipeline: &Pipeline, id: NameId, notice: &Notice) {
    let Some(receivers) = pipeline.tells(notice.kind).map(notice::Channels::count) else { return };
    let sent = |phase, failed| EventKind::NoticeSent {
        pipeline: id,
        run: notice.run,
        notice: notice.kind.name().to_owned(),
        phase,
        receivers,
        failed,
    };
    let private = Private::default().with("notice", notice.text.clone());
    if let Err(failure) = installation.record_with(sent(Phase::Intent, 0), private).await {
        print::warn("a notice could not be recorded, and is sent all the same", &failure);
    }
    crate::failpoint::hit("notice-intent");
    let failures = send(&installation.project, pipeline, notice).await;
    let failed = u32::try_from(failures.len()).unwrap_or(u32::MAX);
    let (phase, mut private) = (if failed == 0 { Phase::Outcome } else { Phase::Aborted }, Private::default());
    if failed > 0 {
        let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
        private = private.with("failures", texts.join("\n"));
    }
    if let Err(failure) = installation.record_with(sent(phase, failed), private).await {
        print::warn("what became of a notice could not be recorded", &failure);
    }
}

/// Sends a notice, if the pipeline tells of such things: where nothing can be recorded, or before it is.
pub async fn send(project: &Project, pipeline: &Pipeline, notice: &Notice) -> Vec<Failure> {
    let Some(channels) = pipeline.tells(notice.kind) else { return Vec::new() };
    let failures = notice::send(notice, channels, project.dir()).await;
    failures.iter().for_each(|failure| print::warn(&format!("a notice of pipeline {} could not be sent", pipeline.name), failure));
    failures
}

/// What an attempt that ended says: that it failed, and whether another follows, or that it succeeded, after others failed or not. One
/// that someone ended says nothing.
pub fn of_attempt(pipeline: &Pipeline, asked: &Asked<'_>, attempt: &Attempt, failing: bool, at_ms: i64) -> Vec<Notice> {
    let kinds: &[NoticeKind] = match attempt.result {
        RunResult::Succeeded if failing => &[NoticeKind::Recovery, NoticeKind::Success],
        RunResult::Succeeded => &[NoticeKind::Success],
        RunResult::Cancelled | RunResult::Interrupted => &[],
        RunResult::Failed | RunResult::TimedOut | RunResult::Killed if attempt.again => &[NoticeKind::Retry],
        RunResult::Failed | RunResult::TimedOut | RunResult::Killed => &[NoticeKind::Failure],
    };
    let (name, number, all) = (&pipeline.name, asked.attempt, pipeline.retries.max.saturating_add(1));
    let why = attempt.failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
    let text = |kind| match kind {
        NoticeKind::Recovery => format!("pipeline {name} is well again"),
        NoticeKind::Success => format!("pipeline {name} succeeded"),
        NoticeKind::Retry => format!("pipeline {name} failed, attempt {number} of {all}, and is tried again{why}"),
        NoticeKind::Failure | NoticeKind::FreshnessMissed | NoticeKind::BreakGlassOpened => match attempt.result {
            RunResult::TimedOut => format!("pipeline {name} took too long{why}"),
            _ => format!("pipeline {name} failed, attempt {number} of {all}{why}"),
        },
    };
    let steps: Vec<_> = attempt
        .reports
        .iter()
        .map(|report| json!({ "step": report.table, "status": report.status, "counts": report.counts, "error": report.failure.as_ref().map(|failure| failure.kind().name()) }))
        .collect();
    let details = json!({
        "run": attempt.run.map(|run| run.to_string()), "result": attempt.result.name(), "attempt": number, "attempts": all,
        "due": asked.due_ms.map(print::time), "error": attempt.failure.as_ref().map(|failure| failure.kind().name()),
        "exit_code": attempt.failure.as_ref().map_or(0, Failure::exit_code), "steps": steps,
    });
    let notices = kinds.iter().map(|kind| Notice {
        pipeline: name.clone(),
        kind: *kind,
        run: attempt.run,
        at_ms,
        text: text(*kind),
        details: details.clone(),
    });
    notices.collect()
}

/// That a run's process ended without a word.
pub fn of_killed(pipeline: &Pipeline, run: RunId, again: bool, at_ms: i64) -> Notice {
    let then = if again { "and is tried again" } else { "and is not tried again" };
    Notice {
        pipeline: pipeline.name.clone(),
        kind: if again { NoticeKind::Retry } else { NoticeKind::Failure },
        run: Some(run),
        at_ms,
        text: format!("a run of pipeline {} was broken off, {then}: its process ended without a word", pipeline.name),
        details: json!({ "run": run.to_string(), "result": RunResult::Killed.name() }),
    }
}

/// That a run failed, which its process recorded and did not come to tell.
pub fn of_untold(pipeline: &Pipeline, run: RunId, at_ms: i64) -> Notice {
    Notice {
        pipeline: pipeline.name.clone(),
        kind: NoticeKind::Failure,
        run: Some(run),
        at_ms,
        text: format!("a run of pipeline {} failed, and nobody was told of it then; `polder runs show {run}` tells how", pipeline.name),
        details: json!({ "run": run.to_string() }),
    }
}

/// That a run goes on though it was asked to end.
pub fn of_stuck(pipeline: &Pipeline, at_ms: i64) -> Notice {
    Notice {
        pipeline: pipeline.name.clone(),
        kind: NoticeKind::Failure,
        run: None,
        at_ms,
        text: format!(
            "a run of pipeline {} does not end though it was asked to, and nothing else loads until it does; start `polder serve` anew",
            pipeline.name
        ),
        details: json!({ "how": "does not end" }),
    }
}

/// That a run could not begin, or was broken off, and that the log says nothing of it.
pub fn of_lost(pipeline: &Pipeline, how: &str, at_ms: i64) -> Notice {
    Notice {
        pipeline: pipeline.name.clone(),
        kind: NoticeKind::Failure,
        run: None,
        at_ms,
        text: format!("a run of pipeline {} {how}, and is not tried again; see what the scheduler printed", pipeline.name),
        details: json!({ "how": how }),
    }
}

/// That tables are older than they may be, or that they no longer are.
pub fn of_freshness(pipeline: &Pipeline, tables: &[&Judged], missed: bool, at_ms: i64) -> Option<Notice> {
    if tables.is_empty() {
        return None;
    }
    let age = |table: &Judged| {
        let seconds = table.newest_ms.map(|newest| u64::try_from(at_ms.saturating_sub(newest) / 1000).unwrap_or_default());
        match seconds {
            Some(seconds) => format!("was last loaded {} ago", Shown(seconds)),
            None => "was never loaded".to_owned(),
        }
    };
    // What a column holds is a value of a row: that it is too old is told, and not how old it is.
    let line = |table: &Judged| match (&table.column, missed, table.why) {
        (None, true, _) => format!("table {} {}, and may be {} old", table.table, age(table), Shown(table.max_age_seconds)),
        (None, false, _) => format!("table {} {}", table.table, age(table)),
        (Some(column), true, Some(why)) => {
            format!("column {column} of table {} may be {} old, and {why}", table.table, Shown(table.max_age_seconds))
        }
        (Some(column), true, None) => {
            format!("the newest value of column {column} of table {} is more than {} old", table.table, Shown(table.max_age_seconds))
        }
        (Some(column), false, _) => {
            format!("the newest value of column {column} of table {} is not older than {}", table.table, Shown(table.max_age_seconds))
        }
    };
    let lines: Vec<String> = tables.iter().map(|table| line(table)).collect();
    let head = if missed { "misses its freshness" } else { "is fresh again" };
    let details: Vec<_> = tables
        .iter()
        .map(|table| {
            let newest = table.newest_ms.map(print::time);
            let (column, why) = (&table.column, table.why);
            json!({ "table": table.table, "column": column, "newest": newest, "max_age_seconds": table.max_age_seconds, "why": why })
        })
        .collect();
    Some(Notice {
        pipeline: pipeline.name.clone(),
        kind: if missed { NoticeKind::FreshnessMissed } else { NoticeKind::Recovery },
        run: None,
        at_ms,
        text: format!("pipeline {} {head}: {}", pipeline.name, lines.join("; ")),
        details: json!({ "tables": details }),
    })
}
