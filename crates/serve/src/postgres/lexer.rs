//! Where statements and words of SQL begin and end, by PostgreSQL's rules; what they mean is for others.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An unquoted word or name.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string, of any form.
    Text,
    /// A number, or a parameter as `$1`.
    Number,
    /// One character of anything else.
    Sign,
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written, quotes included.
    pub text: &'a str,
    /// Where it begins.
    pub start: usize,
}

impl<'a> Token<'a> {
    /// Where it ends.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this word, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is this character.
    pub fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// The name that it is, as PostgreSQL folds it; none where it is none.
    pub fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Quoted => Some(self.text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"")),
            _ => None,
        }
    }

    /// The text of a string; none where it is none. Of `U&` and `$tag$` strings only what is between the quotes.
    pub fn string(&self) -> Option<String> {
        if self.kind != Kind::Text {
            return None;
        }
        if self.text.starts_with('$') {
            let tag = self.text.get(1..)?.find('$')? + 2;
            return self.text.get(tag..self.text.len().checked_sub(tag)?).map(str::to_owned);
        }
        let escapes = self.text.starts_with(['e', 'E']);
        let inner = self.text.get(self.text.find('\'')? + 1..)?.strip_suffix('\'')?;
        Some(if escapes { unescape(inner) } else { inner.replace("''", "'") })
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('b') => out.push('\u{8}'),
                Some('f') => out.push('\u{c}'),
                Some(other) => out.push(other),
                None => {}
            },
            '\'' => {
                // A quote within stands doubled.
                chars.next();
                out.push('\'');
            }
            c => out.push(c),
        }
    }
    out
}

/// The tokens of SQL, without spaces and comments. What is not ended, as a string, ends with the text.
pub struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

/// The tokens of a text.
pub fn tokens(sql: &str) -> Tokens<'_> {
    Tokens { sql, at: 0 }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.at += skip(self.sql.get(self.at..)?);
        let rest = self.sql.get(self.at..)?;
        let (kind, length) = token(rest)?;
        let start = self.at;
        self.at += length;
        Some(Token { kind, text: rest.get(..length)?, start })
    }
}

/// How many bytes of spaces and comments come first.
fn skip(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or("");
        let step = if rest.starts_with("--") {
            rest.find(['\n', '\r']).unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest.as_bytes())
        } else {
            rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}', '\u{feff}', '\u{a0}']).len()
        };
        if step == 0 {
            return at;
        }
        at += step;
    }
}

