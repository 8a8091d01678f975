//! Entry and body bundles: round trips, and bounds against bundles made to hurt.

use std::io::Write as _;

use kurultai_log::limits::BODY_BYTES_MAX;
use kurultai_log::{BodiesError, BundleError, bodies, entries};
use proptest::prelude::*;

fn refs(items: &[Vec<u8>]) -> Vec<&[u8]> {
    items.iter().map(Vec::as_slice).collect()
}

/// A zstd frame of these bytes, whatever they are.
fn frame(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 3).unwrap()
}

/// Visits a bundle and says how far it came.
fn visit(bundle: &[u8], expected: usize) -> (usize, Result<(), BodiesError>) {
    let mut visited = 0;
    let outcome = bodies::for_each(bundle, expected, |index, _| {
        assert_eq!(index, visited);
        visited += 1;
        Ok(())
    });
    (visited, outcome)
}

#[test]
fn entry_bundles_are_length_prefixed() {
    let bundle = entries::encode(&[b"ab", b"", b"c"]);
    assert_eq!(bundle, b"\x00\x02ab\x00\x00\x00\x01c");
    assert_eq!(
        entries::decode(&bundle, 3).unwrap(),
        [&b"ab"[..], b"", b"c"]
    );
    assert_eq!(
        entries::decode(&bundle, 2),
        Err(BundleError::Trailing { bytes: 3 })
    );
    assert_eq!(
        entries::decode(&bundle, 4),
        Err(BundleError::Cut { index: 3 })
    );
    assert_eq!(
        entries::decode(&bundle[..3], 3),
        Err(BundleError::Cut { index: 0 })
    );
    assert_eq!(entries::decode(b"", 0).unwrap(), Vec::<&[u8]>::new());
    let largest = vec![9; 65_535];
    let bundle = entries::encode(&[&largest]);
    assert_eq!(entries::decode(&bundle, 1).unwrap(), [&largest[..]]);
}

#[test]
fn withdrawn_and_skipped_bodies_keep_the_places_of_the_others() {
    let all: Vec<Vec<u8>> = (0..256)
        .map(|n| format!("{{\"n\":{n}}}").into_bytes())
        .collect();
    let bundle = bodies::encode(&refs(&all));
    assert_eq!(bodies::decode(&bundle, 256).unwrap(), all);

    let blanked = bodies::blank(&bundle, &|index| index % 3 == 0).unwrap();
    let got = bodies::decode(&blanked, 256).unwrap();
    for (index, body) in got.iter().enumerate() {
        assert_eq!(
            body,
            if index % 3 == 0 {
                &b""[..]
            } else {
                &all[index]
            }
        );
    }

    let taken = bodies::take(&bundle, 40, 100).unwrap();
    let got = bodies::decode(&taken, 100).unwrap();
    assert!(got[..40].iter().all(Vec::is_empty));
    assert_eq!(got[40..], all[40..100]);
    assert!(matches!(
        bodies::take(&bundle, 0, 257),
        Err(BodiesError::TooFew { bodies: 256, .. })
    ));
    assert_eq!(
        bodies::decode(&bodies::take(&bundle, 0, 0).unwrap(), 0).unwrap(),
        Vec::<Vec<u8>>::new()
    );
    assert_eq!(
        bodies::decode(&bodies::encode(&[]), 0).unwrap(),
        Vec::<Vec<u8>>::new()
    );
}

#[test]
fn the_number_of_bodies_must_be_the_one_expected() {
    let bundle = bodies::encode(&[b"one", b"two"]);
    assert!(matches!(
        visit(&bundle, 1),
        (1, Err(BodiesError::TooMany { expected: 1 }))
    ));
    assert!(matches!(
        visit(&bundle, 3),
        (
            2,
            Err(BodiesError::TooFew {
                bodies: 2,
                expected: 3
            })
        )
    ));
    assert!(matches!(visit(&bundle, 2), (2, Ok(()))));
}

