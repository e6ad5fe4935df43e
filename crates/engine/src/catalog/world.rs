//! What one asker may know, with the OIDs by which clients call it.

use std::collections::{BTreeMap, HashSet};

use super::base_type;
use super::relation::{self, INFORMATION_SCHEMA, PG_CATALOG};
use super::{KnownColumn, KnownTable, PgType, Who, type_of};

/// The database that clients see.
pub(super) const DATABASE: &str = "polder";
/// The schema of all tables.
pub(super) const PUBLIC: &str = "public";
/// The role that clients see as the owner of everything; nobody can sign in as it.
pub(super) const OWNER: &str = "polder";

pub(super) const DATABASE_OID: i64 = 16_384;
pub(super) const PG_CATALOG_OID: i64 = 11;
pub(super) const PUBLIC_OID: i64 = 2_200;
pub(super) const INFORMATION_SCHEMA_OID: i64 = 13_207;
pub(super) const OWNER_OID: i64 = 10;
/// `pg_class` in `pg_class`.
pub(super) const PG_CLASS_OID: i64 = 1_259;
pub(super) const HEAP_OID: i64 = 2;

/// OIDs below are PostgreSQL's own.
const OID_MIN: u64 = 16_385;
/// Clients read OIDs as numbers with a sign, of 32 bits.
const OID_MAX: u64 = (1 << 31) - 1;

/// A table with its OID.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub oid: i64,
    pub known: &'a KnownTable,
}

impl Table<'_> {
    pub(super) const fn relkind(&self) -> &'static str {
        if self.known.model { "v" } else { "r" }
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = (i64, &KnownColumn, PgType)> {
        (1_i64..).zip(&self.known.columns).map(|(number, column)| (number, column, type_of(&column.data_type)))
    }
}

/// What is told to functions: owned, since they outlive the question's borrow.
#[derive(Debug, Default)]
pub(super) struct World {
    pub who: Who,
    pub who_oid: i64,
    /// OIDs of the asker's tables, by name.
    tables: BTreeMap<String, i64>,
    names: BTreeMap<i64, String>,
    roles: Vec<(i64, String)>,
    /// Comments on tables (0) and columns, by the table's OID.
    comments: BTreeMap<(i64, i64), String>,
}

impl World {
    pub(super) fn new(known: &[KnownTable], who: &Who) -> Self {
        let mut world = Self { who: who.clone(), ..Self::default() };
        let mut roles = HashSet::from([OWNER_OID]);
        world.roles.push((OWNER_OID, OWNER.to_owned()));
        for name in std::iter::once(&who.name).chain(&who.groups) {
            if world.roles.iter().all(|(_, taken)| taken != name) {
                world.roles.push((oid("role", name, &mut roles), name.clone()));
            }
        }
        world.who_oid = world.roles.iter().find(|(_, name)| *name == who.name).map_or(OWNER_OID, |(oid, _)| *oid);
        let mut taken = HashSet::from([DATABASE_OID]);
        let mut sorted: Vec<&KnownTable> = known.iter().collect();
        sorted.sort_by(|left, right| left.name.cmp(&right.name));
        for table in sorted {
            let oid = oid("table", &table.name, &mut taken);
            if let Some(comment) = &table.comment {
                world.comments.insert((oid, 0), comment.clone());
            }
            for (number, column) in (1_i64..).zip(&table.columns) {
                if let Some(comment) = &column.comment {
                    world.comments.insert((oid, number), comment.clone());
                }
            }
            world.names.insert(oid, table.name.clone());
            world.tables.insert(table.name.clone(), oid);
        }
        world
    }

