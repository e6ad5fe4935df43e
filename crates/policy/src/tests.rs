use polder_types::{DatasetId, ErrorKind, PrincipalId, RequestId, TableName};
use proptest::prelude::*;

use super::*;

#[path = "../../../tests/compiler.rs"]
mod compiler;

fn table(name: &str, classification: Option<&str>) -> TableRef {
    TableRef::new(TableName::new(name).unwrap(), DatasetId([7; 16])).with_classification(classification.map(str::to_owned))
}

fn who(kind: &str, name: &str) -> PrincipalId {
    PrincipalId::new(kind, name).unwrap()
}

fn load(texts: &[&str]) -> Result<Policies, Error> {
    let files: Vec<_> = texts.iter().enumerate().map(|(i, text)| (format!("policies/{i}.cedar"), (*text).to_owned())).collect();
    Policies::load(&files, &[])
}

/// What is done with a table as a whole.
fn on_tables() -> impl Iterator<Item = Action> {
    let other =
        [Action::ReadRow, Action::ReadColumn, Action::ReadMasked, Action::ManageIdentities, Action::ApproveGrant, Action::ReadMetrics];
    Action::ALL.into_iter().filter(move |action| !other.contains(action))
}

fn owners() -> Vec<String> {
    vec![OWNERS_GROUP.to_owned()]
}

#[test]
fn by_default_owners_may_everything_models_may_read_and_others_nothing() {
    let policies = Policies::load(&default_policies(), &[]).unwrap();
    let flights = table("flights", None);
    for action in on_tables() {
        assert!(policies.decide(&who("user", "ann"), &owners(), action, &flights).allowed, "{action}");
        assert!(!policies.decide(&who("user", "bob"), &[], action, &flights).allowed, "{action}");
        assert!(!policies.decide(&who("service", "x"), &["others".to_owned()], action, &flights).allowed, "{action}");
        let model = policies.decide(&who("model", "delays"), &[], action, &flights);
        assert_eq!(model.allowed, matches!(action, Action::Read | Action::Describe), "{action}");
    }
    assert!(!policies.decide(&who("model", "delays"), &[], Action::Read, &table("pay", Some("restricted"))).allowed);
    let decision = policies.decide(&who("user", "ann"), &owners(), Action::Read, &flights);
    assert_eq!(decision.policies, ["owners-may-do-everything"]);
}

#[test]
fn the_installation_is_asked_about_keys_accounts_numbers_and_audit_only() {
    let policies = Policies::load(&default_policies(), &[]).unwrap();
    for action in Action::ALL {
        let decision = policies.decide_installation(&who("user", "ann"), &owners(), action);
        let asked = matches!(action, Action::ManageKeys | Action::ManageIdentities | Action::ReadMetrics | Action::Audit);
        assert_eq!(decision.allowed, asked, "{action}");
        assert!(!policies.decide_installation(&who("user", "bob"), &[], action).allowed);
    }
}

#[test]
fn who_approves_grants_of_which_group_is_the_policies_to_say() {
    let only = "permit (principal in Group::\"security\", action == Action::\"ApproveGrant\", resource == Group::\"oncall\");";
    let policies = load(&[only]).unwrap();
    let security = ["security".to_owned()];
    let decide = |groups: &[String], group: &str| policies.decide_grant(&who("user", "bea"), groups, group).allowed;
    assert!(decide(&security, "oncall"));
    assert!(!decide(&security, "owners") && !decide(&[], "oncall") && !decide(&["oncall".to_owned()], "oncall"));
    // One's own group is asked about like any other.
    let own = load(&["permit (principal, action == Action::\"ApproveGrant\", resource) when { principal in resource };"]).unwrap();
    assert!(own.decide_grant(&who("user", "bea"), &security, "security").allowed);
    assert!(!own.decide_grant(&who("user", "bea"), &security, "oncall").allowed);
    let default = Policies::load(&default_policies(), &[]).unwrap();
    assert!(default.decide_grant(&who("user", "ann"), &owners(), "oncall").allowed);
    assert!(!default.decide_grant(&who("user", "bob"), &[], "oncall").allowed);
    let erring =
        load(&[only, "forbid (principal, action == Action::\"ApproveGrant\", resource) when { 9223372036854775807 + 1 > 0 };"]).unwrap();
    let decision = erring.decide_grant(&who("user", "bea"), &security, "oncall");
    assert!(decision.erred && !decision.allowed);
}

