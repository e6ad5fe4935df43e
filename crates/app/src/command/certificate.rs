//! `polder service certificate`: certificates by which services sign in. A key is made by whoever asks for it, in a process of their own: the
//! serving process gets a request, and gives back a certificate.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use polder_policy::Action;
use polder_policy::identity::{CertificateChange, Change, Kind, Register, StoredCertificate};
use polder_serve::authority::{self, Details};
use polder_types::{Clock as _, ErrorKind, SystemClock};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{accounts, writer};
use crate::cli::{CertificateCommand, Global, Output};
use crate::command::serve::certificate as held;
use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::identities::Identities;
use crate::installation::Installation;
use crate::print::{self, Listing, time};

/// Most bytes of a request or a certificate that are read.
const BYTES_MAX: u64 = 64 << 10;
/// A certificate that ends within so many days is told of.
pub const ENDING_DAYS: i64 = 14;
/// What stands for standard input in the place of a file.
pub(crate) const INPUT: &str = "-";

/// Runs a verb.
///
/// # Errors
/// When it is not permitted, or fails.
pub async fn run(global: &Global, command: &CertificateCommand, output: Output) -> Outcome {
    match command {
        CertificateCommand::Issue { name, days, wires, out, csr } => {
            let asked = Asking::prepare(name, out.as_deref(), csr.as_deref())?;
            let made = issue(global, name, *days, wires, &asked.request).await?;
            asked.keep(&made, output)
        }
        CertificateCommand::Add { name, certificate, wires } => add(global, name, certificate, wires, output).await,
        CertificateCommand::List { name } => list(global, name.as_deref(), output).await,
        CertificateCommand::Revoke { fingerprint } => {
            let change = Change::Certificate(CertificateChange::Revoke { fingerprint: fingerprint.clone() });
            let done = format!("revoked the certificate {fingerprint}; the sessions that it began are over");
            accounts::change(global, change, &done, fingerprint, output).await
        }
    }
}

/// What whoever asks for a certificate has prepared: the request, and where the answer goes.
pub struct Asking {
    name: String,
    /// PKCS #10 in PEM.
    pub request: String,
    key: Option<Zeroizing<String>>,
    to: Option<PathBuf>,
}

impl Asking {
    /// Makes a key and a request, or reads one. Nothing is written yet.
    ///
    /// # Errors
    /// When the request cannot be read, or what would be written is there already.
    pub fn prepare(name: &str, out: Option<&Path>, csr: Option<&Path>) -> Outcome<Self> {
        let (request, key) = match csr {
            Some(file) => (read(file, "the request")?, None),
            None => {
                let made = authority::request(name).map_err(|error| Failure::of(ErrorKind::Unavailable, &error))?;
                (made.request, Some(made.key))
            }
        };
        let asking = Self { name: name.to_owned(), request, key, to: out.map(Path::to_path_buf) };
        if let Some(to) = &asking.to {
            if !polder_policy::identity::is_name(name) {
                return Err(Failure::new(
                    ErrorKind::Invalid,
                    format!("issue a certificate for {name}: {}", polder_policy::identity::NAME_RULE),
                ));
            }
            let there = [asking.file(to, "key"), asking.file(to, "pem")].into_iter().find(|file| file.exists());
            if let Some(there) = there {
                let text = format!("write {}: it is there already; move it away, or say another directory with --out", there.display());
                return Err(Failure::new(ErrorKind::Invalid, text));
            }
        }
        Ok(asking)
    }

    fn file(&self, to: &Path, ending: &str) -> PathBuf {
        to.join(format!("{}.{ending}", self.name))
    }

    /// Writes or prints what came back.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep(&self, made: &Value, output: Output) -> Outcome {
        let pem = made.get("certificate").and_then(Value::as_str).unwrap_or_default();
        let of = |key: &str| made.get(key).and_then(Value::as_str).unwrap_or_default();
        let says = format!("certificate {} of {} lasts until {}", of("fingerprint"), self.name, of("expires"));
        let Some(to) = &self.to else {
            return match output {
                Output::Json => print::json(made),
                _ => {
                    print::note(&says);
                    print::document(pem)
                }
            };
        };
        let certificate = self.file(to, "pem");
        let mut told = made.clone();
        if let Some(key) = &self.key {
            let file = self.file(to, "key");
            write(to, &file, key, 0o600)?;
            set(&mut told, "key", &file);
        }
        write(to, &certificate, pem, 0o644)?;
        set(&mut told, "certificate", &certificate);
        if output == Output::Json {
            return print::json(&told);
        }
        print::note(&says);
        if self.key.is_some() {
            print::line(&self.file(to, "key").display().to_string())?;
        }
        print::line(&certificate.display().to_string())
    }
}

