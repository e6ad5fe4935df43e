use std::collections::BTreeMap;

use polder_types::predicate::Predicate;
use polder_types::{PrincipalId, RequestId};

use crate::circumstances::Circumstances;
use crate::mask::Sight;
use crate::permit::{Denied, Permit};
use crate::policies::Policies;
use crate::table::TableRef;

/// What of one table policies let one principal read for one request: a permit to scan it, and what must be filtered and masked of what the
/// scan gives before anything else looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    permit: Permit,
    rows: Option<Predicate>,
    columns: BTreeMap<String, Sight>,
    whole: bool,
    policies: Vec<String>,
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
        &self.policies
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
        let _ = (principal, groups, circumstances, request, &self);
        Err(Denied::no_such_table(table.name.as_str()))
    }
}
