//! Quality rules over a whole load, through the program.

use crate::harness::{PEOPLE_CONTRACT, Project};

const AGE: &str = "{name: age, physicalName: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}";

/// People whose ages may be missing in less than half of the rows, and of whom a load brings at least three.
fn project(rows: &str) -> Project {
    let project = Project::new();
    project.people(rows);
    let aged = AGE.replace("}}", "}, quality: [{metric: nullValues, mustBeLessThan: 50, unit: percent}]}");
    let contract = PEOPLE_CONTRACT.replace(AGE, &aged).replace(
        "    physicalName: people\n",
        "    physicalName: people\n    quality: [{type: library, metric: rowCount, mustBeGreaterOrEqualTo: 3}]\n",
    );
    assert_eq!(contract.matches("quality").count(), 2);
    project.write("contracts/people.odcs.yaml", contract);
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    project
}

#[test]
fn a_load_that_breaks_a_rule_of_the_whole_shows_nothing() {
    let project = project("1,Ann,NA,s\n2,Bob,NA,s\n3,Cid,30,s\n");
    for args in [&["run", "--dry-run"][..], &["run"]] {
        let error = project.run(args).fails(3);
        assert!(error.contains("nullValues of column age is 2 of 3 rows, and must be less than 50 percent"), "{error}");
    }
    project.run(&["table", "show", "people"]).fails(2);
    project.write("data/people.csv", "id,name,age,secret\n1,Ann,10,s\n2,Bob,20,s\n");
    let error = project.run(&["run"]).fails(3);
    assert!(error.contains("rowCount is 2 of 2 rows, and must be at least 3"), "{error}");
    project.write("data/people.csv", "id,name,age,secret\n1,Ann,NA,s\n2,Bob,20,s\n3,Cid,30,s\n4,Dan,999,s\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*), count(age) from people"), ["3,2"]);
    // What a replay brings is no whole load: one row is enough.
    project.admit_ages(1_000);
    project.run(&["quarantine", "replay", "people"]).ok();
    assert_eq!(project.rows("select age from people where id = 4"), ["999"]);
}
