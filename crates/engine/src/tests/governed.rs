//! Rows and columns that policies keep back, asked for through the door: by queries, versions, views and models.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use polder_types::{ErrorKind, EventKind, TableName};

use super::bed::{Bed, BedBuilder, Scrambled, chained, flights, owner, texts, user};
use crate::{Asker, Error, KeyedMask as _, QueryOptions, Setting};

const BOB_SEES_WARD_A: &str = r#"@id("ward-a") permit (principal == User::"bob", action == Action::"ReadRow", resource is Row::staff)
    when { resource has ward && resource.ward == "a" };"#;
const BOB_SEES_COLUMNS: &str = r#"@id("plain") permit (principal == User::"bob", action == Action::"ReadColumn", resource in Table::"staff")
    when { ["id", "salary", "code"].contains(resource.name) };"#;
const BOB_SEES_MASKED: &str = r#"
    @id("ssn") @mask("last4") permit (principal == User::"bob", action == Action::"ReadMasked", resource == Column::"staff.ssn");
    @id("born") @mask("year") permit (principal == User::"bob", action == Action::"ReadMasked", resource == Column::"staff.born");"#;

/// Version 0 has no ward, and a column that version 1 has not. Rows of other wards than a hold a salary of 100, codes that are no numbers, and
/// the word CANARY.
fn staff() -> BedBuilder {
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![
            ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]))),
            ("salary", Arc::new(Int64Array::from(vec![50, 100, 60, 999, 70]))),
            ("code", Arc::new(StringArray::from(vec!["1", "CANARY", "2", "CANARY", "3"]))),
            ("ssn", Arc::new(StringArray::from(vec![Some("111-22-3333"), Some("CANARY-44"), None, Some("x"), Some("short")]))),
            ("born", Arc::new(Date32Array::from(vec![15_706 + 40, 3_000, 15_706, 4_000, -1]))),
        ]
    };
    let with = |name: &'static str, values: Vec<Option<&str>>| {
        RecordBatch::try_from_iter(columns().into_iter().chain([(name, Arc::new(StringArray::from(values)) as ArrayRef)])).unwrap()
    };
    let old = with("old", vec![Some("CANARY"); 5]);
    let new = with("ward", vec![Some("a"), Some("b"), Some("a"), None, Some("a")]);
    BedBuilder::new().table("staff", vec![old]).table("staff", vec![new])
}

fn for_bob() -> Bed {
    staff().policy(BOB_SEES_WARD_A).policy(BOB_SEES_COLUMNS).policy(BOB_SEES_MASKED).build()
}

async fn answer(bed: &Bed, asker: &Asker, sql: &str, options: QueryOptions) -> Result<Vec<String>, Error> {
    let batches = bed.door.query(asker, sql, &options).await?.collect().await?;
    Ok(texts(&batches).into_iter().map(|row| row.join(" ")).collect())
}

#[tokio::test]
async fn who_may_see_a_part_sees_that_part() {
    let bed = for_bob();
    let (bob, all) = (user("bob"), "select * from staff order by id");
    let wanted = ["1 50 1 ***3333 2013-01-01", "3 60 2 NULL 2013-01-01", "5 70 3 *** 1969-01-01"];
    assert_eq!(bed.rows(&bob, all).await.unwrap(), wanted);
    assert_eq!(bed.rows(&owner(), all).await.unwrap().len(), 5);
    assert_eq!(bed.rows(&user("eve"), all).await.unwrap_err().kind(), ErrorKind::NotFound);
    let columns = bed.door.query(&bob, all, &QueryOptions::default()).await.unwrap().schema();
    let names: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["id", "salary", "code", "ssn", "born"]);
}

