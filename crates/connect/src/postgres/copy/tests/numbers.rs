//! Numbers and days against readers and writers of their own.

use super::*;

/// A number as the server sends it, from its text.
fn sent(text: &str) -> Vec<u8> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // Groups of four on both sides of the point.
    let padded = format!("{}{whole}{fraction}{}", "0".repeat((4 - whole.len() % 4) % 4), "0".repeat((4 - fraction.len() % 4) % 4));
    let mut groups: Vec<u16> = padded.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap().parse().unwrap()).collect();
    let mut weight = i16::try_from(whole.len().div_ceil(4)).unwrap() - 1;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let head = [
        u16::try_from(groups.len()).unwrap(),
        weight.cast_unsigned(),
        if negative { 0x4000 } else { 0 },
        u16::try_from(fraction.len()).unwrap(),
    ];
    head.iter().chain(&groups).flat_map(|word| word.to_be_bytes()).collect()
}

/// The number at a scale, by its digits; none where digits are lost or too many.
fn counted(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (kept, lost) = fraction.split_at(fraction.len().min(scale.into()));
    if lost.chars().any(|digit| digit != '0') {
        return None;
    }
    let digits = format!("{whole}{kept:0<width$}", width = usize::from(scale));
    let significant = digits.trim_start_matches(['-', '0']);
    if significant.len() > usize::from(precision) { None } else { Some(digits.parse().unwrap()) }
}

