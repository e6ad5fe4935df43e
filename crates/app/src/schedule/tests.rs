use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Timelike};

use super::*;

const ZONES: [Tz; 7] = [
    chrono_tz::Europe::Paris,
    chrono_tz::America::New_York,
    chrono_tz::Australia::Lord_Howe,
    chrono_tz::UTC,
    // Puts its clock forward at midnight, so that a day begins at one.
    chrono_tz::America::Asuncion,
    chrono_tz::Asia::Kathmandu,
    chrono_tz::Africa::Casablanca,
];

/// A pattern, and what it means in words of our own: no parser of patterns is asked.
type Case = (&'static str, fn(NaiveDateTime) -> bool, bool);

const CASES: [Case; 10] = [
    ("30 2 * * *", |at| (at.hour(), at.minute()) == (2, 30), false),
    ("0 0 * * *", |at| (at.hour(), at.minute()) == (0, 0), false),
    ("15 2,14 * * *", |at| matches!(at.hour(), 2 | 14) && at.minute() == 15, false),
    ("30 1-3 * * *", |at| (1..=3).contains(&at.hour()) && at.minute() == 30, false),
    ("*/20 */2 * * *", |at| at.hour() % 2 == 0 && at.minute() % 20 == 0, false),
    ("45 1 * * sun", |at| (at.hour(), at.minute()) == (1, 45) && at.weekday() == chrono::Weekday::Sun, false),
    ("10 2 * 3,4,10,11 *", |at| matches!(at.month(), 3 | 4 | 10 | 11) && (at.hour(), at.minute()) == (2, 10), false),
    ("*/15 * * * *", |at| at.minute() % 15 == 0, true),
    ("5 * * * *", |at| at.minute() == 5, true),
    ("* 0-23 * * 0", |at| at.weekday() == chrono::Weekday::Sun, true),
];

fn shown(zone: Tz, ms: i64) -> NaiveDateTime {
    DateTime::from_timestamp_millis(ms).unwrap().with_timezone(&zone).naive_local()
}

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// The moments at which a zone changes its clock, to the minute.
fn changes(zone: Tz, from: i64, to: i64) -> Vec<i64> {
    let offset = |ms: i64| shown(zone, ms).and_utc().timestamp_millis() - ms;
    let mut found = Vec::new();
    let mut hour = from;
    while hour < to {
        if offset(hour) != offset(hour + HOUR) {
            found.push((1..=60).map(|minute| hour + minute * MINUTE).find(|ms| offset(*ms) != offset(hour)).unwrap());
        }
        hour += HOUR;
    }
    found
}

/// Walks minute by minute and looks at the clock, as someone who waits beside it would.
fn walked(zone: Tz, from: i64, to: i64, (_, matches, every_hour): Case) -> Vec<i64> {
    let mut due = Vec::new();
    let mut seen: BTreeSet<NaiveDateTime> = BTreeSet::new();
    // What it showed before is known from a day earlier on.
    let mut ms = from - 24 * HOUR;
    let mut before = shown(zone, ms - MINUTE);
    while ms <= to {
        let now = shown(zone, ms);
        let mut leapt = before + TimeDelta::minutes(1);
        let mut is_due = false;
        while leapt < now {
            is_due |= matches(leapt);
            leapt += TimeDelta::minutes(1);
        }
        let first = seen.insert(now);
        is_due |= matches(now) && (first || every_hour);
        if is_due && ms > from {
            due.push(ms);
        }
        before = now;
        ms += MINUTE;
    }
    due
}

#[test]
fn due_times_are_those_that_a_walk_along_the_clock_finds() {
    let (from, to) = (at("2024-01-01T00:00:00Z"), at("2032-01-01T00:00:00Z"));
    let mut counted = BTreeMap::new();
    for zone in ZONES {
        let mut changes = changes(zone, from, to);
        counted.insert(zone.name(), changes.len());
        // Where there is none, an ordinary while.
        changes.push(at("2026-06-03T12:00:00Z"));
        for change in changes {
            // Odd ends, so that they are no due times.
            let (from, to) = (change - 26 * HOUR - 17_123, change + 26 * HOUR + 13_001);
            for case in CASES {
                let schedule = Schedule::cron(case.0, zone).unwrap();
                let wanted = walked(zone, from.div_euclid(MINUTE) * MINUTE, to, case);
                let due = schedule.due(from, to, usize::MAX);
                assert_eq!(Vec::from(due.newest), wanted, "{} {} around {change}", case.0, zone.name());
                // From within any minute the same follow, whatever was asked before.
                for from in (0..7).map(|step| change - 2 * HOUR + step * 37 * MINUTE + step * 7_001) {
                    let next = wanted.iter().copied().find(|due| *due > from).unwrap_or_else(|| schedule.next_after(to).unwrap());
                    assert_eq!(schedule.next_after(from), Some(next), "{} {} from {from}", case.0, zone.name());
                }
            }
        }
    }
    // The control: there were changes to look at.
    for (zone, least) in
        [("Europe/Paris", 16), ("America/New_York", 16), ("Australia/Lord_Howe", 16), ("UTC", 0), ("Africa/Casablanca", 12)]
    {
        assert!(counted[zone] >= least, "{counted:?}");
    }
}

#[test]
fn a_night_job_runs_once_in_each_night_of_a_change() {
    let paris = Schedule::cron("30 2 * * *", chrono_tz::Europe::Paris).unwrap();
    // 29 March 2026: from 02:00 to 03:00 in no time.
    let spring = paris.due(at("2026-03-28T12:00:00Z"), at("2026-03-30T12:00:00Z"), 9);
    assert_eq!(Vec::from(spring.newest), [at("2026-03-29T01:00:00Z"), at("2026-03-30T00:30:00Z")]);
    // 25 October 2026: from 03:00 back to 02:00.
    let autumn = paris.due(at("2026-10-24T12:00:00Z"), at("2026-10-26T12:00:00Z"), 9);
    assert_eq!(Vec::from(autumn.newest), [at("2026-10-25T00:30:00Z"), at("2026-10-26T01:30:00Z")]);
    // Half an hour, on Lord Howe: 02:00 to 02:30, and back from 02:00 to 01:30.
    let quarter = Schedule::cron("15 2 * * *", chrono_tz::Australia::Lord_Howe).unwrap();
    let spring = quarter.due(at("2026-10-03T00:00:00Z"), at("2026-10-04T00:00:00Z"), 9);
    assert_eq!(Vec::from(spring.newest), [at("2026-10-03T15:30:00Z")]);
    let quarter = Schedule::cron("45 1 * * *", chrono_tz::Australia::Lord_Howe).unwrap();
    let autumn = quarter.due(at("2026-04-04T00:00:00Z"), at("2026-04-05T00:00:00Z"), 9);
    assert_eq!(Vec::from(autumn.newest), [at("2026-04-04T14:45:00Z")]);
    // What runs every quarter of an hour stands still for no hour.
    let often = Schedule::cron("*/15 * * * *", chrono_tz::Europe::Paris).unwrap();
    let autumn = often.due(at("2026-10-25T00:00:00Z"), at("2026-10-25T02:00:00Z"), 99);
    assert_eq!(autumn.newest.len(), 8);
}

/// A zone that left out a whole day.
#[test]
fn a_day_that_was_left_out_is_due_once_after_it() {
    let apia = Schedule::cron("0 9 * * *", chrono_tz::Pacific::Apia).unwrap();
    let due = apia.due(at("2011-12-29T12:00:00Z"), at("2012-01-01T12:00:00Z"), 9);
    // 29 December at nine, the beginning of 31 December for the 30th, 31 December at nine, and on.
    assert_eq!(
        Vec::from(due.newest),
        [at("2011-12-29T19:00:00Z"), at("2011-12-30T10:00:00Z"), at("2011-12-30T19:00:00Z"), at("2011-12-31T19:00:00Z")]
    );
}

#[test]
fn an_interval_stands_where_it_stands_whenever_it_is_asked() {
    let quarter = Schedule::every(900);
    let first = at("2026-03-29T00:45:00Z");
    assert_eq!(quarter.next_after(first - 1), Some(first));
    assert_eq!(quarter.next_after(first), Some(first + 900_000));
    // Asked late each time, it does not drift.
    let mut asked = first;
    for number in 1..=10_000 {
        let next = quarter.next_after(asked + 777).unwrap();
        assert_eq!(next, first + number * 900_000);
        asked = next;
    }
    assert_eq!(Schedule::every(7).next_after(-1), Some(0), "the anchor is the epoch");
    assert_eq!(Schedule::every(0).next_after(0), Some(1000));
}

#[test]
fn a_long_while_is_counted_and_its_newest_are_listed() {
    let second = Schedule::every(1);
    let (from, to) = (at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
    let due = second.due(from, to, 3);
    assert_eq!(Vec::from(due.newest), [to - 2000, to - 1000, to]);
    assert_eq!((due.before, due.first, due.last_before), ((to - from) as u64 / 1000 - 3, Some(from + 1000), Some(to - 3000)));
    assert_eq!(due.next, Some(to + 1000));
    assert_eq!(second.due(from, from + 999, 3), Due { next: Some(from + 1000), ..Due::default() });
    let daily = Schedule::cron("0 0 * * *", chrono_tz::UTC).unwrap();
    let due = daily.due(from, from + 10 * 24 * HOUR, 2);
    assert_eq!((due.before, due.newest.len()), (8, 2));
    assert_eq!((due.first, due.last_before), (Some(from + 24 * HOUR), Some(from + 8 * 24 * HOUR)));
    let one = daily.due(from, from + 24 * HOUR, 2);
    assert_eq!((one.before, one.newest.len(), one.last_before, one.next), (0, 1, None, Some(from + 48 * HOUR)));
}

#[test]
fn what_is_no_pattern_is_refused() {
    for good in ["30 2 * * *", "*/5 9-17 * * mon-fri", "0 0 1 1 *", "0 0 L * *", "0 9 * * 1#1", "@daily", "0 0 29 2 *"] {
        assert!(Schedule::cron(good, chrono_tz::UTC).is_ok(), "{good}");
    }
    for wrong in [
        "",
        "* * * *",
        "0 30 2 * * *",
        "60 2 * * *",
        "30 24 * * *",
        "30 2 32 * *",
        "a b c d e",
        "0 0 30 2 *",
        "0 0 1 1 * 2030",
        "é * * * *",
    ] {
        assert!(Schedule::cron(wrong, chrono_tz::UTC).is_err(), "{wrong}");
    }
}

#[test]
fn a_schedule_shows_what_was_written() {
    assert_eq!(Schedule::cron(" 30 2 * * mon ", chrono_tz::Europe::Paris).unwrap().to_string(), "30 2 * * mon");
    assert_eq!(Schedule::every(5_400).to_string(), "every 1h30m");
    assert_eq!(Schedule::cron("0 0 * * *", chrono_tz::Europe::Paris).unwrap().zone(), Some("Europe/Paris"));
}
