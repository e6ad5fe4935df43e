//! `COPY … TO STDOUT`: what is asked, and rows in PostgreSQL's text, CSV and binary form.

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use bytes::BytesMut;
use pgwire::messages::copy::CopyOutResponse;

use crate::fault::Fault;
use crate::postgres::binary;
use crate::postgres::error::{defect, put, syntax, unsupported};
use crate::postgres::lexer::Kind;
use crate::postgres::statement::Words;
use crate::postgres::text;
use crate::postgres::value::{Value, value};

/// The form of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Csv,
    Binary,
}

/// Columns whose values are always quoted.
#[derive(Debug, Clone, PartialEq)]
pub enum Forced {
    These(Vec<String>),
    All,
}

/// What a COPY asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyOut {
    /// The question whose rows are copied.
    pub sql: String,
    pub format: Format,
    header: bool,
    delimiter: u8,
    null: String,
    quote: u8,
    escape: u8,
    forced: Forced,
}

#[derive(Default)]
struct Options {
    format: Option<Format>,
    header: bool,
    delimiter: Option<u8>,
    null: Option<String>,
    quote: Option<u8>,
    escape: Option<u8>,
    forced: Option<Forced>,
}

/// Reads what comes after COPY.
///
/// # Errors
/// When it is not well-formed, copies into a table, or copies elsewhere than to the client.
pub fn parse(words: &mut Words<'_>) -> Result<CopyOut, Fault> {
    let mut options = Options::default();
    if words.take("binary") {
        options.format = Some(Format::Binary);
    }
    let sql = if words.peek().is_some_and(|token| token.is_sign("(")) { query(words)? } else { table(words)? };
    if words.take("from") {
        return Err(unsupported("copy: tables are loaded by pipelines alone, since every row goes through a contract; use `polder run`")
            .with_sqlstate("42501"));
    }
    if !words.take("to") {
        return Err(syntax("copy: it is not of the form COPY (query) TO STDOUT"));
    }
    if !words.take("stdout") {
        return Err(unsupported("copy: rows go to the client alone; use TO STDOUT").with_sqlstate("42501"));
    }
    let _ = words.take("with");
    if words.sign("(") {
        listed(words, &mut options)?
    } else {
        older(words, &mut options)?
    }
    words.end()?;
    finish(sql, options)
}

/// `(query)`, without the parentheses.
fn query(words: &mut Words<'_>) -> Result<String, Fault> {
    let whole = words.rest();
    let mut depth = 0_usize;
    let start = words.peek().map_or(0, |token| token.end());
    while let Some(token) = words.next() {
        if token.is_sign("(") {
            depth += 1;
        } else if token.is_sign(")") {
            depth -= 1;
            if depth == 0 {
                let length = token.start.saturating_sub(start);
                return Ok(whole.get(1..length + 1).unwrap_or("").trim().to_owned());
            }
        }
    }
    Err(syntax("copy: a parenthesis is not closed; close it"))
}

/// `table` or `schema.table (columns)`, as a question.
fn table(words: &mut Words<'_>) -> Result<String, Fault> {
    let mut table = String::new();
    loop {
        let token =
            words.next().filter(|token| token.name().is_some()).ok_or_else(|| syntax("copy: the name of the table is missing; add it"))?;
        table.push_str(token.text);
        if !words.sign(".") {
            break;
        }
        table.push('.');
    }
    let mut columns = Vec::new();
    if words.sign("(") {
        loop {
            let token = words
                .next()
                .filter(|token| token.name().is_some())
                .ok_or_else(|| syntax("copy: the name of a column is missing; add it"))?;
            columns.push(token.text);
            if words.sign(")") {
                break;
            }
            if !words.sign(",") {
                return Err(syntax("copy: columns stand between commas"));
            }
        }
    }
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
    Ok(format!("SELECT {columns} FROM {table}"))
}

