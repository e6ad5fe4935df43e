//! An installation, open: keys, sealed store, audit log, and for writers the lease. The one place where these are wired.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use polder_audit::{Anchor, Journal, Signer};
use polder_keys::{Custody, Keys, LocalCustody};
use polder_policy::{Action, Denied, Permit, Policies, TableRef};
use polder_store::{Backend, Lease, SealedStore, TempSpace};
use polder_types::{
    Clock, DatasetId, ErrorKind, Event, EventKind, LineageId, PrincipalId, Private, Recorder, RequestId, Rng, RunId, SystemClock,
    SystemRng, TableName,
};

use crate::account;
use crate::described::Described;
use crate::failure::{Failure, Outcome};
use crate::print;
use crate::project::Project;
use crate::secret_ref;
use crate::settings::Custody as CustodySettings;
use crate::storage::backend;

/// Datasets that every installation has.
pub const SYSTEM_DATASETS: [&str; 3] = ["system:journal", "system:private", "system:state"];

/// What of the reserve is given back when there is no room for the lease.
const LEASE_ROOM_BYTES: u64 = 1 << 20;

/// An open installation.
pub struct Installation {
    /// The project it belongs to.
    pub project: Project,
    /// The unwrapped keyring.
    pub keys: Keys,
    /// The sealed store.
    pub store: SealedStore,
    /// The audit log.
    pub journal: Arc<Journal>,
    /// The writer's lease; none when open for reading only.
    pub lease: Option<Arc<Lease>>,
    /// Sealed temporary files.
    pub temp: TempSpace,
    /// Who acts.
    pub actor: PrincipalId,
    /// The actor's groups.
    pub groups: Vec<String>,
    /// What the actor may do.
    pub policies: Arc<Policies>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Runs that sessions ordered of this process and that have not ended: though nothing is told of their end, they are not dead.
    pub ordered: Arc<Mutex<BTreeSet<RunId>>>,
    /// Whether it is another's, who serves: closing it ends nothing.
    hosted: bool,
}

/// Signs checkpoints with the keyring's key. The log's origin is the lineage, which survives a move.
pub struct JournalSigner {
    name: String,
    keys: Keys,
}

impl JournalSigner {
    /// A signer for these keys.
    pub fn new(keys: Keys) -> Self {
        Self { name: origin(keys.lineage()), keys }
    }
}

/// The log's origin.
pub fn origin(lineage: LineageId) -> String {
    format!("polder/{lineage}")
}

impl Signer for JournalSigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], polder_audit::Cause> {
        self.keys.sign(message).map_err(|error| Box::new(error) as polder_audit::Cause)
    }

    fn verifying_key(&self) -> [u8; 32] {
        self.keys.verifying_key()
    }
}

/// Opens the custody of an environment's root key.
///
/// # Errors
/// When its file cannot be read, others may read it, or the passphrase is wrong.
pub fn custody(project: &Project) -> Outcome<Arc<dyn Custody>> {
    Ok(match &project.environment().keys {
        CustodySettings::KeyFile { path } => Arc::new(LocalCustody::open_key_file(&project.path(path))?),
        CustodySettings::Passphrase { path, passphrase } => {
            Arc::new(LocalCustody::open_passphrase(&project.path(path), secret_ref::resolve(passphrase, project.dir())?)?)
        }
    })
}

fn anchor(project: &Project) -> Option<Anchor> {
    project.environment().anchor.as_ref().map(|path| Anchor::file(project.path(path)))
}

impl Installation {
    /// Opens an installation for writing: takes the lease, opens keys and log, and finishes what a killed process left.
    ///
    /// # Errors
    /// When another writer holds the lease, keys or store are unavailable, or something is not as it must be.
    pub async fn open(project: Project, wait: Option<u64>) -> Outcome<Self> {
        let custody = custody(&project)?;
        Self::open_with(project, custody, wait).await
    }

