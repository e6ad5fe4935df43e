//! What a contract makes of a value before it is stored (`polder.mask`). The bytes are in `docs/format/masking.md`.

pub(crate) mod apply;
pub(crate) mod normalise;
mod plain;
mod round;

use std::fmt;

use crate::column::ColumnType;
pub use crate::mask::apply::reveal;
pub use crate::mask::normalise::Step;

/// How the values of a column are masked.
#[derive(Debug, Clone, PartialEq)]
pub enum Mask {
    /// A keyed hash: equal values of one domain look alike, and nobody reads them back.
    Pseudonymise {
        /// Whose key.
        domain: String,
        /// What is done to the text first, in this order.
        normalise: Vec<Step>,
    },
    /// What only the domain's key opens.
    Encrypt {
        /// Whose key.
        domain: String,
        /// Whether equal values look alike.
        deterministic: bool,
    },
    /// The first characters of a text.
    Prefix(usize),
    /// A date or moment at the beginning of its period; the type stays.
    Beginning(Period),
    /// The name of a date's or moment's period, such as `2013-Q2`.
    Named(Period),
    /// The largest multiple of a step, in the column's unit, that is not more.
    Whole(i128),
    /// The largest multiple of a step that is not more.
    Float(f64),
    /// The value is checked and not stored.
    Drop,
}

/// A span of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Year,
    Quarter,
    Month,
}

impl Period {
    /// As a contract writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
        }
    }
}

/// Values that can be compared with each other: masked the same way under the same domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// `pseudonymise` or `encrypt`.
    pub how: &'static str,
    /// The domain.
    pub domain: &'a str,
}

impl Mask {
    /// The type in the table of a column of a type; none when nothing is stored.
    pub fn stored(&self, ty: ColumnType) -> Option<ColumnType> {
        match self {
            Self::Pseudonymise { .. } | Self::Encrypt { .. } | Self::Named(_) => Some(ColumnType::String),
            Self::Prefix(_) | Self::Beginning(_) | Self::Whole(_) | Self::Float(_) => Some(ty),
            Self::Drop => None,
        }
    }

    /// The domain whose key masks, if any does.
    pub fn domain(&self) -> Option<&str> {
        match self {
            Self::Pseudonymise { domain, .. } | Self::Encrypt { domain, .. } => Some(domain),
            _ => None,
        }
    }

    /// Under what equal values look alike without being readable; none for other masks.
    pub fn link(&self) -> Option<Link<'_>> {
        match self {
            Self::Pseudonymise { domain, .. } => Some(Link { how: "pseudonymise", domain }),
            Self::Encrypt { domain, deterministic: true } => Some(Link { how: "encrypt", domain }),
            _ => None,
        }
    }
}

/// The mask in words, which differ when masks do: refused rows are kept with it.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pseudonymise { domain, normalise } => {
                write!(f, "pseudonymise {domain}")?;
                normalise.iter().try_for_each(|step| write!(f, " {}", step.name()))
            }
            Self::Encrypt { domain, deterministic: false } => write!(f, "encrypt {domain}"),
            Self::Encrypt { domain, deterministic: true } => write!(f, "encrypt {domain} deterministically"),
            Self::Prefix(characters) => write!(f, "first {characters} characters"),
            Self::Beginning(period) => write!(f, "beginning of the {}", period.name()),
            Self::Named(period) => write!(f, "{}", period.name()),
            Self::Whole(step) => write!(f, "steps of {step} of its last digit"),
            Self::Float(step) => write!(f, "steps of {step}"),
            Self::Drop => f.write_str("drop"),
        }
    }
}

#[cfg(test)]
mod tests;
