use std::sync::Arc;

use polder_types::{ManualClock, SeededRng};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::*;

const NOW_MS: i64 = 1_800_000_000_000;
const DAY_MS: i64 = 86_400_000;

fn subjects(texts: &[&str]) -> Vec<Subject> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What a client that trusts the authority says of a certificate.
fn judge(authority: &Authority, server: &Issued, name: &str, at_ms: i64) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.issued().certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(at_ms).unwrap()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&server.certificate, &[], &name, &[], at).map(drop)
}

#[test]
fn clients_that_trust_the_authority_take_its_certificates_for_their_names_and_time() {
    let (clock, rng) = (ManualClock::new(NOW_MS), SeededRng::new(1));
    let names = subjects(&["localhost", "127.0.0.1", "::1", "data.example.org"]);
    let authority = Authority::make(&names, &clock, &rng).unwrap();
    let server = authority.issue(&names, &clock, &rng).unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "data.example.org"] {
        judge(&authority, &server, name, NOW_MS).unwrap();
        judge(&authority, &server, name, NOW_MS + 89 * DAY_MS).unwrap();
        // A client's clock may be behind a little.
        judge(&authority, &server, name, NOW_MS - 3_000_000).unwrap();
    }
    let refused = |name: &str, at_ms: i64| judge(&authority, &server, name, at_ms).unwrap_err();
    assert!(matches!(
        refused("localhost", NOW_MS + 91 * DAY_MS),
        rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { .. })
    ));
    for other in ["example.org", "127.0.0.2", "evil.example"] {
        assert!(matches!(refused(other, NOW_MS), rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })));
    }
    let another = Authority::make(&names, &clock, &rng).unwrap();
    assert_ne!(another.details().name, authority.details().name);
    assert!(judge(&another, &server, "localhost", NOW_MS).is_err());
}

/// Whoever steals the authority's key cannot make certificates for other hosts that its clients would take.
#[test]
fn an_authority_signs_for_its_own_names_alone_whoever_has_its_key() {
    let (clock, rng) = (ManualClock::new(NOW_MS), SeededRng::new(2));
    let authority = Authority::make(&subjects(&["localhost", "127.0.0.1"]), &clock, &rng).unwrap();
    for other in ["bank.example", "10.0.0.1", "::1"] {
        let refused = authority.issue(&subjects(&["localhost", other]), &clock, &rng).unwrap_err();
        assert!(matches!(&refused, AuthorityError::NotPermitted(subject) if subject.to_string() == other), "{refused}");
    }
    // A thief asks nobody.
    let mut parameters = parameters("Polder server", SERVER, &clock, &rng).unwrap();
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = distinguished_name(&authority.details().name);
    let issuer = Issuer::new(issuer, &authority.key);
    let (key, secret) = EcKey::make().unwrap();
    let mut forged = |name: &str| {
        parameters.subject_alt_names = vec![alternative(&name.parse().unwrap()).unwrap()];
        let certificate = parameters.signed_by(&key, &issuer).unwrap().into();
        judge(&authority, &Issued { certificate, key: secret.clone() }, name, NOW_MS)
    };
    for other in ["bank.example", "10.0.0.1"] {
        let refused = forged(other).unwrap_err();
        assert!(matches!(&refused, rustls::Error::InvalidCertificate(_)), "{refused}");
    }
    // The control: the same for a name that it may sign for.
    forged("localhost").unwrap();
}

#[test]
fn what_is_stored_opens_again_and_signs_on() {
    let (clock, rng) = (ManualClock::new(NOW_MS), SeededRng::new(3));
    let names = subjects(&["localhost", "::1"]);
    let made = Authority::make(&names, &clock, &rng).unwrap();
    let stored = Issued { certificate: made.issued().certificate.clone(), key: made.issued().key.clone() };
    let opened = Authority::open(stored).unwrap();
    assert_eq!(opened.details(), made.details());
    assert_eq!((opened.details().subjects.clone(), opened.details().authority), (names.clone(), true));
    judge(&made, &opened.issue(&names, &clock, &rng).unwrap(), "localhost", NOW_MS).unwrap();
    let server = made.issue(&names, &clock, &rng).unwrap();
    let details = Details::of(&server.certificate).unwrap();
    assert_eq!((details.subjects.clone(), details.authority), (names, false));
    // Neither a server's certificate nor another key makes an authority, nor do bytes that are none.
    assert!(matches!(Authority::open(server), Err(AuthorityError::Unreadable("certificate"))));
    let other = Authority::make(&[], &clock, &rng).unwrap();
    let mixed = Issued { certificate: made.issued().certificate.clone(), key: other.issued().key.clone() };
    assert!(matches!(Authority::open(mixed), Err(AuthorityError::Unreadable("certificate"))));
    let broken = Issued { certificate: made.issued().certificate.clone(), key: Zeroizing::new(vec![1, 2, 3]) };
    assert!(matches!(Authority::open(broken), Err(AuthorityError::Unreadable("key"))));
    assert_eq!(Details::of(b"nothing"), None);
}

#[test]
fn a_certificate_is_made_anew_when_a_third_of_its_time_is_left() {
    let (clock, rng) = (ManualClock::new(NOW_MS), SeededRng::new(4));
    let names = subjects(&["localhost"]);
    let authority = Authority::make(&names, &clock, &rng).unwrap();
    let details = Details::of(&authority.issue(&names, &clock, &rng).unwrap().certificate).unwrap();
    assert_eq!((details.not_before_ms, details.not_after_ms), (NOW_MS - 3_600_000, NOW_MS + 90 * DAY_MS));
    let days = (details.renew_at_ms() - NOW_MS) / DAY_MS;
    assert_eq!(days, 59);
    assert!(details.holds(NOW_MS) && !details.holds(details.not_after_ms + 1) && !details.holds(NOW_MS - DAY_MS));
    // The authority's own end is the end of all that it signs.
    clock.advance(3_640 * DAY_MS);
    let last = Details::of(&authority.issue(&names, &clock, &rng).unwrap().certificate).unwrap();
    assert_eq!(last.not_after_ms, authority.details().not_after_ms);
}

#[test]
fn a_certificate_in_pem_reads_back() {
    use rustls::pki_types::pem::PemObject as _;
    let authority = Authority::make(&subjects(&["localhost"]), &ManualClock::new(NOW_MS), &SeededRng::new(5)).unwrap();
    let pem = authority.issued().pem();
    assert!(pem.lines().all(|line| line.len() <= 64));
    assert_eq!(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(), authority.issued().certificate);
    assert!(!format!("{authority:?} {:?}", authority.issued()).contains(&hex::encode(&*authority.issued().key)[..8]));
}
