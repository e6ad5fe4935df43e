pub fn forge() -> polder_contract::Duplicates {
    polder_contract::Duplicates { checked: 0, admitted: 0 }
}
