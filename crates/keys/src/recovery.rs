//! When the root is lost: a kit is a second root that wraps each keyring, kept as k-of-n shares or as a second key file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_types::{Clock, LineageId, Rng};

use crate::custody::root::{root_id, unwrap};
use crate::custody::{Custody, private_file};
use crate::document::{Document, KITS_MAX, Kit, KitKind};
use crate::envelope::{Envelope, Wrap, WrapKind, wrap_context};
use crate::error::Error;
use crate::keys::change::Older;
use crate::keys::{Keys, newest};
use crate::locked::DatasetKey;
use crate::vault::KeyringVault;

mod share;

pub use share::{SHARES_MAX, Share};

/// Where a new kit goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KitTarget {
    /// `total` share files in a directory, any `needed` of which recover. Each belongs to another person or place.
    Shares {
        /// An existing directory.
        directory: PathBuf,
        /// How many recover, at least 2.
        needed: u8,
        /// How many there are, at most 16.
        total: u8,
    },
    /// One key file, to be kept elsewhere.
    KeyFile {
        /// A file that does not exist.
        path: PathBuf,
    },
}

/// A kit that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenKit {
    /// Its id, in hexadecimal.
    pub id: String,
    /// Its files.
    pub files: Vec<PathBuf>,
    /// The first keyring version that it opens.
    pub keyring_version: u64,
}

/// What somebody brings to recover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KitSource {
    /// Share files.
    ShareFiles(Vec<PathBuf>),
    /// The second key file.
    KeyFile(PathBuf),
}

/// What a test of a kit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitTest {
    /// The kit's id, in hexadecimal.
    pub id: String,
    /// The keyring version that it opened.
    pub keyring_version: u64,
    /// How many datasets' keys that held.
    pub datasets: usize,
}

/// Writes a kit and wraps the keyring for it. The files come first: were they missing, the keyring would promise in vain.
///
/// # Errors
/// When the kit's numbers are impossible, a file exists or cannot be written, or the keyring cannot be written.
pub async fn write_kit(keys: &Keys, target: &KitTarget, rng: Arc<dyn Rng>) -> Result<WrittenKit, Error> {
    if keys.recovery_kits().len() >= KITS_MAX {
        return Err(Error::Limit { what: "recovery kits", most: KITS_MAX });
    }
    let root = DatasetKey::random(rng.as_ref())?;
    let id = root_id(&root);
    let (kind, files) = match target {
        KitTarget::Shares { directory, needed, total } => {
            let shares = share::deal(keys.lineage(), &root, *needed, *total, rng.as_ref())?;
            let mut files = Vec::with_capacity(shares.len());
            for share in &shares {
                let path = directory.join(share.file_name());
                if let Err(error) = private_file::create(&path, share::WHAT, share.to_text().as_bytes()) {
                    discard(&files);
                    return Err(error);
                }
                files.push(path);
            }
            (KitKind::Shares { needed: *needed, total: *total }, files)
        }
        KitTarget::KeyFile { path } => {
            crate::custody::create_root_file(path, &root)?;
            (KitKind::KeyFile, vec![path.clone()])
        }
    };
    let added = keys.change(Older::KeepSome, |document, at| {
        let root = root.clone();
        document.kits.push(Kit { root, kind, since: at.version, written_ms: at.now_ms, tested_ms: None });
        Ok((at.version, true))
    });
    match added.await {
        Ok(keyring_version) => Ok(WrittenKit { id: hex::encode(id), files, keyring_version }),
        // Whether the keyring names the kit is not known after every error, so its files stay: `test` tells.
        Err(error) => Err(error),
    }
}

/// Rebuilds the kit's root from its shares or file, opens the newest stored keyring with nothing else, compares it with the
/// one in use, and notes in the keyring that the kit was tested.
///
/// # Errors
/// When the kit does not open the newest keyring: it is another installation's, a retired one, or damaged.
pub async fn test(keys: &Keys, source: &KitSource) -> Result<KitTest, Error> {
    let recovered = open(source, keys.vault()).await?;
    let (id, version) = (recovered.kit, recovered.version);
    let datasets = recovered.document.datasets.len();
    let problem = "a recovery kit opens it to something else than what is in use";
    let differs = || Error::Keyring { version, problem, source: None };
    let same = keys.read(|document, held, _| {
        Ok(held == version && polder_crypto::constant_time_eq(&document.encode(), &recovered.document.encode()))
    })?;
    if !same {
        return Err(differs());
    }
    keys.change(Older::KeepSome, |document, at| {
        let kit = document.kits.iter_mut().find(|kit| root_id(&kit.root) == id).ok_or_else(differs)?;
        kit.tested_ms = Some(at.now_ms);
        Ok(((), true))
    })
    .await?;
    Ok(KitTest { id: hex::encode(id), keyring_version: version, datasets })
}

