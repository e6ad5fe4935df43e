//! `table erase`: what a person asks to have erased is nowhere in the store afterwards, whenever the program is killed, and success is told of
//! nothing less.

use std::collections::BTreeSet;

use polder_app::search::Search;

use crate::harness::{PEOPLE_CONTRACT, Project, Ran};
use crate::plain::unsealed;

const ERASED: &str = "Zwanenburgwal-Erased-1921";
const WHERE: &str = "name = 'Zwanenburgwal-Erased-1921'";

/// The person stands in a row, and in one that was refused; a model and one above it hold the row too.
fn loaded() -> Project {
    let project = Project::new();
    let filler: String = (10..400).map(|id| format!("{id},Name {id},{},x\n", id % 100)).collect();
    project.people(&format!("1,{ERASED},41,s\n2,{ERASED},999,s\n3,Bob,998,s\n{filler}"));
    project.write("models/names.sql", "-- polder: materialized = table\nselect id, name from people where id < 100\n");
    project.write("models/shown.sql", "-- polder: materialized = view\nselect name from names\n");
    project.write("models/initials.sql", "-- polder: materialized = table\nselect name, left(name, 1) as initial from shown\n");
    project.write("models/ages.sql", "-- polder: materialized = table\nselect age, count(*) as persons from people group by age\n");
    project.run(&["run"]).ok();
    project
}

/// The areas of the store in which the name lies, and the sort of file it is: as it would if nothing were sealed.
fn found(project: &Project, name: &str) -> BTreeSet<(String, String)> {
    let plain = unsealed(project, name);
    let report = Search::new(&[ERASED]).unwrap().directory(&plain).unwrap();
    assert!(report.files > 3);
    let told = report.findings.iter().map(|found| {
        let path = found.path.strip_prefix(&plain).unwrap();
        let area = path.iter().next().unwrap().to_str().unwrap().to_owned();
        (area, path.extension().map(|end| end.to_str().unwrap().to_owned()).unwrap_or_default())
    });
    told.collect()
}

/// The one place that may hold it: the log's private values say what was asked to be erased.
#[track_caller]
fn assert_gone(project: &Project, name: &str) {
    let areas: BTreeSet<String> = found(project, name).into_iter().map(|(area, _)| area).collect();
    assert!(areas.is_subset(&["private".to_owned()].into()), "{name}: {areas:?}");
    for table in ["people", "names", "initials"] {
        assert_eq!(project.rows(&format!("select count(*) from {table} where {WHERE}")), ["0"], "{name}: {table}");
    }
    assert!(!project.run(&["quarantine", "show", "people"]).ok().contains(ERASED), "{name}");
    project.run(&["audit", "verify"]).ok();
}

fn phases(project: &Project) -> Vec<String> {
    let shown = project.json(&["audit", "show", "--type", "rows_erased", "--limit", "100"]);
    shown.as_array().unwrap().iter().map(|entry| entry["details"]["phase"].as_str().unwrap().to_owned()).collect()
}

fn erase(project: &Project, condition: &str, more: &[&str]) -> Ran {
    project.run(&[&["table", "erase", "people", "--where", condition], more].concat())
}

