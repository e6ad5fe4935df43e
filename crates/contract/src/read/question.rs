//! Rules in SQL and relationships, of a property or of the table.

use polder_types::TableName;

use crate::column::Column;
use crate::odcs::Place;
use crate::quality::Holds;
use crate::question::{Asks, Question};
use crate::read::{Reader, quality};
use crate::yaml::{Node, Value};

/// Words that a query may hold for what its rule belongs to.
const OF_TABLE: [&str; 2] = ["table", "object"];
const OF_COLUMN: [&str; 2] = ["column", "property"];

fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|(name, _)| name.name == key).map(|(_, node)| node),
        _ => None,
    }
}

/// Whether a rule of `quality` is one in SQL.
pub(crate) fn is_sql(rule: &Node) -> bool {
    matches!(entry(rule, "type").map(|node| &node.value), Some(Value::Text(kind)) if kind == "sql")
}

/// Reads what a property asks.
pub(crate) fn of_property(reader: &mut Reader, property: &Node, column: &Column, questions: &mut Vec<Question>) {
    if let Some(node) = entry(property, "relationships") {
        for relationship in list(reader, node, "relationships") {
            let fields = reader.fields(relationship, Place::Relationship);
            if let Some(from) = fields.get("from") {
                reader.wrong(from.line, "`from` belongs to a relationship of the table", "remove it: the column is what it is from");
                continue;
            }
            let Some((table, to)) = target(reader, relationship, false) else { continue };
            if column.stored().is_none() {
                reader.wrong(
                    relationship.line,
                    format!("column {} is dropped, so it refers to nothing", column.name),
                    "remove the relationship",
                );
                continue;
            }
            push(questions, Asks::Relationship { from: vec![column.name.clone()], table, to }, Holds::Is(0.0), None, Some(column));
        }
    }
    sql_rules(reader, property, Some(column), questions);
}

/// Reads what a table asks.
pub(crate) fn of_table(reader: &mut Reader, table: &Node, name: &TableName, columns: &[Column], questions: &mut Vec<Question>) {
    sql_rules(reader, table, None, questions);
    let Some(node) = entry(table, "relationships") else { return };
    for relationship in list(reader, node, "relationships") {
        let fields = reader.fields(relationship, Place::Relationship);
        let Some(from) = fields.get("from") else {
            reader.wrong(relationship.line, "a relationship of the table has no `from`", "write from: TABLE.COLUMN, or a list of them");
            continue;
        };
        let Some((own, from)) = named(reader, from, "from", true) else { continue };
        let Some((table, to)) = target(reader, relationship, true) else { continue };
        if own != *name {
            reader.wrong(relationship.line, format!("`from` names table {own}, not {name}"), "name columns of this contract's table");
            continue;
        }
        let unknown = from.iter().find(|from| !columns.iter().any(|column| column.name == **from && column.stored().is_some()));
        if let Some(unknown) = unknown {
            reader.wrong(relationship.line, format!("`from` names {unknown}, which is no column of the table"), "name one that is stored");
            continue;
        }
        if from.len() != to.len() {
            reader.wrong(relationship.line, "`from` and `to` name a different number of columns", "name as many on both sides");
            continue;
        }
        push(questions, Asks::Relationship { from, table, to }, Holds::Is(0.0), None, None);
    }
}

fn push(questions: &mut Vec<Question>, asks: Asks, holds: Holds, name: Option<String>, column: Option<&Column>) {
    let (column, number) = (column.map(|column| column.name.clone()), questions.len() + 1);
    questions.push(Question { asks, holds, name, column, number });
}

fn list<'a>(reader: &mut Reader, node: &'a Node, what: &str) -> &'a [Node] {
    match &node.value {
        Value::List(items) => items,
        _ => {
            reader.wrong(node.line, format!("`{what}` is not a list"), "write a list");
            &[]
        }
    }
}

