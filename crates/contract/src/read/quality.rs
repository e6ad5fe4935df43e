//! Quality rules of a property or a table.

use crate::column::{Column, ColumnType};
use crate::odcs::Place;
use crate::quality::{Holds, Measure, Metric};
use crate::read::{Fields, Reader, question};
use crate::yaml::{Node, Value};

const OPERATORS: [&str; 8] = [
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
];

/// Reads the rules of a property into its column.
pub(crate) fn of_property(reader: &mut Reader, quality: &Node, column: &mut Column) {
    for rule in rules(reader, quality).iter().filter(|rule| !question::is_sql(rule)) {
        let fields = reader.fields(rule, Place::Quality);
        let Some(metric) = library_metric(reader, &fields, rule.line, &["invalidValues", "nullValues", "missingValues", "duplicateValues"])
        else {
            continue;
        };
        match metric {
            "invalidValues" => {
                let Some(texts) = invalid_values(reader, &fields, rule.line) else { continue };
                if fields.get("mustBe").map(|node| &node.value) != Some(&Value::Int(0)) {
                    // Of a whole load; each row is held to nothing then.
                    if column.ty != ColumnType::String {
                        let advice = "write mustBe: 0, which holds each row to it; polder.rejectLimit says how many may be refused";
                        reader.wrong(rule.line, format!("`invalidValues` of a {} column without `mustBe: 0`", column.ty), advice);
                        continue;
                    }
                    let (holds, percent) = (operator(reader, &fields, rule.line), percent(reader, &fields));
                    if let (Some(holds), Some(percent)) = (holds, percent) {
                        column.quality.push(Measure { metric: Metric::Invalid { valid: texts }, holds, percent });
                    }
                    continue;
                }
                // Two rules hold together: only what both allow is allowed.
                column.valid_values = Some(match column.valid_values.take() {
                    Some(before) => before.into_iter().filter(|value| texts.contains(value)).collect(),
                    None => texts,
                });
            }
            "duplicateValues" => {
                no_arguments(reader, &fields, metric);
                if fields.get("mustBe").map(|node| &node.value) == Some(&Value::Int(0)) {
                    column.unique = true;
                } else {
                    let advice = "write mustBe: 0, which holds as `unique` does; polder.rejectLimit says how many rows may be refused";
                    reader.wrong(rule.line, "`duplicateValues` without `mustBe: 0`", advice);
                }
            }
            _ => {
                let counted = if metric == "nullValues" {
                    no_arguments(reader, &fields, metric);
                    Some(Metric::Null)
                } else {
                    missing_values(reader, &fields, rule.line, column.ty)
                };
                let holds = operator(reader, &fields, rule.line);
                let percent = percent(reader, &fields);
                if let (Some(metric), Some(holds), Some(percent)) = (counted, holds, percent) {
                    column.quality.push(Measure { metric, holds, percent });
                }
            }
        }
    }
}

/// Reads the rules of a table.
pub(crate) fn of_table(reader: &mut Reader, quality: &Node) -> Vec<Measure> {
    let mut measures = Vec::new();
    for rule in rules(reader, quality).iter().filter(|rule| !question::is_sql(rule)) {
        let fields = reader.fields(rule, Place::Quality);
        if library_metric(reader, &fields, rule.line, &["rowCount"]).is_none() {
            continue;
        }
        no_arguments(reader, &fields, "rowCount");
        let holds = operator(reader, &fields, rule.line);
        match (holds, percent(reader, &fields)) {
            (Some(_), Some(true)) => reader.wrong(rule.line, "`rowCount` has no percentage", "write unit: rows, or leave it out"),
            (Some(holds), Some(false)) => measures.push(Measure { metric: Metric::Rows, holds, percent: false }),
            _ => {}
        }
    }
    measures
}

/// What a rule over a whole load must be true of, once the column's mask is known.
pub(crate) fn check(reader: &mut Reader, column: &Column) {
    let of_value = column.quality.iter().any(|measure| {
        matches!(&measure.metric, Metric::Missing { texts, .. } if !texts.is_empty()) || matches!(&measure.metric, Metric::Invalid { .. })
    });
    let refused = match (&column.mask, column.stored()) {
        (None, _) => false,
        (Some(_), None) => !column.quality.is_empty(),
        (Some(_), Some(_)) => of_value,
    };
    if refused {
        let problem =
            format!("the quality rules of column {} are counted over what is stored, and its mask hides what they count", column.name);
        reader.wrong(column.line, problem, "count nullValues, or hold each value to a rule of its own");
    }
}

fn rules<'a>(reader: &mut Reader, quality: &'a Node) -> &'a [Node] {
    match &quality.value {
        Value::List(rules) => rules,
        _ => {
            reader.wrong(quality.line, "`quality` is not a list", "write a list of rules");
            &[]
        }
    }
}

fn library_metric(reader: &mut Reader, fields: &Fields<'_>, line: u64, known: &[&'static str]) -> Option<&'static str> {
    let kind = reader.text(fields, "type").unwrap_or("library");
    if let Some(query) = fields.get("query") {
        reader.wrong(query.line, "`query` belongs to a rule in SQL", "write type: sql, or remove it");
    }
    let metric = reader.text(fields, "metric");
    let found = metric.filter(|_| kind == "library").and_then(|metric| known.iter().find(|known| **known == metric).copied());
    if found.is_none() {
        let advice = format!("write type: library and a metric of {}, or type: sql and a query", known.join(", "));
        reader.wrong(line, "this quality rule is not enforced here, so it is refused", advice);
    }
    found
}

