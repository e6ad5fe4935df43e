//! Maintenance changes files, never rows.

use polder_policy::Action;

use super::bed::{Bed, actor};
use crate::{Error, Optimized, WriteMode};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn optimize_puts_small_files_together_and_vacuum_deletes_them() {
    let bed = Bed::new().await;
    bed.create().await;
    for sequence in 1..=6u64 {
        let from = sequence as i64 * 500;
        bed.load(WriteMode::Append, sequence, from, from + 500).await.unwrap();
    }
    let before = bed.rows(None).await;
    assert_eq!(before.len(), 3000);
    let done = bed.lake.optimize(bed.table, &actor()).await.unwrap();
    assert_eq!(done, Optimized { version: Some(7), files_before: 6, files_after: 1 });
    assert_eq!(bed.rows(None).await, before);
    // Nothing is left to do, and the sequence of the source stands.
    assert_eq!(bed.lake.optimize(bed.table, &actor()).await.unwrap(), Optimized::default());
    assert_eq!(bed.lake.committed_sequence(bed.table, "s1").await.unwrap(), Some(6));
    assert_eq!(bed.rows(Some(6)).await, before);

    // Within the retention every version stays; without one only the visible version does.
    let kept = bed.lake.vacuum(bed.table, 1_000_000, &actor()).await.unwrap();
    assert_eq!((kept.files, kept.oldest_version), (0, 0));
    let gone = bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap();
    assert_eq!((gone.files, gone.oldest_version), (6, 7));
    assert_eq!(bed.rows(None).await, before);
    let again = bed.reopen().await;
    assert_eq!(again.rows(None).await, before);
    again.lake.verify(again.table).await.unwrap();
    let error = again.lake.scan(&again.permit(Action::Read), Some(6)).await.unwrap_err();
    assert!(matches!(error, Error::NoVersion { version: 6, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vacuum_leaves_what_a_writer_has_staged() {
    let bed = Bed::new().await;
    bed.create().await;
    let mut writer = bed.writer(WriteMode::Append).await;
    writer.write_batch(super::bed::batch(0, 100), &[0..100][..]).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    assert_eq!(bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap().files, 0);
    writer.commit_counts(1, super::bed::counts(100)).await.unwrap();
    assert_eq!(bed.rows(None).await.len(), 100);

    // A writer that is dropped leaves orphans.
    let mut writer = bed.writer(WriteMode::Append).await;
    writer.write_batch(super::bed::batch(0, 100), &[0..100][..]).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    drop(writer);
    assert_eq!(bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap().files, 1);
    assert_eq!(bed.rows(None).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_long_lived_writer_has_committed_is_vacuums() {
    use super::merges::{in_batches, request, rows};
    let bed = Bed::new().await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 2000).await.unwrap();
    let mut writer = bed.lake.writer(request(&bed, WriteMode::Merge)).await.unwrap();
    writer.write_batch(rows(&[(1, 5)]), std::slice::from_ref(&(0..1))).await.unwrap();
    writer.finish_without(vec![], &mut |_, _, _| {}).await.unwrap();
    let gone: Vec<i64> = (0..2000).filter(|id| id % 2 == 0).collect();
    writer.match_keys(&bed.permit(Action::Run), crate::matching::Going::Listed(in_batches(&gone))).await.unwrap();
    writer.commit_counts(2, super::bed::counts(1)).await.unwrap();
    let before = bed.lake.storage(bed.table).await.unwrap();
    assert_eq!((writer.storage(), before.stored_rows - before.deleted_rows), (Some(before), 1000));
    assert!(before.is_due() && before.vectors >= 1 && before.thin_files >= 1 && before.deleted_percent() >= 49, "{before:?}");
    assert!(before.live_bytes < before.table_bytes, "{before:?}");
    bed.lake.optimize(bed.table, &actor()).await.unwrap();
    let after = bed.lake.storage(bed.table).await.unwrap();
    assert_eq!((after.stored_rows, after.deleted_rows, after.vectors, after.files, after.is_due()), (1000, 0, 0, 1, false));
    assert_eq!(after.live_bytes, after.table_bytes);
    // The file of the load, or two where both encoders had work, that of the merge, and a vector.
    let vacuumed = bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap().files;
    assert!((3..=4).contains(&vacuumed), "{vacuumed}");
    assert_eq!(bed.rows(None).await.len(), 1000);
}
