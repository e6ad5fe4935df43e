//! Counts the records of a JSON document by its commas: jumps from one character with a meaning to the next, and knows nothing of values.

use memchr::memchr2;

use super::path::JsonPath;
use crate::block::RecordCounter;
use crate::ndjson::scan::unescape;

/// Longest key that is kept.
const KEY_MAX_BYTES: usize = 64 << 10;
/// Deepest nesting that is followed by name.
const NAMED_DEPTH: usize = 64;

/// Counts the elements of the list at the path.
pub(crate) struct JsonCounter {
    path: Vec<Vec<u8>>,
    /// The key under which each open bracket stands; only of the first few.
    keys: Vec<Vec<u8>>,
    depth: usize,
    text: Vec<u8>,
    in_text: bool,
    escaped: bool,
    /// Depth inside the list, once it is open.
    list: Option<usize>,
    filled: bool,
    commas: u64,
    records: u64,
}

impl JsonCounter {
    pub(crate) fn new(path: &JsonPath) -> Self {
        Self {
            path: path.keys().iter().map(|key| key.clone().into_bytes()).collect(),
            keys: Vec::new(),
            depth: 0,
            text: Vec::new(),
            in_text: false,
            escaped: false,
            list: None,
            filled: false,
            commas: 0,
            records: 0,
        }
    }

    fn open(&mut self, square: bool) {
        if self.keys.len() == self.depth && self.depth < NAMED_DEPTH {
            let mut key = Vec::new();
            // What cannot be resolved is no key of the path.
            let _ = unescape(&std::mem::take(&mut self.text), &mut key);
            self.keys.push(key);
        }
        self.depth += 1;
        // The outermost bracket stands under no key.
        let here = self.keys.get(1..).unwrap_or_default();
        if square && self.list.is_none() && self.depth == self.path.len() + 1 && here == self.path {
            self.list = Some(self.depth);
            (self.filled, self.commas) = (false, 0);
        }
    }

    fn close(&mut self) {
        if self.list == Some(self.depth) {
            self.records += if self.filled { self.commas + 1 } else { 0 };
            self.list = None;
        }
        self.depth = self.depth.saturating_sub(1);
        self.keys.truncate(self.depth);
        self.text.clear();
    }

    /// Steps over a text; what is left of the bytes.
    fn skip_text<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        loop {
            if self.escaped && !bytes.is_empty() {
                self.keep(bytes.get(..1).unwrap_or_default());
                bytes = bytes.get(1..).unwrap_or_default();
                self.escaped = false;
            }
            let Some(at) = memchr2(b'"', b'\\', bytes) else {
                self.keep(bytes);
                return &[];
            };
            self.keep(bytes.get(..at).unwrap_or_default());
            let quote = bytes.get(at) == Some(&b'"');
            bytes = bytes.get(at + 1..).unwrap_or_default();
            if quote {
                self.in_text = false;
                return bytes;
            }
            self.keep(b"\\");
            self.escaped = true;
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.list.is_none() && self.text.len() + bytes.len() <= KEY_MAX_BYTES {
            self.text.extend_from_slice(bytes);
        }
    }
}

impl RecordCounter for JsonCounter {
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.in_text {
                bytes = self.skip_text(bytes);
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                continue;
            }
            if self.list == Some(self.depth) {
                match byte {
                    b',' => self.commas += 1,
                    b']' => {}
                    _ => self.filled = true,
                }
            }
            match byte {
                b'"' => {
                    self.in_text = true;
                    self.text.clear();
                }
                b'{' => self.open(false),
                b'[' => self.open(true),
                b'}' | b']' => self.close(),
                _ => {}
            }
        }
    }

    fn finish(&mut self) -> u64 {
        self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str, step: usize) -> u64 {
        let mut counter = JsonCounter::new(&JsonPath::parse(path).unwrap_or_default());
        text.as_bytes().chunks(step).for_each(|chunk| counter.feed(chunk));
        counter.finish()
    }

    #[test]
    fn elements_are_counted_however_the_document_is_cut() {
        for (path, text, records) in [
            ("", "[]", 0),
            ("", " [ ] ", 0),
            ("", r#"[{"a":[1,2,{"b":","}]},"x,\",",3]"#, 3),
            ("r", r#"{"q":[{"r":[1]}],"r":[{"a":"\"],"},2],"z":{"r":[2,3,4]}}"#, 2),
            ("a.b", r#"{"b":[9],"a":{"x":{"b":[1]},"b":[true,{}]},"c":1}"#, 2),
            (r"a\.b", r#"{"\u0061.b":[1]}"#, 1),
        ] {
            for step in [1, 2, 3, 1000] {
                assert_eq!(count(path, text, step), records, "{text} by {step}");
            }
        }
    }
}
