//! One property of a contract.

use crate::column::{Bounds, Column, ColumnType, TextFormat};
use crate::inspect::{personal, waiver};
use crate::odcs::{self, Place};
use crate::parse::pattern::Pattern;
use crate::parse::time_format::TimeFormat;
use crate::read::{Fields, Reader, limits, mask, quality};
use crate::time::zone_is_known;
use crate::yaml::{Node, Value, suggest};

pub(crate) fn read_column(reader: &mut Reader, node: &Node) -> Option<Column> {
    let fields = reader.fields(node, Place::Property);
    let Some(name) = reader.text(&fields, "name") else {
        reader.wrong(fields.line, "a property has no `name`", "name the column");
        return None;
    };
    if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
        reader.wrong(fields.line, "a property's `name` is empty, too long or holds control characters", "rename the column");
        return None;
    }
    let empty = Node { line: fields.line, value: Value::Map(Vec::new()) };
    let options_node = fields.get("logicalTypeOptions").unwrap_or(&empty);
    let options = reader.fields(options_node, Place::Options);
    let logical = match reader.text(&fields, "logicalType") {
        Some(logical) => logical,
        None => {
            reader.wrong(
                fields.line,
                format!("column {name} has no `logicalType`"),
                "give it a type: string, integer, number, boolean, date, timestamp or time",
            );
            return None;
        }
    };
    let (ty, natural) = column_type(reader, &fields, &options, name, logical)?;
    let mut column = Column::new(name, ty);
    column.line = fields.line;
    column.physical_name = reader.text(&fields, "physicalName").unwrap_or(name).to_owned();
    column.required = reader.flag(&fields, "required");
    column.unique = reader.flag(&fields, "unique");
    column.classification = reader.text(&fields, "classification").map(plain_word);
    column.primary_key = primary_key(reader, &fields, name);
    column.bounds = narrow(limits::bounds(reader, &options, ty), natural);
    column.multiple_of = multiple_of(reader, &options, ty);
    text_options(reader, &options, &mut column);
    time_options(reader, &options, &mut column);
    if let Some(quality) = fields.get("quality") {
        quality::of_property(reader, quality, &mut column);
        let fits = |value: &String| ty == ColumnType::String || crate::gate::plan::whole_value(ty, value).is_some();
        if !column.valid_values.iter().flatten().all(fits) {
            reader.wrong(
                quality.line,
                format!("`validValues` of column {name} holds something that is no value of a {ty}"),
                "correct it; only texts, integers and decimals have valid values",
            );
        }
    }
    let mut few_accepted = None;
    for (setting, value) in reader.settings(&fields, odcs::PROPERTY_SETTINGS) {
        match (setting, &value.value) {
            ("polder.mask", _) => column.mask = mask::read(reader, value, &column),
            ("polder.acceptFewValues", Value::Text(reason)) if !reason.trim().is_empty() => few_accepted = Some(value.line),
            ("polder.acceptDomain", _) => column.accepted_domains = reader.texts(value, "polder.acceptDomain"),
            ("polder.nullTokens", _) => column.null_tokens = reader.texts(value, "polder.nullTokens"),
            ("polder.allowNan", Value::Bool(flag)) if !*flag || matches!(ty, ColumnType::Float32 | ColumnType::Float64) => {
                column.allow_nan = *flag
            }
            ("polder.fromText", Value::Bool(flag)) => column.from_text = *flag,
            ("polder.personal", _) => column.personal = personal::read(reader, value, name),
            ("polder.waive", _) => column.waivers = waiver::read(reader, value, name),
            (setting, _) => {
                reader.wrong(value.line, format!("`{setting}` has a value that it cannot have for a {ty}"), "correct or remove it")
            }
        }
    }
    mask::check(reader, &column, few_accepted);
    quality::check(reader, &column);
    Some(column)
}

/// Policies compare classifications letter by letter: `Restricted` must not pass for something else than `restricted`.
fn plain_word(word: &str) -> String {
    word.trim().to_lowercase()
}

fn primary_key(reader: &mut Reader, fields: &Fields<'_>, name: &str) -> Option<u32> {
    let key = reader.flag(fields, "primaryKey");
    let position = match fields.get("primaryKeyPosition").map(|node| (node.line, &node.value)) {
        None | Some((_, Value::Int(-1))) => None,
        Some((_, Value::Int(position))) if *position >= 1 => u32::try_from(*position).ok(),
        Some((line, _)) => {
            reader.wrong(line, format!("`primaryKeyPosition` of column {name} is not a whole number from 1"), "correct it");
            None
        }
    };
    match (key, position) {
        (true, position) => Some(position.unwrap_or(1)),
        (false, Some(_)) => {
            reader.wrong(
                fields.line,
                format!("column {name} has a `primaryKeyPosition` and no `primaryKey: true`"),
                "add it, or remove the position",
            );
            None
        }
        (false, None) => None,
    }
}

