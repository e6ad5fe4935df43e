//! XML: the elements at one path become records, the elements and attributes at paths below them cells. No entity is ever resolved but
//! the five that every document has, and a document type is refused unread.

pub(crate) mod path;
pub(crate) mod record;
pub(crate) mod skim;

use std::io::{self, BufRead, BufReader};
use std::path::Path;

use polder_contract::Malformed;
use polder_types::limit::{JSON_DEPTH_MAX, RECORD_MAX_BYTES};
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use self::record::{Cell, Fields};
use self::skim::XmlCounter;
use crate::batch::BatchWriter;
use crate::block::RecordCounter;
use crate::cells::Place;
use crate::connection::{Dataset, Encoding};
use crate::error::Error;
use crate::input::KnownFile;
use crate::output::{Message, Output, Stop};
use crate::stream::{AsRead, Stream};

/// Deepest nesting of elements.
pub(crate) const DEPTH_MAX: usize = JSON_DEPTH_MAX;
/// How much of a file is looked at for its declaration.
const DECLARATION_BYTES: usize = 1 << 10;
const BUFFER_BYTES: usize = 256 << 10;

/// Reads one document to its end. Returns the wanted values that no record held.
pub(crate) fn decode(file: &KnownFile, dataset: &Dataset, wanted: &[String], place: &mut Place, out: &Output) -> Result<Vec<String>, Stop> {
    let mut counter = XmlCounter::new(&dataset.record);
    let mut fields = Fields::new(&file.path, wanted)?;
    let mut stream = open(file, dataset)?;
    let mut failed = None;
    let mut writer = BatchWriter::new(wanted.len(), place, out);
    let read = {
        let mut document = Document::new(file, dataset, &mut stream, &mut failed, Some(&mut counter));
        document.read(&mut fields, &mut |fields| end_record(fields, &mut writer))
    };
    if let Some(error) = failed {
        return Err(error.into());
    }
    read?;
    writer.flush()?;
    stream.drain()?;
    out.send(Message::LeftOut(fields.left_out()))?;
    out.send(Message::FileEnd { counted: Some(counter.finish()), sha256: stream.sha256() })?;
    Ok(fields.never_seen(wanted))
}

/// The paths of the values that the first records hold.
pub(crate) fn first_names(file: &KnownFile, dataset: &Dataset, records: u64) -> Result<Vec<String>, Error> {
    let mut fields = Fields::all();
    let mut stream = open(file, dataset)?;
    let (mut failed, mut seen) = (None, 0u64);
    let read = {
        let mut document = Document::new(file, dataset, &mut stream, &mut failed, None);
        document.read(&mut fields, &mut |_| {
            seen += 1;
            if seen >= records { Err(Stop::Closed) } else { Ok(()) }
        })
    };
    match (failed, read) {
        (Some(error), _) | (None, Err(Stop::Failed(error))) => Err(error),
        (None, Ok(()) | Err(Stop::Closed)) => Ok(fields.names()),
    }
}

fn end_record(fields: &mut Fields, writer: &mut BatchWriter<'_>) -> Result<(), Stop> {
    if let Some(reason) = fields.fault() {
        return writer.end_malformed(reason);
    }
    let mut text = 0;
    for (slot, column) in writer.columns().enumerate() {
        text += fields.cell(slot).push(column);
    }
    writer.end_row(text)
}

/// Opens a document as UTF-8, whatever its declaration says that it is.
fn open(file: &KnownFile, dataset: &Dataset) -> Result<Stream, Error> {
    let mut stream = Stream::open(file, dataset.compression)?;
    let head = stream.peek(DECLARATION_BYTES)?;
    let encoding = match head {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => Encoding::Other(encoding_rs::UTF_16LE),
        [0xfe, 0xff, ..] | [0, b'<', ..] => Encoding::Other(encoding_rs::UTF_16BE),
        _ => match declared(head) {
            None => Encoding::Utf8,
            Some(label) => Encoding::of_label(&label).ok_or_else(|| Error::Format {
                path: file.path.clone(),
                format: "XML",
                problem: "its declaration names an encoding that is not known".to_owned(),
                advice: "deliver it as UTF-8",
            })?,
        },
    };
    stream.decoded(file, encoding)
}

