//! Rows and columns by policy, through the program: who reads what, and what `polder policy` says of it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::Project;

const CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a31
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: clinic}
schema:
  - name: patients
    physicalName: patients
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: name, physicalName: name, logicalType: string, required: true, classification: personal}
      - {name: birth_date, physicalName: birth_date, logicalType: date, classification: personal}
      - {name: ssn, physicalName: ssn, logicalType: string, classification: restricted}
      - {name: ward, physicalName: ward, logicalType: string, required: true}
"#;

const POLICIES: &str = r#"@id("nurses-know-of-patients")
permit (principal in Group::"nurses", action == Action::"Describe", resource == Table::"patients");

@id("nurses-see-the-north")
permit (principal in Group::"nurses", action == Action::"ReadRow", resource is Row::patients)
when { resource.ward == "north" };

@id("nurses-read-names")
permit (principal in Group::"nurses", action == Action::"ReadColumn", resource in Table::"patients")
when { ["id", "name", "ward"].contains(resource.name) };

@id("nurses-see-years")
@mask("year")
permit (principal in Group::"nurses", action == Action::"ReadMasked", resource == Column::"patients.birth_date");

@id("nurses-see-the-end-of-ssn")
@mask("last4")
permit (principal in Group::"nurses", action == Action::"ReadMasked", resource == Column::"patients.ssn");

@id("clerks-bill")
permit (principal in Group::"clerks", action == Action::"ReadRow", resource is Row::patients)
when { context has purpose && context.purpose == "billing" };

@id("clerks-bill-by-ssn")
permit (principal in Group::"clerks", action == Action::"ReadColumn", resource in Table::"patients")
when { context has purpose && context.purpose == "billing" && ["id", "ssn"].contains(resource.name) };
"#;

const FILE: &str = "policies/patients.cedar";

/// A project with three patients and rules for nurses and clerks. Whoever runs the tests is its only owner.
fn clinic() -> Project {
    let project = Project::new();
    project.write(
        "data/patients.csv",
        "id,name,birth_date,ssn,ward\n1,Ada,1985-05-17,K47110815,north\n2,Grace,1991-12-24,K47110816,south\n3,Alan,1970-01-30,K47110817,north\n",
    );
    project.write("sources/clinic.yaml", "type: csv\npath: data\ndatasets:\n  patients: {file: patients.csv}\n");
    project.write("contracts/patients.odcs.yaml", CONTRACT);
    project.write(FILE, POLICIES);
    project.run(&["contract", "approve", "patients", "--yes"]).ok();
    project.run(&["run"]).ok();
    project
}

/// Puts whoever runs the tests into these groups, and into no others; the other groups are there and empty.
fn become_member_of(project: &Project, groups: &[&str]) {
    // As `polder init` wrote it.
    let first = project.beside("first.yaml");
    if !first.exists() {
        std::fs::copy(project.dir().join("polder.yaml"), &first).unwrap();
    }
    let settings = std::fs::read_to_string(first).unwrap();
    let (before, _) = settings.split_once("    groups:\n").unwrap();
    let me = settings.split_once("\"user:").unwrap().1.split_once('"').unwrap().0;
    let lines = ["owners", "nurses", "clerks"].map(|group| {
        let member = if groups.contains(&group) { format!("\"user:{me}\"") } else { String::new() };
        format!("      {group}: [{member}]\n")
    });
    project.write("polder.yaml", format!("{before}    groups:\n{}", lines.concat()));
}

const ALL: &str = "select * from patients order by id";

fn header(project: &Project, args: &[&str]) -> String {
    project.run(args).ok().lines().next().unwrap().to_owned()
}

