//! Which tables a query may read: decided by names alone, before anything is opened.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Schema;
use polder_policy::{Access, Action, Circumstances, ColumnKind, ColumnRef, Denied, Policies, TableRef};
use polder_types::{DatasetId, PrincipalId, RequestId, TableName};

use super::parse::split_version;
use super::{Asker, DoorPorts};
use crate::classification::strictest;
use crate::error::Error;
use crate::model::{Materialized, Model};

/// Most views within views.
const VIEWS_DEEP_MAX: usize = 32;
/// Why a view is not read whose inputs are not.
const NO_INPUT: &str = "policies do not let it read its inputs, or one is missing";

/// What the names in one query stand for, all of it permitted.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub sources: BTreeMap<String, Source>,
}

/// What one name stands for.
#[derive(Debug)]
pub(crate) enum Source {
    Table {
        decided: Box<Decided>,
        version: Option<u64>,
    },
    /// A view, with what its own query may read.
    View {
        decided: Box<Decided>,
        model: Box<Model>,
        scope: Scope,
    },
}

impl Scope {
    /// Ids of the stored tables, each once.
    pub(crate) fn datasets(&self) -> Vec<DatasetId> {
        let mut ids = BTreeSet::new();
        self.walk(&mut |source| {
            if let Source::Table { decided, .. } = source {
                ids.insert(decided.access.permit().table_id());
            }
        });
        ids.into_iter().collect()
    }

    /// Ids of the policies that decided, each once.
    pub(crate) fn policies(&self) -> Vec<String> {
        let mut policies = BTreeSet::new();
        self.walk(&mut |source| policies.extend(source.access().policies().iter().cloned()));
        policies.into_iter().collect()
    }

    /// The names in the query itself.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.sources.keys().map(String::as_str).collect()
    }

    fn walk(&self, visit: &mut impl FnMut(&Source)) {
        for source in self.sources.values() {
            visit(source);
            if let Source::View { scope, .. } = source {
                scope.walk(visit);
            }
        }
    }
}

impl Source {
    fn access(&self) -> &Access {
        match self {
            Self::Table { decided, .. } | Self::View { decided, .. } => &decided.access,
        }
    }
}

/// What was decided about one table or view, and what that rests on.
#[derive(Debug)]
pub(crate) struct Decided {
    pub access: Access,
    /// The table as policies saw it.
    pub table: TableRef,
    asker: Asker,
    circumstances: Circumstances,
    /// Whether only the whole of it is an answer.
    whole: bool,
}

impl Decided {
    /// The access to what turns out to have these columns. A whole that was decided about without some of them is decided about once more:
    /// a policy that keeps a column back does so even where no contract tells of it, such as in an older version. Each is as sensitive as the
    /// table then.
    ///
    /// # Errors
    /// When nothing is left to see of it.
    pub(crate) fn of(&self, schema: &Schema, policies: &Policies) -> Result<Cow<'_, Access>, Denied> {
        // A view may have several columns of one name.
        let names: BTreeSet<&String> = schema.fields().iter().map(|field| field.name()).collect();
        let unknown = names.into_iter().filter(|name| self.table.column(name).is_none());
        let unknown: Vec<ColumnRef> =
            unknown.map(|name| ColumnRef::new(name, ColumnKind::Other).with_classification(self.table.classification.clone())).collect();
        // Of what is not whole, they are hidden.
        if unknown.is_empty() || !self.access.is_whole() {
            return Ok(Cow::Borrowed(&self.access));
        }
        let mut table = self.table.clone();
        table.columns.extend(unknown);
        let (asker, request) = (&self.asker, self.access.permit().request());
        let access = policies.access(&asker.principal, &asker.groups, &table, &self.circumstances, request)?;
        if self.is_answer(&access) { Ok(Cow::Owned(access)) } else { Err(self.denied(policies, &access)) }
    }

    /// Whether the same asker may read every table that is read in `scope`, that of a view, all of it as it is.
    pub(crate) fn may_read_all(&self, scope: &Scope, policies: &Policies) -> bool {
        let (asker, request) = (&self.asker, self.access.permit().request());
        let mut all = true;
        scope.walk(&mut |source| {
            if let Source::Table { decided, .. } = source {
                let access = policies.access(&asker.principal, &asker.groups, &decided.table, &self.circumstances, request);
                all = all && access.is_ok_and(|access| access.is_whole());
            }
        });
        all
    }

    fn is_answer(&self, access: &Access) -> bool {
        access.is_whole() || !self.whole
    }

    fn denied(&self, policies: &Policies, access: &Access) -> Denied {
        let (decided, table) = (access.policies().to_vec(), &self.table);
        match policies.decide(&self.asker.principal, &self.asker.groups, Action::Describe, table).allowed {
            true => Denied::Known { action: Action::Read, table: table.name.clone(), policies: decided, erred: false },
            false => Denied::Unknown { table: table.name.to_string(), policies: decided },
        }
    }
}

