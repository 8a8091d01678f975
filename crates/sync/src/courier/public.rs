//! A file for everybody: objects as raw blocks under one root, which any IPFS tool can check and
//! pin. Whether an object may be in it is for the caller to say.

use log::manifest::Publication;
use log::{Cid, Codec, car};

/// The CAR of these objects' canonical bytes, and the name of its root. The same objects make the
/// same file, in whatever order they are given.
pub fn publication(domain: &str, objects: &[Vec<u8>]) -> (Vec<u8>, Cid) {
    let mut blocks: Vec<(Cid, &Vec<u8>)> = objects
        .iter()
        .map(|object| (Cid::of(Codec::Raw, object), object))
        .collect();
    blocks.sort_unstable_by_key(|(cid, _)| *cid);
    blocks.dedup_by_key(|(cid, _)| *cid);
    let node = Publication {
        from: domain.to_owned(),
        objects: blocks.iter().map(|(cid, _)| *cid).collect(),
    }
    .encode();
    let root = Cid::of(Codec::DagCbor, &node);
    let mut file = car::header(&root);
    file.extend_from_slice(&car::frame(&root, node.len()));
    file.extend_from_slice(&node);
    for (cid, object) in blocks {
        file.extend_from_slice(&car::frame(&cid, object.len()));
        file.extend_from_slice(object);
    }
    (file, root)
}
