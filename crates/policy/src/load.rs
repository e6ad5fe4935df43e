use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PolicyId, PolicySet, ValidationMode, Validator};
// Cedar gives the place of an error only through this trait.
use miette::Diagnostic;

use crate::action::Action;
use crate::asker::uid;
use crate::blind::Blind;
use crate::error::{Error, Problem};
use crate::mask::Mask;
use crate::policies::Policies;
use crate::schema::{INCOMPARABLE, Rows};
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
        let rows = Rows::new(tables)?;
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
        let result = Validator::new(rows.schema.clone()).validate(&set, ValidationMode::Strict);
        for error in result.validation_errors() {
            let (file, text, start) = places.get(&error.policy_id().to_string()).copied().unwrap_or(("policies", "", 0));
            problems.push(Problem { file: file.to_owned(), line: line_of(error, text, start), message: explained(error.to_string()) });
        }
        if !problems.is_empty() {
            problems.sort_by(|a, b| (&a.file, a.line, &a.message).cmp(&(&b.file, b.line, &b.message)));
            return Err(Error::Files(problems));
        }
        let about = |action| about(&set, action).map_err(|error| Error::Schema(Box::new(error)));
        let of_rows = about(Action::ReadRow)?;
        let blind = Blind::new(&of_rows).map_err(Error::Schema)?;
        Ok(Self::new(
            rows,
            masks,
            blind,
            [of_rows, about(Action::ReadColumn)?, about(Action::ReadMasked)?],
            set,
            most_parts > PARTS_SHALLOW,
        ))
    }
}

/// The policies that can apply to an action.
fn about(set: &PolicySet, action: Action) -> Result<PolicySet, cedar_policy::PolicySetError> {
    PolicySet::from_policies(set.policies().filter(|policy| names(policy, action)).cloned())
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
