//! Secrets of sources: by reference alone, read anew for each use, and never repeated.

use super::{Column, column, contract, key};
use crate::harness::{Project, ran};
use crate::servers::postgres::Postgres;

const REPLACE: &str = "{property: polder.disposition, value: replace}";
const BEDS: [Column; 2] = [key("id", "logicalType: integer"), column("bed", "logicalType: string")];

#[test]
fn a_secret_that_is_written_out_is_refused_by_its_line_and_not_repeated() {
    let project = Project::new();
    for (keys, says) in [
        ("url: postgres://u:hunter2@h/d\n", "line 2: `url` is not a reference"),
        ("url: env:POLDER_TEST_HIS_URL\npassword: hunter2\n", "line 3: `password` is not a reference"),
    ] {
        project.write("sources/his.yaml", format!("type: postgres\n{keys}tables: [adt.*]\n"));
        for command in [&["source", "check", "his"][..], &["contract", "propose", "his", "--write"]] {
            let ran = project.run(command);
            assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{ran:?}");
            let err = ran.fails(2);
            assert!(err.contains(&format!("his.yaml, {says}")), "{command:?}: {err}");
        }
    }
}

#[test]
fn a_password_that_was_changed_between_two_runs_is_the_new_one() {
    let server = Postgres::start();
    server.psql(
        "alter role polder password 'hunter2-before'; create table beds (id int primary key, bed text); insert into beds values (1, 'b1');",
    );
    let project = Project::new();
    let url = format!("postgres://polder@localhost:{}/db", server.port());
    project.write(
        "sources/his.yaml",
        format!(
            "type: postgres\nurl: env:POLDER_TEST_HIS_URL\npassword: file:his.pass\nca: {}\ntables: [public.*]\n",
            server.ca_file().display()
        ),
    );
    project.write("his.pass", "hunter2-before\n");
    project.contract("beds", &contract("beds", "his", "public.beds", &BEDS, &[REPLACE]));
    let run = |url: Option<&str>| {
        let mut command = project.command(&["run"]);
        match url {
            Some(url) => command.env("POLDER_TEST_HIS_URL", url),
            None => command.env_remove("POLDER_TEST_HIS_URL"),
        };
        let ran = ran(command.output().unwrap());
        assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{ran:?}");
        ran
    };
    // What is missing is told by its name.
    let missing = run(None);
    assert!(missing.out.contains("POLDER_TEST_HIS_URL") || missing.err.contains("POLDER_TEST_HIS_URL"), "{missing:?}");
    missing.fails(4);
    run(Some(&url)).ok();
    assert_eq!(project.rows("select id, bed from beds"), ["1,b1"]);
    server.psql("alter role polder password 'hunter2-after'; insert into beds values (2, 'b2');");
    // The old one lets nobody in any more.
    run(Some(&url)).fails(7);
    assert_eq!(project.rows("select id, bed from beds"), ["1,b1"]);
    project.write("his.pass", "hunter2-after\n");
    run(Some(&url)).ok();
    assert_eq!(project.rows("select id, bed from beds order by id"), ["1,b1", "2,b2"]);
    // A file that is not there is told, too, and so is one without a word.
    std::fs::remove_file(project.dir().join("his.pass")).unwrap();
    let missing = run(Some(&url));
    assert!(missing.out.contains("his.pass") || missing.err.contains("his.pass"), "{missing:?}");
    missing.fails(4);
    project.write("his.pass", "\n");
    run(Some(&url)).fails(4);
    assert_eq!(project.rows("select id, bed from beds order by id"), ["1,b1", "2,b2"]);
}
