//! What is erased is nowhere: not in a file, not under a deletion vector, not in the log's statistics, and no version before can be read.

use std::collections::BTreeSet;

use arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use polder_policy::Action;
use polder_types::ErrorKind;

use super::bed::{Bed, actor};
use super::history::{history, versions};
use super::merges::{in_batches, merge};
use crate::matching::Going;
use crate::{Chooser, Erased, Error, LakeOptions, Left, WriteMode};

/// Chooses rows by their id.
pub(super) struct Ids(pub(super) Vec<i64>);

type Failed = (ErrorKind, Box<dyn std::error::Error + Send + Sync>);

impl Chooser for Ids {
    fn columns(&self) -> Vec<String> {
        vec!["id".to_owned()]
    }

    fn chosen(&self, batch: &RecordBatch) -> Result<BooleanArray, Failed> {
        let ids = batch.column_by_name("id").ok_or((ErrorKind::Internal, "there is no id".into()))?;
        Ok(ids.as_primitive::<Int64Type>().iter().map(|id| Some(id.is_some_and(|id| self.0.contains(&id)))).collect())
    }
}

/// Judges no row.
struct Fails;

impl Chooser for Fails {
    fn columns(&self) -> Vec<String> {
        Vec::new()
    }

    fn chosen(&self, _batch: &RecordBatch) -> Result<BooleanArray, Failed> {
        Err((ErrorKind::Invalid, "division by zero".into()))
    }
}

async fn objects(bed: &Bed) -> Vec<Path> {
    let prefix = crate::log::table_path(bed.table);
    let mut objects: Vec<Path> = bed.store.list(Some(&prefix)).map_ok(|meta| meta.location).try_collect().await.unwrap();
    objects.sort();
    objects
}

/// Every id in a data file of the table that lies in the store, whether a version names it or not, and those that are deleted.
async fn ids_in_files(bed: &Bed) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    for object in objects(bed).await.into_iter().filter(|object| object.extension() == Some("parquet")) {
        let bytes = bed.store.read(&object).await.unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap() {
            ids.extend(batch.unwrap().column_by_name("id").unwrap().as_primitive::<Int64Type>().values());
        }
    }
    ids
}

/// Every least and greatest id that the log tells.
async fn ids_in_log(bed: &Bed) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    for object in objects(bed).await.into_iter().filter(|object| object.extension() == Some("json")) {
        let text = String::from_utf8(bed.store.read(&object).await.unwrap().to_vec()).unwrap();
        for line in text.lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(stats) = action["add"]["stats"].as_str() else { continue };
            let stats: serde_json::Value = serde_json::from_str(stats).unwrap();
            ids.extend([&stats["minValues"]["id"], &stats["maxValues"]["id"]].into_iter().filter_map(serde_json::Value::as_i64));
        }
    }
    ids
}

