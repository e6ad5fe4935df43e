//! What clients of PostgreSQL ask besides data: their catalog (`pg_catalog`, `information_schema`), settings and transactions, and the dialect
//! in which they write questions of data.
//!
//! [`route`] tells which of these a text is. A catalog question is answered from tables made for it alone, of the tables and columns that the
//! asker may know of; it runs in a session that holds nothing else, so it can say nothing of what is hidden. A question of data leaves as text
//! for the SQL door, which parses and checks it like any other.

mod base_type;
mod cell;
mod command;
mod data;
mod error;
mod function;
mod parameter;
mod read;
mod relation;
mod rewrite;
mod rows;
mod session;
mod setting;
mod types;
mod world;

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::door::{polled_with_room, with_room};

pub use error::CatalogError;
pub use types::{PgType, type_of};

/// A column that the asker may know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownColumn {
    /// Its name.
    pub name: String,
    /// Its type, as it is seen.
    pub data_type: DataType,
    /// Whether it may be NULL, as it is seen.
    pub nullable: bool,
    /// What is said of it, such as its classification.
    pub comment: Option<String>,
}

/// A table that the asker may know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTable {
    /// Its name.
    pub name: String,
    /// Whether it is a model's, which clients see as a view.
    pub model: bool,
    /// The columns that the asker may know of, in order.
    pub columns: Vec<KnownColumn>,
    /// What is said of it, such as its classification.
    pub comment: Option<String>,
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// The account's name: `current_user`.
    pub name: String,
    /// The groups that it is in, which are told to it alone.
    pub groups: Vec<String>,
}

/// What a text is.
#[derive(Debug)]
pub enum Routed {
    /// A statement that asks nothing and is granted; the word is the command's tag, as `SET`. Empty for an empty statement.
    Done(&'static str),
    /// The answer to a SHOW.
    Show(RecordBatch),
    /// `SET polder.purpose`, or its RESET: what the session keeps, before it answers `SET`.
    Purpose(Option<String>),
    /// `SET statement_timeout` in milliseconds, or its RESET. It may lower the session's limit, never raise it. Answered with `SET`.
    Timeout(Option<u64>),
    /// A question of the catalog.
    Catalog(CatalogQuestion),
    /// A question of data, as the SQL door takes it. The door parses and checks it.
    Data(String),
}

/// A question of the catalog, or of no table at all.
#[derive(Debug, Clone)]
pub struct CatalogQuestion {
    /// As it was parsed.
    query: Box<Query>,
    /// The names of its common table expressions.
    common: BTreeSet<String>,
    /// How many parameters it has.
    parameters: usize,
}

/// Tells what a text is.
///
/// # Errors
/// When it is more than one statement, a command that is not granted (its SQLSTATE says why), a question of catalog and data at once (0A000),
/// or longer than is taken. What is no statement at all is left to the door, which says what is wrong with it.
pub fn route(sql: &str) -> Result<Routed, CatalogError> {
    with_room(|| route_with_room(sql))
}

fn route_with_room(sql: &str) -> Result<Routed, CatalogError> {
    let tokens = read::tokens(sql)?;
    let Some(first) = tokens.first() else { return Ok(Routed::Done("")) };
    if let Some(command) = command::read(&tokens)? {
        return Ok(command);
    }
    let unchanged = || Ok(Routed::Data(sql.to_owned()));
    let is_explained = matches!(&first.token, Token::Word(word) if word.keyword == Keyword::EXPLAIN);
    let begins = tokens.iter().skip(usize::from(is_explained)).find(|token| token.token != Token::LParen);
    let is_query = matches!(begins.map(|token| &token.token), Some(Token::Word(word)) if word.quote_style.is_none()
        && matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES));
    if let Some(Token::Word(word)) = begins.map(|token| &token.token)
        && word.quote_style.is_none()
        && word.keyword == Keyword::NoKeyword
    {
        return Err(CatalogError::syntax(format!("syntax error at or near \"{}\"", word.value)));
    }
    if !is_query || !read::is_within_limits(&tokens) {
        return unchanged();
    }
    let parameters = read::parameters(&tokens);
    let names_catalog = tokens.iter().any(|token| {
        matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case(relation::PG_CATALOG)
            || word.value.eq_ignore_ascii_case(relation::INFORMATION_SCHEMA))
    });
    let tokens = tokens.into_iter().skip(usize::from(is_explained)).collect();
    let query = match read::query(tokens) {
        Ok(query) => query,
        // The door knows more than PostgreSQL, as AT VERSION; the catalog does not.
        Err(error) => return if names_catalog { Err(error) } else { unchanged() },
    };
    let parts = match read::parts(&query) {
        Ok(parts) => parts,
        Err(error) => return if names_catalog { Err(error) } else { unchanged() },
    };
    match parts.data {
        Some(table) if parts.catalog => Err(CatalogError::unsupported(format!(
            "a question of the catalog and of data at once is not supported: {table} is a table; ask for each by itself"
        ))),
        Some(_) => {
            let explain = if is_explained { "EXPLAIN " } else { "" };
            Ok(Routed::Data(data::rewrite(query).map_or_else(|| sql.to_owned(), |written| format!("{explain}{written}"))))
        }
        None if is_explained && parts.catalog => Err(CatalogError::unsupported("EXPLAIN of a question of the catalog is not supported")),
        // What makes its own rows without end has no place beside the catalog; the door bounds it.
        None if is_explained || (parts.recursive && !parts.catalog) => unchanged(),
        None => Ok(Routed::Catalog(CatalogQuestion { query: Box::new(query), common: parts.common, parameters })),
    }
}

impl CatalogQuestion {
    /// Answers the question from what the asker may know. `parameters` is one row, a column each for `$1`, `$2`, ….
    ///
    /// # Errors
    /// When it does not fit the catalog's tables, or passes a limit.
    pub async fn answer(
        &self,
        known: &[KnownTable],
        who: &Who,
        parameters: Option<&RecordBatch>,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), CatalogError> {
        // A copy of a deep question takes a deep stack too.
        polled_with_room(async {
            let mut query = self.query.as_ref().clone();
            parameter::write(&mut query, self.parameters, parameters)?;
            self.plan(query, known, who).await?.rows().await
        })
        .await
    }

    /// The types of its parameters and the columns of its answer. `parameter_types` are those that the client said.
    ///
    /// # Errors
    /// As [`CatalogQuestion::answer`].
    pub async fn describe(
        &self,
        known: &[KnownTable],
        who: &Who,
        parameter_types: &[Option<DataType>],
    ) -> Result<(Vec<DataType>, SchemaRef), CatalogError> {
        polled_with_room(async {
            let types = parameter::types(&self.query, self.parameters, parameter_types);
            let mut query = self.query.as_ref().clone();
            parameter::write_nulls(&mut query, &types)?;
            let schema = self.plan(query, known, who).await?.schema();
            Ok((types, schema))
        })
        .await
    }

    async fn plan(&self, mut query: Query, known: &[KnownTable], who: &Who) -> Result<session::Planned, CatalogError> {
        let names = rewrite::catalog(&mut query, &self.common)?;
        session::plan(query, &names, known, who).await
    }
}
