//! What only the gate, an approval or closed counts may make does not compile outside of them.

#[test]
fn proofs_cannot_be_made_by_hand() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
