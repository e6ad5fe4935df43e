use std::sync::Arc;

use polder_contract::{Approved, Contract};

pub fn forge(contract: Contract) -> Approved {
    Approved { contract: Arc::new(contract), approver: String::new() }
}
