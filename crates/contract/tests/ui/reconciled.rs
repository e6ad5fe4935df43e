use polder_contract::Reconciled;

fn main() {
    let _ = Reconciled { counts: Default::default() };
}