    /// [`Installation::open`] with another custody than the project names.
    ///
    /// # Errors
    /// As [`Installation::open`].
    pub async fn open_with(project: Project, custody: Arc<dyn Custody>, wait: Option<u64>) -> Outcome<Self> {
        let anchor = anchor(&project);
        Self::open_all(project, custody, wait, anchor).await
    }

    /// [`Installation::open`] with another anchor than the project names: for who begins one.
    ///
    /// # Errors
    /// As [`Installation::open`].
    pub async fn open_anchored(project: Project, wait: Option<u64>, anchor: Option<Anchor>) -> Outcome<Self> {
        let custody = custody(&project)?;
        Self::open_all(project, custody, wait, anchor).await
    }

    async fn open_all(project: Project, custody: Arc<dyn Custody>, wait: Option<u64>, anchor: Option<Anchor>) -> Outcome<Self> {
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let backend = backend(&project)?;
        let lease = match Lease::acquire(&backend, Arc::clone(&clock), wait.map(Duration::from_secs)).await {
            // A full disk must not keep out who makes room on it: the lease's file is written from the reserve.
            Err(error) if error.is_no_space() => {
                backend.release_reserve(LEASE_ROOM_BYTES)?;
                Lease::acquire(&backend, Arc::clone(&clock), wait.map(Duration::from_secs)).await?
            }
            acquired => acquired?,
        };
        let keys = open_keys(custody, &backend, &clock, &rng).await?;
        // Whoever left temporaries is gone: only the holder of the lease has any.
        backend.sweep_temporaries()?;
        match backend.restore_reserve() {
            // On a full disk the log takes what may still be recorded from what is left of the reserve.
            Err(error) if error.is_no_space() => {}
            restored => restored?,
        }
        let temp = TempSpace::new(backend.clone(), Arc::clone(&rng), project.environment().temporary_mib.saturating_mul(1 << 20))?;
        let store = SealedStore::new(backend, keys.clone(), Arc::clone(&rng));
        let signer = Arc::new(JournalSigner::new(keys.clone()));
        let journal = Journal::open(store.clone(), signer, Arc::clone(&clock), Arc::clone(&rng), anchor).await?;
        refuse_older_keys(&store, &journal);
        let (epoch, known) = (lease.epoch(), journal.state().epoch);
        if epoch <= known {
            lease.withdraw().await?;
            return Err(Failure::new(
                ErrorKind::Corrupt,
                format!(
                    "open the installation: lease/ was rolled back: its newest epoch was {}, and the log knows of epoch {known}; keep a copy for the investigation, make sure that no other process writes, and put the file lease/{known:020} back (an empty one, mode 0600, will do)",
                    epoch - 1
                ),
            ));
        }
        journal.set_epoch(lease.epoch());
        let actor = account::current()?;
        let groups = project.environment().groups_of(actor.as_str());
        let policies = Arc::new(project.policies()?.with_clock(Arc::clone(&clock)));
        let (lease, ordered) = (Some(Arc::new(lease)), Arc::default());
        let installation = Self { project, keys, store, journal, lease, temp, actor, groups, policies, clock, rng, ordered, hosted: false };
        installation.record(EventKind::LeaseTaken { epoch: installation.epoch() }).await?;
        installation.settle_keys().await?;
        installation.settle_removals().await?;
        installation.settle_tables().await?;
        installation.settle_erasures().await?;
        Ok(installation)
    }

    /// Opens an installation for verifying, beside a writer. Nothing is written.
    ///
    /// # Errors
    /// When keys or store are unavailable, or something is not as it must be.
    pub async fn open_read_only(project: Project) -> Outcome<Self> {
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let backend = backend(&project)?;
        let keys = open_keys(custody(&project)?, &backend, &clock, &rng).await?;
        let temp = TempSpace::new(backend.clone(), Arc::clone(&rng), 0)?;
        let store = SealedStore::new(backend, keys.clone(), Arc::clone(&rng));
        let signer = Arc::new(JournalSigner::new(keys.clone()));
        let journal = Journal::open_read_only(store.clone(), signer, Arc::clone(&clock), Arc::clone(&rng), anchor(&project)).await?;
        refuse_older_keys(&store, &journal);
        let actor = account::current()?;
        let groups = project.environment().groups_of(actor.as_str());
        let policies = Arc::new(project.policies()?.with_clock(Arc::clone(&clock)));
        let ordered = Arc::default();
        Ok(Self { project, keys, store, journal, lease: None, temp, actor, groups, policies, clock, rng, ordered, hosted: false })
    }

