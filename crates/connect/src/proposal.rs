//! What contracts may say of datasets, from samples of them: the columns with the narrowest types that hold every value seen, keys, and
//! what joins what. Personal data is left out, with the reason. What a contract cannot say is a comment, so that a proposal always reads.
//! No value stands in it but those that occur so often that they name nobody.

use std::collections::BTreeMap;

use polder_contract::discover::{Because, Finding, Format, PersonalKind, Profile, Profiler, REPEATED_MIN, identifies};
use polder_contract::edit::quoted;
use polder_contract::{ColumnType, Contract};
use polder_types::TableName;

use crate::connection::Connection;
use crate::error::Error;
use crate::json::path::JsonPath;
use crate::relations::{Join, KeyRole, joins};
use crate::sample::{InferredKind, Origin, Sample, SampledColumn};

/// Most characters of a name in a comment.
const SHOWN_MAX: usize = 80;
/// Most values that a column may hold for them to be its only valid ones.
const VALID_VALUES_MAX: usize = 20;
/// How a property's list of settings begins.
const SETTINGS: &str = "customProperties: [";
/// The classification of personal data.
const PERSONAL: &str = "restricted";

/// For what contract a proposal is.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The contract's id.
    pub id: &'a str,
    /// The source's name.
    pub source: &'a str,
    pub dataset: &'a str,
    /// What its sample is called among those that it was compared with: the dataset's name, unless several have it.
    pub label: &'a str,
    pub table: &'a TableName,
}

/// Samples of datasets that were looked at together, under one key.
#[derive(Debug)]
pub struct Proposals {
    samples: Vec<(String, Sample)>,
    joins: Vec<Join>,
    /// By dataset and column.
    findings: BTreeMap<(String, usize), Found>,
}

/// That a column holds personal data, and why it is thought so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: PersonalKind,
    /// After the kind's label: `by its name and 98% of its values`.
    pub why: String,
}

/// What is proposed of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It comes in once the contract is approved.
    Authorised,
    /// It stands as a comment, which `contract admit` takes away.
    LeftOut,
    /// No contract can name or hold it.
    Impossible,
}

/// One column of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedColumn {
    /// Its place in the sample.
    pub place: usize,
    /// Its name; its place where the name is itself personal data.
    pub name: String,
    /// What the table calls it.
    called: String,
    pub stand: Stand,
    /// Lines over its property, with their `#`.
    comments: Vec<String>,
    /// The property's lines, without indentation.
    property: Vec<String>,
    pub personal: Option<Found>,
    pub key: Option<KeyRole>,
    /// `customers.id: 100% of its 812 values stand there`.
    pub joins: Option<String>,
}

/// What is proposed for a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    head: String,
    pub columns: Vec<ProposedColumn>,
}

impl Proposed {
    /// The text of a new contract.
    pub fn text(&self) -> String {
        let mut text = self.head.clone();
        for line in self.columns.iter().flat_map(|column| column.lines(column.stand == Stand::Authorised)) {
            text.push_str(&format!("      {line}\n"));
        }
        text
    }
}

impl ProposedColumn {
    /// The column as a comment, under a line that says why.
    pub fn as_comment(&self, new: &str) -> Vec<String> {
        let mut lines = self.lines(false);
        if self.stand == Stand::Authorised {
            lines.insert(0, format!("# {new}"));
        }
        lines
    }

    fn lines(&self, authorised: bool) -> Vec<String> {
        let own = self.property.iter().map(|line| if authorised { line.clone() } else { format!("# {line}") });
        self.comments.iter().cloned().chain(own).collect()
    }
}

impl Proposals {
    /// Compares the samples, each with its label.
    pub fn new(samples: Vec<(String, Sample)>) -> Self {
        let named: Vec<(&str, &Sample)> = samples.iter().map(|(dataset, sample)| (dataset.as_str(), sample)).collect();
        let joins = joins(&named);
        let findings = findings(&named, &joins);
        Self { samples, joins, findings }
    }

