//! Opening the installation to work in it, wherever this is: a process of its own takes the lease; inside the process that serves, which has it,
//! a turn takes the lease's place.

use crate::failure::Outcome;
use crate::hosted;
use crate::hosted::inside::Turn;
use crate::installation::Installation;
use crate::project::Project;

/// The installation, open for the only one who changes its tables.
pub struct Writing {
    /// The installation.
    pub installation: Installation,
    /// Inside the process that serves.
    turn: Option<Turn>,
}

impl Writing {
    /// Opens it once nobody else writes; that is waited for so many seconds. A process of its own does not wait unless that is said, and one
    /// inside, where the turn always comes, waits for it.
    ///
    /// # Errors
    /// `Busy` when others took longer; else as [`Installation::open`].
    pub async fn open(project: &Project, wait_s: Option<u64>) -> Outcome<Self> {
        let Some(host) = hosted::current() else {
            return Ok(Self { installation: Installation::open(project.clone(), wait_s).await?, turn: None });
        };
        let turn = host.turn(wait_s).await?;
        Ok(Self { installation: host.installation()?, turn: Some(turn) })
    }

    /// Ends it after work that came to this.
    ///
    /// # Errors
    /// As [`Installation::close_after`].
    pub async fn close_after(self, outcome: Outcome) -> Outcome {
        let Self { installation, turn } = self;
        let closed = installation.close_after(outcome).await;
        drop(turn);
        closed
    }

    /// Whether it is inside the process that serves, where what was broken off is settled by nobody's opening it anew.
    pub fn is_inside(&self) -> bool {
        self.turn.is_some()
    }
}

/// The installation for looking, beside whoever writes.
///
/// # Errors
/// As [`Installation::open_read_only`].
pub async fn reader(project: &Project) -> Outcome<Installation> {
    match hosted::current() {
        Some(host) => host.installation(),
        None => Installation::open_read_only(project.clone()).await,
    }
}
