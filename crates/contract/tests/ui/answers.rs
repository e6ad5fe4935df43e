use polder_contract::question::Answers;

fn main() {
    let _ = Answers { contract: [0; 32] };
}
