//! Names and values in the text of a statement. Nothing else is put into one.

/// A name, quoted: what stands in it is never read as SQL.
pub(crate) fn name(text: &str) -> String {
    quoted(text, '"')
}

/// A value, quoted. A backslash in it is one, since each transaction sets `standard_conforming_strings`.
pub(crate) fn literal(text: &str) -> String {
    quoted(text, '\'')
}

fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        if character == quote {
            out.push(quote);
        }
        out.push(character);
    }
    out.push(quote);
    out
}

/// Conditions of which all hold; none where there are none.
pub(crate) fn all<'a>(conditions: impl IntoIterator<Item = &'a str>) -> String {
    let joined = conditions.into_iter().map(|condition| format!("({condition})")).collect::<Vec<_>>().join(" AND ");
    if joined.is_empty() { joined } else { format!(" WHERE {joined}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::cases;

    #[test]
    fn quotes_are_doubled_and_nothing_else_is_touched() {
        assert_eq!(name("order"), r#""order""#);
        assert_eq!(name(r#"a"b"; DROP TABLE x; --"#), r#""a""b""; DROP TABLE x; --""#);
        assert_eq!(name("it's"), r#""it's""#);
        assert_eq!(literal("O'Brien"), "'O''Brien'");
        assert_eq!(literal(r"\'; SELECT 1; --"), r"'\''; SELECT 1; --'");
        assert_eq!(literal("''"), "''''''");
        assert_eq!(literal(""), "''");
        assert_eq!(all([]), "");
        assert_eq!(all(["a", "b OR c"]), " WHERE (a) AND (b OR c)");
    }

    /// Reads a quoted text as the server does; none where it does not end at its end.
    fn read(text: &str, quote: char) -> Option<String> {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        let mut out = String::new();
        let mut characters = inner.chars();
        while let Some(character) = characters.next() {
            if character == quote && characters.next() != Some(quote) {
                return None;
            }
            out.push(character);
        }
        Some(out)
    }

    proptest! {
        #![proptest_config(cases(512))]
        #[test]
        fn what_is_quoted_is_read_as_it_was(text in "[a\"'\\\\;\\-$\u{e9}\u{202e} ]{0,12}") {
            prop_assert_eq!(read(&name(&text), '"'), Some(text.clone()));
            prop_assert_eq!(read(&literal(&text), '\''), Some(text));
        }
    }
}
