//! What may be read of a table, in the words that people and test cases use.

use polder_policy::{Explained, Sight};

/// How a column is seen: `clear`, `hidden`, or the name of a mask.
pub fn word(sight: Sight) -> &'static str {
    match sight {
        Sight::Clear => "clear",
        Sight::Hidden => "hidden",
        Sight::Masked(mask) => mask.name(),
    }
}

/// Which rows may be seen.
pub fn rows(explained: &Explained) -> String {
    explained.filter.as_ref().map_or_else(|| "all rows".to_owned(), |filter| format!("rows where {filter}"))
}

/// What may be read, in one line.
pub fn summary(explained: &Explained) -> String {
    if explained.denied.is_some() {
        return "nothing".to_owned();
    }
    if explained.filter.is_none() && explained.columns.iter().all(|column| column.sight == Sight::Clear) {
        return "all of it".to_owned();
    }
    let visible = explained.columns.iter().filter(|column| column.sight.is_visible());
    let columns: Vec<String> = visible.map(|column| format!("{} {}", column.name, word(column.sight))).collect();
    format!("{}; {}", rows(explained), columns.join(", "))
}

/// Ids of the policies that let something of it be read, or keep all of it, sorted.
pub fn policies(explained: &Explained) -> Vec<String> {
    if let Some(denied) = &explained.denied {
        return denied.policies().to_vec();
    }
    let visible = explained.columns.iter().filter(|column| column.sight.is_visible());
    let mut ids: Vec<String> = visible.flat_map(|column| column.policies.clone()).collect();
    ids.extend(rows_policies(explained));
    ids.sort();
    ids.dedup();
    ids
}

/// Ids of the policies that say which rows may be seen, sorted.
pub fn rows_policies(explained: &Explained) -> Vec<String> {
    let mut ids: Vec<String> = explained.rows.iter().map(|rows| rows.policy.clone()).collect();
    if explained.read.allowed {
        ids.extend(explained.read.policies.iter().cloned());
    }
    ids.sort();
    ids.dedup();
    ids
}
