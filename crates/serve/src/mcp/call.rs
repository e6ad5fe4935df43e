//! What the tools do. Each asks the session, which decides and records as for every other wire.

use futures::StreamExt as _;
use polder_types::limit::PURPOSE_MAX_BYTES;
use polder_types::{ErrorKind, TableName};
use rmcp::model::JsonObject;
use serde_json::json;

use super::arguments::Arguments;
use super::tools::{DESCRIBE, LIST, QUERY, ROWS, ROWS_MAX, TABLES_MAX, TEXT_MAX_BYTES};
use crate::fault::Fault;
use crate::ports::{Answer, Dialect, Question};
use crate::rest::{Caller, Sheet, described};

/// Calls a tool: JSON, or why there is none; nothing where there is no such tool.
pub(super) async fn call(caller: &Caller, tool: &str, arguments: JsonObject) -> Option<Result<String, Fault>> {
    Some(match tool {
        QUERY => query(caller, arguments).await,
        LIST => list(caller, arguments).await,
        DESCRIBE => describe(caller, arguments).await,
        _ => return None,
    })
}

async fn query(caller: &Caller, arguments: JsonObject) -> Result<String, Fault> {
    let mut given = Arguments::of(QUERY, arguments, &["sql", "purpose", "rows"])?;
    let sql = given.text("sql")?.ok_or_else(|| given.missing("sql"))?;
    let purpose = purpose(given.text("purpose")?, caller.purpose())?;
    let rows_max = given.number("rows", ROWS_MAX)?.unwrap_or(ROWS);
    // Held until the answer is whole.
    let _place = caller.place()?;
    let question = Question { sql, dialect: Dialect::Plain, purpose, ..Question::default() };
    let (request, schema, mut rows) = match caller.session().ask(question).await? {
        Answer::Rows { request, schema, rows, .. } => (request.unwrap_or_else(|| caller.id()), schema, rows),
        Answer::Done(_) => {
            caller.forget();
            let text = "answer question: it has no rows, and what it sets is gone with the call; give the purpose as `purpose`";
            return Err(Fault::new(ErrorKind::Invalid, text));
        }
    };
    let mut sheet = Sheet::new(request, &schema, rows_max, TEXT_MAX_BYTES)?;
    // Read to its end where all fit, so that the outcome is recorded before it is told.
    while let Some(batch) = rows.next().await.transpose()? {
        if !sheet.take(&batch)? {
            break;
        }
    }
    sheet.finish()
}

/// The purpose of a question: what the assistant says and what its settings say must not differ.
fn purpose(given: Option<String>, set: Option<&str>) -> Result<Option<String>, Fault> {
    if let (Some(given), Some(set)) = (&given, set)
        && given != set
    {
        let text = "take purpose: the header Polder-Purpose of this connection says another one; leave `purpose` out";
        return Err(Fault::new(ErrorKind::Invalid, text));
    }
    let purpose = given.or_else(|| set.map(str::to_owned));
    if purpose.as_ref().is_some_and(|purpose| purpose.len() > PURPOSE_MAX_BYTES || purpose.chars().any(char::is_control)) {
        let text = format!("take purpose: it is longer than {PURPOSE_MAX_BYTES} bytes or has control characters; say it in fewer words");
        return Err(Fault::new(ErrorKind::Invalid, text));
    }
    Ok(purpose)
}

async fn list(caller: &Caller, arguments: JsonObject) -> Result<String, Fault> {
    let mut given = Arguments::of(LIST, arguments, &["after"])?;
    let after = given.text("after")?;
    let mut tables = caller.session().tables().await?;
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    // It names no table that one could not see otherwise: it only says where to go on.
    tables.retain(|table| after.as_ref().is_none_or(|after| table.name > *after));
    let more = tables.len() > TABLES_MAX;
    tables.truncate(TABLES_MAX);
    let next = tables.last().filter(|_| more).map(|last| last.name.clone());
    let tables: Vec<_> = tables
        .into_iter()
        .map(|table| {
            json!({"name": table.name, "model": table.model, "classification": table.classification, "columns": table.columns.len(),
                "filtered": table.filtered})
        })
        .collect();
    let mut page = json!({"tables": tables});
    if let (Some(next), Some(page)) = (next, page.as_object_mut()) {
        page.insert("next".to_owned(), next.into());
    }
    within(page.to_string())
}

async fn describe(caller: &Caller, arguments: JsonObject) -> Result<String, Fault> {
    let mut given = Arguments::of(DESCRIBE, arguments, &["table"])?;
    let name = given.text("table")?.ok_or_else(|| given.missing("table"))?;
    let tables = caller.session().tables().await?;
    // The same whether a table is not there or may not be known of; what is no name is no table's.
    let found = TableName::new(&name).ok().and_then(|name| tables.into_iter().find(|table| table.name == name.as_str()));
    let table = found.ok_or_else(|| {
        Fault::new(ErrorKind::NotFound, "find table: there is none of this name that you may know of; list_tables lists those that you may")
    })?;
    within(described(table)?.to_string())
}

fn within(text: String) -> Result<String, Fault> {
    if text.len() > TEXT_MAX_BYTES {
        let text = format!("write answer: it takes more than {TEXT_MAX_BYTES} bytes; ask for it over REST");
        return Err(Fault::limit(text));
    }
    Ok(text)
}
