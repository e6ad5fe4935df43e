//! The same rows in every format, each written by someone else's writer (`tests/corpus/formats`): every table that comes of them holds
//! the rows of the CSV file, also where the load was killed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::Project;

/// A file, and how a source reads it.
struct Format {
    /// The table, and the source.
    name: &'static str,
    file: &'static str,
    source_type: &'static str,
    /// Keys of the dataset besides `file`.
    keys: &'static str,
    /// Where the columns stand, but for those that go by their own names.
    physical: &'static [(&'static str, &'static str)],
    /// Whether the records were counted by a means that is not the decoder.
    counted: bool,
}

const XML: &[(&str, &str)] = &[("id", "@id"), ("amount", "money/amount"), ("day", "seen/day"), ("seen_at", "seen/@at"), ("note", "p:note")];
const NESTED: &[(&str, &str)] = &[("amount", "money.amount"), ("day", "seen.day"), ("seen_at", "seen.at")];

const fn format(name: &'static str, file: &'static str, source_type: &'static str, keys: &'static str) -> Format {
    Format { name, file, source_type, keys, physical: &[], counted: true }
}

const FORMATS: &[Format] = &[
    format("csv_plain", "people.csv", "csv", ""),
    format(
        "csv_utf16",
        "people-utf16.csv",
        "csv",
        "encoding: utf-16le, delimiter: \";\", skip_rows: 2, trailing_delimiter: true, decimal: \",\"",
    ),
    format("csv_cp1252", "people-cp1252.csv", "csv", "encoding: windows-1252, delimiter: \";\", decimal: \",\""),
    format("csv_escaped", "people-escaped.csv", "csv", "delimiter: \"\\t\", quote: \"'\", escape: \"\\\\\", comment: \"#\""),
    format("json_list", "people.json", "json", ""),
    Format { physical: NESTED, ..format("json_nested", "people-nested.json", "json", "records: result.items") },
    Format { counted: false, ..format("json_exploded", "people-groups.json", "json", "explode: people, parent: {group_id: group.id}") },
    format("ndjson_lines", "people.ndjson", "ndjson", ""),
    Format {
        counted: false,
        ..format("ndjson_exploded", "people-groups.ndjson", "ndjson", "explode: people, parent: {group_id: group.id}")
    },
    format("excel_xlsx", "people.xlsx", "excel", ""),
    format("excel_1904", "people-1904.xlsx", "excel", "sheet: Données 2001, range: \"B5:I300\""),
    Format { counted: false, ..format("excel_xlsb", "people.xlsb", "excel", "sheet: 1") },
    Format { counted: false, ..format("excel_xls", "people.xls", "excel", "") },
    Format { counted: false, ..format("excel_ods", "people.ods", "excel", "sheet: people") },
    format("avro_null", "people-null.avro", "avro", ""),
    format("avro_deflate", "people-deflate.avro", "avro", ""),
    format("avro_snappy", "people-snappy.avro", "avro", ""),
    format("avro_zstandard", "people-zstandard.avro", "avro", ""),
    format("arrow_file", "people.arrow", "arrow", ""),
    format("arrow_lz4", "people-lz4.arrow", "arrow", ""),
    format("arrow_stream", "people.arrows", "arrow", ""),
    format("arrow_views", "people-views.arrows", "arrow", ""),
    Format { physical: XML, ..format("xml_utf8", "people.xml", "xml", "record: export/people/person") },
    Format { physical: XML, ..format("xml_utf16", "people-utf16.xml", "xml", "record: p:export/p:people/p:person") },
    Format { physical: XML, ..format("xml_latin9", "people-latin9.xml", "xml", "record: /export/people/person") },
    format("fixed_characters", "people-characters.txt", "fixed", "layout: layouts/characters.yaml"),
    format("fixed_bytes", "people-bytes.dat", "fixed", "layout: layouts/bytes.yaml, encoding: windows-1252"),
];

const COLUMNS: &[(&str, &str)] = &[
    ("id", "logicalType: string, required: true"),
    ("n", "logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1"),
    ("amount", "logicalType: number"),
    ("day", "logicalType: date"),
    ("seen_at", "logicalType: timestamp, logicalTypeOptions: {defaultTimezone: Etc/UTC}"),
    ("flag", "logicalType: boolean"),
    ("note", "logicalType: string"),
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/formats")
}

