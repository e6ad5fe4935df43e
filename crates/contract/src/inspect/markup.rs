//! Script and markup in text: what a browser or a template runs when it shows the value. Plain markup (`<b>`, a link, an image) is none.

use super::characters;

/// Tags that run or load something whatever they hold.
const ACTIVE: [&[u8]; 3] = [b"script", b"iframe", b"foreignobject"];
/// Tags that do so with an attribute; without one they are types in a program's text (`List<Object>`).
const ACTIVE_WITH: [&[u8]; 6] = [b"object", b"embed", b"applet", b"frame", b"base", b"portal"];
/// The longest name of a tag that is told from others, in bytes.
const NAME_MAX: usize = 16;
/// How far a tag's end or a template's is looked for, in bytes.
const REACH: usize = 4096;
/// Attributes that make a loader of a tag.
const LOADERS: [(&[u8], &[u8]); 2] = [(b"meta", b"http-equiv"), (b"link", b"rel")];
/// What a template expression names to reach out of itself.
const INTERNALS: [&[u8]; 17] = [
    b"__class__",
    b"__globals__",
    b"__mro__",
    b"__subclasses__",
    b"__import__",
    b"__proto__",
    b"constructor.constructor",
    b"constructor(",
    b"getClass(",
    b"getRuntime",
    b"java.lang.",
    b"T(java",
    b"freemarker.template",
    b"TemplateReference",
    b"child_process",
    b"process.mainModule",
    b"config.items",
];

/// Whether a text holds markup that does something.
pub fn value(text: &[u8]) -> bool {
    let mut budget = Budget::of(text);
    // Most values are short: byte by byte is faster than many at once.
    text.iter().enumerate().filter(|(_, byte)| matches!(byte, b'<' | b':' | b'{')).any(|(at, byte)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        match byte {
            b'<' => tag(after, &mut budget),
            b':' => scheme(before, after),
            _ => template(before, after, &mut budget),
        }
    })
}

/// Bytes that may be looked at, so that the work grows with the text and not with its square. Ordinary markup looks at each byte a few
/// times; a text that nests thousands of tags without an end is made to hide something, or to keep us busy.
struct Budget(usize);

impl Budget {
    fn of(text: &[u8]) -> Self {
        Self(text.len().saturating_mul(16).saturating_add(16 * REACH))
    }

    /// Whether the work is too much.
    fn overspent(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                false
            }
            None => true,
        }
    }
}

/// Whether markup that does something may be about two bytes that stand together: a tag, or an ending that a scheme or a template has.
/// Times, addresses, objects of JSON and comparisons have none. Without branches.
#[inline]
pub const fn may_begin_at(a: u8, b: u8) -> bool {
    let letter = b & 0xDF;
    let ends = a & 0xDF;
    ((a == b'<') & (characters::is_within(letter, b'A', b'Z') | (b == b'/') | (b == b'!')))
        | ((b == b':') & ((ends == b'A') | (ends == b'T') | (a == b'\t') | (a == b'\n') | (a == b'\r')))
        | ((a == b'{') & ((b == b'{') | (b == b'%')))
        | ((b == b'{') & ((a == b'$') | (a == b'#') | (a == b'*')))
}

