//! Characters that are not seen: controls, what turns the direction of a text, and what hides in a word.

use unicode_script::{Script, UnicodeScript};

/// Whether a byte is a control character of ASCII other than tab, line feed and carriage return. Without branches, so that the compiler
/// can ask it of many bytes at once.
#[inline]
pub const fn is_control_byte(byte: u8) -> bool {
    ((byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')) | (byte == 0x7f)
}

/// Whether a control character of Latin-1 (U+0080 to U+009F) begins with these two bytes.
#[inline]
pub const fn is_high_control(a: u8, b: u8) -> bool {
    (a == 0xC2) & is_within(b, 0x80, 0x9F)
}

/// Whether a text that holds more than ASCII holds a control character of Latin-1.
pub fn high_control(text: &[u8]) -> bool {
    memchr::memchr_iter(0xC2, text).any(|at| text.get(at + 1).is_some_and(|next| is_high_control(0xC2, *next)))
}

/// Whether a character that [`hidden`] looks at begins with these three bytes. Exact for UTF-8, and without branches.
#[inline]
pub const fn may_hide_at(a: u8, b: u8, c: u8) -> bool {
    ((a == 0xD8) & (b == 0x9C))
        | ((a == 0xE1) & (((b == 0x85) & is_within(c, 0x9F, 0xA0)) | ((b == 0xA0) & (c == 0x8E))))
        | ((a == 0xE2) & (b == 0x80) & (is_within(c, 0x8B, 0x8F) | is_within(c, 0xAA, 0xAE)))
        | ((a == 0xE2) & (b == 0x81) & ((c == 0xA0) | is_within(c, 0xA6, 0xA9)))
        | ((a == 0xE3) & (b == 0x85) & (c == 0xA4))
        | ((a == 0xEF) & (((b == 0xB8) & is_within(c, 0x80, 0x8F)) | ((b == 0xBB) & (c == 0xBF)) | ((b == 0xBE) & (c == 0xA0))))
        | ((a == 0xF3) & (b == 0xA0))
}

#[inline]
pub const fn is_within(byte: u8, least: u8, most: u8) -> bool {
    byte.wrapping_sub(least) <= most - least
}

/// The first character from a place on that is not merely seen.
fn next_unseen(text: &str, from: usize) -> Option<(usize, char, Class)> {
    let bytes = text.as_bytes();
    let at = |place: usize| bytes.get(place).copied().unwrap_or_default();
    let mut from = from;
    while let Some(step) = bytes.get(from..)?.iter().position(|byte| matches!(byte, 0xD8 | 0xE1..=0xE3 | 0xEF | 0xF3)) {
        let place = from + step;
        if may_hide_at(at(place), at(place + 1), at(place + 2))
            && let Some(c) = text.get(place..).and_then(|rest| rest.chars().next())
            && let class = class(c)
            && class != Class::Seen
        {
            return Some((place, c, class));
        }
        from = place + 1;
    }
    None
}

/// What a character does that is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It is seen.
    Seen,
    /// Turns all that follows, whatever it is: U+202D, U+202E.
    Override,
    /// Begins a part with a direction; `turns` when that is right to left.
    Begin { isolate: bool, turns: bool },
    /// Ends such a part.
    End { isolate: bool },
    /// Marks of direction: of use beside letters that go right to left.
    Mark,
    /// Joins or parts letters of scripts that need it, and emoji.
    Joiner,
    /// Of no width: of use where words are not parted by spaces.
    Width,
    /// Chooses among forms of the character before.
    Variation,
    /// Letters of tags, of which flags are made.
    Tag,
}

fn class(c: char) -> Class {
    match c {
        '\u{202D}' | '\u{202E}' => Class::Override,
        '\u{202A}' => Class::Begin { isolate: false, turns: false },
        '\u{202B}' => Class::Begin { isolate: false, turns: true },
        '\u{2066}' | '\u{2068}' => Class::Begin { isolate: true, turns: false },
        '\u{2067}' => Class::Begin { isolate: true, turns: true },
        '\u{202C}' => Class::End { isolate: false },
        '\u{2069}' => Class::End { isolate: true },
        '\u{061C}' | '\u{200E}' | '\u{200F}' => Class::Mark,
        '\u{200C}' | '\u{200D}' => Class::Joiner,
        '\u{200B}' | '\u{2060}' | '\u{FEFF}' | '\u{180E}' | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' => Class::Width,
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => Class::Variation,
        '\u{E0000}'..='\u{E007F}' => Class::Tag,
        _ => Class::Seen,
    }
}

/// Whether a text holds characters that change how it reads without being seen. The byte order mark at its beginning is none, nor is
/// what Arabic, Hebrew, the scripts of India, emoji and texts without spaces need.
pub fn hidden(text: &str) -> bool {
    let mut walk = Walk::default();
    let mut from = 0;
    while let Some((at, c, class)) = next_unseen(text, from) {
        if walk.sees(text.get(from..at).unwrap_or_default()) || walk.meets(at, c, class) {
            return true;
        }
        from = at + c.len_utf8();
    }
    walk.sees(text.get(from..).unwrap_or_default()) || walk.ended(text)
}

#[derive(Default)]
struct Walk {
    /// The last character that was seen.
    before: Option<char>,
    /// An invisible character waits for the next that is seen.
    waiting: bool,
    /// One stands at an end of the text, or beside what is no letter: it matters only where the text is one word.
    loose: bool,
    marked: bool,
    varied: bool,
    /// A black flag, which tags follow.
    flag: bool,
    embedded: u32,
    isolated: u32,
    /// A part that goes right to left was begun.
    turned: bool,
    /// A part was begun.
    parted: bool,
}

impl Walk {
    /// Characters that are seen, one after the other.
    fn sees(&mut self, run: &str) -> bool {
        let mut run = run.chars();
        let Some(first) = run.next() else { return false };
        let last = run.next_back().unwrap_or(first);
        (self.varied, self.flag) = (false, last == '\u{1F3F4}');
        let before = self.before.replace(last);
        std::mem::take(&mut self.waiting) && self.judge(before, Some(first))
    }

    /// A character that is not merely seen.
    fn meets(&mut self, at: usize, c: char, class: Class) -> bool {
        match class {
            Class::Seen => false,
            Class::Override => true,
            Class::Begin { isolate, turns } => self.begins(isolate, turns),
            Class::End { isolate } => self.ends(isolate),
            Class::Mark => {
                self.marked = true;
                self.waits()
            }
            Class::Joiner => self.waits(),
            Class::Width if at == 0 && c == '\u{FEFF}' => false,
            Class::Width => self.waits(),
            Class::Variation => std::mem::replace(&mut self.varied, true),
            Class::Tag => !self.flag,
        }
    }

    fn waits(&mut self) -> bool {
        self.waiting = true;
        false
    }

    /// Whether an invisible character hides between two that are seen.
    fn judge(&mut self, before: Option<char>, after: Option<char>) -> bool {
        let needed = |c: Option<char>| c.is_some_and(|c| is_emoji(c) || needs_joiners(c));
        if needed(before) || needed(after) {
            return false;
        }
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        self.loose |= !(letter(before) && letter(after));
        letter(before) && letter(after)
    }

    fn begins(&mut self, isolate: bool, turns: bool) -> bool {
        let depth = if isolate { &mut self.isolated } else { &mut self.embedded };
        *depth = depth.saturating_add(1);
        (self.parted, self.turned) = (true, self.turned || turns);
        false
    }

    /// An end without a beginning.
    fn ends(&mut self, isolate: bool) -> bool {
        let depth = if isolate { &mut self.isolated } else { &mut self.embedded };
        match depth.checked_sub(1) {
            Some(less) => {
                *depth = less;
                false
            }
            None => true,
        }
    }

    fn ended(mut self, text: &str) -> bool {
        if self.embedded > 0 || self.isolated > 0 {
            return true;
        }
        if std::mem::take(&mut self.waiting) && self.judge(self.before, None) {
            return true;
        }
        if !self.loose && !self.turned {
            return false;
        }
        let right_to_left = text.chars().any(goes_right_to_left);
        // Marks are at home in a text that goes right to left; so are parts that turn.
        (self.turned && !right_to_left) || (self.loose && !(self.marked && right_to_left) && !text.trim().contains(char::is_whitespace))
    }
}

/// Whether a letter's script joins or parts its letters by characters that are not seen, or writes words without spaces.
fn needs_joiners(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    let plain = [Script::Latin, Script::Greek, Script::Cyrillic, Script::Armenian, Script::Georgian, Script::Cherokee, Script::Coptic];
    let letter = c.is_alphabetic() || unicode_normalization::char::is_combining_mark(c);
    letter && !plain.contains(&c.script()) && !matches!(c.script(), Script::Common | Script::Inherited)
}

fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0xA9 | 0xAE | 0x203C | 0x2049 | 0x2122 | 0x2139 | 0x2190..=0x21FF | 0x2300..=0x27BF | 0x2900..=0x2BFF | 0x3030
        | 0x303D | 0x3297 | 0x3299 | 0x1F000..=0x1FAFF)
}

