//! What people read on a terminal: no text may steer it, forge a line, or show itself in another order than it is written in.

use std::borrow::Cow;

/// A text for one line on a terminal: characters that steer the terminal, end a line, reorder what stands beside them or cannot
/// be seen are written as escapes (`\n`, `\u{1b}`, `\u{202e}`).
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(steers) {
        text.chars()
            .fold(String::with_capacity(text.len() + 8), |mut shown, c| {
                if steers(c) {
                    shown.extend(c.escape_default())
                } else {
                    shown.push(c)
                }
                shown
            })
            .into()
    } else {
        text.into()
    }
}

/// The same for a text of several lines: each line end stays one.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| c != '\n' && steers(c)) {
        text.split('\n').map(printable).collect::<Vec<_>>().join("\n").into()
    } else {
        text.into()
    }
}

/// A JSON document in which such characters stand as `\uXXXX`. They stand only inside of JSON's texts, but for line ends between
/// its parts, which stay.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(|c| c != '\n' && steers(c)) {
        return json.into();
    }
    let mut shown = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if c != '\n' && steers(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// Whether a character does something to a terminal, or to the text beside it, instead of standing there. Joiners (U+200C, U+200D)
/// are not among them: scripts and emoji need them.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Direction: marks, embeddings, overrides, isolates.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Ends of lines and paragraphs.
            | '\u{2028}' | '\u{2029}'
            // Not seen: no width, shaping, annotations, tags.
            | '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_is_printed() {
        assert_eq!(printable("naïve 漢字 👩\u{200d}🔬 \\n"), "naïve 漢字 👩\u{200d}🔬 \\n");
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
        assert_eq!(
            printable("a\u{1b}]0;x\u{7}b\nc\u{202e}d\u{9b}31m\r\t\u{7f}"),
            "a\\u{1b}]0;x\\u{7}b\\nc\\u{202e}d\\u{9b}31m\\r\\t\\u{7f}"
        );
        assert_eq!(printable_lines("one\ntwo\u{1b}[1m\n"), "one\ntwo\\u{1b}[1m\n");
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let shown = printable(c.encode_utf8(&mut [0; 4])).into_owned();
            assert!(!shown.chars().any(steers), "{c:?}");
        }
    }

    #[test]
    fn json_says_the_same_with_escapes() {
        assert_eq!(printable_json("{\n  \"a\": \"x\u{202e}\u{9b}\u{e0001}\"\n}"), "{\n  \"a\": \"x\\u202e\\u009b\\udb40\\udc01\"\n}");
    }
}
