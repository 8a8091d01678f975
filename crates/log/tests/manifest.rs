//! Courier files' framing and nodes: one content has one form, and no other bytes are read.

use kurultai_log as log;
use log::manifest::{self, Bundle, LogPart, Publication, Root};
use log::{Cid, Codec, Kind, TilePath, car};
use proptest::prelude::*;

fn cid(byte: u8) -> Cid {
    Cid::of(Codec::Raw, &[byte])
}

fn root() -> Root {
    Root {
        from: "KG".into(),
        to: vec!["KZ".into(), "UZ".into()],
        part: 2,
        logs: vec![cid(1)],
        receipts: vec![cid(2), cid(3)],
    }
}

fn part() -> LogPart {
    let tile = TilePath::at(Kind::Hashes(0), 1, 300).expect("a tile of it");
    LogPart {
        accord: "steppe".into(),
        channel: "alerts".into(),
        origin: "KG".into(),
        digest: [7; 32],
        size: 300,
        first: 256,
        until: 300,
        checkpoint: cid(4),
        tiles: vec![(tile, cid(5))],
        chapters: vec![cid(6)],
    }
}

fn nodes() -> Vec<Vec<u8>> {
    let entries = TilePath::at(Kind::Entries, 1, 300).expect("a bundle of it");
    vec![
        root().encode(),
        part().encode(),
        manifest::chapter(&[(entries, cid(8))]),
        Bundle {
            entries: cid(9),
            bodies: vec![Some(cid(1)), None],
        }
        .encode(),
        Publication {
            from: "kz.example".into(),
            objects: vec![cid(1)],
        }
        .encode(),
    ]
}

/// Encodes again what can be read of `node`, by whichever reader reads it.
fn again(node: &[u8]) -> Vec<Vec<u8>> {
    [
        Root::decode(node).ok().map(|node| node.encode()),
        LogPart::decode(node).ok().map(|node| node.encode()),
        manifest::read_chapter(node)
            .ok()
            .map(|node| manifest::chapter(&node)),
        Bundle::decode(node).ok().map(|node| node.encode()),
        Publication::decode(node).ok().map(|node| node.encode()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn names_are_those_of_other_tools() {
    // `ipfs add --raw-leaves --cid-version 1` of "hello", and the dag-cbor of an empty map as
    // `ipfs dag put` names it.
    let hello = Cid::of(Codec::Raw, b"hello");
    assert_eq!(
        hello.to_string(),
        "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
    );
    let empty = Cid::of(Codec::DagCbor, &[0xa0]);
    assert_eq!(
        empty.to_string(),
        "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"
    );
    assert_eq!(Cid::from_bytes(&empty.to_bytes()), Some(empty));
}

#[test]
fn a_header_is_that_of_the_specification() {
    let header = car::header(&cid(1));
    // 0x3a: the header's length; a2: two fields; roots, one link; version 1.
    assert_eq!(header[..2], [0x3a, 0xa2]);
    assert_eq!(header.len(), 59);
    assert_eq!(car::parse_header(&header[1..]), Some(cid(1)));
    assert_eq!(car::parse_header(&header), None);
}

#[test]
fn every_node_is_read_back_by_its_reader_alone() {
    for node in nodes() {
        assert_eq!(again(&node), std::slice::from_ref(&node));
    }
    assert_eq!(Root::decode(&root().encode()), Ok(root()));
    assert_eq!(LogPart::decode(&part().encode()), Ok(part()));
}

#[test]
fn a_list_that_claims_more_than_it_may_is_refused_before_it_is_read() {
    // An array of 2^32 links where a bundle has its bodies.
    let mut node = vec![0xa2, 0x66];
    node.extend_from_slice(b"bodies");
    node.extend_from_slice(&[0x9b, 0, 0, 0, 1, 0, 0, 0, 0]);
    let error = Bundle::decode(&node).expect_err("it is too long");
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn lengths_have_one_form() {
    assert_eq!(car::read_varint(&[0x80, 0x01]), Some((128, 2)));
    assert_eq!(car::read_varint(&[0x81, 0x00]), None);
    assert_eq!(car::read_varint(&[0xff; 12]), None);
    assert_eq!(car::read_varint(&[]), None);
}

proptest! {
    #[test]
    fn numbers_come_back(value in 0_u64..1 << 63) {
        let bytes = car::varint(value);
        prop_assert_eq!(car::read_varint(&bytes), Some((value, bytes.len())));
    }

    #[test]
    fn whatever_is_read_is_written_the_same(
        which in 0_usize..5,
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut node = nodes().swap_remove(which);
        let place = place.index(node.len());
        node[place] = byte;
        node.truncate(cut.index(node.len()) + 1);
        for other in again(&node) {
            prop_assert_eq!(&other, &node);
        }
    }
}
