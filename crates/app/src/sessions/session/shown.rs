//! What is shown of the catalog, and answered without a table: law 4 holds for it as for rows of tables.

use arrow::array::RecordBatch;
use polder_engine::SeenTable;
use polder_serve::{Fault, Question};
use polder_types::{Event, EventKind, RequestId};

use super::Visit;
use crate::failure::Failure;
use crate::sessions::fault;

impl Visit {
    /// Records that a question was answered without a row of any table, and with what outcome. The answer is whole and in memory, and nothing of
    /// it was given yet, so that both go to the log in one.
    pub(super) async fn answered(&self, question: &Question, tables: &[SeenTable], batches: &[RecordBatch]) -> Result<RequestId, Fault> {
        let rows = batches.iter().map(RecordBatch::num_rows).fold(0_usize, usize::saturating_add);
        let bytes = batches.iter().map(RecordBatch::get_array_memory_size).fold(0_usize, usize::saturating_add);
        self.shown(Some(question), self.purpose(question).as_deref(), tables, rows, Some(bytes)).await
    }

    /// Records that tables were listed.
    pub(super) async fn listed(&self, purpose: Option<&str>, tables: &[SeenTable]) -> Result<RequestId, Fault> {
        self.shown(None, purpose, tables, tables.len(), None).await
    }

    async fn shown(
        &self,
        question: Option<&Question>,
        purpose: Option<&str>,
        tables: &[SeenTable],
        rows: usize,
        bytes: Option<usize>,
    ) -> Result<RequestId, Fault> {
        let hall = self.hall();
        let request = RequestId::random(hall.installation.rng.as_ref()).map_err(|error| fault::of_failure(&Failure::from(error)))?;
        let principal = self.holding.signed_in.principal();
        let session = Some(self.holding.id);
        // No row of a table is in it, so that it names none; which ones whoever asked could learn of is a private value.
        let grants = self.holding.membership().map(|membership| membership.grants).unwrap_or_default();
        let decided = EventKind::ReadDecided { request, datasets: Vec::new(), allowed: true, policies: Vec::new(), session, grants };
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let mut decided = Event::new(principal, decided).with("catalog", names.join(", "));
        if let Some(question) = question {
            decided = decided.with("sql", question.sql.as_str());
        }
        if let Some(purpose) = purpose {
            decided = decided.with("purpose", purpose);
        }
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let finished = EventKind::ReadFinished { request, rows: count(rows), complete: true, bytes: bytes.map(count) };
        // The log takes them in the order in which they are handed to it.
        tokio::try_join!(biased; hall.record(decided), hall.record(Event::new(principal, finished)))?;
        Ok(request)
    }
}
