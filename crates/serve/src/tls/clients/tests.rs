use polder_types::{ManualClock, SeededRng};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateSigningRequestDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::*;
use crate::authority::{self, Authority, Issued};
use crate::ports::ClientCertificate;
use crate::tls::Tls;

type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// An authority, and the server that it signed for.
struct Bed {
    authority: Authority,
    server: Issued,
    clock: ManualClock,
    rng: SeededRng,
}

impl Bed {
    fn new(seed: u64) -> Self {
        let clock = ManualClock::new(i64::try_from(rustls::pki_types::UnixTime::now().as_secs()).unwrap() * 1_000);
        let rng = SeededRng::new(seed);
        let names: [authority::Subject; 1] = ["localhost".parse().unwrap()];
        let authority = Authority::make(&names, &clock, &rng).unwrap();
        let server = authority.issue(&names, &clock, &rng).unwrap();
        Self { authority, server, clock, rng }
    }

    fn clients(&self, asked: Asked) -> Clients {
        Clients { asked, authorities: vec![self.authority.issued().certificate.clone()] }
    }

    fn tls(&self, asked: Asked) -> Tls {
        let chain = vec![self.server.certificate.clone()];
        Tls::asking(chain, self.server.private_key(), &[], false, Some(&self.clients(asked))).unwrap()
    }

    /// A certificate that the authority signs, made by the clock of so many days ago.
    fn issued(&self, days_ago: i64, days: u32) -> Shown {
        let requested = authority::request("reports").unwrap();
        let request = CertificateSigningRequestDer::from_pem_slice(requested.request.as_bytes()).unwrap();
        let clock = ManualClock::new(polder_types::Clock::now_ms(&self.clock) - days_ago * 86_400_000);
        let certificate = self.authority.issue_client("reports", &request, days, &clock, &self.rng).unwrap();
        (vec![certificate], PrivateKeyDer::from_pem_slice(requested.key.as_bytes()).unwrap())
    }

    /// What the server finds out about whoever connects: the certificate, or the word of why nobody does.
    async fn meets(&self, tls: &Tls, shown: Option<Shown>) -> Result<Option<ClientCertificate>, &'static str> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.issued().certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let client = tokio::spawn(async move {
            let connected = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), theirs).await;
            if let Ok(mut stream) = connected {
                let _ = stream.write_all(b"x").await;
                let _ = stream.read(&mut [0; 1]).await;
            }
        });
        let met = match tls.acceptor().0.accept(ours).await {
            Ok(stream) => Ok(tls.presented(stream.get_ref().1)),
            Err(error) => Err(word(&error, "handshake")),
        };
        client.await.unwrap();
        met
    }
}

#[tokio::test]
async fn a_certificate_of_the_authority_is_taken_and_known_by_its_fingerprint() {
    let bed = Bed::new(1);
    for asked in [Asked::Accepted, Asked::Required] {
        let tls = bed.tls(asked);
        let shown = bed.issued(0, 1);
        let fingerprint = fingerprint(&shown.0[0]);
        assert_eq!(bed.meets(&tls, Some(shown)).await, Ok(Some(ClientCertificate { fingerprint, asked })));
    }
}

#[tokio::test]
async fn without_one_nobody_comes_in_where_it_is_required_and_anyone_where_it_is_accepted() {
    let bed = Bed::new(2);
    assert_eq!(bed.meets(&bed.tls(Asked::Accepted), None).await, Ok(None));
    assert_eq!(bed.meets(&bed.tls(Asked::Required), None).await, Err("certificate_missing"));
}

#[tokio::test]
async fn what_is_no_certificate_for_a_client_of_now_is_refused_with_its_own_word() {
    let (bed, other) = (Bed::new(3), Bed::new(4));
    for asked in [Asked::Accepted, Asked::Required] {
        let tls = bed.tls(asked);
        // Of another authority, though it is of the same make.
        assert_eq!(bed.meets(&tls, Some(other.issued(0, 1))).await, Err("certificate_issuer"));
        assert_eq!(bed.meets(&tls, Some(bed.issued(30, 29))).await, Err("certificate_expired"));
        assert_eq!(bed.meets(&tls, Some(bed.issued(-30, 60))).await, Err("certificate_not_yet_valid"));
        // The server's own certificate is for servers.
        let server = (vec![bed.server.certificate.clone()], bed.server.private_key());
        assert_eq!(bed.meets(&tls, Some(server)).await, Err("certificate_purpose"));
        // Signed by itself, for clients.
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let own = parameters.self_signed(&key).unwrap();
        let own = (vec![own.into()], PrivateKeyDer::try_from(key.serialize_der()).unwrap());
        assert_eq!(bed.meets(&tls, Some(own)).await, Err("certificate_issuer"));
    }
}

/// A certificate is public: without its key it is worth nothing.
#[tokio::test]
async fn a_certificate_with_another_key_is_refused() {
    let bed = Bed::new(5);
    let ((chain, _), (_, other_key)) = (bed.issued(0, 1), bed.issued(0, 1));
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&other_key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(bed.authority.issued().certificate.clone()).unwrap();
    let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(chain, signer)));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(resolver);
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let client = tokio::spawn(async move {
        let _ = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), theirs).await;
    });
    let refused = bed.tls(Asked::Required).acceptor().0.accept(ours).await.err().unwrap();
    assert_eq!(word(&refused, "handshake"), "certificate_invalid");
    client.await.unwrap();
}

#[tokio::test]
async fn other_authorities_are_taken_from_the_next_connection_on() {
    let (bed, other) = (Bed::new(6), Bed::new(7));
    let tls = bed.tls(Asked::Required);
    let clients = Clients { asked: Asked::Required, authorities: vec![other.authority.issued().certificate.clone()] };
    tls.replace_asking(vec![bed.server.certificate.clone()], bed.server.private_key(), Some(&clients)).unwrap();
    assert!(bed.meets(&tls, Some(other.issued(0, 1))).await.is_ok());
    assert_eq!(bed.meets(&tls, Some(bed.issued(0, 1))).await, Err("certificate_issuer"));
    // Another certificate of the server changes nothing of it.
    tls.replace(vec![bed.server.certificate.clone()], bed.server.private_key()).unwrap();
    assert_eq!(bed.meets(&tls, None).await, Err("certificate_missing"));
}

#[test]
fn without_an_authority_nothing_is_asked() {
    let bed = Bed::new(8);
    let asking = |authorities| {
        let clients = Clients { asked: Asked::Required, authorities };
        Tls::asking(vec![bed.server.certificate.clone()], bed.server.private_key(), &[], false, Some(&clients)).err()
    };
    assert!(matches!(asking(Vec::new()), Some(TlsError::NoAuthority)));
    assert!(matches!(asking(vec![vec![1, 2, 3].into()]), Some(TlsError::Authority)));
}
