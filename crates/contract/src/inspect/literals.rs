//! The shortest way to a value that a rule may hold for: a few bytes that each string of the rules begins with or holds. They are searched
//! for in the bytes of a whole column, several gigabytes a second; the strings themselves only in the values where one of them stands.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex_syntax::hir::literal::Extractor;
use yara_x_parser::ast::{HexPattern, HexToken, Pattern, PatternModifier, RegexpPattern, TextPattern};

/// Bytes that are searched for at most: more are no faster to find.
const MOST: usize = 4;
/// Bytes that are searched for at least: a single one stands nearly everywhere.
const LEAST: usize = 2;
/// Literals of all rules; a search for more is no faster than that for the strings.
const LITERALS_MAX: usize = 512;

/// Literals one of which is in every text that a string of a rule matches. None where that cannot be told.
pub fn of(pattern: &Pattern<'_>) -> Option<Vec<Vec<u8>>> {
    let literals = match pattern {
        Pattern::Text(text) => of_text(text)?,
        Pattern::Hex(bytes) => vec![of_bytes(bytes)?],
        Pattern::Regexp(expression) => of_expression(expression)?,
    };
    literals.iter().all(|literal| literal.len() >= LEAST).then_some(literals)
}

/// What searches for literals, of which none is the beginning of another: where one crosses the end of a value, no shorter one is missed.
pub fn search_for(mut literals: Vec<Vec<u8>>) -> Option<AhoCorasick> {
    literals.sort_unstable();
    // Sorted, a literal stands right behind the one that it begins with, or behind others that do.
    literals.dedup_by(|next, kept| next.starts_with(kept));
    if literals.len() > LITERALS_MAX {
        return None;
    }
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(literals).ok()
}

fn start(text: &[u8]) -> &[u8] {
    text.get(..MOST).unwrap_or(text)
}

fn of_text(pattern: &TextPattern<'_>) -> Option<Vec<Vec<u8>>> {
    let text: &[u8] = &pattern.text.value;
    if let Some(signs) = coded(pattern) {
        return Some(signs.iter().map(|signs| start(signs.as_bytes()).to_vec()).collect());
    }
    let mut nocase = false;
    for modifier in pattern.modifiers.iter() {
        match modifier {
            PatternModifier::Ascii { .. } | PatternModifier::Fullword { .. } | PatternModifier::Private { .. } => {}
            PatternModifier::Nocase { .. } => nocase = true,
            // Every other byte is zero, or the bytes are others altogether.
            PatternModifier::Wide { .. }
            | PatternModifier::Base64 { .. }
            | PatternModifier::Base64Wide { .. }
            | PatternModifier::Xor { .. } => {
                return None;
            }
        }
    }
    Some(if nocase { spellings(start(text)) } else { vec![start(text).to_vec()] })
}

/// What a string in Base64 is found by, of the usual alphabet and of no other form besides. None for another string.
pub fn of_base64(pattern: &Pattern<'_>) -> Option<Vec<String>> {
    if let Pattern::Text(text) = pattern { coded(text) } else { None }
}

fn coded(pattern: &TextPattern<'_>) -> Option<Vec<String>> {
    let mut base64 = false;
    for modifier in pattern.modifiers.iter() {
        match modifier {
            PatternModifier::Base64 { alphabet: None, .. } => base64 = true,
            PatternModifier::Ascii { .. } | PatternModifier::Private { .. } => {}
            _ => return None,
        }
    }
    let signs: Vec<String> = (0..3).map(|place| encoded(&pattern.text.value, place)).collect();
    (base64 && signs.iter().all(|signs| signs.len() >= LEAST)).then_some(signs)
}

/// A text in Base64, behind none, one or two bytes of a group of three: the signs that no other byte has a part in.
fn encoded(text: &[u8], place: usize) -> String {
    let whole = [vec![0; place].as_slice(), text].concat();
    let signs = STANDARD_NO_PAD.encode(&whole);
    let (first, behind) = ((place * 8).div_ceil(6), whole.len() * 8 / 6);
    signs.get(first..behind).unwrap_or_default().to_owned()
}

