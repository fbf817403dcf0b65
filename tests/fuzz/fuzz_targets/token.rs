//! Whatever the token: no identity without a valid signature and every required claim.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::token(data));
