//! Values that a client binds to `$1`, `$2`, …, in text or binary form, as one Arrow row.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, i256};
use bytes::Bytes;
use polder_types::ErrorKind;

use crate::fault::Fault;
use crate::postgres::error::defect;
use crate::postgres::moment;
use crate::postgres::types::{PgType, Scalar};
use crate::postgres::value::{DAY_MICROS, EPOCH_DAYS};

/// A value in the form it came in.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// Its bytes; none for NULL.
    pub bytes: Option<&'a [u8]>,
    /// Whether they are in binary form.
    pub binary: bool,
}

/// One value, read.
enum One {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Digits with their sign, and how many are decimals.
    Numeric(i256, i8),
    Interval(i32, i32, i64),
}

/// The row of all parameters; none where there are none.
///
/// # Errors
/// When a value has not the form of its type, or is out of its range.
pub fn row(types: &[PgType], formats: &[i16], values: &[Option<Bytes>]) -> Result<Option<RecordBatch>, Fault> {
    if values.is_empty() {
        return Ok(None);
    }
    let mut fields = Vec::with_capacity(values.len());
    let mut columns = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let format = match formats {
            [] => 0,
            [all] => *all,
            each => each.get(at).copied().unwrap_or(0),
        };
        let pg = types.get(at).copied().unwrap_or(PgType { scalar: Scalar::Text, array: false });
        let column = column(pg, Raw { bytes: value.as_deref(), binary: format == 1 }).map_err(|fault| named(fault, at))?;
        fields.push(Field::new(format!("${}", at + 1), column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map(Some).map_err(|_| defect("the parameters make no row"))
}

fn named(fault: Fault, at: usize) -> Fault {
    let code = fault.sqlstate();
    Fault::new(fault.kind(), format!("read parameter ${}: {}", at + 1, fault.message())).with_sqlstate(code)
}

fn wrong(scalar: Scalar, binary: bool) -> Fault {
    let code = match scalar {
        _ if binary => "22P03",
        Scalar::Date | Scalar::Time | Scalar::Timestamp | Scalar::Timestamptz | Scalar::Interval => "22007",
        _ => "22P02",
    };
    let form = if binary { "binary form" } else { "text" };
    Fault::new(ErrorKind::Invalid, format!("it is no {form} of {}; send it as PostgreSQL writes it", format!("{scalar:?}").to_lowercase()))
        .with_sqlstate(code)
}

/// One column of one value.
///
/// # Errors
/// As [`row`].
pub fn column(pg: PgType, raw: Raw<'_>) -> Result<ArrayRef, Fault> {
    if !pg.array {
        let one = raw.bytes.map(|bytes| one(pg.scalar, bytes, raw.binary)).transpose()?;
        return array_of(pg.scalar, vec![one]);
    }
    let Some(bytes) = raw.bytes else {
        let empty = array_of(pg.scalar, Vec::new())?;
        return list(&empty, true);
    };
    let items = if raw.binary { binary_items(pg.scalar, bytes)? } else { text_items(pg.scalar, bytes)? };
    list(&array_of(pg.scalar, items)?, false)
}

fn list(items: &ArrayRef, null: bool) -> Result<ArrayRef, Fault> {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let nulls = null.then(|| vec![false].into());
    let list = ListArray::try_new(field, OffsetBuffer::from_lengths([items.len()]), ArrayRef::clone(items), nulls);
    list.map(|list| Arc::new(list) as ArrayRef).map_err(|_| defect("an array makes no list"))
}

fn array_of(scalar: Scalar, values: Vec<Option<One>>) -> Result<ArrayRef, Fault> {
    fn each<T>(values: Vec<Option<One>>, take: impl Fn(One) -> Option<T>) -> Result<Vec<Option<T>>, Fault> {
        let take =
            |one| take(one).ok_or_else(|| Fault::new(ErrorKind::Invalid, "it is out of the range of its type").with_sqlstate("22003"));
        values.into_iter().map(|value| value.map(take).transpose()).collect()
    }
    let int = |one| if let One::Int(value) = one { Some(value) } else { None };
    Ok(match scalar {
        Scalar::Bool => Arc::new(BooleanArray::from(each(values, |one| if let One::Bool(value) = one { Some(value) } else { None })?)),
        Scalar::Int2 => Arc::new(Int16Array::from(each(values, |one| i16::try_from(int(one)?).ok())?)),
        Scalar::Int4 => Arc::new(Int32Array::from(each(values, |one| i32::try_from(int(one)?).ok())?)),
        Scalar::Int8 | Scalar::Oid => Arc::new(Int64Array::from(each(values, int)?)),
        #[allow(clippy::cast_possible_truncation, reason = "a float of 4 bytes holds what is nearest, as its type says")]
        Scalar::Float4 => {
            Arc::new(Float32Array::from(each(values, |one| if let One::Float(value) = one { Some(value as f32) } else { None })?))
        }
        Scalar::Float8 => Arc::new(Float64Array::from(each(values, |one| if let One::Float(value) = one { Some(value) } else { None })?)),
        Scalar::Bytea => {
            let values = each(values, |one| if let One::Bytes(value) = one { Some(value) } else { None })?;
            Arc::new(BinaryArray::from_iter(values))
        }
        Scalar::Date => Arc::new(Date32Array::from(each(values, |one| i32::try_from(int(one)?).ok())?)),
        Scalar::Time => Arc::new(Time64MicrosecondArray::from(each(values, int)?)),
        Scalar::Timestamp => Arc::new(TimestampMicrosecondArray::from(each(values, int)?)),
        Scalar::Timestamptz => Arc::new(TimestampMicrosecondArray::from(each(values, int)?).with_timezone("UTC")),
        Scalar::Interval => Arc::new(IntervalMonthDayNanoArray::from(each(values, |one| {
            let One::Interval(months, days, micros) = one else { return None };
            Some(IntervalMonthDayNano::new(months, days, micros.checked_mul(1_000)?))
        })?)),
        Scalar::Numeric => {
            return numerics(each(values, |one| if let One::Numeric(digits, scale) = one { Some((digits, scale)) } else { None })?);
        }
        Scalar::Name | Scalar::Text | Scalar::Bpchar | Scalar::Varchar | Scalar::Unknown | Scalar::Json | Scalar::Jsonb | Scalar::Uuid => {
            Arc::new(StringArray::from(each(values, |one| if let One::Text(value) = one { Some(value) } else { None })?))
        }
    })
}

/// All with the decimals of the one that has most; wider where 38 digits do not do.
fn numerics(values: Vec<Option<(i256, i8)>>) -> Result<ArrayRef, Fault> {
    let too_many = || Fault::new(ErrorKind::Invalid, "it has more than 76 digits").with_sqlstate("22003");
    let scale = values.iter().flatten().map(|(_, scale)| *scale).max().unwrap_or(0);
    let mut digits = Vec::with_capacity(values.len());
    for value in values {
        let value = value.map(|(digits, own)| {
            let by = u32::try_from(scale - own).unwrap_or(0);
            i256::from_i128(10).checked_pow(by).and_then(|by| digits.checked_mul(by)).ok_or_else(too_many)
        });
        digits.push(value.transpose()?);
    }
    let narrow = i256::from_i128(10_i128.pow(38));
    if scale <= 38 && digits.iter().flatten().all(|digits| *digits < narrow && digits.checked_neg().is_some_and(|digits| digits < narrow)) {
        let digits: Vec<Option<i128>> = digits.into_iter().map(|digits| digits.and_then(i256::to_i128)).collect();
        let array = Decimal128Array::from(digits).with_precision_and_scale(38, scale).map_err(|_| too_many())?;
        return Ok(Arc::new(array));
    }
    let array = Decimal256Array::from(digits).with_precision_and_scale(76, scale).map_err(|_| too_many())?;
    array.validate_decimal_precision(76).map_err(|_| too_many())?;
    Ok(Arc::new(array))
}

fn one(scalar: Scalar, bytes: &[u8], binary: bool) -> Result<One, Fault> {
    let read = if binary { from_binary(scalar, bytes) } else { std::str::from_utf8(bytes).ok().and_then(|text| from_text(scalar, text)) };
    read.ok_or_else(|| wrong(scalar, binary))
}

fn text(text: &str) -> Option<One> {
    // PostgreSQL knows no text with a NUL in it.
    (!text.contains('\0')).then(|| One::Text(text.to_owned()))
}

fn from_text(scalar: Scalar, written: &str) -> Option<One> {
    let trimmed = written.trim();
    Some(match scalar {
        Scalar::Bool => One::Bool(match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" | "tr" | "tru" | "ye" => true,
            "f" | "false" | "n" | "no" | "off" | "0" | "fa" | "fal" | "fals" | "of" => false,
            _ => return None,
        }),
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 => One::Int(trimmed.parse().ok()?),
        Scalar::Oid => One::Int(trimmed.parse::<u32>().ok()?.into()),
        Scalar::Float4 | Scalar::Float8 => One::Float(float(trimmed)?),
        Scalar::Numeric => numeric(trimmed)?,
        Scalar::Bytea => One::Bytes(match written.strip_prefix("\\x") {
            Some(digits) => hex::decode(digits.replace([' ', '\n', '\t', '\r'], "")).ok()?,
            None => escaped(written)?,
        }),
        Scalar::Date => One::Int(moment::date(written)?.into()),
        Scalar::Time => One::Int(moment::time(written)?),
        Scalar::Timestamp => One::Int(moment::timestamp(written, false)?),
        Scalar::Timestamptz => One::Int(moment::timestamp(written, true)?),
        Scalar::Interval => {
            let (months, days, micros) = moment::interval(written)?;
            One::Interval(months, days, micros)
        }
        Scalar::Uuid => {
            let digits = trimmed.trim_start_matches('{').trim_end_matches('}').replace('-', "");
            uuid(&hex::decode(digits).ok()?)?
        }
        Scalar::Json | Scalar::Jsonb => {
            serde_json::from_str::<serde::de::IgnoredAny>(written).ok()?;
            text(written)?
        }
        Scalar::Name | Scalar::Text | Scalar::Bpchar | Scalar::Varchar | Scalar::Unknown => text(written)?,
    })
}

fn float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "infinity" | "inf" | "+infinity" | "+inf" => Some(f64::INFINITY),
        "-infinity" | "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        lower if lower.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => {
            // What overflows is no number of the type.
            lower.parse::<f64>().ok().filter(|value| value.is_finite())
        }
        _ => None,
    }
}