#[test]
fn the_account_for_emergencies_reads_by_default_and_nobody_else_of_its_name() {
    let policies = Policies::load(&default_policies(), &[]).unwrap();
    for action in on_tables() {
        let decision = policies.decide(&who("user", "break-glass"), &[], action, &table("flights", None));
        assert_eq!(decision.allowed, matches!(action, Action::Read | Action::Describe), "{action}");
        assert!(!policies.decide(&who("service", "break-glass"), &[], action, &table("flights", None)).allowed);
    }
    assert!(!policies.decide_installation(&who("user", "break-glass"), &[], Action::ManageIdentities).allowed);
}

#[test]
fn without_policies_nothing_is_permitted() {
    let policies = Policies::load(&[], &[]).unwrap();
    assert_eq!(policies.count(), 0);
    for action in Action::ALL {
        assert!(!policies.decide(&who("user", "ann"), &owners(), action, &table("t", None)).allowed);
    }
}

#[test]
fn a_principal_of_an_unknown_kind_is_denied() {
    let policies = load(&["permit (principal, action, resource);"]).unwrap();
    assert!(policies.decide(&who("user", "x"), &[], Action::Read, &table("t", None)).allowed);
    assert!(!policies.decide(&who("robot", "x"), &[], Action::Read, &table("t", None)).allowed);
}

