use polder_contract::Duplicates;

fn main() {
    let _ = Duplicates { checked: 0, admitted: 0 };
}