impl Format {
    fn is_western(&self) -> bool {
        self.file.contains("cp1252") || self.file.contains("bytes")
    }

    fn is_exploded(&self) -> bool {
        self.keys.contains("explode")
    }

    fn contract(&self) -> String {
        let mut text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: {0}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, value: {0}}}\nschema:\n  - name: {0}\n    physicalName: people\n    properties:\n",
            self.name
        );
        for (column, rules) in COLUMNS {
            let physical = self.physical.iter().find(|(name, _)| name == column).map_or(*column, |(_, physical)| physical);
            text += &format!("      - {{name: \"{column}\", physicalName: \"{physical}\", {rules}}}\n");
        }
        if self.is_exploded() {
            text += "      - {name: group_id, logicalType: string, required: true}\n";
        }
        text
    }

    /// Puts file, source and contract into a project and approves.
    fn lay(&self, project: &Project) {
        project.write(&format!("data/{}", self.file), fs::read(corpus().join(self.file)).unwrap());
        let keys = if self.keys.is_empty() { String::new() } else { format!(", {}", self.keys) };
        let source = format!("type: {}\npath: data\ndatasets:\n  people: {{file: {}{keys}}}\n", self.source_type, self.file);
        project.write(&format!("sources/{}.yaml", self.name), source);
        project.write(&format!("contracts/{}.odcs.yaml", self.name), self.contract());
        for unit in ["characters", "bytes"] {
            project.write(&format!("layouts/{unit}.yaml"), fs::read(corpus().join(format!("layout-{unit}.yaml"))).unwrap());
        }
        project.run(&["contract", "approve", self.name, "--yes"]).ok();
    }

    /// The rows of its table are those of the CSV file.
    fn holds_the_rows(&self, project: &Project, expected: &[String]) {
        let columns: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        let rows = project.rows(&format!("select {} from {} order by n", columns.join(", "), self.name));
        let expected: Vec<String> =
            expected.iter().map(|row| if self.is_western() { row.replace('Ω', "O") } else { row.clone() }).collect();
        assert_eq!(rows.len(), expected.len(), "{}", self.name);
        for (row, expected) in rows.iter().zip(&expected) {
            assert_eq!(row, expected, "{}", self.name);
        }
    }
}

/// What the CSV file holds, as the same query shows it.
fn expected(project: &Project) -> Vec<String> {
    project.rows("select id, n, amount, day, seen_at, flag, note from csv_plain order by n")
}

#[test]
fn every_format_becomes_the_table_that_the_csv_file_becomes() {
    let project = Project::new();
    FORMATS.iter().for_each(|format| format.lay(&project));
    let report: Value = serde_json::from_str(&project.run(&["run", "--output", "json"]).ok()).unwrap();
    let batches = report["batches"].as_array().unwrap();
    assert_eq!(batches.len(), FORMATS.len());
    for format in FORMATS {
        let batch = batches.iter().find(|batch| batch["table"] == format.name).unwrap();
        let counts = &batch["counts"];
        assert_eq!((counts["read"].as_u64(), counts["loaded"].as_u64()), (Some(200), Some(200)), "{}: {batch}", format.name);
        assert_eq!(counts["independent"], format.counted, "{}: {batch}", format.name);
        let left_out = batch["left_out"].to_string();
        assert!(left_out.contains("secret"), "{}: {left_out}", format.name);
    }
    let expected = expected(&project);
    // The control: they are as many as were written, and hold what is hard to carry.
    assert_eq!(expected.len(), 200);
    assert!(expected.iter().any(|row| row.contains("\"said \"\"so\"\"\"")) && expected.iter().any(|row| row.contains("Ωmega")));
    assert_eq!(expected[1], "00002,2,-97.5,2000-02-13,2001-02-04T00:02:00Z,true,café œuvre");
    FORMATS.iter().for_each(|format| format.holds_the_rows(&project, &expected));
    for format in FORMATS.iter().filter(|format| format.is_exploded()) {
        let groups = project.rows(&format!("select count(distinct group_id), min(group_id), max(group_id) from {}", format.name));
        assert_eq!(groups, ["7,g0,g90"], "{}", format.name);
    }
    // Nothing changed, so nothing is read again.
    let again: Value = serde_json::from_str(&project.run(&["run", "--output", "json"]).ok()).unwrap();
    assert!(again["batches"].as_array().unwrap().iter().all(|batch| batch["status"] == "unchanged"), "{again}");
}

