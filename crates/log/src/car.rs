//! CAR version 1 ([specification](https://ipld.io/specs/transport/car/carv1/)): a header that names
//! one root, then blocks, each with its length and its name before it.
//!
//! Only the framing is here; what the blocks say is in [`crate::manifest`], and reading files is left
//! to `sync`.

use crate::cbor::{Fault, Reader, Writer};
use crate::cid::Cid;

/// LIMIT: bytes that come before the data of a block: the length and the name.
pub const FRAME_BYTES_MAX: usize = VARINT_BYTES_MAX + Cid::BYTES;

/// LIMIT: bytes of a length. Nine hold 63 bits; more are never needed.
pub const VARINT_BYTES_MAX: usize = 9;

/// LIMIT: bytes of a header, with its length before it. Ours has 59; other tools' roots may be named
/// by longer hashes, and are refused for that.
pub const HEADER_BYTES_MAX: usize = 128;

/// The header of a file whose root is `root`, with its length before it.
pub fn header(root: &Cid) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.map(2);
    writer.text("roots");
    writer.array(1);
    writer.link(root);
    writer.text("version");
    writer.unsigned(1);
    let header = writer.finish();
    let mut bytes = varint(header.len() as u64);
    bytes.extend_from_slice(&header);
    bytes
}

/// Reads a header, without the length before it. `None` if it is none that this program writes: a
/// CAR of version 1 with one root.
pub fn parse_header(header: &[u8]) -> Option<Cid> {
    let read = |header| {
        let mut reader = Reader::new(header);
        let two = reader.map()? == 2 && reader.text()? == "roots" && reader.array()? == 1;
        let root = reader.link()?;
        let one = reader.text()? == "version" && reader.unsigned()? == 1;
        reader.finish()?;
        Ok::<_, Fault>((two && one).then_some(root))
    };
    read(header).ok().flatten()
}

/// What stands before the data of the block `cid` of `bytes` bytes.
pub fn frame(cid: &Cid, bytes: usize) -> Vec<u8> {
    let mut frame = varint((Cid::BYTES + bytes) as u64);
    frame.extend_from_slice(&cid.to_bytes());
    frame
}

/// Bytes of a block of `bytes` bytes with its frame.
pub fn framed_bytes(bytes: usize) -> u64 {
    let length = (Cid::BYTES + bytes) as u64;
    varint(length).len() as u64 + length
}

/// An unsigned LEB128 number, as [multiformats](https://github.com/multiformats/unsigned-varint)
/// write lengths.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(VARINT_BYTES_MAX);
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Reads a number from the front of `bytes`: the number and how many bytes it took. `None` if they
/// end too early, it is too long, or not in its shortest form.
pub fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let shortest = place == 0 || *byte != 0;
            return shortest.then_some((value, place + 1));
        }
    }
    None
}
