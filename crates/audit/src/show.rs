//! The log for people: entries with their private values, where those were not erased.

use std::collections::BTreeMap;
use std::ops::Range;

use polder_types::event::EventKind;
use polder_types::{DatasetId, RunId};

use crate::error::Error;
use crate::journal::{Entry, Journal};
use crate::shelf::{Fault, Room, Shelf};
use crate::side::{self, Side};
use crate::tile::TILE_LEAVES;

/// Which entries to show; what is `None` or empty does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Indexes.
    pub range: Option<Range<u64>>,
    /// Milliseconds since the epoch.
    pub time_ms: Option<Range<i64>>,
    /// The names of event kinds, `commit_intent` and the like.
    pub kinds: Vec<String>,
    /// Events about this dataset.
    pub dataset: Option<DatasetId>,
    /// Events of this run.
    pub run: Option<RunId>,
    /// `kind:name` of the actor. Entries whose actor was erased do not match.
    pub actor: Option<String>,
}

/// A private value, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    Value(String),
    /// Its side object is gone; the commitment in the leaf stays.
    Erased,
}

/// An entry with its private values.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub entry: Entry,
    pub actor: Resolved,
    pub private: BTreeMap<String, Resolved>,
}

/// The side object of the group that is being looked at.
#[derive(Default)]
pub(crate) struct Sides {
    name: String,
    side: Option<Side>,
}

impl Sides {
    /// The side object of a name; `None` when it was erased. An object that does not open, or is of another group, is an error.
    pub(crate) async fn get(&mut self, shelf: &dyn Shelf, name: &str) -> Result<Option<&Side>, Error> {
        if self.name != name {
            self.side = None;
            self.name.clear();
            let rest =
                side::path(name).ok_or_else(|| Error::corrupt(shelf.path(Room::Private, name), "it is not the name of a side object"))?;
            let object = || shelf.path(Room::Private, &rest);
            self.side = match shelf.read(Room::Private, &rest).await {
                Ok(bytes) => {
                    let side = Side::decode(&bytes).filter(|side| Some(side.first) == side::first_of(name));
                    Some(side.ok_or_else(|| Error::corrupt(object(), "it is not the side object of its name"))?)
                }
                Err(Fault::NotFound) => None,
                Err(fault) => return Err(fault.at("read", object())),
            };
            self.name = name.to_owned();
        }
        Ok(self.side.as_ref())
    }
}

impl Journal {
    /// The newest `limit` entries that match, oldest first.
    ///
    /// # Errors
    /// When an object of the log is missing or changed, or a private value is not the one that the leaf commits to.
    pub async fn show(&self, filter: &Filter, limit: usize) -> Result<Vec<Shown>, Error> {
        let size = self.size();
        let range = filter.range.clone().unwrap_or(0..size);
        let (start, mut end) = (range.start, range.end.min(size));
        let mut sides = Sides::default();
        let mut shown = Vec::new();
        while start < end && shown.len() < limit {
            let from = start.max((end - 1) / TILE_LEAVES * TILE_LEAVES);
            for entry in self.entries(from..end).await?.into_iter().rev() {
                if shown.len() == limit {
                    break;
                }
                if !filter.matches(&entry) {
                    continue;
                }
                let resolved = self.resolve(entry, &mut sides).await?;
                if filter.actor.as_ref().is_none_or(|actor| resolved.actor == Resolved::Value(actor.clone())) {
                    shown.push(resolved);
                }
            }
            end = from;
        }
        shown.reverse();
        Ok(shown)
    }

    async fn resolve(&self, entry: Entry, sides: &mut Sides) -> Result<Shown, Error> {
        let shelf = self.core.shelf.as_ref();
        let Some(side) = sides.get(shelf, &entry.side).await? else {
            let private = entry.commitments.values.keys().map(|word| (word.clone(), Resolved::Erased)).collect();
            return Ok(Shown { entry, actor: Resolved::Erased, private });
        };
        let opened = side.entry(entry.index).filter(|opened| opened.commitments() == entry.commitments);
        let Some(opened) = opened else {
            return Err(Error::corrupt(shelf.path(Room::Private, &entry.side), "its values are not those that the log commits to"));
        };
        let private = opened.values.iter().map(|(word, opening)| (word.clone(), Resolved::Value(opening.value.clone()))).collect();
        Ok(Shown { actor: Resolved::Value(opened.actor.value.clone()), private, entry })
    }
}

