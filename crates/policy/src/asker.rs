use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression, Schema,
};
use polder_types::PrincipalId;

use crate::action::Action;
use crate::circumstances::Circumstances;
use crate::policies::Decision;
use crate::table::{ColumnRef, TableRef};

pub(crate) type Boxed = Box<dyn std::error::Error + Send + Sync>;

const MILLIS_A_DAY: i64 = 86_400_000;

/// Who asks and under which circumstances, as Cedar sees it.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    schema: &'a Schema,
    pub(crate) principal: EntityUid,
    entities: Vec<Entity>,
    pub(crate) context: Context,
}

impl<'a> Asker<'a> {
    /// # Errors
    /// When the principal is of no kind that policies know.
    pub(crate) fn new(
        schema: &'a Schema,
        principal: &PrincipalId,
        groups: &[String],
        circumstances: &Circumstances,
    ) -> Result<Self, Boxed> {
        let kind = match principal.kind() {
            "user" => "User",
            "model" => "Model",
            "service" => "Service",
            _ => return Err("a principal of an unknown kind".into()),
        };
        let group_ids = groups.iter().map(|group| uid("Group", group)).collect::<Result<HashSet<_>, _>>()?;
        let mut entities: Vec<Entity> = group_ids.iter().map(|id| Entity::new_no_attrs(id.clone(), HashSet::new())).collect();
        let id = uid(kind, principal.name())?;
        let attributes = HashMap::from([("name".to_owned(), text(principal.name()))]);
        entities.push(Entity::new(id.clone(), attributes, group_ids)?);
        Ok(Self { schema, principal: id, entities, context: context(circumstances)? })
    }

    /// The principal and its groups, with these.
    pub(crate) fn entities(&self, with: Vec<Entity>) -> Result<Entities, Boxed> {
        Ok(Entities::from_entities(self.entities.iter().cloned().chain(with), Some(self.schema))?)
    }

    /// Asks one question of the policies, of which those that err deny.
    pub(crate) fn ask(&self, set: &PolicySet, action: Action, resource: EntityUid, entities: &Entities) -> Result<Decision, Boxed> {
        let request =
            Request::new(self.principal.clone(), uid("Action", action.name())?, resource, self.context.clone(), Some(self.schema))?;
        let response = Authorizer::new().is_authorized(&request, set, entities);
        let mut policies: Vec<String> = response.diagnostics().errors().map(erring_policy).collect();
        let erred = !policies.is_empty();
        let allowed = !erred && response.decision() == cedar_policy::Decision::Allow;
        if allowed || response.decision() == cedar_policy::Decision::Deny {
            policies.extend(response.diagnostics().reason().map(ToString::to_string));
        }
        policies.sort();
        policies.dedup();
        Ok(Decision { allowed, policies, erred })
    }
}

fn erring_policy(error: &AuthorizationError) -> String {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
    }
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn context(circumstances: &Circumstances) -> Result<Context, Boxed> {
    let millis = circumstances.now_micros.div_euclid(1000);
    let hour = millis.rem_euclid(MILLIS_A_DAY) / 3_600_000;
    // 1970-01-01 was a Thursday, the fourth day.
    let weekday = (millis.div_euclid(MILLIS_A_DAY) + 3).rem_euclid(7) + 1;
    let pairs = [
        ("now".to_owned(), moment(millis)?),
        ("hour".to_owned(), RestrictedExpression::new_long(hour)),
        ("weekday".to_owned(), RestrictedExpression::new_long(weekday)),
    ];
    let purpose = circumstances.purpose.as_deref().map(|purpose| ("purpose".to_owned(), text(purpose)));
    Ok(Context::from_pairs(pairs.into_iter().chain(purpose))?)
}

/// A `datetime`, from milliseconds since 1970: its own syntax ends with the year 9999.
pub(crate) fn moment(millis: i64) -> Result<RestrictedExpression, Boxed> {
    Ok(RestrictedExpression::from_str(&format!("datetime(\"1970-01-01\").offset(duration(\"{millis}ms\"))"))?)
}

pub(crate) fn uid(type_name: &str, id: &str) -> Result<EntityUid, Boxed> {
    Ok(EntityUid::from_type_name_and_id(EntityTypeName::from_str(type_name)?, EntityId::new(id)))
}

pub(crate) fn table_entity(table: &TableRef) -> Result<Entity, Boxed> {
    let attributes = HashMap::from([
        ("name".to_owned(), text(table.name.as_str())),
        ("id".to_owned(), text(&table.id.to_string())),
        ("classification".to_owned(), text(table.classification.as_deref().unwrap_or("unclassified"))),
        ("model".to_owned(), RestrictedExpression::new_bool(table.model)),
    ]);
    Ok(Entity::new(uid("Table", table.name.as_str())?, attributes, HashSet::new())?)
}

pub(crate) fn column_uid(table: &TableRef, column: &ColumnRef) -> Result<EntityUid, Boxed> {
    uid("Column", &format!("{}.{}", table.name, column.name))
}

pub(crate) fn column_entity(table: &TableRef, column: &ColumnRef) -> Result<Entity, Boxed> {
    let attributes = HashMap::from([
        ("name".to_owned(), text(&column.name)),
        ("table".to_owned(), text(table.name.as_str())),
        ("classification".to_owned(), text(column.classification.as_deref().unwrap_or("unclassified"))),
    ]);
    Ok(Entity::new(column_uid(table, column)?, attributes, HashSet::from([uid("Table", table.name.as_str())?]))?)
}
