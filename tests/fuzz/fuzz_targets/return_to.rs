//! Whatever the return address: a browser ends on an own origin or an allowed host.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::return_to(data));
