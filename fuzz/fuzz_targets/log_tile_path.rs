#![no_main]

#[path = "../bodies/log_tile_path.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
