use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Entity, PolicySet};
use polder_types::{Clock, PrincipalId, SystemClock};

use crate::action::Action;
use crate::asker::{Asker, Boxed, table_entity, uid};
use crate::blind::Blind;
use crate::circumstances::Circumstances;
use crate::mask::Mask;
use crate::schema::Rows;
use crate::table::TableRef;

/// A decision and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the principal may.
    pub allowed: bool,
    /// Ids of the policies that decided, sorted: those that permit when allowed, else those that forbid or erred.
    pub policies: Vec<String>,
    /// Whether a policy erred, or the question itself could not be put. Cedar would skip it; here it denies.
    pub erred: bool,
}

impl Decision {
    pub(crate) fn unanswerable() -> Self {
        Self { allowed: false, policies: Vec::new(), erred: true }
    }

    fn no() -> Self {
        Self { allowed: false, policies: Vec::new(), erred: false }
    }

    /// Whether a policy says no or errs, so that no other can permit.
    pub(crate) fn is_refused(&self) -> bool {
        !self.allowed && (self.erred || !self.policies.is_empty())
    }
}

/// The policies of a project, parsed and validated.
#[derive(Debug)]
pub struct Policies {
    pub(crate) set: PolicySet,
    /// Those that can apply to `ReadRow`, to `ReadColumn` and to `ReadMasked`: a table of many columns is asked about no others.
    pub(crate) about: [PolicySet; 3],
    pub(crate) rows: Rows,
    pub(crate) masks: BTreeMap<String, Mask>,
    pub(crate) blind: Blind,
    /// Whether a condition may be too deep for the stack of any thread.
    pub(crate) deep: bool,
    clock: Arc<dyn Clock>,
}

impl Policies {
    pub(crate) fn new(rows: Rows, masks: BTreeMap<String, Mask>, blind: Blind, about: [PolicySet; 3], set: PolicySet, deep: bool) -> Self {
        Self { set, about, rows, masks, blind, deep, clock: Arc::new(SystemClock) }
    }

    /// With another source of the time than the host's, for decisions that are not told their [`Circumstances`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Now, and no stated purpose.
    pub(crate) fn now(&self) -> Circumstances {
        Circumstances::at(self.clock.now_ms().saturating_mul(1000))
    }

    /// May `principal`, a member of `groups`, do `action` with `table`, now and for no stated purpose? Denied unless a policy permits, none
    /// forbids and none errs. [`Action::ReadRow`], [`Action::ReadColumn`] and [`Action::ReadMasked`] are nothing that one does with a table:
    /// [`Self::access`] tells what they give.
    pub fn decide(&self, principal: &PrincipalId, groups: &[String], action: Action, table: &TableRef) -> Decision {
        let ask = || self.on_table(&Asker::new(&self.rows.schema, principal, groups, &self.now())?, action, table);
        ask().unwrap_or_else(|_| Decision::unanswerable())
    }

    /// As [`Self::decide`], for an action on the installation as a whole: [`Action::ManageKeys`], [`Action::ManageIdentities`],
    /// [`Action::ReadMetrics`] and [`Action::Audit`].
    /// Any other action is denied.
    pub fn decide_installation(&self, principal: &PrincipalId, groups: &[String], action: Action) -> Decision {
        let ask = || {
            let asker = Asker::new(&self.rows.schema, principal, groups, &self.now())?;
            let id = uid("Installation", "polder")?;
            asker.ask(&self.set, action, id.clone(), &asker.entities(vec![Entity::new_no_attrs(id, HashSet::new())])?)
        };
        ask().unwrap_or_else(|_: Boxed| Decision::unanswerable())
    }

    /// May `principal`, a member of `groups`, approve that someone is in `group` for some time ([`Action::ApproveGrant`])?
    pub fn decide_grant(&self, principal: &PrincipalId, groups: &[String], group: &str) -> Decision {
        let ask = || {
            let asker = Asker::new(&self.rows.schema, principal, groups, &self.now())?;
            let id = uid("Group", group)?;
            // The groups of who asks are there already.
            let own = groups.iter().any(|name| name == group);
            let with = if own { Vec::new() } else { vec![Entity::new_no_attrs(id.clone(), HashSet::new())] };
            asker.ask(&self.set, Action::ApproveGrant, id, &asker.entities(with)?)
        };
        ask().unwrap_or_else(|_: Boxed| Decision::unanswerable())
    }

    /// How many policies there are.
    pub fn count(&self) -> usize {
        self.set.num_of_policies()
    }

    pub(crate) fn on_table(&self, asker: &Asker<'_>, action: Action, table: &TableRef) -> Result<Decision, Boxed> {
        if matches!(action, Action::ReadRow | Action::ReadColumn | Action::ReadMasked) {
            return Ok(Decision::no());
        }
        let entity = table_entity(table)?;
        asker.ask(&self.set, action, entity.uid(), &asker.entities(vec![entity])?)
    }
}
