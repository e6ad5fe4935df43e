//! What a question looks like in JSON. Each name stands at most once, and none that is not known: what one reader takes and another leaves is
//! how a question gets past whoever looked at it before.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::parameters::Value;
use super::problem::Problem;

/// Values of a question; PostgreSQL takes no more either.
const VALUES_MAX: usize = 65_535;
/// Names of a question that are looked at.
const NAMES: [&str; 3] = ["sql", "parameters", "purpose"];

/// A question.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Question, example = json!({"sql": "select carrier, count(*) from flights where month = $1 group by carrier", "parameters": [7]}))]
pub(super) struct Request {
    /// One statement that reads.
    pub(super) sql: String,
    /// The values of `$1`, `$2` and so on, in this order. A number is taken with all its digits; dates, times and decimals may be given as texts,
    /// binary values as hexadecimal digits.
    #[schema(required = false, max_items = 65535)]
    pub(super) parameters: Vec<Value>,
    /// What the answer is for, as policies may ask; the header `Polder-Purpose` says the same.
    #[schema(nullable = false, max_length = 256)]
    pub(super) purpose: Option<String>,
}

impl PartialSchema for Value {
    fn schema() -> RefOr<Schema> {
        let kinds = SchemaType::Array(vec![Type::Null, Type::Boolean, Type::Number, Type::String]);
        ObjectBuilder::new().schema_type(kinds).description(Some("A value of a question.")).into()
    }
}

impl ToSchema for Value {
    fn name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }
}

/// The members of an object as they were written, no name twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

/// What stands in the error of a name that stands twice; serde's errors carry nothing but a text.
const TWICE: &str = "a name stands twice";

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &RawValue)> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let twice = members.iter().any(|(other, _)| *other == name);
                    // One unknown name is enough to refuse the whole, so that a million of them cost nothing.
                    if twice || members.len() > NAMES.len() {
                        return Err(A::Error::custom(if twice { TWICE } else { "there are too many names" }));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl Request {
    /// Reads one.
    ///
    /// # Errors
    /// When it is no JSON, or another than described. The text names places and names, no values.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("read body: it is not UTF-8; send JSON in UTF-8"))?;
        let Members(members) = serde_json::from_str(text).map_err(|error| unread(&error))?;
        let (mut sql, mut parameters, mut purpose) = (None, None, None);
        for (name, value) in members {
            match name.as_str() {
                "sql" => sql = Some(words(value, "sql")?),
                "parameters" => parameters = Some(values(value)?),
                "purpose" => purpose = Some(words(value, "purpose")?),
                _ => {
                    let detail = format!("read body: it has a name that is not known; write only {}", NAMES.join(", "));
                    return Err(Problem::unprocessable(detail));
                }
            }
        }
        let sql = sql.ok_or_else(|| Problem::unprocessable("read body: it has no `sql`; write the question there"))?;
        Ok(Self { sql, parameters: parameters.unwrap_or_default(), purpose })
    }
}

fn unread(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Data if error.to_string().starts_with(TWICE) => {
            Problem::malformed(format!("read body: a name stands twice in an object ({place}); write each once"))
        }
        Category::Data => Problem::unprocessable(format!("read body: it is no question ({place}); send an object with `sql`")),
        Category::Io | Category::Syntax | Category::Eof => Problem::malformed(format!("read body: it is no JSON ({place}); send JSON")),
    }
}

fn words(value: &RawValue, name: &str) -> Result<String, Problem> {
    serde_json::from_str(value.get()).map_err(|_| Problem::unprocessable(format!("read body: `{name}` is no text; write one")))
}

fn values(value: &RawValue) -> Result<Vec<Value>, Problem> {
    let raw: Vec<&RawValue> = serde_json::from_str(value.get())
        .map_err(|_| Problem::unprocessable("read body: `parameters` is no list; write [value of $1, value of $2, …]"))?;
    if raw.len() > VALUES_MAX {
        return Err(Problem::unprocessable(format!("read body: `parameters` has more than {VALUES_MAX} values; give fewer")));
    }
    raw.iter()
        .enumerate()
        .map(|(index, raw)| {
            Value::read(raw).ok_or_else(|| {
                let number = index + 1;
                Problem::unprocessable(format!("read body: the value of ${number} is no text, number, boolean or null; give one of these"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(body: impl AsRef<[u8]>) -> u16 {
        use axum::response::IntoResponse as _;
        Request::read(body.as_ref()).map_or_else(|problem| problem.into_response().status().as_u16(), |_| 200)
    }

    #[test]
    fn a_question_is_read_as_it_was_written() {
        let request =
            Request::read(br#" {"parameters":[null,true,-1,1e2,"a\u0000"],"\u0073ql":"select $1","purpose":"billing"} "#).unwrap();
        assert_eq!(request.sql, "select $1");
        assert_eq!(request.purpose.as_deref(), Some("billing"));
        let number = |text: &str| Value::Number(text.to_owned());
        assert_eq!(request.parameters, [Value::Null, Value::Boolean(true), number("-1"), number("1e2"), Value::Text("a\0".to_owned())]);
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for body in [
            "",
            "{",
            "nope",
            "{\"sql\":\"a\"}x",
            "\u{feff}{\"sql\":\"a\"}",
            "{'sql':'a'}",
            "{\"sql\":\"a\",}",
            "{\"sql\":\"a\",\"parameters\":[01]}",
        ] {
            assert_eq!(status(body), 400, "{body}");
        }
        assert_eq!(status(b"{\"sql\":\"\xff\"}"), 400);
        assert_eq!(status("{\"sql\":\"a\",\"sql\":\"b\"}"), 400);
        // The same name, however it is spelt.
        assert_eq!(status("{\"sql\":\"a\",\"s\\u0071l\":\"b\"}"), 400);
    }

    #[test]
    fn what_is_another_thing_than_described_is_unprocessable() {
        let deep = format!("{{\"sql\":\"a\",\"parameters\":[{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
        let many = format!("{{\"sql\":\"a\",\"parameters\":[{}0]}}", "0,".repeat(VALUES_MAX));
        let names = format!("{{{}\"sql\":\"a\"}}", (0..10_000).map(|number| format!("\"n{number}\":0,")).collect::<String>());
        let bodies = [
            "null",
            "[]",
            "\"select 1\"",
            "{}",
            "{\"sql\":1}",
            "{\"sql\":null}",
            "{\"sql\":\"a\",\"x\":1}",
            "{\"sql\":\"a\",\"purpose\":null}",
            "{\"sql\":\"a\",\"parameters\":{}}",
            "{\"sql\":\"a\",\"parameters\":null}",
            "{\"sql\":\"a\",\"parameters\":[[1]]}",
            "{\"sql\":\"\\ud800\"}",
            // How serde_json marks numbers and raw values inside of itself must mean nothing from outside.
            "{\"sql\":\"a\",\"parameters\":[{\"$serde_json::private::Number\":\"1\"}]}",
            "{\"$serde_json::private::RawValue\":\"{}\"}",
            deep.as_str(),
            many.as_str(),
            names.as_str(),
        ];
        for body in bodies {
            assert_eq!(status(body), 422, "{}", body.get(..80.min(body.len())).unwrap());
        }
    }

    #[test]
    fn as_many_values_as_may_be_are_taken() {
        assert_eq!(status(format!("{{\"sql\":\"a\",\"parameters\":[{}0]}}", "0,".repeat(VALUES_MAX - 1))), 200);
    }
}
