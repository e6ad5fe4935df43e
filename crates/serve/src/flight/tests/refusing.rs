//! What is refused: changes, what cannot be read, and what is too large.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray, RecordBatch};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{
    ActionBeginSavepointRequest, ActionBeginTransactionRequest, ActionCreatePreparedSubstraitPlanRequest, ActionEndSavepointRequest,
    ActionEndTransactionRequest, Any, CommandGetCatalogs, CommandPreparedStatementQuery, CommandPreparedStatementUpdate,
    CommandStatementIngest, CommandStatementQuery, CommandStatementSubstraitPlan, CommandStatementUpdate, ProstMessageExt,
    TicketStatementQuery,
};
use arrow_flight::{Action, Criteria, Empty, FlightData, FlightDescriptor, HandshakeRequest, Ticket};
use futures::TryStreamExt as _;
use prost::Message as _;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::bed::{ALICE, Bed, ask, status};

/// A message with the token of alice.
fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {ALICE}").parse().unwrap());
    request
}

fn command(message: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(message.as_any().encode_to_vec())
}

async fn info(client: &mut FlightSqlServiceClient<Channel>, descriptor: FlightDescriptor) -> Status {
    client.inner_mut().get_flight_info(signed(descriptor)).await.expect_err("it must be refused")
}

async fn put(client: &mut FlightSqlServiceClient<Channel>, descriptor: Option<FlightDescriptor>) -> Status {
    let first = FlightData { flight_descriptor: descriptor, ..FlightData::default() };
    client.inner_mut().do_put(signed(futures::stream::iter([first]))).await.expect_err("it must be refused")
}

async fn act(client: &mut FlightSqlServiceClient<Channel>, name: &str, body: Vec<u8>) -> Status {
    client.inner_mut().do_action(signed(Action::new(name, body))).await.expect_err("it must be refused")
}

#[tokio::test]
async fn every_way_to_change_a_table_is_refused() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let update = |query: &str| command(&CommandStatementUpdate { query: query.to_owned(), transaction_id: None });
    let insert = put(&mut client, Some(update("INSERT INTO flights VALUES (1)"))).await;
    assert_eq!(insert.code(), Code::InvalidArgument);
    assert!(insert.message().contains("tables are written by contracts"), "{}", insert.message());
    let question = put(&mut client, Some(update("few"))).await;
    assert_eq!(question.code(), Code::InvalidArgument);
    assert_eq!(put(&mut client, Some(update("denied"))).await.code(), Code::PermissionDenied);

    let prepared = client.prepare("few".to_owned(), None).await.unwrap();
    drop(prepared);
    let unknown = CommandPreparedStatementUpdate { prepared_statement_handle: vec![1; 32].into() };
    assert_eq!(put(&mut client, Some(command(&unknown))).await.code(), Code::NotFound);
    let ingest = CommandStatementIngest { table: "flights".to_owned(), ..CommandStatementIngest::default() };
    let ingest = put(&mut client, Some(command(&ingest))).await;
    assert_eq!(ingest.code(), Code::Unimplemented);
    assert!(ingest.message().contains("tables are written by contracts"), "{}", ingest.message());
    let exchange = signed(futures::stream::iter([FlightData::default()]));
    let exchange = client.inner_mut().do_exchange(exchange).await.unwrap_err();
    assert_eq!(exchange.code(), Code::Unimplemented);
    assert!(bed.register.last().asked.lock().is_empty(), "something of it was asked");
}

