//! What a client asks for: a protobuf `Any` that names one of Flight SQL's commands.

use arrow_flight::sql::{Any, Command};
use prost::Message as _;
use tonic::Status;

use super::status;

/// The command in a descriptor, a ticket or an action's body.
pub(super) fn read(bytes: &[u8]) -> Result<Command, Status> {
    let any = Any::decode(bytes).map_err(|_| unreadable())?;
    Command::try_from(any).map_err(|_| unreadable())
}

/// A message of another form than an `Any`.
pub(super) fn message<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, Status> {
    M::decode(bytes).map_err(|_| unreadable())
}

/// No such message can be read: its content is not repeated, since it may hold anything.
pub(super) fn unreadable() -> Status {
    Status::invalid_argument("read the message: it is not what Flight SQL says; use a client of Flight SQL, such as ADBC")
}

/// What is answered to a command that Polder does not serve, or not at this place.
pub(super) fn refused(command: &Command) -> Status {
    match command {
        Command::CommandStatementUpdate(_) | Command::CommandPreparedStatementUpdate(_) | Command::CommandStatementIngest(_) => {
            Status::unimplemented(status::READ_ONLY)
        }
        Command::CommandStatementSubstraitPlan(_) | Command::ActionCreatePreparedSubstraitPlanRequest(_) => {
            Status::unimplemented("run a Substrait plan: Flight SQL takes SQL alone here; ask in SQL")
        }
        Command::ActionBeginTransactionRequest(_)
        | Command::ActionEndTransactionRequest(_)
        | Command::ActionBeginSavepointRequest(_)
        | Command::ActionEndSavepointRequest(_) => no_transactions(),
        _ => Status::invalid_argument("answer: this command is not for this call, or unknown; use a client of Flight SQL, such as ADBC"),
    }
}

/// There are no transactions.
pub(super) fn no_transactions() -> Status {
    Status::unimplemented(
        "begin a transaction: there are none, since nothing is changed from here: tables are written by contracts, and each question sees \
         one version of each table; ask without one",
    )
}