    /// The samples.
    pub fn samples(&self) -> &[(String, Sample)] {
        &self.samples
    }

    /// What is proposed for a dataset; nothing of one that was not sampled.
    pub fn of(&self, target: &Target<'_>) -> Option<Proposed> {
        let sample = &self.samples.iter().find(|(dataset, _)| dataset == target.label)?.1;
        // One column alone is no key, by which rows are found again: of what loads do nothing stands there yet.
        let bare = head(target, sample, Loads::Append);
        let found = |place: usize| self.findings.get(&(target.label.to_owned(), place));
        let joined = |place: usize| self.is_joined(target.label, place);
        // A pseudonym tells records apart as the value does, and joins as it does.
        let pseudonyms: BTreeMap<usize, Pseudonym> = (0..sample.columns.len())
            .filter(|place| joined(*place) || sample.is_key_like(*place))
            .filter_map(|place| Some((place, Pseudonym::of(&bare, sample.columns.get(place)?, found(place)?))))
            .collect();
        let keys = sample.keys(|place| found(place).is_some() && pseudonyms.get(&place).is_none_or(|pseudonym| !pseudonym.reads));
        let propose = |merges: bool| {
            let mut columns: Vec<ProposedColumn> = Vec::new();
            for (place, column) in sample.columns.iter().enumerate() {
                let taken = columns
                    .iter()
                    .filter(|known| known.stand != Stand::Impossible)
                    .any(|known| known.called.eq_ignore_ascii_case(&column.called));
                let facts = Facts {
                    key: keys.get(&place).copied(),
                    joins: self
                        .joins
                        .iter()
                        .find(|join| join.dataset == target.label && join.column == place)
                        .map(|join| self.spoken(join, column)),
                    found: found(place),
                    pseudonym: pseudonyms.get(&place),
                    whole: sample.whole,
                    merges,
                };
                columns.push(proposed(&bare, place, column, &facts, taken));
            }
            columns
        };
        let columns = propose(false);
        let loads = Loads::of(sample, &columns);
        let columns = if loads == Loads::Merge { propose(true) } else { columns };
        Some(Proposed { head: head(target, sample, loads), columns })
    }

    fn is_joined(&self, dataset: &str, place: usize) -> bool {
        let here =
            |join: &Join| (join.dataset == dataset && join.column == place) || (join.to_dataset == dataset && join.to_column == place);
        self.joins.iter().any(here)
    }

    fn spoken(&self, join: &Join, column: &SampledColumn) -> String {
        let to = self.samples.iter().find(|(dataset, _)| *dataset == join.to_dataset);
        let to = to.and_then(|(_, sample)| sample.columns.get(join.to_column)).map_or("", |column| &column.name);
        let to = if names_somebody(to) { "a column" } else { to };
        format!("{}.{}: {} of its {} values stand there", name(&join.to_dataset), name(to), percent(join.included), column.profile.distinct)
    }
}

/// What is known of a column beside its values.
struct Facts<'a> {
    key: Option<KeyRole>,
    joins: Option<String>,
    found: Option<&'a Found>,
    pseudonym: Option<&'a Pseudonym>,
    whole: bool,
    /// Whether rows are found again by the key: then no other column may be unique.
    merges: bool,
}

/// What the loads of a contract do to rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loads {
    /// Add to them, which a contract need not say.
    Append,
    /// Take their place.
    Replace,
    /// The same, though there may be a key: it was seen in some of the records only. Where a merge meets a key twice the last row wins and
    /// the others are lost; where a load replaces, they are refused aloud.
    ReplaceForNow,
    /// Find them again by the key; those that the source does not hold any more go.
    Merge,
}

