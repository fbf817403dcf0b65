//! Whatever a client sends: the upstream sees the gate's identity headers and nobody else's.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::headers(data));
