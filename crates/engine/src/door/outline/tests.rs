use super::*;

fn name(text: &str) -> TableName {
    TableName::new(text).unwrap()
}

fn tables(people: &[(&str, DataType)]) -> BTreeMap<TableName, SchemaRef> {
    let fields: Vec<Field> = people.iter().map(|(name, ty)| Field::new(*name, ty.clone(), true)).collect();
    BTreeMap::from([(name("people"), Arc::new(Schema::new(fields)))])
}

fn people() -> BTreeMap<TableName, SchemaRef> {
    tables(&[("id", DataType::Int32), ("name", DataType::Utf8), ("age", DataType::Int32), ("city", DataType::Utf8)])
}

async fn outlined(models: &[(&str, &str)], tables: &BTreeMap<TableName, SchemaRef>) -> BTreeMap<String, Result<Outline, Unfit>> {
    let files: Vec<(String, String)> = models.iter().map(|(name, sql)| (format!("models/{name}.sql"), (*sql).to_owned())).collect();
    let models = Models::load(&files).unwrap();
    outline(&models, tables).await.unwrap().into_iter().map(|(name, outlined)| (name.to_string(), outlined)).collect()
}

fn read(outlined: &Result<Outline, Unfit>) -> Vec<String> {
    outlined.as_ref().unwrap().reads.iter().map(|read| format!("{}.{}", read.table, read.column)).collect()
}

const MODELS: [(&str, &str); 3] = [
    ("adults", "-- polder: materialized = view\nselect id, name from people where age >= 18\n"),
    ("named", "-- polder: materialized = table\nselect upper(name) as name from adults order by id\n"),
    ("counted", "-- polder: materialized = table\nselect count(*) as n, avg(length(name)) as mean from named\n"),
];

#[tokio::test]
async fn conditions_and_orders_are_read_too_and_views_are_seen_through() {
    let outlines = outlined(&MODELS, &people()).await;
    assert_eq!(read(&outlines["adults"]), ["people.age", "people.id", "people.name"]);
    assert_eq!(read(&outlines["counted"]), ["named.name"]);
    let named = outlines["named"].as_ref().unwrap();
    assert!(read(&outlines["named"]).contains(&"people.age".to_owned()), "{named:?}");
    assert_eq!((named.columns[0].name.as_str(), &named.columns[0].data_type), ("name", &DataType::Utf8));
}

#[tokio::test]
async fn a_model_that_lost_a_column_does_not_fit_and_neither_do_those_above_it() {
    let outlines = outlined(&MODELS, &tables(&[("id", DataType::Int32), ("name", DataType::Utf8)])).await;
    let Err(Unfit::Query(error)) = &outlines["adults"] else { panic!("{outlines:?}") };
    assert!(error.to_string().contains("age"), "{error}");
    assert!(matches!(&outlines["named"], Err(Unfit::Input(input)) if input.as_str() == "adults"));
    assert!(matches!(&outlines["counted"], Err(Unfit::Input(input)) if input.as_str() == "named"));
}

#[tokio::test]
async fn a_column_of_another_type_shows_in_what_a_model_gives() {
    let model = [("ages", "-- polder: materialized = table\nselect age from people\n")];
    let outlines = outlined(&model, &tables(&[("age", DataType::Int64)])).await;
    assert_eq!(outlines["ages"].as_ref().unwrap().columns[0].data_type, DataType::Int64);
}

#[tokio::test]
async fn what_the_door_refuses_has_no_outline() {
    let model = [("drawn", "-- polder: materialized = table\nselect random() as r from people\n")];
    let outlines = outlined(&model, &people()).await;
    assert!(matches!(&outlines["drawn"], Err(Unfit::Query(Error::Refused(_)))), "{outlines:?}");
}
