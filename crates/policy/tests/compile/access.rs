pub fn forge() -> polder_policy::Access {
    polder_policy::Access { permit: loop {}, rows: None, columns: Default::default(), whole: true }
}