/// `FORMAT csv, HEADER, DELIMITER ';'`, up to the parenthesis.
fn listed(words: &mut Words<'_>, options: &mut Options) -> Result<(), Fault> {
    loop {
        let option = words.name("the option")?;
        match option.as_str() {
            "format" => {
                let format = words.next().and_then(|token| token.string().or_else(|| token.name())).unwrap_or_default();
                options.format = Some(match format.to_ascii_lowercase().as_str() {
                    "text" => Format::Text,
                    "csv" => Format::Csv,
                    "binary" => Format::Binary,
                    _ => return Err(syntax("copy: that format is not known; use text, csv or binary").with_sqlstate("22023")),
                });
            }
            "header" => options.header = boolean(words)?,
            "delimiter" => options.delimiter = Some(character(words, "the delimiter")?),
            "null" => options.null = Some(string(words, "what stands for NULL")?),
            "quote" => options.quote = Some(character(words, "the quote")?),
            "escape" => options.escape = Some(character(words, "the escape")?),
            "force_quote" => options.forced = Some(forced(words, true)?),
            "encoding" => utf8(&string(words, "the encoding")?)?,
            _ => return Err(unsupported("copy: that option is not known, or is for COPY FROM alone; leave it out").with_sqlstate("42601")),
        }
        if words.sign(")") {
            return Ok(());
        }
        if !words.sign(",") {
            return Err(syntax("copy: options stand between commas"));
        }
    }
}

/// `CSV HEADER DELIMITER AS ';'`, as it was written before PostgreSQL 9.
fn older(words: &mut Words<'_>, options: &mut Options) -> Result<(), Fault> {
    while let Some(option) = words.peek() {
        if words.take("csv") {
            options.format = Some(Format::Csv);
        } else if words.take("binary") {
            options.format = Some(Format::Binary);
        } else if words.take("header") {
            options.header = true;
        } else if words.take("force") {
            if !words.take("quote") {
                return Err(syntax("copy: QUOTE is missing after FORCE"));
            }
            options.forced = Some(forced(words, false)?);
        } else if let Some(word) = words.any(&["delimiter", "delimiters", "null", "quote", "escape", "encoding"]) {
            let _ = words.take("as");
            match word {
                "null" => options.null = Some(string(words, "what stands for NULL")?),
                "quote" => options.quote = Some(character(words, "the quote")?),
                "escape" => options.escape = Some(character(words, "the escape")?),
                "encoding" => utf8(&string(words, "the encoding")?)?,
                _ => options.delimiter = Some(character(words, "the delimiter")?),
            }
        } else {
            return Err(words.unexpected(option));
        }
    }
    Ok(())
}

fn boolean(words: &mut Words<'_>) -> Result<bool, Fault> {
    let Some(token) = words.peek().filter(|token| !token.is_sign(",") && !token.is_sign(")")) else { return Ok(true) };
    words.next();
    match token.string().unwrap_or_else(|| token.text.to_owned()).to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(syntax("copy: HEADER is true or false")),
    }
}

fn string(words: &mut Words<'_>, what: &str) -> Result<String, Fault> {
    let text = words.next().filter(|token| token.kind == Kind::Text).and_then(|token| token.string());
    let text = text.ok_or_else(|| syntax(format!("copy: {what} is missing; write it in quotes")))?;
    if text.contains(['\n', '\r']) {
        Err(syntax(format!("copy: {what} cannot hold the end of a line")).with_sqlstate("22023"))
    } else {
        Ok(text)
    }
}

fn character(words: &mut Words<'_>, what: &str) -> Result<u8, Fault> {
    match string(words, what)?.as_bytes() {
        [one] => Ok(*one),
        _ => Err(syntax(format!("copy: {what} must be one character of one byte")).with_sqlstate("0A000")),
    }
}

fn utf8(encoding: &str) -> Result<(), Fault> {
    match crate::postgres::startup::encoding(encoding) {
        Some(_) => Ok(()),
        None => Err(unsupported("copy: that encoding is not written; use UTF8")),
    }
}

fn forced(words: &mut Words<'_>, parentheses: bool) -> Result<Forced, Fault> {
    if words.sign("*") {
        return Ok(Forced::All);
    }
    if parentheses && !words.sign("(") {
        return Err(syntax("copy: FORCE_QUOTE needs * or columns in parentheses"));
    }
    let mut columns = vec![words.name("a column")?];
    while words.sign(",") {
        columns.push(words.name("a column")?);
    }
    if parentheses && !words.sign(")") {
        return Err(syntax("copy: a parenthesis is not closed; close it"));
    }
    Ok(Forced::These(columns))
}

