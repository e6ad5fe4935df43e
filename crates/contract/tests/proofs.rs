//! What only the gate, an approval or closed counts may make does not compile outside of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../../../tests/compiler.rs"]
mod compiler;

#[test]
fn proofs_cannot_be_made_by_hand() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile");
    let cases = [
        ("admitted.rs", "fields `batch`, `first_ordinal` and `ordinals` of struct `polder_contract::Admitted` are private"),
        ("admitted_new.rs", "associated function `new` is private"),
        ("answers.rs", "field `contract` of struct `Answers` is private"),
        ("approved.rs", "fields `contract` and `approver` of struct `Approved` are private"),
        ("deleted_keys.rs", "fields `batch` and `ordinals` of struct `DeletedKeys` are private"),
        ("duplicates.rs", "cannot construct `Duplicates` with struct literal syntax due to private fields"),
        ("duplicates_new.rs", "associated function `new` is private"),
        ("reconciled.rs", "field `counts` of struct `Reconciled` is private"),
        ("snapshot_keys.rs", "fields `keys` and `unreadable` of struct `SnapshotKeys` are private"),
        ("standing_keys.rs", "field `keys` of struct `StandingKeys` is private"),
    ];
    compiler::refuses("polder_contract", &folder, &cases);
}
