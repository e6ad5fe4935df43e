use arrow::datatypes::DataType;

use super::*;
use crate::contract::Contract;
use crate::testing::contract_with;
use crate::yaml::Problems;

const KEY: &str = "{name: k, logicalType: integer, primaryKey: true}";

fn setting(name: &str, value: &str) -> String {
    format!("  - {{property: polder.{name}, value: {value}}}\n")
}

fn by(disposition: &str) -> String {
    setting("disposition", disposition)
}

fn parse(properties: &[&str], settings: &str) -> Result<Contract, Problems> {
    let lines: String = properties.iter().map(|property| format!("      - {property}\n")).collect();
    let head = "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\n";
    let text = format!(
        "{head}customProperties:\n  - {{property: polder.source, value: s}}\n{settings}schema:\n  - name: t\n    properties:\n{lines}"
    );
    Contract::parse(&text, "t.odcs.yaml")
}

#[test]
fn every_disposition_is_read() {
    for (word, wanted, merges, keeps) in [
        ("append", Disposition::Append, false, true),
        ("replace", Disposition::Replace, false, false),
        ("merge", Disposition::Merge, true, true),
        ("scd2", Disposition::Scd2, true, true),
    ] {
        let contract = contract_with(&[KEY], &by(word));
        assert_eq!((contract.disposition, contract.disposition.name()), (wanted, word));
        assert_eq!((wanted.merges(), wanted.keeps_rows()), (merges, keeps));
        assert_eq!((contract.deletes, contract.validity.is_some()), (None, word == "scd2"));
    }
    assert_eq!(contract_with(&[KEY], "").disposition, Disposition::Append);
}

#[test]
fn every_way_to_tell_what_is_gone_is_read() {
    let flag = |property: &str, value: &str| {
        let contract = contract_with(&[KEY, &format!("{{name: f, {property}}}")], &format!("{}{}", by("merge"), setting("deletes", value)));
        contract.deletes.unwrap()
    };
    let column = |gone| Deletes::Flag { column: 1, gone };
    assert_eq!(flag("logicalType: boolean", "{flag: f}"), column(Gone::Flag(true)));
    assert_eq!(flag("logicalType: boolean", "{flag: f, value: false}"), column(Gone::Flag(false)));
    assert_eq!(flag("logicalType: date", "{flag: f}"), column(Gone::Any));
    assert_eq!(flag("logicalType: timestamp, logicalTypeOptions: {timezone: false}", "{flag: f}"), column(Gone::Any));
    assert_eq!(flag("logicalType: string", "{flag: f, value: D}"), column(Gone::Text("D".to_owned())));
    assert_eq!(flag("logicalType: string", "{flag: f, value: '1'}"), column(Gone::Text("1".to_owned())));
    assert_eq!(flag("logicalType: integer", "{flag: f, value: 1}"), column(Gone::Whole(1)));
    assert_eq!(flag("logicalType: number, physicalType: 'decimal(5,2)'", "{flag: f, value: -1.5}"), column(Gone::Whole(-150)));
    let dropped = "logicalType: boolean, customProperties: [{property: polder.mask, value: {drop: true}}]";
    assert_eq!(flag(dropped, "{flag: f}"), column(Gone::Flag(true)));
    assert_eq!(flag("logicalType: boolean", "key_snapshot"), Deletes::KeySnapshot);
    let scd2 = contract_with(&[KEY], &format!("{}{}", by("scd2"), setting("deletes", "key_snapshot")));
    assert_eq!(scd2.deletes, Some(Deletes::KeySnapshot));
}

#[test]
fn a_table_of_versions_has_two_columns_more() {
    let names = |contract: &Contract| -> Vec<String> {
        assert_eq!(contract.arrow_schema().fields().len(), 1, "batches have none of them");
        contract.table_schema().fields().iter().map(|field| field.name().clone()).collect()
    };
    let plain = contract_with(&[KEY], &by("scd2"));
    assert_eq!(names(&plain), ["k", "valid_from", "valid_to"]);
    for field in plain.table_schema().fields().iter().skip(1) {
        assert!(field.is_nullable());
        assert_eq!(field.data_type(), &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())));
    }
    let named = contract_with(&[KEY], &format!("{}{}", by("scd2"), setting("scd2", "{from: since, to: until}")));
    assert_eq!(names(&named), ["k", "since", "until"]);
    let half = contract_with(&[KEY], &format!("{}{}", by("scd2"), setting("scd2", "{to: until}")));
    assert_eq!(names(&half), ["k", "valid_from", "until"]);
    assert_eq!(names(&contract_with(&[KEY], &by("merge"))), ["k"]);
}

#[test]
fn keys_that_find_rows_again_are_taken() {
    let mask = |how: &str| format!("customProperties: [{{property: polder.mask, value: {how}}}]");
    for how in ["{pseudonymise: people}", "{encrypt: people, deterministic: true}"] {
        let key = format!("{{name: k, logicalType: string, primaryKey: true, {}}}", mask(how));
        for word in ["merge", "scd2"] {
            parse(&[&key], &by(word)).unwrap();
        }
    }
    let composite = [
        "{name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 2}",
        "{name: b, logicalType: date, primaryKey: true, primaryKeyPosition: 1}",
    ];
    let contract = parse(&composite, &by("merge")).unwrap();
    assert_eq!(contract.key_schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["b", "a"]);
    // A key of one column is unique already.
    parse(&["{name: k, logicalType: integer, primaryKey: true, unique: true}"], &by("merge")).unwrap();
}

