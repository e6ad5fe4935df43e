//! Runs, contracts and the log for whoever is signed in over REST: the same code that the command line goes through, acting for the session's
//! principal, decided by the policies of now.

mod contracts;
mod log;
mod runs;

use std::collections::BTreeSet;

use async_trait::async_trait;
use polder_policy::{Action, Denied};
use polder_serve::Fault;
use polder_serve::works::{
    Approval, Comparison, Consistency, ContractFile, ContractHead, Happenings, Inclusion, LogEntry, Order, Run, Step, Unchanged, Works,
};
use polder_types::{DatasetId, ErrorKind, RunId, TableName};

use super::fault;
use super::session::{Doing, Visit};
use crate::described::Described;
use crate::failure::{Failure, Outcome};
use crate::installation::Installation;
use crate::print;

pub(super) use runs::{Runs, settle};

#[async_trait]
impl Works for Visit {
    async fn start(&self, order: Order, key: &str) -> Result<RunId, Fault> {
        let _doing = Doing::now(self.holding())?;
        runs::start(&self.hall().runs, self.acting().await?, order, key).await
    }

    async fn runs(&self, before: Option<u64>, limit: usize) -> Result<Vec<Run>, Fault> {
        let _doing = Doing::now(self.holding())?;
        runs::list(&self.hall().runs, &self.acting().await?, before, limit).await
    }

    async fn run(&self, id: RunId) -> Result<(Run, Vec<Step>), Fault> {
        let _doing = Doing::now(self.holding())?;
        runs::show(&self.hall().runs, &self.acting().await?, id).await
    }

    async fn cancel(&self, id: RunId) -> Result<(), Fault> {
        let _doing = Doing::now(self.holding())?;
        runs::cancel(&self.hall().runs, &self.acting().await?, id).await
    }

    async fn follow(&self, id: RunId, after: u64) -> Result<Option<Happenings>, Fault> {
        let doing = Doing::now(self.holding())?;
        runs::follow(&self.hall().runs, self.acting().await?, id, after, doing).await
    }

    async fn contracts(&self) -> Result<Vec<ContractHead>, Fault> {
        let _doing = Doing::now(self.holding())?;
        let acting = self.acting().await?;
        off_thread(move || contracts::list(&acting)).await
    }

    async fn contract(&self, name: &str) -> Result<ContractFile, Fault> {
        let _doing = Doing::now(self.holding())?;
        let (acting, name) = (self.acting().await?, name.to_owned());
        off_thread(move || contracts::show(&acting, &name)).await
    }

    async fn compare(&self, name: &str, text: &str) -> Result<Comparison, Fault> {
        let _doing = Doing::now(self.holding())?;
        let (acting, name, text) = (self.acting().await?, name.to_owned(), text.to_owned());
        off_thread(move || contracts::compare(&acting, &name, &text)).await
    }

    async fn approve(&self, name: &str, note: &str, unchanged: Unchanged<'_>) -> Result<Approval, Fault> {
        let _doing = Doing::now(self.holding())?;
        contracts::approve(&self.hall().runs, self.acting().await?, name, note, unchanged).await
    }

    async fn checkpoint(&self) -> Result<String, Fault> {
        let _doing = Doing::now(self.holding())?;
        log::checkpoint(&self.acting().await?).await
    }

    async fn entries(&self, from: u64, limit: usize) -> Result<Vec<LogEntry>, Fault> {
        let _doing = Doing::now(self.holding())?;
        log::entries(&self.acting().await?, from, limit).await
    }

    async fn inclusion(&self, index: u64) -> Result<Inclusion, Fault> {
        let _doing = Doing::now(self.holding())?;
        log::inclusion(&self.acting().await?, index).await
    }

    async fn consistency(&self, from: u64) -> Result<Consistency, Fault> {
        let _doing = Doing::now(self.holding())?;
        log::consistency(&self.acting().await?, from).await
    }
}

/// Work that reads files, where nobody waits for the thread.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Fault::new(ErrorKind::Internal, format!("read the project's files: {error}; report this as a defect"))),
    }
}

/// Whether the policies let whoever acts do something with a table that a contract or model names, loaded or not. Asked to choose what is
/// shown, and so not recorded.
fn allowed(acting: &Installation, action: Action, name: &str) -> bool {
    let Ok(table) = TableName::new(name) else { return false };
    // Before the first load it has no id, and policies see none.
    let described = acting.table(name).unwrap_or_else(|| Described::new(acting).table(&table, DatasetId([0; 16])));
    acting.policies.decide(&acting.actor, &acting.groups, action, &described).allowed
}

/// All tables and models that have a file.
fn known(acting: &Installation) -> Result<BTreeSet<String>, Fault> {
    let names = || -> Outcome<BTreeSet<String>> {
        let contracts = acting.project.contracts()?.into_iter().map(|(_, contract)| contract.table.to_string());
        Ok(contracts.chain(acting.project.models()?.into_iter().map(|(name, _)| name)).collect())
    };
    names().map_err(|failure| unreadable(&failure))
}

/// A file of the project cannot be used. Which, and what is wrong with it, the asker may not be allowed to know.
fn unreadable(failure: &Failure) -> Fault {
    print::warn("a request could not be served, since the project's files cannot be used", failure);
    Fault::new(
        ErrorKind::Unavailable,
        "read the project: a file of it cannot be used as it is; whoever keeps the project can mend it, and `polder ci` says what is wrong with it",
    )
}

/// The answer for a name that no table has, which is that of one that may not be known of.
fn no_such_table(name: &str) -> Fault {
    Fault::new(ErrorKind::NotFound, Denied::no_such_table(name).to_string())
}

fn failed(failure: &Failure) -> Fault {
    fault::of_failure(failure)
}
