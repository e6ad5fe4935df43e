//! What a database says of itself: which tables there are for this account, and what columns a table or a query has.

use std::collections::BTreeSet;

use polder_types::{ErrorKind, printable};
use tokio_postgres::types::Type;

use super::connect::Session;
use super::fault::fault;
use super::sql::name;
use super::types::ServerColumn;
use crate::database::{Access, Relation};
use crate::error::{Error, suggest};

/// Tables, views, materialised views, foreign tables and partitioned tables of which the account may read a column. A partition of
/// which a table above it may be read is a part of that, not a table of its own.
const TABLES: &str = "\
    SELECT n.nspname || '.' || c.relname \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT') \
    AND NOT (c.relispartition AND EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) p (relid) \
        WHERE p.relid <> c.oid AND pg_catalog.has_any_column_privilege(p.relid, 'SELECT'))) \
    ORDER BY 1";
const FIND: &str = "\
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname || '.' || c.relname = $1 AND c.relkind IN ('r', 'v', 'm', 'f', 'p')";
const COLUMNS: &str = "\
    SELECT a.attname::text, pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') \
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
/// Types by number and modifier. Some types that are no arrays have elements all the same, such as `name`.
const TYPES: &str = "\
    SELECT pg_catalog.format_type(u.oid, u.modifier), t.typname::text, t.typtype, \
    CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0::oid END \
    FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS u (oid, modifier, place) JOIN pg_catalog.pg_type t ON t.oid = u.oid \
    ORDER BY u.place";

/// The tables that the account may read.
pub(super) async fn tables(access: &Access, session: &Session) -> Result<Vec<String>, Error> {
    let rows = session.client.query_typed(TABLES, &[]).await.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
    rows.map_err(|error| fault(access, "list the tables", &error))
}

/// A relation as it is at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// What stands behind FROM.
    pub from: String,
    /// Its columns, in its order.
    pub columns: Vec<Known>,
    /// None for a query.
    pub table: Option<Table>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `r`, `v`, `m`, `f` or `p`, as pg_class has it.
    pub kind: String,
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub name: String,
    pub readable: Readable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    Yes,
    /// The account has no privilege for it.
    Forbidden,
    /// Another column of the query has the same name.
    Ambiguous,
}

/// A column that is read, with the bare name of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Typed {
    pub column: ServerColumn,
    pub type_name: String,
}

impl Typed {
    /// Whether it holds whole numbers.
    pub(super) fn is_integer(&self) -> bool {
        [Type::INT2, Type::INT4, Type::INT8].iter().any(|known| known.oid() == self.column.oid)
    }
}

/// Finds a relation and the names of its columns.
///
/// # Errors
/// When there is none of that name, or a query is not one SELECT.
pub(super) async fn find(access: &Access, session: &Session, relation: &Relation) -> Result<Found, Error> {
    match relation {
        Relation::Table(table) => find_table(access, session, table).await,
        Relation::Query(query) => find_query(access, session, query).await,
    }
}

async fn find_table(access: &Access, session: &Session, table: &str) -> Result<Found, Error> {
    let step = "find the table";
    let failed = |error: tokio_postgres::Error| fault(access, step, &error);
    let rows = session.client.query_typed(FIND, &[(&table, Type::TEXT)]).await.map_err(failed)?;
    let row = match rows.as_slice() {
        [one] => one,
        [] => {
            let tables = tables(access, session).await?;
            let problem = format!("there is no {}, or this account may not see it", printable(table));
            return Err(access.fails(step, problem, suggest(table, tables.iter().map(String::as_str)), ErrorKind::NotFound));
        }
        _ => {
            let problem = format!("there are several that are called {}, by points in their names", printable(table));
            return Err(access.fails(step, problem, "read the one that is meant by a query", ErrorKind::Invalid));
        }
    };
    let read = || {
        let oid = row.try_get(0)?;
        Ok(Table { oid, schema: row.try_get(1)?, name: row.try_get(2)?, kind: row.try_get(3)? })
    };
    let table: Table = read().map_err(failed)?;
    let rows = session.client.query_typed(COLUMNS, &[(&table.oid, Type::OID)]).await.map_err(failed)?;
    let column = |row: &tokio_postgres::Row| {
        let readable = if row.try_get(1)? { Readable::Yes } else { Readable::Forbidden };
        Ok(Known { name: row.try_get(0)?, readable })
    };
    let columns = rows.iter().map(column).collect::<Result<_, _>>().map_err(failed)?;
    Ok(Found { from: format!("{}.{}", name(&table.schema), name(&table.name)), columns, table: Some(table) })
}