#[test]
fn what_is_said_changes_what_is_approved() {
    let (flag, other) = ("{name: f, logicalType: boolean}", "{name: g, logicalType: boolean}");
    let texts = [
        String::new(),
        by("merge"),
        by("scd2"),
        format!("{}{}", by("merge"), setting("deletes", "key_snapshot")),
        format!("{}{}", by("merge"), setting("deletes", "{flag: f}")),
        format!("{}{}", by("merge"), setting("deletes", "{flag: g}")),
        format!("{}{}", by("merge"), setting("deletes", "{flag: f, value: false}")),
        format!("{}{}", by("scd2"), setting("scd2", "{from: since}")),
    ];
    let mut hashes: Vec<[u8; 32]> = texts.iter().map(|settings| contract_with(&[KEY, flag, other], settings).semantic_hash()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), texts.len());
}

#[test]
fn error_texts() {
    let mut texts = String::new();
    let flag = "{name: f, logicalType: boolean}";
    let text = "{name: f, logicalType: string}";
    let masked = |how: &str| {
        format!("{{name: k, logicalType: string, primaryKey: true, customProperties: [{{property: polder.mask, value: {how}}}]}}")
    };
    let deletes = |value: &str| format!("{}{}", by("merge"), setting("deletes", value));
    let scd2 = |value: &str| format!("{}{}", by("scd2"), setting("scd2", value));
    for (what, properties, settings) in [
        ("no such disposition", vec![KEY], by("upsert")),
        ("no key", vec!["{name: a, logicalType: string, required: true}"], by("merge")),
        ("unique is no key", vec!["{name: a, logicalType: string, required: true, unique: true}"], by("scd2")),
        ("unique beside the key", vec![KEY, "{name: a, logicalType: string, unique: true}"], by("merge")),
        (
            "duplicateValues beside the key",
            vec![KEY, "{name: a, logicalType: string, quality: [{type: library, metric: duplicateValues, mustBe: 0}]}"],
            by("merge"),
        ),
        (
            "unique part of the key",
            vec![
                "{name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 1, unique: true}",
                "{name: b, logicalType: string, primaryKey: true, primaryKeyPosition: 2}",
            ],
            by("merge"),
        ),
        ("a double as key", vec!["{name: a, logicalType: number, primaryKey: true}"], by("merge")),
        ("a truncated key", vec![&masked("{truncate: 3}")], by("merge")),
        ("a generalised key", vec![&masked("{generalise: {prefix: 2}}")], by("merge")),
        ("a dropped key", vec![&masked("{drop: true}")], by("merge")),
        ("an encrypted key", vec![&masked("{encrypt: people}")], by("merge")),
        ("deletes of an append", vec![KEY, flag], setting("deletes", "{flag: f}")),
        ("deletes of a replace", vec![KEY], format!("{}{}", by("replace"), setting("deletes", "key_snapshot"))),
        ("deletes as a word", vec![KEY], deletes("keys")),
        ("deletes as a number", vec![KEY], deletes("5")),
        ("deletes without a flag", vec![KEY], deletes("{value: true}")),
        ("deletes with another key", vec![KEY, flag], deletes("{flag: f, valeu: true}")),
        ("a flag that is none", vec![KEY, "{name: gone, logicalType: boolean}"], deletes("{flag: gon}")),
        ("a flag that is a number", vec![KEY, flag], deletes("{flag: 5}")),
        ("a flag that is the key", vec![KEY], deletes("{flag: k, value: 5}")),
        (
            "a flag that is masked",
            vec![KEY, "{name: f, logicalType: string, customProperties: [{property: polder.mask, value: {pseudonymise: people}}]}"],
            deletes("{flag: f, value: D}"),
        ),
        ("a text without its value", vec![KEY, text], deletes("{flag: f}")),
        ("an integer without its value", vec![KEY, "{name: f, logicalType: integer}"], deletes("{flag: f}")),
        ("a value of another type", vec![KEY, text], deletes("{flag: f, value: 1}")),
        ("a boolean's value", vec![KEY, flag], deletes("{flag: f, value: gone}")),
        ("a decimal's value", vec![KEY, "{name: f, logicalType: number, physicalType: 'decimal(3,1)'}"], deletes("{flag: f, value: 0.25}")),
        ("a date's value", vec![KEY, "{name: f, logicalType: date}"], deletes("{flag: f, value: '2013-01-01'}")),
        ("a double as flag", vec![KEY, "{name: f, logicalType: number}"], deletes("{flag: f, value: 1}")),
        ("a time as flag", vec![KEY, "{name: f, logicalType: time}"], deletes("{flag: f}")),
        ("versions of a merge", vec![KEY], format!("{}{}", by("merge"), setting("scd2", "{from: a}"))),
        ("versions as a list", vec![KEY], scd2("[a, b]")),
        ("versions with another key", vec![KEY], scd2("{since: a}")),
        ("versions of one name", vec![KEY], scd2("{from: valid, to: Valid}")),
        ("versions without a name", vec![KEY], scd2("{from: ''}")),
        ("a column of that name", vec![KEY, "{name: Valid_To, logicalType: date}"], by("scd2")),
        ("a column of the name given", vec![KEY, "{name: until, logicalType: date}"], scd2("{to: until}")),
    ] {
        let problems = parse(&properties, &settings).expect_err(what);
        texts.push_str(&format!("# {what}\n{problems}\n\n"));
    }
    insta::assert_snapshot!(texts);
}
