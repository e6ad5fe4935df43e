use polder_crypto::sha256;

use super::*;
use crate::testing::contract_with;

/// As the engine ranks a few words.
fn strictest(words: &[&str]) -> Option<String> {
    let rank = |word: &str| ["public", "internal", "personal", "restricted"].iter().position(|known| *known == word);
    words.iter().max_by_key(|word| rank(word)).map(|word| (*word).to_owned())
}

fn between(old: (&[&str], &str), new: (&[&str], &str)) -> Vec<Change> {
    compare(Some(&contract_with(old.0, old.1)), Some(&contract_with(new.0, new.1)), &strictest)
}

#[track_caller]
fn one(changes: Vec<Change>) -> Change {
    assert_eq!(changes.len(), 1, "{changes:#?}");
    changes.into_iter().next().unwrap()
}

/// The one change between two readings of one column.
#[track_caller]
fn change(old: &str, new: &str) -> Change {
    one(between((&[old], ""), (&[new], "")))
}

fn column(rest: &str) -> String {
    format!("{{name: a, {rest}}}")
}

#[test]
fn what_means_the_same_is_no_change() {
    let one = column("logicalType: string, required: true");
    assert_eq!(between((&[&one], ""), (&[&column("required: true, description: what it is, logicalType: string, tags: [x]")], "")), []);
    assert_eq!(compare(None, None, &strictest), []);
}

#[test]
fn a_contract_that_comes_lets_all_of_it_in_and_one_that_goes_nothing() {
    let contract = contract_with(&[&column("logicalType: string")], "");
    let added = one(compare(None, Some(&contract), &strictest));
    assert_eq!((added.kind, added.widens(), added.narrows()), (ChangeKind::ContractAdded, true, false));
    let removed = one(compare(Some(&contract), None, &strictest));
    assert_eq!((removed.kind, removed.widens(), removed.narrows()), (ChangeKind::ContractRemoved, false, true));
    assert!(removed.breaks.is_some() && removed.migration.text.contains("polder table drop t"));
}

#[test]
fn rules_are_looser_or_tighter_or_both() {
    let (wider, tighter, both) = ((true, false), (false, true), (true, true));
    let string = |options: &str| column(&format!("logicalType: string, logicalTypeOptions: {{{options}}}"));
    let integer = |options: &str| column(&format!("logicalType: integer, logicalTypeOptions: {{{options}}}"));
    let values = |values: &str| {
        column(&format!(
            "logicalType: string, quality: [{{type: library, metric: invalidValues, arguments: {{validValues: {values}}}, mustBe: 0}}]"
        ))
    };
    let plain = column("logicalType: string");
    let number = column("logicalType: integer");
    let double = |options: &str| column(&format!("logicalType: number, logicalTypeOptions: {{{options}}}"));
    let with = |setting: &str| column(&format!("logicalType: number, customProperties: [{{property: {setting}}}]"));
    for (old, new, wanted) in [
        (string("minLength: 2"), plain.clone(), wider),
        (string("maxLength: 9"), string("maxLength: 10"), wider),
        (string("maxLength: 9"), string("maxLength: 8"), tighter),
        (string("minLength: 1, maxLength: 9"), string("minLength: 2, maxLength: 10"), both),
        (string("pattern: '[a-z]+'"), plain.clone(), wider),
        (plain.clone(), string("pattern: '[a-z]+'"), tighter),
        (string("pattern: '[a-z]+'"), string("pattern: '[a-y]+'"), both),
        (string("format: uuid"), plain.clone(), wider),
        (string("format: ipv4"), string("format: ipv6"), both),
        (integer("minimum: 0, maximum: 9"), integer("minimum: 0, maximum: 10"), wider),
        (integer("minimum: 0, maximum: 9"), integer("minimum: 0, exclusiveMaximum: 9"), tighter),
        (integer("minimum: 0, maximum: 9"), integer("minimum: 5, maximum: 10"), both),
        (integer("minimum: 0"), number.clone(), wider),
        (number.clone(), integer("maximum: 9"), tighter),
        (integer("multipleOf: 6"), integer("multipleOf: 3"), wider),
        (integer("multipleOf: 3"), integer("multipleOf: 6"), tighter),
        (integer("multipleOf: 4"), integer("multipleOf: 6"), both),
        (double("minimum: 0.5"), double("minimum: 0.25"), wider),
        (double("exclusiveMaximum: 1.5"), double("maximum: 1.5"), wider),
        (double("maximum: 1.5"), double("exclusiveMaximum: 1.5"), tighter),
        (double("minimum: 0.5"), column("logicalType: number"), wider),
        (values("[A, B]"), values("[A, B, C]"), wider),
        (values("[A, B]"), values("[A]"), tighter),
        (values("[A, B]"), values("[A, C]"), both),
        (values("[A, B]"), plain.clone(), wider),
        (plain.clone(), values("[A, B]"), tighter),
        (column("logicalType: string, required: true"), plain.clone(), wider),
        (plain.clone(), column("logicalType: string, required: true"), tighter),
        (column("logicalType: string, unique: true"), plain.clone(), wider),
        (plain.clone(), column("logicalType: string, unique: true"), tighter),
        (column("logicalType: number"), with("polder.allowNan, value: true"), wider),
        (with("polder.fromText, value: true"), column("logicalType: number"), tighter),
        (
            column("logicalType: string"),
            column("logicalType: string, customProperties: [{property: polder.nullTokens, value: [NA]}]"),
            wider,
        ),
        (column("logicalType: date"), column("logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}"), both),
    ] {
        let change = change(&old, &new);
        assert_eq!((change.widens(), change.narrows()), wanted, "{old} -> {new}: {change:#?}");
        assert_ne!(change.kind, ChangeKind::Unexplained, "{old} -> {new}");
    }
}

