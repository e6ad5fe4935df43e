use std::fmt;
use std::str::FromStr;

/// What is shown in place of a value. NULL stays NULL but under [`Self::Redact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mask {
    /// NULL.
    Null,
    /// `***`, and NULL where the column is no text.
    Redact,
    /// A keyed hash of the value's text, in hexadecimal digits.
    Hash,
    /// The token that the contract's mask of that name would give.
    Tokenise,
    /// January 1st of the year of a date or timestamp, and NULL where the column is neither.
    Year,
    /// The first four characters.
    First4,
    /// The last four characters.
    Last4,
}

impl Mask {
    /// Every mask, the strictest first.
    pub const ALL: [Self; 7] = [Self::Null, Self::Redact, Self::Hash, Self::Tokenise, Self::Year, Self::First4, Self::Last4];

    /// The name in `@mask("...")`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Redact => "redact",
            Self::Hash => "hash",
            Self::Tokenise => "tokenise",
            Self::Year => "year",
            Self::First4 => "first4",
            Self::Last4 => "last4",
        }
    }

    /// What is shown where several masks are permitted: the strictest. Of the first and the last four characters neither is the
    /// stricter, and together they would show eight, so these two count as `redact`.
    pub fn strictest(masks: &[Self]) -> Option<Self> {
        let both = masks.contains(&Self::First4) && masks.contains(&Self::Last4);
        masks.iter().copied().chain(both.then_some(Self::Redact)).min()
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|mask| mask.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|mask| mask.name()).collect();
            format!("there is no mask {text:?}; the masks are {}", names.join(", "))
        })
    }
}

/// How a principal sees a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// As it is.
    Clear,
    /// Through a mask.
    Masked(Mask),
    /// Not at all: as if the table had no such column.
    Hidden,
}

impl Sight {
    /// Whether anything of it is shown.
    pub const fn is_visible(self) -> bool {
        !matches!(self, Self::Hidden)
    }
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str("clear"),
            Self::Masked(mask) => write!(f, "masked ({mask})"),
            Self::Hidden => f.write_str("hidden"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mask_is_stricter_than_those_after_it() {
        for (place, one) in Mask::ALL.into_iter().enumerate() {
            assert_eq!(one.name().parse::<Mask>(), Ok(one));
            for other in Mask::ALL.into_iter().skip(place) {
                let both = Mask::strictest(&[one, other]);
                assert_eq!(both, Mask::strictest(&[other, one]));
                let redacted = (one, other) == (Mask::First4, Mask::Last4);
                assert_eq!(both, Some(if redacted { Mask::Redact } else { one }), "{one} {other}");
            }
        }
        assert_eq!(Mask::strictest(&[]), None);
        assert_eq!(Mask::strictest(&[Mask::Last4, Mask::Hash, Mask::First4]), Some(Mask::Redact));
        assert_eq!(Mask::strictest(&[Mask::Last4, Mask::Null, Mask::First4]), Some(Mask::Null));
    }

    #[test]
    fn a_mask_is_named_exactly() {
        for wrong in ["Redact", "", "first 4", "tokenize"] {
            assert!(wrong.parse::<Mask>().unwrap_err().contains("null, redact, hash, tokenise, year, first4, last4"));
        }
    }
}
