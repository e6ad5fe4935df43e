//! Date and time formats in the letters of JDK's `DateTimeFormatter`, as ODCS prescribes: the part of them that has one meaning.

use crate::admitted::Rule;
use crate::parse::calendar;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Year,
    /// One or two digits when `false`, exactly two when `true`.
    Month(bool),
    Day(bool),
    Hour(bool),
    Minute(bool),
    Second(bool),
    Fraction(u8),
    Offset,
    Literal(u8),
}

/// A compiled format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormat {
    items: Vec<Item>,
    has_date: bool,
    has_time: bool,
    has_offset: bool,
}

impl TimeFormat {
    /// Compiles a format.
    ///
    /// # Errors
    /// What in it is not understood.
    pub fn compile(format: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut rest = format.as_bytes();
        while let [first, ..] = rest {
            let run = rest.iter().take_while(|byte| *byte == first).count();
            match (first, run) {
                (b'y' | b'u', 4) => items.push(Item::Year),
                (b'M', 1 | 2) => items.push(Item::Month(run == 2)),
                (b'd', 1 | 2) => items.push(Item::Day(run == 2)),
                (b'H', 1 | 2) => items.push(Item::Hour(run == 2)),
                (b'm', 1 | 2) => items.push(Item::Minute(run == 2)),
                (b's', 1 | 2) => items.push(Item::Second(run == 2)),
                (b'S', 1..=9) => items.push(Item::Fraction(u8::try_from(run).unwrap_or(9))),
                (b'X' | b'x', 1..=3) | (b'Z', 1) => items.push(Item::Offset),
                (b'\'', 1) => {
                    let quoted = rest.get(1..).unwrap_or_default();
                    let end = quoted.iter().position(|byte| *byte == b'\'').ok_or("a quote that does not close")?;
                    items.extend(quoted.iter().take(end).map(|byte| Item::Literal(*byte)));
                    rest = quoted.get(end + 1..).unwrap_or_default();
                    continue;
                }
                (byte, _) if !byte.is_ascii_alphabetic() && *byte != b'\'' && byte.is_ascii_graphic() || *byte == b' ' => {
                    items.extend(std::iter::repeat_n(Item::Literal(*byte), run));
                }
                (byte, _) => return Err(format!("{:?}", char::from(*byte).to_string().repeat(run))),
            }
            rest = rest.get(run..).unwrap_or_default();
        }
        let count = |wanted: fn(&Item) -> bool| items.iter().filter(|item| wanted(item)).count();
        let date = [
            count(|item| matches!(item, Item::Year)),
            count(|item| matches!(item, Item::Month(_))),
            count(|item| matches!(item, Item::Day(_))),
        ];
        let time = [count(|item| matches!(item, Item::Hour(_))), count(|item| matches!(item, Item::Minute(_)))];
        let rest = [
            count(|item| matches!(item, Item::Second(_))),
            count(|item| matches!(item, Item::Fraction(_))),
            count(|item| matches!(item, Item::Offset)),
        ];
        if date.iter().chain(&time).chain(&rest).any(|count| *count > 1) {
            return Err("a part that stands twice".to_owned());
        }
        let (has_date, has_time) = (date == [1, 1, 1], time == [1, 1]);
        if (!has_date && date != [0, 0, 0]) || (!has_time && time != [0, 0]) || (!has_time && rest != [0, 0, 0]) {
            return Err("a date without year, month or day, or a time without hour and minute".to_owned());
        }
        Ok(Self { has_date, has_time, has_offset: rest.last() == Some(&1), items })
    }

    /// Whether it holds year, month and day.
    pub fn has_date(&self) -> bool {
        self.has_date
    }

    /// Whether it holds hour and minute.
    pub fn has_time(&self) -> bool {
        self.has_time
    }

    /// Whether it holds an offset from UTC.
    pub fn has_offset(&self) -> bool {
        self.has_offset
    }

    /// Days since 1970-01-01 (0 without a date), microseconds since midnight, and the offset in seconds.
    pub fn parse(&self, bytes: &[u8]) -> Result<(i32, i64, Option<i32>), Rule> {
        let mut rest = bytes;
        let (mut year, mut month, mut day) = (1970, 1, 1);
        let (mut hour, mut minute, mut second, mut micros, mut zone) = (0, 0, 0, 0, None);
        for item in &self.items {
            match item {
                Item::Literal(byte) => rest = rest.strip_prefix(&[*byte]).ok_or(Rule::Format)?,
                Item::Year => {
                    let [a, b, c, d, after @ ..] = rest else { return Err(Rule::Format) };
                    let (century, low) = (calendar::two(*a, *b), calendar::two(*c, *d));
                    if century > 99 || low > 99 {
                        return Err(Rule::Format);
                    }
                    (year, rest) = (century * 100 + low, after);
                }
                Item::Month(fixed) => (month, rest) = small(rest, *fixed)?,
                Item::Day(fixed) => (day, rest) = small(rest, *fixed)?,
                Item::Hour(fixed) => (hour, rest) = small(rest, *fixed)?,
                Item::Minute(fixed) => (minute, rest) = small(rest, *fixed)?,
                Item::Second(fixed) => (second, rest) = small(rest, *fixed)?,
                Item::Fraction(places) => {
                    let (digits, after) = rest.split_at_checked(usize::from(*places)).ok_or(Rule::Format)?;
                    let (value, left) = calendar::fraction(digits).map_err(as_format)?;
                    if !left.is_empty() {
                        return Err(Rule::Format);
                    }
                    (micros, rest) = (value, after);
                }
                Item::Offset => {
                    let (value, after) = calendar::offset(rest).map_err(as_format)?;
                    (zone, rest) = (Some(value), after);
                }
            }
        }
        if !rest.is_empty() {
            return Err(Rule::Format);
        }
        let days = calendar::days(year, month, day)?;
        Ok((days, calendar::seconds(hour, minute, second)? * calendar::MICROS_PER_SECOND + micros, zone))
    }
}

fn as_format(rule: Rule) -> Rule {
    if rule == Rule::Type { Rule::Format } else { rule }
}

fn small(bytes: &[u8], fixed: bool) -> Result<(u32, &[u8]), Rule> {
    match bytes {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', rest @ ..] => Ok((calendar::two(*a, *b), rest)),
        [a @ b'0'..=b'9', rest @ ..] if !fixed => Ok((u32::from(*a - b'0'), rest)),
        _ => Err(Rule::Format),
    }
}
