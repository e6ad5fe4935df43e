//! Questions, prepared statements, and rows on their way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow_flight::sql::{ActionCancelQueryRequest, ActionCancelQueryResult, Any, CommandStatementQuery, ProstMessageExt as _};
use arrow_flight::{Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor};
use futures::{StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use tonic::{Code, IntoRequest as _};

use super::bed::{ALICE, BOB, Bed, Client, MANY_BATCHES, MANY_ROWS, ask, code, fetch, numbers, soon, status, texts};
use crate::flight::guest::TICKET_MS;
use crate::ports::Ended;

#[tokio::test]
async fn a_question_is_asked_once_and_not_before_its_ticket_is_taken() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.execute("few".to_owned(), None).await.unwrap();
    assert_eq!(info.clone().try_decode_schema().unwrap(), *numbers(0..0).schema());
    let asker = bed.register.last();
    assert!(asker.asked.lock().is_empty(), "asked before anyone took the ticket");
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    assert!(!String::from_utf8_lossy(&ticket.ticket).contains("few"), "the ticket holds the question");

    let rows = client.do_get(ticket).await.unwrap();
    assert_eq!(rows.headers().get("polder-request").unwrap(), "07070707070707070707070707070707");
    let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    assert_eq!(arrow::compute::concat_batches(&rows[0].schema(), &rows).unwrap(), numbers(0..5));
    assert_eq!(asker.asked.lock().len(), 1);
    soon(asker.dropped.cancelled()).await;
}

#[tokio::test]
async fn a_ticket_is_of_use_once_for_a_while_and_in_its_session_alone() {
    let bed = Bed::new().await;
    let (mut alice, mut bob) = (bed.client(ALICE).await, bed.client(BOB).await);
    let info = alice.execute("few".to_owned(), None).await.unwrap();
    assert_eq!(code(fetch(&mut bob, info.clone()).await), Code::NotFound);
    // The same account on another connection has another session.
    let mut other = bed.client(ALICE).await;
    assert_eq!(code(fetch(&mut other, info.clone()).await), Code::NotFound);
    // Nothing of that took it from its owner, who may take it once.
    assert_eq!(fetch(&mut alice, info.clone()).await.unwrap().len(), 2);
    assert_eq!(code(fetch(&mut alice, info).await), Code::NotFound);

    let late = alice.execute("few".to_owned(), None).await.unwrap();
    let in_time = alice.execute("few".to_owned(), None).await.unwrap();
    bed.clock.advance(TICKET_MS - 1);
    assert!(fetch(&mut alice, in_time).await.is_ok());
    bed.clock.advance(1);
    assert_eq!(code(fetch(&mut alice, late).await), Code::NotFound);
}

#[tokio::test]
async fn tickets_and_statements_are_limited_in_number() {
    let limits = crate::limits::Limits { prepared: 2, ..Default::default() };
    let bed = Bed::with(limits).await;
    let mut client = bed.client(ALICE).await;
    let first = client.execute("few".to_owned(), None).await.unwrap();
    client.execute("few".to_owned(), None).await.unwrap();
    assert_eq!(code(client.execute("few".to_owned(), None).await), Code::ResourceExhausted);
    fetch(&mut client, first).await.unwrap();
    client.execute("few".to_owned(), None).await.unwrap();

    let one = client.prepare("sum".to_owned(), None).await.unwrap();
    let _two = client.prepare("sum".to_owned(), None).await.unwrap();
    assert_eq!(code(client.prepare("sum".to_owned(), None).await), Code::ResourceExhausted);
    one.close().await.unwrap();
    client.prepare("sum".to_owned(), None).await.unwrap();
}

