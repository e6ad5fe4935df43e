//! `polder.mask` of a property, and what must be true of a column that has one.

use polder_types::TableName;

use crate::column::{Bounds, Column, ColumnType};
use crate::mask::{Mask, Period, Step};
use crate::read::{Reader, limits};
use crate::yaml::{Key, Node, Value, suggest};

/// At most so many possible values are few: how often each occurs tells which is which.
const FEW: u128 = 10_000;
/// A text of at most so many characters has few values.
const SHORT: u64 = 2;
const MASKS: [&str; 5] = ["pseudonymise", "encrypt", "truncate", "generalise", "drop"];

/// Reads the value of `polder.mask`.
pub(crate) fn read(reader: &mut Reader, node: &Node, column: &Column) -> Option<Mask> {
    let map = mapping(reader, node, "`polder.mask`", "write one such as {pseudonymise: patients}")?;
    let named: Vec<&str> = map.iter().map(|(key, _)| key.name.as_str()).filter(|name| MASKS.contains(name)).collect();
    let [how] = named.as_slice() else {
        let found = if named.is_empty() { "names no mask".to_owned() } else { format!("names {}", named.join(" and ")) };
        reader.wrong(node.line, format!("`polder.mask` {found}"), format!("write exactly one of {}", MASKS.join(", ")));
        known(reader, map, &[&MASKS[..], &["normalise", "deterministic"]].concat(), "a mask");
        return None;
    };
    let beside: &[&str] = match *how {
        "pseudonymise" => &["normalise"],
        "encrypt" => &["deterministic"],
        _ => &[],
    };
    known(reader, map, &[&[*how][..], beside].concat(), &format!("a mask that says {how}"));
    let value = get(map, how)?;
    match *how {
        "pseudonymise" => {
            if matches!(column.ty, ColumnType::Float32 | ColumnType::Float64) {
                let advice = "make it an integer, a string, or give it a physicalType decimal";
                reader.wrong(value.line, format!("a {} has no one text, so it has no pseudonym", column.ty), advice);
            }
            let normalise = get(map, "normalise").map_or(Some(Vec::new()), |steps| steps_of(reader, steps));
            Some(Mask::Pseudonymise { domain: domain(reader, value)?, normalise: normalise? })
        }
        "encrypt" => {
            let deterministic = match get(map, "deterministic").map(|node| (node.line, &node.value)) {
                None => false,
                Some((_, Value::Bool(flag))) => *flag,
                Some((line, other)) => {
                    reader.wrong(line, format!("`deterministic` is {}", other.kind()), "write true or false");
                    false
                }
            };
            Some(Mask::Encrypt { domain: domain(reader, value)?, deterministic })
        }
        "truncate" => truncate(reader, value, column),
        "generalise" => generalise(reader, value, column),
        _ => match value.value {
            Value::Bool(true) => Some(Mask::Drop),
            _ => {
                reader.wrong(value.line, "`drop` is not true", "write drop: true, or remove the mask");
                None
            }
        },
    }
}

/// What must be true of a column with its mask, once all of it is read. `few_accepted` is the line of `polder.acceptFewValues`.
pub(crate) fn check(reader: &mut Reader, column: &Column, few_accepted: Option<u64>) {
    let link = column.mask.as_ref().and_then(Mask::link);
    let name = &column.name;
    if let Some(mask) = column.mask.as_ref().filter(|_| link.is_none())
        && (column.unique || column.primary_key.is_some())
    {
        reader.wrong(
            column.line,
            format!("column {name} is a key, and its mask ({mask}) does not keep different values apart and equal ones together"),
            "pseudonymise it, encrypt it with deterministic: true, or take the key away",
        );
    }
    match (few_values(column).filter(|_| link.is_some()), few_accepted) {
        (Some(why), None) => reader.wrong(
            column.line,
            format!("column {name} has few values ({why}), and how often each occurs tells which is which under its mask"),
            "encrypt it without deterministic, drop it, or accept this by name with polder.acceptFewValues and the reason",
        ),
        (None, Some(line)) => {
            let advice = "remove it: only pseudonyms and deterministic encryption of few values need it";
            reader.wrong(line, format!("`polder.acceptFewValues` of column {name} accepts nothing"), advice);
        }
        _ => {}
    }
    if !column.accepted_domains.is_empty() && link.is_none() {
        let advice = "remove it: only pseudonyms and deterministic encryption are joined";
        reader.wrong(column.line, format!("`polder.acceptDomain` of column {name} accepts nothing"), advice);
    }
    if let (Some(Mask::Prefix(kept)), Some(longest)) = (&column.mask, column.max_length)
        && u64::try_from(*kept).is_ok_and(|kept| kept >= longest)
    {
        reader.wrong(
            column.line,
            format!("the mask of column {name} keeps {kept} characters, and its `maxLength` is {longest}: nothing is masked"),
            "keep fewer",
        );
    }
}

/// Why a column has few values; none when it has many.
fn few_values(column: &Column) -> Option<String> {
    if column.ty == ColumnType::Boolean {
        return Some("it is a boolean".to_owned());
    }
    if let Some(values) = &column.valid_values {
        return Some(format!("`validValues` names {}", values.len()));
    }
    if let Some(longest) = column.max_length.filter(|longest| *longest <= SHORT) {
        return Some(format!("`maxLength` is {longest}"));
    }
    let (least, most) = match column.bounds {
        Bounds::Whole { min, max } => (min, max),
        _ => (i128::MIN, i128::MAX),
    };
    let (least, most) = match column.ty {
        ColumnType::Int8 => (least.max(i8::MIN.into()), most.min(i8::MAX.into())),
        _ => (least, most),
    };
    let step = column.multiple_of.unwrap_or(1).unsigned_abs().max(1);
    let possible = most.abs_diff(least) / step;
    (possible < FEW && column.ty != ColumnType::String).then(|| format!("its type and bounds leave at most {}", possible.saturating_add(1)))
}