#[test]
fn each_group_reads_another_truth() {
    let project = clinic();
    become_member_of(&project, &["owners"]);
    assert_eq!(
        project.rows(ALL),
        ["1,Ada,1985-05-17,K47110815,north", "2,Grace,1991-12-24,K47110816,south", "3,Alan,1970-01-30,K47110817,north"]
    );
    become_member_of(&project, &["nurses"]);
    assert_eq!(project.rows(ALL), ["1,Ada,1985-01-01,***0815,north", "3,Alan,1970-01-01,***0817,north"]);
    assert_eq!(project.rows("select count(*) from patients"), ["2"]);
    assert_eq!(project.rows("select min(id), max(id), max(birth_date) from patients"), ["1,3,1985-01-01"]);
    // What is masked is masked before it is compared.
    assert_eq!(project.rows("select count(*) from patients where ssn = 'K47110815'"), ["0"]);
    assert_eq!(project.rows("select count(*) from patients where birth_date = date '1985-05-17'"), ["0"]);
    assert_eq!(project.rows("select count(*) from patients where ssn = '***0815'"), ["1"]);
    // No error tells of a row that is not shown.
    assert_eq!(project.rows("select sum(1 / (id - 2)) from patients"), ["0"]);
    become_member_of(&project, &[]);
    for sql in [ALL, "select count(*) from patients", "select 1 from patients limit 0"] {
        let error = project.run(&["sql", sql]).fails(2);
        assert!(error.contains("find table patients: no such table"), "{error}");
    }
    // What policies decided is recorded.
    become_member_of(&project, &["owners"]);
    let decided = project.json(&["audit", "show", "--type", "read_decided", "--limit", "100"]);
    let by = |policy: &str| {
        let entries = decided.as_array().unwrap().iter();
        entries.filter(|entry| entry["details"]["policies"].as_array().unwrap().contains(&json!(policy))).count()
    };
    assert!(by("nurses-see-the-north") >= 7 && by("nurses-see-years") >= 7, "{decided:#}");
    assert_eq!(by("clerks-bill"), 0);
}

#[test]
fn a_purpose_changes_what_is_seen() {
    let project = clinic();
    become_member_of(&project, &["clerks"]);
    project.run(&["sql", ALL]).fails(2);
    project.run(&["sql", ALL, "--purpose", "research"]).fails(2);
    let billed = project.run(&["sql", ALL, "--purpose", "billing", "--output", "csv"]).ok();
    assert_eq!(billed, "id,ssn\n1,K47110815\n2,K47110816\n3,K47110817\n");
    let error = project.run(&["sql", "select name from patients", "--purpose", "billing"]).fails(2);
    assert!(!error.contains("Ada"), "{error}");
    // In both groups: the union of what each may see, and the ssn as it is, since one of them sees it so.
    become_member_of(&project, &["clerks", "nurses"]);
    assert_eq!(header(&project, &["sql", ALL, "--purpose", "billing", "--output", "csv"]), "id,name,birth_date,ssn,ward");
    let both = project.run(&["sql", "select id, ssn from patients order by id", "--purpose", "billing", "--output", "csv"]).ok();
    assert_eq!(both, "id,ssn\n1,K47110815\n2,K47110816\n3,K47110817\n");
    assert_eq!(project.rows("select id, ssn from patients order by id"), ["1,***0815", "3,***0817"]);
}

