//! Whatever the Cookie lines: the scan finds our names byte-exactly and never panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::cookies(data));
