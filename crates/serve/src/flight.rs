//! Arrow Flight SQL: gRPC over TLS, answers as Arrow record batches.
//!
//! Every call shows who calls. `GetFlightInfo` says what an answer looks like and gives a ticket; `DoGet` takes the ticket and runs the
//! question. A ticket is a random handle of one session, of use once: it does not hold the question, so that nobody can make one.

mod actions;
mod bind;
mod command;
mod guest;
mod guests;
mod metadata;
mod options;
mod status;
mod stream;

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::{Command, DoPutPreparedStatementResult, DoPutUpdateResult, ProstMessageExt as _, TicketStatementQuery};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaAsIpc, SchemaResult, Ticket,
};
use futures::{Stream, StreamExt as _};
use polder_types::ErrorKind;
use prost::Message as _;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use self::guest::{Guest, TICKET_MS};
use self::guests::Guests;
use crate::context::Context;
use crate::fault::Fault;
use crate::ports::{Answer, Dialect, Question};

/// A message that is sent is not larger than this: what is cut into parts is far below, and only one very large value comes near.
const SENT_MAX_BYTES: usize = 64 << 20;
/// What an answer is for is said in a header of this name.
const PURPOSE: &str = "polder-purpose";
/// The id under which an answer stands in the log is said in a header of this name.
const REQUEST: &str = "polder-request";

/// Messages of a call's answer.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service of a listener. It must be called from within a runtime, over TLS, with [`crate::http::Peer`] among each request's extensions.
pub fn service(context: Arc<Context>) -> axum::Router {
    let received_max = context.limits.message_bytes;
    let wire = Wire { guests: Guests::new(Arc::clone(&context)), context };
    // No compression is offered or taken: nothing that is small here is large there.
    let server = FlightServiceServer::new(wire).max_decoding_message_size(received_max).max_encoding_message_size(SENT_MAX_BYTES);
    Routes::new(server).into_axum_router()
}

struct Wire {
    context: Arc<Context>,
    guests: Arc<Guests>,
}

/// Who calls, with what the call says besides its message.
struct Caller {
    guest: Arc<Guest>,
    bearer: Option<AsciiMetadataValue>,
    purpose: Option<String>,
}

impl Caller {
    /// Works for the caller until the session is over.
    async fn during<T>(&self, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        tokio::select! {
            biased;
            () = self.guest.over() => Err(self.guest.why_over()),
            done = work => done,
        }
    }

    /// An answer, with the bearer where one was made.
    fn answer<T>(self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        if let Some(bearer) = self.bearer {
            response.metadata_mut().insert("authorization", bearer);
        }
        response
    }

    fn question(&self, sql: String) -> Question {
        Question { sql, dialect: Dialect::Plain, purpose: self.purpose.clone(), ..Question::default() }
    }
}

