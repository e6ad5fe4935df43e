//! What the gate asks for besides rows: an approved contract, and temporary space.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use polder_contract::approval::{approval_file, approval_text};
use polder_contract::{Approved, ApproverPublic, Contract, SpillFiles, SpillSink};

/// The contract, approved with a key of the tests.
pub(crate) fn approved(contract: Contract) -> Arc<Approved> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let mut tagged = vec![1];
    tagged.extend_from_slice(pair.public_key().as_ref());
    let id = digest(&SHA256, &[b"test\n".as_slice(), &tagged].concat());
    let vkey = format!("test+{}+{}", hex::encode(&id.as_ref()[..4]), STANDARD.encode(&tagged));
    let signature = pair.sign(approval_text(&contract).as_bytes());
    let file = approval_file(&contract, &vkey, signature.as_ref().try_into().unwrap()).unwrap();
    Arc::new(Approved::verify(contract, Some(&file), &[ApproverPublic::parse(&vkey).unwrap()]).unwrap())
}

/// Few rows need no temporary space.
pub(crate) struct NoSpill;

impl SpillFiles for NoSpill {
    fn create(&self) -> std::io::Result<Box<dyn SpillSink>> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
}
