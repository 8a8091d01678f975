//! The `next` of a page: a position and a MAC, and nothing that the server would have to remember.
//!
//! A cursor never expires, survives restarts and works on any node that shares the secret. It
//! carries no rights: what a caller may read is decided anew for every page. The MAC only makes
//! sure that a cursor is one that this server gave for this collection, so that a mistaken or
//! forged one is an error instead of silently skipping objects.

use store::Seq;

use crate::auth::secret;

/// Makes and opens cursors.
pub(super) struct Cursors {
    key: secret::Key,
}

/// LIMIT: bytes of the MAC; forging one takes 2^127 requests on average.
const MAC_BYTES: usize = 16;

impl Cursors {
    /// Cursors under this key.
    pub(super) fn new(key: secret::Key) -> Cursors {
        Cursors { key }
    }

    /// The cursor to what follows `seq` in a collection.
    pub(super) fn seal(&self, collection: &[u8; 16], seq: Seq) -> String {
        let mut bytes = seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.mac(collection, seq));
        secret::encode(&bytes)
    }

    /// The position in a cursor, if it was sealed here for this collection.
    pub(super) fn open(&self, collection: &[u8; 16], text: &str) -> Option<Seq> {
        let bytes = secret::decode(text)?;
        let (seq, mac) = bytes.split_first_chunk()?;
        let seq = Seq::from_be_bytes(*seq);
        secret::same(mac, &self.mac(collection, seq)).then_some(seq)
    }

    fn mac(&self, collection: &[u8; 16], seq: Seq) -> [u8; MAC_BYTES] {
        let mac = secret::mac(
            &self.key,
            &[b"taxii cursor", collection, &seq.to_be_bytes()],
        );
        std::array::from_fn(|at| mac[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_cursor_opens() {
        let cursors = Cursors::new([9; 32]);
        let text = cursors.seal(&[1; 16], 1_700_000_000_000_000);
        assert_eq!(cursors.open(&[1; 16], &text), Some(1_700_000_000_000_000));
        assert_eq!(cursors.open(&[2; 16], &text), None);
        assert_eq!(Cursors::new([8; 32]).open(&[1; 16], &text), None);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                cursors.open(&[1; 16], std::str::from_utf8(&bytes).unwrap()),
                None,
                "changed at {at}"
            );
            assert_eq!(cursors.open(&[1; 16], &text[..at]), None, "cut at {at}");
        }
    }
}