#[test]
fn a_killed_load_of_any_format_doubles_and_loses_no_row() {
    let chosen = ["csv_plain", "json_list", "excel_xlsx", "avro_snappy", "arrow_stream", "xml_utf8", "fixed_characters", "json_exploded"];
    let chosen: Vec<&Format> = chosen.iter().map(|name| FORMATS.iter().find(|format| format.name == *name).unwrap()).collect();
    let prepared = Project::new();
    chosen.iter().for_each(|format| format.lay(&prepared));
    let undisturbed = prepared.fork();
    undisturbed.run(&["run"]).ok();
    let expected = expected(&undisturbed);
    // Each table passes the points of the commit twice, since it is made first.
    for point in ["lake.staged#3", "lake.after_intent#6", "lake.after_commit#9", "lake.before_outcome#12", "batch-started#8"] {
        let project = prepared.fork();
        project.run(&["run", "--kill-at", point]).killed();
        project.run(&["audit", "verify"]).ok();
        project.run(&["run"]).ok();
        chosen.iter().for_each(|format| format.holds_the_rows(&project, &expected));
        project.run(&["audit", "verify"]).ok();
    }
}

#[test]
fn a_proposal_from_any_format_reads_and_admits_its_rows() {
    let project = Project::new();
    for format in FORMATS.iter().filter(|format| !format.is_exploded()) {
        format.lay(&project);
        project.run(&["source", "check", format.name]).ok();
        // The contract that is there is for a table of its own name; the proposal's is the dataset's.
        fs::remove_file(project.dir().join(format!("contracts/{}.odcs.yaml", format.name))).unwrap();
        fs::remove_file(project.dir().join(format!("contracts/{}.odcs.approval", format.name))).unwrap();
        let dataset = format!("{}.people", format.name);
        project.run(&["contract", "propose", &dataset, "--write"]).ok();
        let proposed = fs::read_to_string(project.dir().join("contracts/people.odcs.yaml")).unwrap();
        assert!(proposed.contains("logicalType: timestamp"), "{}: {proposed}", format.name);
        // No value stands there but such as come often.
        assert!(!proposed.contains("hidden-"), "{}: {proposed}", format.name);
        project.run(&["contract", "approve", "people", "--yes"]).ok();
        let report: Value = serde_json::from_str(&project.run(&["run", "--dry-run", "--output", "json"]).ok()).unwrap();
        let counts = &report["batches"][0]["counts"];
        assert_eq!((counts["read"].as_u64(), counts["loaded"].as_u64()), (Some(200), Some(200)), "{}: {report}", format.name);
        for file in ["contracts/people.odcs.yaml", "contracts/people.odcs.approval", &format!("sources/{}.yaml", format.name)] {
            fs::remove_file(project.dir().join(file)).unwrap();
        }
    }
}

#[test]
fn a_file_that_does_not_read_as_its_source_says_gets_a_suggestion() {
    let project = Project::new();
    project.write("data/prices.csv", b"nom;prix\nL\xe9a;1,50\nMax;2,25\n");
    project.write("sources/shop.yaml", "type: csv\npath: data\ndatasets:\n  prices: {file: prices.csv}\n");
    let checked = project.run(&["source", "check", "shop"]);
    let told = checked.err.clone();
    assert!(told.contains("encoding: windows-1252, delimiter: \";\", decimal: \",\""), "{told}");
    assert!(!told.contains("Max") && !told.contains("2,25"), "{told}");
    // With what was suggested there is nothing to suggest, and the columns are what they are.
    project.write(
        "sources/shop.yaml",
        "type: csv\npath: data\ndatasets:\n  prices: {file: prices.csv, encoding: windows-1252, delimiter: \";\", decimal: \",\"}\n",
    );
    let checked = project.run(&["source", "check", "shop", "--output", "csv"]);
    assert!(!checked.err.contains("looks as if"), "{}", checked.err);
    let out = checked.ok();
    assert!(out.contains("prices,nom,text") && out.contains("prices,prix,number"), "{out}");
}
