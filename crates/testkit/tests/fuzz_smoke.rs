//! Every fuzz target's body, run on stable for a bounded number of seeded inputs.
//!
//! The inputs are the target's own valid ones, damaged in a few places: real fuzzing needs a
//! nightly compiler and hours, this finds what breaks at once. A failure names the target, the
//! seed and the round; the input can be made again from these.

use std::panic::{AssertUnwindSafe, catch_unwind};

use testkit::Rng;

const SEED: u64 = 0xf022;
const ROUNDS: usize = 10_000;

/// Declares the bodies as modules and a test for each.
macro_rules! smoke {
    ($($name:ident = $path:literal;)+) => {
        $(#[path = $path]
        #[allow(unreachable_pub, reason = "public for the fuzz target")]
        mod $name;)+

        $(#[test]
        fn $name() {
            smoke(stringify!($name), $name::run, $name::seeds());
        })+
    };
}

smoke! {
    log_bodies = "../../../fuzz/bodies/log_bodies.rs";
    log_checkpoint = "../../../fuzz/bodies/log_checkpoint.rs";
    log_entry = "../../../fuzz/bodies/log_entry.rs";
    log_export = "../../../fuzz/bodies/log_export.rs";
    log_manifest = "../../../fuzz/bodies/log_manifest.rs";
    log_tile_path = "../../../fuzz/bodies/log_tile_path.rs";
    log_witness = "../../../fuzz/bodies/log_witness.rs";
    model_bundle = "../../../fuzz/bodies/model_bundle.rs";
    model_canonical = "../../../fuzz/bodies/model_canonical.rs";
    model_label = "../../../fuzz/bodies/model_label.rs";
    model_nato = "../../../fuzz/bodies/model_nato.rs";
    model_validate = "../../../fuzz/bodies/model_validate.rs";
    policy_accord = "../../../fuzz/bodies/policy_accord.rs";
    policy_admit = "../../../fuzz/bodies/policy_admit.rs";
    policy_cases = "../../../fuzz/bodies/policy_cases.rs";
    policy_set = "../../../fuzz/bodies/policy_set.rs";
    policy_outgoing = "../../../fuzz/bodies/policy_outgoing.rs";
}

/// Runs a target's body on its seeds as they are and on damaged copies of them.
fn smoke(name: &str, run: fn(&[u8]), seeds: Vec<Vec<u8>>) {
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for seed in &seeds {
        run(seed);
    }
    let mut rng = Rng::seeded(SEED);
    for round in 0..ROUNDS {
        let mut input = rng.pick(&seeds).clone();
        let other = rng.pick(&seeds).clone();
        for _ in 0..=rng.below(4) {
            testkit::damage(&mut input, &other, &mut rng);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&input)));
        if let Err(panic) = outcome {
            eprintln!(
                "{name}: seed {SEED:#x}, round {round}, {} bytes",
                input.len()
            );
            std::panic::resume_unwind(panic);
        }
    }
}
