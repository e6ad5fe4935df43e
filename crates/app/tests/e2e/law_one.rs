//! Law 1: nothing is stored in the clear. The same search over a plain copy finds the values, or it would prove nothing.

use polder_app::search::Search;

use crate::harness::Project;

const LOADED: &str = "Zwanenburgwal-Loaded-1911";
const REFUSED: &str = "Keizersgracht-Refused-1912";
const LEFT_OUT: &str = "Prinsengracht-LeftOut-1913";
const ASKED: &str = "Herengracht-Asked-1914";

fn project() -> Project {
    let project = Project::new();
    let filler: String = (10..20_000).map(|i| format!("{i},Name {i},{},x\n", i % 100)).collect();
    project.people(&format!("1,{LOADED},41,{LEFT_OUT}\n2,{REFUSED},999,s\n{filler}"));
    project
}

fn search() -> Search {
    Search::new(&[LOADED, REFUSED, LEFT_OUT, ASKED]).unwrap()
}

#[track_caller]
fn assert_clear_of_values(project: &Project) {
    let report = search().directory(&project.store()).unwrap();
    assert!(report.files > 3);
    assert_eq!(report.findings, [], "values in the clear");
}

#[test]
fn the_control_finds_the_values_in_a_plain_copy() {
    let project = project();
    let report = search().directory(&project.dir().join("data")).unwrap();
    for value in [LOADED, REFUSED, LEFT_OUT] {
        assert!(report.findings.iter().any(|f| f.value == value), "{value}");
    }
}

#[test]
fn no_value_lies_in_the_clear_after_load_refusal_query_and_audit() {
    let project = project();
    project.run(&["run"]).ok();
    assert_clear_of_values(&project);
    project.run(&["sql", &format!("select count(*) from people where name = '{ASKED}'")]).ok();
    project.run(&[
        "sql",
        "select a.name, b.name from people a join people b on a.age = b.age order by a.name, b.name limit 5",
        "--memory-mib",
        "16",
    ]);
    project.run(&["quarantine", "show", "people"]).ok();
    project.run(&["audit", "show"]).ok();
    assert_clear_of_values(&project);
    let export = project.beside("export");
    project.run(&["audit", "export", "--to", export.to_str().unwrap()]).ok();
    assert_eq!(search().directory(&export).unwrap().findings, []);
}

#[test]
fn no_value_lies_in_the_clear_after_a_kill() {
    for point in ["lake.staged", "quarantine-after", "lake.after_intent#2", "lake.after_commit#2"] {
        let project = project();
        project.run(&["run", "--kill-at", point]).killed();
        assert_clear_of_values(&project);
    }
}

#[test]
fn a_violent_end_leaves_no_core() {
    use std::os::unix::process::ExitStatusExt;
    let project = project();
    let status = project.command(&["run", "--kill-at", "lake.staged:segv"]).status().unwrap();
    assert_eq!(status.signal(), Some(11));
    assert!(!status.core_dumped());
}