fn finish(sql: String, options: Options) -> Result<CopyOut, Fault> {
    let format = options.format.unwrap_or(Format::Text);
    let only = |given: bool, formats: &[Format], what: &str| {
        let fits = !given || formats.contains(&format);
        fits.then_some(()).ok_or_else(|| unsupported(format!("copy: {what} does not go with that format; leave it out")))
    };
    only(options.header, &[Format::Text, Format::Csv], "HEADER")?;
    only(options.delimiter.is_some(), &[Format::Text, Format::Csv], "DELIMITER")?;
    only(options.null.is_some(), &[Format::Text, Format::Csv], "NULL")?;
    only(options.quote.is_some(), &[Format::Csv], "QUOTE")?;
    only(options.escape.is_some(), &[Format::Csv], "ESCAPE")?;
    only(options.forced.is_some(), &[Format::Csv], "FORCE_QUOTE")?;
    let csv = format == Format::Csv;
    let quote = options.quote.unwrap_or(b'"');
    let copy = CopyOut {
        sql,
        format,
        header: options.header,
        delimiter: options.delimiter.unwrap_or(if csv { b',' } else { b'\t' }),
        null: options.null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() }),
        quote,
        escape: options.escape.unwrap_or(quote),
        forced: options.forced.unwrap_or(Forced::These(Vec::new())),
    };
    let delimiter = copy.delimiter;
    let odd = delimiter == b'\n' || delimiter == b'\r' || (!csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter));
    if odd || copy.null.as_bytes().contains(&delimiter) || (csv && (quote == delimiter || copy.null.as_bytes().contains(&quote))) {
        return Err(
            syntax("copy: delimiter, quote and what stands for NULL cannot be told from each other; choose others").with_sqlstate("0A000")
        );
    }
    Ok(copy)
}

impl CopyOut {
    /// Says that rows come, and in which form.
    pub fn respond(&self, schema: &SchemaRef, out: &mut BytesMut) {
        let binary = self.format == Format::Binary;
        let count = i16::try_from(schema.fields().len()).unwrap_or(i16::MAX);
        let formats = schema.fields().iter().map(|_| i16::from(binary)).collect();
        put(out, &CopyOutResponse::new(i8::from(binary), count, formats));
    }

    /// What comes before the rows.
    pub fn begin(&self, schema: &SchemaRef, out: &mut Vec<u8>) {
        if self.format == Format::Binary {
            out.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        }
        if self.header {
            for (at, field) in schema.fields().iter().enumerate() {
                if at > 0 {
                    out.push(self.delimiter);
                }
                match self.format {
                    Format::Csv => self.csv(field.name().as_bytes(), false, schema.fields().len() == 1, out),
                    _ => self.escaped(field.name().as_bytes(), out),
                }
            }
            out.push(b'\n');
        }
    }

    /// What comes after them.
    pub fn end(&self, out: &mut Vec<u8>) {
        if self.format == Format::Binary {
            out.extend_from_slice(&(-1_i16).to_be_bytes());
        }
    }