#[tokio::test]
async fn no_question_gets_behind_the_row_filter() {
    let bed = for_bob();
    for (sql, wanted) in [
        ("select count(*) from staff", vec!["3"]),
        ("select count(*), min(salary), max(salary), min(id), max(code) from staff", vec!["3 50 70 1 3"]),
        ("select id from staff where 1 / (salary - 100) = 0 order by id", vec!["1", "3", "5"]),
        ("select sum(1 / (salary - 100)) from staff", vec!["0"]),
        ("select id from staff where cast(code as int) > 1 order by id", vec!["3", "5"]),
        ("select count(*) from staff where regexp_like(code, 'CAN') or code like 'CAN%'", vec!["0"]),
        ("select id from staff where case when salary = 100 then 1 / (id - 2) else 1 end = 1 order by id", vec!["1", "3", "5"]),
        ("select id from staff order by salary desc limit 1", vec!["5"]),
        ("select id from staff order by id limit 5 offset 2", vec!["5"]),
        ("select count(*) from staff a join staff b on a.id <> b.id", vec!["6"]),
        ("select a.id from staff a left join staff b on a.id + 1 = b.id order by 1", vec!["1", "3", "5"]),
        ("select id from staff a where exists (select 1 from staff b where b.salary = a.salary + 10) order by id", vec!["1", "3"]),
        ("select id from staff a where salary = (select max(b.salary) from staff b where b.id = a.id) order by id", vec!["1", "3", "5"]),
        ("select id, rank() over (order by salary desc) from staff order by id", vec!["1 3", "3 2", "5 1"]),
        ("select ssn, count(*) from staff where ssn is not null group by ssn order by 1", vec!["*** 1", "***3333 1"]),
        ("select count(*) from staff where ssn like '%22%' or ssn = 'short'", vec!["0"]),
        ("select id from staff union all select id from staff where salary > 90 order by 1", vec!["1", "3", "5"]),
        ("select id from staff where salary not in (select salary from staff where id > 1) order by id", vec!["1"]),
        ("select id from staff where born = date '2013-01-01' order by id", vec!["1", "3"]),
        (
            "with recursive r as (select min(id) as id from staff union all select s.id from staff s join r on s.id = r.id + 2) select count(*) from r",
            vec!["3"],
        ),
    ] {
        assert_eq!(bed.rows(&user("bob"), sql).await.unwrap_or_else(|error| panic!("{sql}: {}", chained(&error))), wanted, "{sql}");
    }
    // The control: for who sees all rows some of these fail, and others answer otherwise.
    assert!(bed.rows(&owner(), "select sum(1 / (salary - 100)) from staff").await.is_err());
    assert_eq!(bed.rows(&owner(), "select count(*), max(salary) from staff").await.unwrap(), ["5 999"]);
}

#[tokio::test]
async fn what_is_hidden_is_not_named() {
    let bed = for_bob();
    for sql in [
        "select ward from staff",
        "select s.ward from staff s",
        "select id from staff where ward = 'b'",
        "select id from staff order by \"ward\"",
        "select count(*) from staff group by ward",
        "select id from staff a join staff b using (ward)",
        "select nothing from staff",
        "select id / 0 from staff",
        "select cast(ssn as int) from staff",
        "select id from staff at version 0",
        "select id from staff at version 7",
    ] {
        let text = match bed.rows(&user("bob"), sql).await {
            Ok(rows) => panic!("{sql}: {rows:?}"),
            Err(error) => chained(&error),
        };
        assert!(!text.contains("CANARY") && (sql.contains("ward") || !text.contains("ward")), "{sql}: {text}");
        // Beside the name that was asked for there is no other that is hidden.
        assert!(!text.contains("staff.ward,") && !text.contains("staff.ward."), "{sql}: {text}");
    }
    let plan = bed.rows(&user("bob"), "explain select id from staff where salary > 55 and code like '1%'").await.unwrap().join("\n");
    assert!(plan.contains("staff") && plan.contains("salary") && !plan.contains("ward"), "{plan}");
}

