//! Nodes and framing of courier files from arbitrary bytes: no panic, and whatever is read has one
//! form.

use log::manifest::{Bundle, LogPart, Publication, Root, chapter, read_chapter};
use log::{Cid, Codec, Kind, TilePath, car};

/// Checks one input as each kind of node, as a header and as a length.
pub fn run(data: &[u8]) {
    let again = [
        Root::decode(data).ok().map(|node| node.encode()),
        LogPart::decode(data).ok().map(|node| node.encode()),
        read_chapter(data).ok().map(|node| chapter(&node)),
        Bundle::decode(data).ok().map(|node| node.encode()),
        Publication::decode(data).ok().map(|node| node.encode()),
    ];
    for node in again.into_iter().flatten() {
        assert_eq!(node, data);
    }
    if let Some((value, taken)) = car::read_varint(data) {
        assert_eq!(car::varint(value), data[..taken]);
        if let Some(root) = car::parse_header(&data[taken..]) {
            assert_eq!(car::header(&root)[1..], data[taken..]);
        }
    }
}

/// A node of each kind, and a header.
pub fn seeds() -> Vec<Vec<u8>> {
    let cid = Cid::of(Codec::Raw, b"a block");
    let path = |kind| TilePath::at(kind, 0, 3).expect("a tile of it");
    let part = LogPart {
        accord: "steppe".into(),
        channel: "alerts".into(),
        origin: "KZ".into(),
        digest: [7; 32],
        size: 3,
        first: 0,
        until: 3,
        checkpoint: cid,
        tiles: vec![(path(Kind::Hashes(0)), cid)],
        chapters: vec![cid],
    };
    let root = Root {
        from: "KZ".into(),
        to: vec!["KG".into()],
        part: 1,
        logs: vec![cid],
        receipts: vec![cid],
    };
    let bundle = Bundle {
        entries: cid,
        bodies: vec![Some(cid), None],
    };
    let publication = Publication {
        from: "kz.example".into(),
        objects: vec![cid],
    };
    vec![
        part.encode(),
        root.encode(),
        chapter(&[(path(Kind::Entries), cid)]),
        bundle.encode(),
        publication.encode(),
        car::header(&cid),
    ]
}
