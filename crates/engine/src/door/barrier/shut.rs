//! A view that is read by one who may not read all that it is made of.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::{TableType, ViewTable};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;

use super::masks::Shown;
use super::{Barrier, Column};
use crate::door::thrift;
use crate::error::Error;

/// A view of which a question gets the rows and nothing else. Where the engine puts a view's query into the question's, the question's conditions
/// sink below those of the view, and fail, or take long, on rows that the view leaves out.
pub(crate) struct Shut {
    /// The model's name.
    name: String,
    view: ViewTable,
}

impl Shut {
    pub(crate) fn new(name: String, view: ViewTable) -> Self {
        Self { name, view }
    }

    /// The view's own query, for whoever follows columns to where they come from.
    pub(crate) fn plan(&self) -> &LogicalPlan {
        self.view.logical_plan()
    }

    /// The view's query is not the asker's to know, nor is what is wrong with it.
    fn unseen(&self, error: &DataFusionError) -> DataFusionError {
        let kind = Error::plan(error).kind();
        DataFusionError::External(Box::new(Error::View { model: self.name.clone(), reason: "its query does not fit its inputs", kind }))
    }
}

impl fmt::Debug for Shut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shut").field("name", &self.name).finish_non_exhaustive()
    }
}

/// It takes no conditions and has neither statistics nor a plan to put into another one: these are what is so unless a table says otherwise.
#[async_trait]
impl TableProvider for Shut {
    fn schema(&self) -> SchemaRef {
        self.view.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wrong = || DataFusionError::Internal("a scan of columns that the view does not have".to_owned());
        let schema = self.schema();
        let places: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let mut columns = Vec::with_capacity(places.len());
        for (from, place) in places.into_iter().enumerate() {
            let field = schema.fields().get(place).ok_or_else(wrong)?;
            columns.push(Column { from: Some(from), shown: Shown::Clear, field: Arc::clone(field) });
        }
        let input = self.view.scan(state, projection, &[], None).await.map_err(|error| self.unseen(&error))?;
        // Whatever keeps a plan within its memory ends at the barrier.
        let one_thread = state.config().target_partitions() == 1;
        let input = thrift::fitted(state, input, one_thread).map_err(|error| self.unseen(&error))?;
        Ok(Arc::new(Barrier::new(input, columns, None)))
    }
}
