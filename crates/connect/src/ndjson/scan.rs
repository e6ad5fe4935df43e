//! One line of NDJSON: the values of the wanted keys, found without decoding the others.

use polder_types::limit::JSON_DEPTH_MAX;

/// A value's bytes in the line, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub start: usize,
    pub end: usize,
    pub kind: TokenKind,
}

impl Token {
    /// The bytes with a string's quotes.
    pub(crate) const fn span(self) -> (usize, usize) {
        match self.kind {
            TokenKind::Text | TokenKind::Escaped => (self.start.saturating_sub(1), self.end.saturating_add(1)),
            _ => (self.start, self.end),
        }
    }

    /// The same token in bytes that begin at `from`.
    pub(crate) const fn moved(self, from: usize) -> Self {
        Self { start: self.start.saturating_sub(from), end: self.end.saturating_sub(from), kind: self.kind }
    }
}

/// Kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Without its quotes, no escape in it.
    Text,
    /// Without its quotes, escapes in it.
    Escaped,
    Number,
    Bool,
    Null,
    /// An object or array.
    Nested,
}

/// Why a line is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Invalid,
    /// JSON, but not an object.
    NotAnObject,
    TooDeep,
    DuplicateKey,
    LoneSurrogate,
}

/// Where a scan stands in a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner<'a> {
    line: &'a [u8],
    at: usize,
}

/// Bytes that end the plain part of a string: quote, backslash, control characters.
#[allow(clippy::indexing_slicing, reason = "a constant that the compiler evaluates")]
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut byte = 0;
    while byte < 32 {
        stops[byte] = true;
        byte += 1;
    }
    stops[b'"' as usize] = true;
    stops[b'\\' as usize] = true;
    stops
};

