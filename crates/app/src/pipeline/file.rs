//! The text of a pipeline's file.

use std::collections::BTreeSet;
use std::path::Path;

use chrono_tz::Tz;
use polder_contract::yaml;
use polder_contract::{Problem, Problems};
use polder_types::TableName;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{CatchUp, FACTOR_MAX, FreshnessFrom, NAME_MAX_BYTES, Notify, Overlap, Pipeline, RETRIES_MAX, Retries};
use crate::duration;
use crate::notice::{Channels, NoticeKind, Smtp, Webhook};
use crate::schedule::Schedule;
use crate::secret_ref;

/// What is told unless the file says otherwise.
const TOLD: [NoticeKind; 3] = [NoticeKind::Failure, NoticeKind::Recovery, NoticeKind::FreshnessMissed];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PipelineFile {
    #[serde(default)]
    select: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    schedule: Option<Spanned<ScheduleFile>>,
    #[serde(default)]
    retries: Option<Spanned<RetriesFile>>,
    #[serde(default)]
    timeout: Option<Spanned<String>>,
    #[serde(default)]
    overlap: Option<Spanned<Overlap>>,
    #[serde(default)]
    freshness: FreshnessFrom,
    #[serde(default)]
    notify: Option<Spanned<NotifyFile>>,
    #[serde(default)]
    catch_up: Option<Spanned<CatchUp>>,
    #[serde(default)]
    maintain: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleFile {
    #[serde(default)]
    cron: Option<Spanned<String>>,
    #[serde(default)]
    timezone: Option<Spanned<String>>,
    #[serde(default)]
    every: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetriesFile {
    #[serde(default)]
    max: Option<Spanned<u32>>,
    #[serde(default)]
    backoff: Option<Spanned<String>>,
    #[serde(default)]
    factor: Option<Spanned<u32>>,
    #[serde(default)]
    max_backoff: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NotifyFile {
    #[serde(default)]
    on: Option<Vec<NoticeKind>>,
    #[serde(default)]
    webhook: Option<Spanned<Webhook>>,
    #[serde(default)]
    smtp: Option<Spanned<Smtp>>,
    #[serde(default)]
    command: Option<Vec<String>>,
}

/// Gathers what is wrong.
struct Reader<'a> {
    file: &'a str,
    problems: Vec<Problem>,
}

pub(super) fn parse(text: &str, file: &str) -> Result<Pipeline, Problems> {
    let mut reader = Reader { file, problems: Vec::new() };
    // A file of comments is a pipeline of everything, that runs when someone asks for it.
    let empty = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    let parsed: PipelineFile = serde_saphyr::from_str(if empty { "{}" } else { text }).map_err(|error| unfit(file, &error))?;
    let pipeline = reader.pipeline(parsed);
    if reader.problems.is_empty() { Ok(pipeline) } else { Err(Problems(reader.problems)) }
}

impl Reader<'_> {
    fn wrong(&mut self, line: u64, problem: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(Problem { file: self.file.to_owned(), line: line.max(1), problem: problem.into(), advice: advice.into() });
    }

    fn pipeline(&mut self, file: PipelineFile) -> Pipeline {
        let name = Path::new(self.file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.bytes().all(named) {
            let advice = format!("rename it: lower-case letters, digits, - and _, at most {NAME_MAX_BYTES}");
            self.wrong(1, "the file's name cannot be a pipeline's", advice);
        }
        if file.schedule.is_none() {
            // Nobody but the scheduler asks what they say.
            let lines = [("overlap", file.overlap.as_ref().map(line_of)), ("catch_up", file.catch_up.as_ref().map(line_of))];
            for (key, line) in lines.into_iter().filter_map(|(key, line)| Some((key, line?))) {
                self.wrong(line, format!("`{key}` means nothing without `schedule`"), "remove it, or say when the pipeline is due");
            }
        }
        Pipeline {
            name,
            file: self.file.to_owned(),
            select: file.select.map(|select| self.select(&select)).unwrap_or_default(),
            schedule: file.schedule.and_then(|schedule| self.schedule(&schedule)),
            retries: file.retries.map_or(Retries::NONE, |retries| self.retries(&retries.value)),
            timeout_ms: file.timeout.and_then(|timeout| self.length(&timeout, "timeout")),
            overlap: file.overlap.map(|overlap| overlap.value).unwrap_or_default(),
            freshness: file.freshness,
            notify: file.notify.map(|notify| self.notify(notify)),
            catch_up: file.catch_up.map(|catch_up| catch_up.value).unwrap_or_default(),
            maintain: file.maintain.unwrap_or_default(),
        }
    }

    fn select(&mut self, select: &Spanned<Vec<Spanned<String>>>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        if select.value.is_empty() {
            self.wrong(line_of(select), "`select` is empty", "name tables and models, or remove the key to run them all");
        }
        for name in &select.value {
            if let Err(error) = TableName::new(&name.value) {
                self.wrong(line_of(name), format!("an item of `select` is no table's or model's name: {error}"), "correct it");
            } else if names.contains(&name.value) {
                self.wrong(line_of(name), format!("{} stands in `select` twice", name.value), "remove one of them");
            } else {
                names.push(name.value.clone());
            }
        }
        names
    }

    fn schedule(&mut self, schedule: &Spanned<ScheduleFile>) -> Option<Schedule> {
        let line = line_of(schedule);
        match &schedule.value {
            ScheduleFile { cron: Some(cron), every: None, timezone } => {
                let zone = match timezone {
                    None => Tz::UTC,
                    Some(zone) => self.zone(zone)?,
                };
                match Schedule::cron(&cron.value, zone) {
                    Ok(schedule) => return Some(schedule),
                    Err(error) => {
                        let advice = "write minute, hour, day of month, month and day of week, such as \"30 2 * * mon-fri\"";
                        self.wrong(line_of(cron), format!("`cron` is no pattern: {error}"), advice);
                    }
                }
            }
            ScheduleFile { cron: None, every: Some(every), timezone } => {
                if let Some(zone) = timezone {
                    self.wrong(line_of(zone), "an interval has no `timezone`", "remove it: elapsed time is the same everywhere");
                }
                let ms = self.length(every, "every")?;
                return Some(Schedule::every(u64::try_from(ms / 1000).unwrap_or_default()));
            }
            ScheduleFile { cron: Some(_), every: Some(every), .. } => {
                self.wrong(line_of(every), "`schedule` has both `cron` and `every`", "keep one of them");
            }
            ScheduleFile { cron: None, every: None, .. } => {
                self.wrong(line, "`schedule` says no time", "write `cron: \"30 2 * * *\"` or `every: 15m`");
            }
        }
        None
    }

    fn zone(&mut self, zone: &Spanned<String>) -> Option<Tz> {
        match zone.value.parse::<Tz>() {
            Ok(zone) => Some(zone),
            Err(_) => {
                let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
                let advice = match yaml::suggest(&zone.value, &names) {
                    near if near.starts_with("did you mean") => near,
                    _ => "write a name of the IANA time zone database, such as Europe/Paris".to_owned(),
                };
                self.wrong(line_of(zone), "`timezone` is no time zone's name", advice);
                None
            }
        }
    }

    fn retries(&mut self, file: &RetriesFile) -> Retries {
        let mut retries = Retries::DEFAULT;
        if let Some(max) = &file.max {
            retries.max = max.value;
            if max.value > RETRIES_MAX {
                self.wrong(line_of(max), format!("`max` of retries is more than {RETRIES_MAX}"), "lower it");
            }
        }
        if let Some(backoff) = &file.backoff {
            retries.backoff_ms = self.length(backoff, "backoff").unwrap_or(retries.backoff_ms);
        }
        if let Some(factor) = &file.factor {
            retries.factor = factor.value;
            if !(1..=FACTOR_MAX).contains(&factor.value) {
                self.wrong(line_of(factor), format!("`factor` is not from 1 to {FACTOR_MAX}"), "correct it");
            }
        }
        match &file.max_backoff {
            Some(most) => {
                if let Some(ms) = self.length(most, "max_backoff") {
                    retries.max_backoff_ms = ms;
                    if ms < retries.backoff_ms {
                        self.wrong(line_of(most), "`max_backoff` is shorter than `backoff`", "make it as long at least");
                    }
                }
            }
            None => retries.max_backoff_ms = retries.max_backoff_ms.max(retries.backoff_ms),
        }
        retries
    }

    /// A length of time, in milliseconds.
    fn length(&mut self, text: &Spanned<String>, key: &str) -> Option<i64> {
        match duration::seconds(&text.value) {
            Ok(seconds) => i64::try_from(seconds).ok().map(|seconds| seconds.saturating_mul(1000)),
            Err(what) => {
                self.wrong(line_of(text), format!("`{key}` {what}"), "write one such as 30s, 15m, 2h, 1d or 1h30m");
                None
            }
        }
    }

    fn notify(&mut self, notify: Spanned<NotifyFile>) -> Notify {
        let line = line_of(&notify);
        let NotifyFile { on, webhook, smtp, command } = notify.value;
        if on.as_ref().is_some_and(Vec::is_empty) {
            self.wrong(line, "`on` of notify is empty", "name what is to be told, or remove `notify`");
        }
        if let Some(webhook) = &webhook {
            self.reference(line_of(webhook), "url", &webhook.value.url);
            self.reference(line_of(webhook), "secret", &webhook.value.secret);
        }
        if let Some(smtp) = &smtp {
            if let Some(password) = &smtp.value.password {
                self.reference(line_of(smtp), "password", password);
            }
            if smtp.value.to.is_empty() {
                self.wrong(line_of(smtp), "`to` of smtp is empty", "name who gets the mail");
            }
        }
        if command.as_ref().is_some_and(|command| command.first().is_none_or(|program| !program.starts_with('/'))) {
            self.wrong(
                line,
                "`command` of notify does not begin with a program's absolute path",
                "write [/path/of/program, argument, ...]",
            );
        }
        let channels = Channels { webhook: webhook.map(|found| found.value), smtp: smtp.map(|found| found.value), command };
        if channels == Channels::default() {
            self.wrong(line, "`notify` tells nobody", "add `webhook`, `smtp` or `command`, or remove it");
        }
        Notify { on: on.map_or_else(|| TOLD.into(), BTreeSet::from_iter), channels }
    }

    /// What stands there may be the secret itself, so it is not repeated.
    fn reference(&mut self, line: u64, key: &str, text: &str) {
        if !secret_ref::is_reference(text) {
            self.wrong(line, format!("`{key}` is no reference to a secret"), secret_ref::ADVICE);
        }
    }
}

fn line_of<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

/// What the parser says, without the file's own words where they may be a secret.
fn unfit(file: &str, error: &serde_saphyr::Error) -> Problems {
    use serde_saphyr::Error;
    let line = error.location().map_or(1, |location| location.line().max(1));
    let (problem, advice) = match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => (format!("unknown key `{field}`"), yaml::suggest(field, expected)),
        Error::SerdeUnknownVariant { variant, expected, .. } => (format!("unknown word `{variant}`"), yaml::suggest(variant, expected)),
        // A value where another belongs may be a secret.
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            ("a value of another sort than the key takes".to_owned(), format!("write {expected}"))
        }
        Error::SerdeMissingField { field, .. } => (format!("`{field}` is missing"), format!("add `{field}`")),
        Error::DuplicateMappingKey { key, .. } => {
            (format!("key `{}` stands there twice", key.as_deref().unwrap_or_default()), "remove one of them".to_owned())
        }
        other => {
            let text = other.to_string();
            let what = text.lines().next().unwrap_or_default();
            if what.starts_with("budget breached") {
                ("the document unfolds to more than a project file may hold".to_owned(), "write it shorter, and without aliases".to_owned())
            } else {
                ("the YAML does not fit".to_owned(), format!("correct it: {what}"))
            }
        }
    };
    Problems(vec![Problem { file: file.to_owned(), line, problem, advice }])
}
