//! What a password's proof is tied to, so that it is worth nothing on another connection: `tls-server-end-point` of RFC 5929, the hash of
//! the server's certificate by the function of its own signature.

use aws_lc_rs::digest;

/// Object identifiers of signatures, as they are encoded, and their hash. MD5 and SHA-1 give way to SHA-256, as the RFC has it.
const SIGNATURES: [(&[u8], &digest::Algorithm); 10] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12], &digest::SHA384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13], &digest::SHA512),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1], &digest::SHA224),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], &digest::SHA384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], &digest::SHA512),
];
const SEQUENCE: u8 = 0x30;
const IDENTIFIER: u8 = 0x06;

/// The hash; none where the signature has no single function (Ed25519, RSA-PSS), for which the RFC defines none.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (whole, _) = value(certificate, SEQUENCE)?;
    let (_, behind) = value(whole, SEQUENCE)?;
    let (signature, _) = value(behind, SEQUENCE)?;
    let (identifier, _) = value(signature, IDENTIFIER)?;
    let (_, algorithm) = SIGNATURES.iter().find(|(known, _)| *known == identifier)?;
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

/// A value of DER with this tag, and what stands behind it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        // How many bytes the length has.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (length.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if *found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (signature, expected) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(&digest::SHA256)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(&digest::SHA384)),
            (&rcgen::PKCS_RSA_SHA256, Some(&digest::SHA256)),
            (&rcgen::PKCS_RSA_SHA512, Some(&digest::SHA512)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(signature).unwrap();
            let certificate = CertificateParams::new(vec!["h".to_owned()]).unwrap().self_signed(&key).unwrap();
            let der: &[u8] = certificate.der();
            let hash = expected.map(|algorithm| digest::digest(algorithm, der).as_ref().to_vec());
            assert_eq!(end_point(der), hash, "{signature:?}");
            // Cut anywhere before the signature itself it is no certificate.
            for length in 0..der.len() / 2 {
                assert_eq!(end_point(&der[..length]), None);
            }
        }
    }
}
