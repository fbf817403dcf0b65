//! Whatever the request target: one canonical path or a refusal, and canonical twice is canonical once.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::path(data));
