//! A column's rules, compiled once.

use crate::admitted::Rule;
use crate::column::{Bounds, Column, ColumnType, TextFormat};
use crate::error::Error;
use crate::parse::pattern::Pattern;
use crate::time::TimeReader;

/// A column ready to be checked.
#[derive(Debug)]
pub struct Plan {
    /// Place in the contract.
    pub place: usize,
    pub column: Column,
    pub null_tokens: Vec<Vec<u8>>,
    pub time: Option<TimeReader>,
    /// What a missing value breaks; none where null is a value.
    pub null_rule: Option<Rule>,
    pub text: TextRules,
    /// The only values of a column of whole numbers, sorted, in the column's unit.
    valid_whole: Option<Vec<i128>>,
}

/// What a text is held to.
#[derive(Debug)]
pub struct TextRules {
    pub min_length: usize,
    pub max_length: usize,
    pub format: Option<TextFormat>,
    pub valid: Option<Vec<Vec<u8>>>,
    pub pattern: Option<Pattern>,
}

impl Plan {
    /// Compiles a column; `null_tokens` are those of the dataset and the contract.
    ///
    /// # Errors
    /// When a pattern or format does not compile, which the contract's reader rules out.
    pub fn new(place: usize, column: &Column, null_tokens: &[String]) -> Result<Self, Error> {
        let rule = |what| Error::Rule { column: column.name.clone(), what };
        let timed = matches!(column.ty, ColumnType::Date | ColumnType::Time | ColumnType::Timestamp { .. });
        let mut tokens: Vec<Vec<u8>> = null_tokens.iter().chain(&column.null_tokens).map(|token| token.clone().into_bytes()).collect();
        tokens.sort();
        tokens.dedup();
        let null_rule = match (column.primary_key, column.required) {
            (Some(_), _) => Some(Rule::PrimaryKeyNull),
            (None, true) => Some(Rule::Required),
            (None, false) => None,
        };
        let (mut valid_text, mut valid_whole) = (None, None);
        if let Some(values) = &column.valid_values {
            match column.ty {
                ColumnType::String => {
                    let mut texts: Vec<Vec<u8>> = values.iter().map(|value| value.clone().into_bytes()).collect();
                    texts.sort();
                    valid_text = Some(texts);
                }
                _ => {
                    let mut wholes = values
                        .iter()
                        .map(|value| whole_value(column.ty, value).ok_or_else(|| rule("validValues")))
                        .collect::<Result<Vec<_>, _>>()?;
                    wholes.sort_unstable();
                    valid_whole = Some(wholes);
                }
            }
        }
        let length = |length: Option<u64>, default| length.map_or(default, |length| usize::try_from(length).unwrap_or(usize::MAX));
        Ok(Self {
            place,
            null_tokens: tokens,
            time: if timed { Some(TimeReader::new(column).map_err(rule)?) } else { None },
            null_rule,
            text: TextRules {
                min_length: length(column.min_length, 0),
                max_length: length(column.max_length, usize::MAX),
                format: column.text_format,
                valid: valid_text,
                pattern: column.pattern.as_deref().map(Pattern::compile).transpose().map_err(|_| rule("pattern"))?,
            },
            valid_whole,
            column: column.clone(),
        })
    }

    /// Holds a whole number, in the column's unit, to `validValues`.
    #[inline]
    pub fn check_valid(&self, value: i128) -> Result<i128, Rule> {
        match &self.valid_whole {
            Some(valid) if valid.binary_search(&value).is_err() => Err(Rule::ValidValues),
            _ => Ok(value),
        }
    }

    /// Whether `validValues` has to be looked at for whole numbers.
    pub fn has_valid_whole(&self) -> bool {
        self.valid_whole.is_some()
    }

    /// Whether an unquoted text means null.
    #[inline]
    pub fn is_null_token(&self, bytes: &[u8]) -> bool {
        !self.null_tokens.is_empty() && self.null_tokens.iter().any(|token| token == bytes)
    }

    /// Bounds of whole numbers, in the column's unit.
    pub fn whole_bounds(&self) -> (i128, i128) {
        match self.column.bounds {
            Bounds::Whole { min, max } => (min, max),
            _ => (i128::MIN, i128::MAX),
        }
    }

    /// Checks a float.
    #[inline]
    pub fn check_float(&self, value: f64) -> Result<(), Rule> {
        if !value.is_finite() {
            return if self.column.allow_nan { Ok(()) } else { Err(Rule::NotFinite) };
        }
        if let Bounds::Float { min, min_exclusive, max, max_exclusive } = self.column.bounds {
            if value < min || (min_exclusive && value <= min) {
                return Err(Rule::Minimum);
            }
            if value > max || (max_exclusive && value >= max) {
                return Err(Rule::Maximum);
            }
        }
        Ok(())
    }
}

/// A value of `validValues` in the unit of a column of integers or decimals; none for other types.
pub fn whole_value(ty: ColumnType, text: &str) -> Option<i128> {
    match ty {
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => {
            crate::parse::number::integer(text.as_bytes()).ok().map(i128::from)
        }
        ColumnType::Decimal { precision, scale } => crate::parse::number::decimal(text.as_bytes(), precision, scale).ok(),
        _ => None,
    }
}

impl TextRules {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.min_length == 0 && self.max_length == usize::MAX && self.format.is_none() && self.valid.is_none() && self.pattern.is_none()
    }

    /// Holds a UTF-8 text to the rules.
    #[inline]
    pub fn check(&self, text: &[u8]) -> Result<(), Rule> {
        // A character has one to four bytes, so most lengths are judged without counting.
        if text.len() > self.max_length && characters(text) > self.max_length {
            return Err(Rule::MaxLength);
        }
        if self.min_length > 0 && text.len() < self.min_length.saturating_mul(4) && characters(text) < self.min_length {
            return Err(Rule::MinLength);
        }
        if let Some(pattern) = &self.pattern
            && !pattern.matches(text)
        {
            return Err(Rule::Pattern);
        }
        if let Some(valid) = &self.valid
            && valid.binary_search_by(|value| value.as_slice().cmp(text)).is_err()
        {
            return Err(Rule::ValidValues);
        }
        match self.format {
            None => Ok(()),
            Some(format) => check_format(format, text),
        }
    }
}

/// Characters of a UTF-8 text: bytes that continue none.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

#[cold]
fn check_format(format: TextFormat, text: &[u8]) -> Result<(), Rule> {
    let address = || std::str::from_utf8(text).unwrap_or_default();
    let fits = match format {
        TextFormat::Uuid => crate::parse::is_uuid(text),
        TextFormat::Ipv4 => address().parse::<std::net::Ipv4Addr>().is_ok(),
        TextFormat::Ipv6 => address().parse::<std::net::Ipv6Addr>().is_ok(),
    };
    if fits { Ok(()) } else { Err(Rule::Format) }
}
