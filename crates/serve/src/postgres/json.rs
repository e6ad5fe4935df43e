//! Structs, maps and lists of lists as JSON, as PostgreSQL's `to_json` writes it.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;

use crate::fault::Fault;
use crate::postgres::error::defect;
use crate::postgres::text;
use crate::postgres::value::{Value, items, value};

/// A value as JSON.
///
/// # Errors
/// When a value within has no form.
pub fn of(array: &dyn Array, row: usize) -> Result<String, Fault> {
    let mut out = String::new();
    put(array, row, &mut out)?;
    Ok(out)
}

fn put(array: &dyn Array, row: usize, out: &mut String) -> Result<(), Fault> {
    if row >= array.len() || array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct_opt().ok_or_else(|| defect("a struct is none"))?;
            out.push('{');
            for (at, (field, column)) in fields.iter().zip(columns.columns()).enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                string(field.name(), out);
                out.push(':');
                put(column.as_ref(), row, out)?;
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map_opt().ok_or_else(|| defect("a map is none"))?.value(row);
            out.push('{');
            for entry in 0..entries.len() {
                out.push_str(if entry == 0 { "" } else { "," });
                let (Some(keys), Some(values)) = (entries.columns().first(), entries.columns().get(1)) else { continue };
                let mut key = Vec::new();
                text::write(&value(keys.as_ref(), entry)?, &mut key)?;
                string(&String::from_utf8_lossy(&key), out);
                out.push(':');
                put(values.as_ref(), entry, out)?;
            }
            out.push('}');
        }
        DataType::Union(..) => {
            let union = array.as_union_opt().ok_or_else(|| defect("a union is none"))?;
            put(union.value(row).as_ref(), 0, out)?;
        }
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) => scalar(array, row, out)?,
        _ => match items(array, row) {
            Some(items) => {
                out.push('[');
                for item in 0..items.len() {
                    out.push_str(if item == 0 { "" } else { "," });
                    put(items.as_ref(), item, out)?;
                }
                out.push(']');
            }
            None => scalar(array, row, out)?,
        },
    }
    Ok(())
}

fn scalar(array: &dyn Array, row: usize, out: &mut String) -> Result<(), Fault> {
    let value = value(array, row)?;
    let mut written = Vec::new();
    text::write(&value, &mut written)?;
    let mut written = String::from_utf8_lossy(&written).into_owned();
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Int2(_) | Value::Int4(_) | Value::Int8(_) | Value::Numeric(..) | Value::Json(_) => out.push_str(&written),
        Value::Float4(value) if value.is_finite() => out.push_str(&written),
        Value::Float8(value) if value.is_finite() => out.push_str(&written),
        Value::Timestamp { zoned, .. } => {
            // As ISO 8601 has it.
            written = written.replacen(' ', "T", 1);
            if zoned && written.ends_with("+00") {
                written.push_str(":00");
            }
            string(&written, out);
        }
        _ => string(&written, out),
    }
    Ok(())
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
