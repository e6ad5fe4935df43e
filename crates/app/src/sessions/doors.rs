//! The SQL door of now. Policies, contracts, models and groups are files: when they change, or a table comes or goes, the door is made anew.
//! When they cannot be used, nothing is answered until they can (law 7).

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_audit::State;
use polder_engine::{Asker, Door};
use polder_lake::Lake;
use polder_policy::Policies;
use polder_policy::identity::Approvers;
use polder_serve::Fault;
use polder_types::{DatasetId, ErrorKind};
use tokio::sync::Mutex;

use super::stamp::Stamp;
use crate::failure::{Failure, Outcome};
use crate::identities::enrolled;
use crate::installation::Installation;
use crate::print;
use crate::project::Project;

/// What questions are answered with at the moment.
pub(super) struct Standing {
    /// The door.
    pub door: Door,
    project: Project,
    policies: Arc<Policies>,
    /// Whose signatures on grants count.
    pub approvers: Arc<Approvers>,
}

impl Standing {
    /// The policies of now.
    pub(super) fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The groups that polder.yaml gives a principal.
    pub(super) fn groups_of(&self, principal: &str) -> Vec<String> {
        self.project.environment().groups_of(principal)
    }

    /// The installation with the files of now, for someone who acts.
    pub(super) fn acting(&self, installation: &Installation, asker: &Asker) -> Installation {
        installation.with_files(self.project.clone(), Arc::clone(&self.policies), asker.principal.clone(), asker.groups.clone())
    }
}

/// The tables that are committed, with their classifications.
type Tables = BTreeMap<DatasetId, Option<String>>;

/// Follows files and tables.
pub(super) struct Doors {
    installation: Arc<Installation>,
    lake: Lake,
    /// Whose memory all doors share.
    first: Door,
    held: Mutex<Held>,
}

#[derive(Clone)]
struct Held {
    stamp: Stamp,
    tables: Tables,
    /// What the files came to when they were last read, or the text of why they cannot be used.
    standing: Result<Arc<Standing>, String>,
}

impl Doors {
    /// # Errors
    /// When the files cannot be used now.
    pub(super) fn open(installation: Arc<Installation>, memory_mib: u64) -> Outcome<Self> {
        let lake = installation.lake(None)?;
        let first = installation.door(&lake, memory_mib)?;
        // The door is made of these files or of older ones, so that a change meanwhile is seen at the first question.
        let held = Held {
            stamp: Stamp::default(),
            tables: Tables::new(),
            standing: Err("answer query: the project's files were not read yet; ask again".to_owned()),
        };
        Ok(Self { installation, lake, first, held: Mutex::new(held) })
    }

    /// What a question is answered with.
    ///
    /// # Errors
    /// When a file cannot be used: its name, and nothing of what stands in it, which the asker may not be allowed to know.
    pub(super) async fn now(self: &Arc<Self>) -> Result<Arc<Standing>, Fault> {
        let mut held = self.held.lock().await;
        let tables = committed(&self.installation.journal.state());
        let (this, before) = (Arc::clone(self), held.clone());
        // Files are looked at before each question, and read where nobody waits for the thread.
        let looked = tokio::task::spawn_blocking(move || this.look(before, tables)).await;
        match looked {
            Ok(looked) => *held = looked,
            Err(error) => {
                return Err(Fault::new(ErrorKind::Internal, format!("read the project's files: {error}; report this as a defect")));
            }
        }
        match &held.standing {
            Ok(standing) => Ok(Arc::clone(standing)),
            Err(text) => Err(Fault::new(ErrorKind::Unavailable, text.clone())),
        }
    }

    fn look(&self, before: Held, tables: Tables) -> Held {
        let dir = self.installation.project.dir();
        // Taken before anything is read: what changes while it is read is another stamp at the next look.
        let stamp = match Stamp::of(dir) {
            Ok(stamp) => stamp,
            Err(failure) => {
                return Held { standing: Err(closed(&before.stamp, &failure, None)), stamp: Stamp::default(), tables };
            }
        };
        let same_files = stamp == before.stamp;
        // What failed may have had another cause than the files, so it is tried again.
        if same_files && tables == before.tables && before.standing.is_ok() {
            return before;
        }
        let standing = match (&before.standing, same_files) {
            (Ok(standing), true) => self.standing(standing.project.clone(), Arc::clone(&standing.policies)),
            _ => self.read(),
        };
        let standing = standing.map(Arc::new).map_err(|failure| closed(&stamp, &failure, before.standing.as_ref().err()));
        Held { stamp, tables, standing }
    }

    /// Reads everything anew.
    fn read(&self) -> Outcome<Standing> {
        let own = &self.installation.project;
        let project = Project::find(Some(own.dir()), own.name())?;
        let policies = Arc::new(project.policies()?.with_clock(Arc::clone(&self.installation.clock)));
        self.standing(project, policies)
    }

    fn standing(&self, project: Project, policies: Arc<Policies>) -> Outcome<Standing> {
        let own = self.installation.as_ref();
        // The same installation, with what the files say now. Where it lies and what opens it are those that it was opened with.
        let now = own.with_files(project.clone(), Arc::clone(&policies), own.actor.clone(), own.groups.clone());
        let door = self.first.with_ports(now.door_ports(&self.lake, None)?);
        let approvers = Arc::new(enrolled(&project, own.keys.lineage())?);
        Ok(Standing { door, project, policies, approvers })
    }
}

fn committed(state: &State) -> Tables {
    let tables = state.tables.iter().filter(|(_, head)| head.sequence > 0);
    tables.map(|(id, _)| (*id, state.classifications.get(id).cloned().flatten())).collect()
}

/// What askers are told while nothing is answered. Whoever keeps the files reads the whole of it where the program's errors go, once.
fn closed(stamp: &Stamp, failure: &Failure, told: Option<&String>) -> String {
    let file = stamp.named_in(&failure.to_string()).unwrap_or_else(|| "a file of the project".to_owned());
    let text = format!(
        "answer query: {file} cannot be used as it is, so nothing is answered; whoever keeps the project can mend it, and `polder ci` says what is wrong with it"
    );
    if told != Some(&text) {
        print::warn("nothing is answered until the project's files can be used", failure);
    }
    text
}
