//! From text to a statement, within the limits of the SQL door.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, Query, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use polder_types::limit::SQL_MAX_BYTES;

use super::CatalogError;
use super::relation;
use super::world::DATABASE;
use crate::door::{DEPTH_MAX, NESTING_MAX, PARTS_MAX, TOKENS_MAX};

/// The words and signs of one statement, without the sign that ends it.
///
/// # Errors
/// When it is too long, holds more than one statement, or no words at all that SQL knows.
pub(super) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, CatalogError> {
    if sql.len() > SQL_MAX_BYTES {
        return Err(CatalogError::limit(format!("the statement is longer than {SQL_MAX_BYTES} bytes; shorten it")));
    }
    let tokens =
        Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().map_err(|error| CatalogError::syntax(error.to_string()))?;
    let mut tokens: Vec<TokenWithSpan> = tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    if tokens.len() > TOKENS_MAX {
        return Err(CatalogError::limit(format!("the statement has more than {TOKENS_MAX} words and signs; shorten it")));
    }
    while matches!(tokens.last().map(|token| &token.token), Some(Token::SemiColon | Token::EOF)) {
        tokens.pop();
    }
    if tokens.iter().any(|token| token.token == Token::SemiColon) {
        return Err(CatalogError::syntax("there is more than one statement; send one at a time"));
    }
    Ok(tokens)
}

/// Whether a statement is long enough to be refused before it is parsed: parsing and dropping a deep tree take a deep stack.
pub(super) fn is_within_limits(tokens: &[TokenWithSpan]) -> bool {
    let many = |wanted: fn(Keyword) -> bool| {
        let is = |token: &&TokenWithSpan| matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && wanted(word.keyword));
        tokens.iter().filter(is).count()
    };
    many(|keyword| matches!(keyword, Keyword::SELECT | Keyword::VALUES | Keyword::JOIN)) <= PARTS_MAX
        && many(|keyword| keyword == Keyword::FROM) <= PARTS_MAX
}

/// Parses a query as PostgreSQL writes it.
///
/// # Errors
/// When it is none.
pub(super) fn query(tokens: Vec<TokenWithSpan>) -> Result<Query, CatalogError> {
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
    let query = parser.parse_query().map_err(|error| match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => CatalogError::syntax(text),
        ParserError::RecursionLimitExceeded => CatalogError::limit(format!("the statement is nested more than {NESTING_MAX} levels deep")),
    })?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(CatalogError::syntax(format!("syntax error at or near \"{}\"", rest.token)));
    }
    Ok(*query)
}

/// The highest number of a parameter.
pub(super) fn parameters(tokens: &[TokenWithSpan]) -> usize {
    let number = |token: &TokenWithSpan| match &token.token {
        Token::Placeholder(name) => name.strip_prefix('$')?.parse::<usize>().ok(),
        _ => None,
    };
    tokens.iter().filter_map(number).max().unwrap_or_default()
}

/// What a query is of.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Names of common table expressions.
    pub common: BTreeSet<String>,
    /// Whether it names a relation of the catalog.
    pub catalog: bool,
    /// The first table that is not the catalog's.
    pub data: Option<String>,
    /// Whether something in it reads itself.
    pub recursive: bool,
    /// Names of tables, each with where it stands, since a common table expression may be named later.
    names: Vec<(Option<String>, String)>,
    tables: usize,
    depth: usize,
}

fn alias(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// Tells what a query is of.
///
/// # Errors
/// When an expression is too deep, or there are too many tables.
pub(super) fn parts(query: &Query) -> Result<Parts, CatalogError> {
    let mut parts = Parts::default();
    if let ControlFlow::Break(error) = query.visit(&mut parts) {
        return Err(error);
    }
    for (schema, name) in std::mem::take(&mut parts.names) {
        if schema.is_none() && parts.common.contains(&name) {
            continue;
        }
        let is_own_schema = matches!(schema.as_deref(), Some(relation::PG_CATALOG | relation::INFORMATION_SCHEMA));
        if is_own_schema || relation::find(schema.as_deref(), &name).is_some() {
            parts.catalog = true;
        } else if parts.data.is_none() {
            parts.data = Some(name);
        }
    }
    Ok(parts)
}

/// The parts of a name, those without quotes in lower case. None for what is no plain name.
pub(super) fn names(name: &ObjectName) -> Option<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) if ident.quote_style.is_some() => Some(ident.value.clone()),
            ObjectNamePart::Identifier(ident) => Some(ident.value.to_lowercase()),
            ObjectNamePart::Function(_) => None,
        })
        .collect()
}

/// Schema and name of a table, without the database.
pub(super) fn table_name(name: &ObjectName) -> Option<(Option<String>, String)> {
    let parts = names(name)?;
    match parts.as_slice() {
        [name] => Some((None, name.clone())),
        [schema, name] => Some((Some(schema.clone()), name.clone())),
        [database, schema, name] if database == DATABASE => Some((Some(schema.clone()), name.clone())),
        _ => None,
    }
}

impl Visitor for Parts {
    type Break = CatalogError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<CatalogError> {
        self.recursive |= query.with.as_ref().is_some_and(|with| with.recursive);
        let Some(with) = &query.with else { return ControlFlow::Continue(()) };
        let aliases: Vec<String> = with.cte_tables.iter().map(|table| alias(&table.alias.name)).collect();
        if !with.recursive {
            for (place, table) in with.cte_tables.iter().enumerate() {
                // A name that is given here or later stands for a table of that name until it is given.
                let later = aliases.get(place..).unwrap_or_default();
                let mut within = Self::default();
                if let ControlFlow::Break(error) = table.query.visit(&mut within) {
                    return ControlFlow::Break(error);
                }
                let outer = within.names.into_iter().find(|(schema, name)| {
                    schema.is_none() && later.contains(name) && !within.common.contains(name) && relation::find(None, name).is_none()
                });
                self.data = self.data.take().or(outer.map(|(_, name)| name));
            }
        }
        self.common.extend(aliases);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<CatalogError> {
        self.tables = self.tables.saturating_add(1);
        if self.tables > PARTS_MAX {
            return ControlFlow::Break(CatalogError::limit(format!("the statement has more than {PARTS_MAX} tables, joins and queries")));
        }
        if let TableFactor::Table { name, args: None, .. } = factor {
            match table_name(name) {
                Some(name) => self.names.push(name),
                None => self.data = self.data.take().or_else(|| Some(name.to_string())),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<CatalogError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            return ControlFlow::Break(CatalogError::limit(format!("the statement has more than {DEPTH_MAX} operators in one expression")));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<CatalogError> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }
}