impl Loads {
    /// Files come one after the other. A database holds what it held before, too, so that adding it again would double it; only a cursor
    /// tells what is new.
    fn of(sample: &Sample, columns: &[ProposedColumn]) -> Self {
        let Origin::Database { cursor } = sample.origin else { return Self::Append };
        let mut key = columns.iter().filter(|column| matches!(column.key, Some(KeyRole::Primary(_)))).peekable();
        let has_key = key.peek().is_some() && key.all(|column| column.stand == Stand::Authorised);
        match (has_key, sample.whole) {
            (true, true) => Self::Merge,
            (true, false) => Self::ReplaceForNow,
            (false, _) if cursor => Self::Append,
            (false, _) => Self::Replace,
        }
    }

    /// Lines of a contract's settings.
    const fn lines(self) -> &'static str {
        match self {
            Self::Append => "",
            Self::Replace => "  - {property: polder.disposition, value: replace}\n",
            Self::ReplaceForNow => {
                "  # The key was seen in these records only. If it holds for all, write merge, which writes only what changed, and\n  \
                 # {property: polder.deletes, value: key_snapshot}, by which rows go that are gone at the source.\n  \
                 - {property: polder.disposition, value: replace}\n"
            }
            Self::Merge => "  - {property: polder.disposition, value: merge}\n  - {property: polder.deletes, value: key_snapshot}\n",
        }
    }
}

fn proposed(head: &str, place: usize, column: &SampledColumn, facts: &Facts<'_>, taken: bool) -> ProposedColumn {
    let own = |stand, comments, property| ProposedColumn {
        place,
        called: column.called.clone(),
        name: if names_somebody(&column.name) { format!("column {}", place + 1) } else { column.name.clone() },
        stand,
        comments,
        property,
        personal: facts.found.cloned(),
        key: facts.key,
        joins: facts.joins.clone(),
    };
    if names_somebody(&column.name) {
        // A document whose keys are values: not even the name is written.
        let line = format!("# column {} is left out: its name is itself personal data; name it otherwise at the source", place + 1);
        return own(Stand::Impossible, vec![line], Vec::new());
    }
    let plain = property(column, &odcs_type(column), &[]);
    if let Some(problem) = problem(head, column, &plain, taken) {
        let line = format!("# column {}, {}, is left out: {problem}", place + 1, name(&column.name));
        return own(Stand::Impossible, vec![line], Vec::new());
    }
    let mut comments: Vec<String> = facts.joins.iter().map(|joins| format!("# joins {joins}")).collect();
    let Some(found) = facts.found else {
        return own(Stand::Authorised, comments, property(column, &odcs_type(column), &rules(column, facts)));
    };
    let (stand, said, mut extras, ty) = match facts.pseudonym {
        Some(pseudonym) if pseudonym.reads => (Stand::Authorised, "comes in as a pseudonym", rules_of_key(facts), pseudonym.ty.clone()),
        Some(pseudonym) => (Stand::LeftOut, "it looks like a key, so it may come in as a pseudonym", Vec::new(), pseudonym.ty.clone()),
        None => (Stand::LeftOut, "", Vec::new(), odcs_type(column)),
    };
    comments.insert(0, personal_comment(found, stand, said));
    extras.push(format!("classification: {PERSONAL}"));
    extras.extend(facts.pseudonym.map(|_| pseudonymised(found.kind)));
    own(stand, comments, property(column, &ty, &extras))
}

fn personal_comment(found: &Found, stand: Stand, said: &str) -> String {
    let Found { kind, why } = found;
    match (stand, said) {
        (Stand::Authorised, said) => format!("# {kind}, {why}: {said}"),
        (_, "") => format!("# left out: {kind}, {why}"),
        (_, said) => format!("# left out: {kind}, {why}; {said}"),
    }
}

/// A personal column as a pseudonym.
struct Pseudonym {
    ty: String,
    /// Whether a contract that holds it is read.
    reads: bool,
}

impl Pseudonym {
    fn of(head: &str, column: &SampledColumn, found: &Found) -> Self {
        let ty = odcs_type(column);
        // A pseudonym is a text, whatever it stands for.
        for ty in [ty.clone(), "logicalType: string".to_owned()] {
            let line = property(column, &ty, &[format!("classification: {PERSONAL}"), pseudonymised(found.kind)]);
            if reads(head, column, &line) {
                return Self { ty, reads: true };
            }
        }
        Self { ty, reads: false }
    }
}

