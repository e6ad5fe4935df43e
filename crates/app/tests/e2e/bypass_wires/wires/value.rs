//! Values of PostgreSQL's protocol, as texts and as bytes, in the form of the corpus, which is Arrow's.

use std::error::Error;

use chrono::{Days, NaiveDate, TimeDelta};
use tokio_postgres::types::{FromSql, Type};

/// A value as it came; none for NULL.
pub struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The empty text has a sign of its own.
pub fn shown(value: String) -> String {
    if value.is_empty() { "(empty)".to_owned() } else { value }
}

/// A value that came as a text.
pub fn of_text(kind: Option<&Type>, text: Option<&str>) -> String {
    let Some(text) = text else { return "NULL".to_owned() };
    shown(match kind {
        Some(kind) if *kind == Type::BOOL => (if text == "t" { "true" } else { "false" }).to_owned(),
        Some(kind) if *kind == Type::FLOAT4 || *kind == Type::FLOAT8 => float(text.parse().unwrap()),
        Some(kind) if *kind == Type::TIMESTAMP => text.replacen(' ', "T", 1),
        Some(kind) if *kind == Type::INT8_ARRAY => {
            format!("[{}]", text.trim_start_matches('{').trim_end_matches('}').split(',').collect::<Vec<_>>().join(", "))
        }
        _ => text.to_owned(),
    })
}

/// A value that came as bytes.
pub fn of_bytes(kind: &Type, Raw(raw): Raw) -> String {
    let Some(raw) = raw else { return "NULL".to_owned() };
    let raw = raw.as_slice();
    shown(match *kind {
        Type::BOOL => (raw == [1]).to_string(),
        Type::INT2 | Type::INT4 | Type::INT8 => whole(raw).to_string(),
        Type::FLOAT4 => float(f64::from(f32::from_be_bytes(raw.try_into().unwrap()))),
        Type::FLOAT8 => float(f64::from_be_bytes(raw.try_into().unwrap())),
        Type::DATE => {
            let days = whole(raw);
            let past = |days: i64| Days::new(days.unsigned_abs());
            let date = if days < 0 { epoch().checked_sub_days(past(days)) } else { epoch().checked_add_days(past(days)) };
            date.unwrap().to_string()
        }
        Type::TIMESTAMP => {
            let at = epoch().and_hms_opt(0, 0, 0).unwrap() + TimeDelta::microseconds(whole(raw));
            at.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
        }
        Type::NUMERIC => numeric(raw),
        Type::INT8_ARRAY => array(raw),
        _ => std::str::from_utf8(raw).unwrap_or_else(|_| panic!("{kind} is no text: {raw:?}")).to_owned(),
    })
}

/// From which PostgreSQL counts.
fn epoch() -> NaiveDate {
    NaiveDate::from_ymd_opt(2000, 1, 1).unwrap()
}

fn float(value: f64) -> String {
    format!("{value:?}")
}

fn whole(raw: &[u8]) -> i64 {
    match raw.len() {
        2 => i64::from(i16::from_be_bytes(raw.try_into().unwrap())),
        4 => i64::from(i32::from_be_bytes(raw.try_into().unwrap())),
        _ => i64::from_be_bytes(raw.try_into().unwrap()),
    }
}

/// A number without decimals: how many digits to the base of ten thousand there are, the place of the first, the sign, and the digits.
fn numeric(raw: &[u8]) -> String {
    let parts: Vec<i64> = raw.chunks(2).map(whole).collect();
    assert_eq!(parts[3], 0, "the corpus has no decimals: {raw:?}");
    let digits = &parts[4..];
    // Zeros at the end are not sent.
    let value = (0..=parts[1]).fold(0_i64, |value, at| value * 10_000 + digits.get(at as usize).copied().unwrap_or_default());
    if parts[2] == 0 { value.to_string() } else { (-value).to_string() }
}

/// A list of whole numbers: dimensions, whether there is a NULL, the type; of the dimension its length and first place; each with its length.
fn array(raw: &[u8]) -> String {
    let word = |at: usize| whole(&raw[at..at + 4]);
    if word(0) == 0 {
        return "[]".to_owned();
    }
    assert_eq!(word(0), 1, "a list of lists: {raw:?}");
    let (mut at, mut values) = (20, Vec::new());
    for _ in 0..word(12) {
        let length = word(at);
        at += 4;
        if length < 0 {
            values.push("NULL".to_owned());
            continue;
        }
        let end = at + length as usize;
        values.push(whole(&raw[at..end]).to_string());
        at = end;
    }
    format!("[{}]", values.join(", "))
}

#[test]
fn values_are_the_same_as_texts_and_as_bytes() {
    let of_bytes = |kind: &Type, raw: &[u8]| of_bytes(kind, Raw(Some(raw.to_vec())));
    assert_eq!((of_text(Some(&Type::BOOL), Some("t")), of_bytes(&Type::BOOL, &[1])), ("true".to_owned(), "true".to_owned()));
    assert_eq!(
        (of_text(Some(&Type::FLOAT8), Some("80")), of_bytes(&Type::FLOAT8, &80_f64.to_be_bytes())),
        ("80.0".to_owned(), "80.0".to_owned())
    );
    let at = 631_152_000_000_000_i64.to_be_bytes();
    assert_eq!(of_bytes(&Type::TIMESTAMP, &at), of_text(Some(&Type::TIMESTAMP), Some("2020-01-01 00:00:00")));
    assert_eq!(of_bytes(&Type::DATE, &(-7_244_i32).to_be_bytes()), "1980-03-02");
    let twelve_million = [0, 2, 0, 1, 0, 0, 0, 0, 4, 176, 0, 7];
    assert_eq!(of_bytes(&Type::NUMERIC, &twelve_million), "12000007");
    assert_eq!(of_bytes(&Type::NUMERIC, &[0, 0, 0, 0, 0, 0, 0, 0]), "0");
    let list = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255];
    assert_eq!(of_bytes(&Type::INT8_ARRAY, &list), "[1, NULL]");
    assert_eq!(of_text(Some(&Type::INT8_ARRAY), Some("{1,NULL}")), "[1, NULL]");
    assert_eq!((of_text(None, Some("")), of_text(None, None)), ("(empty)".to_owned(), "NULL".to_owned()));
}
