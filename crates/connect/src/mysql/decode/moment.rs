//! Days, moments and times as rows hold them: also those that no calendar has.

use chrono::{Datelike, NaiveDate};

use super::super::wire::Fields;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;
/// Days from 0001-01-01, which is the first, to 1970-01-01.
const DAYS_TO_1970: i32 = 719_163;

/// A day and a time of it. Each may be zero where MySQL lets it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moment {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    micros: u32,
}

impl Moment {
    /// Reads one. What is zero at its end is left out.
    #[inline]
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut moment = Self::default();
        let length = fields.u8()?;
        if length >= 4 {
            (moment.year, moment.month, moment.day) = (fields.u16()?, fields.u8()?, fields.u8()?);
        }
        if length >= 7 {
            (moment.hour, moment.minute, moment.second) = (fields.u8()?, fields.u8()?, fields.u8()?);
        }
        if length >= 11 {
            moment.micros = fields.u32()?;
        }
        matches!(length, 0 | 4 | 7 | 11).then_some(moment)
    }

    /// Days since 1970-01-01; none where the calendar does not have this one.
    #[inline]
    pub(super) fn days(&self) -> Option<i32> {
        if self.year == 0 || self.year > 9999 {
            return None;
        }
        let day = NaiveDate::from_ymd_opt(self.year.into(), self.month.into(), self.day.into())?;
        Some(day.num_days_from_ce() - DAYS_TO_1970)
    }

    /// Microseconds since 1970-01-01; none where there is no such day or no such time.
    #[inline]
    pub(super) fn micros(&self) -> Option<i64> {
        if self.hour > 23 || self.minute > 59 || self.second > 59 || self.micros > 999_999 {
            return None;
        }
        let seconds = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        Some(i64::from(self.days()?) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + i64::from(self.micros))
    }

    pub(super) fn of_days(days: i32) -> Self {
        let day = NaiveDate::from_num_days_from_ce_opt(days.saturating_add(DAYS_TO_1970)).unwrap_or_default();
        let small = |value: u32| u8::try_from(value).unwrap_or(0);
        Self { year: u16::try_from(day.year()).unwrap_or(0), month: small(day.month()), day: small(day.day()), ..Self::default() }
    }

    pub(super) fn of_micros(micros: i64) -> Self {
        let clock = Clock::of_micros(micros.rem_euclid(MICROS_PER_DAY));
        let day = Self::of_days(i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX));
        let hour = u8::try_from(clock.hours).unwrap_or(0);
        Self { hour, minute: clock.minute, second: clock.second, micros: clock.micros, ..day }
    }

    /// `2026-01-31`, and `0000-00-00`.
    pub(super) fn date_text(&self) -> Vec<u8> {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day).into_bytes()
    }

    /// `2026-01-31 23:59:59.123`, with a `Z` behind it where it is a point in time.
    pub(super) fn text(&self, decimals: u8, zone: bool) -> Vec<u8> {
        let clock = Clock { negative: false, hours: self.hour.into(), minute: self.minute, second: self.second, micros: self.micros };
        let mut text = self.date_text();
        text.push(b' ');
        text.extend_from_slice(&clock.text(decimals));
        if zone {
            text.push(b'Z');
        }
        text
    }
}

/// A time, or a span of it: up to 838 hours, and less than none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Clock {
    negative: bool,
    hours: u64,
    minute: u8,
    second: u8,
    micros: u32,
}

impl Clock {
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut clock = Self::default();
        let length = fields.u8()?;
        if length >= 8 {
            clock.negative = fields.u8()? != 0;
            let days = u64::from(fields.u32()?);
            (clock.hours, clock.minute, clock.second) = (days * 24 + u64::from(fields.u8()?), fields.u8()?, fields.u8()?);
        }
        if length >= 12 {
            clock.micros = fields.u32()?;
        }
        matches!(length, 0 | 8 | 12).then_some(clock)
    }

    /// Microseconds since midnight; none where it is no time of a day.
    pub(super) fn micros_of_day(&self) -> Option<i64> {
        if self.negative || self.hours > 23 || self.minute > 59 || self.second > 59 || self.micros > 999_999 {
            return None;
        }
        let hours = i64::try_from(self.hours).ok()?;
        Some(((hours * 60 + i64::from(self.minute)) * 60 + i64::from(self.second)) * MICROS_PER_SECOND + i64::from(self.micros))
    }

    /// Of a time of a day.
    pub(super) fn of_micros(micros: i64) -> Self {
        let seconds = micros / MICROS_PER_SECOND;
        let small = |value: i64| u8::try_from(value).unwrap_or(0);
        Self {
            negative: false,
            hours: u64::try_from(seconds / 3600).unwrap_or(0),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
            micros: u32::try_from(micros % MICROS_PER_SECOND).unwrap_or(0),
        }
    }

    /// `23:59:59.123`, `-838:59:59`.
    pub(super) fn text(&self, decimals: u8) -> Vec<u8> {
        let sign = if self.negative { "-" } else { "" };
        let mut text = format!("{sign}{:02}:{:02}:{:02}", self.hours, self.minute, self.second);
        if decimals > 0 {
            let micros = format!("{:06}", self.micros);
            text.push('.');
            text.push_str(micros.get(..usize::from(decimals.min(6))).unwrap_or(&micros));
        }
        text.into_bytes()
    }
}
