//! Numbers that a state gives: the French NIR, SIRET and SIREN, passports, and identity numbers of some other countries.

use super::digits::{Compact, luhn, number, remainder_97};

const SPACES: [char; 4] = [' ', '.', '-', '\u{a0}'];

/// A French social security number with its key: sex, year, month, department or country of birth, commune, order, and
/// 97 − (the number mod 97), Corsica's 2A and 2B counting as 19 and 18.
pub fn is_nir(value: &str) -> bool {
    let Some(compact) = Compact::of(value, &SPACES) else { return false };
    let Some((body, key)) = compact.bytes().split_at_checked(13) else { return false };
    let [_, _] = key else { return false };
    let Some(digits) = nir_digits(body) else { return false };
    key.iter().all(u8::is_ascii_digit) && number(key) == 97 - u64::from(remainder_97(digits.iter()))
}

/// The thirteen characters of a NIR whose key is not kept.
pub fn is_nir_without_key(value: &str) -> bool {
    // Codes of articles have thirteen digits too, and many begin with 3.
    Compact::of(value, &SPACES).is_some_and(|compact| matches!(compact.bytes(), [b'1' | b'2', ..]) && nir_digits(compact.bytes()).is_some())
}

/// The digits that the key is computed from, when the parts are such as they are given.
fn nir_digits(body: &[u8]) -> Option<Vec<u8>> {
    let letter = match body.get(5..7)? {
        b"2A" => Some(b"19"),
        b"2B" => Some(b"18"),
        _ => None,
    };
    let mut digits = body.to_vec();
    if let (Some(as_digits), Some(place)) = (letter, digits.get_mut(5..7)) {
        place.copy_from_slice(as_digits);
    }
    let part = |range: std::ops::Range<usize>| digits.get(range).map_or(0, number);
    let sex = matches!(digits.first()?, b'1' | b'2' | b'3' | b'4' | b'7' | b'8');
    // 20 to 42 and 50 to 99 stand for months that the registry does not know or that were used up.
    let month = matches!(part(3..5), 1..=12 | 20..=42 | 50..=99);
    // 96 was abroad before 1967 (then Algeria, Morocco, Tunisia 91 to 94), 97 and 98 are overseas, 99 is abroad.
    let department = letter.is_some() || matches!(part(5..7), 1..=19 | 21..=99);
    let rest = part(7..10) > 0 && part(10..13) > 0;
    (digits.len() == 13 && digits.iter().all(u8::is_ascii_digit) && sex && month && department && rest).then_some(digits)
}

/// SIREN of La Poste, whose establishments have numbers of another kind.
const LA_POSTE: &[u8] = b"356000000";

/// A SIREN: nine digits, the last of Luhn.
pub fn is_siren(value: &str) -> bool {
    Compact::digits(value, &[' ', '.', '\u{a0}']).is_some_and(|compact| compact.bytes().len() == 9 && luhn(compact.bytes()))
}

/// A SIRET: a SIREN and five digits, Luhn over all; of La Poste the digits' sum is a multiple of five.
pub fn is_siret(value: &str) -> bool {
    let Some(compact) = Compact::digits(value, &[' ', '.', '\u{a0}']) else { return false };
    let Some((siren, rest)) = compact.bytes().split_at_checked(9) else { return false };
    if rest.len() != 5 || !luhn(siren) {
        return false;
    }
    let sum: u32 = compact.bytes().iter().map(|byte| u32::from(byte - b'0')).sum();
    luhn(compact.bytes()) || (siren == LA_POSTE && sum.is_multiple_of(5))
}

/// A French passport: two digits, two letters, five digits, perhaps with a space between.
pub fn is_french_passport(value: &str) -> bool {
    let Some(compact) = Compact::of(value, &[' ']) else { return false };
    let [a, b, c, d, rest @ ..] = compact.bytes() else { return false };
    [a, b].iter().all(|byte| byte.is_ascii_digit())
        && [c, d].iter().all(|byte| byte.is_ascii_uppercase())
        && rest.len() == 5
        && rest.iter().all(u8::is_ascii_digit)
}

