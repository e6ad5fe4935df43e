//! Opens what was permitted and recorded: tables from the lake, views as their plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use futures::future::BoxFuture;

use super::Door;
use super::decide::{Scope, Source};
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
                Source::Table { permit, version } => {
                    let provider = door
                        .ports
                        .tables
                        .provider(permit, *version)
                        .await
                        .map_err(|source| Error::Table { table: permit.table().to_string(), source })?;
                    opened.permitted.push(Arc::clone(&provider));
                    provider
                }
                Source::View { model, scope, .. } => {
                    let inner = open(door, scope).await?;
                    let view = view(door, model, &inner).await?;
                    opened.permitted.extend(inner.permitted);
                    view
                }
            };
            opened.by_name.insert(name.clone(), provider);
        }
        Ok(opened)
    })
}

/// A view as its plan. Errors say little: who reads a view may not know what it is made of.
async fn view(door: &Door, model: &Model, inner: &Opened) -> Result<Arc<dyn TableProvider>, Error> {
    let failed =
        |error: &Error| Error::View { model: model.name.to_string(), reason: "its query does not fit its inputs", kind: error.kind() };
    let parsed = parse(&model.sql).map_err(|error| failed(&error))?;
    let prepared = door.plan(&parsed.statement, inner).await.map_err(|error| failed(&error))?;
    Ok(Arc::new(ViewTable::new(prepared.plan, None)))
}
