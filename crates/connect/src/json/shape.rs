//! How a JSON record becomes rows: one, or one for each element of a list in it.

use std::collections::BTreeSet;

use polder_contract::Malformed;
use polder_types::limit::{COLUMNS_MAX, FIELD_MAX_BYTES, RECORD_MAX_BYTES};

use super::fields::{Fields, push_token};
use super::path::JsonPath;
use crate::batch::BatchWriter;
use crate::connection::Dataset;
use crate::ndjson::scan::{Fault, Scanner, Token, TokenKind, unescape};
use crate::output::Stop;

/// The column that an element is which is no object.
pub(super) const SCALAR: &str = "value";

/// Rows from records.
pub(crate) struct Shape<'a> {
    wanted: &'a [String],
    outer: Fields,
    exploded: Option<Exploded>,
}

/// A row for each element of a list.
struct Exploded {
    /// Where in `outer` the list is found.
    list: usize,
    inner: Fields,
    columns: Vec<Origin>,
    /// Elements are values, not objects.
    scalars: bool,
    scalar_seen: bool,
}

/// Where a column's values stand.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// In the record around the list.
    Parent(usize),
    /// In the element.
    Element(usize),
}

impl<'a> Shape<'a> {
    pub(crate) fn new(wanted: &'a [String], dataset: &Dataset) -> Self {
        let Some(list) = &dataset.explode else {
            let paths: Vec<JsonPath> = wanted.iter().map(|name| JsonPath::of_name(name)).collect();
            return Self { wanted, outer: Fields::new(&paths), exploded: None };
        };
        let (mut outer, mut inner, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for name in wanted {
            if let Some((_, path)) = dataset.parent.iter().find(|(parent, _)| parent == name) {
                columns.push(Origin::Parent(outer.len()));
                outer.push(path.clone());
            } else {
                columns.push(Origin::Element(inner.len()));
                inner.push(JsonPath::of_name(name));
            }
        }
        let scalars = inner.len() == 1 && inner.first().is_some_and(|path| path.keys() == [SCALAR]);
        let place = outer.len();
        outer.push(list.clone());
        let exploded = Exploded { list: place, inner: Fields::new(&inner), columns, scalars, scalar_seen: false };
        Self { wanted, outer: Fields::new(&outer), exploded: Some(exploded) }
    }

    /// Whether rows are elements of records, which nothing else counts.
    pub(crate) fn explodes(&self) -> bool {
        self.exploded.is_some()
    }

    /// Adds the rows of a record, which begins at `start` of the writer's bytes.
    pub(crate) fn record(&mut self, writer: &mut BatchWriter<'_>, record: &[u8], start: usize) -> Result<(), Stop> {
        if record.len() > RECORD_MAX_BYTES {
            return writer.end_malformed(Malformed::TooLong);
        }
        if let Err(fault) = self.outer.read(record) {
            return writer.end_malformed(malformed(fault));
        }
        if let Some(exploded) = &mut self.exploded {
            return exploded.rows(&mut self.outer, writer, record, start);
        }
        let outer = &mut self.outer;
        let added = writer.columns().enumerate().try_for_each(|(slot, column)| outer.cell(slot, column, record, start));
        match added {
            Ok(()) => writer.end_row(0),
            Err(fault) => writer.end_malformed(malformed(fault)),
        }
    }

    /// The wanted columns that no record held, and what no contract names.
    pub(crate) fn finish(self) -> (Vec<String>, Vec<String>) {
        let seen = |place: usize| match &self.exploded {
            None => self.outer.seen().get(place).copied(),
            Some(exploded) => exploded.columns.get(place).map(|origin| match origin {
                Origin::Parent(slot) => self.outer.seen().get(*slot).copied().unwrap_or(false),
                Origin::Element(slot) => exploded.scalar_seen || exploded.inner.seen().get(*slot).copied().unwrap_or(false),
            }),
        };
        let missing = self.wanted.iter().enumerate().filter(|(place, _)| seen(*place) != Some(true)).map(|(_, name)| name.clone());
        let inner = self.exploded.iter().flat_map(|exploded| exploded.inner.left_out());
        let left_out: BTreeSet<String> = self.outer.left_out().chain(inner).take(2 * COLUMNS_MAX).cloned().collect();
        (missing.collect(), left_out.into_iter().collect())
    }
}

impl Exploded {
    /// A row for each element of the record's list; none where there is no list.
    fn rows(&mut self, outer: &mut Fields, writer: &mut BatchWriter<'_>, record: &[u8], start: usize) -> Result<(), Stop> {
        let list = match outer.found().get(self.list).copied().flatten() {
            None => return Ok(()),
            Some(token) if token.kind == TokenKind::Null => return Ok(()),
            Some(token) => token,
        };
        let text = record.get(list.start..list.end).unwrap_or_default();
        let mut scanner = Scanner::new(text);
        if list.kind != TokenKind::Nested || !scanner.eat(b'[') {
            return writer.end_malformed(Malformed::NotAList);
        }
        scanner.space();
        if scanner.eat(b']') {
            return Ok(());
        }
        let repeated = match self.repeated(outer, record) {
            Ok(repeated) => repeated,
            Err(reason) => return writer.end_malformed(reason),
        };
        loop {
            scanner.space();
            // The list was checked to its end when it was found.
            let Ok(element) = scanner.value() else { return writer.end_malformed(Malformed::InvalidJson) };
            let (from, to) = element.span();
            let bytes = text.get(from..to).unwrap_or_default();
            let at = Element { bytes, start: start + list.start + from, token: element.moved(from) };
            let added = self.row(outer, writer, record, start, &at);
            // Of a malformed row too: its cells go, and the bytes that were copied for them stay until the batch is sent.
            writer.count(repeated.saturating_add(bytes.len()));
            match added {
                Ok(()) => writer.end_row(0)?,
                Err(fault) => writer.end_malformed(malformed(fault))?,
            }
            scanner.space();
            if !scanner.eat(b',') {
                return Ok(());
            }
        }
    }

