//! What the values of one column have in common: the types that hold all of them, the words that stand for "no value".

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use polder_contract::discover::{Format, Profiler};
use polder_contract::gate::comma;
use polder_contract::{CellKind, ColumnType};

use super::{InferredKind, SampledColumn};
use crate::relations::{Rows, SampleKey};

/// Words that usually stand for "no value".
const USUAL_NULLS: [&str; 11] = ["", "NA", "N/A", "n/a", "NULL", "null", "None", "nan", "NaN", "-", "\\N"];

/// The types that a column of texts may have, the narrowest first.
const CANDIDATES: [ColumnType; 8] = [
    ColumnType::Boolean,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::Float64,
    ColumnType::Date,
    ColumnType::Timestamp { zone: true },
    ColumnType::Timestamp { zone: false },
    ColumnType::String,
];

/// How cells of a source are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    /// The dataset's words for "no value".
    pub null_tokens: &'a [String],
    /// Whether its numbers have a comma before their fraction.
    pub decimal_comma: bool,
    /// Whether a moment at midnight comes as a date where no type is known yet, as a spreadsheet shows it.
    pub midnights_as_dates: bool,
}

impl Words<'_> {
    /// Nothing but what is there.
    pub(super) const NONE: Words<'static> = Words { null_tokens: &[], decimal_comma: false, midnights_as_dates: false };

    /// Whether a cell is a value of the type; `pointed` is the cell as a number with a point, where it is one with a comma.
    fn hold(self, ty: ColumnType, bytes: &[u8], pointed: Option<&[u8]>) -> bool {
        if self.decimal_comma && comma::concerns(ty) {
            return pointed.is_some_and(|number| ty.holds(number));
        }
        let midnight = self.midnights_as_dates && matches!(ty, ColumnType::Timestamp { zone: false });
        ty.holds(bytes) || (midnight && ColumnType::Date.holds(bytes))
    }
}

/// What was seen of one column.
#[derive(Debug)]
pub(super) struct Look {
    /// Which types hold every value so far.
    held: [bool; CANDIDATES.len()],
    /// The type of a typed source, which needs no guess.
    typed: Option<ColumnType>,
    seen: bool,
    nested: bool,
    /// Whether each value came as a text, which a date with a format is read from.
    texts: bool,
    nulls: BTreeSet<&'static str>,
    absent: bool,
    profiler: Profiler,
    /// The same of its numbers with points, where the source writes them with a comma: what they are like if that is all they are.
    pointed: Option<Profiler>,
    pub(super) rows: Rows,
    name: String,
}

impl Look {
    pub(super) fn new(name: &str, place: usize, key: Option<SampleKey>, words: Words<'_>) -> Self {
        Self {
            held: [true; CANDIDATES.len()],
            typed: None,
            seen: false,
            nested: false,
            texts: true,
            nulls: BTreeSet::new(),
            absent: false,
            profiler: Profiler::new(name),
            pointed: words.decimal_comma.then(|| Profiler::new(name)),
            rows: Rows::new(place, key),
            name: name.to_owned(),
        }
    }

    /// The column comes from a typed source. Its texts are looked at as texts are.
    pub(super) fn is_typed(&mut self, data_type: &DataType) {
        self.typed = of_type(data_type).filter(|ty| *ty != ColumnType::String);
    }

    /// Takes a cell.
    pub(super) fn take(&mut self, bytes: &[u8], kind: CellKind, words: Words<'_>) {
        if kind == CellKind::Null || (kind == CellKind::Text && words.null_tokens.iter().any(|word| word.as_bytes() == bytes)) {
            return self.nothing();
        }
        if kind == CellKind::Text
            && let Some(word) = USUAL_NULLS.iter().find(|word| word.as_bytes() == bytes)
        {
            self.nulls.insert(word);
            return self.nothing();
        }
        self.seen = true;
        self.rows.push(Some(bytes));
        self.texts &= matches!(kind, CellKind::Text | CellKind::Quoted | CellKind::String | CellKind::Native);
        if matches!(kind, CellKind::Nested | CellKind::TooLong) {
            // Neither has a text that says anything.
            self.nested |= kind == CellKind::Nested;
            self.held = [false; CANDIDATES.len()];
            return self.profile(None, None);
        }
        let commas = words.decimal_comma && matches!(kind, CellKind::Text | CellKind::Quoted);
        let pointed = if commas { comma::point(bytes) } else { None };
        self.profile(Some(bytes), pointed.as_deref());
        if self.typed.is_none() {
            for (held, ty) in self.held.iter_mut().zip(CANDIDATES) {
                *held = *held && comes_as(kind, ty) && words.hold(ty, bytes, pointed.as_deref());
            }
        }
    }

