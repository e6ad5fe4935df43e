//! A spreadsheet's value as the text that a CSV file would hold.

use calamine::{CellErrorType, Data, DataRef, ExcelDateTime, ExcelDateTimeType};
use polder_contract::ColumnType;

/// The day after the last of 9999, in the system that begins with 1900; and how many days later the other system begins.
const END_DAY: f64 = 2_958_466.0;
const DAYS_BETWEEN_SYSTEMS: f64 = 1462.0;

/// A cell's value, whichever format it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// `#N/A` and others of its kind.
    Error(&'static str),
    Moment(ExcelDateTime),
}

impl Value {
    /// Whether there is a value, without a copy of it.
    pub(super) fn fills_ref(value: &DataRef<'_>) -> bool {
        match value {
            DataRef::Empty => false,
            DataRef::String(text) => !text.is_empty(),
            _ => true,
        }
    }

    pub(super) fn fills(value: &Data) -> bool {
        match value {
            Data::Empty => false,
            Data::String(text) => !text.is_empty(),
            _ => true,
        }
    }

    /// How many bytes are held on the heap for it.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Error(_) | Self::Moment(_) => 0,
        }
    }

    /// None for an empty cell, or one whose own text is empty: such a cell fills no row.
    pub(super) fn of_ref(value: &DataRef<'_>) -> Option<Self> {
        Some(match value {
            DataRef::Empty => return None,
            DataRef::String(text) if text.is_empty() => return None,
            DataRef::Int(number) => Self::Text(number.to_string()),
            DataRef::Float(number) => Self::Text(number_text(*number)),
            DataRef::String(text) => Self::Text(text.clone()),
            DataRef::SharedString(text) => Self::Text((*text).to_owned()),
            DataRef::Bool(flag) => Self::Text(flag.to_string()),
            DataRef::DateTime(moment) => Self::Moment(*moment),
            DataRef::DateTimeIso(text) => Self::Text(iso(text)),
            DataRef::DurationIso(text) => Self::Text(duration_iso(text)),
            DataRef::Error(error) => Self::Error(error_text(error)),
        })
    }

    pub(super) fn of(value: &Data) -> Option<Self> {
        Some(match value {
            Data::Empty => return None,
            Data::String(text) if text.is_empty() => return None,
            Data::Int(number) => Self::Text(number.to_string()),
            Data::Float(number) => Self::Text(number_text(*number)),
            Data::String(text) => Self::Text(text.clone()),
            Data::Bool(flag) => Self::Text(flag.to_string()),
            Data::DateTime(moment) => Self::Moment(*moment),
            Data::DateTimeIso(text) => Self::Text(iso(text)),
            Data::DurationIso(text) => Self::Text(duration_iso(text)),
            Data::Error(error) => Self::Error(error_text(error)),
        })
    }

    /// The text for a column of that type; none for an error.
    pub(super) fn text(&self, wanted: Option<ColumnType>) -> Option<String> {
        match self {
            Self::Text(text) => Some(dated(text, wanted)),
            Self::Error(_) => None,
            Self::Moment(moment) => Some(moment_text(*moment, wanted)),
        }
    }
}

/// The shortest decimal that is the number: as Excel shows a general cell, but with all its digits.
fn number_text(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        "0".to_owned()
    } else if (1e-5..1e17).contains(&size) || !size.is_finite() {
        format!("{number}")
    } else {
        format!("{number:e}")
    }
}

fn error_text(error: &CellErrorType) -> &'static str {
    match error {
        CellErrorType::Div0 => "#DIV/0!",
        CellErrorType::NA => "#N/A",
        CellErrorType::Name => "#NAME?",
        CellErrorType::Null => "#NULL!",
        CellErrorType::Num => "#NUM!",
        CellErrorType::Ref => "#REF!",
        CellErrorType::Value => "#VALUE!",
        _ => "#ERROR!",
    }
}

