//! What a change of a project comes to, from its files alone: what it newly lets in and who approved that, what breaks, what becomes of
//! rows that are stored. Needs no key, no store and no network, so that it runs wherever the files are (`polder ci`).

mod approval;
pub mod contracts;
mod enrolment;
pub mod junit;
mod lineage;
pub mod markdown;
mod questions;
pub mod reads;
pub mod sarif;
pub mod snapshot;
mod surroundings;
pub mod text;

use std::path::Path;

use polder_contract::Change;
use polder_types::{Clock, ErrorKind, SystemClock};

use crate::failure::{Failure, Outcome};
use crate::git::{Repository, Revision};
use crate::review::approval::Judge;
use crate::review::snapshot::{Snapshot, Tree};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Someone may want to know.
    Note,
    /// Whoever reviews the change must look at it.
    Warning,
    /// The change is refused.
    Error,
}

impl Level {
    /// Its name in machine-readable output, which is that of SARIF too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing to say about one place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What sort of finding it is: a name of [`RULES`] or of a kind of change.
    pub rule: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// What was checked when it was found, such as `table people`.
    pub subject: String,
    /// The file, from the project's directory.
    pub file: String,
    /// Its line, from 1.
    pub line: u64,
    /// What was found and what to do.
    pub message: String,
}

/// Sorts of findings that are no change of a contract: their names and what each is.
pub const RULES: [(&str, &str); 19] = [
    ("unreadable", "A file of the project cannot be used."),
    ("secret-written-out", "A file of the project holds what looks like a secret."),
    ("unapproved-widening", "A contract newly lets something in, and nobody who may approved it."),
    ("approved-before", "An approval of former times is taken for this change."),
    ("not-approved", "A contract is not approved as it stands, so that no row comes in."),
    ("refused-migration", "Rows that are stored stand in the way of a change."),
    ("cannot-be-asked", "A contract's relationship or rule in SQL cannot be asked, so that no load of its table shows anything."),
    ("model-broken", "A model does not fit the tables that it reads any more."),
    ("model-changed", "A model gives other columns than before."),
    ("approvers-changed", "Other people may approve, or other things are asked of them."),
    ("environment-changed", "An environment of polder.yaml is another one."),
    ("groups-changed", "Other people belong to the groups that policies name."),
    ("source-file-changed", "A source is read from elsewhere or in another way, which no approval covers."),
    ("policies-changed", "Other people may do other things."),
    ("reads-permitted", "Someone may newly read rows or columns."),
    ("reads-denied", "Someone may no longer read rows or columns."),
    ("policy-test-failed", "What policies answer is not what a test case of them expects."),
    ("pipeline-changed", "A pipeline tells other receivers, or runs another program for that."),
    ("base-unreadable", "A file of the base cannot be used, so that all of it counts as new."),
];

/// What becomes of what a contract newly lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It lets nothing in that did not come in before.
    NothingNew,
    /// These people approved it.
    Approved(Vec<String>),
    /// Nobody did whose approval counts, and why.
    Unapproved(String),
}

/// The changes of one table's contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReview {
    /// The table.
    pub table: String,
    /// The contract's file; the old one where there is no new one.
    pub file: String,
    /// What changed.
    pub changes: Vec<Change>,
    /// Whether what is newly let in was approved.
    pub verdict: Verdict,
    /// Whether the contract is approved as it stands.
    pub approved: bool,
}

/// All that is to be said of a change.
#[derive(Debug, Clone)]
pub struct Review {
    /// What it is compared with, as it was named.
    pub base: String,
    /// The commit that this comes to.
    pub commit: Revision,
    /// The project's directory within the repository; empty, or with `/` at its end.
    pub prefix: String,
    /// The environment whose approvers count.
    pub environment: String,
    /// Contracts that changed.
    pub tables: Vec<TableReview>,
    /// Everything that was found, changes among it, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// Everything that was checked.
    pub checked: Vec<String>,
}

