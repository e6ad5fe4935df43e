//! No bytes open under a key that sealed none, and no bytes break the reader; the commitment is mended to get past it.
#![no_main]
use polder_crypto::{HEADER_LEN, Header, Label, commitment, open};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(mut header) = Header::parse(bytes) else { return };
    header.commitment = commitment(&[7; 32], &header, Label::Object, "a");
    let mended = [&header.encode()[..], &bytes[HEADER_LEN..]].concat();
    assert!(open(&[7; 32], Label::Object, "a", bytes).is_err() && open(&[7; 32], Label::Object, "a", &mended).is_err());
});
