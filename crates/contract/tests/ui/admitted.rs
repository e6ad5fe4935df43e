use polder_contract::Admitted;

fn main() {
    let batch = arrow::record_batch::RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
    let _ = Admitted { batch, first_ordinal: 0, ordinals: Vec::new() };
}
