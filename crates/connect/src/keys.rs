//! The keys and words of a source file, as the types that read it know them: nobody keeps a second list.

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::connection::keys::{DATASET_KEYS, ENCODINGS, KEYS, PUSH_BYTES, PUSH_ROWS};
use crate::connection::{BucketFile, Compression, ConnectionFile, PushFormat, SourceType};
use crate::layout::{ColumnFile, LayoutFile, Short, Trim, Unit};

/// The keys of a source file.
pub fn source_keys() -> &'static [&'static str] {
    asked::<ConnectionFile>()
}

/// The keys of `s3`.
pub fn bucket_keys() -> &'static [&'static str] {
    asked::<BucketFile>()
}

/// The keys of a dataset.
pub fn dataset_keys() -> &'static [&'static str] {
    DATASET_KEYS
}

/// The keys of a dataset that mean nothing for a word of `type`, and are refused there. Of them, `encoding` may say `utf-8`, and
/// `compression` `auto` or `none`.
pub fn keys_without_meaning(source_type: &str) -> Vec<&'static str> {
    KEYS.iter().filter(|(_, types)| types.iter().all(|of| of.as_str() != source_type)).map(|(key, _)| *key).collect()
}

/// The words of `type`.
pub fn source_types() -> &'static [&'static str] {
    asked::<SourceType>()
}

/// The usual words of `encoding`; every other label of the WHATWG's standard is read too.
pub fn encodings() -> &'static [&'static str] {
    &ENCODINGS
}

/// The words of `compression`.
pub fn compressions() -> &'static [&'static str] {
    asked::<Compression>()
}

/// The words of `format` of what is pushed.
pub fn push_formats() -> &'static [&'static str] {
    asked::<PushFormat>()
}

/// The largest `max_bytes`.
pub fn push_bytes_max() -> usize {
    PUSH_BYTES.1
}

/// The largest `max_rows`.
pub fn push_rows_max() -> u64 {
    PUSH_ROWS.1
}

/// The keys of a layout file.
pub fn layout_keys() -> &'static [&'static str] {
    asked::<LayoutFile>()
}

/// The keys of a column in a layout file.
pub fn layout_column_keys() -> &'static [&'static str] {
    asked::<ColumnFile>()
}

/// The words of a layout's `unit`.
pub fn layout_units() -> &'static [&'static str] {
    asked::<Unit>()
}

/// The words of a layout's `short_lines`.
pub fn layout_short_lines() -> &'static [&'static str] {
    asked::<Short>()
}

/// The words of a layout column's `trim`.
pub fn layout_trims() -> &'static [&'static str] {
    asked::<Trim>()
}

/// What a type says that it takes when it is asked to read itself: the fields of a mapping, or the words of a choice.
fn asked<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It is given nothing to read, so it always fails.
    let _ = T::deserialize(Asked { names: &mut names });
    names
}

struct Asked<'a> {
    names: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.names = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.names = words;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_reader() {
        assert!(["type", "path", "datasets"].iter().all(|key| source_keys().contains(key)), "{:?}", source_keys());
        assert!(
            ["csv", "fixed", "ndjson", "json", "xml", "excel", "parquet", "avro", "arrow"].iter().all(|word| source_types().contains(word)),
            "{:?}",
            source_types()
        );
        assert!(encodings().contains(&"latin-1") && compressions().contains(&"zstd"));
        assert!(layout_keys().contains(&"record_length") && layout_column_keys().contains(&"start"));
        assert_eq!((layout_units(), layout_short_lines()), (["bytes", "characters"].as_slice(), ["refuse", "pad"].as_slice()));
        assert_eq!(layout_trims(), ["both", "left", "right", "none"]);
        assert!(keys_without_meaning("csv").contains(&"sheet") && !keys_without_meaning("excel").contains(&"sheet"));
        let accepted = |word: &str| crate::Connection::parse(&format!("type: {word}\npath: p\ndatasets: {{a: {{}}}}\n"), "sources/s.yaml");
        for word in source_types() {
            let read = accepted(word);
            assert!(!read.as_ref().is_err_and(|error| error.to_string().contains("unknown word")), "{word}: {read:?}");
        }
        assert!(accepted("jpeg").is_err());
    }
}
