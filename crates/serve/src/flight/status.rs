//! What a client of gRPC is told when something was not done.

use tonic::{Code, Status};

use crate::fault::Fault;
use crate::ports::Ended;

/// A status travels in a header, and clients refuse headers that are long.
const MESSAGE_MAX_BYTES: usize = 2_048;

/// What tables do not take from here. Whoever sends rows or commands is told where rows come from.
pub(super) const READ_ONLY: &str =
    "change a table: Flight SQL only reads; tables are written by contracts, and models by their SQL: change those, and run `polder run`";

/// A fault as a status. Its text holds no row's value and no secret, as every fault's.
pub(super) fn of(fault: &Fault) -> Status {
    let code = if fault.is_unauthenticated() { Code::Unauthenticated } else { Code::from_i32(i32::from(fault.kind().grpc_code())) };
    Status::new(code, cut(fault.message()))
}

/// Nobody is signed in: the same words whatever the reason was.
pub(super) fn not_signed_in() -> Status {
    of(&Fault::not_signed_in())
}

/// The session that a call belongs to is over.
pub(super) fn over(why: Option<Ended>) -> Status {
    Status::unauthenticated(match why {
        Some(Ended::Revoked) => "go on with the session: it was revoked; sign in again, or ask whoever keeps the accounts",
        Some(Ended::Expired) => "go on with the session: it has reached its end; sign in again",
        Some(Ended::Idle) => "go on with the session: nothing was asked for too long; sign in again",
        None => "go on with the session: it was closed; sign in again",
    })
}

/// Serving ends.
pub(super) fn draining() -> Status {
    Status::unavailable("answer: serving ends; connect again in a while")
}

/// A question that was called off.
pub(super) fn cancelled() -> Status {
    Status::cancelled("answer the question: it was cancelled; ask again")
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MESSAGE_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use polder_types::ErrorKind;

    use super::*;

    #[test]
    fn every_kind_has_its_code_and_a_long_text_is_cut_at_a_character() {
        let all = [
            (ErrorKind::Denied, Code::PermissionDenied),
            (ErrorKind::Invalid, Code::InvalidArgument),
            (ErrorKind::Rejected, Code::FailedPrecondition),
            (ErrorKind::NotFound, Code::NotFound),
            (ErrorKind::Conflict, Code::Aborted),
            (ErrorKind::Busy, Code::FailedPrecondition),
            (ErrorKind::Unavailable, Code::Unavailable),
            (ErrorKind::Corrupt, Code::DataLoss),
            (ErrorKind::Internal, Code::Internal),
        ];
        for (kind, code) in all {
            assert_eq!(of(&Fault::new(kind, "x")).code(), code, "{}", kind.name());
        }
        assert_eq!(of(&Fault::not_signed_in()).code(), Code::Unauthenticated);
        let long = of(&Fault::new(ErrorKind::Invalid, "é".repeat(2_000)));
        assert_eq!(long.message(), "é".repeat(1_024));
    }
}