/// The encoding that an XML declaration names.
pub(crate) fn declared(head: &[u8]) -> Option<String> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let inside = head.strip_prefix(b"<?xml")?;
    let inside = inside.get(..memchr::memchr(b'>', inside)?)?;
    let at = memchr::memmem::find(inside, b"encoding")?;
    let rest = inside.get(at + b"encoding".len()..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, rest) = rest.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    let label = rest.get(..memchr::memchr(*quote, rest)?)?;
    String::from_utf8(label.to_vec()).ok()
}

/// Counts what passes, and ends it when one piece of markup or text takes more than a record may.
struct Guarded<'a> {
    inner: BufReader<AsRead<'a>>,
    counter: Option<&'a mut XmlCounter>,
    since: usize,
    too_long: bool,
}

impl io::Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Guarded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since > RECORD_MAX_BYTES {
            self.too_long = true;
            return Err(io::Error::other("too long"));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(counter) = &mut self.counter {
            counter.feed(self.inner.buffer().get(..amount).unwrap_or_default());
        }
        self.since = self.since.saturating_add(amount);
        self.inner.consume(amount);
    }
}

/// A document being read.
struct Document<'a> {
    path: &'a Path,
    dataset: &'a Dataset,
    reader: Reader<Guarded<'a>>,
    version: XmlVersion,
    depth: usize,
    /// How many of the open elements lead to records, from the root on.
    matched: usize,
    roots: usize,
    records: u64,
}

impl<'a> Document<'a> {
    fn new(
        file: &'a KnownFile,
        dataset: &'a Dataset,
        stream: &'a mut Stream,
        failed: &'a mut Option<Error>,
        counter: Option<&'a mut XmlCounter>,
    ) -> Self {
        let inner = BufReader::with_capacity(BUFFER_BYTES, AsRead { stream, failed });
        let mut reader = Reader::from_reader(Guarded { inner, counter, since: 0, too_long: false });
        reader.config_mut().expand_empty_elements = true;
        let version = XmlVersion::Implicit1_0;
        Self { path: &file.path, dataset, reader, version, depth: 0, matched: 0, roots: 0, records: 0 }
    }

    fn read(&mut self, fields: &mut Fields, end: &mut dyn FnMut(&mut Fields) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            self.reader.get_mut().since = 0;
            let event = match self.reader.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(_) if self.reader.get_ref().too_long => {
                    return Err(self.wrong("a tag or text in it is longer than a record may be", "deliver it in smaller pieces").into());
                }
                // In its own words it might tell what the document holds.
                Err(_) => return Err(self.wrong("it is not well-formed", "correct it at the source").into()),
            };
            match event {
                Event::Decl(declaration) => {
                    self.version =
                        declaration.xml_version().map_err(|_| self.wrong("its declaration is wrong", "correct it at the source"))?;
                }
                Event::DocType(_) => {
                    return Err(self
                        .wrong("it has a document type, which may hold entities that grow or read files", "deliver it without <!DOCTYPE>")
                        .into());
                }
                Event::Start(tag) => self.start(&tag, fields)?,
                Event::End(_) => self.end(fields, end)?,
                Event::Text(text) => self.text(text.xml_content(self.version).as_bytes(), fields)?,
                Event::CData(text) => self.text(text.xml_content(self.version).as_bytes(), fields)?,
                Event::GeneralRef(reference) => self.reference(&reference, fields)?,
                Event::Empty(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if self.depth > 0 || self.roots == 0 {
            return Err(self.wrong("it ends in the middle", "deliver the whole file").into());
        }
        Ok(())
    }

    fn in_record(&self) -> bool {
        self.matched == self.dataset.record.steps().len()
    }

    fn start(&mut self, tag: &BytesStart<'_>, fields: &mut Fields) -> Result<(), Error> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong("it is nested too deeply", "deliver it flatter"));
        }
        if self.depth == 0 {
            self.roots += 1;
            if self.roots > 1 {
                return Err(self.wrong("it has two roots", "deliver one document in a file"));
            }
        }
        let name = tag.name();
        let name = name.as_ref().as_bytes();
        if self.in_record() {
            fields.enter(name);
            self.attributes(tag, fields)?;
        } else if self.matched == self.depth && self.dataset.record.steps().get(self.depth).is_some_and(|step| step.fits(name)) {
            self.matched += 1;
            if self.in_record() {
                fields.begin();
                self.attributes(tag, fields)?;
            }
        }
        self.depth += 1;
        Ok(())
    }