#[tokio::test]
async fn transactions_savepoints_and_plans_are_refused() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let plan = CommandStatementSubstraitPlan::default();
    assert_eq!(info(&mut client, command(&plan)).await.code(), Code::Unimplemented);
    assert_eq!(put(&mut client, Some(command(&plan))).await.code(), Code::Unimplemented);
    let owed: [(&str, Vec<u8>); 6] = [
        ("BeginTransaction", ActionBeginTransactionRequest {}.as_any().encode_to_vec()),
        ("EndTransaction", ActionEndTransactionRequest::default().as_any().encode_to_vec()),
        ("BeginSavepoint", ActionBeginSavepointRequest::default().as_any().encode_to_vec()),
        ("EndSavepoint", ActionEndSavepointRequest::default().as_any().encode_to_vec()),
        ("CreatePreparedSubstraitPlan", ActionCreatePreparedSubstraitPlanRequest::default().as_any().encode_to_vec()),
        ("RenewFlightEndpoint", Vec::new()),
    ];
    for (name, body) in owed {
        assert_eq!(act(&mut client, name, body).await.code(), Code::Unimplemented, "{name}");
    }
    let within = |query: &str| CommandStatementQuery { query: query.to_owned(), transaction_id: Some(vec![1].into()) };
    assert_eq!(info(&mut client, command(&within("few"))).await.code(), Code::Unimplemented);
    assert!(client.prepare("few".to_owned(), Some(vec![1].into())).await.is_err());
    assert_eq!(act(&mut client, "Reboot", Vec::new()).await.code(), Code::Unimplemented);
    // What is told to be there is.
    let told: Vec<_> = client.inner_mut().list_actions(signed(Empty {})).await.unwrap().into_inner().try_collect().await.unwrap();
    assert_eq!(told.len(), 7);
    for action in told {
        let code = match client.inner_mut().do_action(signed(Action::new(&action.r#type, vec![255]))).await {
            Ok(_) => continue,
            Err(status) => status.code(),
        };
        assert_eq!(code, Code::InvalidArgument, "{}", action.r#type);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_not_repeated() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let any = |url: &str, value: &[u8]| Any { type_url: url.to_owned(), value: value.to_vec().into() }.encode_to_vec();
    let query = "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery";
    let broken = [
        b"\xff\xff\xff".to_vec(),
        Vec::new(),
        any("type.googleapis.com/evil.Secret", b"x"),
        any("", b""),
        any(query, b"\xff\xffhush"),
        TicketStatementQuery { statement_handle: vec![7; 32].into() }.as_any().encode_to_vec(),
    ];
    for bytes in &broken {
        let refused = info(&mut client, FlightDescriptor::new_cmd(bytes.clone())).await;
        assert_eq!(refused.code(), Code::InvalidArgument, "{bytes:?}");
        assert!(!refused.message().contains("hush") && !refused.message().contains("evil"), "{}", refused.message());
        let schema = client.inner_mut().get_schema(signed(FlightDescriptor::new_cmd(bytes.clone()))).await.unwrap_err();
        assert_eq!(schema.code(), Code::InvalidArgument);
        assert_eq!(put(&mut client, Some(FlightDescriptor::new_cmd(bytes.clone()))).await.code(), Code::InvalidArgument);
        for name in ["CreatePreparedStatement", "ClosePreparedStatement", "CancelQuery"] {
            assert_eq!(act(&mut client, name, bytes.clone()).await.code(), Code::InvalidArgument, "{name}");
        }
        let ticket = client.inner_mut().do_get(signed(Ticket::new(bytes.clone()))).await.expect_err("a ticket of nothing");
        let code = if *bytes == broken[5] { Code::NotFound } else { Code::InvalidArgument };
        assert_eq!(ticket.code(), code, "{bytes:?}");
    }
    assert_eq!(info(&mut client, FlightDescriptor::new_path(vec!["flights".to_owned()])).await.code(), Code::InvalidArgument);
    assert_eq!(put(&mut client, None).await.code(), Code::InvalidArgument);
    // A question's text is no ticket, nor is a statement's handle.
    let command = CommandStatementQuery { query: "few".to_owned(), transaction_id: None }.as_any().encode_to_vec();
    let prepared = CommandPreparedStatementQuery { prepared_statement_handle: vec![1; 32].into() }.as_any().encode_to_vec();
    for ticket in [command, prepared] {
        let refused = client.inner_mut().do_get(signed(Ticket::new(ticket))).await.expect_err("a ticket that was not given");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    assert_eq!(client.inner_mut().list_flights(signed(Criteria::default())).await.err().unwrap().code(), Code::Unimplemented);
    let poll = FlightDescriptor::new_cmd(CommandGetCatalogs {}.as_any().encode_to_vec());
    assert_eq!(client.inner_mut().poll_flight_info(signed(poll)).await.unwrap_err().code(), Code::Unimplemented);
    assert!(bed.register.last().asked.lock().is_empty());
    assert!(ask(&mut client, "few").await.is_ok(), "the control");
}

#[tokio::test]
async fn no_call_goes_without_signing_in() {
    let bed = Bed::new().await;
    let mut client = bed.stranger().await;
    let client = client.inner_mut();
    let data = || futures::stream::iter([FlightData::default()]);
    let codes = [
        client.handshake(futures::stream::iter([HandshakeRequest::default()])).await.err(),
        client.list_flights(Criteria::default()).await.err(),
        client.get_flight_info(command(&CommandGetCatalogs {})).await.err(),
        client.poll_flight_info(command(&CommandGetCatalogs {})).await.err(),
        client.get_schema(command(&CommandGetCatalogs {})).await.err(),
        client.do_get(Ticket::new(CommandGetCatalogs {}.as_any().encode_to_vec())).await.err(),
        client.do_put(data()).await.err(),
        client.do_action(Action::new("GetSessionOptions", "")).await.err(),
        client.list_actions(Empty {}).await.err(),
        client.do_exchange(data()).await.err(),
    ];
    for (call, status) in codes.into_iter().enumerate() {
        assert_eq!(status.map(|status| status.code()), Some(Code::Unauthenticated), "call {call}");
    }
}

#[tokio::test]
async fn messages_are_bounded_and_never_unpacked() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let long = client.execute("x".repeat(bed.limits.message_bytes + 1), None).await.unwrap_err();
    assert!(matches!(status(long).code(), Code::OutOfRange | Code::ResourceExhausted));
    assert_eq!(bed.register.count(), 0, "it was read before it was measured");

    let mut packed = signed(command(&CommandGetCatalogs {}));
    packed.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    assert_eq!(client.inner_mut().get_flight_info(packed).await.unwrap_err().code(), Code::Unimplemented);

    // Nor is a batch whose buffers are packed.
    let statement = client.inner_mut().do_action(signed(prepare("sum"))).await.unwrap().into_inner().message().await.unwrap().unwrap();
    let statement: arrow_flight::sql::ActionCreatePreparedStatementResult = Any::decode(statement.body).unwrap().unpack().unwrap().unwrap();
    let query = CommandPreparedStatementQuery { prepared_statement_handle: statement.prepared_statement_handle };
    for (packing, code) in [(None, Ok(())), (Some(CompressionType::ZSTD), Err(Code::Unimplemented))] {
        let nothing: ArrayRef = Arc::new(NullArray::new(1));
        let row = RecordBatch::try_from_iter_with_nullable([("a", Arc::clone(&nothing), true), ("b", nothing, true)]).unwrap();
        let messages: Vec<FlightData> = FlightDataEncoderBuilder::new()
            .with_flight_descriptor(Some(command(&query)))
            .with_options(IpcWriteOptions::default().try_with_compression(packing).unwrap())
            .build(futures::stream::iter([Ok(row)]))
            .try_collect()
            .await
            .unwrap();
        let result = client.inner_mut().do_put(signed(futures::stream::iter(messages))).await;
        assert_eq!(result.map(drop).map_err(|status| status.code()), code, "{packing:?}");
    }
    // Nor are messages taken without end.
    let mut messages = vec![FlightData { flight_descriptor: Some(command(&query)), ..FlightData::default() }];
    messages.resize(100, FlightData::default());
    let result = client.inner_mut().do_put(signed(futures::stream::iter(messages))).await;
    assert!(result.is_err());
}

fn prepare(query: &str) -> Action {
    let request = arrow_flight::sql::ActionCreatePreparedStatementRequest { query: query.to_owned(), transaction_id: None };
    Action::new("CreatePreparedStatement", request.as_any().encode_to_vec())
}
