use super::*;

const COLUMNS: &str = "permit (principal, action == Action::\"ReadColumn\", resource);\n";
const DESCRIBE: &str = "permit (principal, action == Action::\"Describe\", resource);\n";
/// Thursday 2024-02-29T12:34:56Z.
const NOON: Circumstances = Circumstances::at(1_709_210_096_000_000);

fn orders() -> TableRef {
    table("orders", Some("internal")).with_columns(vec![
        ColumnRef::new("id", ColumnKind::Integer).required(),
        ColumnRef::new("region", ColumnKind::Text),
        ColumnRef::new("owner", ColumnKind::Text).required(),
        ColumnRef::new("vip", ColumnKind::Boolean),
        ColumnRef::new("placed", ColumnKind::Timestamp),
        ColumnRef::new("due", ColumnKind::Date),
        ColumnRef::new("amount", ColumnKind::Other),
    ])
}

fn loaded(text: &str) -> Policies {
    Policies::load(&[("policies/p.cedar".to_owned(), text.to_owned())], &[orders(), table("bare", None)]).unwrap()
}

fn ann(policies: &Policies, table: &TableRef, circumstances: &Circumstances) -> Result<Access, Denied> {
    policies.access(&who("user", "ann"), &["analysts".to_owned()], table, circumstances, RequestId([1; 16]))
}

/// Which rows ann sees under a condition on orders, as text.
fn filter(condition: &str) -> String {
    let row = format!("permit (principal, action == Action::\"ReadRow\", resource is Row::orders) when {{ {condition} }};");
    match ann(&loaded(&format!("{COLUMNS}{DESCRIBE}{row}")), &orders(), &NOON) {
        Ok(access) => access.rows().map_or_else(|| "all".to_owned(), ToString::to_string),
        Err(Denied::Known { erred, .. }) => format!("denied{}", if erred { ", a policy erred" } else { "" }),
        Err(Denied::Unknown { .. }) => panic!("she may describe it"),
    }
}

#[test]
fn who_may_read_the_whole_table_reads_it_as_before() {
    let policies = Policies::load(&default_policies(), &[orders()]).unwrap();
    let access = policies.access(&who("user", "ann"), &owners(), &orders(), &NOON, RequestId([9; 16])).unwrap();
    assert!(access.is_whole());
    assert_eq!(access.rows(), None);
    assert_eq!((access.column("region"), access.column("not listed")), (Sight::Clear, Sight::Clear));
    assert_eq!(access.policies(), ["owners-may-do-everything"]);
    let permit = policies.permit(&who("user", "ann"), &owners(), Action::Read, &orders(), RequestId([9; 16])).unwrap();
    assert_eq!(access.permit(), &permit);
    let model = policies.access(&who("model", "m"), &[], &orders(), &NOON, RequestId([9; 16])).unwrap();
    assert!(model.is_whole());
    assert_eq!(model.policies(), ["models-may-read-tables"]);
    let restricted = orders().with_classification(Some("restricted".to_owned()));
    let denied = policies.access(&who("model", "m"), &[], &restricted, &NOON, RequestId([9; 16])).unwrap_err();
    assert_eq!(denied.policies(), ["models-may-not-read-restricted-tables"]);
    assert!(policies.access(&who("user", "bob"), &[], &orders(), &NOON, RequestId([9; 16])).is_err());
}

