//! A load of what a program sent: the way of every other load, with a memory of the request, and a verdict on each row that was refused.

use bytes::Bytes;
use polder_connect::{Connection, PushFormat, open_pushed};
use polder_contract::{Approved, Deletes, OnViolation, Rejection, Rule, Statistics};
use polder_lake::Lake;
use polder_policy::Action;
use polder_types::event::Counts;
use polder_types::{ErrorKind, RunId};
use serde::{Deserialize, Serialize};

use super::offsets::Offsets;
use super::way::Gone;
use super::{Batch, BatchReport, CellWords, Input, LoadOptions};
use crate::described;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;

/// Verdicts that are told and remembered of one request; of the others only their number.
pub const VERDICTS_MAX: usize = 1_000;

/// What was sent.
pub struct Pushed {
    /// The form of the body.
    pub format: PushFormat,
    /// The body.
    pub body: Bytes,
    /// What stands for the sender and their key.
    pub key: [u8; 32],
    /// What stands for the body.
    pub digest: [u8; 32],
}

/// A row that was refused: where it stands and which rule it broke, and nothing of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The record's number in the body, from 1; a header of CSV is none.
    pub row: u64,
    /// The column; none when the record as a whole is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The rule's name.
    pub rule: String,
}

/// The verdicts of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdicts {
    /// Of the first rows that were refused.
    pub rows: Vec<Verdict>,
    /// How many rows were refused.
    pub refused: u64,
    /// Whether they were kept.
    pub kept: bool,
}

/// What is remembered of a request beside the rows that it sent, in the same commit: who sends it again is answered the same, and nothing is
/// loaded twice. The key and the body stand there as hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// In hexadecimal.
    pub key: String,
    /// In hexadecimal.
    pub body: String,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// What came of it.
    pub counts: Counts,
    /// Which rows were refused.
    pub verdicts: Verdicts,
}

/// A request on its way.
pub(super) struct Taken {
    sent: Pushed,
    verdicts: Verdicts,
}

impl Taken {
    fn new(sent: Pushed, kept: bool) -> Self {
        Self { sent, verdicts: Verdicts { kept, ..Verdicts::default() } }
    }

    /// How many more rows are told.
    pub fn room(&self) -> usize {
        VERDICTS_MAX.saturating_sub(self.verdicts.rows.len())
    }

    /// A row was refused.
    pub fn refused(&mut self, rejection: &Rejection) {
        self.verdicts.refused = self.verdicts.refused.saturating_add(1);
        if self.room() > 0 {
            let (row, column) = (rejection.record, rejection.column.clone());
            self.verdicts.rows.push(Verdict { row, column, rule: rejection.rule.name().to_owned() });
        }
    }

    /// How many rows were refused in all.
    pub fn found(&mut self, refused: u64) {
        self.verdicts.refused = refused;
        self.verdicts.rows.sort_by_key(|verdict| verdict.row);
    }

    pub fn noted(&self, at_ms: i64, counts: Counts) -> Noted {
        let (key, body) = (hex::encode(self.sent.key), hex::encode(self.sent.digest));
        Noted { key, body, at_ms, counts, verdicts: self.verdicts.clone() }
    }
}

/// Loads what was sent into the table of a contract whose source is pushed to. The keys that a load may need are made before it, so that none
/// is made in the middle of it.
///
/// # Errors
/// When it is not permitted, or the log or the keyring cannot be written. A failure on the way is in the report.
pub async fn push(
    installation: &Installation,
    lake: &Lake,
    approved: Approved,
    run: RunId,
    sent: Pushed,
) -> Outcome<(BatchReport, Verdicts)> {
    let table = approved.table.to_string();
    let permit = installation.may(Action::Run, &table).await?;
    let dataset = installation.dataset(&format!("table:{table}")).await?;
    let kept = approved.on_violation == OnViolation::Quarantine;
    if kept {
        installation.dataset(&format!("quarantine:{table}")).await?;
    }
    let (report, statistics) = (BatchReport::new(table.clone()), Statistics::of(&approved));
    let (approved, options) = (std::sync::Arc::new(approved), LoadOptions::default());
    let push = Some(Taken::new(sent, kept));
    let mut batch = Batch { installation, lake, approved, permit, dataset, run, options, report, statistics, push };
    let taken = batch.take().await;
    let verdicts = batch.push.as_ref().map(|push| push.verdicts.clone()).unwrap_or_default();
    Ok((batch.ended(taken, &format!("load table {table}")).await, verdicts))
}

