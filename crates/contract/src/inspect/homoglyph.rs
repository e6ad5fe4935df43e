//! Letters that look like others: a name, an e-mail or a web address that reads as one thing and is another.
//!
//! Judged in identifiers only: in addresses anywhere in a text, and in texts of one word. Prose may mix scripts (a typing error, a
//! formula, a brand within a Russian sentence) and is left alone.

use unicode_script::{Script, UnicodeScript};

use super::characters::is_within;

/// Top-level domains where whole names in Cyrillic or Greek are at home.
const NATIVE: [&str; 14] = ["ru", "su", "ua", "by", "bg", "kz", "kg", "mk", "mn", "rs", "tj", "uz", "gr", "cy"];

/// How sure a letter must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// In addresses: any letter of another alphabet that looks like a Latin one.
    Address,
    /// In other words: of Greek only what cannot be told from Latin, since formulas write `νmax` and `αD`.
    Word,
}

/// Whether a letter that passes for an ASCII one may begin with these three bytes: of Greek, Cyrillic, Armenian, Cherokee, Coptic, Lisu or
/// Deseret, full-width or of mathematics. No such letter is passed over. Without branches.
#[inline]
pub const fn may_mix_at(a: u8, b: u8, c: u8) -> bool {
    is_within(a, 0xCD, 0xD5)
        | ((a == 0xD6) & (b < 0x90))
        | ((a == 0xE1) & (is_within(b, 0x8E, 0x8F) | (b == 0xB2) | is_within(b, 0xB4, 0xB5) | is_within(b, 0xBC, 0xBF)))
        | ((a == 0xE2) & ((b == 0x84) | is_within(b, 0xB2, 0xB3) | (b == 0xB7)))
        | ((a == 0xEA) & ((b == 0x93) | is_within(b, 0x99, 0x9A) | is_within(b, 0xAD, 0xAE)))
        | ((a == 0xEF) & (((b == 0xBC) & is_within(c, 0xA1, 0xBA)) | ((b == 0xBD) & is_within(c, 0x81, 0x9A))))
        | ((a == 0xF0) & ((b == 0x90) | (b == 0x9D)))
}

/// Whether a text holds such a letter and one of ASCII. No text for which [`value`] is true is passed over.
pub fn may_mix(text: &[u8]) -> bool {
    let at = |place: usize| text.get(place).copied().unwrap_or_default();
    let mut places = text.iter().enumerate().filter(|(_, byte)| !byte.is_ascii());
    text.iter().any(u8::is_ascii_alphabetic) && places.any(|(place, byte)| may_mix_at(*byte, at(place + 1), at(place + 2)))
}

/// Whether an identifier in the text reads as Latin and is not all Latin.
pub fn value(text: &str) -> bool {
    let text = text.trim();
    let mut words = text.split(parts_words).filter(|word| !word.is_empty());
    let one_word = !text.contains(char::is_whitespace);
    words.any(|word| match host(word) {
        Some(host) => address(word, host),
        None => one_word && word.split(|c: char| !c.is_alphanumeric()).any(|label| mixed(label, Strictness::Word)),
    })
}

fn parts_words(c: char) -> bool {
    c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | '"' | '\'' | '«' | '»' | '“' | '”')
}

