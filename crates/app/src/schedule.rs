//! When a pipeline is due: a cron pattern in a time zone, or an interval. Pure functions of a moment, in milliseconds since the epoch.
//!
//! Where a zone's clock is put forward, a wall time that it leaps over is due once, at the first moment after the leap. Where it is put
//! back, a wall time that comes twice is due the first time only; a pattern that names every hour of the day is due both times, for it
//! means the hours that pass. An interval counts elapsed time from the epoch: it neither drifts nor depends on when the program began.

use std::collections::VecDeque;
use std::fmt;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::duration::Shown;

/// Wall times of a pattern that are looked at for one that is still to come: more than a clock that is put back can repeat.
const LOOKS_MAX: usize = 3 * 24 * 60;
/// What a wall clock differs from UTC by at most, in hours, east and west, with room to spare.
const EAST_HOURS: i64 = 15;
const WEST_HOURS: i64 = 13;

/// When something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(When);

#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    Cron { pattern: String, cron: Box<Cron>, zone: Tz, every_hour: bool },
    Every { ms: i64 },
}

/// The due times of a while.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// The newest, in ascending order, as many as were asked for.
    pub newest: VecDeque<i64>,
    /// How many there were before those.
    pub before: u64,
    /// The first of all.
    pub first: Option<i64>,
    /// The last of those before.
    pub last_before: Option<i64>,
    /// The first one after the while.
    pub next: Option<i64>,
}

impl Schedule {
    /// A pattern of five fields (minute, hour, day of month, month, day of week), in a zone.
    ///
    /// # Errors
    /// When it is no pattern, or is never due.
    pub fn cron(pattern: &str, zone: Tz) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(pattern).map_err(|error| error.to_string().trim_end_matches('.').to_owned())?;
        let every_hour = cron.pattern.hours.values().len() == 24;
        let schedule = Self(When::Cron { pattern: pattern.trim().to_owned(), cron: Box::new(cron), zone, every_hour });
        // A day that no month has is never due.
        schedule.next_after(0).map(|_| schedule).ok_or_else(|| "it is never due".to_owned())
    }

    /// Every so many seconds, at least one: at the moments whose seconds since the epoch they divide.
    pub fn every(seconds: u64) -> Self {
        let ms = i64::try_from(seconds.max(1)).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
        Self(When::Every { ms })
    }

    /// The first due time after a moment; none when there is none within thousands of years.
    pub fn next_after(&self, after_ms: i64) -> Option<i64> {
        match &self.0 {
            When::Every { ms } => after_ms.div_euclid(*ms).checked_add(1)?.checked_mul(*ms),
            When::Cron { cron, zone, every_hour, .. } => {
                // The pattern has whole seconds: what is after this one's beginning and no later second's is not after the moment.
                let after = DateTime::from_timestamp(after_ms.div_euclid(1000), 0)?.with_timezone(zone);
                let wall = first_occurrence(cron, zone, after.naive_local(), after.timestamp())?;
                if !every_hour {
                    return wall.checked_mul(1000);
                }
                // The second pass of what comes twice lies behind wall times that are later already.
                let passing = cron.find_next_occurrence(&after, false).ok()?.timestamp();
                wall.min(passing).checked_mul(1000)
            }
        }
    }

    /// The due times after a moment up to another, of which the newest `most` are listed.
    pub fn due(&self, after_ms: i64, until_ms: i64, most: usize) -> Due {
        let mut due = Due::default();
        if let When::Every { ms } = &self.0 {
            return every(*ms, after_ms, until_ms, most);
        }
        due.next = self.next_after(after_ms);
        while let Some(next) = due.next.filter(|next| *next <= until_ms) {
            due.first.get_or_insert(next);
            due.newest.push_back(next);
            if due.newest.len() > most {
                due.last_before = due.newest.pop_front();
                due.before += 1;
            }
            due.next = self.next_after(next);
        }
        due
    }

    /// The zone of a pattern.
    pub fn zone(&self) -> Option<&'static str> {
        match &self.0 {
            When::Cron { zone, .. } => Some(zone.name()),
            When::Every { .. } => None,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            When::Cron { pattern, .. } => f.write_str(pattern),
            When::Every { ms } => write!(f, "every {}", Shown(u64::try_from(ms / 1000).unwrap_or_default())),
        }
    }
}

/// By arithmetic, however long the while was.
fn every(ms: i64, after_ms: i64, until_ms: i64, most: usize) -> Due {
    let (from, to) = (after_ms.div_euclid(ms).saturating_add(1), until_ms.div_euclid(ms));
    let next = from.max(to.saturating_add(1)).checked_mul(ms);
    if from > to {
        return Due { next, ..Due::default() };
    }
    let kept = to.saturating_sub(i64::try_from(most).unwrap_or(i64::MAX)).saturating_add(1).max(from);
    Due {
        newest: (kept..=to).map(|number| number.saturating_mul(ms)).collect(),
        before: u64::try_from(kept - from).unwrap_or_default(),
        first: from.checked_mul(ms),
        last_before: (kept > from).then(|| (kept - 1).saturating_mul(ms)),
        next,
    }
}

/// The first moment after one, in seconds since the epoch, at which a wall time of the pattern comes, or is leapt over. `wall` is what the
/// clock shows at that one. Wall times ascend with the moments at which they come first, so those before it are past.
fn first_occurrence(cron: &Cron, zone: &Tz, wall: NaiveDateTime, after: i64) -> Option<i64> {
    let mut wall = wall;
    for _ in 0..LOOKS_MAX {
        wall = cron.find_next_occurrence(&wall, false).ok()?;
        let comes = match zone.from_local_datetime(&wall) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.timestamp(),
            LocalResult::None => after_the_leap(zone, wall)?,
        };
        if comes > after {
            return Some(comes);
        }
    }
    None
}

/// The first moment whose wall time is later than one that the clock leaps over, in seconds since the epoch.
fn after_the_leap(zone: &Tz, leapt_over: NaiveDateTime) -> Option<i64> {
    let shown = |seconds: i64| DateTime::from_timestamp(seconds, 0).map(|at| at.with_timezone(zone).naive_local());
    let as_utc = leapt_over.and_utc().timestamp();
    let mut before = as_utc.checked_sub(TimeDelta::hours(EAST_HOURS).num_seconds())?;
    let mut after = as_utc.checked_add(TimeDelta::hours(WEST_HOURS).num_seconds())?;
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if shown(middle)? > leapt_over {
            after = middle;
        } else {
            before = middle;
        }
    }
    Some(after)
}

#[cfg(test)]
mod tests;