/// Digits, a point, an exponent; at most 76 digits. NaN and infinity have no place in Arrow's decimals.
fn numeric(text: &str) -> Option<One> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() <= 200)?;
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() > 400 || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let mut digits = format!("{whole}{fraction}");
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut scale = i32::try_from(fraction.len()).ok()? - exponent;
    while scale < 0 {
        digits.push('0');
        scale += 1;
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 76 || scale > 76 {
        return None;
    }
    let digits = i256::from_string(&format!("{sign}{}", if significant.is_empty() { "0" } else { significant }))?;
    Some(One::Numeric(digits, i8::try_from(scale).ok()?))
}

/// The older text form of bytes: `\\` and `\ooo`.
fn escaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
        } else if let Some(after) = rest.strip_prefix(b"\\") {
            out.push(b'\\');
            rest = after;
        } else {
            let (octal, after) = rest.split_at_checked(3)?;
            out.push(u8::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok()?);
            rest = after;
        }
    }
    Some(out)
}

fn uuid(bytes: &[u8]) -> Option<One> {
    let digits = (bytes.len() == 16).then(|| hex::encode(bytes))?;
    let parts = [digits.get(..8)?, digits.get(8..12)?, digits.get(12..16)?, digits.get(16..20)?, digits.get(20..)?];
    Some(One::Text(parts.join("-")))
}

