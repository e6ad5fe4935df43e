//! What parses as a header has exactly the bytes that were parsed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = polder_crypto::Header::parse(bytes) {
        assert_eq!(Some(header.encode().as_slice()), bytes.get(..polder_crypto::HEADER_LEN));
    }
});
