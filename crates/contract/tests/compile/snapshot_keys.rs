pub fn forge() -> polder_contract::SnapshotKeys {
    polder_contract::SnapshotKeys { keys: loop {}, unreadable: 0 }
}
