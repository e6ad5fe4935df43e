//! Finds the records of a JSON document without holding it: what lies around the list of records is followed strictly, what lies in a
//! record by its strings and brackets, as an NDJSON line is.

use polder_types::limit::JSON_DEPTH_MAX;

use super::path::JsonPath;
use crate::ndjson::scan::unescape;

/// Longest key that can lead to the records.
const KEY_MAX_BYTES: usize = 64 << 10;

/// Why a document is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Not JSON.
    Syntax,
    /// It ends in the middle.
    Ends,
    TooDeep,
    /// Something stands behind the document.
    Trailing,
    /// Nothing stands where the records should be.
    NoList,
    /// Something else than a list stands there.
    NotAList,
    /// The way to the records is there twice.
    Twice,
}

/// What is expected next, outside records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Nothing,
}

/// In the middle of what the last bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Text { key: bool, escaped: bool },
    Word,
}

/// An object or list that is open, outside records.
#[derive(Debug, Clone, Copy)]
struct Open {
    object: bool,
    /// How many keys of the path lead here, when it lies on the path.
    on_path: Option<usize>,
}

/// A record that is being read.
#[derive(Debug, Clone, Copy)]
struct Record {
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// Just after the last byte that is no white space.
    end: usize,
}

/// Where records begin and end.
pub(crate) struct Splitter {
    path: JsonPath,
    open: Vec<Open>,
    expect: Expect,
    inside: Inside,
    key: Vec<u8>,
    word: Vec<u8>,
    /// Whether the last key leads on to the records.
    key_leads: bool,
    found: bool,
    list_depth: Option<usize>,
    record: Option<Record>,
    /// Where the record that is being read begins.
    begun: usize,
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

impl Splitter {
    pub(crate) fn new(path: &JsonPath) -> Self {
        Self {
            path: path.clone(),
            open: Vec::new(),
            expect: Expect::Value,
            inside: Inside::Nothing,
            key: Vec::new(),
            word: Vec::new(),
            key_leads: false,
            found: false,
            list_depth: None,
            record: None,
            begun: 0,
        }
    }

    /// Where the record begins that is being read; it must still be there when the next bytes come.
    pub(crate) fn begun(&self) -> Option<usize> {
        self.record.map(|_| self.begun)
    }

    /// What was begun begins at the first byte of what comes next.
    pub(crate) fn moved(&mut self, by: usize) {
        self.begun = self.begun.saturating_sub(by);
        if let Some(record) = &mut self.record {
            record.end = record.end.saturating_sub(by);
        }
    }

    /// Goes through the bytes from `at` on, and gives where each record lies that ends there.
    pub(crate) fn feed(&mut self, bytes: &[u8], at: usize, records: &mut Vec<(usize, usize)>) -> Result<(), Broken> {
        for (place, byte) in bytes.iter().enumerate().skip(at) {
            if self.record.is_some() {
                self.in_record(*byte, place, records)?;
            } else {
                self.step(*byte, place)?;
            }
        }
        Ok(())
    }

    /// The document ended.
    pub(crate) fn finish(&mut self) -> Result<(), Broken> {
        if self.inside == Inside::Word {
            self.word_ends()?;
        }
        if self.expect != Expect::Nothing {
            return Err(Broken::Ends);
        }
        if self.found { Ok(()) } else { Err(Broken::NoList) }
    }

    fn in_record(&mut self, byte: u8, place: usize, records: &mut Vec<(usize, usize)>) -> Result<(), Broken> {
        let Some(record) = &mut self.record else { return Ok(()) };
        if record.in_text {
            if record.escaped {
                record.escaped = false;
            } else if byte == b'\\' {
                record.escaped = true;
            } else if byte == b'"' {
                record.in_text = false;
            }
            record.end = place + 1;
            return Ok(());
        }
        match byte {
            b'"' => record.in_text = true,
            b'{' | b'[' => {
                record.depth += 1;
                // The record's own fault comes first; beyond twice as much it is none that a record could be told for.
                if record.depth > 1 << 20 {
                    return Err(Broken::TooDeep);
                }
            }
            b']' | b',' if record.depth == 0 => {
                records.push((self.begun, record.end));
                self.record = None;
                self.expect = Expect::CommaOrEnd;
                return self.step(byte, place);
            }
            b'}' if record.depth == 0 => return Err(Broken::Syntax),
            b'}' | b']' => record.depth -= 1,
            _ => {}
        }
        if !is_space(byte) {
            record.end = place + 1;
        }
        Ok(())
    }

