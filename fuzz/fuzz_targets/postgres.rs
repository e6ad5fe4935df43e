//! A client's first packet, and its messages up to the SQL and SCRAM in them: read or refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| polder_serve::read_any_postgres(bytes));
