//! From text to one query. What is no query is refused before it is parsed, so that nothing depends on how it would parse.

mod clauses;
mod named_windows;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Select, Statement, TableAlias, TableFactor, Value, ValueWithSpan, Visit, VisitMut,
    Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use polder_types::limit::SQL_MAX_BYTES;

use crate::error::Error;

/// Most words and signs in a query.
pub(crate) const TOKENS_MAX: usize = 50_000;
/// Most operators in a row, as in `1 + 1 + 1`: each adds a level to the plan.
pub(crate) const DEPTH_MAX: usize = 500;
/// Most tables, joins and queries within a query, for the same reason; and the time to plan grows with their third power.
pub(crate) const PARTS_MAX: usize = 200;
/// Deepest nesting of parentheses and subqueries.
pub(crate) const NESTING_MAX: usize = 50;

/// One query.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub statement: Statement,
    /// Whether its plan is asked for instead of its rows.
    pub explain: bool,
    /// The parameters in it, as they are written, each time.
    pub placeholders: Vec<String>,
}

fn refused(what: &str) -> Error {
    Error::Refused(format!("{what}; only one SELECT, WITH, VALUES or EXPLAIN of tables and models is answered"))
}

/// Parses one query, or the EXPLAIN of one.
///
/// # Errors
/// [`Error::Refused`] for what is no query, [`Error::Parse`] for what is no SQL.
pub(crate) fn parse(sql: &str) -> Result<Parsed, Error> {
    if sql.len() > SQL_MAX_BYTES {
        return Err(Error::TooLong { max: SQL_MAX_BYTES, unit: "bytes" });
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| Error::Parse(error.to_string()))?;
    let mut tokens: Vec<TokenWithSpan> = tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    if tokens.len() > TOKENS_MAX {
        return Err(Error::TooLong { max: TOKENS_MAX, unit: "words and signs" });
    }
    while matches!(tokens.last().map(|token| &token.token), Some(Token::SemiColon | Token::EOF)) {
        tokens.pop();
    }
    if tokens.iter().any(|token| token.token == Token::SemiColon) {
        return Err(refused("more than one statement"));
    }
    // Before it is parsed, since parsing and dropping a deep tree take a deep stack. FROM and SELECT go together.
    let many = |wanted: fn(Keyword) -> bool| tokens.iter().filter(|token| keyword(Some(token)).is_some_and(wanted)).count();
    let queries = many(|keyword| matches!(keyword, Keyword::SELECT | Keyword::VALUES | Keyword::JOIN));
    if queries > PARTS_MAX || many(|keyword| keyword == Keyword::FROM) > PARTS_MAX {
        return Err(Error::TooLong { max: PARTS_MAX, unit: "tables, joins and queries" });
    }
    let explain = keyword(tokens.first()) == Some(Keyword::EXPLAIN);
    if explain {
        tokens.remove(0);
        if matches!(keyword(tokens.first()), Some(Keyword::ANALYZE | Keyword::VERBOSE | Keyword::FORMAT)) {
            return Err(refused("EXPLAIN with options"));
        }
    }
    let first = tokens.iter().find(|token| token.token != Token::LParen);
    match keyword(first) {
        Some(Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM) => {}
        _ if first.is_none() => return Err(Error::Parse("there is no query".to_owned())),
        _ => return Err(refused(&beginning(first))),
    }
    let tokens = versions(tokens)?;
    let mut parser = Parser::new(&dialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
    let query = parser.parse_query().map_err(|error| Error::Parse(text_of(&error)))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(Error::Parse(format!("unexpected {} after the end of the query{}", rest.token, place(&rest))));
    }
    let mut statement = Statement::Query(query);
    let placeholders = check(&statement)?;
    if let ControlFlow::Break(error) = VisitMut::visit(&mut statement, &mut named_windows::WriteOut::new()) {
        return Err(error);
    }
    let _ = VisitMut::visit(&mut statement, &mut NameVersions);
    Ok(Parsed { statement, explain, placeholders })
}

fn text_of(error: &datafusion::sql::sqlparser::parser::ParserError) -> String {
    use datafusion::sql::sqlparser::parser::ParserError;
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => format!("it is nested more than {NESTING_MAX} levels deep"),
    }
}

fn place(token: &TokenWithSpan) -> String {
    let start = token.span.start;
    if start.line == 0 { String::new() } else { format!(" at Line: {}, Column: {}", start.line, start.column) }
}

/// How a statement begins that is no query.
fn beginning(token: Option<&TokenWithSpan>) -> String {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.value.len() <= 40 => format!("{} begins no query", word.value),
        _ => "a statement that is no query".to_owned(),
    }
}

