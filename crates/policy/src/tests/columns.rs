use super::*;

const NOW: Circumstances = Circumstances::at(0);
/// Everything but columns: what these tests are about is added to it.
const ROWS: &str = "permit (principal, action in [Action::\"ReadRow\", Action::\"Describe\"], resource);\n";
const ALL: &str = "@id(\"all\") permit (principal, action, resource);\n";

fn patients() -> TableRef {
    table("patients", Some("restricted")).with_columns(vec![
        ColumnRef::new("id", ColumnKind::Integer).with_classification(Some("public".to_owned())),
        ColumnRef::new("iban", ColumnKind::Text).with_classification(Some("restricted".to_owned())),
        ColumnRef::new("note", ColumnKind::Text),
    ])
}

fn loaded(text: &str) -> Policies {
    Policies::load(&[("p".to_owned(), text.to_owned())], &[patients()]).unwrap()
}

fn access(text: &str) -> Result<Access, Denied> {
    loaded(text).access(&who("user", "ann"), &["staff".to_owned()], &patients(), &NOW, RequestId([1; 16]))
}

fn sights(text: &str) -> [Sight; 3] {
    let access = access(text).unwrap();
    ["id", "iban", "note"].map(|column| access.column(column))
}

fn masked(mask: &str, column: &str) -> String {
    format!(
        "@id(\"{mask}\") @mask(\"{mask}\") permit (principal, action == Action::\"ReadMasked\", resource == Column::\"patients.{column}\");\n"
    )
}

const FORBID_IBAN: &str = "@id(\"no-iban\") forbid (principal, action == Action::\"ReadColumn\", resource == Column::\"patients.iban\");\n";

#[test]
fn columns_are_permitted_by_name_table_and_classification() {
    use Sight::{Clear, Hidden};
    let columns =
        |condition: &str| sights(&format!("{ROWS}permit (principal, action == Action::\"ReadColumn\", resource) when {{ {condition} }};"));
    assert_eq!(columns("resource.classification == \"public\""), [Clear, Hidden, Hidden]);
    assert_eq!(columns("resource.classification == \"unclassified\""), [Hidden, Hidden, Clear]);
    assert_eq!(columns("resource.name == \"iban\" && resource.table == \"patients\""), [Hidden, Clear, Hidden]);
    assert_eq!(columns("resource in Table::\"patients\""), [Clear, Clear, Clear]);
    assert_eq!(columns("resource != Column::\"patients.note\" && principal in Group::\"staff\""), [Clear, Clear, Hidden]);
    assert!(access(&format!("{ROWS}permit (principal, action == Action::\"ReadColumn\", resource in Table::\"other\");")).is_err());
}

#[test]
fn a_mask_is_written_as_a_forbid_beside_a_masked_permit() {
    let text = format!("{ALL}{FORBID_IBAN}{}", masked("last4", "iban"));
    let access = access(&text).unwrap();
    assert_eq!(sights(&text), [Sight::Clear, Sight::Masked(Mask::Last4), Sight::Clear]);
    assert!(!access.is_whole());
    assert_eq!(access.rows(), None);
    assert_eq!(access.policies(), ["all", "last4", "no-iban"]);
    let denied = loaded(&text).permit(&who("user", "ann"), &[], Action::Read, &patients(), RequestId([1; 16])).unwrap_err();
    assert!(matches!(denied, Denied::Known { .. }));
    // What may be seen in clear is not masked: a mask takes nothing away by itself.
    assert_eq!(sights(&format!("{ALL}{}", masked("null", "iban"))), [Sight::Clear; 3]);
    // And one that may only be seen masked needs no forbid.
    let only = format!("{ROWS}{}", masked("hash", "iban"));
    assert_eq!(sights(&only), [Sight::Hidden, Sight::Masked(Mask::Hash), Sight::Hidden]);
}

#[test]
fn of_several_masks_the_strictest_is_shown() {
    for (masks, expected) in [
        (vec!["last4", "year"], Mask::Year),
        (vec!["first4", "last4"], Mask::Redact),
        (vec!["first4", "last4", "null"], Mask::Null),
        (vec!["tokenise", "hash"], Mask::Hash),
        (vec!["redact", "hash", "tokenise"], Mask::Redact),
    ] {
        let text: String = masks.iter().map(|mask| masked(mask, "iban")).collect();
        assert_eq!(sights(&format!("{ALL}{FORBID_IBAN}{text}"))[1], Sight::Masked(expected), "{masks:?}");
    }
}

#[test]
fn a_forbidden_column_without_a_mask_is_hidden() {
    let text = format!("{ALL}{FORBID_IBAN}");
    assert_eq!(sights(&text), [Sight::Clear, Sight::Hidden, Sight::Clear]);
    assert_eq!(access(&text).unwrap().policies(), ["all", "no-iban"]);
    let forbidden = format!(
        "{ALL}{FORBID_IBAN}{}@id(\"unmasked\") forbid (principal, action == Action::\"ReadMasked\", resource) when {{ resource.name == \"iban\" }};",
        masked("last4", "iban")
    );
    assert_eq!(sights(&forbidden)[1], Sight::Hidden);
    assert!(access(&forbidden).unwrap().policies().contains(&"unmasked".to_owned()));
    assert!(access(&format!("{ALL}forbid (principal, action == Action::\"ReadColumn\", resource);")).is_err());
}