/// The setting that lets a column in as a pseudonym. One kind of data is one domain, so that columns of one kind join.
fn pseudonymised(kind: PersonalKind) -> String {
    format!("{SETTINGS}{{property: polder.mask, value: {{pseudonymise: {}}}}}]", kind.name())
}

/// The keys and rules of a column that is not personal.
fn rules(column: &SampledColumn, facts: &Facts<'_>) -> Vec<String> {
    let mut rules = rules_of_key(facts);
    if let Some(values) = valid_values(column).filter(|_| facts.whole && facts.key.is_none()) {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        rules.push(format!(
            "quality: [{{type: library, metric: invalidValues, mustBe: 0, arguments: {{validValues: [{}]}}}}]",
            values.join(", ")
        ));
    }
    rules
}

fn rules_of_key(facts: &Facts<'_>) -> Vec<String> {
    match facts.key {
        Some(KeyRole::Primary(position)) => vec!["primaryKey: true".to_owned(), format!("primaryKeyPosition: {position}")],
        Some(KeyRole::Unique) if !facts.merges => vec!["unique: true".to_owned()],
        Some(KeyRole::Unique) | None => Vec::new(),
    }
}

/// The only values of a column, when they are few and each occurs so often that it names nobody.
fn valid_values(column: &SampledColumn) -> Option<Vec<&str>> {
    let Profile { rows, nulls, repeated, personal, .. } = &column.profile;
    let covered: u64 = repeated.iter().map(|(_, count)| *count).sum();
    let often = repeated.iter().all(|(_, count)| *count >= REPEATED_MIN);
    let few = (2..=VALID_VALUES_MAX).contains(&repeated.len());
    let texts = column.kind == InferredKind::Text && column.ty == Some(ColumnType::String);
    let all = texts && few && often && personal.is_none() && covered == rows.saturating_sub(*nulls);
    all.then(|| repeated.iter().map(|(value, _)| value.as_str()).collect())
}

/// Personal data by names and values, and what joins such a column: the same values are the same data.
fn findings(samples: &[(&str, &Sample)], joins: &[Join]) -> BTreeMap<(String, usize), Found> {
    let mut findings = BTreeMap::new();
    let mut by_values: BTreeMap<(String, usize), (PersonalKind, String)> = BTreeMap::new();
    for (dataset, sample) in samples {
        for (place, column) in sample.columns.iter().enumerate() {
            let Some(found) = column.profile.personal else { continue };
            let at = ((*dataset).to_owned(), place);
            if found.because != Because::Name {
                let own = if names_somebody(&column.name) { "a column" } else { &column.name };
                by_values.insert(at.clone(), (found.kind, format!("{}.{}", name(dataset), name(own))));
            }
            findings.insert(at, Found { kind: found.kind, why: why(found) });
        }
    }
    for join in joins {
        let (from, to) = ((join.dataset.clone(), join.column), (join.to_dataset.clone(), join.to_column));
        for (one, other) in [(&from, &to), (&to, &from)] {
            if let (None, Some((kind, at))) = (findings.get(one), by_values.get(other)) {
                findings.insert(one.clone(), Found { kind: *kind, why: format!("by its values, which stand in {at}") });
            }
        }
    }
    findings
}

fn why(found: Finding) -> String {
    match found.because {
        Because::Name => "by its name".to_owned(),
        Because::Values => format!("by {} of its values", percent(found.share)),
        Because::NameAndValues => format!("by its name and {} of its values", percent(found.share)),
    }
}

/// A share in whole percent, towards zero: what is not all is not told as all.
fn percent(share: f64) -> String {
    let whole = (0..=100u8).rev().find(|whole| f64::from(*whole) / 100.0 <= share).unwrap_or(0);
    format!("{whole}%")
}