    /// The same installation, for a command of someone else on this machine. The project's files are read anew, as a process of its own would.
    ///
    /// # Errors
    /// When they do not load, or name another store than the one that is open.
    pub fn acting_as(&self, actor: &PrincipalId) -> Outcome<Self> {
        let project = Project::find(Some(self.project.dir()), self.project.name())?;
        if project.environment().store != self.project.environment().store || project.environment().keys != self.project.environment().keys
        {
            let text =
                "act in the installation: polder.yaml names another store or another root key since `polder serve` began; start it anew";
            return Err(Failure::new(ErrorKind::Busy, text));
        }
        let groups = project.environment().groups_of(actor.as_str());
        let policies = Arc::new(project.policies()?.with_clock(Arc::clone(&self.clock)));
        Ok(self.with_files(project, policies, actor.clone(), groups))
    }

    /// The same installation, with what the project's files say now, for whoever acts. Closing it ends nothing.
    pub(crate) fn with_files(&self, project: Project, policies: Arc<Policies>, actor: PrincipalId, groups: Vec<String>) -> Self {
        Self {
            project,
            keys: self.keys.clone(),
            store: self.store.clone(),
            journal: Arc::clone(&self.journal),
            lease: self.lease.clone(),
            temp: self.temp.clone(),
            actor,
            groups,
            policies,
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
            ordered: Arc::clone(&self.ordered),
            hosted: true,
        }
    }

    /// The fencing epoch; 0 when open for reading only.
    pub fn epoch(&self) -> u64 {
        self.lease.as_ref().map_or(0, |lease| lease.epoch())
    }

    /// Records an event of the actor.
    ///
    /// # Errors
    /// When it is not durable: what it announces must not happen.
    pub async fn record(&self, kind: EventKind) -> Outcome {
        self.record_with(kind, Private::default()).await
    }

    /// [`Installation::record`] with values that only the sealed side object holds.
    ///
    /// # Errors
    /// As [`Installation::record`].
    pub async fn record_with(&self, kind: EventKind, private: Private) -> Outcome {
        self.record_by(&self.actor, kind, private).await
    }

    /// The same of another who acts than whoever opened the installation.
    ///
    /// # Errors
    /// As [`Installation::record`].
    pub async fn record_by(&self, actor: &PrincipalId, kind: EventKind, private: Private) -> Outcome {
        crate::failpoint::hit("record-before");
        self.journal.record(Event { private, ..Event::new(actor, kind) }).await?;
        crate::failpoint::hit("record-after");
        Ok(())
    }

    /// Records that something failed. Where that cannot be recorded it is only said: the caller must hear why it failed, and
    /// whoever opens the installation next finds it begun and not ended. But where another writer took over, that is why: what
    /// was seen was seen behind its back.
    ///
    /// Returns whether it was recorded.
    pub async fn record_failure(&self, failure: &mut Failure, kind: EventKind) -> bool {
        match self.record(kind).await {
            Ok(()) => return true,
            Err(lost) if lost.kind() == ErrorKind::Busy => {
                if failure.kind() != ErrorKind::Busy {
                    *failure = lost.explains(failure.clone());
                }
            }
            Err(unrecorded) => print::warn("a failure could not be recorded", &unrecorded),
        }
        false
    }

    /// Lets nobody act who was taken for dead while they were paused. To be asked between a recorded intent and each act.
    ///
    /// # Errors
    /// When another writer took over, the store cannot be reached, or the installation is open for reading only.
    pub async fn still_writer(&self) -> Outcome {
        match &self.lease {
            Some(lease) => Ok(lease.check().await?),
            None => Err(Failure::new(ErrorKind::Busy, "change the installation: it is open for reading only; open it as the writer")),
        }
    }

