use polder_policy::{Action, Permit};

pub fn forge() -> Permit {
    Permit { principal: loop {}, action: Action::Read, table: loop {}, table_id: loop {}, request: loop {}, policies: Vec::new() }
}
