//! Rows that were committed are there, once, in every version that holds them; rows that were lost are not reported.

use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use polder_types::ErrorKind;
use polder_types::event::{CommitResult, TableOperation};

use super::bed::{Bed, batch, counts, load_into, operations};
use crate::ports::{Faults, Undisturbed};
use crate::{Committed, Error, LakeOptions, Planned, WriteMode, WriteRequest};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_read_in_every_version() {
    let bed = Bed::new().await;
    bed.create().await;
    assert_eq!(bed.rows(None).await, Vec::<String>::new());
    assert_eq!(bed.load(WriteMode::Append, 1, 0, 5000).await.unwrap(), Committed::Now { version: 1 });
    assert_eq!(bed.load(WriteMode::Append, 2, 5000, 5010).await.unwrap(), Committed::Now { version: 2 });
    assert_eq!(bed.load(WriteMode::Replace, 3, 7, 9).await.unwrap(), Committed::Now { version: 3 });
    assert_eq!(bed.rows(Some(1)).await.len(), 5000);
    assert_eq!(bed.rows(Some(2)).await.len(), 5010);
    let last = bed.rows(None).await;
    assert_eq!(last.len(), 2);
    assert!(last[0].contains("| 7 ") && last[0].contains("-0.49") && last[1].contains("carrier 8"), "{last:?}");
    assert_eq!(bed.lake.rows(bed.table, Some(2)).await.unwrap(), 5010);
    let history: Vec<TableOperation> = bed.lake.history(bed.table).unwrap().into_iter().map(|version| version.operation).collect();
    assert_eq!(history, [TableOperation::Create, TableOperation::Append, TableOperation::Append, TableOperation::Replace]);

    let again = bed.reopen().await;
    assert_eq!(again.rows(None).await, last);
    assert_eq!(again.rows(Some(2)).await.len(), 5010);
    again.lake.verify(again.table).await.unwrap();
    assert!(matches!(again.lake.rows(again.table, Some(4)).await, Err(Error::NoVersion { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_writer_commits_batch_after_batch() {
    let bed = Bed::new().await;
    bed.create().await;
    let mut writer = bed.writer(WriteMode::Append).await;
    for sequence in 1..=3u64 {
        let from = sequence as i64 * 100;
        assert_eq!(load_into(&mut writer, sequence, from, from + 10).await.unwrap(), Committed::Now { version: sequence });
    }
    assert_eq!(bed.rows(None).await.len(), 30);
    assert_eq!(bed.lake.committed_sequence(bed.table, "s1").await.unwrap(), Some(3));
    assert_eq!(bed.lake.committed_sequence(bed.table, "s2").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resend_changes_nothing() {
    let bed = Bed::new().await;
    bed.create().await;
    bed.load(WriteMode::Append, 5, 0, 10).await.unwrap();
    let events = bed.journal.events().len();
    assert_eq!(bed.load(WriteMode::Append, 5, 0, 10).await.unwrap(), Committed::Already { sequence: 5 });
    assert_eq!(bed.load(WriteMode::Append, 4, 0, 10).await.unwrap(), Committed::Already { sequence: 5 });
    assert_eq!(bed.journal.events().len(), events);
    assert_eq!(bed.rows(None).await.len(), 10);
    // The rows that were staged again are gone at once.
    assert_eq!(bed.lake.vacuum(bed.table, 0, &super::bed::actor()).await.unwrap().files, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_writers_of_one_sequence_commit_once() {
    let bed = Bed::new().await;
    bed.create().await;
    let (mut one, mut two) = (bed.writer(WriteMode::Append).await, bed.writer(WriteMode::Append).await);
    let (first, second) = tokio::join!(load_into(&mut one, 1, 0, 100), load_into(&mut two, 1, 0, 100));
    let mut results = [first.unwrap(), second.unwrap()];
    results.sort_by_key(|result| matches!(result, Committed::Already { .. }));
    assert_eq!(results, [Committed::Now { version: 1 }, Committed::Already { sequence: 1 }]);
    assert_eq!(bed.rows(None).await.len(), 100);

    // Different sequences both get in, one after the other.
    let (first, second) = tokio::join!(load_into(&mut one, 2, 100, 200), load_into(&mut two, 3, 200, 300));
    let committed = [first.unwrap(), second.unwrap()];
    let rows = bed.rows(None).await.len();
    // When 3 came before 2, 2 counts as a resend: sequences of one source only rise.
    assert_eq!(rows, 100 + 100 * committed.iter().filter(|result| matches!(result, Committed::Now { .. })).count());
}

#[derive(Debug)]
struct Lose(u64);

impl Faults for Lose {
    fn lose_batch(&self, batch: u64) -> bool {
        batch == self.0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_batch_fails_the_run_and_shows_nothing() {
    for lost in [0, 3, 9] {
        let bed = Bed::with(LakeOptions { encode_threads: 2, faults: Arc::new(Lose(lost)), ..LakeOptions::default() }).await;
        bed.create().await;
        let error = bed.load(WriteMode::Append, 1, 0, 10_000).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
        assert!(error.to_string().contains("9000"), "{error}");
        assert_eq!(bed.rows(None).await.len(), 0);
        assert_eq!(operations(&bed.journal), [(TableOperation::Create, CommitResult::Committed)]);
    }
    let control = Bed::with(LakeOptions { faults: Arc::new(Undisturbed), ..LakeOptions::default() }).await;
    control.create().await;
    control.load(WriteMode::Append, 1, 0, 10_000).await.unwrap();
    assert_eq!(control.rows(None).await.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_that_do_not_close_are_not_committed() {
    let bed = Bed::new().await;
    bed.create().await;
    for wrong in [counts(9), counts(11), polder_types::event::Counts { read: 11, ..counts(10) }] {
        let mut writer = bed.writer(WriteMode::Append).await;
        writer.write_batch(batch(0, 10), &[0..10][..]).await.unwrap();
        assert_eq!(writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap().rows, 10);
        assert_eq!(writer.commit_counts(1, wrong).await.unwrap_err().kind(), ErrorKind::Rejected);
    }
    assert_eq!(bed.rows(None).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_are_taken_out_by_their_place_in_the_run() {
    let bed = Bed::new().await;
    bed.create().await;
    let mut writer = bed.writer(WriteMode::Append).await;
    // Batches arrive in any order, and rows that the gate refused leave gaps in the places.
    writer.write_batch(batch(5000, 6000), &[9000..10_000][..]).await.unwrap();
    writer.write_batch(batch(0, 10), &[0..4, 6..9, 20..23]).await.unwrap();
    writer.write_batch(batch(10, 20), &[30..40][..]).await.unwrap();
    let mut told = Vec::new();
    let ids = |batch: &RecordBatch, row: usize| batch.column(0).as_primitive::<Int64Type>().value(row);
    let mut tell = |ordinal, batch: &RecordBatch, row| told.push((ordinal, ids(batch, row)));
    let staged = writer.finish_without(vec![3, 6, 22, 30, 39, 9000, 9999], &mut tell).await.unwrap();
    assert_eq!((staged.rows, staged.removed), (1013, 7));
    told.sort_unstable();
    assert_eq!(told, [(3, 3), (6, 4), (22, 9), (30, 10), (39, 19), (9000, 5000), (9999, 5999)]);
    writer.commit_counts(1, counts(1013)).await.unwrap();
    let kept: Vec<i64> = bed.rows(None).await.iter().map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap()).collect();
    let removed = [3, 4, 9, 10, 19, 5000, 5999];
    let expected: Vec<i64> = (0..20).chain(5000..6000).filter(|id| !removed.contains(id)).collect();
    assert_eq!(kept, expected);
    bed.lake.verify(bed.table).await.unwrap();

    // A place that no row has is not taken for a row that was removed.
    let mut writer = bed.writer(WriteMode::Append).await;
    writer.write_batch(batch(0, 10), &[0..10][..]).await.unwrap();
    assert_eq!(writer.finish_without(vec![10], &mut |_, _, _| {}).await.unwrap_err().kind(), ErrorKind::Rejected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_load_leaves_nothing() {
    let bed = Bed::new().await;
    bed.create().await;
    let mut writer = bed.writer(WriteMode::Append).await;
    writer.write_batch(batch(0, 5000), &[0..5000][..]).await.unwrap();
    writer.abort().await.unwrap();
    assert_eq!(bed.lake.vacuum(bed.table, 0, &super::bed::actor()).await.unwrap().files, 0);
    // The writer goes on with the next batch.
    assert_eq!(load_into(&mut writer, 1, 0, 10).await.unwrap(), Committed::Now { version: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_may_change_the_columns_and_an_append_may_not() {
    use arrow::array::{ArrayRef, Int64Array};
    let bed = Bed::new().await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
    let other = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef)]).unwrap();
    let request = |mode| crate::WriteRequest {
        dataset: bed.table,
        source: "s1".into(),
        schema: other.schema(),
        mode,
        keys: Vec::new(),
        history: None,
        actor: super::bed::actor(),
    };
    assert!(matches!(bed.lake.writer(request(WriteMode::Append)).await, Err(Error::SchemaMismatch { .. })));
    let mut writer = bed.lake.writer(request(WriteMode::Model)).await.unwrap();
    writer.write_batch(other.clone(), &[0..3][..]).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    writer.commit_counts(2, counts(3)).await.unwrap();
    let again = bed.reopen().await;
    assert_eq!(again.lake.schema(again.table, None).await.unwrap().field(0).name(), "n");
    assert_eq!(again.lake.schema(again.table, Some(1)).await.unwrap().fields().len(), 7);
    assert_eq!(again.rows(Some(1)).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_made_by_its_first_commit_and_its_columns_may_change_while_it_has_no_rows() {
    let bed = Bed::new().await;
    let mut writer = bed.writer(WriteMode::Append).await;
    writer.write_batch(batch(0, 10), &[0..10][..]).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    writer.abort().await.unwrap();
    assert!(!bed.lake.exists(bed.table));

    let other =
        RecordBatch::try_from_iter([("n", Arc::new(arrow::array::Int64Array::from(vec![1, 2, 3])) as arrow::array::ArrayRef)]).unwrap();
    let request = crate::WriteRequest {
        dataset: bed.table,
        source: "s1".into(),
        schema: other.schema(),
        mode: WriteMode::Append,
        keys: Vec::new(),
        history: None,
        actor: super::bed::actor(),
    };
    // As an earlier run left it: created, and nothing loaded.
    bed.create().await;
    assert_eq!(bed.lake.planned_migration(bed.table, &other.schema()).await.unwrap(), Planned::Nothing);
    let mut writer = bed.lake.writer(request.clone()).await.unwrap();
    writer.write_batch(other.clone(), &[0..3][..]).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    writer.commit_counts(1, counts(3)).await.unwrap();
    let bed = bed.reopen().await;
    assert_eq!(bed.lake.schema(bed.table, None).await.unwrap().field(0).name(), "n");
    assert_eq!(bed.lake.rows(bed.table, None).await.unwrap(), 3);
    // With rows in it, they stay.
    assert!(matches!(bed.lake.writer(bed.request(WriteMode::Append)).await, Err(Error::SchemaMismatch { .. })));
    let planned = bed.lake.planned_migration(bed.table, &super::bed::schema()).await.unwrap();
    let why = "column id of the contract is not in the table and is required without a default";
    assert_eq!(planned, Planned::Refused(why.to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_recorded_does_not_happen() {
    let bed = Bed::new().await;
    bed.create().await;
    // The intent is refused: no version.
    *bed.journal.refuse_from.lock() = Some(bed.journal.events().len());
    assert_eq!(bed.load(WriteMode::Append, 1, 0, 10).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(crate::log::listed_versions(&bed.store, bed.table).await.unwrap(), [0]);
    // The outcome is refused: the version exists, and nobody sees it before it is recovered.
    *bed.journal.refuse_from.lock() = Some(bed.journal.events().len() + 1);
    assert_eq!(bed.load(WriteMode::Append, 1, 0, 10).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(crate::log::listed_versions(&bed.store, bed.table).await.unwrap(), [0, 1]);
    assert_eq!(bed.rows(None).await.len(), 0);
    *bed.journal.refuse_from.lock() = None;
    assert_eq!(bed.load(WriteMode::Append, 1, 0, 10).await.unwrap(), Committed::Already { sequence: 1 });
    assert_eq!(bed.rows(None).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_a_table_are_streamed_in_the_wanted_order() {
    let bed = Bed::new().await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 20_000).await.unwrap();
    let permit = bed.permit(polder_policy::Action::Run);
    let mut keys = bed.lake.keys(&permit, &["day".into(), "id".into()]).await.unwrap();
    let mut rows = 0;
    while let Some(batch) = keys.next_batch().unwrap() {
        assert_eq!(batch.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["day", "id"]);
        rows += batch.num_rows();
    }
    assert_eq!(rows, 20_000);
    assert!(bed.lake.keys(&permit, &["none".into()]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_read_with_a_permit_to_load_only() {
    use polder_policy::Action;
    let bed = Bed::new().await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
    for action in [Action::Read, Action::Describe, Action::Approve, Action::Quarantine, Action::Maintain] {
        let denied = bed.lake.keys(&bed.permit(action), &["id".into()]).await.unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::Denied, "{action:?}: {denied}");
    }
    bed.lake.keys(&bed.permit(Action::Run), &["id".into()]).await.unwrap();
}

/// Every door may be used from a task of any runtime.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doors_can_be_sent_to_other_threads() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    let bed = Bed::new().await;
    let (lake, table, who) = (&bed.lake, bed.table, super::bed::actor());
    sent(lake.recover(table)).await.unwrap();
    sent(lake.create(table, &super::bed::schema(), &who)).await.unwrap();
    let mut writer = sent(lake.writer(bed.request(WriteMode::Append))).await.unwrap();
    sent(writer.write_batch(batch(0, 10), &[0..10][..])).await.unwrap();
    sent(writer.finish_without(vec![3], &mut |_, _, _| {})).await.unwrap();
    sent(writer.commit_counts(1, counts(9))).await.unwrap();
    sent(writer.abort()).await.unwrap();
    sent(lake.scan(&bed.permit(polder_policy::Action::Read), None)).await.unwrap();
    sent(lake.keys(&bed.permit(polder_policy::Action::Run), &["id".into()])).await.unwrap();
    sent(lake.optimize(table, &who)).await.unwrap();
    sent(lake.vacuum(table, 0, &who)).await.unwrap();
    sent(lake.verify(table)).await.unwrap();
    assert_eq!(sent(lake.rows(table, None)).await.unwrap(), 9);
    let mut writer = sent(lake.writer(WriteRequest { keys: vec!["id".into()], ..bed.request(WriteMode::Merge) })).await.unwrap();
    sent(writer.write_batch(batch(8, 12), &[0..4][..])).await.unwrap();
    sent(writer.finish_without(vec![], &mut |_, _, _| {})).await.unwrap();
    let deletes: crate::matching::KeyBatches<'_> = Box::new(std::iter::once(Ok(batch(0, 2))));
    let matched = sent(writer.match_keys(&bed.permit(polder_policy::Action::Run), crate::matching::Going::Listed(deletes))).await.unwrap();
    assert_eq!((matched.inserted, matched.unchanged, matched.deleted), (2, 2, 2));
    sent(writer.finished(&bed.permit(polder_policy::Action::Run))).await.unwrap();
    sent(writer.commit_counts(2, counts(4))).await.unwrap();
    assert_eq!(sent(lake.rows(table, None)).await.unwrap(), 9);
}