impl Wire {
    /// Who makes a call.
    async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let entry = self.guests.admit(request.metadata(), request.extensions(), false).await?;
        Ok(Caller { guest: entry.guest, bearer: entry.bearer, purpose: purpose(request.metadata())? })
    }

    fn now_ms(&self) -> i64 {
        self.context.clock.now_ms()
    }

    /// The columns that a command's answer will have. Nothing is run.
    async fn columns(&self, caller: &Caller, command: &Command) -> Result<SchemaRef, Status> {
        match command {
            Command::CommandStatementQuery(statement) => {
                if statement.transaction_id.is_some() {
                    return Err(command::no_transactions());
                }
                let described = caller.guest.session().describe(&caller.question(statement.query.clone())).await;
                let described = described.map_err(|fault| status::of(&fault))?;
                if !described.parameters.is_empty() {
                    return Err(unbound(described.parameters.len()));
                }
                described.columns.as_ref().map_or_else(|| Ok(Arc::new(Schema::empty())), stream::sent_schema)
            }
            Command::CommandPreparedStatementQuery(statement) => {
                let prepared = caller.guest.prepared(&statement.prepared_statement_handle)?;
                Ok(prepared.columns.unwrap_or_else(|| Arc::new(Schema::empty())))
            }
            other => metadata::schema(other).unwrap_or_else(|| Err(command::refused(other))),
        }
    }

    /// What an answer looks like, and a ticket for it.
    async fn info(&self, caller: &Caller, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
        let command = described(&descriptor)?;
        let schema = self.columns(caller, &command).await?;
        let question = match command {
            Command::CommandStatementQuery(statement) => Some(caller.question(statement.query)),
            Command::CommandPreparedStatementQuery(statement) => {
                let prepared = caller.guest.prepared(&statement.prepared_statement_handle)?;
                if prepared.question.parameters.is_none() && !prepared.parameters.is_empty() {
                    return Err(unbound(prepared.parameters.len()));
                }
                let purpose = caller.purpose.clone().or(prepared.question.purpose);
                Some(Question { purpose, ..prepared.question })
            }
            // What is asked about metadata is no secret, and decided anew when it is answered.
            _ => None,
        };
        let mut endpoint = FlightEndpoint::new();
        let ticket = match question {
            Some(question) => {
                let now = self.now_ms();
                let handle = caller.guest.issue(question, self.context.rng.as_ref(), now, &self.context.limits)?;
                let expires_ms = now.saturating_add(TICKET_MS);
                let expires = endpoint.expiration_time.get_or_insert_default();
                expires.seconds = expires_ms.div_euclid(1_000);
                expires.nanos = i32::try_from(expires_ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
                let ticket = TicketStatementQuery { statement_handle: handle.to_vec().into() };
                ticket.as_any().encode_to_vec().into()
            }
            None => descriptor.cmd.clone(),
        };
        let info = FlightInfo::new().try_with_schema(&schema).map_err(|error| stream::unsendable(&error))?;
        Ok(info.with_descriptor(descriptor).with_endpoint(endpoint.with_ticket(Ticket { ticket })))
    }

    /// Runs the question of a ticket.
    async fn run(&self, caller: &Caller, handle: &[u8]) -> Result<Response<stream::Messages>, Status> {
        let guest = &caller.guest;
        let (mut question, running) = guest.begin(handle, self.now_ms())?;
        question.purpose = caller.purpose.clone().or(question.purpose);
        let answer = tokio::select! {
            biased;
            () = running.stopped() => return Err(status::cancelled()),
            answer = guest.session().ask(question) => answer.map_err(|fault| status::of(&fault))?,
        };
        match answer {
            Answer::Done(_) => {
                // It may have set what an option tells of.
                guest.set_option(actions::PURPOSE, None);
                Ok(Response::new(stream::of_batch(arrow::array::RecordBatch::new_empty(Arc::new(Schema::empty())))))
            }
            Answer::Rows { request, schema, rows, holds } => {
                let schema = stream::sent_schema(&schema)?;
                let mut response = Response::new(stream::of_rows(schema, (rows, holds), guest, running, self.context.limits.stalled));
                if let Some(id) = request.and_then(|id| AsciiMetadataValue::try_from(id.to_string()).ok()) {
                    response.metadata_mut().insert(REQUEST, id);
                }
                Ok(response)
            }
        }
    }

    /// Does what has no rows to give, such as `SET`; everything else is refused.
    async fn update(&self, caller: &Caller, question: Question, parameters: usize) -> Result<PutResult, Status> {
        let session = caller.guest.session();
        if parameters > 0 && question.parameters.is_none() {
            return Err(unbound(parameters));
        }
        let described = session.describe(&question).await.map_err(|fault| match fault.kind() {
            // Whatever else is wrong with it, this is the way by which tables would be changed.
            ErrorKind::Invalid => Status::invalid_argument(status::READ_ONLY),
            _ => status::of(&fault),
        })?;
        if described.columns.is_some() {
            return Err(Status::invalid_argument("run an update: this is a question, which has rows to give; ask it as a query"));
        }
        match session.ask(question).await.map_err(|fault| status::of(&fault))? {
            Answer::Done(_) => {
                caller.guest.set_option(actions::PURPOSE, None);
                Ok(PutResult { app_metadata: DoPutUpdateResult { record_count: 0 }.encode_to_vec().into() })
            }
            Answer::Rows { .. } => Err(Status::invalid_argument(status::READ_ONLY)),
        }
    }

    async fn put(&self, caller: &Caller, mut messages: Streaming<FlightData>) -> Result<PutResult, Status> {
        let Some(first) = messages.message().await? else {
            return Err(command::unreadable());
        };
        let Some(descriptor) = &first.flight_descriptor else {
            return Err(command::unreadable());
        };
        match described(descriptor)? {
            Command::CommandPreparedStatementQuery(statement) => {
                let handle = statement.prepared_statement_handle;
                let wanted = caller.guest.prepared(&handle)?.parameters;
                let messages = futures::stream::iter([Ok(first)]).chain(messages);
                let limits = &self.context.limits;
                let row = bind::one_row(messages, &wanted, limits.message_bytes);
                let row = tokio::time::timeout(limits.stalled, row)
                    .await
                    .map_err(|_| Status::deadline_exceeded("bind parameters: they did not come to an end; send them at once"))??;
                caller.guest.bind(&handle, row, limits)?;
                let bound = DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) };
                Ok(PutResult { app_metadata: bound.encode_to_vec().into() })
            }
            Command::CommandStatementUpdate(statement) => {
                if statement.transaction_id.is_some() {
                    return Err(command::no_transactions());
                }
                self.update(caller, caller.question(statement.query), 0).await
            }
            Command::CommandPreparedStatementUpdate(statement) => {
                let prepared = caller.guest.prepared(&statement.prepared_statement_handle)?;
                let purpose = caller.purpose.clone().or(prepared.question.purpose);
                self.update(caller, Question { purpose, ..prepared.question }, prepared.parameters.len()).await
            }
            other => Err(command::refused(&other)),
        }
    }
}