    fn nothing(&mut self) {
        self.absent = true;
        self.rows.push(None);
        self.profile(None, None);
    }

    fn profile(&mut self, bytes: Option<&[u8]>, pointed: Option<&[u8]>) {
        let text = bytes.map(String::from_utf8_lossy);
        self.profiler.take(text.as_deref());
        if let Some(profiler) = &mut self.pointed {
            profiler.take(pointed.or(bytes).map(String::from_utf8_lossy).as_deref());
        }
    }

    pub(super) fn finish(self) -> SampledColumn {
        let ty = self.typed.or_else(|| CANDIDATES.into_iter().zip(self.held).find(|(_, held)| *held).map(|(ty, _)| ty));
        let mut profile = self.profiler.finish();
        // Points between digits make a number of an address, too: what was seen to be personal as it is written, stays so.
        if let Some(pointed) = self.pointed.filter(|_| ty.is_some_and(comma::concerns) && profile.personal.is_none()) {
            profile = pointed.finish();
        }
        // A format is one of texts: neither of numbers of JSON nor of a typed source's dates.
        if self.typed.is_some() || !self.texts {
            profile.format = None;
        }
        let (kind, ty) = match (self.seen || self.typed.is_some(), self.nested) {
            (false, _) => (InferredKind::Unknown, Some(ColumnType::String)),
            (true, true) => (InferredKind::Nested, None),
            (true, false) => (by_format(profile.format.as_ref()).unwrap_or(ty.map_or(InferredKind::Text, kind_of)), ty),
        };
        SampledColumn {
            kind,
            ty,
            null_tokens: self.nulls.into_iter().collect(),
            always_present: self.seen && !self.absent,
            profile,
            distinct: self.rows.finish(),
            unread: None,
            called: self.name.clone(),
            name: self.name,
        }
    }
}

/// What a way of writing says of the kind.
fn by_format(format: Option<&Format>) -> Option<InferredKind> {
    match format? {
        Format::Date(_) => Some(InferredKind::Date),
        Format::Timestamp(_) => Some(InferredKind::Timestamp),
        Format::Time(_) => Some(InferredKind::Time),
        _ => None,
    }
}

/// Whether the gate reads values of the type from such cells.
fn comes_as(kind: CellKind, ty: ColumnType) -> bool {
    match kind {
        CellKind::Text | CellKind::Quoted => true,
        CellKind::Bool => ty == ColumnType::Boolean,
        CellKind::Number => matches!(ty, ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float64),
        // A JSON string that looks like a number was meant as text.
        CellKind::String | CellKind::Native => matches!(ty, ColumnType::Date | ColumnType::Timestamp { .. } | ColumnType::String),
        CellKind::Null | CellKind::Nested | CellKind::TooLong | CellKind::Masked | CellKind::Withheld => false,
    }
}

pub(super) fn kind_of(ty: ColumnType) -> InferredKind {
    match ty {
        ColumnType::Boolean => InferredKind::Boolean,
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => InferredKind::Integer,
        ColumnType::Float32 | ColumnType::Float64 | ColumnType::Decimal { .. } => InferredKind::Number,
        ColumnType::Date => InferredKind::Date,
        ColumnType::Timestamp { .. } => InferredKind::Timestamp,
        ColumnType::Time => InferredKind::Time,
        ColumnType::String => InferredKind::Text,
    }
}

/// The type of a Parquet column; none for what the gate does not read.
pub(super) fn of_type(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => ColumnType::Int32,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ColumnType::Int64,
        DataType::Float32 | DataType::Float64 => ColumnType::Float64,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) | DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(_, zone) => ColumnType::Timestamp { zone: zone.is_some() },
        DataType::Time32(_) | DataType::Time64(_) => ColumnType::Time,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            ColumnType::String
        }
        DataType::Dictionary(_, values) => return of_type(values),
        _ => return None,
    })
}
