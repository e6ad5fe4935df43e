//! Scans prune by statistics, and give a session no way to an object but through a table.

use std::sync::Arc;

use datafusion::prelude::{SessionConfig, SessionContext};
use polder_policy::Action;

use super::bed::Bed;
use crate::WriteMode;

async fn session(bed: &Bed) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().execution.parquet.pushdown_filters = true;
    let context = SessionContext::new_with_config(config);
    bed.lake.prepare(&context.runtime_env());
    context.register_table("t", bed.lake.scan(&bed.permit(Action::Read), None).await.unwrap()).unwrap();
    context
}

async fn one(context: &SessionContext, sql: &str) -> String {
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_and_statistics_agree_with_the_rows() {
    let bed = Bed::new().await;
    bed.create().await;
    for sequence in 1..=4u64 {
        let from = sequence as i64 * 1000;
        bed.load(WriteMode::Append, sequence, from, from + 1000).await.unwrap();
    }
    let context = session(&bed).await;
    // Each bound that the statistics give, against the same question that no statistics can answer.
    for column in ["id", "carrier", "delay", "fare", "day", "at", "local"] {
        let by_statistics = one(&context, &format!("select count(*) n, count({column}) c, min({column}) a, max({column}) z from t")).await;
        let by_rows =
            one(&context, &format!("select count(*) n, count({column}) c, min({column}) a, max({column}) z from t where id + 0 >= 0"))
                .await;
        assert_eq!(by_statistics, by_rows, "{column}");
    }
    for (filter, rows) in [
        ("id between 1500 and 1509", 10),
        ("id = 4999", 1),
        ("id > 4999", 0),
        ("carrier is null and id < 1014", 2),
        ("fare = -105.00", 1),
        ("at >= timestamp '1970-01-01T01:23:00Z'", 20),
        ("carrier = 'carrier 3' and id < 1100", 7),
    ] {
        let found = one(&context, &format!("select id from t where {filter}")).await;
        let count = found.lines().filter(|line| line.starts_with("| ")).count().saturating_sub(1);
        assert_eq!(count, rows, "{filter}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_skips_the_files_that_cannot_match() {
    let bed = Bed::new().await;
    bed.create().await;
    for sequence in 1..=4u64 {
        let from = sequence as i64 * 1000;
        bed.load(WriteMode::Append, sequence, from, from + 1000).await.unwrap();
    }
    let context = session(&bed).await;
    let read = |counters: polder_store::Counters| counters.bytes_read;
    let before = read(bed.store.backend().counters());
    one(&context, "select carrier from t where id = 1234").await;
    let one_file = read(bed.store.backend().counters()) - before;
    let before = read(bed.store.backend().counters());
    one(&context, "select carrier from t where id % 1000 = 234").await;
    let all_files = read(bed.store.backend().counters()) - before;
    assert!(one_file * 2 < all_files, "{one_file} of {all_files}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_in_a_session_leads_to_an_object() {
    let bed = Bed::new().await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
    let context = session(&bed).await;
    let path = bed.lake.snapshot(bed.table, None).await.unwrap().files[0].path.clone();
    for location in [format!("sealed://lake/{path}"), format!("sealed://lake/tables/{}/", bed.table)] {
        let sql = format!("create external table x stored as parquet location '{location}'");
        let error = match context.sql(&sql).await {
            Ok(frame) => frame.collect().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("objects are not read by path"), "{error}");
    }
    let closed: Arc<dyn object_store::ObjectStore> = Arc::new(crate::Closed);
    use object_store::ObjectStoreExt as _;
    assert!(closed.get(&path).await.is_err() && closed.delete(&path).await.is_err() && closed.put(&path, "x".into()).await.is_err());
    // The table itself is read all the same.
    assert!(one(&context, "select count(id + 0) from t").await.contains("10"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_for_anything_but_reading_opens_nothing() {
    let bed = Bed::new().await;
    bed.create().await;
    // What is done with rows and columns, or with the installation alone, gets no permit at all.
    let without = [
        Action::Read,
        Action::ReadRow,
        Action::ReadColumn,
        Action::ReadMasked,
        Action::ManageIdentities,
        Action::ApproveGrant,
        Action::ReadMetrics,
    ];
    for action in Action::ALL.into_iter().filter(|action| !without.contains(action)) {
        let error = bed.lake.scan(&bed.permit(action), None).await.unwrap_err();
        assert_eq!(error.kind(), polder_types::ErrorKind::Denied);
    }
    assert!(bed.lake.scan(&bed.permit(Action::Read), None).await.is_ok());
}
