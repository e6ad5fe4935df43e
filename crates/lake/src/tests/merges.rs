//! After any history of merges, deletes, appends, replacements and maintenance a table holds what a map would hold, in every version,
//! wherever it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::prelude::{SessionConfig, SessionContext};
use polder_policy::Action;
use polder_types::ErrorKind;
use polder_types::event::TableOperation;
use proptest::prelude::*;

use super::bed::{Bed, actor, counts, schema};
use super::cases;
use crate::matching::Going;
use crate::{Committed, Error, LakeOptions, Matched, Optimized, TableWriter, WriteMode, WriteRequest};

/// Rows of a table: the values of each key. Appends know no key, so there may be several.
type Model = BTreeMap<i64, Vec<i64>>;

/// Rows that differ in every column when their values do.
pub(super) fn rows(of: &[(i64, i64)]) -> RecordBatch {
    let values = || of.iter().map(|(_, value)| *value);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(of.iter().map(|(id, _)| Some(*id)).collect::<Int64Array>()),
        Arc::new(values().map(|value| (value % 4 != 0).then(|| format!("carrier {value}"))).collect::<StringArray>()),
        Arc::new(values().map(|value| Some(value as f64 / 3.0)).collect::<Float64Array>()),
        Arc::new(values().map(|value| Some(i128::from(value) * -7)).collect::<Decimal128Array>().with_precision_and_scale(12, 2).unwrap()),
        Arc::new(values().map(|value| Some(value as i32)).collect::<Date32Array>()),
        Arc::new(values().map(|value| Some(value * 1_000_003)).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(values().map(|value| Some(value * -1_000_003)).collect::<TimestampMicrosecondArray>()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn keys(ids: Vec<i64>) -> RecordBatch {
    RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(ids)) as ArrayRef)]).unwrap()
}

/// Keys that come in batches of seven.
pub(super) fn in_batches(ids: &[i64]) -> crate::matching::KeyBatches<'static> {
    let batches: Vec<_> = ids.chunks(7).map(|chunk| Ok(keys(chunk.to_vec()))).collect();
    Box::new(batches.into_iter())
}

pub(super) fn request(bed: &Bed, mode: WriteMode) -> WriteRequest {
    WriteRequest { keys: vec!["id".into()], ..bed.request(mode) }
}

/// Writes rows in batches of a hundred and finishes.
pub(super) async fn staged(bed: &Bed, mode: WriteMode, of: &[(i64, i64)]) -> TableWriter {
    let mut writer = bed.lake.writer(request(bed, mode)).await.unwrap();
    let mut first = 0;
    for chunk in of.chunks(100) {
        let next = first + chunk.len() as u64;
        writer.write_batch(rows(chunk), std::slice::from_ref(&(first..next))).await.unwrap();
        first = next;
    }
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    writer
}

/// Merges rows and commits.
pub(super) async fn merge(bed: &Bed, sequence: u64, of: &[(i64, i64)], deletes: Going<'_>) -> Result<Matched, Error> {
    let mut writer = staged(bed, WriteMode::Merge, of).await;
    let matched = writer.match_keys(&bed.permit(Action::Run), deletes).await?;
    assert_eq!(matched.rows, of.len() as u64);
    assert_eq!(matched.rows, matched.inserted + matched.updated + matched.unchanged);
    // The table as the commit would leave it, which rules ask.
    let finished = writer.finished(&bed.permit(Action::Run)).await.unwrap();
    let committed = writer.commit_counts(sequence, counts(matched.rows)).await?;
    assert_eq!(sorted(shown(bed, finished).await), sorted(bed.rows(None).await));
    // What the writer says of the files is what the log says; of a merge that was committed before, it says nothing.
    let now = matches!(committed, Committed::Now { .. });
    assert_eq!(writer.storage(), now.then_some(bed.lake.storage(bed.table).await.unwrap()));
    Ok(matched)
}

