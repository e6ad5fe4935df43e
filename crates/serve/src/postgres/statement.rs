//! What a statement is, where that is the wire's business: transactions, cursors, COPY, prepared statements, and settings of the output.

use crate::fault::Fault;
use crate::postgres::copy::{self, CopyOut};
use crate::postgres::error::{syntax, unsupported};
use crate::postgres::lexer::{Kind, Token, tokens};
use crate::postgres::startup::encoding;

/// What a statement asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// To be asked as it is; the word is that of the tag before the number of rows.
    Ask { tag: &'static str },
    /// A transaction begins; the word is the tag.
    Begin(&'static str),
    /// It ends.
    Commit,
    /// It ends, and nothing of it stays.
    Rollback,
    /// A place to go back to is named.
    Savepoint(String),
    /// A place is forgotten.
    Release(String),
    /// Back to a place.
    RollbackTo(String),
    /// A cursor is opened on a question.
    Declare { name: String, hold: bool, binary: bool, sql: String },
    /// Rows of a cursor, or steps over them.
    Fetch { cursor: String, count: Option<u64>, discard: bool },
    /// A cursor is closed, or all are.
    CloseCursor(Option<String>),
    /// The rows of a question as a stream of bytes.
    Copy(CopyOut),
    /// A prepared statement is forgotten, or all are.
    Deallocate(Option<String>),
    /// All that was set and prepared is forgotten.
    DiscardAll,
    /// Nothing is to be done; the word is the tag.
    Nothing(&'static str),
}

impl Command {
    /// What of it is asked of the session.
    pub fn question<'a>(&'a self, sql: &'a str) -> Option<&'a str> {
        match self {
            Self::Ask { .. } => Some(sql),
            Self::Declare { sql, .. } => Some(sql),
            Self::Copy(copy) => Some(&copy.sql),
            _ => None,
        }
    }

    /// Whether it is allowed in a failed transaction.
    pub fn ends_failure(&self) -> bool {
        matches!(self, Self::Commit | Self::Rollback | Self::RollbackTo(_))
    }
}

/// The tokens of a statement, taken one by one.
pub struct Words<'a> {
    sql: &'a str,
    tokens: std::iter::Peekable<crate::postgres::lexer::Tokens<'a>>,
}

impl<'a> Words<'a> {
    pub fn new(sql: &'a str) -> Self {
        Self { sql, tokens: tokens(sql).peekable() }
    }

    /// Takes this word if it is next.
    pub fn take(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| token.is(word)).is_some()
    }

    /// Takes one of these words if it is next.
    pub fn any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.take(word))
    }

    /// Takes this character if it is next.
    pub fn sign(&mut self, sign: &str) -> bool {
        self.tokens.next_if(|token| token.is_sign(sign)).is_some()
    }

    /// The next token.
    pub fn next(&mut self) -> Option<Token<'a>> {
        self.tokens.next()
    }

    /// The next token, left where it is.
    pub fn peek(&mut self) -> Option<Token<'a>> {
        self.tokens.peek().copied()
    }

    /// A name.
    ///
    /// # Errors
    /// When there is none.
    pub fn name(&mut self, of: &str) -> Result<String, Fault> {
        self.next().and_then(|token| token.name()).ok_or_else(|| syntax(format!("read the statement: the name of {of} is missing; add it")))
    }

    /// What is left, as it is written.
    pub fn rest(&mut self) -> &'a str {
        self.peek().and_then(|token| self.sql.get(token.start..)).unwrap_or("")
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.next() {
            None => Ok(()),
            Some(token) => Err(self.unexpected(token)),
        }
    }

    /// A token has no place where it stands; which one is told by its place.
    pub fn unexpected(&self, token: Token<'_>) -> Fault {
        let before = self.sql.get(..token.start).unwrap_or("").chars().count();
        let position = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        syntax("read the statement: something has no place there; see the position").at(Some(position))
    }
}

