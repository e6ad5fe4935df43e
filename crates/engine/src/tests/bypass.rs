//! Attempts to get at what policies hide: `tests/corpus/bypass/*.slt`, one file a class. Each is asked of
//!
//! - the door, which must give exactly what the file says,
//! - the door over tables whose hidden rows, columns and values are others, which must give the same, name for name and text for text,
//! - the door with parameters in the place of the attempt's constants,
//! - the door with the optimizer's rules in other orders,
//! - a door without the barrier, where at least one attempt of each class must leak: else the class would try nothing.

mod fixture;
mod parameters;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use parking_lot::Mutex;
use polder_policy::OWNERS_GROUP;
use sqllogictest::{AsyncDB, Connection, DBOutput, DefaultColumnType, Record, Runner, parse_file};

use super::bed::{Bed, chained, files, owner, texts, user};
use crate::{Asker, Door, Error, QueryOptions};

/// Classes, attempts and attempts a class that there are at least.
const CLASSES_MIN: usize = 20;
const ATTEMPTS_MIN: usize = 300;
const ATTEMPTS_OF_CLASS_MIN: usize = 8;

/// What stands in hidden rows and columns and under masks, and nowhere else.
const CANARIES: [&str; 2] = ["zugspitze", "90909"];

/// Orders of the optimizer's rules that are tried.
const SEEDS: std::ops::Range<u64> = 1..4;

/// What a class leaks without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    /// The barrier: row filter and masks are a view.
    Filter,
    /// Filter and masks at all.
    Open,
}

#[derive(Clone)]
struct Attempt {
    class: String,
    control: Control,
    who: String,
    purpose: Option<String>,
    sql: String,
    record: Record<DefaultColumnType>,
    /// The values of its parameters, and their types.
    parameters: Option<(RecordBatch, Vec<Option<DataType>>)>,
}

impl Attempt {
    fn asker(&self) -> Asker {
        user(&self.who)
    }

    fn place(&self) -> String {
        format!("{} as {}: {:.300}", self.class, self.who, self.sql)
    }
}

/// The attempts of all files.
fn attempts() -> Vec<Attempt> {
    let mut found = Vec::new();
    for path in files(&fixture::corpus()).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "slt")) {
        let class = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let control = match text.lines().find_map(|line| line.strip_prefix("# control: ")) {
            Some("filter") => Control::Filter,
            Some("open") => Control::Open,
            other => panic!("{class}: no control is called {other:?}"),
        };
        for mut record in parse_file::<DefaultColumnType>(&path).unwrap() {
            let Record::Query { connection, sql, .. } = &mut record else {
                assert!(!matches!(record, Record::Statement { .. }), "{class}: an attempt is a query, and says what must come back");
                continue;
            };
            let Connection::Named(name) = std::mem::take(connection) else { panic!("{class}: nobody asks {sql}") };
            let (who, purpose) = match name.split_once('@') {
                Some((who, purpose)) => (who.to_owned(), Some(purpose.to_owned())),
                None => (name, None),
            };
            found.push(Attempt { class: class.clone(), control, who, purpose, sql: sql.clone(), record, parameters: None });
        }
    }
    found
}

/// One who asks a door, for the runner; what was said is kept besides.
struct Session {
    door: Door,
    asker: Asker,
    options: QueryOptions,
    said: Arc<Mutex<String>>,
}

/// An error as a user reads it: what it means, and the text with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(format!("{}: {}", error.kind().name(), chained(&error)))
    }
}

impl Session {
    async fn ask(&self, sql: &str) -> Result<(Vec<String>, Vec<Vec<String>>), Failed> {
        let answer = self.door.query(&self.asker, sql, &self.options).await?;
        let columns = answer.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        let rows = texts(&answer.collect().await?);
        let shown = |value: String| if value.is_empty() { "(empty)".to_owned() } else { value };
        Ok((columns, rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect()))
    }
}

#[async_trait]
impl AsyncDB for Session {
    type Error = Failed;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failed> {
        let answer = self.ask(sql).await;
        *self.said.lock() = match &answer {
            Ok((columns, rows)) => {
                let mut rows: Vec<String> = rows.iter().map(|row| row.join(" | ")).collect();
                // Rows of no order come in any.
                rows.sort_unstable();
                format!("{}\n{}", columns.join(" | "), rows.join("\n"))
            }
            Err(failed) => format!("error {failed}"),
        };
        answer.map(|(columns, rows)| DBOutput::Rows { types: vec![DefaultColumnType::Any; columns.len()], rows })
    }

    async fn shutdown(&mut self) {}
}

