//! The attempts of `tests/corpus/bypass`, as `crates/engine/src/tests/bypass.rs` reads them, and what is said of what came of one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use sqllogictest::{AsyncDB, Connection, DBOutput, DefaultColumnType, QueryExpect, Record, Runner, parse_file};

/// What stands in hidden rows and columns and under masks, and nowhere else.
const CANARIES: [&str; 2] = ["zugspitze", "90909"];
/// Tables and columns that nobody who asks may know of.
const HIDDEN: [&str; 5] = ["diagnosis", "consent", "secret", "payroll", "ward_totals"];
/// So many digits and dashes in a row are an id or a hash, which may hold anything.
const RANDOM_DIGITS_MIN: usize = 32;

/// One attempt.
#[derive(Clone)]
pub struct Attempt {
    pub class: String,
    pub who: String,
    pub purpose: Option<String>,
    pub sql: String,
    record: Record<DefaultColumnType>,
}

/// The values of rows, as the corpus writes them.
pub type Rows = Vec<Vec<String>>;

/// What a client heard.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The rows, and how many columns they have; or each `KIND: TEXT` that the error may be.
    pub answer: Result<(usize, Rows), Vec<String>>,
    /// Everything else that came: names of columns, notices, headers, fields of errors.
    pub beside: String,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

/// Columns and rows, or why there are none.
type Answered = Result<(usize, Rows), Failed>;

/// An answer that has come already, for the runner to compare.
struct Given(Arc<Mutex<Option<Answered>>>);

#[async_trait]
impl AsyncDB for Given {
    type Error = Failed;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, _sql: &str) -> Result<DBOutput<DefaultColumnType>, Failed> {
        let given = self.0.lock().take().expect("an answer is compared once");
        given.map(|(columns, rows)| DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
    }

    async fn shutdown(&mut self) {}
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/bypass")
}

/// The files of a folder, by name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The attempts of all files. `versions` are the table's, in the place of 0, 1 and 2.
pub fn attempts(versions: &[u64]) -> Vec<Attempt> {
    let mut found = Vec::new();
    for path in files(&folder()).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "slt")) {
        let class = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for mut record in parse_file::<DefaultColumnType>(&path).unwrap() {
            let Record::Query { connection, sql, .. } = &mut record else {
                assert!(!matches!(record, Record::Statement { .. }), "{class}: an attempt is a query");
                continue;
            };
            let Connection::Named(name) = std::mem::take(connection) else { panic!("{class}: nobody asks {sql}") };
            let (who, purpose) = match name.split_once('@') {
                Some((who, purpose)) => (who.to_owned(), Some(purpose.to_owned())),
                None => (name, None),
            };
            *sql = at_versions(sql, versions);
            found.push(Attempt { class: class.clone(), who, purpose, sql: sql.clone(), record });
        }
    }
    found
}

/// The same question of a table whose versions have other numbers.
fn at_versions(sql: &str, versions: &[u64]) -> String {
    let mut parts = sql.split("at version ");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        let number: u64 = number.parse().unwrap();
        // One that is not there stays one that is not there.
        let number = versions.get(number as usize).copied().unwrap_or(number);
        out += &format!("at version {number}{rest}");
    }
    out
}

impl Attempt {
    pub fn place(&self) -> String {
        format!("{} as {}: {:.300}", self.class, self.who, self.sql)
    }

    /// Whether the file says that an error must come.
    pub fn is_refused(&self) -> bool {
        matches!(&self.record, Record::Query { expected: QueryExpect::Error(_), .. })
    }

    /// Whether the plan is asked for, in words.
    pub fn is_plan(&self) -> bool {
        self.sql.starts_with("explain")
    }

    /// What is wrong with an answer, by the file.
    pub async fn wrong(&self, heard: &Heard) -> Option<String> {
        let answers: Vec<Result<(usize, Rows), Failed>> = match &heard.answer {
            Ok(rows) => vec![Ok(rows.clone())],
            Err(texts) => texts.iter().map(|text| Err(Failed(text.clone()))).collect(),
        };
        let mut wrong = None;
        for answer in answers {
            let given = Arc::new(Mutex::new(Some(answer)));
            let mut runner = Runner::new(|| {
                let given = Given(Arc::clone(&given));
                async move { Ok(given) }
            });
            match runner.run_async(self.record.clone()).await {
                Ok(_) => return None,
                Err(error) => wrong = Some(error.to_string()),
            }
        }
        Some(wrong.expect("an error has a text"))
    }

    /// Something in what came that must be in no answer to this question.
    pub fn leaked(&self, heard: &Heard) -> Option<&'static str> {
        let said = self.said(heard);
        CANARIES.into_iter().chain(HIDDEN).find(|word| said.contains(word) && !self.sql.to_lowercase().contains(word))
    }

    /// A canary that the attempt did not bring along.
    pub fn canary(&self, heard: &Heard) -> Option<&'static str> {
        let said = self.said(heard);
        CANARIES.into_iter().find(|canary| said.contains(canary) && !self.sql.to_lowercase().contains(canary))
    }

    /// All that came, without what is random.
    fn said(&self, heard: &Heard) -> String {
        let answer = match &heard.answer {
            Ok((_, rows)) => rows.iter().map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n"),
            Err(texts) => texts.join("\n"),
        };
        without_random(&format!("{answer}\n{}", heard.beside)).to_lowercase()
    }
}

fn without_random(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(is_digit) {
        let (before, from) = rest.split_at(begin);
        let end = from.find(|c| !is_digit(c)).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        out += before;
        out += if digits.len() < RANDOM_DIGITS_MIN { digits } else { "…" };
        rest = after;
    }
    out + rest
}

#[test]
fn the_versions_of_a_question_are_those_of_the_table() {
    assert_eq!(
        at_versions("select 1 from a at version 0, b at version 1 where c", &[1, 3, 4]),
        "select 1 from a at version 1, b at version 3 where c"
    );
    assert_eq!(at_versions("select * from a at version 77", &[1, 3, 4]), "select * from a at version 77");
}

#[test]
fn a_canary_is_seen_wherever_it_stands_and_an_id_is_none() {
    let attempts = attempts(&[0, 1, 2]);
    assert!(attempts.len() >= 300, "{}", attempts.len());
    let attempt = attempts.iter().find(|attempt| attempt.sql == "select count(*) from patients" && attempt.who == "nurse").unwrap();
    let heard = |answer: Result<(usize, Rows), Vec<String>>, beside: &str| Heard { answer, beside: beside.to_owned() };
    let five = || Ok((1, vec![vec!["5".to_owned()]]));
    assert_eq!(attempt.leaked(&heard(five(), "polder-request: 0909090909090909090909090909090909")), None);
    assert_eq!(attempt.leaked(&heard(five(), "notice: 111-90909-3333")), Some("90909"));
    assert_eq!(attempt.leaked(&heard(five(), "x-hint: Zugspitze")), Some("zugspitze"));
    assert_eq!(attempt.leaked(&heard(Err(vec!["invalid: no field named diagnosis".to_owned()]), "")), Some("diagnosis"));
}