async fn shown(bed: &Bed, table: Arc<dyn datafusion::catalog::TableProvider>) -> Vec<String> {
    let context = SessionContext::new();
    bed.lake.prepare(&context.runtime_env());
    context.register_table("t", table).unwrap();
    let batches = context.sql("select * from t order by id").await.unwrap().collect().await.unwrap();
    lines(&batches)
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let shown = arrow::util::pretty::pretty_format_batches(batches).unwrap().to_string();
    shown.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned).collect()
}

/// The rows of a model as the bed shows those of a table. Rows of one key are ordered by nothing.
fn expected(model: &Model) -> Vec<String> {
    let of: Vec<(i64, i64)> = model.iter().flat_map(|(id, values)| values.iter().map(|value| (*id, *value))).collect();
    if of.is_empty() { Vec::new() } else { lines(&[rows(&of)]) }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

async fn small(row_group_rows: usize, merge_memory_bytes: usize) -> Bed {
    Bed::with(LakeOptions { encode_threads: 2, row_group_rows, merge_memory_bytes, ..LakeOptions::default() }).await
}

async fn ask(bed: &Bed, version: Option<u64>, sql: &str) -> String {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().execution.parquet.pushdown_filters = true;
    let context = SessionContext::new_with_config(config);
    bed.lake.prepare(&context.runtime_env());
    context.register_table("t", bed.lake.scan(&bed.permit(Action::Read), version).await.unwrap()).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_inserts_updates_and_deletes() {
    let bed = small(300, 128 << 20).await;
    bed.create().await;
    let first: Vec<(i64, i64)> = (0..2000).map(|id| (id, id)).collect();
    assert_eq!(merge(&bed, 1, &first, Going::None).await.unwrap(), Matched { rows: 2000, inserted: 2000, ..Matched::default() });
    // Here and there a row: nothing is compared.
    let some: Vec<(i64, i64)> = (0..2100).step_by(50).map(|id| (id, if id == 50 { 50 } else { id + 1 })).collect();
    let matched = merge(&bed, 2, &some, Going::Listed(in_batches(&[7, 8, 5000, 50]))).await.unwrap();
    assert_eq!(matched, Matched { rows: 42, inserted: 2, updated: 40, unchanged: 0, listed: 4, deleted: 2, gone: 42 });
    let mut model: Model = first.iter().map(|(id, value)| (*id, vec![*value])).collect();
    model.extend(some.iter().map(|(id, value)| (*id, vec![*value])));
    model.retain(|id, _| ![7, 8].contains(id));
    assert_eq!(bed.rows(None).await, expected(&model));
    assert_eq!(bed.lake.rows(bed.table, None).await.unwrap(), 2000);
    // The version before is as it was.
    assert_eq!(bed.rows(Some(1)).await, expected(&first.iter().map(|(id, value)| (*id, vec![*value])).collect()));
    let history: Vec<_> = bed.lake.history(bed.table).unwrap().into_iter().map(|version| version.operation).collect();
    assert_eq!(history, [TableOperation::Create, TableOperation::Merge, TableOperation::Merge]);
    assert_eq!(bed.lake.committed_sequence(bed.table, "s1").await.unwrap(), Some(2));
    // Only rows that changed were written, and the files that hold the others were not.
    let head = bed.lake.snapshot(bed.table, None).await.unwrap();
    let before = bed.lake.snapshot(bed.table, Some(1)).await.unwrap();
    assert_eq!(head.files.len(), before.files.len() + 1);
    assert_eq!(head.files.iter().map(|file| file.rows).sum::<u64>(), 2042);

    let again = bed.reopen().await;
    again.lake.verify(again.table).await.unwrap();
    assert_eq!(again.rows(None).await, expected(&model));
    // A resend changes nothing.
    let mut writer = staged(&again, WriteMode::Merge, &some).await;
    writer.match_keys(&again.permit(Action::Run), Going::None).await.unwrap();
    assert_eq!(writer.commit_counts(2, counts(42)).await.unwrap(), Committed::Already { sequence: 2 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_read_whole_does_not_write_the_table_anew() {
    let bed = small(300, 20_000).await;
    bed.create().await;
    let mut all: Vec<(i64, i64)> = (0..2000).map(|id| (id, id)).collect();
    merge(&bed, 1, &all, Going::None).await.unwrap();
    let matched = merge(&bed, 2, &all, Going::None).await.unwrap();
    assert_eq!(matched, Matched { rows: 2000, unchanged: 2000, ..Matched::default() });
    let files = |snapshot: &crate::snapshot::TableSnapshot| snapshot.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let (head, first) = (bed.lake.snapshot(bed.table, None).await.unwrap(), bed.lake.snapshot(bed.table, Some(1)).await.unwrap());
    assert_eq!((head.version, files(&head)), (2, files(&first)));
    // Neither a protocol nor a vector where nothing goes.
    assert!(!head.vectors);

    all[13].1 = 9;
    all.truncate(1990);
    let ids: Vec<i64> = all.iter().map(|(id, _)| *id).collect();
    let matched = merge(&bed, 3, &all, Going::AllBut(in_batches(&ids))).await.unwrap();
    assert_eq!(matched, Matched { rows: 1990, updated: 1, unchanged: 1989, listed: 1990, deleted: 10, gone: 11, ..Matched::default() });
    assert_eq!(bed.rows(None).await, expected(&all.iter().map(|(id, value)| (*id, vec![*value])).collect()));
    assert_eq!(bed.lake.snapshot(bed.table, None).await.unwrap().files.iter().map(|file| file.rows).sum::<u64>(), 2001);
    bed.lake.verify(bed.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_which_every_row_goes_is_removed() {
    let bed = small(300, 128 << 20).await;
    let first: Vec<(i64, i64)> = (0..700).map(|id| (id, id)).collect();
    // There is no table yet: the merge makes it.
    let matched = merge(&bed, 1, &first, Going::Listed(in_batches(&[1, 2]))).await.unwrap();
    assert_eq!((matched.inserted, matched.listed, matched.deleted), (700, 2, 0));
    let second: Vec<(i64, i64)> = (0..700).map(|id| (id, id + 1)).collect();
    assert_eq!(merge(&bed, 2, &second, Going::None).await.unwrap().updated, 700);
    let head = bed.lake.snapshot(bed.table, None).await.unwrap();
    assert_eq!((head.files.iter().map(|file| file.rows).sum::<u64>(), head.vectors), (700, false));
    // Every row of the source is gone.
    let matched = merge(&bed, 3, &[], Going::AllBut(in_batches(&[]))).await.unwrap();
    assert_eq!(matched, Matched { deleted: 700, gone: 700, ..Matched::default() });
    assert_eq!(bed.lake.snapshot(bed.table, None).await.unwrap().files.len(), 0);
    assert_eq!(bed.rows(None).await, Vec::<String>::new());
    assert_eq!(bed.rows(Some(2)).await.len(), 700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_and_filters_agree_with_the_rows_that_are_left() {
    // One encoder, so that rows lie in their order and every row of a row group can go.
    let options = LakeOptions { encode_threads: 1, row_group_rows: 250, ..LakeOptions::default() };
    let bed = Bed::with(options).await;
    bed.create().await;
    merge(&bed, 1, &(0..1000).map(|id| (id, id)).collect::<Vec<_>>(), Going::None).await.unwrap();
    // The least and the greatest go, and every row of one row group.
    let mut gone: Vec<i64> = (0..1000).filter(|id| id % 9 == 0 || (250..520).contains(id)).collect();
    gone.push(999);
    merge(&bed, 2, &[(2000, 4)], Going::Listed(in_batches(&gone))).await.unwrap();
    let left = 1000 - gone.iter().collect::<BTreeSet<_>>().len() + 1;
    for column in ["id", "carrier", "delay", "fare", "day", "at", "local"] {
        // Each alone, so that statistics answer what they can.
        for question in ["count(*)".to_owned(), format!("count({column})"), format!("min({column})"), format!("max({column})")] {
            let by_statistics = ask(&bed, None, &format!("select {question} as x from t")).await;
            let by_rows = ask(&bed, None, &format!("select {question} as x from t where id + 0 >= 0")).await;
            assert_eq!(by_statistics, by_rows, "{question}");
        }
    }
    assert!(ask(&bed, None, "select count(*) from t").await.contains(&format!("| {left} ")));
    let model: BTreeMap<i64, i64> =
        (0..1000).filter(|id| !gone.contains(id)).map(|id| (id, id)).chain(std::iter::once((2000, 4))).collect();
    for low in (0..1000).step_by(37) {
        for wide in [1, 30, 400] {
            let wanted = model.range(low..low + wide).count();
            let sql = format!("select count(day) from t where id >= {low} and id < {}", low + wide);
            assert!(ask(&bed, None, &sql).await.contains(&format!("| {wanted} ")), "{sql}: {wanted}");
        }
    }
    let nulls = model.values().filter(|value| *value % 4 == 0).count();
    assert!(ask(&bed, None, "select count(*) from t where carrier is null").await.contains(&format!("| {nulls} ")));
    let some = model.len() - nulls;
    assert!(ask(&bed, None, "select count(*) from t where carrier is not null").await.contains(&format!("| {some} ")));
    for (sql, wanted) in [
        ("select count(*) from (select id from t limit 600)", model.len().min(600)),
        ("select count(*) from (select id from t where id > 600 limit 100)", 100),
        ("select max(id) from (select id from t where id < 900 order by id desc limit 3)", 899),
        ("select min(id) from (select id from t order by id limit 3)", 1),
    ] {
        assert!(ask(&bed, None, sql).await.contains(&format!("| {wanted} ")), "{sql}: {wanted}");
    }
    // Also when the plan is made for one thread.
    assert_eq!(bed.rows(None).await.len(), left);
    assert_eq!(bed.lake.rows(bed.table, None).await.unwrap(), left as u64);
    let mut streamed = bed.lake.keys(&bed.permit(Action::Run), &["id".into()]).await.unwrap();
    let mut seen = 0;
    while let Some(batch) = streamed.next_batch().unwrap() {
        seen += batch.num_rows();
    }
    assert_eq!(seen, left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_of_which_only_nulls_are_left_is_found_by_is_null_and_by_nothing_else() {
    let bed = small(250, 128 << 20).await;
    bed.create().await;
    // Values that 4 divides have no carrier.
    let rows: Vec<(i64, i64)> = (0..100).map(|id| (id, if id < 50 { 4 } else { 1 })).collect();
    merge(&bed, 1, &rows, Going::None).await.unwrap();
    merge(&bed, 2, &[], Going::Listed(in_batches(&(0..50).collect::<Vec<_>>()))).await.unwrap();
    assert!(ask(&bed, None, "select count(*) from t where carrier is not null").await.contains("| 50 "));
    assert!(ask(&bed, None, "select count(*) from t where carrier is null").await.contains("| 0 "));
    assert!(ask(&bed, None, "select count(carrier) from t").await.contains("| 50 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_keeps_the_rows_and_takes_the_vectors_away() {
    let bed = small(300, 128 << 20).await;
    bed.create().await;
    let rows: Vec<(i64, i64)> = (0..3000).map(|id| (id, id)).collect();
    merge(&bed, 1, &rows, Going::None).await.unwrap();
    bed.lake.optimize(bed.table, &actor()).await.unwrap();
    let gone: Vec<i64> = (0..3000).filter(|id| id % 3 == 0).collect();
    merge(&bed, 2, &[], Going::Listed(in_batches(&gone))).await.unwrap();
    let before = bed.rows(None).await;
    assert_eq!(before.len(), 2000);
    let vectors = |snapshot: &crate::snapshot::TableSnapshot| snapshot.files.iter().filter(|file| file.vector.is_some()).count();
    assert_eq!(vectors(bed.lake.snapshot(bed.table, None).await.unwrap().as_ref()), 1);
    let vector = bed.lake.snapshot(bed.table, None).await.unwrap().files[0].vector.clone().unwrap().object.unwrap();
    // The file and its vector are kept for the versions that name them.
    assert_eq!(bed.lake.vacuum(bed.table, u64::MAX >> 1, &actor()).await.unwrap().files, 0);
    // One file alone, but a third of it is deleted.
    let done = bed.lake.optimize(bed.table, &actor()).await.unwrap();
    assert_eq!((done.files_before, done.files_after), (1, 1));
    assert_eq!(bed.rows(None).await, before);
    let head = bed.lake.snapshot(bed.table, None).await.unwrap();
    assert_eq!((vectors(&head), head.files[0].rows, head.vectors), (0, 2000, true));
    assert_eq!(bed.lake.optimize(bed.table, &actor()).await.unwrap(), Optimized::default());
    assert_eq!(bed.rows(Some(head.version - 1)).await, before);
    assert!(bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap().files >= 2);
    let found = object_store::ObjectStoreExt::head(&bed.store, &vector).await;
    assert!(matches!(found, Err(object_store::Error::NotFound { .. })));
    assert_eq!(bed.rows(None).await, before);
    let gone = bed.lake.scan(&bed.permit(Action::Read), Some(head.version - 1)).await.unwrap_err();
    assert!(matches!(gone, Error::NoVersion { .. }), "{gone}");
    bed.lake.verify(bed.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_change_around_deleted_rows() {
    use arrow::datatypes::{DataType, Field, Schema};
    let bed = small(300, 128 << 20).await;
    bed.create().await;
    merge(&bed, 1, &(0..1000).map(|id| (id, id)).collect::<Vec<_>>(), Going::None).await.unwrap();
    merge(&bed, 2, &[], Going::Listed(in_batches(&(100..150).collect::<Vec<_>>()))).await.unwrap();
    let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("more", DataType::Utf8, true)));
    let wider = Schema::new(fields.clone());
    bed.lake.migrate(&bed.permit(Action::Run), &wider, &actor()).await.unwrap().unwrap();
    assert_eq!(bed.rows(None).await.len(), 950);
    // The table still says that it has vectors.
    assert!(bed.lake.snapshot(bed.table, None).await.unwrap().vectors);
    fields.remove(1);
    bed.lake.migrate(&bed.permit(Action::Run), &Schema::new(fields), &actor()).await.unwrap().unwrap();
    assert_eq!(bed.rows(None).await.len(), 950);
    let head = bed.lake.snapshot(bed.table, None).await.unwrap();
    assert!(head.vectors && head.files.iter().all(|file| file.vector.is_none()));
    let again = bed.reopen().await;
    again.lake.verify(again.table).await.unwrap();
    assert_eq!(again.rows(None).await.len(), 950);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_that_another_commit_overtook_is_refused() {
    let bed = small(300, 128 << 20).await;
    bed.create().await;
    merge(&bed, 1, &[(1, 1), (2, 2)], Going::None).await.unwrap();
    let mut writer = staged(&bed, WriteMode::Merge, &[(1, 5)]).await;
    writer.match_keys(&bed.permit(Action::Run), Going::None).await.unwrap();
    merge(&bed, 2, &[(3, 3)], Going::None).await.unwrap();
    assert!(matches!(writer.finished(&bed.permit(Action::Run)).await.unwrap_err(), Error::Moved { .. }));
    let refused = writer.commit_counts(3, counts(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert_eq!(bed.rows(None).await, expected(&[(1, vec![1]), (2, vec![2]), (3, vec![3])].into_iter().collect()));
    // It leaves nothing, and can be done again.
    assert_eq!(bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap().files, 0);
    merge(&bed, 3, &[(1, 5)], Going::None).await.unwrap();
    assert_eq!(bed.rows(None).await, expected(&[(1, vec![5]), (2, vec![2]), (3, vec![3])].into_iter().collect()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_is_used_in_order_with_a_permit_to_load() {
    let bed = small(300, 128 << 20).await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
    let misused = |result: Result<Matched, Error>| assert!(matches!(result, Err(Error::Misuse { .. })));
    let run = bed.permit(Action::Run);
    let mut writer = bed.lake.writer(request(&bed, WriteMode::Merge)).await.unwrap();
    misused(writer.match_keys(&run, Going::None).await);
    writer.write_batch(rows(&[(1, 1)]), std::slice::from_ref(&(0..1))).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    for action in [Action::Read, Action::Describe, Action::Approve, Action::Quarantine, Action::Maintain] {
        let denied = writer.match_keys(&bed.permit(action), Going::None).await.unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::Denied, "{action:?}: {denied}");
    }
    assert!(matches!(writer.finished(&run).await, Err(Error::Misuse { .. })));
    writer.match_keys(&run, Going::None).await.unwrap();
    misused(writer.match_keys(&run, Going::None).await);
    writer.abort().await.unwrap();
    let mut unmatched = staged(&bed, WriteMode::Merge, &[(1, 1)]).await;
    assert!(matches!(unmatched.commit_counts(2, counts(1)).await, Err(Error::Misuse { .. })));
    let mut append = staged(&bed, WriteMode::Append, &[(1, 1)]).await;
    misused(append.match_keys(&run, Going::None).await);
    // A batch that has a key twice has not been through the gate.
    for memory in [128 << 20, 0] {
        let bed = small(300, memory).await;
        bed.create().await;
        bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
        let mut twice = staged(&bed, WriteMode::Merge, &[(1, 1), (2, 2), (1, 3)]).await;
        misused(twice.match_keys(&bed.permit(Action::Run), Going::None).await);
    }
    for wrong in [vec![], vec!["none".to_owned()]] {
        assert!(matches!(bed.lake.writer(WriteRequest { keys: wrong, ..bed.request(WriteMode::Merge) }).await, Err(Error::Misuse { .. })));
    }
    // Counts that leave rows out do not close.
    let mut writer = staged(&bed, WriteMode::Merge, &[(1, 1), (2, 2)]).await;
    writer.match_keys(&run, Going::None).await.unwrap();
    assert_eq!(writer.commit_counts(2, counts(1)).await.unwrap_err().kind(), ErrorKind::Rejected);
    let mut writer = staged(&bed, WriteMode::Merge, &[(1, 1), (2, 2)]).await;
    writer.match_keys(&run, Going::None).await.unwrap();
    assert_eq!(writer.commit_counts(2, counts(3)).await.unwrap_err().kind(), ErrorKind::Rejected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_merge_leaves_nothing() {
    let bed = small(300, 128 << 20).await;
    bed.create().await;
    let all: Vec<(i64, i64)> = (0..100).map(|id| (id, id)).collect();
    merge(&bed, 1, &all, Going::None).await.unwrap();
    // Half of it is unchanged, so that it is staged anew.
    let half: Vec<(i64, i64)> = (0..100).map(|id| (id, id + id % 2)).collect();
    let mut writer = staged(&bed, WriteMode::Merge, &half).await;
    let matched = writer.match_keys(&bed.permit(Action::Run), Going::None).await.unwrap();
    assert_eq!((matched.updated, matched.unchanged), (50, 50));
    writer.abort().await.unwrap();
    assert_eq!(bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap().files, 0);
    assert_eq!(bed.rows(None).await, expected(&all.iter().map(|(id, value)| (*id, vec![*value])).collect()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_several_columns_is_compared_whole() {
    let bed = small(300, 128 << 20).await;
    bed.create().await;
    // The carrier and the day follow from the value: every key is there once with each of three values.
    let all: Vec<(i64, i64)> = (0..500).flat_map(|id| (1..4).map(move |value| (id, value))).collect();
    for keys in [vec!["carrier".to_owned(), "id".to_owned()], vec!["day".to_owned(), "id".to_owned()]] {
        let bed = small(300, 60_000).await;
        bed.create().await;
        let request = || WriteRequest { keys: keys.clone(), ..bed.request(WriteMode::Merge) };
        let run = async |sequence: u64, of: &[(i64, i64)], deletes: &[(i64, i64)]| {
            let mut writer = bed.lake.writer(request()).await.unwrap();
            writer.write_batch(rows(of), std::slice::from_ref(&(0..of.len() as u64))).await.unwrap();
            writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
            // Keys may come with other columns, in any order.
            let deletes: crate::matching::KeyBatches<'_> = Box::new(std::iter::once(Ok(rows(deletes))));
            let matched = writer.match_keys(&bed.permit(Action::Run), Going::Listed(deletes)).await.unwrap();
            writer.commit_counts(sequence, counts(matched.rows)).await.unwrap();
            matched
        };
        assert_eq!(run(1, &all, &[]).await.inserted, 1500);
        let matched = run(2, &[(7, 2), (9, 5), (700, 1)], &[(7, 1), (7, 2), (8, 5), (9, 3)]).await;
        assert_eq!(matched, Matched { rows: 3, inserted: 2, updated: 1, unchanged: 0, listed: 4, deleted: 2, gone: 3 });
        let mut left = all.clone();
        left.retain(|row| ![(7, 1), (9, 3)].contains(row));
        left.extend([(9, 5), (700, 1)]);
        assert_eq!(sorted(bed.rows(None).await), sorted(lines(&[rows(&left)])));
    }
    // Of a key no column may be NULL, which every fourth value gives.
    let mut writer =
        bed.lake.writer(WriteRequest { keys: vec!["id".into(), "carrier".into()], ..bed.request(WriteMode::Merge) }).await.unwrap();
    bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
    writer.write_batch(rows(&[(1, 1), (2, 4)]), std::slice::from_ref(&(0..2))).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    let refused = writer.match_keys(&bed.permit(Action::Run), Going::None).await.unwrap_err();
    assert!(refused.to_string().contains("NULL in its key"), "{refused}");
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(i64, i64)>),
    Replace(Vec<(i64, i64)>),
    Merge(BTreeMap<i64, i64>),
    MergeAndDelete(BTreeMap<i64, i64>, Vec<i64>),
    MergeOfAll(BTreeMap<i64, i64>, Vec<i64>),
    Optimize,
    Vacuum,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = || (0i64..60, 0i64..4);
    let batch = || proptest::collection::btree_map(0i64..60, 0i64..4, 0..40);
    let ids = || proptest::collection::vec(0i64..70, 0..30);
    let step = prop_oneof![
        2 => proptest::collection::vec(row(), 0..30).prop_map(Step::Append),
        1 => proptest::collection::vec(row(), 0..30).prop_map(Step::Replace),
        3 => batch().prop_map(Step::Merge),
        3 => (batch(), ids()).prop_map(|(rows, ids)| Step::MergeAndDelete(rows, ids)),
        2 => (batch(), ids()).prop_map(|(rows, ids)| Step::MergeOfAll(rows, ids)),
        1 => Just(Step::Optimize),
        1 => Just(Step::Vacuum),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..9)
}

/// What a merge does to a map, and what it counts; deletes come before the batch's rows.
fn apply(model: &mut Model, rows: &BTreeMap<i64, i64>, listed: Option<&[i64]>, all_but: Option<&[i64]>) -> (u64, u64) {
    let matched = rows.keys().filter(|id| model.contains_key(id)).count() as u64;
    let mut deleted = 0;
    if let Some(ids) = listed {
        let ids: BTreeSet<i64> = ids.iter().copied().filter(|id| !rows.contains_key(id)).collect();
        deleted = ids.iter().filter_map(|id| model.remove(id)).map(|values| values.len() as u64).sum();
    }
    if let Some(ids) = all_but {
        model.retain(|id, values| {
            let stays = rows.contains_key(id) || ids.contains(id);
            deleted += if stays { 0 } else { values.len() as u64 };
            stays
        });
    }
    model.extend(rows.iter().map(|(id, value)| (*id, vec![*value])));
    (matched, deleted)
}

async fn follow(steps: Vec<Step>, row_group_rows: usize, merge_memory_bytes: usize) {
    let mut bed = small(row_group_rows, merge_memory_bytes).await;
    let mut model = Model::new();
    let mut versions: BTreeMap<u64, Model> = BTreeMap::new();
    let mut beds = Vec::new();
    bed.create().await;
    for (sequence, step) in (1..).zip(steps) {
        match step {
            Step::Append(of) | Step::Replace(of) if of.is_empty() => {}
            Step::Append(of) => {
                staged(&bed, WriteMode::Append, &of).await.commit_counts(sequence, counts(of.len() as u64)).await.unwrap();
                of.iter().for_each(|(id, value)| model.entry(*id).or_default().push(*value));
            }
            Step::Replace(of) => {
                staged(&bed, WriteMode::Replace, &of).await.commit_counts(sequence, counts(of.len() as u64)).await.unwrap();
                model.clear();
                of.iter().for_each(|(id, value)| model.entry(*id).or_default().push(*value));
            }
            Step::Merge(rows) => merged(&bed, sequence, &mut model, &rows, None, None).await,
            Step::MergeAndDelete(rows, ids) => merged(&bed, sequence, &mut model, &rows, Some(&ids), None).await,
            Step::MergeOfAll(rows, ids) => merged(&bed, sequence, &mut model, &rows, None, Some(&ids)).await,
            Step::Optimize => drop(bed.lake.optimize(bed.table, &actor()).await.unwrap()),
            Step::Vacuum => {
                let oldest = bed.lake.vacuum(bed.table, 2, &actor()).await.unwrap().oldest_version;
                versions.retain(|version, _| *version >= oldest);
            }
            Step::Reopen => {
                let next = bed.reopen().await;
                beds.push(std::mem::replace(&mut bed, next));
            }
        }
        assert_eq!(sorted(bed.rows(None).await), sorted(expected(&model)));
        let rows: usize = model.values().map(Vec::len).sum();
        assert_eq!(bed.lake.rows(bed.table, None).await.unwrap(), rows as u64);
        assert!(ask(&bed, None, "select count(*) from t").await.contains(&format!("| {rows} ")));
        let low = model.keys().filter(|id| **id < 20).map(|id| model[id].len()).sum::<usize>();
        assert!(ask(&bed, None, "select count(day) from t where id < 20").await.contains(&format!("| {low} ")));
        bed.lake.verify(bed.table).await.unwrap();
        let head = bed.lake.snapshot(bed.table, None).await.unwrap().version;
        versions.insert(head, model.clone());
        for (version, then) in &versions {
            assert_eq!(sorted(bed.rows(Some(*version)).await), sorted(expected(then)), "version {version}");
        }
    }
}

async fn merged(bed: &Bed, sequence: u64, model: &mut Model, rows: &BTreeMap<i64, i64>, listed: Option<&[i64]>, all_but: Option<&[i64]>) {
    let of: Vec<(i64, i64)> = rows.iter().map(|(id, value)| (*id, *value)).collect();
    let deletes = match (listed, all_but) {
        (Some(ids), _) => Going::Listed(in_batches(ids)),
        (_, Some(ids)) => Going::AllBut(in_batches(ids)),
        _ => Going::None,
    };
    let before: usize = model.values().map(Vec::len).sum();
    let (met, deleted) = apply(model, rows, listed, all_but);
    let after: usize = model.values().map(Vec::len).sum();
    let found = merge(bed, sequence, &of, deletes).await.unwrap();
    assert_eq!((found.updated + found.unchanged, found.deleted), (met, deleted));
    assert_eq!(found.listed, listed.or(all_but).unwrap_or_default().len() as u64);
    assert_eq!(before as u64 + found.inserted + found.updated - found.gone, after as u64);
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_table_is_a_map_whatever_is_done_to_it(steps in steps(), row_group_rows in 5usize..40, memory in prop_oneof![Just(128usize << 20), 0usize..1500]) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(follow(steps, row_group_rows, memory));
    }
}