#[test]
fn types_widen_narrow_or_change() {
    let integer = |format: &str| column(&format!("logicalType: integer, logicalTypeOptions: {{format: {format}}}"));
    let number = |rest: &str| column(&format!("logicalType: number{rest}"));
    let steps = |old: &str, new: &str| {
        let change = change(old, new);
        assert_eq!(change.kind, ChangeKind::TypeChanged, "{old} -> {new}");
        assert!(change.breaks.is_some());
        (change.widens(), change.narrows(), change.migration.step)
    };
    assert_eq!(steps(&integer("i32"), &integer("i64")), (true, false, Step::WidenType));
    assert_eq!(steps(&integer("i64"), &integer("i32")), (false, true, Step::Refuse));
    assert_eq!(steps(&integer("i32"), &number("")), (true, false, Step::WidenType));
    assert_eq!(steps(&integer("i64"), &number("")), (true, true, Step::Refuse));
    assert_eq!(steps(&number(", logicalTypeOptions: {format: f32}"), &number("")), (true, false, Step::WidenType));
    let decimal = |ps: &str| number(&format!(", physicalType: 'decimal({ps})'"));
    assert_eq!(steps(&decimal("9,2"), &decimal("12,2")), (true, false, Step::WidenType));
    assert_eq!(steps(&decimal("9,2"), &decimal("11,4")), (true, false, Step::WidenType));
    // A digit less before the point.
    assert_eq!(steps(&decimal("9,2"), &decimal("10,4")), (true, true, Step::Refuse));
    assert_eq!(steps(&decimal("12,2"), &decimal("9,2")), (false, true, Step::Refuse));
    assert_eq!(steps(&integer("i32"), &column("logicalType: string")), (true, true, Step::Refuse));
    // What a table holds in one form is not written anew.
    assert_eq!(steps(&column("logicalType: time"), &column("logicalType: string")), (true, true, Step::Nothing));
    // Bounds that hold a wider type where it was let nothing new in.
    let bounded = |format: &str| column(&format!("logicalType: integer, logicalTypeOptions: {{format: {format}, minimum: 0, maximum: 9}}"));
    assert_eq!(steps(&bounded("i32"), &bounded("i64")), (false, false, Step::WidenType));
}