impl Batch<'_> {
    /// `polder run` reads nothing of a source that programs push to.
    pub(super) fn pushed_to(&mut self, connection: &Connection, head: u64) -> Outcome {
        if self.options.again || self.options.full_refresh || self.options.window.is_some() {
            let text = format!(
                "read dataset {} of source {} again: it is pushed to, and what was sent is at no place from which it could be read; let its sender send it again",
                self.approved.dataset, connection.name
            );
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
        self.report.status = "pushed";
        self.report.version = self.installation.journal.state().tables.get(&self.dataset).filter(|_| head > 0).map(|head| head.version);
        Ok(())
    }

    async fn take(&mut self) -> Outcome {
        let (installation, lake, dataset, approved) = (self.installation, self.lake, self.dataset, std::sync::Arc::clone(&self.approved));
        if approved.deletes == Some(Deletes::KeySnapshot) {
            let text = format!(
                "load table {}: its contract deletes the rows whose keys the source does not hold, and what is pushed is never all that there is; set polder.deletes to a column that says so",
                approved.table
            );
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
        let connection = installation.project.source(&approved.source)?;
        let (way, head) = (self.way(), self.head());
        installation.classify(dataset, &approved, described::of_contract(&approved)).await?;
        if head > 0 {
            lake.rows(dataset, None).await?;
        }
        let before = Offsets::of_head(installation, dataset, head).await?;
        let defect = || Failure::new(ErrorKind::Internal, "load what was sent: nothing was; report this as a defect");
        let sent = &self.push.as_ref().ok_or_else(defect)?.sent;
        let (format, body, identity) = (sent.format, sent.body.clone(), self.run.to_string());
        let options = installation.project.read_options();
        let reader = open_pushed(&connection, &approved.dataset, &self.wanted(), format, body, &identity, options)?;
        let mut offsets = Offsets {
            run: identity,
            contract_hash: hex::encode(approved.semantic_hash()),
            source_identity: reader.source_identity().to_owned(),
            outside: before.outside.clone(),
            history: before.history.clone(),
            ..Offsets::default()
        };
        if way.keeps_rows() {
            offsets.files = before.files;
            offsets.replayed = before.replayed;
            offsets.cursor = before.cursor;
        }
        let cells = CellWords::of(connection.dataset(&approved.dataset)?);
        self.write(Input { reader, cells, way, gone: Gone::None, cursor: None, replay: false, offsets }).await
    }
}

/// What a rule asks, in words; of a name that no rule has, nothing.
pub fn reason(name: &str) -> &'static str {
    use polder_contract::{Kind, Malformed};
    let Some(rule) = Rule::ALL.into_iter().find(|rule| rule.name() == name) else { return "" };
    match rule {
        Rule::Malformed(Malformed::Ragged) => "it has more or fewer fields than the header",
        Rule::Malformed(Malformed::TooLong) => "it is longer than a record may be",
        Rule::Malformed(Malformed::BadQuote) => "a quote stands where none may, or never closes",
        Rule::Malformed(Malformed::InvalidJson) => "it is not JSON",
        Rule::Malformed(Malformed::NotAnObject) => "it is JSON, and not an object",
        Rule::Malformed(Malformed::DuplicateKey) => "one of its keys stands there twice",
        Rule::Malformed(Malformed::TooDeep) => "it is nested too deeply",
        Rule::Malformed(Malformed::NotUtf8) | Rule::NotUtf8 => "it is not UTF-8",
        Rule::Malformed(Malformed::NotAList) => "there is no list where rows are taken from one",
        Rule::Malformed(Malformed::CellError) => "it holds an error in place of a value",
        Rule::Required => "a value must be there",
        Rule::PrimaryKeyNull => "a column of the key has no value",
        Rule::Type => "the value is not of the column's type",
        Rule::TypeRange => "the number is outside what the column's type holds",
        Rule::Precision => "the value is finer than the column's type keeps",
        Rule::NotFinite => "the number is not finite",
        Rule::Zone => "a time zone is missing, or stands where none may, or the local time is not one",
        Rule::TooLong => "the value is longer than any may be",
        Rule::Minimum => "the value is too small",
        Rule::Maximum => "the value is too large",
        Rule::MultipleOf => "the value is no multiple of what the contract says",
        Rule::MinLength => "the text is too short",
        Rule::MaxLength => "the text is too long",
        Rule::Pattern => "the text does not fit the contract's pattern",
        Rule::Format => "the text is not of the contract's format",
        Rule::ValidValues => "the value is none of the valid ones",
        Rule::Unique | Rule::PrimaryKey => "another row of the request has the same value",
        Rule::UniqueInTable | Rule::PrimaryKeyInTable => "the table has the value already",
        Rule::Content(Kind::Personal) => "it holds personal data that its classification does not allow",
        Rule::Content(_) => "content inspection found a risk",
        Rule::Normalise => "nothing is left of the value after its normalisation",
        Rule::Withheld => "the value was not kept",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_a_reason_and_nothing_else_has_one() {
        for rule in Rule::ALL {
            assert!(!reason(rule.name()).is_empty(), "{rule}");
        }
        assert_eq!(reason("no such rule"), "");
    }

    #[test]
    fn what_is_remembered_holds_hashes_and_is_read_again() {
        let sent = Pushed { format: PushFormat::Ndjson, body: Bytes::from_static(b"{\"name\": \"Ada\"}"), key: [1; 32], digest: [2; 32] };
        let mut taken = Taken::new(sent, true);
        taken.found(0);
        let noted = taken.noted(7, Counts { read: 1, loaded: 1, ..Counts::default() });
        let text = serde_json::to_string(&noted).unwrap();
        assert!(!text.contains("Ada") && text.contains(&"01".repeat(32)) && text.contains(&"02".repeat(32)), "{text}");
        assert_eq!(serde_json::from_str::<Noted>(&text).unwrap(), noted);
        assert!(serde_json::from_str::<Noted>(&text.replace("at_ms", "at")).is_err());
    }
}