/// Opens the newest keyring with a kit and wraps it by a new custody, which holds the root from then on. The lost root opens
/// nothing any more; the kit stays valid.
///
/// # Errors
/// When the kit does not open the newest keyring, or the new custody or the vault fail.
pub async fn recover(
    source: &KitSource,
    custody: Arc<dyn Custody>,
    vault: Arc<dyn KeyringVault>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Keys, Error> {
    let recovered = open(source, vault.as_ref()).await?;
    let keys = Keys::rewrap(recovered.version, recovered.document, custody, vault, clock, rng).await?;
    if let Err(error) = keys.delete_withdrawn().await {
        tracing::warn!(%error, "older keyrings, which the lost root opens, were not deleted; the next command that writes tries again");
    }
    Ok(keys)
}

/// Ends a kit: keyrings are not wrapped for it any more. Older copies still open with it, so its files must be destroyed too.
/// Destructions that waited for nothing else are complete.
///
/// # Errors
/// When there is no such kit, or the keyring cannot be written.
pub async fn retire_kit(keys: &Keys, id: &str) -> Result<(), Error> {
    let version = keys.keyring_version();
    keys.change(Older::DeleteAll, |document, _| {
        let before = document.kits.len();
        document.kits.retain(|kit| hex::encode(root_id(&kit.root)) != id);
        if document.kits.len() == before {
            return Err(Error::OtherKit { kit: id.to_owned(), version });
        }
        Ok(((), true))
    })
    .await?;
    // It may have been the last thing that could open a destroyed key.
    if let Err(error) = keys.settle_destructions().await {
        tracing::warn!(%error, "whether destructions are complete was not written down; the next command that writes tries again");
    }
    Ok(())
}

/// A keyring that a kit opened.
struct Recovered {
    kit: [u8; 16],
    version: u64,
    document: Document,
}

async fn open(source: &KitSource, vault: &dyn KeyringVault) -> Result<Recovered, Error> {
    let (root, lineage) = rebuild(source)?;
    let id = root_id(&root);
    let version = newest(vault).await?.ok_or(Error::NoKeyring)?;
    let envelope = Envelope::parse(version, &vault.read(version).await?)?;
    let other = || Error::OtherKit { kit: hex::encode(id), version };
    if lineage.is_some_and(|lineage| lineage != envelope.lineage) {
        return Err(other());
    }
    let wrap: &Wrap = envelope.wrap(WrapKind::Recovery, Some(&id)).ok_or_else(other)?;
    let context = wrap_context(envelope.lineage, version, WrapKind::Recovery, &id);
    let changed = |source| Error::Keyring { version, problem: "its key, wrapped for recovery, was changed", source };
    let plain = unwrap(&root, &wrap.bytes, &context).map_err(|source| changed(Some(Box::new(source) as _)))?;
    let key = DatasetKey::copied(plain.expose_secret().as_slice().try_into().map_err(|_| changed(None))?)?;
    Ok(Recovered { kit: id, version, document: envelope.open(key.expose())? })
}

/// The kit's root, and the installation that its shares name.
fn rebuild(source: &KitSource) -> Result<(DatasetKey, Option<LineageId>), Error> {
    match source {
        KitSource::KeyFile(path) => Ok((crate::custody::read_root_file(path)?, None)),
        KitSource::ShareFiles(paths) => {
            let mut shares = Vec::with_capacity(paths.len());
            for (at, path) in paths.iter().enumerate() {
                let text = private_file::read(path, share::WHAT)?;
                shares.push(Share::parse(at + 1, &text)?);
            }
            share::join(&shares).map(|(root, lineage)| (root, Some(lineage)))
        }
    }
}

/// Removes files of a kit that did not come about.
fn discard(files: &[PathBuf]) {
    for path in files {
        let path: &Path = path;
        if let Err(error) = private_file::remove(path, share::WHAT) {
            tracing::warn!(%error, "a share of a kit that was not written is left behind; it opens nothing");
        }
    }
}