async fn find_query(access: &Access, session: &Session, query: &str) -> Result<Found, Error> {
    let step = "read the query";
    // By itself it is a statement, or it would end the parenthesis that is put around it. The server takes one statement, not several.
    let prepared = session.client.prepare(query).await.map_err(|error| fault(access, step, &error))?;
    let wrong = |problem: &str, advice: &str| Err(access.fails(step, problem, advice, ErrorKind::Invalid));
    if !prepared.params().is_empty() {
        return wrong("it has parameters ($1)", "write values into it");
    }
    if prepared.columns().is_empty() {
        return wrong("it gives no columns", "write a SELECT");
    }
    let names: Vec<&str> = prepared.columns().iter().map(tokio_postgres::Column::name).collect();
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> = names.iter().copied().filter(|name| !seen.insert(*name)).collect();
    let readable = |name: &&str| if twice.contains(name) { Readable::Ambiguous } else { Readable::Yes };
    let columns = names.iter().map(|name| Known { name: (*name).to_owned(), readable: readable(name) }).collect();
    // A comment at its end must not reach past it.
    Ok(Found { from: format!("(\n{query}\n) AS q"), columns, table: None })
}

impl Found {
    /// The column of that name, which must be one that can be read.
    pub(super) fn column(&self, dataset: &str, column: &str) -> Result<&Known, Error> {
        let error = |problem: &str, advice: String| {
            let (dataset, column) = (printable(dataset).into_owned(), printable(column).into_owned());
            Error::DatabaseColumn { dataset, column, problem: problem.to_owned(), advice }
        };
        let Some(known) = self.columns.iter().find(|known| known.name == column) else {
            let readable = self.columns.iter().filter(|known| known.readable == Readable::Yes);
            return Err(error("the source has no such column", suggest(column, readable.map(|known| known.name.as_str()))));
        };
        match known.readable {
            Readable::Yes => Ok(known),
            Readable::Forbidden => Err(error("this account may not read it", "grant it SELECT on the column".to_owned())),
            Readable::Ambiguous => {
                Err(error("the query has several columns of that name", "give each a name of its own, by AS".to_owned()))
            }
        }
    }
}

/// The types of columns of a relation. In a transaction, they stay what they are until it ends: the relation is locked, as by any read.
pub(super) async fn typed(access: &Access, session: &Session, found: &Found, columns: &[&str]) -> Result<Vec<Typed>, Error> {
    let step = "look up the columns";
    let failed = |error: tokio_postgres::Error| fault(access, step, &error);
    let list = columns.iter().map(|column| name(column)).collect::<Vec<_>>().join(", ");
    // What the server says of a statement's columns has domains resolved, down to their types and modifiers.
    let prepared = session.client.prepare(&format!("SELECT {list} FROM {} LIMIT 0", found.from)).await.map_err(failed)?;
    let (oids, modifiers): (Vec<u32>, Vec<i32>) =
        prepared.columns().iter().map(|column| (column.type_().oid(), column.type_modifier())).unzip();
    let rows = session.client.query_typed(TYPES, &[(&oids, Type::OID_ARRAY), (&modifiers, Type::INT4_ARRAY)]).await.map_err(failed)?;
    if rows.len() != columns.len() || oids.len() != columns.len() {
        let problem = "the server does not tell the types of all columns";
        return Err(access.fails(step, problem, "run again", ErrorKind::Unavailable));
    }
    let mut all = Vec::with_capacity(columns.len());
    for (((row, column), oid), modifier) in rows.iter().zip(columns).zip(&oids).zip(&modifiers) {
        let read = || {
            let typtype: i8 = row.try_get(2)?;
            let column = ServerColumn {
                name: (*column).to_owned(),
                oid: *oid,
                type_name: row.try_get(0)?,
                modifier: *modifier,
                typtype: typtype.to_be_bytes().first().copied().unwrap_or(0),
                element: row.try_get(3)?,
            };
            Ok(Typed { column, type_name: row.try_get(1)? })
        };
        all.push(read().map_err(failed)?);
    }
    Ok(all)
}