fn head(target: &Target<'_>, sample: &Sample, loads: Loads) -> String {
    let Target { id, source, dataset, table, .. } = target;
    let of = if sample.whole { "all" } else { "the first" };
    format!(
        "# Proposed from {of} {} records. By default every column is forbidden: remove each that nobody needs, and read the types.\n\
         # `polder contract admit {table}.COLUMN` authorises one that was left out; nothing comes in before the contract is approved.\n\
         apiVersion: v3.1.0\nkind: DataContract\nid: {id}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  \
         - {{property: polder.source, value: {}}}\n  - {{property: polder.onViolation, value: quarantine}}\n{}schema:\n  - name: {}\n    \
         physicalName: {}\n    properties:\n",
        sample.records,
        quoted(source),
        loads.lines(),
        quoted(table.as_str()),
        quoted(dataset),
    )
}

/// The lines of a property: one, and another one for each rule that is long.
fn property(column: &SampledColumn, ty: &str, extras: &[String]) -> Vec<String> {
    let mut parts = vec![format!("name: {}", quoted(&column.called))];
    if column.called != column.name {
        parts.push(format!("physicalName: {}", quoted(&column.name)));
    }
    parts.push(ty.to_owned());
    if column.always_present {
        parts.push("required: true".to_owned());
    }
    let (short, mut long): (Vec<String>, Vec<String>) = extras.iter().cloned().partition(|extra| !extra.ends_with(']'));
    parts.extend(short);
    if !column.null_tokens.is_empty() {
        let tokens: Vec<String> = column.null_tokens.iter().map(|token| quoted(token)).collect();
        let tokens = format!("{{property: polder.nullTokens, value: [{}]}}", tokens.join(", "));
        // A property has one list of settings.
        match long.iter_mut().find(|line| line.starts_with(SETTINGS)) {
            Some(line) => line.insert_str(SETTINGS.len(), &format!("{tokens}, ")),
            None => parts.push(format!("{SETTINGS}{tokens}]")),
        }
    }
    let mut lines = vec![format!("- {{{}", parts.join(", "))];
    lines.extend(long.iter().map(|long| format!("   {long}")));
    let last = lines.len().saturating_sub(1);
    for (at, line) in lines.iter_mut().enumerate() {
        line.push(if at == last { '}' } else { ',' });
    }
    lines
}

fn odcs_type(column: &SampledColumn) -> String {
    let format = column.profile.format.as_ref();
    let dated = matches!(format, Some(Format::Date(_) | Format::Timestamp(_) | Format::Time(_)));
    let text = column.ty == Some(ColumnType::String) && column.kind == InferredKind::Text;
    if let Some(format) = format.filter(|_| dated || text) {
        let options: Vec<String> = format.logical_type_options().iter().map(|(key, value)| format!("{key}: {}", option(value))).collect();
        let options = if options.is_empty() { String::new() } else { format!(", logicalTypeOptions: {{{}}}", options.join(", ")) };
        return format!("logicalType: {}{options}", format.logical_type());
    }
    match column.ty.unwrap_or(ColumnType::String) {
        ColumnType::String => "logicalType: string".to_owned(),
        ColumnType::Boolean => "logicalType: boolean".to_owned(),
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 => "logicalType: integer".to_owned(),
        ColumnType::Int64 => "logicalType: integer, logicalTypeOptions: {format: i64}".to_owned(),
        ColumnType::Float32 | ColumnType::Float64 => "logicalType: number".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("logicalType: number, physicalType: \"decimal({precision},{scale})\""),
        ColumnType::Date => "logicalType: date".to_owned(),
        ColumnType::Timestamp { zone: true } => "logicalType: timestamp".to_owned(),
        ColumnType::Timestamp { zone: false } => "logicalType: timestamp, logicalTypeOptions: {timezone: false}".to_owned(),
        ColumnType::Time => "logicalType: time".to_owned(),
    }
}

/// `true` and `false` are no texts here.
fn option(value: &str) -> String {
    if matches!(value, "true" | "false") { value.to_owned() } else { quoted(value) }
}