    /// A row.
    ///
    /// # Errors
    /// When a value has no form.
    pub fn row(&self, schema: &SchemaRef, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.format == Format::Binary {
            let count = i16::try_from(columns.len()).map_err(|_| defect("there are more columns than the protocol can say"))?;
            out.extend_from_slice(&count.to_be_bytes());
            for column in columns {
                match value(column.as_ref(), row)? {
                    Value::Null => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                    value => binary::measured(out, |out| binary::write(&value, out))?,
                }
            }
            return Ok(());
        }
        let mut written = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(self.delimiter);
            }
            let value = value(column.as_ref(), row)?;
            if matches!(value, Value::Null) {
                out.extend_from_slice(self.null.as_bytes());
                continue;
            }
            written.clear();
            text::write(&value, &mut written)?;
            if self.format == Format::Csv {
                let forced = match &self.forced {
                    Forced::All => true,
                    Forced::These(names) => schema.fields().get(at).is_some_and(|field| names.contains(field.name())),
                };
                self.csv(&written, forced, columns.len() == 1, out);
            } else {
                self.escaped(&written, out);
            }
        }
        out.push(b'\n');
        Ok(())
    }

    fn csv(&self, value: &[u8], forced: bool, alone: bool, out: &mut Vec<u8>) {
        let special = |byte: &u8| *byte == self.delimiter || *byte == self.quote || matches!(byte, b'\n' | b'\r');
        // What reads as NULL, or alone as the end of all rows, is quoted so that it does not.
        let quoted = forced || value == self.null.as_bytes() || (alone && value == b"\\.") || value.iter().any(special);
        if !quoted {
            out.extend_from_slice(value);
            return;
        }
        out.push(self.quote);
        for &byte in value {
            if byte == self.quote || byte == self.escape {
                out.push(self.escape);
            }
            out.push(byte);
        }
        out.push(self.quote);
    }

    fn escaped(&self, value: &[u8], out: &mut Vec<u8>) {
        for &byte in value {
            let letter = match byte {
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                b'\\' => b'\\',
                byte if byte == self.delimiter => byte,
                byte => {
                    out.push(byte);
                    continue;
                }
            };
            out.extend_from_slice(&[b'\\', letter]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn parsed(sql: &str) -> Result<CopyOut, Fault> {
        let mut words = Words::new(sql);
        parse(&mut words)
    }

    fn copied(sql: &str) -> String {
        let copy = parsed(sql).unwrap();
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true), Field::new("T x", DataType::Utf8, true)]));
        let texts = StringArray::from(vec![Some("a\tb\\"), None, Some(""), Some("q\"u,o\n"), Some("\\N")]);
        let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4), Some(5)])), Arc::new(texts)];
        let mut out = Vec::new();
        copy.begin(&schema, &mut out);
        for row in 0..5 {
            copy.row(&schema, &columns, row, &mut out).unwrap();
        }
        copy.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    // What `COPY` of PostgreSQL 15 writes for the same rows.
    #[test]
    fn rows_are_those_of_postgresql() {
        assert_eq!(copied("(select 1) to stdout"), "1\ta\\tb\\\\\n\\N\t\\N\n3\t\n4\tq\"u,o\\n\n5\t\\\\N\n");
        assert_eq!(copied("t to stdout (format csv, header)"), "n,T x\n1,a\tb\\\n,\n3,\"\"\n4,\"q\"\"u,o\n\"\n5,\\N\n");
        assert_eq!(
            copied("t to stdout with csv delimiter as ';' null 'NIL' quote '''' force quote \"T x\""),
            "1;'a\tb\\'\nNIL;NIL\n3;''\n4;'q\"u,o\n'\n5;'\\N'\n"
        );
        assert_eq!(copied("t to stdout (null '', delimiter '|')"), "1|a\\tb\\\\\n|\n3|\n4|q\"u,o\\n\n5|\\\\N\n");
    }

    #[test]
    fn the_question_is_found() {
        for (sql, question) in [
            ("(select ')', (1)) to stdout", "select ')', (1)"),
            ("t to stdout", "SELECT * FROM t"),
            ("public.\"T\" (a, \"B\") to stdout csv", "SELECT a, \"B\" FROM public.\"T\""),
            ("binary t to stdout", "SELECT * FROM t"),
        ] {
            assert_eq!(parsed(sql).unwrap().sql, question);
        }
        for (sql, code) in [
            ("t from stdin", "42501"),
            ("t to '/tmp/x'", "42501"),
            ("t to program 'x'", "42501"),
            ("(select 1 to stdout", "42601"),
            ("t to stdout (format xml)", "22023"),
            ("t to stdout (format binary, header)", "0A000"),
            ("t to stdout (delimiter 'a')", "0A000"),
            ("t to stdout (delimiter '||')", "0A000"),
            ("t to stdout (quote '\"')", "0A000"),
            ("t to stdout (freeze)", "42601"),
            ("t to stdout (encoding 'latin1')", "0A000"),
            ("t to stdout csv x", "42601"),
        ] {
            assert_eq!(parsed(sql).unwrap_err().sqlstate(), code, "{sql}");
        }
    }
}
