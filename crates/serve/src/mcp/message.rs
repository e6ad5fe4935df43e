//! What a message must be before the protocol reads it: one object of JSON, no name in it twice. What one reader takes and another leaves is how
//! a call gets past whoever looked at it before.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Objects and lists within each other, at most.
const DEPTH_MAX: usize = 32;
/// How serde_json marks numbers and raw values inside of itself; it must mean nothing from outside.
const MARK: &str = "$serde_json::private::";

/// Why a message is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("read message: it is not UTF-8; send JSON in UTF-8")]
    Encoding,
    #[error("read message: it is no JSON; send one object of JSON-RPC 2.0")]
    Json,
    #[error("read message: it is no object, and a list of messages is not taken; send one at a time")]
    Other,
    #[error("read message: a name stands twice in an object; write each once")]
    Twice,
    #[error("read message: an object has a name that is not taken; leave it out")]
    Name,
    #[error("read message: it is no request of JSON-RPC 2.0; send `jsonrpc`, `id`, `method` and `params`, and nothing else")]
    Request,
    #[error("read message: its parts lie more than {} deep; send a flatter one", DEPTH_MAX)]
    Depth,
}

/// Looks a message over.
///
/// # Errors
/// When it is none.
pub(crate) fn check(body: &[u8]) -> Result<(), Broken> {
    let whole = whole(body)?;
    look(whole, DEPTH_MAX)?;
    if is_request(whole)? { Ok(()) } else { Err(Broken::Request) }
}

fn whole(body: &[u8]) -> Result<&RawValue, Broken> {
    let text = std::str::from_utf8(body).map_err(|_| Broken::Encoding)?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|_| Broken::Json)?;
    if whole.get().starts_with('{') { Ok(whole) } else { Err(Broken::Other) }
}

/// A request or a notification: the protocol's reader takes a request with a strange id for a notification, which nobody answers.
fn is_request(whole: &RawValue) -> Result<bool, Broken> {
    let Members(members) = serde_json::from_str(whole.get()).map_err(|_| Broken::Json)?;
    let (mut version, mut method) = (false, false);
    for (name, value) in members {
        let value = value.get();
        let fits = match name.as_str() {
            "jsonrpc" => {
                version = serde_json::from_str::<String>(value).is_ok_and(|version| version == "2.0");
                version
            }
            "method" => {
                method = value.starts_with('"');
                method
            }
            "id" => value.starts_with('"') || value.parse::<i64>().is_ok(),
            "params" => value.starts_with('{'),
            _ => false,
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(version && method)
}

fn look(raw: &RawValue, depth: usize) -> Result<(), Broken> {
    match raw.get().bytes().next() {
        Some(b'{' | b'[') if depth == 0 => Err(Broken::Depth),
        Some(b'{') => {
            let Members(members) = serde_json::from_str(raw.get()).map_err(|_| Broken::Json)?;
            let mut names = HashSet::new();
            for (name, value) in members {
                if name.starts_with(MARK) {
                    return Err(Broken::Name);
                }
                if !names.insert(name) {
                    return Err(Broken::Twice);
                }
                look(value, depth - 1)?;
            }
            Ok(())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| Broken::Json)?;
            items.into_iter().try_for_each(|item| look(item, depth - 1))
        }
        _ => Ok(()),
    }
}

/// The members of an object as they were written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_is_a_message() {
        let check = |message: &str| look(whole(message.as_bytes())?, DEPTH_MAX);
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        for message in [r#"{}"#, r#" {"a":{"a":[1,"[[",{"a":null}]},"b":1e400} "#, &deep(DEPTH_MAX - 1)] {
            assert_eq!(check(message), Ok(()), "{message}");
        }
        assert_eq!(check(&deep(DEPTH_MAX)), Err(Broken::Depth));
        assert_eq!(check(&deep(1_000_000)), Err(Broken::Depth));
    }

    #[test]
    fn everything_else_is_none() {
        let cases = [
            ("", Broken::Json),
            ("{", Broken::Json),
            ("{}{}", Broken::Json),
            ("\u{feff}{}", Broken::Json),
            ("{'a':1}", Broken::Json),
            ("[]", Broken::Other),
            ("[{}]", Broken::Other),
            ("null", Broken::Other),
            ("\"{}\"", Broken::Other),
            ("{\"a\":1,\"a\":1}", Broken::Twice),
            ("{\"b\":[{\"a\":1,\"\\u0061\":2}]}", Broken::Twice),
            ("{\"a\":{\"$serde_json::private::RawValue\":\"1\"}}", Broken::Name),
            ("{\"a\":[{\"\\u0024serde_json::private::Number\":\"1\"}]}", Broken::Name),
        ];
        for (message, why) in cases {
            assert_eq!(check(message.as_bytes()), Err(why), "{message}");
        }
        assert_eq!(check(b"{\"a\":\"\xff\"}"), Err(Broken::Encoding));
    }

    #[test]
    fn a_request_has_its_four_members_and_no_other() {
        let taken = [
            r#"{"jsonrpc":"2.0","method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":-1,"method":"a"}"#,
            r#"{"params":{},"method":"a","id":"b","jsonrpc":"2.\u0030"}"#,
        ];
        for message in taken {
            assert_eq!(check(message.as_bytes()), Ok(()), "{message}");
        }
        let refused = [
            r#"{}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"method":"a"}"#,
            r#"{"jsonrpc":2.0,"method":"a"}"#,
            r#"{"jsonrpc":"1.0","method":"a"}"#,
            r#"{"jsonrpc":"2.0","method":5}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":null}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":1.5}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":{}}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":99999999999999999999}"#,
            r#"{"jsonrpc":"2.0","method":"a","params":[]}"#,
            r#"{"jsonrpc":"2.0","method":"a","x":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ];
        for message in refused {
            assert_eq!(check(message.as_bytes()), Err(Broken::Request), "{message}");
        }
    }
}