#[test]
fn what_is_erased_is_nowhere_in_the_store() {
    let project = loaded();
    // The control: in data files and in the bounds that the table log tells, and among the refused rows.
    let before = found(&project, "before");
    for (area, end) in [("tables", "parquet"), ("tables", "json"), ("quarantine", "")] {
        assert!(before.contains(&(area.to_owned(), end.to_owned())), "{before:?}");
    }
    let would = erase(&project, WHERE, &["--dry-run"]).ok();
    assert!(would.contains("table people: 1 of 391 rows, and every version before this"), "{would}");
    assert!(would.contains("refused rows of people: 1 of 2") && would.contains("model names: "), "{would}");
    assert!(phases(&project).is_empty() && found(&project, "dry").contains(&("tables".to_owned(), "parquet".to_owned())));

    let told = erase(&project, WHERE, &["--yes"]).ok();
    assert!(told.starts_with("erased from people: 1 row and 1 refused row; version "), "{told}");
    for said in [
        "computed anew: names, 91 rows before and 90 now; asked again, it has none",
        "no such row is left",
        "brings them back",
        "not reached",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(told.contains("ages, ") && told.contains("it cannot be asked"), "{told}");
    assert_gone(&project, "after");
    // Nobody else's rows went.
    assert_eq!(project.rows("select count(*), min(id), max(id) from people"), ["390,10,399"]);
    assert_eq!(project.rows("select count(*) from names"), ["90"]);
    assert_eq!(project.rows("select count(*) from initials"), ["90"]);
    let kept = project.run(&["quarantine", "show", "people"]).ok();
    assert!(kept.contains("Bob"), "{kept}");

    let shown = project.json(&["audit", "show", "--type", "rows_erased"]);
    assert_eq!(phases(&project), ["intent", "outcome"]);
    let outcome = &shown[1];
    assert_eq!(
        (&outcome["details"]["rows"], &outcome["details"]["refused"], &outcome["details"]["undecided"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert_eq!(outcome["details"]["models"].as_object().unwrap().len(), 3);
    assert_eq!(outcome["private"]["predicate"], WHERE);
    // What third parties see says nothing of it.
    let export = project.beside("export");
    project.run(&["audit", "export", "--to", export.to_str().unwrap()]).ok();
    assert_eq!(Search::new(&[ERASED]).unwrap().directory(&export).unwrap().findings, []);
}

#[test]
fn no_older_version_comes_back() {
    let project = loaded();
    project.write("data/people2.csv", "id,name,age,secret\n500,Eve,5,s\n");
    project.run(&["run"]).ok();
    let history = project.json(&["table", "history", "people"]);
    let newest = history.as_array().unwrap().last().unwrap()["version"].as_u64().unwrap();
    erase(&project, WHERE, &["--yes"]).ok();
    for version in 1..=newest {
        let version = version.to_string();
        let err = project.run(&["sql", "select count(*) from people", "--at", &format!("people={version}")]).fails(2);
        assert!(err.contains("erased"), "{err}");
        let err = project.run(&["table", "restore", "people", "--version", &version, "--yes"]).fails(2);
        assert!(err.contains("rows were erased from it since"), "{err}");
    }
    // The table goes on, knows what it has loaded, and can be restored to what it was since.
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["391"]);
    project.write("data/people3.csv", "id,name,age,secret\n501,Fay,5,s\n");
    project.run(&["run"]).ok();
    project.run(&["table", "optimize", "people"]).ok();
    project.run(&["table", "restore", "people", "--version", &(newest + 1).to_string(), "--yes"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["391"]);
    assert_gone(&project, "later");
    // What the contract admits by now is replayed without the erased row.
    project.admit_ages(1_000);
    project.run(&["quarantine", "replay", "people"]).ok();
    assert_eq!(project.rows("select name from people where id < 10"), ["Bob"]);
    assert_gone(&project, "replayed");
}

#[test]
fn a_row_that_another_took_the_place_of_is_erased_too() {
    for disposition in ["merge", "scd2"] {
        let project = Project::new();
        project.people_by(&format!("1,{ERASED},41,s\n2,Bob,5,s\n3,Cid,6,s\n"), disposition);
        project.run(&["run"]).ok();
        project.write("data/people2.csv", "id,name,age,secret\n1,Ann,41,s\n");
        project.run(&["run"]).ok();
        let still = project.rows(&format!("select count(*) from people where {WHERE}"));
        // With history its row is there, and closed; without it lies in the file under a deletion vector.
        assert_eq!(still, [if disposition == "scd2" { "1" } else { "0" }], "{disposition}");
        assert!(found(&project, "before").contains(&("tables".to_owned(), "parquet".to_owned())), "{disposition}");
        erase(&project, WHERE, &["--yes"]).ok();
        let areas: BTreeSet<String> = found(&project, "after").into_iter().map(|(area, _)| area).collect();
        assert_eq!(areas, ["private".to_owned()].into(), "{disposition}");
        assert_eq!(project.rows("select name from people order by id"), ["Ann", "Bob", "Cid"], "{disposition}");
        project.run(&["audit", "verify"]).ok();
        project.write("data/people3.csv", "id,name,age,secret\n2,Bea,5,s\n4,Dan,7,s\n");
        project.run(&["run"]).ok();
        assert_eq!(project.rows("select count(distinct id) from people"), ["4"], "{disposition}");
        project.run(&["audit", "verify"]).ok();
    }
}

#[test]
fn killed_anywhere_it_goes_on_and_ends() {
    let prepared = loaded();
    for point in [
        "erase-intent",
        "erase-object",
        "erase-refused",
        "lake.erase_staged",
        "lake.after_intent",
        "lake.after_commit",
        "lake.after_outcome",
        "erase-table",
        "lake.erase_purging",
        "lake.erase_deleting#2",
        "lake.erase_emptying#2",
        "erase-models",
        "model-started#2",
        "lake.after_commit#3",
        "erase-model",
        "erase-check",
    ] {
        let project = prepared.fork();
        erase(&project, WHERE, &["--yes", "--kill-at", point]).killed();
        assert_eq!(phases(&project), ["intent"], "{point}");
        assert!(project.run(&["status"]).ok().contains("an erasure from people"), "{point}");
        // Whoever writes next finishes the table, before they do anything else.
        project.run(&["table", "list"]).ok();
        assert_eq!(project.rows(&format!("select count(*) from people where {WHERE}")), ["0"], "{point}");
        let told = project.run(&["table", "erase", "people", "--resume"]).ok();
        assert!(told.contains("1 row and 1 refused row") && told.contains("no such row is left"), "{point}: {told}");
        assert_eq!(phases(&project), ["intent", "outcome"], "{point}");
        let areas: BTreeSet<String> = found(&project, "after").into_iter().map(|(area, _)| area).collect();
        assert_eq!(areas, ["private".to_owned()].into(), "{point}");
        assert_eq!(project.rows("select count(*) from names"), ["90"], "{point}");
        project.run(&["audit", "verify"]).ok();
    }
}

/// Between a table's erasure and its end the table may be loaded: what came and went in between is no reason never to end.
#[test]
fn what_was_loaded_since_does_not_keep_it_from_ending() {
    let project = Project::new();
    project.people_by(&format!("1,{ERASED},41,s\n2,Bob,5,s\n3,Cid,6,s\n"), "merge");
    project.run(&["run"]).ok();
    erase(&project, WHERE, &["--yes", "--kill-at", "erase-models"]).killed();
    // The person comes back, and another takes the row: it lies in its file under a deletion vector.
    for (file, rows) in [("data/people2.csv", format!("1,{ERASED},41,s\n4,Dan,7,s\n")), ("data/people3.csv", "1,Ann,41,s\n".to_owned())] {
        project.write(file, format!("id,name,age,secret\n{rows}"));
        project.run(&["run", "--kill-at", "lake.after_outcome"]).killed();
    }
    assert_eq!(project.rows("select name from people where id = 1"), ["Ann"]);
    assert!(found(&project, "between").contains(&("tables".to_owned(), "parquet".to_owned())));
    project.run(&["table", "erase", "people", "--resume"]).ok();
    assert_eq!(phases(&project), ["intent", "outcome"]);
    assert_eq!(project.rows("select name from people order by id"), ["Ann", "Bob", "Cid", "Dan"]);
    let areas: BTreeSet<String> = found(&project, "after").into_iter().map(|(area, _)| area).collect();
    assert_eq!(areas, ["private".to_owned()].into());
    project.run(&["audit", "verify"]).ok();
}

/// It names a column that went meanwhile, so nobody can ever end it: another takes its place.
#[test]
fn one_that_can_never_end_gives_way_to_another() {
    let project = Project::new();
    project.people(&format!("1,{ERASED},41,s\n2,Bob,5,s\n3,Cid,6,s\n"));
    project.run(&["run"]).ok();
    erase(&project, "age = 5", &["--yes", "--kill-at", "erase-models"]).killed();
    let age = "      - {name: age, physicalName: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}\n";
    let without = PEOPLE_CONTRACT.replace(age, "");
    assert_ne!(without, PEOPLE_CONTRACT);
    project.write("contracts/people.odcs.yaml", without);
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    project.run(&["run"]);
    let ran = project.run(&["table", "erase", "people", "--resume"]);
    assert!(ran.code.is_some_and(|code| code != 0) && ran.err.contains("age"), "{ran:?}");
    assert_eq!(phases(&project), ["intent"]);
    let ran = erase(&project, WHERE, &["--yes"]);
    assert!(ran.err.contains("takes its place"), "{ran:?}");
    ran.ok();
    assert_eq!(phases(&project), ["intent", "intent", "outcome"]);
    assert_eq!(project.rows("select name from people order by id"), ["Cid"]);
    let areas: BTreeSet<String> = found(&project, "after").into_iter().map(|(area, _)| area).collect();
    assert_eq!(areas, ["private".to_owned()].into());
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_model_that_cannot_be_computed_keeps_it_from_being_told_as_done() {
    let project = loaded();
    let good = std::fs::read_to_string(project.dir().join("models/names.sql")).unwrap();
    project
        .write("models/names.sql", "-- polder: materialized = table\nselect cast(name as bigint) as id, name from people where id < 100\n");
    let ran = erase(&project, WHERE, &["--yes"]);
    assert!(ran.code.is_some_and(|code| code != 0) && ran.out.is_empty(), "{ran:?}");
    assert!(ran.err.contains("names") && ran.err.contains("--resume"), "{ran:?}");
    assert_eq!(phases(&project), ["intent"]);
    assert_eq!(project.rows(&format!("select count(*) from people where {WHERE}")), ["0"]);
    // The model holds it still, and that is said: by status, and by each run.
    assert!(project.run(&["status"]).ok().contains("an erasure from people"));
    assert!(project.json(&["status"])["open_erasures"].as_array().unwrap().contains(&"people".into()));
    let ran = project.run(&["run"]);
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:?}");
    assert!(format!("{}{}", ran.out, ran.err).contains("models hold what was computed of them"), "{ran:?}");
    assert_eq!(phases(&project), ["intent"]);
    // Nor can it be made to be forgotten.
    let err = project.run(&["table", "drop", "people", "--yes"]).fails(2);
    assert!(err.contains("an erasure from it is not finished"), "{err}");
    project.write("models/names.sql", good);
    project.run(&["model", "run"]).ok();
    assert_eq!(phases(&project), ["intent", "outcome"]);
    assert_gone(&project, "after");
}

#[test]
fn a_table_of_a_model_that_is_gone_stops_it() {
    let project = loaded();
    std::fs::remove_file(project.dir().join("models/ages.sql")).unwrap();
    let err = erase(&project, WHERE, &["--yes"]).fails(2);
    assert!(err.contains("ages") && err.contains("polder table drop ages"), "{err}");
    // A view computes nothing, and what was computed before lies there still.
    project.write("models/ages.sql", "-- polder: materialized = view\nselect age from people\n");
    let err = erase(&project, WHERE, &["--yes"]).fails(2);
    assert!(err.contains("polder table drop ages"), "{err}");
    assert!(phases(&project).is_empty());
    project.run(&["table", "drop", "ages", "--yes"]).ok();
    erase(&project, WHERE, &["--yes"]).ok();
    assert_gone(&project, "after");
}

/// What lies in the store was computed by what a model's file said then.
#[test]
fn a_model_that_read_the_table_once_holds_nothing_of_it_either() {
    let prepared = loaded();
    prepared.pets("cat\n");
    prepared.run(&["run"]).ok();
    let of_pets = "-- polder: materialized = table\nselect pet as name from pets\n";
    for (computed, dropped) in [(true, false), (false, false), (true, true)] {
        let project = prepared.fork();
        project.write("models/names.sql", of_pets);
        if dropped {
            // The table that is loaded afterwards is another one, of the same persons.
            project.run(&["table", "drop", "people", "--yes"]).ok();
        }
        if computed {
            project.run(&["run"]).ok();
            assert_eq!(project.rows("select name from names"), ["cat"]);
        }
        let told = erase(&project, WHERE, &["--yes"]).ok();
        assert!(told.contains("computed anew: names, ") && told.contains("computed anew: initials, "), "{computed}: {told}");
        assert_eq!(project.rows("select name from names"), ["cat"], "{computed}");
        assert_eq!(project.rows("select initial from initials"), ["c"], "{computed}");
        assert_gone(&project, &format!("after-{computed}-{dropped}"));
    }
    // Nor does one that is changed in between get away.
    let project = prepared.fork();
    erase(&project, WHERE, &["--yes", "--kill-at", "erase-models"]).killed();
    project.write("models/names.sql", of_pets);
    project.run(&["table", "erase", "people", "--resume"]).ok();
    assert_eq!(project.rows("select name from names"), ["cat"]);
    assert_gone(&project, "resumed");
}

/// A build that was killed before it was ever committed left a file that no version names.
#[test]
fn what_a_killed_first_build_left_is_gone_too() {
    let prepared = loaded();
    prepared.write("models/late.sql", "-- polder: materialized = table\nselect id, name from people\n");
    prepared.run(&["model", "run", "late", "--kill-at", "lake.staged"]).killed();
    let keys = prepared.json(&["keys", "show"]);
    let row = keys.as_array().unwrap().iter().find(|row| row["dataset"] == "table:late").unwrap();
    let folder = format!("tables/{}", row["id"].as_str().unwrap());
    let left = |project: &Project| std::fs::read_dir(project.store().join(&folder)).map_or(0, Iterator::count);
    assert!(left(&prepared) > 0);
    for file_is_there in [true, false] {
        let project = prepared.fork();
        if !file_is_there {
            std::fs::remove_file(project.dir().join("models/late.sql")).unwrap();
        }
        erase(&project, WHERE, &["--yes"]).ok();
        assert_eq!(left(&project), 0, "{file_is_there}");
        assert_gone(&project, &format!("after-{file_is_there}"));
    }
}

#[test]
fn refused_rows_that_cannot_be_judged_are_not_decided_in_silence() {
    let prepared = Project::new();
    prepared.people("1,Ann,41,s\nx,Abe,5,s\n2,Bob,6,s\n3,Cid,999,s\n4,Dan,7,s\n");
    prepared.run(&["run"]).ok();
    let kept = |project: &Project| project.run(&["quarantine", "show", "people"]).ok();
    let project = prepared.fork();
    let would = erase(&project, "id = 3", &["--dry-run"]).ok();
    assert!(would.contains("refused rows of people: 1 of 2; 1 cannot be judged"), "{would}");
    let err = erase(&project, "id = 3", &["--yes"]).fails(2);
    assert!(err.contains("--undecided remove") && err.contains("--undecided keep"), "{err}");
    assert!(phases(&project).is_empty() && kept(&project).contains("Cid"));
    let told = erase(&project, "id = 3", &["--yes", "--undecided", "keep"]).ok();
    assert!(told.contains("kept: 1 refused row, which cannot be judged"), "{told}");
    assert!(kept(&project).contains("Abe") && !kept(&project).contains("Cid"));
    project.run(&["audit", "verify"]).ok();
    let told = erase(&project, "id = 3", &["--yes", "--undecided", "remove"]).ok();
    assert!(told.contains("0 rows and 1 refused row"), "{told}");
    assert!(!kept(&project).contains("Abe"));
    project.run(&["audit", "verify"]).ok();
    // By what can be read of it, it is judged like any other.
    let project = prepared.fork();
    erase(&project, "name = 'Abe'", &["--yes"]).ok();
    assert!(!kept(&project).contains("Abe") && kept(&project).contains("Cid"));
}

#[test]
fn what_is_no_condition_on_a_row_erases_nothing() {
    let project = loaded();
    for (condition, code, said) in [
        ("nme = 'x'", 2, "people.name"),
        ("id in (select id from names)", 2, "subquery"),
        ("count(*) > 1", 2, "ggregate"),
        ("current_date > to_date('2020-01-01')", 2, "another time"),
        ("id = 1) or (1 = 1", 2, "condition"),
        ("id", 2, "boolean"),
        ("id = 1; drop table people", 7, "more than one statement"),
    ] {
        let err = erase(&project, condition, &["--yes"]).fails(code);
        assert!(err.contains(said), "{condition}: {err}");
    }
    // Who is not asked at a terminal must have said yes; of what is true for all rows it is told that it is.
    let err = erase(&project, "true", &[]).fails(2);
    assert!(err.contains("391 of 391 rows, which is every row of it") && err.contains("--yes"), "{err}");
    for args in [
        &["table", "erase", "people"][..],
        &["table", "erase", "people", "--resume"],
        &["table", "erase", "people", "--where", "id = 1", "--resume"],
    ] {
        project.run(args).fails(2);
    }
    let err = project.run(&["table", "erase", "names", "--where", "id = 1", "--yes"]).fails(2);
    assert!(err.contains("a model computes it"), "{err}");
    assert!(phases(&project).is_empty());
    assert_eq!(project.rows("select count(*) from people"), ["391"]);
    let told = erase(&project, "true", &["--yes", "--undecided", "remove"]).ok();
    assert!(told.contains("391 rows and 2 refused rows"), "{told}");
    assert_eq!(project.rows("select count(*) from people"), ["0"]);
    assert_gone(&project, "after");
}

/// How many rows a condition is true for is something that only who may read the rows may learn.
#[test]
fn it_takes_every_permission_of_what_it_does() {
    let project = loaded();
    let rules = [
        ("Erase", "resource == Table::\"people\""),
        ("Erase", "resource == Table::\"names\""),
        ("Read", "resource == Table::\"people\" && principal is User"),
        ("Run", "resource == Table::\"names\""),
        ("Quarantine", "resource == Table::\"people\""),
    ];
    for (action, when) in rules {
        project.write(
            "policies/forbid.cedar",
            format!("@id(\"never\") forbid (principal, action == Action::\"{action}\", resource) when {{ {when} }};\n"),
        );
        for more in [&["--yes"][..], &["--dry-run"]] {
            let ran = erase(&project, WHERE, more);
            assert_eq!(ran.code, Some(7), "{action} {when}: {ran:?}");
            assert!(!ran.out.contains("rows"), "{action} {when}: {ran:?}");
        }
    }
    // Nor what columns the table has.
    project
        .write("policies/forbid.cedar", "@id(\"never\") forbid (principal, action == Action::\"Read\", resource == Table::\"people\");\n");
    let err = erase(&project, "nme = 'x'", &["--dry-run"]).fails(7);
    assert!(!err.contains("people.name"), "{err}");
    std::fs::remove_file(project.dir().join("policies/forbid.cedar")).unwrap();
    assert!(phases(&project).is_empty());
    assert_eq!(project.rows(&format!("select count(*) from people where {WHERE}")), ["1"]);
    // One who may not know of the table is told what one is told of a table that there is not.
    project.write("policies/forbid.cedar", "@id(\"never\") forbid (principal is User, action, resource == Table::\"people\");\n");
    let unknown = erase(&project, WHERE, &["--yes"]).fails(2);
    let none = project.run(&["table", "erase", "nothing", "--where", WHERE, "--yes"]).fails(2);
    assert_eq!(unknown.replace("people", "T"), none.replace("nothing", "T"));
    std::fs::remove_file(project.dir().join("policies/forbid.cedar")).unwrap();
    erase(&project, WHERE, &["--yes"]).ok();
}

/// A dry run tells for how many refused rows a condition is true, so it is a look at them.
#[test]
fn that_refused_rows_were_judged_is_recorded() {
    let project = loaded();
    let keys = project.json(&["keys", "show"]);
    let row = keys.as_array().unwrap().iter().find(|row| row["dataset"] == "quarantine:people").unwrap();
    let id = row["id"].as_str().unwrap().to_owned();
    let looks = || {
        let shown = project.json(&["audit", "show", "--type", "read_decided", "--limit", "1000"]);
        shown.as_array().unwrap().iter().filter(|entry| entry["details"]["datasets"].to_string().contains(&id)).count()
    };
    assert_eq!(looks(), 0);
    erase(&project, WHERE, &["--dry-run"]).ok();
    assert_eq!(looks(), 1);
}

#[test]
fn keys_come_from_a_file_and_the_result_as_json() {
    let project = loaded();
    let keys = project.beside("keys.txt");
    std::fs::write(&keys, "\u{feff}1\r\n\r\n10\n 11 \n").unwrap();
    let told = project.json(&["table", "erase", "people", "--keys", keys.to_str().unwrap(), "--yes"]);
    assert_eq!(
        (&told["rows"], &told["refused_rows"], &told["rows_left"], &told["dry_run"]),
        (&3.into(), &0.into(), &0.into(), &false.into())
    );
    assert_eq!((&told["loads_again"], told["models"].as_array().unwrap().len()), (&true.into(), 3));
    assert!(told["objects"].as_u64().unwrap() > 0 && told["objects_before"].as_u64().unwrap() > 0);
    assert_eq!(project.rows("select count(*) from people where id in (1, 10, 11)"), ["0"]);
    std::fs::write(&keys, "12\n13 or true\n").unwrap();
    let err = project.run(&["table", "erase", "people", "--keys", keys.to_str().unwrap(), "--yes"]).fails(2);
    assert!(err.contains("line 2 is no value of id"), "{err}");
    assert_eq!(project.rows("select count(*) from people where id in (12, 13)"), ["2"]);
}

#[test]
fn an_old_log_that_is_put_back_is_named_by_verify() {
    let project = loaded();
    let copy = project.beside("copy");
    project.copy_store(&copy);
    erase(&project, WHERE, &["--yes"]).ok();
    let people = project.json(&["keys", "show"]);
    let row = people.as_array().unwrap().iter().find(|row| row["dataset"] == "table:people").unwrap();
    let object = format!("tables/{}/_delta_log/00000000000000000001.json", row["id"].as_str().unwrap());
    std::fs::copy(copy.join(&object), project.store().join(&object)).unwrap();
    let ran = project.run(&["audit", "verify"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(format!("{}{}", ran.out, ran.err).contains(&object), "{ran:?}");
    assert_eq!(project.rows(&format!("select count(*) from people where {WHERE}")), ["0"]);
}
