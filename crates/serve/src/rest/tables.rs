//! The tables that one may know of.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use polder_types::TableName;
use serde::Serialize;
use utoipa::ToSchema;

use super::accept;
use super::condition::conditional;
use super::problem::Problem;
use super::sessions::Signed;
use crate::ports;

/// Tables of a page where nothing is said.
const PAGE: usize = 100;
/// Tables of a page, at most.
const PAGE_MAX: usize = 1_000;

/// A page of tables.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tables {
    /// By name.
    tables: Vec<Table>,
    /// What `after` takes for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A table, as one sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Table {
    name: String,
    /// Whether it is computed by a model.
    model: bool,
    /// The strictest classification of its columns.
    #[schema(required = true)]
    classification: Option<String>,
    /// The columns that may be seen, in order.
    columns: Vec<Column>,
    /// Whether some rows are hidden.
    filtered: bool,
    /// Its visible version.
    version: u64,
}

/// A column, as one sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Column {
    name: String,
    /// Its Arrow type; that of the mask where one is on it.
    #[serde(rename = "type")]
    data_type: String,
    nullable: bool,
    /// That of its contract.
    #[schema(required = true)]
    classification: Option<String>,
    /// `clear`, or the mask's name.
    sight: String,
}

impl From<ports::Table> for Table {
    fn from(table: ports::Table) -> Self {
        let ports::Table { name, model, classification, columns, filtered, version } = table;
        Self { name, model, classification, columns: columns.into_iter().map(Column::from).collect(), filtered, version }
    }
}

impl From<ports::Column> for Column {
    fn from(column: ports::Column) -> Self {
        let ports::Column { name, data_type, nullable, classification, sight } = column;
        Self { name, data_type: data_type.to_string(), nullable, classification, sight }
    }
}

/// Lists the tables that you may know of
#[utoipa::path(
    get,
    path = "/v1/tables",
    operation_id = "list_tables",
    tag = "catalog",
    params(
        ("limit" = Option<u16>, Query, description = "Tables of a page; 100 if absent.", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "`next` of the page before.", max_length = 100, pattern = "^[A-Za-z0-9_-]+$"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of an earlier answer: 304 if it would be the same."),
    ),
    responses(
        (status = 200, description = "A page of them, by name.", body = Tables, headers(("ETag" = String, description = "Names this content."))),
        (status = 304, description = "The same as under the given ETag."),
    ),
)]
pub(super) async fn list(
    Extension(signed): Extension<Arc<Signed>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let page = Page::read(query.as_deref().unwrap_or_default())?;
    let mut tables = signed.session().tables().await?;
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(after) = &page.after {
        tables.retain(|table| table.name.as_str() > after.as_str());
    }
    let more = tables.len() > page.limit;
    tables.truncate(page.limit);
    let next = tables.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(&last.name));
    conditional(&Tables { tables: tables.into_iter().map(Table::from).collect(), next }, &headers)
}

/// Describes a table that you may know of
#[utoipa::path(
    get,
    path = "/v1/tables/{name}",
    operation_id = "show_table",
    tag = "catalog",
    params(
        ("name" = String, Path, description = "The table's name."),
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of an earlier answer: 304 if it would be the same."),
    ),
    responses(
        (status = 200, description = "The table.", body = Table, headers(("ETag" = String, description = "Names this content."))),
        (status = 304, description = "The same as under the given ETag."),
        (status = 404, description = "There is none of that name that you may know of."),
    ),
)]
pub(super) async fn show(
    Extension(signed): Extension<Arc<Signed>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accept::json(&headers)?;
    let tables = signed.session().tables().await?;
    // What is no name is no table's, whatever else it may be.
    let name = name.ok().and_then(|Path(name)| TableName::new(&name).ok()).ok_or_else(Problem::no_such_table)?;
    let table = tables.into_iter().find(|table| table.name == name.as_str()).ok_or_else(Problem::no_such_table)?;
    conditional(&Table::from(table), &headers)
}

struct Page {
    limit: usize,
    after: Option<String>,
}

impl Page {
    /// Each name at most once, and no other.
    fn read(query: &str) -> Result<Self, Problem> {
        let (mut limit, mut after) = (None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let known = match name.as_ref() {
                "limit" => limit.replace(value.into_owned()).is_none(),
                "after" => after.replace(value.into_owned()).is_none(),
                _ => false,
            };
            if !known {
                return Err(Problem::malformed(
                    "list tables: the query holds something else than `limit` and `after`, each once; leave it out",
                ));
            }
        }
        let limit = match limit {
            None => PAGE,
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|given| (1..=PAGE_MAX).contains(given) && limit.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| Problem::malformed(format!("list tables: `limit` is no number from 1 to {PAGE_MAX}; give one")))?,
        };
        let after = match after {
            None => None,
            Some(after) => Some(
                cursor(&after)
                    .ok_or_else(|| Problem::malformed("list tables: `after` is not what a page gave as `next`; begin again without it"))?,
            ),
        };
        Ok(Self { limit, after })
    }
}

/// Names no table that one could not see otherwise: it only says where to go on.
fn cursor(text: &str) -> Option<String> {
    let name = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    TableName::new(&name).ok().map(|_| name)
}
