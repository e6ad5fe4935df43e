pub fn forge() -> polder_contract::Admitted {
    polder_contract::Admitted::new(loop {}, 0, Vec::new())
}
