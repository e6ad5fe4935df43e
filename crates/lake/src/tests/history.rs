//! A table with history holds, for each key, what was valid when: one row after the other, without a gap where the key was there, and at
//! most one that is valid still.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::prelude::SessionContext;
use polder_policy::Action;
use proptest::prelude::*;

use super::bed::{Bed, actor, counts, schema};
use super::cases;
use super::merges::{in_batches, request, rows};
use crate::matching::Going;
use crate::{Error, History, LakeOptions, Matched, WriteMode, WriteRequest};

fn columns() -> History {
    History { from: "valid_from".into(), to: "valid_to".into() }
}

fn scd2(bed: &Bed) -> WriteRequest {
    WriteRequest { history: Some(columns()), ..request(bed, WriteMode::Scd2) }
}

/// Merges rows into a table with history and commits.
pub(super) async fn history(bed: &Bed, sequence: u64, of: &[(i64, i64)], deletes: Going<'_>) -> Result<Matched, Error> {
    let mut writer = bed.lake.writer(scd2(bed)).await?;
    let mut first = 0;
    for chunk in of.chunks(100) {
        let next = first + chunk.len() as u64;
        writer.write_batch(rows(chunk), std::slice::from_ref(&(first..next))).await?;
        first = next;
    }
    writer.finish_without(vec![], &mut |_, _, _| {}).await?;
    let matched = writer.match_keys(&bed.permit(Action::Run), deletes).await?;
    assert_eq!((matched.rows, matched.inserted + matched.updated + matched.unchanged), (first, first));
    writer.commit_counts(sequence, counts(matched.rows)).await?;
    Ok(matched)
}

/// Id, value, from, to of every row.
async fn told(bed: &Bed, version: Option<u64>) -> Vec<(i64, i64, i64, Option<i64>)> {
    let context = SessionContext::new();
    bed.lake.prepare(&context.runtime_env());
    context.register_table("t", bed.lake.scan(&bed.permit(Action::Read), version).await.unwrap()).unwrap();
    let sql = "select id, cast(delay * 3 + 0.5 as bigint) as value, valid_from, valid_to from t order by id, valid_from";
    let mut all = Vec::new();
    for batch in context.sql(sql).await.unwrap().collect().await.unwrap() {
        let number = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        let instant = |column: usize| batch.column(column).as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let to = instant(3);
            all.push((number(0, row), number(1, row), instant(2).value(row), (!to.is_null(row)).then(|| to.value(row))));
        }
    }
    all
}

