pub fn forge() -> polder_contract::StandingKeys {
    polder_contract::StandingKeys { keys: loop {} }
}
