//! `polder keys destroy`, and what is said of destructions elsewhere.

use object_store::path::Path as ObjectPath;
use polder_keys::approver::{Approval, Approver, TwoPersons};
use polder_keys::{KeyState, Pending};
use polder_store::FileKind;
use polder_types::event::KeyChange;
use polder_types::{DatasetId, ErrorKind, EventKind};

use super::spoken;
use crate::failure::{Failure, Outcome};
use crate::field_keys::DOMAIN;
use crate::installation::Installation;
use crate::print::text;

/// An event names at most this many bytes of paths: a leaf of the log holds 65,535.
const PART_BYTES: usize = 40_000;

/// A destruction that is or was begun.
pub(crate) struct Standing {
    pub(crate) dataset: String,
    pub(crate) key_version: u32,
    /// Why it is not complete. Empty when it is.
    pub(crate) pending: Vec<String>,
}

impl Standing {
    pub(crate) fn text(&self) -> String {
        let Self { dataset, key_version, pending } = self;
        let what = format!("destruction of version {key_version} of the key of {}", spoken(dataset));
        if pending.is_empty() { format!("{what}: done") } else { format!("{what}: pending: {}", pending.join("; ")) }
    }
}

/// Where every destruction stands.
///
/// # Errors
/// When the keyring cannot be read.
pub(crate) async fn standing(installation: &Installation) -> Outcome<Vec<Standing>> {
    let datasets = installation.keys.datasets();
    let name = |id: DatasetId| datasets.iter().find(|info| info.id == id).map_or_else(|| id.to_string(), |info| info.name.clone());
    let done = |id: DatasetId, version: u32| {
        let versions = datasets.iter().filter(|info| info.id == id).flat_map(|info| &info.versions);
        versions.into_iter().any(|found| found.version == version && found.state == KeyState::Destroyed)
    };
    let mut all = Vec::new();
    for report in installation.keys.destructions().await? {
        let mut pending: Vec<String> = report.pending.iter().map(left).collect();
        if pending.is_empty() && !done(report.dataset, report.key_version) {
            pending.push("the next command that writes ends it".to_owned());
        }
        all.push(Standing { dataset: name(report.dataset), key_version: report.key_version, pending });
    }
    Ok(all)
}

fn left(pending: &Pending) -> String {
    match pending {
        Pending::OldVersion(version) => format!("keyring version {version} still lies in the store"),
        Pending::Copy(name) => format!("the keyring's copy {name} holds it; rewrite it"),
        Pending::Root => "the root key that opens older keyrings is in use; `polder keys rotate`".to_owned(),
        Pending::RecoveryKit(id) => format!("recovery kit {id} opens older keyrings; `polder keys retire-kit {id}`"),
    }
}

/// Records and prints which destructions have just ended.
///
/// # Errors
/// When it cannot be recorded.
pub(crate) async fn ended(installation: &Installation) -> Outcome {
    for (name, version) in installation.record_destructions().await? {
        text(&format!("destroyed: no copy of the keyring that can be opened holds version {version} of the key of {}", spoken(&name)))?;
    }
    Ok(())
}

/// Whether an object does not open because it went with its key, as the log says.
pub(crate) fn is_recorded(installation: &Installation, dataset: DatasetId, error: &polder_store::Error) -> bool {
    match error {
        polder_store::Error::Destroyed { path, key_version, .. } => {
            installation.journal.state().destroyed(dataset, *key_version, path).is_some()
        }
        _ => false,
    }
}

