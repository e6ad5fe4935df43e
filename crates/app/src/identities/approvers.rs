//! The approvers of the environment, as the register asks for them.

use polder_keys::approver::Approver;
use polder_policy::identity::Approvers;
use polder_types::LineageId;

use crate::failure::Outcome;
use crate::project::Project;

/// Those whose signatures on grants count in the project's environment now.
///
/// # Errors
/// When one that is enrolled is no key.
pub fn enrolled(project: &Project, lineage: LineageId) -> Outcome<Approvers> {
    let keys = project.environment().approvers.iter().map(|vkey| {
        let approver = Approver::parse(vkey)?;
        Ok((approver.name().to_owned(), approver.public()))
    });
    Ok(Approvers::new(&lineage.to_string(), keys.collect::<Outcome<Vec<_>>>()?))
}
