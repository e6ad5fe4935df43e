//! A value as a finding may show it: its shape, and never enough to know what it was.

use std::fmt::Write;

/// Signs shown of a value.
const SIGNS_MAX: usize = 32;

/// The shape of a text: `a` for letters, `9` for digits, in runs of any length; signs as they are, what cannot be seen by its number;
/// then how long the text is. `=HYPERLINK("http://a.example")` is `=a("a://a.a")`, 30 characters.
pub fn masked(text: &str) -> String {
    let mut shape = String::new();
    let (mut before, mut signs, mut cut) = ('\0', 0, false);
    for c in text.chars() {
        let class = class(c);
        if class == before && matches!(class, 'a' | '9' | ' ') {
            continue;
        }
        before = class;
        if signs == SIGNS_MAX {
            cut = true;
            break;
        }
        signs += 1;
        if class == '?' {
            // Writing to a text does not fail.
            let _ = write!(shape, "<U+{:04X}>", u32::from(c));
        } else {
            shape.push(class);
        }
    }
    let (more, length) = (if cut { "…" } else { "" }, text.chars().count());
    format!("{shape}{more} ({length} character{})", if length == 1 { "" } else { "s" })
}

/// What stands for a character: `?` for one that is told by its number.
fn class(c: char) -> char {
    match c {
        ' ' => ' ',
        c if c.is_ascii_digit() || c.is_numeric() => '9',
        c if c.is_alphabetic() => 'a',
        c if c.is_ascii_graphic() => c,
        // Accents and vowel signs belong to the letters before them.
        c if unicode_normalization::char::is_combining_mark(c) => 'a',
        c if c.is_whitespace() && !c.is_control() => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_shown_and_nothing_of_the_value() {
        assert_eq!(masked("=HYPERLINK(\"http://a.example\")"), "=a(\"a://a.a\") (30 characters)");
        assert_eq!(masked("Émile Zola 1840"), "a a 9 (15 characters)");
        assert_eq!(masked("ad\u{202e}min\0"), "a<U+202E>a<U+0000> (7 characters)");
        assert_eq!(masked("x"), "a (1 character)");
        assert_eq!(masked(""), " (0 characters)");
        assert_eq!(masked(&"a-".repeat(100)), format!("{}… (200 characters)", "a-".repeat(16)));
        assert_eq!(masked("हिन्दी"), "a (6 characters)");
    }
}