impl Filter {
    fn matches(&self, entry: &Entry) -> bool {
        let kind = || serde_json::to_value(&entry.event).ok().and_then(|json| json.get("type")?.as_str().map(str::to_owned));
        self.range.as_ref().is_none_or(|range| range.contains(&entry.index))
            && self.time_ms.as_ref().is_none_or(|range| range.contains(&entry.time_ms))
            && (self.kinds.is_empty() || kind().is_some_and(|kind| self.kinds.contains(&kind)))
            && self.dataset.is_none_or(|dataset| datasets(&entry.event).contains(&dataset))
            && self.run.is_none_or(|wanted| run(&entry.event) == Some(wanted))
    }
}

fn datasets(event: &EventKind) -> Vec<DatasetId> {
    match event {
        EventKind::BatchStarted { dataset, .. }
        | EventKind::TableClassified { dataset, .. }
        | EventKind::CommitIntent { dataset, .. }
        | EventKind::CommitOutcome { dataset, .. }
        | EventKind::BatchFailed { dataset, .. }
        | EventKind::QuarantineWritten { dataset, .. }
        | EventKind::ProfileWritten { dataset, .. }
        | EventKind::ContentInspected { dataset, .. }
        | EventKind::RowsErased { dataset, .. }
        | EventKind::QuarantineErased { dataset, .. }
        | EventKind::TableMaintained { dataset, .. } => vec![*dataset],
        EventKind::ContractApproved { dataset, .. }
        | EventKind::KeysChanged { dataset, .. }
        | EventKind::StepFinished { dataset, .. }
        | EventKind::PushDecided { dataset, .. } => dataset.iter().copied().collect(),
        EventKind::DestructionPrepared { dataset, .. } => vec![*dataset],
        EventKind::ReadDecided { datasets, .. } => datasets.clone(),
        EventKind::InstallationCreated { .. }
        | EventKind::LeaseTaken { .. }
        | EventKind::RunStarted { .. }
        | EventKind::RunFinished { .. }
        | EventKind::RunTriggered { .. }
        | EventKind::RunConcluded { .. }
        | EventKind::DueSkipped { .. }
        | EventKind::FreshnessJudged { .. }
        | EventKind::NoticeSent { .. }
        | EventKind::ReadFinished { .. }
        | EventKind::IntegrityFailed { .. }
        | EventKind::IntegrityVerified { .. }
        | EventKind::AnchorBegun { .. }
        | EventKind::ServiceChanged { .. }
        | EventKind::CertificateChanged { .. }
        | EventKind::IdentityChanged { .. }
        | EventKind::SignedIn { .. }
        | EventKind::SignInRefused { .. }
        | EventKind::SessionEnded { .. }
        | EventKind::SessionTokenMade { .. }
        | EventKind::SessionTokenEnded { .. }
        | EventKind::Refused { .. } => Vec::new(),
    }
}

fn run(event: &EventKind) -> Option<RunId> {
    match event {
        EventKind::RunStarted { run, .. }
        | EventKind::BatchStarted { run, .. }
        | EventKind::BatchFailed { run, .. }
        | EventKind::QuarantineWritten { run, .. }
        | EventKind::ContentInspected { run, .. }
        | EventKind::RunFinished { run, .. }
        | EventKind::RunTriggered { run, .. }
        | EventKind::PushDecided { run, .. }
        | EventKind::StepFinished { run, .. }
        | EventKind::RunConcluded { run, .. } => Some(*run),
        EventKind::NoticeSent { run, .. } => *run,
        _ => None,
    }
}
