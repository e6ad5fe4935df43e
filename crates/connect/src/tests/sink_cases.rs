//! The micro-batching interface: files through the gate into a sink that keeps its tables in memory.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use arrow::array::cast::AsArray;
use arrow::array::types::Int64Type;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use polder_contract::{Admitted, Contract, Duplicates, Gate, GateOptions, Reconciled, Reconciliation};
use polder_types::{ErrorKind, Secret};

use super::approval::{NoSpill, approved};
use crate::{Committed, Connection, Offsets, ReadOptions, Removed, SinkError, Staged, TableSink, WantedColumn, open};

const CONTRACT: &str = "
apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: s}
  - {property: polder.onViolation, value: quarantine}
  - {property: polder.rejectLimit, value: 0.5}
schema: [{name: t, properties: [{name: k, logicalType: integer, primaryKey: true, logicalTypeOptions: {format: i64}}]}]
";

#[derive(Default)]
struct MemorySink {
    staged: Vec<(RecordBatch, Vec<u64>)>,
    finished: Option<Vec<i64>>,
    versions: Vec<(Offsets, Vec<i64>)>,
}

fn failed(step: &str) -> SinkError {
    SinkError { kind: ErrorKind::Internal, step: step.to_owned(), source: None }
}

#[async_trait]
impl TableSink for MemorySink {
    async fn write(&mut self, batch: Admitted) -> Result<(), SinkError> {
        let ordinals = batch.ordinals().iter().cloned().flatten().collect();
        self.staged.push((batch.into_batch(), ordinals));
        Ok(())
    }

    async fn finish(&mut self, duplicates: &Duplicates, removed: &mut Removed<'_>) -> Result<Staged, SinkError> {
        let (mut kept, mut out) = (Vec::new(), 0);
        for (batch, ordinals) in self.staged.drain(..) {
            for (row, ordinal) in ordinals.into_iter().enumerate() {
                if duplicates.find(ordinal).is_some() {
                    removed(ordinal, &batch, row);
                    out += 1;
                } else {
                    kept.push(batch.column(0).as_primitive::<Int64Type>().value(row));
                }
            }
        }
        let staged = Staged { rows: kept.len() as u64, removed: out };
        self.finished = Some(kept);
        Ok(staged)
    }

    async fn commit(&mut self, offsets: Offsets, reconciled: Reconciled) -> Result<Committed, SinkError> {
        let rows = self.finished.take().ok_or_else(|| failed("commit what was not finished"))?;
        if reconciled.counts().loaded != rows.len() as u64 {
            return Err(failed("commit other rows than were counted"));
        }
        if let Some((last, _)) = self.versions.last().filter(|(last, _)| last.sequence >= offsets.sequence) {
            return Ok(Committed::Already { sequence: last.sequence });
        }
        self.versions.push((offsets, rows));
        Ok(Committed::Now { version: self.versions.len() as u64 })
    }

    async fn abort(&mut self) -> Result<(), SinkError> {
        self.staged.clear();
        self.finished = None;
        Ok(())
    }
}

/// What is never waiting.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a sink in memory waits for nobody"),
    }
}

/// One micro-batch: what a load and a stream do alike, over whatever sink the program gives them.
async fn micro_batch(sink: &mut dyn TableSink, text: &str, sequence: u64, lose: bool) -> Result<(Committed, Vec<u64>), SinkError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.csv"), text).unwrap();
    let connection = Connection::parse("type: csv\npath: .\ndatasets: {d: {file: f.csv}}\n", "sources/s.yaml").unwrap();
    let mut reader = open(&connection, "d", &[WantedColumn::new("k")], ReadOptions::new(dir.path())).unwrap();
    let contract = approved(Contract::parse(CONTRACT, "t.odcs.yaml").unwrap_or_else(|problems| panic!("{problems}")));
    let gate = Gate::new(Arc::clone(&contract), GateOptions::new(Secret::new(vec![7; 32]), Arc::new(NoSpill))).unwrap();
    let mut refused = 0;
    while let Some(batch) = reader.next().unwrap() {
        let checked = gate.check(batch).unwrap();
        refused += checked.rejections.len() as u64;
        if lose {
            sink.abort().await?;
        }
        sink.write(checked.admitted).await?;
    }
    let duplicates = gate.finish().unwrap();
    let mut removed = Vec::new();
    let staged = sink.finish(&duplicates, &mut |ordinal, _, _| removed.push(ordinal)).await?;
    assert_eq!(staged.removed, removed.len() as u64);
    let read = reader.counted().unwrap();
    let quarantined = refused + staged.removed;
    let counts = Reconciliation { read, independent: true, loaded: staged.rows, quarantined, ..Reconciliation::default() };
    let reconciled = counts
        .close(&contract, &duplicates, polder_contract::question::Answers::judge(&contract, &[]).unwrap())
        .map_err(|error| failed(&error.to_string()))?;
    let offsets = Offsets { sequence, source_identity: reader.source_identity().to_owned(), files: reader.files() };
    Ok((sink.commit(offsets, reconciled).await?, removed))
}

#[test]
fn a_load_is_one_micro_batch_and_a_stream_many_in_one_sink() {
    let mut sink = MemorySink::default();
    // The gate refuses one row and finds one that repeats a key.
    let (committed, removed) = ready(micro_batch(&mut sink, "k\n1\nx\n2\n1\n", 1, false)).unwrap();
    assert_eq!((committed, removed), (Committed::Now { version: 1 }, vec![3]));
    assert_eq!(ready(micro_batch(&mut sink, "k\n3\n", 2, false)).unwrap().0, Committed::Now { version: 2 });
    assert_eq!(ready(micro_batch(&mut sink, "k\n3\n", 2, false)).unwrap().0, Committed::Already { sequence: 2 });
    let rows: Vec<_> = sink.versions.iter().map(|(offsets, rows)| (offsets.sequence, offsets.files.len(), rows.clone())).collect();
    assert_eq!(rows, [(1, 1, vec![1, 2]), (2, 1, vec![3])]);
}

#[test]
fn counts_that_do_not_close_commit_nothing_and_the_sink_goes_on() {
    let mut sink = MemorySink::default();
    let many = format!("k\n{}", (0..9_000).map(|key| format!("{key}\n")).collect::<String>());
    // The second batch of rows finds that the first was forgotten.
    let error = ready(micro_batch(&mut sink, &many, 1, true)).unwrap_err();
    assert!(
        error.to_string().contains("close the counts") && error.to_string().contains("nothing of this batch became visible"),
        "{error}"
    );
    assert_eq!(sink.versions.len(), 0);
    ready(sink.abort()).unwrap();
    assert_eq!(ready(micro_batch(&mut sink, &many, 1, false)).unwrap().0, Committed::Now { version: 1 });
    assert_eq!(sink.versions[0].1.len(), 9_000);
}