/// The part of an e-mail or web address that names a host; none for what is no address.
fn host(word: &str) -> Option<&str> {
    let word = word.trim_end_matches(['.', '!', '?', ':']);
    let after_scheme = word.split_once("://").map(|(_, rest)| rest);
    let rest = after_scheme.unwrap_or(word);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let (before, last) = host.rsplit_once('.')?;
    let domain = !before.is_empty() && (2..=24).contains(&last.len()) && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    let bare = after_scheme.is_none() && !authority.contains('@');
    // Without scheme and @ a sentence without space behind its full stop would pass for a domain.
    (domain && (!bare || before.chars().all(|c| c.is_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-')))).then_some(host)
}

fn address(word: &str, host: &str) -> bool {
    let labels = word.split(|c: char| !c.is_alphanumeric());
    if labels.clone().any(|label| mixed(label, Strictness::Address)) {
        return true;
    }
    let native = host.rsplit('.').next().is_some_and(|last| NATIVE.contains(&last));
    !native && host.split(['.', '-']).any(|label| label.chars().count() >= 3 && label.chars().all(|c| looks_latin(c, Strictness::Address)))
}

/// Whether a word has Latin letters and others that look like Latin, and none that does not.
fn mixed(word: &str, strictness: Strictness) -> bool {
    if word.is_ascii() {
        return false;
    }
    let (mut latin, mut lookalike) = (0u32, 0u32);
    for c in word.chars().filter(|c| c.is_alphabetic()) {
        if looks_latin(c, strictness) {
            lookalike += 1;
        } else if c.script() == Script::Latin {
            latin += 1;
        } else {
            return false;
        }
    }
    latin > 0 && lookalike > 0 && latin + lookalike >= 3 && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a letter that is not an ordinary Latin one passes for an ASCII letter.
fn looks_latin(c: char, strictness: Strictness) -> bool {
    match u32::from(c) {
        // Full-width letters, and those of mathematics, which stand in formulas.
        0xFF21..=0xFF3A | 0xFF41..=0xFF5A => return true,
        0x1D400..=0x1D7CB => return strictness == Strictness::Address,
        _ => {}
    }
    match c.script() {
        Script::Latin | Script::Common | Script::Inherited => false,
        Script::Greek if strictness == Strictness::Word && c.is_lowercase() && c != 'ο' => false,
        // Scripts in which single letters pass for Latin; in others (Arabic alif for l) nobody reads a Latin word.
        Script::Greek | Script::Cyrillic | Script::Armenian | Script::Cherokee | Script::Coptic | Script::Lisu | Script::Deseret => {
            let mut buffer = [0; 4];
            let mut prototype = unicode_security::skeleton(c.encode_utf8(&mut buffer));
            matches!(prototype.next(), Some(first) if first.is_ascii_alphabetic()) && prototype.all(|c| c.is_ascii_alphabetic())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_that_read_as_another_are_found() {
        for text in [
            "\u{430}dmin",                                     // Cyrillic a
            "p\u{430}yp\u{430}l.com",                          // twice
            "ann@ex\u{430}mple.org",                           // in the domain
            "write to \u{430}nn@example.org today",            // before the @, in prose
            "https://www.g\u{3bf}\u{3bf}gle.com/a",            // Greek omicron
            "ex\u{3b1}mple.com",                               // Greek alpha, in an address
            "https://\u{430}\u{440}\u{440}le.com",             // Cyrillic a and er
            "https://\u{430}\u{440}\u{440}\u{4cf}\u{435}.com", // all Cyrillic, reads as apple
            "S\u{41e}S-unit",                                  // Cyrillic capital O
            "\u{391}lpha-1",                                   // Greek capital alpha
            "root_us\u{435}r",
            "\u{ff55}ser1", // full-width u
            "\u{ff41}dmin@example.org",
            "\u{1d41a}dmin@example.org", // mathematical a
            "p\u{585}st@example.org",    // Armenian oh
        ] {
            assert!(value(text), "{text:?}");
            assert!(may_mix(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn other_words_of_other_scripts_are_not() {
        for text in [
            "",
            "admin",
            "été",
            "Łódź",
            "привет",
            "Привет, мир",
            "USB-кабель",
            "3D-принтер",
            "футболка T-shirt L",
            "сахар.ру",
            "https://сахар.рф",
            "https://почта.ru",
            "ann@почта.рф",
            "Αθήνα",
            "μm",
            "kΩ",
            "Δt",
            "νmax",
            "αGlcNAc",
            "β-carotène",
            "ρCp",
            "π/2",
            "λx.x",
            "Ωm",
            "χ² = 3",
            "日本語",
            "ＮＨＫ",
            "ＡＢＣ株式会社",
            "Ａ棟201",
            "١٢٣abc",
            "שלום",
            "हिन्दी",
            "naïve",
            "Æsir",
            "ǅ",
            "конец.New",
            "Конец.Начало",
            "Cтол и стул",
            "x̂",
            "ƒ(x)",
            "№5",
            "Ⅳ",
            "ﬁn",
            "ab\u{301}c",
            "ЭВМ-Z80",
            "Windows-совместимый",
        ] {
            assert!(!value(text), "{text:?}");
        }
    }

    #[test]
    fn no_letter_that_passes_for_latin_is_passed_over() {
        for c in (0..=0x10_FFFF).filter_map(char::from_u32).filter(|c| looks_latin(*c, Strictness::Address)) {
            assert!(may_mix(format!("a{c}").as_bytes()), "{c:?}");
        }
    }
}