fn set(told: &mut Value, key: &str, file: &Path) {
    if let Some(told) = told.as_object_mut() {
        told.insert(key.to_owned(), json!(file.display().to_string()));
    }
}

/// A new file: one that is there is not written over.
fn write(dir: &Path, file: &Path, text: &str, mode: u32) -> Outcome {
    let written = std::fs::create_dir_all(dir).and_then(|()| {
        let mut opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()
    });
    written.map_err(|error| {
        let text = format!(
            "write {}; make room for it, then revoke the certificate (`polder service certificate list`) and issue another",
            file.display()
        );
        Failure::because(ErrorKind::Unavailable, text, &error)
    })
}

/// A small file of text, or standard input.
///
/// # Errors
/// When it cannot be read, or is no text of that size.
pub fn read(file: &Path, what: &str) -> Outcome<String> {
    let failed = |error: &std::io::Error| {
        Failure::because(ErrorKind::Unavailable, format!("read {what} from {}; check its path", file.display()), error)
    };
    let bytes = if file == Path::new(INPUT) {
        hosted::input(BYTES_MAX).map_err(|error| failed(&error))?
    } else {
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(file).map_err(|error| failed(&error))?;
        opened.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        bytes
    };
    let wrong = |why: &str| Failure::new(ErrorKind::Invalid, format!("read {what} from {}: {why}; give one in PEM", file.display()));
    if bytes.len() as u64 > BYTES_MAX {
        return Err(wrong("it is longer than any"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("it is no text"))
}

/// Signs a request, and lets the service in by what comes of it. The register comes first: a certificate that is not in it lets nobody in.
async fn issue(global: &Global, name: &str, days: u32, wires: &[String], request: &str) -> Outcome<Value> {
    let request = CertificateSigningRequestDer::from_pem_slice(request.as_bytes()).map_err(|_| {
        let text = "read the request: it holds no PKCS #10 in PEM; make one, such as by `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256`";
        Failure::new(ErrorKind::Invalid, text)
    })?;
    let installation = writer(global).await?;
    let made = issue_in(&installation, name, days, wires, &request).await;
    match made {
        Ok(made) => installation.close().await.map(|()| made),
        Err(failure) => {
            installation.close_after(Err(failure.clone())).await?;
            Err(failure)
        }
    }
}

async fn issue_in(
    installation: &Installation,
    name: &str,
    days: u32,
    wires: &[String],
    request: &CertificateSigningRequestDer<'_>,
) -> Outcome<Value> {
    // Before the authority's key signs anything.
    installation.require(Action::ManageIdentities).await?;
    let authority = match held::read(installation).await? {
        Some(held) => held.authority,
        None => held::ensure(installation).await?.authority,
    };
    let made = authority.issue_client(name, request, days, installation.clock.as_ref(), installation.rng.as_ref());
    let certificate = made.map_err(|error| held::failed(&error))?;
    let details = Details::of(&certificate)
        .ok_or_else(|| Failure::new(ErrorKind::Internal, "issue a certificate: what was made cannot be read; report this as a defect"))?;
    let version = accounts::change_of(installation, |_, _| Ok(binds(name, &details, wires, false))).await?.version;
    Ok(json!({
        "name": name, "fingerprint": details.fingerprint, "serial": details.serial, "expires": time(details.not_after_ms),
        "certificate": authority::pem(&certificate), "version": version,
    }))
}

fn binds(name: &str, details: &Details, wires: &[String], foreign: bool) -> Change {
    Change::Certificate(CertificateChange::Add {
        owner: name.to_owned(),
        fingerprint: details.fingerprint.clone(),
        serial: details.serial.clone(),
        wires: wires.iter().cloned().collect::<BTreeSet<_>>(),
        expires_ms: details.not_after_ms,
        foreign,
    })
}

async fn add(global: &Global, name: &str, file: &Path, wires: &[String], output: Output) -> Outcome {
    let text = read(file, "the certificate")?;
    let wrong = |what: &str| {
        Failure::new(ErrorKind::Invalid, format!("add the certificate of {}: {what}; give a client's certificate in PEM", file.display()))
    };
    let certificate = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| wrong("there is none in PEM"))?;
    let details = Details::of(&certificate).ok_or_else(|| wrong("it cannot be read"))?;
    if details.authority {
        return Err(wrong("it is an authority's"));
    }
    if !details.for_clients {
        return Err(wrong("it is not for clients, as its extended key usage says"));
    }
    let done = format!("service {name} may come in by the certificate {}", details.fingerprint);
    accounts::change(global, binds(name, &details, wires, true), &done, &details.fingerprint, output).await
}

async fn list(global: &Global, owner: Option<&str>, output: Output) -> Outcome {
    let register = accounts::register(global).await?;
    if let Some(owner) = owner.filter(|owner| register.account(owner).is_none_or(|account| account.kind() != Kind::Service)) {
        return Err(accounts::none(&register, Kind::Service, owner));
    }
    let now_ms = SystemClock.now_ms();
    let mut listing = Listing::new(&["fingerprint", "service", "state", "wires", "authority", "serial", "made", "expires"]);
    for (fingerprint, stored) in register.certificates().iter().filter(|(_, stored)| owner.is_none_or(|owner| stored.owner() == owner)) {
        listing.row([
            json!(fingerprint),
            json!(stored.owner()),
            json!(state(stored, now_ms)),
            json!(stored.wires()),
            json!(if stored.foreign() { "another" } else { "internal" }),
            json!(stored.serial()),
            json!(time(stored.made().time_ms)),
            json!(time(stored.expires_ms())),
        ]);
    }
    listing.print(output)
}

fn state(stored: &StoredCertificate, now_ms: i64) -> &'static str {
    match stored.revoked() {
        Some(_) => "revoked",
        None if now_ms >= stored.expires_ms() => "expired",
        None => "valid",
    }
}