#[tokio::test]
async fn what_a_session_keeps_is_limited_in_bytes() {
    let limits = crate::limits::Limits { message_bytes: 64 << 10, ..Default::default() };
    let bed = Bed::with(limits).await;
    let mut client = bed.client(ALICE).await;
    let row = |bytes: usize| {
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["x".repeat(bytes)]))];
        RecordBatch::try_from_iter(["a", "b"].into_iter().zip(columns)).unwrap()
    };
    // Each keeps its row twice, bound and in a ticket, and four messages' worth is kept at most.
    let mut info = Vec::new();
    for turn in 0..3 {
        let mut statement = client.prepare("sum".to_owned(), None).await.unwrap();
        statement.set_parameters(row(60_000)).unwrap();
        match statement.execute().await {
            Ok(ticket) => info.push(ticket),
            Err(error) => {
                assert_eq!(status(error).code(), Code::ResourceExhausted);
                assert_eq!(turn, 2);
            }
        }
    }
    assert_eq!(info.len(), 2);
    // What was taken makes room.
    for info in info {
        fetch(&mut client, info).await.unwrap();
    }
    let mut statement = client.prepare("sum".to_owned(), None).await.unwrap();
    statement.set_parameters(row(60_000)).unwrap();
    statement.execute().await.unwrap();
    statement.set_parameters(row(65 << 10)).unwrap();
    assert_eq!(code(statement.execute().await), Code::OutOfRange, "more than a message was bound");
}

