//! Whatever the cookie's value: only what was sealed for this purpose opens.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::open(data));
