use aws_lc_rs::digest;
use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

use super::*;

fn signed(by: &'static SignatureAlgorithm) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate_for(by).unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.into(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

#[test]
fn a_channel_is_bound_by_the_hash_of_the_certificates_own_signature() {
    for (by, hash) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, &digest::SHA256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, &digest::SHA384),
        (&rcgen::PKCS_ECDSA_P521_SHA512, &digest::SHA512),
        (&rcgen::PKCS_RSA_SHA384, &digest::SHA384),
    ] {
        let (certificate, key) = signed(by);
        let expected = digest::digest(hash, &certificate).as_ref().to_vec();
        let tls = Tls::new(vec![certificate], key, &[], false).unwrap();
        assert_eq!(tls.acceptor().1, expected, "{by:?}");
    }
    // Its signature has no hash function, so that nothing is defined to bind to.
    let (certificate, key) = signed(&rcgen::PKCS_ED25519);
    assert_eq!(Tls::new(vec![certificate], key, &[], false).unwrap().acceptor().1, Vec::<u8>::new());
}

#[test]
fn what_cannot_be_served_is_told() {
    let (certificate, key) = signed(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (other, other_key) = signed(&rcgen::PKCS_ECDSA_P256_SHA256);
    assert!(matches!(Tls::new(Vec::new(), key.clone_key(), &[], false), Err(TlsError::Empty)));
    assert!(matches!(Tls::new(vec![vec![1, 2, 3].into()], key.clone_key(), &[], false), Err(TlsError::Unreadable)));
    assert!(matches!(Tls::new(vec![certificate.clone()], other_key.clone_key(), &[], false), Err(TlsError::Unfit(_))));
    // What was served stays when another cannot be.
    let tls = Tls::new(vec![certificate.clone()], key, &[], false).unwrap();
    let before = tls.acceptor().1;
    assert!(tls.replace(vec![certificate], other_key.clone_key()).is_err());
    assert_eq!(tls.acceptor().1, before);
    tls.replace(vec![other], other_key).unwrap();
    assert_ne!(tls.acceptor().1, before);
}
