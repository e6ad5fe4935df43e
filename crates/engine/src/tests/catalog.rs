//! Clients of PostgreSQL find their way: what each of them was seen to ask of a real server is answered with the same columns, and nothing that
//! the asker may not know is in any answer.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::bed::{files, texts};
use crate::catalog::{CatalogError, CatalogQuestion, KnownColumn, KnownTable, Routed, Who, route, type_of};

fn column(name: &str, data_type: DataType, nullable: bool) -> KnownColumn {
    KnownColumn { name: name.to_owned(), data_type, nullable, comment: None }
}

/// The tables that the server had whose questions were written down.
fn known() -> Vec<KnownTable> {
    let texts = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let mut flights = vec![
        column("id", DataType::Int64, false),
        column("carrier", DataType::Utf8, false),
        column("seats", DataType::Int32, true),
        column("price", DataType::Decimal128(10, 2), true),
        column("cancelled", DataType::Boolean, true),
        column("departed", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        column("day", DataType::Date32, true),
        column("tags", texts, true),
    ];
    flights[3].comment = Some("classification: confidential".to_owned());
    let routes = vec![column("carrier", DataType::Utf8View, true), column("flights", DataType::Int64, true)];
    let comment = Some("classification: internal".to_owned());
    vec![
        KnownTable { name: "flights".to_owned(), model: false, columns: flights, comment },
        KnownTable { name: "routes".to_owned(), model: true, columns: routes, comment: None },
    ]
}

fn hidden() -> KnownTable {
    let mut columns = vec![column("salary_of", DataType::Int64, false)];
    columns[0].comment = Some("told_of_salaries".to_owned());
    KnownTable { name: "salaries".to_owned(), model: false, columns, comment: Some("told_of_salaries".to_owned()) }
}

fn who() -> Who {
    Who { name: "ada".to_owned(), groups: vec!["analysts".to_owned()] }
}

fn question(sql: &str) -> CatalogQuestion {
    match route(sql) {
        Ok(Routed::Catalog(question)) => question,
        other => panic!("{sql}: {other:?}"),
    }
}

async fn ask_of(known: &[KnownTable], sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), CatalogError> {
    question(sql).answer(known, &who(), None).await
}

async fn rows(sql: &str) -> Vec<Vec<String>> {
    let (_, batches) = ask_of(&known(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    texts(&batches)
}

async fn oid(known: &[KnownTable], table: &str) -> String {
    let (_, batches) = ask_of(known, &format!("select oid from pg_catalog.pg_class where relname = '{table}'")).await.unwrap();
    texts(&batches).concat().concat()
}

/// A question as it was seen, with the values of its parameters, and the columns that the server gave: name and type.
struct Seen {
    name: String,
    sql: String,
    parameters: Vec<String>,
    columns: Vec<(String, String)>,
}

async fn seen() -> Vec<Seen> {
    let (flights, routes) = (oid(&known(), "flights").await, oid(&known(), "routes").await);
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/tests/queries");
    let found = files(&here).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "sql"));
    found
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap().replace(":flights", &flights).replace(":routes", &routes);
            let (parameters, sql) = match text.strip_prefix("-- parameters: ") {
                Some(rest) => rest.split_once('\n').unwrap(),
                None => ("", text.as_str()),
            };
            let parameters =
                parameters.split(", $").filter_map(|one| one.split_once(" = '")).map(|(_, value)| value.trim_end_matches('\'').to_owned());
            let columns = std::fs::read_to_string(path.with_extension("columns")).unwrap();
            let columns = columns.lines().filter_map(|line| line.split_once('\t')).map(|(name, of)| (name.to_owned(), of.to_owned()));
            Seen {
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                sql: sql.to_owned(),
                parameters: parameters.collect(),
                columns: columns.collect(),
            }
        })
        .collect()
}

/// What kind of values a type of PostgreSQL has. Numbers, texts, truth and lists are told apart, no more: an OID is a number of eight bytes here.
fn kind_of(pg: &str) -> &'static str {
    match pg {
        _ if pg.ends_with("[]") || pg.ends_with("vector") => "list",
        "boolean" => "truth",
        "smallint" | "integer" | "bigint" | "oid" | "real" | "double precision" | "numeric" | "xid" => "number",
        _ if pg.starts_with("timestamp") => "time",
        _ => "text",
    }
}

