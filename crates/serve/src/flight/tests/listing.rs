//! Catalogs, tables, types, what the server says of itself, and session options.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, Schema, UInt32Type};
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetTables,
    CommandGetXdbcTypeInfo, SqlInfo, SqlSupportedTransaction,
};
use arrow_flight::{Action, FlightInfo, IpcMessage};
use prost::Message as _;
use tonic::Code;

use super::bed::{ALICE, BOB, Bed, Client, ask, code, fetch, texts};
use crate::flight::options::{GetResult, OptionValue, SetErrorKind, SetRequest, SetResult, Value, text};

/// The one batch of an answer, whose columns are those that were told before.
async fn one(client: &mut Client, info: FlightInfo) -> RecordBatch {
    let told = info.clone().try_decode_schema().unwrap();
    let batches = fetch(client, info).await.unwrap();
    assert_eq!(batches.len(), 1);
    assert_eq!(*batches[0].schema(), told);
    batches[0].clone()
}

fn tables() -> CommandGetTables {
    CommandGetTables {
        catalog: None,
        db_schema_filter_pattern: None,
        table_name_filter_pattern: None,
        table_types: Vec::new(),
        include_schema: false,
    }
}

async fn names(client: &mut Client, command: CommandGetTables) -> Vec<String> {
    let info = client.get_tables(command).await.unwrap();
    let batches = fetch(client, info).await.unwrap();
    batches.iter().flat_map(|batch| texts(batch, "table_name")).collect()
}

#[tokio::test]
async fn there_is_one_catalog_with_one_schema() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.get_catalogs().await.unwrap();
    assert_eq!(texts(&one(&mut client, info).await, "catalog_name"), ["polder"]);
    let any = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: None };
    let info = client.get_db_schemas(any).await.unwrap();
    assert_eq!(texts(&one(&mut client, info).await, "db_schema_name"), ["public"]);
    let other = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: Some("pg\\_%".to_owned()) };
    let info = client.get_db_schemas(other).await.unwrap();
    assert_eq!(fetch(&mut client, info).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    let info = client.get_table_types().await.unwrap();
    assert_eq!(texts(&one(&mut client, info).await, "table_type"), ["TABLE", "VIEW"]);
}

#[tokio::test]
async fn tables_are_those_that_one_may_know_of_and_are_filtered_by_patterns() {
    let bed = Bed::new().await;
    let (mut alice, mut bob) = (bed.client(ALICE).await, bed.client(BOB).await);
    assert_eq!(names(&mut alice, tables()).await, ["flights", "flights_by_day", "salaries"]);
    assert_eq!(names(&mut bob, tables()).await, ["flights", "flights_by_day"]);
    let like = |pattern: &str| CommandGetTables { table_name_filter_pattern: Some(pattern.to_owned()), ..tables() };
    assert_eq!(names(&mut alice, like("flights%")).await, ["flights", "flights_by_day"]);
    assert_eq!(names(&mut alice, like("fl_ghts")).await, ["flights"]);
    assert_eq!(names(&mut alice, like("flights\\_%")).await, ["flights_by_day"]);
    assert!(names(&mut bob, like("salaries")).await.is_empty());
    let of = |kind: &str| CommandGetTables { table_types: vec![kind.to_owned()], ..tables() };
    assert_eq!(names(&mut alice, of("VIEW")).await, ["flights_by_day"]);
    assert_eq!(names(&mut alice, of("TABLE")).await, ["flights", "salaries"]);
    assert!(names(&mut alice, CommandGetTables { catalog: Some("other".to_owned()), ..tables() }).await.is_empty());
    let info = alice.get_tables(like(&"%".repeat(1_025))).await.unwrap();
    assert_eq!(code(fetch(&mut alice, info).await), Code::InvalidArgument);
}

