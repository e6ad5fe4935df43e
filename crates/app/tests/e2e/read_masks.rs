//! Masks under keys, as policies put them on what is read: which values still join, and that no plain one is shown.

use crate::harness::Project;

fn contract(table: &str, id: &str, number: &str) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {table}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, value: files}}\nschema:\n  - name: {table}\n    physicalName: {table}\n    properties:\n      - {{name: id, logicalType: string, customProperties: [{{property: polder.mask, value: {id}}}]}}\n      - {{name: {number}, logicalType: integer}}\n"
    )
}

/// Who is called what stands encrypted in one table, and as pseudonyms of the same domain in the other.
fn loaded() -> Project {
    let project = Project::new();
    project.write("data/stays.csv", "id,ward\nann-1,1\nbob-2,2\n");
    project.write("data/bills.csv", "id,cost\nann-1,10\nbob-2,20\n");
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  stays: {file: stays.csv}\n  bills: {file: bills*.csv}\n");
    project.write("contracts/stays.odcs.yaml", contract("stays", "{encrypt: people}", "ward"));
    project.write("contracts/bills.odcs.yaml", contract("bills", "{pseudonymise: people}", "cost"));
    for table in ["stays", "bills"] {
        project.run(&["contract", "approve", table, "--yes"]).ok();
    }
    project.run(&["run"]).ok();
    project
}

/// Everyone sees a column of every table through a mask.
fn mask(project: &Project, column: &str, mask: &str) {
    let policy = format!(
        "forbid (principal, action == Action::\"ReadColumn\", resource) when {{ resource.name == \"{column}\" }};\n@mask(\"{mask}\")\npermit (principal, action == Action::\"ReadMasked\", resource) when {{ resource.name == \"{column}\" }};\n"
    );
    project.write("policies/masks.cedar", policy);
}

#[test]
fn tokens_join_what_is_stored_in_two_ways() {
    let project = loaded();
    let join = "select s.ward, b.cost from stays s join bills b on s.id = b.id order by 1";
    let pseudonyms = project.rows("select id from bills order by cost");
    let encrypted = project.rows("select id from stays order by ward");
    // The control: as they are stored they do not join.
    assert!(project.rows(join).is_empty() && pseudonyms != encrypted);
    mask(&project, "id", "tokenise");
    assert_eq!(project.rows("select id from stays order by ward"), pseudonyms);
    assert_eq!(project.rows("select id from bills order by cost"), pseudonyms);
    assert_eq!(project.rows(join), ["1,10", "2,20"]);
    // A column that its contract masks under no domain has no tokens.
    mask(&project, "ward", "tokenise");
    let error = project.run(&["sql", "select id from stays"]).fails(2);
    assert!(error.contains("tokenise column ward") && error.contains("no domain"), "{error}");
    assert_eq!(project.rows("select count(*) from bills"), ["2"]);
}

#[test]
fn a_hash_is_the_same_in_every_table_and_after_rotations() {
    let project = loaded();
    mask(&project, "ward", "hash");
    let hashes = project.rows("select ward from stays order by ward");
    assert!(hashes.len() == 2 && hashes[0] != hashes[1], "{hashes:?}");
    assert!(hashes.iter().all(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())), "{hashes:?}");
    // The plain value decides nothing.
    assert_eq!(project.rows("select count(*) from stays where ward = '1'"), ["0"]);
    assert_eq!(project.rows(&format!("select count(*) from stays where ward = '{}'", hashes[0])), ["1"]);
    project.run(&["keys", "rotate"]).ok();
    project.run(&["keys", "rotate", "--table", "stays"]).ok();
    assert_eq!(project.rows("select ward from stays order by ward"), hashes);
    // A number in another table, and the text that it prints as.
    project.write("data/bills-2.csv", "id,cost\ncid-3,1\n");
    project.run(&["run"]).ok();
    mask(&project, "cost", "hash");
    let found: Vec<String> = project.rows("select cost from bills").into_iter().filter(|hash| hashes.contains(hash)).collect();
    assert_eq!(found.len(), 1, "the hashes of 1 differ: {hashes:?}");
}

#[test]
fn a_contract_that_nobody_approved_makes_no_tokens() {
    let project = loaded();
    let plain = "5d41402abc4b2a76b9719d911017c592";
    project.write("data/sums.csv", format!("id,size\n{plain},5\n"));
    project.write(
        "sources/files.yaml",
        "type: csv\npath: data\ndatasets:\n  stays: {file: stays.csv}\n  bills: {file: bills*.csv}\n  sums: {file: sums.csv}\n",
    );
    let masked = contract("sums", "{pseudonymise: people}", "size");
    project.write(
        "contracts/sums.odcs.yaml",
        masked.replace(", customProperties: [{property: polder.mask, value: {pseudonymise: people}}]", ""),
    );
    project.run(&["contract", "approve", "sums", "--yes"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select id from sums"), [plain]);
    mask(&project, "id", "tokenise");
    // Under the contract that was approved the column has no domain, under the other one what is stored would pass for a token.
    let error = project.run(&["sql", "select id from sums"]).fails(2);
    assert!(error.contains("tokenise column id") && error.contains("no domain"), "{error}");
    project.write("contracts/sums.odcs.yaml", masked);
    let ran = project.run(&["sql", "select id from sums"]);
    assert!(!ran.out.contains(plain), "{}", ran.out);
    let error = ran.fails(3);
    assert!(error.contains("tokenise column id of table sums") && error.contains("approve"), "{error}");
}
