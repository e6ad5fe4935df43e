use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::str::FromStr;

use cedar_policy::Schema;
use polder_types::TableName;

use crate::error::Error;
use crate::table::{ColumnKind, TableRef};

/// What no type in Cedar can be called.
const RESERVED: [&str; 10] = ["true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"];

/// The type of the rows of a table of which no columns are known.
pub(crate) const UNKNOWN_ROW: &str = "Row::Unknown";

/// The type of an attribute that can be there or not, and nothing else.
pub(crate) const INCOMPARABLE: &str = "Row::Incomparable";

const ROW_TYPE: &str = "    entity Unknown in [Table];\n";
const ROW_TYPES: &str = "resource: [Row::Unknown]";

/// The schema that policies are validated against, with the rows of the tables.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) schema: Schema,
    types: BTreeMap<TableName, String>,
}

impl Rows {
    /// The schema with the rows of these tables, as far as their columns are known.
    pub(crate) fn new(tables: &[TableRef]) -> Result<Self, Error> {
        let known = tables.iter().filter(|table| !table.columns.is_empty());
        let types = known.map(|table| (table.name.clone(), row_type(table.name.as_str()))).collect();
        let schema = Schema::from_str(&schema_of(tables)).map_err(|error| Error::Schema(Box::new(error)))?;
        Ok(Self { schema, types })
    }

    /// # Errors
    /// [`Error::Tables`] when two tables, or two columns of one, have the same name.
    pub(crate) fn tell_apart(tables: &[TableRef]) -> Result<(), Error> {
        let mut problems = Vec::new();
        let mut named = BTreeSet::new();
        for table in tables {
            if !named.insert(&table.name) {
                problems.push(format!("two tables are called {}", table.name));
            }
            let mut columns = BTreeSet::new();
            let twice: BTreeSet<&str> =
                table.columns.iter().map(|column| column.name.as_str()).filter(|name| !columns.insert(*name)).collect();
            problems.extend(twice.into_iter().map(|name| format!("table {} has two columns called {name:?}", table.name)));
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Tables(problems)) }
    }

    /// The type of a table's rows; none when nothing was known of its columns.
    pub(crate) fn type_of(&self, table: &TableName) -> Option<&str> {
        self.types.get(table).map(String::as_str)
    }
}

/// The Cedar schema with the rows of these tables, in Cedar's own syntax. Tables of which no columns are known are left out.
pub fn schema_of(tables: &[TableRef]) -> String {
    let known = || tables.iter().filter(|table| !table.columns.is_empty());
    let mut types = ROW_TYPE.to_owned();
    let mut listed = ROW_TYPES.trim_end_matches(']').to_owned();
    for table in known() {
        let full = row_type(table.name.as_str());
        let name = full.strip_prefix("Row::").unwrap_or(&full);
        // Names of the schema's own could be hidden by a table that is called the same, so types are written in full.
        let _ = writeln!(types, "    entity {name} in [Table] {{");
        for column in &table.columns {
            let kind = match column.kind {
                ColumnKind::Boolean => "__cedar::Bool",
                ColumnKind::Integer => "__cedar::Long",
                ColumnKind::Text => "__cedar::String",
                ColumnKind::Date | ColumnKind::Timestamp => "__cedar::datetime",
                ColumnKind::Other => INCOMPARABLE,
            };
            let optional = if column.nullable { "?" } else { "" };
            let _ = writeln!(types, "        \"{}\"{optional}: {kind},", column.name.escape_default());
        }
        types.push_str("    };\n");
        let _ = write!(listed, ", {full}");
    }
    listed.push(']');
    crate::SCHEMA.replace(ROW_TYPE, &types).replace(ROW_TYPES, &listed)
}

/// The Cedar type of a table's rows: `Row::flights`. What Cedar keeps for itself gets `Table_` before it (`Row::Table_in`), which no table's
/// name can be, since they have no capitals.
pub fn row_type(table: &str) -> String {
    if RESERVED.contains(&table) { format!("Row::Table_{table}") } else { format!("Row::{table}") }
}