    fn attributes(&self, tag: &BytesStart<'_>, fields: &mut Fields) -> Result<(), Error> {
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| self.wrong("an attribute in it is wrong", "correct it at the source"))?;
            let name = attribute.key.as_ref().as_bytes();
            // An attribute of that name under another prefix, or none, is a value like others.
            if name == b"xsi:nil" && matches!(attribute.value.as_ref(), "true" | "1") {
                fields.nil();
            }
            if !fields.wants_attribute(name) {
                continue;
            }
            let value = attribute.normalized_value(self.version).map_err(|_| self.unknown_entity())?;
            fields.attribute(name, value.as_bytes());
        }
        Ok(())
    }

    fn text(&self, text: &[u8], fields: &mut Fields) -> Result<(), Error> {
        if self.depth == 0 && skim::is_filled(text) {
            return Err(self.wrong("text stands outside its root", "correct it at the source"));
        }
        if self.in_record() {
            fields.text(text);
        }
        Ok(())
    }

    fn reference(&self, reference: &BytesRef<'_>, fields: &mut Fields) -> Result<(), Error> {
        let letter =
            reference.resolve_char_ref().map_err(|_| self.wrong("a character reference in it is wrong", "correct it at the source"))?;
        match letter {
            Some(letter) => self.text(letter.encode_utf8(&mut [0; 4]).as_bytes(), fields),
            None => match resolve_predefined_entity(reference) {
                Some(text) => self.text(text.as_bytes(), fields),
                None => Err(self.unknown_entity()),
            },
        }
    }

    fn end(&mut self, fields: &mut Fields, end: &mut dyn FnMut(&mut Fields) -> Result<(), Stop>) -> Result<(), Stop> {
        self.depth = self.depth.saturating_sub(1);
        if self.in_record() {
            if self.matched > self.depth {
                self.records += 1;
                end(fields)?;
            } else {
                fields.leave();
            }
        }
        self.matched = self.matched.min(self.depth);
        Ok(())
    }

    fn unknown_entity(&self) -> Error {
        self.wrong("it uses an entity other than the five that every document has", "deliver it with its entities resolved")
    }

    fn wrong(&self, problem: &str, advice: &'static str) -> Error {
        let after = if self.records == 0 { "before its first record ends".to_owned() } else { format!("after record {}", self.records) };
        Error::Format { path: self.path.to_path_buf(), format: "XML", problem: format!("{problem}, {after}"), advice }
    }
}

impl Cell {
    /// Adds it to a column; how many bytes it has.
    fn push(&self, column: &mut polder_contract::TextColumnBuilder) -> usize {
        match self {
            Self::Absent | Self::Nil => {
                column.push_null();
                0
            }
            Self::Nested => {
                column.push_bytes(&[], polder_contract::CellKind::Nested);
                0
            }
            Self::Text(text) => {
                let text = text.trim_ascii();
                column.push_bytes(text, polder_contract::CellKind::Text);
                text.len()
            }
        }
    }
}

/// Why a record is none: what is wanted stands there twice, or is too long.
pub(crate) const REPEATED: Malformed = Malformed::DuplicateKey;