#[test]
fn columns_come_go_and_are_renamed() {
    let (a, b) = ("{name: a, logicalType: string}", "{name: b, logicalType: integer}");
    let required = "{name: b, logicalType: integer, required: true}";
    let steps = |old: &[&str], new: &[&str]| -> Vec<(ChangeKind, Step)> {
        between((old, ""), (new, "")).into_iter().map(|change| (change.kind, change.migration.step)).collect()
    };
    assert_eq!(steps(&[a], &[a, b]), [(ChangeKind::ColumnAdded, Step::AddColumn)]);
    assert_eq!(steps(&[a], &[a, required]), [(ChangeKind::ColumnAdded, Step::Refuse)]);
    assert_eq!(steps(&[a, b], &[a]), [(ChangeKind::ColumnRemoved, Step::RemoveColumn)]);
    assert_eq!(steps(&[a, b], &[b, a]), [(ChangeKind::ColumnMoved, Step::Reorder)]);
    // One that goes while another comes may be a rename, which a run cannot tell.
    assert_eq!(steps(&[a], &[b]), [(ChangeKind::ColumnAdded, Step::Refuse), (ChangeKind::ColumnRemoved, Step::Refuse)]);
    let other = "{name: c, physicalName: a, logicalType: string}";
    assert_eq!(steps(&[a], &[other]), [(ChangeKind::ColumnRenamed, Step::Refuse)]);
    let renamed = change(a, other);
    assert_eq!((renamed.before.as_deref(), renamed.column.as_deref(), renamed.widens()), (Some("a"), Some("c"), false));
    // The name in the source alone: nothing to migrate, and another column comes in.
    let moved = change(a, "{name: a, physicalName: z, logicalType: string}");
    assert_eq!((moved.kind, moved.migration.step, moved.widens()), (ChangeKind::SourceColumnChanged, Step::Nothing, true));
    // Where each load takes the place of the last there is nothing to migrate.
    let replace = "  - {property: polder.disposition, value: replace}\n";
    for (old, new) in [(&[a][..], &[a, required][..]), (&[a, b], &[a]), (&[a], &[other]), (&[a], &[b])] {
        for change in between((old, replace), (new, replace)) {
            assert_eq!(change.migration.step, Step::Reload, "{change:?}");
        }
    }
}

#[test]
fn keys_and_classifications() {
    let key = |rest: &str| column(&format!("logicalType: string, required: true{rest}"));
    let lost = change(&key(", primaryKey: true"), &key(""));
    assert_eq!((lost.kind, lost.widens()), (ChangeKind::KeyChanged, true));
    let classified = |word: &str| column(&format!("logicalType: string, classification: {word}"));
    assert!(change(&classified("restricted"), &classified("internal")).widens());
    assert!(change(&classified("public"), &column("logicalType: string")).widens());
    let raised = change(&column("logicalType: string"), &classified("personal"));
    assert!(!raised.widens() && raised.breaks.is_some());
}

#[test]
fn what_inspection_lets_through() {
    let waived = |kinds: &str| column(&format!("logicalType: string, customProperties: [{{property: polder.waive, value: [{kinds}]}}]"));
    let markup = "{kind: markup, reason: pages of a wiki, approver: ann}";
    let plain = column("logicalType: string");
    assert_eq!((change(&plain, &waived(markup)).widens(), change(&waived(markup), &plain).widens()), (true, false));
    let other = change(&waived(markup), &waived("{kind: markup, reason: pages of another wiki, approver: ann}"));
    assert_eq!((other.kind, other.widens()), (ChangeKind::RuleChanged, false));
    let personal =
        |kinds: &str| column(&format!("logicalType: string, customProperties: [{{property: polder.personal, value: [{kinds}]}}]"));
    assert!(change(&personal("email"), &personal("email, phone")).widens());
}

