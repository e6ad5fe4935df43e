//! What must not compile, against the library as it was just built: no scan without a permit, no write without the gate.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../../../tests/compiler.rs"]
mod compiler;

#[test]
fn nothing_else_compiles() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile");
    let cases = [
        ("scan_without_permit.rs", "this method takes 2 arguments but 1 argument was supplied"),
        ("scan_by_id.rs", "expected `&Permit`, found `&DatasetId`"),
        ("scan_inside.rs", "method `provider` is private"),
        ("snapshot_inside.rs", "method `snapshot` is private"),
        ("write_without_gate.rs", "expected `Admitted`, found `RecordBatch`"),
        ("write_inside.rs", "method `write_batch` is private"),
        ("admit.rs", "of struct `Admitted` are private"),
        ("commit_counts.rs", "method `commit_counts` is private"),
        ("delete_without_gate.rs", "expected `StandingKeys`, found `RecordBatch`"),
        ("delete_by_own_keys.rs", "of struct `StandingKeys` is private"),
        ("delete_inside.rs", "method `match_keys` is private"),
        ("match_by_id.rs", "expected `&Permit`, found `&DatasetId`"),
        ("keys_by_id.rs", "expected `&Permit`, found `&DatasetId`"),
        ("keys_outside_the_gate.rs", "this method takes 1 argument but 0 arguments were supplied"),
        ("keys_with_own_access.rs", "cannot initialize a tuple struct which contains private fields"),
        ("keys_inside.rs", "method `next_batch` is private"),
    ];
    compiler::refuses("polder_lake", &folder, &cases);
}
