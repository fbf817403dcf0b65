//! Whatever the trace headers: what goes on can be read, and is bounded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::trace(data));