/// What came of an attempt.
struct Came {
    /// What is wrong with it, by the file.
    wrong: Option<String>,
    /// All of it, as a text.
    said: String,
}

impl Came {
    fn is_error(&self) -> bool {
        self.said.starts_with("error ")
    }

    /// A canary that the attempt did not bring along.
    fn canary(&self, attempt: &Attempt) -> Option<&'static str> {
        let (said, sql) = (self.said.to_lowercase(), attempt.sql.to_lowercase());
        CANARIES.into_iter().find(|canary| said.contains(canary) && !sql.contains(canary))
    }
}

async fn ask(door: &Door, asker: Asker, attempt: &Attempt) -> Came {
    let said = Arc::new(Mutex::new(String::new()));
    let session = || {
        let (parameters, parameter_types) = attempt.parameters.clone().unzip();
        let options = QueryOptions {
            purpose: attempt.purpose.clone(),
            parameters,
            parameter_types: parameter_types.unwrap_or_default(),
            ..QueryOptions::default()
        };
        let session = Session { door: door.clone(), asker: asker.clone(), options, said: Arc::clone(&said) };
        async move { Ok(session) }
    };
    let mut runner = Runner::new(session);
    let outcome = runner.run_async(attempt.record.clone()).await;
    let said = said.lock().clone();
    assert!(!said.is_empty(), "{} was not asked", attempt.place());
    Came { wrong: outcome.err().map(|error| error.to_string()), said }
}

/// Beds by whom they are made for.
struct Beds<F: Fn(&str) -> Bed> {
    make: F,
    made: BTreeMap<String, Bed>,
}

impl<F: Fn(&str) -> Bed> Beds<F> {
    fn new(make: F) -> Self {
        Self { make, made: BTreeMap::new() }
    }

    fn door(&mut self, who: &str) -> &Door {
        let make = &self.make;
        &self.made.entry(who.to_owned()).or_insert_with(|| make(who)).door
    }
}

#[test]
fn the_corpus_is_as_large_as_it_says() {
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    let attempts = attempts();
    for attempt in &attempts {
        *classes.entry(attempt.class.clone()).or_default() += 1;
    }
    assert!(classes.len() >= CLASSES_MIN, "{} classes", classes.len());
    assert!(attempts.len() >= ATTEMPTS_MIN, "{} attempts", attempts.len());
    let small: Vec<_> = classes.iter().filter(|(_, attempts)| **attempts < ATTEMPTS_OF_CLASS_MIN).collect();
    assert!(small.is_empty(), "too few attempts: {small:?}");
    let askers: BTreeSet<&str> = attempts.iter().map(|attempt| attempt.who.as_str()).collect();
    assert!(askers.len() >= 8, "{askers:?}");
    let same: BTreeSet<_> = attempts.iter().map(|attempt| (&attempt.who, &attempt.purpose, &attempt.sql, &attempt.class)).collect();
    assert_eq!(same.len(), attempts.len(), "an attempt stands twice in a file");
}

/// The canaries are where they are looked for: who may see everything sees them.
#[tokio::test]
async fn hidden_values_hold_canaries() {
    let bed = fixture::governed();
    let columns = ["name", "ssn", "code", "email", "phone", "seen", "bonus", "diagnosis"];
    for column in columns {
        let said = bed.rows(&owner(), &format!("select cast({column} as text) from patients")).await.unwrap().join("\n").to_lowercase();
        assert!(CANARIES.iter().any(|canary| said.contains(canary)), "{column}: {said}");
    }
    let said = bed.rows(&owner(), "select * from secret").await.unwrap().join("\n");
    assert!(CANARIES.iter().all(|canary| said.contains(canary)), "{said}");
}

