//! Files that were damaged, cut, shuffled or made to deceive: what is shown is a beginning of the
//! honest log, always.

use std::io::Cursor;
use std::sync::Arc;

use log::manifest::{LogPart, Root};
use log::{Cid, Codec, car};
use proptest::prelude::*;
use sync::courier::{self, Outcome, Shelf};

use super::common::{Handmade, Origin, Receiver, clock, indicator};
use super::{exported, import, sync};

/// The blocks of a file, in order, after its header.
fn blocks(file: &[u8]) -> Vec<(Cid, Vec<u8>)> {
    let (length, taken) = car::read_varint(file).expect("a header");
    let mut rest = &file[taken + length as usize..];
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let (length, taken) = car::read_varint(rest).expect("a length");
        let (block, after) = rest[taken..].split_at(length as usize);
        let (cid, data) = block.split_at(Cid::BYTES);
        blocks.push((Cid::from_bytes(cid).expect("a name"), data.to_vec()));
        rest = after;
    }
    blocks
}

fn file(blocks: &[(Cid, Vec<u8>)]) -> Vec<u8> {
    let root = blocks.iter().find(|(_, block)| Root::decode(block).is_ok());
    let mut file = car::header(&root.map_or_else(|| Cid::raw([0; 32]), |(cid, _)| *cid));
    for (cid, block) in blocks {
        file.extend_from_slice(&car::frame(cid, block.len()));
        file.extend_from_slice(block);
    }
    file
}

/// Imports bytes that need not be a courier file, and checks that what is held is honest.
fn survives(bytes: Vec<u8>, honest: &Handmade) -> u64 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let receiver = Receiver::new();
        let mut shelf = Shelf::default();
        if shelf.add(Box::new(Cursor::new(bytes))).is_err() {
            return 0;
        }
        let shelf = Arc::new(shelf.finish());
        courier::import(&shelf, &receiver.store, &receiver.view, &clock()).await;
        let state = receiver.assert_prefix_of(honest);
        assert_eq!(
            state.shown.len() as u64,
            state.size,
            "nothing was passed over"
        );
        state.size
    })
}

fn honest() -> (Vec<u8>, Handmade) {
    let origin = Origin::new();
    origin.release(0..600);
    (exported(&origin, 0), Handmade::of(600))
}

#[test]
fn blocks_in_any_order_and_with_strangers_among_them_are_as_good() {
    let (bytes, honest) = honest();
    let mut all = blocks(&bytes);
    all.reverse();
    let stranger = b"no business of ours".to_vec();
    all.push((Cid::of(Codec::DagCbor, &stranger), stranger));
    assert_eq!(survives(file(&all), &honest), 600);
}

#[test]
fn a_damaged_root_costs_nothing() {
    let (bytes, honest) = honest();
    let mut all = blocks(&bytes);
    all[0].1[10] ^= 1;
    assert_eq!(survives(file(&all), &honest), 600);
}

#[test]
fn a_cut_file_gives_every_bundle_before_the_cut() {
    let (bytes, honest) = honest();
    assert_eq!(survives(bytes[..bytes.len() - 1].to_vec(), &honest), 512);
    assert_eq!(survives(bytes[..bytes.len() / 2].to_vec(), &honest), 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_left_out_is_missing_and_not_withdrawn() {
    let (bytes, honest) = honest();
    let mut all = blocks(&bytes);
    let left_out = Cid::raw(indicator(300).hash().0);
    all.retain(|(cid, _)| *cid != left_out);
    let receiver = Receiver::new();
    let done = import(&receiver, &[file(&all)]).await;
    assert_eq!(done.to, 256);
    let Outcome::Missing { entries, size } = &done.outcome else {
        panic!("{done:?}")
    };
    assert_eq!((entries.clone(), *size), (256..=511, 600));
    receiver.assert_prefix_of(&honest);
    let done = import(&receiver, &[bytes]).await;
    assert!(matches!(done.outcome, Outcome::Whole), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_withdrawal_hides_nothing() {
    // The file's maker adds a bundle of entries that the log does not have.
    let (bytes, _) = honest();
    let forger = Origin::new();
    forger.release(0..600);
    forger.append(&[indicator(300)], log::Action::Withdraw);
    let mut all = blocks(&bytes);
    let left_out = Cid::raw(indicator(300).hash().0);
    all.retain(|(cid, _)| *cid != left_out);
    let theirs = blocks(&exported(&forger, 0));
    // Its chapters, beside the honest checkpoint.
    let part = |all: &[(Cid, Vec<u8>)]| {
        let found = all
            .iter()
            .find_map(|(_, block)| LogPart::decode(block).ok());
        found.expect("a log")
    };
    let mut forged = part(&all);
    forged.chapters.extend(part(&theirs).chapters);
    let forged = forged.encode();
    all.retain(|(_, block)| LogPart::decode(block).is_err());
    all.push((Cid::of(Codec::DagCbor, &forged), forged));
    all.extend(
        theirs
            .into_iter()
            .filter(|(_, block)| LogPart::decode(block).is_err() && Root::decode(block).is_err()),
    );
    all.retain(|(cid, _)| *cid != left_out);
    let receiver = Receiver::new();
    let done = import(&receiver, &[file(&all)]).await;
    assert_eq!(done.to, 256, "{done:?}");
    assert_eq!(receiver.state().shown.len(), 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_beside_a_good_one_spoils_nothing() {
    let (bytes, _) = honest();
    let mut all = blocks(&bytes);
    for (cid, block) in &mut all {
        if cid.codec == Codec::Raw
            && let Some(byte) = block.last_mut()
        {
            *byte ^= 1;
            *cid = Cid::of(Codec::Raw, block);
        }
    }
    let receiver = Receiver::new();
    let done = import(&receiver, &[file(&all), bytes]).await;
    assert!(matches!(done.outcome, Outcome::Whole), "{done:?}");
    assert_eq!(receiver.state().shown.len(), 600);
}

#[test]
fn lengths_that_promise_too_much_end_the_file() {
    let (bytes, honest) = honest();
    let mut endless = bytes[..bytes.len() / 2].to_vec();
    endless.extend(car::varint(1 << 62));
    endless.extend_from_slice(&[0; 100]);
    assert!(survives(endless, &honest) <= 600);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_the_bytes_a_beginning_of_the_log_is_held(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        repeated in prop::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let (mut bytes, honest) = honest();
        for (place, flip) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        if let Some((from, to)) = repeated {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.extend(part);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(bytes, &honest);
    }

    #[test]
    fn whatever_blocks_are_lost_or_shuffled_a_beginning_of_the_log_is_held(
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        seed in any::<u64>(),
    ) {
        let (bytes, honest) = honest();
        let mut all = blocks(&bytes);
        for lost in lost {
            all.remove(lost.index(all.len()));
        }
        all.sort_by_key(|(cid, _)| {
            let [a, b, c, d, ..] = cid.hash.0;
            u64::from(u32::from_be_bytes([a, b, c, d])).wrapping_mul(seed | 1)
        });
        survives(file(&all), &honest);
    }
}
