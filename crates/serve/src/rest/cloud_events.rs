//! CloudEvents 1.0 over HTTP: one event or a list of them as JSON, or the data alone with the attributes as headers. What leaves here is a
//! list of events, each with all that the specification demands.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::problem::Problem;

/// With what the headers of attributes begin.
const PREFIX: &str = "ce-";
/// Attributes of an event that are looked at.
const ATTRIBUTES_MAX: usize = 64;
/// What is no attribute, or is said otherwise.
const NOT_ATTRIBUTES: [&str; 3] = ["data", "database64", "datacontenttype"];

/// Events of one request: each takes memory besides the body's.
const EVENTS_MAX: usize = 100_000;

/// A list of no more than so many.
struct Events<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Events<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> serde::de::Visitor<'de> for List {
            type Value = Events<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "at most {EVENTS_MAX} events")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Events<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(event) = list.next_element()? {
                    if all.len() >= EVENTS_MAX {
                        return Err(serde::de::Error::invalid_length(EVENTS_MAX.saturating_add(1), &self));
                    }
                    all.push(event);
                }
                Ok(Events(all))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// What each event must have, and what must be right where it is there.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
}

/// Whether a request has headers of attributes.
pub(super) fn has_attributes(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with(PREFIX))
}

/// One event.
///
/// # Errors
/// When it is no JSON, or no event.
pub(super) fn one(body: &[u8]) -> Result<Bytes, Problem> {
    let event: &RawValue = serde_json::from_slice(body).map_err(|_| not_json())?;
    check(1, event)?;
    Ok(listed(event.get()))
}

/// A list of events.
///
/// # Errors
/// When it is no JSON list, or one of them is no event, or stands there twice.
pub(super) fn many(body: Bytes) -> Result<Bytes, Problem> {
    let Events(all) = serde_json::from_slice(&body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => wrong(&format!("it is no list of at most {EVENTS_MAX} events")),
        _ => not_json(),
    })?;
    let mut seen = HashSet::new();
    for (place, event) in all.iter().enumerate() {
        let number = place.saturating_add(1);
        let head = check(number, event)?;
        if !seen.insert((head.source, head.id)) {
            return Err(wrong(&format!("event {number} has source and id of another one")));
        }
    }
    drop((seen, all));
    Ok(body)
}

/// The data of an event, whose attributes are headers.
///
/// # Errors
/// When the data is no JSON, or the headers make no event.
pub(super) fn of_headers(headers: &HeaderMap, body: &[u8]) -> Result<Bytes, Problem> {
    let malformed = |text: &str| Problem::malformed(format!("read event: {text}; see CloudEvents 1.0, HTTP protocol binding"));
    let mut attributes = Map::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(PREFIX) else { continue };
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !named || NOT_ATTRIBUTES.contains(&name) || attributes.len() >= ATTRIBUTES_MAX {
            return Err(malformed("a header ce-* names no attribute, or there are too many of them"));
        }
        let text = value.to_str().ok().and_then(decoded).ok_or_else(|| malformed("a header ce-* is not percent-encoded UTF-8"))?;
        if attributes.insert(name.to_owned(), Value::String(text)).is_some() {
            return Err(malformed("a header ce-* stands there twice"));
        }
    }
    if !body.iter().all(u8::is_ascii_whitespace) {
        // Taken as a value of its own: what only follows on the attributes could bring others.
        let data: &RawValue = serde_json::from_slice(body).map_err(|_| not_json())?;
        attributes.insert("datacontenttype".to_owned(), Value::String("application/json".to_owned()));
        let head = serde_json::to_string(&attributes).map_err(|_| not_json())?;
        let open = head.strip_suffix('}').unwrap_or_default();
        return one(format!("{open},\"data\":{}}}", data.get()).as_bytes());
    }
    one(&serde_json::to_vec(&attributes).map_err(|_| not_json())?)
}

fn listed(event: &str) -> Bytes {
    format!("[{event}]").into()
}

fn check(number: usize, event: &RawValue) -> Result<Head<'_>, Problem> {
    // A list would pass for its members in their order.
    if !event.get().starts_with('{') {
        return Err(wrong(&format!("event {number} is no object")));
    }
    let head: Head<'_> = serde_json::from_str(event.get())
        .map_err(|_| wrong(&format!("event {number} lacks one of specversion, id, source and type, each once and a text")))?;
    if head.specversion != "1.0" {
        return Err(wrong(&format!("event {number} is not of version 1.0")));
    }
    if [&head.id, &head.source, &head.kind].iter().any(|text| text.is_empty()) {
        return Err(wrong(&format!("event {number} has an empty id, source or type")));
    }
    if head.time.as_ref().is_some_and(|time| chrono::DateTime::parse_from_rfc3339(time).is_err()) {
        return Err(wrong(&format!("the time of event {number} is not of RFC 3339")));
    }
    Ok(head)
}

