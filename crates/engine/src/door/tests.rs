use std::sync::atomic::Ordering;

use datafusion::execution::SessionStateDefaults;
use futures::StreamExt as _;
use polder_types::{ErrorKind, EventKind};

use super::functions::Allowed;
use super::*;
use crate::tests::bed::{Bed, chained, files, flights, owner, user};

const CASES: &str = include_str!("../../tests/door/refused.txt");

/// `kind sql` lines; `{dir}` is a directory with a file `secret.csv`.
fn cases(dir: &str) -> Vec<(ErrorKind, String)> {
    let kind = |word: &str| match word {
        "denied" => ErrorKind::Denied,
        "invalid" => ErrorKind::Invalid,
        "not_found" => ErrorKind::NotFound,
        other => panic!("{other}"),
    };
    CASES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(word, sql)| (kind(word), sql.trim().replace("{dir}", dir)))
        .collect()
}

fn bed_with_secret() -> (Bed, String) {
    let bed = flights().build();
    let outside = bed.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret.csv"), "word\nhidden-word\n").unwrap();
    let dir = outside.to_str().unwrap().to_owned();
    (bed, dir)
}

#[tokio::test]
async fn an_owner_gets_nothing_but_tables_through_the_door() {
    let (bed, dir) = bed_with_secret();
    let cases = cases(&dir);
    assert!(cases.len() >= 120, "{}", cases.len());
    let mut others = Vec::new();
    for (kind, sql) in cases {
        let error = match bed.batches(&owner(), &sql).await {
            Err(error) => error,
            Ok(_) => panic!("answered: {sql}"),
        };
        if error.kind() != kind {
            others.push(format!("{} instead of {}: {sql}: {error}", error.kind().name(), kind.name()));
        }
        let kind = error.kind();
        assert!(!error.to_string().contains("hidden-word"));
        let last = bed.ledger.take().pop().unwrap();
        match last.kind {
            EventKind::Refused { error, .. } => assert_eq!(error, kind.name(), "{sql}"),
            EventKind::ReadFinished { complete: false, rows: 0, .. } => assert_eq!(kind, ErrorKind::Invalid, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
        assert_eq!(last.actor, owner().principal);
        assert_eq!(files(dir.as_ref()).len(), 1, "{sql} wrote a file");
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
    // The control: the same door answers a query, and the file that was asked for is there to be read.
    assert_eq!(bed.rows(&owner(), "select count(*) from flights").await.unwrap(), ["4"]);
    assert!(std::fs::read_to_string(format!("{dir}/secret.csv")).unwrap().contains("hidden-word"));
}

#[tokio::test]
async fn nothing_gets_in_by_being_wrapped() {
    let (bed, dir) = bed_with_secret();
    for (_, sql) in cases(&dir) {
        let wrapped = [
            format!("explain {sql}"),
            format!("with w as ({sql}) select * from w"),
            format!("select * from ({sql}) as w"),
            format!("select (select count(*) from ({sql}) as w)"),
            format!("select 1 where exists ({sql})"),
            format!("select id from flights union all {sql}"),
            format!("({sql})"),
            format!("select 1; {sql}"),
        ];
        for text in wrapped {
            assert!(bed.batches(&owner(), &text).await.is_err(), "answered: {text}");
        }
        let header = "-- polder: materialized = view\n";
        if let Ok(models) = Models::load(&[("models/m.sql".to_owned(), format!("{header}{sql}"))]) {
            let door = Door { ports: DoorPorts { models: Arc::new(models), ..bed.door.ports.clone() }, ..bed.door.clone() };
            let viewed = match door.query(&owner(), "select * from m", &QueryOptions::default()).await {
                Ok(answer) => answer.collect().await.map(|_| ()),
                Err(error) => Err(error),
            };
            assert!(viewed.is_err(), "answered in a view: {sql}");
            let run = match door.run_model(&owner(), &TableName::new("m").unwrap()).await {
                Ok(run) => run.rows.collect().await.map(|_| ()),
                Err(error) => Err(error),
            };
            assert!(run.is_err(), "answered in a model: {sql}");
        }
        assert_eq!(files(dir.as_ref()).len(), 1, "{sql} wrote a file");
    }
}

/// The control of the test before: a query wrapped in the same ways is answered.
#[tokio::test]
async fn a_query_is_answered_however_it_is_wrapped() {
    let sql = "select id from flights where id = 4";
    let model = format!("-- polder: materialized = view\n{sql}");
    let bed = flights().model("m", &model).build();
    for (text, wanted) in [
        (format!("with w as ({sql}) select * from w"), "4"),
        (format!("select * from ({sql}) as w"), "4"),
        (format!("select (select count(*) from ({sql}) as w)"), "1"),
        (format!("select 1 where exists ({sql})"), "1"),
        (format!("select id from flights where id > 4 union all {sql}"), "4"),
        (format!("({sql})"), "4"),
        (format!("{sql};"), "4"),
        ("select * from m".to_owned(), "4"),
    ] {
        assert_eq!(bed.rows(&owner(), &text).await.unwrap(), [wanted], "{text}");
    }
    assert!(!bed.rows(&owner(), &format!("explain {sql}")).await.unwrap().is_empty());
    let run = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.unwrap();
    assert_eq!(crate::tests::bed::texts(&run.rows.collect().await.unwrap()), [["4"]]);
}

/// A stack that ends takes the whole process with it, so this test would not fail but abort.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deepest_queries_that_are_taken_are_computed() {
    let joins = |count: usize| (1..=count).map(|n| format!("join flights a{n} on a{n}.id = a{}.id ", n - 1)).collect::<String>();
    let steps = |count: usize, sum: &str| {
        let steps: String = (1..=count).map(|n| format!(", a{n} as (select x {sum} as x from a{})", n - 1)).collect();
        format!("with a0 as (select 1 as x) {steps} select * from a{count}")
    };
    let within = [
        format!("select id {} from flights", "+ 1 ".repeat(490)),
        format!("select id {}, count(*) from flights group by 1", "- 1 ".repeat(490)),
        format!("select dep_delay {} from flights", "+ cast(1 as double) ".repeat(480)),
        format!("select carrier {} from flights", "|| carrier ".repeat(490)),
        format!("select id from flights where id = 4 {}", "or id = 3 ".repeat(240)),
        format!("select id from flights {}", "union all select id from flights ".repeat(99)),
        format!("select count(*) from flights a0 {}", joins(60)),
        format!("select count(*) from (values (1)) a0 {}", (1..95).map(|n| format!(", (values (1)) a{n}")).collect::<String>()),
        steps(98, ""),
        steps(15, &"+ 1 ".repeat(40)),
    ];
    let beyond = [
        format!("select id {} from flights", "+ 1 ".repeat(510)),
        format!("select id from flights {}", "union all select id from flights ".repeat(200)),
        format!("select count(*) from flights a0 {}", joins(200)),
        format!("select count(*) from flights a0 {}", ", flights".repeat(200)),
        steps(200, ""),
        steps(15, &"+ 1 ".repeat(200)),
    ];
    let bed = flights().build();
    for sql in within {
        let rows = bed.rows(&owner(), &sql).await;
        assert!(rows.as_ref().is_ok_and(|rows| !rows.is_empty()), "{}: {rows:?}", &sql[..80]);
    }
    for sql in beyond {
        let error = bed.rows(&owner(), &sql).await.unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{}: {error}", &sql[..80]);
    }
}

/// Views within views add up to one plan.
#[tokio::test]
async fn the_levels_of_views_add_up() {
    let sum = "+ cast(1 as double) ".repeat(100);
    let of = |from: &str| format!("-- polder: materialized = view\nselect dep_delay {sum} as dep_delay from {from}");
    let bed =
        (1..=20).fold(flights().model("v0", &of("flights")), |bed, n| bed.model(&format!("v{n}"), &of(&format!("v{}", n - 1)))).build();
    assert_eq!(bed.rows(&owner(), "select min(dep_delay) from v3").await.unwrap(), ["396.0"]);
    assert_eq!(bed.rows(&owner(), "select dep_delay from v20").await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn every_function_of_the_engine_is_decided() {
    let allowed = Allowed::new();
    let mut undecided = Vec::new();
    for function in SessionStateDefaults::default_scalar_functions() {
        if allowed.scalar(function.name()) == allowed.denied(function.name()) {
            undecided.push(format!("scalar {}", function.name()));
        }
        // An alias reaches the same function, so it must not be listed as if it were another.
        undecided.extend(function.aliases().iter().filter(|alias| allowed.denied(alias) && allowed.scalar(function.name())).cloned());
    }
    for function in SessionStateDefaults::default_aggregate_functions() {
        if allowed.aggregate(function.name()) == allowed.denied(function.name()) {
            undecided.push(format!("aggregate {}", function.name()));
        }
    }
    for function in SessionStateDefaults::default_window_functions() {
        if allowed.window(function.name()) == allowed.denied(function.name()) {
            undecided.push(format!("window {}", function.name()));
        }
    }
    for function in SessionStateDefaults::default_higher_order_functions() {
        if !allowed.denied(function.name()) {
            undecided.push(format!("higher-order {}", function.name()));
        }
    }
    assert!(undecided.is_empty(), "list them in functions.txt: {undecided:?}");
}

#[tokio::test]
async fn a_session_knows_no_store_but_the_sealed_one() {
    let bed = flights().build();
    let runtime = bed.door.session.runtime_env();
    for url in ["file:///etc/passwd", "s3://bucket/x", "https://example.org/x", "gs://b/x", "az://b/x", "memory:///x"] {
        assert!(runtime.object_store_registry.get_store(&url.parse().unwrap()).is_err(), "{url}");
    }
    let store = runtime.object_store_registry.get_store(&"sealed://lake/".parse().unwrap()).unwrap();
    runtime.register_object_store(&"file:///".parse().unwrap(), store);
    assert!(runtime.object_store_registry.get_store(&"file:///x".parse().unwrap()).is_err());
    assert!(bed.door.session.table_functions().is_empty());
    assert!(bed.door.session.table_factories().is_empty());
}

#[tokio::test]
async fn who_may_not_know_of_a_table_hears_what_a_missing_one_says() {
    let bed = flights()
        .policy(r#"permit (principal == User::"bob", action == Action::"Describe", resource == Table::"flights");"#)
        .policy(r#"permit (principal == User::"eve", action == Action::"Read", resource == Table::"airlines");"#)
        .build();
    let known = bed.rows(&user("bob"), "select * from flights").await.unwrap_err();
    assert_eq!(known.kind(), ErrorKind::Denied);
    let hidden = bed.rows(&user("eve"), "select * from flights").await.unwrap_err();
    let missing = bed.rows(&user("eve"), "select * from planes").await.unwrap_err();
    assert_eq!(hidden.to_string().replace("flights", "planes"), missing.to_string());
    assert_eq!((hidden.kind(), missing.kind()), (ErrorKind::NotFound, ErrorKind::NotFound));
    bed.ledger.take();
    for sql in [
        "select * from airlines, flights",
        "with x as (select * from flights) select * from airlines",
        "select * from airlines where carrier in (select carrier from flights)",
        "select (select count(*) from flights) from airlines",
        "select carrier from airlines union select carrier from flights",
        "select * from airlines where exists (select 1 from flights)",
        "select * from flights at version 0",
        "explain select * from flights",
        "select 1 from airlines order by (select count(*) from flights)",
        "select carrier from airlines group by carrier having count(*) > (select count(*) from flights)",
    ] {
        let error = bed.rows(&user("eve"), sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{sql}");
        let events = bed.ledger.take();
        assert!(matches!(events[0].kind, EventKind::ReadDecided { allowed: false, .. }), "{sql}");
        assert!(matches!(events[1].kind, EventKind::Refused { .. }), "{sql}");
        assert_eq!(events.len(), 2);
    }
    assert!(bed.rows(&user("eve"), "select * from airlines").await.is_ok());
}

#[tokio::test]
async fn a_read_leaves_its_decision_and_its_end() {
    let bed = flights().build();
    bed.rows(&owner(), "select * from flights at version 0").await.unwrap();
    let events = bed.ledger.take();
    let [decided, finished] = events.as_slice() else { panic!("{events:?}") };
    let EventKind::ReadDecided { request, datasets, allowed: true, policies, session: None, .. } = &decided.kind else { panic!() };
    assert_eq!((datasets.len(), policies.as_slice()), (1, ["owners-may-do-everything".to_owned()].as_slice()));
    assert_eq!(decided.private.0["sql"], "select * from flights at version 0");
    let EventKind::ReadFinished { request: ended, rows: 3, complete: true, bytes: Some(bytes) } = finished.kind else { panic!() };
    // Three rows of five columns are no page of a file.
    assert!(ended == *request && (100..1_000).contains(&bytes), "{bytes}");

    // A reader that goes away.
    let mut answer = bed.door.query(&owner(), "select * from flights", &QueryOptions::default()).await.unwrap();
    let request = answer.request();
    answer.next().await.unwrap().unwrap();
    drop(answer);
    while bed.ledger.kinds().len() < 2 {
        tokio::task::yield_now().await;
    }
    let EventKind::ReadFinished { request: ended, rows: 4, complete: false, bytes: Some(1..) } = bed.ledger.kinds()[1] else { panic!() };
    assert_eq!(ended, request);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_read() {
    let bed = flights().build();
    bed.ledger.broken.store(true, Ordering::SeqCst);
    for sql in ["select * from flights", "select 1", "drop table flights", "select * from planes"] {
        let error = bed.rows(&owner(), sql).await.unwrap_err();
        assert!(matches!(error, Error::Record(_)), "{sql}: {error}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    bed.ledger.broken.store(false, Ordering::SeqCst);
    let answer = bed.door.query(&owner(), "select * from flights", &QueryOptions::default()).await.unwrap();
    bed.ledger.broken.store(true, Ordering::SeqCst);
    // The end of an answer is part of it.
    assert!(matches!(answer.collect().await, Err(Error::Record(_))));
}

#[tokio::test]
async fn versions_come_from_the_text_or_beside_it() {
    let bed = flights().build();
    let beside =
        |table: &str, version| QueryOptions { versions: [(TableName::new(table).unwrap(), version)].into(), ..QueryOptions::default() };
    let count = async |sql: &str, options: QueryOptions| -> Result<String, Error> {
        let batches = bed.door.query(&owner(), sql, &options).await?.collect().await?;
        Ok(crate::tests::bed::texts(&batches)[0].join(" "))
    };
    let none = QueryOptions::default;
    assert_eq!(count("select count(*) from flights", none()).await.unwrap(), "4");
    assert_eq!(count("select count(*) from flights", beside("flights", 0)).await.unwrap(), "3");
    assert_eq!(count("select count(*) from flights at version 1", beside("flights", 0)).await.unwrap(), "4");
    assert_eq!(count("select count(*) from flights at version 9", none()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(count("select 1", beside("flights", 0)).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn explain_shows_no_path_and_no_key() {
    let bed = flights().build();
    let plan = bed
        .rows(&owner(), "explain select name, sum(fare) from flights join airlines using (carrier) group by name")
        .await
        .unwrap()
        .join("\n");
    assert!(plan.contains("TableScan: flights"), "{plan}");
    for hidden in ["sealed://", "/", "partition", "file", "parquet"] {
        assert!(!plan.to_lowercase().contains(hidden), "{hidden}: {plan}");
    }
}

#[tokio::test]
async fn error_texts() {
    let bed = flights()
        .model("v", "-- polder: materialized = view\nselect nothing from flights")
        .model("m", "-- polder: materialized = table\nselect id from flights")
        .policy(r#"permit (principal == User::"bob", action == Action::"Describe", resource);"#)
        .build();
    let mut texts = Vec::new();
    for sql in [
        "",
        "selec 1",
        "select * from",
        "select 'a",
        "drop table flights",
        "select 1; select 2",
        "explain analyze select 1",
        "select * from read_csv('x')",
        "select * from 'x.csv'",
        "select * from public.flights",
        "select random()",
        "select nosuchfunction(1)",
        "select $1",
        "select nothing from flights",
        "select sum(carrier) from flights",
        "select (select max(a.name || f.day) from airlines a where a.carrier = f.carrier) from flights f",
        "select id, (select name from airlines a where a.carrier = f.carrier) from flights f",
        "select id from flights, airlines where carrier = 'AA'",
        "select id, count(*) from flights",
        "select 1 union select 1, 2",
        "select * from planes",
        "select * from v",
        "select * from m",
        "select * from v at version 1",
        "select * from flights at version x",
        "select * from flights at version 7",
        "select id / 0 from flights",
        "select cast(carrier as int) from flights",
        "select id + 9223372036854775807 from flights",
        "select (select id from flights)",
    ] {
        let error = bed.rows(&owner(), sql).await.unwrap_err();
        texts.push(format!("{sql}\n  [{}] {}", error.kind().name(), chained(&error)));
    }
    let error = bed.rows(&user("bob"), "select * from flights").await.unwrap_err();
    texts.push(format!("as bob\n  [{}] {}", error.kind().name(), chained(&error)));
    assert!(texts.iter().all(|text| !text.contains("UA")), "an error quotes a value of a row");
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_door_with_too_little_memory_says_how_much_it_needs() {
    let ports = flights().build().door.ports.clone();
    let door = |memory_bytes: usize| Door::new(ports.clone(), &DoorOptions { memory_bytes, target_partitions: 8 });
    assert!(door(16 << 20).is_ok());
    let error = door((16 << 20) - 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "open the SQL door: queries need at least 16 MiB of memory; give more with --memory-mib");
}
