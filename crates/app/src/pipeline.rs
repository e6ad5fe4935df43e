//! `pipelines/*.yaml`: what runs when, and who is told (`docs/format/pipeline.md`).

mod file;

use std::collections::BTreeSet;

use polder_contract::Problems;
use polder_contract::yaml;
use polder_types::{ErrorKind, Rng};
use serde::Deserialize;

use crate::failure::{Failure, Outcome};
use crate::notice::{Channels, NoticeKind};
use crate::project::{self, Project};
use crate::schedule::Schedule;

/// Where pipelines lie in a project.
pub const FOLDER: &str = "pipelines";
/// What the name of a pipeline's file ends with.
pub const SUFFIX: &str = ".yaml";
/// The keys of a pipeline's file.
pub const KEYS: [&str; 9] = ["select", "schedule", "retries", "timeout", "overlap", "freshness", "notify", "catch_up", "maintain"];
/// The keys of `schedule`.
pub const SCHEDULE_KEYS: [&str; 3] = ["cron", "timezone", "every"];
/// The keys of `retries`.
pub const RETRIES_KEYS: [&str; 4] = ["max", "backoff", "factor", "max_backoff"];
/// The keys of `notify`.
pub const NOTIFY_KEYS: [&str; 4] = ["on", "webhook", "smtp", "command"];
/// The words of `on`.
pub const NOTICES: [NoticeKind; 5] =
    [NoticeKind::Failure, NoticeKind::Recovery, NoticeKind::Success, NoticeKind::Retry, NoticeKind::FreshnessMissed];
/// Most retries.
pub const RETRIES_MAX: u32 = 100;
/// Largest factor of the backoff.
pub const FACTOR_MAX: u32 = 10;
/// Longest name of a pipeline, in bytes.
pub const NAME_MAX_BYTES: usize = 63;

/// What happens when a pipeline is due while its run before is not done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The due time passes.
    #[default]
    Skip,
    /// It waits.
    Queue,
    /// The run before is ended, and a new one begins.
    CancelRunning,
}

impl Overlap {
    /// The words.
    pub const WORDS: [&str; 3] = ["skip", "queue", "cancel_running"];
}

/// What becomes of due times at which no scheduler ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// One run makes up for all.
    #[default]
    Latest,
    /// They pass.
    None,
    /// Each is run, one after the other, at most [`crate::scheduler::QUEUE_MAX`], the newest.
    All,
}

impl CatchUp {
    /// The words.
    pub const WORDS: [&str; 3] = ["latest", "none", "all"];
}

/// Where it is said how old tables may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreshnessFrom {
    /// In their contracts.
    #[default]
    Contracts,
    /// Nowhere: nothing is judged.
    None,
}

impl FreshnessFrom {
    /// The words.
    pub const WORDS: [&str; 2] = ["contracts", "none"];
}

/// How often a run whose failure may pass is tried again, and how long each try waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after the first.
    pub max: u32,
    /// Before the first retry.
    pub backoff_ms: i64,
    /// What it grows by.
    pub factor: u32,
    /// What it grows to.
    pub max_backoff_ms: i64,
}

impl Retries {
    /// None at all.
    pub const NONE: Self = Self { max: 0, ..Self::DEFAULT };
    /// What `retries: {}` means.
    pub const DEFAULT: Self = Self { max: 3, backoff_ms: 30_000, factor: 2, max_backoff_ms: 600_000 };

    /// Whether an attempt, from 1, has one after it.
    pub const fn follows(&self, attempt: u32) -> bool {
        attempt <= self.max
    }

