//! What a client may know of catalogs, schemas, tables and types. Every answer about tables comes from the session's own list: what its
//! principal may not know of is not there, whatever is filtered by.

mod sql_info;
mod types;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::error::FlightError;
use arrow_flight::sql::{Command, CommandGetSqlInfo, CommandGetTables};
use polder_types::ErrorKind;
use tonic::Status;

use super::status;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::plain;
use crate::ports::{Column, Session, Table};

/// The one catalog.
pub(super) const CATALOG: &str = "polder";
/// The one schema.
pub(super) const SCHEMA: &str = "public";
/// What a table is that a contract writes.
const TABLE: &str = "TABLE";
/// What a model's table is: its rows are those of a question.
const VIEW: &str = "VIEW";
/// A pattern or name to filter by is not longer than this.
const PATTERN_MAX_BYTES: usize = 1_024;
/// Types of tables, or facts, that one request names.
const NAMED_MAX: usize = 1_024;

/// The columns of the answer to a command about metadata; `None` for other commands.
pub(super) fn schema(command: &Command) -> Option<Result<SchemaRef, Status>> {
    Some(match command {
        Command::CommandGetCatalogs(command) => Ok(command.into_builder().schema()),
        Command::CommandGetDbSchemas(command) => Ok(command.clone().into_builder().schema()),
        Command::CommandGetTables(command) => Ok(command.clone().into_builder().schema()),
        Command::CommandGetTableTypes(command) => Ok(command.into_builder().schema()),
        Command::CommandGetSqlInfo(_) => Ok(Arc::new(sql_info::schema())),
        Command::CommandGetXdbcTypeInfo(_) => types::data().map(|data| data.schema()).map_err(unmade),
        Command::CommandGetPrimaryKeys(_) => Ok(primary_keys()),
        Command::CommandGetExportedKeys(_) | Command::CommandGetImportedKeys(_) | Command::CommandGetCrossReference(_) => {
            Ok(foreign_keys())
        }
        _ => return None,
    })
}

/// The answer to a command about metadata; `None` for other commands.
pub(super) async fn batch(command: Command, session: &dyn Session, limits: &Limits) -> Option<Result<RecordBatch, Status>> {
    Some(match command {
        Command::CommandGetCatalogs(command) => {
            let mut builder = command.into_builder();
            builder.append(CATALOG);
            builder.build().map_err(unmade)
        }
        Command::CommandGetDbSchemas(command) => {
            if let Err(status) = short([&command.catalog, &command.db_schema_filter_pattern]) {
                return Some(Err(status));
            }
            let mut builder = command.into_builder();
            builder.append(CATALOG, SCHEMA);
            builder.build().map_err(unmade)
        }
        Command::CommandGetTables(command) => tables(command, session).await,
        Command::CommandGetTableTypes(command) => {
            let mut builder = command.into_builder();
            builder.append(TABLE);
            builder.append(VIEW);
            builder.build().map_err(unmade)
        }
        Command::CommandGetSqlInfo(command) => facts(command, limits),
        Command::CommandGetXdbcTypeInfo(command) => types::data().and_then(|data| command.into_builder(&data).build()).map_err(unmade),
        // Contracts name no keys that are kept across rows of several tables. That a table has none is said of tables that are not there too.
        Command::CommandGetPrimaryKeys(_) => Ok(RecordBatch::new_empty(primary_keys())),
        Command::CommandGetExportedKeys(_) | Command::CommandGetImportedKeys(_) | Command::CommandGetCrossReference(_) => {
            Ok(RecordBatch::new_empty(foreign_keys()))
        }
        _ => return None,
    })
}

async fn tables(command: CommandGetTables, session: &dyn Session) -> Result<RecordBatch, Status> {
    short([&command.catalog, &command.db_schema_filter_pattern, &command.table_name_filter_pattern])?;
    few(command.table_types.len())?;
    let tables = session.tables().await.map_err(|fault| status::of(&fault))?;
    let mut builder = command.into_builder();
    for table in &tables {
        let kind = if table.model { VIEW } else { TABLE };
        let schema = if builder.include_schema() { columns(table)? } else { Schema::empty() };
        builder.append(CATALOG, SCHEMA, &table.name, kind, &schema).map_err(unmade)?;
    }
    builder.build().map_err(unmade)
}

fn facts(mut command: CommandGetSqlInfo, limits: &Limits) -> Result<RecordBatch, Status> {
    few(command.info.len())?;
    command.info.sort_unstable();
    command.info.dedup();
    sql_info::data(limits).and_then(|data| command.into_builder(&data).build()).map_err(unmade)
}

/// A table's columns, in the types in which they are sent.
fn columns(table: &Table) -> Result<Schema, Status> {
    let fields = table.columns.iter().map(|column| {
        let data_type = plain::data_type(&column.data_type).map_err(|error| super::stream::unsendable(&error))?;
        let metadata = described(table, column, &data_type);
        Ok(Field::new(&column.name, data_type, column.nullable).with_metadata(metadata))
    });
    Ok(Schema::new(fields.collect::<Result<Vec<_>, Status>>()?))
}

/// What Flight SQL lets say of a column.
fn described(table: &Table, column: &Column, data_type: &DataType) -> HashMap<String, String> {
    let mut facts: Vec<(&str, String)> = vec![
        ("CATALOG_NAME", CATALOG.to_owned()),
        ("SCHEMA_NAME", SCHEMA.to_owned()),
        ("TABLE_NAME", table.name.clone()),
        ("TYPE_NAME", types::name(data_type)),
        ("IS_AUTO_INCREMENT", "0".to_owned()),
        ("IS_CASE_SENSITIVE", if data_type.is_string() { "1" } else { "0" }.to_owned()),
        ("IS_READ_ONLY", "1".to_owned()),
        ("IS_SEARCHABLE", "1".to_owned()),
    ];
    if let DataType::Decimal32(precision, scale)
    | DataType::Decimal64(precision, scale)
    | DataType::Decimal128(precision, scale)
    | DataType::Decimal256(precision, scale) = data_type
    {
        facts.push(("PRECISION", precision.to_string()));
        facts.push(("SCALE", scale.to_string()));
    }
    let classification = column.classification.as_ref().map(|class| format!("classification: {class}"));
    let sight = (column.sight != "clear").then(|| format!("mask: {}", column.sight));
    let remarks: Vec<String> = classification.into_iter().chain(sight).collect();
    if !remarks.is_empty() {
        facts.push(("REMARKS", remarks.join("; ")));
    }
    facts.into_iter().map(|(name, value)| (format!("ARROW:FLIGHT:SQL:{name}"), value)).collect()
}

fn primary_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_name", DataType::Utf8, true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
}

fn foreign_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}

fn short<'a>(filters: impl IntoIterator<Item = &'a Option<String>>) -> Result<(), Status> {
    if filters.into_iter().flatten().any(|filter| filter.len() > PATTERN_MAX_BYTES) {
        return Err(Status::invalid_argument("list: a name or pattern to filter by is longer than 1024 bytes; shorten it"));
    }
    Ok(())
}

fn few(named: usize) -> Result<(), Status> {
    if named > NAMED_MAX {
        return Err(Status::invalid_argument("list: more than 1024 are named at once; name fewer, or none for all"));
    }
    Ok(())
}

fn unmade(_: FlightError) -> Status {
    status::of(&Fault::new(ErrorKind::Internal, "list: the answer cannot be put together; tell whoever runs the server"))
}