#[tokio::test]
async fn columns_are_told_as_they_are_sent_with_what_is_known_of_them() {
    let bed = Bed::new().await;
    let mut client = bed.client(BOB).await;
    let info = client.get_tables(CommandGetTables { include_schema: true, ..tables() }).await.unwrap();
    let batch = one(&mut client, info).await;
    assert_eq!(texts(&batch, "table_type"), ["TABLE", "VIEW"]);
    let schemas = batch.column_by_name("table_schema").unwrap().as_binary::<i32>();
    let schema = |row: usize| Schema::try_from(IpcMessage(schemas.value(row).to_vec().into())).unwrap();
    let flights = schema(0);
    assert_eq!(flights.field(0).data_type(), &DataType::Utf8, "a view is sent as a text");
    let facts = |field: &arrow::datatypes::Field| field.metadata().clone().into_iter().collect::<BTreeMap<_, _>>();
    let carrier = facts(flights.field(0));
    assert_eq!(carrier["ARROW:FLIGHT:SQL:TYPE_NAME"], "VARCHAR");
    assert_eq!(carrier["ARROW:FLIGHT:SQL:REMARKS"], "classification: internal; mask: hash");
    assert_eq!(carrier["ARROW:FLIGHT:SQL:IS_READ_ONLY"], "1");
    assert_eq!(facts(flights.field(1))["ARROW:FLIGHT:SQL:REMARKS"], "classification: internal");
    let price = facts(schema(1).field(0));
    assert_eq!((price["ARROW:FLIGHT:SQL:PRECISION"].as_str(), price["ARROW:FLIGHT:SQL:SCALE"].as_str()), ("12", "2"));
}

#[tokio::test]
async fn keys_are_none_and_told_in_the_protocols_columns() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let table = "flights".to_owned();
    let primary = client.get_primary_keys(CommandGetPrimaryKeys { catalog: None, db_schema: None, table: table.clone() }).await.unwrap();
    let exported = client.get_exported_keys(CommandGetExportedKeys { catalog: None, db_schema: None, table: table.clone() }).await.unwrap();
    let imported = client.get_imported_keys(CommandGetImportedKeys { catalog: None, db_schema: None, table: table.clone() }).await.unwrap();
    let cross = client
        .get_cross_reference(CommandGetCrossReference {
            pk_catalog: None,
            pk_db_schema: None,
            pk_table: table.clone(),
            fk_catalog: None,
            fk_db_schema: None,
            fk_table: table,
        })
        .await
        .unwrap();
    for (info, columns) in [(primary, 6), (exported, 13), (imported, 13), (cross, 13)] {
        assert_eq!(info.clone().try_decode_schema().unwrap().fields().len(), columns);
        assert_eq!(fetch(&mut client, info).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    }
}

#[tokio::test]
async fn types_are_told_by_number() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: None }).await.unwrap();
    let all = one(&mut client, info).await;
    let numbers = all.column_by_name("data_type").unwrap().as_primitive::<Int32Type>().values().to_vec();
    assert!(numbers.is_sorted() && numbers.len() == 19, "{numbers:?}");
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: Some(93) }).await.unwrap();
    assert_eq!(texts(&one(&mut client, info).await, "type_name"), ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE"]);
}

#[tokio::test]
async fn the_server_says_what_it_is_and_what_it_does_not() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    let info = client.get_sql_info(vec![]).await.unwrap();
    let all = one(&mut client, info).await;
    let names = all.column(0).as_primitive::<UInt32Type>();
    // All facts of the protocol but three: of Substrait, which there is none of, two versions; and the statement's timeout, which is not the
    // wire's to know.
    let known: Vec<u32> = (0..=11).chain([100, 101]).chain(500..=576).collect();
    let left: Vec<u32> = known.into_iter().filter(|name| !names.values().contains(name)).collect();
    assert_eq!(left, [6, 7, 100]);

    let fact = |name: SqlInfo| {
        let row = names.values().iter().position(|number| *number == name as u32).unwrap();
        all.column(1).as_union().value(row)
    };
    assert_eq!(fact(SqlInfo::FlightSqlServerName).as_string::<i32>().value(0), "Polder");
    assert!(fact(SqlInfo::FlightSqlServerReadOnly).as_boolean().value(0));
    assert!(fact(SqlInfo::FlightSqlServerCancel).as_boolean().value(0));
    assert!(!fact(SqlInfo::FlightSqlServerBulkIngestion).as_boolean().value(0));
    assert!(!fact(SqlInfo::SqlTransactionsSupported).as_boolean().value(0));
    let transactions = fact(SqlInfo::FlightSqlServerTransaction);
    assert_eq!(transactions.as_primitive::<Int32Type>().value(0), SqlSupportedTransaction::None as i32);
    let longest = fact(SqlInfo::SqlMaxStatementLength);
    assert_eq!(longest.as_primitive::<Int64Type>().value(0), bed.limits.message_bytes as i64);

    let two = client.get_sql_info(vec![SqlInfo::FlightSqlServerVersion, SqlInfo::FlightSqlServerName]).await.unwrap();
    assert_eq!(one(&mut client, two).await.num_rows(), 2);
    let many = client.get_sql_info(vec![SqlInfo::FlightSqlServerName; 1_025]).await.unwrap();
    assert_eq!(code(fetch(&mut client, many).await), Code::InvalidArgument);
}

