//! Runs, a contract and a log in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::StreamExt as _;
use parking_lot::Mutex;
use polder_types::{ErrorKind, RunId};
use tokio::sync::watch;

use crate::Fault;
use crate::works::{
    Approval, Comparison, Consistency, ContractChange, ContractFile, ContractHead, Counts, Happening, Happenings, Inclusion, LogEntry,
    Order, Run, Step, Unchanged, Works,
};

/// What an enrolled approver would have signed.
pub const NOTE: &str = "polder contract approval v1\n";

/// What the house's guests work with.
#[derive(Debug)]
pub struct Office {
    /// By key: the order and its run.
    pub orders: Mutex<BTreeMap<String, (Order, RunId)>>,
    /// Runs that were asked to end.
    pub cancelled: Mutex<Vec<RunId>>,
    pub contract: Mutex<ContractFile>,
    /// Whether runs that are followed come to their end; others go on.
    pub over: watch::Sender<bool>,
    /// Those that follow.
    pub following: watch::Sender<usize>,
    /// Whether the log may be read.
    pub auditor: Mutex<bool>,
}

impl Default for Office {
    fn default() -> Self {
        let head = ContractHead {
            name: "flights".to_owned(),
            file: "contracts/flights.odcs.yaml".to_owned(),
            source: "airport".to_owned(),
            dataset: "flights".to_owned(),
            version: "1.0.0".to_owned(),
            columns: 2,
            semantic_hash: "ab".repeat(32),
            approved_by: None,
        };
        let file = ContractFile { head, text: "kind: DataContract\n".to_owned(), approval_text: NOTE.to_owned() };
        Self {
            orders: Mutex::default(),
            cancelled: Mutex::default(),
            contract: Mutex::new(file),
            over: watch::Sender::new(true),
            following: watch::Sender::new(0),
            auditor: Mutex::new(true),
        }
    }
}

pub fn run(number: u8, over: bool) -> Run {
    Run {
        id: RunId([number; 16]),
        place: u64::from(number),
        pipeline: None,
        trigger: "hand",
        attempt: 1,
        started: "2026-01-02T03:04:05Z".to_owned(),
        ended: over.then(|| "2026-01-02T03:04:06Z".to_owned()),
        result: over.then_some("succeeded"),
        error: None,
        committed: over.then_some(1),
        failed: over.then_some(0),
    }
}

fn step() -> Step {
    Step {
        name: Some("flights\n: x".to_owned()),
        status: "committed".to_owned(),
        error: None,
        counts: Some(Counts { read: 3, loaded: 2, rejected: 1, quarantined: 0 }),
        started: "2026-01-02T03:04:05Z".to_owned(),
        ended: "2026-01-02T03:04:06Z".to_owned(),
    }
}

/// Counts who follows.
struct Follower(watch::Sender<usize>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.send_modify(|following| *following -= 1);
    }
}

fn none(what: &str) -> Fault {
    Fault::new(ErrorKind::NotFound, format!("find {what}: there is none that you may know of; list those that you may"))
}

impl Office {
    fn known(&self, id: RunId) -> Result<u8, Fault> {
        let orders = self.orders.lock();
        let number = orders.values().find(|(_, run)| *run == id).map(|(_, run)| run.0[0]);
        number.ok_or_else(|| none("run"))
    }

    fn audits(&self) -> Result<(), Fault> {
        let denied = Fault::new(ErrorKind::Denied, "Audit: no policy permits it; ask who keeps the policies");
        if *self.auditor.lock() { Ok(()) } else { Err(denied) }
    }

    fn named(&self, name: &str) -> Result<ContractFile, Fault> {
        let file = self.contract.lock().clone();
        if file.head.name == name { Ok(file) } else { Err(none("contract")) }
    }
}

#[async_trait]
impl Works for Office {
    async fn start(&self, order: Order, key: &str) -> Result<RunId, Fault> {
        let named = match &order {
            Order::Pipeline(name) => vec![name.clone()],
            Order::Tables(names) => names.clone(),
        };
        if named.iter().any(|name| name != "flights") {
            return Err(none("table"));
        }
        let mut orders = self.orders.lock();
        if let Some((before, run)) = orders.get(key) {
            let other = Fault::new(ErrorKind::Rejected, "begin run: the key was another order's; choose another");
            return if *before == order { Ok(*run) } else { Err(other) };
        }
        let run = RunId([orders.len() as u8 + 1; 16]);
        orders.insert(key.to_owned(), (order, run));
        Ok(run)
    }

