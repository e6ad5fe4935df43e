//! Models: views decide twice, tables give rows with types and origins.

use std::collections::BTreeSet;

use polder_types::{ErrorKind, EventKind, TableName};

use super::bed::{chained, flights, owner, user};
use crate::{ColumnRef, Error};

const VIEW: &str = "-- polder: materialized = view\n";
const TABLE: &str = "-- polder: materialized = table\n";
const BOB_READS_V: &str = r#"permit (principal == User::"bob", action in [Action::"Read", Action::"Describe"], resource == Table::"v");"#;

#[tokio::test]
async fn a_view_shows_what_its_reader_may_not_read_itself() {
    let bed = flights().model("v", &format!("{VIEW}select carrier from flights where id < 3")).policy(BOB_READS_V).build();
    assert_eq!(bed.rows(&user("bob"), "select * from v order by 1").await.unwrap(), ["AA", "UA"]);
    let direct = bed.rows(&user("bob"), "select * from flights").await.unwrap_err();
    assert_eq!(direct.kind(), ErrorKind::NotFound);
    // Who may not read the view gets no further through it.
    assert_eq!(bed.rows(&user("eve"), "select * from v").await.unwrap_err().kind(), ErrorKind::NotFound);
    // The plan of the view would name the table.
    let explained = bed.rows(&user("bob"), "explain select * from v").await.unwrap_err();
    assert_eq!(explained.kind(), ErrorKind::Denied);
    assert!(!explained.to_string().contains("flights"));
    assert!(bed.rows(&owner(), "explain select * from v").await.is_ok());
}

