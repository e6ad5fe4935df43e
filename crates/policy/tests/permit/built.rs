use polder_policy::{Action, Permit};
use polder_types::{DatasetId, PrincipalId, RequestId, TableName};

fn main() {
    let _ = Permit {
        principal: PrincipalId::new("user", "mallory").unwrap(),
        action: Action::Read,
        table: TableName::new("flights").unwrap(),
        table_id: DatasetId([0; 16]),
        request: RequestId([0; 16]),
        policies: Vec::new(),
    };
}