fn kind(data_type: &DataType) -> &'static str {
    match type_of(data_type).name {
        "bool" => "truth",
        "int2" | "int4" | "int8" | "float4" | "float8" | "numeric" => "number",
        "timestamp" | "timestamptz" => "time",
        name if name.starts_with('_') => "list",
        _ => "text",
    }
}

async fn answered(seen: &Seen) -> Result<(), String> {
    let told = |error: CatalogError| format!("{}: {error}", error.sqlstate());
    let question = match route(&seen.sql).map_err(told)? {
        Routed::Catalog(question) => question,
        other => return Err(format!("it went elsewhere: {other:?}")),
    };
    let (types, described) = question.describe(&known(), &who(), &[]).await.map_err(told)?;
    if types.len() != seen.parameters.len() {
        return Err(format!("{} parameters, not {}", types.len(), seen.parameters.len()));
    }
    let mut fields = Vec::new();
    let mut values: Vec<ArrayRef> = Vec::new();
    for (number, (value, data_type)) in seen.parameters.iter().zip(&types).enumerate() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![value.as_str()]));
        // A list comes as text, as a wire hands it on that does not know the type.
        let value =
            if matches!(data_type, DataType::List(_)) { text } else { cast(&text, data_type).map_err(|error| error.to_string())? };
        fields.push(Field::new(format!("${}", number + 1), value.data_type().clone(), true));
        values.push(value);
    }
    let parameters = if values.is_empty() { None } else { Some(RecordBatch::try_new(Arc::new(Schema::new(fields)), values).unwrap()) };
    let (schema, batches) = question.answer(&known(), &who(), parameters.as_ref()).await.map_err(told)?;
    if schema != described {
        return Err(format!("described as {described:?}, answered with {schema:?}"));
    }
    if batches.iter().any(|batch| batch.schema() != schema) {
        return Err("a batch has other columns".to_owned());
    }
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let wanted: Vec<&str> = seen.columns.iter().map(|(name, _)| name.as_str()).collect();
    if names != wanted {
        return Err(format!("columns {names:?}, not {wanted:?}"));
    }
    for (field, (name, pg)) in schema.fields().iter().zip(&seen.columns) {
        if kind(field.data_type()) != kind_of(pg) {
            return Err(format!("{name} is {}, not {pg}", field.data_type()));
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_question_that_a_client_was_seen_to_ask_is_answered_with_the_same_columns() {
    let all = seen().await;
    assert!(all.len() > 150, "{} questions were found", all.len());
    for client in ["psql", "jdbc", "odbc", "psycopg", "asyncpg", "sqlalchemy", "node"] {
        assert!(all.iter().any(|one| one.name.starts_with(client)), "nothing of {client}");
    }
    let mut wrong = Vec::new();
    for one in &all {
        if let Err(why) = answered(one).await {
            wrong.push(format!("{}: {why}", one.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// The rows of a question that was seen.
async fn rows_of(name: &str) -> Vec<Vec<String>> {
    let all = seen().await;
    let one = all.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no {name}"));
    rows(&one.sql).await
}

#[tokio::test]
async fn psql_lists_tables_and_columns() {
    assert_eq!(rows_of("psql-d-01-pg_class").await, [["public", "flights", "table", "polder"], ["public", "routes", "view", "polder"]]);
    assert_eq!(rows_of("psql-dt-01-pg_class").await, [["public", "flights", "table", "polder"]]);
    assert_eq!(rows_of("psql-dn-01-pg_namespace").await, [["public", "polder"]]);
    assert_eq!(rows_of("psql-df-01-pg_proc").await, Vec::<Vec<String>>::new());
    let databases = rows_of("psql-l-01-pg_database").await;
    assert_eq!(databases.len(), 1);
    assert_eq!(databases[0][..3], ["polder", "polder", "UTF8"]);
    let users: Vec<String> = rows_of("psql-du-01-pg_auth_members").await.into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(users, ["ada", "analysts", "polder"]);
    let columns = rows_of("psql-d-table-03-pg_attrdef").await;
    let told: Vec<[&str; 3]> = columns.iter().map(|row| [row[0].as_str(), row[1].as_str(), row[3].as_str()]).collect();
    assert_eq!(
        told,
        [
            ["id", "bigint", "true"],
            ["carrier", "text", "true"],
            ["seats", "integer", "false"],
            ["price", "numeric(10,2)", "false"],
            ["cancelled", "boolean", "false"],
            ["departed", "timestamp with time zone", "false"],
            ["day", "date", "false"],
            ["tags", "text[]", "false"],
        ]
    );
}

#[tokio::test]
async fn the_standards_views_and_comments_tell_of_the_same() {
    let tables = "select table_catalog, table_name, table_type from information_schema.tables where table_schema = 'public' order by 2";
    assert_eq!(rows(tables).await, [["polder", "flights", "BASE TABLE"], ["polder", "routes", "VIEW"]]);
    let columns = "select column_name, data_type, is_nullable, numeric_precision, numeric_scale, udt_name
        from information_schema.columns where table_name = 'flights' and column_name in ('price', 'tags', 'id') order by ordinal_position";
    assert_eq!(
        rows(columns).await,
        [
            ["id", "bigint", "NO", "64", "0", "int8"],
            ["price", "numeric", "YES", "10", "2", "numeric"],
            ["tags", "ARRAY", "YES", "NULL", "NULL", "_text"]
        ]
    );
    let comments = "select obj_description('flights'::regclass, 'pg_class'), col_description('public.flights'::regclass, 4)";
    assert_eq!(rows(comments).await, [["classification: internal", "classification: confidential"]]);
    assert_eq!(rows("select current_user, session_user, current_schema, current_database()").await, [["ada", "ada", "public", "polder"]]);
    assert_eq!(rows("select 'routes'::regclass, 'int4'::regtype::text, to_regclass('nothing')").await, [["routes", "integer", "NULL"]]);
}

#[tokio::test]
async fn what_one_may_not_know_is_in_no_relation_and_moves_no_oid() {
    let (mut all, few) = (known(), known());
    all.push(hidden());
    let relations = "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname <> 'public'";
    let relations = rows(relations).await;
    assert!(relations.len() > 150, "{} relations", relations.len());
    let mut told = Vec::new();
    for relation in &relations {
        let sql = format!("select * from {}.{}", relation[0], relation[1]);
        let (_, batches) = ask_of(&few, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let text = format!("{:?}", texts(&batches));
        assert!(!text.contains("salar"), "{sql} tells of what is hidden");
        // The control: whoever may know of it finds it there.
        let (_, batches) = ask_of(&all, &sql).await.unwrap();
        if format!("{:?}", texts(&batches)).contains("salar") {
            told.push(relation[1].as_str());
        }
    }
    for name in ["pg_class", "pg_attribute", "pg_description", "pg_tables", "tables", "columns"] {
        assert!(told.contains(&name), "{name} does not tell of a table that is known; only {told:?} do");
    }
    for table in ["flights", "routes"] {
        assert_eq!(oid(&few, table).await, oid(&all, table).await);
    }
    let mut turned = known();
    turned.reverse();
    assert_eq!(oid(&few, "flights").await, oid(&turned, "flights").await);
    // Names that are asked for are answered as if they were none.
    for sql in ["select to_regclass('salaries')", "select has_table_privilege('salaries', 'select')"] {
        let (_, batches) = ask_of(&few, sql).await.unwrap();
        assert_eq!(texts(&batches), [["NULL"]], "{sql}");
        let (_, batches) = ask_of(&all, sql).await.unwrap();
        assert_ne!(texts(&batches), [["NULL"]], "{sql}");
    }
    let missing = ask_of(&few, "select 'salaries'::regclass::oid").await.unwrap_err();
    assert_eq!((missing.sqlstate(), missing.to_string().as_str()), ("42P01", "relation \"salaries\" does not exist"));
}

#[tokio::test]
async fn oids_are_fit_for_clients_and_never_change() {
    let numbers: Vec<i64> = rows("select oid from pg_class where relnamespace = 2200 order by relname")
        .await
        .concat()
        .iter()
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(numbers.iter().all(|oid| (16_385..=i64::from(i32::MAX)).contains(oid)), "{numbers:?}");
    assert_eq!(numbers, [2_139_824_082, 42_753_042]);
}

fn tag(sql: &str) -> &'static str {
    match route(sql) {
        Ok(Routed::Done(tag)) => tag,
        other => panic!("{sql}: {other:?}"),
    }
}

fn refused(sql: &str) -> &'static str {
    match route(sql) {
        Err(error) => error.sqlstate(),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn statements_that_ask_nothing_are_granted_or_refused_by_what_they_are() {
    for (sql, wanted) in [
        ("", ""),
        (" ; ", ""),
        ("-- nothing", ""),
        ("SET extra_float_digits = 3", "SET"),
        ("SET application_name = 'cap-jdbc'", "SET"),
        ("SET client_encoding TO 'UTF8'", "SET"),
        ("set names utf8", "SET"),
        ("SET DateStyle = 'ISO'", "SET"),
        ("SET datestyle TO iso, mdy", "SET"),
        ("SET TIME ZONE 'UTC'", "SET"),
        ("SET TimeZone = 'Etc/UTC'", "SET"),
        ("SET timezone TO DEFAULT", "SET"),
        ("SET SESSION search_path TO 'public'", "SET"),
        ("SET search_path = \"$user\", public", "SET"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET"),
        ("SET TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ", "SET"),
        ("SET LOCAL lock_timeout = -1", "SET"),
        ("RESET ALL", "RESET"),
        ("RESET timezone", "RESET"),
        ("BEGIN", "BEGIN"),
        ("BEGIN READ ONLY", "BEGIN"),
        ("begin transaction isolation level serializable read only deferrable", "BEGIN"),
        ("START TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION"),
        ("COMMIT", "COMMIT"),
        ("END", "COMMIT"),
        ("ROLLBACK", "ROLLBACK"),
        ("ROLLBACK TO SAVEPOINT \"_pg3_1\"", "ROLLBACK"),
        ("SAVEPOINT \"_pg3_1\"", "SAVEPOINT"),
        ("RELEASE \"_pg3_1\"", "RELEASE"),
        ("DISCARD ALL", "DISCARD ALL"),
        ("DEALLOCATE ALL", "DEALLOCATE ALL"),
        ("DEALLOCATE PREPARE s1", "DEALLOCATE"),
        ("CLOSE ALL", "CLOSE CURSOR ALL"),
        ("UNLISTEN *", "UNLISTEN"),
    ] {
        assert_eq!(tag(sql), wanted, "{sql}");
    }
    for (sql, wanted) in [
        ("SET client_encoding TO 'LATIN1'", "0A000"),
        ("SET TIME ZONE 'Europe/Amsterdam'", "0A000"),
        ("SET TIME ZONE INTERVAL '1' HOUR TO MINUTE", "0A000"),
        ("SET search_path TO secrets", "0A000"),
        ("SET standard_conforming_strings = off", "0A000"),
        ("SET bytea_output = 'escape'", "0A000"),
        ("SET server_version = '99'", "55P02"),
        ("SET no_such_setting = 1", "42704"),
        ("SET ROLE admin", "42501"),
        ("SET SESSION AUTHORIZATION 'admin'", "42501"),
        ("SHOW no_such_setting", "42704"),
        ("LISTEN news", "0A000"),
        ("COMMIT PREPARED 'x'", "0A000"),
        ("BEGIN; DROP TABLE t", "42601"),
        ("SET x", "42601"),
        ("SET statement_timeout = 'soon'", "22023"),
    ] {
        assert_eq!(refused(sql), wanted, "{sql}");
    }
    let purpose = |sql: &str| match route(sql) {
        Ok(Routed::Purpose(purpose)) => purpose,
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(purpose("SET polder.purpose = 'fraud review'").as_deref(), Some("fraud review"));
    assert_eq!(purpose("SET polder.purpose TO ''"), None);
    assert_eq!(purpose("RESET polder.purpose"), None);
    let timeout = |sql: &str| match route(sql) {
        Ok(Routed::Timeout(milliseconds)) => milliseconds,
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(timeout("SET statement_timeout = 1500"), Some(1_500));
    assert_eq!(timeout("SET statement_timeout TO '2min'"), Some(120_000));
    assert_eq!(timeout("SET statement_timeout = 0"), None);
}

#[test]
fn settings_are_shown() {
    let shown = |sql: &str| match route(sql) {
        Ok(Routed::Show(batch)) => (batch.schema().field(0).name().clone(), texts(&[batch])),
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(shown("SHOW TRANSACTION ISOLATION LEVEL"), ("transaction_isolation".to_owned(), vec![vec!["read committed".to_owned()]]));
    assert_eq!(shown("show standard_conforming_strings").1, [["on"]]);
    assert_eq!(shown("SHOW TimeZone"), ("TimeZone".to_owned(), vec![vec!["UTC".to_owned()]]));
    assert!(shown("SHOW ALL").1.len() > 40);
}

fn data(sql: &str) -> String {
    match route(sql) {
        Ok(Routed::Data(text)) => text,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn questions_of_data_lose_what_only_postgresql_writes() {
    for same in [
        "select * from flights AT VERSION 3",
        "SELECT  id::int4, now() FROM flights WHERE carrier ILIKE 'a%'   LIMIT 5 OFFSET 2",
        "with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) select * from t",
        "explain select 1",
        "insert into t values (1)",
        "select broken from",
        "select id from secret.flights",
    ] {
        assert_eq!(data(same), same);
    }
    for (sql, wanted) in [
        (r#"SELECT "t"."id" FROM "public"."flights" "t""#, r#"SELECT "t"."id" FROM "flights" "t""#),
        ("select public.flights.id from polder.public.flights", "SELECT flights.id FROM flights"),
        ("select f.* from public.flights f", "SELECT f.* FROM flights f"),
        ("select id from flights fetch first 3 rows only", "SELECT id FROM flights LIMIT 3"),
        ("select id from flights offset 2 fetch next row only", "SELECT id FROM flights LIMIT 1 OFFSET 2"),
        ("select pg_catalog.lower(carrier) from flights", "SELECT lower(carrier) FROM flights"),
        ("select id from flights where carrier operator(pg_catalog.~) '^A'", "SELECT id FROM flights WHERE carrier ~ '^A'"),
        (r#"select id from flights order by carrier collate "C""#, "SELECT id FROM flights ORDER BY carrier"),
        ("select id from flights where carrier = any('{AA,\"B B\"}')", "SELECT id FROM flights WHERE carrier IN ('AA', 'B B')"),
        ("select carrier::character varying(2) from flights", "SELECT left(CAST(carrier AS VARCHAR), 2)::VARCHAR FROM flights"),
        ("select carrier::name from flights", "SELECT carrier::VARCHAR FROM flights"),
        ("explain select * from public.flights", "EXPLAIN SELECT * FROM flights"),
    ] {
        assert_eq!(data(sql), wanted);
    }
}

#[test]
fn catalog_and_data_are_asked_for_apart() {
    assert_eq!(refused("select * from flights, pg_class"), "0A000");
    assert_eq!(refused("select * from flights where id in (select oid from pg_catalog.pg_class)"), "0A000");
    assert_eq!(refused("explain select * from pg_class"), "0A000");
    // A name that a query makes itself hides the catalog's.
    assert_eq!(
        data("with pg_class as (select * from flights) select * from pg_class"),
        "with pg_class as (select * from flights) select * from pg_class"
    );
}

#[tokio::test]
async fn questions_of_the_catalog_end() {
    let error = |sql: &'static str| async move { ask_of(&known(), sql).await.unwrap_err() };
    assert_eq!(error("select * from generate_series(1, 1000000000000)").await.sqlstate(), "54000");
    assert_eq!(rows("select count(*) from generate_series(1, 10000) as s(n)").await, [["10000"]]);
    let recursive = "with recursive t(n) as (select oid from pg_class union all select n from t) select * from t";
    assert_eq!(error(recursive).await.sqlstate(), "0A000");
    assert_eq!(error("select nothing from pg_class").await.sqlstate(), "42703");
    assert_eq!(error("select * from pg_catalog.pg_nothing").await.sqlstate(), "42P01");
    assert_eq!(error("select pg_nothing(oid) from pg_class").await.sqlstate(), "42883");
    assert_eq!(error("select oid::nothing from pg_class").await.sqlstate(), "42704");
    assert_eq!(error("select pg_terminate_backend(1), version()").await.sqlstate(), "42883");
    let deep = format!("select {}1 from pg_catalog.pg_class", "1 + ".repeat(600));
    assert_eq!(refused(&deep), "54000");
    let wide = format!("select 1 from pg_catalog.pg_class{}", ", pg_class".repeat(300));
    assert_eq!(refused(&wide), "54000");
    let nested = format!("select {}oid{} from pg_catalog.pg_class", "(".repeat(200), ")".repeat(200));
    assert_eq!(refused(&nested), "54000");
}

#[tokio::test]
async fn what_reads_no_table_has_the_columns_that_postgresql_gives() {
    for (sql, names, wanted) in [
        ("select 1", vec!["?column?"], vec!["1"]),
        ("select NULL, NULL, 'a'::text", vec!["?column?", "?column?", "text"], vec!["NULL", "NULL", "a"]),
        ("select 'abc'::varchar(2), '7'::int4::text, lower('A')", vec!["varchar", "text", "lower"], vec!["ab", "7", "a"]),
        ("select 'routes'::regclass::oid = 'routes'::regclass as same", vec!["same"], vec!["true"]),
        (
            "select exists (select 1), array(select 2), array(select 1 union select 1)",
            vec!["exists", "array", "array"],
            vec!["true", "[2]", "[1]"],
        ),
    ] {
        let (schema, batches) = ask_of(&known(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), names, "{sql}");
        assert_eq!(texts(&batches), [wanted], "{sql}");
    }
}

#[tokio::test]
async fn what_asyncpg_tidies_up_with_is_taken() {
    assert_eq!(rows("SELECT pg_advisory_unlock_all()").await, [["NULL"]]);
    assert_eq!(rows("select current_setting('jit') as cur, set_config('jit', 'off', false) as new").await, [["off", "off"]]);
}

#[test]
fn types_of_arrow_have_types_of_postgresql() {
    let told = |data_type: DataType| {
        let pg = type_of(&data_type);
        (pg.oid, pg.name, pg.len, pg.typmod)
    };
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    assert_eq!(told(DataType::Boolean), (16, "bool", 1, -1));
    assert_eq!(told(DataType::Int16), (21, "int2", 2, -1));
    assert_eq!(told(DataType::Int32), (23, "int4", 4, -1));
    assert_eq!(told(DataType::Int64), (20, "int8", 8, -1));
    assert_eq!(told(DataType::UInt64), (1700, "numeric", -1, 1_310_724));
    // What PostgreSQL 15 has for numeric(10,2).
    assert_eq!(told(DataType::Decimal128(10, 2)), (1700, "numeric", -1, 655_366));
    assert_eq!(told(DataType::Float32), (700, "float4", 4, -1));
    assert_eq!(told(DataType::Float64), (701, "float8", 8, -1));
    assert_eq!(told(DataType::Utf8View), (25, "text", -1, -1));
    assert_eq!(told(DataType::LargeBinary), (17, "bytea", -1, -1));
    assert_eq!(told(DataType::Date32), (1082, "date", 4, -1));
    assert_eq!(told(DataType::Timestamp(TimeUnit::Nanosecond, None)), (1114, "timestamp", 8, -1));
    assert_eq!(told(DataType::Timestamp(TimeUnit::Second, Some("UTC".into()))), (1184, "timestamptz", 8, -1));
    assert_eq!(told(list(DataType::Int64)), (1016, "_int8", -1, -1));
    assert_eq!(told(list(list(DataType::Utf8))), (114, "json", -1, -1));
    assert_eq!(told(list(DataType::Decimal128(10, 2))), (1231, "_numeric", -1, 655_366));
    assert_eq!(told(DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))), (25, "text", -1, -1));
    let fields = vec![Field::new("a", DataType::Int8, true)];
    assert_eq!(told(DataType::Struct(fields.into())), (114, "json", -1, -1));
}
