#![no_main]

#[path = "../bodies/log_checkpoint.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
