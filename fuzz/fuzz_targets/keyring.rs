//! A keyring file and a keyring's plaintext: refused or read, and what is read has one encoding.
#![no_main]
use polder_keys::format::{Document, Envelope};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Envelope::parse(1, bytes);
    if let Ok(document) = Document::parse(bytes) {
        assert_eq!(document.encode().as_slice(), bytes);
    }
});
