pub fn forge() -> polder_contract::DeletedKeys {
    polder_contract::DeletedKeys { batch: loop {}, ordinals: Vec::new() }
}
