//! What went wrong, as the protocol tells it.

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use polder_types::ErrorKind;

use crate::fault::Fault;
use crate::ports::Ended;

/// Why what is being done does not go on.
#[derive(Debug)]
pub enum Stop {
    /// The statement fails; the connection goes on.
    Failed(Fault),
    /// The connection ends with this error.
    Fatal(Fault),
    /// The other side is gone, or takes nothing: there is nobody to tell.
    Gone,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        let (code, message) = match ended {
            Ended::Revoked => ("57P01", "the session was ended by whoever keeps the accounts; ask them, or sign in again"),
            Ended::Expired => ("57P01", "the session has reached its end; sign in again"),
            Ended::Idle => ("57P05", "nothing was asked for too long; sign in again"),
        };
        Self::Fatal(Fault::new(ErrorKind::Denied, message).with_sqlstate(code))
    }
}

/// The other side does not keep to the protocol.
pub fn violation(message: impl Into<String>) -> Stop {
    Stop::Fatal(Fault::new(ErrorKind::Invalid, message).with_sqlstate("08P01"))
}

/// What PostgreSQL knows and is not here.
pub fn unsupported(message: impl Into<String>) -> Fault {
    Fault::new(ErrorKind::Invalid, message).with_sqlstate("0A000")
}

/// A statement that is not well-formed.
pub fn syntax(message: impl Into<String>) -> Fault {
    Fault::new(ErrorKind::Invalid, message).with_sqlstate("42601")
}

/// Serving ends.
pub fn drained() -> Stop {
    Stop::Fatal(Fault::new(ErrorKind::Unavailable, "serving ends here; connect again in a moment").with_sqlstate("57P01"))
}

/// A defect: something has another form than it was made with.
pub fn defect(what: &str) -> Fault {
    Fault::new(ErrorKind::Internal, format!("write the answer: {what}; report this as a defect"))
}

fn fields(severity: &str, code: &str, message: &str, position: Option<u32>) -> Vec<(u8, String)> {
    // A NUL would end the field, and what comes after it would be read as another one.
    let message = message.replace('\0', "\u{fffd}");
    let mut fields = vec![(b'S', severity.to_owned()), (b'V', severity.to_owned()), (b'C', code.to_owned()), (b'M', message)];
    if let Some(position) = position {
        fields.push((b'P', position.to_string()));
    }
    fields
}

/// Writes an error; `fatal` where the connection ends with it. `before` is the number of characters before the statement.
pub fn error(out: &mut BytesMut, fault: &Fault, fatal: bool, before: u32) {
    let position = fault.position().map(|position| position.saturating_add(before));
    let severity = if fatal { "FATAL" } else { "ERROR" };
    put(out, &ErrorResponse::new(fields(severity, fault.sqlstate(), fault.message(), position)));
}

/// Writes a warning.
pub fn warning(out: &mut BytesMut, code: &str, message: &str) {
    put(out, &NoticeResponse::new(fields("WARNING", code, message, None)));
}

/// Writes a message.
pub fn put<M: Message>(out: &mut BytesMut, message: &M) {
    // Only a message over its greatest length fails, before anything is written; what is written here is short or cut.
    if let Err(error) = message.encode(out) {
        tracing::error!(%error, "a message of the PostgreSQL wire was not written");
    }
}
