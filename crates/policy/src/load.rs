use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PolicyId, PolicySet, ResourceConstraint, ValidationMode, ValidationResult, Validator,
};
// Cedar gives the place of an error only through this trait.
use miette::Diagnostic;

use crate::action::Action;
use crate::asker::uid;
use crate::blind::Blind;
use crate::error::{Error, Problem};
use crate::mask::Mask;
use crate::policies::Policies;
use crate::schema::{INCOMPARABLE, Rows, row_type};
use crate::spoken::Spoken;
use crate::stack::{PARTS_MAX, PARTS_SHALLOW, with_room};
use crate::table::TableRef;

/// Where a policy stands: file, its text, and the byte at which the policy begins.
type Place<'a> = (&'a str, &'a str, usize);

impl Policies {
    /// Parses and validates policy files, given as (name, text), against the schema with the rows of `tables`. No file at all is valid, and
    /// permits nothing.
    ///
    /// A policy's id is its `@id("...")` annotation, or `file#n` with n from 1.
    ///
    /// # Errors
    /// [`Error::Files`] with file and line of everything that does not parse, names something outside the schema, could
    /// reach a missing attribute, is a template, repeats an id, or permits `ReadMasked` without saying with which mask;
    /// [`Error::Tables`] when tables or columns have the same name.
    pub fn load(files: &[(String, String)], tables: &[TableRef]) -> Result<Self, Error> {
        with_room(|| Self::load_with_room(files, tables)).map_err(Error::Schema)?
    }

    fn load_with_room(files: &[(String, String)], tables: &[TableRef]) -> Result<Self, Error> {
        Rows::tell_apart(tables)?;
        let mut problems = Vec::new();
        let mut set = PolicySet::new();
        let mut masks = BTreeMap::new();
        let mut most_parts = 0;
        let mut places: BTreeMap<String, Place<'_>> = BTreeMap::new();
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
                let mut problem = |message| problems.push(Problem { file: file.clone(), line: line_at(text, start), message });
                if let Some((other, other_text, other_start)) = places.get(&id) {
                    problem(format!("the id {id:?} is already that of the policy at {other}:{}", line_at(other_text, *other_start)));
                    continue;
                }
                places.insert(id.clone(), (file, text, start));
                let parts = parts_of(policy);
                if parts > PARTS_MAX {
                    problem(format!(
                        "the policy's conditions have more than {PARTS_MAX} parts; make several policies of it, or name a group instead of its members"
                    ));
                    continue;
                }
                most_parts = most_parts.max(parts);
                match mask_of(policy) {
                    Ok(None) => {}
                    Ok(Some(mask)) => {
                        masks.insert(id.clone(), mask);
                    }
                    Err(message) => problem(message),
                }
                if let Err(error) = set.add(policy.new_id(PolicyId::new(&id))) {
                    problem(error.to_string());
                }
            }
        }
        // What speaks of tables is held to the schema without rows: that a column has the name of a table's attribute must not end it.
        let of_tables =
            PolicySet::from_policies(set.policies().filter(|policy| !speaks_of_parts(policy)).cloned()).map_err(schema_error)?;
        let of_parts = PolicySet::from_policies(set.policies().filter(|policy| speaks_of_parts(policy)).cloned()).map_err(schema_error)?;
        let strange: Vec<(String, String)> =
            of_tables.policies().filter_map(|policy| Some((policy.id().to_string(), no_attribute(policy)?))).collect();
        let tables_alone = Rows::new(&[])?.schema;
        let rows = Rows::new(&spoken_of(&of_parts, files, tables))?;
        let results = [(tables_alone, of_tables), (rows.schema.clone(), of_parts)]
            .map(|(schema, policies)| Validator::new(schema).validate(&policies, ValidationMode::Strict));
        let place = |id: &str| places.get(id).copied().unwrap_or(("policies", "", 0));
        let mut invalid = BTreeSet::new();
        for error in results.iter().flat_map(ValidationResult::validation_errors) {
            let id = error.policy_id().to_string();
            let (file, text, start) = place(&id);
            problems.push(Problem { file: file.to_owned(), line: line_of(error, text, start), message: explained(error.to_string()) });
            invalid.insert(id);
        }
        for (id, attribute) in strange.into_iter().filter(|(id, _)| !invalid.contains(id)) {
            let (file, text, start) = place(&id);
            let message = format!(
                "tables have no attribute {attribute:?}, and this policy speaks of tables; to speak of rows or columns, name their type or one of the actions ReadRow, ReadColumn and ReadMasked"
            );
            problems.push(Problem { file: file.to_owned(), line: line_at(text, start), message });
        }
        if !problems.is_empty() {
            problems.sort_by(|a, b| (&a.file, a.line, &a.message).cmp(&(&b.file, b.line, &b.message)));
            return Err(Error::Files(problems));
        }
        let of_rows = about(&set, Action::ReadRow)?;
        let blind = Blind::new(&of_rows).map_err(Error::Schema)?;
        Ok(Self::new(
            rows,
            masks,
            blind,
            [of_rows, about(&set, Action::ReadColumn)?, about(&set, Action::ReadMasked)?],
            set,
            most_parts > PARTS_SHALLOW,
        ))
    }
}