    /// How many bytes of the record are repeated beside each element. More than a field or a record may have is not repeated at all.
    fn repeated(&self, outer: &Fields, record: &[u8]) -> Result<usize, Malformed> {
        let mut sum = 0usize;
        for origin in &self.columns {
            let Origin::Parent(slot) = origin else { continue };
            let Some(token) = outer.found().get(*slot).copied().flatten() else { continue };
            let raw = record.get(token.start..token.end).unwrap_or_default();
            let mut length = raw.len();
            if length > FIELD_MAX_BYTES && token.kind == TokenKind::Escaped {
                // An escape is longer than what it stands for.
                let mut text = Vec::new();
                unescape(raw, &mut text).map_err(malformed)?;
                length = text.len();
            }
            sum = sum.saturating_add(length);
            if length > FIELD_MAX_BYTES || sum > RECORD_MAX_BYTES {
                return Err(Malformed::TooLong);
            }
        }
        Ok(sum)
    }

    fn row(
        &mut self,
        outer: &mut Fields,
        writer: &mut BatchWriter<'_>,
        record: &[u8],
        start: usize,
        element: &Element<'_>,
    ) -> Result<(), Fault> {
        let is_object = element.bytes.first() == Some(&b'{');
        if !self.scalars || is_object {
            self.inner.read(element.bytes)?;
        }
        for (origin, column) in self.columns.iter().zip(writer.columns()) {
            match origin {
                Origin::Parent(slot) => outer.cell(*slot, column, record, start)?,
                Origin::Element(_) if self.scalars && !is_object => {
                    self.scalar_seen = true;
                    push_token(element.token, column, element.bytes, element.start)?;
                }
                Origin::Element(slot) => self.inner.cell(*slot, column, element.bytes, element.start)?,
            }
        }
        Ok(())
    }
}

/// The elements of the records' lists, for a look at what they hold.
pub(super) struct Elements {
    outer: Fields,
}

impl Elements {
    pub(super) fn new(dataset: &Dataset) -> Self {
        Self { outer: Fields::new(&dataset.explode.iter().cloned().collect::<Vec<_>>()) }
    }

    pub(super) fn of<'a>(&mut self, record: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        self.outer.read(record).ok()?;
        let list = self.outer.found().first().copied().flatten()?;
        let text = record.get(list.start..list.end)?;
        let mut scanner = Scanner::new(text);
        let mut elements = Vec::new();
        if !scanner.eat(b'[') {
            return None;
        }
        scanner.space();
        while let Ok(element) = scanner.value() {
            let (from, to) = element.span();
            elements.push(text.get(from..to)?);
            scanner.space();
            if !scanner.eat(b',') {
                break;
            }
            scanner.space();
        }
        Some(elements)
    }
}

/// An element of a list.
struct Element<'a> {
    bytes: &'a [u8],
    /// Where it begins in the writer's bytes.
    start: usize,
    /// Itself, as a value in its own bytes.
    token: Token,
}

pub(crate) const fn malformed(fault: Fault) -> Malformed {
    match fault {
        Fault::Invalid | Fault::LoneSurrogate => Malformed::InvalidJson,
        Fault::NotAnObject => Malformed::NotAnObject,
        Fault::TooDeep => Malformed::TooDeep,
        Fault::DuplicateKey => Malformed::DuplicateKey,
    }
}