fn written(value: &[u8]) -> String {
    let mut out = Vec::new();
    numeric::write(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn unscaled_text(value: i128, scale: u8) -> String {
    let mut out = Vec::new();
    numeric::write_unscaled(value, scale, &mut out);
    String::from_utf8(out).unwrap()
}

/// The test's own encoder is the server's.
#[test]
fn numbers_are_sent_as_the_server_sends_them() {
    let mut seen = 0;
    for Golden { column, streams } in golden().into_iter().filter(|golden| golden.column.oid == 1700) {
        let stream = streams.iter().find(|stream| stream.select.is_none()).unwrap();
        for (row, text) in fields_of(&stream.bytes).iter().zip(&stream.texts) {
            let Some(text) = text.as_ref().filter(|text| !text.contains(['N', 'I'])) else { continue };
            assert_eq!(row[0].as_ref().unwrap(), &sent(text), "{} {text}", column.type_name);
            seen += 1;
        }
    }
    assert!(seen > 40);
}

/// What of a number's digits is where: few groups and many, on both sides of the point.
fn number() -> impl Strategy<Value = String> {
    let digits = |max: usize| prop::collection::vec(prop_oneof![Just('0'), Just('9'), prop::char::range('0', '9')], 0..max);
    (any::<bool>(), digits(42), digits(42)).prop_map(|(negative, whole, fraction)| {
        let whole = String::from_iter(whole);
        let (whole, fraction) = (whole.trim_start_matches('0'), String::from_iter(fraction));
        let zero = whole.is_empty() && fraction.chars().all(|digit| digit == '0');
        let sign = if negative && !zero { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{fraction}", if whole.is_empty() { "0" } else { whole })
    })
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn a_number_is_its_digits_or_nothing(text in number(), precision in 1u8..=38, scale in 0u8..=38) {
        let scale = scale.min(precision);
        let value = sent(&text);
        prop_assert_eq!(written(&value), text.clone());
        let unscaled = numeric::Digits::new(precision, scale).unscaled(&value).unwrap();
        prop_assert_eq!(unscaled, counted(&text, precision, scale));
        if let Some(unscaled) = unscaled {
            prop_assert_eq!(unscaled_text(unscaled, scale), short(&text));
        }
        // Widest, nothing is refused but for what is there.
        prop_assert_eq!(numeric::Digits::new(38, scale).unscaled(&value).unwrap(), counted(&text, 38, scale));
    }

    #[test]
    fn zeros_that_no_server_sends_change_no_number(text in number(), before in 0usize..12, after in 0usize..12, scale in 0u8..=10) {
        let mut value = sent(&text);
        let groups = (value.len() - 8) / 2;
        value.splice(8..8, vec![0; 2 * before]);
        value.extend(vec![0; 2 * after]);
        let weight = i16::from_be_bytes([value[2], value[3]]) + i16::try_from(before).unwrap();
        value[0..2].copy_from_slice(&u16::try_from(groups + before + after).unwrap().to_be_bytes());
        value[2..4].copy_from_slice(&weight.to_be_bytes());
        prop_assert_eq!(numeric::Digits::new(38, scale).unscaled(&value).unwrap(), counted(&text, 38, scale));
        prop_assert_eq!(written(&value), text);
    }

    #[test]
    fn any_bytes_are_a_number_or_none(head in any::<[u8; 8]>(), groups in prop::collection::vec(any::<u16>(), 0..14), fits in any::<bool>()) {
        let mut value = head.to_vec();
        if fits {
            value[0..2].copy_from_slice(&u16::try_from(groups.len()).unwrap().to_be_bytes());
            value[4] &= 0x40;
            value[5] = 0;
            value[6] &= 0x3f;
        }
        value.extend(groups.iter().flat_map(|group| (group % if fits { 10_000 } else { u16::MAX }).to_be_bytes()));
        let mut out = Vec::new();
        let (unscaled, written) = (numeric::Digits::new(38, 10).unscaled(&value), numeric::write(&value, &mut out));
        // Only digits that are not shown tell them apart.
        prop_assert!(unscaled.is_ok() || written.is_err());
        prop_assert!(out.len() <= 150_000);
        prop_assert!(!fits || unscaled.is_ok());
    }

    #[test]
    fn days_and_moments_are_those_of_the_calendar(days in -90_000_000i32..90_000_000, micros in any::<i64>(), zone in any::<bool>()) {
        use chrono::{Datelike, NaiveDate, TimeDelta, Timelike};
        let start = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();
        let shown = |day: NaiveDate| {
            let (before, year) = day.year_ce();
            (format!("{year:04}-{:02}-{:02}", day.month(), day.day()), if before { "" } else { " BC" })
        };
        let mut out = Vec::new();
        text::write_any_date(days, &mut out);
        let day = start.checked_add_signed(TimeDelta::days(days.into())).unwrap();
        let (date, era) = shown(day);
        prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{date}{era}"));
        prop_assert_eq!(text::known_day(days).is_some(), (1..=9999).contains(&day.year()));
        // Within what chrono can show.
        let micros = micros / 2;
        let moment = start.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::microseconds(micros);
        let mut out = Vec::new();
        text::write_any_timestamp(micros, zone, &mut out);
        let (date, era) = shown(moment.date());
        let clock = short(&format!("{:02}:{:02}:{:02}.{:06}", moment.hour(), moment.minute(), moment.second(), moment.nanosecond() / 1000));
        prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{date} {clock}{}{era}", if zone { "+00" } else { "" }));
        prop_assert_eq!(text::known_moment(micros).is_some(), (1..=9999).contains(&moment.year()));
    }
}

#[test]
fn the_ends_of_the_calendar_are_texts() {
    let shown = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(shown(&|out| text::write_any_date(i32::MAX, out)), "infinity");
    assert_eq!(shown(&|out| text::write_any_date(i32::MIN, out)), "-infinity");
    assert_eq!(shown(&|out| text::write_any_timestamp(i64::MAX, true, out)), "infinity");
    assert_eq!(shown(&|out| text::write_any_timestamp(i64::MIN, true, out)), "-infinity");
    // No server sends these.
    assert_eq!(shown(&|out| text::write_any_date(i32::MAX - 1, out)), "5881610-07-10");
    assert_eq!(shown(&|out| text::write_any_timestamp(i64::MIN + 1, false, out)), "290279-12-22 19:59:05.224193 BC");
    for (micros, written) in [(0, "00:00:00"), (1, "00:00:00.000001"), (500_000, "00:00:00.500"), (86_399_999_999, "23:59:59.999999")] {
        assert_eq!(shown(&|out| text::write_time(micros, out)), written);
    }
}