#[test]
fn wrong_policies_are_told_with_their_line() {
    let project = clinic();
    for (text, line, said) in [
        ("\npermit (principal, action == Action::\"ReadRow\", resource is Row::patients)\nwhen { resource.wrd == \"north\" };", 3, "wrd"),
        ("permit (principal, action == Action::\"ReadRow\", resource is Row::patient);", 1, "patient"),
        ("\n\n@mask(\"blur\")\npermit (principal, action == Action::\"ReadMasked\", resource);", 3, "blur"),
        ("// first\n\npermit (principal, action == Action::\"ReadMasked\", resource);", 3, "mask"),
        ("@mask(\"year\")\npermit (principal, action == Action::\"ReadColumn\", resource);", 1, "mask"),
        (
            "permit (principal, action == Action::\"ReadRow\", resource is Row::patients)\nwhen { resource.birth_date == \"1985-05-17\" };",
            2,
            "",
        ),
        ("permit (principal, action resource);", 1, ""),
    ] {
        project.write("policies/wrong.cedar", text);
        for command in [&["policy", "check"][..], &["policy", "test"], &["sql", ALL]] {
            let error = project.run(command).fails(2);
            let place =
                if command[0] == "sql" { format!("policies/wrong.cedar:{line}: ") } else { format!("policies/wrong.cedar, line {line}: ") };
            assert!(
                error.contains(&place) && error.contains(said) && error.contains("docs/format/policy.md"),
                "{text}\n{command:?}: {error}"
            );
        }
    }
    // Everything that is wrong is told at once.
    project.write("policies/wrong.cedar", "permit (principal == Robot::\"r\", action, resource);\n");
    project.write("policies/worse.cedar", "permit (principal, action == Action::\"Fly\", resource);\n");
    let error = project.run(&["policy", "check", "--output", "json"]).fails(2);
    let failure: Value = serde_json::from_str(&error).unwrap();
    let message = failure["error"]["message"].as_str().unwrap();
    assert!(message.contains("policies/wrong.cedar, line 1") && message.contains("policies/worse.cedar, line 1"), "{message}");
    // Of a contract that is broken nothing is known.
    for file in ["policies/wrong.cedar", "policies/worse.cedar"] {
        std::fs::remove_file(project.dir().join(file)).unwrap();
    }
    project.run(&["policy", "check"]).ok();
    project.write("contracts/patients.odcs.yaml", CONTRACT.replace("logicalType: date", "logicalType: dat"));
    for command in [&["policy", "check"][..], &["sql", ALL]] {
        let error = project.run(command).fails(2);
        assert!(error.contains("contracts/patients.odcs.yaml, line 14"), "{command:?}: {error}");
    }
}

