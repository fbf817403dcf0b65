//! Whatever a balancer's connection begins with: one header that says one thing, or none.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::proxy_protocol(data));
