use polder_contract::Duplicates;

fn main() {
    let _ = Duplicates::new;
}
