//! E-mail addresses and phone numbers.

/// An e-mail address: a local part of dot-separated atoms and a domain of labels (RFC 5321 and 5322 without quoted forms, comments and
/// address literals), alone, in angle brackets behind a name, behind `mailto:`, or several with commas or semicolons between.
pub fn is_email(value: &str) -> bool {
    value.len() <= 1024 && value.contains('@') && value.split([';', ',']).all(|part| is_mailbox(part.trim()))
}

fn is_mailbox(text: &str) -> bool {
    let bracketed = text.strip_suffix('>').and_then(|text| text.split_once('<')).map(|(_, address)| address);
    let text = bracketed.unwrap_or(text);
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    is_local(local) && is_domain(domain)
}

/// Atoms of RFC 5322, and letters of any script as RFC 6531 allows.
fn is_local(local: &str) -> bool {
    let is_atom = |letter: char| letter.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(letter);
    (1..=64).contains(&local.len()) && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    let top_is_name = domain.rsplit('.').next().is_some_and(|top| top.len() >= 2 && top.chars().any(char::is_alphabetic));
    domain.len() <= 253 && domain.contains('.') && top_is_name && domain.split('.').all(is_label)
}

/// Whether a text holds an e-mail address among other words.
pub fn holds_email(text: &str) -> bool {
    let outside = |letter: char| !letter.is_alphanumeric();
    text.split_whitespace().filter(|word| word.contains('@') && !word.contains("://")).any(|word| {
        let word = word.trim_matches(|letter: char| outside(letter) && letter != '@');
        let word = word.rsplit_once(':').map_or(word, |(before, address)| if before.contains('@') { word } else { address });
        is_mailbox(word)
    })
}

/// How surely a text is a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phone {
    /// `+` or `00` and a country's code.
    International,
    /// A national number with the separators of France, the United Kingdom or North America.
    National,
    /// North American, with hyphens, dots or spaces alone: codes of parts look so too.
    NorthAmerican,
    /// Ten digits from 0: a French number, or a padded code.
    TenDigits,
}

/// How ten digits from 0 are grouped in France, in the United Kingdom where they have ten, and in Belgium and Switzerland.
const FRENCH_GROUPS: [&[usize]; 11] = [
    &[2, 2, 2, 2, 2],
    &[4, 3, 3],
    &[4, 2, 2, 2],
    &[1, 3, 3, 3],
    &[1, 3, 2, 2, 2],
    &[1, 1, 2, 2, 2, 2],
    &[5, 5],
    &[4, 6],
    &[2, 8],
    &[2, 2, 3, 3],
    &[3, 3, 2, 2],
];

/// Recognises a number as it is written for people. A bare integer is none.
pub fn phone(value: &str) -> Option<Phone> {
    let value = without_extension(number_itself(value));
    if value.len() > 30 || value.bytes().filter(u8::is_ascii_digit).count() < 8 {
        return None;
    }
    // Padded codes begin with zeros too: a country and a subscriber have ten digits at least.
    let dialled = value.strip_prefix("00").filter(|rest| rest.bytes().filter(u8::is_ascii_digit).count() >= 10);
    if let Some(rest) = value.strip_prefix('+').or(dialled) {
        return is_international(rest).then_some(Phone::International);
    }
    let groups = groups(value)?;
    let digits: String = groups.iter().copied().collect();
    let (lengths, separated) = (groups.iter().map(|group| group.len()).collect::<Vec<_>>(), groups.len() > 1);
    let french = digits.len() == 10 && digits.starts_with('0') && !digits.starts_with("00");
    let british = digits.len() == 11 && ["01", "02", "03", "07", "08"].iter().any(|start| digits.starts_with(start));
    if french && separated {
        let usual = FRENCH_GROUPS.contains(&lengths.as_slice());
        return usual.then_some(Phone::National);
    }
    if french {
        return Some(Phone::TenDigits);
    }
    if british && separated {
        return matches!(lengths.as_slice(), [3, 4, 4] | [5, 6] | [5, 3, 3] | [4, 3, 4] | [4, 7]).then_some(Phone::National);
    }
    let (code, rest) = if lengths.len() == 4 { (groups.first().copied(), groups.get(1..)?) } else { (None, groups.as_slice()) };
    let [area, exchange, line] = rest else { return None };
    let formed =
        area.len() == 3 && exchange.len() == 3 && line.len() == 4 && !area.starts_with(['0', '1']) && !exchange.starts_with(['0', '1']);
    if !formed || code.is_some_and(|code| code != "1") {
        return None;
    }
    Some(if value.contains('(') { Phone::National } else { Phone::NorthAmerican })
}