#[tokio::test]
async fn a_view_that_may_not_read_its_input_shows_nothing() {
    let bed = flights()
        .model("v", &format!("{VIEW}select carrier from flights"))
        .model("w", &format!("{VIEW}select * from v"))
        .policy(r#"@id("not-v") forbid (principal == Model::"v", action, resource);"#)
        .build();
    for sql in ["select * from v", "select * from w", "with x as (select * from w) select count(*) from x"] {
        let error = bed.rows(&owner(), sql).await.unwrap_err();
        assert!(matches!(error, Error::View { .. }), "{sql}: {error}");
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(!error.to_string().contains("flights"), "{error}");
    }
    assert!(bed.ledger.kinds().iter().all(|kind| matches!(kind, EventKind::Refused { .. })));
}

#[tokio::test]
async fn a_view_inherits_the_strictest_classification_for_policies() {
    let bed = flights()
        .classified("flights", "fare", "restricted")
        .model("v", &format!("{VIEW}select carrier from flights"))
        .policy(
            r#"permit (principal == User::"bob", action == Action::"Read", resource) when { resource.classification == "unclassified" };"#,
        )
        .policy(r#"permit (principal is Model, action == Action::"Read", resource == Table::"flights");"#)
        .build();
    assert!(bed.rows(&user("bob"), "select * from airlines").await.is_ok());
    assert_eq!(bed.rows(&user("bob"), "select * from v").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_table_model_gives_rows_types_and_origins() {
    let bed = flights()
        .classified("flights", "fare", "confidential")
        .model(
            "m",
            &format!(
                "{TABLE}select a.name, count(*) as n, sum(f.fare) as fare, row_number() over (order by a.name) as place,
                 case when max(f.dep_delay) > 5 then 'late' else 'ok' end as verdict, 1 as one
                 from flights f join airlines a on a.carrier = f.carrier group by a.name"
            ),
        )
        .build();
    let name = TableName::new("m").unwrap();
    let run = bed.door.run_model(&owner(), &name).await.unwrap();
    let shown: Vec<String> = run
        .columns
        .iter()
        .map(|column| {
            let inputs: Vec<String> = column.inputs.iter().map(|input| format!("{}.{}", input.table, input.column)).collect();
            let classification = column.classification.as_deref().unwrap_or("-");
            format!("{} {} {} [{}]", column.name, column.data_type, classification, inputs.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "name Utf8 - [airlines.name]",
            "n Int64 - []",
            "fare Decimal128(20, 2) confidential [flights.fare]",
            "place Int64 - [airlines.name]",
            "verdict Utf8 - [flights.dep_delay]",
            "one Int64 - []",
        ]
    );
    let types: Vec<_> = run.columns.iter().map(|column| column.data_type.clone()).collect();
    let batches = run.rows.collect().await.unwrap();
    let given: Vec<_> = batches[0].schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(given, types);
    let events = bed.ledger.take();
    assert_eq!(events[0].actor.as_str(), "model:m");
    assert!(matches!(events[0].kind, EventKind::ReadDecided { allowed: true, .. }));
    assert!(matches!(events[1].kind, EventKind::ReadFinished { rows: 2, complete: true, .. }));
    // Running it is an act of its own.
    assert!(bed.door.run_model(&user("bob"), &name).await.is_err());
    assert!(bed.door.run_model(&owner(), &TableName::new("none").unwrap()).await.is_err());
    // Nothing was stored, so it cannot be read yet.
    let error = bed.rows(&owner(), "select * from m").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn the_origins_of_a_model_are_told_without_reading_a_row() {
    let bed = flights().model("m", &format!("{TABLE}select sum(fare) as fare from flights")).build();
    let name = TableName::new("m").unwrap();
    let columns = bed.door.model_columns(&owner(), &name).await.unwrap();
    let inputs: Vec<String> = columns[0].inputs.iter().map(|input| format!("{}.{}", input.table, input.column)).collect();
    assert_eq!((columns.len(), columns[0].name.as_str(), inputs), (1, "fare", vec!["flights.fare".to_owned()]));
    // What was allowed came to its end; a run whose rows nobody takes does not.
    let kinds = || bed.ledger.take().into_iter().map(|event| event.kind).collect::<Vec<_>>();
    let told = kinds();
    assert!(
        matches!(told[..], [EventKind::ReadDecided { allowed: true, .. }, EventKind::ReadFinished { rows: 0, complete: true, .. }]),
        "{told:?}"
    );
    drop(bed.door.run_model(&owner(), &name).await.unwrap());
    let dropped = kinds();
    assert!(!dropped.iter().any(|kind| matches!(kind, EventKind::ReadFinished { complete: true, .. })), "{dropped:?}");
    // It takes what running it takes, and a refusal is recorded.
    assert!(bed.door.model_columns(&user("bob"), &name).await.is_err());
    let refused = kinds();
    assert!(refused.iter().any(|kind| matches!(kind, EventKind::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_model_without_plain_columns_is_refused() {
    for (select, part) in [
        ("count(*) from flights", "no plain name"),
        ("id, id from flights", "same name"),
        ("id, id as \"ID\" from flights", "twice"),
        ("interval '1 day' as i from flights", "which no table holds"),
        ("make_array(id) as i from flights", "which no table holds"),
        ("null as i from flights", "which no table holds"),
        ("nothing from flights", "nothing"),
    ] {
        let bed = flights().model("m", &format!("{TABLE}select {select}")).build();
        let error = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{select}: {error}");
        assert!(error.to_string().contains(part), "{select}: {error}");
    }
}

#[tokio::test]
async fn a_number_that_does_not_fit_its_stored_type_fails() {
    let bed = flights().model("m", &format!("{TABLE}select arrow_cast(id + 9223372036854775807, 'UInt64') as n from flights")).build();
    let run = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.unwrap();
    assert!(run.rows.collect().await.is_err());
}

#[tokio::test]
async fn restricted_tables_stay_out_of_models() {
    let bed = flights().classified("flights", "fare", "restricted").model("m", &format!("{TABLE}select id from flights")).build();
    let error = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(bed.ledger.kinds().iter().any(|kind| matches!(kind, EventKind::ReadDecided { allowed: false, .. })));
}

#[tokio::test]
async fn origins_go_through_views_to_tables() {
    let bed = flights()
        .model("v", &format!("{VIEW}select carrier, fare * 2 as twice from flights"))
        .model("m", &format!("{TABLE}select twice from v"))
        .build();
    let run = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.unwrap();
    let wanted = BTreeSet::from([ColumnRef { table: "flights".to_owned(), column: "fare".to_owned() }]);
    assert_eq!(run.columns[0].inputs, wanted);
}

#[tokio::test]
async fn no_condition_gets_into_a_view_whose_reader_may_not_read_all_of_it() {
    let bed = flights().model("v", &format!("{VIEW}select id from flights where id < 3")).policy(BOB_READS_V).build();
    let sql = "select id from v where 1 / (id - 3) <= 0 order by id";
    assert_eq!(bed.rows(&user("bob"), sql).await.unwrap(), ["1", "2"]);
    assert_eq!(bed.rows(&user("bob"), "select count(*) from v").await.unwrap(), ["2"]);
    // Who may read the table may have the view's query put into the question's, which is faster, and tells nothing that is not theirs.
    let error = bed.rows(&owner(), sql).await.unwrap_err();
    assert!(error.to_string().contains("division by zero"), "{error}");
}

#[tokio::test]
async fn origins_go_through_a_view_whose_reader_may_not_read_all_of_it() {
    let bed = flights()
        .classified("flights", "fare", "confidential")
        .model("v", &format!("{VIEW}select carrier, fare * 2 as twice from flights"))
        .model("m", &format!("{TABLE}select twice from v"))
        .policy(r#"forbid (principal == Model::"m", action == Action::"Read", resource == Table::"flights");"#)
        .build();
    let run = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.unwrap();
    let wanted = BTreeSet::from([ColumnRef { table: "flights".to_owned(), column: "fare".to_owned() }]);
    assert_eq!((run.columns[0].inputs.clone(), run.columns[0].classification.as_deref()), (wanted, Some("confidential")));
    assert_eq!(run.rows.collect().await.unwrap().iter().map(|batch| batch.num_rows()).sum::<usize>(), 4);
}

#[tokio::test]
async fn a_view_reads_its_table_within_a_recursion_that_is_called_the_same() {
    let recursion = "with recursive flights as (select 0 as id union all select v.id from flights join v on v.id > flights.id)
        select id from flights";
    let view = format!("{VIEW}select id from flights");
    let bed = flights().model("v", &view).model("m", &format!("{TABLE}{recursion}")).build();
    let columns = bed.door.model_columns(&owner(), &TableName::new("m").unwrap()).await.unwrap();
    // Else the column would count as computed from nothing, and as not classified.
    let wanted = BTreeSet::from([ColumnRef { table: "flights".to_owned(), column: "id".to_owned() }]);
    assert_eq!(columns[0].inputs, wanted);
}

#[tokio::test]
async fn what_a_view_compares_in_vain_is_found_though_its_reader_may_not_read_all_of_it() {
    let compared = || {
        flights()
            .classified("flights", "carrier", "under patients")
            .classified("airlines", "carrier", "under staff")
            .model("v", &format!("{VIEW}select f.id from flights f join airlines a on f.carrier = a.carrier"))
            .model("m", &format!("{TABLE}select id from v"))
    };
    let shut = r#"forbid (principal == Model::"m", action == Action::"Read", resource == Table::"flights");"#;
    for bed in [compared().build(), compared().policy(shut).build()] {
        let error = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.err().unwrap();
        assert!(error.to_string().contains("never equal"), "{error}");
    }
}

#[tokio::test]
async fn a_view_that_cannot_be_read_names_nothing_that_it_reads() {
    let forbids = |model: &str| format!(r#"forbid (principal == Model::"{model}", action == Action::"Read", resource);"#);
    for (sql, forbidden, kind) in [
        ("select id from planes", "x", ErrorKind::NotFound),
        ("select id from late", "x", ErrorKind::Invalid),
        ("select nothing from flights", "x", ErrorKind::Invalid),
        ("select id from flights", "v", ErrorKind::Denied),
    ] {
        let bed = flights()
            .model("late", &format!("{TABLE}select id from flights"))
            .model("v", &format!("{VIEW}{sql}"))
            .model("w", &format!("{VIEW}select * from v"))
            .policy(&forbids(forbidden))
            .build();
        for (view, others) in [("v", vec!["planes", "late", "flights"]), ("w", vec!["planes", "late", "flights", "model v", "lineage v"])] {
            let error = bed.rows(&owner(), &format!("select * from {view}")).await.unwrap_err();
            let text = chained(&error);
            assert!(matches!(error, Error::View { .. }) && text.contains(&format!("the model {view} ")), "{sql}: {text}");
            assert_eq!(error.kind(), kind, "{sql}: {text}");
            assert!(!others.iter().any(|other| text.contains(other)), "{sql}: {text}");
        }
    }
}
