use std::str::FromStr;

use super::*;

const RESERVED: [&str; 10] = ["true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"];
/// Names that mean something in Cedar's syntax elsewhere, and can be a type's or an attribute's all the same.
const SYNTAX: [&str; 24] = [
    "principal",
    "action",
    "resource",
    "context",
    "permit",
    "forbid",
    "when",
    "unless",
    "advice",
    "entity",
    "type",
    "namespace",
    "tags",
    "enum",
    "string",
    "long",
    "bool",
    "set",
    "datetime",
    "decimal",
    "ip",
    "duration",
    "unknown",
    "_",
];

fn load(text: &str, tables: &[TableRef]) -> Result<Policies, Error> {
    Policies::load(&[("policies/p.cedar".to_owned(), text.to_owned())], tables)
}

#[test]
fn the_schema_without_tables_stands_alone() {
    assert!(cedar_policy::Schema::from_str(SCHEMA).is_ok());
    assert_eq!(schema_of(&[]), SCHEMA);
    assert_eq!(schema_of(&[table("bare", None)]), SCHEMA);
    for marker in ["resource: [Row::Unknown]", "    entity Unknown in [Table];\n"] {
        assert_eq!(SCHEMA.matches(marker).count(), 1, "{marker}");
    }
}

#[test]
fn every_name_of_a_table_and_a_column_can_be_spoken_of() {
    let names: Vec<&str> = RESERVED.into_iter().chain(SYNTAX).collect();
    let columns: Vec<ColumnRef> = names.iter().map(|name| ColumnRef::new(name, ColumnKind::Text)).collect();
    let tables: Vec<TableRef> = names.iter().map(|name| table(name, None).with_columns(columns.clone())).collect();
    for (name, of) in names.iter().zip(&tables) {
        let row = row_type(name);
        assert_eq!(row, if RESERVED.contains(name) { format!("Row::Table_{name}") } else { format!("Row::{name}") });
        let text = format!(
            "permit (principal, action == Action::\"ReadColumn\", resource);\n\
             permit (principal, action == Action::\"ReadRow\", resource is {row}) when {{ resource has \"{name}\" && resource[\"{name}\"] == \"x\" }};"
        );
        let policies = load(&text, &tables).unwrap_or_else(|error| panic!("{name}: {error}"));
        let access = policies.access(&who("user", "ann"), &[], of, &Circumstances::at(0), RequestId([0; 16])).unwrap();
        assert_eq!(access.rows().unwrap().to_string(), format!("\"{name}\" = 'x'"));
        let other = tables.iter().find(|other| other.name != of.name).unwrap();
        assert!(policies.access(&who("user", "ann"), &[], other, &Circumstances::at(0), RequestId([0; 16])).is_err());
    }
}

#[test]
fn a_column_may_be_called_anything() {
    let names = ["", " ", "a b", "\"", "\\", "\"}; entity X;", "line\nbreak", "\u{0}", "é", "\u{1F600}", "A", "a.b", "*", "it's"];
    let of = table("t", None).with_columns(names.iter().map(|name| ColumnRef::new(name, ColumnKind::Integer)).collect());
    for name in names {
        let quoted = name.escape_default();
        let text = format!(
            "permit (principal, action == Action::\"ReadColumn\", resource == Column::\"t.{quoted}\");\n\
             permit (principal, action == Action::\"ReadRow\", resource is Row::t) when {{ resource has \"{quoted}\" && resource[\"{quoted}\"] == 1 }};"
        );
        let policies = load(&text, std::slice::from_ref(&of)).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let access = policies.access(&who("user", "ann"), &[], &of, &Circumstances::at(0), RequestId([0; 16])).unwrap();
        assert_eq!(access.rows().unwrap().columns().into_iter().collect::<Vec<_>>(), [name]);
        for other in names {
            assert_eq!(access.column(other).is_visible(), other == name, "{other:?}");
        }
    }
}

