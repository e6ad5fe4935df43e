use polder_types::{DatasetId, ErrorKind, PrincipalId, RequestId, TableName};

use crate::action::Action;
use crate::asker::Asker;
use crate::policies::{Decision, Policies};
use crate::table::TableRef;

/// Proof that policies let one principal read one table for one request. Nothing scans a table without it, and only
/// [`Policies::permit`] and [`Policies::access`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    principal: PrincipalId,
    action: Action,
    table: TableName,
    table_id: DatasetId,
    request: RequestId,
    policies: Vec<String>,
}

impl Permit {
    pub(crate) fn granted(principal: &PrincipalId, action: Action, table: &TableRef, request: RequestId, policies: Vec<String>) -> Self {
        Self { principal: principal.clone(), action, table: table.name.clone(), table_id: table.id, request, policies }
    }

    /// Who may.
    pub fn principal(&self) -> &PrincipalId {
        &self.principal
    }

    /// What they may do.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The table's name.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The table's id: a scan must be of this table.
    pub fn table_id(&self) -> DatasetId {
        self.table_id
    }

    /// The request that this is for.
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// Ids of the policies that permitted it, sorted.
    pub fn policies(&self) -> &[String] {
        &self.policies
    }
}

/// The answer no. To a principal that may not describe the table it reads as if the table did not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The principal may know of the table, and may not do this with it.
    #[error("{} {table}: {}", .action.phrase(), if *.erred { "a policy could not be evaluated, so nothing is permitted; correct it in policies/" } else { "no policy permits it, or one forbids it; whoever keeps policies/ can change that" })]
    Known {
        /// What was wanted.
        action: Action,
        /// With what.
        table: TableName,
        /// Ids of the policies that forbade it or erred, sorted.
        policies: Vec<String>,
        /// Whether a policy erred.
        erred: bool,
    },
    /// The principal may not know whether the table exists; also the answer when it does not.
    #[error("find table {table}: no such table; `polder table list` shows those that you may use")]
    Unknown {
        /// The name that was asked for.
        table: String,
        /// Ids of the policies that forbade it or erred, sorted, for the record only.
        policies: Vec<String>,
    },
}

impl Denied {
    /// The answer for a name that no table has: the same that who may not know of a table gets.
    pub fn no_such_table(name: &str) -> Self {
        Self::Unknown { table: name.to_owned(), policies: Vec::new() }
    }

    /// What it means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Known { .. } => ErrorKind::Denied,
            Self::Unknown { .. } => ErrorKind::NotFound,
        }
    }

    /// Ids of the policies that forbade it or erred, for the record.
    pub fn policies(&self) -> &[String] {
        match self {
            Self::Known { policies, .. } | Self::Unknown { policies, .. } => policies,
        }
    }
}

impl Policies {
    /// Decides and, on yes, gives the permit that a scan or a write demands, now and for no stated purpose. For [`Action::Read`] everything
    /// must be permitted, each row and each column as it is: who gets this permit scans without filter or mask. What is permitted in part,
    /// [`Self::access`] gives.
    ///
    /// # Errors
    /// [`Denied`] when no policy permits, one forbids, or any errs.
    pub fn permit(
        &self,
        principal: &PrincipalId,
        groups: &[String],
        action: Action,
        table: &TableRef,
        request: RequestId,
    ) -> Result<Permit, Denied> {
        let now = self.now();
        let Ok(asker) = Asker::new(&self.rows.schema, principal, groups, &now) else {
            return Err(Denied::no_such_table(table.name.as_str()));
        };
        if action == Action::Read {
            let access = self.access(principal, groups, table, &now, request)?;
            return if access.is_whole() {
                Ok(access.permit().clone())
            } else {
                Err(self.refused(&asker, action, table, access.policies().to_vec(), false))
            };
        }
        let decision = self.on_table(&asker, action, table).unwrap_or_else(|_| Decision::unanswerable());
        if decision.allowed {
            Ok(Permit::granted(principal, action, table, request, decision.policies))
        } else {
            Err(self.refused(&asker, action, table, decision.policies, decision.erred))
        }
    }
}