fn from_binary(scalar: Scalar, bytes: &[u8]) -> Option<One> {
    Some(match scalar {
        Scalar::Bool => match bytes {
            [0] => One::Bool(false),
            [1] => One::Bool(true),
            _ => return None,
        },
        Scalar::Int2 => One::Int(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        Scalar::Int4 => One::Int(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        Scalar::Oid => One::Int(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        Scalar::Int8 => One::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
        Scalar::Float4 => One::Float(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        Scalar::Float8 => One::Float(f64::from_be_bytes(bytes.try_into().ok()?)),
        Scalar::Numeric => numeric_binary(bytes)?,
        Scalar::Bytea => One::Bytes(bytes.to_vec()),
        Scalar::Date => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            let infinite = days == i32::MAX || days == i32::MIN;
            One::Int(i64::from(days) + if infinite { 0 } else { EPOCH_DAYS })
        }
        Scalar::Time => One::Int(Some(i64::from_be_bytes(bytes.try_into().ok()?)).filter(|micros| (0..=DAY_MICROS).contains(micros))?),
        Scalar::Timestamp | Scalar::Timestamptz => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            let infinite = micros == i64::MAX || micros == i64::MIN;
            One::Int(if infinite { micros } else { micros.checked_add(EPOCH_DAYS * DAY_MICROS)? })
        }
        Scalar::Interval => {
            let (micros, rest) = bytes.split_first_chunk::<8>()?;
            let (days, months) = rest.split_first_chunk::<4>()?;
            let months = i32::from_be_bytes(months.try_into().ok()?);
            One::Interval(months, i32::from_be_bytes(*days), i64::from_be_bytes(*micros))
        }
        Scalar::Uuid => uuid(bytes)?,
        Scalar::Jsonb => from_text(scalar, std::str::from_utf8(bytes.strip_prefix(&[1])?).ok()?)?,
        Scalar::Json => from_text(scalar, std::str::from_utf8(bytes).ok()?)?,
        Scalar::Name | Scalar::Text | Scalar::Bpchar | Scalar::Varchar | Scalar::Unknown => text(std::str::from_utf8(bytes).ok()?)?,
    })
}

fn numeric_binary(bytes: &[u8]) -> Option<One> {
    let mut words = bytes.chunks(2).map(|word| word.try_into().ok().map(u16::from_be_bytes));
    let mut next = || words.next().flatten();
    let (count, weight, sign, scale) = (next()?, next()?.cast_signed(), next()?, next()?);
    if bytes.len() != 8 + 2 * usize::from(count) || !(sign == 0 || sign == 0x4000) || scale > 0x3fff {
        return None;
    }
    let mut whole = String::new();
    let mut fraction = String::new();
    // Groups before the point that are not sent are zeros, and so are those after it.
    let weight = i32::from(weight);
    if !(-100..=100).contains(&weight) || count > 200 {
        return None;
    }
    for _ in weight + 1..0 {
        fraction.push_str("0000");
    }
    for at in 0..i32::from(count) {
        let group = next().filter(|group| *group < 10_000)?;
        let to = if at <= weight { &mut whole } else { &mut fraction };
        to.push_str(&format!("{group:04}"));
    }
    for _ in i32::from(count)..=weight {
        whole.push_str("0000");
    }
    let scale = usize::from(scale);
    if fraction.len() > scale {
        // Digits beyond the scale that it says can only be zeros of the last group.
        fraction.get(scale..)?.bytes().all(|digit| digit == b'0').then_some(())?;
        fraction.truncate(scale);
    }
    let zeros = scale.checked_sub(fraction.len()).filter(|zeros| *zeros <= 400)?;
    let text =
        format!("{}{}.{fraction}{}", if sign == 0 { "" } else { "-" }, if whole.is_empty() { "0" } else { &whole }, "0".repeat(zeros));
    numeric(&text)
}

fn number(rest: &mut &[u8]) -> Result<i32, Fault> {
    let short = || Fault::new(ErrorKind::Invalid, "it is an array that is cut short").with_sqlstate("22P03");
    let (word, after) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    *rest = after;
    Ok(i32::from_be_bytes(*word))
}

fn binary_items(scalar: Scalar, bytes: &[u8]) -> Result<Vec<Option<One>>, Fault> {
    let mut rest = bytes;
    let bad = || wrong(scalar, true);
    let (dimensions, _, element) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
    let element = PgType::from_oid(element.cast_unsigned()).filter(|element| !element.array).map(|element| element.scalar);
    if element.is_none_or(|element| array_kind(element) != array_kind(scalar)) {
        return Err(bad());
    }
    let element = element.unwrap_or(scalar);
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = number(&mut rest)?;
            // The number of the first item, which is nobody's concern.
            number(&mut rest)?;
            count
        }
        _ => {
            return Err(Fault::new(ErrorKind::Invalid, "it is an array of more than one dimension; send it as text").with_sqlstate("0A000"));
        }
    };
    let count = usize::try_from(count).map_err(|_| bad())?;
    let mut items = Vec::new();
    for _ in 0..count {
        let length = number(&mut rest)?;
        if length == -1 {
            items.push(None);
            continue;
        }
        let length = usize::try_from(length).map_err(|_| bad())?;
        let (item, after) = rest.split_at_checked(length).ok_or_else(bad)?;
        rest = after;
        items.push(Some(one(element, item, true)?));
    }
    if rest.is_empty() { Ok(items) } else { Err(bad()) }
}