/// Why a column cannot stand in a contract.
fn problem(head: &str, column: &SampledColumn, property: &[String], taken: bool) -> Option<&'static str> {
    let name = column.name.as_str();
    if column.unread.is_some() {
        column.unread
    } else if column.kind == InferredKind::Nested {
        Some("it is nested; flatten it at the source")
    } else if column.ty.is_none() {
        Some("no type holds all of its values; correct it at the source")
    } else if name.is_empty() {
        Some("it has no name; name it at the source")
    } else if name.chars().any(char::is_control) {
        Some("its name holds control characters; rename it at the source")
    } else if name.contains(char::REPLACEMENT_CHARACTER) {
        Some("its name is not UTF-8; declare the `encoding`, or rename it at the source")
    } else if taken {
        Some("another column has the same name but for its case; rename it at the source")
    } else if !reads(head, column, property) {
        Some("its name cannot stand in a contract; rename it at the source")
    } else {
        None
    }
}

/// Whether a contract of this column alone is read, and means this column.
fn reads(head: &str, column: &SampledColumn, property: &[String]) -> bool {
    let SampledColumn { name, called, .. } = column;
    let lines: Vec<String> = property.iter().map(|line| format!("      {line}\n")).collect();
    Contract::parse(&format!("{head}{}", lines.concat()), "proposal")
        .is_ok_and(|contract| contract.columns.iter().all(|column| column.name == *called && column.physical_name == *name))
}

/// A name in a comment: no line end of it ends the comment.
fn name(text: &str) -> String {
    quoted(&text.chars().take(SHOWN_MAX).collect::<String>())
}

impl Connection {
    /// The datasets whose names match a glob, in their order.
    ///
    /// # Errors
    /// When it is none.
    pub fn select(&self, mut datasets: Vec<String>, pattern: &str) -> Result<Vec<String>, Error> {
        let wrong = |_| Error::Selection { connection: self.name.clone(), pattern: pattern.to_owned() };
        let matcher = globset::Glob::new(pattern).map_err(wrong)?.compile_matcher();
        datasets.retain(|dataset| matcher.is_match(dataset));
        Ok(datasets)
    }
}

impl SampledColumn {
    /// Whether the column's name is itself personal data, so that it must not be written or shown.
    pub fn names_somebody(&self) -> bool {
        names_somebody(&self.name)
    }
}

impl Sample {
    /// Whether what stands for the columns' names is a row of values: then nothing of it may be written into a file. So it is when one
    /// of them is an e-mail address, an account or the like, or when each name of a column of numbers or dates is such a value itself.
    pub fn is_named_by_values(&self) -> bool {
        if !self.named_by_record {
            return false;
        }
        let typed: Vec<&SampledColumn> = self
            .columns
            .iter()
            .filter(|column| !matches!(column.kind, InferredKind::Text | InferredKind::Unknown | InferredKind::Nested))
            .collect();
        let held = |column: &SampledColumn| match &column.profile.format {
            Some(format) if by_itself(&column.name).format.as_ref() == Some(format) => true,
            _ => match column.kind {
                InferredKind::Integer | InferredKind::Number => ColumnType::Float64.holds(column.name.as_bytes()),
                InferredKind::Date => ColumnType::Date.holds(column.name.as_bytes()),
                _ => column.ty.is_some_and(|ty| ty != ColumnType::String && ty.holds(column.name.as_bytes())),
            },
        };
        (!typed.is_empty() && typed.iter().all(|column| held(column))) || self.columns.iter().any(|column| names_somebody(&column.name))
    }
}

/// Whether a column's name, or a key of the path that it is, is personal data, as a value would be.
pub(crate) fn names_somebody(name: &str) -> bool {
    identifies(name) || JsonPath::of_name(name).keys().iter().any(|key| identifies(key))
}

/// What a column of nothing but this text is like.
fn by_itself(text: &str) -> Profile {
    let mut profiler = Profiler::new("");
    for _ in 0..REPEATED_MIN {
        profiler.take(Some(text));
    }
    profiler.finish()
}
