//! Session options and the end of a session: messages of Flight that the crate `arrow-flight` does not bring, with the numbers of
//! `Flight.proto`, and which options there are.

use std::collections::HashMap;

/// A value of an option.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OptionValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5")]
    pub(super) value: Option<Value>,
}

/// What an option may hold. None, not even an empty text, takes an option back.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sfixed64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Texts(Texts),
}

/// A list of texts.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Texts {
    #[prost(string, repeated, tag = "1")]
    pub(super) values: Vec<String>,
}

/// `SetSessionOptionsRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SetRequest {
    #[prost(map = "string, message", tag = "1")]
    pub(super) options: HashMap<String, OptionValue>,
}

/// `SetSessionOptionsResult`: what was wrong with which option; nothing where all were set.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SetResult {
    #[prost(map = "string, message", tag = "1")]
    pub(super) errors: HashMap<String, SetError>,
}

/// What was wrong with an option.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct SetError {
    #[prost(enumeration = "SetErrorKind", tag = "1")]
    pub(super) value: i32,
}

/// Kinds of what may be wrong with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum SetErrorKind {
    Unspecified = 0,
    InvalidName = 1,
    InvalidValue = 2,
    Error = 3,
}

/// `GetSessionOptionsResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetResult {
    #[prost(map = "string, message", tag = "1")]
    pub(super) options: HashMap<String, OptionValue>,
}

/// `CloseSessionResult`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct CloseResult {
    /// 1: closed.
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

/// `CLOSED` of `CloseSessionResult`.
pub(super) const CLOSED: i32 = 1;

/// An option that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting {
    /// What the session's questions are for from now on; `None` takes it back.
    Purpose(Option<String>),
    /// The one catalog or the one schema, which are as they are.
    AsItIs,
}

/// What setting an option means.
pub(super) fn setting(name: &str, value: &OptionValue) -> Result<Setting, SetErrorKind> {
    let text = match &value.value {
        None => None,
        Some(Value::Text(text)) => Some(text.as_str()),
        Some(_) => return Err(SetErrorKind::InvalidValue),
    };
    match (name, text) {
        ("purpose" | "polder.purpose", text) => Ok(Setting::Purpose(text.filter(|text| !text.is_empty()).map(str::to_owned))),
        ("catalog", Some(super::metadata::CATALOG)) | ("schema", Some(super::metadata::SCHEMA)) => Ok(Setting::AsItIs),
        ("catalog" | "schema", _) => Err(SetErrorKind::InvalidValue),
        _ => Err(SetErrorKind::InvalidName),
    }
}

/// The SQL that sets a purpose, since the session keeps it.
pub(super) fn set_purpose(purpose: Option<&str>) -> String {
    match purpose {
        Some(purpose) => format!("SET polder.purpose = '{}'", purpose.replace('\'', "''")),
        None => "RESET polder.purpose".to_owned(),
    }
}

/// An option's value that is a text.
pub(super) fn text(text: &str) -> OptionValue {
    OptionValue { value: Some(Value::Text(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_there_are_not_are_told_apart_from_values_that_do_not_fit() {
        assert_eq!(setting("purpose", &text("fraud")), Ok(Setting::Purpose(Some("fraud".to_owned()))));
        assert_eq!(setting("polder.purpose", &OptionValue { value: None }), Ok(Setting::Purpose(None)));
        assert_eq!(setting("purpose", &OptionValue { value: Some(Value::Bool(true)) }), Err(SetErrorKind::InvalidValue));
        assert_eq!(setting("catalog", &text("polder")), Ok(Setting::AsItIs));
        assert_eq!(setting("schema", &text("private")), Err(SetErrorKind::InvalidValue));
        assert_eq!(setting("catalog", &OptionValue { value: None }), Err(SetErrorKind::InvalidValue));
        assert_eq!(setting("autocommit", &text("on")), Err(SetErrorKind::InvalidName));
    }

    #[test]
    fn a_purpose_cannot_end_its_own_quotes() {
        assert_eq!(set_purpose(Some("it's'; DROP")), "SET polder.purpose = 'it''s''; DROP'");
    }
}
