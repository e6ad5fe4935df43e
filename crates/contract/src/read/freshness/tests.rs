use crate::contract::Contract;
use crate::yaml::Problems;

const PROPERTIES: &str = "      - {name: k, logicalType: integer}
      - {name: at, logicalType: timestamp}
      - {name: day, logicalType: date}
      - {name: clock, logicalType: timestamp, logicalTypeOptions: {timezone: false}}
      - {name: year, logicalType: date, customProperties: [{property: polder.mask, value: {truncate: year}}]}
";

fn parse(levels: &str) -> Result<Contract, Problems> {
    let head = "apiVersion: v3.1.0\nkind: DataContract\nid: c1\nversion: 1.0.0\nstatus: active\n";
    let text = format!(
        "{head}slaProperties: {levels}\ncustomProperties: [{{property: polder.source, value: s}}]\nschema:\n  - name: t\n    properties:\n{PROPERTIES}"
    );
    Contract::parse(&text, "t.odcs.yaml")
}

/// The ages of a contract: seconds, and the column.
fn ages(levels: &str) -> Vec<(u64, Option<usize>)> {
    let contract = parse(levels).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(contract.freshness.iter().all(|level| level.line == 6));
    contract.freshness.into_iter().map(|level| (level.max_age_seconds, level.column)).collect()
}

#[test]
fn ages_are_read_in_seconds() {
    for (level, seconds) in [
        ("value: 90, unit: s", 90),
        ("value: 15, unit: min", 900),
        ("value: 26, unit: h", 93_600),
        ("value: 1, unit: d", 86_400),
        ("value: 1, unit: days", 86_400),
        ("value: 2, unit: weeks", 1_209_600),
        ("value: 1.5, unit: h", 5_400),
        ("value: 0.25, unit: day", 21_600),
        ("value: 1, unit: second", 1),
    ] {
        for property in ["freshness", "latency"] {
            assert_eq!(ages(&format!("[{{property: {property}, {level}}}]")), [(seconds, None)], "{level}");
        }
    }
    assert_eq!(ages("[]"), []);
}

#[test]
fn an_age_is_of_a_column_or_of_the_table() {
    let levels = "[{property: freshness, value: 1, unit: h}, {property: latency, value: 2, unit: d, element: t.day}, {property: latency, value: 3, unit: h, element: at}]";
    assert_eq!(ages(levels), [(3_600, None), (172_800, Some(2)), (10_800, Some(1))]);
    assert_eq!(ages("[{property: freshness, value: 1, unit: h, element: t}]"), [(3_600, None)]);
}

#[test]
fn an_approval_covers_the_age_and_not_what_is_told_of_it() {
    let hash = |level: &str| parse(&format!("[{{property: freshness, value: 1, {level}}}]")).unwrap().semantic_hash();
    assert_eq!(hash("unit: h"), hash("unit: h, driver: operational, description: every night, id: a"));
    assert_ne!(hash("unit: h"), hash("unit: d"));
    assert_ne!(hash("unit: h"), hash("unit: h, element: at"));
}

#[test]
fn error_texts() {
    let mut texts = String::new();
    for level in [
        "property: retention, value: 3, unit: d",
        "property: availability, value: 99.9",
        "property: freshnes, value: 1, unit: d",
        "value: 1, unit: d",
        "property: 5, value: 1, unit: d",
        "property: freshness, unit: d",
        "property: freshness, value: 1",
        "property: freshness, value: 1, unit: y",
        "property: freshness, value: 1, unit: m",
        "property: freshness, value: 0, unit: d",
        "property: freshness, value: -1, unit: d",
        "property: freshness, value: 1.3, unit: s",
        "property: freshness, value: '1', unit: d",
        "property: freshness, value: 100000, unit: d",
        "property: freshness, value: 1e300, unit: d",
        "property: freshness, value: 1, unit: d, valueExt: 2",
        "property: freshness, value: 1, unit: d, scheduler: cron",
        "property: freshness, value: 1, unit: d, schedule: '* * * * *'",
        "property: freshness, value: 1, unit: d, elemnt: at",
        "property: freshness, value: 1, unit: d, element: att",
        "property: freshness, value: 1, unit: d, element: u.at",
        "property: freshness, value: 1, unit: d, element: 't.at, t.day'",
        "property: freshness, value: 1, unit: d, element: k",
        "property: freshness, value: 1, unit: d, element: clock",
        "property: freshness, value: 1, unit: d, element: year",
        "property: freshness, value: 1, unit: d, element: 5",
    ] {
        let problems = parse(&format!("[{{{level}}}]")).expect_err(level);
        texts.push_str(&format!("# {level}\n{problems}\n\n"));
    }
    for (what, levels) in [
        ("a mapping", "{property: freshness, value: 1, unit: d}"),
        ("a text", "[freshness]"),
        ("twice", "[{property: freshness, value: 1, unit: d}, {property: latency, value: 2, unit: d}]"),
    ] {
        let problems = parse(levels).expect_err(what);
        texts.push_str(&format!("# {what}\n{problems}\n\n"));
    }
    insta::assert_snapshot!(texts);
}