/// The command of a descriptor.
fn described(descriptor: &FlightDescriptor) -> Result<Command, Status> {
    if descriptor.r#type != DescriptorType::Cmd as i32 {
        return Err(Status::invalid_argument("find the flight: Flight SQL asks by commands, not by paths; use a client of Flight SQL"));
    }
    command::read(&descriptor.cmd)
}

/// What the call says that its answer is for.
fn purpose(metadata: &MetadataMap) -> Result<Option<String>, Status> {
    let Some(purpose) = metadata.get(PURPOSE) else {
        return Ok(None);
    };
    let purpose = purpose.to_str().map_err(|_| Status::invalid_argument("read the header polder-purpose: it is plain ASCII text"))?;
    Ok(Some(purpose.to_owned()).filter(|purpose| !purpose.is_empty()))
}

fn unbound(parameters: usize) -> Status {
    status::of(&Fault::new(
        ErrorKind::Invalid,
        format!("ask: {parameters} parameters have no value; prepare the statement, and bind one row of values to it"),
    ))
}

fn not_served(call: &str) -> Status {
    Status::unimplemented(format!("{call}: this call is not part of what is served; ask with GetFlightInfo and DoGet"))
}

fn one<T: Send + 'static>(message: T) -> Answers<T> {
    futures::stream::iter([Ok(message)]).boxed()
}

#[tonic::async_trait]
impl FlightService for Wire {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = stream::Messages;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    /// Signs in by the header `authorization`, and answers with a bearer for the calls that follow. What the messages hold is not read.
    async fn handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Result<Response<Self::HandshakeStream>, Status> {
        let entry = self.guests.admit(request.metadata(), request.extensions(), true).await?;
        let caller = Caller { guest: entry.guest, bearer: entry.bearer, purpose: None };
        Ok(caller.answer(one(HandshakeResponse::default())))
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        self.caller(&request).await?;
        Err(not_served("list flights"))
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        let caller = self.caller(&request).await?;
        let info = caller.during(self.info(&caller, request.into_inner())).await?;
        Ok(caller.answer(info))
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        self.caller(&request).await?;
        Err(not_served("poll a flight"))
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        let caller = self.caller(&request).await?;
        let command = described(request.get_ref())?;
        let schema = caller.during(self.columns(&caller, &command)).await?;
        let schema = SchemaAsIpc::new(&schema, &IpcWriteOptions::default()).try_into();
        Ok(caller.answer(schema.map_err(|error| stream::unsendable(&error))?))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        let caller = self.caller(&request).await?;
        let command = command::read(&request.get_ref().ticket)?;
        let mut response = caller
            .during(async {
                if let Command::TicketStatementQuery(ticket) = &command {
                    return self.run(&caller, &ticket.statement_handle).await;
                }
                let url = command.type_url().len();
                match metadata::batch(command, caller.guest.session().as_ref(), &self.context.limits).await {
                    Some(batch) => Ok(Response::new(stream::of_batch(batch?))),
                    None if url == 0 => Err(command::unreadable()),
                    None => Err(Status::invalid_argument("take a ticket: it is not one of GetFlightInfo's; ask GetFlightInfo for one")),
                }
            })
            .await?;
        if let Some(bearer) = caller.bearer {
            response.metadata_mut().insert("authorization", bearer);
        }
        Ok(response)
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>, Status> {
        let caller = self.caller(&request).await?;
        let result = caller.during(self.put(&caller, request.into_inner())).await?;
        Ok(caller.answer(one(result)))
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        let caller = self.caller(&request).await?;
        let answer = self.act(&caller, request.into_inner()).await?;
        let answer = answer.map(|body| Ok(arrow_flight::Result { body }));
        Ok(caller.answer(futures::stream::iter(answer).boxed()))
    }

    async fn list_actions(&self, request: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        let caller = self.caller(&request).await?;
        let all = actions::ALL.map(|(name, description)| Ok(ActionType { r#type: name.to_owned(), description: description.to_owned() }));
        Ok(caller.answer(futures::stream::iter(all).boxed()))
    }

    async fn do_exchange(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>, Status> {
        self.caller(&request).await?;
        Err(Status::unimplemented(status::READ_ONLY))
    }
}

#[cfg(test)]
mod tests;
