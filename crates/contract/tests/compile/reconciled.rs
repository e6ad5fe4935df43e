pub fn forge() -> polder_contract::Reconciled {
    polder_contract::Reconciled { counts: Default::default() }
}
