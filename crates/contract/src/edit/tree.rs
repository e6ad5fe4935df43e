//! A YAML document with the place of each key and value in the text, so that one of them can be changed and all else stays as it is.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::yaml::{Key, Node, Problems, Value};

/// A value and where it stands, in bytes of the text.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub start: usize,
    /// Where a scalar ends; for a collection no more than its start.
    end: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Scalar(Value),
    List(Vec<Tree>),
    Map(Vec<(Name, Tree)>),
}

/// A key and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub start: usize,
    pub end: usize,
    pub text: String,
}

/// Parses a document, which is a mapping. `file` names it in errors.
pub(super) fn parse(text: &str, file: &str) -> Result<Tree, Problems> {
    // Its errors name lines and say what to do; only then are the places read.
    crate::yaml::parse(text, file)?;
    match serde_saphyr::from_str::<Spanned<Kind>>(text) {
        Ok(document) => Ok(tree(document)),
        Err(_) => Err(crate::yaml::parse("", file).err().unwrap_or(Problems(Vec::new()))),
    }
}

fn tree(spanned: Spanned<Kind>) -> Tree {
    let span = spanned.referenced.span();
    let at = |place: Option<u64>| place.and_then(|place| usize::try_from(place).ok()).unwrap_or(0);
    let start = at(span.byte_offset());
    Tree { start, end: start.saturating_add(at(span.byte_len())), kind: spanned.value }
}

impl Tree {
    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entry(key).map(|(_, value)| value)
    }

    /// A key of a mapping with its value.
    pub fn entry(&self, key: &str) -> Option<&(Name, Tree)> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(name, _)| name.text == key),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> &[Tree] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// A text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether it is nothing, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(Value::Null))
    }

    /// Whether it is a collection in brackets.
    pub fn is_flow(&self, text: &str) -> bool {
        !matches!(self.kind, Kind::Scalar(_)) && matches!(text.as_bytes().get(self.start), Some(b'{' | b'['))
    }

    /// Where the value ends, its closing bracket or quote included.
    pub fn end(&self, text: &str) -> usize {
        let last = match &self.kind {
            Kind::Scalar(_) => return self.start + text.get(self.start..self.end).unwrap_or_default().trim_end().len(),
            Kind::List(items) => items.last().map(|item| item.end(text)),
            // A key without a value ends where it stands.
            Kind::Map(entries) => entries.last().map(|(name, value)| name.end.max(if value.is_null() { 0 } else { value.end(text) })),
        };
        if !self.is_flow(text) {
            return last.unwrap_or(self.start);
        }
        let from = last.unwrap_or(self.start + 1);
        closing(text, from).unwrap_or(from)
    }

    /// The same without places.
    pub fn plain(&self) -> Value {
        let node = |tree: &Tree| Node { line: 0, value: tree.plain() };
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::List(items.iter().map(node).collect()),
            Kind::Map(entries) => {
                Value::Map(entries.iter().map(|(name, value)| (Key { line: 0, name: name.text.clone() }, node(value))).collect())
            }
        }
    }
}

/// Behind the bracket that closes a collection, after its last value.
fn closing(text: &str, from: usize) -> Option<usize> {
    let mut comment = false;
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            b'\n' => comment = false,
            _ if comment => {}
            b'#' => comment = true,
            b'}' | b']' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Int(i128::from(value))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Int(i128::from(value))))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Int(value)))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Kind, E> {
        i128::try_from(value).map(|value| Kind::Scalar(Value::Int(value))).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Kind>>()? {
            list.push(tree(item));
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = tree(map.next_value::<Spanned<Kind>>()?);
            let span = key.referenced.span();
            let at = |place: Option<u64>| place.and_then(|place| usize::try_from(place).ok()).unwrap_or(0);
            let start = at(span.byte_offset());
            entries.push((Name { start, end: start.saturating_add(at(span.byte_len())), text: key.value }, value));
        }
        Ok(Kind::Map(entries))
    }
}
