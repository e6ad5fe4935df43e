//! The certificate that the listeners show: one from files that someone else made, or one of the internal authority. That lies with its key
//! in a sealed object `authority/<dataset>/<version>`, which the newest `certificate_changed` of the log names (`docs/format/authority.md`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use polder_audit::State;
use polder_serve::authority::{Authority, AuthorityError, Details, Issued, Subject};
use polder_store::{Area, SealedStore};
use polder_types::event::Phase;
use polder_types::{ErrorKind, EventKind};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::failure::{Failure, Outcome};
use crate::ingest::store_failure;
use crate::installation::Installation;
use crate::print;
use crate::project::{self, Project};
use crate::secret_ref;
use crate::settings::{Serving, TlsFiles};

/// The dataset whose key seals the authority.
const DATASET: &str = "system:authority";
/// The version of the object's form.
const FORMAT: u32 = 1;
/// Clients must trust another authority before this one ends: so long before it is said.
const AUTHORITY_ENDS_MS: i64 = 365 * 86_400_000;

/// What the listeners show.
pub struct Shown {
    /// The server's certificate first, then those that signed it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// When another is to be made; none for one that someone else made.
    pub renew_at_ms: Option<i64>,
    /// SHA-256 of the server's certificate, in hexadecimal.
    pub fingerprint: String,
    /// When it ends, in milliseconds since the epoch.
    pub ends_ms: i64,
}

/// The internal authority, and the server's certificate that it signed.
pub struct Held {
    /// The authority.
    pub authority: Authority,
    /// The server's certificate and its key.
    pub server: Issued,
}

/// What is sealed.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    authority: Pair,
    server: Pair,
}

/// A certificate in DER and its key in PKCS #8, both in base64.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn of(issued: &Issued) -> Self {
        Self { certificate: STANDARD.encode(&issued.certificate), key: STANDARD.encode(issued.key.as_slice()) }
    }

    fn issued(&self) -> Option<Issued> {
        let certificate = STANDARD.decode(&self.certificate).ok()?.into();
        Some(Issued { certificate, key: Zeroizing::new(STANDARD.decode(&self.key).ok()?) })
    }
}

/// What the listeners show as they begin: what the files hold now, or the authority's, made when there is none or its time has come.
///
/// # Errors
/// When a file is wrong, the authority's time is over, or something cannot be stored or recorded.
pub async fn shown(installation: &Installation, serving: &Serving) -> Outcome<Shown> {
    match &serving.tls {
        Some(files) => of_files(&installation.project, files, installation.clock.now_ms()),
        None => of_held(&ensure(installation).await?),
    }
}

/// What the listeners show from now on: the files read again, or a new certificate of the authority.
///
/// # Errors
/// As [`shown`].
pub async fn anew(installation: &Installation, serving: &Serving) -> Outcome<Shown> {
    match &serving.tls {
        Some(files) => of_files(&installation.project, files, installation.clock.now_ms()),
        None => of_held(&rotate(installation, false).await?),
    }
}

fn of_held(held: &Held) -> Outcome<Shown> {
    let details = details(&held.server.certificate)?;
    Ok(Shown {
        chain: vec![held.server.certificate.clone()],
        key: held.server.private_key(),
        renew_at_ms: Some(details.renew_at_ms()),
        fingerprint: details.fingerprint,
        ends_ms: details.not_after_ms,
    })
}

/// The certificate of files.
///
/// # Errors
/// When one cannot be read, or does not hold what it should. That the key fits is found out by who serves it.
pub fn of_files(project: &Project, files: &TlsFiles, now_ms: i64) -> Outcome<Shown> {
    let path = project.path(&files.chain);
    let wrong = |what: &str| {
        let text = format!(
            "read {}, `chain` of tls: {what}; write the server's certificate first, then those that signed it, in PEM",
            path.display()
        );
        Failure::new(ErrorKind::Invalid, text)
    };
    let text = project::read(&path)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(|_| wrong("it is not PEM"))?;
    let first = chain.first().ok_or_else(|| wrong("it holds no certificate"))?;
    let details = Details::of(first).ok_or_else(|| wrong("its first certificate cannot be read"))?;
    if !details.holds(now_ms) {
        let text = format!(
            "it holds from {} to {}, and clients refuse it now; put another into {}",
            print::time(details.not_before_ms),
            print::time(details.not_after_ms),
            path.display()
        );
        print::warn("the certificate of tls is not valid at this time", &Failure::new(ErrorKind::Invalid, text));
    }
    let secret = secret_ref::resolve(&files.key, project.dir())?;
    let key = PrivateKeyDer::from_pem_slice(secret.expose_secret().as_bytes()).map_err(|_| {
        let text = "read `key` of tls: what it names is no private key in PEM; write the key of the chain's first certificate there";
        Failure::new(ErrorKind::Invalid, text)
    })?;
    Ok(Shown { key, renew_at_ms: None, fingerprint: details.fingerprint, ends_ms: details.not_after_ms, chain })
}