    fn step(&mut self, byte: u8, place: usize) -> Result<(), Broken> {
        match self.inside {
            Inside::Text { key, escaped } => return self.in_text(byte, key, escaped),
            Inside::Word if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.') => {
                if self.word.len() < 64 {
                    self.word.push(byte);
                }
                return Ok(());
            }
            Inside::Word => self.word_ends()?,
            Inside::Nothing => {}
        }
        if is_space(byte) {
            return Ok(());
        }
        match (self.expect, byte) {
            (Expect::Nothing, _) => Err(Broken::Trailing),
            (Expect::ValueOrEnd | Expect::CommaOrEnd, b']') | (Expect::KeyOrEnd | Expect::CommaOrEnd, b'}') => self.close(byte == b'}'),
            (Expect::Value | Expect::ValueOrEnd, _) => self.value(byte, place),
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                self.key.clear();
                self.inside = Inside::Text { key: true, escaped: false };
                Ok(())
            }
            (Expect::Colon, b':') => {
                self.expect = Expect::Value;
                Ok(())
            }
            (Expect::CommaOrEnd, b',') => {
                let object = self.open.last().is_some_and(|open| open.object);
                self.expect = if object { Expect::Key } else { Expect::Value };
                Ok(())
            }
            _ => Err(Broken::Syntax),
        }
    }

    fn in_text(&mut self, byte: u8, key: bool, escaped: bool) -> Result<(), Broken> {
        if byte < 0x20 {
            return Err(Broken::Syntax);
        }
        let ends = byte == b'"' && !escaped;
        self.inside = Inside::Text { key, escaped: byte == b'\\' && !escaped };
        if key && !ends && self.key.len() < KEY_MAX_BYTES {
            self.key.push(byte);
        }
        if !ends {
            return Ok(());
        }
        self.inside = Inside::Nothing;
        if !key {
            return self.ended();
        }
        self.expect = Expect::Colon;
        self.key_leads = self.leads()?;
        Ok(())
    }

    /// Whether the key that was read is the next one of the path.
    fn leads(&self) -> Result<bool, Broken> {
        let Some(Open { on_path: Some(depth), .. }) = self.open.last() else { return Ok(false) };
        let Some(wanted) = self.path.keys().get(*depth) else { return Ok(false) };
        let mut name = Vec::new();
        unescape(&self.key, &mut name).map_err(|_| Broken::Syntax)?;
        Ok(name == wanted.as_bytes())
    }

    fn value(&mut self, byte: u8, place: usize) -> Result<(), Broken> {
        if self.list_depth == Some(self.open.len()) && self.open.last().is_some_and(|open| !open.object) {
            // An element of the list.
            if matches!(byte, b',' | b']' | b'}' | b':') {
                return Err(Broken::Syntax);
            }
            self.begun = place;
            self.record = Some(Record { depth: 0, in_text: false, escaped: false, end: place });
            return self.in_record(byte, place, &mut Vec::new());
        }
        let leads = match self.open.last() {
            None => Some(0),
            Some(Open { object: true, on_path: Some(depth) }) if self.key_leads => Some(depth + 1),
            Some(_) => None,
        };
        let is_end = leads == Some(self.path.keys().len());
        if is_end && std::mem::replace(&mut self.found, true) {
            return Err(Broken::Twice);
        }
        if leads.is_some() && byte != if is_end { b'[' } else { b'{' } {
            return Err(if is_end { Broken::NotAList } else { Broken::NoList });
        }
        match byte {
            b'{' | b'[' => {
                if self.open.len() + 1 >= JSON_DEPTH_MAX {
                    return Err(Broken::TooDeep);
                }
                self.open.push(Open { object: byte == b'{', on_path: leads });
                if is_end {
                    self.list_depth = Some(self.open.len());
                }
                self.expect = if byte == b'{' { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                Ok(())
            }
            b'"' => {
                self.inside = Inside::Text { key: false, escaped: false };
                Ok(())
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.word.clear();
                self.word.push(byte);
                self.inside = Inside::Word;
                Ok(())
            }
            _ => Err(Broken::Syntax),
        }
    }

    /// A number or a word ended.
    fn word_ends(&mut self) -> Result<(), Broken> {
        self.inside = Inside::Nothing;
        let mut scanner = crate::ndjson::scan::Scanner::new(&self.word);
        let right = self.word.len() >= 64 || (scanner.value().is_ok() && scanner.at_end());
        if right { self.ended() } else { Err(Broken::Syntax) }
    }

    fn close(&mut self, object: bool) -> Result<(), Broken> {
        match self.open.pop() {
            Some(open) if open.object == object => {}
            _ => return Err(Broken::Syntax),
        }
        if self.list_depth.is_some_and(|depth| depth > self.open.len()) {
            self.list_depth = None;
        }
        self.ended()
    }

    /// A value ended.
    fn ended(&mut self) -> Result<(), Broken> {
        self.expect = if self.open.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str, text: &str, step: usize) -> Result<Vec<String>, Broken> {
        let path = JsonPath::parse(path).unwrap_or_default();
        let mut splitter = Splitter::new(&path);
        let (mut held, mut records) = (Vec::new(), Vec::new());
        for chunk in text.as_bytes().chunks(step) {
            let at = held.len();
            held.extend_from_slice(chunk);
            let mut found = Vec::new();
            splitter.feed(&held, at, &mut found)?;
            records.extend(found.into_iter().map(|(from, to)| String::from_utf8_lossy(&held[from..to]).into_owned()));
            let keep = splitter.begun().unwrap_or(held.len());
            splitter.moved(keep);
            held.drain(..keep);
        }
        splitter.finish().map(|()| records)
    }

    #[test]
    fn records_are_found_however_the_document_is_cut() {
        let cases: [(&str, &str, &[&str]); 6] = [
            ("", r#" [ {"a":1} , {"a":"],}"} ,3, "x" ,[1,2] ] "#, &[r#"{"a":1}"#, r#"{"a":"],}"}"#, "3", r#""x""#, "[1,2]"]),
            ("", "[]", &[]),
            ("r", r#"{"q":[{"r":[1]}],"r":[{"a":"\"]"}],"z":{"r":[2]}}"#, &[r#"{"a":"\"]"}"#]),
            ("a.b", r#"{"a":{"x":-1.5e3,"b":[true,{}]},"b":[9]}"#, &["true", "{}"]),
            (r"a\.b", r#"{"\u0061.b":[1]}"#, &["1"]),
            ("r", r#"{"r":[{"n":1,}]}"#, &[r#"{"n":1,}"#]),
        ];
        for (path, text, records) in cases {
            for step in [1, 2, 3, 5, 1000] {
                assert_eq!(split(path, text, step).as_deref(), Ok(records.map_ref().as_slice()), "{text} by {step}");
            }
        }
    }

    trait MapRef {
        fn map_ref(&self) -> Vec<String>;
    }
    impl MapRef for &[&str] {
        fn map_ref(&self) -> Vec<String> {
            self.iter().map(|text| (*text).to_owned()).collect()
        }
    }

    #[test]
    fn what_is_no_document_is_told_apart() {
        for (path, text, broken) in [
            ("", "", Broken::Ends),
            ("", "[1", Broken::Ends),
            ("", "[1]]", Broken::Trailing),
            ("", "[1] x", Broken::Trailing),
            ("", "[1,,2]", Broken::Syntax),
            ("", "[1}", Broken::Syntax),
            ("", r#"{"a":[1]}"#, Broken::NotAList),
            ("a", "[1]", Broken::NoList),
            ("a", r#"{"b":[1]}"#, Broken::NoList),
            ("a", r#"{"a":null}"#, Broken::NotAList),
            ("a", r#"{"a":[1],"a":[2]}"#, Broken::Twice),
            ("a.b", r#"{"a":[1]}"#, Broken::NoList),
            ("a", r#"{"a":[1],"b":01}"#, Broken::Syntax),
            ("a", r#"{"a":[1],}"#, Broken::Syntax),
            ("a", "{'a':[1]}", Broken::Syntax),
            ("a", "{\"b\":\"\n\",\"a\":[1]}", Broken::Syntax),
            ("a", &format!(r#"{{"b":{}1{},"a":[1]}}"#, "[".repeat(80), "]".repeat(80)), Broken::TooDeep),
        ] {
            for step in [1, 1000] {
                assert_eq!(split(path, text, step), Err(broken), "{text}");
            }
        }
    }
}