#[test]
fn check_tells_what_policies_speak_of_and_what_can_never_apply() {
    let project = clinic();
    become_member_of(&project, &["owners"]);
    offline(&project);
    let checked = project.json(&["policy", "check"]);
    assert_eq!(checked["policies"], 11);
    assert_eq!(checked["files"], json!(["policies/models.cedar", "policies/owners.cedar", FILE]));
    let tables = checked["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 1, "{checked:#}");
    assert_eq!((&tables[0]["table"], &tables[0]["rows_by"]), (&json!("patients"), &json!(["ward"])));
    assert_eq!(tables[0]["columns"], json!(["birth_date", "ssn"]));
    assert_eq!(tables[0]["policies"].as_array().unwrap().len(), 7);
    assert_eq!((&checked["groups"], &checked["purposes"]), (&json!(["clerks", "nurses", "owners"]), &json!(["billing"])));
    assert_eq!((&checked["time"], &checked["warnings"]), (&json!(false), &json!([])));
    let said = project.run(&["policy", "check"]);
    assert_eq!(said.err, "", "no warning");
    assert!(said.out.starts_with("11 policies in 3 files, nothing is wrong; of tables they name:\ntable "), "{}", said.out);
    project.write("models/seen.sql", "-- polder: materialized = view\nselect id from patients\n");
    project.write(
        "policies/odd.cedar",
        "@id(\"group\") permit (principal in Group::\"nurse\", action == Action::\"Describe\", resource);\n\
         @id(\"table\") permit (principal, action == Action::\"Read\", resource == Table::\"patient\");\n\
         @id(\"column\") permit (principal, action == Action::\"ReadColumn\", resource == Column::\"patients.ssnn\");\n\
         @id(\"of-model\") permit (principal, action == Action::\"ReadColumn\", resource == Column::\"seen.id\");\n\
         @id(\"model\") permit (principal == Model::\"sen\", action == Action::\"Read\", resource)\n\
         when { resource.classification == \"public\" && context.hour < 7 };\n\
         @id(\"right\") permit (principal == Model::\"seen\", action == Action::\"Read\", resource == Table::\"seen\");\n",
    );
    let checked = project.json(&["policy", "check"]);
    let warnings: Vec<(u64, &str, &str)> = checked["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| {
            assert_eq!(warning["file"], "policies/odd.cedar");
            (warning["line"].as_u64().unwrap(), warning["policy"].as_str().unwrap(), warning["message"].as_str().unwrap())
        })
        .collect();
    let places: Vec<(u64, &str)> = warnings.iter().map(|(line, policy, _)| (*line, *policy)).collect();
    assert_eq!(places, [(1, "group"), (2, "table"), (3, "column"), (4, "of-model"), (5, "model")]);
    for ((_, _, message), wanted) in warnings.iter().zip([
        "no environment of polder.yaml has a group nurse; unless accounts do (`polder group list`), nobody is in it; did you mean nurses?",
        "no contract or model for table patient; did you mean patients?",
        "the contract of table patients has no column ssnn that is stored; did you mean ssn?",
        "seen is a model",
        "there is no model sen; did you mean seen?",
    ]) {
        assert!(message.contains(wanted), "{message}");
    }
    assert_eq!(checked["time"], true);
    let said = project.run(&["policy", "check"]);
    assert_eq!(said.err.matches("warning: policies/odd.cedar, line ").count(), 5, "{}", said.err);
    said.ok();
}

/// Takes away what a runner of checks has not got.
fn offline(project: &Project) {
    std::fs::remove_file(project.key_file()).unwrap();
    std::fs::remove_dir_all(project.store()).unwrap();
}

fn columns(explained: &Value) -> Vec<(&str, &str)> {
    let columns = explained["columns"].as_array().unwrap().iter();
    columns.map(|column| (column["column"].as_str().unwrap(), column["seen"].as_str().unwrap())).collect()
}

#[test]
fn explain_tells_which_policy_shows_what() {
    let project = clinic();
    become_member_of(&project, &["owners"]);
    let zoe = project.json(&["policy", "explain", "patients", "--as", "user:zoe", "--group", "nurses", "--at", "2026-01-31T08:00:00Z"]);
    assert_eq!((&zoe["principal"], &zoe["groups"], &zoe["purpose"]), (&json!("user:zoe"), &json!(["nurses"]), &Value::Null));
    assert_eq!((&zoe["at"], &zoe["denied"], &zoe["read"]), (&json!("2026-01-31T08:00:00Z"), &json!(false), &json!(false)));
    assert_eq!(columns(&zoe), [("id", "clear"), ("name", "clear"), ("birth_date", "year"), ("ssn", "last4"), ("ward", "clear")]);
    assert_eq!(zoe["columns"][0]["policies"], json!(["nurses-read-names"]));
    assert_eq!(zoe["columns"][3]["policies"], json!(["nurses-see-the-end-of-ssn"]));
    assert_eq!(zoe["filter"], "\"ward\" = 'north'");
    let rows = zoe["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{zoe:#}");
    assert_eq!(
        (&rows[0]["policy"], &rows[0]["effect"], &rows[0]["doubt"]),
        (&json!("nurses-see-the-north"), &json!("permit"), &Value::Null)
    );
    assert!(rows[0]["condition"].as_str().unwrap().contains("north"), "{zoe:#}");
    // For people.
    let said = project.run(&["policy", "explain", "patients", "--as", "user:zoe", "--group", "nurses"]).ok();
    let first = said.lines().next().unwrap();
    assert!(first.starts_with("user:zoe (in nurses), for no purpose, at ") && first.ends_with(", may read of table patients:"), "{said}");
    assert!(said.contains("rows where \"ward\" = 'north' (by nurses-see-the-north)"), "{said}");
    assert!(
        said.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == ["ssn", "last4", "nurses-see-the-end-of-ssn"]),
        "{said}"
    );
    // Who may read nothing, and why.
    let nobody = project.json(&["policy", "explain", "patients", "--as", "user:zoe"]);
    assert_eq!((&nobody["denied"], &nobody["denied_by"]), (&json!(true), &json!([])));
    assert!(columns(&nobody).iter().all(|(_, seen)| *seen == "hidden") && !nobody["reasons"].as_array().unwrap().is_empty(), "{nobody:#}");
    let said = project.run(&["policy", "explain", "patients", "--as", "user:zoe"]).ok();
    assert!(said.contains("nothing (no policy permits it)"), "{said}");
    // The purpose, and who reads all of it.
    let clerk = |purpose: &str| {
        project.json(&["policy", "explain", "patients", "--as", "user:zoe", "--group", "clerks", "--purpose", purpose])["denied"].clone()
    };
    assert_eq!((clerk("billing"), clerk("research")), (json!(false), json!(true)));
    let mine = project.json(&["policy", "explain", "patients"]);
    assert_eq!((&mine["read"], &mine["filter"]), (&json!(true), &Value::Null));
    assert_eq!(mine["read_policies"], json!(["owners-may-do-everything"]));
    assert!(columns(&mine).iter().all(|(_, seen)| *seen == "clear"), "{mine:#}");
    let csv = project.run(&["policy", "explain", "patients", "--output", "csv"]).ok();
    assert!(csv.starts_with("column,seen,by\nid,clear,owners-may-do-everything\n"), "{csv}");
    for (args, said) in [
        (&["--as", "zoe"][..], "take --as zoe: it is no principal; write one of user:NAME"),
        (&["--at", "noon"], "take --at noon: it is no point in time"),
    ] {
        let args: Vec<&str> = ["policy", "explain", "patients"].into_iter().chain(args.iter().copied()).collect();
        let error = project.run(&args).fails(2);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn of_others_only_who_may_audit_is_told() {
    let project = clinic();
    become_member_of(&project, &["nurses"]);
    // Oneself is told what oneself may read.
    let mine = project.json(&["policy", "explain", "patients"]);
    assert_eq!((&mine["groups"], &mine["filter"]), (&json!(["nurses"]), &json!("\"ward\" = 'north'")));
    let me = mine["principal"].as_str().unwrap().to_owned();
    project.run(&["policy", "explain", "patients", "--as", &me]).ok();
    for args in [&["--as", "user:zoe"][..], &["--group", "clerks"], &["--as", &me, "--group", "clerks"]] {
        let args: Vec<&str> = ["policy", "explain", "patients"].into_iter().chain(args.iter().copied()).collect();
        let ran = project.run(&args);
        assert!(!ran.out.contains("ward"), "{ran:?}");
        ran.fails(7);
    }
    // Who sees part of a table and may not `Describe` it learns of no hidden column, nor of a condition that may name one.
    become_member_of(&project, &["clerks"]);
    let here = "forbid (principal in Group::\"clerks\", action == Action::\"ReadRow\", resource is Row::patients)\nwhen { resource.ward != \"north\" };\n";
    project.write(FILE, format!("{POLICIES}{here}"));
    let billing = ["policy", "explain", "patients", "--purpose", "billing"];
    let said = project.run(&billing).ok();
    assert!(!said.contains("ward") && !said.contains("birth_date") && said.contains("rows where [withheld"), "{said}");
    let told = project.json(&billing);
    assert_eq!(columns(&told), [("id", "clear"), ("ssn", "clear")]);
    assert!(!told.to_string().contains("ward") && told["filter"].as_str().unwrap().contains("Describe"), "{told:#}");
    // The control.
    let describe = "permit (principal in Group::\"clerks\", action == Action::\"Describe\", resource == Table::\"patients\");\n";
    project.write(FILE, format!("{POLICIES}{here}{describe}"));
    let told = project.json(&billing);
    assert_eq!((columns(&told).len(), &told["filter"]), (5, &json!("\"ward\" = 'north'")), "{told:#}");
    // Who may not know of a table learns nothing of it.
    become_member_of(&project, &[]);
    let known = project.run(&["policy", "explain", "patients"]).fails(2);
    let unknown = project.run(&["policy", "explain", "nothing"]).fails(2);
    assert_eq!(known.replace("patients", "T"), unknown.replace("nothing", "T"));
    become_member_of(&project, &["owners"]);
    let refused = project.json(&["audit", "show", "--type", "refused"]);
    assert_eq!(refused.as_array().unwrap().len(), 3, "{refused:#}");
}

const CASES: &str = "cases:
  - name: nurses
    as: user:bob
    groups: [nurses]
    table: patients
    rows:
      - {visible: true, row: {ward: north}}
      - {visible: false, row: {ward: south, name: Grace}}
    columns: {name: clear, birth_date: year, ssn: last4}
  - name: clerks for billing
    as: user:eve
    groups: [clerks]
    purpose: billing
    table: patients
    columns: {ssn: clear, name: hidden}
  - {name: clerks for nothing, as: 'user:eve', groups: [clerks], table: patients, denied: true}
  - {name: by polder.yaml, as: 'user:eve', table: patients, denied: true}
";

#[test]
fn cases_are_run_and_failures_told() {
    let project = clinic();
    offline(&project);
    let error = project.run(&["policy", "test"]).fails(2);
    assert!(error.contains("policies/tests/ holds no cases"), "{error}");
    project.write("policies/tests/patients.yaml", CASES);
    assert_eq!(project.run(&["policy", "test"]).ok(), "4 cases: 4 as expected, 0 not\n");
    let passed = project.json(&["policy", "test"]);
    assert_eq!((&passed["passed"], &passed["failed"]), (&json!(4), &json!(0)));
    assert_eq!((&passed["cases"][1]["name"], &passed["cases"][1]["line"]), (&json!("clerks for billing"), &json!(10)));
    // A policy that shows more makes the cases fail, each with what came and by which policy.
    let wider =
        POLICIES.replace("resource.ward == \"north\"", "resource.ward like \"*th\"").replace("@mask(\"last4\")", "@mask(\"redact\")");
    project.write(FILE, wider);
    let failed = project.run(&["policy", "test"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert_eq!(
        failed.out,
        "FAIL  policies/tests/patients.yaml, line 2: nurses\n  \
         line 8, row 2: expected hidden, got visible (by nurses-see-the-north)\n  \
         line 9, column ssn: expected last4, got redact (by nurses-see-the-end-of-ssn)\n\
         4 cases: 3 as expected, 1 not\n"
    );
    assert!(failed.err.contains("1 of 4 cases not as expected"), "{}", failed.err);
    let ran = project.run(&["policy", "test", "--output", "json"]);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &document["failed"]), (Some(1), &json!(1)));
    let miss = &document["cases"][0]["misses"][0];
    assert_eq!(*miss, json!({"line": 8, "what": "row 2", "expected": "hidden", "got": "visible", "policies": ["nurses-see-the-north"]}));
    let csv = project.run(&["policy", "test", "--output", "csv"]);
    assert_eq!((csv.code, csv.out.lines().count()), (Some(1), 3), "{csv:?}");
    // Only these files, wherever they are.
    project.write("elsewhere/some.yaml", "cases: [{as: 'user:bob', groups: [nurses], table: patients, columns: {ward: clear}}]\n");
    assert_eq!(project.run(&["policy", "test", "elsewhere/some.yaml"]).ok(), "1 case: 1 as expected, 0 not\n");
    // What is wrong with a file is told, all of it.
    project.write(
        "policies/tests/wrong.yaml",
        "cases:\n  - {as: 'user:bob', tabel: patients, denied: true}\n  - {as: 'user:bob', table: patients, columns: {ssnn: clear}}\n",
    );
    let error = project.run(&["policy", "test"]).fails(2);
    assert!(error.contains("policies/tests/wrong.yaml, line 2: `tabel` is not a key of a case; did you mean table?"), "{error}");
    assert!(error.contains("policies/tests/wrong.yaml, line 3: table patients has no column ssnn; did you mean ssn?"), "{error}");
}

fn git(dir: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false", "-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The clinic in a repository, without keys and store, on a branch `change`.
fn committed() -> Project {
    let project = clinic();
    become_member_of(&project, &["owners"]);
    project.write("policies/tests/patients.yaml", CASES);
    offline(&project);
    git(&project.dir(), &["init", "-q"]);
    git(&project.dir(), &["add", "-A"]);
    git(&project.dir(), &["commit", "-q", "-m", "first"]);
    git(&project.dir(), &["checkout", "-q", "-b", "change"]);
    project
}

fn told(differences: &Value) -> Vec<String> {
    let differences = differences.as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    differences
        .map(|one| format!("{} {}: {} -> {}", text(&one["who"]), text(&one["what"]), text(&one["before"]), text(&one["after"])))
        .collect()
}

#[test]
fn diff_tells_what_is_newly_permitted_first() {
    let project = committed();
    let same = project.run(&["policy", "diff"]).ok();
    assert!(same.starts_with("everyone may read what they might at HEAD (") && same.ends_with("in environment default\n"), "{same}");
    let changed = POLICIES
        .replace("resource.ward == \"north\"", "true")
        .replace("[\"id\", \"name\", \"ward\"]", "[\"id\", \"ward\"]")
        .replace("@mask(\"last4\")", "@mask(\"redact\")")
        .replace(
            "@mask(\"year\")\npermit (principal in Group::\"nurses\", action == Action::\"ReadMasked\"",
            "permit (principal in Group::\"nurses\", action == Action::\"ReadColumn\"",
        );
    project.write(FILE, changed);
    let diff = project.json(&["policy", "diff"]);
    assert_eq!((&diff["base"], &diff["environment"]), (&json!("HEAD"), &json!("default")));
    assert_eq!(
        told(&diff["permitted"]),
        ["group:nurses rows: rows where \"ward\" = 'north' -> all rows", "group:nurses column birth_date: year -> clear"]
    );
    assert_eq!(told(&diff["denied"]), ["group:nurses column name: clear -> hidden", "group:nurses column ssn: last4 -> redact"]);
    assert_eq!(diff["permitted"][1]["policies"], json!(["nurses-see-years"]));
    // It is so whatever the purpose.
    assert_eq!(diff["permitted"][0]["purposes"], Value::Null);
    let said = project.run(&["policy", "diff", "main"]).ok();
    let (permitted, denied) = (said.find("newly permitted").unwrap(), said.find("no longer permitted").unwrap());
    assert!(permitted < denied, "{said}");
    assert!(said.contains("  table patients, group:nurses: column birth_date: clear, was year (by nurses-see-years)"), "{said}");
    assert_eq!(project.run(&["policy", "diff", "--output", "csv"]).ok().lines().count(), 5);
    // What depends on the purpose, and what someone whom nobody names may read.
    project.write(
        FILE,
        POLICIES.replace("\"billing\"", "\"audit\"")
            + "permit (principal, action == Action::\"Read\", resource)\nwhen { context.hour < 7 };\n",
    );
    let night = project.run(&["policy", "diff", "--at", "2026-01-31T03:00:00Z", "--output", "json"]);
    assert_eq!(night.err, "", "the time was given");
    let night: Value = serde_json::from_str(&night.ok()).unwrap();
    assert!(told(&night["permitted"]).contains(&"any other user table: nothing -> all of it".to_owned()), "{night:#}");
    let day = project.run(&["policy", "diff", "--at", "2026-01-31T13:00:00Z", "--output", "json"]).ok();
    let day: Value = serde_json::from_str(&day).unwrap();
    let of = |side: &str| {
        let found = day[side].as_array().unwrap();
        let [only] = found.as_slice() else { panic!("{day:#}") };
        (only["who"].clone(), only["purposes"].clone())
    };
    assert_eq!(of("permitted"), (json!("group:clerks"), json!(["audit"])));
    assert_eq!(of("denied"), (json!("group:clerks"), json!(["billing"])));
    let note = project.run(&["policy", "diff"]).err;
    assert!(note.contains("policies look at the time"), "{note}");
    // A group's new member reads what the group does.
    project.write(FILE, POLICIES);
    let settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    project.write("polder.yaml", settings.replace("nurses: []", "nurses: [\"user:zoe\"]"));
    let diff = project.json(&["policy", "diff"]);
    let [only] = diff["permitted"].as_array().unwrap().as_slice() else { panic!("{diff:#}") };
    assert_eq!((&only["who"], &only["what"]), (&json!("user:zoe"), &json!("table")));
    // A base that cannot be read, and files that cannot be used.
    project.run(&["policy", "diff", "nowhere"]).fails(2);
    project.write(FILE, "permit (");
    let error = project.run(&["policy", "diff"]).fails(2);
    assert!(error.contains("policies/patients.cedar, line 1"), "{error}");
    git(&project.dir(), &["add", "-A"]);
    git(&project.dir(), &["commit", "-q", "-m", "broken"]);
    project.write(FILE, POLICIES);
    let error = project.run(&["policy", "diff"]).fails(2);
    assert!(error.contains("files of it cannot be used") && error.contains("policies/patients.cedar, line 1"), "{error}");
}

#[test]
fn a_review_runs_the_cases_and_tells_new_reads() {
    let project = committed();
    let review = |args: &[&str]| {
        let args: Vec<&str> = ["ci", "--base", "main", "--output", "json"].into_iter().chain(args.iter().copied()).collect();
        let ran = project.run(&args);
        let document: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        (ran.code, document)
    };
    let findings = |document: &Value, rule: &str| -> Vec<(String, String)> {
        let findings = document["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == rule);
        findings.map(|finding| (finding["level"].as_str().unwrap().to_owned(), finding["message"].as_str().unwrap().to_owned())).collect()
    };
    let (code, nothing) = review(&[]);
    assert_eq!((code, &nothing["findings"]), (Some(0), &json!([])));
    // Permitted and allowed: told. Nurses see less of the ssn, which a case does not expect: refused.
    project.write(
        FILE,
        POLICIES.replace("@mask(\"last4\")", "@mask(\"null\")")
            + "@id(\"all\") permit (principal in Group::\"guests\", action == Action::\"Read\", resource == Table::\"patients\");\n",
    );
    let (code, found) = review(&[]);
    assert_eq!(code, Some(1));
    let warning = |text: &str| vec![("warning".to_owned(), text.to_owned())];
    assert_eq!(findings(&found, "reads-permitted"), warning("group:guests may newly read of table patients: all of it, was nothing"));
    let note = "group:nurses may no longer read of table patients: column ssn: null, was last4";
    assert_eq!(findings(&found, "reads-denied"), [("note".to_owned(), note.to_owned())]);
    let failed = "nurses, column ssn: expected last4, got null (by nurses-see-the-end-of-ssn)";
    assert_eq!(findings(&found, "policy-test-failed"), [("error".to_owned(), failed.to_owned())]);
    let place = found["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "policy-test-failed").unwrap();
    assert_eq!((&place["file"], &place["line"]), (&json!("policies/tests/patients.yaml"), &json!(9)));
    // The case changes with it.
    project.write("policies/tests/patients.yaml", CASES.replace("ssn: last4", "ssn: 'null'"));
    let (code, found) = review(&[]);
    assert_eq!((code, findings(&found, "policy-test-failed")), (Some(0), vec![]), "{found:#}");
    // A file of cases that cannot be used is told as other files are.
    project.write("policies/tests/patients.yaml", "case: []\n");
    let (code, found) = review(&[]);
    assert_eq!(code, Some(2), "{found:#}");
    assert!(findings(&found, "unreadable")[0].1.contains("`case` is not a key of the file; did you mean cases?"), "{found:#}");
}