/// A table of three loads, of which one was replaced by a merge: rows 0 to 1,999 and 5,000, without 700 and with another 40.
async fn merged() -> Bed {
    let bed = Bed::with(LakeOptions { encode_threads: 1, ..LakeOptions::default() }).await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 1000).await.unwrap();
    bed.load(WriteMode::Append, 2, 1000, 2000).await.unwrap();
    bed.load(WriteMode::Append, 3, 5000, 5001).await.unwrap();
    merge(&bed, 4, &[(40, 7)], Going::Listed(in_batches(&[700]))).await.unwrap();
    bed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_is_in_no_object_of_the_table() {
    let bed = merged().await;
    let wanted = Ids(vec![40, 700, 999, 5000]);
    // The control: each of these lies there before, the replaced and the deleted one in files, the ends in the statistics.
    let held = ids_in_files(&bed).await;
    assert!(wanted.0.iter().all(|id| held.contains(id)));
    assert!(ids_in_log(&bed).await.is_superset(&[999, 5000].into()));
    let untouched = bed.lake.snapshot(bed.table, Some(2)).await.unwrap().files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let before = bed.rows(None).await;
    assert_eq!(bed.lake.count_chosen(bed.table, &wanted).await.unwrap(), 3, "one of them is not in the table any more");

    let erased = bed.lake.erase(bed.table, Some(&wanted), &actor()).await.unwrap();
    // The file of the first load for its vector and a row, those of the third and the fourth for a row each: nothing is left of them.
    assert_eq!((erased.version, erased.rows, erased.files_before), (5, 3, 3), "{erased:?}");
    assert!(!bed.lake.left(bed.table, Some(&wanted)).await.unwrap().objects.is_empty(), "until it is purged the store holds it");
    assert!(bed.lake.unerased_log(bed.table).await.unwrap().is_some());
    let gone = bed.lake.purge(bed.table, &actor()).await.unwrap();
    assert!(gone >= 3 + 5, "{gone}");
    assert_eq!(bed.lake.left(bed.table, Some(&wanted)).await.unwrap(), Left::default());
    assert_eq!(bed.lake.unerased_log(bed.table).await.unwrap(), None);

    for id in &wanted.0 {
        assert!(!ids_in_files(&bed).await.contains(id) && !ids_in_log(&bed).await.contains(id), "{id}");
    }
    let stays = |row: &&String| {
        let id: i64 = row.split('|').nth(1).unwrap().trim().parse().unwrap();
        !wanted.0.contains(&id)
    };
    assert_eq!(bed.rows(None).await, before.iter().filter(stays).cloned().collect::<Vec<_>>());
    // What holds none of it is not written anew.
    assert!(objects(&bed).await.iter().any(|object| untouched.contains(object)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_older_version_can_be_read_restored_or_found_by_another_process() {
    let bed = merged().await;
    bed.lake.erase(bed.table, Some(&Ids(vec![1])), &actor()).await.unwrap();
    bed.lake.purge(bed.table, &actor()).await.unwrap();
    let again = bed.reopen().await;
    for lake in [&bed.lake, &again.lake] {
        for version in 0..5 {
            let error = lake.scan(&bed.permit(Action::Read), Some(version)).await.unwrap_err();
            assert!(matches!(error, Error::NoVersion { .. }) && error.to_string().contains("erased"), "{error}");
        }
    }
    let error = again.lake.restore(again.table, 3, 5, &actor()).await.unwrap_err();
    assert!(matches!(error, Error::NoVersion { version: 3, .. }), "{error}");
    again.lake.verify(again.table).await.unwrap();
    // What sources committed before is known still, and the table goes on.
    assert_eq!(again.lake.committed_sequence(again.table, "s1").await.unwrap(), Some(4));
    again.load(WriteMode::Append, 5, 9000, 9010).await.unwrap();
    again.lake.optimize(again.table, &actor()).await.unwrap();
    let rows = again.rows(None).await;
    assert_eq!(again.rows(Some(6)).await, rows);
    again.lake.erase(again.table, Some(&Ids(vec![2])), &actor()).await.unwrap();
    again.lake.purge(again.table, &actor()).await.unwrap();
    assert_eq!(again.rows(None).await.len(), rows.len() - 1);
    assert!(again.lake.scan(&again.permit(Action::Read), Some(6)).await.is_err());
    again.lake.verify(again.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_log_that_is_put_back_is_named() {
    let bed = merged().await;
    let old = bed.commit_bytes(1).await;
    bed.lake.erase(bed.table, Some(&Ids(vec![1])), &actor()).await.unwrap();
    bed.lake.purge(bed.table, &actor()).await.unwrap();
    let rows = bed.rows(None).await;
    let path = crate::log::commit_path(bed.table, 1);
    bed.store.put(&path, old.into()).await.unwrap();
    let again = bed.reopen().await;
    assert_eq!(again.rows(None).await, rows, "nobody reads it");
    assert_eq!(again.lake.unerased_log(again.table).await.unwrap(), Some(path.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_chooser_the_rows_stay_and_their_past_goes() {
    let bed = merged().await;
    let rows = bed.rows(None).await;
    let erased = bed.lake.erase(bed.table, None, &actor()).await.unwrap();
    assert_eq!(
        (erased.rows, erased.files_before, erased.files_after),
        (0, 1, 1),
        "only a file with a vector holds what is not in the table"
    );
    bed.lake.purge(bed.table, &actor()).await.unwrap();
    assert_eq!((bed.rows(None).await, ids_in_files(&bed).await.contains(&700)), (rows, false));
    assert_eq!(bed.lake.left(bed.table, None).await.unwrap(), Left::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_can_be_erased_and_the_table_stays() {
    let bed = Bed::new().await;
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
    let erased = bed.lake.erase(bed.table, Some(&Ids((0..10).collect())), &actor()).await.unwrap();
    assert_eq!(erased, Erased { version: 2, rows: 10, files_before: 1, files_after: 0 });
    bed.lake.purge(bed.table, &actor()).await.unwrap();
    assert_eq!((bed.rows(None).await.len(), ids_in_files(&bed).await.len()), (0, 0));
    bed.load(WriteMode::Append, 2, 20, 30).await.unwrap();
    assert_eq!(bed.rows(None).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_of_a_row_with_history_is_erased() {
    let bed = Bed::new().await;
    history(&bed, 1, &[(1, 10), (2, 20)], Going::None).await.unwrap();
    history(&bed, 2, &[(1, 11), (2, 20)], Going::None).await.unwrap();
    assert_eq!(versions(&bed).await.len(), 3);
    let erased = bed.lake.erase(bed.table, Some(&Ids(vec![1])), &actor()).await.unwrap();
    bed.lake.purge(bed.table, &actor()).await.unwrap();
    assert_eq!((erased.rows, versions(&bed).await.len(), ids_in_files(&bed).await), (2, 1, [2].into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_row_cannot_be_judged_nothing_is_done() {
    let bed = merged().await;
    let rows = bed.rows(None).await;
    let error = bed.lake.erase(bed.table, Some(&Fails), &actor()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!((bed.rows(None).await, bed.rows(Some(3)).await.len()), (rows, 2001));
}
