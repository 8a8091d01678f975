#![no_main]

#[path = "../bodies/policy_admit.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