#[test]
fn what_does_not_fit_the_columns_or_the_masks_is_refused_with_its_place() {
    let orders = table("orders", None).with_columns(vec![
        ColumnRef::new("region", ColumnKind::Text),
        ColumnRef::new("id", ColumnKind::Integer).required(),
        ColumnRef::new("amount", ColumnKind::Other),
    ]);
    let row =
        |condition: &str| format!("\npermit (principal, action == Action::\"ReadRow\", resource is Row::orders)\nwhen {{ {condition} }};");
    let texts = [
        row("resource.region == \"eu\""),
        row("resource.id == \"1\""),
        row("resource has amount && resource.amount > 0"),
        row("resource.amount > 0"),
        row("resource.nowhere == 1"),
        row("resource.id == 1").replace("Row::orders", "Row::gone"),
        "\n@mask(\"redact\") permit (principal, action == Action::\"ReadColumn\", resource);".to_owned(),
        "@mask(\"redact\") permit (principal, action in [Action::\"ReadMasked\", Action::\"ReadColumn\"], resource);".to_owned(),
        "@mask(\"redact\") forbid (principal, action == Action::\"ReadMasked\", resource);".to_owned(),
        "@mask(\"blur\") permit (principal, action == Action::\"ReadMasked\", resource);".to_owned(),
        "@mask permit (principal, action == Action::\"ReadMasked\", resource);".to_owned(),
        "// A comment.\n\npermit (principal, action in [Action::\"ReadMasked\"], resource);".to_owned(),
    ];
    let mut said: Vec<String> = Vec::new();
    for text in &texts {
        match load(text, std::slice::from_ref(&orders)) {
            Ok(_) => said.push(format!("loads: {text}")),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Invalid);
                said.push(error.to_string());
            }
        }
    }
    let twice = orders.clone().with_columns(vec![ColumnRef::new("a", ColumnKind::Text), ColumnRef::new("a", ColumnKind::Integer)]);
    said.push(load("", &[orders.clone(), orders, table("bare", None), table("bare", None)]).unwrap_err().to_string());
    said.push(load("", &[twice]).unwrap_err().to_string());
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn only_what_policies_speak_of_is_in_the_schema_and_nothing_is_lost_by_that() {
    let tables: Vec<TableRef> =
        ["a", "b"].iter().map(|name| table(name, None).with_columns(vec![ColumnRef::new("n", ColumnKind::Integer).required()])).collect();
    let columns = "permit (principal, action == Action::\"ReadColumn\", resource);\n";
    let rows = "permit (principal, action == Action::\"ReadRow\", resource is Row :: a) when { resource.n == 1 };\n";
    let filters = |text: &str| {
        let policies = load(text, &tables).unwrap();
        let access = |of| policies.access(&who("user", "ann"), &[], of, &Circumstances::at(0), RequestId([0; 16]));
        let filter = |of| access(of).ok().map(|access| access.rows().map_or("all".to_owned(), ToString::to_string));
        let declared = tables.iter().filter(|of| policies.rows.type_of(&of.name).is_some()).count();
        (declared, tables.iter().map(filter).collect::<Vec<_>>())
    };
    let one = |text: &str| Some(text.to_owned());
    assert_eq!(filters(columns), (0, vec![None, None]));
    assert_eq!(filters(&format!("{columns}{rows}")), (1, vec![one("\"n\" = 1"), None]));
    let any = "permit (principal, action == Action::\"ReadRow\", resource in Table::\"b\");";
    assert_eq!(filters(&format!("{columns}{rows}{any}")), (2, vec![one("\"n\" = 1"), one("all")]));
    let whole = "permit (principal, action == Action::\"Read\", resource);";
    assert_eq!(filters(&format!("{columns}{rows}{whole}")), (1, vec![one("all"), one("all")]));
    let inside = "forbid (principal, action == Action::\"ReadRow\", resource) when { resource is Row::b && resource.n == 2 };";
    assert_eq!(filters(&format!("{columns}{whole}{inside}")), (2, vec![one("all"), one("\"n\" <> 2")]));
}

#[test]
fn a_policy_on_tables_that_looks_at_a_column_is_refused() {
    let orders = table("orders", None).with_columns(vec![ColumnRef::new("vip", ColumnKind::Boolean)]);
    for (scope, loads) in [
        ("principal, action, resource", false),
        ("principal, action, resource in Table::\"orders\"", false),
        ("principal, action == Action::\"Read\", resource", false),
        ("principal, action == Action::\"ReadRow\", resource", true),
        ("principal, action in [Action::\"Read\", Action::\"ReadRow\"], resource", true),
        ("principal, action, resource is Row::orders", true),
    ] {
        let text = format!("\nforbid ({scope}) when {{ resource has vip && resource.vip }};");
        let loaded = load(&text, std::slice::from_ref(&orders));
        assert_eq!(loaded.is_ok(), loads, "{scope}");
        if let Err(error) = loaded {
            assert!(error.to_string().starts_with("load policies: policies/p.cedar:2: tables have no attribute \"vip\""), "{error}");
        }
    }
    for attribute in ["name", "id", "classification", "model"] {
        let text =
            format!("permit (principal, action == Action::\"Read\", resource) when {{ resource.{attribute} == resource.{attribute} }};");
        assert!(load(&text, &[]).is_ok(), "{attribute}");
        let text = format!("permit (principal, action, resource) when {{ resource has {attribute} }};");
        assert!(load(&text, &[]).is_ok(), "{attribute}");
    }
}

#[test]
fn masks_and_forbids_that_say_enough_load() {
    for text in [
        "@mask(\"redact\") permit (principal, action == Action::\"ReadMasked\", resource);",
        "@mask(\"year\") permit (principal, action in [Action::\"ReadMasked\"], resource);",
        "permit (principal, action in [Action::\"ReadMasked\", Action::\"ReadColumn\"], resource);",
        "forbid (principal, action == Action::\"ReadMasked\", resource);",
        "permit (principal, action == Action::\"ReadRow\", resource) when { resource has anything };",
        "permit (principal, action == Action::\"ReadRow\", resource is Row::Unknown);",
    ] {
        assert!(load(text, &[]).is_ok(), "{text}");
    }
}

#[test]
fn the_examples_of_the_page_load_and_do_what_their_ids_say() {
    let page = include_str!("../../../../docs/format/policy.md");
    let examples = page
        .split("## Examples")
        .nth(1)
        .and_then(|rest| rest.split("```cedar\n").nth(1))
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let invoices = table("invoices", Some("restricted")).with_columns(vec![
        ColumnRef::new("region", ColumnKind::Text),
        ColumnRef::new("iban", ColumnKind::Text).with_classification(Some("restricted".to_owned())),
    ]);
    let policies = load(examples, std::slice::from_ref(&invoices)).unwrap();
    let billing = ["billing".to_owned()];
    let now = Circumstances::at(0);
    let access = |purpose: &str| {
        let circumstances = now.clone().with_purpose(Some(purpose.to_owned()));
        policies.access(&who("user", "ann"), &billing, &invoices, &circumstances, RequestId([0; 16]))
    };
    let seen = access("billing").unwrap();
    assert_eq!(seen.rows().unwrap().to_string(), r#""region" = 'eu'"#);
    assert_eq!((seen.column("region"), seen.column("iban")), (Sight::Clear, Sight::Masked(Mask::Last4)));
    assert!(access("marketing").is_err());
    for mask in Mask::ALL {
        assert!(page.contains(&format!("`{mask}`")), "{mask}");
    }
    for action in Action::ALL {
        assert!(page.contains(&format!("`{action}`")), "{action}");
    }
}