    /// The tables with their OIDs, by name.
    pub(super) fn tables<'a>(&self, known: &'a [KnownTable]) -> Vec<Table<'a>> {
        let mut tables: Vec<Table<'a>> =
            known.iter().filter_map(|known| Some(Table { oid: *self.tables.get(&known.name)?, known })).collect();
        tables.sort_by(|left, right| left.known.name.cmp(&right.known.name));
        tables
    }

    pub(super) fn roles(&self) -> &[(i64, String)] {
        &self.roles
    }

    pub(super) fn role_name(&self, oid: i64) -> Option<&str> {
        self.roles.iter().find(|(role, _)| *role == oid).map(|(_, name)| name.as_str())
    }

    pub(super) fn comments(&self) -> impl Iterator<Item = (i64, i64, &str)> {
        self.comments.iter().map(|((oid, column), text)| (*oid, *column, text.as_str()))
    }

    pub(super) fn comment(&self, oid: i64, column: i64) -> Option<&str> {
        self.comments.get(&(oid, column)).map(String::as_str)
    }

    /// The OID of a relation that is named as in SQL: `flights`, `public.flights`, `"flights"`, `pg_class`, or an OID as text.
    pub(super) fn relation(&self, name: &str) -> Option<i64> {
        if let Ok(oid) = name.trim().parse::<i64>() {
            return Some(oid);
        }
        let parts = identifiers(name)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let own = |name: &str| self.tables.get(name).copied();
        match parts.as_slice() {
            [name] => relation::find(None, name).map(|found| found.oid).or_else(|| own(name)),
            [schema, name] | [DATABASE, schema, name] => match *schema {
                PUBLIC => own(name),
                schema => relation::find(Some(schema), name).map(|found| found.oid),
            },
            _ => None,
        }
    }

    /// The name of a relation as `regclass` is written: with its schema where it would not be found without.
    pub(super) fn relation_name(&self, oid: i64) -> Option<String> {
        if let Some(name) = self.names.get(&oid) {
            return Some(quoted(name));
        }
        let found = relation::all().find(|found| found.oid == oid)?;
        Some(if found.schema == PG_CATALOG { found.name.to_owned() } else { format!("{}.{}", found.schema, found.name) })
    }

    /// Whether a relation is found without its schema.
    pub(super) fn is_visible(&self, oid: i64) -> Option<bool> {
        if self.names.contains_key(&oid) {
            return Some(true);
        }
        relation::all().find(|found| found.oid == oid).map(|found| found.schema == PG_CATALOG)
    }
}

/// The OID of a schema.
pub(super) fn schema_oid(name: &str) -> Option<i64> {
    match name {
        PG_CATALOG => Some(PG_CATALOG_OID),
        PUBLIC => Some(PUBLIC_OID),
        INFORMATION_SCHEMA => Some(INFORMATION_SCHEMA_OID),
        _ => None,
    }
}

pub(super) fn schema_name(oid: i64) -> Option<&'static str> {
    [PG_CATALOG, PUBLIC, INFORMATION_SCHEMA].into_iter().find(|name| schema_oid(name) == Some(oid))
}

/// An identifier as it must be written.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Takes `a."B".c` apart: what is not quoted is in lower case.
fn identifiers(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        if let Some(open) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut inner = open;
            loop {
                let (before, after) = inner.split_once('"')?;
                name.push_str(before);
                match after.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        inner = more;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            parts.push(name);
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            parts.push(name.trim().to_lowercase());
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None if rest.trim().is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// An OID made of a name alone, so that it is the same for whoever asks, whenever, and tells nothing of other tables. Of two names whose OIDs
/// would be one, the later takes another.
fn oid(what: &str, name: &str, taken: &mut HashSet<i64>) -> i64 {
    let mut salt = 0_u32;
    loop {
        let text = format!("{what}\0{name}\0{salt}");
        // FNV-1a, whose answers never change; nobody is kept from choosing a name for its OID.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mixed = hash ^ (hash >> 32);
        let oid = i64::try_from(OID_MIN + mixed % (OID_MAX - OID_MIN)).unwrap_or(i64::from(i32::MAX));
        if taken.insert(oid) {
            return oid;
        }
        salt = salt.wrapping_add(1);
    }
}

/// How a type is written for whoever reads `information_schema`.
pub(super) fn data_type(pg: PgType) -> String {
    let base = base_type::by_oid(i64::from(pg.oid));
    if base.is_some_and(|base| base.subscript == "array_subscript_handler" && base.element != 0) {
        return "ARRAY".to_owned();
    }
    base_type::written(i64::from(pg.oid), None)
}
