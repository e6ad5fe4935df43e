//! Which columns of a table policies let a principal see, and how.

use crate::action::Action;
use crate::asker::{Asker, Boxed, column_entity, column_uid, table_entity};
use crate::mask::{Mask, Sight};
use crate::policies::{Decision, Policies};
use crate::table::TableRef;

/// How one column may be seen, and by what.
pub(crate) struct ColumnSeen {
    pub(crate) name: String,
    pub(crate) sight: Sight,
    /// Ids of the policies that decided, sorted.
    pub(crate) policies: Vec<String>,
    pub(crate) erred: bool,
}

impl Policies {
    /// How the asker may see each column of `table`, when it may (`whole`) or may not read the whole table.
    pub(crate) fn columns_seen(&self, asker: &Asker<'_>, table: &TableRef, whole: bool) -> Result<Vec<ColumnSeen>, Boxed> {
        let [_, about_clear, about_masked] = &self.about;
        if about_clear.is_empty() && about_masked.is_empty() {
            // No policy speaks of columns: they are seen with the table, or not at all.
            let sight = if whole { Sight::Clear } else { Sight::Hidden };
            let seen = |name: &String| ColumnSeen { name: name.clone(), sight, policies: Vec::new(), erred: false };
            return Ok(table.columns.iter().map(|column| seen(&column.name)).collect());
        }
        let mut entities = vec![table_entity(table)?];
        for column in &table.columns {
            entities.push(column_entity(table, column)?);
        }
        let entities = asker.entities(entities)?;
        let mut seen = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let id = column_uid(table, column)?;
            let clear = asker.ask(about_clear, Action::ReadColumn, id.clone(), &entities)?;
            let masked = asker.ask(about_masked, Action::ReadMasked, id, &entities)?;
            let (sight, mut policies) = self.sight(whole, &clear, &masked);
            policies.sort();
            policies.dedup();
            seen.push(ColumnSeen { name: column.name.clone(), sight, policies, erred: clear.erred || masked.erred });
        }
        Ok(seen)
    }

    fn sight(&self, whole: bool, clear: &Decision, masked: &Decision) -> (Sight, Vec<String>) {
        let both = || clear.policies.iter().chain(&masked.policies).cloned().collect();
        if clear.erred || masked.erred {
            let erring = [clear, masked].into_iter().filter(|decision| decision.erred);
            return (Sight::Hidden, erring.flat_map(|decision| decision.policies.iter().cloned()).collect());
        }
        if clear.allowed {
            // Of a whole table, what permits the column permits nothing more.
            return (Sight::Clear, if whole { Vec::new() } else { clear.policies.clone() });
        }
        if whole && !clear.is_refused() {
            return (Sight::Clear, Vec::new());
        }
        if !masked.allowed {
            return (Sight::Hidden, both());
        }
        // A policy that permits other actions too names no mask: beside a `forbid` on ReadColumn it leaves the column hidden.
        let masks: Vec<(&String, Mask)> = masked.policies.iter().filter_map(|id| Some((id, *self.masks.get(id)?))).collect();
        match Mask::strictest(&masks.iter().map(|(_, mask)| *mask).collect::<Vec<_>>()) {
            Some(mask) => (Sight::Masked(mask), clear.policies.iter().chain(masks.into_iter().map(|(id, _)| id)).cloned().collect()),
            None => (Sight::Hidden, clear.policies.clone()),
        }
    }
}