/// A serial number of days as a date, a time or both. Midnight shows as a date, unless the column is of moments.
fn moment_text(moment: ExcelDateTime, wanted: Option<ColumnType>) -> String {
    let days = moment.as_f64();
    let kind = if moment.is_duration() { ExcelDateTimeType::TimeDelta } else { ExcelDateTimeType::DateTime };
    // The decoder does not say which system of dates it is.
    let is_1904 = moment == ExcelDateTime::new(days, kind, true);
    let end = if is_1904 { END_DAY - DAYS_BETWEEN_SYSTEMS } else { END_DAY };
    // What no calendar has stays a number, which the gate refuses in a column of dates.
    if !(0.0..end).contains(&days) {
        return number_text(days);
    }
    // As does a time without a day, such as the 0 that a formula stores for an empty cell: the first day of 1900 has the number 1.
    let dayless = moment.is_duration() || (days < 1.0 && !is_1904);
    if dayless && matches!(wanted, Some(ColumnType::Date | ColumnType::Timestamp { .. })) {
        return number_text(days);
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    let time = || {
        let fraction = if milli > 0 { format!(".{milli:03}") } else { String::new() };
        format!("{hour:02}:{minute:02}:{second:02}{fraction}")
    };
    if moment.is_duration() && days >= 1.0 {
        return number_text(days);
    }
    let date = || format!("{year:04}-{month:02}-{day:02}");
    let midnight = (hour, minute, second, milli) == (0, 0, 0, 0);
    match wanted {
        Some(ColumnType::Timestamp { .. }) => format!("{}T{}", date(), time()),
        _ if moment.is_duration() || (days < 1.0 && wanted != Some(ColumnType::Date)) => time(),
        _ if midnight => date(),
        _ => format!("{}T{}", date(), time()),
    }
}

/// A date for a column of moments is its midnight.
fn dated(text: &str, wanted: Option<ColumnType>) -> String {
    let is_date = text.len() == 10 && text.as_bytes().get(4) == Some(&b'-') && text.as_bytes().get(7) == Some(&b'-');
    if is_date && matches!(wanted, Some(ColumnType::Timestamp { .. })) { format!("{text}T00:00:00") } else { text.to_owned() }
}

/// OpenDocument writes a date, or a date and a time with a fraction that may be zero.
fn iso(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => text.to_owned(),
    }
}

/// `PT10H30M00S` as a time of day, where it is one.
fn duration_iso(text: &str) -> String {
    let parts = || {
        let rest = text.strip_prefix("PT")?;
        let (hours, rest) = rest.split_once('H')?;
        let (minutes, rest) = rest.split_once('M')?;
        let seconds = rest.strip_suffix('S')?;
        let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let (whole, fraction) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
        let whole: u32 = whole.parse().ok()?;
        let fraction = fraction.trim_end_matches('0');
        let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
        (hours < 24 && minutes < 60 && whole < 60).then(|| format!("{hours:02}:{minutes:02}:{whole:02}{fraction}"))
    };
    parts().unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_texts_that_a_csv_file_would_hold() {
        for (number, text) in
            [(3.0, "3"), (-0.0, "0"), (0.1, "0.1"), (1e300, "1e300"), (1e-9, "1e-9"), (9_007_199_254_740_992.0, "9007199254740992")]
        {
            assert_eq!(Value::of(&Data::Float(number)), Some(Value::Text(text.to_owned())));
        }
        assert_eq!(Value::of(&Data::Bool(true)), Some(Value::Text("true".to_owned())));
        assert_eq!(Value::of(&Data::String(String::new())), None);
        assert_eq!(Value::of(&Data::Error(CellErrorType::NA)).unwrap().text(None), None);
        for (text, time) in
            [("PT10H30M05S", "10:30:05"), ("PT00H00M00.250S", "00:00:00.25"), ("PT30H00M00S", "PT30H00M00S"), ("P1D", "P1D")]
        {
            assert_eq!(duration_iso(text), time);
        }
    }

    #[test]
    fn moments_are_dates_times_or_both() {
        let text = |days, kind, is_1904, wanted| moment_text(ExcelDateTime::new(days, kind, is_1904), wanted);
        let date = ExcelDateTimeType::DateTime;
        let moment = Some(ColumnType::Timestamp { zone: false });
        assert_eq!(text(45943.0, date, false, None), "2025-10-13");
        assert_eq!(text(45943.0, date, false, moment), "2025-10-13T00:00:00");
        assert_eq!(text(45943.541, date, false, None), "2025-10-13T12:59:02.400");
        assert_eq!(text(44481.0, date, true, None), "2025-10-13");
        assert_eq!(text(0.5, date, false, None), "12:00:00");
        assert_eq!(text(0.5, ExcelDateTimeType::TimeDelta, false, None), "12:00:00");
        assert_eq!(text(1.5, ExcelDateTimeType::TimeDelta, false, None), "1.5");
        // Excel's own calendar has a day that never was.
        assert_eq!(text(60.0, date, false, None), "1900-02-29");
        assert_eq!(text(-1.0, date, false, None), "-1");
        assert_eq!(text(3e9, date, false, None), "3000000000");
        // A time alone is no date and no moment; in the later system its first day has the number 0.
        for wanted in [Some(ColumnType::Date), moment] {
            assert_eq!(text(0.0, date, false, wanted), "0");
            assert_eq!(text(0.5, date, false, wanted), "0.5");
            assert_eq!(text(0.5, ExcelDateTimeType::TimeDelta, true, wanted), "0.5");
        }
        assert_eq!(text(0.0, date, true, Some(ColumnType::Date)), "1904-01-01");
        assert_eq!(text(1.0, date, false, Some(ColumnType::Date)), "1900-01-01");
        assert_eq!(text(2_957_003.0, date, true, None), "9999-12-31");
        assert_eq!(text(2_957_004.0, date, true, None), "2957004");
        assert_eq!(text(2_958_465.0, date, false, None), "9999-12-31");
    }
}
