//! Certificates of a server: one that is to be trusted, and each kind that is not.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};

use super::home::Home;

/// What a server answers to whoever asks for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// A certificate of the authority for `localhost` and 127.0.0.1. The server takes no connection without TLS.
    Trusted,
    /// The authority's, for another host.
    OtherHost,
    /// The authority's, past its time.
    Expired,
    /// One that the authority did not sign.
    SelfSigned,
    /// That it has none. Whoever goes on without TLS gets in.
    Off,
}

/// An authority of its own for each server, and what that server presents. P-256 throughout.
pub struct Certificates {
    ca: PathBuf,
    pair: Option<Pair>,
}

/// A certificate and its private key as PEM files.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in the server's directory.
    pub fn new(home: &Home, tls: Tls) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
        let key = new_key();
        let ca = home.write("ca.pem", &params.self_signed(&key).unwrap().pem());
        Self { ca, pair: Pair::new(home, tls, &Issuer::new(params, key)) }
    }

    /// The authority's certificate, for a client.
    pub fn ca_file(&self) -> &Path {
        &self.ca
    }

    /// What the server presents, if anything.
    pub fn pair(&self) -> Option<&Pair> {
        self.pair.as_ref()
    }
}

impl Pair {
    fn new(home: &Home, tls: Tls, authority: &Issuer<'_, KeyPair>) -> Option<Self> {
        let hosts: &[&str] = if tls == Tls::OtherHost { &["other.example"] } else { &["localhost", "127.0.0.1"] };
        let mut params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Server of a test");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let last = if tls == Tls::Expired { 2021 } else { 2120 };
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(last, 1, 1));
        let key = new_key();
        let certificate = match tls {
            Tls::Off => return None,
            Tls::SelfSigned => params.self_signed(&key),
            Tls::Trusted | Tls::OtherHost | Tls::Expired => {
                params.use_authority_key_identifier_extension = true;
                params.signed_by(&key, authority)
            }
        };
        let certificate = home.write("server.pem", &certificate.unwrap().pem());
        Some(Self { certificate, key: home.write("server.key", &key.serialize_pem()) })
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}