/// The policies that can apply to an action on rows or columns.
fn about(set: &PolicySet, action: Action) -> Result<PolicySet, Error> {
    let policies = set.policies().filter(|policy| speaks_of_parts(policy) && names(policy, action)).cloned();
    PolicySet::from_policies(policies).map_err(schema_error)
}

fn schema_error(error: cedar_policy::PolicySetError) -> Error {
    Error::Schema(Box::new(error))
}

/// The tables whose rows policies can speak of. A schema of all tables takes long to make, and most policies name none of their rows.
fn spoken_of(of_parts: &PolicySet, files: &[(String, String)], tables: &[TableRef]) -> Vec<TableRef> {
    let of_one_table = |policy: &Policy| match policy.resource_constraint() {
        ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => name.namespace() == "Row",
        _ => false,
    };
    let of_any = of_parts.policies().any(|policy| names(policy, Action::ReadRow) && !of_one_table(policy));
    // Cedar lets blanks stand within a name.
    let texts: Vec<String> = files.iter().map(|(_, text)| text.split_whitespace().collect()).collect();
    let named = |table: &&TableRef| {
        let row = row_type(table.name.as_str());
        of_any || texts.iter().any(|text| text.contains(&row))
    };
    tables.iter().filter(named).cloned().collect()
}

/// Whether a policy names rows, columns or what is done with them, in its head or, where it is of any action, in its conditions. One that names
/// none of these speaks of tables, as it did before policies knew of rows: whom it permits `Read` sees the whole table, whom it forbids that
/// sees nothing of it, and what it says is asked of no row and no column. `unless { resource has classification && ... }` would else permit
/// the rows of any table, which have none.
fn speaks_of_parts(policy: &Policy) -> bool {
    match policy.action_constraint() {
        // One that cannot be walked is asked of everything.
        ActionConstraint::Any => Spoken::of(policy).is_none_or(|spoken| names_parts(&spoken)),
        ActionConstraint::Eq(_) | ActionConstraint::In(_) => PARTS.iter().any(|action| names(policy, *action)),
    }
}

const PARTS: [Action; 3] = [Action::ReadRow, Action::ReadColumn, Action::ReadMasked];

fn names_parts(spoken: &Spoken) -> bool {
    let is_part = |name: &str| name == "Column" || name.starts_with("Row::");
    let is_done_with_parts = |name: &str, id: &str| name == "Action" && PARTS.iter().any(|action| action.name() == id);
    spoken.types.iter().any(|name| is_part(name)) || spoken.entities.iter().any(|(name, id)| is_part(name) || is_done_with_parts(name, id))
}

/// The attributes that the schema gives tables.
const OF_TABLES: [&str; 4] = ["name", "id", "classification", "model"];

/// An attribute that a policy on tables looks at, and no table has. Behind `has` the validator lets it pass, and a `forbid` that was meant for
/// rows would say nothing.
fn no_attribute(policy: &Policy) -> Option<String> {
    Spoken::of(policy)?.attributes.into_iter().find(|name| !OF_TABLES.contains(&name.as_str()))
}

fn is(id: &EntityUid, action: Action) -> bool {
    uid("Action", action.name()).is_ok_and(|wanted| *id == wanted)
}

fn names(policy: &Policy, action: Action) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => is(&one, action),
        ActionConstraint::In(list) => list.iter().any(|one| is(one, action)),
    }
}

/// How many parts a policy's conditions have. The count does not recurse.
fn parts_of(policy: &Policy) -> usize {
    policy.as_ref().condition().subexpressions().take(PARTS_MAX + 1).count()
}

/// The mask that a policy permits with.
fn mask_of(policy: &Policy) -> Result<Option<Mask>, String> {
    let masked_alone = match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(one) => is(&one, Action::ReadMasked),
        ActionConstraint::In(list) => !list.is_empty() && list.iter().all(|one| is(one, Action::ReadMasked)),
    };
    match policy.annotation("mask") {
        None if masked_alone && policy.effect() == Effect::Permit => {
            Err("a permit of ReadMasked alone says with which mask: @mask(\"redact\"), or another of docs/format/policy.md".to_owned())
        }
        None => Ok(None),
        Some(name) if masked_alone && policy.effect() == Effect::Permit => name.parse().map(Some),
        Some(_) => Err("@mask belongs to a permit of Action::\"ReadMasked\" alone, and says nothing here".to_owned()),
    }
}

/// The validator's message, with the reason where a column can only be tested for being there.
fn explained(message: String) -> String {
    if message.contains(INCOMPARABLE) {
        format!("{message}: policies can test whether a column of this type is there, and not compare it")
    } else {
        message
    }
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