async fn set(client: &mut Client, options: &[(&str, OptionValue)]) -> HashMap<String, i32> {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let action = Action::new("SetSessionOptions", SetRequest { options }.encode_to_vec());
    let result = client.do_action(action).await.unwrap().message().await.unwrap().unwrap();
    SetResult::decode(result.body).unwrap().errors.into_iter().map(|(name, error)| (name, error.value)).collect()
}

async fn get(client: &mut Client) -> BTreeMap<String, String> {
    let result = client.do_action(Action::new("GetSessionOptions", "")).await.unwrap().message().await.unwrap().unwrap();
    let options = GetResult::decode(result.body).unwrap().options;
    let text = |value: OptionValue| match value.value {
        Some(Value::Text(text)) => text,
        other => panic!("not a text: {other:?}"),
    };
    options.into_iter().map(|(name, value)| (name, text(value))).collect()
}

#[tokio::test]
async fn a_purpose_is_set_for_a_session_or_for_a_call() {
    let bed = Bed::new().await;
    let mut client = bed.client(ALICE).await;
    assert!(set(&mut client, &[("polder.purpose", text("it's billing")), ("catalog", text("polder"))]).await.is_empty());
    let asker = bed.register.last();
    assert_eq!(asker.asked.lock().last().unwrap().sql, "SET polder.purpose = 'it''s billing'");
    let told = get(&mut client).await;
    assert_eq!(
        told,
        BTreeMap::from(
            [("catalog", "polder"), ("purpose", "it's billing"), ("schema", "public")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        )
    );

    let wrong = set(&mut client, &[("purpose", text("refused")), ("schema", text("x")), ("autocommit", text("on"))]).await;
    assert_eq!(wrong["purpose"], SetErrorKind::InvalidValue as i32);
    assert_eq!(wrong["schema"], SetErrorKind::InvalidValue as i32);
    assert_eq!(wrong["autocommit"], SetErrorKind::InvalidName as i32);
    assert_eq!(get(&mut client).await["purpose"], "it's billing");
    assert!(set(&mut client, &[("purpose", OptionValue { value: None })]).await.is_empty());
    assert_eq!(asker.asked.lock().last().unwrap().sql, "RESET polder.purpose");
    assert!(!get(&mut client).await.contains_key("purpose"));

    // What SQL sets is not told as an option that was set before.
    set(&mut client, &[("purpose", text("a"))]).await;
    assert_eq!(client.execute_update("SET polder.purpose = 'b'".to_owned(), None).await.unwrap(), 0);
    assert!(!get(&mut client).await.contains_key("purpose"));
    assert!(ask(&mut client, "SET polder.purpose = 'c'").await.unwrap().is_empty());
    assert_eq!(asker.asked.lock().last().unwrap().sql, "SET polder.purpose = 'c'");

    client.set_header("polder-purpose", "fraud");
    ask(&mut client, "few").await.unwrap();
    assert_eq!(asker.asked.lock().last().unwrap().purpose.as_deref(), Some("fraud"));
    let mut other = bed.client(ALICE).await;
    ask(&mut other, "few").await.unwrap();
    assert_eq!(bed.register.last().asked.lock().last().unwrap().purpose, None, "the control");
}
