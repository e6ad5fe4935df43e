//! The relations of PostgreSQL's catalog and their columns, as PostgreSQL 15 has them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::cell::{Cell, Kind, column};

const LIST: &str = include_str!("relations.txt");

/// The schema of the catalog's own tables.
pub(super) const PG_CATALOG: &str = "pg_catalog";
/// The schema of the standard's views.
pub(super) const INFORMATION_SCHEMA: &str = "information_schema";

/// A column of a relation.
#[derive(Debug, Clone)]
pub(super) struct RelationColumn {
    pub name: &'static str,
    /// Its type's name in `pg_type`.
    pub type_name: &'static str,
    pub kind: Kind,
    pub not_null: bool,
}

/// A relation of the catalog.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub schema: &'static str,
    pub name: &'static str,
    pub oid: i64,
    /// `r` or `v`.
    pub relkind: &'static str,
    pub columns: Vec<RelationColumn>,
}

/// A row: the columns of which something is known.
pub(super) type Row = Vec<(&'static str, Cell)>;

/// A set of functions that give rows and read like a relation.
const ROW_FUNCTIONS: [&str; 2] = [
    "pg_catalog.pg_get_keywords 10000 f word:text catcode:char barelabel:bool catdesc:text baredesc:text",
    "pg_catalog.pg_show_all_settings 10001 f name:text setting:text unit:text category:text short_desc:text",
];

static ALL: LazyLock<Vec<Relation>> = LazyLock::new(|| LIST.lines().chain(ROW_FUNCTIONS).filter_map(read).collect());

static BY_NAME: LazyLock<HashMap<(&'static str, &'static str), &'static Relation>> =
    LazyLock::new(|| ALL.iter().map(|relation| ((relation.schema, relation.name), relation)).collect());

static KINDS: LazyLock<HashMap<&'static str, Kind>> =
    LazyLock::new(|| ALL.iter().flat_map(|relation| &relation.columns).map(|column| (column.name, column.kind)).collect());

fn read(line: &'static str) -> Option<Relation> {
    let mut words = line.split(' ').filter(|_| !line.starts_with('#'));
    let (schema, name) = words.next()?.split_once('.')?;
    let oid = words.next()?.parse().ok()?;
    let relkind = words.next()?;
    let columns = words
        .filter_map(|word| {
            let (name, rest) = word.split_once(':')?;
            let type_name = rest.trim_end_matches('!');
            Some(RelationColumn { name, type_name, kind: Kind::of(type_name), not_null: rest.ends_with('!') })
        })
        .collect();
    Some(Relation { schema, name, oid, relkind, columns })
}

/// All relations.
pub(super) fn all() -> impl Iterator<Item = &'static Relation> {
    ALL.iter()
}

/// One by its name; without a schema it is looked for in `pg_catalog`, as everywhere in PostgreSQL.
pub(super) fn find(schema: Option<&str>, name: &str) -> Option<&'static Relation> {
    BY_NAME.get(&(schema.unwrap_or(PG_CATALOG), name)).copied()
}

/// The kind of a column by its name alone: in the catalog, names of columns begin with their table's.
pub(super) fn kind_of_column(name: &str) -> Option<Kind> {
    KINDS.get(name).copied()
}

impl Relation {
    /// Its name in the session that answers.
    pub(super) fn session_name(&self) -> String {
        if self.schema == PG_CATALOG { self.name.to_owned() } else { format!("{}.{}", self.schema, self.name) }
    }

    pub(super) fn arrow_schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self.columns.iter().map(|column| Field::new(column.name, column.kind.data_type(), true)).collect();
        Arc::new(Schema::new(fields))
    }

    /// The table of these rows. A column that a row does not name is NULL, or zero where it is never NULL.
    ///
    /// # Errors
    /// When a column is not of its kind, which is a defect.
    pub(super) fn batch(&self, rows: &[Row]) -> Result<RecordBatch, ArrowError> {
        let rows: Vec<HashMap<&str, &Cell>> = rows.iter().map(|row| row.iter().map(|(name, cell)| (*name, cell)).collect()).collect();
        let columns: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|field| {
                let missing = if field.not_null { field.kind.zero() } else { Cell::Null };
                let cells: Vec<Cell> =
                    rows.iter().map(|row| row.get(field.name).map_or_else(|| missing.clone(), |cell| (*cell).clone())).collect();
                column(field.kind, &cells)
            })
            .collect();
        RecordBatch::try_new(self.arrow_schema(), columns)
    }
}
