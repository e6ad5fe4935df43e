//! Reads the dates and times of one column: its format, its zone rules, its unit.

use std::str::FromStr;

use arrow::array::timezone::Tz;
use chrono::{DateTime, Offset, TimeZone};

use crate::admitted::Rule;
use crate::column::{Column, ColumnType};
use crate::parse::calendar::{self, MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::parse::time_format::TimeFormat;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Date,
    Time,
    Timestamp { zone: bool },
}

/// What a column's texts are read with.
#[derive(Debug, Clone)]
pub struct TimeReader {
    kind: Kind,
    format: Option<TimeFormat>,
    default_zone: Option<Tz>,
}

/// Whether a zone has this name.
pub fn zone_is_known(name: &str) -> bool {
    Tz::from_str(name).is_ok()
}

impl TimeReader {
    /// For a date, time or timestamp column.
    ///
    /// # Errors
    /// The part of the column that does not compile, or that it is of another type.
    pub fn new(column: &Column) -> Result<Self, &'static str> {
        let kind = match column.ty {
            ColumnType::Date => Kind::Date,
            ColumnType::Time => Kind::Time,
            ColumnType::Timestamp { zone } => Kind::Timestamp { zone },
            _ => return Err("type"),
        };
        let format = column.format.as_deref().map(TimeFormat::compile).transpose().map_err(|_| "format")?;
        let default_zone = column.default_zone.as_deref().map(Tz::from_str).transpose().map_err(|_| "defaultTimezone")?;
        Ok(Self { kind, format, default_zone })
    }

    /// Whether values without a zone have one by the contract.
    pub fn has_default_zone(&self) -> bool {
        self.default_zone.is_some()
    }

    /// The value in the column's unit: days, or microseconds.
    #[inline]
    pub fn whole(&self, bytes: &[u8]) -> Result<i64, Rule> {
        self.read(bytes, self.format.as_ref())
    }

    /// The same of a text in ISO 8601, whatever the column's format is.
    #[inline]
    pub fn whole_of_native(&self, bytes: &[u8]) -> Result<i64, Rule> {
        self.read(bytes, None)
    }

    #[inline]
    fn read(&self, bytes: &[u8], format: Option<&TimeFormat>) -> Result<i64, Rule> {
        match (self.kind, format) {
            (Kind::Date, None) => calendar::date(bytes).map(i64::from),
            (Kind::Date, Some(format)) => format.parse(bytes).map(|(days, _, _)| i64::from(days)),
            (Kind::Time, None) => calendar::time(bytes),
            (Kind::Time, Some(format)) => format.parse(bytes).map(|(_, micros, _)| micros),
            (Kind::Timestamp { zone }, None) => {
                let (local, offset) = calendar::timestamp(bytes)?;
                self.resolve(local, offset, zone)
            }
            (Kind::Timestamp { zone }, Some(format)) => {
                let (days, micros, offset) = format.parse(bytes)?;
                self.resolve(i64::from(days) * MICROS_PER_DAY + micros, offset, zone)
            }
        }
    }

    #[inline]
    fn resolve(&self, local: i64, offset: Option<i32>, zone: bool) -> Result<i64, Rule> {
        match (zone, offset) {
            (false, None) => Ok(local),
            (false, Some(_)) => Err(Rule::Zone),
            (true, Some(seconds)) => calendar::in_range(local - i64::from(seconds) * MICROS_PER_SECOND),
            (true, None) => self.in_default_zone(local),
        }
    }

    /// The point in time of a wall clock in the default zone. An hour that summer time skips or repeats is
    /// refused, and a point in time outside the years 1 to 9999.
    pub fn in_default_zone(&self, local: i64) -> Result<i64, Rule> {
        let zone = self.default_zone.ok_or(Rule::Zone)?;
        let clock = DateTime::from_timestamp_micros(local).ok_or(Rule::TypeRange)?.naive_utc();
        let offset = zone.offset_from_local_datetime(&clock).single().ok_or(Rule::Zone)?;
        calendar::in_range(local - i64::from(offset.fix().local_minus_utc()) * MICROS_PER_SECOND)
    }
}
