use chrono::{Datelike, NaiveDate};
use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::parse::pattern::Pattern;
use crate::parse::time_format::TimeFormat;

fn decimal_text() -> impl Strategy<Value = String> {
    "-?[0-9]{1,22}(\\.[0-9]{1,22})?"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_integer_comes_back(value: i64) {
        prop_assert_eq!(number::integer(value.to_string().as_bytes()), Ok(value));
    }

    #[test]
    fn what_looks_like_an_integer_is_what_std_says(text in "-?[0-9]{1,25}") {
        let padded = text.trim_start_matches('-').len() > 1 && text.trim_start_matches('-').starts_with('0');
        let wanted = text.parse::<i64>().ok().filter(|_| !padded);
        prop_assert_eq!(number::integer(text.as_bytes()).ok(), wanted);
    }

    #[test]
    fn no_other_bytes_are_an_integer(bytes: Vec<u8>) {
        let plain = Regex::new(r"\A-?(0|[1-9][0-9]*)\z").unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(plain.is_match(&text) || number::integer(&bytes).is_err());
    }

    #[test]
    fn any_double_comes_back(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        for text in [format!("{value:e}"), format!("{value:?}")] {
            let read = number::double(text.as_bytes());
            // Whole numbers past 2^53 are written without a point by neither of these.
            prop_assert_eq!(read.map(f64::to_bits), Ok(value.to_bits()), "{}", text);
        }
    }

    #[test]
    fn a_decimal_text_is_rounded_as_std_rounds(text in decimal_text()) {
        let digits = text.trim_start_matches('-');
        let padded = digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        match number::double(text.as_bytes()) {
            Ok(value) => prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits()),
            Err(Rule::Precision) => prop_assert!(!text.contains('.') && text.parse::<f64>().unwrap().abs() > 9e15),
            Err(rule) => prop_assert!(padded && rule == Rule::Type),
        }
    }

    #[test]
    fn a_decimal_is_what_its_digits_say(text in decimal_text(), scale in 0u8..20, extra in 0u8..18) {
        let precision = (scale + extra).max(1);
        let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let padded = whole.len() > 1 && whole.starts_with('0');
        let places = usize::from(scale);
        let (kept, beyond) = fraction.split_at(fraction.len().min(places));
        let unscaled = format!("{whole}{kept:0<places$}").parse::<i128>().ok().filter(|value| *value < 10i128.pow(u32::from(precision)));
        let wanted = unscaled.filter(|_| !padded && beyond.chars().all(|c| c == '0')).map(|value| if negative { -value } else { value });
        prop_assert_eq!(number::decimal(text.as_bytes(), precision, scale).ok(), wanted);
    }

    #[test]
    fn every_day_is_chronos_day(days in -719_162i32..2_932_896) {
        let day = NaiveDate::default() + chrono::Days::new(0) + chrono::TimeDelta::days(i64::from(days));
        prop_assert!((1..=9999).contains(&day.year()));
        let text = day.format("%Y-%m-%d").to_string();
        prop_assert_eq!(calendar::date(text.as_bytes()), Ok(days));
    }

    #[test]
    fn what_is_no_day_for_chrono_is_none_for_us(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}") {
        let wanted = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().filter(|day| day.year() > 0);
        prop_assert_eq!(calendar::date(text.as_bytes()).is_ok(), wanted.is_some());
    }

    #[test]
    fn a_format_reads_what_it_describes(text in "[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}") {
        let format = TimeFormat::compile("d/M/yyyy").unwrap();
        let mut parts = text.split('/').map(|part| part.parse::<u32>().unwrap());
        let (day, month, year) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let wanted = NaiveDate::from_ymd_opt(year as i32, month, day).filter(|_| year > 0).map(|day| day.signed_duration_since(NaiveDate::default()).num_days());
        prop_assert_eq!(format.parse(text.as_bytes()).ok().map(|(days, _, _)| i64::from(days)), wanted);
    }

    #[test]
    fn eight_digits_at_once_read_what_one_by_one_reads(before in "[0-9.\\-x]{0,9}", text in "-?[0-9]{0,12}|[0-9]{0,9}\\.[0-9]{0,7}|.{0,12}", precision in 1u8..19, scale in 0u8..8) {
        // What stands before the cell must not matter.
        let (before, cell) = (before.as_bytes(), text.as_bytes());
        let line = [&[b'z'; 8], before, cell].concat();
        let tail = u64::from_le_bytes(line[line.len() - 8..].try_into().unwrap());
        prop_assert_eq!(number::integer_of(cell, tail), number::integer(cell));
        prop_assert_eq!(number::integer_of(cell, swar::tail_of(cell)), number::integer(cell));
        let scale = scale.min(precision);
        let wanted = number::decimal(cell, precision, scale).map(|value| i64::try_from(value).unwrap());
        prop_assert_eq!(number::decimal_of(cell, tail, precision, scale), wanted);
    }

    #[test]
    fn a_date_at_once_is_the_date(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9\\-:/]{8,12}|(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]", before in "[0-9]{0,8}") {
        let line = [before.as_bytes(), text.as_bytes()].concat();
        let tail = u64::from_le_bytes(line[line.len() - 8..].try_into().unwrap());
        prop_assert_eq!(calendar::date_of(text.as_bytes(), tail), calendar::date(text.as_bytes()));
    }

    #[test]
    fn simple_patterns_match_as_the_regex_does(
        pattern in prop::sample::select(vec![
            "^[A-Z0-9]{2}$", "^N[0-9][0-9A-Z]{1,4}$", "(EWR|JFK|LGA)", "a*b", "[a-c]+", "a{2,3}bc", "x?", "(a)(b)", "^ab", "cd$", "a|b", "", "[a-z]{0,2}9",
            "(ab|a)b", "(?i)ewr", "aé", "a.c", "\\d{2}", "[[:alpha:]]{1,2}-", "a$b", "(^a|b)c", "a+b+", "ab?c",
        ]),
        text in "[abcxzABNEWRJFKLGé0-9\\-\n]{0,6}",
    ) {
        let reference = Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
        prop_assert_eq!(Pattern::compile(pattern).unwrap().matches(text.as_bytes()), reference.is_match(&text));
    }
}

#[test]
fn common_patterns_need_no_automaton() {
    for pattern in ["^[A-Z0-9]{2}$", "^N[0-9][0-9A-Z]{1,4}$", "^(EWR|JFK|LGA)$", "[A-Z]{3}", "(RAIL|SHIP|AIR)", "[A-Z]+"] {
        assert!(!Pattern::compile(pattern).unwrap().is_regex(), "{pattern}");
    }
    for pattern in ["a+b+", ".*", "\\w+", "(a|b)*"] {
        assert!(Pattern::compile(pattern).unwrap().is_regex(), "{pattern}");
    }
}

#[test]
fn formats_that_have_two_readings_are_refused() {
    for format in ["yy-MM-dd", "MMM d yyyy", "hh:mm a", "yyyy-MM", "HH", "yyyy-MM-dd yyyy", "'open", "dd", "QQQ", "HH:mm:ss:HH"] {
        assert!(TimeFormat::compile(format).is_err(), "{format}");
    }
}
