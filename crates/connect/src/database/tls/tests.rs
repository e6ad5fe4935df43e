use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_types::ErrorKind;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConnection, ServerConfig, ServerConnection};

use super::*;
use crate::connection::SourceType;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

/// A server's certificate for `localhost`, valid in these years.
fn server(issuer: Option<&Authority>, years: std::ops::Range<i32>) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    let certificate = match issuer {
        Some(authority) => params.signed_by(&key, &authority.issuer),
        None => params.self_signed(&key),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    builder.with_no_client_auth().with_single_cert(vec![certificate.unwrap().der().clone()], key).unwrap()
}

fn access_with(ca: PathBuf) -> Access {
    Access {
        source: "adt".to_owned(),
        source_type: SourceType::Postgres,
        url: None,
        password: None,
        path: PathBuf::new(),
        ca: Some(ca),
        plain_loopback: false,
        timeout: crate::connection::database::TIMEOUT,
        driver: None::<(_, _, BTreeMap<_, _>)>,
    }
}

fn written(dir: &Path, text: impl AsRef<[u8]>) -> Access {
    let path = dir.join("ca.pem");
    std::fs::write(&path, text).unwrap();
    access_with(path)
}

/// Lets both sides talk in memory until they agree or one of them refuses.
fn shake(access: &Access, server: ServerConfig, host: &str) -> Result<(), Error> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(client_config(access)?, name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        // As it comes out of an asynchronous stream, and of a client of a database that wraps it once more.
        client.process_new_packets().map_err(|error| {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            refusal(access, host, &std::io::Error::other(error)).unwrap()
        })?;
    }
    Ok(())
}

#[test]
fn a_server_is_verified_by_name_dates_and_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, others, same) = (authority("ours"), authority("others"), authority("ours"));
    let access = written(dir.path(), &ours.pem);
    shake(&access, server(Some(&ours), 2020..2999), "localhost").unwrap();
    let refused = [
        (server(Some(&ours), 2020..2999), "db.example.org", "its certificate is not for db.example.org"),
        (server(Some(&ours), 2019..2020), "localhost", "the certificate of localhost has expired"),
        (server(Some(&ours), 2998..2999), "localhost", "the certificate of localhost is not valid yet"),
        (server(Some(&others), 2020..2999), "localhost", "the certificate of localhost is signed by none of the authorities in `ca`"),
        (server(Some(&same), 2020..2999), "localhost", "the certificate of localhost is not signed by the authority that it names"),
        (server(None, 2020..2999), "localhost", "the certificate of localhost is signed by none of the authorities in `ca`"),
    ];
    for (server, host, told) in refused {
        let error = shake(&access, server, host).unwrap_err();
        assert!(error.to_string().starts_with(&format!("verify the server of source adt: {told}; ")), "{error}");
        assert_eq!(error.kind(), ErrorKind::Denied);
    }
    // Without `ca` the system's authorities count, who do not know ours.
    let system = Access { ca: None, ..access };
    match shake(&system, server(Some(&ours), 2020..2999), "localhost").unwrap_err().to_string() {
        told if told.contains("this system has none") => {}
        told => assert!(told.contains("signed by no authority that this system knows; name a PEM file"), "{told}"),
    }
}

#[test]
fn what_is_no_tls_is_told() {
    let error = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
    let told = refusal(&access_with(PathBuf::new()), "h\u{7}", &error).unwrap().to_string();
    assert_eq!(
        told,
        "verify the server of source adt: what h\\u{7} sends is not TLS as it should be; check the host and the port, and what lies between"
    );
    assert!(refusal(&access_with(PathBuf::new()), "h", &std::io::Error::other("x")).is_none());
    assert!(refusal(&access_with(PathBuf::new()), "h", &std::io::Error::from(std::io::ErrorKind::ConnectionReset)).is_none());
}

#[test]
fn authorities_are_read_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (authority("one"), authority("other"));
    assert_eq!(roots(&written(dir.path(), format!("{}{}", one.pem, other.pem))).unwrap().len(), 2);
    let large = vec![b'x'; usize::try_from(PROJECT_FILE_MAX_BYTES).unwrap() + 1];
    let damaged = one.pem.replacen("MII", "!!!", 1);
    for (text, told) in [
        (b"".as_slice(), "is no file of certificates"),
        (b"words", "is no file of certificates"),
        (damaged.as_bytes(), "is no file of certificates"),
        (&large, "is larger than"),
    ] {
        let error = roots(&written(dir.path(), text)).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    // What has the form of a certificate and is none.
    let words = "-----BEGIN CERTIFICATE-----\nd29yZHM=\n-----END CERTIFICATE-----\n";
    assert!(client_config(&written(dir.path(), words)).unwrap_err().to_string().contains("none of them can be read"));
    let error = roots(&access_with(dir.path().join("missing"))).unwrap_err();
    assert!(error.to_string().ends_with("cannot be read (entity not found); check that the file exists and may be read"), "{error}");
}
