pub fn forge() -> polder_contract::Duplicates {
    polder_contract::Duplicates::new(loop {}, loop {}, loop {}, loop {}, loop {}, loop {}, loop {})
}