/// The second line of a passport's machine-readable zone (ICAO 9303, TD3), with four check digits; or both lines.
pub fn is_machine_readable_zone(value: &str) -> bool {
    let line = match value.len() {
        88 if value.starts_with('P') => value.get(44..),
        89 if value.starts_with('P') => value.get(44..).and_then(|rest| rest.strip_prefix(['\n', ' '])),
        44 => Some(value),
        _ => None,
    };
    let Some(line) = line.map(str::as_bytes) else { return false };
    let held = |range: std::ops::Range<usize>, check: usize| {
        line.get(range).zip(line.get(check)).is_some_and(|(text, check)| mrz_check(text.iter()) == Some(*check))
    };
    let composite = || [0..10, 13..20, 21..43].into_iter().filter_map(|range| line.get(range)).flatten();
    line.len() == 44
        && held(0..9, 9)
        && held(13..19, 19)
        && held(21..27, 27)
        && (line.get(28..42).is_some_and(|text| text.iter().all(|byte| *byte == b'<')) || held(28..42, 42))
        && mrz_check(composite()) == line.get(43).copied()
}

/// Weights 7, 3, 1; A is 10, the filler 0.
fn mrz_check<'a>(text: impl Iterator<Item = &'a u8>) -> Option<u8> {
    let mut sum = 0u32;
    for (byte, weight) in text.zip([7, 3, 1].into_iter().cycle()) {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'<' => 0,
            _ => return None,
        };
        sum += u32::from(value) * weight;
    }
    u8::try_from(sum % 10).ok().map(|digit| b'0' + digit)
}

/// A social security number of the United States, with its hyphens or spaces, outside the ranges that are never given.
pub fn is_us_ssn(value: &str) -> bool {
    let [a, b, c, first, d, e, second, f, g, h, i] = value.as_bytes() else { return false };
    let digits = [*a, *b, *c, *d, *e, *f, *g, *h, *i];
    let (area, group, serial) = (number(&[*a, *b, *c]), number(&[*d, *e]), number(&[*f, *g, *h, *i]));
    digits.iter().all(u8::is_ascii_digit)
        && matches!((first, second), (b'-', b'-') | (b' ', b' '))
        && (1..900).contains(&area)
        && area != 666
        && group > 0
        && serial > 0
}

/// A national insurance number of the United Kingdom: prefix, six digits, A to D.
pub fn is_uk_nino(value: &str) -> bool {
    let Some(compact) = Compact::of(value, &[' ']) else { return false };
    let [a, b, digits @ .., last] = compact.bytes() else { return false };
    let prefix = [*a, *b];
    let known = a.is_ascii_uppercase() && b.is_ascii_uppercase() && !b"DFIQUV".contains(a) && !b"DFIOQUV".contains(b);
    digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
        && (b'A'..=b'D').contains(last)
        && known
        && ![*b"BG", *b"GB", *b"NK", *b"KN", *b"TN", *b"NT", *b"ZZ"].contains(&prefix)
}

/// A Spanish DNI or NIE: its letter is that of the number mod 23.
pub fn is_spanish_dni(value: &str) -> bool {
    let Some(compact) = Compact::of(value, &['-', ' ']) else { return false };
    let [first, middle @ .., letter] = compact.bytes() else { return false };
    let first = match first {
        b'X' => b'0',
        b'Y' => b'1',
        b'Z' => b'2',
        digit => *digit,
    };
    let digits: Vec<u8> = std::iter::once(first).chain(middle.iter().copied()).collect();
    let index = usize::try_from(number(&digits) % 23).unwrap_or(0);
    digits.len() == 8 && digits.iter().all(u8::is_ascii_digit) && b"TRWAGMYFPDXBNJZSQVHLCKE".get(index) == Some(letter)
}

