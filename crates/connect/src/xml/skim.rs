//! Follows the tags of an XML document byte by byte, and nothing else of it: a second opinion on how many records there are, and a first
//! one on what no decoder should be given.

use memchr::memchr;

use super::path::{RecordPath, local};
use crate::block::RecordCounter;

/// Longest name that is looked at.
const NAME_MAX_BYTES: usize = 1 << 10;
/// How much of a start tag's attributes is kept.
pub(crate) const ATTRIBUTES_MAX_BYTES: usize = 4 << 10;

/// What passes.
pub(crate) enum Tag<'a> {
    Start(&'a [u8]),
    /// What stands in the start tag behind its name: all of it, or its beginning where it is long.
    Attributes(&'a [u8]),
    /// Of the element that was begun last.
    End,
    /// Text, or a reference in it; all of it or a part.
    Text(&'a [u8]),
    /// A document type declaration.
    Doctype,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After `<`.
    Opened,
    StartName,
    EndName,
    /// In a start tag, after its name; whether the last byte was a slash.
    Inside {
        slash: bool,
    },
    Quoted(u8),
    /// After `<!`; how many bytes of it were seen.
    Bang,
    Comment {
        dashes: usize,
    },
    Cdata {
        brackets: usize,
    },
    Declaration {
        depth: usize,
    },
    Instruction {
        question: bool,
    },
}

/// The tags of a document as its bytes come.
pub(crate) struct Skim {
    state: State,
    name: Vec<u8>,
    attributes: Vec<u8>,
    /// Bytes since the last tag, text or comment began.
    since: u64,
    begun: bool,
    longest: u64,
}

impl Skim {
    pub(crate) fn new() -> Self {
        Self { state: State::Text, name: Vec::new(), attributes: Vec::new(), since: 0, begun: false, longest: 0 }
    }

    /// The longest piece that a reader would hold at once.
    pub(crate) fn longest(&self) -> u64 {
        self.longest.max(self.since)
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8], tell: &mut dyn FnMut(Tag<'_>)) {
        while !bytes.is_empty() {
            let before = bytes.len();
            bytes = match self.state {
                State::Text => self.text(bytes, tell),
                State::Quoted(quote) => match memchr(quote, bytes) {
                    Some(at) => {
                        self.state = State::Inside { slash: false };
                        self.keep(bytes.get(..=at).unwrap_or_default());
                        bytes.get(at + 1..).unwrap_or_default()
                    }
                    None => {
                        self.keep(bytes);
                        &[]
                    }
                },
                State::Inside { .. } => self.inside(bytes, tell),
                _ => {
                    let Some((byte, rest)) = bytes.split_first() else { return };
                    self.step(*byte, tell);
                    rest
                }
            };
            let passed = u64::try_from(before - bytes.len()).unwrap_or(u64::MAX);
            self.since = self.since.saturating_add(passed);
            // A piece begins behind what was just passed.
            if std::mem::take(&mut self.begun) {
                self.longest = self.longest.max(self.since);
                self.since = 0;
            }
        }
    }

    fn text<'a>(&mut self, bytes: &'a [u8], tell: &mut dyn FnMut(Tag<'_>)) -> &'a [u8] {
        let at = memchr(b'<', bytes);
        let text = bytes.get(..at.unwrap_or(bytes.len())).unwrap_or_default();
        if !text.is_empty() {
            tell(Tag::Text(text));
        }
        match at {
            None => &[],
            Some(at) => {
                self.begin(State::Opened);
                bytes.get(at + 1..).unwrap_or_default()
            }
        }
    }

    fn begin(&mut self, state: State) {
        self.begun = true;
        self.name.clear();
        self.state = state;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = ATTRIBUTES_MAX_BYTES.saturating_sub(self.attributes.len());
        self.attributes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The inside of a start tag, up to the next byte that means something.
    fn inside<'a>(&mut self, bytes: &'a [u8], tell: &mut dyn FnMut(Tag<'_>)) -> &'a [u8] {
        let Some((byte, rest)) = bytes.split_first() else { return bytes };
        let slash = matches!(self.state, State::Inside { slash: true });
        match byte {
            b'>' => {
                tell(Tag::Attributes(&self.attributes));
                if slash {
                    tell(Tag::End);
                }
                self.begin(State::Text);
            }
            b'"' | b'\'' => {
                self.keep(&[*byte]);
                self.state = State::Quoted(*byte);
            }
            _ => {
                self.keep(&[*byte]);
                self.state = State::Inside { slash: *byte == b'/' };
            }
        }
        rest
    }

    fn step(&mut self, byte: u8, tell: &mut dyn FnMut(Tag<'_>)) {
        match self.state {
            State::Opened => match byte {
                b'/' => self.state = State::EndName,
                b'!' => self.state = State::Bang,
                b'?' => self.state = State::Instruction { question: false },
                _ => {
                    self.name.push(byte);
                    self.state = State::StartName;
                }
            },
            State::StartName => match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>' => {
                    tell(Tag::Start(&self.name));
                    self.attributes.clear();
                    self.state = State::Inside { slash: byte == b'/' };
                    if byte == b'>' {
                        self.begin(State::Text);
                    }
                }
                _ if self.name.len() < NAME_MAX_BYTES => self.name.push(byte),
                _ => {}
            },
            State::EndName => {
                if byte == b'>' {
                    tell(Tag::End);
                    self.begin(State::Text);
                }
            }
            State::Bang => {
                self.name.push(byte);
                self.state = match self.name.as_slice() {
                    b"--" => State::Comment { dashes: 0 },
                    b"[CDATA[" => State::Cdata { brackets: 0 },
                    name if b"--".starts_with(name) || b"[CDATA[".starts_with(name) => State::Bang,
                    _ => {
                        tell(Tag::Doctype);
                        State::Declaration { depth: 0 }
                    }
                };
            }
            State::Comment { dashes } => match byte {
                b'>' if dashes >= 2 => self.begin(State::Text),
                b'-' => self.state = State::Comment { dashes: dashes + 1 },
                _ => self.state = State::Comment { dashes: 0 },
            },
            State::Cdata { brackets } => match byte {
                b'>' if brackets >= 2 => self.begin(State::Text),
                b']' => self.state = State::Cdata { brackets: brackets + 1 },
                _ => {
                    tell(Tag::Text(&[byte]));
                    self.state = State::Cdata { brackets: 0 };
                }
            },
            State::Declaration { depth } => match byte {
                b'<' | b'[' => self.state = State::Declaration { depth: depth + 1 },
                b']' => self.state = State::Declaration { depth: depth.saturating_sub(1) },
                b'>' if depth == 0 => self.begin(State::Text),
                b'>' => self.state = State::Declaration { depth: depth - 1 },
                _ => {}
            },
            State::Instruction { question } => match byte {
                b'>' if question => self.begin(State::Text),
                _ => self.state = State::Instruction { question: byte == b'?' },
            },
            State::Text | State::Inside { .. } | State::Quoted(_) => {}
        }
    }
}

/// Whether a text holds more than white space.
pub(crate) fn is_filled(text: &[u8]) -> bool {
    text.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Counts the elements at a path.
pub(crate) struct XmlCounter {
    path: RecordPath,
    skim: Skim,
    depth: usize,
    /// How many of the open elements are those of the path, from the root on.
    matched: usize,
    records: u64,
}

impl XmlCounter {
    pub(crate) fn new(path: &RecordPath) -> Self {
        Self { path: path.clone(), skim: Skim::new(), depth: 0, matched: 0, records: 0 }
    }
}

impl RecordCounter for XmlCounter {
    fn feed(&mut self, bytes: &[u8]) {
        let Self { path, skim, depth, matched, records } = self;
        let steps = path.steps();
        skim.feed(bytes, &mut |tag| match tag {
            Tag::Start(name) => {
                if *matched == *depth && steps.get(*depth).is_some_and(|step| step.fits(name)) {
                    *matched += 1;
                    *records += u64::from(*matched == steps.len());
                }
                *depth += 1;
            }
            Tag::End => {
                *depth = depth.saturating_sub(1);
                *matched = (*matched).min(*depth);
            }
            Tag::Attributes(_) | Tag::Text(_) | Tag::Doctype => {}
        });
    }

    fn finish(&mut self) -> u64 {
        self.records
    }
}

/// The name without its prefix, for those who look for elements of a known format.
pub(crate) fn is_named(name: &[u8], wanted: &str) -> bool {
    local(name) == wanted.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str, step: usize) -> u64 {
        let mut counter = XmlCounter::new(&RecordPath::parse(path).unwrap());
        text.as_bytes().chunks(step).for_each(|chunk| counter.feed(chunk));
        counter.finish()
    }

    #[test]
    fn records_are_counted_however_the_document_is_cut() {
        let text = r#"<?xml version="1.0"?><!-- <r/> --><a x="<r>" y='/>'><r/><r a="b">1<r>2</r></r ><b><r/></b><![CDATA[<r>]]]]><x:r>&lt;</x:r></a>"#;
        for step in [1, 2, 3, 5, 1000] {
            assert_eq!((count("a/r", text, step), count("a/x:r", text, step), count("a/r/r", text, step)), (3, 1, 1), "{step}");
            assert_eq!((count("a", text, step), count("a/b/r", text, step), count("r", text, step)), (1, 1, 0), "{step}");
        }
    }

    #[test]
    fn a_document_type_and_the_longest_piece_are_told() {
        let (mut skim, mut seen) = (Skim::new(), 0);
        let text = format!("<!DOCTYPE a [<!ENTITY b \"x>y\">]><a>{}</a>", "z".repeat(100));
        skim.feed(text.as_bytes(), &mut |tag| seen += usize::from(matches!(tag, Tag::Doctype)));
        assert_eq!((seen, skim.longest()), (1, 101));
    }
}
