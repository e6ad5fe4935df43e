pub fn forge() -> polder_policy::Permit {
    polder_policy::Permit::new()
}