/// An Italian codice fiscale: its letters and digits where they belong, a month's letter, and the check letter.
pub fn is_italian_fiscal_code(value: &str) -> bool {
    const ODD: [u32; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let text = value.as_bytes();
    let formed = text.iter().enumerate().all(|(place, byte)| match place {
        0..=5 | 11 | 15 => byte.is_ascii_uppercase(),
        8 => b"ABCDEHLMPRST".contains(byte),
        _ => byte.is_ascii_digit(),
    });
    if text.len() != 16 || !formed {
        return false;
    }
    let order = |byte: &u8| usize::from(if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'A') });
    let sum: u32 = text
        .iter()
        .take(15)
        .enumerate()
        .map(|(place, byte)| match place % 2 {
            0 => ODD.get(order(byte)).copied().unwrap_or(0),
            _ => u32::try_from(order(byte)).unwrap_or(0),
        })
        .sum();
    text.last().map(|last| u32::from(last.wrapping_sub(b'A'))) == Some(sum % 26)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NIR with its key, from its first thirteen characters.
    fn nir(body: &str) -> String {
        let digits = body.replace("2A", "19").replace("2B", "18");
        format!("{body}{:02}", 97 - digits.parse::<u64>().unwrap() % 97)
    }

    #[test]
    fn a_nir_has_parts_and_a_key() {
        // The example of the registry's documentation.
        assert!(is_nir("255081416802538"));
        assert!(is_nir("2 55 08 14 168 025 38"));
        assert!(!is_nir("255081416802539"));
        assert!(!is_nir("255081416802583"));
        for right in ["1850672117038", "185062A004012", "185062B004012", "2853599351012", "1997797411003", "1426201234567"] {
            assert!(is_nir(&nir(right)), "{right}");
        }
        // Sex 5; month 13; month 43; department 00; commune 000; order 000; Corsica has no 2C.
        for wrong in ["5850672117038", "1851372117038", "1854372117038", "1850600117038", "1850672000038", "1850672117000"] {
            assert!(!is_nir(&nir(wrong)), "{wrong}");
        }
        assert!(!is_nir("185062C00401234") && !is_nir("") && !is_nir("2550814168025"));
        assert!(is_nir_without_key("2550814168025") && !is_nir_without_key("9780306406157"));
    }

    #[test]
    fn a_siret_is_a_siren_and_an_establishment() {
        assert!(is_siren("732829320") && is_siren("732 829 320") && !is_siren("732829321") && !is_siren("000000000"));
        assert!(is_siret("73282932000074") && is_siret("732 829 320 00074") && is_siret("732.829.320.00074"));
        assert!(!is_siret("73282932000075") && !is_siret("7328293200007"));
        // La Poste: the sum of the digits is a multiple of five where Luhn fails.
        assert!(is_siret("35600000000048") && is_siret("35600000049837"));
        assert!(!is_siret("35600000049838"));
        // Luhn over all fourteen digits, not over the first nine.
        assert!(luhn(b"10000000000008") && !is_siret("10000000000008"));
    }

    #[test]
    fn passports_are_french_ones_or_machine_readable_zones() {
        assert!(
            is_french_passport("12AB34567")
                && is_french_passport("12 AB 34567")
                && is_french_passport("12ab34567")
                && !is_french_passport("123B34567")
        );
        // The specimen of ICAO 9303.
        let line = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
        assert!(is_machine_readable_zone(line));
        assert!(is_machine_readable_zone(&format!("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<{line}")));
        assert!(!is_machine_readable_zone("L898902C37UTO7408122F1204159ZE184226B<<<<<10"));
        assert!(!is_machine_readable_zone("L898902C36UTO7408122F1204159ZE184226B<<<<<11"));
        assert!(!is_machine_readable_zone(&"<".repeat(44)) || !is_machine_readable_zone(&"A".repeat(44)));
        assert!(!is_machine_readable_zone(&"é".repeat(22)) && !is_machine_readable_zone(&format!("P{}", "é".repeat(44))));
    }

    #[test]
    fn identity_numbers_of_other_countries() {
        assert!(is_us_ssn("123-45-6789") && !is_us_ssn("666-45-6789") && !is_us_ssn("900-45-6789") && !is_us_ssn("123-00-6789"));
        assert!(!is_us_ssn("123456789") && !is_us_ssn("123-456-789"));
        assert!(is_uk_nino("AB 12 34 56 C") && is_uk_nino("AB123456C"));
        assert!(!is_uk_nino("GB123456C") && !is_uk_nino("AB123456E") && !is_uk_nino("QQ123456C") && !is_uk_nino("AB12345C"));
        assert!(is_spanish_dni("12345678Z") && is_spanish_dni("X1234567L") && !is_spanish_dni("12345678A") && !is_spanish_dni("1234567Z"));
        assert!(is_italian_fiscal_code("RSSMRA85T10A562S") && !is_italian_fiscal_code("RSSMRA85T10A562T"));
        assert!(!is_italian_fiscal_code("RSSMRA85Z10A562S") && !is_italian_fiscal_code(""));
    }
}