    /// Ends the process's work: a snapshot makes the next opening fast, and the lease goes back. Without the snapshot the next
    /// opening replays more of the log: on a full disk that is said, and is no failure of what was done.
    ///
    /// # Errors
    /// When another writer took over, or the log is not as it must be.
    pub async fn close(self) -> Outcome {
        // Who only reads has nothing to leave behind.
        if self.hosted || self.lease.is_none() {
            return Ok(());
        }
        crate::failpoint::hit("snapshot-before");
        match self.journal.snapshot().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                print::warn("no snapshot of the log's state was written, and the next command opens slower", &error.into());
            }
            written => written?,
        }
        crate::failpoint::hit("snapshot-after");
        Ok(())
    }

    /// [`Installation::close`] after a command: its own failure is told first, and is not hidden by one of closing. One that
    /// comes of another writer's having taken over is told as that.
    ///
    /// # Errors
    /// The command's, or else that of closing.
    pub async fn close_after(self, outcome: Outcome) -> Outcome {
        let Err(failure) = outcome else { return self.close().await };
        // Who is no writer any more writes no snapshot either.
        match self.still_writer().await {
            _ if failure.kind() == ErrorKind::Busy => return Err(failure),
            Err(lost) if lost.kind() == ErrorKind::Busy => return Err(lost.explains(failure)),
            _ => {}
        }
        if let Err(unclosed) = self.close().await {
            print::warn("the installation could not be closed", &unclosed);
        }
        Err(failure)
    }

    /// Ends commits that a killed process had announced, so that all who ask see the same head. A table whose log is not what
    /// it must be stays closed, and says so when it is asked for; the others work on.
    pub(crate) async fn settle_tables(&self) -> Outcome {
        let open: BTreeSet<DatasetId> = self.journal.state().open_intents.iter().map(|intent| intent.dataset).collect();
        if open.is_empty() {
            return Ok(());
        }
        let lake = self.lake(None)?;
        for dataset in open {
            let mut recovered = lake.recover(dataset).await;
            if recovered.as_ref().is_err_and(|error| polder_store::is_no_space(error)) {
                // Nor must it keep out who ends what a killed process announced: the fence is written from the reserve.
                self.store.backend().release_reserve(LEASE_ROOM_BYTES)?;
                recovered = lake.recover(dataset).await;
            }
            match recovered {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(polder_lake::Error::Destroyed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The table of a name, as policies see it; none when there is no such table.
    pub fn table(&self, name: &str) -> Option<TableRef> {
        let id = self.keys.find(&format!("table:{name}"))?;
        Some(Described::new(self).table(&TableName::new(name).ok()?, id))
    }

    /// All tables that have keys, by name.
    pub fn tables(&self) -> Vec<TableRef> {
        let described = Described::new(self);
        let tables = self.keys.datasets().into_iter().filter_map(|dataset| {
            let name = TableName::new(dataset.name.strip_prefix("table:")?).ok()?;
            Some(described.table(&name, dataset.id))
        });
        let mut tables: Vec<TableRef> = tables.collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        tables
    }

    /// What a failed request to the store means, by what the log knows: an object that went with its key is no damage.
    pub fn store_failure(&self, step: &str, error: &object_store::Error) -> Failure {
        let gone = polder_store::destroyed_in(error).and_then(|(object, key_version)| {
            let dataset = object.split('/').nth(1)?.parse().ok()?;
            let at = self.journal.state().destroyed(dataset, key_version, object)?;
            let name = self.keys.datasets().into_iter().find(|info| info.id == dataset)?.name;
            let on = crate::print::time(at.time_ms);
            Some(format!("{step}: version {key_version} of the key of {name} was destroyed on {on}, and what it sealed is gone for good"))
        });
        match gone {
            Some(text) => Failure::new(ErrorKind::Rejected, text),
            None => crate::ingest::store_failure(step, error),
        }
    }

    /// Decides whether the actor may do something with a table, and records a refusal.
    ///
    /// # Errors
    /// When no policy permits it, or the refusal cannot be recorded.
    pub async fn permit(&self, action: Action, name: &str) -> Outcome<Permit> {
        let request = RequestId::random(self.rng.as_ref())?;
        let decided = match self.table(name) {
            Some(table) => self.policies.permit(&self.actor, &self.groups, action, &table, request),
            None => Err(Denied::no_such_table(name)),
        };
        match decided {
            Ok(permit) => Ok(permit),
            Err(denied) => {
                self.refused(action.name(), denied.kind()).await?;
                Err(Failure::of(denied.kind(), &denied))
            }
        }
    }

    /// Decides as [`Self::permit`] about a table that a contract or model names, whether or not anything was loaded yet.
    ///
    /// # Errors
    /// When no policy permits it, the name is none, or the refusal cannot be recorded.
    pub async fn may(&self, action: Action, name: &str) -> Outcome<Permit> {
        if self.table(name).is_some() {
            return self.permit(action, name).await;
        }
        let table = TableName::new(name).map_err(|error| Failure::of(ErrorKind::Invalid, &error))?;
        // It has no id yet, and policies see none.
        let table = Described::new(self).table(&table, DatasetId([0; 16]));
        let request = RequestId::random(self.rng.as_ref())?;
        match self.policies.permit(&self.actor, &self.groups, action, &table, request) {
            Ok(permit) => Ok(permit),
            Err(denied) => {
                self.refused(action.name(), denied.kind()).await?;
                Err(Failure::of(denied.kind(), &denied))
            }
        }
    }

    /// Decides whether the actor may do something with the installation as a whole, and records a refusal.
    ///
    /// # Errors
    /// When no policy permits it, or the refusal cannot be recorded.
    pub async fn require(&self, action: Action) -> Outcome {
        if self.policies.decide_installation(&self.actor, &self.groups, action).allowed {
            return Ok(());
        }
        self.refused(action.name(), ErrorKind::Denied).await?;
        Err(Failure::new(
            ErrorKind::Denied,
            format!(
                "{}: no policy permits it to {}; whoever keeps policies/ and the groups in polder.yaml can change that",
                action.name(),
                self.actor
            ),
        ))
    }

    /// Decides whether a principal may approve grants of a group, and end them; records a refusal.
    ///
    /// # Errors
    /// As [`Self::require`].
    pub async fn require_grant(&self, principal: &PrincipalId, groups: &[String], group: &str) -> Outcome {
        if self.policies.decide_grant(principal, groups, group).allowed {
            return Ok(());
        }
        let action = Action::ApproveGrant.name();
        self.refused(action, ErrorKind::Denied).await?;
        Err(Failure::new(
            ErrorKind::Denied,
            format!(
                "{action} of group {group}: no policy permits it to {principal}; whoever keeps policies/ and the groups in polder.yaml can change that"
            ),
        ))
    }

    async fn refused(&self, action: &str, kind: ErrorKind) -> Outcome {
        if self.lease.is_none() {
            return Ok(());
        }
        self.record(EventKind::Refused { action: action.to_owned(), error: kind.name().to_owned() }).await
    }
}

/// The keyring, asked for again every minute: long work, verification among it, outlives a lease of the keys.
async fn open_keys(custody: Arc<dyn Custody>, backend: &Backend, clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>) -> Outcome<Keys> {
    let keys = Keys::open(custody, Arc::new(backend.clone()), Arc::clone(clock), Arc::clone(rng)).await?;
    keys.keep_renewed();
    Ok(keys)
}

/// Objects whose dataset was sealed again under a newer key, put back as they were before, are refused from here on.
fn refuse_older_keys(store: &SealedStore, journal: &Journal) {
    for (dataset, oldest) in &journal.state().oldest_keys {
        store.refuse_older_keys(*dataset, *oldest);
    }
}
