//! `polder init`: a project with its store, keys, approver, policies and recovery kit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_audit::{Anchor, Journal};
use polder_keys::approver::ApproverKey;
use polder_keys::recovery::{KitTarget, write_kit};
use polder_keys::{Custody, Keys, LocalCustody};
use polder_store::{Backend, Lease, Options, S3Address, SealedStore};
use polder_types::event::{KeyChange, Phase};
use polder_types::{Clock, ErrorKind, Event, EventKind, LineageId, Recorder, Rng, SystemClock, SystemRng};

use crate::account;
use crate::cli::{BucketArgs, InitArgs};
use crate::failure::{Failure, Outcome};
use crate::installation::{JournalSigner, SYSTEM_DATASETS};
use crate::project::{FILE, anchor_inside};
use crate::schema;
use crate::secret_ref;
use crate::settings::S3Store;
use crate::storage;

/// Shares of the recovery kit that `init` writes, and how many of them recover.
const KIT_SHARES: (u8, u8) = (3, 2);

/// What `init` made, for the text that it prints.
#[derive(Debug)]
pub struct Made {
    /// The project's directory.
    pub dir: PathBuf,
    /// The root key's file.
    pub key_file: PathBuf,
    /// The approver's key file.
    pub approver_key: PathBuf,
    /// The recovery kit's files.
    pub kit: Vec<PathBuf>,
    /// The anchor, if there is one.
    pub anchor: Option<PathBuf>,
    /// The bucket and prefix of the store, if it is in one.
    pub bucket: Option<String>,
}

/// Makes a project.
///
/// # Errors
/// When the directory is a project already, a file cannot be written, or keys cannot be made. What was made before stays, and
/// the text says so.
pub async fn init(args: &InitArgs) -> Outcome<Made> {
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let dir = absolute(&args.dir)?;
    if dir.join(FILE).exists() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("make a project in {}: it is one already; choose another directory", dir.display()),
        ));
    }
    let bucket = bucket(&args.bucket)?;
    if bucket.is_none() && dir.join("store").exists() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!(
                "make a project in {}: a store lies there without a polder.yaml, from an earlier attempt or a move; remove it, or restore its polder.yaml",
                dir.display()
            ),
        ));
    }
    let lineage = LineageId::random(rng.as_ref())?;
    let key_file = match &args.key_file {
        Some(file) => absolute(file)?,
        None => default_key_dir()?.join(lineage.to_string()).join("root.key"),
    };
    if key_file.starts_with(&dir) {
        return Err(inside(&key_file));
    }
    let anchor = args.anchor.as_deref().map(absolute).transpose()?;
    if let Some(anchor) = anchor.as_ref().filter(|anchor| anchor.starts_with(&dir)) {
        return Err(anchor_inside(anchor));
    }
    let key_dir = key_file.parent().unwrap_or(&dir).to_path_buf();
    let stem = key_file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("root").to_owned();
    let approver_file = key_dir.join(format!("{stem}.approver.key"));
    for (what, file) in [("root key", &key_file), ("approver's key", &approver_file)] {
        if !args.share_keys && file.exists() {
            return Err(shared(&dir, what, file));
        }
    }
    // Before anything is made: whether the bucket can be had is not known yet.
    let begun = match &bucket {
        Some(store) => Some(Backend::create_s3(storage::place(store, &dir)?, Options::default())?),
        None => None,
    };
    for made in [&dir, &key_dir] {
        std::fs::create_dir_all(made)
            .map_err(|error| Failure::because(ErrorKind::Unavailable, format!("make the directory {}", made.display()), &error))?;
    }
    // By their real places too: a link could lead the key into the project.
    if let (Ok(dir), Ok(keys)) = (dir.canonicalize(), key_dir.canonicalize())
        && keys.starts_with(&dir)
    {
        return Err(inside(&key_file));
    }
    let real = |anchor: &PathBuf| anchor.parent().and_then(|parent| parent.canonicalize().ok());
    if let (Ok(dir), Some(anchor), Some(real)) = (dir.canonicalize(), &anchor, anchor.as_ref().and_then(real))
        && real.starts_with(&dir)
    {
        return Err(anchor_inside(anchor));
    }
    let actor = account::current()?;
    let custody = custody(args, &key_file, &rng)?;
    let approver = if approver_file.exists() {
        ApproverKey::open(&approver_file)?
    } else {
        ApproverKey::create(&approver_file, actor.name(), Arc::clone(&rng))?
    };
    let backend = match begun {
        Some(backend) => backend,
        None => Backend::create(&dir.join("store"))?,
    };
    let lease = Lease::acquire(&backend, Arc::clone(&clock), None).await?;
    let keys = Keys::create(lineage, custody, Arc::new(backend.clone()), Arc::clone(&clock), Arc::clone(&rng)).await?;
    keys.add_datasets(&SYSTEM_DATASETS).await?;
    let store = SealedStore::new(backend, keys.clone(), Arc::clone(&rng));
    let signer = Arc::new(JournalSigner::new(keys.clone()));
    let journal = Journal::create(store, signer, Arc::clone(&clock), Arc::clone(&rng), anchor.clone().map(Anchor::file)).await?;
    journal.set_epoch(lease.epoch());
    let record = async |kind| -> Outcome {
        journal.record(Event::new(&actor, kind)).await?;
        Ok(())
    };
    record(EventKind::InstallationCreated { lineage }).await?;
    record(EventKind::LeaseTaken { epoch: lease.epoch() }).await?;
    if anchor.is_some() {
        record(EventKind::AnchorBegun { phase: Phase::Outcome }).await?;
    }
    let kit_dir = key_dir.join(format!("{stem}.recovery-kit"));
    std::fs::create_dir_all(&kit_dir)
        .map_err(|error| Failure::because(ErrorKind::Unavailable, format!("make the directory {}", kit_dir.display()), &error))?;
    let keyring_version = keys.keyring_version() + 1;
    record(EventKind::KeysChanged {
        change: KeyChange::RecoveryKitWritten,
        phase: Phase::Intent,
        dataset: None,
        key_version: None,
        keyring_version,
    })
    .await?;
    let (total, needed) = KIT_SHARES;
    let kit = write_kit(&keys, &KitTarget::Shares { directory: kit_dir, needed, total }, Arc::clone(&rng)).await?;
    let keyring_version = keys.keyring_version();
    record(EventKind::KeysChanged {
        change: KeyChange::RecoveryKitWritten,
        phase: Phase::Outcome,
        dataset: None,
        key_version: None,
        keyring_version,
    })
    .await?;
    let store = bucket.as_ref().map_or_else(|| "store".to_owned(), |store| bucket_settings(store, &args.bucket));
    write_files(&dir, args, &store, &key_file, &approver_file, &approver.vkey(), anchor.as_deref(), actor.as_str())?;
    journal.snapshot().await?;
    let bucket = bucket.map(|store| store.address.name());
    Ok(Made { dir, key_file, approver_key: approver_file, kit: kit.files, anchor, bucket })
}

