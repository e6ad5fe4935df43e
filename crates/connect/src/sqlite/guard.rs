//! What statements may do: SQLite asks for each table, column and function when it prepares one.

use std::collections::BTreeSet;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Functions that compute from their arguments alone, and what aggregates and windows are made of. All others, known or not, are refused:
/// those that read files, load code, make values of any length from nothing, or differ from one call to the next.
const FUNCTIONS: &[&str] = &[
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_extract",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "median",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "pi",
    "pow",
    "power",
    "printf",
    "quote",
    "radians",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sinh",
    "soundex",
    "sqrt",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "tan",
    "tanh",
    "time",
    "timediff",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unixepoch",
    "unlikely",
    "upper",
];

/// Tables that are made of a value: the elements of a JSON text.
const OF_VALUES: [&str; 2] = ["json_each", "json_tree"];

/// How tables begin that SQLite makes of itself.
const CODE: [&str; 3] = ["sqlite_", "pragma_", "dbstat"];

/// What is let through.
#[derive(Debug)]
pub(super) struct Guard {
    /// The table or view that is read, and the columns of it that are wanted. A query reads any of `tables`.
    pub relation: Option<(String, BTreeSet<String>)>,
    /// Tables and views that a query reads, or a view by itself.
    pub tables: BTreeSet<String>,
    /// Tables whose rows a module of code makes.
    pub virtuals: BTreeSet<String>,
}

impl Guard {
    /// Whether an action is let through.
    pub(super) fn decide(&self, context: &AuthContext<'_>) -> Authorization {
        let allowed = match context.action {
            AuthAction::Select | AuthAction::Recursive => true,
            AuthAction::Function { function_name } => FUNCTIONS.binary_search(&function_name.to_ascii_lowercase().as_str()).is_ok(),
            // A table of which no column is read, for a count or below a view, is asked for with an empty one.
            AuthAction::Read { table_name, column_name: "" } => self.is_no_code(table_name),
            AuthAction::Read { table_name, column_name } => match (&self.relation, context.accessor) {
                (Some((relation, columns)), None) => table_name == relation && columns.contains(column_name),
                _ => self.tables.contains(table_name) || OF_VALUES.contains(&table_name),
            },
            _ => false,
        };
        if allowed { Authorization::Allow } else { Authorization::Deny }
    }

    /// Whether a table is none whose rows code makes, by its name: it may be one that the statement or view itself has (`WITH x AS ..`).
    fn is_no_code(&self, table: &str) -> bool {
        let lower = table.to_ascii_lowercase();
        !self.virtuals.contains(table) && !CODE.iter().any(|start| lower.starts_with(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_in_order() {
        assert!(FUNCTIONS.is_sorted());
    }
}
