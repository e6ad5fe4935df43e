//! Bank accounts and payment cards.

use super::digits::{Compact, luhn, number, remainder_97};

/// Lengths of IBANs by country, from the SWIFT registry.
const IBAN_LENGTHS: [(&[u8; 2], usize); 88] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// An IBAN (ISO 13616): country, its length, and the remainder by 97.
pub fn is_iban(value: &str) -> bool {
    let value = value.strip_prefix("IBAN").map_or(value, |rest| rest.trim_start_matches([':', ' ']));
    let Some(compact) = Compact::of(value, &[' ', '-', '\u{a0}']) else { return false };
    let [a, b, c @ b'0'..=b'9', d @ b'0'..=b'9', account @ ..] = compact.bytes() else { return false };
    let length = IBAN_LENGTHS.iter().find(|(country, _)| *country == &[*a, *b]).map(|(_, length)| *length);
    length == Some(compact.bytes().len()) && remainder_97(account.iter().chain([a, b, c, d])) == 1
}

/// A French RIB: bank (5), branch (5), account (11, letters count as digits), key (2).
pub fn is_rib(value: &str) -> bool {
    let Some(compact) = Compact::of(value, &[' ', '-', '.', '\u{a0}']) else { return false };
    let as_digit = |byte: &u8| match byte {
        b'A'..=b'I' => byte - b'A' + b'1',
        b'J'..=b'R' => byte - b'J' + b'1',
        b'S'..=b'Z' => byte - b'S' + b'2',
        digit => *digit,
    };
    let digits: Vec<u8> = compact.bytes().iter().map(as_digit).collect();
    let numeric = |range: std::ops::Range<usize>| compact.bytes().get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    digits.len() == 23 && numeric(0..10) && numeric(21..23) && number(&digits) > 0 && remainder_97(digits.iter()) == 0
}

/// The digits of a number that may be a payment card's: 12 to 19 of them, in few groups.
pub fn card_digits(value: &str) -> Option<Compact> {
    let compact = Compact::digits(value, &[' ', '-', '\u{a0}'])?;
    let groups = value.split([' ', '-', '\u{a0}']);
    ((12..=19).contains(&compact.bytes().len()) && groups.clone().count() <= 5 && groups.clone().all(|group| group.len() >= 3))
        .then_some(compact)
}

/// A payment card number: an issuer's range with its lengths, and the Luhn digit.
pub fn is_card(value: &str) -> bool {
    card_digits(value).is_some_and(|compact| issuer_takes(compact.bytes()) && luhn(compact.bytes()))
}

/// The ranges of ISO/IEC 7812 that networks publish: Visa, Mastercard, American Express, Discover, Diners Club, JCB, UnionPay, Maestro,
/// Mir, RuPay. Two and four digits at the beginning tell them.
fn issuer_takes(digits: &[u8]) -> bool {
    let beginning = |places: usize| digits.get(..places).map_or(0, number);
    match (beginning(2), beginning(4), digits.len()) {
        (40..=49, _, 13 | 16 | 19) => true,
        (51..=55, _, 16) | (_, 2221..=2720, 16) => true,
        (34 | 37, _, 15) => true,
        (36 | 38 | 39, _, 14..=19) | (_, 3000..=3059 | 3095, 14..=19) => true,
        (_, 3528..=3589, 16..=19) | (_, 2131 | 1800, 15) => true,
        (62 | 81, _, 16..=19) => true,
        (_, 2200..=2204, 16..=19) => true,
        // Discover and RuPay lie within Maestro's range.
        (50 | 56..=58 | 60 | 61 | 63..=69, _, 12..=19) => true,
        _ => false,
    }
}

/// An IBAN of which the middle is masked: a country, its check digits perhaps, a mask, and at most eight digits or letters.
pub fn is_masked_iban(value: &str) -> bool {
    let compact: Vec<char> = value.chars().filter(|letter| !" -\u{a0}".contains(*letter)).collect();
    let country = compact.get(..2).is_some_and(|start| {
        IBAN_LENGTHS.iter().any(|(country, _)| start.iter().zip(country.iter()).all(|(letter, byte)| *letter == char::from(*byte)))
    });
    let masked = compact.iter().skip(2).filter(|letter| "*•#".contains(**letter) || **letter == 'x' || **letter == 'X').count();
    let shown = compact.iter().skip(2).filter(|letter| letter.is_ascii_digit()).count();
    let last = compact.iter().rev().take_while(|letter| letter.is_ascii_digit()).count();
    (10..=34).contains(&compact.len()) && country && masked >= 4 && (2..=8).contains(&last) && masked + shown + 2 == compact.len()
}