/// The authority, made when there is none, and a certificate of the server, made when there is none that is for the listeners as they are
/// now or a third of its time is left.
///
/// # Errors
/// When the authority's time is over, or something cannot be made, stored or recorded.
pub async fn ensure(installation: &Installation) -> Outcome<Held> {
    let wanted = wanted(&installation.project);
    let now_ms = installation.clock.now_ms();
    let Some(held) = read(installation).await? else {
        let authority = make(installation, &wanted)?;
        return issue(installation, authority, &wanted).await;
    };
    let ends_ms = held.authority.details().not_after_ms;
    if ends_ms <= now_ms {
        let text = "serve a certificate: the internal authority's time is over; `polder cert rotate --authority` makes another, which clients must trust";
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    if ends_ms.saturating_sub(now_ms) < AUTHORITY_ENDS_MS {
        let text = format!("it ends on {}; `polder cert rotate --authority` makes another, which clients must trust", print::time(ends_ms));
        print::warn("the internal authority's time is coming to its end", &Failure::new(ErrorKind::Invalid, text));
    }
    let details = details(&held.server.certificate)?;
    let permitted = permitted(&held.authority, &wanted);
    if details.renew_at_ms() > now_ms && details.subjects == permitted {
        return Ok(held);
    }
    issue(installation, held.authority, &wanted).await
}

/// A new certificate of the server, and where it is asked for a new authority.
///
/// # Errors
/// As [`ensure`].
pub async fn rotate(installation: &Installation, authority: bool) -> Outcome<Held> {
    let wanted = wanted(&installation.project);
    let before = if authority { None } else { read(installation).await?.map(|held| held.authority) };
    let authority = match before {
        Some(authority) => authority,
        None => make(installation, &wanted)?,
    };
    issue(installation, authority, &wanted).await
}

fn make(installation: &Installation, wanted: &[Subject]) -> Outcome<Authority> {
    Authority::make(wanted, installation.clock.as_ref(), installation.rng.as_ref()).map_err(|error| failed(&error))
}

async fn issue(installation: &Installation, authority: Authority, wanted: &[Subject]) -> Outcome<Held> {
    let permitted = permitted(&authority, wanted);
    let left_out: Vec<String> = wanted.iter().filter(|subject| !permitted.contains(subject)).map(ToString::to_string).collect();
    if !left_out.is_empty() {
        let text = format!(
            "the internal authority was made for other names, so {} is left out; `polder cert rotate --authority` makes one for all of them, which clients must trust",
            left_out.join(", ")
        );
        print::warn("the certificate is not for every name of this server", &Failure::new(ErrorKind::Invalid, text));
    }
    let server = authority.issue(&permitted, installation.clock.as_ref(), installation.rng.as_ref()).map_err(|error| failed(&error))?;
    let held = Held { authority, server };
    write(installation, &held).await?;
    Ok(held)
}

fn permitted(authority: &Authority, wanted: &[Subject]) -> Vec<Subject> {
    wanted.iter().filter(|subject| authority.permits(subject)).cloned().collect()
}

/// By which names and addresses clients reach this server.
fn wanted(project: &Project) -> Vec<Subject> {
    let serving = &project.environment().serving;
    let mut wanted: Vec<Subject> = ["localhost", "127.0.0.1", "::1"].into_iter().filter_map(|known| known.parse().ok()).collect();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let addresses = serving.listeners.values().map(|listener| listener.address.ip().to_string());
    let others = std::iter::once(host).chain(addresses).chain(serving.names.iter().cloned());
    for subject in others.filter_map(|text| text.parse::<Subject>().ok()) {
        if !wanted.contains(&subject) {
            wanted.push(subject);
        }
    }
    wanted
}

fn details(certificate: &[u8]) -> Outcome<Details> {
    Details::of(certificate)
        .ok_or_else(|| Failure::new(ErrorKind::Corrupt, "read the server's certificate: it is none; `polder cert rotate` makes another"))
}

pub fn failed(error: &AuthorityError) -> Failure {
    let kind = match error {
        AuthorityError::NotPermitted(_) | AuthorityError::Request(_) => ErrorKind::Invalid,
        AuthorityError::Unreadable(_) => ErrorKind::Corrupt,
        AuthorityError::Random(_) => ErrorKind::Unavailable,
        AuthorityError::Refused | AuthorityError::Unwritten(_) => ErrorKind::Internal,
    };
    Failure::of(kind, error)
}

/// The authorities whose client certificates are taken, where a listener asks for some: the internal one, and those of `client_ca`.
///
/// # Errors
/// When the file cannot be read, or as [`ensure`].
pub async fn client_authorities(installation: &Installation, serving: &Serving) -> Outcome<Vec<CertificateDer<'static>>> {
    if serving.listeners.values().all(|listener| listener.client_certificates.is_none()) {
        return Ok(Vec::new());
    }
    let mut authorities = vec![ensure(installation).await?.authority.issued().certificate.clone()];
    if let Some(file) = &serving.client_ca {
        authorities.extend(of_client_ca(&installation.project.path(file))?);
    }
    Ok(authorities)
}