/// The type, and the bounds of an unsigned number that is stored in a wider type.
fn column_type(
    reader: &mut Reader,
    fields: &Fields<'_>,
    options: &Fields<'_>,
    name: &str,
    logical: &str,
) -> Option<(ColumnType, Option<(i128, i128)>)> {
    let format = if matches!(logical, "integer" | "number") { reader.text(options, "format") } else { None };
    let physical = reader.text(fields, "physicalType");
    let unknown = |reader: &mut Reader, format: &str, known: &[&str]| {
        reader.wrong(
            options.line,
            format!("column {name}: the format {format} of a {logical} is not kept exactly"),
            suggest(format, known),
        );
        None
    };
    let ty = match logical {
        "string" => ColumnType::String,
        "boolean" => ColumnType::Boolean,
        "date" => ColumnType::Date,
        "time" => ColumnType::Time,
        "timestamp" => {
            let local = options.get("timezone").is_some() && !reader.flag(options, "timezone");
            ColumnType::Timestamp { zone: !local }
        }
        "integer" => match format.unwrap_or(if physical.is_some_and(is_long) { "i64" } else { "i32" }) {
            "i8" => ColumnType::Int8,
            "i16" => ColumnType::Int16,
            "i32" => ColumnType::Int32,
            "i64" => ColumnType::Int64,
            "u8" => return Some((ColumnType::Int16, Some((0, i128::from(u8::MAX))))),
            "u16" => return Some((ColumnType::Int32, Some((0, i128::from(u16::MAX))))),
            "u32" => return Some((ColumnType::Int64, Some((0, i128::from(u32::MAX))))),
            other => return unknown(reader, other, &["i8", "i16", "i32", "i64", "u8", "u16", "u32"]),
        },
        "number" => match (decimal(physical), format) {
            (Some(Some((precision, scale))), None) => ColumnType::Decimal { precision, scale },
            (Some(None), _) => {
                reader.wrong(
                    fields.line,
                    format!("column {name}: this decimal cannot be held"),
                    "write decimal(p,s) with p from 1 to 38 and s up to p",
                );
                return None;
            }
            (Some(Some(_)), Some(_)) => {
                reader.wrong(options.line, format!("column {name} has a physicalType decimal and a format"), "keep one");
                return None;
            }
            (None, None | Some("f64")) => ColumnType::Float64,
            (None, Some("f32")) => ColumnType::Float32,
            (None, Some(other)) => return unknown(reader, other, &["f32", "f64"]),
        },
        "object" | "array" => {
            reader.wrong(
                fields.line,
                format!("column {name} is an {logical}, and nested columns are not read"),
                "flatten it at the source, or leave it out",
            );
            return None;
        }
        other => {
            let known = ["string", "integer", "number", "boolean", "date", "timestamp", "time"];
            reader.wrong(fields.line, format!("column {name}: `{other}` is not a logicalType"), suggest(other, &known));
            return None;
        }
    };
    Some((ty, None))
}

fn is_long(physical: &str) -> bool {
    matches!(physical.to_ascii_lowercase().as_str(), "bigint" | "int64" | "long" | "int8")
}

