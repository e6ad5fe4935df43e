use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::pst::{ActionConstraint, Clause, EntityOrSlot, Expr, Literal, PrincipalConstraint, ResourceConstraint, Template, Var};
use cedar_policy::{Policy, PolicySet};

use crate::stack::with_room;

/// What one policy speaks of, by its text alone: whether any of it is there, the text does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spoken {
    /// The file, as it was named.
    pub file: String,
    /// The line that the policy begins in, from 1.
    pub line: usize,
    /// The policy's id, as decisions name it.
    pub id: String,
    /// Entities by type and id, such as `("Group", "nurses")`; actions are among them.
    pub entities: BTreeSet<(String, String)>,
    /// Types that it asks for with `is`, such as `Row::patients`.
    pub types: BTreeSet<String>,
    /// Attributes of the resource that it looks at.
    pub attributes: BTreeSet<String>,
    /// Texts that it compares the purpose with.
    pub purposes: BTreeSet<String>,
    /// Whether it looks at the time of the request.
    pub time: bool,
}

/// What each policy of these files, given as (name, text), speaks of, in their order. A file that does not parse has none:
/// [`crate::Policies::load`] says why.
pub fn spoken(files: &[(String, String)]) -> Vec<Spoken> {
    // Without such a thread most conditions are walked all the same.
    with_room(|| walked(files)).unwrap_or_else(|_| walked(files))
}

fn walked(files: &[(String, String)]) -> Vec<Spoken> {
    let mut all = Vec::new();
    for (file, text) in files {
        let Ok(parsed) = PolicySet::from_str(text) else { continue };
        let mut policies: Vec<(usize, &Policy)> =
            parsed.policies().map(|policy| (policy.as_ref().loc().map_or(0, |loc| loc.start()), policy)).collect();
        policies.sort_by_key(|(start, _)| *start);
        for (number, (start, policy)) in policies.into_iter().enumerate() {
            all.push(Spoken {
                file: file.clone(),
                line: text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1,
                id: policy.annotation("id").map_or_else(|| format!("{file}#{}", number + 1), ToOwned::to_owned),
                ..Spoken::of(policy).unwrap_or_default()
            });
        }
    }
    all
}

impl Spoken {
    /// What a policy speaks of, without its place and id; none when it cannot be walked. It recurses.
    pub(crate) fn of(policy: &Policy) -> Option<Self> {
        let tree = policy.to_pst().ok()?;
        let mut spoken = Self::default();
        spoken.template(tree.body());
        Some(spoken)
    }

    /// The ids of the entities of a type that it names.
    pub fn named(&self, type_name: &str) -> impl Iterator<Item = &str> {
        self.entities.iter().filter(move |(other, _)| other == type_name).map(|(_, id)| id.as_str())
    }

    fn template(&mut self, template: &Template) {
        match &template.principal {
            PrincipalConstraint::Eq(entity) | PrincipalConstraint::In(entity) => self.entity_or_slot(entity),
            PrincipalConstraint::Is(entity_type) => self.is(&entity_type.to_string()),
            PrincipalConstraint::IsIn(entity_type, entity) => {
                self.is(&entity_type.to_string());
                self.entity_or_slot(entity);
            }
            PrincipalConstraint::Any => {}
        }
        match &template.action {
            ActionConstraint::Eq(action) => self.entity(&action.ty.to_string(), &action.eid),
            ActionConstraint::In(actions) => actions.iter().for_each(|action| self.entity(&action.ty.to_string(), &action.eid)),
            ActionConstraint::Any => {}
        }
        match &template.resource {
            ResourceConstraint::Eq(entity) | ResourceConstraint::In(entity) => self.entity_or_slot(entity),
            ResourceConstraint::Is(entity_type) => self.is(&entity_type.to_string()),
            ResourceConstraint::IsIn(entity_type, entity) => {
                self.is(&entity_type.to_string());
                self.entity_or_slot(entity);
            }
            ResourceConstraint::Any => {}
        }
        for clause in template.clauses() {
            match clause {
                Clause::When(condition) | Clause::Unless(condition) => self.expression(condition),
            }
        }
    }

    fn entity_or_slot(&mut self, entity: &EntityOrSlot) {
        if let EntityOrSlot::Entity(entity) = entity {
            self.entity(&entity.ty.to_string(), &entity.eid);
        }
    }

    fn entity(&mut self, type_name: &str, id: &str) {
        self.entities.insert((type_name.to_owned(), id.to_owned()));
    }

