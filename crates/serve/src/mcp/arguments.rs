//! The arguments of a call. None that is not known, and none of another kind than described: an assistant learns from the refusal, whereas from
//! an argument that was passed over it would learn a wrong answer.

use polder_types::ErrorKind;
use rmcp::model::JsonObject;
use serde_json::Value;

use crate::fault::Fault;

/// What is left of the arguments of a call.
pub(super) struct Arguments {
    tool: &'static str,
    given: JsonObject,
}

impl Arguments {
    /// Those of a call.
    ///
    /// # Errors
    /// When one is not known. Its name is not told: it may be anything.
    pub(super) fn of(tool: &'static str, given: JsonObject, known: &[&str]) -> Result<Self, Fault> {
        if given.keys().any(|name| !known.contains(&name.as_str())) {
            let text = format!("call {tool}: it was given an argument that it does not have; give only {}", known.join(", "));
            return Err(Fault::new(ErrorKind::Invalid, text));
        }
        Ok(Self { tool, given })
    }

    /// A text.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.given.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(format_args!("`{name}` is no text; give one"))),
        }
    }

    /// A whole number from 1.
    ///
    /// # Errors
    /// When it is something else, or larger than it may be.
    pub(super) fn number(&mut self, name: &str, max: usize) -> Result<Option<usize>, Fault> {
        let Some(value) = self.given.remove(name) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|number| (1..=max).contains(number));
        number.map(Some).ok_or_else(|| self.wrong(format_args!("`{name}` is no whole number from 1 to {max}; give one")))
    }

    /// Why a call without an argument is none.
    pub(super) fn missing(&self, name: &str) -> Fault {
        self.wrong(format_args!("it was given no `{name}`; give one"))
    }

    fn wrong(&self, why: std::fmt::Arguments<'_>) -> Fault {
        Fault::new(ErrorKind::Invalid, format!("call {}: {why}", self.tool))
    }
}
