//! `polder sql`: one question, or a shell.

use std::collections::BTreeMap;
use std::io::{BufWriter, IsTerminal, Write};

use polder_engine::{Door, Format, QueryOptions, Setting, write_batches};
use polder_types::limit::SQL_MAX_BYTES;
use polder_types::{ErrorKind, TableName};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;

use crate::cli::{Output, SqlArgs};
use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::installation::Installation;
use crate::print::{note, unwritten};

/// Answers, or opens the shell.
///
/// # Errors
/// When the question is refused, denied or cannot be computed.
pub async fn run(installation: &Installation, args: &SqlArgs, memory_mib: u64, output: Option<Output>) -> Outcome {
    let lake = installation.lake(None)?;
    let door = installation.door(&lake, memory_mib)?;
    let options = QueryOptions { versions: versions(&args.at)?, purpose: args.purpose.clone(), ..QueryOptions::default() };
    match args.query.as_deref() {
        Some("-") => {
            let failed = |error: &(dyn std::error::Error + 'static)| {
                Failure::because(ErrorKind::Invalid, "read the question from standard input; it must be UTF-8", error)
            };
            let text = hosted::input(u64::try_from(SQL_MAX_BYTES).unwrap_or(u64::MAX)).map_err(|error| failed(&error))?;
            let sql = String::from_utf8(text).map_err(|error| failed(&error))?;
            alone(installation, &door, &sql, &options, output).await
        }
        Some(sql) => alone(installation, &door, sql, &options, output).await,
        None => shell(installation, &door, options, output).await,
    }
}

/// One question, after which nothing is remembered.
async fn alone(installation: &Installation, door: &Door, sql: &str, options: &QueryOptions, output: Option<Output>) -> Outcome {
    if Setting::parse(sql)?.is_some() {
        let text = "set the purpose: no question comes after it; give it with the question as --purpose, or set it in the shell";
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    answer(installation, door, sql, options, output).await
}

fn versions(at: &[String]) -> Outcome<BTreeMap<TableName, u64>> {
    at.iter()
        .map(|text| {
            let wrong = || Failure::new(ErrorKind::Invalid, format!("take --at {text}: write TABLE=VERSION, such as flights=3"));
            let (table, version) = text.split_once('=').ok_or_else(wrong)?;
            Ok((TableName::new(table).map_err(|_| wrong())?, version.parse().map_err(|_| wrong())?))
        })
        .collect()
}

async fn answer(installation: &Installation, door: &Door, sql: &str, options: &QueryOptions, output: Option<Output>) -> Outcome {
    let format = match output.unwrap_or(Output::Table) {
        Output::Table => Format::Table,
        Output::Json => Format::Json,
        Output::Csv => Format::Csv,
        Output::Arrow => Format::Arrow,
        Output::Markdown | Output::Junit | Output::Sarif => {
            let text = "print an answer in a format of reviews; only `polder ci` has those: take table, json, csv or arrow";
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
    };
    let answer = door.query(&installation.asker(), sql, options).await?;
    let mut out = BufWriter::new(hosted::output());
    let schema = answer.schema();
    let wrote = match write_batches(schema, answer, format, &mut out).await {
        Ok(_) => out.flush(),
        Err(polder_engine::Error::Write(error)) => Err(error),
        Err(error) => return Err(error.into()),
    };
    wrote.or_else(|error| unwritten(error).map_or(Ok(()), Err))
}

/// The shell's history lives in memory: questions may hold values, and nothing is stored in the clear.
async fn shell(installation: &Installation, door: &Door, mut options: QueryOptions, output: Option<Output>) -> Outcome {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            "open the SQL shell: standard input is no terminal; give the question as an argument, or - to read it from standard input",
        ));
    }
    let broken = |error: &ReadlineError| Failure::because(ErrorKind::Unavailable, "read from the terminal", error);
    let config = rustyline::Config::builder().build();
    let mut editor: rustyline::Editor<(), MemHistory> =
        rustyline::Editor::with_history(config, MemHistory::new()).map_err(|error| broken(&error))?;
    editor.set_auto_add_history(true);
    note("ask in SQL and end with ; — \\q leaves");
    let mut sql = String::new();
    loop {
        match editor.readline(if sql.is_empty() { "polder> " } else { "   ...> " }) {
            Ok(line) if sql.is_empty() && matches!(line.trim(), "\\q" | "quit" | "exit") => return Ok(()),
            Ok(line) => {
                sql.push_str(&line);
                sql.push('\n');
                if !line.trim_end().ends_with(';') {
                    continue;
                }
                match Setting::parse(&sql) {
                    Ok(Some(Setting::Purpose(purpose))) => {
                        note(&match &purpose {
                            Some(purpose) => format!("from now on answers are for {purpose}"),
                            None => "from now on answers are for no stated purpose".to_owned(),
                        });
                        options.purpose = purpose;
                    }
                    Ok(None) => {
                        if let Err(failure) = answer(installation, door, &sql, &options, output).await {
                            note(&format!("error: {failure}"));
                        }
                    }
                    Err(error) => note(&format!("error: {}", Failure::from(error))),
                }
                sql.clear();
            }
            Err(ReadlineError::Interrupted) => sql.clear(),
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(broken(&error)),
        }
    }
}