/// Whether digits that lost `+` or a leading zero may be a phone number, where the column's name says that they are.
pub fn may_be_phone(value: &str) -> bool {
    let value = without_extension(number_itself(value));
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let separators = value.chars().filter(|letter| !letter.is_ascii_digit()).count();
    (6..=15).contains(&digits)
        && separators <= digits
        && value.chars().all(|letter| letter.is_ascii_digit() || " \u{a0}\u{202f}.-/()+*xX".contains(letter))
}

/// Nine to thirteen digits: a number of any country without its separators, where the column's name hints at it.
pub fn is_long_number(value: &str) -> bool {
    // Seconds or milliseconds since 1970, of the years 2001 to 2033, are moments.
    let moment = |number: u64| [1, 1_000].iter().any(|unit| (1_000_000_000 * unit..2_000_000_000 * unit).contains(&number));
    (9..=13).contains(&value.bytes().filter(u8::is_ascii_digit).count()) && may_be_phone(value) && !value.parse().is_ok_and(moment)
}

/// Nine digits that lost their zero, or the code of France or the United Kingdom without `+`.
pub fn is_stripped_phone(value: &str) -> bool {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let coded = (value.starts_with("33") && value.len() == 11) || (value.starts_with("44") && value.len() == 12);
    digits && (coded || (value.len() == 9 && !value.starts_with(['0', '8'])))
}

/// Codes that begin with their first digit or two digits; the others have three.
fn country_digits(digits: &str) -> Option<usize> {
    const TWO: [&str; 44] = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51", "52", "53", "54",
        "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    match digits.as_bytes().first()? {
        b'1' | b'7' => Some(1),
        b'2'..=b'9' => Some(if digits.get(..2).is_some_and(|start| TWO.contains(&start)) { 2 } else { 3 }),
        _ => None,
    }
}

/// What follows `+` or `00` (E.164: at most 15 digits).
fn is_international(rest: &str) -> bool {
    let rest = rest.replacen("(0)", "", 1);
    let Some(groups) = groups(rest.trim()) else { return false };
    let digits: String = groups.iter().copied().collect();
    let Some(code) = country_digits(&digits) else { return false };
    let subscriber = digits.len().saturating_sub(code);
    let first = groups.first().map_or(0, |group| group.len());
    // A decimal has a long group before its point; a number in one piece has no groups.
    let grouped = groups.len() == 1
        || (groups.len() >= 3 && groups.iter().skip(1).all(|group| group.len() <= 4))
        || (groups.len() == 2 && first <= 3);
    let in_country = match code {
        1 if digits.starts_with('1') => subscriber == 10,
        2 if digits.starts_with("33") => subscriber == 9,
        _ => (6..=12).contains(&subscriber),
    };
    (8..=15).contains(&digits.len()) && grouped && in_country
}

/// Runs of digits between single separators; none when anything else is there.
fn groups(value: &str) -> Option<Vec<&str>> {
    let clean = |letter: char| " \u{a0}\u{202f}.-/()".contains(letter);
    if !value.chars().all(|letter| letter.is_ascii_digit() || clean(letter)) || value.ends_with(['.', '-', '/']) || value.contains("..") {
        return None;
    }
    let groups: Vec<&str> = value.split(clean).filter(|group| !group.is_empty()).collect();
    (!groups.is_empty()).then_some(groups)
}

/// Without a word before it, as in `Tél. : 01 23 45 67 89` and `tel:+33…`; of two numbers with a slash between spaces, or a semicolon, the
/// first.
fn number_itself(value: &str) -> &str {
    let value = [" / ", ";", " ou ", " or "].iter().find_map(|between| value.split_once(between)).map_or(value, |(first, _)| first).trim();
    let word = value.find(|letter: char| !letter.is_alphabetic()).unwrap_or(0);
    let known =
        ["tel", "tél", "téléphone", "telephone", "phone", "mob", "mobile", "port", "portable", "fixe", "fax", "cell", "gsm", "t", "p", "m"];
    let (before, rest) = value.split_at_checked(word).unwrap_or_default();
    let named = known.contains(&before.to_lowercase().as_str());
    if named { rest.trim_start_matches(['.', ':', ' ', '\u{a0}']) } else { value }
}

