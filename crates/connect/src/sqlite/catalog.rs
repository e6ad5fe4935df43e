//! What a database holds: its tables and views, and their columns.

use std::collections::BTreeSet;

use crate::database::Relation;
use crate::error::{Error, suggest};
use crate::sqlite::guard::Guard;
use crate::sqlite::missing;
use crate::sqlite::snapshot::Snapshot;

/// What virtual tables keep their contents in is called like them with one of these behind it (FTS3 to 5, R-Tree).
const SHADOWS: [&str; 11] = ["content", "segments", "segdir", "docsize", "stat", "data", "idx", "config", "node", "parent", "rowid"];

/// Tables and views by their names.
pub(super) struct Relations {
    pub readable: BTreeSet<String>,
    tables: BTreeSet<String>,
    /// Tables whose rows a module of code makes.
    virtuals: BTreeSet<String>,
}

impl Relations {
    /// What lets through the reading of one of them and these of its columns, or of a query over all of them.
    fn guard(&self, relation: Option<(String, BTreeSet<String>)>) -> Guard {
        Guard { relation, tables: self.readable.clone(), virtuals: self.virtuals.clone() }
    }
}

/// All tables and views but SQLite's own.
pub(super) fn relations(snapshot: &Snapshot<'_>) -> Result<Relations, Error> {
    const STEP: &str = "list the tables";
    let failed = |error: rusqlite::Error| snapshot.failed(STEP, &error);
    let mut statement =
        snapshot.prepare(STEP, "SELECT name, type = 'table', COALESCE(rootpage, 0) FROM sqlite_schema WHERE type IN ('table', 'view')")?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut found = Relations { readable: BTreeSet::new(), tables: BTreeSet::new(), virtuals: BTreeSet::new() };
    while let Some(row) = rows.next().map_err(failed)? {
        let (name, is_table, root): (String, bool, i64) =
            (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
        if name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) {
            continue;
        }
        match (is_table, root) {
            (true, 0) => found.virtuals.insert(name),
            (true, _) => found.tables.insert(name.clone()) && found.readable.insert(name),
            (false, _) => found.readable.insert(name),
        };
    }
    let shadows = found.virtuals.iter().flat_map(|name| SHADOWS.iter().map(move |shadow| format!("{name}_{shadow}")));
    for shadow in shadows {
        if found.tables.remove(&shadow) {
            found.readable.remove(&shadow);
        }
    }
    Ok(found)
}

/// A column as the database declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub name: String,
    /// The words behind its name; none for an expression.
    pub declared: Option<String>,
}

/// What is read.
pub(super) struct Source {
    /// What stands behind FROM.
    pub from: String,
    pub columns: Vec<Declared>,
    /// Whether it is a table, and neither a view nor a query.
    pub is_table: bool,
    relation: Option<String>,
    relations: Relations,
}

impl Source {
    /// Finds a table or view, or asks what columns a query has.
    ///
    /// # Errors
    /// When there is no such table, or the query is none.
    pub(super) fn find(snapshot: &mut Snapshot<'_>, relation: &Relation, dataset: &str) -> Result<Self, Error> {
        let relations = relations(snapshot)?;
        match relation {
            Relation::Table(name) => Self::table(snapshot, relations, name),
            Relation::Query(query) => Self::query(snapshot, relations, query, dataset),
        }
    }

    fn table(snapshot: &Snapshot<'_>, relations: Relations, name: &str) -> Result<Self, Error> {
        if relations.virtuals.contains(name) {
            let advice = "read the table that it is made from, or hand over a copy as a plain table".to_owned();
            return Err(missing(snapshot.access, "table", name, "it is a virtual table, whose rows code makes", advice));
        }
        if !relations.readable.contains(name) {
            let advice = suggest(name, relations.readable.iter().map(String::as_str));
            return Err(missing(snapshot.access, "table", name, "there is no such table or view", advice));
        }
        let mut columns = Vec::new();
        let listed = snapshot.connection.pragma(None, "table_xinfo", name, |row| {
            columns.push(Declared { name: row.get("name")?, declared: row.get("type")? });
            Ok(())
        });
        listed.map_err(|error| snapshot.failed("list the columns", &error))?;
        let is_table = relations.tables.contains(name);
        Ok(Self { from: quoted(name), columns, is_table, relation: Some(name.to_owned()), relations })
    }

    fn query(snapshot: &mut Snapshot<'_>, relations: Relations, query: &str, dataset: &str) -> Result<Self, Error> {
        snapshot.admit(relations.guard(None))?;
        let step = format!("prepare the query {dataset}");
        let refused = |problem: &str, advice: &str| Error::Database {
            connection: snapshot.access.source.clone(),
            step: step.clone(),
            problem: problem.to_owned(),
            advice: advice.to_owned(),
            kind: polder_types::ErrorKind::Invalid,
        };
        if snapshot.prepare(&step, query)?.parameter_count() > 0 {
            return Err(refused("it has parameters, for which there are no values", "write values instead"));
        }
        // A comment at its end goes no further than its line.
        let from = format!("(\n{query}\n)");
        let statement = snapshot.prepare(&step, &format!("SELECT * FROM {from}"))?;
        let columns =
            statement.columns().map(|column| Declared { name: column.name().to_owned(), declared: column.decl_type().map(str::to_owned) });
        let columns = columns.collect();
        Ok(Self { from, columns, is_table: false, relation: None, relations })
    }

    /// What lets through the reading of these columns.
    pub(super) fn guard<'a>(&self, columns: impl Iterator<Item = &'a str>) -> Guard {
        let relation = self.relation.clone().map(|relation| (relation, columns.map(str::to_owned).collect()));
        self.relations.guard(relation)
    }
}

/// A name in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