/// Reads a statement, without a `;` at its end.
///
/// # Errors
/// When it is of a kind that is the wire's business, and not well-formed or not there.
pub fn command(sql: &str) -> Result<Command, Fault> {
    let mut words = Words::new(sql);
    let Some(first) = words.next() else { return Ok(Command::Nothing("")) };
    if first.kind != Kind::Word {
        return Ok(Command::Ask { tag: "SELECT" });
    }
    let first = first.text.to_ascii_uppercase();
    Ok(match first.as_str() {
        "BEGIN" => Command::Begin("BEGIN"),
        "START" if words.take("transaction") => Command::Begin("START TRANSACTION"),
        "COMMIT" | "END" => chained(&mut words, Command::Commit)?,
        "ABORT" => chained(&mut words, Command::Rollback)?,
        "ROLLBACK" => {
            let _ = words.any(&["work", "transaction"]);
            if words.take("to") {
                let _ = words.take("savepoint");
                Command::RollbackTo(words.name("the savepoint")?)
            } else {
                chained(&mut words, Command::Rollback)?
            }
        }
        "SAVEPOINT" => Command::Savepoint(words.name("the savepoint")?),
        "RELEASE" => {
            let _ = words.take("savepoint");
            Command::Release(words.name("the savepoint")?)
        }
        "DECLARE" => declare(&mut words)?,
        "FETCH" => fetch(&mut words, false)?,
        "MOVE" => fetch(&mut words, true)?,
        "CLOSE" => {
            let name = words.name("the cursor")?;
            words.end()?;
            Command::CloseCursor((name != "all").then_some(name))
        }
        "COPY" => Command::Copy(copy::parse(&mut words)?),
        "DEALLOCATE" => {
            let _ = words.take("prepare");
            let all = words.peek().is_some_and(|token| token.is("all"));
            let name = words.name("the statement")?;
            words.end()?;
            Command::Deallocate((!all).then_some(name))
        }
        "DISCARD" => match words.any(&["all", "plans", "sequences", "temp", "temporary"]) {
            Some("all") => Command::DiscardAll,
            Some("plans") => Command::Nothing("DISCARD PLANS"),
            Some("sequences") => Command::Nothing("DISCARD SEQUENCES"),
            _ => Command::Nothing("DISCARD TEMP"),
        },
        "UNLISTEN" => Command::Nothing("UNLISTEN"),
        "PREPARE" | "EXECUTE" => {
            return Err(unsupported(format!(
                "read the statement: {first} is not taken as SQL; prepare statements through the protocol, as drivers do"
            )));
        }
        "SET" => set(&mut words)?,
        "SHOW" => Command::Ask { tag: "SHOW" },
        "EXPLAIN" => Command::Ask { tag: "EXPLAIN" },
        _ => Command::Ask { tag: "SELECT" },
    })
}

fn chained(words: &mut Words<'_>, command: Command) -> Result<Command, Fault> {
    let _ = words.any(&["work", "transaction"]);
    if words.take("and") && !words.take("no") {
        return Err(unsupported("read the statement: transactions are not chained; begin the next one by itself"));
    }
    if words.take("prepared") {
        return Err(unsupported("read the statement: there are no prepared transactions"));
    }
    Ok(command)
}

fn declare(words: &mut Words<'_>) -> Result<Command, Fault> {
    let name = words.name("the cursor")?;
    let (mut hold, mut binary) = (false, false);
    loop {
        match words.any(&["binary", "asensitive", "insensitive", "no", "scroll", "cursor"]) {
            Some("binary") => binary = true,
            Some("no") if words.take("scroll") => {}
            Some("scroll") => return Err(unsupported("open the cursor: cursors go forward alone; leave SCROLL out")),
            Some("cursor") => break,
            Some("asensitive" | "insensitive") => {}
            _ => return Err(syntax("open the cursor: it is not of the form DECLARE name CURSOR FOR query")),
        }
    }
    if let Some(with) = words.any(&["with", "without"]) {
        if !words.take("hold") {
            return Err(syntax("open the cursor: HOLD is missing after WITH or WITHOUT"));
        }
        hold = with == "with";
    }
    if !words.take("for") {
        return Err(syntax("open the cursor: it is not of the form DECLARE name CURSOR FOR query"));
    }
    Ok(Command::Declare { name, hold, binary, sql: words.rest().to_owned() })
}

fn fetch(words: &mut Words<'_>, discard: bool) -> Result<Command, Fault> {
    let backward = || unsupported("read the cursor: cursors go forward alone; use FETCH n, FETCH NEXT or FETCH ALL");
    if words.any(&["prior", "first", "last", "absolute", "relative", "backward"]).is_some() {
        return Err(backward());
    }
    let mut count = Some(1);
    let forward = words.take("forward");
    if !forward && words.take("next") {
        // One, as without a word.
    } else if words.take("all") {
        count = None;
    } else if words.sign("-") {
        return Err(backward());
    } else {
        let _ = words.sign("+");
        if let Some(number) = words.peek().filter(|token| token.kind == Kind::Number) {
            words.next();
            let number = number.text.parse::<u64>().map_err(|_| syntax("read the cursor: the number of rows is none; give one"))?;
            // The row under the cursor again: it is gone.
            count = Some(number).filter(|number| *number > 0).map(Some).ok_or_else(backward)?;
        }
    }
    let _ = words.any(&["from", "in"]);
    let cursor = words.name("the cursor")?;
    words.end()?;
    Ok(Command::Fetch { cursor, count, discard })
}

