//! Whatever the file: a configuration or problems with a place, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::config(data));