/// The bucket that the arguments name, if they name one. Files are named from the working directory, and written down by their whole path.
fn bucket(args: &BucketArgs) -> Outcome<Option<S3Store>> {
    let (Some(location), Some(id), Some(key)) = (&args.s3, &args.access_key_id, &args.secret_access_key) else { return Ok(None) };
    let address = S3Address::parse(location, args.endpoint.as_deref(), args.region.as_deref(), args.plain_loopback)
        .map_err(|wrong| Failure::new(ErrorKind::Invalid, format!("take --{}: {}; {}", wrong.setting, wrong.problem, wrong.advice)))?;
    let reference = |name: &str, text: &String| {
        if !secret_ref::is_reference(text) {
            let text = format!("take --{name}: it is no reference; write env:NAME or file:PATH, never the secret itself");
            return Err(Failure::new(ErrorKind::Invalid, text));
        }
        reference_from_project(text)
    };
    let shown = |path: &PathBuf| Ok::<_, Failure>(absolute(path)?.display().to_string());
    Ok(Some(S3Store {
        address,
        access_key_id: reference("access-key-id", id)?,
        secret_access_key: reference("secret-access-key", key)?,
        session_token: args.session_token.as_ref().map(|token| reference("session-token", token)).transpose()?,
        ca: args.ca.as_ref().map(shown).transpose()?,
        temporary: args.temporary.as_ref().map(shown).transpose()?,
    }))
}

/// The value of `store` in polder.yaml.
fn bucket_settings(store: &S3Store, args: &BucketArgs) -> String {
    let keys = [
        ("s3", &args.s3),
        ("endpoint", &args.endpoint),
        ("region", &args.region),
        ("access_key_id", &Some(store.access_key_id.clone())),
        ("secret_access_key", &Some(store.secret_access_key.clone())),
        ("session_token", &store.session_token),
        ("ca", &store.ca),
        ("temporary", &store.temporary),
    ];
    let line = |(key, text): (&str, &Option<String>)| Some(format!("\n      {key}: {}", serde_json::Value::String(text.clone()?)));
    let plain = if args.plain_loopback { "\n      plain_loopback: true" } else { "" };
    keys.into_iter().filter_map(line).collect::<String>() + plain
}

fn custody(args: &InitArgs, key_file: &Path, rng: &Arc<dyn Rng>) -> Outcome<Arc<dyn Custody>> {
    Ok(match &args.passphrase {
        Some(reference) => {
            let passphrase = secret_ref::resolve(reference, Path::new("."))?;
            Arc::new(if key_file.exists() {
                LocalCustody::open_passphrase(key_file, passphrase)?
            } else {
                LocalCustody::create_passphrase(key_file, passphrase, Arc::clone(rng))?
            })
        }
        None if key_file.exists() => Arc::new(LocalCustody::open_key_file(key_file)?),
        None => Arc::new(LocalCustody::create_key_file(key_file, Arc::clone(rng))?),
    })
}

