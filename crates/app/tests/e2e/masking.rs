//! Masked columns, through the program: what joins, what does not, and that nothing of the plain value is kept anywhere.

use std::fmt::Display;
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use polder_app::search::Search;

use crate::harness::{Project, ran};

/// Identifiers as one source writes them, and as the other does.
const SPACED: [&str; 3] = ["1 85 05 78 006 084", "2 91 12 2A 115 007", "1 70 01 75 111 222"];
const BARE: [&str; 3] = ["185057800608 4", "29112 2a115007", "1700175111222"];
const NAME: &str = "Egelantiersgracht-Masked-1921";
const REFUSED: &str = "9 99 99 99 999 999";
const BORN: &str = "1985-05-17";
const STREET: &str = "Bloemgracht-Dropped-1922";

fn contract(table: &str, source: &str, properties: &[&dyn Display]) -> String {
    let properties: String = properties.iter().map(|property| format!("      - {property}\n")).collect();
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {table}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, value: {source}}}\n  - {{property: polder.onViolation, value: quarantine}}\n  - {{property: polder.rejectLimit, value: 0.9}}\nschema:\n  - name: {table}\n    physicalName: {table}\n    properties:\n{properties}"
    )
}

fn masked(name: &str, logical: &str, mask: &str) -> String {
    format!("{{name: {name}, {logical}, customProperties: [{{property: polder.mask, value: {mask}}}]}}")
}

const NIR: &str = "logicalType: string, required: true";
const ONE_FORM: &str = "{pseudonymise: patients, normalise: [alnum, upper]}";

/// Two sources that write one identifier in two ways, a contract for each, and one table under another domain.
fn hospital() -> Project {
    let project = Project::new();
    let stays: String = SPACED.iter().zip(1..).map(|(nir, ward)| format!("{nir},{ward},{BORN},{NAME},{STREET},7501{ward}\n")).collect();
    project.write("data/stays.csv", format!("nir,ward,born,name,street,postcode\n{stays}{REFUSED},900,{BORN},{NAME},{STREET},75011\n"));
    let acts: String = BARE.iter().zip([10, 20, 30]).map(|(nir, cost)| format!("{{\"nir\": \"{nir}\", \"cost\": {cost}}}\n")).collect();
    project.write("data/acts.ndjson", acts);
    project.write("data/staff.csv", format!("nir\n{}\n", SPACED[0]));
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  stays: {file: stays*.csv}\n  staff: {file: staff.csv}\n");
    project.write("sources/lines.yaml", "type: ndjson\npath: data\ndatasets:\n  acts: {file: acts*.ndjson}\n");
    let stays: [&dyn Display; 6] = [
        &masked("nir", NIR, ONE_FORM),
        &"{name: ward, logicalType: integer, logicalTypeOptions: {maximum: 100}}",
        &masked("born", "logicalType: date", "{truncate: year}"),
        &masked("name", "logicalType: string, classification: confidential", "{encrypt: names}"),
        &masked("street", "logicalType: string, required: true", "{drop: true}"),
        &masked("postcode", "logicalType: string", "{generalise: {prefix: 2}}"),
    ];
    project.write("contracts/stays.odcs.yaml", contract("stays", "files", &stays));
    project.write(
        "contracts/acts.odcs.yaml",
        contract("acts", "lines", &[&masked("nir", NIR, ONE_FORM), &"{name: cost, logicalType: integer}"]),
    );
    let elsewhere = masked("nir", NIR, "{pseudonymise: staff, normalise: [alnum, upper]}");
    let accepted = elsewhere.replace("}]}", "}, {property: polder.acceptDomain, value: [patients]}]}");
    assert_ne!(accepted, elsewhere);
    project.write("contracts/staff.odcs.yaml", contract("staff", "files", &[&accepted]));
    for table in ["stays", "acts", "staff"] {
        project.run(&["contract", "approve", table, "--yes"]).ok();
    }
    project
}

const JOIN: &str = "select s.ward, a.cost from stays s join acts a on s.nir = a.nir order by s.ward, a.cost";

