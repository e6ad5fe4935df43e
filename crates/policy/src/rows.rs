//! Which rows of a table policies let a principal see.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use cedar_policy::pst::Clause;
use cedar_policy::{Entity, EntityTypeName, PartialEntities, PartialEntityUid, PartialRequest, Policy, PolicyId};
use polder_types::predicate::Predicate;

use crate::action::Action;
use crate::asker::{Asker, Boxed, table_entity, uid};
use crate::explain::Effect;
use crate::policies::Policies;
use crate::residual::{Condition, NODES_MAX, of_whole_rows};
use crate::schema::UNKNOWN_ROW;
use crate::stack::with_room;
use crate::table::TableRef;

/// What one policy says of rows.
pub(crate) struct Said {
    pub(crate) policy: String,
    pub(crate) effect: Effect,
    pub(crate) condition: Condition,
    /// The condition in Cedar's syntax.
    pub(crate) text: String,
}

/// Which rows may be seen, and by what.
pub(crate) struct RowsSeen {
    pub(crate) filter: Predicate,
    /// By id; policies that are false of every row are left out.
    pub(crate) said: Vec<Said>,
    /// Whether the policies together are more than a filter can be.
    pub(crate) too_large: bool,
    /// Whether the table's columns are known.
    pub(crate) known: bool,
}

impl RowsSeen {
    /// Ids of the policies that keep rows back: what forbids, and what errs.
    pub(crate) fn refusing(&self) -> Vec<String> {
        let refuses = |said: &&Said| said.effect == Effect::Forbids || said.condition.is_doubtful();
        self.said.iter().filter(refuses).map(|said| said.policy.clone()).collect()
    }

    /// Ids of the policies that permit rows.
    pub(crate) fn permitting(&self) -> Vec<String> {
        self.said.iter().filter(|said| said.effect == Effect::Permits).map(|said| said.policy.clone()).collect()
    }

    /// Whether a policy errs on every row.
    pub(crate) fn erred(&self) -> bool {
        self.too_large || self.said.iter().any(|said| said.condition.errs == Predicate::TRUE)
    }
}

impl Policies {
    /// Which rows of `table` the asker may see, when it may (`whole`) or may not read the whole table.
    pub(crate) fn rows_seen(&self, asker: &Asker<'_>, table: &TableRef, whole: bool) -> Result<RowsSeen, Boxed> {
        let own = self.rows.type_of(&table.name).filter(|_| !table.columns.is_empty());
        let (typed, row_type) = (own.is_some(), own.unwrap_or(UNKNOWN_ROW));
        let said = || self.said(asker, table, row_type);
        let mut said = if self.deep { with_room(said)?? } else { said()? };
        if !typed {
            said.extend(self.said_blindly(asker, table)?);
        }
        for Said { condition, .. } in said.iter_mut().filter(|said| whole && said.effect == Effect::Permits) {
            // Who may read the whole table does not need this policy. NULL where the contract lets none be (rows from before it did) would
            // make it err, and take from them what they may read.
            condition.errs = of_whole_rows(std::mem::replace(&mut condition.errs, Predicate::FALSE), table);
        }
        let of = |effect: Effect| said.iter().filter(move |said| said.effect == effect).map(|said| said.condition.holds.clone());
        let errs = Predicate::or(said.iter().map(|said| said.condition.errs.clone()));
        let permitted = match (whole, typed) {
            (true, _) => Predicate::TRUE,
            (false, true) => Predicate::or(of(Effect::Permits)),
            (false, false) => Predicate::FALSE,
        };
        let filter = Predicate::and([errs.not(), permitted, Predicate::or(of(Effect::Forbids)).not()]);
        let too_large = filter.size() > NODES_MAX;
        let known = !table.columns.is_empty();
        Ok(RowsSeen { filter: if too_large { Predicate::FALSE } else { filter }, said, too_large, known })
    }

    fn said(&self, asker: &Asker<'_>, table: &TableRef, row_type: &str) -> Result<Vec<Said>, Boxed> {
        let [about, ..] = &self.about;
        if about.is_empty() {
            return Ok(Vec::new());
        }
        let request = PartialRequest::new(
            PartialEntityUid::from_concrete(asker.principal.clone()),
            uid("Action", Action::ReadRow.name())?,
            PartialEntityUid::new(EntityTypeName::from_str(row_type)?, None),
            Some(asker.context.clone()),
            &self.rows.schema,
        )?;
        let entities = PartialEntities::from_concrete(asker.entities(Vec::new())?, &self.rows.schema)?;
        let response = about.tpe(&request, &entities, &self.rows.schema)?;
        // What comes of it has no order of its own, so it is put into one.
        let mut conditions: BTreeMap<String, (Condition, String)> = BTreeMap::new();
        let constant = |id: &PolicyId| (id.to_string(), (Condition::constant(true), "true".to_owned()));
        conditions.extend(response.true_permits().chain(response.true_forbids()).map(constant));
        let error = |id: &PolicyId| (id.to_string(), (Condition::errs("it errs whatever the row is"), "error()".to_owned()));
        conditions.extend(response.error_permits().chain(response.error_forbids()).map(error));
        conditions.extend(response.residual_policies().map(|policy| (policy.id().to_string(), condition(&policy, table))));
        let mut said = Vec::new();
        for (id, (condition, text)) in conditions {
            if condition.holds == Predicate::FALSE && condition.errs == Predicate::FALSE {
                continue;
            }
            let policy = about.policy(&PolicyId::new(&id)).ok_or("a residual of no policy")?;
            let effect = match policy.effect() {
                cedar_policy::Effect::Permit => Effect::Permits,
                cedar_policy::Effect::Forbid => Effect::Forbids,
            };
            said.push(Said { policy: id, effect, condition, text });
        }
        Ok(said)
    }

    /// What might forbid rows, had the table the columns that it looks at.
    fn said_blindly(&self, asker: &Asker<'_>, table: &TableRef) -> Result<Vec<Said>, Boxed> {
        let row = uid(UNKNOWN_ROW, "")?;
        let entity = Entity::new_no_attrs(row.clone(), HashSet::from([uid("Table", table.name.as_str())?]));
        let might = asker.ask(&self.blind.scopes, Action::ReadRow, row, &asker.entities(vec![table_entity(table)?, entity])?)?;
        Ok(might
            .policies
            .into_iter()
            .map(|policy| Said {
                policy,
                effect: Effect::Forbids,
                condition: Condition::errs("it looks at columns, and nothing is known of this table's"),
                text: "error()".to_owned(),
            })
            .collect())
    }
}

/// A residual policy has an open scope and one condition.
fn condition(policy: &Policy, table: &TableRef) -> (Condition, String) {
    let Ok(tree) = policy.to_pst() else {
        return (Condition::errs("what is left of its condition cannot be read"), "error()".to_owned());
    };
    match tree.body().clauses().as_slice() {
        [Clause::When(expr)] => (Condition::of(expr, table), expr.to_string()),
        _ => (Condition::errs("what is left of its condition cannot be read"), "error()".to_owned()),
    }
}
