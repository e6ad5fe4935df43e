//! Questions with parameters, and what is told of a question before it is answered.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, NullArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema};
use polder_types::{ErrorKind, EventKind, SessionId};

use super::bed::{Bed, BedBuilder, chained, flights, owner, texts, user};
use crate::{Asker, Error, QueryOptions};

/// What no error may hold.
const VALUE: &str = "zugspitze";

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn int(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn float(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

fn null() -> ArrayRef {
    Arc::new(NullArray::new(1))
}

fn with(values: Vec<ArrayRef>) -> QueryOptions {
    let parameters = match values.is_empty() {
        true => RecordBatch::new_empty(Arc::new(Schema::empty())),
        false => {
            let named = values.into_iter().enumerate().map(|(place, value)| (format!("${}", place + 1), value, true));
            RecordBatch::try_from_iter_with_nullable(named).unwrap()
        }
    };
    QueryOptions { parameters: Some(parameters), ..QueryOptions::default() }
}

async fn ask(bed: &Bed, asker: &Asker, sql: &str, options: &QueryOptions) -> Result<Vec<String>, Error> {
    let answer = bed.door.query(asker, sql, options).await?;
    let schema = answer.schema();
    let batches = answer.collect().await?;
    assert!(batches.iter().all(|batch| batch.schema() == schema), "{sql}");
    Ok(texts(&batches).into_iter().map(|row| row.join(" ")).collect())
}

#[tokio::test]
async fn a_parameter_stands_for_a_constant_of_each_type() {
    let bed = flights().build();
    for (sql, values, wanted) in [
        ("select id from flights where id = $1", vec![int(3)], vec!["3"]),
        ("select id from flights where id = $1", vec![text("3")], vec!["3"]),
        ("select id from flights where id = $1", vec![Arc::new(Int32Array::from(vec![3])) as ArrayRef], vec!["3"]),
        ("select id from flights where carrier = $1 order by id", vec![text("UA")], vec!["1", "3"]),
        ("select id from flights where dep_delay > $1 order by id", vec![float(2.0)], vec!["1", "4"]),
        ("select id from flights where fare = $1", vec![text("100.05")], vec!["1"]),
        ("select id from flights where day >= $1 order by id", vec![text("2013-01-02")], vec!["3", "4"]),
        ("select id from flights where day = $1::date order by id", vec![text("2013-01-01")], vec!["1", "2"]),
        ("select count(*) from flights where cast(day as timestamp) < $1", vec![text("2013-01-02T00:00:00")], vec!["2"]),
        ("select count(*) from flights where (dep_delay > 3) = $1", vec![Arc::new(BooleanArray::from(vec![true])) as ArrayRef], vec!["1"]),
        ("select id from flights where id between $1 and $2 order by id", vec![int(2), int(3)], vec!["2", "3"]),
        ("select id from flights where id in ($2, $1) order by id", vec![int(4), int(1)], vec!["1", "4"]),
        ("select id from flights where carrier like $1 order by id", vec![text("U%")], vec!["1", "3"]),
        ("select id from flights order by id limit $1 offset $2", vec![int(1), text("2")], vec!["3"]),
        ("select id from flights at version 0 where id > $1", vec![int(2)], vec!["3"]),
        ("with f as (select id from flights where id < $1) select count(*) from f where id > $2", vec![int(4), int(1)], vec!["2"]),
        ("select count(*) from flights where id = (select max(id) from flights where id < $1)", vec![int(3)], vec!["1"]),
        ("select count(*) from flights having count(*) > $1", vec![int(3)], vec!["4"]),
        ("select $1", vec![text("x")], vec!["x"]),
        ("select $1 || '!', upper($1)", vec![text("x")], vec!["x! X"]),
        ("select coalesce(carrier, $1) from flights where id = 4", vec![text("none")], vec!["none"]),
        ("select count(*) from flights", vec![], vec!["4"]),
    ] {
        let rows = ask(&bed, &owner(), sql, &with(values)).await.unwrap_or_else(|error| panic!("{sql}: {}", chained(&error)));
        assert_eq!(rows, wanted, "{sql}");
    }
    // A type that is said comes before one that is worked out.
    let said = |data_type| QueryOptions { parameter_types: vec![Some(data_type)], ..with(vec![text("3")]) };
    assert_eq!(ask(&bed, &owner(), "select arrow_typeof($1)", &said(DataType::Int16)).await.unwrap(), ["Int16"]);
    assert_eq!(ask(&bed, &owner(), "select $1 + 1", &said(DataType::Int32)).await.unwrap(), ["4"]);
}

#[tokio::test]
async fn a_parameter_may_be_null() {
    let bed = flights().build();
    for (sql, wanted) in [
        ("select count(*) from flights where id = $1", "0"),
        ("select count(*) from flights where $1 is null or id = $1", "4"),
        ("select count(*) from flights where id in ($1, 1)", "1"),
        ("select count(*) from (select id from flights limit $1)", "4"),
        ("select $1", "NULL"),
    ] {
        assert_eq!(ask(&bed, &owner(), sql, &with(vec![null()])).await.unwrap(), [wanted], "{sql}");
        let typed: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
        assert_eq!(ask(&bed, &owner(), sql, &with(vec![typed])).await.unwrap(), [wanted], "{sql}");
    }
}

#[tokio::test]
async fn a_value_is_never_read_as_sql() {
    let bed = flights().build();
    for attempt in [
        "x' or '1'='1",
        "UA' --",
        "'; drop table flights; --",
        "UA' union select name from airlines --",
        "$1",
        "(select max(carrier) from flights)",
        "carrier",
        "\\",
        "\"carrier\"",
        "UA\u{0}",
    ] {
        let rows = ask(&bed, &owner(), "select count(*) from flights where carrier = $1", &with(vec![text(attempt)])).await.unwrap();
        assert_eq!(rows, ["0"], "{attempt}");
        assert_eq!(ask(&bed, &owner(), "select $1", &with(vec![text(attempt)])).await.unwrap(), [attempt]);
        let error = ask(&bed, &owner(), "select id from flights where id = $1", &with(vec![text(attempt)])).await.unwrap_err();
        assert!(matches!(error, Error::Parameter(_)), "{attempt}: {error}");
        // Where a name or a keyword stands, none can stand for it.
        for sql in ["select * from $1", "select id from flights order by id $1", "select id from flights at version $1"] {
            assert!(ask(&bed, &owner(), sql, &with(vec![text(attempt)])).await.is_err(), "{sql}");
        }
    }
    // The control.
    assert_eq!(ask(&bed, &owner(), "select count(*) from flights where carrier = $1", &with(vec![text("UA")])).await.unwrap(), ["2"]);
}

/// Bob sees person 1, and of the number its last four characters.
fn people() -> Bed {
    let table = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
        ("ward", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("ssn", Arc::new(StringArray::from(vec!["111-22-3333", "444-55-6666"]))),
    ])
    .unwrap();
    BedBuilder::new()
        .table("people", vec![table])
        .policy(r#"permit (principal == User::"bob", action == Action::"ReadRow", resource is Row::people) when { resource.ward == "a" };"#)
        .policy(r#"permit (principal == User::"bob", action == Action::"ReadColumn", resource == Column::"people.id");"#)
        .policy(r#"@mask("last4") permit (principal == User::"bob", action == Action::"ReadMasked", resource == Column::"people.ssn");"#)
        .build()
}

#[tokio::test]
async fn a_parameter_is_compared_with_what_is_shown() {
    let (bed, bob) = (people(), user("bob"));
    let count = "select count(*) from people where ssn = $1";
    for (asker, sql, value, wanted) in [
        (&bob, count, text("111-22-3333"), "0"),
        (&bob, count, text("***3333"), "1"),
        (&bob, "select count(*) from people where ssn like $1", text("%22%"), "0"),
        (&bob, "select count(*) from people where id >= $1", int(0), "1"),
        (&bob, "select count(*) from people where 1 / (id - $1) = 0", int(2), "0"),
        (&owner(), count, text("111-22-3333"), "1"),
    ] {
        assert_eq!(ask(&bed, asker, sql, &with(vec![value])).await.unwrap(), [wanted], "{sql}");
    }
    // The control: on the hidden row it fails.
    let error = ask(&bed, &owner(), "select count(*) from people where 1 / (id - $1) = 0", &with(vec![int(2)])).await.unwrap_err();
    assert!(error.to_string().contains("division by zero"), "{error}");
    let hidden = "select id from people where ward = $1";
    let asked = ask(&bed, &bob, hidden, &with(vec![text("b")])).await.unwrap_err();
    let described = bed.door.describe(&bob, hidden, &QueryOptions::default()).await.unwrap_err();
    let constant = bed.rows(&bob, "select id from people where ward = 'b'").await.unwrap_err();
    assert_eq!((asked.to_string(), described.to_string()), (constant.to_string(), constant.to_string()));
}

#[tokio::test]
async fn no_error_holds_a_value() {
    let bed = flights().build();
    let regex = format!("({VALUE}");
    for (sql, value) in [
        ("select id from flights where id = $1", text(VALUE)),
        ("select cast($1 as int)", text(VALUE)),
        ("select cast($1 || '' as int)", text(VALUE)),
        ("select cast($1 || carrier as int) from flights", text(VALUE)),
        ("select id from flights where day = $1", text(VALUE)),
        ("select id from flights where day < to_timestamp($1)", text(VALUE)),
        ("select id from flights limit $1", text(VALUE)),
        ("select date_part($1, day) from flights", text(VALUE)),
        ("select arrow_cast(id, $1) from flights", text(VALUE)),
        ("select id from flights where regexp_like(carrier, $1)", text(&regex)),
        ("select id, $1 from flights", text(&VALUE.repeat(10_000))),
        ("select id from flights where id = $1 and id = $2", text(VALUE)),
        ("select nothing from flights where carrier = $1", text(VALUE)),
    ] {
        bed.ledger.take();
        let error = ask(&bed, &owner(), sql, &with(vec![value])).await.expect_err(sql);
        let said = format!("{}\n{error:?}", chained(&error));
        assert!(!said.contains(VALUE), "{sql}: {said}");
        for event in bed.ledger.take() {
            let message = event.private.0.get("message").cloned().unwrap_or_default();
            assert!(!message.contains(VALUE), "{sql}: {message}");
        }
    }
    for limit in [-1, i64::MIN] {
        let error = ask(&bed, &owner(), "select id from flights limit $1", &with(vec![int(limit)])).await.unwrap_err();
        assert!(!error.to_string().contains(&limit.to_string()), "{error}");
    }
}

#[tokio::test]
async fn as_many_values_are_given_as_there_are_parameters() {
    let bed = flights().build();
    let sql = "select id from flights where id > $1 and id < $2";
    for (values, wanted) in [
        (vec![], "bind parameters: the question has 2 parameters and 0 were given; give one for each of $1, $2 and so on"),
        (vec![int(1)], "bind parameters: the question has 2 parameters and 1 were given; give one for each of $1, $2 and so on"),
        (vec![int(1); 3], "bind parameters: the question has 2 parameters and 3 were given; give one for each of $1, $2 and so on"),
    ] {
        let error = ask(&bed, &owner(), sql, &with(values)).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), (wanted, ErrorKind::Invalid));
    }
    let two: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let error = ask(&bed, &owner(), sql, &with(vec![Arc::clone(&two), two])).await.unwrap_err();
    assert_eq!(error.to_string(), "bind parameters: 2 rows of values were given; give one");
    assert_eq!(ask(&bed, &owner(), sql, &with(vec![int(1), int(3)])).await.unwrap(), ["2"]);
    // Without values there are no parameters, and with them no other names for them.
    assert_eq!(bed.rows(&owner(), sql).await.unwrap_err().kind(), ErrorKind::Denied);
    for other in ["$from", "$0", "$01"] {
        let error = ask(&bed, &owner(), &format!("select {other}"), &with(vec![int(1)])).await.unwrap_err();
        assert_eq!(error.to_string(), format!("answer query: {other} is no parameter; parameters are $1, $2 and so on"));
    }
}

#[tokio::test]
async fn a_description_is_that_of_the_answer() {
    let bed = flights().model("v", "-- polder: materialized = view\nselect id, carrier from flights where id < 3").build();
    for (sql, values, types) in [
        ("select * from flights", vec![], vec![]),
        ("select id from flights where id = $1", vec![int(3)], vec![DataType::Int64]),
        ("select $1 as a, id + $2 as b from flights", vec![text("x"), null()], vec![DataType::Utf8, DataType::Int64]),
        (
            "select f.id, a.name from flights f left join airlines a on f.carrier = a.carrier and a.name <> $1",
            vec![text("Delta")],
            vec![DataType::Utf8],
        ),
        (
            "select id, $1 as n from flights where id = $2 union all select 7, 'x'",
            vec![text("y"), int(-1)],
            vec![DataType::Utf8, DataType::Int64],
        ),
        (
            "select carrier, sum(fare), count(*) from flights where day > $1 group by carrier",
            vec![text("2013-01-01")],
            vec![DataType::Date32],
        ),
        ("select * from v where id > $1 limit $2", vec![int(0), int(1)], vec![DataType::Int64, DataType::Int64]),
        ("select case when $1 is null then 1 else null end as n", vec![null()], vec![DataType::Utf8]),
        ("select case when $1 is null then 1 else null end as n", vec![text("a")], vec![DataType::Utf8]),
        ("select rank() over (order by fare), $1 from flights", vec![text("a")], vec![DataType::Utf8]),
        ("explain select id from flights where id = $1", vec![int(3)], vec![DataType::Int64]),
        ("select 1, 'a', null", vec![], vec![]),
    ] {
        bed.ledger.take();
        let described = bed.door.describe(&owner(), sql, &QueryOptions::default()).await;
        let described = described.unwrap_or_else(|error| panic!("{sql}: {}", chained(&error)));
        let events = bed.ledger.take();
        let [EventKind::ReadDecided { allowed: true, .. }, EventKind::ReadFinished { rows: 0, complete: true, bytes: Some(0), .. }] =
            [&events[0].kind, &events[1].kind]
        else {
            panic!("{sql}: {events:?}")
        };
        assert_eq!(described.parameters, types, "{sql}");
        let mut asked = vec![with(values)];
        if types.is_empty() {
            asked.push(QueryOptions { as_described: true, ..QueryOptions::default() });
        }
        for options in asked {
            let answer = bed.door.query(&owner(), sql, &options).await.unwrap();
            assert_eq!(answer.schema(), described.schema, "{sql}");
            let batches = answer.collect().await.unwrap_or_else(|error| panic!("{sql}: {}", chained(&error)));
            assert!(batches.iter().all(|batch| batch.schema() == described.schema), "{sql}");
        }
    }
}

#[tokio::test]
async fn a_description_is_refused_as_the_question_is() {
    let bed = flights().policy(r#"permit (principal == User::"bob", action == Action::"Describe", resource == Table::"flights");"#).build();
    for asker in [user("bob"), user("eve")] {
        for sql in ["select id from flights", "select id from planes", "drop table flights", "select", "select random()"] {
            bed.ledger.take();
            let asked = bed.rows(&asker, sql).await.unwrap_err();
            let of_question = bed.ledger.take();
            let described = bed.door.describe(&asker, sql, &QueryOptions::default()).await.unwrap_err();
            let of_description = bed.ledger.take();
            assert_eq!((asked.to_string(), asked.kind()), (described.to_string(), described.kind()), "{sql}");
            let kinds = |events: &[polder_types::Event]| events.iter().map(|event| std::mem::discriminant(&event.kind)).collect::<Vec<_>>();
            assert_eq!(kinds(&of_question), kinds(&of_description), "{sql}");
        }
    }
}

#[tokio::test]
async fn a_value_does_not_decide_about_a_type() {
    let bed = flights().build();
    let sql = "select arrow_cast(id, $1) from flights";
    assert_eq!(ask(&bed, &owner(), sql, &with(vec![text("Int16")])).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(bed.door.describe(&owner(), sql, &QueryOptions::default()).await.unwrap_err().kind(), ErrorKind::Invalid);
    // The control: as a constant it does.
    assert_eq!(bed.rows(&owner(), "select arrow_cast(id, 'Int16') from flights where id = 1").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn what_was_asked_with_is_recorded() {
    let bed = flights().build();
    let session = SessionId([9; 16]);
    let options = QueryOptions { session: Some(session), ..with(vec![text("UA"), null()]) };
    ask(&bed, &owner(), "select count(*) from flights where carrier = $1 or id = $2", &options).await.unwrap();
    let events = bed.ledger.take();
    assert!(matches!(events[0].kind, EventKind::ReadDecided { session: Some(of), .. } if of == session), "{events:?}");
    assert_eq!(events[0].private.0["parameters"], "$1 = UA, $2 = NULL");
    let denied = bed.door.query(&user("eve"), "select * from flights", &options).await;
    assert!(denied.is_err());
    assert!(matches!(bed.ledger.take()[0].kind, EventKind::ReadDecided { allowed: false, session: Some(_), .. }));
}

#[tokio::test]
async fn a_question_of_no_table_is_decided_and_recorded_too() {
    let bed = flights().build();
    assert_eq!(ask(&bed, &user("eve"), "select 1, $1", &with(vec![text("a")])).await.unwrap(), ["1 a"]);
    let kinds = bed.ledger.kinds();
    assert!(matches!(&kinds[0], EventKind::ReadDecided { datasets, allowed: true, .. } if datasets.is_empty()), "{kinds:?}");
    assert!(matches!(kinds[1], EventKind::ReadFinished { rows: 1, complete: true, .. }), "{kinds:?}");
}