fn reach(text: &[u8]) -> &[u8] {
    text.get(..REACH).unwrap_or(text)
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// A tag, from behind its `<`.
fn tag(after: &[u8], budget: &mut Budget) -> bool {
    if starts_with(after, b"!entity") {
        return true;
    }
    if starts_with(after, b"!doctype") {
        // With entities of its own, or a definition that lies elsewhere.
        let declared = reach(after);
        let declared = declared.get(..memchr::memchr(b'>', declared).unwrap_or(declared.len())).unwrap_or_default();
        return budget.overspent(declared.len()) || declared.contains(&b'[') || contains_word(declared, b"system");
    }
    let after = after.strip_prefix(b"/").unwrap_or(after);
    let length = after.iter().take(NAME_MAX).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (name, rest) = after.split_at(length);
    if !name.first().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let is = |list: &[&[u8]]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    let ends =
        matches!(rest.first(), None | Some(b'>' | b'/')) || rest.first().is_some_and(u8::is_ascii_whitespace) || rest.first() == Some(&0);
    if ends && is(&ACTIVE) {
        return true;
    }
    let inside = reach(rest);
    let inside = inside.get(..memchr::memchr(b'>', inside).unwrap_or(inside.len())).unwrap_or_default();
    if !ends || memchr::memchr(b'=', inside).is_none() {
        return budget.overspent(inside.len() / 32);
    }
    budget.overspent(inside.len())
        || is(&ACTIVE_WITH)
        || LOADERS.iter().any(|(tag, attribute)| tag.eq_ignore_ascii_case(name) && contains_word(inside, attribute))
        || has_handler(inside)
        || has_coded_scheme(inside)
}

fn contains_word(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// `onload=`, `onerror =`: an attribute that is called.
fn has_handler(inside: &[u8]) -> bool {
    memchr::memchr_iter(b'=', inside).any(|equals| {
        let before = inside.get(..equals).unwrap_or_default().trim_ascii_end();
        let length = before.iter().rev().take(NAME_MAX * 2).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (stem, name) = before.split_at(before.len() - length);
        let parted = stem.last().is_some_and(|last| last.is_ascii_whitespace() || matches!(last, b'/' | b'"' | b'\'' | b'`' | 0));
        parted && name.len() >= 5 && starts_with(name, b"on")
    })
}

/// A value that begins with a character by number, as `&#106;avascript:` does.
fn has_coded_scheme(inside: &[u8]) -> bool {
    memchr::memchr_iter(b'=', inside).any(|equals| {
        let value = inside.get(equals + 1..).unwrap_or_default().trim_ascii_start();
        let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value).trim_ascii_start();
        let Some(number) = value.strip_prefix(b"&#") else { return false };
        let (number, radix) = match number {
            [b'x' | b'X', rest @ ..] => (rest, 16),
            _ => (number, 10),
        };
        let digits = number.iter().skip_while(|byte| **byte == b'0').take_while(|byte| char::from(**byte).is_digit(radix)).take(3);
        let digits: String = digits.map(|byte| char::from(*byte)).collect();
        // j and v, in which the schemes begin, and the white space that a browser passes over.
        matches!(u32::from_str_radix(&digits, radix), Ok(9 | 10 | 13 | 0x4A | 0x6A | 0x56 | 0x76))
    })
}

/// An address that is run: `javascript:`, `vbscript:`, `data:text/html`. `before` ends where the colon stands.
fn scheme(before: &[u8], after: &[u8]) -> bool {
    if ends_with_scheme(before, b"data").is_some() {
        return [&b"text/html"[..], b"text/javascript", b"application/javascript", b"application/xhtml"]
            .iter()
            .any(|kind| starts_with(after, kind));
    }
    let Some(place) = ends_with_scheme(before, b"javascript").or_else(|| ends_with_scheme(before, b"vbscript")) else { return false };
    let stem = before.get(..place).unwrap_or_default().trim_ascii_end();
    let unquoted = stem.strip_suffix(b"\"").or_else(|| stem.strip_suffix(b"'")).or_else(|| stem.strip_suffix(b"`")).unwrap_or(stem);
    let unquoted = unquoted.trim_ascii_end();
    let code = after.trim_ascii_start();
    match unquoted.last() {
        // An attribute, a call, a link in Markdown.
        Some(b'=' | b'(') => !code.is_empty(),
        // At the beginning: code follows at once, which a title such as `JavaScript: The Good Parts` has not.
        None => {
            let word = after.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            word.iter().any(|byte| matches!(byte, b'(' | b'=' | b'`')) || word.starts_with(b"//")
        }
        _ => false,
    }
}

/// Where a scheme begins that the text ends with; a browser passes over line ends and tabs in it.
fn ends_with_scheme(text: &[u8], scheme: &[u8]) -> Option<usize> {
    let mut wanted = scheme.iter().rev();
    let mut next = wanted.next()?;
    for (at, byte) in text.iter().enumerate().rev().take(REACH) {
        if matches!(byte, b'\t' | b'\n' | b'\r') {
            continue;
        }
        if !byte.eq_ignore_ascii_case(next) {
            return None;
        }
        match wanted.next() {
            Some(letter) => next = letter,
            // `ajavascript:` is another word.
            None => {
                let joined = text.get(..at).and_then(<[u8]>::last).is_some_and(|byte| byte.is_ascii_alphanumeric());
                return (!joined).then_some(at);
            }
        }
    }
    None
}

/// `{{…}}`, `{%…%}`, `${…}`, `#{…}` that reaches into the program which fills it.
fn template(before: &[u8], after: &[u8], budget: &mut Budget) -> bool {
    let opens = matches!(after.first(), Some(b'{' | b'%')) || matches!(before.last(), Some(b'$' | b'#' | b'*'));
    if !opens {
        return false;
    }
    let inside = reach(after);
    let inside = inside.get(..memchr::memchr(b'}', inside).unwrap_or(inside.len())).unwrap_or_default();
    budget.overspent(inside.len()) || INTERNALS.iter().any(|word| memchr::memmem::find(inside, word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_that_does_something_is_found() {
        for text in [
            "<script>alert(1)</script>",
            "a <SCRIPT src=//example.org/a.js>",
            "<script",
            "</script ><b>",
            "<script/x>",
            "<iframe src=\"//example.org\">",
            "<img src=x onerror=alert(1)>",
            "<img src=x OnError = alert(1)>",
            "<svg/onload=alert(1)>",
            "<svg><animate onbegin=alert(1) attributeName=x>",
            "<body onload='a()'>",
            "<a href=\"x\"onclick=\"a()\">",
            "<object data=\"a.swf\">",
            "<base href=//example.org>",
            "<meta http-equiv=\"refresh\" content=\"0\">",
            "<link rel=stylesheet href=//example.org/a.css>",
            "<a href=\"javascript:alert(1)\">",
            "<a href=' javascript:x'>",
            "<a href=\"&#106;avascript:alert(1)\">",
            "<a href=&#x0000006A;avascript:alert(1)>",
            "<a href=&#74avascript:alert(1)>",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscri\npt:alert(1)",
            " javascript:alert(document.cookie)",
            "javascript://%0aalert(1)",
            "[x](javascript:alert(1))",
            "vbscript:msgbox(1)",
            "data:text/html;base64,PHNjcmlwdD4=",
            "<!ENTITY x SYSTEM \"file:///etc/passwd\">",
            "<!DOCTYPE a [<!ELEMENT a ANY>]>",
            "<!DOCTYPE a SYSTEM \"http://example.org/a.dtd\">",
            "{{constructor.constructor('alert(1)')()}}",
            "{{ ''.__class__.__mro__ }}",
            "{% for x in ().__class__.__base__ %}",
            "${T(java.lang.Runtime).getRuntime()}",
            "#{''.getClass()}",
        ] {
            assert!(value(text.as_bytes()), "{text:?}");
            assert!(text.as_bytes().windows(2).any(|pair| may_begin_at(pair[0], pair[1])), "{text:?}");
        }
    }

    #[test]
    fn times_addresses_objects_and_comparisons_are_not_looked_at() {
        for text in ["10:30:05", "https://example.org/a?b=c", "{\"a\": [1, {\"b\": null}]}", "a < 5", "x <= y", "<5 mg", "{a}", "note: b"] {
            assert!(!text.as_bytes().windows(2).any(|pair| may_begin_at(pair[0], pair[1])), "{text:?}");
        }
    }

    #[test]
    fn work_is_bounded_by_the_length_and_what_goes_beyond_is_refused() {
        for text in ["<a=".repeat(300_000), "{{".repeat(400_000), "<link rev=".repeat(80_000), "<!doctype ".repeat(80_000)] {
            assert!(value(text.as_bytes()));
        }
        // Many tags that end are an ordinary page.
        assert!(!value("<td class=\"a\"><b>x</b></td>\n".repeat(30_000).as_bytes()));
        assert!(!value("a < b && c <d \n".repeat(50_000).as_bytes()));
    }

    #[test]
    fn plain_markup_and_ordinary_signs_are_not() {
        for text in [
            "",
            "a < b",
            "a<b",
            "I <3 you",
            "<b>bold</b>",
            "<p class=\"x\">",
            "<a href=\"https://example.org/?a=1\">x</a>",
            "<img src=\"a.png\" alt='x'>",
            "List<Object>",
            "Map<String, Object>",
            "Vec<Scripts>",
            "<scripted>",
            "if (x<script_len) y=1",
            "<!DOCTYPE html>",
            "<?xml version=\"1.0\"?>",
            "<!-- comment -->",
            "<once = 1>",
            "<b only=1>",
            "<base>",
            "10:30",
            "a: b",
            "JavaScript: The Good Parts",
            "\"JavaScript: the good parts\"",
            "typescript:x",
            "He said javascript: no",
            "metadata:text/html",
            "data: text",
            "data:image/png;base64,AAAA",
            "{\"a\": {\"b\": 1}}",
            "{{ name }}",
            "{% if x %}",
            "${HOME}",
            "#{id}",
            "{a}",
            "f(x) = {1, 2}",
            "5 < 6 on Monday = yes",
            "http://example.org:80/",
            "<link>",
            "<meta charset=utf-8>",
            "x -> y => z",
            "<=>",
            "A <on> B = C",
        ] {
            assert!(!value(text.as_bytes()), "{text:?}");
        }
    }
}