/// What a relationship leads to.
fn target(reader: &mut Reader, relationship: &Node, several: bool) -> Option<(TableName, Vec<String>)> {
    if let Some(kind) = entry(relationship, "type") {
        match &kind.value {
            Value::Text(text) if text == "foreignKey" => {}
            Value::Text(text) => {
                reader.wrong(kind.line, format!("the relationship's `type` is {text}"), "write foreignKey, or leave it out");
                return None;
            }
            _ => {
                reader.wrong(kind.line, "the relationship's `type` is no text", "write foreignKey, or leave it out");
                return None;
            }
        }
    }
    match entry(relationship, "to") {
        Some(to) => named(reader, to, "to", several),
        None => {
            if matches!(relationship.value, Value::Map(_)) {
                reader.wrong(relationship.line, "a relationship has no `to`", "write to: TABLE.COLUMN");
            }
            None
        }
    }
}

/// Columns of one table.
fn named(reader: &mut Reader, node: &Node, key: &str, several: bool) -> Option<(TableName, Vec<String>)> {
    let items: Vec<&Node> = match &node.value {
        Value::List(items) if several => items.iter().collect(),
        Value::List(_) => {
            reader.wrong(node.line, format!("`{key}` is a list"), "write one TABLE.COLUMN; several belong to a relationship of the table");
            return None;
        }
        _ => vec![node],
    };
    let mut named: Option<(TableName, Vec<String>)> = None;
    for item in items {
        let Value::Text(text) = &item.value else {
            reader.wrong(item.line, format!("an item of `{key}` is no text"), "write TABLE.COLUMN");
            return None;
        };
        let parts = text.split_once('.').and_then(|(table, column)| Some((TableName::new(table).ok()?, column)));
        let Some((table, column)) = parts.filter(|(_, column)| !column.is_empty()) else {
            reader.wrong(item.line, format!("`{key}` is {text}, not TABLE.COLUMN"), "name a table of the project and its column");
            return None;
        };
        match &mut named {
            None => named = Some((table, vec![column.to_owned()])),
            Some((known, columns)) if *known == table => columns.push(column.to_owned()),
            Some(_) => {
                reader.wrong(item.line, format!("`{key}` names columns of several tables"), "name columns of one");
                return None;
            }
        }
    }
    if named.is_none() {
        reader.wrong(node.line, format!("`{key}` is empty"), "write TABLE.COLUMN");
    }
    named
}

fn sql_rules(reader: &mut Reader, node: &Node, column: Option<&Column>, questions: &mut Vec<Question>) {
    let Some(Value::List(rules)) = entry(node, "quality").map(|node| &node.value) else { return };
    for rule in rules.iter().filter(|rule| is_sql(rule)) {
        let fields = reader.fields(rule, Place::Quality);
        for other in ["metric", "arguments", "unit"] {
            if let Some(node) = fields.get(other) {
                reader.wrong(node.line, format!("`{other}` does not belong to a rule in SQL"), "remove it; the query says what is counted");
            }
        }
        let holds = quality::operator(reader, &fields, rule.line);
        let name = entry(rule, "name").and_then(|node| match &node.value {
            Value::Text(name) => Some(name.clone()),
            _ => None,
        });
        let Some(query) = reader.text(&fields, "query").filter(|query| !query.trim().is_empty()) else {
            reader.wrong(rule.line, "a rule in SQL has no `query`", "write one whose answer is one number");
            continue;
        };
        if let Some(word) = unknown_word(query, column.is_some()) {
            let of_column = if column.is_some() { ", ${column}" } else { "" };
            reader.wrong(rule.line, format!("the query holds ${{{word}}}"), format!("write ${{table}}{of_column}, or the name itself"));
            continue;
        }
        if let Some(holds) = holds {
            push(questions, Asks::Sql(query.to_owned()), holds, name, column);
        }
    }
}

/// A word in `${}` that stands for nothing.
fn unknown_word(query: &str, of_column: bool) -> Option<&str> {
    query.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(word, _)| word).find(|word| {
        let known = OF_TABLE.contains(word) || (of_column && OF_COLUMN.contains(word));
        !known
    })
}