fn goes_right_to_left(c: char) -> bool {
    let letter = matches!(u32::from(c), 0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFE | 0x10800..=0x10FFF | 0x1E800..=0x1EFFF);
    letter && class(c) == Class::Seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cases;

    #[test]
    fn what_hides_or_turns_is_found() {
        for text in [
            "access\u{202e}level",
            "\u{202d}abc\u{202c}",
            "\u{2067}if (admin)\u{2069} { }",
            "\u{202a}C:\\Users\\ann",
            "abc\u{202c}",
            "abc\u{2069}",
            "ad\u{200b}min",
            "ad\u{200d}min",
            "ad\u{200c}min",
            "ad\u{feff}min",
            "ad\u{2060}\u{200b}min",
            "admin\u{200b}",
            "\u{200b}admin",
            "\u{200e}admin",
            "admin\u{3164}",
            "a\u{fe0f}\u{fe0f}",
            "x\u{e0101}\u{e0102}",
            "hi\u{e0068}\u{e0069}",
            "при\u{200b}вет",
            "été\u{200b}s",
        ] {
            assert!(hidden(text), "{text:?}");
            assert!(next_unseen(text, 0).is_some(), "{text:?}");
        }
    }

    #[test]
    fn what_scripts_and_emoji_need_is_not() {
        for text in [
            "",
            "plain",
            "\u{feff}first cell",
            "👩\u{200d}👩\u{200d}👧 family",
            "❤\u{fe0f} and 1\u{fe0f}\u{20e3}",
            "🏳\u{fe0f}\u{200d}🌈",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ශ්\u{200d}රී ලංකා",
            "שלום\u{200f}!",
            "\u{200e}(שלום)",
            "\u{202b}שלום abc\u{202c}",
            "\u{2067}שלום\u{2069} abc",
            "\u{202a}+33 6 12\u{202c}",
            "\u{2068}ann\u{2069} wrote",
            "ภาษา\u{200b}ไทย",
            "see src/\u{200b}main.rs and more",
            "葛\u{e0100}飾区",
            "Donau\u{ad}dampf",
            "f\u{2061}(x)",
        ] {
            assert!(!hidden(text), "{text:?}");
        }
    }

    #[test]
    fn controls_of_both_sets_are_found() {
        assert!("\0".bytes().chain("\u{1b}\u{7f}\u{8}".bytes()).all(is_control_byte));
        assert!(!"\t\r\n a~".bytes().any(is_control_byte));
        assert!(high_control("a\u{85}".as_bytes()) && high_control("\u{9f}".as_bytes()));
        assert!(!high_control("é\u{a0}Âà".as_bytes()));
    }

    #[test]
    fn whatever_is_not_merely_seen_is_looked_at() {
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let text = c.to_string();
            let at = |place: usize| text.as_bytes().get(place).copied().unwrap_or_default();
            assert_eq!(class(c) != Class::Seen, may_hide_at(at(0), at(1), at(2)) && !outside(c), "{c:?}");
            assert_eq!(class(c) != Class::Seen, next_unseen(&text, 0).is_some(), "{c:?}");
            assert_eq!(('\u{80}'..='\u{9f}').contains(&c), is_high_control(at(0), at(1)), "{c:?}");
        }
    }

    /// [`hidden`], looking at each character.
    fn hidden_by_characters(text: &str) -> bool {
        let mut walk = Walk::default();
        for (at, c) in text.char_indices() {
            let class = class(c);
            if if class == Class::Seen { walk.sees(&c.to_string()) } else { walk.meets(at, c, class) } {
                return true;
            }
        }
        walk.ended(text)
    }

    proptest::proptest! {
        #![proptest_config(cases(2_000))]
        #[test]
        fn runs_of_what_is_seen_are_walked_as_their_characters_are(
            text in "[aé س🏴❤👩 \u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{fe0f}\u{feff}\u{e0041}\u{e0081}\u{e0101}]{0,12}",
        ) {
            proptest::prop_assert_eq!(hidden(&text), hidden_by_characters(&text));
        }
    }

    /// Characters of the same blocks as tags and variation selectors that are neither.
    fn outside(c: char) -> bool {
        matches!(u32::from(c), 0xE0080..=0xE00FF | 0xE01F0..=0xE0FFF)
    }
}