/// `decimal(p,s)` or `numeric(p,s)`: outer none when it is neither, inner none when it cannot be held.
fn decimal(physical: Option<&str>) -> Option<Option<(u8, u8)>> {
    let physical = physical?.to_ascii_lowercase();
    let inside = physical.strip_prefix("decimal").or_else(|| physical.strip_prefix("numeric"))?.trim();
    let inside = inside.strip_prefix('(').and_then(|inside| inside.strip_suffix(')'));
    let parse = || {
        let inside = inside?;
        let (precision, scale) = inside.split_once(',').unwrap_or((inside, "0"));
        let (precision, scale): (u8, u8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        ((1..=38).contains(&precision) && scale <= precision).then_some((precision, scale))
    };
    Some(parse())
}

/// The bounds of the contract within those of an unsigned type.
fn narrow(bounds: Bounds, natural: Option<(i128, i128)>) -> Bounds {
    match (bounds, natural) {
        (bounds, None) => bounds,
        (Bounds::Whole { min, max }, Some((low, high))) => Bounds::Whole { min: min.max(low), max: max.min(high) },
        (_, Some((low, high))) => Bounds::Whole { min: low, max: high },
    }
}

fn multiple_of(reader: &mut Reader, options: &Fields<'_>, ty: ColumnType) -> Option<i128> {
    let node = options.get("multipleOf")?;
    let fits = !matches!(ty, ColumnType::Date | ColumnType::Timestamp { .. } | ColumnType::Time);
    match limits::whole(&node.value, ty).filter(|step| *step > 0 && fits) {
        Some(step) => Some(step),
        None => {
            reader.wrong(
                node.line,
                format!("`multipleOf` is not a step that a {ty} can be checked for"),
                "write a positive number of the type, or remove it",
            );
            None
        }
    }
}

fn text_options(reader: &mut Reader, options: &Fields<'_>, column: &mut Column) {
    let text = column.ty == ColumnType::String;
    for name in ["minLength", "maxLength", "pattern"] {
        if let Some(node) = options.get(name).filter(|_| !text) {
            reader.wrong(node.line, format!("`{name}` does not fit a {}", column.ty), "remove it");
        }
    }
    if !text {
        return;
    }
    column.min_length = reader.count(options, "minLength");
    column.max_length = reader.count(options, "maxLength");
    if column.min_length > column.max_length && column.max_length.is_some() {
        reader.wrong(options.line, "`minLength` is more than `maxLength`", "correct them");
    }
    if let Some(pattern) = reader.text(options, "pattern") {
        match Pattern::compile(pattern) {
            Ok(_) => column.pattern = Some(pattern.to_owned()),
            Err(why) => {
                reader.wrong(
                    options.line,
                    format!("the pattern of column {} does not compile: {why}", column.name),
                    "correct it; look-around and back-references are not supported",
                );
            }
        }
    }
    match reader.text(options, "format") {
        None => {}
        Some("uuid") => column.text_format = Some(TextFormat::Uuid),
        Some("ipv4") => column.text_format = Some(TextFormat::Ipv4),
        Some("ipv6") => column.text_format = Some(TextFormat::Ipv6),
        Some(other) => reader.wrong(
            options.line,
            format!("the format {other} of a string is not enforced, so it is refused"),
            "write uuid, ipv4 or ipv6, or a pattern",
        ),
    }
}

fn time_options(reader: &mut Reader, options: &Fields<'_>, column: &mut Column) {
    let timed = matches!(column.ty, ColumnType::Date | ColumnType::Time | ColumnType::Timestamp { .. });
    for name in ["timezone", "defaultTimezone"] {
        if let Some(node) = options.get(name).filter(|_| !matches!(column.ty, ColumnType::Timestamp { .. })) {
            reader.wrong(node.line, format!("`{name}` does not fit a {}", column.ty), "remove it");
        }
    }
    if !timed {
        if let Some(node) = options.get("format").filter(|_| column.ty == ColumnType::Boolean) {
            reader.wrong(node.line, "a boolean has no format", "remove it");
        }
        return;
    }
    if let Some(format) = reader.text(options, "format") {
        let (date, time, zone) = match column.ty {
            ColumnType::Date => (true, false, false),
            ColumnType::Time => (false, true, false),
            _ => (true, true, column.ty == ColumnType::Timestamp { zone: true }),
        };
        match TimeFormat::compile(format) {
            Err(error) => reader.wrong(
                options.line,
                format!("the format of column {} does not compile: {error}", column.name),
                "write yyyy, MM, dd, HH, mm, ss, S, XXX and literals, or leave it out for ISO 8601",
            ),
            Ok(compiled) if compiled.has_date() != date || compiled.has_time() != time || (compiled.has_offset() && !zone) => reader.wrong(
                options.line,
                format!("the format of column {} does not fit a {}", column.name, column.ty),
                "a date has year, month and day, a time hour and minute, and only a timestamp with zone has an offset",
            ),
            Ok(_) => column.format = Some(format.to_owned()),
        }
    }
    if let Some(zone) = reader.text(options, "defaultTimezone") {
        if !zone_is_known(zone) {
            reader.wrong(
                options.line,
                format!("`defaultTimezone` {zone} is no time zone"),
                "write one such as Europe/Amsterdam or Etc/UTC",
            );
        }
        if column.ty == (ColumnType::Timestamp { zone: true }) {
            column.default_zone = Some(zone.to_owned());
        } else if matches!(column.ty, ColumnType::Timestamp { zone: false }) {
            reader.wrong(options.line, "`defaultTimezone` stands beside `timezone: false`", "keep one");
        }
    }
}
