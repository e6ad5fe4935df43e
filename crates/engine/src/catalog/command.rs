//! Statements that ask nothing: settings, transactions, and what a connection is tidied up with. They are read word by word, so that what
//! a parser makes of a setting's value cannot matter.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::setting;
use super::{CatalogError, Routed};

/// The words of a statement.
struct Words<'a> {
    tokens: &'a [TokenWithSpan],
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.first().map(|token| &token.token)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(&first.token)
    }

    fn is(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    fn take(&mut self, word: &str) -> bool {
        let is = self.is(word);
        if is {
            self.next();
        }
        is
    }

    fn take_all(&mut self, words: &[&str]) -> bool {
        let is = words.len() <= self.tokens.len()
            && self.tokens.iter().zip(words).all(|(token, word)| {
                matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
            });
        if is {
            self.tokens = self.tokens.get(words.len()..).unwrap_or_default();
        }
        is
    }

    fn end(&self) -> Result<(), CatalogError> {
        match self.peek() {
            None => Ok(()),
            Some(token) => Err(CatalogError::syntax(format!("syntax error at or near \"{token}\""))),
        }
    }

    /// A name of one or more parts, as `polder.purpose`.
    fn name(&mut self) -> Result<String, CatalogError> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some(Token::Word(word)) => name.push_str(&word.value),
                Some(token) => return Err(CatalogError::syntax(format!("syntax error at or near \"{token}\""))),
                None => return Err(CatalogError::syntax("syntax error at end of input")),
            }
            if self.peek() != Some(&Token::Period) {
                return Ok(name);
            }
            self.next();
            name.push('.');
        }
    }
}

/// Reads a statement that is a command. None: it is none, so perhaps a question.
///
/// # Errors
/// When it is a command that is not granted.
pub(super) fn read(tokens: &[TokenWithSpan]) -> Result<Option<Routed>, CatalogError> {
    let mut words = Words { tokens };
    let Some(Token::Word(first)) = words.next() else { return Ok(None) };
    let command = if first.quote_style.is_some() { String::new() } else { first.value.to_uppercase() };
    let routed = match command.as_str() {
        "SET" => set(words)?,
        "RESET" => reset(words)?,
        "SHOW" => Routed::Show(show(words)?),
        "BEGIN" => begin(words, "BEGIN")?,
        "START" => {
            if !words.take("transaction") {
                return Err(CatalogError::syntax("syntax error after START; write START TRANSACTION"));
            }
            begin(words, "START TRANSACTION")?
        }
        "COMMIT" | "END" => end(words, "COMMIT")?,
        "ROLLBACK" => {
            let _ = words.take("work") || words.take("transaction");
            if words.take("to") {
                let _ = words.take("savepoint");
                words.name()?;
                words.end()?;
                Routed::Done("ROLLBACK")
            } else {
                end(words, "ROLLBACK")?
            }
        }
        "ABORT" => end(words, "ROLLBACK")?,
        "SAVEPOINT" => {
            words.name()?;
            words.end()?;
            Routed::Done("SAVEPOINT")
        }
        "RELEASE" => {
            let _ = words.take("savepoint");
            words.name()?;
            words.end()?;
            Routed::Done("RELEASE")
        }
        "DISCARD" => discard(words)?,
        "DEALLOCATE" => {
            let _ = words.take("prepare");
            let tag = if words.take("all") { "DEALLOCATE ALL" } else { "DEALLOCATE" };
            if tag == "DEALLOCATE" {
                words.name()?;
            }
            words.end()?;
            Routed::Done(tag)
        }
        "CLOSE" => {
            let all = words.take("all");
            if !all {
                words.name()?;
            }
            words.end()?;
            Routed::Done(if all { "CLOSE CURSOR ALL" } else { "CLOSE CURSOR" })
        }
        // Nothing can be listened to, so all of it is unlistened.
        "UNLISTEN" => Routed::Done("UNLISTEN"),
        "LISTEN" | "NOTIFY" => return Err(CatalogError::unsupported(format!("{command} is not supported: there are no notifications"))),
        _ => return Ok(None),
    };
    Ok(Some(routed))
}