#[test]
fn an_error_of_the_visitor_stops_the_reading() {
    #[derive(Debug)]
    enum Mine {
        Stop,
        Bundle(#[allow(dead_code, reason = "shown when the test fails")] BodiesError),
    }
    impl From<BodiesError> for Mine {
        fn from(error: BodiesError) -> Mine {
            Mine::Bundle(error)
        }
    }
    let bundle = bodies::encode(&[b"one", b"two", b"three"]);
    let mut visited = 0;
    let outcome = bodies::for_each(&bundle, 3, |_, _| {
        visited += 1;
        if visited == 2 {
            Err(Mine::Stop)
        } else {
            Ok(())
        }
    });
    assert!(matches!(outcome, Err(Mine::Stop)));
    assert_eq!(visited, 2);
}

#[test]
fn bundles_made_to_hurt_are_refused() {
    // A body may have a megabyte, and not a byte more.
    let largest = vec![b'x'; BODY_BYTES_MAX];
    assert_eq!(
        bodies::decode(&bodies::encode(&[&largest]), 1).unwrap(),
        [&largest[..]]
    );
    let mut plain = (BODY_BYTES_MAX as u32 + 1).to_be_bytes().to_vec();
    plain.extend(&largest);
    plain.push(b'x');
    assert!(matches!(
        visit(&frame(&plain), 1),
        (0, Err(BodiesError::TooLarge { index: 0, .. }))
    ));
    let plain = u32::MAX.to_be_bytes();
    assert!(matches!(
        visit(&frame(&plain), 1),
        (0, Err(BodiesError::TooLarge { .. }))
    ));

    // Promises more than it holds.
    let plain = [&1000u32.to_be_bytes()[..], b"short"].concat();
    assert!(matches!(
        visit(&frame(&plain), 1),
        (0, Err(BodiesError::Cut { index: 0 }))
    ));
    assert!(matches!(
        visit(&frame(&[0, 0]), 1),
        (0, Err(BodiesError::Cut { index: 0 }))
    ));

    // Half a gigabyte of zeros in a few kilobytes: as bodies they are empty ones without end.
    let mut bomb = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..512).for_each(|_| bomb.write_all(&zeros).unwrap());
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 64 << 10);
    assert!(matches!(
        visit(&bomb, 256),
        (256, Err(BodiesError::TooMany { .. }))
    ));
    assert!(matches!(
        bodies::blank(&bomb, &|_| false),
        Err(BodiesError::TooMany { .. })
    ));
    assert_eq!(
        bodies::decode(&bodies::take(&bomb, 0, 3).unwrap(), 3).unwrap(),
        vec![Vec::<u8>::new(); 3]
    );

    // A frame that demands a window of 128 MiB.
    let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(27).unwrap();
    wide.write_all(&[0; 4]).unwrap();
    let wide = wide.finish().unwrap();
    assert!(matches!(visit(&wide, 1), (0, Err(BodiesError::Zstd(_)))));

    // Not zstd, cut, with something behind it, two frames, a skippable frame first.
    let good = bodies::encode(&[b"one", b"two"]);
    assert!(matches!(
        visit(b"{\"plain\":1}", 1),
        (0, Err(BodiesError::Zstd(_)))
    ));
    for end in 0..good.len() {
        assert!(visit(&good[..end], 2).1.is_err(), "cut at {end}");
    }
    let trailing = [&good[..], b"x"].concat();
    assert!(matches!(
        visit(&trailing, 2),
        (2, Err(BodiesError::Trailing { bytes: 1 }))
    ));
    assert!(visit(&[good.clone(), good.clone()].concat(), 4).1.is_err());
    let skippable = [b"\x50\x2a\x4d\x18\x04\x00\x00\x00aaaa", &good[..]].concat();
    assert!(visit(&skippable, 2).1.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn bundles_round_trip(
        items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20),
        from in 0usize..21,
    ) {
        let width = items.len();
        let bundle = entries::encode(&refs(&items));
        prop_assert_eq!(entries::decode(&bundle, width as u16).unwrap(), refs(&items));
        let bundle = bodies::encode(&refs(&items));
        prop_assert_eq!(&bodies::decode(&bundle, width).unwrap(), &items);
        let mut expected = items;
        expected.iter_mut().take(from).for_each(Vec::clear);
        let taken = bodies::take(&bundle, from, width).unwrap();
        prop_assert_eq!(bodies::decode(&taken, width).unwrap(), expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), expected in 0usize..300, width in 0u16..300,
    ) {
        let _ = visit(&bytes, expected);
        let _ = visit(&frame(&bytes), expected);
        if let Ok(entries) = entries::decode(&bytes, width) {
            prop_assert_eq!(entries.len(), usize::from(width));
            if width <= 256 {
                prop_assert_eq!(entries::encode(&entries), bytes);
            }
        }
    }
}
