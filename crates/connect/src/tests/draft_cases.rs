//! Drafts: whatever a source looks like, its draft is a contract, and lets in what it was drafted from.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use polder_contract::{Contract, Gate, GateOptions};
use polder_types::{Secret, TableName};
use proptest::prelude::*;

use super::approval::{NoSpill, approved};
use super::cases;
use crate::{Connection, Draft, ReadOptions, Sample, WantedColumn, open, sample};

struct Drafted {
    sample: Sample,
    text: String,
    /// None when no column could be drafted.
    contract: Option<Contract>,
    admitted: usize,
    refused: Vec<String>,
}

/// Samples a dataset, drafts a contract of all columns, and holds the source's rows to it.
fn draft(dir: &Path, yaml: &str) -> Drafted {
    let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
    let options = ReadOptions::new(dir);
    let sample = sample(&connection, "d", options).unwrap();
    let table = TableName::new("t").unwrap();
    let text = sample.draft(&Draft { id: "i", source: "s", dataset: "d", table: &table, all: true });
    if !text.lines().any(|line| line.starts_with("      - ")) {
        return Drafted { sample, text, contract: None, admitted: 0, refused: Vec::new() };
    }
    let contract = Contract::parse(&text, "t.odcs.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let approved = approved(contract.clone());
    let mut gate = GateOptions::new(Secret::new(vec![7; 32]), Arc::new(NoSpill));
    gate.null_tokens = connection.dataset("d").unwrap().null_tokens.clone();
    let gate = Gate::new(approved, gate).unwrap();
    let columns: Vec<WantedColumn> = contract.columns.iter().map(|column| WantedColumn::new(&column.physical_name)).collect();
    let mut reader = open(&connection, "d", &columns, options).unwrap();
    let (mut admitted, mut refused) = (0, Vec::new());
    while let Some(batch) = reader.next().unwrap() {
        let checked = gate.check(batch).unwrap();
        admitted += checked.admitted.rows();
        refused.extend(checked.rejections.iter().map(|row| format!("{:?} {}", row.column, row.rule)));
    }
    Drafted { sample, text, contract: Some(contract), admitted, refused }
}

fn draft_csv(text: &str, keys: &str) -> Drafted {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.csv"), text).unwrap();
    draft(dir.path(), &format!("type: csv\npath: .\ndatasets: {{d: {{file: f.csv{keys}}}}}\n"))
}

fn draft_ndjson(text: &str) -> Drafted {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.ndjson"), text).unwrap();
    draft(dir.path(), "type: ndjson\npath: .\ndatasets: {d: {file: f.ndjson}}\n")
}

#[test]
fn a_name_that_no_contract_takes_is_a_comment() {
    let drafted = draft_csv("good,\"line\nend\",,\"a\u{7}b\",GOOD,Größe\n1,2,3,4,5,6\n", "");
    let names: Vec<_> = drafted.contract.unwrap().columns.iter().map(|column| column.name.clone()).collect();
    assert_eq!(names, ["good", "Größe"]);
    for line in [
        "      # column 2, \"line\\u000aend\", is left out: its name holds control characters; rename it at the source",
        "      # column 3, \"\", is left out: it has no name; name it at the source",
        "      # column 4, \"a\\u0007b\", is left out: its name holds control characters; rename it at the source",
        "      # column 5, \"GOOD\", is left out: another column has the same name but for its case; rename it at the source",
    ] {
        assert!(drafted.text.lines().any(|found| found == line), "{line}\n{}", drafted.text);
    }
}

#[test]
fn a_draft_has_types_that_hold_what_was_seen() {
    let rows = "big,mixed,local,times,truth,odd\n5000000000,9007199254740993,2013-01-01T00:00:00,2013-01-01,TRUE,1e400\n1,0.5,2013-01-02 00:00:00,2013-01-01T00:00:00Z,false,2\n";
    let drafted = draft_csv(rows, "");
    let types: Vec<_> = drafted.contract.as_ref().unwrap().columns.iter().map(|column| column.ty.to_string()).collect();
    assert_eq!(types, ["int64", "string", "timestamp without zone", "string", "string", "string"]);
    assert_eq!((drafted.admitted, drafted.refused.len()), (2, 0), "{:?}", drafted.refused);
    // A word that the dataset declares as "no value" is none, so the column is not required; and an empty cell is a value there.
    let drafted = draft_csv("a,b\n999,1\n3,\n", ", null: [\"999\"]");
    assert_eq!((drafted.admitted, drafted.refused.len()), (2, 0), "{}{:?}", drafted.text, drafted.refused);
    // JSON numbers among texts, and numbers that no type holds, fit no column.
    let drafted =
        draft_ndjson("{\"a\":1,\"b\":\"x\",\"c\":9007199254740993.5,\"d\":{}}\n{\"a\":\"x\",\"b\":\"2013-01-01\",\"c\":1,\"d\":null}\n");
    assert_eq!(drafted.contract.unwrap().columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["b"]);
    assert!(drafted.text.contains("column 1, \"a\", is left out: no type holds all of its values"), "{}", drafted.text);
    assert!(drafted.text.contains("column 4, \"d\", is left out: it is nested"), "{}", drafted.text);
}

#[test]
fn a_draft_of_a_parquet_file_has_the_types_of_the_file() {
    let moments = TimestampMicrosecondArray::from(vec![0, 1]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![5_000_000_000, 1]))),
        ("price", Arc::new(Decimal128Array::from(vec![150, 275]).with_precision_and_scale(9, 2).unwrap())),
        ("at", Arc::new(moments.clone().with_timezone("UTC"))),
        ("local", Arc::new(moments)),
        ("note\n", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("text", Arc::new(StringArray::from(vec![Some("a"), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(dir.path().join("f.parquet")).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let drafted = draft(dir.path(), "type: parquet\npath: .\ndatasets: {d: {file: f.parquet}}\n");
    let types: Vec<_> = drafted.contract.unwrap().columns.iter().map(|column| column.ty.to_string()).collect();
    assert_eq!(types, ["int64", "decimal(9,2)", "timestamp with zone", "timestamp without zone", "string"]);
    assert_eq!((drafted.admitted, drafted.refused.len()), (2, 0), "{:?}", drafted.refused);
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z]{1,3}",
        "[a-c:#{}\\[\\],&*!|>'\"%@`\\\\ ?~-]{0,6}",
        "\\PC{0,5}",
        any::<String>(),
        prop::sample::select(vec![
            "null",
            "true",
            "no",
            "1",
            "1.5",
            "~",
            "2013-01-01",
            "\u{85}",
            "\u{2028}",
            "\u{feff}x",
            "\u{202e}x",
            "a\nb",
            "a\r\nb",
            "a\tb",
            "\u{fffe}",
            "\u{10ffff}",
            "{",
            "- a",
            "# a"
        ])
        .prop_map(str::to_owned),
    ]
}

fn cell() -> impl Strategy<Value = String> {
    let tricky = vec![
        "",
        "NA",
        "null",
        "None",
        "-",
        "\\N",
        "nan",
        "true",
        "false",
        "TRUE",
        "0",
        "-0",
        "1",
        "-7",
        "007",
        "2147483648",
        "-2147483649",
        "5000000000",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "1.5",
        ".5",
        "5.",
        "1e5",
        "1e400",
        "1e-400",
        "1e23",
        "9007199254740993.0",
        "2013-01-02",
        "2013-02-30",
        "0000-01-01",
        "2013-01-02T03:04:05Z",
        "2013-01-02 03:04:05",
        "0001-01-01T00:00:00+14:00",
        "2013-01-02T25:00:00Z",
        "12:30:00",
        "é",
        "a\nb",
        "\"",
        " ",
        "x,y",
    ];
    prop_oneof![4 => prop::sample::select(tricky).prop_map(str::to_owned), 1 => "[ -~é\\n]{0,8}", 1 => any::<i64>().prop_map(|n| n.to_string()), 1 => any::<f64>().prop_map(|x| format!("{x:?}"))]
}

/// A table whose columns hold few kinds of cells each, so that they have a type.
fn table(width: usize) -> impl Strategy<Value = (Vec<String>, Vec<Vec<String>>)> {
    let column = || prop::collection::vec(cell(), 1..3);
    (
        prop::collection::vec(name(), width),
        prop::collection::vec(column(), width),
        prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), width), 0..6),
    )
        .prop_map(|(names, columns, rows)| {
            let rows = rows
                .into_iter()
                .map(|row| row.iter().zip(&columns).map(|(at, cells)| cells[at.index(cells.len())].clone()).collect())
                .collect();
            (names, rows)
        })
}