fn set(mut words: Words<'_>) -> Result<Routed, CatalogError> {
    let session = words.take("session");
    if session && words.take("characteristics") {
        if !words.take_all(&["as", "transaction"]) {
            return Err(CatalogError::syntax("syntax error after SESSION CHARACTERISTICS; write AS TRANSACTION"));
        }
        transaction_modes(&mut words)?;
        words.end()?;
        return Ok(Routed::Done("SET"));
    }
    let local = !session && words.take("local");
    if session && words.is("authorization") || words.is("role") {
        words.next();
        return match words.next() {
            Some(Token::Word(word)) if ["default", "none"].iter().any(|own| word.value.eq_ignore_ascii_case(own)) => {
                words.end()?;
                Ok(Routed::Done("SET"))
            }
            _ => Err(CatalogError::new("42501", "permission denied to set role: a session acts as who signed in")),
        };
    }
    if !local && words.take("transaction") {
        transaction_modes(&mut words)?;
        words.end()?;
        return Ok(Routed::Done("SET"));
    }
    if words.take("constraints") {
        return Ok(Routed::Done("SET CONSTRAINTS"));
    }
    let name = if words.take_all(&["time", "zone"]) {
        "TimeZone".to_owned()
    } else if words.take("names") {
        "client_encoding".to_owned()
    } else {
        let name = words.name()?;
        if !words.take("to") && words.next() != Some(&Token::Eq) {
            return Err(CatalogError::syntax(format!("syntax error after SET {name}; write = and a value")));
        }
        name
    };
    assign(&name, value(&mut words)?)
}

/// Sets a setting, as SET or a function does. A value of none is DEFAULT.
fn assign(name: &str, value: Option<String>) -> Result<Routed, CatalogError> {
    if name.eq_ignore_ascii_case("polder.purpose") {
        return Ok(Routed::Purpose(value.filter(|purpose| !purpose.is_empty())));
    }
    if name.eq_ignore_ascii_case("statement_timeout") {
        return Ok(Routed::Timeout(value.as_deref().map(milliseconds).transpose()?.filter(|timeout| *timeout > 0)));
    }
    setting::take(name, value.as_deref())?;
    Ok(Routed::Done("SET"))
}

/// A timeout, in milliseconds unless it says otherwise.
fn milliseconds(text: &str) -> Result<u64, CatalogError> {
    let wrong = || CatalogError::wrong_value(format!("invalid value for parameter \"statement_timeout\": \"{text}\""));
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).filter(|milliseconds| *milliseconds <= 2_147_483_647).ok_or_else(wrong)
}

/// The rest of a SET: one value, or several with commas.
fn value(words: &mut Words<'_>) -> Result<Option<String>, CatalogError> {
    let mut values: Vec<String> = Vec::new();
    let mut minus = false;
    loop {
        match words.next() {
            Some(Token::Word(word)) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default") && values.is_empty() => {
                words.end()?;
                return Ok(None);
            }
            Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("interval") => {
                return Err(CatalogError::unsupported("a time zone as an interval is not supported; write 'UTC'"));
            }
            Some(Token::Word(word)) => values.push(word.value.clone()),
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => values.push(text.clone()),
            Some(Token::Number(number, _)) => values.push(format!("{}{number}", if minus { "-" } else { "" })),
            Some(Token::Minus) if !minus => {
                minus = true;
                continue;
            }
            Some(Token::Plus) => continue,
            Some(token) => return Err(CatalogError::syntax(format!("syntax error at or near \"{token}\""))),
            None => return Err(CatalogError::syntax("syntax error at end of input")),
        }
        minus = false;
        match words.next() {
            None => return Ok(Some(values.join(", "))),
            Some(Token::Comma) => {}
            Some(token) => return Err(CatalogError::syntax(format!("syntax error at or near \"{token}\""))),
        }
    }
}