#[test]
fn settings_of_the_contract() {
    let only = |old: &str, new: &str| -> Change {
        let columns = ["{name: a, logicalType: string}"];
        one(between((&columns, old), (&columns, new)))
    };
    let setting = |name: &str, value: &str| format!("  - {{property: polder.{name}, value: {value}}}\n");
    for (old, new, kind, widens) in [
        (setting("rejectLimit", "0.1"), setting("rejectLimit", "0.2"), ChangeKind::RejectLimitChanged, true),
        (setting("rejectLimit", "0.1"), String::new(), ChangeKind::RejectLimitChanged, false),
        (String::new(), setting("onViolation", "quarantine"), ChangeKind::ViolationChanged, true),
        (setting("onViolation", "quarantine"), setting("onViolation", "drop"), ChangeKind::ViolationChanged, true),
        (setting("onViolation", "drop"), setting("onViolation", "fail"), ChangeKind::ViolationChanged, false),
        (String::new(), setting("nullTokens", "[NA]"), ChangeKind::NullTokensChanged, true),
        (setting("nullTokens", "[NA]"), String::new(), ChangeKind::NullTokensChanged, false),
        (setting("disposition", "replace"), String::new(), ChangeKind::DispositionChanged, true),
        (String::new(), setting("disposition", "replace"), ChangeKind::DispositionChanged, false),
    ] {
        let change = only(&old, &new);
        assert_eq!((change.kind, change.widens()), (kind, widens), "{old} -> {new}: {change:?}");
    }
    let text = |source: &str, version: &str| {
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: \"{version}\"\nstatus: active\ncustomProperties: [{{property: polder.source, value: {source}}}]\nschema: [{{name: t, properties: [{{name: a, logicalType: string}}]}}]\n"
        );
        Contract::parse(&text, "t.odcs.yaml").unwrap()
    };
    let other = one(compare(Some(&text("s", "1")), Some(&text("r", "1")), &strictest));
    assert_eq!((other.kind, other.widens(), other.narrows()), (ChangeKind::SourceChanged, true, true));
    let version = one(compare(Some(&text("s", "1")), Some(&text("s", "2")), &strictest));
    assert_eq!((version.kind, version.widens()), (ChangeKind::IdentityChanged, false));
}

#[test]
fn what_a_load_does_to_rows_that_are_there() {
    let key = "{name: a, logicalType: integer, primaryKey: true}";
    let columns = [key, "{name: gone, logicalType: boolean}", "{name: at, logicalType: timestamp}"];
    let by = |word: &str| format!("  - {{property: polder.disposition, value: {word}}}\n");
    let deletes = |word: &str, value: &str| format!("{}  - {{property: polder.deletes, value: {value}}}\n", by(word));
    let named = format!("{}  - {{property: polder.scd2, value: {{to: until}}}}\n", by("scd2"));
    let mut texts = String::new();
    let mut told = |changes: Vec<Change>| {
        let change = one(changes);
        assert_ne!(change.kind, ChangeKind::Unexplained);
        let Change { what, lets_in, keeps_out, breaks, migration, .. } = &change;
        let shown = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
        let lines = [shown(lets_in), shown(keeps_out), shown(breaks), format!("{}: {}", migration.step.name(), migration.text)];
        texts.push_str(&format!(
            "{} {what}\n  in: {}\n  out: {}\n  breaks: {}\n  {}\n",
            change.kind.name(),
            lines[0],
            lines[1],
            lines[2],
            lines[3]
        ));
        (change.widens(), change.migration.step)
    };
    for (old, new, widens, step) in [
        (by("append"), by("merge"), true, Step::Nothing),
        (by("replace"), by("merge"), true, Step::Nothing),
        (by("merge"), by("append"), true, Step::Nothing),
        (by("merge"), by("replace"), false, Step::Reload),
        (by("append"), by("scd2"), true, Step::AddColumn),
        (by("replace"), by("scd2"), true, Step::AddColumn),
        (by("scd2"), by("append"), true, Step::Refuse),
        (by("scd2"), by("merge"), true, Step::Refuse),
        (by("scd2"), by("replace"), false, Step::Reload),
        (by("scd2"), named, false, Step::Refuse),
        (by("merge"), deletes("merge", "key_snapshot"), false, Step::Nothing),
        (by("merge"), deletes("merge", "{flag: gone}"), false, Step::Nothing),
        (deletes("merge", "{flag: gone}"), deletes("merge", "{flag: at}"), true, Step::Nothing),
        (deletes("merge", "{flag: gone}"), deletes("merge", "{flag: gone, value: false}"), true, Step::Nothing),
        (deletes("scd2", "key_snapshot"), by("scd2"), true, Step::Nothing),
    ] {
        assert_eq!(told(between((&columns, &old), (&columns, &new))), (widens, step), "{old}{new}");
    }
    let aged = |levels: &str| {
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: \"1\"\nstatus: active\nslaProperties: [{levels}]\ncustomProperties: [{{property: polder.source, value: s}}]\nschema: [{{name: t, properties: [{key}, {{name: at, logicalType: timestamp}}]}}]\n"
        );
        Contract::parse(&text, "t.odcs.yaml").unwrap()
    };
    let (day, hour) = ("{property: freshness, value: 1, unit: d}", "{property: latency, value: 1, unit: h, element: at}");
    for (old, new) in [(day, hour), (day, "")] {
        let changes = compare(Some(&aged(old)), Some(&aged(new)), &strictest);
        assert_eq!(told(changes), (false, Step::Nothing));
    }
    insta::assert_snapshot!(texts);
}