#[test]
fn conditions_on_columns_become_filters_and_the_rest_is_decided_at_once() {
    for (condition, expected) in [
        ("resource has region && resource.region == \"eu\"", r#""region" = 'eu'"#),
        ("resource.owner == principal.name", r#""owner" = 'ann'"#),
        ("principal.name == resource.owner", r#""owner" = 'ann'"#),
        ("principal in Group::\"analysts\" && resource.id < 10", r#""id" < 10"#),
        ("principal in Group::\"others\" || resource.id >= 10", r#""id" >= 10"#),
        ("[\"eu\", principal.name].contains(resource.owner)", r#""owner" IN ('ann', 'eu')"#),
        ("resource has vip && resource.vip", r#""vip" = true"#),
        ("resource has vip && !resource.vip", r#""vip" = false"#),
        ("!(resource has vip)", r#""vip" IS NULL"#),
        ("resource has region && resource.region like \"e_*\"", r#""region" LIKE 'e\_%'"#),
        ("resource.owner != \"bob\"", r#""owner" <> 'bob'"#),
        ("resource has due && resource.due < datetime(\"1970-01-03T00:00:01Z\")", r#""due" < day 3"#),
        ("resource has placed && resource.placed <= datetime(\"1970-01-01T00:00:01Z\")", r#""placed" < microsecond 1001000"#),
        ("resource has placed && resource.placed < context.now.offset(duration(\"-1h\"))", r#""placed" < microsecond 1709206496000000"#),
        ("resource in Table::\"orders\"", "all"),
        ("resource in Table::\"bare\"", "denied"),
        ("resource has amount", r#""amount" IS NOT NULL"#),
        ("!(resource has amount)", r#""amount" IS NULL"#),
        ("true", "all"),
        ("false", "denied"),
    ] {
        assert_eq!(filter(condition), expected, "{condition}");
    }
}

#[test]
fn alternatives_of_one_column_are_a_short_filter() {
    let either = "resource has region && (resource.region == \"eu\" || resource.region == \"us\")";
    assert_eq!(filter(either), r#""region" = 'eu' OR "region" = 'us'"#);
    // With negation, NULL stays outside: the attribute is not there, so the policy does not hold.
    let neither = "resource has region && !(resource.region == \"eu\" || resource.region == \"us\")";
    assert_eq!(filter(neither), r#""region" <> 'eu' AND "region" <> 'us'"#);
}

#[test]
fn purpose_and_time_are_known_when_the_filter_is_made() {
    let text = format!(
        "{COLUMNS}{DESCRIBE}permit (principal, action == Action::\"ReadRow\", resource is Row::orders) \
         when {{ context has purpose && context.purpose == \"billing\" && resource.id > 5 }};"
    );
    let policies = loaded(&text);
    let billing = NOON.with_purpose(Some("billing".to_owned()));
    assert_eq!(ann(&policies, &orders(), &billing).unwrap().rows().unwrap().to_string(), r#""id" > 5"#);
    for other in [NOON, NOON.with_purpose(Some("Billing".to_owned()))] {
        assert!(matches!(ann(&policies, &orders(), &other), Err(Denied::Known { erred: false, .. })));
    }
}

#[test]
fn hour_and_weekday_are_those_of_the_time_in_utc() {
    let second = 1_000_000;
    // Thursday 1970-01-01, Wednesday before it, Sunday 2024-03-03 at its last second.
    for (micros, hour, weekday) in [(0, 0, 4), (-1, 23, 3), (1_709_510_399 * second, 23, 7), (1_709_510_400 * second, 0, 1)] {
        let clear = format!(
            "permit (principal, action == Action::\"Read\", resource) when {{ context.hour == {hour} && context.weekday == {weekday} }};"
        );
        assert!(ann(&loaded(&clear), &orders(), &Circumstances::at(micros)).is_ok(), "{micros}");
        assert!(ann(&loaded(&clear), &orders(), &Circumstances::at(micros + 3_600 * second)).is_err(), "{micros}");
    }
}

#[test]
fn decisions_without_stated_circumstances_take_the_time_of_the_clock() {
    let clock = std::sync::Arc::new(polder_types::ManualClock::new(0));
    let night = loaded("permit (principal, action, resource) when { context.hour < 6 };").with_clock(clock.clone());
    let may = || night.decide(&who("user", "ann"), &[], Action::Run, &orders()).allowed;
    let reads = || night.permit(&who("user", "ann"), &[], Action::Read, &orders(), RequestId([0; 16])).is_ok();
    assert!(may() && reads());
    clock.advance(6 * 3_600_000);
    assert!(!may() && !reads());
    assert!(!night.decide_installation(&who("user", "ann"), &[], Action::Audit).allowed);
}

#[test]
fn a_forbid_takes_rows_even_from_who_may_read_the_whole_table() {
    let policies = loaded(
        "@id(\"all\") permit (principal, action, resource);\n\
         @id(\"no-vips\") forbid (principal is User, action == Action::\"ReadRow\", resource is Row::orders) when { resource has vip && resource.vip };",
    );
    let access = ann(&policies, &orders(), &NOON).unwrap();
    assert_eq!(access.rows().unwrap().to_string(), r#"NOT "vip" = true"#);
    assert!(!access.is_whole());
    assert_eq!(access.column("not listed"), Sight::Hidden);
    assert_eq!(access.policies(), ["all", "no-vips"]);
    // A permit without filter would show all rows to whoever scans with it.
    let denied = policies.permit(&who("user", "ann"), &[], Action::Read, &orders(), RequestId([1; 16])).unwrap_err();
    assert!(matches!(denied, Denied::Known { action: Action::Read, erred: false, .. }));
    assert!(policies.permit(&who("service", "s"), &[], Action::Read, &orders(), RequestId([1; 16])).is_ok());
    assert!(policies.decide(&who("user", "ann"), &[], Action::Read, &orders()).allowed);
}

#[test]
fn a_forbid_of_read_on_the_table_leaves_nothing() {
    let permits = format!("{COLUMNS}{DESCRIBE}permit (principal, action == Action::\"ReadRow\", resource);\n");
    assert!(ann(&loaded(&permits), &orders(), &NOON).is_ok());
    let forbids = format!("{permits}@id(\"closed\") forbid (principal, action == Action::\"Read\", resource == Table::\"orders\");");
    let denied = ann(&loaded(&forbids), &orders(), &NOON).unwrap_err();
    assert_eq!(denied.policies(), ["closed"]);
    let errs = format!("{permits}{ERRING_READ}");
    assert!(matches!(ann(&loaded(&errs), &orders(), &NOON), Err(Denied::Known { erred: true, policies, .. }) if policies == ["errs"]));
}

#[test]
fn a_policy_on_rows_that_errs_keeps_back_the_rows_that_it_errs_on() {
    let errs = "9223372036854775807 + 1 > 0";
    assert_eq!(filter(&format!("resource.id == 1 || {errs}")), r#""id" = 1"#);
    assert_eq!(filter(&format!("resource.id == 1 && {errs}")), "denied");
    assert_eq!(filter(errs), "denied, a policy erred");
    for effect in ["permit", "forbid"] {
        let text = format!(
            "permit (principal, action, resource);\n\
             @id(\"errs\") {effect} (principal, action == Action::\"ReadRow\", resource is Row::orders) when {{ resource.id == 1 && {errs} }};"
        );
        let access = ann(&loaded(&text), &orders(), &NOON).unwrap();
        let filter = access.rows().unwrap().to_string();
        // NULL in `id`, which the contract does not let be NULL, is an error of the forbid; who may read the whole table needs no permit.
        assert_eq!(filter, if effect == "permit" { r#"NOT "id" = 1"# } else { r#""id" <> 1"# });
        assert!(access.policies().contains(&"errs".to_owned()), "{effect}");
    }
    let everywhere = format!(
        "permit (principal, action, resource);\n@id(\"errs\") permit (principal, action == Action::\"ReadRow\", resource) when {{ {errs} }};"
    );
    let denied = ann(&loaded(&everywhere), &orders(), &NOON).unwrap_err();
    assert!(matches!(&denied, Denied::Known { erred: true, .. }) && denied.policies() == ["errs"]);
}

#[test]
fn a_permit_of_rows_takes_nothing_from_who_may_read_the_whole_table() {
    let text = "@id(\"all\") permit (principal, action, resource);\n\
                permit (principal, action == Action::\"ReadRow\", resource is Row::orders) when { resource.owner == principal.name };";
    let access = ann(&loaded(text), &orders(), &NOON).unwrap();
    assert!(access.is_whole());
    assert_eq!(access.policies(), ["all"]);
}

#[test]
fn a_filter_that_no_row_passes_is_a_denial_and_tells_nothing_to_who_may_not_describe() {
    let rows = "permit (principal, action == Action::\"ReadRow\", resource) when { principal.name == \"bob\" };";
    let known = ann(&loaded(&format!("{COLUMNS}{DESCRIBE}{rows}")), &orders(), &NOON).unwrap_err();
    assert_eq!(known.kind(), ErrorKind::Denied);
    let unknown = ann(&loaded(&format!("{COLUMNS}{rows}")), &orders(), &NOON).unwrap_err();
    assert_eq!(unknown.to_string(), Denied::no_such_table("orders").to_string());
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let contradiction = "resource has region && resource.region == \"eu\" && !(resource has region)";
    assert_eq!(filter(contradiction), "denied");
}

#[test]
fn rows_without_a_column_and_columns_without_a_row_are_denied() {
    let rows = "permit (principal, action == Action::\"ReadRow\", resource);";
    assert!(ann(&loaded(&format!("{DESCRIBE}{rows}")), &orders(), &NOON).is_err());
    assert!(ann(&loaded(&format!("{DESCRIBE}{COLUMNS}")), &orders(), &NOON).is_err());
    let both = ann(&loaded(&format!("{COLUMNS}{rows}")), &orders(), &NOON).unwrap();
    assert_eq!(both.rows(), None);
    // Nobody may read it as a whole, so what is not listed stays hidden.
    assert!(!both.is_whole());
    assert_eq!((both.column("region"), both.column("not listed")), (Sight::Clear, Sight::Hidden));
}

#[test]
fn a_table_of_unknown_columns_is_read_as_a_whole_or_not_at_all() {
    let bare = table("bare", None);
    let parts = format!("{COLUMNS}{DESCRIBE}permit (principal, action == Action::\"ReadRow\", resource);\n");
    assert!(ann(&loaded(&parts), &bare, &NOON).is_err());
    let whole = format!("{parts}permit (principal, action == Action::\"Read\", resource);\n");
    assert!(ann(&loaded(&whole), &bare, &NOON).unwrap().is_whole());
    // Of a table that was not there when policies were loaded, no columns are known either.
    let late = table("late", None).with_columns(vec![ColumnRef::new("secret", ColumnKind::Boolean)]);
    assert!(ann(&loaded(&parts), &late, &NOON).is_err());
    assert!(ann(&loaded(&whole), &late, &NOON).unwrap().is_whole());
    // A policy that forbids rows by a column might forbid some of these.
    let secret = format!(
        "{whole}@id(\"secret\") forbid (principal in Group::\"analysts\", action == Action::\"ReadRow\", resource) \
         when {{ resource has secret && resource.secret == true }};"
    );
    for unknown in [&bare, &late] {
        let denied = ann(&loaded(&secret), unknown, &NOON).unwrap_err();
        assert!(matches!(&denied, Denied::Known { erred: true, .. }) && denied.policies() == ["secret"]);
        let disguised = loaded(&format!(
            "{whole}forbid (principal, action == Action::\"ReadRow\", resource) when {{ {{\"row\": resource}}.row has secret }};"
        ));
        assert!(ann(&disguised, unknown, &NOON).is_err());
        let others = loaded(&secret.replace("analysts", "others"));
        assert!(ann(&others, unknown, &NOON).unwrap().is_whole());
        let vips = "forbid (principal, action == Action::\"ReadRow\", resource is Row::orders) when { resource has vip && resource.vip };";
        let elsewhere = loaded(&format!("{whole}{vips}"));
        assert!(ann(&elsewhere, unknown, &NOON).unwrap().is_whole());
        // What asks in its condition for other rows, for columns or for another action forbids none of these, and what only excepts them does.
        for (condition, is_whole) in [
            ("resource is Row::orders && resource has vip && resource.vip", true),
            ("!(!(resource is Row::orders) || !(resource has vip))", true),
            ("resource is Column && resource.classification == \"restricted\"", true),
            ("action == Action::\"ReadColumn\" && resource is Column && resource.name == \"x\"", true),
            ("action in [Action::\"ReadColumn\", Action::\"ReadMasked\"] && resource is Column && resource.name == \"x\"", true),
            ("action in [Action::\"ReadRow\", Action::\"ReadColumn\"] && !(resource is Row::orders) && resource has x", false),
            ("resource is Row::orders || resource has secret", false),
        ] {
            let text = format!("{whole}forbid (principal, action, resource) when {{ {condition} }};");
            assert_eq!(ann(&loaded(&text), unknown, &NOON).is_ok_and(|access| access.is_whole()), is_whole, "{condition}");
        }
    }
    let closed = format!("{whole}forbid (principal, action == Action::\"ReadRow\", resource in Table::\"bare\");");
    assert!(ann(&loaded(&closed), &bare, &NOON).is_err());
    assert!(ann(&loaded(&closed), &orders(), &NOON).unwrap().is_whole());
}

#[test]
fn policies_from_before_there_were_rows_load_and_mean_the_same() {
    let text = "permit (principal, action, resource);\n\
                forbid (principal, action, resource) when { resource has classification && resource.classification == \"restricted\" };\n\
                forbid (principal is Service, action, resource) unless { principal.name like \"s*\" };\n\
                forbid (principal == User::\"mallory\", action, resource);";
    let policies = loaded(text);
    // A column with the name of a table's attribute, and of another type, is no matter to what speaks of tables.
    let odd = table("odd", None).with_columns(vec![ColumnRef::new("classification", ColumnKind::Integer)]);
    assert!(Policies::load(&[("p".to_owned(), text.to_owned())], &[odd]).is_ok());
    for table in [orders(), table("bare", None)] {
        assert!(ann(&policies, &table, &NOON).unwrap().is_whole());
        assert!(policies.access(&who("service", "s"), &[], &table, &NOON, RequestId([0; 16])).unwrap().is_whole());
        assert!(policies.access(&who("service", "x"), &[], &table, &NOON, RequestId([0; 16])).is_err());
        assert!(policies.access(&who("user", "mallory"), &[], &table, &NOON, RequestId([0; 16])).is_err());
        let restricted = table.with_classification(Some("restricted".to_owned()));
        assert!(ann(&policies, &restricted, &NOON).is_err());
    }
}

#[test]
fn a_policy_that_names_no_action_speaks_of_tables() {
    // A row has no classification: asked of rows, the first would permit those of any table, and the second forbid them.
    let restricted = orders().with_classification(Some("restricted".to_owned()));
    let permits =
        loaded("permit (principal, action, resource) unless { resource has classification && resource.classification == \"restricted\" };");
    assert!(ann(&permits, &orders(), &NOON).unwrap().is_whole());
    assert!(ann(&permits, &restricted, &NOON).is_err());
    let forbids = loaded(
        "permit (principal, action, resource);\n\
         forbid (principal, action, resource) unless { resource has classification && resource.classification != \"restricted\" };",
    );
    assert!(ann(&forbids, &orders(), &NOON).unwrap().is_whole());
    assert!(ann(&forbids, &restricted, &NOON).is_err());
    // What names the rows' type speaks of rows, whatever the action.
    let rows = loaded(&format!("{COLUMNS}permit (principal, action, resource is Row::orders) when {{ resource.id == 1 }};"));
    assert_eq!(ann(&rows, &orders(), &NOON).unwrap().rows().unwrap().to_string(), r#""id" = 1"#);
    let named = "permit (principal, action, resource);\n\
                 forbid (principal, action, resource) when { resource is Row::orders && resource has vip && resource.vip };";
    assert_eq!(ann(&loaded(named), &orders(), &NOON).unwrap().rows().unwrap().to_string(), r#"NOT "vip" = true"#);
}

#[test]
fn what_no_filter_can_be_made_of_denies() {
    for outside in [
        "resource.id + 1 > 0",
        "-(resource.id) == 1",
        "resource has placed && resource.placed.toDate() == datetime(\"2024-01-01\")",
        "resource has placed && resource has due && resource.placed == resource.due",
        "[resource.owner].contains(\"ann\")",
        "[resource.owner, \"bob\"].contains(resource.owner)",
        "[[resource.owner]].contains([\"ann\"])",
        "resource == Row::orders::\"1\"",
        "resource has amount && resource.amount == resource.amount",
        "resource has amount && resource.amount == Row::Incomparable::\"1\"",
    ] {
        assert!(filter(outside).starts_with("denied"), "{outside}: {}", filter(outside));
        // Behind what is short-circuited it is not reached.
        assert_eq!(filter(&format!("resource.id == 7 || ({outside})")), r#""id" = 7"#, "{outside}");
    }
}

#[test]
fn a_column_that_is_not_as_it_was_when_policies_were_loaded_denies() {
    let text = format!(
        "{COLUMNS}{DESCRIBE}@id(\"eu\") permit (principal, action == Action::\"ReadRow\", resource is Row::orders) \
         when {{ resource has region && resource.region == \"eu\" }};"
    );
    let policies = loaded(&text);
    assert!(ann(&policies, &orders(), &NOON).is_ok());
    let mut gone = orders();
    gone.columns.retain(|column| column.name != "region");
    let mut changed = orders();
    changed.columns[1].kind = ColumnKind::Integer;
    for table in [gone, changed] {
        assert!(ann(&policies, &table, &NOON).is_err());
        let explained = policies.explain(&who("user", "ann"), &[], &table, &NOON);
        assert!(explained.rows[0].doubt.as_ref().unwrap().contains("\"region\""), "{explained:?}");
    }
}

#[test]
fn long_chains_filter_and_what_would_grow_without_bound_denies() {
    let chain: Vec<String> = (0..300).map(|id| format!("resource.id == {id}")).collect();
    let text = filter(&chain.join(" || "));
    assert!(text.starts_with("\"id\" = 0 OR \"id\" = 1 OR") && text.ends_with("\"id\" = 299"), "{text}");
    assert_eq!(filter(&chain.join(" && ").replace("==", "!=")).matches("<>").count(), 300);
    // Each test inside a test doubles what becomes of it.
    let mut nested = "resource.id == 1".to_owned();
    for level in 0..24 {
        nested = format!("(if {nested} then resource.id == {level} else (resource has vip && resource.vip))");
    }
    assert_eq!(filter(&nested), "denied, a policy erred");
}

#[test]
fn a_choice_of_which_one_way_errs_is_a_condition() {
    let errs = "9223372036854775807 + 1 > 0";
    let choice = |id: u8| format!("(if resource.id == {id} then {errs} else resource.id == {})", id + 1);
    let text = filter(&format!("{} == {}", choice(1), choice(3)));
    assert!(text.contains(r#""id" <> 1"#) && text.contains(r#""id" <> 3"#), "{text}");
}

#[test]
fn the_largest_conditions_are_decided_and_larger_ones_are_refused() {
    let policy = |effect: &str, condition: &str| {
        let text = format!(
            "{COLUMNS}{DESCRIBE}\n{effect} (principal, action == Action::\"ReadRow\", resource is Row::orders) when {{ {condition} }};"
        );
        Policies::load(&[("p".to_owned(), text)], &[orders()])
    };
    // A chain is as deep as it is long, and must not end the program.
    let chain = |links: usize| (0..links).map(|id| format!("resource.id == {id}")).collect::<Vec<_>>().join(" || ");
    let flags = |links: usize| vec!["resource has vip"; links].join(" && ");
    for (effect, condition) in [("permit", chain(1_900)), ("forbid", flags(3_200))] {
        let decided = ann(&policy(effect, &condition).unwrap(), &orders(), &NOON);
        assert_eq!(decided.is_ok(), effect == "permit", "{effect} {condition:.40}");
    }
    for condition in [chain(2_100), chain(50_000), flags(3_400), format!("[{}].contains(resource.id)", vec!["1"; 20_000].join(","))] {
        let Err(error) = policy("permit", &condition) else { panic!("{condition:.40} loads") };
        assert!(error.to_string().contains("p:4: the policy's conditions have more than 10000 parts"), "{error:.300}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn rows_and_columns_are_nothing_that_one_does_with_a_table() {
    let policies = loaded("permit (principal, action, resource);");
    for action in [Action::ReadRow, Action::ReadColumn, Action::ReadMasked] {
        assert!(!policies.decide(&who("user", "ann"), &[], action, &orders()).allowed, "{action}");
        assert!(policies.permit(&who("user", "ann"), &[], action, &orders(), RequestId([0; 16])).is_err(), "{action}");
        assert!(!policies.decide_installation(&who("user", "ann"), &[], action).allowed, "{action}");
    }
}

#[test]
fn an_explanation_names_the_policies_and_what_is_left_of_them() {
    let text = format!(
        "{DESCRIBE}@id(\"columns\") {COLUMNS}\
         @id(\"own\") permit (principal, action == Action::\"ReadRow\", resource is Row::orders) when {{ resource.owner == principal.name }};\n\
         @id(\"bobs\") permit (principal == User::\"bob\", action == Action::\"ReadRow\", resource);\n\
         @id(\"next\") forbid (principal, action == Action::\"ReadRow\", resource is Row::orders) when {{ resource.id + 1 == 5 }};"
    );
    let explained = loaded(&text).explain(&who("user", "ann"), &[], &orders(), &NOON);
    insta::assert_debug_snapshot!(explained);
    let policies = loaded(&text.replace("@id(\"next\")", "").replace("resource.id + 1 == 5", "resource.id == 4"));
    let explained = policies.explain(&who("user", "ann"), &[], &orders(), &NOON);
    assert_eq!(explained.denied, None);
    assert_eq!(explained.filter.as_ref(), ann(&policies, &orders(), &NOON).unwrap().rows());
    assert!(explained.rows.iter().all(|row| row.doubt.is_none()), "{explained:?}");
    let nobody = policies.explain(&who("robot", "r"), &[], &orders(), &NOON);
    assert!(nobody.denied.is_some() && nobody.columns.is_empty());
}

#[test]
fn the_reasons_of_a_denial_say_what_is_missing() {
    let reasons = |text: &str, table: &TableRef| loaded(text).explain(&who("user", "ann"), &[], table, &NOON).reasons.join("; ");
    let rows = "@id(\"rows\") permit (principal, action == Action::\"ReadRow\", resource);\n";
    let texts = [
        reasons("", &orders()),
        reasons(COLUMNS, &orders()),
        reasons(rows, &orders()),
        reasons(&format!("{rows}{COLUMNS}"), &table("bare", None)),
        reasons("@id(\"shut\") forbid (principal, action == Action::\"Read\", resource);", &orders()),
        reasons(ERRING_READ, &orders()),
        reasons(&format!("{rows}{COLUMNS}@id(\"none\") forbid (principal, action == Action::\"ReadRow\", resource);"), &orders()),
        reasons(&format!("{COLUMNS}{}", ERRING_READ.replace("\"Read\"", "\"ReadRow\"")), &orders()),
        reasons("@id(\"all\") permit (principal, action, resource);", &orders()),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}
