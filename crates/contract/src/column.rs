//! One column of a contract: its type and its rules, compiled from ODCS.

use arrow::datatypes::{DataType, Field, TimeUnit};
use polder_types::limit::FIELD_MAX_BYTES;

use crate::discover::PersonalKind;
use crate::inspect::waiver::Waiver;
use crate::mask::Mask;
use crate::parse::{self, number};
use crate::quality::Measure;
use crate::time::TimeReader;

/// The type of a column. Every one has a place in a Delta table; nothing wider is invented and nothing is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    String,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    /// Exact decimal: `precision` digits in all (1 to 38), `scale` of them after the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// A day of the calendar.
    Date,
    /// Microseconds: a point in time (`zone`), or what a wall clock showed.
    Timestamp {
        zone: bool,
    },
    /// A time of day, kept as text `HH:mm:ss` or `HH:mm:ss.ffffff`, which sorts rightly; Delta has no type for it.
    Time,
}

impl ColumnType {
    /// The Arrow type in memory and in the table.
    pub fn arrow(self) -> DataType {
        match self {
            Self::String | Self::Time => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(0)),
            Self::Date => DataType::Date32,
            Self::Timestamp { zone: true } => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Timestamp { zone: false } => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

impl ColumnType {
    /// Whether a text is a value of the type, as the gate reads it from a column with no rule but its type.
    pub fn holds(self, text: &[u8]) -> bool {
        let within = |min: i64, max: i64| number::integer(text).is_ok_and(|value| (min..=max).contains(&value));
        match self {
            Self::String => text.len() <= FIELD_MAX_BYTES && std::str::from_utf8(text).is_ok(),
            Self::Boolean => parse::boolean(text).is_ok(),
            Self::Int8 => within(i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => within(i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => within(i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => number::integer(text).is_ok(),
            Self::Float32 => number::single(text).is_ok(),
            Self::Float64 => number::double(text).is_ok(),
            Self::Decimal { precision, scale } => number::decimal(text, precision, scale).is_ok(),
            Self::Date | Self::Timestamp { .. } | Self::Time => {
                TimeReader::new(&Column::new("", self)).is_ok_and(|reader| reader.whole(text).is_ok())
            }
        }
    }
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::Date => "date",
            Self::Timestamp { zone: true } => "timestamp with zone",
            Self::Timestamp { zone: false } => "timestamp without zone",
            Self::Time => "time",
        })
    }
}

/// What the values may lie between.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Bounds {
    #[default]
    None,
    /// Both ends belong. In the column's unit: the number itself, the unscaled decimal, days or microseconds since 1970-01-01, or
    /// microseconds since midnight.
    Whole {
        min: i128,
        max: i128,
    },
    Float {
        min: f64,
        min_exclusive: bool,
        max: f64,
        max_exclusive: bool,
    },
}

/// A named form of text that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// 8-4-4-4-12 hexadecimal digits.
    Uuid,
    Ipv4,
    Ipv6,
}

/// One column that the contract authorises.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name in the table.
    pub name: String,
    /// Name in the source.
    pub physical_name: String,
    /// The type of the values as they come, to which all rules hold; the table's is [`Column::stored`].
    pub ty: ColumnType,
    /// What is made of a value before it is stored.
    pub mask: Option<Mask>,
    /// Domains under which columns of this name may stand elsewhere.
    pub accepted_domains: Vec<String>,
    pub required: bool,
    pub unique: bool,
    /// Place in the primary key, from 1.
    pub primary_key: Option<u32>,
    pub bounds: Bounds,
    /// In the column's unit, as in [`Bounds::Whole`].
    pub multiple_of: Option<i128>,
    /// In characters.
    pub min_length: Option<u64>,
    /// In characters.
    pub max_length: Option<u64>,
    /// A regular expression that the whole value matches.
    pub pattern: Option<String>,
    pub text_format: Option<TextFormat>,
    /// How dates and times are written, as the contract says; ISO 8601 when it does not.
    pub format: Option<String>,
    /// The zone of times that name none, for columns with zone.
    pub default_zone: Option<String>,
    /// The only values that are valid.
    pub valid_values: Option<Vec<String>>,
    /// Rules over a whole load.
    pub quality: Vec<Measure>,
    /// Unquoted texts that mean null, beside those of the dataset.
    pub null_tokens: Vec<String>,
    /// Whether NaN and infinity are values.
    pub allow_nan: bool,
    /// Whether a JSON string may hold the number, boolean that the column wants.
    pub from_text: bool,
    /// As the contract says, for policies.
    pub classification: Option<String>,
    /// What content inspection may find in it.
    pub waivers: Vec<Waiver>,
    /// Kinds of personal data that it may hold whatever its classification.
    pub personal: Vec<PersonalKind>,
    /// Line of the contract file, from 1.
    pub line: u64,
}

impl Column {
    /// A column without any rule but its type.
    pub fn new(name: &str, ty: ColumnType) -> Self {
        Self {
            name: name.to_owned(),
            physical_name: name.to_owned(),
            ty,
            mask: None,
            accepted_domains: Vec::new(),
            required: false,
            unique: false,
            primary_key: None,
            bounds: Bounds::None,
            multiple_of: None,
            min_length: None,
            max_length: None,
            pattern: None,
            text_format: None,
            format: None,
            default_zone: None,
            valid_values: None,
            quality: Vec::new(),
            null_tokens: Vec::new(),
            allow_nan: false,
            from_text: false,
            classification: None,
            waivers: Vec::new(),
            personal: Vec::new(),
            line: 0,
        }
    }

    /// SHA-256 of the rules that a single value is held to.
    pub(crate) fn rules_hash(&self) -> [u8; 32] {
        let Self { ty, bounds, multiple_of, min_length, max_length, pattern, .. } = self;
        let Self { text_format, format, default_zone, valid_values, allow_nan, .. } = self;
        let rules = format!(
            "{ty}\n{bounds:?}\n{multiple_of:?}\n{min_length:?}\n{max_length:?}\n{pattern:?}\n{text_format:?}\n{format:?}\n{default_zone:?}\n{valid_values:?}\n{allow_nan}"
        );
        polder_crypto::sha256(rules.as_bytes())
    }

    /// Whether null is a value of the column.
    pub fn nullable(&self) -> bool {
        !self.required && self.primary_key.is_none()
    }

    /// The type in the table; none when nothing of the column is stored.
    pub fn stored(&self) -> Option<ColumnType> {
        self.mask.as_ref().map_or(Some(self.ty), |mask| mask.stored(self.ty))
    }

    /// The Arrow field in the table; none when nothing of the column is stored.
    pub fn field(&self) -> Option<Field> {
        Some(Field::new(&self.name, self.stored()?.arrow(), self.nullable()))
    }
}
