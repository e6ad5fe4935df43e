//! The log for whoever verifies it: leaves and proofs, for those who may read the log. As with an export, nothing private is given.

use polder_policy::Action;
use polder_serve::Fault;
use polder_serve::works::{Consistency, Inclusion, LogEntry};
use polder_types::ErrorKind;

use super::failed;
use crate::failure::Failure;
use crate::installation::Installation;
use crate::print::time;

async fn permitted(acting: &Installation) -> Result<(), Fault> {
    acting.require(Action::Audit).await.map_err(|denied| failed(&denied))
}

fn of_log(error: polder_audit::Error) -> Fault {
    failed(&Failure::from(error))
}

pub(super) async fn checkpoint(acting: &Installation) -> Result<String, Fault> {
    permitted(acting).await?;
    Ok(acting.journal.checkpoint())
}

pub(super) async fn entries(acting: &Installation, from: u64, limit: usize) -> Result<Vec<LogEntry>, Fault> {
    permitted(acting).await?;
    let size = acting.journal.size();
    let to = from.saturating_add(u64::try_from(limit).unwrap_or(u64::MAX)).min(size);
    if from >= to {
        return Ok(Vec::new());
    }
    let entries = acting.journal.entries(from..to).await.map_err(of_log)?;
    let shown = entries.into_iter().map(|entry| LogEntry {
        index: entry.index,
        time: time(entry.time_ms),
        // It was read as JSON before, and so is UTF-8.
        leaf: String::from_utf8_lossy(&entry.leaf).into_owned(),
        leaf_hash: hex::encode(entry.leaf_hash.0),
    });
    Ok(shown.collect())
}

pub(super) async fn inclusion(acting: &Installation, index: u64) -> Result<Inclusion, Fault> {
    permitted(acting).await?;
    let size = acting.journal.size();
    if index >= size {
        return Err(Fault::new(
            ErrorKind::NotFound,
            format!("prove entry {index}: the log has {size} entries, from 0 on; name one of them"),
        ));
    }
    let proof = acting.journal.inclusion_proof(index).await.map_err(of_log)?;
    Ok(Inclusion {
        index: proof.index,
        leaf_hash: hex::encode(proof.leaf_hash.0),
        size: proof.size,
        root: hex::encode(proof.root.0),
        path: proof.path.iter().map(|hash| hex::encode(hash.0)).collect(),
        checkpoint: proof.checkpoint,
    })
}

pub(super) async fn consistency(acting: &Installation, from: u64) -> Result<Consistency, Fault> {
    permitted(acting).await?;
    let size = acting.journal.size();
    if from > size {
        return Err(Fault::new(
            ErrorKind::NotFound,
            format!(
                "prove growth: the log was never {from} entries long, it has {size}; if another size was signed, keep that checkpoint as evidence"
            ),
        ));
    }
    let proof = acting.journal.consistency_proof(from).await.map_err(of_log)?;
    Ok(Consistency {
        old_size: proof.old_size,
        old_root: hex::encode(proof.old_root.0),
        size: proof.size,
        root: hex::encode(proof.root.0),
        path: proof.path.iter().map(|hash| hex::encode(hash.0)).collect(),
        checkpoint: proof.checkpoint,
    })
}