fn no_arguments(reader: &mut Reader, fields: &Fields<'_>, metric: &str) {
    if let Some(arguments) = fields.get("arguments") {
        reader.wrong(arguments.line, format!("`{metric}` takes no `arguments` here"), "remove them");
    }
}

/// The value of an argument, of the one that the metric takes.
fn argument<'a>(reader: &mut Reader, fields: &Fields<'a>, line: u64, metric: &str, name: &str) -> Option<&'a [Node]> {
    let Some(arguments) = fields.get("arguments") else {
        reader.wrong(line, format!("`{metric}` has no `arguments`"), format!("add arguments: {{{name}: [...]}}"));
        return None;
    };
    let arguments = reader.fields(arguments, Place::QualityArguments);
    let Some(values) = arguments.get(name) else {
        reader.wrong(line, format!("`{metric}` has no `{name}`"), format!("add arguments: {{{name}: [...]}}"));
        return None;
    };
    match &values.value {
        Value::List(items) => Some(items),
        _ => {
            reader.wrong(values.line, format!("`{name}` is not a list"), "write a list of values");
            None
        }
    }
}

fn invalid_values(reader: &mut Reader, fields: &Fields<'_>, line: u64) -> Option<Vec<String>> {
    let items = argument(reader, fields, line, "invalidValues", "validValues")?;
    let texts = items.iter().filter_map(|item| match &item.value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    });
    let texts: Vec<String> = texts.collect();
    if texts.len() != items.len() || texts.is_empty() {
        reader.wrong(
            line,
            "`validValues` is empty or holds something that is neither text nor a whole number",
            "put the values into quotes",
        );
    }
    Some(texts)
}

fn missing_values(reader: &mut Reader, fields: &Fields<'_>, line: u64, ty: ColumnType) -> Option<Metric> {
    let items = argument(reader, fields, line, "missingValues", "missingValues")?;
    let (mut null, mut texts) = (false, Vec::new());
    for item in items {
        match &item.value {
            Value::Null => null = true,
            Value::Text(text) if ty == ColumnType::String => texts.push(text.clone()),
            _ => {
                reader.wrong(
                    item.line,
                    format!("an item of `missingValues` is no value that a {ty} can hold"),
                    "write null, or a text of a string column",
                );
                return None;
            }
        }
    }
    Some(Metric::Missing { null, texts })
}

/// The one operator of a rule.
pub(crate) fn operator(reader: &mut Reader, fields: &Fields<'_>, line: u64) -> Option<Holds> {
    let there: Vec<(&str, &Node)> = OPERATORS.iter().filter_map(|name| Some((*name, fields.get(name)?))).collect();
    let [(name, node)] = there[..] else {
        reader.wrong(line, "a quality rule has not exactly one operator", format!("write one of {}", OPERATORS.join(", ")));
        return None;
    };
    let holds = match (name, number(&node.value), range(&node.value)) {
        ("mustBe", Some(wanted), _) => Holds::Is(wanted),
        ("mustNotBe", Some(wanted), _) => Holds::IsNot(wanted),
        ("mustBeGreaterThan", Some(wanted), _) => Holds::Over(wanted),
        ("mustBeGreaterOrEqualTo", Some(wanted), _) => Holds::AtLeast(wanted),
        ("mustBeLessThan", Some(wanted), _) => Holds::Under(wanted),
        ("mustBeLessOrEqualTo", Some(wanted), _) => Holds::AtMost(wanted),
        ("mustBeBetween", _, Some((least, most))) => Holds::Between(least, most),
        ("mustNotBeBetween", _, Some((least, most))) => Holds::NotBetween(least, most),
        _ => {
            reader.wrong(node.line, format!("`{name}` has not the value that it wants"), "write a number, or for between [LEAST, MOST]");
            return None;
        }
    };
    Some(holds)
}

#[allow(clippy::cast_precision_loss, reason = "checked: a number that a double cannot hold is refused")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) if number.unsigned_abs() <= 1 << 53 => Some(*number as f64),
        Value::Float(number) if number.is_finite() => Some(*number),
        _ => None,
    }
}

fn range(value: &Value) -> Option<(f64, f64)> {
    let Value::List(items) = value else { return None };
    let [least, most] = items.as_slice() else { return None };
    let (least, most) = (number(&least.value)?, number(&most.value)?);
    (least < most).then_some((least, most))
}

/// Whether the unit is percent.
fn percent(reader: &mut Reader, fields: &Fields<'_>) -> Option<bool> {
    let Some(node) = fields.get("unit") else { return Some(false) };
    match &node.value {
        Value::Text(unit) if unit == "rows" => Some(false),
        Value::Text(unit) if unit == "percent" => Some(true),
        _ => {
            reader.wrong(node.line, "`unit` is neither rows nor percent", "write one of them, or leave it out for rows");
            None
        }
    }
}