/// `polder.yaml`, the policies, the empty directories, and a rule that keeps the store out of git.
#[allow(clippy::too_many_arguments, reason = "these are what differs in polder.yaml")]
fn write_files(
    dir: &Path,
    args: &InitArgs,
    store: &str,
    key_file: &Path,
    approver_key: &Path,
    vkey: &str,
    anchor: Option<&Path>,
    actor: &str,
) -> Outcome {
    let quoted = |path: &Path| serde_json::Value::String(path.display().to_string()).to_string();
    let custody = match &args.passphrase {
        None => format!("{{custody: key-file, path: {}}}", quoted(key_file)),
        Some(reference) => {
            format!(
                "{{custody: passphrase, path: {}, passphrase: {}}}",
                quoted(key_file),
                serde_json::Value::String(reference_from_project(reference)?)
            )
        }
    };
    let anchor = match anchor {
        Some(path) => format!("    anchor: {}\n", quoted(path)),
        None => "    # Without an anchor a rollback of the whole store to an older state cannot be detected. Best on another machine's disk:\n    # anchor: /mnt/elsewhere/polder.checkpoint\n".to_owned(),
    };
    crate::command::schema::write(&dir.join(schema::FOLDER))?;
    let header = schema::header(dir, schema::Kind::Project, "");
    let store = if store.starts_with('\n') { store.to_owned() } else { format!(" {store}") };
    let settings = format!(
        "{header}# Environments of this project; choose one with --env. Paths are relative to this file.\nenvironments:\n  default:\n    store:{store}\n    keys: {custody}\n{anchor}    approver_key: {}\n    approvers:\n      - {}\n    groups:\n      owners: [{}]\n",
        quoted(approver_key),
        serde_json::Value::String(vkey.to_owned()),
        serde_json::Value::String(actor.to_owned()),
    );
    let write = |path: &str, text: &str| {
        let path = dir.join(path);
        if path.exists() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|error| Failure::because(ErrorKind::Unavailable, format!("make the directory {}", parent.display()), &error))?;
        }
        std::fs::write(&path, text).map_err(|error| Failure::because(ErrorKind::Unavailable, format!("write {}", path.display()), &error))
    };
    write(".gitignore", "/store/\n")?;
    for directory in ["sources", "contracts", "models"] {
        let path = dir.join(directory);
        std::fs::create_dir_all(&path)
            .map_err(|error| Failure::because(ErrorKind::Unavailable, format!("make the directory {}", path.display()), &error))?;
    }
    for (name, text) in polder_policy::default_policies() {
        write(&name, &text)?;
    }
    // Last, since it makes the directory a project.
    write(FILE, &settings)
}

/// The directory of keys of the user's account.
fn default_key_dir() -> Outcome<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
        .ok_or_else(|| {
            Failure::new(
                ErrorKind::Invalid,
                "choose a place for the root key: the account has no home directory; name a file with --key-file",
            )
        })?;
    Ok(base.join("polder"))
}

/// A secret file is named from the working directory here, and from the project in polder.yaml.
fn reference_from_project(reference: &str) -> Outcome<String> {
    match reference.strip_prefix("file:") {
        Some(path) => Ok(format!("file:{}", absolute(Path::new(path))?.display())),
        None => Ok(reference.to_owned()),
    }
}

/// Keys that are there belong to another project.
fn shared(dir: &Path, what: &str, file: &Path) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!(
            "make a project in {}: {} is there already, and two projects with one {what} fall together; name another file with --key-file, or take the keys that are there with --share-keys",
            dir.display(),
            file.display()
        ),
    )
}

/// A root key may not lie in the project.
pub(crate) fn inside(key_file: &Path) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!(
            "put the root key into {}: whoever copies the project would have its key; choose a place outside the project",
            key_file.display()
        ),
    )
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Failure::because(ErrorKind::Invalid, format!("take the path {}", path.display()), &error))?;
    Ok(crate::project::plain(&absolute))
}

/// Tells what was made and what to do next.
///
/// # Errors
/// When standard output cannot be written.
pub fn report(made: &Made) -> Outcome {
    use crate::print::text;
    text(&format!("made a project in {}", made.dir.display()))?;
    if let Some(bucket) = &made.bucket {
        text(&format!("  store          {bucket}"))?;
    }
    text(&format!("  root key       {}   (keep it apart from the store; without it nothing can be read)", made.key_file.display()))?;
    text(&format!("  approver key   {}", made.approver_key.display()))?;
    text(&format!("  recovery kit   {} shares, any {} of which recover:", made.kit.len(), KIT_SHARES.1))?;
    for share in &made.kit {
        text(&format!("                 {}", share.display()))?;
    }
    match &made.anchor {
        Some(anchor) => text(&format!("  anchor         {}", anchor.display()))?,
        None => text("  anchor         none: a rollback of the whole store cannot be detected; set `anchor` in polder.yaml")?,
    }
    text("")?;
    text("next:")?;
    text("  give each share of the recovery kit to another person, then prove it: polder keys recover --test SHARE SHARE")?;
    text("  propose sources for a directory of files:                             polder source propose DIR --write")?;
    text("  propose contracts for them:                                           polder contract propose --write")
}
