//! A typed recovery share: refused or read, and what is read says the same when it is written again.
#![no_main]
use polder_keys::recovery::Share;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(share) = Share::parse(1, bytes) {
        assert!(Share::parse(1, share.to_text().as_bytes()).is_ok());
    }
});
