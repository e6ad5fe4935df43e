//! What a mask makes of the values of a column. No mask fails for any value: what has no text, or no place in its type, becomes NULL.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, LargeStringArray, StringArray, StringViewArray, new_null_array};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Field, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use polder_policy::Mask;

use crate::tables::KeyedMask;

/// What stands in the place of what is not shown. It is always the same, so that no length shows.
const STARS: &str = "***";
/// Characters that `first4` and `last4` show.
const SHOWN: usize = 4;
/// Shorter texts show nothing: at most half of their characters would.
const SHOWN_FROM: usize = 2 * SHOWN;

/// What becomes of one column on its way out.
#[derive(Clone)]
pub(super) enum Shown {
    Clear,
    Null,
    Stars,
    Keyed(Arc<dyn KeyedMask>),
    Year,
    First,
    Last,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Clear) { "Clear" } else { "Masked" })
    }
}

impl Shown {
    /// What a mask comes to for a type. `keyed` gives what masks under a key, where the mask needs one.
    pub(super) fn of<E>(mask: Mask, data_type: &DataType, keyed: impl FnOnce() -> Result<Arc<dyn KeyedMask>, E>) -> Result<Self, E> {
        Ok(match mask {
            Mask::Redact if is_text(data_type) => Self::Stars,
            Mask::Year if matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) => Self::Year,
            Mask::Null | Mask::Redact | Mask::Year => Self::Null,
            Mask::Hash | Mask::Tokenise => Self::Keyed(keyed()?),
            Mask::First4 => Self::First,
            Mask::Last4 => Self::Last,
        })
    }

    /// Whether the values are looked at; those of the others need not be read.
    pub(super) fn looks(&self) -> bool {
        !matches!(self, Self::Null | Self::Stars)
    }

    /// The column as it is shown. What a mask gives may be NULL whatever the column promised, or the engine would answer `IS NULL` by the
    /// promise.
    pub(super) fn field(&self, field: &Field) -> Field {
        let own = field.data_type();
        let (data_type, nullable) = match self {
            Self::Clear => (own.clone(), field.is_nullable()),
            Self::Null | Self::Year => (own.clone(), true),
            Self::Stars => (own.clone(), false),
            Self::Keyed(_) | Self::First | Self::Last if is_text(own) => (own.clone(), true),
            Self::Keyed(_) | Self::First | Self::Last => (DataType::Utf8View, true),
        };
        Field::new(field.name(), data_type, nullable)
    }

    /// The values as they are shown, of the type that [`Self::field`] gives. `values` is there where they are looked at.
    pub(super) fn apply(&self, values: Option<&ArrayRef>, data_type: &DataType, rows: usize) -> ArrayRef {
        let Some(values) = values.filter(|_| self.looks()) else {
            return match self {
                Self::Stars => texts(data_type, std::iter::repeat_n(Some(STARS.to_owned()), rows)),
                // What should have been looked at is not there: nothing is shown.
                _ => new_null_array(data_type, rows),
            };
        };
        match self {
            Self::Clear => Arc::clone(values),
            Self::Year => years(values),
            Self::Keyed(keyed) => texts(data_type, each(values, |text| keyed.masked(text))),
            Self::First => texts(data_type, each(values, |text| Some(first(text)))),
            Self::Last => texts(data_type, each(values, |text| Some(last(text)))),
            Self::Null | Self::Stars => new_null_array(data_type, rows),
        }
    }
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The masked text of each value; of what has no text, and of NULL, none.
fn each(values: &ArrayRef, mask: impl Fn(&str) -> Option<String>) -> Vec<Option<String>> {
    match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().iter().map(|text| mask(text?)).collect(),
        DataType::LargeUtf8 => values.as_string::<i64>().iter().map(|text| mask(text?)).collect(),
        DataType::Utf8View => values.as_string_view().iter().map(|text| mask(text?)).collect(),
        _ => {
            let options = FormatOptions::new().with_display_error(false);
            let nulls = values.logical_nulls();
            let formatter = ArrayFormatter::try_new(values, &options).ok();
            let text = |row: usize| {
                let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                formatter.as_ref().filter(|_| !is_null)?.value(row).try_to_string().ok()
            };
            (0..values.len()).map(|row| mask(&text(row)?)).collect()
        }
    }
}

fn texts(data_type: &DataType, texts: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    match data_type {
        DataType::Utf8 => Arc::new(texts.into_iter().collect::<StringArray>()),
        DataType::LargeUtf8 => Arc::new(texts.into_iter().collect::<LargeStringArray>()),
        _ => Arc::new(texts.into_iter().collect::<StringViewArray>()),
    }
}

fn first(text: &str) -> String {
    if text.chars().take(SHOWN_FROM).count() < SHOWN_FROM {
        return STARS.to_owned();
    }
    let mut shown: String = text.chars().take(SHOWN).collect();
    shown.push_str(STARS);
    shown
}

fn last(text: &str) -> String {
    let characters = text.chars().count();
    if characters < SHOWN_FROM {
        return STARS.to_owned();
    }
    let mut shown = STARS.to_owned();
    shown.extend(text.chars().skip(characters - SHOWN));
    shown
}

/// Days and moments at the beginning of their year, in UTC.
fn years(values: &ArrayRef) -> ArrayRef {
    const DAY_SECONDS: i64 = 86_400;
    match values.data_type() {
        DataType::Date32 => {
            let first = |days: i32| i32::try_from(first_of_year(days.into())).ok();
            Arc::new(values.as_primitive::<Date32Type>().unary_opt::<_, Date32Type>(first))
        }
        DataType::Date64 => moments::<Date64Type>(values, DAY_SECONDS * 1_000),
        DataType::Timestamp(TimeUnit::Second, _) => moments::<TimestampSecondType>(values, DAY_SECONDS),
        DataType::Timestamp(TimeUnit::Millisecond, _) => moments::<TimestampMillisecondType>(values, DAY_SECONDS * 1_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => moments::<TimestampMicrosecondType>(values, DAY_SECONDS * 1_000_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => moments::<TimestampNanosecondType>(values, DAY_SECONDS * 1_000_000_000),
        other => new_null_array(other, values.len()),
    }
}

/// Moments of a type with so many units a day. What the first of its year would not fit into becomes NULL.
fn moments<T: ArrowPrimitiveType<Native = i64>>(values: &ArrayRef, day: i64) -> ArrayRef {
    let first = |moment: i64| first_of_year(moment.div_euclid(day)).checked_mul(day);
    Arc::new(values.as_primitive::<T>().unary_opt::<_, T>(first).with_data_type(values.data_type().clone()))
}

/// January 1st of the year that a day lies in, both as days since 1970-01-01, in the Gregorian calendar without beginning or end. (Libraries
/// for dates end before the days of a `Date32` do.) A year is taken to begin on March 1st, so that a leap day is its last.
fn first_of_year(days: i64) -> i64 {
    const ERA_DAYS: i64 = 146_097;
    const EPOCH_FROM_ERA: i64 = 719_468;
    // From March 1st to December 31st, so that January 1st is the next.
    const MARCH_TO_JANUARY: i64 = 306;
    let days = days.saturating_add(EPOCH_FROM_ERA);
    let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let year = era * 400 + year_of_era;
    // From January on, the calendar's year began in this one; before, in the one that began a March earlier.
    let began = if of_year >= MARCH_TO_JANUARY { year } else { year - 1 };
    let (era, year_of_era) = (began.div_euclid(400), began.rem_euclid(400));
    era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + MARCH_TO_JANUARY - EPOCH_FROM_ERA
}

#[cfg(test)]
mod tests;
