//! Opens what was permitted and recorded: tables from the lake, views as their plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use futures::future::BoxFuture;

use super::Door;
use super::barrier::{Shut, governed};
use super::decide::{Scope, Source, unseen};
use super::parse::parse;
use crate::error::Error;
use crate::model::Model;

/// Tables by the names in a query.
#[derive(Default)]
pub(crate) struct Opened {
    pub by_name: BTreeMap<String, Arc<dyn TableProvider>>,
    /// Every table that a permit was given for, those of views included.
    pub permitted: Vec<Arc<dyn TableProvider>>,
}

/// Opens a scope.
pub(crate) fn open<'a>(door: &'a Door, scope: &'a Scope) -> BoxFuture<'a, Result<Opened, Error>> {
    Box::pin(async move {
        let mut opened = Opened::default();
        for (name, source) in &scope.sources {
            let provider = match source {
                Source::Table { decided, version } => {
                    let (permit, tables) = (decided.access.permit(), &door.ports.tables);
                    let provider = tables
                        .provider(permit, *version)
                        .await
                        .map_err(|source| Error::Table { table: permit.table().to_string(), source })?;
                    let access = decided.of(&provider.schema(), &door.ports.policies)?;
                    // The plan knows this one alone: what it hides is not there.
                    let provider = governed(&access, &decided.table.columns, provider, tables.as_ref())?;
                    opened.permitted.push(Arc::clone(&provider));
                    provider
                }
                Source::View { decided, model, scope } => {
                    let inner = open(door, scope).await.map_err(|error| unseen(model, error))?;
                    let view = view(door, model, &inner).await?;
                    decided.of(&view.schema(), &door.ports.policies)?;
                    opened.permitted.extend(inner.permitted);
                    if decided.may_read_all(scope, &door.ports.policies) {
                        Arc::new(view) as Arc<dyn TableProvider>
                    } else {
                        // The view keeps something from its reader, by a condition or by leaving columns out.
                        let shut: Arc<dyn TableProvider> = Arc::new(Shut::new(model.name.to_string(), view));
                        opened.permitted.push(Arc::clone(&shut));
                        shut
                    }
                }
            };
            opened.by_name.insert(name.clone(), provider);
        }
        Ok(opened)
    })
}

/// A view as its plan. Errors say little: who reads a view may not know what it is made of.
async fn view(door: &Door, model: &Model, inner: &Opened) -> Result<ViewTable, Error> {
    let failed =
        |error: &Error| Error::View { model: model.name.to_string(), reason: "its query does not fit its inputs", kind: error.kind() };
    let parsed = parse(&model.sql).map_err(|error| failed(&error))?;
    let prepared = door.plan(&parsed.statement, inner).await.map_err(|error| failed(&error))?;
    Ok(ViewTable::new(prepared.plan, None))
}