#[tokio::test]
async fn parameters_are_bound_to_a_prepared_statement_one_row_at_a_time() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let mut statement = client.prepare("sum".to_owned(), None).await.unwrap();
    let asker = bed.register.last();
    let names = |schema: &arrow::datatypes::Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    assert_eq!(names(statement.parameter_schema().unwrap()), ["$1", "$2"]);
    assert_eq!(statement.parameter_schema().unwrap().field(1).data_type(), &DataType::Utf8);
    assert_eq!(names(statement.dataset_schema().unwrap()), ["n", "text"]);
    assert_eq!(code(statement.execute().await), Code::InvalidArgument, "asked without its parameters");

    let row = |numbers: Vec<i32>, words: Vec<&str>| {
        let columns: [(&str, ArrayRef); 2] = [("a", Arc::new(Int32Array::from(numbers))), ("b", Arc::new(StringArray::from(words)))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    // Another width of number is taken as the one that is wanted.
    statement.set_parameters(row(vec![40], vec!["it's"])).unwrap();
    let info = statement.execute().await.unwrap();
    let rows = fetch(&mut client, info).await.unwrap();
    assert_eq!(rows[0].column(0).as_ref(), &Int64Array::from(vec![40]) as &dyn arrow::array::Array);
    assert_eq!(texts(&rows[0], "text"), ["it's"]);
    let asked = asker.asked.lock().last().cloned().unwrap();
    assert_eq!(names(&asked.parameters.unwrap().schema()), ["$1", "$2"]);

    // The same statement, with another row.
    statement.set_parameters(row(vec![41], vec!["x"])).unwrap();
    let info = statement.execute().await.unwrap();
    assert_eq!(texts(&fetch(&mut client, info).await.unwrap()[0], "text"), ["x"]);

    statement.set_parameters(row(vec![1, 2], vec!["a", "b"])).unwrap();
    let several = status(statement.execute().await.unwrap_err());
    assert_eq!(several.code(), Code::InvalidArgument);
    assert!(several.message().contains("several rows"), "{}", several.message());

    let words: ArrayRef = Arc::new(StringArray::from(vec!["hush"]));
    statement.set_parameters(RecordBatch::try_from_iter([("a", Arc::clone(&words)), ("b", words.clone())]).unwrap()).unwrap();
    let unfit = status(statement.execute().await.unwrap_err());
    assert_eq!(unfit.code(), Code::InvalidArgument);
    assert!(unfit.message().contains("$1") && !unfit.message().contains("hush"), "{}", unfit.message());
    statement.set_parameters(RecordBatch::try_from_iter([("a", words)]).unwrap()).unwrap();
    assert_eq!(code(statement.execute().await), Code::InvalidArgument, "one for two");
    // Nor may it be asked without preparing it.
    assert_eq!(code(client.execute("sum".to_owned(), None).await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_prepared_statement_belongs_to_its_session_until_it_is_closed() {
    let bed = Bed::new().await;
    let (mut alice, mut bob) = (bed.client(ALICE).await, bed.client(BOB).await);
    let mut statement = alice.prepare("few".to_owned(), None).await.unwrap();
    let info = statement.execute().await.unwrap();
    // It is asked for anew each time.
    assert_eq!(fetch(&mut alice, info).await.unwrap().len(), 2);
    let info = statement.execute().await.unwrap();
    assert_eq!(code(fetch(&mut bob, info).await), Code::NotFound);
    statement.close().await.unwrap();
    let tickets = alice.prepare("few".to_owned(), None).await.unwrap();
    tickets.close().await.unwrap();
    assert_eq!(bed.register.last().asked.lock().len(), 0, "bob asked nothing");
}

#[tokio::test]
async fn get_schema_answers_without_asking() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let command = CommandStatementQuery { query: "views".to_owned(), transaction_id: None };
    let mut request = FlightDescriptor::new_cmd(command.as_any().encode_to_vec()).into_request();
    request.metadata_mut().insert("authorization", format!("Bearer {ALICE}").parse().unwrap());
    let schema = client.inner_mut().get_schema(request).await.unwrap().into_inner();
    let schema = arrow::datatypes::Schema::try_from(&schema).unwrap();
    assert!(schema.fields().iter().all(|field| field.data_type() == &DataType::Utf8), "{schema}");
    assert!(bed.register.last().asked.lock().is_empty());
}

#[tokio::test]
async fn views_and_dictionaries_go_as_plain_texts_without_what_was_filtered_out() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.execute("views".to_owned(), None).await.unwrap();
    let mut request = info.endpoint[0].ticket.clone().unwrap().into_request();
    request.metadata_mut().insert("authorization", format!("Bearer {ALICE}").parse().unwrap());
    let messages = client.inner_mut().do_get(request).await.unwrap().into_inner();
    let messages: Vec<_> = messages.try_collect().await.unwrap();
    let bytes: Vec<u8> = messages.iter().flat_map(|message| [message.data_header.to_vec(), message.data_body.to_vec()].concat()).collect();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("a text that is seen by everyone"), "the control");
    assert!(!holds("hidden-from-everyone"), "the text of a filtered row was sent");

    let rows = ask(&mut client, "views").await.unwrap();
    assert_eq!(texts(&rows[0], "text"), ["a text that is seen by everyone", "NULL"]);
    assert_eq!(texts(&rows[0], "kind"), ["seen", "NULL"]);
    assert_eq!(code(ask(&mut client, "union").await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_large_answer_is_made_no_faster_than_it_is_taken() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.execute("many".to_owned(), None).await.unwrap();
    let mut rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    let made = Arc::clone(&bed.register.last().made);
    let mut taken = 0;
    let mut next = 0_i64;
    while let Some(batch) = rows.next().await {
        let batch = batch.unwrap();
        assert_eq!(batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0), next);
        assert!(batch.get_array_memory_size() <= 2 << 20, "a message is bounded");
        next += batch.num_rows() as i64;
        taken += batch.num_rows();
        let ahead = made.load(Ordering::SeqCst) - taken / MANY_ROWS;
        assert!(ahead <= 8, "{ahead} batches of 1 MiB wait for the client");
    }
    assert_eq!(taken, MANY_ROWS * MANY_BATCHES);
    assert_eq!(made.load(Ordering::SeqCst), MANY_BATCHES);
}

#[tokio::test]
async fn a_client_that_goes_stops_its_question() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.execute("endless".to_owned(), None).await.unwrap();
    let mut rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap().num_rows(), 3);
    let asker = bed.register.last();
    assert!(!asker.dropped.is_cancelled());
    drop(rows);
    soon(asker.dropped.cancelled()).await;
    // The session goes on.
    assert!(ask(&mut client, "few").await.is_ok());
    assert_eq!(bed.register.count(), 1);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_not_waited_for() {
    let limits = crate::limits::Limits { stalled: std::time::Duration::from_millis(50), ..Default::default() };
    let bed = Bed::with(limits).await;
    let mut client = bed.client(ALICE).await;
    let info = client.execute("many".to_owned(), None).await.unwrap();
    let rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    // It is held, and not read.
    soon(bed.register.last().dropped.cancelled()).await;
    let rows: Result<Vec<RecordBatch>, _> = rows.try_collect().await;
    assert_eq!(code(rows), Code::Aborted, "a cut answer ended as if it were whole");
}

async fn cancel_info(client: &mut Client, token: &str, info: &arrow_flight::FlightInfo) -> Result<i32, tonic::Status> {
    let body = CancelFlightInfoRequest::new(info.clone()).encode_to_vec();
    let mut request = Action::new("CancelFlightInfo", body).into_request();
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let result = client.inner_mut().do_action(request).await?.into_inner().message().await?.unwrap();
    Ok(CancelFlightInfoResult::decode(result.body).unwrap().status)
}

#[tokio::test]
async fn a_question_is_cancelled_in_its_session_alone() {
    let bed = Bed::new().await;
    let (mut alice, mut bob) = (bed.client(ALICE).await, bed.client(BOB).await);
    let info = alice.execute("endless".to_owned(), None).await.unwrap();
    let mut rows = alice.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    rows.next().await.unwrap().unwrap();
    let asker = bed.register.last();

    assert_eq!(cancel_info(&mut bob, BOB, &info).await.unwrap_err().code(), Code::NotFound);
    assert!(!asker.dropped.is_cancelled());
    assert_eq!(cancel_info(&mut alice, ALICE, &info).await.unwrap(), CancelStatus::Cancelled as i32);
    assert!(asker.dropped.is_cancelled(), "it was said to be cancelled, and ran");
    assert_eq!(status(rows.next().await.unwrap().unwrap_err()).code(), Code::Cancelled);
    assert_eq!(cancel_info(&mut alice, ALICE, &info).await.unwrap_err().code(), Code::NotFound);

    // So is a ticket that nobody took, by the older action.
    let info = alice.execute("few".to_owned(), None).await.unwrap();
    let body = ActionCancelQueryRequest { info: info.encode_to_vec().into() }.as_any().encode_to_vec();
    let result = alice.do_action(Action::new("CancelQuery", body)).await.unwrap().message().await.unwrap().unwrap();
    let result: ActionCancelQueryResult = Any::decode(result.body).unwrap().unpack().unwrap().unwrap();
    assert_eq!(result.result, 1);
    assert_eq!(code(fetch(&mut alice, info).await), Code::NotFound);
}

#[tokio::test]
async fn an_answer_that_fails_in_the_midst_does_not_end_well() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let broken = status(ask(&mut client, "broken").await.unwrap_err());
    assert_eq!(broken.code(), Code::DataLoss);
    assert!(broken.message().contains("an object is damaged"), "{}", broken.message());
    // Nor does one whose maker is gone.
    assert_eq!(code(ask(&mut client, "panics").await), Code::Internal);
    assert_eq!(code(ask(&mut client, "denied").await), Code::PermissionDenied);
    assert_eq!(code(ask(&mut client, "unknown to ask").await), Code::Unavailable);
    assert!(ask(&mut client, "few").await.is_ok(), "the control");
}

#[tokio::test]
async fn a_session_that_ends_ends_what_it_is_answered() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.execute("endless".to_owned(), None).await.unwrap();
    let mut rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    rows.next().await.unwrap().unwrap();
    let asker = bed.register.last();
    asker.end(Ended::Revoked);
    let ended = status(soon(rows.next()).await.unwrap().unwrap_err());
    assert_eq!(ended.code(), Code::Unauthenticated);
    assert!(ended.message().contains("revoked"), "{}", ended.message());
    soon(asker.dropped.cancelled()).await;
    soon(asker.closed.cancelled()).await;
}

#[tokio::test]
async fn serving_ends_when_what_runs_has_ended() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.execute("many".to_owned(), None).await.unwrap();
    let mut rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    rows.next().await.unwrap().unwrap();
    bed.drain.begin();
    assert_eq!(code(client.execute("few".to_owned(), None).await), Code::Unavailable);
    let asker = bed.register.last();
    assert!(!asker.closed.is_cancelled());
    let rest: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    assert!(rest.iter().map(RecordBatch::num_rows).sum::<usize>() >= MANY_ROWS * (MANY_BATCHES - 1));
    soon(asker.closed.cancelled()).await;
}
