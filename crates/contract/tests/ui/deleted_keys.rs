use polder_contract::DeletedKeys;

fn main() {
    let batch = arrow::record_batch::RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
    let _ = DeletedKeys { batch, ordinals: Vec::new() };
}
