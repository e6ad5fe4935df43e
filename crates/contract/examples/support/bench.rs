//! What the measuring examples share.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use polder_contract::approval::{approval_file, approval_text};
use polder_contract::{Approved, ApproverPublic, Contract};

/// Approves a contract with a key of the example.
pub fn approved(contract: Contract) -> Arc<Approved> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("key");
    let mut tagged = vec![1];
    tagged.extend_from_slice(pair.public_key().as_ref());
    let mut id = b"bench\n".to_vec();
    id.extend_from_slice(&tagged);
    let vkey = format!("bench+{}+{}", hex::encode(&polder_crypto::sha256(&id)[..4]), STANDARD.encode(&tagged));
    let signature = pair.sign(approval_text(&contract).as_bytes());
    let file = approval_file(&contract, &vkey, signature.as_ref().try_into().expect("64 bytes")).expect("approval");
    Arc::new(Approved::verify(contract, Some(&file), &[ApproverPublic::parse(&vkey).expect("key")]).expect("approved"))
}

/// CPU seconds of the process, of all threads.
pub fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("schedstat");
    let nanos: f64 = text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds");
    nanos / 1e9
}

/// Largest resident memory so far, in MiB.
pub fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") / 1024
}