/// The authorities that a file holds.
///
/// # Errors
/// When there is none, or something else.
fn of_client_ca(path: &std::path::Path) -> Outcome<Vec<CertificateDer<'static>>> {
    let wrong = |what: &str| {
        let text = format!("read {}, `client_ca` of tls: {what}; write the certificates of authorities there, in PEM", path.display());
        Failure::new(ErrorKind::Invalid, text)
    };
    let text = project::read(path)?;
    let authorities: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(|_| wrong("it is not PEM"))?;
    if authorities.is_empty() {
        return Err(wrong("it holds no certificate"));
    }
    if authorities.iter().any(|authority| Details::of(authority).is_none_or(|details| !details.authority)) {
        return Err(wrong("one of its certificates is none of an authority"));
    }
    Ok(authorities)
}

/// The object that the log says counts; none when there is none.
pub fn newest(installation: &Installation, state: &State) -> Option<Path> {
    let head = state.certificates.as_ref()?;
    Some(SealedStore::path(Area::Authority, installation.keys.find(DATASET)?, &name(head.version)))
}

fn name(version: u64) -> String {
    format!("{version:020}")
}

/// The authority and the server's certificate that count; none when there are none.
///
/// # Errors
/// When they are not as they were written, or the store cannot be reached.
pub async fn read(installation: &Installation) -> Outcome<Option<Held>> {
    let state = installation.journal.state();
    let Some((head, path)) = state.certificates.as_ref().zip(newest(installation, &state)) else { return Ok(None) };
    let corrupt = |what: &str| {
        let text = format!(
            "read the certificate authority: {path} {what}; restore it from a backup, or make another: polder cert rotate --authority"
        );
        Failure::new(ErrorKind::Corrupt, text)
    };
    let bytes = match installation.store.read(&path).await {
        Ok(bytes) => bytes,
        Err(object_store::Error::NotFound { .. }) => return Err(corrupt("is gone, which the log names")),
        Err(error) => return Err(installation.store_failure("read the certificate authority", &error)),
    };
    if hex::encode(polder_crypto::sha256(&bytes)) != head.hash {
        return Err(corrupt("is not what the log names"));
    }
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| corrupt("is not of the form that this program reads"))?;
    if stored.format != FORMAT {
        return Err(corrupt("is not of the form that this program reads"));
    }
    let authority = stored.authority.issued().ok_or_else(|| corrupt("holds no certificate of an authority"))?;
    let server = stored.server.issued().ok_or_else(|| corrupt("holds no certificate of a server"))?;
    let authority = Authority::open(authority).map_err(|error| failed(&error))?;
    Ok(Some(Held { authority, server }))
}

/// Stores both as the next version: intent, object, outcome. What was there before is deleted then.
async fn write(installation: &Installation, held: &Held) -> Outcome {
    let dataset = installation.dataset(DATASET).await?;
    let stored = Stored { format: FORMAT, authority: Pair::of(held.authority.issued()), server: Pair::of(&held.server) };
    let bytes = serde_json::to_vec(&stored).map_err(|error| Failure::because(ErrorKind::Internal, "write certificates as JSON", &error))?;
    let bytes = Zeroizing::new(bytes);
    let older = objects(installation, SealedStore::path(Area::Authority, dataset, "")).await?;
    // One that a killed process left took its number with it.
    let number = |path: &Path| path.filename().and_then(|name| name.parse::<u64>().ok()).unwrap_or(0);
    let known = installation.journal.state().certificates.as_ref().map_or(0, |head| head.version);
    let version = older.iter().map(number).fold(known, u64::max).saturating_add(1);
    let path = SealedStore::path(Area::Authority, dataset, &name(version));
    let changed = |phase| {
        Ok::<_, Failure>(EventKind::CertificateChanged {
            phase,
            version,
            hash: hex::encode(polder_crypto::sha256(&bytes)),
            authority: held.authority.details().fingerprint.clone(),
            server: details(&held.server.certificate)?.fingerprint,
        })
    };
    installation.record(changed(Phase::Intent)?).await?;
    let written = match installation.still_writer().await {
        Ok(()) => {
            let created = installation.store.create(&path, bytes.to_vec().into()).await;
            created.map_err(|error| store_failure("keep the certificate authority", &error))
        }
        Err(failure) => Err(failure),
    };
    if let Err(mut failure) = written {
        installation.record_failure(&mut failure, changed(Phase::Aborted)?).await;
        return Err(failure);
    }
    // From here on these count, and the keys of those before are of no use.
    installation.record(changed(Phase::Outcome)?).await?;
    for object in older {
        installation.still_writer().await?;
        match installation.store.delete(&object).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(store_failure("delete an older certificate", &error)),
        }
    }
    Ok(())
}

async fn objects(installation: &Installation, prefix: Path) -> Outcome<Vec<Path>> {
    let mut listed = installation.store.list(Some(&prefix));
    let mut objects = Vec::new();
    while let Some(object) = listed.try_next().await.map_err(|error| store_failure("list certificates", &error))? {
        objects.push(object.location);
    }
    Ok(objects)
}

#[cfg(test)]
mod tests;