/// The objects that are sealed under a version of their dataset's key.
async fn sealed_under(installation: &Installation, dataset: DatasetId, key_version: u32) -> Outcome<Vec<String>> {
    let mut sealed = Vec::new();
    for file in installation.store.backend().every_file()? {
        if !matches!(file.kind, FileKind::Object(_, of) if of == dataset) {
            continue;
        }
        match installation.store.inspect(&ObjectPath::from(file.path.as_str())).await {
            Ok(header) if header.key_version == key_version => sealed.push(file.path),
            Ok(_) => {}
            // It went with another version, or the log folded it into another object meanwhile.
            Err(error) if is_recorded(installation, dataset, &error) || error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sealed)
}

fn approval(text: &str) -> Outcome<Approval> {
    let parsed = text.rsplit_once(':').and_then(|(name, signature)| {
        let signature: [u8; 64] = hex::decode(signature).ok()?.try_into().ok()?;
        Some(Approval { name: name.to_owned(), signature })
    });
    parsed.ok_or_else(|| Failure::new(ErrorKind::Invalid, "read --approval: it is not the line that `keys approve` printed"))
}

/// Without approvals nothing changes: the request is what two other persons sign.
///
/// # Errors
/// When it is not approved, or fails.
pub(super) async fn destroy(
    installation: &Installation,
    dataset: DatasetId,
    name: &str,
    key_version: u32,
    approvals: &[String],
) -> Outcome {
    if installation.store.backend().keeps_versions() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!(
                "destroy version {key_version} of the key of {name}: the bucket keeps older versions of objects, of keyrings too, and the key would stay in those; copy the store into a bucket that keeps none, and delete this one"
            ),
        ));
    }
    let plan = installation.keys.plan_destroy(dataset, key_version, &installation.actor).await?;
    let domain = name.strip_prefix(DOMAIN);
    let objects = sealed_under(installation, dataset, key_version).await?;
    if approvals.is_empty() {
        text(&format!("request     {}", hex::encode(plan.request_hash)))?;
        text(&format!("destroys    version {key_version} of the key of {}, asked for by {}", plan.name, plan.requester))?;
        text(&format!("unreadable  {} objects of the store that are sealed under it", objects.len()))?;
        if let Some(domain) = domain {
            text(&format!("cuts off    what was masked under domain {domain}: nobody can open it, or make its pseudonyms, any more"))?;
        }
        plan.copies.iter().try_for_each(|copy| text(&format!("also in     the keyring's copy {copy}")))?;
        plan.kits.iter().try_for_each(|kit| text(&format!("also in     older keyrings that recovery kit {kit} opens")))?;
        return text(
            "next: two enrolled approvers other than the requester run `polder keys approve REQUEST --key FILE`; give both lines as --approval",
        );
    }
    let approvals = approvals.iter().map(|line| approval(line)).collect::<Outcome<Vec<_>>>()?;
    let enrolled = &installation.project.environment().approvers;
    let enrolled = enrolled.iter().map(|vkey| Ok(Approver::parse(vkey)?)).collect::<Outcome<Vec<_>>>()?;
    let persons = TwoPersons::verify(plan.request_hash, &plan.requester, &enrolled, &approvals)?;
    if name.starts_with("system:") && !objects.is_empty() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!(
                "destroy version {key_version} of the key of {name}: {} objects that the installation cannot do without are sealed under it; first `polder keys reencrypt --dataset {name}`",
                objects.len()
            ),
        ));
    }
    prepare(installation, dataset, key_version, &objects).await?;
    let destroy = async |keys: &polder_keys::Keys| keys.destroy(&plan, &persons).await;
    let report = installation.change_key_version(KeyChange::DestructionPending, Some(dataset), Some(key_version), destroy).await?;
    let [first, second] = persons.approvers();
    text(&format!("version {key_version} of the key of {} is out of the keyring, approved by {first} and {second}", spoken(name)))?;
    text(&format!("{} objects of the store can be read by nobody any more", objects.len()))?;
    report.pending.iter().try_for_each(|pending| text(&format!("pending: {}", left(pending))))?;
    ended(installation).await
}

/// Tells the log which objects are to go, before they do: what else turns up under the destroyed version is damage.
async fn prepare(installation: &Installation, dataset: DatasetId, key_version: u32, objects: &[String]) -> Outcome {
    let mut parts: Vec<Vec<String>> = vec![Vec::new()];
    let mut bytes = 0;
    for object in objects {
        bytes += object.len() + 3;
        if bytes > PART_BYTES {
            parts.push(Vec::new());
            bytes = object.len() + 3;
        }
        if let Some(part) = parts.last_mut() {
            part.push(object.clone());
        }
    }
    for (part, objects) in (0u32..).zip(parts) {
        installation.record(EventKind::DestructionPrepared { dataset, key_version, part, objects }).await?;
    }
    crate::failpoint::hit("destruction-prepared");
    Ok(())
}
