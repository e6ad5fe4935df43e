//! TLS to the storage: who it is must be proved, and nothing turns that off.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use polder_types::ErrorKind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::fixture::{options, patience, place};
use super::moto;
use crate::{Backend, Error, Options, Patience, Trouble};

struct Authority {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("authority {}", NEXT.fetch_add(1, Ordering::SeqCst)));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { dir: tempfile::TempDir::new().unwrap(), issuer }
    }

    /// Writes a certificate for these names, and its key.
    fn certify(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write(&certificate.pem(), &key)
    }

    fn write(&self, certificate: &str, key: &KeyPair) -> (PathBuf, PathBuf) {
        let (certificate_file, key_file) = (self.dir.path().join("certificate.pem"), self.dir.path().join("key.pem"));
        std::fs::write(&certificate_file, certificate).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (certificate_file, key_file)
    }
}

fn create(endpoint: &str, bucket: &str, ca: Option<&[u8]>, beside: &Path) -> Result<Backend, Error> {
    let mut place = place(endpoint, &format!("{bucket}/x"), beside);
    place.ca_pem = ca.map(<[u8]>::to_vec);
    let patience = Patience { attempts: 2, ..patience() };
    Backend::create_s3(place, Options { patience, ..options() })
}

#[test]
fn a_certificate_that_the_authority_signed_for_the_host_is_trusted_and_no_other() {
    let authority = Authority::new();
    let ca = authority.issuer.pem();
    let with = |pair: (PathBuf, PathBuf)| moto::start(Some((&pair.0, &pair.1)));
    let refused = |port: u16, host: &str, ca: Option<&[u8]>, why: &str| {
        let error = create(&format!("https://{host}:{port}"), "data", ca, authority.dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("does not prove who it is"), "{error}");
        let Error::Bucket { source: Trouble::Tls(reason), .. } = error else { panic!("{error}") };
        assert!(reason.contains(why), "{reason}");
    };

    let good = with(authority.certify(&["localhost", "127.0.0.1"], |_| ()));
    for host in ["localhost", "127.0.0.1"] {
        // Trusted, so that the storage can answer that it has no such bucket.
        let answered = create(&format!("https://{host}:{}", good.port), "data", Some(ca.as_bytes()), authority.dir.path()).unwrap_err();
        assert!(answered.to_string().contains("there is no such bucket"), "{answered}");
    }
    refused(good.port, "localhost", None, "UnknownIssuer");
    let other = Authority::new();
    refused(good.port, "localhost", Some(other.issuer.pem().as_bytes()), "UnknownIssuer");

    let elsewhere = with(authority.certify(&["minio.example"], |_| ()));
    refused(elsewhere.port, "localhost", Some(ca.as_bytes()), "not valid for name");
    let expired = with(authority.certify(&["localhost"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)));
    refused(expired.port, "localhost", Some(ca.as_bytes()), "xpired");
    let key = KeyPair::generate().unwrap();
    let alone = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let alone = with(authority.write(&alone.pem(), &key));
    refused(alone.port, "localhost", Some(ca.as_bytes()), "UnknownIssuer");
}

#[test]
fn a_file_of_authorities_without_one_is_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    for pem in [b"".as_slice(), b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = create("https://localhost:1", "data", Some(pem), dir.path()).unwrap_err();
        assert!(matches!(&error, Error::Bucket { source: Trouble::Tls(_), .. }), "{error}");
    }
}

/// Whoever answers in plain HTTP where TLS was asked for is not spoken to.
#[test]
fn a_storage_that_speaks_no_tls_is_not_spoken_to() {
    let dir = tempfile::TempDir::new().unwrap();
    let error = create(&format!("https://127.0.0.1:{}", moto::shared().port), "data", None, dir.path()).unwrap_err();
    assert!(matches!(&error, Error::Bucket { source: Trouble::Tls(_) | Trouble::Connect(_), .. }), "{error:?}");
}