fn not_json() -> Problem {
    Problem::malformed("read event: the body is not one value of JSON; send it whole, in UTF-8")
}

fn wrong(what: &str) -> Problem {
    Problem::unprocessable(format!("read event: {what}; see CloudEvents 1.0"))
}

/// Percent-encoding in a header's value (CloudEvents 1.0, HTTP protocol binding, 3.1.3.2).
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        bytes.push(*hex::decode(digits).ok()?.first()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const EVENT: &str =
        r#"{"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.made", "time": "2026-11-29T00:00:00Z", "data": {"n": 1}}"#;

    fn text(made: Result<Bytes, Problem>) -> String {
        String::from_utf8(made.unwrap().to_vec()).unwrap()
    }

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    const ATTRIBUTES: [(&str, &str); 4] = [("ce-specversion", "1.0"), ("ce-id", "7"), ("ce-source", "/shop"), ("ce-type", "t")];

    #[test]
    fn an_event_becomes_a_list_and_a_list_stays_as_it_is() {
        assert_eq!(text(one(EVENT.as_bytes())), format!("[{EVENT}]"));
        let list = format!("[{EVENT}, {}]", EVENT.replace("\"1\"", "\"2\""));
        assert_eq!(text(many(list.clone().into())), list);
        assert_eq!(text(many(Bytes::from_static(b"[]"))), "[]");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for event in [
            EVENT.replace("\"1.0\"", "\"0.3\""),
            EVENT.replace("\"id\"", "\"ID\""),
            EVENT.replace("\"id\": \"1\"", "\"id\": 1"),
            EVENT.replace("\"id\": \"1\"", "\"id\": \"\""),
            EVENT.replace("\"id\": \"1\"", "\"id\": \"1\", \"id\": \"2\""),
            EVENT.replace("2026-11-29T00:00:00Z", "yesterday"),
            EVENT.replace("\"source\": \"/shop\", ", ""),
            "[]".to_owned(),
            r#"["1.0", "1", "/shop", "order.made"]"#.to_owned(),
            "1".to_owned(),
            format!("{EVENT} {EVENT}"),
            EVENT[..20].to_owned(),
            String::new(),
        ] {
            assert!(one(event.as_bytes()).is_err(), "{event}");
            assert!(many(format!("[{event}]").into()).is_err() || event.is_empty(), "{event}");
        }
        assert!(many(format!("[{EVENT},{EVENT}]").into()).is_err(), "source and id stand there twice");
        assert!(many(EVENT.into()).is_err());
    }

    #[test]
    fn headers_and_data_make_an_event() {
        let mut all = ATTRIBUTES.to_vec();
        all.push(("ce-subject", "caf%C3%A9 %22x%22"));
        let event: Vec<Value> = serde_json::from_slice(&of_headers(&headers(&all), br#" {"n": 1} "#).unwrap()).unwrap();
        assert_eq!(event[0]["data"]["n"].to_string(), "1");
        assert_eq!((event[0]["subject"].as_str(), event[0]["datacontenttype"].as_str()), (Some("café \"x\""), Some("application/json")));
        // An event may have no data.
        let event: Vec<Value> = serde_json::from_slice(&of_headers(&headers(&ATTRIBUTES), b"").unwrap()).unwrap();
        assert!(event[0].get("data").is_none());
    }

    #[test]
    fn headers_that_make_no_event_are_refused() {
        for (name, value) in [
            ("ce-id", "8"),
            ("ce-data", "x"),
            ("ce-datacontenttype", "x"),
            ("ce-", "x"),
            ("ce-a_b", "x"),
            ("ce-x", "%"),
            ("ce-x", "%ff"),
            ("ce-x", "%zz"),
        ] {
            let mut all = ATTRIBUTES.to_vec();
            all.push((name, value));
            assert!(of_headers(&headers(&all), b"{}").is_err(), "{name}: {value}");
        }
        for lacking in 0..ATTRIBUTES.len() {
            let mut all = ATTRIBUTES.to_vec();
            all.remove(lacking);
            assert!(of_headers(&headers(&all), b"{}").is_err(), "{lacking}");
        }
        // What would end the data and go on with an attribute is no value.
        for data in ["1,\"id\":\"9\"", "{}}", "{", "{} {}"] {
            assert!(of_headers(&headers(&ATTRIBUTES), data.as_bytes()).is_err(), "{data}");
        }
    }

    proptest! {
        #[test]
        fn no_data_changes_what_the_headers_say(data in "[\\[\\]{}\",:0-9a-z ]{0,24}") {
            if let Ok(list) = of_headers(&headers(&ATTRIBUTES), data.as_bytes()) {
                let events: Vec<Value> = serde_json::from_slice(&list).unwrap();
                prop_assert_eq!(events.len(), 1);
                prop_assert_eq!(events[0]["id"].as_str(), Some("7"));
            }
        }
    }
}