/// The rows without their instants.
pub(super) async fn versions(bed: &Bed) -> Vec<String> {
    told(bed, None)
        .await
        .into_iter()
        .map(|(id, value, _, to)| format!("{id} {value} {}", if to.is_some() { "was" } else { "is" }))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_ends_a_row_and_begins_the_next() {
    let bed = Bed::new().await;
    let first: Vec<(i64, i64)> = (0..5).map(|id| (id, id)).collect();
    history(&bed, 1, &first, Going::None).await.unwrap();
    let matched = history(&bed, 2, &[(1, 1), (2, 8), (9, 9)], Going::Listed(in_batches(&[3, 77]))).await.unwrap();
    assert_eq!(matched, Matched { rows: 3, inserted: 1, updated: 1, unchanged: 1, listed: 2, deleted: 1, gone: 2 });
    assert_eq!(versions(&bed).await, ["0 0 is", "1 1 is", "2 2 was", "2 8 is", "3 3 was", "4 4 is", "9 9 is"]);
    // It comes back after it was gone; the row that was is let alone.
    let matched = history(&bed, 3, &[(3, 3), (2, 2)], Going::None).await.unwrap();
    assert_eq!((matched.inserted, matched.updated), (1, 1));
    assert_eq!(versions(&bed).await, ["0 0 is", "1 1 is", "2 2 was", "2 8 was", "2 2 is", "3 3 was", "3 3 is", "4 4 is", "9 9 is"]);
    let matched = history(&bed, 4, &[], Going::AllBut(in_batches(&[0, 2]))).await.unwrap();
    assert_eq!(matched.deleted, 4);
    assert_eq!(versions(&bed).await, ["0 0 is", "1 1 was", "2 2 was", "2 8 was", "2 2 is", "3 3 was", "3 3 was", "4 4 was", "9 9 was"]);
    // One row ends where the next begins.
    let two: Vec<_> = told(&bed, None).await.into_iter().filter(|row| row.0 == 2).collect();
    assert_eq!((two[0].3, two[1].3, two[2].3), (Some(two[1].2), Some(two[2].2), None));
    // The version before knows nothing of it.
    assert_eq!(told(&bed, Some(1)).await.len(), 5);
    bed.lake.optimize(bed.table, &actor()).await.unwrap();
    bed.lake.vacuum(bed.table, 0, &actor()).await.unwrap();
    assert_eq!(told(&bed, None).await.len(), 9);
    bed.lake.verify(bed.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_does_not_change_adds_nothing() {
    let bed = Bed::with(LakeOptions { row_group_rows: 100, merge_memory_bytes: 5000, ..LakeOptions::default() }).await;
    let all: Vec<(i64, i64)> = (0..700).map(|id| (id, id)).collect();
    history(&bed, 1, &all, Going::None).await.unwrap();
    for sequence in 2..4 {
        let matched = history(&bed, sequence, &all, Going::AllBut(in_batches(&(0..700).collect::<Vec<_>>()))).await.unwrap();
        assert_eq!((matched.unchanged, matched.gone), (700, 0));
    }
    let head = bed.lake.snapshot(bed.table, None).await.unwrap();
    assert_eq!((head.rows(), head.vectors), (700, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_history_needs_is_asked_for() {
    let bed = Bed::new().await;
    let refused = async |request: WriteRequest| {
        let refused = bed.lake.writer(request).await.unwrap_err();
        assert!(matches!(refused, Error::Misuse { .. }), "{refused}");
    };
    refused(request(&bed, WriteMode::Scd2)).await;
    refused(WriteRequest { history: Some(columns()), ..request(&bed, WriteMode::Merge) }).await;
    refused(WriteRequest { history: Some(History { from: "id".into(), to: "valid_to".into() }), ..scd2(&bed) }).await;
    refused(WriteRequest { history: Some(History { from: "x".into(), to: "x".into() }), ..scd2(&bed) }).await;
    refused(WriteRequest { keys: vec!["valid_from".into()], ..scd2(&bed) }).await;
    // A table without history does not become one with it while it has rows.
    bed.create().await;
    bed.load(WriteMode::Append, 1, 0, 10).await.unwrap();
    assert!(matches!(bed.lake.writer(scd2(&bed)).await, Err(Error::SchemaMismatch { .. })));
    assert_eq!(schema().fields().len(), 7);
}

/// What was valid when: (value, ended) of each key.
type Model = BTreeMap<i64, Vec<(i64, bool)>>;

/// A batch, keys, and whether all but these are deleted.
type Step = (BTreeMap<i64, i64>, Option<Vec<i64>>, bool);

async fn follow(steps: Vec<Step>, memory: usize) {
    let options = LakeOptions { encode_threads: 2, row_group_rows: 20, merge_memory_bytes: memory, ..LakeOptions::default() };
    let bed = Bed::with(options).await;
    let mut model = Model::new();
    for (sequence, (batch, ids, all_but)) in (1..).zip(steps) {
        let of: Vec<(i64, i64)> = batch.iter().map(|(id, value)| (*id, *value)).collect();
        let ids = ids.unwrap_or_default();
        let deletes = if all_but { Going::AllBut(in_batches(&ids)) } else { Going::Listed(in_batches(&ids)) };
        let mut wanted = Matched { rows: of.len() as u64, listed: ids.len() as u64, ..Matched::default() };
        for (id, of_id) in &mut model {
            let goes = !batch.contains_key(id) && ids.contains(id) != all_but;
            if goes && let Some(last) = of_id.last_mut().filter(|last| !last.1) {
                last.1 = true;
                wanted.deleted += 1;
            }
        }
        for (id, value) in &of {
            let of_id = model.entry(*id).or_default();
            match of_id.last_mut().filter(|last| !last.1) {
                Some(last) if last.0 == *value => wanted.unchanged += 1,
                Some(last) => {
                    last.1 = true;
                    of_id.push((*value, false));
                    wanted.updated += 1;
                }
                None => {
                    of_id.push((*value, false));
                    wanted.inserted += 1;
                }
            }
        }
        wanted.gone = wanted.updated + wanted.deleted;
        assert_eq!(history(&bed, sequence, &of, deletes).await.unwrap(), wanted);
        if sequence % 3 == 0 {
            bed.lake.optimize(bed.table, &actor()).await.unwrap();
        }
        let mut found = Model::new();
        for (id, value, _, to) in told(&bed, None).await {
            found.entry(id).or_default().push((value, to.is_some()));
        }
        assert_eq!(found, model);
    }
    // In a row of one key each begins when the one before ended, or later.
    for pair in told(&bed, None).await.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        assert!(pair[0].2 < pair[0].3.unwrap() && pair[0].3.unwrap() <= pair[1].2, "{pair:?}");
    }
    bed.lake.verify(bed.table).await.unwrap();
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn a_history_is_what_happened(
        steps in proptest::collection::vec(
            (proptest::collection::btree_map(0i64..40, 0i64..3, 0..30), proptest::option::of(proptest::collection::vec(0i64..45, 0..20)), any::<bool>()),
            1..7,
        ),
        memory in prop_oneof![Just(128usize << 20), 0usize..1500],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(follow(steps, memory));
    }
}