/// Types of text go for each other.
fn array_kind(scalar: Scalar) -> Scalar {
    match scalar {
        Scalar::Name | Scalar::Varchar | Scalar::Bpchar | Scalar::Unknown => Scalar::Text,
        other => other,
    }
}

/// `{1,NULL,"a b"}`, of one dimension.
fn text_items(scalar: Scalar, bytes: &[u8]) -> Result<Vec<Option<One>>, Fault> {
    let bad = || wrong(scalar, false);
    let written = std::str::from_utf8(bytes).map_err(|_| bad())?.trim_matches(|c: char| c.is_ascii_whitespace());
    let inner = written.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(bad)?;
    let mut items = Vec::new();
    if inner.bytes().all(|byte| byte.is_ascii_whitespace()) {
        return Ok(items);
    }
    let mut chars = inner.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let mut item = String::new();
        let quoted = chars.next_if_eq(&'"').is_some();
        if quoted {
            loop {
                match chars.next().ok_or_else(bad)? {
                    '"' => break,
                    '\\' => item.push(chars.next().ok_or_else(bad)?),
                    c => item.push(c),
                }
            }
            while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                match c {
                    '{' | '}' | '"' => return Err(bad()),
                    '\\' => item.push(chars.next().ok_or_else(bad)?),
                    c => item.push(c),
                }
            }
            item.truncate(item.trim_end_matches(|c: char| c.is_ascii_whitespace()).len());
            if item.is_empty() {
                return Err(bad());
            }
        }
        let null = !quoted && item.eq_ignore_ascii_case("null");
        items.push(if null { None } else { Some(one(scalar, item.as_bytes(), false)?) });
        match chars.next() {
            None => return Ok(items),
            Some(',') => {}
            Some(_) => return Err(bad()),
        }
    }
}

/// The types that parameters are handed on with, as far as they are known before their values.
pub fn arrow_types(types: &[Option<PgType>]) -> Vec<Option<DataType>> {
    types.iter().map(|pg| pg.and_then(PgType::arrow)).collect()
}