fn reset(mut words: Words<'_>) -> Result<Routed, CatalogError> {
    if words.take("all") || words.take("role") || words.take_all(&["session", "authorization"]) {
        words.end()?;
        return Ok(Routed::Done("RESET"));
    }
    let name = if words.take_all(&["time", "zone"]) { "TimeZone".to_owned() } else { words.name()? };
    words.end()?;
    match assign(&name, None)? {
        Routed::Done(_) => Ok(Routed::Done("RESET")),
        other => Ok(other),
    }
}

/// A transaction reads what it reads, and changes nothing.
fn transaction_modes(words: &mut Words<'_>) -> Result<(), CatalogError> {
    loop {
        if words.take_all(&["read", "write"]) || words.take_all(&["read", "only"]) || words.take("deferrable") {
            // That nothing can be written is told by whoever tries to.
        } else if words.take_all(&["isolation", "level"]) {
            let known = words.take("serializable")
                || words.take_all(&["repeatable", "read"])
                || words.take_all(&["read", "committed"])
                || words.take_all(&["read", "uncommitted"]);
            if !known {
                return Err(CatalogError::syntax("syntax error after ISOLATION LEVEL"));
            }
        } else if !words.take_all(&["not", "deferrable"]) {
            return Ok(());
        }
        if words.peek() == Some(&Token::Comma) {
            words.next();
        }
    }
}

fn begin(mut words: Words<'_>, tag: &'static str) -> Result<Routed, CatalogError> {
    let _ = words.take("work") || words.take("transaction");
    transaction_modes(&mut words)?;
    words.end()?;
    Ok(Routed::Done(tag))
}

fn end(mut words: Words<'_>, tag: &'static str) -> Result<Routed, CatalogError> {
    if words.is("prepared") {
        return Err(CatalogError::unsupported("two-phase commit is not supported"));
    }
    let _ = words.take("work") || words.take("transaction");
    if words.take("and") {
        let _ = words.take("no");
        if !words.take("chain") {
            return Err(CatalogError::syntax("syntax error after AND; write CHAIN"));
        }
    }
    words.end()?;
    Ok(Routed::Done(tag))
}

fn discard(mut words: Words<'_>) -> Result<Routed, CatalogError> {
    let tag = match words.next() {
        Some(Token::Word(word)) => match word.value.to_uppercase().as_str() {
            "ALL" => "DISCARD ALL",
            "PLANS" => "DISCARD PLANS",
            "SEQUENCES" => "DISCARD SEQUENCES",
            "TEMP" | "TEMPORARY" => "DISCARD TEMP",
            _ => return Err(CatalogError::syntax("syntax error after DISCARD")),
        },
        _ => return Err(CatalogError::syntax("syntax error after DISCARD")),
    };
    words.end()?;
    Ok(Routed::Done(tag))
}

fn show(mut words: Words<'_>) -> Result<RecordBatch, CatalogError> {
    if words.take("all") {
        words.end()?;
        let names: StringArray = setting::all().map(|setting| Some(setting.name)).collect();
        let values: StringArray = setting::all().map(|setting| Some(setting.value)).collect();
        let descriptions: StringArray = setting::all().map(|_| Some("")).collect();
        return texts(&["name", "setting", "description"], vec![Arc::new(names), Arc::new(values), Arc::new(descriptions)]);
    }
    let name = if words.take_all(&["transaction", "isolation", "level"]) {
        "transaction_isolation".to_owned()
    } else if words.take_all(&["time", "zone"]) {
        "TimeZone".to_owned()
    } else if words.take_all(&["session", "authorization"]) {
        "session_authorization".to_owned()
    } else {
        words.name()?
    };
    words.end()?;
    let setting = setting::named(&name)?;
    texts(&[setting.name], vec![Arc::new(StringArray::from(vec![setting.value]))])
}

fn texts(names: &[&str], columns: Vec<ArrayRef>) -> Result<RecordBatch, CatalogError> {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| CatalogError::defect(error.to_string()))
}
