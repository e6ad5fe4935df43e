//! Who reads the numbers of this process. A session that may is recorded once, as it reads them every few seconds; one that may not, each time.

use polder_policy::Action;
use polder_serve::{Fault, Session as _};
use polder_types::{ErrorKind, Event, EventKind, RequestId};

use super::fault;
use super::session::Visit;
use crate::failure::Failure;
use crate::metrics::Now;

/// The numbers, where a policy permits `ReadMetrics` on the installation.
///
/// # Errors
/// When none does, the session is over, or it cannot be recorded.
pub(super) async fn read(visit: &Visit) -> Result<String, Fault> {
    let hall = visit.hall();
    let (standing, asker, membership) = visit.standing().await?;
    let principal = visit.principal();
    let action = Action::ReadMetrics;
    let decision = standing.policies().decide_installation(principal, &asker.groups, action);
    if !decision.allowed {
        let kind = EventKind::Refused { action: action.name().to_owned(), error: ErrorKind::Denied.name().to_owned() };
        hall.record(Event::new(principal, kind).with("session", visit.id().to_string())).await?;
        let text = "read metrics: no policy permits ReadMetrics on Installation::\"polder\" to you; ask whoever keeps the policies";
        return Err(Fault::new(ErrorKind::Denied, text));
    }
    if !visit.is_measured() {
        let rng = hall.installation.rng.as_ref();
        let request = RequestId::random(rng).map_err(|error| fault::of_failure(&Failure::from(error)))?;
        let kind = EventKind::ReadDecided {
            request,
            datasets: Vec::new(),
            allowed: true,
            policies: decision.policies,
            session: Some(visit.id()),
            grants: membership.grants,
        };
        hall.record(Event::new(principal, kind).with("action", action.name())).await?;
        let finished = EventKind::ReadFinished { request, rows: 0, complete: true, bytes: None };
        hall.record(Event::new(principal, finished)).await?;
        visit.measures();
    }
    let journal = &hall.installation.journal;
    let now = Now {
        state: &journal.state(),
        entries: journal.size(),
        memory_bytes: standing.door.reserved_bytes(),
        spilled_bytes: standing.door.spilled_bytes(),
        now_ms: hall.now_ms(),
    };
    hall.metrics.text(&now).map_err(|_| Fault::new(ErrorKind::Internal, "write metrics: they are no text; report this as a defect"))
}