/// A text in every mixture of small and capital letters.
fn spellings(text: &[u8]) -> Vec<Vec<u8>> {
    text.iter().fold(vec![Vec::new()], |known, byte| {
        let mut letters = vec![byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
        letters.dedup();
        known.iter().flat_map(|before| letters.iter().map(|letter| [before.as_slice(), &[*letter]].concat())).collect()
    })
}

/// The longest run of bytes that are told whole.
fn of_bytes(pattern: &HexPattern<'_>) -> Option<Vec<u8>> {
    let tokens: Vec<Option<u8>> = pattern
        .sub_patterns
        .iter()
        .map(|token| match token {
            HexToken::Byte(byte) if byte.mask == 0xFF => Some(byte.value),
            _ => None,
        })
        .collect();
    let run = tokens.split(Option::is_none).max_by_key(|run| run.len().min(MOST))?;
    Some(run.iter().take(MOST).flatten().copied().collect())
}

fn of_expression(pattern: &RegexpPattern<'_>) -> Option<Vec<Vec<u8>>> {
    let expression = pattern.regexp.src;
    let mut nocase = pattern.regexp.case_insensitive;
    for modifier in pattern.modifiers.iter() {
        match modifier {
            PatternModifier::Ascii { .. } | PatternModifier::Fullword { .. } | PatternModifier::Private { .. } => {}
            PatternModifier::Nocase { .. } => nocase = true,
            _ => return None,
        }
    }
    // Signs to YARA, borders of words here; and YARA's `nocase` is stronger than a flag within.
    if ["\\<", "\\>", "\\b{", "(?-", "(?i", "(?s", "(?u", "(?x", "(?m", "(?U"].iter().any(|sign| expression.contains(sign)) {
        return None;
    }
    let mut parser = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .case_insensitive(nocase)
        .dot_matches_new_line(pattern.regexp.dot_matches_new_line)
        .build();
    let mut literals = Extractor::new().extract(&parser.parse(expression).ok()?);
    literals.keep_first_bytes(MOST);
    Some(literals.literals()?.iter().map(|literal| literal.as_bytes().to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use yara_x_parser::ast::AST;

    use super::*;

    /// Of the string of a rule.
    fn literals(string: &str) -> Option<Vec<String>> {
        let text = format!("rule r {{ strings: $a = {string} condition: $a }}");
        let ast = AST::from(text.as_str());
        assert!(ast.errors().is_empty(), "{string}: {:?}", ast.errors());
        let rule = ast.rules().next().unwrap();
        let mut literals: Vec<String> =
            of(&rule.patterns.as_deref().unwrap()[0])?.into_iter().map(|literal| String::from_utf8(literal).unwrap()).collect();
        literals.sort();
        literals.dedup();
        Some(literals)
    }

    #[test]
    fn literals_are_what_no_match_is_without() {
        for (string, wanted) in [
            ("\"alphabet\"", &["alph"][..]),
            ("\"alphabet\" fullword ascii private", &["alph"]),
            ("\"a1\" nocase", &["A1", "a1"]),
            ("/alpha|beta/", &["alph", "beta"]),
            ("/\\bal(p|q)[a-z]{3}/", &["alp", "alq"]),
            ("/ab?c/", &["abc", "ac"]),
            ("/xy/i", &["XY", "Xy", "xY", "xy"]),
            ("/x\\/y/ nocase", &["X/Y", "X/y", "x/Y", "x/y"]),
            ("{ 61 ?? 62 63 64 [2] 65 66 }", &["bcd"]),
            ("{ 61 62 63 64 65 ( 66 | 67 ) }", &["abcd"]),
        ] {
            assert_eq!(
                literals(string).as_deref(),
                Some(&wanted.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()[..]),
                "{string}"
            );
        }
        for string in [
            "\"alphabet\" wide",
            "\"alphabet\" xor",
            "\"alphabet\" base64wide",
            "/[a-z]+lpha/",
            "/a.*b/",
            "/\\<alpha/",
            "/(?-i)alpha/ nocase",
            "/alpha/ wide",
            "{ 61 ?? 62 [1-3] 63 }",
        ] {
            assert_eq!(literals(string), None, "{string}");
        }
    }

    #[test]
    fn a_text_in_base64_holds_one_of_three_literals() {
        let wanted = literals("\"secret words\" base64").unwrap();
        assert_eq!(wanted.len(), 3);
        for before in ["", "x", "xy", "xyz", "abcd"] {
            for after in ["", "x", "xy"] {
                let coded = STANDARD_NO_PAD.encode(format!("{before}secret words{after}"));
                assert!(wanted.iter().any(|literal| coded.contains(literal)), "{coded}");
            }
        }
    }

    #[test]
    fn no_literal_begins_with_another() {
        let texts = ["ab", "abc", "b", "bcd", "abd", "c", "ab"].map(|text| text.as_bytes().to_vec());
        let search = search_for(texts.to_vec()).unwrap();
        assert_eq!(search.patterns_len(), 3);
        let many = (0..=LITERALS_MAX).map(|at| format!("{at:04}").into_bytes()).collect();
        assert!(search_for(many).is_none());
    }
}
