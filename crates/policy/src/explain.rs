use polder_types::predicate::Predicate;
use polder_types::{PrincipalId, TableName};

use crate::access::{Nothing, Seen};
use crate::action::Action;
use crate::asker::Asker;
use crate::circumstances::Circumstances;
use crate::columns::ColumnSeen;
use crate::mask::Sight;
use crate::permit::Denied;
use crate::policies::{Decision, Policies};
use crate::rows::Said;
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
    /// It permits.
    Permits,
    /// It forbids.
    Forbids,
}

impl Policies {
    /// What [`Self::access`] would answer, with the policies and conditions that it rests on. It records nothing and gives no permit.
    pub fn explain(&self, principal: &PrincipalId, groups: &[String], table: &TableRef, circumstances: &Circumstances) -> Explained {
        let Ok(asker) = Asker::new(&self.rows.schema, principal, groups, circumstances) else {
            return Explained {
                table: table.name.clone(),
                denied: Some(Denied::no_such_table(table.name.as_str())),
                read: Decision::unanswerable(),
                columns: Vec::new(),
                filter: Some(Predicate::FALSE),
                rows: Vec::new(),
                reasons: vec!["policies know users, models and services, and the principal is none of them".to_owned()],
            };
        };
        let seen = self.seen(&asker, table);
        let nothing = seen.nothing();
        let denied = nothing.as_ref().map(|nothing| {
            let (policies, erred) = seen.refusing(nothing);
            self.refused(&asker, Action::Read, table, policies, erred)
        });
        let reasons = reasons(&seen, nothing.as_ref());
        let Seen { read, rows, columns } = seen;
        let columns = columns.into_iter().map(|ColumnSeen { name, sight, mut policies, .. }| {
            // A column that no policy speaks of is seen with the whole table.
            if policies.is_empty() && sight == Sight::Clear {
                policies.clone_from(&read.policies);
            }
            ExplainedColumn { name, sight, policies }
        });
        Explained {
            table: table.name.clone(),
            denied,
            columns: columns.collect(),
            read,
            filter: (rows.filter != Predicate::TRUE).then_some(rows.filter),
            rows: rows.said.into_iter().map(ExplainedRows::from).collect(),
            reasons,
        }
    }
}

impl From<Said> for ExplainedRows {
    fn from(Said { policy, effect, condition, text }: Said) -> Self {
        let doubt = condition.is_doubtful().then(|| condition.doubt.unwrap_or_else(|| format!("it errs where {}", condition.errs)));
        Self { policy, effect, condition: text, doubt }
    }
}

fn reasons(seen: &Seen, nothing: Option<&Nothing>) -> Vec<String> {
    let by = |policies: &[String]| policies.join(", ");
    let mut reasons = Vec::new();
    match (nothing, &seen.read) {
        (_, read) if read.erred => {
            reasons.push(format!("Read on the table: a policy could not be evaluated, so nothing is permitted ({})", by(&read.policies)))
        }
        (Some(Nothing::Read), read) => {
            reasons.push(format!("Read on the table is forbidden by {}, so that nothing else can permit it", by(&read.policies)))
        }
        (_, read) if read.allowed => reasons.push(format!("Read on the table is permitted by {}", by(&read.policies))),
        _ => reasons.push("no policy permits Read on the table; rows need ReadRow, and columns ReadColumn or ReadMasked".to_owned()),
    }
    match nothing {
        Some(Nothing::Rows) if seen.rows.too_large => {
            reasons
                .push("what policies say of rows could not be made a filter of: it is too large, or it does not fit the table".to_owned());
        }
        Some(Nothing::Rows) if !seen.rows.known && !seen.read.allowed => {
            reasons.push("nothing is known of the table's columns, so only who may Read it as a whole sees rows".to_owned());
        }
        Some(Nothing::Rows) if seen.rows.erred() => {
            reasons.push(format!("a policy on rows errs on every row, so none is shown ({})", by(&seen.rows.refusing())));
        }
        Some(Nothing::Rows) if seen.rows.refusing().is_empty() => reasons.push("no policy permits ReadRow on any row".to_owned()),
        Some(Nothing::Rows) => reasons.push(format!("no row can pass what policies say of rows ({})", by(&seen.rows.refusing()))),
        Some(Nothing::Columns) => {
            reasons.push("no policy permits ReadColumn or ReadMasked on any column, or policies forbid them".to_owned())
        }
        Some(Nothing::Read) | None => {}
    }
    reasons
}
