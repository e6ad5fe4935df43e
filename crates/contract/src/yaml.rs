//! A YAML document with the line of each key and value, so that every error names its place.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// One thing that is wrong in a project file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}; {}", self.file, self.line, self.problem, self.advice)
    }
}

/// Everything that is wrong in a project file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problems {
    /// A project file is the caller's to correct.
    pub fn kind(&self) -> polder_types::ErrorKind {
        polder_types::ErrorKind::Invalid
    }
}

/// A value and its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line, from 1.
    pub line: u64,
    /// The value.
    pub value: Value,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a point or an exponent.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The line, from 1.
    pub line: u64,
    /// The key.
    pub name: String,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(i128::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(i128::from(value)))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        i128::try_from(value).map(Value::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            list.push(Node { line: item.referenced.line(), value: item.value });
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = map.next_value::<Spanned<Value>>()?;
            let line = key.referenced.line();
            entries.push((Key { line, name: key.value }, Node { line: value.referenced.line().max(line), value: value.value }));
        }
        Ok(Value::Map(entries))
    }
}

impl Value {
    /// What the value is, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Parses a document. `file` names it in errors.
///
/// # Errors
/// When it is not YAML, holds a key twice, or is not a mapping.
pub fn parse(text: &str, file: &str) -> Result<Node, Problems> {
    let problem = |line: u64, problem: String, advice: &str| {
        Problems(vec![Problem { file: file.to_owned(), line: line.max(1), problem, advice: advice.to_owned() }])
    };
    match serde_saphyr::from_str::<Spanned<Value>>(text) {
        Ok(document) if matches!(document.value, Value::Map(_)) => Ok(Node { line: document.referenced.line(), value: document.value }),
        Ok(document) => Err(problem(
            document.referenced.line(),
            format!("the document is {}, not a mapping", document.value.kind()),
            "write keys and values",
        )),
        Err(error) => {
            let line = error.location().map_or(1, |location| location.line());
            // The first line of the parser's text says what; the rest shows the file's own lines, which may hold a secret by mistake.
            let text = error.without_snippet().to_string();
            let what = text.lines().next().unwrap_or_default().to_owned();
            if what.starts_with("budget breached") {
                let problem_text = "the document unfolds to more than a project file may hold".to_owned();
                return Err(problem(line, problem_text, "write it shorter, and without aliases"));
            }
            Err(problem(line, format!("this is not the YAML that is expected here: {what}"), "correct the line"))
        }
    }
}

/// `did you mean x?` for the nearest of the candidates, else the list of them.
pub fn suggest(name: &str, candidates: &[&str]) -> String {
    let lower = name.to_lowercase();
    let near = candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    match near {
        Some((_, best)) => format!("did you mean {best}?"),
        None => format!("known here: {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_value_has_its_line() {
        let node = parse("a: 1\nb:\n  - x\n  - {c: 1.5, d: ~}\n", "f.yaml").unwrap();
        let Value::Map(map) = node.value else { panic!() };
        assert_eq!((map[0].0.line, map[0].0.name.as_str(), &map[0].1.value), (1, "a", &Value::Int(1)));
        let Value::List(list) = &map[1].1.value else { panic!() };
        assert_eq!((list[0].line, &list[0].value), (3, &Value::Text("x".into())));
        let Value::Map(inner) = &list[1].value else { panic!() };
        assert_eq!((inner[0].0.line, &inner[0].1.value, &inner[1].1.value), (4, &Value::Float(1.5), &Value::Null));
    }

    #[test]
    fn what_is_not_yaml_names_its_line() {
        for text in ["a: 1\nb: [1\n", "a: 1\na: 2\n", "- 1\n", "just text", "a: 1\n\tb: 2\n", ""] {
            let problems = parse(text, "f.yaml").unwrap_err();
            assert!(problems.to_string().starts_with("f.yaml, line "), "{problems}");
        }
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x]\n".to_owned();
        for (before, name) in "abcdefgh".chars().zip("bcdefghi".chars()) {
            let again = format!("*{before}, ").repeat(8);
            text.push_str(&format!("{name}: &{name} [{again}]\n"));
        }
        let problems = parse(&text, "f.yaml").unwrap_err().to_string();
        assert!(problems.contains("unfolds to more"), "{problems}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(parse(&format!("a: {}", "[".repeat(100_000)), "f.yaml").is_err());
    }
}