/// Decides for one request.
pub(crate) struct Decider<'a> {
    pub ports: &'a DoorPorts,
    pub request: RequestId,
    /// Who will see the plan: it names what views read, so each of these must be known to them.
    pub explain_to: Option<&'a Asker>,
    /// What holds of the request.
    pub circumstances: Circumstances,
    /// Whether part of a table is no answer.
    pub whole: bool,
}

impl Decider<'_> {
    /// Decides about every name, for `asker`.
    ///
    /// # Errors
    /// [`Denied`] for the first name that may not be read or that nothing has.
    pub(crate) fn scope(&self, asker: &Asker, names: &BTreeSet<String>, versions: &BTreeMap<TableName, u64>) -> Result<Scope, Error> {
        self.scope_at(asker, names, versions, 0)
    }

    /// Decides about the inputs of a model, as the model.
    pub(crate) fn model_scope(&self, model: &Model, depth: usize) -> Result<Scope, Error> {
        let names = model.inputs.iter().map(|name| name.as_str().to_owned()).collect();
        // What a model reads does not depend on who asks, nor on what for.
        let as_model = Decider { circumstances: self.circumstances.clone().with_purpose(None), whole: false, ..*self };
        as_model.scope_at(&model_asker(model)?, &names, &BTreeMap::new(), depth)
    }

    fn scope_at(&self, asker: &Asker, names: &BTreeSet<String>, versions: &BTreeMap<TableName, u64>, depth: usize) -> Result<Scope, Error> {
        if depth > VIEWS_DEEP_MAX {
            return Err(Error::TooLong { max: VIEWS_DEEP_MAX, unit: "views deep" });
        }
        let mut scope = Scope::default();
        for name in names {
            let (table, version) = split_version(name);
            let table = TableName::new(table).map_err(|_| Denied::no_such_table(table))?;
            let version = version.or_else(|| versions.get(&table).copied());
            scope.sources.insert(name.clone(), self.source(asker, &table, version, depth)?);
        }
        // A version for a table that the query does not read is a mistake, not a wish to ignore.
        if let Some(unused) = versions.keys().find(|table| !names.iter().any(|name| split_version(name).0 == table.as_str())) {
            return Err(Error::Plan(format!("a version is asked for of {unused}, which the query does not read")));
        }
        Ok(scope)
    }

    fn source(&self, asker: &Asker, name: &TableName, version: Option<u64>, depth: usize) -> Result<Source, Error> {
        let model = self.ports.models.get(name);
        let view = model.filter(|model| model.materialized == Materialized::View);
        let reference = self.reference(name).ok_or_else(|| Denied::no_such_table(name.as_str()))?;
        if let (Some(explain_to), true) = (self.explain_to, depth > 0) {
            let may = self.ports.policies.decide(&explain_to.principal, &explain_to.groups, Action::Describe, &reference);
            if !may.allowed {
                return Err(Error::Refused(
                    "the plan of a view names tables that you may not know of; ask for its rows instead".to_owned(),
                ));
            }
        }
        let decided = match self.decided(asker, reference, view.is_some()) {
            Ok(decided) => Box::new(decided),
            // What a view reads is none of the asker's business, so neither is its name.
            Err(denied) if depth > 0 => {
                return Err(Error::View {
                    model: asker.principal.name().to_owned(),
                    reason: NO_INPUT,
                    kind: if denied.policies().is_empty() { polder_types::ErrorKind::NotFound } else { polder_types::ErrorKind::Denied },
                });
            }
            Err(denied) => return Err(denied.into()),
        };
        match view {
            None if self.ports.tables.resolve(name).is_none() => {
                Err(Error::Plan(format!("the model {name} was not computed yet; `polder run` computes it")))
            }
            None => Ok(Source::Table { decided, version }),
            Some(_) if version.is_some() => Err(Error::Plan(format!("{name} is a view and has no versions; read its inputs AT VERSION"))),
            Some(model) => {
                let scope = self.model_scope(model, depth + 1).map_err(|error| unseen(model, error))?;
                Ok(Source::View { decided, model: Box::new(model.clone()), scope })
            }
        }
    }

    /// What of a table or view the asker may read. Rows and columns can be told apart only where they are known: a view, and what a model
    /// computed, is read whole or not at all.
    fn decided(&self, asker: &Asker, table: TableRef, is_view: bool) -> Result<Decided, Denied> {
        let policies = &self.ports.policies;
        let access = policies.access(&asker.principal, &asker.groups, &table, &self.circumstances, self.request)?;
        let whole = self.whole || is_view || table.columns.is_empty();
        let decided = Decided { access, table, asker: asker.clone(), circumstances: self.circumstances.clone(), whole };
        if decided.is_answer(&decided.access) { Ok(decided) } else { Err(decided.denied(policies, &decided.access)) }
    }

    /// The table or model as policies see it; `None` when there is neither.
    pub(crate) fn reference(&self, name: &TableName) -> Option<TableRef> {
        let model = self.ports.models.get(name);
        match (self.ports.tables.resolve(name), model) {
            // What was computed is at least as sensitive as what it was computed from is now.
            (Some(table), Some(model)) if model.materialized == Materialized::Table => {
                let inputs = self.classifications(model, 0);
                let classification = strictest(inputs.iter().chain(&table.classification).map(String::as_str));
                Some(table.with_classification(classification).of_model())
            }
            (_, Some(model)) => {
                let inputs: Vec<String> = self.classifications(model, 0);
                let classification = strictest(inputs.iter().map(String::as_str));
                Some(TableRef::new(name.clone(), DatasetId([0; 16])).with_classification(classification).of_model())
            }
            (table, None) => table,
        }
    }

    /// Classifications of all that a model reads, through views.
    fn classifications(&self, model: &Model, depth: usize) -> Vec<String> {
        if depth > VIEWS_DEEP_MAX {
            // Deny on doubt: the strictest.
            return vec!["restricted".to_owned()];
        }
        let mut found = Vec::new();
        for input in &model.inputs {
            found.extend(self.ports.tables.resolve(input).and_then(|table| table.classification));
            if let Some(model) = self.ports.models.get(input) {
                found.extend(self.classifications(model, depth + 1));
            }
        }
        found
    }
}

/// The error of reading a view's inputs, for whoever asks for the view: what it reads, and what the views read that it reads, is not theirs to
/// know.
pub(crate) fn unseen(model: &Model, error: Error) -> Error {
    let reason = match &error {
        Error::View { reason, .. } => *reason,
        // Of what is not there, or was not computed.
        Error::Denied(_) | Error::Plan(_) => NO_INPUT,
        Error::NoRowFilter { .. } | Error::NoColumn { .. } => "what policies let it see of its inputs does not fit them",
        // It names the table, and the column where a mask has no key.
        Error::Table { .. } => "one of its inputs cannot be opened",
        _ => return error,
    };
    Error::View { model: model.name.to_string(), reason, kind: error.kind() }
}

/// A model acts as itself, in no group.
pub(crate) fn model_asker(model: &Model) -> Result<Asker, Error> {
    let principal = PrincipalId::new("model", model.name.as_str()).map_err(|error| Error::Plan(error.to_string()))?;
    Ok(Asker { principal, groups: Vec::new() })
}