/// What is set of the output has one form here; anything else that is set is the session's.
fn set(words: &mut Words<'_>) -> Result<Command, Fault> {
    let ask = Command::Ask { tag: "SET" };
    let _ = words.any(&["session", "local"]);
    if words.any(&["characteristics", "transaction"]).is_some() {
        // Every transaction reads, and sees what was visible when each question was asked.
        return Ok(Command::Nothing("SET"));
    }
    if words.take("names") {
        let value = words.next().and_then(|token| token.string().or_else(|| token.name())).unwrap_or_default();
        return if encoding(&value).is_some() { Ok(Command::Nothing("SET")) } else { Err(one_form("client_encoding", "UTF8")) };
    }
    let Some(name) = words.next().and_then(|token| token.name()) else { return Ok(ask) };
    if !words.sign("=") && !words.take("to") {
        return Ok(ask);
    }
    let value = words.next().and_then(|token| token.string().or_else(|| token.name())).unwrap_or_default().to_ascii_lowercase();
    let (fits, form) = match name.as_str() {
        "client_encoding" => (encoding(&value).is_some() || value == "default", "UTF8"),
        "datestyle" => (value.starts_with("iso") || value == "default", "ISO"),
        "intervalstyle" => (matches!(value.as_str(), "postgres" | "default"), "postgres"),
        "bytea_output" => (matches!(value.as_str(), "hex" | "default"), "hex"),
        "standard_conforming_strings" => (matches!(value.as_str(), "on" | "true" | "default"), "on"),
        _ => return Ok(ask),
    };
    if fits { Ok(Command::Nothing("SET")) } else { Err(one_form(&name, form)) }
}

fn one_form(name: &str, form: &str) -> Fault {
    unsupported(format!("set {name}: answers have one form here; leave it at {form}")).with_sqlstate("22023")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_told_apart() {
        let ask = |tag| Command::Ask { tag };
        for (sql, expected) in [
            ("select 1", ask("SELECT")),
            ("(select 1)", ask("SELECT")),
            ("with a as (select 1) table a", ask("SELECT")),
            ("/* c */ Show all", ask("SHOW")),
            ("begin isolation level serializable", Command::Begin("BEGIN")),
            ("START TRANSACTION READ ONLY", Command::Begin("START TRANSACTION")),
            ("end", Command::Commit),
            ("rollback work to savepoint \"A\"", Command::RollbackTo("A".to_owned())),
            ("rollback and no chain", Command::Rollback),
            ("fetch c", Command::Fetch { cursor: "c".to_owned(), count: Some(1), discard: false }),
            ("fetch forward 10 from \"C\"", Command::Fetch { cursor: "C".to_owned(), count: Some(10), discard: false }),
            ("fetch all in c", Command::Fetch { cursor: "c".to_owned(), count: None, discard: false }),
            ("move forward all from c", Command::Fetch { cursor: "c".to_owned(), count: None, discard: true }),
            ("close all", Command::CloseCursor(None)),
            ("deallocate prepare s", Command::Deallocate(Some("s".to_owned()))),
            ("deallocate \"all\"", Command::Deallocate(Some("all".to_owned()))),
            ("DISCARD ALL", Command::DiscardAll),
            ("set datestyle = 'ISO, MDY'", Command::Nothing("SET")),
            ("set client_encoding to 'utf-8'", Command::Nothing("SET")),
            ("SET polder.purpose = 'x'", ask("SET")),
            ("set session characteristics as transaction read only", Command::Nothing("SET")),
            (
                "declare \"c 1\" no scroll cursor with hold for select ';'",
                Command::Declare { name: "c 1".to_owned(), hold: true, binary: false, sql: "select ';'".to_owned() },
            ),
        ] {
            assert_eq!(command(sql), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_with_a_reason() {
        for (sql, code) in [
            ("prepare a as select 1", "0A000"),
            ("execute a", "0A000"),
            ("declare c scroll cursor for select 1", "0A000"),
            ("declare c for select 1", "42601"),
            ("fetch backward 1 from c", "0A000"),
            ("fetch -1 from c", "0A000"),
            ("fetch 0 from c", "0A000"),
            ("fetch 1 from c d", "42601"),
            ("commit prepared 'x'", "0A000"),
            ("rollback and chain", "0A000"),
            ("set datestyle = German", "22023"),
            ("set names 'latin1'", "22023"),
        ] {
            assert_eq!(command(sql).unwrap_err().sqlstate(), code, "{sql}");
        }
        assert_eq!(command("close c é d").unwrap_err().position(), Some(9));
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(words in prop::collection::vec(prop::sample::select(vec![
            "declare", "cursor", "for", "fetch", "all", "copy", "(", ")", "to", "stdout", "with", "csv", "'x'", "c", "1", "-", ",", "set", "=",
            "rollback", "close", "format", "delimiter", "null", "header", "force", "quote", "*", "\"", "$$",
        ]), 0..10)) {
            let _ = command(&words.join(" "));
        }
    }
}
