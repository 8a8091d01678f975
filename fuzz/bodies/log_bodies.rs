//! Body bundles from arbitrary bytes: no panic, bounded work, and the rewriting functions agree
//! with the reading one.

use log::bodies::{self, BodiesError};
use log::limits::BODY_BYTES_MAX;

/// Checks one input.
pub fn run(data: &[u8]) {
    let Some((expected, bundle)) = data.split_first() else {
        return;
    };
    let expected = usize::from(*expected);
    let mut lengths = Vec::new();
    let outcome = bodies::for_each(bundle, expected, |index, body| {
        assert_eq!(index, lengths.len());
        assert!(body.len() <= BODY_BYTES_MAX);
        lengths.push(body.len());
        Ok::<_, BodiesError>(())
    });
    if outcome.is_ok() {
        let taken = bodies::take(bundle, expected / 2, expected).expect("a good bundle");
        let blanked = bodies::blank(bundle, &|index| index < expected / 2).expect("a good bundle");
        for rewritten in [taken, blanked] {
            bodies::for_each(&rewritten, expected, |index, body| {
                let kept = if index < expected / 2 {
                    0
                } else {
                    lengths[index]
                };
                assert_eq!(body.len(), kept);
                Ok::<_, BodiesError>(())
            })
            .expect("a good bundle");
        }
    }
}

/// Bundles under the number of their bodies: none, three with a withdrawn one, a large one.
pub fn seeds() -> Vec<Vec<u8>> {
    let large = vec![b'x'; 5000];
    let with = |bodies: &[&[u8]]| [vec![bodies.len() as u8], bodies::encode(bodies)].concat();
    vec![
        with(&[]),
        with(&[b"{\"a\":1}", b"", b"{}"]),
        with(&[&large, &large]),
    ]
}
