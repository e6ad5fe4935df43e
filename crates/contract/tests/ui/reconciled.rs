use polder_contract::{Duplicates, Reconciled};

fn main() {
    let _ = Reconciled { counts: Default::default() };
    let _ = Duplicates { repeated: Vec::new(), origins: Vec::new(), checked: 0, admitted: 0, all: Default::default() };
}
