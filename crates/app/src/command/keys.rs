//! `polder keys`: what there is, rotation, reencryption, recovery, destruction, and the one key that may be shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path as ObjectPath;
use polder_crypto::{Label, object_key};
use polder_keys::approver::ApproverKey;
use polder_keys::recovery::{self, KitSource, KitTarget};
use polder_keys::{Custody, KeyState, LocalCustody};
use polder_policy::Action;
use polder_store::{FileKind, Lease};
use polder_types::event::{KeyChange, Phase};
use polder_types::{Clock, DatasetId, ErrorKind, EventKind, Rng, SystemClock, SystemRng};
use serde_json::json;

use crate::cli::{KeysCommand, OneDataset, Output};
use crate::command::contract::confirmed;
use crate::failure::{Failure, Outcome};
use crate::field_keys::DOMAIN;
use crate::installation::Installation;
use crate::print::{self, Listing, text, time};
use crate::progress::Progress;
use crate::project::Project;
use crate::review::snapshot::{enrolment_file, plain};

pub(crate) mod destruction;
mod values;

/// Runs a verb on an open installation.
///
/// # Errors
/// When it is not permitted, or fails.
pub async fn run(installation: &Installation, command: &KeysCommand, output: Output) -> Outcome {
    installation.require(Action::ManageKeys).await?;
    match command {
        KeysCommand::Show => show(installation, output).await,
        KeysCommand::Rotate { of, new_key_file } => match chosen(installation, of)? {
            Some((dataset, name)) => rotate_dataset(installation, dataset, &name).await,
            None => rotate_root(installation, new_key_file.as_deref()).await,
        },
        KeysCommand::Reencrypt { of } => reencrypt(installation, of).await,
        KeysCommand::Kit { to, shares, threshold } => kit(installation, to, *shares, *threshold).await,
        KeysCommand::Recover { shares, .. } => test_kit(installation, shares).await,
        KeysCommand::RetireKit { id } => retire_kit(installation, id).await,
        KeysCommand::Destroy { of, key_version, approvals } => {
            let missing = || Failure::new(ErrorKind::Invalid, "destroy a key: say whose, with --table TABLE or --dataset NAME");
            let (dataset, name) = chosen(installation, of)?.ok_or_else(missing)?;
            destruction::destroy(installation, dataset, &name, *key_version, approvals).await
        }
        KeysCommand::Approver { name, to } => approver(name, to),
        KeysCommand::Approve { request, key } => approve(request, key),
        KeysCommand::Enrol { key } => enrol(&installation.project, key.as_deref()),
        KeysCommand::RevealObjectKey { object, yes } => reveal(installation, object, *yes).await,
        KeysCommand::RevealValues { domain, yes } => values::reveal_values(installation, domain, *yes, output).await,
    }
}

async fn show(installation: &Installation, output: Output) -> Outcome {
    let mut listing = Listing::new(&["dataset", "id", "current", "versions"]);
    for dataset in installation.keys.datasets() {
        let versions: Vec<_> = dataset
            .versions
            .iter()
            .map(|version| {
                let state = match version.state {
                    KeyState::Live => "",
                    KeyState::DestructionPending => " pending destruction",
                    KeyState::Destroyed => " destroyed",
                };
                json!(format!("{} of {}{state}", version.version, time(version.created_ms)))
            })
            .collect();
        listing.row([json!(dataset.name), json!(dataset.id.to_string()), json!(dataset.current_version), json!(versions)]);
    }
    if output == Output::Table {
        text(&format!("lineage {}, keyring version {}", installation.keys.lineage(), installation.keys.keyring_version()))?;
        for kit in installation.keys.recovery_kits() {
            let tested = kit.tested_ms.map_or("never tested".to_owned(), |ms| format!("tested {}", time(ms)));
            text(&format!("recovery kit {} of {}, {tested}", kit.id, time(kit.written_ms)))?;
        }
        destruction::standing(installation).await?.iter().try_for_each(|line| text(&line.text()))?;
    }
    listing.print(output)
}

