use polder_types::TableName;

use crate::tests::bed::{flights, owner};

/// The origins of each column of a query, as a model would have them.
async fn origins(sql: &str) -> Vec<String> {
    let bed = flights().model("m", &format!("-- polder: materialized = table\n{sql}")).build();
    let run = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    run.columns
        .iter()
        .map(|column| {
            let inputs: Vec<String> = column.inputs.iter().map(|input| format!("{}.{}", input.table, input.column)).collect();
            format!("{}={}", column.name, inputs.join("+"))
        })
        .collect()
}

#[tokio::test]
async fn every_kind_of_node_is_followed() {
    let cases: [(&str, &[&str]); 22] = [
        ("select id as a, 1 as b, fare + dep_delay as c from flights", &["a=flights.id", "b=", "c=flights.dep_delay+flights.fare"]),
        ("select carrier from flights where fare > 3 order by day limit 2", &["carrier=flights.carrier"]),
        ("select max(fare) as m, count(*) as n from flights group by carrier", &["m=flights.fare", "n="]),
        ("select sum(fare) filter (where id > 1) as m from flights", &["m=flights.fare+flights.id"]),
        (
            "select carrier, day, sum(fare) as s from flights group by rollup (carrier, day)",
            &["carrier=flights.carrier", "day=flights.day", "s=flights.fare"],
        ),
        ("select grouping(carrier) as g, count(*) as n from flights group by cube (carrier, day)", &["g=", "n="]),
        ("select distinct carrier from flights", &["carrier=flights.carrier"]),
        ("select distinct on (carrier) carrier, id from flights order by carrier, id", &["carrier=flights.carrier", "id=flights.id"]),
        ("select f.id, a.name from flights f left join airlines a on a.carrier = f.carrier", &["id=flights.id", "name=airlines.name"]),
        ("select a.name from airlines a where exists (select 1 from flights f where f.carrier = a.carrier)", &["name=airlines.name"]),
        ("select name from airlines left semi join flights on airlines.carrier = flights.carrier", &["name=airlines.name"]),
        ("select carrier as c from flights union all select name from airlines", &["c=airlines.name+flights.carrier"]),
        ("select carrier as c from flights union select name from airlines", &["c=airlines.name+flights.carrier"]),
        ("select carrier from flights intersect select carrier from airlines", &["carrier=flights.carrier"]),
        ("select (select max(name) from airlines) as n from flights", &["n=airlines.name"]),
        (
            "select (select max(a.name) from airlines a where a.carrier = f.carrier) || f.day as n from flights f",
            &["n=airlines.name+flights.day"],
        ),
        (
            "select case when (select max(name) from airlines) > 'A' then carrier end as k from flights",
            &["k=airlines.name+flights.carrier"],
        ),
        ("select sum(fare) over (partition by carrier order by day) as s from flights", &["s=flights.carrier+flights.day+flights.fare"]),
        ("select unnest(make_array(id, fare)) as u, day from flights", &["u=flights.fare+flights.id", "day=flights.day"]),
        (
            "with x as (select id, fare as f from flights) select y.f, x.id from x join x as y on x.id = y.id",
            &["f=flights.fare", "id=flights.id"],
        ),
        (
            "with recursive r as (select id, carrier, id as other from flights union all select other, carrier, id + 1 from r where id < 3) select * from r",
            &["id=flights.id", "carrier=flights.carrier", "other=flights.id"],
        ),
        ("select * from (values (1, 'x')) as t(a, b)", &["a=", "b="]),
    ];
    for (sql, wanted) in cases {
        assert_eq!(origins(sql).await, wanted, "{sql}");
    }
}

/// Models that compare columns under different domains, and their like that do not.
#[tokio::test]
async fn a_comparison_that_nothing_can_pass_is_refused() {
    let outcome = async |sql: &str| {
        let bed = flights()
            .classified("flights", "carrier", "under patients")
            .classified("airlines", "carrier", "under staff")
            .classified("airlines", "name", "under patients")
            .model("m", &format!("-- polder: materialized = table\n{sql}"))
            .build();
        let run = bed.door.run_model(&owner(), &TableName::new("m").unwrap()).await;
        run.map(|_| ()).map_err(|error| error.to_string())
    };
    for sql in [
        "select f.id from flights f join airlines a on f.carrier = a.carrier",
        "select f.id from flights f left join airlines a on a.carrier = f.carrier and f.id > 1",
        "select f.id from flights f, airlines a where f.carrier = a.carrier",
        "select id from flights where carrier in (select carrier from airlines)",
        "select id from flights f where exists (select 1 from airlines a where a.carrier = f.carrier)",
        "with c as (select carrier as k from flights) select a.name from c join airlines a on c.k = a.carrier",
        "select f.id, f.carrier = a.carrier as same from flights f cross join airlines a",
    ] {
        let error = outcome(sql).await.expect_err(sql);
        assert!(error.contains("never equal") && error.contains("under staff"), "{sql}: {error}");
    }
    for sql in [
        "select f.id from flights f join airlines a on f.carrier = a.name",
        "select f.id from flights f join flights g on f.carrier = g.carrier",
        "select f.id from flights f join airlines a on length(f.carrier) = length(a.carrier)",
        "select f.id from flights f join airlines a on f.carrier <> a.carrier",
        "select id from flights where carrier = 'AA'",
    ] {
        assert_eq!(outcome(sql).await, Ok(()), "{sql}");
    }
}