/// The kinds of all relations that the session's transaction has locked, but for the catalog: those that a statement names, and those
/// that lie under its views.
pub(super) async fn locked_kinds(access: &Access, session: &Session) -> Result<BTreeSet<String>, Error> {
    let sql = "SELECT DISTINCT c.relkind::text FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation \
        WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND c.oid >= 16384 \
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())";
    let rows = session.client.query_typed(sql, &[]).await.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
    rows.map_err(|error| fault(access, "look up what the relation is made of", &error))
}

/// What statistics say of a column's values: bounds between which about as many rows lie, each as a text; none where there are none.
pub(super) async fn histogram(access: &Access, session: &Session, table: &Table, column: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT s.histogram_bounds::text::text[] FROM pg_catalog.pg_stats s \
        WHERE s.schemaname = $1 AND s.tablename = $2 AND s.attname = $3 ORDER BY s.inherited DESC LIMIT 1";
    let names: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&table.schema, Type::TEXT), (&table.name, Type::TEXT), (&column, Type::TEXT)];
    let row = session.client.query_typed_opt(sql, &names).await;
    let bounds = row.and_then(|row| row.map_or(Ok(None), |row| row.try_get::<_, Option<Vec<Option<String>>>>(0)));
    Ok(bounds.map_err(|error| fault(access, "look up statistics", &error))?.unwrap_or_default().into_iter().flatten().collect())
}

/// The least and the greatest of a column of whole numbers; none where it holds none.
pub(super) async fn ends(access: &Access, session: &Session, found: &Found, column: &str) -> Result<Option<(i64, i64)>, Error> {
    let column = name(column);
    let sql = format!("SELECT pg_catalog.min({column})::int8, pg_catalog.max({column})::int8 FROM {}", found.from);
    let row = session.client.query_typed_one(&sql, &[]).await;
    let ends = row.and_then(|row| Ok((row.try_get::<_, Option<i64>>(0)?, row.try_get::<_, Option<i64>>(1)?)));
    let (least, greatest) = ends.map_err(|error| fault(access, "look up the least and the greatest value to split by", &error))?;
    Ok(least.zip(greatest))
}

/// The column that is the table's whole primary key; none where there is none, or it has several.
pub(super) async fn key(access: &Access, session: &Session, table: &Table) -> Result<Option<String>, Error> {
    let sql = "SELECT a.attname::text FROM pg_catalog.pg_index i \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
        WHERE i.indrelid = $1 AND i.indisprimary AND i.indnkeyatts = 1";
    let row = session.client.query_typed_opt(sql, &[(&table.oid, Type::OID)]).await;
    let found = row.and_then(|row| row.map(|row| row.try_get(0)).transpose());
    found.map_err(|error| fault(access, "look up the primary key", &error))
}

/// How large a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Blocks of all its parts.
    pub all: u64,
    /// Those of its largest part.
    pub most: u64,
    /// Whether rows of all parts lie in blocks that are numbered.
    pub numbered: bool,
}

/// How many blocks a table has, with its partitions.
pub(super) async fn blocks(access: &Access, session: &Session, table: &Table) -> Result<Blocks, Error> {
    let sql = "SELECT coalesce(sum(size), 0)::int8, coalesce(max(size), 0)::int8, coalesce(bool_and(heap), false) FROM ( \
        SELECT pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8 AS size, \
            coalesce(a.amname = 'heap', false) AS heap \
        FROM (SELECT $1 AS oid UNION SELECT t.relid FROM pg_catalog.pg_partition_tree($1) t WHERE t.isleaf) AS part \
        JOIN pg_catalog.pg_class c ON c.oid = part.oid LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE c.relkind <> 'p') AS parts";
    let row = session.client.query_typed_one(sql, &[(&table.oid, Type::OID)]).await;
    let read = row.and_then(|row| Ok((row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?, row.try_get(2)?)));
    let (all, most, numbered) = read.map_err(|error| fault(access, "look up the table's size", &error))?;
    let whole = |blocks: i64| u64::try_from(blocks).unwrap_or(0);
    Ok(Blocks { all: whole(all), most: whole(most), numbered })
}