    fn is(&mut self, type_name: &str) {
        self.types.insert(type_name.to_owned());
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Literal(Literal::EntityUID(entity)) => self.entity(&entity.ty.to_string(), &entity.eid),
            Expr::GetAttr { expr, attr } => {
                self.attribute(expr, attr);
                self.expression(expr);
            }
            Expr::HasAttr { expr, attrs } => {
                self.attribute(expr, attrs.first());
                self.expression(expr);
            }
            Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => self.expression(expr),
            Expr::Is { expr, entity_type, in_expr } => {
                self.is(&entity_type.to_string());
                self.expression(expr);
                if let Some(parent) = in_expr {
                    self.expression(parent);
                }
            }
            Expr::BinaryOp { left, right, .. } => {
                for (side, other) in [(left, right), (right, left)] {
                    if is_purpose(side) {
                        self.texts(other);
                    }
                }
                self.expression(left);
                self.expression(right);
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                for part in [cond, then_expr, else_expr] {
                    self.expression(part);
                }
            }
            Expr::Set(items) => items.iter().for_each(|item| self.expression(item)),
            Expr::Record(fields) => fields.values().for_each(|field| self.expression(field)),
            // Other literals and variables name nothing, and the rest stands in no policy's text.
            _ => {}
        }
    }

    fn attribute(&mut self, of: &Expr, name: &str) {
        match of {
            Expr::Var(Var::Resource) => {
                self.attributes.insert(name.to_owned());
            }
            Expr::Var(Var::Context) => self.time |= matches!(name, "now" | "hour" | "weekday"),
            _ => {}
        }
    }

    fn texts(&mut self, expression: &Expr) {
        match expression {
            Expr::Literal(Literal::String(text)) => {
                self.purposes.insert(text.to_string());
            }
            Expr::Set(items) => items.iter().for_each(|item| self.texts(item)),
            _ => {}
        }
    }
}

fn is_purpose(expression: &Expr) -> bool {
    matches!(expression, Expr::GetAttr { expr, attr } if attr == "purpose" && matches!(**expr, Expr::Var(Var::Context)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(found: &[(&str, &str)]) -> BTreeSet<(String, String)> {
        found.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
    }

    fn set(found: &[&str]) -> BTreeSet<String> {
        found.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_policy_tells_what_it_names() {
        let text = "// first\npermit (principal, action, resource);\n\n@id(\"ward\")\npermit (principal in Group::\"nurses\", action == \
                    Action::\"ReadRow\", resource is Row::patients)\nwhen { resource has ward && resource.ward == \"north\" && [\"care\", \
                    \"billing\"].contains(context.purpose) }\nunless { context.hour < 7 || principal == User::\"bob\" || \"audit\" == \
                    context.purpose };";
        let files = [("policies/a.cedar".to_owned(), text.to_owned()), ("policies/b.cedar".to_owned(), "permit (".to_owned())];
        let [all, ward]: [Spoken; 2] = spoken(&files).try_into().unwrap();
        assert_eq!((all.id.as_str(), all.line), ("policies/a.cedar#1", 2));
        assert_eq!((all.entities, all.types, all.time), (BTreeSet::new(), BTreeSet::new(), false));
        // An annotation belongs to its policy.
        assert_eq!((ward.id.as_str(), ward.line), ("ward", 4));
        assert_eq!(ward.entities, pairs(&[("Action", "ReadRow"), ("Group", "nurses"), ("User", "bob")]));
        assert_eq!((ward.types.clone(), ward.attributes.clone()), (set(&["Row::patients"]), set(&["ward"])));
        assert_eq!((ward.purposes.clone(), ward.time), (set(&["audit", "billing", "care"]), true));
        assert_eq!(ward.named("Group").collect::<Vec<_>>(), ["nurses"]);
        // What is asked of the context is no column.
        let [other]: [Spoken; 1] =
            spoken(&[("c".to_owned(), "permit (principal, action, resource) when { context has now };".to_owned())]).try_into().unwrap();
        assert_eq!((other.attributes, other.time), (BTreeSet::new(), true));
    }

    #[test]
    fn the_largest_condition_is_walked() {
        let condition = vec!["resource has vip"; 3_000].join(" && ");
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let [one]: [Spoken; 1] = spoken(&[("a".to_owned(), text)]).try_into().unwrap();
        assert_eq!(one.attributes, set(&["vip"]));
    }

    #[test]
    fn names_in_every_place_are_found() {
        let text = "forbid (principal is Model in Group::\"m\", action in [Action::\"Read\", Action::\"ReadColumn\"], resource in Table::\"t\") \
                    when { if resource is Column in Table::\"u\" then !(resource == Column::\"t.c\") else {\"a\": Service::\"s\"} has a };";
        let [one]: [Spoken; 1] = spoken(&[("a".to_owned(), text.to_owned())]).try_into().unwrap();
        let named = [
            ("Action", "Read"),
            ("Action", "ReadColumn"),
            ("Column", "t.c"),
            ("Group", "m"),
            ("Service", "s"),
            ("Table", "t"),
            ("Table", "u"),
        ];
        assert_eq!(one.entities, pairs(&named));
        assert_eq!(one.types, set(&["Column", "Model"]));
    }
}