/// The dataset that a command names; none when it names none.
fn chosen(installation: &Installation, of: &OneDataset) -> Outcome<Option<(DatasetId, String)>> {
    let (name, missing) = match (&of.table, &of.dataset) {
        (Some(table), _) => {
            let missing = format!("find table {table}: no such table; `polder table list` shows those that you may use");
            (format!("table:{table}"), missing)
        }
        (None, Some(name)) => (name.clone(), format!("find dataset {name}: no such dataset; `polder keys show` names them all")),
        (None, None) => return Ok(None),
    };
    match installation.keys.find(&name) {
        Some(dataset) => Ok(Some((dataset, name))),
        None => Err(Failure::new(ErrorKind::NotFound, missing)),
    }
}

/// `table people`, or `dataset quarantine:people`.
fn spoken(name: &str) -> String {
    name.strip_prefix("table:").map_or_else(|| format!("dataset {name}"), |table| format!("table {table}"))
}

async fn rotate_dataset(installation: &Installation, dataset: DatasetId, name: &str) -> Outcome {
    if let Some(domain) = name.strip_prefix(DOMAIN) {
        let text = format!(
            "rotate the key of domain {domain}: it is never rotated, since pseudonyms of before and after would not join; name another domain in the contracts"
        );
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let version =
        installation.change_keys(KeyChange::DatasetRotated, Some(dataset), async |keys| keys.rotate_dataset(dataset).await).await?;
    let option = name.strip_prefix("table:").map_or_else(|| format!("--dataset {name}"), |table| format!("--table {table}"));
    text(&format!("rotated the key of {}: version {version} seals from now on\nnext: polder keys reencrypt {option}", spoken(name)))
}

async fn rotate_root(installation: &Installation, new_key_file: Option<&Path>) -> Outcome {
    if let Some(path) = new_key_file {
        outside(&installation.project, path)?;
    }
    let new: Option<Arc<dyn Custody>> = match new_key_file {
        Some(path) => Some(Arc::new(LocalCustody::create_key_file(path, Arc::clone(&installation.rng))?)),
        None => None,
    };
    installation.change_keys(KeyChange::RootRotated, None, async |keys| keys.rotate_root(new).await).await?;
    text(&format!("rotated the root key: keyring version {}", installation.keys.keyring_version()))?;
    destruction::ended(installation).await?;
    match new_key_file {
        Some(path) => text(&format!("next: write {} as the path of keys in polder.yaml", path.display())),
        None => Ok(()),
    }
}

/// How often an object that is changed meanwhile is tried: the log folds its own objects while it is written to.
const REENCRYPT_TRIES: u32 = 4;

async fn reencrypt(installation: &Installation, of: &OneDataset) -> Outcome {
    let only = chosen(installation, of)?.map(|(dataset, _)| dataset);
    let progress = Progress::start("reencrypt");
    let keyring_version = installation.keys.keyring_version();
    let record = async |phase, dataset, key_version| {
        let change = KeyChange::Reencrypted;
        installation.record(EventKind::KeysChanged { change, phase, dataset, key_version, keyring_version }).await
    };
    // Nobody else changes keys while we hold the lease.
    let mut datasets = installation.keys.datasets();
    datasets.retain(|info| only.is_none_or(|only| only == info.id));
    record(Phase::Intent, only, None).await?;
    let (mut seen, mut changed, mut gone) = (0u64, 0u64, 0u64);
    for file in installation.store.backend().every_file()? {
        let FileKind::Object(_, dataset) = file.kind else { continue };
        if only.is_some_and(|only| only != dataset) {
            continue;
        }
        seen += 1;
        let path = ObjectPath::from(file.path.as_str());
        let mut tries = 0;
        loop {
            tries += 1;
            installation.still_writer().await?;
            match installation.store.reencrypt(&path).await {
                Ok(done) => changed += u64::from(done.changed),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::Conflict && tries < REENCRYPT_TRIES => continue,
                Err(error) if destruction::is_recorded(installation, dataset, &error) => gone += 1,
                Err(error) => return Err(error.into()),
            }
            break;
        }
        crate::failpoint::hit("reencrypt");
        progress.at(seen, file.path);
    }
    // Nothing is under an older key any more: from now on that is a copy of before, put back.
    for info in &datasets {
        record(Phase::Outcome, Some(info.id), Some(info.current_version)).await?;
        installation.store.refuse_older_keys(info.id, info.current_version);
    }
    if only.is_none() {
        record(Phase::Outcome, None, None).await?;
    }
    progress.finish(&format!("{changed} of {seen} objects sealed again under their newest key"));
    if gone > 0 {
        text(&format!("{gone} objects went with a destroyed key and stay unreadable"))?;
    }
    Ok(())
}

async fn kit(installation: &Installation, to: &Path, shares: u8, threshold: u8) -> Outcome {
    std::fs::create_dir_all(to)
        .map_err(|error| Failure::because(ErrorKind::Unavailable, format!("make the directory {}", to.display()), &error))?;
    let target = KitTarget::Shares { directory: to.to_path_buf(), needed: threshold, total: shares };
    let rng = Arc::clone(&installation.rng);
    let kit =
        installation.change_keys(KeyChange::RecoveryKitWritten, None, async |keys| recovery::write_kit(keys, &target, rng).await).await?;
    text(&format!("wrote recovery kit {}: any {threshold} of these recover; give each to another person", kit.id))?;
    kit.files.iter().try_for_each(|file| text(&format!("  {}", file.display())))
}

async fn test_kit(installation: &Installation, shares: &[PathBuf]) -> Outcome {
    let source = KitSource::ShareFiles(shares.to_vec());
    let test = installation.change_keys(KeyChange::RecoveryKitTested, None, async |keys| recovery::test(keys, &source).await).await?;
    text(&format!("recovery kit {} opens keyring version {} with the keys of {} datasets", test.id, test.keyring_version, test.datasets))
}

/// `keys recover` without `--test`: the root key is lost, so nothing else can be opened first.
///
/// # Errors
/// When the kit does not open the newest keyring, or the new key file exists.
pub async fn recover(project: &Project, shares: &[PathBuf], key_file: &Path, wait: Option<u64>) -> Outcome {
    outside(project, key_file)?;
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let backend = crate::storage::backend(project)?;
    // No other writer may change keys meanwhile.
    let lease = Lease::acquire(&backend, Arc::clone(&clock), wait.map(Duration::from_secs)).await?;
    let custody = Arc::new(LocalCustody::create_key_file(key_file, Arc::clone(&rng))?);
    let source = KitSource::ShareFiles(shares.to_vec());
    let recovered = recovery::recover(&source, Arc::clone(&custody) as Arc<dyn Custody>, Arc::new(backend), clock, rng).await;
    let keys = match recovered {
        Ok(keys) => keys,
        Err(error) => {
            // It wraps nothing, and would stand in the way of the next attempt.
            let _ = std::fs::remove_file(key_file);
            return Err(error.into());
        }
    };
    // The log is sealed under keys that could not be had before, so the record comes after the act.
    lease.release().await?;
    let installation = Installation::open_with(project.clone(), custody, wait).await?;
    let keyring_version = keys.keyring_version();
    let change = KeyChange::RootRecovered;
    installation
        .record(EventKind::KeysChanged { change, phase: Phase::Outcome, dataset: None, key_version: None, keyring_version })
        .await?;
    installation.close().await?;
    text(&format!("recovered keyring version {} under the new root key {}", keys.keyring_version(), key_file.display()))?;
    let same = |path: &str| project.path(path).canonicalize().ok() == key_file.canonicalize().ok();
    match &project.environment().keys {
        crate::settings::Custody::KeyFile { path } if same(path) => Ok(()),
        _ => text(&format!(
            "next: write it as the path of keys in polder.yaml:\n    keys: {{custody: key-file, path: {}}}",
            key_file.display()
        )),
    }
}

/// A root key never lies in the project.
fn outside(project: &Project, key_file: &Path) -> Outcome {
    if project.holds(key_file) { Err(crate::command::init::inside(key_file)) } else { Ok(()) }
}

async fn retire_kit(installation: &Installation, id: &str) -> Outcome {
    installation.change_keys(KeyChange::RecoveryKitRetired, None, async |keys| recovery::retire_kit(keys, id).await).await?;
    text(&format!("retired recovery kit {id}; it still opens older copies of the keyring, so destroy its shares too"))?;
    destruction::ended(installation).await
}

/// `keys approver`: needs no installation.
///
/// # Errors
/// When the name is not one, or the file exists.
pub fn approver(name: &str, to: &Path) -> Outcome {
    let key = ApproverKey::create(to, name, Arc::new(SystemRng))?;
    text(&format!("made {}\nnext: whoever keeps polder.yaml adds to approvers:\n      - {}", to.display(), key.vkey()))
}

/// `keys approve`: needs no installation.
///
/// # Errors
/// When the request is not one, or the key cannot be used.
pub fn approve(request: &str, key: &Path) -> Outcome {
    let wrong = || Failure::new(ErrorKind::Invalid, "approve a request: it is not the 64 digits that `keys destroy` printed");
    let request: [u8; 32] = hex::decode(request).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
    let approval = ApproverKey::open(key)?.approve(&request)?;
    text(&format!("{}:{}", approval.name, hex::encode(approval.signature)))
}

/// `keys enrol`: needs no installation.
///
/// # Errors
/// When the environment's name cannot stand in a file's name, the key cannot be used, or the file cannot be written.
pub fn enrol(project: &Project, key: Option<&Path>) -> Outcome {
    let name = project.name();
    if !plain(name) {
        let text =
            format!("approve the approvers of environment {name}: its name cannot stand in a file's name; use letters, digits, - and _");
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let key = ApproverKey::open(&project.approver_key(key)?)?;
    let enrolment = project.environment().enrolment(name);
    let file = enrolment.file(&key.vkey(), &key.sign(enrolment.text().as_bytes())?)?;
    let path = project.path(&enrolment_file(name));
    std::fs::write(&path, file).map_err(|error| Failure::because(ErrorKind::Unavailable, format!("write {}", path.display()), &error))?;
    for vkey in &enrolment.approvers {
        text(&format!("  {vkey}"))?;
    }
    text(&format!("approved these {} approvers of environment {name} as {}: {}", enrolment.approvers.len(), key.name(), path.display()))
}

async fn reveal(installation: &Installation, object: &str, yes: bool) -> Outcome {
    if !yes && !confirmed("print the key of this object? whoever sees it can read the object [y/N] ")? {
        return Err(Failure::new(ErrorKind::Invalid, "reveal an object's key: not confirmed"));
    }
    let path = ObjectPath::from(object);
    let header = installation.store.inspect(&path).await?;
    let keyring_version = installation.keys.keyring_version();
    let dataset = Some(header.dataset);
    installation
        .record(EventKind::KeysChanged {
            change: KeyChange::ObjectKeyRevealed,
            phase: Phase::Outcome,
            dataset,
            key_version: Some(header.key_version),
            keyring_version,
        })
        .await?;
    let key = installation.keys.open_key(header.dataset, header.key_version)?;
    let object_key = object_key(key.expose(), &header, Label::Object, object);
    print::json(&json!({
        "object": object,
        "object_key": hex::encode(object_key.as_slice()),
        "context": hex::encode(polder_crypto::context(Label::Object, &header, object)),
        "ciphertext_offset": polder_crypto::HEADER_LEN,
        "format": "Tink AES256-GCM-HKDF streaming, 64 KiB segments; the context is the associated data",
    }))
}