    /// How long the attempt after this one waits, in milliseconds, by chance up to a fifth longer: many that failed for the same reason
    /// do not all come back at once.
    pub fn wait_ms(&self, attempt: u32, rng: &dyn Rng) -> i64 {
        let mut wait = self.backoff_ms;
        for _ in 1..attempt.min(RETRIES_MAX) {
            wait = wait.saturating_mul(i64::from(self.factor)).min(self.max_backoff_ms);
        }
        let mut bytes = [0u8; 8];
        // Without randomness it waits as long as it says.
        let drawn = rng.fill(&mut bytes).map_or(0, |()| u64::from_le_bytes(bytes));
        let more = u64::try_from(wait / 5).map_or(0, |most| drawn % most.saturating_add(1));
        wait.saturating_add(i64::try_from(more).unwrap_or_default())
    }
}

/// Who is told of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Of these things.
    pub on: BTreeSet<NoticeKind>,
    /// Over these channels.
    pub channels: Channels,
}

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// The file's name without its ending.
    pub name: String,
    /// The file, for errors.
    pub file: String,
    /// Tables and models; all when there are none.
    pub select: Vec<String>,
    /// When it is due; none: when someone asks for it.
    pub schedule: Option<Schedule>,
    /// What is tried again.
    pub retries: Retries,
    /// Longest run, in milliseconds.
    pub timeout_ms: Option<i64>,
    /// When it is due while it runs.
    pub overlap: Overlap,
    /// Whether tables that are older than their contracts let them be are told.
    pub freshness: FreshnessFrom,
    /// Who is told.
    pub notify: Option<Notify>,
    /// After a while without a scheduler.
    pub catch_up: CatchUp,
    /// Whether each table for which that is advised is optimised after its load.
    pub maintain: bool,
}

impl Pipeline {
    /// Reads a pipeline's file. `file` is its path, for the name and for error texts.
    ///
    /// # Errors
    /// What is wrong with it, with its line and what to write instead.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        file::parse(text, file)
    }

    /// Whether a table or model is one of those that it runs.
    pub fn selects(&self, name: &str) -> bool {
        self.select.is_empty() || self.select.iter().any(|selected| selected == name)
    }

    /// Whether, and over what, something is told.
    pub fn tells(&self, kind: NoticeKind) -> Option<&Channels> {
        self.notify.as_ref().filter(|notify| notify.on.contains(&kind)).map(|notify| &notify.channels)
    }
}

impl Project {
    /// All pipelines, by name; everything that is wrong in any of them is told together.
    ///
    /// # Errors
    /// When a file cannot be read or is wrong.
    pub fn pipelines(&self) -> Outcome<Vec<Pipeline>> {
        let (mut pipelines, mut problems) = (Vec::new(), Vec::new());
        for path in project::files(&self.dir().join(FOLDER), SUFFIX)? {
            match Pipeline::parse(&project::read(&path)?, &self.shown(&path)) {
                Ok(pipeline) => pipelines.push(pipeline),
                Err(Problems(found)) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(pipelines) } else { Err(Problems(problems).into()) }
    }

    /// The names of all pipelines, whatever stands in their files.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn pipeline_names(&self) -> Outcome<Vec<String>> {
        let files = project::files(&self.dir().join(FOLDER), SUFFIX)?;
        Ok(files.iter().filter_map(|file| file.file_stem()?.to_str().map(str::to_owned)).collect())
    }

    /// One pipeline.
    ///
    /// # Errors
    /// When there is no such pipeline, or its file is wrong.
    pub fn pipeline(&self, name: &str) -> Outcome<Pipeline> {
        let path = self.dir().join(FOLDER).join(format!("{name}{SUFFIX}"));
        // Only what the folder itself lists: a name is no path.
        let files = project::files(&self.dir().join(FOLDER), SUFFIX)?;
        if files.contains(&path) {
            return Ok(Pipeline::parse(&project::read(&path)?, &self.shown(&path))?);
        }
        let names = self.pipeline_names()?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let advice = match names.as_slice() {
            [] => "there is none yet: docs/format/pipeline.md shows one".to_owned(),
            names => yaml::suggest(name, names),
        };
        Err(Failure::new(ErrorKind::Invalid, format!("find pipeline {name}: {FOLDER}/ holds no such file; {advice}")))
    }
}

#[cfg(test)]
mod tests;
