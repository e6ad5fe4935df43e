use polder_policy::Permit;

fn main() {
    let _ = Permit::default();
    let _ = Permit::new();
    let _: Permit = String::from("{}").into();
}