fn mapping<'a>(reader: &mut Reader, node: &'a Node, what: &str, advice: &str) -> Option<&'a [(Key, Node)]> {
    match &node.value {
        Value::Map(map) => Some(map),
        other => {
            reader.wrong(node.line, format!("{what} is {}, not a mapping", other.kind()), advice);
            None
        }
    }
}

fn get<'a>(map: &'a [(Key, Node)], name: &str) -> Option<&'a Node> {
    map.iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
}

fn known(reader: &mut Reader, map: &[(Key, Node)], names: &[&str], what: &str) {
    for (key, _) in map.iter().filter(|(key, _)| !names.contains(&key.name.as_str())) {
        reader.wrong(key.line, format!("`{}` does not belong to {what}", key.name), suggest(&key.name, names));
    }
}

fn domain(reader: &mut Reader, node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(name) if TableName::new(name).is_ok() => Some(name.clone()),
        _ => {
            let advice = "name it as a table: lower-case letters, digits and _, such as patients";
            reader.wrong(node.line, "the domain of a mask is no name", advice);
            None
        }
    }
}

fn steps_of(reader: &mut Reader, node: &Node) -> Option<Vec<Step>> {
    let names = Step::ALL.map(Step::name);
    let mut steps = Vec::new();
    let mut good = matches!(node.value, Value::List(_));
    for name in reader.texts(node, "normalise") {
        match Step::ALL.into_iter().find(|step| step.name() == name) {
            Some(step) => steps.push(step),
            None => {
                reader.wrong(node.line, format!("`{name}` is not a step of `normalise`"), suggest(&name, &names));
                good = false;
            }
        }
    }
    good.then_some(steps)
}

fn characters(reader: &mut Reader, node: &Node, what: &str, column: &Column) -> Option<Mask> {
    let count = match node.value {
        Value::Int(count) => usize::try_from(count).ok().filter(|count| *count > 0),
        _ => None,
    };
    match (count, column.ty) {
        (Some(count), ColumnType::String) => Some(Mask::Prefix(count)),
        (Some(_), ty) => {
            reader.wrong(node.line, format!("`{what}` with a number of characters does not fit a {ty}"), "only texts have characters");
            None
        }
        (None, _) => {
            reader.wrong(node.line, format!("`{what}` is not a number of characters from 1"), "correct it");
            None
        }
    }
}

fn truncate(reader: &mut Reader, node: &Node, column: &Column) -> Option<Mask> {
    match &node.value {
        Value::Text(_) => period(reader, node, "truncate", &[Period::Year, Period::Month], column).map(Mask::Beginning),
        _ => characters(reader, node, "truncate", column),
    }
}

fn generalise(reader: &mut Reader, node: &Node, column: &Column) -> Option<Mask> {
    const WAYS: [&str; 3] = ["step", "to", "prefix"];
    let map = mapping(reader, node, "`generalise`", "write {step: 10}, {to: year} or {prefix: 2}")?;
    known(reader, map, &WAYS, "`generalise`");
    let [way] = WAYS.into_iter().filter(|way| get(map, way).is_some()).collect::<Vec<_>>()[..] else {
        reader.wrong(node.line, "`generalise` does not say one way", "write exactly one of step, to, prefix");
        return None;
    };
    let value = get(map, way)?;
    match way {
        "step" => step(reader, value, column),
        "to" => period(reader, value, "to", &[Period::Year, Period::Quarter, Period::Month], column).map(Mask::Named),
        _ => characters(reader, value, "prefix", column),
    }
}

fn period(reader: &mut Reader, node: &Node, what: &str, allowed: &[Period], column: &Column) -> Option<Period> {
    let names: Vec<&str> = allowed.iter().map(|period| period.name()).collect();
    let Value::Text(name) = &node.value else {
        reader.wrong(node.line, format!("`{what}` is {}, not text", node.value.kind()), format!("write one of {}", names.join(", ")));
        return None;
    };
    let Some(period) = allowed.iter().find(|period| period.name() == name) else {
        reader.wrong(node.line, format!("`{name}` is not what `{what}` may say"), suggest(name, &names));
        return None;
    };
    if !matches!(column.ty, ColumnType::Date | ColumnType::Timestamp { .. }) {
        reader.wrong(node.line, format!("a {} lies in no {name}", column.ty), "only dates and timestamps do");
        return None;
    }
    Some(*period)
}

fn step(reader: &mut Reader, node: &Node, column: &Column) -> Option<Mask> {
    let ty = column.ty;
    #[allow(clippy::cast_precision_loss, reason = "checked: a step that a double cannot hold is refused")]
    let float = match node.value {
        Value::Float(step) if step.is_finite() && step > 0.0 => Some(step),
        Value::Int(step) if (1..=1 << 53).contains(&step) => Some(step as f64),
        _ => None,
    };
    let mask = match ty {
        ColumnType::Float32 | ColumnType::Float64 => float.map(Mask::Float),
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 | ColumnType::Decimal { .. } => {
            // A step of one leaves every value as it is.
            limits::whole(&node.value, ty).filter(|step| *step > 1).map(Mask::Whole)
        }
        _ => {
            reader.wrong(node.line, format!("a {ty} has no steps"), "only numbers do");
            return None;
        }
    };
    if mask.is_none() {
        reader.wrong(node.line, format!("`step` is not a step that makes a {ty} coarser"), "write a number such as 10");
    }
    mask
}