    async fn runs(&self, before: Option<u64>, limit: usize) -> Result<Vec<Run>, Fault> {
        let mut runs: Vec<Run> = self.orders.lock().values().map(|(_, id)| run(id.0[0], true)).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.place));
        runs.retain(|run| before.is_none_or(|before| run.place < before));
        runs.truncate(limit);
        Ok(runs)
    }

    async fn run(&self, id: RunId) -> Result<(Run, Vec<Step>), Fault> {
        Ok((run(self.known(id)?, true), vec![step()]))
    }

    async fn cancel(&self, id: RunId) -> Result<(), Fault> {
        self.known(id)?;
        if self.cancelled.lock().contains(&id) {
            return Err(Fault::new(ErrorKind::Conflict, "cancel run: it has ended already"));
        }
        self.cancelled.lock().push(id);
        Ok(())
    }

    async fn follow(&self, id: RunId, after: u64) -> Result<Option<Happenings>, Fault> {
        let number = self.known(id)?;
        if after >= 3 {
            return Ok(None);
        }
        self.following.send_modify(|following| *following += 1);
        let follower = Follower(self.following.clone());
        let told = [Happening::Started(1), Happening::Step(step())];
        let first = futures::stream::iter(told.into_iter().zip(1..).map(|(told, number)| Ok::<_, Fault>((number, told))));
        let mut over = self.over.subscribe();
        let last = futures::stream::once(async move {
            // Dropped with the stream.
            let _follower = follower;
            over.wait_for(|over| *over).await.unwrap();
            Ok((3, Happening::Ended(run(number, true))))
        });
        let all = first.chain(last).filter(move |told| {
            let wanted = told.as_ref().is_ok_and(|(number, _)| *number > after);
            async move { wanted }
        });
        Ok(Some(Box::pin(all)))
    }

    async fn contracts(&self) -> Result<Vec<ContractHead>, Fault> {
        Ok(vec![self.contract.lock().head.clone()])
    }

    async fn contract(&self, name: &str) -> Result<ContractFile, Fault> {
        self.named(name)
    }

    async fn compare(&self, name: &str, text: &str) -> Result<Comparison, Fault> {
        self.named(name)?;
        if !text.starts_with("kind:") {
            return Err(Fault::new(ErrorKind::Rejected, "compare contract: line 1: it is no contract; write one"));
        }
        let change = ContractChange {
            change: "column-added",
            column: Some("note".to_owned()),
            before: None,
            line: 2,
            what: "column note is authorised".to_owned(),
            lets_in: Some("values of note".to_owned()),
            keeps_out: None,
            breaks: None,
            migration: ("add-column", "old rows hold NULL".to_owned()),
        };
        Ok(Comparison { semantic_hash: "cd".repeat(32), changes: vec![change] })
    }

    async fn approve(&self, name: &str, note: &str, unchanged: Unchanged<'_>) -> Result<Approval, Fault> {
        if !unchanged(&self.named(name)?) {
            return Ok(Approval::Changed);
        }
        if note != NOTE {
            return Err(Fault::new(ErrorKind::Rejected, "take contract: no enrolled approver signed its approval; let one sign it"));
        }
        let mut contract = self.contract.lock();
        contract.head.approved_by = Some("ann".to_owned());
        Ok(Approval::Taken(Box::new(contract.clone())))
    }

    async fn checkpoint(&self) -> Result<String, Fault> {
        self.audits()?;
        Ok("polder/log\n3\nAAAA\n\n\u{2014} polder/log BBBB\n".to_owned())
    }

    async fn entries(&self, from: u64, limit: usize) -> Result<Vec<LogEntry>, Fault> {
        self.audits()?;
        let entry = |index| LogEntry {
            index,
            time: "2026-01-02T03:04:05Z".to_owned(),
            leaf: format!("{{\"n\":{index}}}"),
            leaf_hash: "ef".repeat(32),
        };
        Ok((from..3).map(entry).take(limit).collect())
    }

    async fn inclusion(&self, index: u64) -> Result<Inclusion, Fault> {
        self.audits()?;
        if index >= 3 {
            return Err(Fault::new(ErrorKind::NotFound, "prove entry: the log has 3 entries; name one of them"));
        }
        let hash = || "ef".repeat(32);
        Ok(Inclusion { index, leaf_hash: hash(), size: 3, root: hash(), path: vec![hash()], checkpoint: self.checkpoint().await? })
    }

    async fn consistency(&self, from: u64) -> Result<Consistency, Fault> {
        self.audits()?;
        if from > 3 {
            return Err(Fault::new(ErrorKind::NotFound, "prove growth: the log was never that long; name a size that it had"));
        }
        let hash = || "ef".repeat(32);
        let checkpoint = self.checkpoint().await?;
        Ok(Consistency { old_size: from, old_root: hash(), size: 3, root: hash(), path: vec![hash()], checkpoint })
    }
}
