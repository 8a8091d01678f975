#![no_main]

#[path = "../bodies/log_witness.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
