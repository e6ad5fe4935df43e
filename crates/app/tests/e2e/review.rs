//! Changes of a project in a real git repository, as pull requests bring them: what `polder ci` and `polder contract diff` say of them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{PEOPLE_CONTRACT, Project, Ran, ran};

const SECRET: &str = "      - {name: secret, physicalName: secret, logicalType: string}\n";
const AGE: &str = "      - {name: age, physicalName: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}\n";
const CONTRACT: &str = "contracts/people.odcs.yaml";
const ANN: (&str, &str) = ("Ann A", "ann@example.org");
const BOB: (&str, &str) = ("Bob B", "bob@example.org");

/// A project in a repository whose branch `main` holds an approved contract and two models; the work goes on on `change`. Its approvers
/// are `ann` and `bea`; their keys lie outside.
struct Repository {
    project: Project,
    ann: String,
    bea: String,
}

fn git(dir: &Path, by: (&str, &str), args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"])
        .args(["-c", &format!("user.name={}", by.0), "-c", &format!("user.email={}", by.1)])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Repository {
    fn new() -> Self {
        let project = Project::new();
        project.people("1,Ann,41,s\n2,Bob,20,t\n");
        let [ann, bea] = project.approvers();
        project.write("models/adults.sql", "-- polder: materialized = view\nselect id, name from people\nwhere age >= 18\n");
        project.write("models/counted.sql", "-- polder: materialized = table\nselect count(*) as n from adults\n");
        let settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
        let (_, default) = settings.split_once("  default:\n").unwrap();
        let approvals = "    approvals:\n      git:\n        ann: [ann@example.org]\n        bea: [bea@example.org]\n";
        project.write("polder.yaml", format!("{settings}  prod:\n{default}{approvals}"));
        let repository = Self { project, ann, bea };
        repository.approve(&repository.ann);
        repository.git(ANN, &["init", "-q"]);
        repository.commit(ANN);
        repository.git(ANN, &["checkout", "-q", "-b", "change"]);
        repository
    }

    fn git(&self, by: (&str, &str), args: &[&str]) -> String {
        git(&self.project.dir(), by, args)
    }

    fn commit(&self, by: (&str, &str)) {
        self.git(by, &["add", "-A"]);
        self.git(by, &["commit", "-q", "-m", "a change"]);
    }

    fn approve(&self, key: &str) {
        self.project.run(&["contract", "approve", "people", "--yes", "--key", key]).ok();
    }

    /// The contract from now on, committed.
    fn contract(&self, by: (&str, &str), text: &str) {
        assert_ne!(text, std::fs::read_to_string(self.project.dir().join(CONTRACT)).unwrap());
        self.project.write(CONTRACT, text);
        self.commit(by);
    }

    /// A clone as a runner of checks has it: no keys, no store, no home; nothing but the files and git.
    fn cloned(&self) -> PathBuf {
        let clone = self.project.beside("clone");
        let _ = std::fs::remove_dir_all(&clone);
        git(&self.project.beside("."), ANN, &["clone", "-q", self.project.dir().to_str().unwrap(), clone.to_str().unwrap()]);
        assert!(!clone.join("store").exists());
        clone
    }

    /// `polder ci` in a clone, against `main`.
    fn ci(&self, args: &[&str]) -> Ran {
        ci(&self.cloned(), args)
    }
}

fn polder(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
    command.args(args).current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

fn ci(dir: &Path, args: &[&str]) -> Ran {
    let args: Vec<&str> = ["ci", "--base", "origin/main"].into_iter().chain(args.iter().copied()).collect();
    ran(polder(dir, &args).output().unwrap())
}

/// The JSON document, whatever the exit code.
fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn rules(review: &Value, level: &str) -> Vec<String> {
    let findings = review["findings"].as_array().unwrap().iter();
    findings.filter(|finding| finding["level"] == level).map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

fn message<'a>(review: &'a Value, rule: &str) -> &'a str {
    let findings = review["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["rule"] == rule).unwrap_or_else(|| panic!("{rule}: {review:#}"));
    found["message"].as_str().unwrap()
}

const JUDGE: &str = r#"
import json, sys
from xml.dom import minidom
from jsonschema import Draft7Validator
given = json.load(sys.stdin)
errors = [error.message for error in Draft7Validator(given["schema"]).iter_errors(given["sarif"])]
assert not errors, errors
# The control.
broken = json.loads(json.dumps(given["sarif"]))
broken["runs"][0]["results"][0]["level"] = "fatal"
assert not Draft7Validator(given["schema"]).is_valid(broken)
root = minidom.parseString(given["junit"]).documentElement
assert root.tagName == "testsuites"
suites = root.getElementsByTagName("testsuite")
cases = root.getElementsByTagName("testcase")
failed = [case for case in cases if case.getElementsByTagName("failure") or case.getElementsByTagName("error")]
for element in [root, *suites]:
    assert int(element.getAttribute("tests")) == len(cases), element.getAttribute("tests")
    assert int(element.getAttribute("failures")) + int(element.getAttribute("errors")) == len(failed)
assert len({(case.getAttribute("classname"), case.getAttribute("name")) for case in cases}) == len(cases)
print(",".join(sorted(case.getAttribute("classname") + "/" + case.getAttribute("name") for case in failed)))
"#;

/// The schema that OASIS published and Python's own XML reader judge; the cases that failed.
fn judged(sarif: &Value, junit: &str) -> String {
    let schema: Value = serde_json::from_str(include_str!("review/sarif-schema-2.1.0.json")).unwrap();
    let python = std::env::var_os("POLDER_JUDGE_JSONSCHEMA_PYTHON").expect("the judge's Python; `cargo xtask test` prepares it");
    let mut judge = Command::new(python).args(["-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let question = json!({ "schema": schema, "sarif": sarif, "junit": junit }).to_string();
    judge.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_change_that_widens_is_refused_in_every_format_until_it_is_approved() {
    let repository = Repository::new();
    repository.contract(BOB, &format!("{PEOPLE_CONTRACT}{SECRET}"));
    let clone = repository.cloned();
    // Nobody who reads this has the keys.
    std::fs::remove_file(repository.project.key_file()).unwrap();

    let text = ci(&clone, &[]);
    assert!(
        text.out.contains("column secret is authorised, string") && text.out.contains("NOT APPROVED: it is not what was approved"),
        "{text:?}"
    );
    assert!(text.out.contains("newly lets in  column secret of the source"), "{text:?}");
    assert!(text.out.contains("migration      `polder run` adds column secret; old rows hold NULL"), "{text:?}");
    assert!(text.fails(1).contains("review the change: it is refused"));

    let review = ci(&clone, &["--output", "json"]);
    let found = document(&review);
    assert_eq!((&found["refused"], &found["tables"][0]["verdict"]), (&json!(true), &json!("unapproved")));
    assert_eq!(found["tables"][0]["changes"][0]["migration"]["step"], "add-column");
    assert_eq!(rules(&found, "error"), ["unapproved-widening", "column-added"]);
    let failure: Value = serde_json::from_str(&review.fails(1)).unwrap();
    assert_eq!(failure["error"]["exit_code"], 1);

    let markdown = ci(&clone, &["--output", "markdown"]);
    assert!(markdown.out.starts_with("## polder ci: refused: 2 findings\n"), "{markdown:?}");
    assert!(markdown.out.contains("| 17 | column secret is authorised, string | column secret of the source |"), "{markdown:?}");
    markdown.fails(1);

    let (sarif, junit) = (ci(&clone, &["--output", "sarif"]), ci(&clone, &["--output", "junit"]));
    let log = document(&sarif);
    assert_eq!(judged(&log, &junit.out), "polder.table/people");
    let result = log["runs"][0]["results"].as_array().unwrap().iter().find(|result| result["ruleId"] == "column-added").unwrap();
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!((&place["artifactLocation"]["uri"], &place["region"]["startLine"]), (&json!(CONTRACT), &json!(17)));
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize]["id"], "column-added");
    sarif.fails(1);
    junit.fails(1);
    let listing = ci(&clone, &["--output", "csv"]);
    assert!(listing.out.contains("error,unapproved-widening,table people,contracts/people.odcs.yaml,1,"), "{listing:?}");
    listing.fails(1);
}

#[test]
fn an_approval_by_who_was_enrolled_lets_a_change_pass_and_it_lands_with_its_migration() {
    let repository = Repository::new();
    repository.project.run(&["run"]).ok();
    repository.contract(BOB, &format!("{PEOPLE_CONTRACT}{SECRET}"));
    repository.ci(&[]).fails(1);
    repository.approve(&repository.ann);
    repository.commit(BOB);
    let clone = repository.cloned();
    let text = ci(&clone, &[]).ok();
    assert!(text.contains("lets something new in, approved by ann") && text.ends_with("nothing stands against it\n"), "{text}");
    for format in ["json", "markdown", "csv"] {
        ci(&clone, &["--output", format]).ok();
    }
    let sarif: Value = serde_json::from_str(&ci(&clone, &["--output", "sarif"]).ok()).unwrap();
    assert_eq!(judged(&sarif, &ci(&clone, &["--output", "junit"]).ok()), "");
    // It lands.
    repository.git(ANN, &["checkout", "-q", "main"]);
    repository.git(ANN, &["merge", "-q", "--ff-only", "change"]);
    let out = repository.project.run(&["run"]).ok();
    assert!(out.contains("migrated: added column secret; old rows NULL"), "{out}");
    assert_eq!(repository.project.rows("select id, secret from people order by id"), ["1,", "2,"]);
}

#[test]
fn a_description_is_no_change() {
    let repository = Repository::new();
    repository
        .contract(BOB, &PEOPLE_CONTRACT.replace("kind: DataContract", "kind: DataContract\ndescription: {purpose: people} # who they are"));
    let review: Value = serde_json::from_str(&repository.ci(&["--output", "json"]).ok()).unwrap();
    assert_eq!((&review["tables"], &review["findings"]), (&json!([]), &json!([])));
    let same = repository.project.run(&["contract", "diff", "--base", "main"]).ok();
    assert!(same.starts_with("the contracts mean what they meant at main ("), "{same}");
}

#[test]
fn nobody_approves_their_own_change_in_prod() {
    let repository = Repository::new();
    let prod = ["--env", "prod", "--output", "json"];
    repository.contract(ANN, &format!("{PEOPLE_CONTRACT}{SECRET}"));
    repository.approve(&repository.ann);
    repository.commit(BOB);
    let own = repository.ci(&prod);
    assert!(
        message(&document(&own), "unapproved-widening").contains("it is signed by ann, who wrote the change (as Ann A <ann@example.org>)"),
        "{own:?}"
    );
    own.fails(1);
    // Elsewhere it is enough that someone who was enrolled signed.
    repository.ci(&[]).ok();
    repository.approve(&repository.bea);
    repository.commit(BOB);
    assert_eq!(document(&repository.ci(&prod))["tables"][0]["approved_by"], json!(["bea"]));
    repository.ci(&prod).ok();
    // Who is named as co-author had a part in it, and so had who made one commit of several.
    repository.git(BOB, &["commit", "-q", "--amend", "-m", "no part in the contract\n\nCo-authored-by: Bea <bea@example.org>"]);
    repository.ci(&prod).ok();
    repository.project.write(CONTRACT, format!("{PEOPLE_CONTRACT}{SECRET}# more\n"));
    repository.git(BOB, &["commit", "-q", "-a", "-m", "a part in the contract\n\nCo-authored-by: Bea <BEA@example.org>"]);
    repository.ci(&prod).fails(1);
    // What is not committed has no author.
    let clone = repository.cloned();
    std::fs::write(clone.join(CONTRACT), PEOPLE_CONTRACT.replace("maximum: 150", "maximum: 151")).unwrap();
    repository.project.write(CONTRACT, PEOPLE_CONTRACT.replace("maximum: 150", "maximum: 151"));
    repository.approve(&repository.bea);
    std::fs::copy(repository.project.dir().join("contracts/people.odcs.approval"), clone.join("contracts/people.odcs.approval")).unwrap();
    let uncommitted = ci(&clone, &prod);
    assert!(message(&document(&uncommitted), "unapproved-widening").contains("the change is not committed"), "{uncommitted:?}");
    uncommitted.fails(1);
}

/// A key of someone whom `polder.yaml` does not list, and the line that would enrol them.
fn stranger(repository: &Repository, name: &str) -> (String, String) {
    let file = repository.project.beside(&format!("{name}.key")).display().to_string();
    let out = repository.project.run(&["keys", "approver", name, "--to", &file]).ok();
    let vkey = out.lines().find_map(|line| line.trim().strip_prefix("- ")).unwrap().to_owned();
    (file, vkey)
}

fn enrols(repository: &Repository, vkey: &str) {
    let settings = std::fs::read_to_string(repository.project.dir().join("polder.yaml")).unwrap();
    repository.project.write("polder.yaml", settings.replace("    approvers:\n", &format!("    approvers:\n      - {vkey}\n")));
}

#[test]
fn a_change_that_enrols_its_own_approver_is_refused() {
    let repository = Repository::new();
    let (eve, vkey) = stranger(&repository, "eve");
    enrols(&repository, &vkey);
    repository.project.write(CONTRACT, format!("{PEOPLE_CONTRACT}{SECRET}"));
    repository.approve(&eve);
    repository.commit(BOB);
    // The program itself would take it: the review is what stands in between.
    repository.project.run(&["run", "--dry-run"]).ok();
    let review = repository.ci(&["--output", "json"]);
    let found = document(&review);
    assert!(
        message(&found, "unapproved-widening").contains("it is signed by eve, who is no approver of environment default at the base"),
        "{found:#}"
    );
    assert!(
        message(&found, "approvers-changed").contains("eve may approve now, and no approval of that counts: nobody approved it"),
        "{found:#}"
    );
    // Of both environments.
    assert_eq!(rules(&found, "error").iter().filter(|rule| *rule == "approvers-changed").count(), 2);
    review.fails(1);
    // Nor does eve let herself in.
    for environment in ["default", "prod"] {
        repository.project.run(&["keys", "enrol", "--env", environment, "--key", &eve]).ok();
    }
    repository.commit(BOB);
    let review = repository.ci(&["--output", "json"]);
    assert!(message(&document(&review), "approvers-changed").contains("nobody signed it who was an approver before"), "{review:?}");
    review.fails(1);
}

#[test]
fn approvers_are_enrolled_by_who_was_one_before() {
    let repository = Repository::new();
    let (_, vkey) = stranger(&repository, "eve");
    enrols(&repository, &vkey);
    repository.commit(ANN);
    let enrol = |key: &str| {
        for environment in ["default", "prod"] {
            repository.project.run(&["keys", "enrol", "--env", environment, "--key", key]).ok();
        }
        repository.commit(BOB);
    };
    // In prod not by who wrote it.
    enrol(&repository.ann);
    let review = repository.ci(&["--output", "json"]);
    assert_eq!(rules(&document(&review), "error"), ["approvers-changed"], "{review:?}");
    assert!(
        document(&review)
            .to_string()
            .contains("environment prod: eve may approve now, and no approval of that counts: it is signed by ann, who wrote"),
        "{review:?}"
    );
    review.fails(1);
    enrol(&repository.bea);
    let review: Value = serde_json::from_str(&repository.ci(&["--output", "json"]).ok()).unwrap();
    assert_eq!(rules(&review, "note"), ["approvers-changed", "approvers-changed"]);
    // Another list than the one that was signed is another.
    let settings = std::fs::read_to_string(repository.project.dir().join("polder.yaml")).unwrap();
    repository.project.write("polder.yaml", settings.replace("bea: [bea@example.org]", "bea: [nobody@example.org]"));
    repository.commit(BOB);
    let review = repository.ci(&["--output", "json"]);
    assert!(message(&document(&review), "approvers-changed").contains("it is not what was approved"), "{review:?}");
    review.fails(1);
}

#[test]
fn who_was_struck_off_since_the_change_began_does_not_count() {
    let repository = Repository::new();
    repository.contract(BOB, &format!("{PEOPLE_CONTRACT}{SECRET}"));
    repository.approve(&repository.ann);
    repository.commit(BOB);
    repository.ci(&[]).ok();
    repository.git(ANN, &["checkout", "-q", "main"]);
    let settings = std::fs::read_to_string(repository.project.dir().join("polder.yaml")).unwrap();
    let without: Vec<&str> = settings.lines().filter(|line| !line.trim().starts_with("- ann+")).collect();
    repository.project.write("polder.yaml", without.join("\n") + "\n");
    repository.commit(ANN);
    repository.git(ANN, &["checkout", "-q", "change"]);
    let review = repository.ci(&["--output", "json"]);
    assert!(
        message(&document(&review), "unapproved-widening")
            .contains("it is signed by ann, who is no approver of environment default at the base"),
        "{review:?}"
    );
    review.fails(1);
}

#[test]
fn an_approval_of_former_times_is_told_from_none() {
    let repository = Repository::new();
    repository.git(ANN, &["checkout", "-q", "main"]);
    repository.contract(BOB, &PEOPLE_CONTRACT.replace("maximum: 150", "maximum: 120"));
    repository.approve(&repository.ann);
    repository.commit(ANN);
    repository.git(ANN, &["checkout", "-q", "-B", "change"]);
    // What was approved before is taken back with its approval.
    repository.git(BOB, &["checkout", "-q", "HEAD~2", "--", "contracts"]);
    repository.commit(BOB);
    let review: Value = serde_json::from_str(&repository.ci(&["--output", "json"]).ok()).unwrap();
    assert_eq!(rules(&review, "warning"), ["approved-before"], "{review:#}");
}

#[test]
fn a_removed_column_that_a_model_reads_is_named() {
    let repository = Repository::new();
    repository.contract(BOB, &PEOPLE_CONTRACT.replace(AGE, ""));
    let review = repository.ci(&["--output", "json"]);
    let found = document(&review);
    let broken: Vec<&str> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["rule"] == "model-broken")
        .map(|finding| finding["message"].as_str().unwrap())
        .collect();
    assert!(broken[0].starts_with("model adults no longer fits what it reads (it reads people.age, which is gone): "), "{broken:?}");
    assert!(
        broken[1].starts_with("model counted no longer fits what it reads (it reads people.age, which is gone): it reads adults, "),
        "{broken:?}"
    );
    assert_eq!(found["tables"][0]["verdict"], "nothing-new");
    assert_eq!(found["tables"][0]["changes"][0]["migration"]["step"], "remove-column");
    review.fails(1);
    // Corrected in the same change it breaks nothing; that nobody approved it is said.
    repository.project.write("models/adults.sql", "-- polder: materialized = view\nselect id, name from people\n");
    repository.commit(BOB);
    let review: Value = serde_json::from_str(&repository.ci(&["--output", "json"]).ok()).unwrap();
    assert_eq!((rules(&review, "error"), rules(&review, "warning")), (vec![], vec!["not-approved".to_owned()]), "{review:#}");
}

#[test]
fn a_renamed_and_a_retyped_column_are_told_with_the_models_that_read_them() {
    let repository = Repository::new();
    repository.contract(BOB, &PEOPLE_CONTRACT.replace("{name: age, ", "{name: years, "));
    let review = repository.ci(&["--output", "json"]);
    let found = document(&review);
    let change = &found["tables"][0]["changes"][0];
    assert_eq!((&change["change"], &change["before"], &change["column"]), (&json!("column-renamed"), &json!("age"), &json!("years")));
    assert_eq!((&change["widens"], &change["migration"]["step"]), (&json!(false), &json!("refuse")));
    assert!(message(&found, "model-broken").contains("(it reads people.age, which is called years now)"), "{found:#}");
    assert!(message(&found, "refused-migration").contains("refuses to rename column age to years"), "{found:#}");
    review.fails(1);
    // The name in the source alone: nothing to migrate.
    repository.contract(BOB, &PEOPLE_CONTRACT.replace("physicalName: age", "physicalName: AGE"));
    let found = document(&repository.ci(&["--output", "json"]));
    let change = &found["tables"][0]["changes"][0];
    assert_eq!((&change["change"], &change["migration"]["step"]), (&json!("source-column-changed"), &json!("nothing")));
    repository.contract(BOB, &PEOPLE_CONTRACT.replace("logicalTypeOptions: {minimum: 0", "logicalTypeOptions: {format: i64, minimum: 0"));
    repository.project.write("models/ages.sql", "-- polder: materialized = table\nselect age from people\n");
    repository.git(ANN, &["checkout", "-q", "main"]);
    repository.project.write("models/ages.sql", "-- polder: materialized = table\nselect age from people\n");
    repository.commit(ANN);
    repository.git(ANN, &["checkout", "-q", "change"]);
    repository.git(ANN, &["merge", "-q", "--no-edit", "main"]);
    let found = document(&repository.ci(&["--output", "json"]));
    assert!(
        message(&found, "model-changed").contains("(it reads people.age, which has another type): age was Int32 and is Int64"),
        "{found:#}"
    );
}

#[test]
fn what_a_contract_asks_and_nobody_can_answer_is_told_as_check_tells_it() {
    let repository = Repository::new();
    let rule =
        |query: &str| format!("    quality: [{{type: sql, name: adults, query: \"{query}\", mustBeGreaterThan: 0}}]\n    properties:\n");
    let refers = |to: &str| AGE.replace("maximum: 150}}", &format!("maximum: 150}}, relationships: [{{to: {to}}}]}}"));
    let with_rule = |query: &str| PEOPLE_CONTRACT.replace("    properties:\n", &rule(query));
    for contract in [
        with_rule("drop table ${table}"),
        PEOPLE_CONTRACT.replace(AGE, &refers("clients.age")),
        PEOPLE_CONTRACT.replace(AGE, &refers("people.height")),
        PEOPLE_CONTRACT.replace(AGE, &refers("counted.n")),
    ] {
        repository.contract(BOB, &contract);
        let checked = repository.project.run(&["contract", "check"]).fails(2);
        let review = repository.ci(&["--output", "json"]);
        let found = document(&review);
        assert_eq!(rules(&found, "error"), ["cannot-be-asked"], "{found:#}");
        assert!(checked.contains(message(&found, "cannot-be-asked")), "{checked}\n{found:#}");
        assert!(review.fails(1).contains("a contract asks what cannot be asked"));
    }
    assert!(repository.ci(&["--output", "junit"]).out.contains("type=\"cannot-be-asked\""));
    // Where a contract cannot be used it may be for the table that is missed.
    repository.project.write("contracts/counted.odcs.yaml", "kind: DataContract\n");
    repository.commit(BOB);
    let found = document(&repository.ci(&["--output", "json"]));
    assert!(!rules(&found, "error").contains(&"cannot-be-asked".to_owned()), "{found:#}");
    std::fs::remove_file(repository.project.dir().join("contracts/counted.odcs.yaml")).unwrap();
    // What only the table can tell is left to the load.
    repository.contract(BOB, &with_rule("select count(height) from ${table}"));
    repository.project.run(&["contract", "check"]).ok();
    repository.ci(&[]).ok();
    // What could not be asked at the base is told, and is not this change's doing.
    repository.git(ANN, &["checkout", "-q", "main"]);
    repository.contract(ANN, &with_rule("drop table ${table}"));
    repository.git(ANN, &["checkout", "-q", "-B", "change"]);
    repository.project.write("models/more.sql", "-- polder: materialized = view\nselect id from people\n");
    repository.commit(BOB);
    let found: Value = serde_json::from_str(&repository.ci(&["--output", "json"]).ok()).unwrap();
    assert!(rules(&found, "warning").contains(&"cannot-be-asked".to_owned()), "{found:#}");
}

#[test]
fn what_no_approval_covers_is_told() {
    let repository = Repository::new();
    repository.project.write("sources/files.yaml", "type: csv\npath: elsewhere\ndatasets:\n  people: {file: people*.csv, null: [NA, x]}\n");
    repository.project.write("policies/all.cedar", "@id(\"all\") permit (principal, action == Action::\"Read\", resource);\n");
    let settings = std::fs::read_to_string(repository.project.dir().join("polder.yaml")).unwrap();
    repository.project.write("polder.yaml", settings.replace("owners: [", "owners: [\"user:mallory\", "));
    repository.commit(BOB);
    let review: Value = serde_json::from_str(&repository.ci(&["--output", "json"]).ok()).unwrap();
    let mut warnings = rules(&review, "warning");
    warnings.dedup();
    assert_eq!(warnings, ["groups-changed", "policies-changed", "reads-permitted", "source-file-changed"], "{review:#}");
    let findings = review["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == "reads-permitted");
    let reads: Vec<&str> = findings.map(|finding| finding["message"].as_str().unwrap()).collect();
    let people = "any other user, user:mallory may newly read of table people: all of it, was nothing";
    assert!(reads.contains(&people), "{reads:?}");
    assert!(message(&review, "source-file-changed").contains("it fills people, and no approval covers"), "{review:#}");
}

#[test]
fn a_file_that_cannot_be_used_ends_with_its_own_code_and_stands_in_every_format() {
    let repository = Repository::new();
    repository.project.write("contracts/broken.odcs.yaml", "kind: DataContract\nowner: me\n");
    repository.project.write("models/broken.sql", "-- polder: materialized = table\nselct age from people\n");
    repository.project.write("policies/broken.cedar", "permit (principal\n");
    repository.project.write("sources/broken.yaml", "type: csv\npath: data\ndatasets: {a: {fiel: x}}\n");
    repository.commit(BOB);
    let clone = repository.cloned();
    let review = ci(&clone, &["--output", "json"]);
    let found = document(&review);
    for file in ["contracts/broken.odcs.yaml", "models/broken.sql", "policies/broken.cedar", "sources/broken.yaml"] {
        let findings = found["findings"].as_array().unwrap();
        assert!(findings.iter().any(|finding| finding["file"] == file && finding["rule"] == "unreadable"), "{file}: {found:#}");
    }
    review.fails(2);
    let (sarif, junit) = (ci(&clone, &["--output", "sarif"]), ci(&clone, &["--output", "junit"]));
    assert!(judged(&document(&sarif), &junit.out).contains("polder.file/models/broken.sql"), "{junit:?}");
    sarif.fails(2);
    // A polder.yaml that cannot be used is told as well.
    std::fs::write(clone.join("polder.yaml"), "environment: {}\n").unwrap();
    let review = ci(&clone, &["--output", "json"]);
    assert!(document(&review).to_string().contains("`environment` is not a key of polder.yaml"), "{review:?}");
    review.fails(2);
}

#[test]
fn without_git_or_a_repository_it_says_what_to_do() {
    let repository = Repository::new();
    let clone = repository.cloned();
    let mut command = polder(&clone, &["ci"]);
    let err = ran(command.env("PATH", "/nowhere").output().unwrap()).fails(2);
    assert!(err.contains("run git: there is no such program; install it"), "{err}");
    std::fs::remove_dir_all(clone.join(".git")).unwrap();
    let alone = repository.project.beside("alone");
    std::fs::rename(&clone, &alone).unwrap();
    let err = ci(&alone, &[]).fails(2);
    assert!(err.contains("lies in no work tree of git; run `git init`"), "{err}");
    let err = ran(polder(&repository.project.dir(), &["ci", "--base", "no/such"]).output().unwrap()).fails(2);
    assert!(err.contains("compare with no/such: git knows no such commit"), "{err}");
    // A name is never an option of git.
    let err = ran(polder(&repository.project.dir(), &["ci", "--base=--output=x"]).output().unwrap()).fails(2);
    assert!(err.contains("git knows no such commit") && !repository.project.dir().join("x").exists(), "{err}");
    let err = ran(polder(&repository.project.dir(), &["ci", "--env", "prd"]).output().unwrap()).fails(2);
    assert!(err.contains("did you mean prod?"), "{err}");
}

#[test]
fn contracts_are_compared_with_a_commit() {
    let repository = Repository::new();
    repository.project.write(CONTRACT, format!("{}{SECRET}", PEOPLE_CONTRACT.replace("maximum: 150", "maximum: 120")));
    let text = repository.project.run(&["contract", "diff"]).ok();
    assert!(text.contains("column age took 0 to 150 and takes 0 to 120") && text.contains("column secret is authorised"), "{text}");
    let tables = repository.project.json(&["contract", "diff", "people", "--base", "main"]);
    let changes = tables[0]["changes"].as_array().unwrap();
    let kinds: Vec<(&str, bool)> =
        changes.iter().map(|change| (change["change"].as_str().unwrap(), change["widens"].as_bool().unwrap())).collect();
    assert_eq!(kinds, [("rule-changed", false), ("column-added", true)]);
    assert_eq!(repository.project.run(&["contract", "diff", "--output", "csv"]).ok().lines().count(), 3);
    let err = repository.project.run(&["contract", "diff", "poeple"]).fails(2);
    assert!(err.contains("did you mean people?"), "{err}");
    // A project below the repository's top.
    let top = repository.project.beside("top");
    std::fs::create_dir(&top).unwrap();
    git(&top, ANN, &["init", "-q"]);
    std::fs::rename(repository.cloned(), top.join("shop")).unwrap();
    std::fs::remove_dir_all(top.join("shop/.git")).unwrap();
    git(&top, ANN, &["add", "-A"]);
    git(&top, ANN, &["commit", "-q", "-m", "all"]);
    std::fs::write(top.join("shop").join(CONTRACT), format!("{PEOPLE_CONTRACT}{SECRET}")).unwrap();
    let review = ran(polder(&top.join("shop"), &["ci", "--output", "sarif"]).output().unwrap());
    let place = &document(&review)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "shop/contracts/people.odcs.yaml");
    review.fails(1);
}

#[test]
fn schemas_are_printed_written_and_named_by_new_files() {
    let project = Project::new();
    let listed = project.json(&["schema"]);
    assert_eq!(listed.as_array().unwrap().len(), 7);
    let schema: Value = serde_json::from_str(&project.run(&["schema", "contract"]).ok()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(project.run(&["schema", "policy"]).ok().contains("entity"));
    let to = project.beside("schemas");
    project.run(&["schema", "--write", to.to_str().unwrap()]).ok();
    for file in [
        "project.schema.json",
        "source.schema.json",
        "layout.schema.json",
        "contract.schema.json",
        "pipeline.schema.json",
        "polder.cedarschema",
        "policy-test.schema.json",
    ] {
        let written = std::fs::read(to.join(file)).unwrap();
        assert_eq!(written, std::fs::read(project.dir().join(".polder/schemas").join(file)).unwrap(), "{file}");
    }
    let head = |file: &str| std::fs::read_to_string(project.dir().join(file)).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(head("polder.yaml"), "# yaml-language-server: $schema=.polder/schemas/project.schema.json");
    project.write("data/people.csv", "id\n1\n");
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets: {people: {file: people.csv}}\n");
    project.run(&["contract", "propose", "files.people", "--write"]).ok();
    assert_eq!(head("contracts/people.odcs.yaml"), "# yaml-language-server: $schema=../.polder/schemas/contract.schema.json");
    project.run(&["contract", "check"]).ok();
}