#[test]
fn pseudonyms_join_across_sources_and_go_on_joining_after_rotations() {
    let project = hospital();
    project.run(&["run"]).ok();
    assert_eq!(project.rows(JOIN), ["1,10", "2,20", "3,30"]);
    let pseudonyms = project.rows("select nir from stays order by ward");
    assert!(pseudonyms.iter().all(|pseudonym| pseudonym.len() == 32 && pseudonym.bytes().all(|byte| byte.is_ascii_hexdigit())));
    assert_eq!(project.rows("select count(*) from staff t join stays s on s.nir = t.nir"), ["0"]);
    // Rotations of the root, of a table's key, and the objects sealed again.
    project.run(&["keys", "rotate"]).ok();
    project.run(&["keys", "rotate", "--table", "stays"]).ok();
    project.run(&["keys", "reencrypt"]).ok();
    project.write("data/stays-2.csv", format!("nir,ward,born,name,street,postcode\n{},4,{BORN},Dan,{STREET},69001\n", SPACED[1]));
    project.write("data/acts-2.ndjson", format!("{{\"nir\": \"{}\", \"cost\": 40}}\n", BARE[0]));
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select nir from stays where ward <= 3 order by ward"), pseudonyms);
    assert_eq!(project.rows(JOIN), ["1,10", "1,40", "2,20", "3,30", "4,20"]);
    let shown = project.run(&["keys", "show"]).ok();
    assert!(shown.contains("domain:patients") && shown.contains("domain:staff") && shown.contains("domain:names"), "{shown}");
    // A domain's own key is never rotated.
    let error = project.run(&["keys", "rotate", "--dataset", "domain:patients"]).fails(2);
    assert!(error.contains("never rotated"), "{error}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn an_integer_of_parquet_and_its_text_join() {
    let project = Project::new();
    let ids = Int64Array::from(vec![7, 42, 1000]);
    let kinds = StringArray::from(vec!["a", "b", "c"]);
    let rows = RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("kind", Arc::new(kinds) as _)]).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    project.write("data/typed.parquet", writer.into_inner().unwrap());
    project.write("data/texts.csv", "id,amount\n42,1\n00007,2\n1001,3\n");
    project.write("sources/columns.yaml", "type: parquet\npath: data\ndatasets:\n  typed: {file: typed.parquet}\n");
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  texts: {file: texts.csv}\n");
    let integer = masked("id", "logicalType: integer, logicalTypeOptions: {format: i64}, primaryKey: true", "{pseudonymise: things}");
    let text = masked("id", "logicalType: string, unique: true", "{pseudonymise: things, normalise: [zeros]}");
    project.write("contracts/typed.odcs.yaml", contract("typed", "columns", &[&integer, &"{name: kind, logicalType: string}"]));
    project.write("contracts/texts.odcs.yaml", contract("texts", "files", &[&text, &"{name: amount, logicalType: integer}"]));
    for table in ["typed", "texts"] {
        project.run(&["contract", "approve", table, "--yes"]).ok();
    }
    project.run(&["run"]).ok();
    let joined = project.rows("select kind, amount from typed join texts on typed.id = texts.id order by kind");
    assert_eq!(joined, ["a,2", "b,1"]);
    // Keys are judged by the pseudonym, in the load and against the table.
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  texts: {file: texts*.csv}\n");
    project.write("data/texts-2.csv", "id,amount\n042,5\n0043,6\n43,7\n");
    let report = project.json(&["run", "--select", "texts"]);
    let refused: Vec<String> =
        report["batches"][0]["refused"].as_array().unwrap().iter().map(|by| format!("{} {}", by["rule"], by["rows"])).collect();
    assert_eq!(refused, ["\"unique\" 1", "\"unique:in_table\" 1"]);
}

#[test]
fn each_mask_leaves_what_it_says() {
    let project = hospital();
    project.run(&["run"]).ok();
    let columns = project.run(&["table", "show", "stays", "--output", "csv"]).ok();
    let named: Vec<&str> = columns.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(named, ["nir", "ward", "born", "name", "postcode"], "{columns}");
    assert_eq!(project.rows("select distinct born, postcode from stays"), ["1985-01-01,75"]);
    // Equal values that are encrypted at random do not look alike, and only their domain opens them.
    let sealed = project.rows("select distinct name from stays");
    assert_eq!(sealed.len(), 3, "{sealed:?}");
    assert_eq!(revealed(&project, "names", &sealed).ok().lines().skip(1).collect::<Vec<_>>(), [NAME; 3]);
    let error = revealed(&project, "patients", &sealed).fails(2);
    assert!(error.contains("reveal line 1") && !error.contains(&sealed[0]), "{error}");
    let log = project.run(&["audit", "show", "--type", "keys_changed", "--output", "json"]).ok();
    assert!(log.contains("values_revealed"), "{log}");
    // A policy that does not let the asker manage keys keeps them shut.
    project.write("policies/forbid.cedar", "@id(\"never\") forbid (principal, action == Action::\"ManageKeys\", resource);\n");
    revealed(&project, "names", &sealed).fails(7);
}

