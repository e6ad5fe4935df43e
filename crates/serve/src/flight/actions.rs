//! Actions: prepared statements, cancellation, session options and the end of a session.

use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::sql::{
    ActionCancelQueryResult, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Command, ProstMessageExt as _,
};
use arrow_flight::{Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo, IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use prost::Message as _;
use tonic::Status;

use super::guest::{Guest, Prepared};
use super::options::{self, GetResult, SetError, SetErrorKind, SetRequest, SetResult, Setting};
use super::{Caller, Wire, command, metadata, status, stream};
use crate::plain;
use crate::ports::Answer;

/// The option that says what questions are for.
pub(super) const PURPOSE: &str = "purpose";

/// What there is, with a word on each.
pub(super) const ALL: [(&str, &str); 7] = [
    ("CreatePreparedStatement", "prepares a question, with the types of its parameters and the columns of its answer"),
    ("ClosePreparedStatement", "forgets a prepared statement"),
    ("CancelQuery", "cancels a question of this session"),
    ("CancelFlightInfo", "cancels a question of this session"),
    ("SetSessionOptions", "sets the session's purpose"),
    ("GetSessionOptions", "tells the session's catalog, schema and purpose"),
    ("CloseSession", "ends the session, and everything that belongs to it"),
];

impl Wire {
    /// Does what an action says; the body of its one result, where it has one.
    pub(super) async fn act(&self, caller: &Caller, action: Action) -> Result<Option<Bytes>, Status> {
        // The one action that the end of the session does not break off.
        if action.r#type == "CloseSession" {
            self.guests.retire(&caller.guest, None).await;
            return Ok(Some(options::CloseResult { status: options::CLOSED }.encode_to_vec().into()));
        }
        caller.during(self.act_in_session(caller, &action)).await
    }

    async fn act_in_session(&self, caller: &Caller, action: &Action) -> Result<Option<Bytes>, Status> {
        let body = match action.r#type.as_str() {
            "CreatePreparedStatement" => match command::read(&action.body)? {
                Command::ActionCreatePreparedStatementRequest(request) => self.prepare(caller, request).await?,
                other => return Err(command::refused(&other)),
            },
            "ClosePreparedStatement" => match command::read(&action.body)? {
                Command::ActionClosePreparedStatementRequest(request) => {
                    caller.guest.forget(&request.prepared_statement_handle);
                    return Ok(None);
                }
                other => return Err(command::refused(&other)),
            },
            "CancelQuery" => match command::read(&action.body)? {
                Command::ActionCancelQueryRequest(request) => {
                    cancel(&caller.guest, &command::message(&request.info)?).await?;
                    // Both enumerations say it by the same number.
                    ActionCancelQueryResult { result: CancelStatus::Cancelled as i32 }.as_any().encode_to_vec()
                }
                other => return Err(command::refused(&other)),
            },
            "CancelFlightInfo" => {
                let request: CancelFlightInfoRequest = command::message(&action.body)?;
                cancel(&caller.guest, &request.info.ok_or_else(command::unreadable)?).await?;
                CancelFlightInfoResult::new(CancelStatus::Cancelled).encode_to_vec()
            }
            "SetSessionOptions" => set(caller, command::message(&action.body)?).await?.encode_to_vec(),
            "GetSessionOptions" => get(&caller.guest).encode_to_vec(),
            "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => return Err(command::no_transactions()),
            "CreatePreparedSubstraitPlan" => {
                return Err(Status::unimplemented("run a Substrait plan: Flight SQL takes SQL alone here; ask in SQL"));
            }
            "RenewFlightEndpoint" => {
                return Err(Status::unimplemented("renew a ticket: it has its time, and no more; ask GetFlightInfo for another"));
            }
            _ => return Err(Status::unimplemented("act: there is no such action; ListActions tells which there are")),
        };
        Ok(Some(body.into()))
    }

    async fn prepare(&self, caller: &Caller, request: ActionCreatePreparedStatementRequest) -> Result<Vec<u8>, Status> {
        if request.transaction_id.is_some() {
            return Err(command::no_transactions());
        }
        let question = caller.question(request.query);
        let described = caller.guest.session().describe(&question).await.map_err(|fault| status::of(&fault))?;
        let columns = described.columns.as_ref().map(stream::sent_schema).transpose()?;
        // As clients know them; values of these are taken where a view or a dictionary is wanted.
        let types = described.parameters.iter().map(plain::data_type).collect::<Result<Vec<_>, _>>();
        let types = types.map_err(|error| stream::unsendable(&error))?;
        let parameters = parameter_schema(&types);
        let dataset_schema = columns.as_ref().map_or_else(|| Ok(Bytes::new()), |columns| ipc(columns))?;
        let prepared = Prepared { question, parameters: types, columns };
        let handle = caller.guest.prepare(prepared, self.context.rng.as_ref(), &self.context.limits)?;
        let result = ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.to_vec().into(),
            dataset_schema,
            parameter_schema: if parameters.fields().is_empty() { Bytes::new() } else { ipc(&parameters)? },
        };
        Ok(result.as_any().encode_to_vec())
    }
}

fn parameter_schema(types: &[DataType]) -> Schema {
    let fields = types.iter().enumerate().map(|(index, data_type)| Field::new(format!("${}", index + 1), data_type.clone(), true));
    Schema::new(fields.collect::<Vec<_>>())
}

fn ipc(schema: &Schema) -> Result<Bytes, Status> {
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &IpcWriteOptions::default()));
    message.map(|message| message.0).map_err(|error| stream::unsendable(&error))
}

/// Cancels what a flight of this session stands for. Another session's is not known here, and so not told from one that never was.
async fn cancel(guest: &Guest, info: &FlightInfo) -> Result<(), Status> {
    for endpoint in &info.endpoint {
        let Some(ticket) = &endpoint.ticket else { continue };
        if let Command::TicketStatementQuery(ticket) = command::read(&ticket.ticket)?
            && guest.cancel(&ticket.statement_handle).await
        {
            return Ok(());
        }
    }
    Err(Status::not_found("cancel: nothing of this flight is being answered in this session; it has ended, or is another session's"))
}

async fn set(caller: &Caller, request: SetRequest) -> Result<SetResult, Status> {
    let mut errors = SetResult::default();
    let mut wrong = |name: String, kind: SetErrorKind| errors.errors.insert(name, SetError { value: kind as i32 });
    for (name, value) in request.options {
        match options::setting(&name, &value) {
            Ok(Setting::AsItIs) => {}
            Ok(Setting::Purpose(purpose)) => {
                let question = caller.question(options::set_purpose(purpose.as_deref()));
                match caller.guest.session().ask(question).await {
                    Ok(Answer::Done(_)) => caller.guest.set_option(PURPOSE, purpose),
                    Ok(Answer::Rows { .. }) => {
                        wrong(name, SetErrorKind::Error);
                    }
                    Err(fault) if fault.is_unauthenticated() => return Err(status::of(&fault)),
                    Err(_) => {
                        wrong(name, SetErrorKind::InvalidValue);
                    }
                }
            }
            Err(kind) => {
                wrong(name, kind);
            }
        }
    }
    Ok(errors)
}

fn get(guest: &Guest) -> GetResult {
    let fixed = [("catalog", metadata::CATALOG), ("schema", metadata::SCHEMA)];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), options::text(value)));
    let set = guest.options().into_iter().map(|(name, value)| (name, options::text(&value)));
    GetResult { options: fixed.into_iter().chain(set).collect() }
}
