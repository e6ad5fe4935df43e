//! What there is to read: tables and views, their columns, and what a query gives.

use std::collections::BTreeSet;

use polder_types::ErrorKind;
use polder_types::printable::printable;

use super::connect::Connected;
use super::literal;
use crate::database::Relation;
use crate::error::Error;

/// Databases that a server has for itself.
const SYSTEM: &str = "('information_schema', 'performance_schema', 'mysql', 'sys')";

/// Something to read from.
pub(super) struct Found {
    /// What stands behind FROM.
    pub from: String,
    /// The columns that the account may read.
    pub names: Vec<String>,
    /// Whether all rows are seen in one snapshot, and their writers among open transactions: InnoDB does that.
    pub transactional: bool,
}

/// The tables and views that the account may read: of the URL's database by their names, of others with the database's before them.
pub(super) fn tables(connected: &mut Connected) -> Result<Vec<String>, Error> {
    let told = connected.told("list the tables");
    let kinds = "('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')";
    let sql = format!(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type IN {kinds} AND table_schema NOT IN {SYSTEM}"
    );
    let all = connected.session.rows(&sql).map_err(&told)?;
    let sql = format!(
        "SELECT DISTINCT table_schema, table_name FROM information_schema.columns WHERE FIND_IN_SET('select', privileges) > 0 AND table_schema NOT IN {SYSTEM}"
    );
    let readable: BTreeSet<_> = connected.session.rows(&sql).map_err(&told)?.into_iter().collect();
    let mut names = BTreeSet::new();
    for row in all.into_iter().filter(|row| readable.contains(row)) {
        if let [Some(database), Some(table)] = &row[..] {
            names.insert(match connected.database.as_ref() == Some(database) {
                true => table.clone(),
                false => format!("{database}.{table}"),
            });
        }
    }
    Ok(names.into_iter().collect())
}

/// Finds a relation, and what columns of it may be read.
pub(super) fn find(connected: &mut Connected, relation: &Relation, dataset: &str) -> Result<Found, Error> {
    match relation {
        Relation::Table(name) => table(connected, name),
        Relation::Query(query) => self::query(connected, query, dataset),
    }
}

/// The database and the table that a name may mean: a name may hold a point itself.
fn meanings(name: &str, database: Option<&str>) -> Vec<(String, String)> {
    let here = database.map(|database| (database.to_owned(), name.to_owned()));
    let points = name.match_indices('.').filter_map(|(at, _)| Some((name.get(..at)?.to_owned(), name.get(at + 1..)?.to_owned())));
    here.into_iter().chain(points).collect()
}

fn table(connected: &mut Connected, name: &str) -> Result<Found, Error> {
    let told = connected.told("find the table");
    for (database, table) in meanings(name, connected.database.as_deref()) {
        let place = format!("table_schema = {} AND table_name = {}", literal::text(&database), literal::text(&table));
        let sql = format!("SELECT table_schema, table_name, engine FROM information_schema.tables WHERE {place}");
        let rows = connected.session.rows(&sql).map_err(&told)?;
        // Names are compared without case there, and mostly with it where tables are.
        let is_it = |row: &&Vec<Option<String>>| matches!(&row[..], [Some(one), Some(other), ..] if *one == database && *other == table);
        let Some(row) = rows.iter().find(is_it) else { continue };
        let engine = row.get(2).cloned().flatten();
        let sql = format!(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns WHERE {place} AND FIND_IN_SET('select', privileges) > 0 ORDER BY ordinal_position"
        );
        let rows = connected.session.rows(&sql).map_err(&told)?;
        let names: Vec<String> = rows.iter().filter(is_it).filter_map(|row| row.get(2).cloned().flatten()).collect();
        if names.is_empty() {
            break;
        }
        let transactional = match engine {
            Some(engine) => engine.eq_ignore_ascii_case("InnoDB"),
            None => only_innodb(connected)?,
        };
        return Ok(Found { from: format!("{}.{}", literal::name(&database), literal::name(&table)), names, transactional });
    }
    Err(Error::Database {
        connection: connected.source.clone(),
        step: format!("find the table {}", printable(name)),
        problem: "there is none that this account may read".to_owned(),
        advice: "correct the name in the contract, or give the account the right to SELECT from it".to_owned(),
        kind: ErrorKind::NotFound,
    })
}

/// A view or a query may read from any table: whether every one that the account sees is of InnoDB.
fn only_innodb(connected: &mut Connected) -> Result<bool, Error> {
    let told = connected.told("find the tables behind it");
    let kinds = "('BASE TABLE', 'SYSTEM VERSIONED')";
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_type IN {kinds} AND table_schema NOT IN {SYSTEM} AND (engine IS NULL OR engine <> 'InnoDB')"
    );
    Ok(connected.session.value(&sql).map_err(told)?.as_deref() == Some("0"))
}

fn query(connected: &mut Connected, query: &str, dataset: &str) -> Result<Found, Error> {
    let told = connected.told(&format!("prepare the query {}", printable(dataset)));
    let wrong = |connected: &Connected, problem: String, advice: &str| Error::Database {
        connection: connected.source.clone(),
        step: format!("prepare the query {}", printable(dataset)),
        problem,
        advice: advice.to_owned(),
        kind: ErrorKind::Invalid,
    };
    // By itself first: what is only half a statement could become another one in brackets.
    let alone = connected.session.prepare(query).map_err(&told)?;
    connected.session.close(&alone).map_err(&told)?;
    if alone.parameters > 0 {
        return Err(wrong(connected, "it has question marks for values that nobody gives".to_owned(), "write the values into the query"));
    }
    if alone.columns.is_empty() {
        return Err(wrong(connected, "it gives no rows".to_owned(), "write one SELECT"));
    }
    let mut names: Vec<String> = Vec::with_capacity(alone.columns.len());
    for column in alone.columns {
        if names.iter().any(|name| name.to_lowercase() == column.name.to_lowercase()) {
            let problem = format!("two of its columns are called {}", printable(&column.name));
            return Err(wrong(connected, problem, "give each a name of its own with AS"));
        }
        names.push(column.name);
    }
    // A comment at its end must not reach further.
    Ok(Found { from: format!("({query}\n) AS `query`"), names, transactional: only_innodb(connected)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_points_may_mean_several_tables() {
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(meanings("beds", Some("adt")), [pair("adt", "beds")]);
        assert_eq!(meanings("adt.beds", None), [pair("adt", "beds")]);
        assert_eq!(meanings("a.b.c", Some("d")), [pair("d", "a.b.c"), pair("a", "b.c"), pair("a.b", "c")]);
        assert_eq!(meanings("beds", None), []);
    }
}
