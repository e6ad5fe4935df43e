use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
// Cedar gives the place of an error only through this trait.
use miette::Diagnostic;
use polder_types::PrincipalId;

use crate::action::Action;
use crate::error::{Error, Problem};
use crate::table::TableRef;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

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
    fn unanswerable() -> Self {
        Self { allowed: false, policies: Vec::new(), erred: true }
    }
}

/// The policies of a project, parsed and validated.
#[derive(Debug)]
pub struct Policies {
    set: PolicySet,
    schema: Schema,
}

impl Policies {
    /// Parses and validates policy files, given as (name, text). No file at all is valid, and permits nothing.
    ///
    /// A policy's id is its `@id("...")` annotation, or `file#n` with n from 1.
    ///
    /// # Errors
    /// [`Error::Files`] with file and line of everything that does not parse, names something outside the schema, could
    /// reach a missing attribute, is a template, or repeats an id.
    pub fn load(files: &[(String, String)], _tables: &[TableRef]) -> Result<Self, Error> {
        let schema = Schema::from_str(crate::SCHEMA).map_err(|error| Error::Schema(Box::new(error)))?;
        let mut problems = Vec::new();
        let mut set = PolicySet::new();
        let mut places: BTreeMap<String, (&str, &str, usize)> = BTreeMap::new();
        for (file, text) in files {
            let parsed = match PolicySet::from_str(text) {
                Ok(parsed) => parsed,
                Err(errors) => {
                    problems.extend(errors.iter().map(|error| Problem {
                        file: file.clone(),
                        line: line_of(error, text, 0),
                        message: error.to_string(),
                    }));
                    continue;
                }
            };
            problems.extend(parsed.templates().map(|template| Problem {
                file: file.clone(),
                line: line_at(text, template.as_ref().loc().map_or(0, |loc| loc.start())),
                message:
                    "a template (with ?principal or ?resource) decides nothing by itself; write the principal and resource out".to_owned(),
            }));
            let mut policies: Vec<(usize, &Policy)> =
                parsed.policies().map(|policy| (policy.as_ref().loc().map_or(0, |loc| loc.start()), policy)).collect();
            policies.sort_by_key(|(start, _)| *start);
            for (number, (start, policy)) in policies.into_iter().enumerate() {
                let id = policy.annotation("id").map_or_else(|| format!("{file}#{}", number + 1), ToOwned::to_owned);
                let line = line_at(text, start);
                if let Some((other, other_text, other_start)) = places.get(&id) {
                    problems.push(Problem {
                        file: file.clone(),
                        line,
                        message: format!("the id {id:?} is already that of the policy at {other}:{}", line_at(other_text, *other_start)),
                    });
                    continue;
                }
                places.insert(id.clone(), (file, text, start));
                if let Err(error) = set.add(policy.new_id(PolicyId::new(&id))) {
                    problems.push(Problem { file: file.clone(), line, message: error.to_string() });
                }
            }
        }
        let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        for error in result.validation_errors() {
            let (file, text, start) = places.get(&error.policy_id().to_string()).copied().unwrap_or(("policies", "", 0));
            problems.push(Problem { file: file.to_owned(), line: line_of(error, text, start), message: error.to_string() });
        }
        if problems.is_empty() {
            Ok(Self { set, schema })
        } else {
            problems.sort_by(|a, b| (&a.file, a.line, &a.message).cmp(&(&b.file, b.line, &b.message)));
            Err(Error::Files(problems))
        }
    }

    /// May `principal`, a member of `groups`, do `action` with `table`? Denied unless a policy permits, none forbids and
    /// none errs.
    pub fn decide(&self, principal: &PrincipalId, groups: &[String], action: Action, table: &TableRef) -> Decision {
        self.ask(principal, groups, action, || table_entity(table)).unwrap_or_else(|_| Decision::unanswerable())
    }

    /// As [`Self::decide`], for an action on the installation as a whole: [`Action::ManageKeys`] and [`Action::Audit`].
    /// Any other action is denied.
    pub fn decide_installation(&self, principal: &PrincipalId, groups: &[String], action: Action) -> Decision {
        self.ask(principal, groups, action, || Ok(Entity::new_no_attrs(uid("Installation", "polder")?, HashSet::new())))
            .unwrap_or_else(|_| Decision::unanswerable())
    }

    /// How many policies there are.
    pub fn count(&self) -> usize {
        self.set.num_of_policies()
    }

    fn ask(
        &self,
        principal: &PrincipalId,
        groups: &[String],
        action: Action,
        resource: impl FnOnce() -> Result<Entity, Boxed>,
    ) -> Result<Decision, Boxed> {
        let principal_type = match principal.kind() {
            "user" => "User",
            "model" => "Model",
            "service" => "Service",
            _ => return Ok(Decision::unanswerable()),
        };
        let group_ids = groups.iter().map(|group| uid("Group", group)).collect::<Result<HashSet<_>, _>>()?;
        let mut entities: Vec<Entity> = group_ids.iter().map(|id| Entity::new_no_attrs(id.clone(), HashSet::new())).collect();
        let principal_id = uid(principal_type, principal.name())?;
        let attributes = HashMap::from([("name".to_owned(), RestrictedExpression::new_string(principal.name().to_owned()))]);
        entities.push(Entity::new(principal_id.clone(), attributes, group_ids)?);
        let resource = resource()?;
        let resource_id = resource.uid();
        entities.push(resource);
        let entities = Entities::from_entities(entities, Some(&self.schema))?;
        let request = Request::new(principal_id, uid("Action", action.name())?, resource_id, Context::empty(), Some(&self.schema))?;
        let response = Authorizer::new().is_authorized(&request, &self.set, &entities);
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

fn uid(type_name: &str, id: &str) -> Result<EntityUid, Boxed> {
    Ok(EntityUid::from_type_name_and_id(EntityTypeName::from_str(type_name)?, EntityId::new(id)))
}

fn table_entity(table: &TableRef) -> Result<Entity, Boxed> {
    let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let attributes = HashMap::from([
        ("name".to_owned(), text(table.name.as_str())),
        ("id".to_owned(), text(&table.id.to_string())),
        ("classification".to_owned(), text(table.classification.as_deref().unwrap_or("unclassified"))),
        ("model".to_owned(), RestrictedExpression::new_bool(table.model)),
    ]);
    Ok(Entity::new(uid("Table", table.name.as_str())?, attributes, HashSet::new())?)
}

/// The line, from 1, of a byte offset.
fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The line that an error points at, or that of `fallback` when it points nowhere.
fn line_of(error: &dyn Diagnostic, text: &str, fallback: usize) -> usize {
    let label = error.labels().and_then(|mut labels| labels.next());
    line_at(text, label.map_or(fallback, |label| label.offset()))
}