#[test]
fn names_with_quotes_are_names_and_not_syntax() {
    let policies = load(&[r#"permit (principal == User::"a", action, resource);"#]).unwrap();
    assert!(!policies.decide(&who("user", r#"a"||true||""#), &[], Action::Read, &table("t", None)).allowed);
}

#[test]
fn a_denial_reads_as_not_found_for_who_may_not_describe() {
    let policies = load(&[
        r#"permit (principal == User::"ann", action == Action::"Describe", resource);"#,
        r#"@id("never-bob") forbid (principal == User::"bob", action, resource);"#,
    ])
    .unwrap();
    let request = RequestId([1; 16]);
    let flights = table("flights", None);
    let known = policies.permit(&who("user", "ann"), &[], Action::Read, &flights, request).unwrap_err();
    assert_eq!(known.kind(), ErrorKind::Denied);
    let hidden = policies.permit(&who("user", "bob"), &[], Action::Read, &flights, request).unwrap_err();
    let missing = Denied::no_such_table("flights");
    assert_eq!(hidden.to_string(), missing.to_string());
    assert_eq!((hidden.kind(), missing.kind()), (ErrorKind::NotFound, ErrorKind::NotFound));
    assert_eq!(hidden.policies(), ["never-bob"]);
}

#[test]
fn a_permit_names_what_it_is_for() {
    let policies = Policies::load(&default_policies(), &[]).unwrap();
    let permit = policies.permit(&who("user", "ann"), &owners(), Action::Read, &table("flights", None), RequestId([9; 16])).unwrap();
    assert_eq!(permit.principal(), &who("user", "ann"));
    assert_eq!(permit.action(), Action::Read);
    assert_eq!(permit.table().as_str(), "flights");
    assert_eq!(permit.table_id(), DatasetId([7; 16]));
    assert_eq!(permit.request(), RequestId([9; 16]));
    assert_eq!(permit.policies(), ["owners-may-do-everything"]);
}

/// No other crate can make a permit: the one place where this is proved by the compiler.
#[test]
fn a_permit_cannot_be_built_outside() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile");
    let cases = [
        ("access.rs", "fields `permit`, `rows`, `columns` and `whole` of struct `Access` are private"),
        ("built.rs", "fields `principal`, `action`, `table`, `table_id`, `request` and `policies` of struct `Permit` are private"),
        ("converted.rs", "the trait bound `Permit: From<String>` is not satisfied"),
        ("default.rs", "no function or associated item named `default` found for struct `Permit`"),
        ("new.rs", "no function or associated item named `new` found for struct `Permit`"),
    ];
    compiler::refuses("polder_policy", &folder, &cases);
}

#[test]
fn error_texts() {
    let wrong = [
        "permit (principal, action, resource);\npermit (principal, action resource);",
        "\n\npermit (principal, action == Action::\"Fly\", resource);",
        "permit (principal, action == Action::\"Read\", resource)\nwhen {\n  resource.owner == \"x\" };",
        "permit (principal == ?principal, action, resource);",
        "@id(\"twice\") permit (principal, action, resource);\n@id(\"twice\") forbid (principal, action, resource);",
        "permit (principal == Robot::\"r\", action, resource);",
        "permit (principal, action, resource) when { 1 < \"a\" };",
    ];
    let mut texts: Vec<String> = wrong.iter().map(|text| load(&[text]).unwrap_err().to_string()).collect();
    assert!(wrong.iter().all(|text| load(&[text]).unwrap_err().kind() == ErrorKind::Invalid));
    let describable = load(&["permit (principal, action == Action::\"Describe\", resource);"]).unwrap();
    let no_denial =
        |action: &Action| matches!(action, Action::Describe | Action::ManageIdentities | Action::ApproveGrant | Action::ReadMetrics);
    for action in Action::ALL.into_iter().filter(|action| !no_denial(action)) {
        texts
            .push(describable.permit(&who("user", "a"), &[], action, &table("flights", None), RequestId([0; 16])).unwrap_err().to_string());
    }
    texts.push(Denied::no_such_table("flights").to_string());
    let erring = load(&["permit (principal, action == Action::\"Describe\", resource);", ERRING_READ]).unwrap();
    texts.push(erring.permit(&who("user", "a"), &[], Action::Read, &table("t", None), RequestId([0; 16])).unwrap_err().to_string());
    insta::assert_snapshot!(texts.join("\n"));
}

mod columns;
mod differential;
mod rows;
mod schema;

const ERRING_READ: &str = "@id(\"errs\") permit (principal, action == Action::\"Read\", resource) when { 9223372036854775807 + 1 > 0 };";

/// Conditions that pass validation and err when they are evaluated.
fn erring() -> impl Strategy<Value = String> {
    let overflow = prop_oneof![
        Just("9223372036854775807 + 1 > 0".to_owned()),
        Just("-9223372036854775808 - 1 < 0".to_owned()),
        (2i64..1000).prop_map(|by| format!("9223372036854775807 * {by} == 0")),
    ];
    (overflow, prop_oneof![Just("permit"), Just("forbid")], prop_oneof![Just("when"), Just("unless")])
        .prop_map(|(condition, effect, word)| format!("{effect} (principal, action, resource) {word} {{ {condition} }};"))
}

fn sound() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("permit (principal, action, resource);".to_owned()),
        Just("permit (principal is User, action, resource) when { principal.name like \"*\" };".to_owned()),
        Just("permit (principal, action, resource is Table) unless { resource.classification == \"restricted\" };".to_owned()),
        Just("forbid (principal is Model, action, resource);".to_owned()),
    ]
}

proptest! {
    #[test]
    fn any_set_with_an_erring_policy_denies(
        before in proptest::collection::vec(sound(), 0..5),
        errs in proptest::collection::vec(erring(), 1..3),
        after in proptest::collection::vec(sound(), 0..5),
        action in proptest::sample::select(on_tables().collect::<Vec<_>>()),
    ) {
        let ann = who("user", "ann");
        let everything = "permit (principal, action, resource);".to_owned();
        let text = |parts: &[&[String]]| parts.iter().flat_map(|part| part.iter().cloned()).collect::<Vec<_>>().join("\n");
        // The control: the same set without the erring policies permits.
        let control = load(&[&text(&[std::slice::from_ref(&everything), &before, &after])]).unwrap();
        prop_assert!(control.decide(&ann, &[], action, &table("t", None)).allowed);
        let policies = load(&[&text(&[&[everything], &before, &errs, &after])]).unwrap();
        let decision = policies.decide(&ann, &[], action, &table("t", None));
        prop_assert!(!decision.allowed && decision.erred);
        prop_assert!(!decision.policies.is_empty());
        prop_assert!(policies.permit(&ann, &[], action, &table("t", None), RequestId([0; 16])).is_err());
    }

    #[test]
    fn any_text_loads_or_is_refused_without_panic(text in "[ -~\n]{0,200}") {
        let _ = load(&[&text]);
    }
}
