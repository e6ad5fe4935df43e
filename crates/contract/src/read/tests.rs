use super::*;
use crate::column::{Bounds, ColumnType};

const HEAD: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {property: polder.source, value: files}\n";

fn with_properties(properties: &str) -> String {
    format!("{HEAD}schema:\n  - name: t\n    physicalName: d\n    properties:\n{properties}")
}

fn parse(text: &str) -> Result<Contract, Problems> {
    Contract::parse(text, "contracts/t.odcs.yaml")
}

#[test]
fn a_contract_is_read() {
    let contract = parse(&with_properties(
        "      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i64, minimum: 1}}
      - {name: price, physicalName: PRICE, logicalType: number, physicalType: 'decimal(15,2)', logicalTypeOptions: {minimum: 0.01, exclusiveMaximum: 100}}
      - {name: born, logicalType: date, logicalTypeOptions: {minimum: \"1970-01-02\"}}
      - {name: at, logicalType: timestamp, logicalTypeOptions: {timezone: false}}
      - {name: kind, logicalType: string, classification: Personal, logicalTypeOptions: {pattern: '[A-Z]+', maxLength: 3}, quality: [{type: library, metric: invalidValues, arguments: {validValues: [A, B]}, mustBe: 0}], customProperties: [{property: polder.nullTokens, value: [none]}]}
      - {name: small, logicalType: integer, logicalTypeOptions: {format: u8}}
",
    ))
    .unwrap();
    assert_eq!((contract.table.as_str(), contract.dataset.as_str(), contract.source.as_str()), ("t", "d", "files"));
    let [id, price, born, at, kind, small] = contract.columns.as_slice() else { panic!() };
    assert_eq!((id.ty, id.primary_key, id.bounds), (ColumnType::Int64, Some(1), Bounds::Whole { min: 1, max: i128::MAX }));
    assert_eq!((price.ty, price.physical_name.as_str()), (ColumnType::Decimal { precision: 15, scale: 2 }, "PRICE"));
    assert_eq!(price.bounds, Bounds::Whole { min: 1, max: 9_999 });
    assert_eq!((born.ty, born.bounds), (ColumnType::Date, Bounds::Whole { min: 1, max: i128::MAX }));
    assert_eq!(at.ty, ColumnType::Timestamp { zone: false });
    assert_eq!(
        (kind.classification.as_deref(), kind.valid_values.as_deref()),
        (Some("personal"), Some(&["A".to_owned(), "B".to_owned()][..]))
    );
    assert_eq!((kind.null_tokens.as_slice(), kind.max_length), (&["none".to_owned()][..], Some(3)));
    assert_eq!((small.ty, small.bounds), (ColumnType::Int16, Bounds::Whole { min: 0, max: 255 }));
}

#[test]
fn the_demo_contracts_are_read() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/project/contracts");
    let mut read = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            Contract::parse(&std::fs::read_to_string(&path).unwrap(), &path.display().to_string()).unwrap();
            read += 1;
        }
    }
    assert_eq!(read, 5);
}

#[test]
fn descriptions_comments_and_order_do_not_change_the_hash() {
    let one = parse(&with_properties("      - {name: a, logicalType: string, required: true}\n")).unwrap();
    let same = parse(&with_properties(
        "      # a comment\n      - {required: true, description: text, logicalType: string, name: a, tags: [x]}\n",
    ))
    .unwrap();
    assert_eq!(one.semantic_hash(), same.semantic_hash());
    for other in [
        "{name: a, logicalType: string}",
        "{name: a, logicalType: string, required: false}",
        "{name: b, logicalType: string, required: true}",
    ] {
        assert_ne!(one.semantic_hash(), parse(&with_properties(&format!("      - {other}\n"))).unwrap().semantic_hash(), "{other}");
    }
}

#[test]
fn error_texts() {
    let mut texts = String::new();
    for (what, text) in [
        ("not yaml", "a: [".to_owned()),
        ("empty", String::new()),
        ("missing keys", "kind: DataContract\nschema: []\n".to_owned()),
        ("unknown key", with_properties("      - {name: a, logicalType: string, requierd: true}\n")),
        (
            "refused keys",
            format!(
                "{HEAD}servers: []\nroles: []\nschema: [{{name: t, properties: [{{name: a, logicalType: string, partitioned: true}}]}}]\n"
            ),
        ),
        ("unknown setting", with_properties("      - {name: a, logicalType: string}\n").replace("polder.source", "polder.sorce")),
        (
            "bad setting",
            with_properties("      - {name: a, logicalType: string}\n").replace(
                "value: files}",
                "value: files}\n  - {property: polder.onViolation, value: ignore}\n  - {property: polder.rejectLimit, value: 5}",
            ),
        ),
        (
            "types",
            with_properties(
                "      - {name: a, logicalType: text}\n      - {name: b, logicalType: object}\n      - {name: c, logicalType: integer, logicalTypeOptions: {format: u64}}\n      - {name: d, logicalType: number, physicalType: 'decimal(40,2)'}\n      - {name: e}\n",
            ),
        ),
        (
            "limits",
            with_properties(
                "      - {name: a, logicalType: integer, logicalTypeOptions: {minimum: 5, maximum: 1}}\n      - {name: b, logicalType: date, logicalTypeOptions: {minimum: \"2013-02-30\"}}\n      - {name: c, logicalType: string, logicalTypeOptions: {minimum: 1}}\n      - {name: d, logicalType: number, physicalType: 'decimal(5,2)', logicalTypeOptions: {minimum: 0.001}}\n",
            ),
        ),
        (
            "text",
            with_properties(
                "      - {name: a, logicalType: string, logicalTypeOptions: {pattern: '(', minLength: 5, maxLength: 2}}\n      - {name: b, logicalType: string, logicalTypeOptions: {format: email}}\n      - {name: c, logicalType: integer, logicalTypeOptions: {pattern: x}}\n",
            ),
        ),
        (
            "keys",
            with_properties(
                "      - {name: a, logicalType: string, primaryKey: true, primaryKeyPosition: 2}\n      - {name: A, logicalType: string}\n",
            ),
        ),
        ("quality", with_properties("      - {name: a, logicalType: string, quality: [{type: sql, query: 'select 1'}]}\n")),
        ("inactive", with_properties("      - {name: a, logicalType: string}\n").replace("active", "draft")),
        ("two tables", format!("{HEAD}schema: [{{name: a, properties: []}}, {{name: b, properties: []}}]\n")),
        ("no columns", format!("{HEAD}schema: [{{name: Bad Name, properties: []}}]\n")),
    ] {
        let problems = parse(&text).expect_err(what);
        texts.push_str(&format!("# {what}\n{problems}\n\n"));
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn no_text_panics() {
    use polder_types::SeededRng;
    let valid = with_properties("      - {name: a, logicalType: integer, required: true, logicalTypeOptions: {minimum: 1}}\n");
    for seed in 0..2_000 {
        let rng = SeededRng::new(seed);
        let mut bytes = valid.clone().into_bytes();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(3) {
                0 => bytes[at] = rng.below(128) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"{}[]:,-#&*!|>'\"%@`\n "[rng.below(20) as usize]),
            }
        }
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = parse(&text);
        }
    }
}
