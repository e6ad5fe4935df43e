//! Values as texts: addresses and the like, and days and moments, those that Arrow or a contract holds as the gate reads them, all others
//! as the server writes them.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Damaged;

/// Days from 1970-01-01 to 2000-01-01, where the server's calendar begins.
pub(super) const EPOCH_DAYS: i32 = 10_957;
pub(super) const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Days since 1970-01-01 of the years 1 to 9999, which contracts know.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;
/// The server's numbers of network families.
const FAMILY_IPV4: u8 = 2;
const FAMILY_IPV6: u8 = 3;

/// The day since 1970-01-01 of one since 2000-01-01; none for infinity, and for days in years that contracts do not know.
#[inline]
pub(super) fn known_day(days: i32) -> Option<i32> {
    days.checked_add(EPOCH_DAYS).filter(|days| DAYS.contains(&i64::from(*days)))
}

/// The same of microseconds.
#[inline]
pub(super) fn known_moment(micros: i64) -> Option<i64> {
    const FIRST: i64 = *DAYS.start() * MICROS_PER_DAY;
    const END: i64 = (*DAYS.end() + 1) * MICROS_PER_DAY;
    micros.checked_add(EPOCH_DAYS as i64 * MICROS_PER_DAY).filter(|micros| (FIRST..END).contains(micros))
}

/// Year, month and day of any number of days since 1970-01-01. The year before 1 is 0.
fn civil(days: i64) -> (i64, i64, i64) {
    // Howard Hinnant's civil_from_days, whose years begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Writes a day, counted from 1970-01-01, and says whether it lies before the year 1.
fn write_day(days: i64, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil(days);
    let before = year < 1;
    let shown = if before { 1 - year } else { year };
    // Writing to a Vec does not fail.
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
    before
}

/// Writes the time of a day in hours, minutes and seconds, and gives back what is left.
fn write_clock(micros: i64, out: &mut Vec<u8>) -> i64 {
    let seconds = micros / MICROS_PER_SECOND;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    micros % MICROS_PER_SECOND
}

/// A day since 2000-01-01 as the server writes it.
pub(super) fn write_any_date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        days => {
            if write_day(i64::from(days) + i64::from(EPOCH_DAYS), out) {
                out.extend_from_slice(b" BC");
            }
        }
    }
}

/// A moment in microseconds since 2000-01-01 as the server writes it in the zone UTC.
pub(super) fn write_any_timestamp(micros: i64, zone: bool, out: &mut Vec<u8>) {
    let micros = match micros {
        i64::MAX => return out.extend_from_slice(b"infinity"),
        i64::MIN => return out.extend_from_slice(b"-infinity"),
        micros => micros,
    };
    let before = write_day(micros.div_euclid(MICROS_PER_DAY) + i64::from(EPOCH_DAYS), out);
    out.push(b' ');
    let rest = write_clock(micros.rem_euclid(MICROS_PER_DAY), out);
    if rest != 0 {
        let _ = write!(out, ".{rest:06}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.extend_from_slice(if zone { b"+00" } else { b"" });
    out.extend_from_slice(if before { b" BC" } else { b"" });
}

/// A day since 1970-01-01 as the gate reads it.
pub(super) fn write_date(days: i32, out: &mut Vec<u8>) {
    write_day(i64::from(days), out);
}

/// A moment in microseconds since 1970-01-01 as the gate reads it.
pub(super) fn write_timestamp(micros: i64, zone: bool, out: &mut Vec<u8>) {
    write_day(micros.div_euclid(MICROS_PER_DAY), out);
    out.push(b'T');
    write_time(micros.rem_euclid(MICROS_PER_DAY), out);
    out.extend_from_slice(if zone { b"Z" } else { b"" });
}

/// A time of day in microseconds as the gate reads it.
pub(super) fn write_time(micros: i64, out: &mut Vec<u8>) {
    // As Arrow writes it, so that quarantine keeps a value in one form.
    match write_clock(micros, out) {
        0 => {}
        rest if rest % 1000 == 0 => drop(write!(out, ".{:03}", rest / 1000)),
        rest => drop(write!(out, ".{rest:06}")),
    }
}

#[inline]
fn write_hex(byte: u8, out: &mut Vec<u8>) {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
    out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
}

/// 8-4-4-4-12 digits.
#[inline]
pub(super) fn write_uuid(value: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    let bytes = <[u8; 16]>::try_from(value).map_err(|_| Damaged)?;
    for (place, byte) in bytes.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        write_hex(byte, out);
    }
    Ok(())
}

/// Six or eight bytes with colons.
pub(super) fn write_hardware(value: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    if !matches!(value.len(), 6 | 8) {
        return Err(Damaged);
    }
    for (place, byte) in value.iter().enumerate() {
        if place > 0 {
            out.push(b':');
        }
        write_hex(*byte, out);
    }
    Ok(())
}

/// An address, with the length of its network where that is not all of it, or where it is a network.
pub(super) fn write_network(value: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    let [family, bits, is_network, len, address @ ..] = value else { return Err(Damaged) };
    if usize::from(*len) != address.len() {
        return Err(Damaged);
    }
    let bits_max = match *family {
        FAMILY_IPV4 => {
            let _ = write!(out, "{}", Ipv4Addr::from(<[u8; 4]>::try_from(address).map_err(|_| Damaged)?));
            32
        }
        FAMILY_IPV6 => {
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(address).map_err(|_| Damaged)?);
            let _ = match address.segments() {
                // An old form, which the server still writes.
                [0, 0, 0, 0, 0, 0, high, low] if high > 0 => {
                    write!(out, "::{}", Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
                }
                _ => write!(out, "{address}"),
            };
            128
        }
        _ => return Err(Damaged),
    };
    if *bits > bits_max || *is_network > 1 {
        return Err(Damaged);
    }
    if *bits < bits_max || *is_network == 1 {
        let _ = write!(out, "/{bits}");
    }
    Ok(())
}
