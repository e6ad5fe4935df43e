//! A declared normalisation: one identifier has many ways to be written, and one pseudonym.

use unicode_normalization::UnicodeNormalization;

/// One step. A list of them runs in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// White space at both ends goes.
    Trim,
    Lower,
    Upper,
    Nfkc,
    /// Only the digits 0 to 9 stay.
    Digits,
    /// Only letters and digits stay.
    Alnum,
    /// Zeros at the beginning go, all but the last character.
    Zeros,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Trim, Self::Lower, Self::Upper, Self::Nfkc, Self::Digits, Self::Alnum, Self::Zeros];

    /// As a contract writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trim => "trim",
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Nfkc => "nfkc",
            Self::Digits => "digits",
            Self::Alnum => "alnum",
            Self::Zeros => "zeros",
        }
    }

    fn take(self, text: &str) -> String {
        match self {
            Self::Trim => text.trim().to_owned(),
            Self::Lower => text.to_lowercase(),
            Self::Upper => text.to_uppercase(),
            Self::Nfkc => text.nfkc().collect(),
            Self::Digits => text.chars().filter(char::is_ascii_digit).collect(),
            Self::Alnum => text.chars().filter(|c| c.is_alphanumeric()).collect(),
            Self::Zeros => match text.trim_start_matches('0') {
                "" if text.is_empty() => String::new(),
                "" => "0".to_owned(),
                rest => rest.to_owned(),
            },
        }
    }
}

/// The text after all steps.
pub fn normalised(steps: &[Step], text: &str) -> String {
    let mut text = text.to_owned();
    for step in steps {
        text = step.take(&text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_in_their_order() {
        use Step::{Alnum, Digits, Lower, Nfkc, Trim, Upper, Zeros};
        for (steps, text, wanted) in [
            (&[][..], " 1 85 ", " 1 85 "),
            (&[Trim], "\u{a0} a b\t", "a b"),
            (&[Digits], "1 85 05 78 006 084 / 91", "185057800608491"),
            (&[Alnum, Upper], "2a 3-b é", "2A3BÉ"),
            (&[Nfkc, Lower], "ＡＢ①", "ab1"),
            (&[Zeros], "00042", "42"),
            (&[Zeros], "000", "0"),
            (&[Digits, Zeros], "n. 0-7", "7"),
            (&[Zeros, Digits], "n. 0-7", "07"),
            (&[Digits], "none", ""),
            (&[Zeros], "", ""),
        ] {
            assert_eq!(normalised(steps, text), wanted, "{steps:?} of {text:?}");
        }
    }

    #[test]
    fn two_ways_to_write_an_identifier_become_one() {
        let steps = [Step::Nfkc, Step::Alnum, Step::Upper];
        let ways = ["2 85 05 2a 006 084 91", "285052A00608491", "２85052a006084-91", "\u{feff}285.05.2A.006.084.91 "];
        for way in ways {
            assert_eq!(normalised(&steps, way), "285052A00608491", "{way:?}");
        }
    }
}
