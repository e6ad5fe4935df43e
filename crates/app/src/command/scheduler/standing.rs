//! `polder scheduler status`: who runs the pipelines when they are due, what goes on, and what is next.

use polder_types::ErrorKind;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::alone;
use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::hosted::client;
use crate::print::{self, Listing, time};
use crate::project::Project;
use crate::scheduler::{Doing, Standing};

/// Who begins what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The process that serves.
    Serve,
    /// `polder scheduler`.
    Scheduler,
    /// Nobody on this host.
    Nobody,
}

/// How the scheduler stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who begins what is due.
    pub by: By,
    /// The pipelines that have a schedule, by name.
    pub pipelines: Vec<Line>,
}

/// How a pipeline stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pipeline: String,
    /// `running`, `ending`, `waiting` or `idle`; none where only its own process knows.
    state: Option<String>,
    /// Which attempt goes on or waits.
    attempt: Option<u32>,
    /// Since when it goes on, or until when it waits.
    time: Option<String>,
    next_due: Option<String>,
}

impl Line {
    fn of(standing: &Standing) -> Self {
        let (state, attempt, time_ms) = match standing.doing {
            Doing::Idle => ("idle", None, None),
            Doing::Waiting { attempt, ready_ms } => ("waiting", Some(attempt), Some(ready_ms)),
            Doing::Running { attempt, since_ms, ending: false } => ("running", Some(attempt), Some(since_ms)),
            Doing::Running { attempt, since_ms, ending: true } => ("ending", Some(attempt), Some(since_ms)),
        };
        Self {
            pipeline: standing.pipeline.clone(),
            state: Some(state.to_owned()),
            attempt,
            time: time_ms.map(time),
            next_due: standing.next_due_ms.map(time),
        }
    }

    fn says(&self) -> Option<String> {
        let (state, attempt, time) = (self.state.as_deref()?, self.attempt?, self.time.as_deref()?);
        let name = &self.pipeline;
        Some(match state {
            "waiting" => format!("attempt {attempt} of {name} waits until {time}"),
            "ending" => format!("{name} goes on since {time}, attempt {attempt}, and was asked to end"),
            _ => format!("{name} goes on since {time}, attempt {attempt}"),
        })
    }
}

impl Report {
    /// In one line; none where nothing has a schedule.
    pub fn says(&self) -> Option<String> {
        if self.pipelines.is_empty() {
            return None;
        }
        let by = match self.by {
            By::Serve => "`polder serve` runs the pipelines",
            By::Scheduler => "`polder scheduler` runs the pipelines",
            By::Nobody => "nobody on this host runs the pipelines when they are due; `polder serve` and `polder scheduler` do",
        };
        let next = self.pipelines.iter().filter_map(|line| Some((line.next_due.as_deref()?, line.pipeline.as_str()))).min();
        let next = next.map(|(at, name)| format!("{name} is due at {at}"));
        let says: Vec<String> = std::iter::once(by.to_owned()).chain(self.pipelines.iter().filter_map(Line::says)).chain(next).collect();
        Some(says.join("; "))
    }
}

/// How the scheduler stands, as whoever serves says, or as far as this process can tell.
///
/// # Errors
/// When the pipelines are wrong, or whoever serves does not answer.
pub fn asked(project: &Project) -> Outcome<Report> {
    match client::ask(project, &["scheduler", "status", "--output", "json"])? {
        Some(answer) if answer.code == 0 => {
            serde_json::from_slice(&answer.output).map_err(|error| Failure::because(ErrorKind::Internal, "ask `polder serve`", &error))
        }
        Some(_) => Err(Failure::new(ErrorKind::Unavailable, "ask `polder serve` how the pipelines stand: it does not say")),
        None => report(project),
    }
}

/// The same where this is the process that serves, or nobody does.
fn report(project: &Project) -> Outcome<Report> {
    if let Some(standing) = hosted::current().and_then(|host| host.inside().scheduler()) {
        return Ok(Report { by: By::Serve, pipelines: standing.iter().map(Line::of).collect() });
    }
    let by = match alone(project) {
        Ok(_) => By::Nobody,
        Err(failure) if failure.kind() == ErrorKind::Busy => By::Scheduler,
        Err(failure) => return Err(failure),
    };
    let now_ms = polder_types::Clock::now_ms(&polder_types::SystemClock);
    let scheduled = project.pipelines()?.into_iter().filter_map(|pipeline| {
        let next = pipeline.schedule.as_ref()?.next_after(now_ms);
        Some(Line { pipeline: pipeline.name, state: None, attempt: None, time: None, next_due: next.map(time) })
    });
    Ok(Report { by, pipelines: scheduled.collect() })
}

/// Shows it.
///
/// # Errors
/// As [`asked`].
pub fn show(project: &Project, output: Output) -> Outcome {
    let report = report(project)?;
    if output == Output::Json {
        return print::json(&json!(report));
    }
    let mut listing = Listing::new(&["pipeline", "run_by", "state", "attempt", "time", "next_due"]);
    for line in &report.pipelines {
        let Line { pipeline, state, attempt, time, next_due } = line;
        listing.row([json!(pipeline), json!(report.by), json!(state), json!(attempt), json!(time), json!(next_due)]);
    }
    listing.print(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_774_483_200_000;

    fn line(name: &str, doing: Doing) -> Line {
        Line::of(&Standing { pipeline: name.to_owned(), doing, next_due_ms: Some(T0) })
    }

    #[test]
    fn what_goes_on_and_what_is_next_is_said_in_one_line() {
        let lines = vec![
            line("a", Doing::Idle),
            line("b", Doing::Running { attempt: 2, since_ms: T0, ending: false }),
            line("c", Doing::Running { attempt: 1, since_ms: T0, ending: true }),
            line("d", Doing::Waiting { attempt: 3, ready_ms: T0 }),
        ];
        let says = Report { by: By::Serve, pipelines: lines }.says().unwrap();
        assert_eq!(
            says,
            "`polder serve` runs the pipelines; b goes on since 2026-03-26T00:00:00Z, attempt 2; c goes on since 2026-03-26T00:00:00Z, \
             attempt 1, and was asked to end; attempt 3 of d waits until 2026-03-26T00:00:00Z; a is due at 2026-03-26T00:00:00Z"
        );
        assert_eq!(Report { by: By::Nobody, pipelines: Vec::new() }.says(), None);
    }

    #[test]
    fn what_is_said_over_the_socket_reads_back() {
        let report =
            Report { by: By::Serve, pipelines: vec![line("a", Doing::Idle), line("b", Doing::Waiting { attempt: 2, ready_ms: T0 })] };
        assert_eq!(serde_json::from_str::<Report>(&json!(report).to_string()).unwrap(), report);
    }
}