#[tokio::test]
async fn a_version_that_the_row_filter_does_not_fit_is_denied() {
    let bed = for_bob();
    let error = bed.rows(&user("bob"), "select id from staff at version 0").await.unwrap_err();
    assert!(matches!(error, Error::NoRowFilter { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Denied);
    let text = "read table staff: policies decide its rows by a column that this version of it lacks, or does not have as its contract says (its type, or that it is required), so nothing of it is shown; read another version, or let whoever keeps policies/ and contracts/ make them fit the table";
    assert_eq!(error.to_string(), text);
    assert!(matches!(bed.ledger.kinds().last(), Some(EventKind::Refused { .. })));
    assert_eq!(bed.rows(&user("bob"), "select count(*) from staff at version 1").await.unwrap(), ["3"]);
    // Without a row filter the older version shows the columns that it has of those that are permitted.
    let all_rows = r#"permit (principal == User::"bob", action == Action::"ReadRow", resource is Row::staff);"#;
    let bed = staff().policy(all_rows).policy(BOB_SEES_COLUMNS).build();
    assert_eq!(bed.rows(&user("bob"), "select * from staff at version 0 order by id limit 1").await.unwrap(), ["1 50 1"]);
    let only_ward = r#"permit (principal == User::"bob", action == Action::"ReadColumn", resource == Column::"staff.ward");"#;
    let bed = staff().policy(all_rows).policy(only_ward).build();
    let error = bed.rows(&user("bob"), "select count(*) from staff at version 0").await.unwrap_err();
    let text = "read table staff: this version of it has none of the columns that policies let you see; read another version";
    assert_eq!((error.to_string().as_str(), error.kind()), (text, ErrorKind::Denied));
    assert_eq!(bed.rows(&user("bob"), "select count(*) from staff").await.unwrap(), ["5"]);
}

#[tokio::test]
async fn who_may_read_the_whole_is_kept_from_what_is_forbidden() {
    let bed = staff()
        .policy(r#"forbid (principal, action == Action::"ReadColumn", resource == Column::"staff.ssn");"#)
        .policy(
            r#"@mask("redact") permit (principal in Group::"owners", action == Action::"ReadMasked", resource == Column::"staff.ssn");"#,
        )
        .policy(r#"forbid (principal, action == Action::"ReadColumn", resource == Column::"staff.old");"#)
        .policy(r#"forbid (principal, action == Action::"ReadRow", resource is Row::staff) when { resource.salary > 900 };"#)
        .build();
    assert_eq!(bed.rows(&owner(), "select distinct ssn from staff").await.unwrap(), ["***"]);
    assert_eq!(bed.rows(&owner(), "select count(*), max(salary) from staff").await.unwrap(), ["4 100"]);
    // No contract tells of the column any more, and the policy still does.
    let error = bed.rows(&owner(), "select old from staff at version 0").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(bed.rows(&owner(), "select count(*) from staff at version 0").await.unwrap(), ["4"]);
    let open = staff().build();
    assert_eq!(open.rows(&owner(), "select distinct old from staff at version 0").await.unwrap(), ["CANARY"]);
    // Also where nothing else is kept back, so that the decision before was: the whole.
    let bed = staff().policy(r#"forbid (principal, action == Action::"ReadColumn", resource == Column::"staff.old");"#).build();
    assert_eq!(bed.rows(&owner(), "select old from staff at version 0").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(bed.rows(&owner(), "select count(*) from staff at version 0").await.unwrap(), ["5"]);
}

#[tokio::test]
async fn a_purpose_and_the_time_decide() {
    let for_billing = r#"permit (principal == User::"bob", action == Action::"ReadRow", resource is Row::staff)
        when { context has purpose && context.purpose == "billing" && context.hour < 12 };"#;
    let bed = staff().policy(for_billing).policy(BOB_SEES_COLUMNS).build();
    let (bob, sql) = (user("bob"), "select count(*) from staff");
    let Some(Setting::Purpose(purpose)) = Setting::parse("SET polder.purpose = 'billing'").unwrap() else { panic!("no setting") };
    let billing = || QueryOptions { purpose: purpose.clone(), ..QueryOptions::default() };
    assert_eq!(answer(&bed, &bob, sql, billing()).await.unwrap(), ["5"]);
    let told = bed.ledger.take().into_iter().any(|event| event.private.0.get("purpose").is_some_and(|purpose| purpose == "billing"));
    assert!(told, "the purpose is not recorded");
    for other in [None, Some("research".to_owned()), Some(String::new())] {
        let options = QueryOptions { purpose: other, ..QueryOptions::default() };
        assert_eq!(answer(&bed, &bob, sql, options).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let long = QueryOptions { purpose: Some("x".repeat(257)), ..QueryOptions::default() };
    assert!(matches!(answer(&bed, &bob, sql, long).await, Err(Error::Refused(_))));
    bed.clock.advance(13 * 3_600_000);
    assert_eq!(answer(&bed, &bob, sql, billing()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn all_policies_that_decided_are_recorded() {
    let bed = for_bob();
    bed.rows(&user("bob"), "select count(*) from staff").await.unwrap();
    let decided = bed.ledger.kinds().into_iter().find_map(|kind| match kind {
        EventKind::ReadDecided { allowed: true, policies, .. } => Some(policies),
        _ => None,
    });
    assert_eq!(decided.unwrap(), ["born", "plain", "ssn", "ward-a"]);
}

#[tokio::test]
async fn a_check_is_answered_of_the_whole_or_not_at_all() {
    let bed = for_bob();
    let whole = || QueryOptions { whole: true, ..QueryOptions::default() };
    let sql = "select count(*) from staff";
    assert_eq!(answer(&bed, &user("bob"), sql, whole()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(answer(&bed, &owner(), sql, whole()).await.unwrap(), ["5"]);
    let described = r#"permit (principal == User::"bob", action == Action::"Describe", resource);"#;
    let bed = staff().policy(BOB_SEES_WARD_A).policy(BOB_SEES_COLUMNS).policy(described).build();
    assert_eq!(answer(&bed, &user("bob"), sql, whole()).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn models_and_views_read_what_they_may() {
    let no_ward_b = r#"forbid (principal is Model, action == Action::"ReadRow", resource is Row::staff)
        when { resource has ward && resource.ward == "b" };"#;
    let bed = staff()
        .model("m", "-- polder: materialized = table\nselect id, salary from staff")
        .model("v", "-- polder: materialized = view\nselect id, salary from staff")
        .policy(no_ward_b)
        .build();
    let run = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.unwrap();
    assert_eq!(texts(&run.rows.collect().await.unwrap()).len(), 4);
    // Whoever reads the view sees what it sees.
    assert_eq!(bed.rows(&owner(), "select count(*), max(salary) from v").await.unwrap(), ["4 999"]);
    assert_eq!(bed.rows(&owner(), "select count(*) from staff").await.unwrap(), ["5"]);
}

#[tokio::test]
async fn a_view_is_read_whole_or_not_at_all() {
    let bed = staff()
        .model("v", "-- polder: materialized = view\nselect id, salary from staff")
        .policy(r#"forbid (principal == User::"ann", action == Action::"ReadColumn", resource == Column::"v.salary");"#)
        .build();
    let error = bed.rows(&owner(), "select id from v").await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)) && error.kind() == ErrorKind::Denied, "{error}");
    assert_eq!(bed.rows(&owner(), "select count(salary) from staff").await.unwrap(), ["5"]);
    // A view over what its model may not filter says so without naming it.
    let bed = staff()
        .model("w", "-- polder: materialized = view\nselect id from staff")
        .policy(
            r#"forbid (principal is Model, action == Action::"ReadColumn", resource in Table::"staff") when { resource.name == "id" };"#,
        )
        .build();
    let error = bed.rows(&owner(), "select * from w").await.unwrap_err();
    assert!(matches!(error, Error::View { .. }) && !chained(&error).contains("staff"), "{}", chained(&error));
}

#[tokio::test]
async fn a_token_needs_a_domain_and_a_hash_none() {
    let masked = |mask: &str| {
        format!(r#"@mask("{mask}") permit (principal == User::"bob", action == Action::"ReadMasked", resource == Column::"staff.code");"#)
    };
    let rows = r#"permit (principal == User::"bob", action == Action::"ReadRow", resource is Row::staff) when { resource.id == 1 };"#;
    let sql = "select code from staff";
    let bed = staff().policy(rows).policy(&masked("hash")).build();
    assert_eq!(bed.rows(&user("bob"), sql).await.unwrap(), [Scrambled("hash".to_owned()).masked("1").unwrap()]);
    let bed = staff().policy(rows).policy(&masked("tokenise")).build();
    let error = bed.rows(&user("bob"), sql).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && chained(&error).contains("no domain"), "{}", chained(&error));
    let bed = staff().classified("staff", "code", "under people").policy(rows).policy(&masked("tokenise")).build();
    assert_eq!(bed.rows(&user("bob"), sql).await.unwrap(), [Scrambled("under people".to_owned()).masked("1").unwrap()]);
}

#[tokio::test]
async fn what_keeps_a_view_from_being_opened_names_nothing_of_its_inputs() {
    let bed = staff()
        .model("v", "-- polder: materialized = view\nselect id, code from staff")
        .policy(r#"forbid (principal == Model::"v", action == Action::"ReadColumn", resource == Column::"staff.code");"#)
        .policy(r#"@mask("tokenise") permit (principal == Model::"v", action == Action::"ReadMasked", resource == Column::"staff.code");"#)
        .build();
    let error = bed.rows(&owner(), "select id from v").await.unwrap_err();
    let text = chained(&error);
    assert!(matches!(error, Error::View { .. }) && error.kind() == ErrorKind::Invalid, "{text}");
    assert!(!text.contains("staff") && !text.contains("code"), "{text}");
    // Whoever may run it is told, as the text says.
    let error = bed.door.run_model(&owner(), &TableName::new("v").unwrap()).await.err().unwrap();
    assert!(chained(&error).contains("column code has no domain"), "{}", chained(&error));
}

#[tokio::test]
async fn whether_there_is_a_value_can_be_asked_of_a_column_that_policies_cannot_compare() {
    let delayed = r#"permit (principal == User::"bob", action == Action::"ReadRow", resource is Row::flights)
        when { resource has dep_delay };"#;
    let ids = r#"permit (principal == User::"bob", action == Action::"ReadColumn", resource == Column::"flights.id");"#;
    let bed = flights().policy(delayed).policy(ids).build();
    assert_eq!(bed.rows(&user("bob"), "select id from flights order by id").await.unwrap(), ["1", "2", "4"]);
}

#[tokio::test]
async fn a_version_whose_values_may_be_missing_where_the_contract_demands_them_is_denied() {
    let wards = |wards: Vec<Option<&str>>| {
        let ids = Arc::new(Int64Array::from_iter_values(0..wards.len() as i64)) as ArrayRef;
        RecordBatch::try_from_iter([("id", ids), ("ward", Arc::new(StringArray::from(wards)) as ArrayRef)]).unwrap()
    };
    let rows = r#"permit (principal == User::"bob", action == Action::"ReadRow", resource is Row::stays) when { resource.ward != "b" };"#;
    let columns = r#"permit (principal == User::"bob", action == Action::"ReadColumn", resource == Column::"stays.id");"#;
    let bed = BedBuilder::new()
        .table("stays", vec![wards(vec![Some("a"), None])])
        .table("stays", vec![wards(vec![Some("a"), Some("b"), Some("c")])])
        .policy(rows)
        .policy(columns)
        .build();
    assert_eq!(bed.rows(&user("bob"), "select id from stays order by id").await.unwrap(), ["0", "2"]);
    let error = bed.rows(&user("bob"), "select id from stays at version 0").await.unwrap_err();
    assert!(matches!(error, Error::NoRowFilter { .. }), "{error}");
}
