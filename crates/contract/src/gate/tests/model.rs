//! The gate against a model that takes one row at a time and knows only other people's parsers.

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::testing::{cases, gate};

const PROPERTIES: [&str; 6] = [
    "{name: id, logicalType: integer, required: true, logicalTypeOptions: {format: i64, minimum: -5, maximum: 1000}}",
    "{name: price, logicalType: number, physicalType: 'decimal(6,2)', logicalTypeOptions: {exclusiveMaximum: 500}}",
    "{name: ratio, logicalType: number, logicalTypeOptions: {minimum: -1, maximum: 1}}",
    "{name: day, logicalType: date, logicalTypeOptions: {minimum: \"2000-01-01\"}}",
    "{name: at, logicalType: timestamp, logicalTypeOptions: {timezone: true}}",
    "{name: code, logicalType: string, logicalTypeOptions: {maxLength: 4, pattern: \"N[0-9a-é]{1,4}\"}}",
];

/// The value as text, or why it is refused in words of the model alone.
fn judge(column: usize, cell: &str) -> Result<Option<String>, ()> {
    let no_padding = |text: &str| Regex::new(r"\A-?(0|[1-9][0-9]*)([.eE].*)?\z").unwrap().is_match(text);
    if cell == "NA" {
        return if column == 0 { Err(()) } else { Ok(None) };
    }
    let value = match column {
        0 => {
            let value: i64 = cell.parse().map_err(|_| ())?;
            let plain = Regex::new(r"\A-?[0-9]+\z").unwrap().is_match(cell) && no_padding(cell);
            if !plain || !(-5..=1000).contains(&value) {
                return Err(());
            }
            value.to_string()
        }
        1 => {
            let form = Regex::new(r"\A(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?\z").unwrap();
            let parts = form.captures(cell).ok_or(())?;
            let fraction = parts.get(3).map_or("", |part| part.as_str());
            let (kept, beyond) = fraction.split_at(fraction.len().min(2));
            if beyond.chars().any(|c| c != '0') {
                return Err(());
            }
            let unscaled: i128 = format!("{}{}{kept:0<2}", &parts[1], &parts[2]).parse().map_err(|_| ())?;
            if unscaled.abs() >= 1_000_000 || unscaled >= 50_000 {
                return Err(());
            }
            let sign = if unscaled < 0 { "-" } else { "" };
            format!("{sign}{}.{:02}", unscaled.abs() / 100, unscaled.abs() % 100)
        }
        2 => {
            let plain = Regex::new(r"\A-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\z").unwrap().is_match(cell) && no_padding(cell);
            let value: f64 = cell.parse().map_err(|_| ())?;
            if !plain || !(-1.0..=1.0).contains(&value) {
                return Err(());
            }
            format!("{value:?}")
        }
        3 => {
            let day = NaiveDate::parse_from_str(cell, "%Y-%m-%d").map_err(|_| ())?;
            // chrono takes dates without padding; the contract does not.
            if cell.len() != 10 || day < NaiveDate::from_ymd_opt(2000, 1, 1).unwrap() {
                return Err(());
            }
            day.to_string()
        }
        4 => {
            let at = DateTime::parse_from_rfc3339(cell).map_err(|_| ())?;
            // No place on earth is more than 18 hours from UTC.
            if at.offset().local_minus_utc().abs() > 18 * 3600 {
                return Err(());
            }
            if cell.contains(['t', 'z', '_']) || at.timestamp_subsec_nanos() % 1000 != 0 || cell.contains(":60") {
                return Err(());
            }
            at.timestamp_micros().to_string()
        }
        _ => {
            if cell.chars().count() > 4 || !Regex::new(r"\A(?:N[0-9a-é]{1,4})\z").unwrap().is_match(cell) {
                return Err(());
            }
            cell.to_owned()
        }
    };
    Ok(Some(value))
}

fn shown(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column);
    (!array.is_null(row)).then(|| match column {
        2 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        4 => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
        _ => array_value_to_string(array, row).unwrap(),
    })
}

fn cell(column: usize) -> BoxedStrategy<String> {
    let good = match column {
        0 => "-?[0-9]{1,4}".boxed(),
        1 => "-?[0-9]{1,4}(\\.[0-9]{1,3})?".boxed(),
        2 => "-?[01]\\.[0-9]{1,20}|[0-9]{1,3}[eE]-?[0-9]{1,2}".boxed(),
        3 => "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])".boxed(),
        4 => "20[0-9]{2}-0[1-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]1[0-9]:[0-5][0-9])".boxed(),
        _ => "N[0-9a-é]{0,5}".boxed(),
    };
    prop_oneof![8 => good, 1 => Just("NA".to_owned()), 1 => "[-+.0-9eETZN:é ]{0,12}"].boxed()
}

fn row() -> impl Strategy<Value = Vec<String>> {
    (0..PROPERTIES.len()).map(cell).collect::<Vec<_>>()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn the_gate_agrees_with_the_model(rows in proptest::collection::vec(row(), 0..40), start in 0u64..1000) {
        let gate = gate(&PROPERTIES, &["NA"]);
        let columns = (0..PROPERTIES.len()).map(|column| {
            csv(&rows.iter().map(|row| row[column].as_str()).collect::<Vec<_>>())
        });
        let checked = gate.check(batch(columns.collect(), start)).unwrap();
        let mut admitted = Vec::new();
        let mut refused = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let judged: Vec<_> = row.iter().enumerate().map(|(column, cell)| judge(column, cell)).collect();
            // A risk in the text is told before any other rule.
            let risk = (row[5] != "NA" && !crate::inspect::of_text(&row[5]).is_empty()).then_some(5);
            match risk.or(judged.iter().position(Result::is_err)) {
                Some(column) => refused.push((start + place as u64, column)),
                None => admitted.push((start + place as u64, judged.into_iter().map(Result::unwrap).collect::<Vec<_>>())),
            }
        }
        let names = ["id", "price", "ratio", "day", "at", "code"];
        let told: Vec<_> = checked.rejections.iter()
            .map(|r| (r.ordinal, names.iter().position(|name| r.column.as_deref() == Some(name)).unwrap()))
            .collect();
        prop_assert_eq!(told, refused);
        let places = checked.admitted.ordinals().iter().cloned().flatten();
        let kept: Vec<_> = places.enumerate()
            .map(|(row, place)| (place, (0..PROPERTIES.len()).map(|column| shown(checked.admitted.batch(), column, row)).collect::<Vec<_>>()))
            .collect();
        prop_assert_eq!(kept, admitted);
    }
}