impl Review {
    /// Reviews what differs between the work tree and the last commit that it has in common with `base`.
    ///
    /// # Errors
    /// When git cannot be asked. What is wrong with the project's files is in the findings.
    pub async fn of(dir: &Path, environment: &str, base: &str) -> Outcome<Self> {
        let repository = Repository::open(dir)?;
        let (tip, head) = (repository.revision(base)?, repository.revision("HEAD")?);
        let commit = repository.common(&tip, &head)?;
        let old = Snapshot::read(&Tree::Revision(&repository, &commit))?;
        let new = Snapshot::read(&Tree::Work(dir))?;
        // Who may approve is asked of the base as it is now: whoever was struck off it since does not count.
        let enrolled = if tip == commit { old.settings.clone() } else { Snapshot::settings_of(&Tree::Revision(&repository, &tip))? };
        let judge = Judge {
            repository: &repository,
            base: &commit,
            head: &head,
            environment,
            before: enrolled.as_ref(),
            now: new.settings.as_ref(),
        };
        let mut review = Self {
            base: base.to_owned(),
            commit: commit.clone(),
            prefix: repository.prefix()?,
            environment: environment.to_owned(),
            tables: Vec::new(),
            findings: Vec::new(),
            checked: new.checked(),
        };
        review.unreadable(&old, &new);
        review.secrets(&new);
        contracts::review(&mut review, &old, &new, &judge)?;
        enrolment::review(&mut review, &old, &new, &judge)?;
        surroundings::review(&mut review, &old, &new);
        reads::review(&mut review, &old, &new, SystemClock.now_ms().saturating_mul(1_000));
        questions::review(&mut review, &old, &new);
        lineage::review(&mut review, &old, &new).await?;
        review.findings.sort_by(|one, other| (&one.file, one.line, other.level).cmp(&(&other.file, other.line, one.level)));
        Ok(review)
    }

    fn unreadable(&mut self, old: &Snapshot, new: &Snapshot) {
        for problem in &new.problems {
            let message = format!("{}; {}", problem.problem, problem.advice);
            self.found("unreadable", Level::Error, format!("file {}", problem.file), &problem.file, problem.line, message);
        }
        for problem in &old.problems {
            let message = format!("at the base it could not be used: {}", problem.problem);
            self.found("base-unreadable", Level::Warning, format!("file {}", problem.file), &problem.file, problem.line, message);
        }
    }

    /// What looks like a secret, whether or not it stood there before. It is not repeated: findings are shown to all.
    fn secrets(&mut self, new: &Snapshot) {
        for (file, written) in &new.secrets {
            let message = format!(
                "this looks like {}; replace it at its source, for all who read the project's history know it, and write a reference here (env:NAME, file:PATH or credential:NAME) or nothing",
                written.what
            );
            self.found("secret-written-out", Level::Error, format!("file {file}"), file, written.line, message);
        }
    }

    fn found(&mut self, rule: &'static str, level: Level, subject: impl Into<String>, file: &str, line: u64, message: impl Into<String>) {
        let (subject, file, message) = (subject.into(), file.to_owned(), message.into());
        self.findings.push(Finding { rule, level, subject, file, line: line.max(1), message });
    }

    /// Why the change is refused; none when it may go on.
    pub fn refusal(&self) -> Option<Failure> {
        let errors = |unreadable: bool| {
            self.findings.iter().filter(|finding| finding.level == Level::Error && (finding.rule == "unreadable") == unreadable).count()
        };
        let (unreadable, refused) = (errors(true), errors(false));
        let places = |count: usize| if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") };
        if unreadable > 0 {
            let text = format!("review the change: files of the project cannot be used ({}); correct them", places(unreadable));
            return Some(Failure::new(ErrorKind::Invalid, text));
        }
        if refused == 0 {
            return None;
        }
        let text = format!(
            "review the change: it is refused ({}): it newly lets in what nobody approved whose approval counts, a model no longer fits, a contract asks what cannot be asked, policies answer otherwise than a test case of them expects, or a file holds a secret",
            places(refused)
        );
        Some(Failure::new(ErrorKind::Rejected, text).exiting(REFUSED))
    }
}

/// The exit code of a change that is refused, as programs that check code end.
const REFUSED: u8 = 1;
