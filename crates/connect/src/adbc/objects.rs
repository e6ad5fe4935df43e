//! The tables of a database, as `GetObjects` tells them: catalogs, in each of them schemas, in each of those tables.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;

/// Schemas in which databases keep what they know of themselves.
const SYSTEM_SCHEMAS: [&str; 6] = ["information_schema", "pg_catalog", "pg_toast", "performance_schema", "mysql", "sys"];

/// Names of tables and views: `schema.table`, or `table` where there are no schemas. Those of other catalogs than the current one are left
/// out, where it is known. None where the batch has another form.
pub(super) fn tables(batch: &RecordBatch, current_catalog: Option<&str>, found: &mut BTreeSet<String>) -> Option<()> {
    let catalogs = texts(batch.column_by_name("catalog_name")?)?;
    let schemas = batch.column_by_name("catalog_db_schemas")?.as_list_opt::<i32>()?;
    for row in 0..batch.num_rows() {
        let other = current_catalog.is_some_and(|current| text(&catalogs, row).is_some_and(|catalog| catalog != current));
        let Some(schemas) = element(schemas, row).filter(|_| !other) else { continue };
        let schemas = schemas.as_struct_opt()?;
        let names = texts(schemas.column_by_name("db_schema_name")?)?;
        let tables = schemas.column_by_name("db_schema_tables")?.as_list_opt::<i32>()?;
        for row in 0..schemas.len() {
            let schema = text(&names, row).unwrap_or_default();
            // In a dataset's name the first point ends the schema.
            if SYSTEM_SCHEMAS.contains(&schema.to_lowercase().as_str()) || schema.contains('.') {
                continue;
            }
            let Some(tables) = element(tables, row) else { continue };
            let tables = tables.as_struct_opt()?;
            let (names, types) = (texts(tables.column_by_name("table_name")?)?, texts(tables.column_by_name("table_type")?)?);
            for row in 0..tables.len() {
                let (Some(name), Some(kind)) = (text(&names, row), text(&types, row)) else { continue };
                if is_readable(kind) && !name.starts_with("sqlite_") && (!schema.is_empty() || !name.contains('.')) {
                    found.insert(if schema.is_empty() { name.to_owned() } else { format!("{schema}.{name}") });
                }
            }
        }
    }
    Some(())
}

/// Whether a type of table, in the database's words, is one or a view, and no part of the database's own.
fn is_readable(kind: &str) -> bool {
    let kind = kind.to_lowercase();
    (kind.contains("table") || kind.contains("view")) && !kind.contains("system") && !kind.contains("toast") && !kind.contains("temp")
}

fn texts(column: &ArrayRef) -> Option<ArrayRef> {
    cast(column, &DataType::Utf8).ok()
}

fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    let texts = column.as_string_opt::<i32>()?;
    (row < texts.len() && texts.is_valid(row)).then(|| texts.value(row))
}

fn element(list: &ListArray, row: usize) -> Option<ArrayRef> {
    (row < list.len() && list.is_valid(row)).then(|| list.value(row))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use adbc_core::schemas::GET_OBJECTS_SCHEMA;
    use arrow::json::ReaderBuilder;

    use super::*;

    fn found(json: &str, catalog: Option<&str>) -> Vec<String> {
        let mut reader = ReaderBuilder::new(Arc::clone(&GET_OBJECTS_SCHEMA)).build(json.as_bytes()).unwrap();
        let mut names = BTreeSet::new();
        tables(&reader.next().unwrap().unwrap(), catalog, &mut names).unwrap();
        names.into_iter().collect()
    }

    #[test]
    fn tables_and_views_are_named_by_their_schemas() {
        let table = |name: &str, kind: &str| format!("{{\"table_name\": \"{name}\", \"table_type\": \"{kind}\"}}");
        let schema =
            |name: &str, tables: &[String]| format!("{{\"db_schema_name\": \"{name}\", \"db_schema_tables\": [{}]}}", tables.join(", "));
        let catalog =
            |name: &str, schemas: &[String]| format!("{{\"catalog_name\": \"{name}\", \"catalog_db_schemas\": [{}]}}", schemas.join(", "));
        let json = [
            catalog(
                "main",
                &[
                    schema("adt", &[table("stay", "BASE TABLE"), table("stays", "materialized view"), table("i", "index")]),
                    schema("", &[table("plain", "table"), table("sqlite_schema", "table"), table("with.point", "view")]),
                    schema("pg_catalog", &[table("pg_class", "table")]),
                    schema("a.b", &[table("c", "table")]),
                ],
            ),
            catalog("other", &[schema("adt", &[table("elsewhere", "table")])]),
            "{\"catalog_name\": null, \"catalog_db_schemas\": null}".to_owned(),
        ]
        .join("\n");
        assert_eq!(found(&json, Some("main")), ["adt.stay", "adt.stays", "plain"]);
        assert_eq!(found(&json, None), ["adt.elsewhere", "adt.stay", "adt.stays", "plain"]);
    }

    #[test]
    fn what_has_another_form_is_none() {
        let batch = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
        assert_eq!(tables(&batch, None, &mut BTreeSet::new()), None);
    }
}