/// A card's number of which the middle is masked: at most eight digits, stars, points or x, four digits.
pub fn is_masked_card(value: &str) -> bool {
    let is_mask = |letter: &char| "*xX#•".contains(*letter);
    let compact: Vec<char> = value.chars().filter(|letter| !" -\u{a0}".contains(*letter)).collect();
    let first = compact.iter().take_while(|letter| letter.is_ascii_digit()).count();
    let last = compact.iter().rev().take_while(|letter| letter.is_ascii_digit()).count();
    let masked = compact.iter().filter(|letter| is_mask(letter)).count();
    (12..=19).contains(&compact.len()) && first <= 8 && last == 4 && masked >= 4 && first + last + masked == compact.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans_have_a_country_a_length_and_a_remainder() {
        for right in [
            "GB82 WEST 1234 5698 7654 32",
            "DE89370400440532013000",
            "FR14 2004 1010 0505 0001 3M02 606",
            "fr7630006000011234567890189",
            "BE68-5390-0754-7034",
            "NL91ABNA0417164300",
            "NO9386011117947",
            "CH9300762011623852957",
        ] {
            assert!(is_iban(right), "{right}");
        }
        for wrong in [
            "GB83 WEST 1234 5698 7654 32",
            "DE8937040044053201300",
            "DE893704004405320130001",
            "ZZ8937040044053201300",
            "US89370400440532013000",
            "FR7630006000011234567890188",
            "89370400440532013000DE",
            "",
        ] {
            assert!(!is_iban(wrong), "{wrong}");
        }
        let in_order = IBAN_LENGTHS.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(in_order, "a country twice");
    }

    #[test]
    fn an_iban_may_be_masked_or_say_that_it_is_one() {
        assert!(is_iban("IBAN FR76 3000 6000 0112 3456 7890 189") && is_iban("IBAN: GB82WEST12345698765432") && !is_iban("IBAN"));
        for right in ["FR76 **** **** **** **** ***0 189", "FR76XXXXXXXXXXXXXXXXXXX0189", "DE** **** **** **** 3000", "GB82 •••• •••• 5432"]
        {
            assert!(is_masked_iban(right), "{right}");
        }
        for wrong in ["FR7630006000011234567890189", "ZZ76 **** **** 0189", "FR**", "XXXX-XXXX-XXXX-1111", "FRxxxxxxxx", "é", ""] {
            assert!(!is_masked_iban(wrong), "{wrong}");
        }
    }

    #[test]
    fn ribs_have_a_key() {
        // The account within the IBAN FR14 2004 1010 0505 0001 3M02 606.
        assert!(is_rib("20041 01005 0500013M026 06"));
        assert!(is_rib("30006000011234567890189"));
        for wrong in ["20041 01005 0500013M026 07", "2004101005050001302606", "00000000000000000000000", "A0041010050500013M02606"] {
            assert!(!is_rib(wrong), "{wrong}");
        }
    }

    #[test]
    fn cards_have_an_issuer_a_length_and_a_luhn_digit() {
        for right in [
            "4111 1111 1111 1111",
            "5555-5555-5555-4444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "3530111333300000",
            "6200000000000005",
            "4222222222222",
        ] {
            assert!(is_card(right), "{right}");
        }
        assert!(is_masked_card("411111******1111") && is_masked_card("**** **** **** 1111") && is_masked_card("XXXX-XXXX-XXXX-1111"));
        assert!(is_masked_card("•••• •••• •••• 1111"));
        assert!(!is_masked_card("4111111111111111") && !is_masked_card("****") && !is_masked_card("x1111") && !is_masked_card(""));
        for wrong in [
            "4111 1111 1111 1112",
            "9111111111111111",
            "1234567812345670",
            "41111111111",
            "41-11-11-11-11-11-11-11",
            "4111111111111111a",
            "79927398713",
            // An IMEI has 15 digits and a Luhn digit, and no issuer.
            "490154203237518",
        ] {
            assert!(!is_card(wrong), "{wrong}");
        }
    }
}