/// Nothing that comes back depends on what is hidden: not a row, not a column's name or type, not a word of an error.
#[tokio::test]
async fn every_attempt_gives_what_its_file_says_whatever_is_hidden() {
    let bed = fixture::governed();
    let mut others = Beds::new(fixture::governed_otherwise);
    let mut wrong = Vec::new();
    for attempt in attempts() {
        let here = ask(&bed.door, attempt.asker(), &attempt).await;
        let there = ask(others.door(&attempt.who), attempt.asker(), &attempt).await;
        if let Some(error) = &here.wrong {
            wrong.push(format!("{}\n{error}", attempt.place()));
        }
        if let Some(canary) = here.canary(&attempt) {
            wrong.push(format!("{}\nholds {canary}: {}", attempt.place(), here.said));
        }
        if here.said != there.said {
            wrong.push(format!("{}\n{}\nand with other hidden data\n{}", attempt.place(), here.said, there.said));
        }
    }
    assert!(wrong.is_empty(), "{} attempts:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// The same with parameters in the place of constants: what comes back is what comes of the constants, or an error, and depends on nothing hidden.
#[tokio::test]
async fn no_parameter_gets_further_than_a_constant() {
    let bed = fixture::governed();
    let mut others = Beds::new(fixture::governed_otherwise);
    let attempts: Vec<Attempt> = attempts().iter().filter_map(parameters::of).collect();
    assert!(attempts.len() >= parameters::ATTEMPTS_MIN, "{} attempts have parameters", attempts.len());
    let (mut wrong, mut same) = (Vec::new(), 0);
    for attempt in &attempts {
        let here = ask(&bed.door, attempt.asker(), attempt).await;
        let there = ask(others.door(&attempt.who), attempt.asker(), attempt).await;
        // A plan in words shows where a constant stands for a parameter.
        let is_plan = attempt.sql.starts_with("explain");
        match &here.wrong {
            None => same += 1,
            Some(_) if is_plan || here.is_error() => {}
            Some(error) => wrong.push(format!("{}\n{error}", attempt.place())),
        }
        if let Some(canary) = here.canary(attempt) {
            wrong.push(format!("{}\nholds {canary}: {}", attempt.place(), here.said));
        }
        if here.said != there.said {
            wrong.push(format!("{}\n{}\nand with other hidden data\n{}", attempt.place(), here.said, there.said));
        }
    }
    assert!(wrong.is_empty(), "{} attempts:\n{}", wrong.len(), wrong.join("\n\n"));
    // Else parameters would be what nothing is answered with.
    assert!(same * 2 > attempts.len(), "{same} of {} attempts come to what their constants come to", attempts.len());
}

/// A rule that an optimizer applies earlier or later than usual gets no further. It may leave a plan that cannot be computed.
#[tokio::test]
async fn no_order_of_the_optimizers_rules_leaks() {
    let bed = fixture::governed();
    let mut others = Beds::new(fixture::governed_otherwise);
    let attempts = attempts();
    let mut wrong = Vec::new();
    for seed in SEEDS {
        let door = bed.door.shuffled(seed);
        let mut answered = 0;
        for attempt in &attempts {
            let here = ask(&door, attempt.asker(), attempt).await;
            let there = ask(&others.door(&attempt.who).shuffled(seed), attempt.asker(), attempt).await;
            let place = format!("order {seed}, {}", attempt.place());
            // A plan in words is that of the order.
            let is_plan = attempt.sql.starts_with("explain");
            match &here.wrong {
                None => answered += 1,
                Some(_) if is_plan || here.is_error() => {}
                Some(error) => wrong.push(format!("{place}\n{error}")),
            }
            if let Some(canary) = here.canary(attempt) {
                wrong.push(format!("{place}\nholds {canary}: {}", here.said));
            }
            if here.said != there.said {
                wrong.push(format!("{place}\n{}\nand with other hidden data\n{}", here.said, there.said));
            }
        }
        // Else the orders would be those in which nothing works.
        assert!(answered * 2 > attempts.len(), "order {seed} answers {answered} of {} attempts", attempts.len());
    }
    assert!(wrong.is_empty(), "{} attempts:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Without the barrier each class leaks: what comes back holds a canary, or depends on what is hidden. So none passes by accident.
#[tokio::test]
async fn each_class_leaks_without_the_barrier() {
    let mut naive = [false, true].map(|otherwise| Beds::new(move |who| fixture::naive(who, otherwise)));
    let mut open = [false, true].map(|otherwise| Beds::new(move |who| fixture::open(who, otherwise)));
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for attempt in attempts() {
        let leaks = classes.entry(attempt.class.clone()).or_default();
        let (here, there) = match attempt.control {
            Control::Filter if !fixture::has_naive(&attempt.who) => continue,
            Control::Filter => {
                let [here, there] = &mut naive;
                let here = ask(here.door(&attempt.who), attempt.asker(), &attempt).await;
                (here, ask(there.door(&attempt.who), attempt.asker(), &attempt).await)
            }
            Control::Open => {
                let asker = || Asker { groups: vec![OWNERS_GROUP.to_owned()], ..attempt.asker() };
                let [here, there] = &mut open;
                let here = ask(here.door(&attempt.who), asker(), &attempt).await;
                (here, ask(there.door(&attempt.who), asker(), &attempt).await)
            }
        };
        if here.canary(&attempt).is_some() || here.said != there.said {
            *leaks += 1;
        }
    }
    let tight: Vec<_> = classes.iter().filter(|(_, leaks)| **leaks == 0).collect();
    assert!(tight.is_empty(), "nothing of these classes leaks without the barrier either: {tight:?}; {classes:?}");
}