fn without_extension(value: &str) -> &str {
    ["x", "ext", "ext.", "ext:", "Ext", "Ext.", "EXT", "X", "extension", "poste", "Poste", "p.", "#"]
        .iter()
        .filter_map(|word| value.rsplit_once(word))
        .find(|(_, digits)| (1..=6).contains(&digits.trim().len()) && digits.trim().bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(value, |(number, _)| number.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_have_atoms_and_a_domain() {
        for right in [
            "a@b.fr",
            "jean.dupont+news@exemple-client.co.uk",
            "o'neil@x.ie",
            "élise@société.fr",
            "Jean Dupont <jd@exemple.fr>",
            "mailto:a@b.org",
            "a@b.fr; c@d.fr",
            "a_b@sub.domain.museum",
        ] {
            assert!(is_email(right), "{right}");
        }
        for wrong in [
            "",
            "@",
            "a@b",
            "a@.fr",
            "a@b..fr",
            ".a@b.fr",
            "a.@b.fr",
            "a..b@c.fr",
            "a b@c.fr",
            "a@b.c",
            "a@-b.fr",
            "a@b.12",
            "@handle",
            "a@b.fr;",
            "git@github.com:org/repo.git",
            "a@@b.fr",
        ] {
            assert!(!is_email(wrong), "{wrong}");
        }
        assert!(!is_email(&format!("{}@b.fr", "a".repeat(65))));
        assert!(holds_email("écrire à a.b@c.fr, avant midi") && holds_email("(mail:a@b.fr)"));
        for wrong in ["clone git@github.com:org/repo.git now", "postgres://a:b@c.fr/d", "meet @ noon", "a@b", ""] {
            assert!(!holds_email(wrong), "{wrong}");
        }
    }

    #[test]
    fn phones_have_a_country_or_the_separators_of_one() {
        use Phone::{International, National, NorthAmerican, TenDigits};
        for (text, kind) in [
            ("+33612345678", International),
            ("+33 6 12 34 56 78", International),
            ("+33 (0)6 12 34 56 78", International),
            ("0033 6 12 34 56 78", International),
            ("+44 20 7946 0958", International),
            ("+1-212-555-0123", International),
            ("+1 (212) 555-0123 x12", International),
            ("+352 621 123 456", International),
            ("06 12 34 56 78", National),
            ("06.12.34.56.78", National),
            ("01-42-68-53-00", National),
            ("0 800 123 456", National),
            ("020 7946 0958", National),
            ("07700 900123", National),
            ("(212) 555-0123", National),
            ("212-555-0123", NorthAmerican),
            ("1.212.555.0123", NorthAmerican),
            ("0612345678", TenDigits),
            ("06 12345678", National),
            ("079 123 45 67", National),
            ("Tél. : 01 42 68 53 00", National),
            ("tel:+33142685300", International),
            ("01 42 68 53 00 / 06 12 34 56 78", National),
            ("01 42 68 53 00 Poste 12", National),
            ("(555) 234-4567 Ext. 12", National),
            ("001-212-555-0123x456", International),
            ("+44 (0)20 7946 0958", International),
            ("(01632) 960123", National),
        ] {
            assert_eq!(phone(text), Some(kind), "{text}");
        }
        for wrong in [
            "",
            "612345678",
            "33612345678",
            "0012345678",
            "2125550123",
            "112-555-0123",
            "212-155-0123",
            "12-3456-78901",
            "+33 5.50",
            "+1234567.89",
            "+336123456789",
            "+999",
            "06 12 34 56",
            "06 1 2345678",
            "2024-01-02 10:00",
            "192.168.100.200",
            "978-0-306-40615-7",
            "48.8566, 2.3522",
            "+12",
            "PN 555-1234-567",
            "; 06 12 34 56 78",
            "tel",
            "portée 12 34",
            "p. 12",
        ] {
            assert_eq!(phone(wrong), None, "{wrong}");
        }
        assert!(may_be_phone("612345678") && may_be_phone("33612345678") && !may_be_phone("12") && !may_be_phone("true"));
        assert!(is_long_number("2125550123") && !is_long_number("12345678") && !is_long_number("12345678901234"));
        assert!(is_stripped_phone("612345678") && is_stripped_phone("33612345678") && !is_stripped_phone("0612345678"));
    }
}
