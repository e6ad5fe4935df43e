use polder_contract::StandingKeys;

fn main() {
    let keys = arrow::record_batch::RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
    let _ = StandingKeys { keys };
}
