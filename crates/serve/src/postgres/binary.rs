//! Values in PostgreSQL's binary form.

use crate::fault::Fault;
use crate::postgres::error::defect;
use crate::postgres::text;
use crate::postgres::types::PgType;
use crate::postgres::value::{DAY_MICROS, EPOCH_DAYS, Value, value};

/// Writes a value without its length; of NULL nothing.
///
/// # Errors
/// When an item of an array has no form, or it is longer than the protocol can say.
pub fn write(value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        Value::Null => {}
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::Int2(value) => out.extend_from_slice(&value.to_be_bytes()),
        Value::Int4(value) => out.extend_from_slice(&value.to_be_bytes()),
        Value::Int8(value) | Value::Time(value) => out.extend_from_slice(&value.to_be_bytes()),
        Value::Float4(value) => out.extend_from_slice(&value.to_be_bytes()),
        Value::Float8(value) => out.extend_from_slice(&value.to_be_bytes()),
        Value::Numeric(digits, scale) => numeric(&text::numeric(digits, *scale), out)?,
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Date(days) => {
            let infinite = *days == i64::from(i32::MAX) || *days == i64::from(i32::MIN);
            let days = if infinite { *days } else { days - EPOCH_DAYS };
            out.extend_from_slice(&i32::try_from(days).map_err(|_| defect("a date is out of range"))?.to_be_bytes());
        }
        Value::Timestamp { micros, .. } => {
            let infinite = *micros == i64::MAX || *micros == i64::MIN;
            let micros = if infinite { *micros } else { micros.saturating_sub(EPOCH_DAYS * DAY_MICROS) };
            out.extend_from_slice(&micros.to_be_bytes());
        }
        Value::Interval { months, days, micros } => {
            out.extend_from_slice(&micros.to_be_bytes());
            out.extend_from_slice(&days.to_be_bytes());
            out.extend_from_slice(&months.to_be_bytes());
        }
        Value::Array(items) => array(items.as_ref(), out)?,
    }
    Ok(())
}

/// Writes the length of something and then that, as fields of rows and items of arrays are written.
///
/// # Errors
/// When it is longer than the protocol can say.
pub fn measured(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>) -> Result<(), Fault> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = i32::try_from(out.len() - at - 4).map_err(|_| Fault::limit("write the answer: a value is longer than 2 GiB"))?;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// Groups of four digits around the decimal point: how many, the weight of the first, the sign, the decimals to show, the groups.
fn numeric(written: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (sign, written) = written.strip_prefix('-').map_or((0_u16, written), |rest| (0x4000, rest));
    let (whole, fraction) = written.split_once('.').unwrap_or((written, ""));
    let whole_groups = whole.len().div_ceil(4);
    let padded = format!("{whole:0>left$}{fraction:0<right$}", left = whole_groups * 4, right = fraction.len().div_ceil(4) * 4);
    let mut groups = Vec::with_capacity(padded.len() / 4);
    for group in padded.as_bytes().chunks(4) {
        groups.push(group.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit.saturating_sub(b'0'))));
    }
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    let groups = groups.get(leading..groups.len().saturating_sub(trailing).max(leading)).unwrap_or(&[]);
    let short = |number: usize| i16::try_from(number).map_err(|_| defect("a number has too many digits"));
    let weight = if groups.is_empty() { 0 } else { short(whole_groups)? - 1 - short(leading)? };
    out.extend_from_slice(&short(groups.len())?.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&(if groups.is_empty() { 0 } else { sign }).to_be_bytes());
    out.extend_from_slice(&short(fraction.len())?.to_be_bytes());
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Ok(())
}

fn array(items: &dyn arrow::array::Array, out: &mut Vec<u8>) -> Result<(), Fault> {
    let count = i32::try_from(items.len()).map_err(|_| Fault::limit("write the answer: an array has more than 2^31 items"))?;
    let element = PgType::of(items.data_type()).oid();
    out.extend_from_slice(&i32::from(count > 0).to_be_bytes());
    out.extend_from_slice(&i32::from(items.null_count() > 0).to_be_bytes());
    out.extend_from_slice(&element.to_be_bytes());
    if count > 0 {
        out.extend_from_slice(&count.to_be_bytes());
        // The first item is number 1.
        out.extend_from_slice(&1_i32.to_be_bytes());
    }
    for row in 0..items.len() {
        match value(items, row)? {
            Value::Null => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            item => measured(out, |out| write(&item, out))?,
        }
    }
    Ok(())
}