#[test]
fn a_policy_that_errs_hides_the_column() {
    for (action, effect, mask) in [
        ("ReadColumn", "permit", ""),
        ("ReadColumn", "forbid", ""),
        ("ReadMasked", "permit", "@mask(\"null\")"),
        ("ReadMasked", "forbid", ""),
    ] {
        let text = format!(
            "{ALL}@id(\"errs\") {mask} {effect} (principal, action == Action::\"{action}\", resource) \
             when {{ resource.name == \"note\" && 9223372036854775807 + 1 > 0 }};"
        );
        assert_eq!(sights(&text), [Sight::Clear, Sight::Clear, Sight::Hidden], "{action} {effect}");
        assert_eq!(access(&text).unwrap().policies(), ["all", "errs"]);
    }
    let every = format!(
        "{ALL}@id(\"errs\") forbid (principal, action == Action::\"ReadColumn\", resource) when {{ 9223372036854775807 + 1 > 0 }};"
    );
    assert!(matches!(access(&every), Err(Denied::Known { erred: true, policies, .. }) if policies == ["errs"]));
}

#[test]
fn a_policy_that_names_columns_in_its_condition_speaks_of_columns() {
    for condition in [
        "resource is Column && resource.classification == \"restricted\"",
        "resource is Column && resource == Column::\"patients.iban\"",
        "action == Action::\"ReadColumn\" && resource is Column && resource.name == \"iban\"",
    ] {
        let forbids = format!("{ALL}forbid (principal, action, resource) when {{ {condition} }};");
        assert_eq!(sights(&forbids), [Sight::Clear, Sight::Hidden, Sight::Clear], "{condition}");
        let permits = format!("{ROWS}permit (principal, action, resource) when {{ {condition} }};");
        assert_eq!(sights(&permits), [Sight::Hidden, Sight::Clear, Sight::Hidden], "{condition}");
    }
    let every = |action: &str| format!("{ALL}forbid (principal, action, resource) when {{ action == Action::\"{action}\" }};");
    assert!(access(&every("ReadColumn")).is_err());
    assert!(access(&every("ReadRow")).is_err());
    assert!(access(&every("Drop")).unwrap().is_whole());
}

#[test]
fn masks_follow_purpose_and_groups() {
    let text = format!(
        "{ALL}@id(\"no-iban\") forbid (principal, action == Action::\"ReadColumn\", resource == Column::\"patients.iban\") \
         unless {{ context has purpose && context.purpose == \"billing\" }};\n{}",
        masked("last4", "iban")
    );
    let policies = loaded(&text);
    let sight = |circumstances: &Circumstances| {
        policies.access(&who("user", "ann"), &[], &patients(), circumstances, RequestId([1; 16])).unwrap().column("iban")
    };
    assert_eq!(sight(&NOW), Sight::Masked(Mask::Last4));
    assert_eq!(sight(&NOW.with_purpose(Some("billing".to_owned()))), Sight::Clear);
}

#[test]
fn an_explanation_tells_each_column_by_which_policy() {
    let text = format!("{ALL}{FORBID_IBAN}{}", masked("last4", "iban"));
    let explained = loaded(&text).explain(&who("user", "ann"), &[], &patients(), &NOW);
    let of = |name: &str| explained.columns.iter().find(|column| column.name == name).unwrap().clone();
    assert_eq!((of("id").sight, of("id").policies), (Sight::Clear, vec!["all".to_owned()]));
    assert_eq!((of("iban").sight, of("iban").policies), (Sight::Masked(Mask::Last4), vec!["last4".to_owned(), "no-iban".to_owned()]));
    assert_eq!(explained.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "iban", "note"]);
}

#[test]
fn a_table_of_a_thousand_columns_is_decided_at_once() {
    let columns = (0..1000).map(|number| ColumnRef::new(&format!("c{number}"), ColumnKind::Integer)).collect();
    let wide = table("wide", None).with_columns(columns);
    let odd = "@mask(\"null\") permit (principal, action == Action::\"ReadMasked\", resource) when { resource.name like \"c*1\" };";
    let text =
        format!("{ROWS}permit (principal, action == Action::\"ReadColumn\", resource) when {{ resource.name like \"c*0\" }};\n{odd}");
    let policies = Policies::load(&[("p".to_owned(), text)], std::slice::from_ref(&wide)).unwrap();
    let access = policies.access(&who("user", "ann"), &[], &wide, &NOW, RequestId([1; 16])).unwrap();
    let count = |sight| wide.columns.iter().filter(|column| access.column(&column.name) == sight).count();
    assert_eq!([Sight::Clear, Sight::Masked(Mask::Null), Sight::Hidden].map(count), [100, 100, 800]);
}
