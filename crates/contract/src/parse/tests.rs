use chrono::{Datelike, NaiveDate};
use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::parse::pattern::Pattern;
use crate::parse::time_format::TimeFormat;
use crate::testing::cases;

fn decimal_text() -> impl Strategy<Value = String> {
    "-?[0-9]{1,22}(\\.[0-9]{1,22})?"
}

proptest! {
    #![proptest_config(cases(2_000))]

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
            // Whole numbers past 2^53 are written without an exponent by neither of these.
            prop_assert_eq!(read.map(f64::to_bits), Ok(value.to_bits()), "{}", text);
        }
    }

    #[test]
    fn a_decimal_text_is_rounded_as_std_rounds(text in decimal_text()) {
        let digits = text.trim_start_matches('-');
        let padded = digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        match number::double(text.as_bytes()) {
            Ok(value) => prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits()),
            Err(Rule::Precision) => prop_assert!(text.parse::<f64>().unwrap().abs() > 4e15),
            Err(rule) => prop_assert!(padded && rule == Rule::Type),
        }
    }

    #[test]
    fn a_float_says_what_its_text_says_in_exact_arithmetic(
        digits in prop_oneof![0u64..1 << 56, (1u64 << 52) - 40..(1 << 52) + 40, (1u64 << 53) - 40..(1 << 53) + 40, (1u64 << 24) - 9..(1 << 24) + 9, any::<u64>(), 0u64..1000],
        zeros in 0u32..8,
        point in 0usize..28,
        exponent in prop::option::of(-20i32..20),
        negative: bool,
    ) {
        // The number is digits × 10^(zeros + exponent - point), written with a point and perhaps an exponent.
        let mantissa = u128::from(digits) * 10u128.pow(zeros);
        let shown = format!("{mantissa:0width$}", width = point + 1);
        let (whole, fraction) = shown.split_at(shown.len() - point);
        let text = format!(
            "{}{whole}{}{fraction}{}",
            if negative { "-" } else { "" },
            if point > 0 { "." } else { "" },
            exponent.map(|exponent| format!("e{exponent}")).unwrap_or_default(),
        );
        let (double, single): (f64, f32) = (text.parse().unwrap(), text.parse().unwrap());
        // Beyond, 128 bits do not hold the number.
        prop_assume!(double.abs() < 1e38);
        let power = exponent.unwrap_or(0) - i32::try_from(point).unwrap();
        let number = match u32::try_from(power) {
            Ok(power) => Some(mantissa * 10u128.pow(power)),
            Err(_) if mantissa == 0 => Some(0),
            Err(_) => 10u128.checked_pow(power.unsigned_abs()).filter(|by| mantissa.is_multiple_of(*by)).map(|by| mantissa / by),
        };
        let wanted = |value: f64, shortest: String, fraction_max: f64| match number {
            Some(0) => Ok(()),
            _ if value == 0.0 => Err(Rule::TypeRange),
            Some(number) => {
                let held = value.abs() as u128;
                let significant = number.to_string().trim_end_matches('0').len();
                // The double, rounded to as many digits as the text has; half to even.
                let cut = 10u128.pow(u32::try_from(held.to_string().len().saturating_sub(significant)).unwrap());
                let (down, rest) = (held / cut, held % cut);
                let rounded = if rest * 2 > cut || (rest * 2 == cut && down % 2 == 1) { down + 1 } else { down } * cut;
                let (mantissa, exponent) = shortest.trim_start_matches('-').split_once('e').unwrap();
                let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len());
                let named = mantissa.replace('.', "").parse::<u128>().unwrap() * 10u128.pow(exponent.parse::<u32>().unwrap() - u32::try_from(places).unwrap());
                let back = text.contains('e') && significant <= 17 && (rounded == number || named == number);
                if held == number || back { Ok(()) } else { Err(Rule::Precision) }
            }
            None if value.abs() < fraction_max => Ok(()),
            None => Err(Rule::Precision),
        };
        let expected = wanted(double, format!("{double:e}"), 4_503_599_627_370_496.0).map(|()| double.to_bits());
        prop_assert_eq!(number::double(text.as_bytes()).map(f64::to_bits), expected, "{}", text);
        let expected = wanted(f64::from(single), format!("{single:e}"), 8_388_608.0).map(|()| single.to_bits());
        prop_assert_eq!(number::single(text.as_bytes()).map(f32::to_bits), expected, "{}", text);
    }

    #[test]
    fn any_float_comes_back_from_what_programs_write(bits: u64) {
        let (double, single) = (f64::from_bits(bits), f32::from_bits(u32::try_from(bits >> 32).unwrap()));
        prop_assume!(double.is_finite() && single.is_finite());
        // C's %.16e, and the shortest form of each.
        for text in [format!("{double:.16e}"), format!("{double:e}")] {
            prop_assert_eq!(number::double(text.as_bytes()).map(f64::to_bits), Ok(double.to_bits()), "{}", text);
        }
        for text in [format!("{single:.8e}"), format!("{single:e}")] {
            prop_assert_eq!(number::single(text.as_bytes()).map(f32::to_bits), Ok(single.to_bits()), "{}", text);
        }
    }

    #[test]
    fn a_large_whole_number_is_read_in_any_spelling_and_its_neighbour_in_none(fraction in 0u64..1 << 52, binary in 54u64..1023, point in 0usize..400, change in 0usize..300) {
        let value = f64::from_bits(((1023 + binary) << 52) | fraction);
        let digits = format!("{value:.0}");
        let spell = |digits: &str| {
            let (whole, rest) = digits.split_at(digits.len() - point.min(digits.len() - 1));
            format!("{whole}.{rest}0e{}", rest.len())
        };
        prop_assert_eq!(number::double(spell(&digits).as_bytes()), Ok(value));
        prop_assert_eq!(number::double(digits.as_bytes()), Ok(value));
        let mut other = digits.clone().into_bytes();
        let at = other.len() - 1 - change.min(other.len() - 2);
        other[at] = if other[at] == b'9' { b'8' } else { other[at] + 1 };
        let other = String::from_utf8(other).unwrap();
        let is_double = format!("{:.0}", other.parse::<f64>().unwrap()) == other;
        prop_assert_eq!(number::double(other.as_bytes()).is_ok(), is_double);
        // With fewer digits and an exponent it would be the name of a double.
        if other.trim_end_matches('0').len() > 17 {
            prop_assert_eq!(number::double(spell(&other).as_bytes()).is_ok(), is_double);
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

#[test]
fn a_float_that_its_text_does_not_say_is_refused() {
    for text in [
        "9007199254740993",
        "9007199254740993.0",
        "9007199254740993e0",
        "90071992547409930e-1",
        "-9007199254740993.000",
        "9007199254740993.5",
        "4503599627370496.5",
        "100000000000000000000000",
        "100000000000000000000000.0",
        "9.007199254740993e15",
    ] {
        assert_eq!(number::double(text.as_bytes()), Err(Rule::Precision), "{text}");
    }
    for text in ["1e-400", "-1e-400", "0.0001e-330", "1e400", "-1e400", "1e999999999999999999999", "1e-999999999999999999999"] {
        assert_eq!(number::double(text.as_bytes()), Err(Rule::TypeRange), "{text}");
    }
    for text in ["16777217", "16777217.0", "1.6777217e7", "16777216.5", "8388608.5"] {
        assert_eq!(number::single(text.as_bytes()), Err(Rule::Precision), "{text}");
    }
    for text in ["1e-50", "1e39", "1e-999999999999999999999"] {
        assert_eq!(number::single(text.as_bytes()), Err(Rule::TypeRange), "{text}");
    }
    for (text, value) in [
        ("9007199254740992.0", 9_007_199_254_740_992.0),
        ("90071992547409920e-1", 9_007_199_254_740_992.0),
        ("1e22", 1e22),
        ("1e23", 1e23),
        ("6.02214076e23", 6.022_140_76e23),
        ("4503599627370495.5", 4_503_599_627_370_495.5),
        ("5e-324", 5e-324),
        ("0e999999999999999999999", 0.0),
        ("0.0e-999999999999999999999", 0.0),
    ] {
        assert_eq!(number::double(text.as_bytes()), Ok(value), "{text}");
    }
    assert_eq!(number::double(b"-0e99999999999").map(f64::to_bits), Ok((-0.0f64).to_bits()));
}

#[test]
fn hostile_exponents_cost_nothing_and_deceive_nobody() {
    let zeros = "0".repeat(700_000);
    // The standard library takes this exponent for 70000.
    assert_eq!(number::double(format!("0.{zeros}15e700001").as_bytes()), Ok(1.5));
    assert_eq!(number::double(format!("1{zeros}e-700000").as_bytes()), Ok(1.0));
    assert_eq!(number::double(format!("15{zeros}e-700001").as_bytes()), Ok(1.5));
    let shorter = "0".repeat(70_000);
    assert_eq!(number::double(format!("15{shorter}e-700000").as_bytes()), Err(Rule::TypeRange));
    assert_eq!(number::double(format!("0.{shorter}15e700000").as_bytes()), Err(Rule::TypeRange));
}