impl<'a> Scanner<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    pub(crate) fn slice(&self, token: Token) -> &'a [u8] {
        self.line.get(token.start..token.end).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    /// Steps over white space.
    pub(crate) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Takes one byte.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.line.len()
    }

    /// Tells other JSON from what is none.
    pub(crate) fn not_an_object(&mut self) -> Fault {
        match self.value() {
            Ok(_) => {
                self.space();
                if self.at_end() { Fault::NotAnObject } else { Fault::Invalid }
            }
            Err(fault) => fault,
        }
    }

    /// A string after its opening quote.
    pub(crate) fn string(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        let mut kind = TokenKind::Text;
        loop {
            let rest = self.line.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| STOPS.get(usize::from(*byte)).copied().unwrap_or(true)).ok_or(Fault::Invalid)?;
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(Token { start, end, kind });
                }
                Some(b'\\') => {
                    kind = TokenKind::Escaped;
                    self.at += 2;
                }
                _ => return Err(Fault::Invalid),
            }
        }
    }

    /// A wanted value, checked as JSON. Nested values are checked to their ends.
    pub(crate) fn value(&mut self) -> Result<Token, Fault> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => {
                self.at += 1;
                return self.string();
            }
            Some(b'{' | b'[') => {
                self.nested()?;
                TokenKind::Nested
            }
            _ => self.scalar()?,
        };
        Ok(Token { start, end: self.at, kind })
    }

    fn scalar(&mut self) -> Result<TokenKind, Fault> {
        match self.peek() {
            Some(b't') => self.word(b"true", TokenKind::Bool),
            Some(b'f') => self.word(b"false", TokenKind::Bool),
            Some(b'n') => self.word(b"null", TokenKind::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(Fault::Invalid),
        }
    }

    fn word(&mut self, word: &[u8], kind: TokenKind) -> Result<TokenKind, Fault> {
        if self.line.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(kind)
        } else {
            Err(Fault::Invalid)
        }
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<TokenKind, Fault> {
        self.eat(b'-');
        // A leading zero stands alone.
        if !self.eat(b'0') && !self.digits() {
            return Err(Fault::Invalid);
        }
        if self.eat(b'.') && !self.digits() {
            return Err(Fault::Invalid);
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            if !self.digits() {
                return Err(Fault::Invalid);
            }
        }
        Ok(TokenKind::Number)
    }

    /// A whole object or array, checked, with a limit on its depth (the record itself is the first level).
    fn nested(&mut self) -> Result<(), Fault> {
        // One bit a level: whether it is an object.
        let mut objects = 0u64;
        let mut depth = 0usize;
        loop {
            // A value begins here.
            self.space();
            let opened = match self.peek() {
                Some(b'{') => Some(true),
                Some(b'[') => Some(false),
                _ => None,
            };
            if let Some(object) = opened {
                self.at += 1;
                depth += 1;
                if depth >= JSON_DEPTH_MAX {
                    return Err(Fault::TooDeep);
                }
                objects = (objects << 1) | u64::from(object);
                self.space();
                if !self.eat(if object { b'}' } else { b']' }) {
                    if object {
                        self.key()?;
                    }
                    continue;
                }
                depth -= 1;
                objects >>= 1;
            } else if self.eat(b'"') {
                let token = self.string()?;
                self.check_escapes(token)?;
            } else {
                self.scalar()?;
            }
            // A value ended here: close levels, or go on to the next value.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.space();
                let object = objects & 1 == 1;
                if self.eat(b',') {
                    if object {
                        self.space();
                        self.key()?;
                    }
                    break;
                }
                if !self.eat(if object { b'}' } else { b']' }) {
                    return Err(Fault::Invalid);
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    fn key(&mut self) -> Result<(), Fault> {
        if !self.eat(b'"') {
            return Err(Fault::Invalid);
        }
        let token = self.string()?;
        self.check_escapes(token)?;
        self.space();
        if self.eat(b':') { Ok(()) } else { Err(Fault::Invalid) }
    }

    fn check_escapes(&self, token: Token) -> Result<(), Fault> {
        if token.kind == TokenKind::Escaped { unescape(self.slice(token), &mut Vec::new()) } else { Ok(()) }
    }

    /// Steps over a value that nobody wants: strings and brackets are followed, nothing else is looked at.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match self.peek() {
                None => return Err(Fault::Invalid),
                Some(b'"') => {
                    self.at += 1;
                    self.skip_string()?;
                    if depth == 0 {
                        return Ok(());
                    }
                    continue;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    if depth >= JSON_DEPTH_MAX {
                        return Err(Fault::TooDeep);
                    }
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                Some(b'}' | b']' | b',') if depth == 0 => return if self.at > start { Ok(()) } else { Err(Fault::Invalid) },
                Some(_) => {}
            }
            self.at += 1;
        }
    }

    fn skip_string(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.line.get(self.at..).unwrap_or_default();
            let stop = memchr::memchr2(b'"', b'\\', rest).ok_or(Fault::Invalid)?;
            let quote = rest.get(stop) == Some(&b'"');
            self.at += stop + if quote { 1 } else { 2 };
            if quote {
                return Ok(());
            }
        }
    }
}

fn hex4(digits: &[u8]) -> Option<u32> {
    let digits = digits.get(..4)?;
    digits.iter().try_fold(0, |value, digit| char::from(*digit).to_digit(16).map(|digit| value * 16 + digit))
}

/// Appends a string's text with its escapes resolved.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        let Some((code, after)) = rest.get(at + 1..).and_then(<[u8]>::split_first) else { return Err(Fault::Invalid) };
        rest = after;
        let plain = match code {
            b'"' | b'\\' | b'/' => *code,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut unit = hex4(rest).ok_or(Fault::Invalid)?;
                rest = rest.get(4..).unwrap_or_default();
                if (0xd800..0xdc00).contains(&unit) {
                    let low = rest.strip_prefix(b"\\u").ok_or(Fault::LoneSurrogate)?;
                    let low_unit = hex4(low).ok_or(Fault::Invalid)?;
                    if !(0xdc00..0xe000).contains(&low_unit) {
                        return Err(Fault::LoneSurrogate);
                    }
                    unit = 0x10000 + ((unit - 0xd800) << 10) + (low_unit - 0xdc00);
                    rest = low.get(4..).unwrap_or_default();
                }
                let letter = char::from_u32(unit).ok_or(Fault::LoneSurrogate)?;
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return Err(Fault::Invalid),
        };
        out.push(plain);
    }
    out.extend_from_slice(rest);
    Ok(())
}