fn keyword(token: Option<&TokenWithSpan>) -> Option<Keyword> {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// The table and the version that a name stands for: `flights@3` is `flights AT VERSION 3`.
pub(crate) fn split_version(name: &str) -> (&str, Option<u64>) {
    match name.split_once('@') {
        Some((table, version)) => version.parse().map_or((name, None), |version| (table, Some(version))),
        None => (name, None),
    }
}

/// Turns `flights AT VERSION 3` into the name `flights@3`, which no table can have.
fn versions(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let is_at = matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("at"));
        let is_version = |next: &TokenWithSpan| matches!(&next.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("version"));
        if !(is_at && rest.peek().is_some_and(is_version)) {
            out.push(token);
            continue;
        }
        let wrong = || Error::Parse(format!("AT VERSION stands after a table and before a number{}", place(&token)));
        rest.next();
        let Some(TokenWithSpan { token: Token::Number(number, false), .. }) = rest.next() else { return Err(wrong()) };
        let version: u64 = number.parse().map_err(|_| wrong())?;
        let Some(TokenWithSpan { token: Token::Word(name), .. }) = out.last_mut() else { return Err(wrong()) };
        let table = if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
        *name = Word { value: format!("{table}@{version}"), quote_style: Some('"'), keyword: Keyword::NoKeyword };
    }
    Ok(out)
}

/// Lets `flights AT VERSION 3` be called `flights` in the rest of the query.
struct NameVersions;

impl VisitorMut for NameVersions {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias: alias @ None, .. } = factor
            && let [ObjectNamePart::Identifier(ident)] = name.0.as_slice()
            && let (table, Some(_)) = split_version(&ident.value)
        {
            *alias = Some(TableAlias { explicit: true, name: Ident::with_quote('"', table), columns: Vec::new(), at: None });
        }
        ControlFlow::Continue(())
    }
}

/// Refuses what reads or writes anything but tables by their names; gives the parameters.
fn check(statement: &Statement) -> Result<Vec<String>, Error> {
    let mut forbid = Forbid { depth: 0, parts: 0, placeholders: Vec::new() };
    match statement.visit(&mut forbid) {
        ControlFlow::Continue(()) => Ok(forbid.placeholders),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Forbid {
    depth: usize,
    parts: usize,
    placeholders: Vec<String>,
}

impl Visitor for Forbid {
    type Break = Error;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Error> {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(refused("a statement that changes something inside a query")),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        flow(clauses::query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        flow(clauses::select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return ControlFlow::Break(Error::TooLong { max: PARTS_MAX, unit: "tables, joins and queries" });
        }
        flow(clauses::table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Error> {
        let name = match expression {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(names) => names.first(),
            _ => None,
        };
        if name.is_some_and(|name| name.value.starts_with('@')) {
            return ControlFlow::Break(refused("a variable of the session"));
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return ControlFlow::Break(Error::TooLong { max: DEPTH_MAX, unit: "operators in one expression" });
        }
        flow(clauses::expression(expression))
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Error> {
        if let Value::Placeholder(name) = &value.value {
            self.placeholders.push(name.clone());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<Error> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

fn flow(checked: Result<(), Error>) -> ControlFlow<Error> {
    match checked {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn table_name(name: &ObjectName) -> Result<(), Error> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] if ident.quote_style != Some('\'') => Ok(()),
        [_] => Err(refused("a file or an address in place of a table")),
        _ => Err(refused("a table named with a catalog or schema")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables_of(sql: &str) -> String {
        parse(sql).unwrap().statement.to_string()
    }

    #[test]
    fn a_version_belongs_to_the_name_before_it() {
        assert_eq!(tables_of("select * from Flights at version 3"), r#"SELECT * FROM "flights@3" AS "flights""#);
        assert_eq!(tables_of("select * from f at version 3 as g, f"), r#"SELECT * FROM "f@3" AS g, f"#);
        assert_eq!(tables_of("select 'x at version 3' from f"), "SELECT 'x at version 3' FROM f");
        for wrong in
            ["select * from f at version x", "select * from f at version -1", "select * from (f) at version 1", "select at version 1.5"]
        {
            assert!(matches!(parse(wrong), Err(Error::Parse(_))), "{wrong}");
        }
        assert_eq!(split_version("a@7"), ("a", Some(7)));
        assert_eq!(split_version("a@b"), ("a@b", None));
    }

    #[test]
    fn a_trailing_semicolon_and_comments_are_fine() {
        assert!(parse("-- why\nselect 1; /* end */ ;").is_ok());
        assert!(parse("((select 1))").is_ok());
    }

    #[test]
    fn a_text_that_would_exhaust_the_stack_is_refused() {
        let many = |count: usize| format!("select {}1", "1+".repeat(count));
        assert!(parse(&many(DEPTH_MAX - 10)).is_ok());
        assert!(parse(&many(DEPTH_MAX + 10)).is_err());
        assert!(parse(&many(20_000)).is_err());
        assert!(parse(&format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000))).is_err());
        assert!(parse(&"(".repeat(40_000)).is_err());
        assert!(parse(&format!("select {}", "not ".repeat(10_000))).is_err());
        assert!(parse(&" ".repeat(SQL_MAX_BYTES + 1)).is_err());
    }
}