/// What is not compared is never no change, whoever adds it to contracts later.
#[test]
fn a_difference_that_nobody_knows_is_a_widening() {
    let old = contract_with(&["{name: a, logicalType: string}"], "");
    // The document differs, and no field does.
    let mut new = old.clone();
    new.semantic = sha256(b"another document");
    let change = one(compare(Some(&old), Some(&new), &strictest));
    assert_eq!((change.kind, change.widens()), (ChangeKind::Unexplained, true));
    // As `required: false` does.
    let same = contract_with(&["{name: a, logicalType: string, required: false}"], "");
    let change = one(compare(Some(&old), Some(&same), &strictest));
    assert_eq!(change.kind, ChangeKind::Unexplained);
}

#[test]
fn bounds_are_told_as_they_are_written() {
    let told = |text: &str| {
        let contract = contract_with(&[text], "");
        range::told(&contract.columns[0])
    };
    assert_eq!(told("{name: a, logicalType: date, logicalTypeOptions: {minimum: '2013-01-01'}}"), "from 2013-01-01");
    assert_eq!(told("{name: a, logicalType: time, logicalTypeOptions: {maximum: '23:59:58'}}"), "up to 23:59:58");
    assert_eq!(
        told("{name: a, logicalType: number, physicalType: 'decimal(9,2)', logicalTypeOptions: {minimum: -0.05, maximum: 100}}"),
        "-0.05 to 100.00"
    );
    assert_eq!(
        told("{name: a, logicalType: timestamp, logicalTypeOptions: {minimum: '2013-01-01T00:00:00Z'}}"),
        "from 2013-01-01T00:00:00Z"
    );
    assert_eq!(told("{name: a, logicalType: number, logicalTypeOptions: {exclusiveMinimum: 0.5}}"), "from more than 0.5");
    assert_eq!(told("{name: a, logicalType: integer}"), "any");
}

#[test]
fn texts() {
    let old: &[&str] = &[
        "{name: id, logicalType: integer, required: true, primaryKey: true}",
        "{name: name, logicalType: string, required: true, logicalTypeOptions: {minLength: 1, maxLength: 64}}",
        "{name: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}",
        "{name: city, logicalType: string, classification: internal}",
    ];
    let new: &[&str] = &[
        "{name: id, logicalType: integer, required: true, primaryKey: true, logicalTypeOptions: {format: i64}}",
        "{name: name, logicalType: string, logicalTypeOptions: {minLength: 1, maxLength: 80}}",
        "{name: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 120}}",
        "{name: city, logicalType: string}",
        "{name: joined, physicalName: JOINED, logicalType: date}",
    ];
    let lines: Vec<String> = between((old, ""), (new, "  - {property: polder.onViolation, value: drop}\n"))
        .into_iter()
        .map(|change| {
            format!(
                "{} {}: {}\n  in: {}\n  out: {}\n  breaks: {}\n  {}: {}",
                change.kind.name(),
                change.line,
                change.what,
                change.lets_in.unwrap_or_default(),
                change.keeps_out.unwrap_or_default(),
                change.breaks.unwrap_or_default(),
                change.migration.step.name(),
                change.migration.text
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
