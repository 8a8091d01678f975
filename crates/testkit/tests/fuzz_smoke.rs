//! Every fuzz target's body, run on stable for a bounded number of seeded inputs.
//!
//! The inputs are the target's own valid ones, damaged in a few places: real fuzzing needs a
//! nightly compiler and hours, this finds what breaks at once. A failure names the target, the
//! seed and the round; the input can be made again from these.

use std::panic::{AssertUnwindSafe, catch_unwind};

use testkit::Rng;

const SEED: u64 = 0xf022;
const ROUNDS: usize = 10_000;

#[path = "../../../fuzz/bodies/policy_accord.rs"]
mod policy_accord;
#[path = "../../../fuzz/bodies/policy_admit.rs"]
mod policy_admit;

/// Runs a target's body on its seeds as they are and on damaged copies of them.
fn smoke(name: &str, run: fn(&[u8]), seeds: Vec<Vec<u8>>) {
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for seed in &seeds {
        run(seed);
    }
    let mut rng = Rng::seeded(SEED);
    for round in 0..ROUNDS {
        let mut input = seeds[rng.below(seeds.len())].clone();
        let other = &seeds[rng.below(seeds.len())];
        for _ in 0..=rng.below(4) {
            testkit::damage(&mut input, other, &mut rng);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&input)));
        if let Err(panic) = outcome {
            eprintln!("{name}: seed {SEED:#x}, round {round}, {} bytes", input.len());
            std::panic::resume_unwind(panic);
        }
    }
}

macro_rules! smoke {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name), $name::run, $name::seeds());
        })+
    };
}

smoke!(policy_accord, policy_admit);