/// How many certificates that hold the installation's authority signed, as far as it is known here.
///
/// # Errors
/// When the register cannot be read.
pub async fn of_the_authority(installation: &Installation) -> Outcome<usize> {
    let register = Identities::open(installation).await?.current();
    let now_ms = installation.clock.now_ms();
    Ok(register.certificates().values().filter(|stored| stored.holds(now_ms) && !stored.foreign()).count())
}

/// How many certificates come to their end soon; none where that cannot be read.
pub async fn ending_soon(installation: &Installation) -> Option<usize> {
    let identities = Identities::open(installation).await.ok()?;
    Some(ending(&identities.current(), installation.clock.now_ms(), ENDING_DAYS))
}

/// How many certificates that hold now end within so many days.
fn ending(register: &Register, now_ms: i64, days: i64) -> usize {
    let by_ms = now_ms.saturating_add(days.saturating_mul(86_400_000));
    register.certificates().values().filter(|stored| stored.holds(now_ms) && stored.expires_ms() <= by_ms).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_for_its_owner_alone_and_over_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("out");
        let asking = Asking::prepare("reports", Some(&to), None).unwrap();
        assert!(asking.request.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));
        assert!(!to.exists(), "nothing is written before there is a certificate");
        let made = json!({"certificate": "a certificate\n", "fingerprint": "ab", "expires": "then"});
        asking.keep(&made, Output::Json).unwrap();
        let mode = |name: &str| std::fs::metadata(to.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("reports.key"), 0o600);
        assert!(std::fs::read_to_string(to.join("reports.key")).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert_eq!(std::fs::read_to_string(to.join("reports.pem")).unwrap(), "a certificate\n");
        assert!(asking.keep(&made, Output::Json).is_err(), "what is there stays");
        let again = Asking::prepare("reports", Some(&to), None).err().unwrap();
        assert!(again.to_string().contains("it is there already"), "{again}");
        assert!(Asking::prepare("../reports", Some(&to), None).is_err(), "a name leads nowhere else");
    }
}
