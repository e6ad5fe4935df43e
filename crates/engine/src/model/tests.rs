use super::*;

fn load(files: &[(&str, &str)]) -> Result<Models, ModelError> {
    let files: Vec<_> = files.iter().map(|(name, text)| (format!("models/{name}.sql"), (*text).to_owned())).collect();
    Models::load(&files)
}

const TABLE: &str = "-- polder: materialized = table\n";

#[test]
fn a_model_says_what_it_is_and_what_it_reads() {
    let models = load(&[(
        "delays",
        "-- polder: materialized = view\n-- description: delay by carrier\n-- any other comment: is fine\nwith late as (select * from flights) select * from late join (select 1 from airlines) a on true where x in (select y from planes)",
    )])
    .unwrap();
    let model = models.get(&TableName::new("delays").unwrap()).unwrap();
    assert_eq!(model.materialized, Materialized::View);
    assert_eq!(model.description.as_deref(), Some("delay by carrier"));
    assert_eq!(model.inputs.iter().map(TableName::as_str).collect::<Vec<_>>(), ["airlines", "flights", "planes"]);
}

/// The examples of the format's page load as they stand there.
#[test]
fn the_examples_of_the_documentation_are_models() {
    let page = include_str!("../../../../docs/format/model.md");
    let files: Vec<(String, String)> = page
        .split("```sql\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .filter_map(|block| {
            Some((block.lines().next()?.strip_prefix("-- ")?.strip_suffix(':')?.to_owned(), block.split_once('\n')?.1.to_owned()))
        })
        .collect();
    let models = Models::load(&files).unwrap();
    assert_eq!(models.in_order().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["flown", "delays"]);
    for word in ["materialized", "description", "table", "view", "AT VERSION", "EXPLAIN"] {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn models_come_after_what_they_read() {
    let of = |from: &str| format!("{TABLE}select * from {from}");
    let models = load(&[("a", &of("c, b")), ("b", &of("raw")), ("c", &of("b")), ("d", &of("raw"))]).unwrap();
    assert_eq!(models.in_order().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a", "d"]);
}

#[test]
fn error_texts() {
    let of = |from: &str| format!("{TABLE}select * from {from}");
    let wrong: Vec<Vec<(&str, String)>> = vec![
        vec![("a", of("b")), ("b", of("c")), ("c", of("a"))],
        vec![("a", of("a"))],
        vec![("a", "select 1".to_owned())],
        vec![("a", "-- polder: materialised = table\nselect 1".to_owned())],
        vec![("a", "-- polder: materialized = tabel\nselect 1".to_owned())],
        vec![("a", "-- polder: materialized = incremental\nselect 1".to_owned())],
        vec![("a", "-- polder: materialized = view, owner = x\nselect 1".to_owned())],
        vec![("a", "-- polder: table\nselect 1".to_owned())],
        vec![("a", "-- poldr: materialized = view\nselect 1".to_owned())],
        vec![("a", format!("{TABLE}-- descripton: x\nselect 1"))],
        vec![("a", format!("{TABLE}{TABLE}select 1"))],
        vec![("A b", of("x"))],
        vec![("a", format!("{TABLE}selec 1"))],
        vec![("a", format!("{TABLE}select *\nfrom ("))],
        vec![("a", format!("{TABLE}select *\nfrom x\nwhere )"))],
        vec![("a", format!("{TABLE}delete from x"))],
        vec![("a", format!("{TABLE}explain select 1"))],
        vec![("a", format!("{TABLE}select 1; select 2"))],
        vec![("a", of("x at version 3"))],
        vec![("a", of("'file.csv'"))],
        vec![("a", of("read_csv('x')"))],
        vec![("a", of("\"Big\""))],
        vec![("a", TABLE.to_owned())],
    ];
    let mut texts = Vec::new();
    for files in &wrong {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let error = load(&files).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        texts.push(error.to_string());
    }
    texts.push(Models::load(&[("x/a.sql".to_owned(), of("t")), ("y/a.sql".to_owned(), of("t"))]).unwrap_err().to_string());
    insta::assert_snapshot!(texts.join("\n"));
}
