//! Digits and letters of a value without its separators, and the check digits of the standards.

/// As many as the longest number that is looked at has: an IBAN's 34.
const LEN_MAX: usize = 34;

/// ASCII letters and digits of a value, its separators taken out.
#[derive(Debug, Clone, Copy)]
pub struct Compact {
    bytes: [u8; LEN_MAX],
    len: usize,
}

impl Compact {
    /// None when the value holds anything but letters, digits and single separators between them, or too many of them.
    pub fn of(value: &str, separators: &[char]) -> Option<Self> {
        let mut compact = Self { bytes: [0; LEN_MAX], len: 0 };
        let mut separated = true;
        for letter in value.chars() {
            if letter.is_ascii_alphanumeric() {
                *compact.bytes.get_mut(compact.len)? = u8::try_from(letter).ok()?.to_ascii_uppercase();
                compact.len += 1;
                separated = false;
            } else if separators.contains(&letter) && !separated {
                separated = true;
            } else {
                return None;
            }
        }
        (compact.len > 0 && !separated).then_some(compact)
    }

    /// The same, of digits alone.
    pub fn digits(value: &str, separators: &[char]) -> Option<Self> {
        Self::of(value, separators).filter(|compact| compact.bytes().iter().all(u8::is_ascii_digit))
    }

    /// What was kept, in capitals.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A digit's value; 0 for what is none.
fn value(byte: u8) -> u32 {
    u32::from(byte.wrapping_sub(b'0').min(9))
}

/// The number that ASCII digits write, up to 19 of them.
pub fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0u64, |number, byte| number.wrapping_mul(10).wrapping_add(u64::from(value(*byte))))
}

/// The sum of the Luhn algorithm (ISO/IEC 7812-1).
fn luhn_sum(digits: &[u8]) -> u32 {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    digits.iter().rev().enumerate().map(|(place, byte)| if place % 2 == 1 { doubled(value(*byte)) } else { value(*byte) }).sum()
}

/// Whether the last digit is the Luhn check digit of the others.
pub fn luhn(digits: &[u8]) -> bool {
    digits.len() > 1 && digits.iter().any(|byte| *byte != b'0') && luhn_sum(digits).is_multiple_of(10)
}

/// The remainder by 97 of digits and letters, a letter counting as the two digits of ISO 13616 (A = 10, Z = 35).
pub fn remainder_97<'a>(text: impl Iterator<Item = &'a u8>) -> u32 {
    text.fold(0, |rest, byte| match byte {
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        byte => (rest * 10 + value(*byte)) % 97,
    })
}

/// Whether the last character is the check character of ISBN-10.
pub fn isbn_10(text: &[u8]) -> bool {
    let [rest @ .., last] = text else { return false };
    let last = if *last == b'X' { 10 } else { value(*last) };
    let sum: u32 = (2..=10).rev().zip(rest).map(|(weight, byte)| weight * value(*byte)).sum();
    text.len() == 10 && (sum + last).is_multiple_of(11)
}

/// Whether digits at every place vary as those of numbers that were drawn: a series that was counted up shares its beginning.
#[derive(Debug, Default, Clone)]
pub struct Spread {
    first: Vec<u8>,
    /// How many digits at the beginning all have had in common so far.
    common: usize,
    seen: usize,
}

impl Spread {
    /// Takes the digits of one value.
    pub fn take(&mut self, digits: &[u8]) {
        if self.seen == 0 {
            self.first = digits.to_vec();
            self.common = digits.len();
        } else {
            self.common = self.first.iter().zip(digits).take(self.common).take_while(|(a, b)| a == b).count();
        }
        self.seen += 1;
    }

    /// Whether the values share more than `most` digits at their beginning. Few values say nothing.
    pub fn is_counted(&self, most: usize) -> bool {
        self.seen >= 5 && self.common > most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_the_standards() {
        assert!(luhn(b"79927398713"));
        for wrong in [&b"79927398710"[..], b"79927398731", b"0000000000", b"7", b""] {
            assert!(!luhn(wrong), "{wrong:?}");
        }
        // The example of ISO 13616, its first four characters moved to the end.
        assert_eq!(remainder_97(b"WEST12345698765432GB82".iter()), 1);
        assert_eq!(remainder_97(b"WEST12345698765432GB83".iter()), 2);
        assert!(isbn_10(b"0306406152") && isbn_10(b"097522980X"));
        assert!(!isbn_10(b"0306406153") && !isbn_10(b"03064061521") && !isbn_10(b""));
    }

    #[test]
    fn separators_stand_single_and_inside() {
        let compact = |text: &str| Compact::of(text, &[' ', '-']).map(|compact| String::from_utf8(compact.bytes().to_vec()).unwrap());
        assert_eq!(compact("fr76 3000-6").as_deref(), Some("FR7630006"));
        for wrong in ["", " 1", "1 ", "1  2", "1_2", "é", &"1".repeat(35)] {
            assert_eq!(compact(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_series_shares_its_beginning() {
        let spread = |numbers: &[&str]| {
            let mut spread = Spread::default();
            numbers.iter().for_each(|number| spread.take(number.as_bytes()));
            spread.is_counted(3)
        };
        assert!(spread(&["100001", "100002", "100003", "100004", "100005"]));
        assert!(!spread(&["100001", "230002", "100003", "100004", "100005"]));
        assert!(!spread(&["100001", "100002"]));
    }
}