fn csv_field(text: &str, quote: bool) -> String {
    if quote || text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn json_value(text: &str, as_text: bool) -> String {
    // A line end around a number would end the line.
    let plain = text.trim() == text && serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| !value.is_string());
    if plain && !as_text { text.to_owned() } else { serde_json::to_string(text).unwrap() }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_draft_of_any_csv_reads_and_admits_what_was_sampled((mut names, rows) in (2usize..6).prop_flat_map(table), quoted in any::<u64>(), nulls in prop::sample::select(vec!["", ", null: [NA]", ", null: [\"\", \"1\"]", ", null: []"])) {
        names.sort();
        names.dedup();
        prop_assume!(names.len() >= 2);
        let mut places = 0u32;
        let mut field = |text: &String| {
            places += 1;
            csv_field(text, quoted >> (places % 64) & 1 == 1)
        };
        let mut lines: Vec<String> = vec![names.iter().map(|name| csv_field(name, true)).collect::<Vec<_>>().join(",")];
        lines.extend(rows.iter().map(|row| row.iter().take(names.len()).map(&mut field).collect::<Vec<_>>().join(",")));
        let drafted = draft_csv(&(lines.join("\n") + "\n"), nulls);
        prop_assert_eq!(&drafted.refused, &Vec::<String>::new(), "{}", drafted.text);
        if drafted.contract.is_some() {
            prop_assert_eq!(drafted.admitted, rows.len());
        }
        prop_assert_eq!(drafted.text.matches("\n      ").count(), names.len(), "a line a column: {}", drafted.text);
        prop_assert_eq!(drafted.sample.columns.len(), names.len());
    }

    #[test]
    fn a_draft_of_any_ndjson_reads_and_admits_what_was_sampled((mut names, rows) in (1usize..6).prop_flat_map(table), texts in any::<u64>()) {
        names.sort();
        names.dedup();
        let line = |row: &Vec<String>| {
            let pairs = names.iter().zip(row).enumerate().map(|(place, (name, cell))| format!("{}:{}", serde_json::to_string(name).unwrap(), json_value(cell, texts >> place & 1 == 1)));
            format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(","))
        };
        let drafted = draft_ndjson(&rows.iter().map(line).collect::<String>());
        prop_assert_eq!(&drafted.refused, &Vec::<String>::new(), "{}", drafted.text);
        if drafted.contract.is_some() {
            prop_assert_eq!(drafted.admitted, rows.len());
        }
    }
}
