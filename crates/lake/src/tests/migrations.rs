//! Columns change, rows stay.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::prelude::SessionContext;
use polder_policy::Action;
use polder_types::event::TableOperation;

use super::bed::{Bed, actor, counts};
use crate::migrate::{MigrationStep, Planned};
use crate::{Error, WriteMode, WriteRequest};

fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(|(name, ty, nullable)| Field::new(*name, ty.clone(), *nullable)).collect::<Vec<_>>()))
}

fn people() -> SchemaRef {
    schema(&[("id", DataType::Int64, false), ("name", DataType::Utf8, true)])
}

fn wider() -> SchemaRef {
    schema(&[("id", DataType::Int64, false), ("city", DataType::Utf8, true), ("name", DataType::Utf8, true)])
}

async fn load(bed: &Bed, schema: &SchemaRef, sequence: u64, columns: Vec<ArrayRef>) {
    let request = WriteRequest {
        dataset: bed.table,
        source: "s1".into(),
        schema: Arc::clone(schema),
        mode: WriteMode::Append,
        keys: Vec::new(),
        history: None,
        actor: actor(),
    };
    let mut writer = bed.lake.writer(request).await.unwrap();
    let batch = RecordBatch::try_new(Arc::clone(schema), columns).unwrap();
    let rows = batch.num_rows() as u64;
    writer.write_batch(batch, std::slice::from_ref(&(0..rows))).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    writer.commit_counts(sequence, counts(rows)).await.unwrap();
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn ids(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// What a question over the table answers, a row a line.
async fn asked(bed: &Bed, sql: &str, version: Option<u64>) -> Vec<String> {
    let context = SessionContext::new();
    bed.lake.prepare(&context.runtime_env());
    context.register_table("t", bed.lake.scan(&bed.permit(Action::Read), version).await.unwrap()).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let rows = shown.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(",")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_added_column_is_null_in_old_rows_wherever_they_are_read() {
    let bed = Bed::new().await;
    load(&bed, &people(), 1, vec![ids(&[1, 2]), texts(&["Ann", "Bob"])]).await;
    let permit = bed.permit(Action::Run);
    let planned = bed.lake.planned_migration(bed.table, &wider()).await.unwrap();
    let added = vec![MigrationStep::Added { column: "city".to_owned() }];
    assert_eq!(planned, Planned::Steps(added.clone()));
    let migrated = bed.lake.migrate(&permit, &wider(), &actor()).await.unwrap().unwrap();
    assert_eq!((migrated.version, migrated.steps), (2, added));
    // Once is enough.
    assert_eq!(bed.lake.migrate(&permit, &wider(), &actor()).await.unwrap(), None);
    load(&bed, &wider(), 2, vec![ids(&[3]), texts(&["Delft"]), texts(&["Cid"])]).await;
    let rows = ["1,,Ann", "2,,Bob", "3,Delft,Cid"];
    assert_eq!(asked(&bed, "select * from t order by id", None).await, rows);
    // Filters, counts and statistics too.
    assert_eq!(asked(&bed, "select id from t where city is null order by id", None).await, ["1", "2"]);
    assert_eq!(asked(&bed, "select id from t where city = 'Delft'", None).await, ["3"]);
    assert_eq!(asked(&bed, "select count(city), count(*), max(city) from t", None).await, ["1,3,Delft"]);
    // The version before has the columns that it had.
    assert_eq!(asked(&bed, "select * from t order by id", Some(1)).await, ["1,Ann", "2,Bob"]);
    // Keys of the column, and small files put together.
    let mut keys = bed.lake.keys(&permit, &["city".to_owned(), "id".to_owned()]).await.unwrap();
    let mut found = 0;
    while let Some(batch) = keys.next_batch().unwrap() {
        assert_eq!((batch.num_columns(), batch.schema().field(0).name().as_str()), (2, "city"));
        found += batch.num_rows();
    }
    assert_eq!(found, 3);
    bed.lake.optimize(bed.table, &actor()).await.unwrap();
    assert_eq!(asked(&bed, "select * from t order by id", None).await, rows);
    assert_eq!(bed.lake.history(bed.table).unwrap()[2].operation, TableOperation::Migrate);
    assert_eq!(bed.lake.committed_sequence(bed.table, "s1").await.unwrap(), Some(2));
    let again = bed.reopen().await;
    again.lake.verify(again.table).await.unwrap();
    assert_eq!(asked(&again, "select * from t order by id", None).await, rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wider_type_and_a_column_that_goes_write_the_rows_anew() {
    let bed = Bed::new().await;
    let narrow = schema(&[("id", DataType::Int32, false), ("name", DataType::Utf8, true)]);
    let small: ArrayRef = Arc::new(arrow::array::Int32Array::from(vec![1, i32::MAX]));
    load(&bed, &narrow, 1, vec![small, texts(&["Ann", "Bob"])]).await;
    let permit = bed.permit(Action::Run);
    bed.lake.migrate(&permit, &people(), &actor()).await.unwrap().unwrap();
    load(&bed, &people(), 2, vec![ids(&[i64::MAX]), texts(&["Cid"])]).await;
    assert_eq!(asked(&bed, "select id from t order by id", None).await, ["1", "2147483647", "9223372036854775807"]);

    let one = schema(&[("id", DataType::Int64, false)]);
    let migrated = bed.lake.migrate(&permit, &one, &actor()).await.unwrap().unwrap();
    assert_eq!(migrated.steps, [MigrationStep::Removed { column: "name".to_owned() }]);
    assert_eq!(asked(&bed, "select * from t order by id", None).await, ["1", "2147483647", "9223372036854775807"]);
    // Older versions hold it until their files go.
    assert_eq!(asked(&bed, "select name from t order by id", Some(migrated.version - 1)).await, ["Ann", "Bob", "Cid"]);
    let vacuumed = bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap();
    assert_eq!(vacuumed.oldest_version, migrated.version);
    let gone = bed.lake.scan(&bed.permit(Action::Read), Some(migrated.version - 1)).await.unwrap_err();
    assert!(matches!(gone, Error::NoVersion { .. }), "{gone}");
    bed.lake.verify(bed.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_migrated_changes_nothing() {
    let bed = Bed::new().await;
    load(&bed, &people(), 1, vec![ids(&[1]), texts(&["Ann"])]).await;
    let permit = bed.permit(Action::Run);
    let renamed = schema(&[("id", DataType::Int64, false), ("called", DataType::Utf8, true)]);
    let Planned::Refused(why) = bed.lake.planned_migration(bed.table, &renamed).await.unwrap() else { panic!() };
    assert!(why.contains("column name") && why.contains("column called"), "{why}");
    let refused = bed.lake.migrate(&permit, &renamed, &actor()).await.unwrap_err();
    assert!(matches!(refused, Error::SchemaMismatch { .. }), "{refused}");
    // Nor does a permit to read.
    let refused = bed.lake.migrate(&bed.permit(Action::Read), &wider(), &actor()).await.unwrap_err();
    assert!(matches!(refused, Error::WrongPermit { .. }), "{refused}");
    assert_eq!(bed.lake.history(bed.table).unwrap().len(), 2);
    assert_eq!(asked(&bed, "select * from t", None).await, ["1,Ann"]);
}
