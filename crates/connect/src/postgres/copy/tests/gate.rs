//! What becomes of the cells at the gate: a row's fate is its own, whatever else its batch holds.

use std::io::Result as IoResult;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use polder_contract::approval::{approval_file, approval_text};
use polder_contract::{Approved, ApproverPublic, Contract, Gate, GateOptions, RawBatch, SpillFiles, SpillSink};
use polder_types::Secret;

use super::*;

struct NoSpill;

impl SpillFiles for NoSpill {
    fn create(&self) -> IoResult<Box<dyn SpillSink>> {
        Err(std::io::Error::other("no spill here"))
    }
}

/// A gate for one column, and the type that the contract gives it.
fn gate(property: &str) -> (Gate, ColumnType) {
    let text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {{property: polder.source, value: s}}\n\
         schema:\n  - name: t\n    properties:\n      - {{name: v, {property}}}\n"
    );
    let contract = Contract::parse(&text, "t.odcs.yaml").unwrap_or_else(|problems| panic!("{problems}"));
    let ty = contract.columns[0].ty;
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let tagged = [&[1], pair.public_key().as_ref()].concat();
    let id = digest::digest(&digest::SHA256, &[b"ann\n", tagged.as_slice()].concat());
    let key = format!("ann+{}+{}", hex::encode(&id.as_ref()[..4]), base64::engine::general_purpose::STANDARD.encode(&tagged));
    let signature = pair.sign(approval_text(&contract).as_bytes());
    let file = approval_file(&contract, &key, signature.as_ref().try_into().unwrap()).unwrap();
    let approved = Approved::verify(contract, Some(&file), &[ApproverPublic::parse(&key).unwrap()]).unwrap();
    (Gate::new(Arc::new(approved), GateOptions::new(Secret::new(vec![9; 32]), Arc::new(NoSpill))).unwrap(), ty)
}

/// What became of each row: its value, or the rule that it broke.
fn fates(property: &str, fetch: &Fetch, rows: &[Vec<Field>]) -> Vec<String> {
    let (batches, end) = batches(std::slice::from_ref(fetch), [stream(rows).as_slice()]);
    end.unwrap();
    let mut fates = Vec::new();
    for (columns, rows) in batches {
        let (gate, _) = gate(property);
        let raw = RawBatch { columns, rows, first_record: 1, first_ordinal: 0, file: "orders".into(), malformed: Vec::new() };
        let checked = gate.check(raw).unwrap();
        let column = checked.admitted.batch().column(0);
        let formatter = ArrayFormatter::try_new(column, &FormatOptions::default().with_null("null")).unwrap();
        let mut admitted = (0..column.len()).map(|row| formatter.value(row).to_string());
        let refused: Vec<(u64, String)> =
            checked.rejections.iter().map(|refused| (refused.record, format!("{:?}", refused.rule))).collect();
        for record in 1..=u64::try_from(rows).unwrap() {
            let rule = refused.iter().find(|(refused, _)| *refused == record);
            fates.push(rule.map_or_else(|| admitted.next().unwrap(), |(_, rule)| format!("refused: {rule}")));
        }
        assert_eq!(admitted.next(), None);
    }
    fates
}

const PROPERTIES: [(&str, &str); 18] = [
    ("date", "logicalType: date"),
    ("date", "logicalType: string"),
    ("timestamp", "logicalType: timestamp, logicalTypeOptions: {timezone: false}"),
    ("timestamp", "logicalType: timestamp, logicalTypeOptions: {timezone: true, defaultTimezone: Europe/Paris}"),
    ("timestamptz", "logicalType: timestamp, logicalTypeOptions: {timezone: true}"),
    ("time", "logicalType: time"),
    ("numeric", "logicalType: number, physicalType: 'decimal(38,10)'"),
    ("numeric", "logicalType: number, physicalType: 'decimal(10,2)'"),
    ("numeric", "logicalType: integer, logicalTypeOptions: {format: i64}"),
    ("numeric", "logicalType: string"),
    ("numeric(15,2)", "logicalType: number, physicalType: 'decimal(20,4)'"),
    ("numeric(15,2)", "logicalType: number, physicalType: 'decimal(4,1)'"),
    ("numeric(15,2)", "logicalType: integer, logicalTypeOptions: {format: i64}"),
    ("numeric(50,5)", "logicalType: number, physicalType: 'decimal(12,5)'"),
    ("money", "logicalType: number, physicalType: 'decimal(12,2)'"),
    ("xid8", "logicalType: integer, logicalTypeOptions: {format: i64}"),
    ("bytea", "logicalType: string"),
    ("uuid", "logicalType: string, logicalTypeOptions: {format: uuid}"),
];

#[test]
fn only_the_row_of_a_value_that_cannot_be_is_refused() {
    let mut report = String::new();
    for (type_name, property) in PROPERTIES {
        let (_, ty) = gate(property);
        let all = golden();
        let golden = all.iter().find(|golden| golden.column.type_name == type_name).unwrap();
        let fetch = plan(&golden.column, Some(ty), "orders").unwrap();
        let sent = golden.stream(fetch.select);
        let rows = fields_of(&sent.bytes);
        let together = fates(property, &fetch, &rows);
        report.push_str(&format!("{type_name} as {property}\n"));
        for ((row, fate), text) in rows.iter().zip(&together).zip(&sent.texts) {
            let alone = fates(property, &fetch, std::slice::from_ref(row));
            assert_eq!(alone, [fate.as_str()], "{type_name} {text:?}");
            report.push_str(&format!("  {} -> {fate}\n", text.as_deref().unwrap_or("null")));
        }
    }
    insta::assert_snapshot!(report);
}

/// In a batch with a value that comes as text the others do too, and stay what they are.
#[test]
fn a_format_is_not_of_what_the_server_holds_as_a_day_or_a_moment() {
    let day = |days: i32| vec![Some(days.to_be_bytes().to_vec())];
    let property = "logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}";
    let days = fetch("date", Some(ColumnType::Date));
    assert_eq!(fates(property, &days, &[day(1)]), ["2000-01-02"]);
    assert_eq!(fates(property, &days, &[day(1), day(i32::MAX), day(2)]), ["2000-01-02", "refused: Type", "2000-01-03"]);
    let moment = |micros: i64| vec![Some(micros.to_be_bytes().to_vec())];
    let property = "logicalType: timestamp, logicalTypeOptions: {timezone: false, format: 'dd.MM.yyyy HH:mm:ss'}";
    let moments = fetch("timestamp", Some(ColumnType::Timestamp { zone: false }));
    assert_eq!(fates(property, &moments, &[moment(0), moment(i64::MAX)]), ["2000-01-01T00:00:00", "refused: Type"]);
}
