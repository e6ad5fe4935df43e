//! The whole way through the public doors: raw rows, the gate, the writer, closed counts, a commit, a permitted scan.

use std::io::{Cursor, Read, Result as IoResult, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use polder_contract::approval::{approval_file, approval_text};
use polder_contract::question::Answers;
use polder_contract::{
    Approved, ApproverPublic, Cells, Contract, Gate, GateOptions, RawBatch, Reconciliation, SourceKeys, SpillFiles, SpillSink, SpillSource,
};
use polder_types::{ErrorKind, Secret};

use super::bed::{Bed, actor};
use crate::matching::Going;
use crate::{Committed, Deletes, WriteMode, WriteRequest};

const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: c1
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: s}
  - {property: polder.onViolation, value: drop}
  - {property: polder.rejectLimit, value: 0.5}
schema:
  - name: t
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: name, logicalType: string}
";

#[derive(Default)]
struct Memory(Vec<u8>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

impl SpillSink for Memory {
    fn finish(self: Box<Self>) -> IoResult<Box<dyn SpillSource>> {
        Ok(self)
    }
}

impl SpillSource for Memory {
    fn open(&self) -> IoResult<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

struct MemoryFiles;

impl SpillFiles for MemoryFiles {
    fn create(&self) -> IoResult<Box<dyn SpillSink>> {
        Ok(Box::<Memory>::default())
    }
}

fn approved(text: &str) -> Arc<Approved> {
    let contract = Contract::parse(text, "t.odcs.yaml").unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let tagged = [&[1], pair.public_key().as_ref()].concat();
    let id = crate::log::sha256(&[b"ann\n", tagged.as_slice()].concat());
    let vkey = format!("ann+{}+{}", &id[..8], base64::engine::general_purpose::STANDARD.encode(&tagged));
    let signature = pair.sign(approval_text(&contract).as_bytes());
    let file = approval_file(&contract, &vkey, signature.as_ref().try_into().unwrap()).unwrap();
    Arc::new(Approved::verify(contract, Some(&file), &[ApproverPublic::parse(&vkey).unwrap()]).unwrap())
}

fn raw(ids: Vec<Option<i64>>, first_ordinal: u64) -> RawBatch {
    let names: StringArray = ids.iter().map(|id| id.map(|id| format!("row {id}"))).collect();
    let rows = ids.len();
    RawBatch {
        columns: vec![Cells::Typed(Arc::new(Int64Array::from(ids)) as ArrayRef), Cells::Typed(Arc::new(names) as ArrayRef)],
        rows,
        first_record: first_ordinal + 1,
        first_ordinal,
        file: Arc::from("rows.parquet"),
        malformed: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_through_the_gate_into_the_table_and_out_with_a_permit() {
    let bed = Bed::new().await;
    let contract = approved(CONTRACT);
    let gate = |existing| {
        let mut options = GateOptions::new(Secret::new(vec![9; 32]), Arc::new(MemoryFiles));
        options.existing = existing;
        Gate::new(Arc::clone(&contract), options).unwrap()
    };
    let first = gate(None);
    bed.lake.create(bed.table, first.schema(), &actor()).await.unwrap();
    let request = WriteRequest {
        dataset: bed.table,
        source: "s".into(),
        schema: Arc::clone(first.schema()),
        mode: WriteMode::Append,
        keys: Vec::new(),
        history: None,
        actor: actor(),
    };
    let mut writer = bed.lake.writer(request).await.unwrap();

    // 1 and 2 come twice, one row has no key.
    let batches = [raw(vec![Some(1), Some(2), None, Some(3)], 0), raw(vec![Some(2), Some(4), Some(1)], 4)];
    let mut refused = 0;
    for batch in batches {
        let checked = first.check(batch).unwrap();
        refused += checked.rejections.len() as u64;
        writer.write(checked.admitted).await.unwrap();
    }
    let duplicates = first.finish().unwrap();
    let mut removed = Vec::new();
    let staged = writer.finish(&duplicates, &mut |ordinal, _, _| removed.push(ordinal)).await.unwrap();
    removed.sort_unstable();
    assert_eq!((staged.rows, removed), (4, vec![4, 6]));
    let counts =
        Reconciliation { read: 7, independent: true, loaded: staged.rows, rejected: refused + staged.removed, ..Reconciliation::default() };
    let reconciled = counts.close(&contract, &duplicates, Answers::judge(&contract, &[]).unwrap()).unwrap();
    assert_eq!(writer.commit(1, reconciled).await.unwrap(), Committed::Now { version: 1 });
    assert_eq!(bed.rows(None).await.len(), 4);

    // The next run finds a key that the table has.
    let keys = bed.lake.keys(&bed.permit(polder_policy::Action::Run), &["id".into()]).await.unwrap();
    let second = gate(Some(Box::new(keys)));
    let checked = second.check(raw(vec![Some(5), Some(3)], 0)).unwrap();
    writer.write(checked.admitted).await.unwrap();
    let duplicates = second.finish().unwrap();
    let staged = writer.finish(&duplicates, &mut |_, _, _| {}).await.unwrap();
    let counts = Reconciliation { read: 2, independent: true, loaded: staged.rows, rejected: staged.removed, ..Reconciliation::default() };
    let reconciled = counts.close(&contract, &duplicates, Answers::judge(&contract, &[]).unwrap()).unwrap();
    assert_eq!(writer.commit(2, reconciled).await.unwrap(), Committed::Now { version: 2 });
    let rows = bed.rows(None).await;
    assert_eq!(rows.len(), 5);
    assert!(rows[4].contains("row 5"), "{rows:?}");
}

#[test]
fn nothing_is_compared_with_keys_of_which_one_could_not_be_read() {
    let merged = "  - {property: polder.disposition, value: merge}\n  - {property: polder.deletes, value: key_snapshot}\nschema:\n";
    let contract = approved(&CONTRACT.replace("schema:\n", merged));
    let keys = SourceKeys::new(&contract, &GateOptions::new(Secret::new(vec![9; 32]), Arc::new(MemoryFiles))).unwrap();
    let read = |ids: Vec<Option<i64>>| {
        let rows = ids.len();
        let columns = vec![Cells::Typed(Arc::new(Int64Array::from(ids)) as ArrayRef)];
        keys.read(&RawBatch { columns, rows, first_record: 1, first_ordinal: 0, file: Arc::from("rows.parquet"), malformed: Vec::new() })
    };
    let batches = [read(vec![Some(1), Some(2)]), read(vec![Some(3), None])];
    let Going::AllBut(mut going) = Going::from(Deletes::AllBut(Box::new(batches.into_iter()))) else { panic!("all but these") };
    assert_eq!(going.next().unwrap().unwrap().num_rows(), 2);
    assert_eq!(going.next().unwrap().unwrap_err().kind(), ErrorKind::Rejected);
}