/// `keys reveal-values` with lines on standard input.
fn revealed(project: &Project, domain: &str, values: &[String]) -> crate::harness::Ran {
    let mut command = project.command(&["keys", "reveal-values", domain, "--yes", "--output", "csv"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that refuses reads nothing.
    let _ = child.stdin.take().unwrap().write_all((values.join("\n") + "\n").as_bytes());
    ran(child.wait_with_output().unwrap())
}

/// Nothing of a plain value is anywhere: in no file of the project's store, sealed or unsealed, no log line and no report.
#[test]
fn the_plain_value_of_a_masked_column_is_nowhere() {
    let project = hospital();
    let told = project.run(&["run", "-vvv"]);
    let mut texts = format!("{}{}", told.out, told.err);
    told.ok();
    assert!(texts.contains("1 quarantined"), "{texts}");
    for args in [
        &["quarantine", "show", "stays"][..],
        &["quarantine", "show", "stays", "--output", "json"],
        &["sql", "select * from stays"],
        &["audit", "show", "--limit", "1000", "--output", "json"],
        &["keys", "rotate", "--table", "stays"],
        &["keys", "reencrypt"],
        &["table", "optimize", "stays"],
    ] {
        let ran = project.run(&[args, &["-vvv"]].concat());
        texts += &format!("{}{}", ran.out, ran.err);
        ran.ok();
    }
    // The refused row is taken up again as it was masked.
    let file = "contracts/stays.odcs.yaml";
    let contract = std::fs::read_to_string(project.dir().join(file)).unwrap();
    project.write(file, contract.replace("maximum: 100", "maximum: 1000"));
    project.run(&["contract", "approve", "stays", "--yes"]).ok();
    let replayed = project.run(&["quarantine", "replay", "stays", "-vvv"]);
    texts += &format!("{}{}", replayed.out, replayed.err);
    replayed.ok();
    assert_eq!(project.rows("select count(*), count(distinct nir), min(born) from stays"), ["4,4,1985-01-01"]);
    let bare: Vec<String> = SPACED.iter().chain([&REFUSED]).map(|nir| nir.replace(' ', "")).collect();
    let plain: Vec<&str> = SPACED.into_iter().chain([REFUSED, NAME, STREET, BORN]).chain(bare.iter().map(String::as_str)).collect();
    for value in &plain {
        assert!(!texts.contains(value), "{value} is told:\n{texts}");
    }
    let search = Search::new(&plain).unwrap();
    assert_eq!(search.directory(&project.store()).unwrap().findings, []);
    let unsealed = crate::plain::unsealed(&project, "unsealed");
    assert_eq!(search.directory(&unsealed).unwrap().findings, [], "a plain store would hold values of masked columns");
    // The control: the same search finds them in the source, and what is stored in the store as it would be without seals.
    let sources = search.directory(&project.dir().join("data")).unwrap();
    assert!(plain.iter().take(6).all(|value| sources.findings.iter().any(|found| found.value == *value)), "{:?}", sources.findings);
    let pseudonym = project.rows("select min(nir) from stays").remove(0);
    let stored = Search::new(&[&pseudonym]).unwrap();
    assert!(!stored.directory(&unsealed).unwrap().findings.is_empty());
    assert_eq!(stored.directory(&project.store()).unwrap().findings, []);
}

#[test]
fn a_dry_run_makes_no_domain_and_stores_nothing() {
    let project = hospital();
    let report = project.json(&["run", "--dry-run"]);
    assert_eq!(report["success"], true, "{report}");
    assert!(!project.run(&["keys", "show"]).ok().contains("domain:"));
}

#[test]
fn what_cannot_join_is_refused() {
    let project = hospital();
    project.run(&["contract", "check"]).ok();
    let file = "contracts/staff.odcs.yaml";
    let accepting = std::fs::read_to_string(project.dir().join(file)).unwrap();
    project.write(file, accepting.replace(", {property: polder.acceptDomain, value: [patients]}", ""));
    for args in [&["contract", "check"][..], &["contract", "check", "staff"], &["contract", "approve", "staff", "--yes"]] {
        let error = project.run(args).fails(2);
        assert!(error.contains("column nir is masked by pseudonymise staff") && error.contains("polder.acceptDomain"), "{error}");
    }
    // A model that joins them is refused too, whatever the columns are called.
    project.write(
        file,
        accepting.replace("value: [patients]", "value: [others]").replace("{name: nir, ", "{name: matricule, physicalName: nir, "),
    );
    project.run(&["contract", "approve", "staff", "--yes"]).ok();
    project
        .write("models/crossed.sql", "-- polder: materialized = table\nselect s.ward from stays s join staff t on s.nir = t.matricule\n");
    let error = project.run(&["run"]).fails(2);
    assert!(error.contains("which are never equal"), "{error}");
    project
        .write("models/crossed.sql", "-- polder: materialized = table\nselect s.ward, a.cost from stays s join acts a on s.nir = a.nir\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from crossed"), ["3"]);
}

#[test]
fn few_values_have_no_pseudonyms_unless_accepted_by_name() {
    let project = hospital();
    let column = masked("sex", "logicalType: string, logicalTypeOptions: {maxLength: 1}", "{pseudonymise: patients}");
    let file = "contracts/acts.odcs.yaml";
    project.write(file, contract("acts", "lines", &[&column]));
    let error = project.run(&["contract", "check"]).fails(2);
    assert!(error.contains("has few values (`maxLength` is 1)"), "{error}");
    project
        .write(file, contract("acts", "lines", &[&column.replace("}]}", "}, {property: polder.acceptFewValues, value: joined by it}]}")]));
    project.run(&["contract", "check"]).ok();
}

/// What pseudonyms do not hide, shown on purpose: `docs/threats.md` names these limits.
#[test]
fn frequencies_stay_and_lengths_of_encrypted_values_too() {
    let project = Project::new();
    let rows: String = (0..60).map(|row| if row % 3 == 0 { format!("common,{row}\n") } else { format!("rare-{row},{row}\n") }).collect();
    project.write("data/visits.csv", format!("who,n\n{rows}"));
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  visits: {file: visits.csv}\n");
    let who = masked("who", "logicalType: string", "{pseudonymise: people}");
    let sealed = masked("sealed", "physicalName: \"n\", logicalType: string", "{encrypt: people}");
    project.write("contracts/visits.odcs.yaml", contract("visits", "files", &[&who, &sealed]));
    project.run(&["contract", "approve", "visits", "--yes"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) as n from visits group by who order by n desc limit 2"), ["20", "1"]);
    assert_eq!(project.rows("select count(distinct length(sealed)) from visits"), ["2"]);
    assert_eq!(project.rows("select count(distinct sealed), count(distinct length(who)) from visits"), ["60,1"]);
}

#[test]
fn what_a_destroyed_domain_masked_is_cut_off() {
    let project = hospital();
    let approvers = project.approvers();
    project.run(&["run"]).ok();
    let sealed = project.rows("select name from stays limit 1");
    let said = project.destroy(&approvers, ["--dataset", "domain:names"], "1");
    assert!(said.contains("is out of the keyring"), "{said}");
    revealed(&project, "names", &sealed).fails(3);
    // Nothing new is masked under it, and what was loaded stays.
    project.write("data/stays-2.csv", format!("nir,ward,born,name,street,postcode\n{},4,{BORN},Dan,{STREET},69001\n", SPACED[1]));
    let error = project.run(&["run", "--select", "stays"]).fails(3);
    assert!(error.contains("domain names: its key was destroyed"), "{error}");
    assert_eq!(project.rows(JOIN), ["1,10", "2,20", "3,30"]);
    project.run(&["keys", "rotate"]).ok();
    project.run(&["audit", "verify"]).ok();
}
