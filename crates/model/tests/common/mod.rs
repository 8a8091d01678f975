//! Real STIX for tests: found, unpacked, or skipped with a line that says so.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::path::PathBuf;

/// Both ATT&CK for ICS releases, or nothing when the data folder is absent. With
/// `KURULTAI_REQUIRE_ALL=1` absence is a failure.
pub(crate) fn attack_ics() -> Vec<Vec<u8>> {
    releases(&["ics-attack-15.1", "ics-attack-18.1"])
}

/// These and ATT&CK for Mobile.
pub(crate) fn attack() -> Vec<Vec<u8>> {
    releases(&["ics-attack-15.1", "ics-attack-18.1", "mobile-attack-17.1"])
}

fn releases(names: &[&str]) -> Vec<Vec<u8>> {
    let folder = std::env::var_os("KURULTAI_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let mut releases = Vec::new();
    for name in names {
        let path = folder.join(format!("stix/{name}.json.zst"));
        match std::fs::read(&path) {
            Ok(packed) => {
                releases.push(zstd::decode_all(packed.as_slice()).expect("the release is zstd"));
            }
            Err(error)
                if std::env::var_os("KURULTAI_REQUIRE_ALL").is_some_and(|all| all == "1") =>
            {
                panic!("{}: {error}", path.display())
            }
            Err(error) => {
                eprintln!("skipped: no real data at {} ({error})", path.display());
                return Vec::new();
            }
        }
    }
    releases
}