/// How long a comment is; they nest.
fn comment(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth = depth.saturating_sub(1);
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn token(rest: &str) -> Option<(Kind, usize)> {
    let bytes = rest.as_bytes();
    let first = rest.chars().next()?;
    let second = bytes.get(1).copied();
    Some(match first {
        '\'' => (Kind::Text, quoted(bytes, 1, b'\'', false)),
        '"' => (Kind::Quoted, quoted(bytes, 1, b'"', false)),
        'e' | 'E' if second == Some(b'\'') => (Kind::Text, quoted(bytes, 2, b'\'', true)),
        'b' | 'B' | 'x' | 'X' | 'n' | 'N' if second == Some(b'\'') => (Kind::Text, quoted(bytes, 2, b'\'', false)),
        'u' | 'U' if second == Some(b'&') && bytes.get(2) == Some(&b'\'') => (Kind::Text, quoted(bytes, 3, b'\'', false)),
        'u' | 'U' if second == Some(b'&') && bytes.get(2) == Some(&b'"') => (Kind::Quoted, quoted(bytes, 3, b'"', false)),
        '$' => dollar(rest),
        c if begins_name(c) => (Kind::Word, length_while(rest, |c| begins_name(c) || c.is_ascii_digit() || c == '$')),
        c if c.is_ascii_digit() => (Kind::Number, length_while(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_')),
        c => (Kind::Sign, c.len_utf8()),
    })
}

fn length_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The length of what begins before `from` with a quote and ends with the next that is not doubled (or, where they count, after a backslash).
fn quoted(bytes: &[u8], from: usize, quote: u8, backslash: bool) -> usize {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && backslash {
            at += 2;
        } else if byte == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// `$1`, `$tag$ … $tag$`, or a sign.
fn dollar(rest: &str) -> (Kind, usize) {
    let after = rest.get(1..).unwrap_or("");
    let digits = length_while(after, |c| c.is_ascii_digit());
    if digits > 0 {
        return (Kind::Number, 1 + digits);
    }
    let tag = if after.starts_with(begins_name) { length_while(after, |c| begins_name(c) || c.is_ascii_digit()) } else { 0 };
    if after.as_bytes().get(tag) != Some(&b'$') {
        return (Kind::Sign, 1);
    }
    let mark = rest.get(..tag + 2).unwrap_or(rest);
    let length = rest.get(mark.len()..).and_then(|inner| inner.find(mark)).map_or(rest.len(), |at| at + 2 * mark.len());
    (Kind::Text, length)
}

/// A statement of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The statement, from its first token to its last.
    pub sql: &'a str,
    /// The characters of the text before it.
    pub characters_before: u32,
}

/// The statements of a text, between `;` that stand in no quotes and no comments. Empty ones are left out.
pub fn statements(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    let mut counted = (0_usize, 0_u32);
    let mut close = |open: &mut Option<(usize, usize)>| {
        let Some((start, end)) = open.take() else { return };
        let between = sql.get(counted.0..start).unwrap_or("").chars().count();
        counted = (start, counted.1.saturating_add(u32::try_from(between).unwrap_or(u32::MAX)));
        pieces.push(Piece { sql: sql.get(start..end).unwrap_or(""), characters_before: counted.1 });
    };
    for token in tokens(sql) {
        if token.is_sign(";") {
            close(&mut open);
        } else {
            let start = open.map_or(token.start, |(start, _)| start);
            open = Some((start, token.end()));
        }
    }
    close(&mut open);
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        statements(sql).into_iter().map(|piece| piece.sql).collect()
    }

    #[test]
    fn semicolons_end_statements_outside_of_quotes_and_comments() {
        for (sql, expected) in [
            ("", vec![]),
            (" ; -- nothing\n;/* a /* b */ ; */", vec![]),
            ("select 1; select 2", vec!["select 1", "select 2"]),
            ("select ';'; x", vec!["select ';'", "x"]),
            ("select 'it''s;'; x", vec!["select 'it''s;'", "x"]),
            // Without E a backslash is a character.
            (r"select '\'; x", vec![r"select '\'", "x"]),
            (r"select E'\';'; x", vec![r"select E'\';'", "x"]),
            (r"select U&'\0061;'; x", vec![r"select U&'\0061;'", "x"]),
            ("select \"a;\"\"b\"; x", vec!["select \"a;\"\"b\"", "x"]),
            ("select $$;$$; x", vec!["select $$;$$", "x"]),
            ("select $a$;$b$;$a$; x", vec!["select $a$;$b$;$a$", "x"]),
            ("select a$b$;x$b$", vec!["select a$b$", "x$b$"]),
            ("select $1;x", vec!["select $1", "x"]),
            ("a -- ;\nb; c /* ; /* ; */ ; */ d", vec!["a -- ;\nb", "c /* ; /* ; */ ; */ d"]),
            ("select 'open ; ", vec!["select 'open ; "]),
            ("select $x$ open ; ", vec!["select $x$ open ; "]),
        ] {
            assert_eq!(split(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_place_is_counted_in_characters_of_the_whole_text() {
        let pieces = statements("sélect 1;\n sélect 2; ü");
        assert_eq!(pieces.iter().map(|piece| piece.characters_before).collect::<Vec<_>>(), [0, 11, 21]);
    }

    #[test]
    fn names_and_strings_are_read_as_postgresql_does() {
        let names: Vec<_> = tokens("Abc \"A\"\"b\" é$1").map(|token| token.name().unwrap()).collect();
        assert_eq!(names, ["abc", "A\"b", "é$1"]);
        let strings: Vec<_> = tokens(r"'a''b' E'\t\'x''' $t$ q $t$ $$$$").map(|token| token.string().unwrap()).collect();
        assert_eq!(strings, ["a'b", "\t'x'", " q ", ""]);
    }

    proptest! {
        #[test]
        fn tokens_are_in_order_and_cover_what_is_not_space(sql in r#"[a$'"é;/*\-E&U\\ \n0-9]{0,60}"#) {
            let mut at = 0;
            for token in tokens(&sql) {
                prop_assert!(token.start >= at && !token.text.is_empty());
                prop_assert_eq!(sql.get(token.start..token.end()), Some(token.text));
                at = token.end();
                let _ = (token.name(), token.string());
            }
            for piece in statements(&sql) {
                prop_assert!(!piece.sql.is_empty());
            }
        }
    }
}
