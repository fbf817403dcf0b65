//! Whatever a client of HTTP/2 says: its head has one meaning or is refused, and its frames are told the same in any pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolegate::fuzz::http2(data));
