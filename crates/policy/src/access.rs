use std::collections::BTreeMap;

use polder_types::predicate::Predicate;
use polder_types::{PrincipalId, RequestId};

use crate::action::Action;
use crate::asker::Asker;
use crate::circumstances::Circumstances;
use crate::columns::ColumnSeen;
use crate::mask::Sight;
use crate::permit::{Denied, Permit};
use crate::policies::{Decision, Policies};
use crate::rows::RowsSeen;
use crate::table::TableRef;

/// What of one table policies let one principal read for one request: a permit to scan it, and what must be filtered and masked of what the
/// scan gives before anything else looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    permit: Permit,
    rows: Option<Predicate>,
    columns: BTreeMap<String, Sight>,
    whole: bool,
}

impl Access {
    /// The permit to scan. Whoever scans with it must keep [`Self::rows`] and [`Self::column`].
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Which rows may be seen; none when all may. It looks only at columns that the [`TableRef`] lists, hidden ones among them.
    pub fn rows(&self) -> Option<&Predicate> {
        self.rows.as_ref()
    }

    /// How a column may be seen. One that the [`TableRef`] does not list is clear where all is permitted, and else hidden.
    pub fn column(&self, name: &str) -> Sight {
        self.columns.get(name).copied().unwrap_or(if self.whole { Sight::Clear } else { Sight::Hidden })
    }

    /// Whether every row and every column may be seen as they are.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Ids of all policies that decided, sorted.
    pub fn policies(&self) -> &[String] {
        self.permit.policies()
    }
}

/// All that policies say of a principal's reading a table.
pub(crate) struct Seen {
    pub(crate) read: Decision,
    pub(crate) rows: RowsSeen,
    pub(crate) columns: Vec<ColumnSeen>,
}

/// Why nothing of a table may be read.
pub(crate) enum Nothing {
    /// `Read` on the table is forbidden, or a policy on it errs.
    Read,
    /// No row can pass.
    Rows,
    /// Every column is hidden.
    Columns,
}

impl Seen {
    pub(crate) fn nothing(&self) -> Option<Nothing> {
        if self.read.is_refused() {
            Some(Nothing::Read)
        } else if self.rows.filter == Predicate::FALSE {
            Some(Nothing::Rows)
        } else if self.columns.iter().any(|column| column.sight.is_visible()) || (self.columns.is_empty() && self.read.allowed) {
            None
        } else {
            Some(Nothing::Columns)
        }
    }

    /// Ids of the policies that refuse, and whether one erred.
    pub(crate) fn refusing(&self, nothing: &Nothing) -> (Vec<String>, bool) {
        match nothing {
            Nothing::Read => (self.read.policies.clone(), self.read.erred),
            Nothing::Rows => (self.rows.refusing(), self.rows.erred()),
            Nothing::Columns => {
                let mut policies: Vec<String> = self.columns.iter().flat_map(|column| column.policies.iter().cloned()).collect();
                policies.sort();
                policies.dedup();
                (policies, self.columns.iter().any(|column| column.erred))
            }
        }
    }

    /// Ids of all policies that decided what may be seen, sorted.
    fn deciding(&self) -> Vec<String> {
        let permitting = if self.read.allowed { self.read.policies.clone() } else { self.rows.permitting() };
        let columns = self.columns.iter().flat_map(|column| column.policies.iter().cloned());
        let mut policies: Vec<String> = permitting.into_iter().chain(self.rows.refusing()).chain(columns).collect();
        policies.sort();
        policies.dedup();
        policies
    }
}

impl Policies {
    /// Which rows and columns of `table` may `principal`, a member of `groups`, read in these circumstances?
    ///
    /// # Errors
    /// [`Denied`] when nothing is left to see: a policy forbids `Read` on the table or errs, no row can pass, or every column is hidden.
    pub fn access(
        &self,
        principal: &PrincipalId,
        groups: &[String],
        table: &TableRef,
        circumstances: &Circumstances,
        request: RequestId,
    ) -> Result<Access, Denied> {
        let Ok(asker) = Asker::new(&self.rows.schema, principal, groups, circumstances) else {
            return Err(Denied::no_such_table(table.name.as_str()));
        };
        let seen = self.seen(&asker, table);
        if let Some(nothing) = seen.nothing() {
            let (policies, erred) = seen.refusing(&nothing);
            return Err(self.refused(&asker, Action::Read, table, policies, erred));
        }
        let policies = seen.deciding();
        let rows = (seen.rows.filter != Predicate::TRUE).then_some(seen.rows.filter);
        let columns: BTreeMap<String, Sight> = seen.columns.into_iter().map(|column| (column.name, column.sight)).collect();
        let whole = seen.read.allowed && rows.is_none() && columns.values().all(|sight| *sight == Sight::Clear);
        Ok(Access { permit: Permit::granted(principal, Action::Read, table, request, policies), rows, columns, whole })
    }

    pub(crate) fn seen(&self, asker: &Asker<'_>, table: &TableRef) -> Seen {
        // A question that cannot be put is answered no.
        let read = self.on_table(asker, Action::Read, table).unwrap_or_else(|_| Decision::unanswerable());
        let whole = read.allowed;
        let rows = self.rows_seen(asker, table, whole).unwrap_or(RowsSeen {
            filter: Predicate::FALSE,
            said: Vec::new(),
            too_large: true,
            known: true,
        });
        let columns = self.columns_seen(asker, table, whole).unwrap_or_else(|_| {
            let hidden = |name: &String| ColumnSeen { name: name.clone(), sight: Sight::Hidden, policies: Vec::new(), erred: true };
            table.columns.iter().map(|column| hidden(&column.name)).collect()
        });
        Seen { read, rows, columns }
    }

    /// The answer no to someone who may, or may not, know of the table.
    pub(crate) fn refused(&self, asker: &Asker<'_>, action: Action, table: &TableRef, policies: Vec<String>, erred: bool) -> Denied {
        let describe = self.on_table(asker, Action::Describe, table).unwrap_or_else(|_| Decision::unanswerable());
        if describe.allowed {
            Denied::Known { action, table: table.name.clone(), policies, erred }
        } else {
            Denied::Unknown { table: table.name.to_string(), policies }
        }
    }
}
