//! TLS to servers of databases: who may have signed the server's certificate, and what is wrong where it is refused. Host name, dates and
//! chain are verified, always; nothing here can say otherwise.

use std::error::Error as Cause;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use polder_types::ErrorKind;
use polder_types::limit::PROJECT_FILE_MAX_BYTES;
use polder_types::printable::printable;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::database::Access;
use crate::error::Error;

const STEP: &str = "find the authorities for the server";

/// The authorities that may have signed a server's certificate: those of the source's `ca`, else those of the system.
///
/// # Errors
/// When `ca` cannot be read or holds none, or the system has none.
pub(crate) fn roots(access: &Access) -> Result<Vec<CertificateDer<'static>>, Error> {
    let Some(path) = &access.ca else {
        // Some files of a system may be odd; what can be read of them is what this system trusts.
        let found = rustls_native_certs::load_native_certs().certs;
        return match found.is_empty() {
            true => Err(access.fails(
                STEP,
                "this system has none",
                "install its package of authorities (ca-certificates), or name a PEM file as `ca` in the source",
                ErrorKind::Invalid,
            )),
            false => Ok(found),
        };
    };
    let shown = path.display();
    let mut pem = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PROJECT_FILE_MAX_BYTES + 1).read_to_end(&mut pem));
    let wrong = |problem: String, advice: &'static str| access.fails(STEP, problem, advice, ErrorKind::Invalid);
    if let Err(error) = read {
        return Err(wrong(format!("`ca` {shown} cannot be read ({})", error.kind()), "check that the file exists and may be read"));
    }
    if u64::try_from(pem.len()).unwrap_or(u64::MAX) > PROJECT_FILE_MAX_BYTES {
        return Err(wrong(format!("`ca` {shown} is larger than {PROJECT_FILE_MAX_BYTES} bytes"), "name a file of fewer certificates"));
    }
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(format!("`ca` {shown} is no file of certificates"), "name a PEM file with the authority's certificate")),
    }
}

/// What a client of the source's server verifies, and speaks: TLS 1.2 and 1.3.
///
/// # Errors
/// When there are no authorities to verify by.
pub(crate) fn client_config(access: &Access) -> Result<Arc<ClientConfig>, Error> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(roots(access)?);
    if added == 0 {
        let advice = "name a PEM file with the authority's certificate as `ca` in the source";
        return Err(access.fails(STEP, "none of them can be read", advice, ErrorKind::Invalid));
    }
    // The provider is named, since two may be linked and none of them be the process's own.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|_| Error::Internal { step: "choose the versions of TLS" })?;
    Ok(Arc::new(builder.with_root_certificates(store).with_no_client_auth()))
}

/// The refusal of a server for its certificate or its TLS; none where an error is, and comes, of something else.
pub(crate) fn refusal(access: &Access, host: &str, error: &(dyn Cause + 'static)) -> Option<Error> {
    let found = find(error)?;
    let host = printable(host);
    let signed = match access.ca {
        Some(_) => "by none of the authorities in `ca`",
        None => "by no authority that this system knows",
    };
    let advice_signed = match access.ca {
        Some(_) => "name the file of the authority that did as `ca` in the source",
        None => "name a PEM file of the authority that did as `ca` in the source",
    };
    let told = |problem: String, advice: &'static str| Some(access.fails("verify the server", problem, advice, ErrorKind::Denied));
    match found {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                told(format!("the certificate of {host} has expired"), "renew it on the server")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => told(
                format!("the certificate of {host} is not valid yet"),
                "check the clocks of both machines, or wait until the certificate is",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => told(
                format!("its certificate is not for {host}"),
                "write the name that the certificate holds into the URL, or issue one with this name (subjectAltName)",
            ),
            CertificateError::UnknownIssuer => told(format!("the certificate of {host} is signed {signed}"), advice_signed),
            CertificateError::Revoked => told(format!("the certificate of {host} was revoked"), "issue another one on the server"),
            CertificateError::BadSignature => told(
                format!("the certificate of {host} is not signed by the authority that it names"),
                "name the newest certificate of that authority as `ca`; where it is, find out who answers there",
            ),
            _ => told(
                format!("the certificate of {host} is not one that is accepted"),
                "issue one of version 3 for the server itself, with its name in subjectAltName, signed by the authority in `ca`",
            ),
        },
        rustls::Error::NoCertificatesPresented => told(format!("{host} shows no certificate"), "give the server one"),
        rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_) => told(
            format!("{host} does not agree on a way of TLS that is accepted"),
            "let the server speak TLS 1.3 or 1.2 with the usual ciphers; where it demands a client's certificate, none is sent",
        ),
        _ => told(format!("what {host} sends is not TLS as it should be"), "check the host and the port, and what lies between"),
    }
}

/// The error of TLS that lies under another.
fn find<'a>(error: &'a (dyn Cause + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An error of input and output hides what it was made of from `source`.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests;
