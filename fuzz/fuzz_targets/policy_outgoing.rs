#![no_main]

#[path = "../bodies/policy_outgoing.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
