use polder_contract::SnapshotKeys;

fn main() {
    let keys = arrow::record_batch::RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
    let _ = SnapshotKeys { keys, unreadable: 0 };
}
